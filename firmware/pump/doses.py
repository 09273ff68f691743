# Doses: what was delivered and, below zero, what the basal profile had scheduled (D-1013, D-1103).
#
# Pure logic on small ints, in memory that was taken at the start. Entries are kept by their second, oldest first. When
# there are more than the room is for, the oldest is forgotten if it works no more; else the two oldest become one at
# the later second, which can only count more insulin, or more of a deficit.
from array import array

_NEVER = 0x3FFFFFFF


class Doses:
    # dose_mu: what one dose is.
    def __init__(self, room, dose_mu=1):
        self.dose_mu = dose_mu
        self.count = 0
        self.seconds = array("i", (0 for _ in range(room)))
        self.doses = array("h", (0 for _ in range(room)))
        # Where the oldest entry stands; behind the end of the room they go on at its beginning.
        self.first = 0
        # From this age on an entry works no more.
        self.old_s = _NEVER
        # How often entries became others than they were, for want of room or because all were dropped.
        self.rewritten = 0
        self._room = room
        self._last = -1

    # Seconds come in their order; those of one second are one entry.
    def add(self, s, doses):
        if self.count and self.seconds[self._last] == s:
            self.doses[self._last] += doses
            return
        if self.count == self._room:
            working = s - self.seconds[self.first] < self.old_s
            oldest = self.doses[self.first]
            self._forget_oldest()
            if working:
                self.doses[self.first] += oldest
                self.rewritten += 1
        self._last = self._last + 1 if self._last + 1 < self._room else 0
        self.seconds[self._last] = s
        self.doses[self._last] = doses
        self.count += 1

    # Forgets entries of before a second.
    def forget(self, before_s):
        while self.count and self.seconds[self.first] < before_s:
            self._forget_oldest()

    def _forget_oldest(self):
        self.first = self.first + 1 if self.first + 1 < self._room else 0
        self.count -= 1

    def clear(self):
        self.count = self.first = 0
        self._last = -1
        self.rewritten += 1
