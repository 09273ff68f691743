# Suspensions: when there were any, so that a rolling window never holds too much of them (D-611), and how long a client
# has forbidden new ones (D-614).
#
# Pure logic. Intervals are kept as long as the longest window can see them. When they are more than the ledger holds,
# the two oldest become one, the time between them counted as suspended: that can only shorten what is allowed.
from array import array

from micropython import const

_INTERVALS = const(64)
_WINDOW_S_MAX = const(28800)


class Suspensions:
    def __init__(self):
        self._starts_s = array("i", bytes(4 * _INTERVALS))
        self._ends_s = array("i", bytes(4 * _INTERVALS))
        self._count = 0
        self.running = False
        self.start_s = 0
        self._refused_until_s = 0

    def begin(self, s):
        self.running = True
        self.start_s = s

    def end(self, s):
        self.running = False
        if s == self.start_s:
            return
        while self._count and self._ends_s[0] < s - _WINDOW_S_MAX:
            self._remove_oldest()
        if self._count == _INTERVALS:
            self._starts_s[1] = self._starts_s[0]
            self._remove_oldest()
        self._starts_s[self._count] = self.start_s
        self._ends_s[self._count] = s
        self._count += 1

    def _remove_oldest(self):
        self._count -= 1
        for i in range(self._count):
            self._starts_s[i] = self._starts_s[i + 1]
            self._ends_s[i] = self._ends_s[i + 1]

    # A client canceled or changed a suspension.
    def refuse(self, s, lockout_minutes):
        self._refused_until_s = s + 60 * lockout_minutes

    # Whether a new suspension must wait; at the end of the lockout it may start.
    def locked_out(self, s):
        return s < self._refused_until_s

    # How long a suspension that starts at s, while none is running, may last.
    def allowance_s(self, s, limit_minutes, window_minutes):
        window_start_s = s - 60 * window_minutes
        used_s = 0
        for i in range(self._count):
            if self._ends_s[i] > window_start_s:
                used_s += self._ends_s[i] - max(self._starts_s[i], window_start_s)
        return 60 * limit_minutes - used_s
