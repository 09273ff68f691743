# The firmware, wired: one loop that does what is due and sleeps until the next thing is due or an octet comes.
import gc
import io
import select
import sys
from time import ticks_add, ticks_diff, ticks_ms

import board

import machine
import settings
from bearer.serial import ATT_MTU_MAX, SerialBearer
from clock import Clock
from flash import Flash, device
from gatt.peripheral import Peripheral
from gatt.recorder import Recorder
from journal.history import History
from journal.ring import Ring
from journal.store import Store
from motor import Motor
from pump.core import Pump

# Names of the causes in `machine`, of which no board has all, and the words of the wire for them.
_RESET_CAUSES = (
    ("PWRON_RESET", 0x33), ("HARD_RESET", 0x3C), ("WDT_RESET", 0x55), ("DEEPSLEEP_RESET", 0x5A), ("SOFT_RESET", 0x66),
)  # fmt: skip
_CAUSE_UNDETERMINED = 0x0F


class Identity:
    firmware_hash = board.FIRMWARE_HASH
    motor_pulse_ms = board.MOTOR_PULSE_MS
    name = board.NAME

    def __init__(self):
        self.unique_id = machine.unique_id()
        self.reset_cause = _CAUSE_UNDETERMINED
        cause = machine.reset_cause()
        for name, word in _RESET_CAUSES:
            if getattr(machine, name, None) == cause:
                self.reset_cause = word


# Stands in for the sensor where the board has no ADC: an occlusion is felt by nobody.
class NoForce:
    def read_u16(self):
        return 0


# What a person at the console wants to know. Where frames travel on the console's line it is not for persons.
def say(text):
    if not board.USB_LINE:
        print(text)


class Firmware:
    def __init__(self):
        self.clock = Clock()
        pin = machine.Pin(board.MOTOR_PIN, machine.Pin.OUT)
        force = machine.ADC(machine.Pin(board.FORCE_ADC_PIN)) if board.FORCE_ADC_PIN >= 0 else NoForce()
        flash = Flash(device(board), board.FLASH_BLOCKS, board.FLASH_BLOCK_BYTES, board.FLASH_PROGRAM_BYTES)
        self.store = Store(Ring(flash, 0, board.FLASH_STATE_BLOCKS))
        history_ring = Ring(flash, board.FLASH_STATE_BLOCKS, board.FLASH_BLOCKS - board.FLASH_STATE_BLOCKS)
        self.motor = Motor(self.clock, pin, force, board.MOTOR_PULSE_MS, board.FORCE_LIMIT_U16, self.store)
        # Before the line is taken, as what cannot be had from this radio is said on it.
        self.radio = self._new_radio()
        if board.USB_LINE:
            from bearer.usb import UsbLine

            line = UsbLine()
            stream = line.stream
        else:
            line = stream = machine.UART(board.UART_ID, board.BAUD, rxbuf=board.UART_RX_BYTES)
        self.bearer = SerialBearer(line, board.BAUD, self.clock)
        history = History(history_ring, self.store)
        recorder = Recorder(history)
        self.pump = Pump(settings, recorder.emit, self.motor, self.store)
        self._recover(history)
        identity = Identity()
        security = self.radio.security if self.radio else None
        peripheral = Peripheral(
            self.clock, self.bearer, self.pump, history, recorder, settings, identity, ATT_MTU_MAX, security
        )
        self.server = peripheral.server
        self.client = peripheral.client
        self._waiting = (self.motor, self.bearer, self.server, self.client)
        self._poller = select.poll()
        self._poller.register(stream, select.POLLIN)
        # What was told of a controller that failed.
        self._told = ""
        if self.radio:
            self._add_radio(history, recorder, identity, security, peripheral)

    # What only a start needs leaves the memory again.
    def _recover(self, history):
        from journal.recovery import forget

        self.store.connect(self.pump, history)
        forget()

    # None on a board without one, or that does not use it: then nothing of it is loaded. A pump whose radio does not
    # start goes on without: its cable tells that it is off.
    def _new_radio(self):
        if not board.BLE:
            return None
        try:
            from bearer.ble import BleBearer

            return BleBearer(self.clock, board.NAME, board.BLE_STACK != "btstack", say)
        except (ImportError, OSError) as error:
            print("pumprig: the radio does not start:", error)
            return None

    # The pump has a second client: what it is to one it is to the other, but for connection and procedures.
    def _add_radio(self, history, recorder, identity, security, beside):
        from gatt.air import AirPeripheral

        peripheral = AirPeripheral(
            self.clock, self.radio, self.pump, history, recorder, settings, identity, ATT_MTU_MAX, security, beside
        )
        peripheral.server.others.append(self.server)
        self.server.others.append(peripheral.server)
        self.air_server = peripheral.server
        self.air_client = peripheral.client
        self._waiting += (self.radio, self.air_server, self.air_client)
        self._poller.register(self.radio.stream, select.POLLIN)

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
