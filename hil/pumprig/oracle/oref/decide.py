"""The rules in their order (D-1014, D-1025, D-1026, D-1038 to D-1053)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from math import floor, isnan

from pumprig.oracle.oref.aim import Aim, Trend, aim_of, max_delta, trend_of, untrusted
from pumprig.oracle.oref.forecast import Carbs, Forecast, carbs_of, forecast_of
from pumprig.oracle.oref.inputs import Inputs, WantedTbr
from pumprig.oracle.oref.numbers import NOTHING, given, greatest, least, quotient, rounded

__all__ = ["Decision", "decide"]

_HALF_HOUR = 30


@dataclass(frozen=True)
class Decision:
    """What is decided, by which rule, and what it was made on as far as that was reached.

    Args:
        rule: number of the deciding rule, as 1045.
        tbr: the TBR to set, None to leave all as it is.
        small_bolus: U, 0 for none.
        insulin_required: U (D-1047), None where that was not reached.
        carbs_required: grams, None when they are not told.
        aim, trend, forecast: None when they were not reached.
    """

    rule: int
    tbr: WantedTbr | None
    small_bolus: float = 0.0
    insulin_required: float | None = None
    carbs_required: float | None = None
    aim: Aim | None = None
    trend: Trend | None = None
    forecast: Forecast | None = None


@dataclass(frozen=True)
class _Verdict:
    """What one of the rules in their order says."""

    rule: int
    tbr: WantedTbr | None
    insulin_required: float | None = None
    small_bolus: float = 0.0


class _Case:
    """What the rules in their order look at, each number found once."""

    def __init__(self, inputs: Inputs, aim: Aim | None) -> None:
        self.inputs = inputs
        self.settings = inputs.settings
        self.aim = aim_of(inputs) if aim is None else aim

    @cached_property
    def trend(self) -> Trend:
        return trend_of(self.inputs, self.aim)

    @cached_property
    def carbs(self) -> Carbs:
        return carbs_of(self.inputs, self.aim, self.trend)

    @cached_property
    def forecast(self) -> Forecast:
        return forecast_of(self.inputs, self.aim, self.trend, self.carbs)

    @property
    def iob(self) -> float:
        return self.inputs.now.iob

    @property
    def rises_faster(self) -> bool:
        """Whether glucose rises, and faster than expected (D-1041, D-1043)."""
        return self.trend.min_delta > 0 and self.trend.min_delta > self.trend.expected_delta

    @cached_property
    def small_boluses(self) -> bool:
        """D-1038 and D-1039."""
        glucose, settings = self.inputs.glucose.mg_dl, self.settings
        if self.forecast.min_guard < self.aim.threshold:
            return False
        share = min(0.3, settings.delta_share)
        return _chosen(self) and not max_delta(self.inputs) > share * glucose

    @cached_property
    def carbs_needed(self) -> tuple[float, float]:
        """D-1040: grams, and minutes until the threshold."""
        settings, meal, trend = self.settings, self.inputs.meal, self.trend
        naive = trend.naive
        if naive < 40:
            naive = min(naive, self.forecast.min_guard)
        line = self.forecast.iob_line if self.forecast.cob_line is None else self.forecast.cob_line
        minutes = next((5.0 * i for i, point in enumerate(line) if point < self.aim.threshold), 240.0)
        without = settings.basal * self.aim.isf * minutes / 60
        grams = (self.aim.threshold - naive - without) / self.carbs.csf
        on_board = meal.cob - 0.25 * meal.carbs
        return rounded(grams - greatest(0, on_board)), minutes

    @property
    def carbs_told(self) -> float | None:
        """D-1040: grams, when they are told."""
        grams, minutes = self.carbs_needed
        return grams if grams >= self.settings.carbs_required_threshold and minutes <= 45 else None

    def brings(self) -> float:
        """What the running TBR brings above the basal, in U (D-1043, D-1050)."""
        return self.inputs.tbr.minutes * (self.inputs.tbr.rate - self.aim.basal) / 60

    def minutes_to_target(self, glucose: float) -> float:
        """Minutes of a zero temp that bring a glucose to the target, rounded (D-1041)."""
        return rounded(quotient(60 * ((self.aim.target - glucose) / self.aim.isf), self.settings.basal))


def _chosen(case: _Case) -> bool:
    """D-1038: small boluses chosen."""
    settings, meal, target = case.settings, case.inputs.meal, case.aim.target
    if not case.inputs.small_boluses:
        return False
    if settings.temp_target and target > 100 and not settings.smb_with_high_target:
        return False
    if meal.bolus_wizard and not settings.smb_after_bolus_wizard:
        return False
    return (
        settings.smb_always
        or (settings.smb_with_cob and given(meal.cob))
        or (settings.smb_after_carbs and given(meal.carbs))
        or (settings.smb_with_low_target and settings.temp_target and target < 100)
        or (settings.smb_at_high_bg and case.inputs.glucose.mg_dl >= settings.smb_high_bg)
    )


# --- setting a TBR ---


def _set(inputs: Inputs, rate: float, minutes: float) -> WantedTbr | None:
    """D-1051."""
    settings, running = inputs.settings, inputs.tbr
    rate = settings.stepped(greatest(0, least(rate, settings.safe_rate)))
    near = running.rate * 0.8 <= rate <= running.rate * 1.2
    if minutes > 0 and minutes - 10 < running.minutes <= 120 and near:
        return None
    if rate == settings.basal and settings.skip_neutral_temps:
        return WantedTbr(0.0, 0) if running.minutes > 0 else None
    return WantedTbr(rate, minutes)


def _cancel(inputs: Inputs) -> WantedTbr | None:
    return _set(inputs, 0.0, 0)


def _basal(case: _Case) -> WantedTbr | None:
    """D-1053."""
    stepped, running = case.settings.stepped, case.inputs.tbr
    if running.minutes > 15 and stepped(case.aim.basal) == stepped(running.rate):
        return None
    return _set(case.inputs, case.aim.basal, _HALF_HOUR)


def _half_hours(minutes: float, least: float, most: float) -> float:
    return min(most, max(least, rounded(minutes / _HALF_HOUR) * _HALF_HOUR))


# --- the rules in their order ---


def _cgm_faulty(inputs: Inputs) -> Decision | None:
    """D-1014."""
    if not untrusted(inputs):
        return None
    running, basal = inputs.tbr, inputs.settings.stepped(inputs.settings.basal)
    tbr = None
    if running.rate > basal:
        tbr = WantedTbr(basal, _HALF_HOUR)
    elif running.rate == 0 and running.minutes > _HALF_HOUR:
        tbr = WantedTbr(0.0, _HALF_HOUR)
    return Decision(1014, tbr)


def _another(inputs: Inputs) -> bool:
    """D-1025: whether another TBR runs than the history's last."""
    last = inputs.last_tbr
    runs = inputs.small_boluses and given(inputs.tbr.minutes)
    return runs and last is not None and inputs.tbr.rate != last.rate and last.age_minutes > 10


def _ended(inputs: Inputs) -> bool:
    """D-1026: whether the history's last TBR has ended, though one runs."""
    last = inputs.last_tbr
    if last is None or not inputs.tbr.minutes > 0:
        return False
    return last.age_minutes > 10 and last.age_minutes - last.minutes > 5


def _low(case: _Case) -> _Verdict | None:
    """D-1041."""
    guard, threshold = case.forecast.min_guard, case.aim.threshold
    low_now = case.inputs.glucose.mg_dl < threshold
    if not (low_now or guard < threshold):
        return None
    if low_now and case.iob < -case.settings.basal * 20 / 60 and case.rises_faster:
        return None
    minutes = _half_hours(case.minutes_to_target(guard), 30, 120)
    return _Verdict(1041, _set(case.inputs, 0.0, minutes))


def _end_of_the_hour(case: _Case) -> _Verdict | None:
    """D-1042."""
    if case.settings.skip_neutral_temps and case.inputs.minute >= 55:
        return _Verdict(1042, _cancel(case.inputs))
    return None


def _eventually_low(case: _Case) -> _Verdict | None:
    """D-1043."""
    if not case.forecast.eventual < case.aim.low:
        return None
    trend, aim, running = case.trend, case.aim, case.inputs.tbr
    if case.rises_faster and not given(case.carbs_needed[0]):
        return _Verdict(1043, _set(case.inputs, 0.0, _HALF_HOUR) if trend.naive < 40 else _basal(case))
    surplus = rounded(2 * min(0, (case.forecast.eventual - aim.target) / aim.isf), 2)
    naive_surplus = rounded(min(0, (trend.naive - aim.target) / aim.isf), 2)
    if trend.expected_delta < trend.min_delta < 0:
        surplus = rounded(surplus * (trend.min_delta / trend.expected_delta), 2)
    rate = case.settings.stepped(aim.basal + 2 * surplus)
    if case.brings() < min(surplus, naive_surplus) - aim.basal * 0.3:
        tbr = _set(case.inputs, rate, _HALF_HOUR)
    elif running.minutes > 5 and rate >= running.rate * 0.8:
        tbr = None
    elif rate <= 0:
        minutes = _half_hours(case.minutes_to_target(trend.naive), 30, 120)
        tbr = _set(case.inputs, rate, minutes)
    else:
        tbr = _set(case.inputs, rate, _HALF_HOUR)
    return _Verdict(1043, tbr)


def _falling(case: _Case) -> _Verdict | None:
    """D-1044."""
    if case.trend.min_delta < case.trend.expected_delta and not case.small_boluses:
        return _Verdict(1044, _basal(case))
    return None


def _in_range(case: _Case) -> _Verdict | None:
    """D-1045."""
    forecast = case.forecast
    if least(forecast.eventual, forecast.min_pred) < case.aim.high and not case.small_boluses:
        return _Verdict(1045, _basal(case))
    return None


def _iob_limit(case: _Case) -> _Verdict | None:
    """D-1046."""
    return _Verdict(1046, _basal(case)) if case.iob > case.settings.iob_max else None


def _small_bolus(case: _Case, required: float) -> float:
    """D-1048: U, whether it may be given now or waits."""
    settings, meal = case.settings, case.inputs.meal
    uam = case.iob > rounded(meal.cob / settings.carb_ratio, 3)
    minutes = settings.uam_smb_basal_minutes if uam else settings.smb_basal_minutes
    most = rounded(settings.basal * minutes / 60, 1)
    if isnan(required):
        return NOTHING
    increments = 1 / settings.bolus_increment
    return floor(min(required / 2, most) * increments) / increments


def _waits(case: _Case) -> bool:
    """D-1048: whether the last bolus is too young."""
    interval = min(10, max(1, case.settings.smb_interval_minutes))
    return not rounded(case.inputs.bolus_age_minutes, 1) > interval


def _low_beside(case: _Case, required: float, bolus: float) -> WantedTbr | None:
    """D-1049."""
    if required > 0 and bolus < case.settings.bolus_increment:
        return None
    minutes = case.minutes_to_target((case.trend.naive + case.forecast.iob_later) / 2)
    if not minutes > 0:
        return None
    if minutes >= _HALF_HOUR:
        return WantedTbr(0.0, _half_hours(minutes, 0, 60))
    return WantedTbr(rounded(case.aim.basal * minutes / _HALF_HOUR, 2), _HALF_HOUR)


def _high(case: _Case, rate: float, required: float) -> WantedTbr | None:
    """D-1050."""
    settings, running = case.settings, case.inputs.tbr
    if rate > settings.safe_rate:
        rate = settings.stepped(settings.safe_rate)
    kept = running.minutes > 5 and settings.stepped(rate) <= settings.stepped(running.rate)
    if kept and case.brings() < required * 2:
        return None
    return _set(case.inputs, rate, _HALF_HOUR)


def _insulin_required(case: _Case) -> _Verdict:
    """D-1047 to D-1050."""
    pred = least(case.forecast.min_pred, case.forecast.eventual)
    required = rounded((pred - case.aim.target) / case.aim.isf, 2)
    required = least(required, case.settings.iob_max - case.iob)
    rate = case.settings.stepped(case.aim.basal + 2 * required)
    required = rounded(required, 3)
    bolus = 0.0
    if case.small_boluses and case.inputs.glucose.mg_dl > case.aim.threshold:
        judged = _small_bolus(case, required)
        bolus = 0.0 if _waits(case) else max(0.0, judged)
        low = _low_beside(case, required, judged)
        if low is not None:
            return _Verdict(1049, low, required, bolus)
    return _Verdict(1050, _high(case, rate, required), required, bolus)


_RULES: tuple[Callable[[_Case], _Verdict | None], ...] = (
    _low,
    _end_of_the_hour,
    _eventually_low,
    _falling,
    _in_range,
    _iob_limit,
    _insulin_required,
)


def decide(inputs: Inputs, aim: Aim | None = None) -> Decision:
    """What section 14 decides; the first rule that holds.

    Args:
        inputs: all that D-1001 names.
        aim: what is aimed at, None for what D-1021 to D-1024 make of the inputs.
    """
    faulty = _cgm_faulty(inputs)
    if faulty is not None:
        return faulty
    case = _Case(inputs, aim)
    for number, holds in ((1025, _another), (1026, _ended)):
        if holds(inputs):
            return Decision(number, _cancel(inputs), aim=case.aim)
    verdict = next(said for said in (rule(case) for rule in _RULES) if said is not None)
    return Decision(
        rule=verdict.rule,
        tbr=verdict.tbr,
        small_bolus=verdict.small_bolus,
        insulin_required=verdict.insulin_required,
        carbs_required=case.carbs_told,
        aim=case.aim,
        trend=case.trend,
        forecast=case.forecast,
    )
