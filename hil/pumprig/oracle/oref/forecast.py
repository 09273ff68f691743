"""Carbs not yet seen, the four lines, and what is read from them (D-1031 to D-1037)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isnan, nan

from pumprig.oracle.oref.aim import Aim, Trend, bgi_of
from pumprig.oracle.oref.inputs import Inputs
from pumprig.oracle.oref.numbers import NOTHING, given, greatest, least, quotient, rounded

__all__ = ["NO_POINTS", "Carbs", "Forecast", "Line", "carbs_of", "forecast_of"]

NO_POINTS = 999.0
"""Guard and later of a line without points (D-1037)."""

_POINTS = 48
_GRAMS_PER_H_MOST = 30
_LATER_FROM = 18
_UAM_LATER_FROM = 12
_SHOWN_LEAST, _SHOWN_MOST = 39.0, 401.0


# --- carbs ---


@dataclass(frozen=True, slots=True)
class Carbs:
    """Carb impact, and carbs that glucose does not show yet (D-1031, D-1032)."""

    csf: float
    rise: float
    impact: float
    hours: float
    peak: float
    fading_points: float

    @property
    def expected(self) -> bool:
        """Whether more carbs will come (D-1032)."""
        return given(self.fading_points) or self.peak > 0

    @property
    def rising(self) -> bool:
        """Whether they raise glucose, now or later (D-1032)."""
        return self.impact > 0 or self.peak > 0


def carbs_of(inputs: Inputs, aim: Aim, trend: Trend) -> Carbs:
    """D-1031 and D-1032."""
    settings, meal = inputs.settings, inputs.meal
    csf = aim.isf / settings.carb_ratio
    rise = rounded(trend.min_delta - trend.bgi, 1)
    impact = min(rise, rounded(_GRAMS_PER_H_MOST * csf * 5 / 60, 1))
    hours = 3.0 if not given(aim.ratio) else 3 / aim.ratio
    if given(meal.carbs):
        hours = rounded(greatest(hours, meal.cob / 20) + 1.5 * meal.age_minutes / 60, 1)
    explained = max(0, impact / 5 * 60 * hours / 2) / csf
    cap = min(90, settings.remaining_carbs_cap)
    fraction = min(1, settings.remaining_carbs_fraction)
    remaining = least(cap, greatest(0, meal.cob - explained - meal.carbs * (1 - fraction)))
    peak = quotient(remaining * csf * 5 / 60, hours / 2)
    fading = 0.0 if impact == 0 else least(hours * 60 / 5 / 2, greatest(0, meal.cob * csf / impact))
    return Carbs(csf, rise, impact, hours, peak, fading)


# --- lines ---


class Line:
    """Points of one line: 0 is glucose, 1 to 48 follow; all unrounded (D-1033)."""

    def __init__(self, glucose: float) -> None:
        self.points = [glucose]

    @property
    def end(self) -> float:
        """Point 48, or the last there is (D-1037); nothing without any."""
        return self.points[-1] if len(self.points) > 1 else NOTHING

    def guard(self) -> float:
        """The lowest point, rounded (D-1037)."""
        return _lowest(self.points[1:])

    def later(self, first: int) -> float:
        """The lowest point from one on, rounded, at least 39 (D-1037)."""
        lowest = _lowest(self.points[first:])
        return lowest if lowest == NO_POINTS else max(_SHOWN_LEAST, lowest)

    def bounded(self) -> list[float]:
        """Points 0 to 47, rounded and between 39 and 401 (D-1036); nothing stays nothing."""
        return [
            _SHOWN_LEAST if point < _SHOWN_LEAST else _SHOWN_MOST if point > _SHOWN_MOST else rounded(point)
            for point in self.points[:_POINTS]
        ]

    def shown(self) -> list[float]:
        """As shown: without equal points at the end, down to 13 (D-1036)."""
        points = self.bounded()
        while len(points) > 13 and points[-2] == points[-1]:
            points.pop()
        return points

    def shown_above(self, target: float) -> list[float]:
        """As shown of the zero temp: without what rises above the target at the end, down to 7 (D-1036)."""
        points = self.bounded()
        while len(points) > 7 and points[-2] < points[-1] and points[-1] > target:
            points.pop()
        return points


def _lowest(points: list[float]) -> float:
    lowest = NO_POINTS
    for point in points:
        if point < lowest:
            lowest = point
    return rounded(lowest)


@dataclass(frozen=True, slots=True)
class _Lines:
    iob: Line
    zero_temp: Line
    cob: Line
    uam: Line


def _iob_steps(inputs: Inputs, aim: Aim, carbs: Carbs) -> Iterator[tuple[int, float, float]]:
    """Number of each point, BGI up to it, and the impact that fades within the hour (D-1033)."""
    for i, point in enumerate(inputs.points[:_POINTS], 1):
        yield i, bgi_of(point.activity, aim.isf), carbs.impact * (1 - min(1, i / 12))


def _cob_rise(carbs: Carbs, i: int, fading: float, half: float) -> tuple[float, float]:
    """D-1034: what fades of the impact seen over so many points, and the triangle, half of it so long, of the rest."""
    seen = greatest(0, max(0, carbs.impact) * (1 - i / fading))
    side = min(i, carbs.hours * 12 - i)
    return seen, greatest(0, quotient(side, half) * carbs.peak)


def _uam_slope(inputs: Inputs) -> float:
    """D-1035: how fast the rise changes from point to point."""
    return least(rounded(inputs.meal.slope_from_max, 2), -rounded(inputs.meal.slope_from_min, 2) / 3)


def _uam_rise(carbs: Carbs, i: int, slope: float) -> float:
    """D-1035: along the slope, or fading over three hours, whichever is less."""
    along, fading = carbs.rise + i * slope, carbs.rise * (1 - i / 36)
    return least(greatest(0, along), max(0, fading))


def _lines(inputs: Inputs, aim: Aim, carbs: Carbs) -> _Lines:
    """D-1033 to D-1035."""
    glucose = inputs.glucose.mg_dl
    lines = _Lines(Line(glucose), Line(glucose), Line(glucose), Line(glucose))
    iob, zero_temp, cob, uam = lines.iob.points, lines.zero_temp.points, lines.cob.points, lines.uam.points
    slope, fading, half = _uam_slope(inputs), greatest(carbs.fading_points * 2, 1), carbs.hours / 2 * 12
    # Nobody reads COB without carbs, and UAM unless it is chosen (D-1036, D-1037).
    with_cob, with_uam = carbs.expected or inputs.meal.cob > 0, inputs.settings.uam
    for i, bgi, impact in _iob_steps(inputs, aim, carbs):
        # One after the other: each sum is rounded to a double.
        iob.append(iob[-1] + bgi + impact)
        zero_temp.append(zero_temp[-1] + bgi_of(inputs.points[i - 1].zero_temp_activity, aim.isf))
        falling = min(0, impact)
        if with_cob:
            seen, unseen = _cob_rise(carbs, i, fading, half)
            cob.append(cob[-1] + bgi + falling + seen + unseen)
        if with_uam:
            uam.append(uam[-1] + bgi + falling + _uam_rise(carbs, i, slope))
    return lines


# --- what is read from them ---


@dataclass(frozen=True, slots=True)
class Forecast:
    """What the lines say (D-1036, D-1037); a line that is not shown is None."""

    eventual: float
    min_guard: float
    min_pred: float
    iob_later: float
    cob_line: list[float] | None
    uam_line: list[float] | None
    # Nothing is decided by the other two as they are shown, so they wait until somebody looks.
    iob: Line
    zero_temp: Line
    target: float

    @property
    def iob_line(self) -> list[float]:
        """IOB as shown."""
        return self.iob.shown()

    @property
    def zero_temp_line(self) -> list[float]:
        """The zero temp as shown."""
        return self.zero_temp.shown_above(self.target)


@dataclass(frozen=True, slots=True)
class _Readings:
    """Guard, later and end of the lines as D-1037 counts them."""

    share: float
    iob_guard: float
    cob_guard: float
    uam_guard: float
    zt_guard: float
    iob_later: float
    cob_later: float
    uam_later: float
    iob_end: float
    cob_end: float
    uam_end: float


def _read(inputs: Inputs, trend: Trend, carbs: Carbs, lines: _Lines) -> _Readings:
    meal, uam = inputs.meal, inputs.settings.uam
    # Without carbs there is no share of them (D-1037).
    share = meal.cob / meal.carbs if given(meal.carbs) else nan
    return _Readings(
        share=share,
        iob_guard=lines.iob.guard(),
        cob_guard=lines.cob.guard(),
        uam_guard=lines.uam.guard(),
        zt_guard=lines.zero_temp.guard(),
        iob_later=lines.iob.later(_LATER_FROM),
        cob_later=lines.cob.later(_LATER_FROM) if carbs.expected else NO_POINTS,
        uam_later=lines.uam.later(_UAM_LATER_FROM) if uam else NO_POINTS,
        iob_end=trend.eventual if isnan(lines.iob.end) else lines.iob.end,
        cob_end=lines.cob.end,
        uam_end=lines.uam.end,
    )


def _min_guard(inputs: Inputs, carbs: Carbs, read: _Readings) -> float:
    """D-1037, min guard."""
    if carbs.expected:
        if not inputs.settings.uam:
            return read.cob_guard
        return rounded(read.share * read.cob_guard + (1 - read.share) * read.uam_guard)
    return read.uam_guard if inputs.settings.uam else read.iob_guard


def _average(read: _Readings) -> float:
    """D-1037, average."""
    uam, cob = read.uam_later < NO_POINTS, read.cob_later < NO_POINTS
    if uam and cob:
        average = (1 - read.share) * read.uam_end + read.share * read.cob_end
    elif cob:
        average = (read.iob_end + read.cob_end) / 2
    elif uam:
        average = (read.iob_end + read.uam_end) / 2
    else:
        average = read.iob_end
    average = rounded(average)
    return read.zt_guard if read.zt_guard > average else average


def _held_uam(aim: Aim, read: _Readings) -> float:
    """D-1037, held UAM."""
    uam, guard = read.uam_later, read.zt_guard
    held = uam
    if guard < aim.threshold:
        held = (uam + guard) / 2
    elif guard < aim.target:
        s = (guard - aim.threshold) / (aim.target - aim.threshold)
        held = (uam + (uam * s + guard * (1 - s))) / 2
    elif guard > uam:
        held = (uam + guard) / 2
    return rounded(held)


def _min_pred(inputs: Inputs, aim: Aim, min_guard: float, read: _Readings) -> float:
    """D-1037, min pred, before average and COB bound it."""
    uam = inputs.settings.uam
    if not given(inputs.meal.carbs):
        return rounded(max(read.iob_later, _held_uam(aim, read))) if uam else read.iob_later
    if read.cob_later < NO_POINTS:
        pred = max(read.iob_later, read.cob_later)
        if uam:
            pred = greatest(pred, read.share * read.cob_later + (1 - read.share) * _held_uam(aim, read))
        return rounded(pred)
    return _held_uam(aim, read) if uam else min_guard


def _cob_peak(inputs: Inputs, carbs: Carbs, lines: _Lines) -> float:
    """D-1037: the last point of COB above glucose and above IOB up to then; nothing when there was none."""
    highest, peak = inputs.glucose.mg_dl, NOTHING
    if carbs.expected:
        for iob, cob in zip(lines.iob.points[1:], lines.cob.points[1:], strict=True):
            highest = max(highest, iob)
            if cob > highest:
                peak = cob
    return peak


def forecast_of(inputs: Inputs, aim: Aim, trend: Trend, carbs: Carbs) -> Forecast:
    """The lines and what is read from them (D-1033 to D-1037)."""
    lines = _lines(inputs, aim, carbs)
    read = _read(inputs, trend, carbs, lines)
    cob_line = lines.cob.shown() if inputs.meal.cob > 0 and carbs.rising else None
    uam_line = lines.uam.shown() if inputs.settings.uam and carbs.rising else None
    eventual = trend.eventual
    if cob_line is not None:
        eventual = greatest(eventual, cob_line[-1])
    # A line of UAM without slopes is none to compare with (D-1001).
    if uam_line is not None and uam_line[-1] > eventual:
        eventual = uam_line[-1]
    min_guard = _min_guard(inputs, carbs, read)
    pred = least(_min_pred(inputs, aim, min_guard, read), _average(read))
    peak = _cob_peak(inputs, carbs, lines)
    return Forecast(
        eventual=eventual,
        min_guard=min_guard,
        min_pred=pred if isnan(peak) else min(pred, peak),
        iob_later=read.iob_later,
        cob_line=cob_line,
        uam_line=uam_line,
        iob=lines.iob,
        zero_temp=lines.zero_temp,
        target=aim.target,
    )
