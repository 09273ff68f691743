# The firmware: one loop that does what is due and sleeps until the next thing is due or an octet comes.
import gc
import io
import sys
from time import ticks_add, ticks_diff, ticks_ms

import board

import machine
from console import say


class Firmware:
    def __init__(self):
        # Leaves the memory again.
        import start

        (
            self.clock, self.store, self.motor, self.radio, self.bearer, self.pump, self.server, self.client,
            self.air_server, self.air_client, self._waiting, self._poller,
        ) = start.parts()  # fmt: skip
        start.forget()
        # What was told of a controller that failed.
        self._told = ""

    def run(self):
        gc.collect()
        self.clock.start()
        if self.radio:
            self.radio.start()
        self.store.restart()
        watchdog = machine.WDT(timeout=board.WATCHDOG_MS)
        try:
            while True:
                watchdog.feed()
                self._step()
                self._sleep(watchdog, self._wait_ms())
        finally:
            # Whatever ends the loop, the motor must not go on pushing.
            self.motor.off()

    # Sleeps until something is due or an octet comes; the watchdog is fed at half its period at the latest.
    def _sleep(self, watchdog, wait_ms):
        until_ms = ticks_add(self.clock.ticks_ms, wait_ms)  # type: ignore[type-var, unused-ignore]
        while wait_ms > board.WATCHDOG_MS // 2:
            for _ in self._poller.ipoll(board.WATCHDOG_MS // 2):
                return
            watchdog.feed()
            wait_ms = ticks_diff(until_ms, ticks_ms())
        self._poller.ipoll(max(0, wait_ms))

    def _step(self):
        self.clock.read()
        self.pump.advance(self.clock.s)
        self.motor.run()
        # What a pulse brings about becomes durable after it: the intent alone is in its way.
        if not self.motor.busy():
            self.store.commit()
        # The cable tells of the radio, and so comes after it.
        if self.radio:
            self._run_radio()
        self.bearer.run()
        self.client.run()
        self.bearer.receive()
        self.server.run()
        if self.pump.control.trouble is not None:
            self._tell_trouble()
        if not self.motor.busy():
            self.store.tend()

    # What a controller raised goes to the board's output, unless that is the line, and not again while it is the same.
    def _tell_trouble(self):
        control = self.pump.control
        error = control.trouble
        control.trouble = None
        try:
            trace = io.StringIO()
            sys.print_exception(error, trace)
            lines = trace.getvalue().strip().split("\n")
            told = "pumprig: the controller failed: " + ", ".join(line.strip() for line in reversed(lines[-2:]))
            if told != self._told:
                say(told)
            self._told = told
        except KeyboardInterrupt:
            raise
        except BaseException:  # noqa: BLE001, S110
            # There may be no room to tell it, or it fails at that, too: the pump goes on without.
            pass

    def _run_radio(self):
        self.radio.run()
        self.air_client.run()
        self.radio.receive()
        self.air_server.run()
        if not self.motor.busy():
            self.radio.tend()

    # Milliseconds until something is due.
    def _wait_ms(self):
        self.clock.read()
        wait_ms = self.clock.ms_until_s(self.pump.due_s())
        for part in self._waiting:
            part_ms = part.wait_ms()
            if 0 <= part_ms < wait_ms:
                wait_ms = part_ms
        return wait_ms
