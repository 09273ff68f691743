"""What is aimed at, and how glucose moves against it (D-1014, D-1015, D-1021 to D-1028)."""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan

from pumprig.oracle.oref.inputs import FlatCgm, Inputs, InsulinPoint
from pumprig.oracle.oref.numbers import NOTHING, greatest, least, rounded

__all__ = ["Aim", "Trend", "aim_of", "flat", "trend_of", "untrusted"]

_NORMAL_TARGET = 100
_RAISED_MOST = 200


@dataclass(frozen=True, slots=True)
class Aim:
    """What is aimed at (D-1021 to D-1024); `ratio` is nothing without a reason for one."""

    ratio: float
    basal: float
    low: float
    high: float
    target: float
    threshold: float
    isf: float


@dataclass(frozen=True, slots=True)
class Trend:
    """Where glucose goes by itself (D-1027, D-1028)."""

    bgi: float
    min_delta: float
    deviation: float
    naive: float
    eventual: float
    expected_delta: float


def flat(inputs: Inputs) -> bool:
    """Whether the CGM is flat (D-1015)."""
    how, glucose = inputs.settings.flat_cgm, inputs.glucose
    if how is FlatCgm.TOLD:
        return inputs.flat
    return (
        how is FlatCgm.DETECTED
        and not glucose.fake
        and glucose.mg_dl > 60
        and glucose.delta == 0
        and -1 < glucose.short < 1
        and -1 < glucose.long < 1
    )


def untrusted(inputs: Inputs) -> bool:
    """Whether the CGM is not to be trusted (D-1014)."""
    glucose, age = inputs.glucose, rounded(inputs.age_minutes, 1)
    return glucose.mg_dl <= 10 or glucose.mg_dl == 38 or glucose.noise >= 3 or age > 12 or age < -5 or flat(inputs)


def _ratio(inputs: Inputs, target: float) -> float:
    """D-1021: from a temp target, else autosens."""
    settings = inputs.settings
    raises = settings.exercise_mode or settings.high_target_raises_sensitivity
    high = raises and target > _NORMAL_TARGET
    low = settings.low_target_lowers_sensitivity and target < _NORMAL_TARGET
    if not (settings.temp_target and (high or low)):
        return inputs.autosens
    c = settings.half_basal_target - _NORMAL_TARGET
    below = c + target - _NORMAL_TARGET
    ratio = settings.autosens_max if c * below <= 0 else c / below
    return rounded(min(ratio, settings.autosens_max), 2)


def _follows(inputs: Inputs) -> bool:
    """D-1022: whether the target follows autosens."""
    settings, autosens = inputs.settings, inputs.autosens
    if settings.temp_target:
        return False
    return (settings.sensitivity_raises_target and autosens < 1) or (
        settings.resistance_lowers_target and autosens > 1
    )


def aim_of(inputs: Inputs) -> Aim:
    """Sensitivity, basal, range, target, threshold and ISF (D-1021 to D-1024)."""
    settings, autosens = inputs.settings, inputs.autosens
    low, high = settings.low, settings.high
    target = (low + high) / 2
    ratio = _ratio(inputs, target)
    basal = settings.stepped(settings.basal if isnan(ratio) else settings.basal * ratio)
    if _follows(inputs):
        low, high, target = (rounded((value - 60) / autosens) + 60 for value in (low, high, target))
        target = max(80, target)
    if inputs.glucose.noise >= 2:
        # D-1023
        multiplier = max(1.1, settings.noisy_target_multiplier)
        low, high, target = (rounded(min(_RAISED_MOST, value * multiplier)) for value in (low, high, target))
    isf = settings.isf if isnan(autosens) else rounded(settings.isf / ratio, 1)
    return Aim(ratio, basal, low, high, target, low - 0.5 * (low - 40), isf)


def bgi_of(activity: float, isf: float) -> float:
    """What insulin does to glucose in 5 min (D-1027)."""
    return rounded(-activity * isf * 5, 2)


def trend_of(inputs: Inputs, aim: Aim) -> Trend:
    """Deviation, and naive and eventual glucose (D-1027, D-1028)."""
    glucose, now = inputs.glucose, inputs.now
    bgi = bgi_of(now.activity, aim.isf)
    min_delta = least(glucose.delta, glucose.short)
    deviation = NOTHING
    for delta in (min_delta, least(glucose.short, glucose.long), glucose.long):
        deviation = rounded(6 * (delta - bgi))
        if not deviation < 0:
            break
    naive = _naive(inputs, aim, now)
    eventual = naive + deviation
    expected = rounded(bgi + (aim.target - eventual) / 24, 1)
    return Trend(bgi, min_delta, deviation, naive, eventual, expected)


def _naive(inputs: Inputs, aim: Aim, now: InsulinPoint) -> float:
    # D-1028: a deficit of insulin is not made larger by sensitivity than the profile has it.
    isf = aim.isf if now.iob > 0 else min(aim.isf, inputs.settings.isf)
    return rounded(inputs.glucose.mg_dl - now.iob * isf)


def max_delta(inputs: Inputs) -> float:
    """The fastest rise that any of the three shows (D-1039)."""
    return greatest(inputs.glucose.delta, inputs.glucose.short, inputs.glucose.long)
