"""Runs on MicroPython: proves that the delivering pump allocates nothing, and how fast two weeks pass.

Prints `locked ok`, `leak N bytes`, and `fortnight N ms, M pulses`. The heap is locked while pulses, boluses, the end
of a TBR, midnight, a block boundary and a stale CGM fall due.
"""

import gc
import time

import micropython
from whole_pump import Pump

import settings as product


class Motor:
    """Counts pulses and keeps no list: a list would allocate."""

    def __init__(self):
        self.pulses = 0
        self.events = 0

    def ready(self, s):
        """No occlusion here."""
        return True

    def pulse(self, s):
        """One pulse."""
        self.pulses += 1

    def emit(self, event, s, a, b, c, d, e):
        """One event."""
        self.events += 1


def dosing(settings):
    """A pump in Run with a profile of two blocks, and its motor."""
    motor = Motor()
    pump = Pump(settings, motor.emit, motor)
    pump.advance(0)
    pump.write_block(0, 0x33, 1, 1, 720, 1000, 0)
    pump.write_block(0, 0x33, 1, 2, 720, 3000, 0)
    pump.complete_profile(0, 0x33, 1)
    pump.activate(0, [1], 0, 1)
    pump.set_therapy_state(0, 0x55)
    pump.configure(0, 0x3C, 80, 70, 30, 120, 150, 15, 30, 300, 75, 0, 0, 0, 5, 3)
    pump.cgm_session(0, 0)
    return pump, motor


def deliver(pump, first_s, last_s):
    """Second by second, as the loop of a board wakes it, with samples, boluses and TBRs."""
    s = first_s
    while s <= last_s:
        pump.advance(s)
        pump.due_s()
        if s % 7200 == 60:
            pump.set_bolus(s, 0x33, 1000, 0, 0, 0, 0, 0, 0)
            pump.set_bolus(s, 0x55, 500, 1000, 60, 10, 0, 0, 0)
        if s % 7200 == 3600:
            pump.set_tbr(s, 0x3C if s % 14400 > 7200 else 0x33, 2000, 30, False, 0x3C, 0)
        if s % 300 == 0 and s < 80000:
            pump.cgm_sample(s, s // 60, 60 if s % 9000 < 3000 else 130, 0)
        s += 20


def main():
    """Prove and measure."""
    pump, motor = dosing(product)
    deliver(pump, 1, 40000)
    before = motor.pulses, motor.events
    micropython.heap_lock()
    try:
        deliver(pump, 40020, 90000)
        locked = "ok"
    except MemoryError:
        locked = "MemoryError"
    finally:
        micropython.heap_unlock()
    pump.set_therapy_state(90000, 0x33)
    pump.start_priming(90000, 5000)
    micropython.heap_lock()
    try:
        pump.advance(90010)
    except MemoryError:
        locked = "MemoryError while priming"
    finally:
        micropython.heap_unlock()
    pump.stop_priming(90010)
    pump.set_therapy_state(90010, 0x55)
    print("locked", locked, motor.pulses > before[0] + 500 and motor.events > before[1] + 50)
    gc.collect()
    used = gc.mem_alloc()
    deliver(pump, 90020, 100000)
    print("leak", gc.mem_alloc() - used, "bytes")

    class Large:
        RESERVOIR_CAPACITY_MU = 2000000

    for name in dir(product):
        if name[0] >= "A" and name[0] <= "Z" and not hasattr(Large, name):
            setattr(Large, name, getattr(product, name))
    pump, motor = dosing(Large)
    start = time.ticks_ms()
    pump.advance(14 * 86400)
    print("fortnight", time.ticks_diff(time.ticks_ms(), start), "ms,", motor.pulses, "pulses")


if __name__ == "__main__":
    main()
