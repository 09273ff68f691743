"""Random inputs of determine-basal, made for its corners: most numbers come from where a rule turns over.

`case(seed)` is one input with oref0's keys, always the same for a seed. Uniform noise would end nearly always in two or
three rules; so glucose, IOB and activity are chosen together, from a story: low, falling, in range, high, after carbs.
"""

from __future__ import annotations

import math
from random import Random
from typing import Any

__all__ = ["NOW_MS", "case"]

NOW_MS = 1542441600000
POINTS = 48
MINUTE_MS = 60000


def case(seed: int) -> dict[str, Any]:
    """The input of a seed."""
    r = Random(seed)
    now = NOW_MS + r.choice([0, 0, 54 * MINUTE_MS + 59999, 55 * MINUTE_MS, r.randrange(3600000)])
    profile = _profile(r)
    glucose = _glucose(r, profile, now)
    micro_bolus = r.random() < 0.7
    given = {
        "glucose_status": glucose,
        "currenttemp": _temp(r, profile),
        "profile": profile,
        "meal": _meal(r, now),
        "microBolusAllowed": micro_bolus,
        "reservoir": r.choice([None, 123.4]),
        "now": now,
    }
    if r.random() < 0.6:
        given["autosens"] = {"ratio": r.choice([0.7, 0.83, 0.95, 1, 1, 1.03, 1.2, round(r.uniform(0.5, 1.6), 2)])}
    given["iob"] = _iob(r, given, now)
    return given


def _maybe(r: Random, into: dict[str, Any], share: float, **choices: list[Any]) -> None:
    for key, values in choices.items():
        if r.random() < share:
            into[key] = r.choice(values)


def _profile(r: Random) -> dict[str, Any]:
    low = r.choice([80, 90, 95, 100, 100, 110, 120, 140, 160, r.randrange(70, 200)])
    basal = r.choice(
        [0.025, 0.05, 0.1, 0.35, 0.5, 0.8, 0.975, 1, 1.25, 2.05, round(r.uniform(0.02, 3), 3), 9.97, 10.26]
    )
    profile = {
        "current_basal": basal,
        "max_basal": r.choice([2, 3.5, 4, 10, 30]),
        "max_daily_basal": round(basal * r.choice([1, 1.1, 1.3, 2]), 3),
        "max_iob": r.choice([0, 1, 2.5, 3, 6, 15]),
        "sens": r.choice([20, 35, 40, 45.5, 50, 80, 100, 180.2, round(r.uniform(10, 250), 1), r.uniform(10, 250)]),
        "carb_ratio": r.choice([5, 8.5, 10, 12, 20, 30]),
        "min_bg": low,
        "max_bg": low + r.choice([0, 0, 1, 10, 20, 40]),
    }
    flags = [True, False]
    _maybe(r, profile, 0.4, skip_neutral_temps=[True, False, False], temptargetSet=flags)
    _maybe(r, profile, 0.5, exercise_mode=[False, False, True], high_temptarget_raises_sensitivity=flags,
           low_temptarget_lowers_sensitivity=flags, sensitivity_raises_target=flags, resistance_lowers_target=flags,
           enableUAM=[True], enableSMB_always=[True, True, False], enableSMB_with_COB=flags,
           enableSMB_after_carbs=flags, enableSMB_with_temptarget=flags, allowSMB_with_high_temptarget=flags,
           enableSMB_high_bg=flags, enableSMB_high_bg_target=[None, 110, 180], A52_risk_enable=flags)  # fmt: skip
    _maybe(r, profile, 0.3, half_basal_exercise_target=[101, 120, 160, 100, 130],
           max_daily_safety_multiplier=[None, 2, 3], current_basal_safety_multiplier=[None, 1, 4, 5],
           remainingCarbsCap=[0, 30, 90, 120], remainingCarbsFraction=[0.3, 1, 1.5, 0],
           bolus_increment=[0.025, 0.05, 0.1, 0, 0.01], SMBInterval=[0, 0.5, 1, 5, 20],
           maxDelta_bg_threshold=[0.1, 0.2, 0.25, 0.5, 0], model=["723", "554", "522", "515"])  # fmt: skip
    _maybe(
        r,
        profile,
        0.6,
        maxSMBBasalMinutes=[0, 15, 30, 90],
        maxUAMSMBBasalMinutes=[0, 15, 30, 60],
        carbsReqThreshold=[0, 1, 10],
    )
    _maybe(r, profile, 0.1, out_units=["mmol/L"])
    # Without these there is no number to go on with; `pumprig decide` asks for them.
    profile["autosens_max"] = r.choice([1.2, 1.2, 1, 1.5])
    profile["noisyCGMTargetMultiplier"] = r.choice([1, 1.1, 1.3, 2])
    return profile


def _glucose(r: Random, profile: dict[str, Any], now: int) -> dict[str, Any]:
    threshold = profile["min_bg"] - 0.5 * (profile["min_bg"] - 40)
    edges = [threshold, threshold - 1, threshold + 1, profile["min_bg"], profile["max_bg"], 60, 61]
    glucose = r.choice(
        [r.choice(edges), r.randrange(45, 120), r.randrange(80, 180), r.randrange(100, 400), r.uniform(50, 300)]
    )
    if r.random() < 0.02:
        glucose = r.choice([9, 10, 11, 37, 38, 39, 401])
    spread = r.choice([0.5, 2, 5, 10, 25])
    delta = r.uniform(-spread, spread)
    short = delta + r.uniform(-1, 1) * r.choice([0, 1, 3])
    long = short + r.uniform(-1, 1) * r.choice([0, 1, 3])
    status: dict[str, Any] = {"glucose": round(glucose, 2) if r.random() < 0.9 else glucose}
    digits = r.choice([0, 2, 2, 2])
    status |= {
        "delta": round(delta, digits),
        "short_avgdelta": round(short, digits),
        "long_avgdelta": round(long, digits),
    }
    if r.random() < 0.03:
        edges = [0, 0.99, -0.99, 1, -1]
        status |= {"delta": 0, "short_avgdelta": r.choice(edges), "long_avgdelta": r.choice(edges)}
        _maybe(r, status, 0.3, device=["fakecgm"])
    _maybe(r, status, 0.15, noise=[0, 1, 2, 2, 2.5, None, 3])
    ages = [0, 0, 30000, 5 * MINUTE_MS, 12 * MINUTE_MS, r.randrange(-250000, 12 * MINUTE_MS)]
    odd = [12 * MINUTE_MS + 3000, 12 * MINUTE_MS + 2999, 13 * MINUTE_MS, -5 * MINUTE_MS - 3000, -5 * MINUTE_MS - 3001]
    status["date"] = now - r.choice(odd if r.random() < 0.03 else ages)
    if r.random() < 0.02:
        del status["date"]
    return status


def _temp(r: Random, profile: dict[str, Any]) -> dict[str, Any]:
    basal = profile["current_basal"]
    rate = r.choice(
        [0, 0, basal, round(basal * 20) / 20, basal * 1.2, basal * 0.8, basal * 2, round(r.uniform(0, 4 * basal), 2)]
    )
    minutes = r.choice([0, 0, 0, 5, 6, 15, 16, 20, 21, 29, 30, 31, 60, 115, 120, 121, r.randrange(180)])
    return {"rate": rate if minutes or r.random() < 0.2 else 0, "duration": minutes, "temp": "absolute"}


def _meal(r: Random, now: int) -> dict[str, Any]:
    kind = r.random()
    if kind < 0.1:
        return {}
    meal: dict[str, Any] = {"carbs": 0, "mealCOB": 0, "lastCarbTime": 0}
    meal |= {"slopeFromMaxDeviation": 0, "slopeFromMinDeviation": 999}
    if kind > 0.45:
        carbs = r.choice([5, 20, 40, 60, 100, 150])
        left = r.choice([0, 0, carbs, round(carbs * r.random(), 1), round(carbs * r.random(), 1)])
        meal |= {"carbs": carbs, "mealCOB": left}
        meal["lastCarbTime"] = now - r.choice(
            [0, -2 * MINUTE_MS, -120 * MINUTE_MS, r.randrange(360) * MINUTE_MS, r.randrange(21600000)]
        )
    if r.random() < 0.6:
        meal["slopeFromMaxDeviation"] = r.choice([0, -0.1, -0.456, -1, -3.5, round(r.uniform(-4, 0), 3)])
        meal["slopeFromMinDeviation"] = r.choice([999, 0, 0.3, 1.234, 2, round(r.uniform(0, 5), 3)])
    if r.random() < 0.1:
        meal["bwFound"] = r.choice([True, False])
    if r.random() < 0.05:
        meal.pop("slopeFromMaxDeviation")
    return meal


# The share of a dose that is still to work, as a curve of five hours; only its shape matters here.
def _activity(minutes: float) -> float:
    return minutes * math.exp(-minutes / 55) / 3025 if minutes < 360 else 0.0


# The activity of a unit every 5 min, at each point.
_SINCE = [sum(_activity(5 * (i - j)) for j in range(i)) for i in range(POINTS)]


def _iob(r: Random, given: dict[str, Any], now: int) -> Any:
    profile, glucose = given["profile"], given["glucose_status"]["glucose"]
    # What brings glucose to somewhere near the range, or far from it.
    wish = profile["min_bg"] + r.choice([0, 0, 5, -5, 30, -40, 100, -100, r.uniform(-60, 60)])
    iob = (glucose - wish) / profile["sens"]
    iob = r.choice(
        [iob, iob, iob, 0, -profile["current_basal"] / 3, -profile["current_basal"] * 0.34, r.uniform(-2, 4)]
    )
    if r.random() < 0.1:
        iob = profile["max_iob"] + r.choice([0, 0.001, -0.1])
    ages = [(r.uniform(0, 240), r.random() + 0.01) for _ in range(3)]
    scale = iob / sum(part for _, part in ages)
    zero = r.choice([0, 0.2, 1, 1.5]) * profile["current_basal"]
    points = []
    for i in range(POINTS):
        activity = sum(scale * part * _activity(age + 5 * i) for age, part in ages)
        deficit = zero / 12 * _SINCE[i]
        left = iob * max(0.0, 1 - i / 40)
        points.append(_point(r.random() < 0.95, left, activity, activity - deficit))
    points[0] |= _history(r, given["currenttemp"], now)
    shape = r.random()
    if shape < 0.02:
        return points[0]
    if shape < 0.04:
        del points[r.randrange(2, POINTS) :]
    elif shape < 0.05:
        del points[r.randrange(POINTS)]["iobWithZeroTemp"]
    return points


def _point(rounded: bool, iob: float, activity: float, zero_temp: float) -> dict[str, Any]:
    if rounded:
        iob, activity, zero_temp = round(iob, 3), round(activity, 4), round(zero_temp, 4)
    return {"iob": iob, "activity": activity, "iobWithZeroTemp": {"iob": iob, "activity": zero_temp}}


def _history(r: Random, temp: dict[str, Any], now: int) -> dict[str, Any]:
    kind = r.random()
    bolus = now - r.choice([0, 60000, 179999, 180000, 183000, 186001, 300000, 600000, 3600000, r.randrange(660000)])
    history: dict[str, Any] = {"lastBolusTime": bolus} if r.random() < 0.97 else {}
    if kind < 0.35:
        return history
    rate, minutes = temp["rate"], max(1, temp["duration"])
    age = r.randrange(0, 12)
    if kind > 0.9:
        age, minutes = r.choice([8, 10, 11, 12, 20]), r.choice([1, 5, 6, 15])
        rate = r.choice([rate, rate + 0.05])
    last = {"date": now - age * MINUTE_MS - r.choice([0, 29999, 30000]), "rate": rate, "duration": minutes}
    if kind > 0.98:
        last = {"date": 0}
    return history | {"lastTemp": last}
