# When small boluses may be given by themselves, and how large they are (D-1038, D-1039, D-1048).
from pump.control.oref.numbers import given, lesser, tenth, thousandth, whole_below

_DELTA_SHARE = 0.2
_DELTA_SHARE_MOST = 0.3
_BASAL_MINUTES = 30
_INCREMENT = 0.1
_INTERVAL_MINUTES = 3
_NORMAL_TARGET = 100


# Whether what the wearer chose allows it now.
def chosen(inputs, settings, target):
    meal = inputs.meal
    if not inputs.micro_bolus_allowed:
        return False
    if settings.temp_target and target > _NORMAL_TARGET and not settings.smb_with_high_target:
        return False
    if meal.bolus_wizard and not settings.smb_after_bolus_wizard:
        return False
    return (
        settings.smb_always
        or settings.smb_with_cob
        and given(meal.cob)
        or settings.smb_after_carbs
        and given(meal.carbs)
        or settings.smb_with_low_target
        and settings.temp_target
        and target < _NORMAL_TARGET
        or settings.smb_at_high_bg
        and inputs.glucose.mg_dl >= settings.smb_high_bg
    )


# Whether glucose rises as fast as only a calibration makes it.
def jumps(glucose, settings):
    share = settings.delta_share_max
    share = _DELTA_SHARE if share != share else min(share, _DELTA_SHARE_MOST)
    return max(glucose.delta, glucose.short_delta, glucose.long_delta) > share * glucose.mg_dl


def increment(settings):
    return settings.bolus_increment if given(settings.bolus_increment) else _INCREMENT


def interval_minutes(settings):
    minutes = settings.smb_interval_minutes
    return min(10, max(1, minutes)) if given(minutes) else _INTERVAL_MINUTES


# Half of what is required, but no more than some minutes of basal, in whole increments.
def amount(insulin_required, inputs, settings):
    most = tenth(settings.current_basal * _minutes(inputs, settings) / 60)
    steps = 1 / increment(settings)
    return whole_below(lesser(insulin_required / 2, most) * steps) / steps


def _minutes(inputs, settings):
    if settings.smb_basal_minutes != settings.smb_basal_minutes:
        return _BASAL_MINUTES
    if inputs.iob.iob > thousandth(inputs.meal.cob / settings.carb_ratio):
        return settings.uam_smb_basal_minutes if given(settings.uam_smb_basal_minutes) else _BASAL_MINUTES
    return settings.smb_basal_minutes
