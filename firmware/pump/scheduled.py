# What the activated basal profile schedules, pulse by pulse, whatever the pump delivers (D-1103).
#
# Pure logic on small ints: no product exceeds the room of a pulse. Who delivers a pulse says so here, so that the doses
# of both stay in the order of their seconds.
from micropython import const

from pump.doses import Doses

_ROOM = const(1024)
# A gap between samples is looked into up to 4 h back, by a sample that may be an hour old.
_LOOK_BACK_S = const(18000)
# The longest time that a dose works.
_OLD_S = const(28860)


class Scheduled:
    def __init__(self, pulse_mu):
        self.doses = Doses(_ROOM, pulse_mu)
        self.doses.old_s = _OLD_S
        self._full = 3600 * pulse_mu
        self._at_s = 0
        self._rate_mu_per_h = 0
        self.rest = 0

    # A rate is scheduled from s on.
    def follow(self, s, mu_per_h):
        self.advance(s)
        self._rate_mu_per_h = mu_per_h

    # A pulse was delivered at s.
    def deliver(self, s):
        self.advance(s)
        self.doses.add(s, 1)

    def advance(self, s):
        rate = self._rate_mu_per_h
        if rate:
            due_s = self._at_s + self.due_in_s(self.rest, rate)
            while due_s <= s:
                self.rest += rate * (due_s - self._at_s) - self._full
                self._at_s = due_s
                self.doses.add(due_s, -1)
                due_s += self.due_in_s(self.rest, rate)
            self.rest += rate * (s - self._at_s)
        self._at_s = s

    # Seconds until the next pulse, at least one.
    def due_in_s(self, rest, rate):
        return max(1, (self._full - rest + rate - 1) // rate)

    # Puts the pulses to come in some seconds after s into doses, by minutes as ages are rounded (D-1013). rates: yields
    # (seconds, mU/h) from s on; no pulse is due at s any more.
    def to_come(self, s, rates, doses):
        doses.clear()
        add, due_in_s = doses.add, self.due_in_s
        rest = self.rest
        at_s = 0
        for seconds, rate in rates:
            end_s = at_s + seconds
            if rate:
                wait_s = due_in_s(rest, rate)
                while at_s + wait_s <= end_s:
                    rest += rate * wait_s - self._full
                    at_s += wait_s
                    add(s + (at_s + 29) // 60 * 60, -1)
                    wait_s = due_in_s(rest, rate)
                rest += rate * (end_s - at_s)
            at_s = end_s

    # What no longer works is kept a while for samples that come late.
    def forget(self, s, dia_minutes):
        self.doses.old_s = 60 * dia_minutes + 60
        self.doses.forget(s - self.doses.old_s - _LOOK_BACK_S)
