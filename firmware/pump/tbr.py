# Temporary basal rate: the one override of the basal profile (D-301 to D-308).
#
# Pure logic: the caller passes s and ends the TBR at end_s. A group of the history is this part's event and the rate
# change that the caller emits right after it. The attributes stay as they were when the TBR has ended.
from micropython import const

from pump.events import (
    ABSOLUTE,
    INVALID_OPERAND,
    NEVER,
    OUT_OF_RANGE,
    RELATIVE,
    SUCCESS,
    TBR_CHANGED,
    TBR_ENDED,
    TBR_STARTED,
)

# A factor is held in thousandths.
_FACTOR_MAX = const(2500)


class Tbr:
    def __init__(self, settings, emit):
        self._emit = emit
        self._rate_mu_per_h_max = settings.BASAL_LIMIT_MU_PER_H
        self._minutes_max = settings.TBR_MINUTES_MAX
        self.active = False
        # Whether a controller set it; a client's TBR of 0 is no suspension.
        self.suspension = False
        self.kind = ABSOLUTE
        # mU/h when absolute, thousandths of the profile's rate when relative.
        self.value = 0
        self.duration_minutes = 0
        self.context = 0
        # The template that it came from, 0 for none.
        self.template = 0
        self.start_s = 0
        self.end_s = NEVER

    # Type, value and duration, whatever the pump is doing.
    def judge(self, kind, value, duration_minutes):
        if kind != ABSOLUTE and kind != RELATIVE:
            return INVALID_OPERAND
        if not 0 <= value <= (self._rate_mu_per_h_max if kind == ABSOLUTE else _FACTOR_MAX):
            return OUT_OF_RANGE
        return SUCCESS if 1 <= duration_minutes <= self._minutes_max else OUT_OF_RANGE

    def start(self, s, kind, value, duration_minutes, context, template):
        self.active = True
        self.start_s = s
        self._program(s, kind, value, duration_minutes, context, template)
        self._emit(TBR_STARTED, s, 0, 0, 0, 0, 0)

    # The duration counts from the change; the TBR stays the same one, started when it first was.
    def change(self, s, kind, value, duration_minutes, context, template):
        self._program(s, kind, value, duration_minutes, context, template)
        self._emit(TBR_CHANGED, s, (s - self.start_s) // 60, 0, 0, 0, 0)

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
        self.end_s = NEVER
        self._emit(TBR_ENDED, s, (s - self.start_s) // 60, reason, annunciation_id, 0, 0)

    # The rate in force while it runs, over the rate of the profile.
    def rate_over(self, profile_mu_per_h):
        if self.kind == ABSOLUTE:
            return self.value
        return min(profile_mu_per_h * self.value // 1000, self._rate_mu_per_h_max)

    # Rounded up, as the wire shows it.
    def remaining_minutes(self, s):
        return (self.end_s - s + 59) // 60 if self.active else 0
