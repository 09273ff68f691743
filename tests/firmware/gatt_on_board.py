"""Runs on MicroPython: proves that a measurement's way from octets to decision allocates nothing, and measures it.

Prints `locked ok, N decisions`, and `took N us`. The heap is locked while measurements come in as frames on a UART, the
controller suspends and resumes, and every decision leaves as a frame.
"""

import gc
import sys
import time

import micropython

import settings
from bearer.serial import SerialBearer
from clock import Clock
from gatt.handles import CONTROLLER_DECISION
from gatt.peripheral import Peripheral
from gatt.radio import NoRadio
from gatt.recorder import Recorder
from gatt.wire_tables import WIRE_VERSION
from octets import crc16
from pump.core import Pump
from pump.history import History
from pump.volatile import Volatile

SAMPLES = 60
GLUCOSE = (120, 112, 104, 96, 88, 80, 75, 72, 70, 75, 80, 90, 100, 110, 118)


class Uart:
    """A line that the test fills; it counts what is sent."""

    def __init__(self):
        self.frame = b""
        self.sent = 0

    def readinto(self, target):
        """What has come, at most as much as fits."""
        count = min(len(self.frame), len(target))
        if count == 0:
            return None
        for i in range(count):
            target[i] = self.frame[i]
        self.frame = self.rest if count < len(self.frame) else b""
        return count

    rest = b""

    def write(self, data):
        """One frame."""
        self.sent += 1


class Motor:
    """Counts pulses."""

    pulses = 0

    def ready(self, s):
        """No occlusion here."""
        return True

    def pulse(self, s):
        """One pulse."""
        self.pulses += 1


class BenchClock(Clock):
    """A clock that the bench sets."""

    def read(self):
        """Nothing: `s` is set from outside."""


class Identity:
    """What peripheral wants to know of the board."""

    firmware_hash = bytes(8)
    reset_cause = 0x33
    motor_pulse_ms = 5
    name = "bench"
    unique_id = b"bench"


def frame(kind, body):
    """The octets of a frame."""
    raw = bytes((kind,)) + body
    crc = crc16(raw, 0, len(raw))
    raw += bytes((crc & 0xFF, crc >> 8))
    out = b""
    for part in raw.split(b"\0"):
        out += bytes((len(part) + 1,)) + part
    return out + b"\0"


def measurement(offset_minutes, glucose):
    """The frame of one measurement, without E2E-CRC."""
    record = bytes((6, 0, glucose & 0xFF, glucose >> 8, offset_minutes & 0xFF, offset_minutes >> 8))
    return frame(5, b"\x1b\x02\x01" + record)


def build():
    """A connected pump in Run under plgs: clock, UART, bearer, server, pump. What it loads late it has not loaded."""
    import pump as package
    from pump import seldom, template_commands

    clock, uart = BenchClock(), Uart()
    bearer = SerialBearer(uart, 115200, clock)
    history = History(100)
    recorder = Recorder(history)
    pump = Pump(settings, recorder.emit, Motor(), Volatile())
    peripheral = Peripheral(clock, bearer, pump, history, recorder, settings, Identity(), 247, NoRadio())
    pump.advance(0)
    template_commands.write_block(pump, 0, 0x33, 1, 1, 1440, 1000, 0)
    template_commands.complete_profile(pump, 0, 0x33, 1)
    template_commands.activate(pump, 0, [1], 0, 1)
    pump.set_therapy_state(0, 0x55)
    seldom.configure(pump, 0, 0x3C, 80, 70, 30, 120, 150, 15, 30, 300, 75, 0, 0, 0, 5, 3)
    pump.cgm_session(0, 0)
    open_body = bytes((1, 2, 3, 4, WIRE_VERSION, 0, 0, 0))
    for octets in (frame(1, open_body), frame(5, bytes((0x12, CONTROLLER_DECISION + 1, 0, 1, 0)))):
        uart.frame = octets
        bearer.receive()
    peripheral.server.run()
    recorder.seldom = None
    for module in (seldom, template_commands):
        del sys.modules[module.__name__]
        delattr(package, module.__name__.split(".")[-1])
    return clock, uart, bearer, peripheral.server, pump


def live(clock, uart, bearer, server, pump, frames, first, last):
    """Every five minutes a measurement; pulses in between."""
    for i in range(first, last):
        for s in range(300 * i, 300 * (i + 1), 60):
            clock.s = s
            pump.advance(s)
            server.run()
        uart.frame = frames[i]
        bearer.receive()
        server.run()


def main():
    """Prove and measure."""
    clock, uart, bearer, server, pump = build()
    frames = [measurement(5 * (i + 1), GLUCOSE[i % len(GLUCOSE)]) for i in range(SAMPLES)]
    live(clock, uart, bearer, server, pump, frames, 0, 15)
    sent = uart.sent
    gc.collect()
    micropython.heap_lock()
    try:
        live(clock, uart, bearer, server, pump, frames, 15, 30)
        locked = "ok"
    except MemoryError:
        locked = "MemoryError"
    finally:
        micropython.heap_unlock()
    print("locked", locked + ",", uart.sent - sent, "decisions")
    start_us = time.ticks_us()
    live(clock, uart, bearer, server, pump, frames, 30, SAMPLES)
    print("took", time.ticks_diff(time.ticks_us(), start_us) // 30, "us")
    print("decisions", pump.decision.sequence)


if __name__ == "__main__":
    main()
