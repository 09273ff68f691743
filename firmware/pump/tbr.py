# Temporary basal rate: the one override of the basal profile (D-301 to D-308).
#
# Pure logic: the caller passes s and ends the TBR at end_s. A group of the history is this part's event and the rate
# change that the caller emits right after it. The attributes stay as they were when the TBR has ended.
from micropython import const

# Words of pump/events.py.
_ABSOLUTE = const(0x33)
_INVALID_OPERAND = const(0x71)
_NEVER = const(0x3FFFFFFF)
_OUT_OF_RANGE = const(0x73)
_RELATIVE = const(0x3C)
_SUCCESS = const(0x0F)
_TBR_CHANGED = const(0x00C3)
_TBR_ENDED = const(0x00AA)
_TBR_STARTED = const(0x00A5)


# Types of TBR in the pump's data.
_OFFERS_ABSOLUTE = const(1)
_OFFERS_RELATIVE = const(2)


class Tbr:
    # rates: the steps of basal rates. A factor is held in thousandths.
    def __init__(self, settings, rates, emit):
        self._emit = emit
        self._rates = rates
        self._kinds = settings.TBR_KINDS
        self._rate_mu_per_h_max = settings.BASAL_LIMIT_MU_PER_H
        self._factor_max = settings.TBR_FACTOR_MAX
        self._factor_step = settings.TBR_FACTOR_STEP
        self._minutes_max = settings.TBR_MINUTES_MAX
        self._minutes_step = settings.TBR_MINUTES_STEP
        self.active = False
        # Whether a controller set it; a client's TBR of 0 is no suspension.
        self.suspension = False
        # Whether a closed loop on the pump set it.
        self.automatic = False
        self.kind = _ABSOLUTE
        # mU/h when absolute, thousandths of the profile's rate when relative.
        self.value = 0
        self.duration_minutes = 0
        self.context = 0
        # The template that it came from, 0 for none.
        self.template = 0
        self.start_s = 0
        self.end_s = _NEVER

    # Type, value and duration, whatever the pump is doing.
    def judge(self, kind, value, duration_minutes):
        if kind == _ABSOLUTE and self._kinds & _OFFERS_ABSOLUTE:
            good = value == 0 or 0 < value <= self._rate_mu_per_h_max and self._rates.on(value)
        elif kind == _RELATIVE and self._kinds & _OFFERS_RELATIVE:
            good = 0 <= value <= self._factor_max and value % self._factor_step == 0
        else:
            return _INVALID_OPERAND
        good = good and 1 <= duration_minutes <= self._minutes_max and duration_minutes % self._minutes_step == 0
        return _SUCCESS if good else _OUT_OF_RANGE

    def start(self, s, kind, value, duration_minutes, context, template):
        self.active = True
        self.start_s = s
        self._program(s, kind, value, duration_minutes, context, template)
        self._emit(_TBR_STARTED, s, 0, 0, 0, 0, 0)

    # The duration counts from the change; the TBR stays the same one, started when it first was.
    def change(self, s, kind, value, duration_minutes, context, template):
        self._program(s, kind, value, duration_minutes, context, template)
        self._emit(_TBR_CHANGED, s, (s - self.start_s) // 60, 0, 0, 0, 0)

    def _program(self, s, kind, value, duration_minutes, context, template):
        self.kind = kind
        self.value = value
        self.duration_minutes = duration_minutes
        self.context = context
        self.template = template
        self.end_s = s + 60 * duration_minutes

    # The end second itself belongs to the basal profile.
    def end(self, s, reason, annunciation_id):
        self.active = False
        self.suspension = False
        self.automatic = False
        self.end_s = _NEVER
        self._emit(_TBR_ENDED, s, (s - self.start_s) // 60, reason, annunciation_id, 0, 0)

    # The rate in force while it runs, over the rate of the profile.
    def rate_over(self, profile_mu_per_h):
        return self.rate_of(self.kind, self.value, profile_mu_per_h)

    def rate_of(self, kind, value, profile_mu_per_h):
        if kind == _ABSOLUTE:
            return value
        return self._rates.cut(min(profile_mu_per_h * value // 1000, self._rate_mu_per_h_max))

    # Rounded up, as the wire shows it.
    def remaining_minutes(self, s):
        return (self.end_s - s + 59) // 60 if self.active else 0
