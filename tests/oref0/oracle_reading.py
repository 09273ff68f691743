"""The oracle's reading of section 14 behind oref0's keys: what determine-basal takes and what it answers."""

from __future__ import annotations

from datetime import UTC, datetime
from math import isnan, nan
from typing import Any

from pumprig.oracle.oref import (
    Decision,
    GlucoseStatus,
    Inputs,
    InsulinPoint,
    LastTbr,
    Meal,
    RunningTbr,
    Settings,
    decide,
)
from pumprig.oracle.oref.aim import Aim, Trend
from pumprig.oracle.oref.forecast import Forecast
from pumprig.oracle.oref.inputs import FlatCgm
from pumprig.oracle.oref.numbers import rounded

__all__ = ["decision_of", "inputs_of", "said_of"]

MINUTE_MS = 60000
FLAGS = {
    "temptargetSet": "temp_target", "exercise_mode": "exercise_mode",
    "high_temptarget_raises_sensitivity": "high_target_raises_sensitivity",
    "low_temptarget_lowers_sensitivity": "low_target_lowers_sensitivity",
    "sensitivity_raises_target": "sensitivity_raises_target", "resistance_lowers_target": "resistance_lowers_target",
    "skip_neutral_temps": "skip_neutral_temps", "enableUAM": "uam", "enableSMB_always": "smb_always",
    "enableSMB_with_COB": "smb_with_cob", "enableSMB_after_carbs": "smb_after_carbs",
    "enableSMB_with_temptarget": "smb_with_low_target", "allowSMB_with_high_temptarget": "smb_with_high_target",
    "enableSMB_high_bg": "smb_at_high_bg",
}  # fmt: skip
NUMBERS = {
    "current_basal": "basal", "max_basal": "basal_max", "max_daily_basal": "basal_day_max", "max_iob": "iob_max",
    "sens": "isf", "carb_ratio": "carb_ratio", "min_bg": "low", "max_bg": "high", "autosens_max": "autosens_max",
    "noisyCGMTargetMultiplier": "noisy_target_multiplier", "carbsReqThreshold": "carbs_required_threshold",
    "maxDelta_bg_threshold": "delta_share", "enableSMB_high_bg_target": "smb_high_bg",
    "max_daily_safety_multiplier": "daily_basal_multiplier",
    "current_basal_safety_multiplier": "current_basal_multiplier",
}  # fmt: skip
# Where a zero means that it is not set.
NOT_ZERO = {
    "half_basal_exercise_target": "half_basal_target", "remainingCarbsCap": "remaining_carbs_cap",
    "remainingCarbsFraction": "remaining_carbs_fraction", "bolus_increment": "bolus_increment",
    "SMBInterval": "smb_interval_minutes",
}  # fmt: skip


def _settings(profile: dict[str, Any], how: str, exact: bool) -> Settings:
    values: dict[str, Any] = {ours: bool(profile.get(key)) for key, ours in FLAGS.items()}
    values |= {ours: profile[key] for key, ours in NUMBERS.items() if profile.get(key) is not None}
    values |= {ours: profile[key] for key, ours in NOT_ZERO.items() if profile.get(key)}
    values["smb_after_bolus_wizard"] = profile.get("A52_risk_enable") is not False
    if profile.get("maxSMBBasalMinutes") is not None:
        values["smb_basal_minutes"] = profile["maxSMBBasalMinutes"]
        values["uam_smb_basal_minutes"] = profile.get("maxUAMSMBBasalMinutes") or 30
    fine = str(profile.get("model", "")).endswith(("23", "54"))
    return Settings(**values, flat_cgm=FlatCgm(how), fine_steps=fine, exact=exact)


def _meal(asked: dict[str, Any], now: float) -> Meal:
    meal = asked["meal"]
    return Meal(
        carbs=meal.get("carbs", nan),
        cob=meal.get("mealCOB", nan),
        age_minutes=rounded((now - meal.get("lastCarbTime", nan)) / MINUTE_MS),
        slope_from_max=meal.get("slopeFromMaxDeviation", nan),
        slope_from_min=meal.get("slopeFromMinDeviation", nan),
        bolus_wizard=meal.get("bwFound") is True,
    )


def _points(iob: Any) -> tuple[InsulinPoint, ...]:
    points: list[InsulinPoint] = []
    for one in iob if isinstance(iob, list) else []:
        if "iobWithZeroTemp" not in one:
            break
        points.append(InsulinPoint(one.get("iob") or 0.0, one["activity"], one["iobWithZeroTemp"]["activity"]))
    return tuple(points)


def inputs_of(asked: dict[str, Any], how: str = "detected", exact: bool = False) -> Inputs:
    """What oref0's keys say."""
    now, status = asked["now"], asked["glucose_status"]
    first = asked["iob"][0] if isinstance(asked["iob"], list) else asked["iob"]
    last = first.get("lastTemp")
    return Inputs(
        settings=_settings(asked["profile"], how, exact),
        glucose=GlucoseStatus(
            status["glucose"],
            status["delta"],
            status["short_avgdelta"],
            status["long_avgdelta"],
            nan if status.get("noise") is None else status["noise"],
            status.get("device") == "fakecgm",
        ),
        now=InsulinPoint(first["iob"], first["activity"], nan),
        points=_points(asked["iob"]),
        tbr=RunningTbr(asked["currenttemp"]["rate"], asked["currenttemp"]["duration"]),
        last_tbr=None if last is None else LastTbr(
            last.get("rate", nan), last.get("duration", nan), rounded((now - last["date"]) / MINUTE_MS)
        ),
        meal=_meal(asked, now),
        autosens=asked.get("autosens", {}).get("ratio", nan),
        small_boluses=bool(asked.get("microBolusAllowed")),
        minute=datetime.fromtimestamp(now / 1000, UTC).minute,
        age_minutes=(now - status.get("date", nan)) / MINUTE_MS,
        bolus_age_minutes=(now - first.get("lastBolusTime", nan)) / MINUTE_MS,
        flat=bool(asked.get("flatBGsDetected")),
    )  # fmt: skip


def decision_of(asked: dict[str, Any], how: str = "detected", exact: bool = False) -> Decision:
    """What the oracle decides on oref0's keys."""
    return decide(inputs_of(asked, how, exact))


def _told(value: float, profile: dict[str, Any]) -> Any:
    """Glucose as oref0 tells it, in the wearer's unit."""
    if profile.get("out_units") == "mmol/L":
        return f"{rounded(value / 18, 1):.1f}"
    return rounded(value)


def _plain(value: float | None) -> float | None:
    """What is no number is null in JSON."""
    return None if value is None or isnan(value) else value


def said_of(asked: dict[str, Any], decision: Decision) -> dict[str, Any]:
    """A decision with oref0's keys, but for the text of the reason."""
    said: dict[str, Any] = {}
    if decision.tbr is not None:
        said |= {"rate": _plain(decision.tbr.rate), "duration": decision.tbr.minutes}
    if decision.tbr is not None or decision.trend is not None:
        moment = datetime.fromtimestamp(asked["now"] / 1000, UTC).isoformat(timespec="milliseconds")
        said |= {"temp": "absolute", "deliverAt": moment.removesuffix("+00:00") + "Z"}
    if decision.small_bolus:
        said["units"] = decision.small_bolus
    if decision.carbs_required is not None:
        said["carbsReq"] = decision.carbs_required
    if decision.aim is not None and decision.trend is not None and decision.forecast is not None:
        said |= _said_of_forecast(asked, decision, decision.aim, decision.trend, decision.forecast)
    return said


def _said_of_forecast(
    asked: dict[str, Any], decision: Decision, aim: Aim, trend: Trend, forecast: Forecast
) -> dict[str, Any]:
    status, profile, meal = asked["glucose_status"], asked["profile"], asked["meal"]
    first = asked["iob"][0] if isinstance(asked["iob"], list) else asked["iob"]
    delta = rounded(status["delta"])
    lines = {
        "IOB": forecast.iob_line, "ZT": forecast.zero_temp_line, "COB": forecast.cob_line, "UAM": forecast.uam_line,
    }  # fmt: skip
    said = {
        "bg": status["glucose"],
        "tick": f"+{delta:.0f}" if status["delta"] > -0.5 else delta,
        "eventualBG": _plain(forecast.eventual),
        "insulinReq": 0 if decision.insulin_required is None else _plain(decision.insulin_required),
        "predBGs": {name: [_plain(point) for point in line] for name, line in lines.items() if line is not None},
        "IOB": first["iob"],
        "BGI": _told(trend.bgi, profile),
        "deviation": _told(trend.deviation, profile),
        "ISF": _told(aim.isf, profile),
        "CR": rounded(profile["carb_ratio"], 2),
        "target_bg": _told(aim.target, profile),
    }
    if asked.get("reservoir") is not None:
        said["reservoir"] = asked["reservoir"]
    if not isnan(aim.ratio):
        said["sensitivityRatio"] = aim.ratio
    if "mealCOB" in meal:
        said["COB"] = meal["mealCOB"]
    return said
