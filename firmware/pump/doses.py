# Doses: what was delivered and, below zero, what the basal profile had scheduled (D-1013, D-1103).
#
# Pure logic on small ints, in memory that was taken at the start. Entries are kept by their second, oldest first. When
# there are more than the room is for, the oldest is forgotten if it works no more; else the two oldest become one at
# the later second, which can only count more insulin, or more of a deficit.
#
# An entry has three octets: the low 16 bits of its second, and its doses + 128. So all entries lie within 2**16 seconds
# of the newest: what is older works no more, and is forgotten. More doses of a second than an octet says are another
# entry of that second; what the oldest entry took over stands beside it.
from micropython import const

_NEVER = 0x3FFFFFFF
_OCTETS = const(3)
_SPAN_S = const(0xFFFF)
_NONE = const(128)


class Doses:
    # dose_mu: what one dose is.
    def __init__(self, room, dose_mu=1):
        self.dose_mu = dose_mu
        self.room = room
        self.count = 0
        self.entries = bytearray(_OCTETS * room)
        self.newest_s = 0
        # Where the oldest entry stands; behind the end of the room they go on at its beginning. What it took over.
        self.first = 0
        self.joined = 0
        # From this age on an entry works no more.
        self.old_s = _NEVER
        # How often entries became others than they were, for want of room or because all were dropped.
        self.rewritten = 0
        self._last = -1

    # The second of the entry in a place of the room, and its doses.
    def second_at(self, place):
        at = _OCTETS * place
        return self.newest_s - (self.newest_s - (self.entries[at] | self.entries[at + 1] << 8) & _SPAN_S)

    def doses_at(self, place):
        doses = self.entries[_OCTETS * place + 2] - _NONE
        return doses + self.joined if place == self.first else doses

    # Seconds come in their order; those of one second are one entry. doses: -128 to 127.
    def add(self, s, doses):
        if self.count and self.newest_s == s:
            at = _OCTETS * self._last + 2
            sum_of_second = self.entries[at] + doses
            if 0 <= sum_of_second <= 0xFF:
                self.entries[at] = sum_of_second
                return
        while self.count and s - self.second_at(self.first) > _SPAN_S:
            self._forget_oldest()
        if self.count == self.room:
            working = s - self.second_at(self.first) < self.old_s
            oldest = self.doses_at(self.first)
            self._forget_oldest()
            if working:
                self.joined = oldest
                self.rewritten += 1
        self._last = self._last + 1 if self._last + 1 < self.room else 0
        self.newest_s = s
        at = _OCTETS * self._last
        self.entries[at] = s & 0xFF
        self.entries[at + 1] = s >> 8 & 0xFF
        self.entries[at + 2] = doses + _NONE
        self.count += 1

    # Forgets entries of before a second.
    def forget(self, before_s):
        while self.count and self.second_at(self.first) < before_s:
            self._forget_oldest()

    def _forget_oldest(self):
        self.first = self.first + 1 if self.first + 1 < self.room else 0
        self.count -= 1
        self.joined = 0

    def clear(self):
        self.count = self.first = self.joined = 0
        self._last = -1
        self.rewritten += 1
