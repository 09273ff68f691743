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
_REASON_MINIMUM_TIME = const(0xA5)
_REASON_NO_PREDICTION = const(0x33)
_REASON_NOT_LOW = const(0x66)
_REASON_PREDICTED_LOW = const(0x3C)
_REASON_RISING = const(0x5A)


# The least allowance that lets a suspension start.
_ALLOWANCE_S = const(300)


def decide(inputs, settings, decision):
    cgm, suspensions = inputs.cgm, inputs.suspensions
    glucose_mg_dl = cgm.glucose_mg_dl()
    low_now = glucose_mg_dl < settings.suspend_now_mg_dl
    near = not settings.near_mg_dl or glucose_mg_dl <= settings.near_mg_dl
    low = low_now or near and cgm.prediction_below(settings.suspend_predicted_mg_dl)
    low_reason = _REASON_LOW_NOW if low_now else _REASON_PREDICTED_LOW
    if suspensions.running:
        _while_suspended(inputs, settings, low, low_reason, decision)
    elif not low:
        decision.act(_ACTION_KEEP, _REASON_NOT_LOW if cgm.predicted else _REASON_NO_PREDICTION)
    elif settings.rising_holds and cgm.rising():
        decision.act(_ACTION_KEEP, _REASON_RISING)
    elif suspensions.locked_out(inputs.s):
        decision.act(_ACTION_KEEP, _REASON_LOCKOUT)
    elif _allowance_s(inputs, settings) < _ALLOWANCE_S:
        decision.act(_ACTION_KEEP, _REASON_LIMIT_REACHED)
    else:
        decision.act(_ACTION_SUSPEND, low_reason)


def _allowance_s(inputs, settings):
    return inputs.suspensions.allowance_s(inputs.s, settings.suspend_limit_minutes, settings.limit_window_minutes)


def _while_suspended(inputs, settings, low, low_reason, decision):
    cgm = inputs.cgm
    if inputs.s - inputs.suspensions.start_s < 60 * settings.minimum_minutes:
        decision.act(_ACTION_KEEP, _REASON_MINIMUM_TIME)
    elif settings.rising_resumes and cgm.rising():
        decision.act(_ACTION_RESUME, _REASON_RISING)
    elif not low and _recovered(cgm, settings):
        decision.act(_ACTION_RESUME, _REASON_NOT_LOW)
    else:
        decision.act(_ACTION_KEEP, low_reason)


# What a resume asks for beyond not being low.
def _recovered(cgm, settings):
    if cgm.glucose_mg_dl() < settings.resume_mg_dl:
        return False
    limit_mg_dl = settings.resume_predicted_mg_dl
    return not limit_mg_dl or cgm.predicted and not cgm.prediction_below(limit_mg_dl)
