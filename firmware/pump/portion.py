# A portion: a number of pulses that is earned on an accumulator of its own (D-106, D-108, D-511).
#
# Pure logic: each second adds gain, a pulse takes full. The caller earns over one stretch of time and then takes what
# is ready; it never jumps over due_in_s().
from micropython import const

# Words of pump/events.py.
_NEVER = const(0x3FFFFFFF)


class Portion:
    def __init__(self):
        self.pulses = 0
        self.delivered = 0
        self._held = 0
        self._gain = 1
        self._full = 1

    def begin(self, pulses, gain, full):
        self.pulses = pulses
        self.delivered = 0
        self._held = 0
        self._gain = gain
        self._full = full

    def earn(self, seconds):
        if self.delivered < self.pulses:
            self._held += self._gain * seconds

    # Whether a pulse is due now.
    def ready(self):
        return self._held >= self._full and self.delivered < self.pulses

    def take(self):
        self._held -= self._full
        self.delivered += 1

    # Seconds until the next pulse, at least one.
    def due_in_s(self):
        if self.delivered == self.pulses:
            return _NEVER
        lacking = self._full - self._held
        return (lacking + self._gain - 1) // self._gain if lacking > 0 else 1

    # The second of earning at which pulse n falls due, from 1.
    def second_of(self, n):
        return (n * self._full + self._gain - 1) // self._gain
