# Edges of the pin by its interrupt: a microsecond's ticks for each, noted in the handler.
from array import array
from time import ticks_diff, ticks_us

import machine

KIND = 0
# Edges that wait for the loop, and how long it may let them: more than a motor makes meanwhile.
_RING = 128
LOOK_MS = 50
_LATE = 2


class Edges:
    def __init__(self, pin_id, clock):
        self._clock = clock
        self._ticks = array("i", [0] * _RING)
        self._levels = bytearray(_RING)
        self._written = 0
        self._read = 0
        self.overflows = 0
        self._told = 0
        self._owed = False
        self._pin = machine.Pin(pin_id, machine.Pin.IN, machine.Pin.PULL_DOWN)
        both = machine.Pin.IRQ_RISING | machine.Pin.IRQ_FALLING
        try:
            self._pin.irq(handler=self._noted, trigger=both, hard=True)
        except TypeError:
            # A port without hard interrupts notes an edge a little later.
            self._pin.irq(handler=self._noted, trigger=both)

    # The handler: it takes nothing from the heap.
    def _noted(self, pin):
        at = self._written % _RING
        self._ticks[at] = ticks_diff(ticks_us(), 0)
        self._levels[at] = pin.value()
        self._written += 1

    def level(self):
        return self._pin.value()

    # Edges since the last call, as (second, microsecond, level). One that the next had followed before it was noted
    # shows the level of before: both are told, with 2 added because their times are not theirs, and the next one's own
    # interrupt, if it comes, tells nothing new.
    def take(self):
        if self._written - self._read > _RING:
            self.overflows += 1
            self._read = self._written
            self._told = self.level()
            return []
        found = []
        while self._read < self._written:
            at = self._read % _RING
            self._read += 1
            second, us = self._clock.ago(self._clock.since(self._ticks[at]))
            level = self._levels[at]
            if level != self._told:
                found.append((second, us, level))
                self._owed = False
            elif self._owed:
                self._owed = False
            else:
                found.append((second, us, 1 - level + _LATE))
                found.append((second, us, level + _LATE))
                self._owed = True
            self._told = level
        return found
