# Controller plgs: predictive low glucose suspend (D-606 to D-615).
#
# Pure logic: decide() answers the newest usable sample while therapy runs; the first condition that holds gives the
# action and the reason.
from micropython import const

from pump.events import (
    ACTION_KEEP,
    ACTION_RESUME,
    ACTION_SUSPEND,
    REASON_LIMIT_REACHED,
    REASON_LOCKOUT,
    REASON_LOW_NOW,
    REASON_MANUAL,
    REASON_MINIMUM_TIME,
    REASON_NO_PREDICTION,
    REASON_NOT_LOW,
    REASON_PREDICTED_LOW,
    REASON_RISING,
)

# The shortest suspension, and the least allowance that lets one start.
_MINIMUM_S = const(300)


class Plgs:
    def __init__(self):
        self.reason = REASON_MANUAL

    def decide(self, s, cgm, settings, suspensions):
        low_now = cgm.glucose_mg_dl() < settings.suspend_now_mg_dl
        low = low_now or cgm.prediction_below(settings.suspend_predicted_mg_dl)
        low_reason = REASON_LOW_NOW if low_now else REASON_PREDICTED_LOW
        if suspensions.running:
            return self._while_suspended(s - suspensions.start_s, cgm, low, low_reason)
        if not low:
            return self._keep(REASON_NOT_LOW if cgm.predicted else REASON_NO_PREDICTION)
        if cgm.rising():
            return self._keep(REASON_RISING)
        if suspensions.locked_out(s):
            return self._keep(REASON_LOCKOUT)
        if suspensions.allowance_s(s, settings.suspend_limit_minutes, settings.limit_window_minutes) < _MINIMUM_S:
            return self._keep(REASON_LIMIT_REACHED)
        self.reason = low_reason
        return ACTION_SUSPEND

    def _while_suspended(self, suspended_s, cgm, low, low_reason):
        if suspended_s < _MINIMUM_S:
            return self._keep(REASON_MINIMUM_TIME)
        if low and not cgm.rising():
            return self._keep(low_reason)
        self.reason = REASON_RISING if cgm.rising() else REASON_NOT_LOW
        return ACTION_RESUME

    def _keep(self, reason):
        self.reason = reason
        return ACTION_KEEP
