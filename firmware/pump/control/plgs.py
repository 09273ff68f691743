# Controller plgs: predictive low glucose suspend (D-606 to D-615). Published rules are numbers in the settings.
#
# Pure logic: decide() answers the newest usable sample while therapy runs; the first condition that holds gives the
# action and the reason.
from micropython import const

# Words of pump/events.py.
_ACTION_KEEP = const(0x33)
_ACTION_RESUME = const(0x55)
_ACTION_SUSPEND = const(0x3C)
_REASON_LIMIT_REACHED = const(0x69)
_REASON_LOCKOUT = const(0x96)
_REASON_LOW_NOW = const(0x55)
_REASON_MANUAL = const(0x0F)
_REASON_MINIMUM_TIME = const(0xA5)
_REASON_NO_PREDICTION = const(0x33)
_REASON_NOT_LOW = const(0x66)
_REASON_PREDICTED_LOW = const(0x3C)
_REASON_RISING = const(0x5A)


# The least allowance that lets a suspension start.
_ALLOWANCE_S = const(300)


class Plgs:
    def __init__(self):
        self.reason = _REASON_MANUAL

    def decide(self, s, cgm, settings, suspensions):
        glucose_mg_dl = cgm.glucose_mg_dl()
        low_now = glucose_mg_dl < settings.suspend_now_mg_dl
        near = not settings.near_mg_dl or glucose_mg_dl <= settings.near_mg_dl
        low = low_now or near and cgm.prediction_below(settings.suspend_predicted_mg_dl)
        low_reason = _REASON_LOW_NOW if low_now else _REASON_PREDICTED_LOW
        if suspensions.running:
            return self._while_suspended(s - suspensions.start_s, cgm, settings, low, low_reason)
        if not low:
            return self._keep(_REASON_NOT_LOW if cgm.predicted else _REASON_NO_PREDICTION)
        if settings.rising_holds and cgm.rising():
            return self._keep(_REASON_RISING)
        if suspensions.locked_out(s):
            return self._keep(_REASON_LOCKOUT)
        if suspensions.allowance_s(s, settings.suspend_limit_minutes, settings.limit_window_minutes) < _ALLOWANCE_S:
            return self._keep(_REASON_LIMIT_REACHED)
        self.reason = low_reason
        return _ACTION_SUSPEND

    def _while_suspended(self, suspended_s, cgm, settings, low, low_reason):
        if suspended_s < 60 * settings.minimum_minutes:
            return self._keep(_REASON_MINIMUM_TIME)
        if settings.rising_resumes and cgm.rising():
            self.reason = _REASON_RISING
        elif not low and self._recovered(cgm, settings):
            self.reason = _REASON_NOT_LOW
        else:
            return self._keep(low_reason)
        return _ACTION_RESUME

    # What a resume asks for beyond not being low.
    def _recovered(self, cgm, settings):
        if cgm.glucose_mg_dl() < settings.resume_mg_dl:
            return False
        limit_mg_dl = settings.resume_predicted_mg_dl
        return not limit_mg_dl or cgm.predicted and not cgm.prediction_below(limit_mg_dl)

    def _keep(self, reason):
        self.reason = reason
        return _ACTION_KEEP
