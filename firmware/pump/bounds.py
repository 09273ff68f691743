# The bounds of what a client may set, of controllers and guardrails (DOSING.md sections 10 and 16).
# They are loaded with the first command that sets any, and for a start, which lets go of them.
import sys

from micropython import const

# Words of pump/events.py.
_FLAT_CGM_DETECTED = const(0x33)
_FLAT_CGM_IGNORED = const(0x3C)
_MANUAL = const(0x33)
_OREF = const(0x55)
_OWN = const(0x5A)
_PLGS = const(0x3C)

_FLAGS_MAX = const(32767)
_GLUCOSE_MG_DL_MAX = const(400)
# The other ends of guardrails.
_INTERVAL_MINUTES_MAX = const(240)
_MINUTES_MIN = const(5)
# Flags of plgs.
_RISING_RESUMES = const(1)
_RISING_HOLDS = const(2)


# Lets go of this module, which is loaded again when it is asked for.
def forget():
    if __name__ in sys.modules:
        del sys.modules[__name__]


# Whether all values are within their bounds, in the order of the characteristic ControllerSettings.
def settings_within(
    settings, controller, suspend_predicted_mg_dl, suspend_now_mg_dl, horizon_minutes, suspend_limit_minutes,
    limit_window_minutes, stale_minutes, lockout_minutes, dia_minutes, peak_minutes, near_mg_dl=0,
    resume_mg_dl=0, resume_predicted_mg_dl=0, minimum_minutes=5, plgs_flags=3,
):  # fmt: skip
    return (
        (controller == _MANUAL or controller in (_PLGS, _OREF, _OWN) and settings.adjustable)
        and 60 <= suspend_predicted_mg_dl <= 120
        and 50 <= suspend_now_mg_dl <= 100
        and 10 <= horizon_minutes <= 60
        and 5 <= suspend_limit_minutes <= 240
        and suspend_limit_minutes <= limit_window_minutes <= 480
        and 5 <= stale_minutes <= 60
        and 0 <= lockout_minutes <= 240
        and 180 <= dia_minutes <= 480
        and 35 <= peak_minutes <= 120
        and 5 * peak_minutes <= 2 * dia_minutes
        and 0 <= near_mg_dl <= _GLUCOSE_MG_DL_MAX
        and 0 <= resume_mg_dl <= _GLUCOSE_MG_DL_MAX
        and 0 <= resume_predicted_mg_dl <= _GLUCOSE_MG_DL_MAX
        and 5 <= minimum_minutes <= 60
        and 0 <= plgs_flags <= _RISING_RESUMES | _RISING_HOLDS
    )


# Takes over what was judged.
def take_settings(
    settings, controller, suspend_predicted_mg_dl, suspend_now_mg_dl, horizon_minutes, suspend_limit_minutes,
    limit_window_minutes, stale_minutes, lockout_minutes, dia_minutes, peak_minutes, near_mg_dl=0,
    resume_mg_dl=0, resume_predicted_mg_dl=0, minimum_minutes=5, plgs_flags=3,
):  # fmt: skip
    settings.controller = controller
    settings.suspend_predicted_mg_dl = suspend_predicted_mg_dl
    settings.suspend_now_mg_dl = suspend_now_mg_dl
    settings.horizon_minutes = horizon_minutes
    settings.suspend_limit_minutes = suspend_limit_minutes
    settings.limit_window_minutes = limit_window_minutes
    settings.stale_minutes = stale_minutes
    settings.lockout_minutes = lockout_minutes
    settings.dia_minutes = dia_minutes
    settings.peak_minutes = peak_minutes
    settings.near_mg_dl = near_mg_dl
    settings.resume_mg_dl = resume_mg_dl
    settings.resume_predicted_mg_dl = resume_predicted_mg_dl
    settings.minimum_minutes = minimum_minutes
    settings.plgs_flags = plgs_flags


# The same for OrefSettings; the greatest IOB and rate are for the guardrails to judge.
def oref_within(*values):
    (
        flags, flat_cgm, _, _, autosens, autosens_max, temp_target, half_basal_target, smb_high_bg, smb_basal,
        uam_smb_basal, smb_interval, max_cob, min_carb_impact, remaining_cap, remaining_percent, carbs_required,
        delta_share, noisy_target, daily_multiplier, current_multiplier,
    ) = values  # fmt: skip
    return (
        0 <= flags <= _FLAGS_MAX
        and flat_cgm in (_FLAT_CGM_DETECTED, _FLAT_CGM_IGNORED)
        and (not autosens or 500 <= autosens <= 2000)
        and 1000 <= autosens_max <= 2000
        and (not temp_target or 60 <= temp_target <= 250)
        and 101 <= half_basal_target <= 250
        and (not smb_high_bg or 100 <= smb_high_bg <= 400)
        and 0 <= smb_basal <= 120
        and 0 <= uam_smb_basal <= 120
        and 1 <= smb_interval <= 10
        and 0 <= max_cob <= 250
        and 0 <= min_carb_impact <= 250
        and 0 <= remaining_cap <= 90
        and 0 <= remaining_percent <= 100
        and 1 <= carbs_required <= 250
        and 1 <= delta_share <= 30
        and 110 <= noisy_target <= 200
        and 10 <= daily_multiplier <= 100
        and 10 <= current_multiplier <= 100
    )


# Takes all guardrails over, or none: False when one is out of its bounds.
def take_guardrails(
    guardrails, basal_mu_per_h, bolus_mu, iob_mu, hour_mu, day_mu, interval_minutes, stale_minutes, decision_minutes
):  # fmt: skip
    bounds = guardrails.bounds
    pulse_mu = bounds.PULSE_MU
    if not (
        max(pulse_mu, bounds.BASAL_MIN_MU_PER_H) <= basal_mu_per_h <= bounds.GUARD_BASAL_MU_PER_H
        and pulse_mu <= bolus_mu <= bounds.GUARD_BOLUS_MU
        and pulse_mu <= iob_mu <= bounds.GUARD_IOB_MU
        and pulse_mu <= hour_mu <= bounds.GUARD_HOUR_MU
        and pulse_mu <= day_mu <= bounds.GUARD_DAY_MU
        and bounds.GUARD_INTERVAL_MINUTES <= interval_minutes <= _INTERVAL_MINUTES_MAX
        and _MINUTES_MIN <= stale_minutes <= bounds.GUARD_STALE_MINUTES
        and _MINUTES_MIN <= decision_minutes <= bounds.GUARD_DECISION_MINUTES
    ):
        return False
    guardrails.put(basal_mu_per_h, bolus_mu, iob_mu, hour_mu, day_mu, interval_minutes, stale_minutes, decision_minutes)
    return True
