# The two places for boluses: a fast one, and beside it one that is extended or multiwave (D-401 to D-403, D-411).
#
# Pure logic: what a bolus must meet by itself is judged here, whether the pump can give it is for the caller to know.
from micropython import const

from pump.bolus import Bolus
from pump.steps import Steps

# Words of pump/events.py.
_BOLUS_ENDED = const(0x0069)
_BOLUS_STARTED = const(0x005A)
_EXTENDED = const(0x3C)
_FAST = const(0x33)
_INVALID_OPERAND = const(0x71)
_MULTIWAVE = const(0x55)
_OUT_OF_RANGE = const(0x73)
_SUCCESS = const(0x0F)

_KINDS = (_FAST, _EXTENDED, _MULTIWAVE)
_ID_MAX = const(65535)
_EXTENDED_MINUTES_MAX = const(720)
_DELAY_MINUTES_MAX = const(720)


class Boluses:
    def __init__(self, settings, emit):
        self._emit = emit
        self._settings = settings
        self.amounts = Steps(settings.BOLUS_MIN_MU, settings.BOLUS_STEPS)
        self.places = (Bolus(settings), Bolus(settings))
        self.last_id = 0
        # The second at which the last fast or multiwave bolus was accepted, below 0 for none.
        self.last_fast_s = -1

    # Whether an amount is whole pulses, at most max_mu; and whether a part of a bolus can have it.
    def whole(self, amount_mu, max_mu):
        return 0 < amount_mu <= max_mu and amount_mu % self._settings.PULSE_MU == 0

    def _givable(self, amount_mu, max_mu):
        return self.whole(amount_mu, max_mu) and self.amounts.on(amount_mu)

    # The greatest amount that is not above this one and can be given; 0 for none.
    def cut(self, amount_mu):
        amount_mu = self.amounts.cut(amount_mu)
        while amount_mu % self._settings.PULSE_MU:
            amount_mu = self.amounts.cut(amount_mu - 1)
        return amount_mu

    # Type, amounts, duration and delay, whatever the pump is doing.
    def judge(self, kind, fast_mu, extended_mu, duration_minutes, delay_minutes, max_mu):
        if kind not in _KINDS:
            return _INVALID_OPERAND
        if (kind == _FAST and (extended_mu or duration_minutes)) or (kind == _EXTENDED and fast_mu):
            return _INVALID_OPERAND
        if kind != _EXTENDED and not self._givable(fast_mu, max_mu):
            return _OUT_OF_RANGE
        if kind != _FAST:
            if not self._givable(extended_mu, max_mu) or not 1 <= duration_minutes <= _EXTENDED_MINUTES_MAX:
                return _OUT_OF_RANGE
            if extended_mu > self._settings.BOLUS_SPEED_MU_PER_MINUTE * duration_minutes:
                return _OUT_OF_RANGE
        if fast_mu + extended_mu > max_mu or not 0 <= delay_minutes <= _DELAY_MINUTES_MAX:
            return _OUT_OF_RANGE
        return _SUCCESS

    # The place of a kind.
    def place(self, kind):
        return 0 if kind == _FAST else 1

    # Starts a bolus that was judged; its place is free.
    def start(self, s, kind, fast_mu, extended_mu, duration_minutes, delay_minutes, template, activation, flags):
        place = self.place(kind)
        bolus = self.places[place]
        self.last_id = self.last_id % _ID_MAX + 1
        bolus.bolus_id = self.last_id
        bolus.flags = flags
        bolus.template = template
        bolus.activation = activation
        bolus.program(s, fast_mu, extended_mu, duration_minutes, delay_minutes)
        bolus.active = bolus.unsaved = True
        if fast_mu:
            self.last_fast_s = s
        self._emit(_BOLUS_STARTED, s, place, 0, 0, 0, 0)

    def end(self, s, bolus, reason, annunciation_id):
        bolus.active = False
        bolus.unsaved = True
        self._emit(_BOLUS_ENDED, s, 0 if bolus is self.places[0] else 1, reason, annunciation_id, 0, 0)

    def count(self):
        fast, other = self.places
        return (1 if fast.active else 0) + (1 if other.active else 0)

    # The first or the second of the active boluses: by the start of delivery, then by acceptance, of which the ID that
    # was given last tells the later one. The places that are not active come behind.
    def nth(self, index):
        fast, other = self.places
        fast_first = not other.active or (
            fast.active
            and (fast.start_s < other.start_s or (fast.start_s == other.start_s and other.bolus_id == self.last_id))
        )
        return fast if fast_first == (index == 0) else other

    # The active bolus of an ID, or None.
    def find(self, bolus_id):
        for bolus in self.places:
            if bolus.active and bolus.bolus_id == bolus_id:
                return bolus
        return None

    # What running boluses have still to deliver.
    def remaining_mu(self):
        remaining_mu = 0
        for bolus in self.places:
            if bolus.active:
                remaining_mu += bolus.remaining_mu()
        return remaining_mu
