"""Insulin on board as section 14 counts it: curves, doses, 48 points (D-1012, D-1013)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from math import exp
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from pumprig.oracle.oref.inputs import InsulinPoint
from pumprig.oracle.oref.numbers import rounded

__all__ = ["Curve", "Doses", "activity_of", "bilinear", "exponential", "points_of"]

_POINTS = 48
_STEP_MINUTES = 5
_ENTRIES_MOST = 1024
_GAP_MINUTES = 301
# Ages that a point can ask for lie this far beyond the age now.
_AHEAD_MINUTES = _STEP_MINUTES * _POINTS


@dataclass(frozen=True)
class Curve:
    """The share of a dose that is left at each whole minute of age, and its activity in 1/min (D-1012).

    Attributes:
        minutes: T.
        left: by age in minutes.
        activity: by age in minutes, until 48 points after T.
        activities: the same as `activity`.
        at_points: by age now (rows) the activity at each of the 48 points (columns).
    """

    minutes: int
    left: tuple[float, ...]
    activity: tuple[float, ...]
    activities: NDArray[np.float64] = field(compare=False, repr=False)
    at_points: NDArray[np.float64] = field(compare=False, repr=False)


def _curve(minutes: int, left: list[float], activity: list[float]) -> Curve:
    nothing = [0.0] * (_AHEAD_MINUTES + 2)
    activity = activity + nothing
    ages = np.arange(minutes)[:, np.newaxis] + _STEP_MINUTES * np.arange(_POINTS)
    activities = np.array(activity)
    return Curve(minutes, tuple(left + nothing), tuple(activity), activities, activities[ages])


@cache
def exponential(dia_minutes: int, peak_minutes: int) -> Curve:
    """D-701 with its activity; T is at least 300 min (D-1012)."""
    end, peak = max(300, dia_minutes), peak_minutes
    tau = peak * (1 - peak / end) / (1 - 2 * peak / end)
    a = 2 * tau / end
    scale = 1 / (1 - a + (1 + a) * exp(-end / tau))
    left, activity = [], []
    for t in range(end):
        fades = exp(-t / tau)
        left.append(1 - scale * (1 - a) * ((t * t / (tau * end * (1 - a)) - t / tau - 1) * fades + 1))
        activity.append(scale / tau**2 * t * (1 - t / end) * fades)
    return _curve(end, left, activity)


@cache
def bilinear(dia_minutes: int) -> Curve:
    """The curve of two lines; T is at least 180 min (D-1012)."""
    end = max(180, dia_minutes)
    height = 2 / end
    left, activity = [], []
    for t in range(end):
        u = 180 * t / end
        x, y = u / 5 + 1, (u - 75) / 5
        if u < 75:
            activity.append(height / 75 * u)
            left.append(-0.001852 * x * x + 0.001852 * x + 1)
        else:
            activity.append(height - height / 105 * (u - 75))
            left.append(0.001323 * y * y - 0.054233 * y + 0.55556)
    return _curve(end, left, activity)


class Doses:
    """What was delivered, less what the profile had scheduled: one entry a second, oldest first (D-1013, D-1103).

    Args:
        dia_minutes: T, which may change.
    """

    def __init__(self, dia_minutes: int) -> None:
        self.dia_minutes = dia_minutes
        self.entries: list[tuple[int, int]] = []

    def add(self, at_s: int, mu: int) -> None:
        """Count a dose; those of one second are one."""
        if self.entries and self.entries[-1][0] == at_s:
            mu += self.entries.pop()[1]
        self.entries.append((at_s, mu))
        if len(self.entries) > _ENTRIES_MOST:
            (oldest_s, oldest), (second_s, second) = self.entries[:2]
            counts = oldest_s >= at_s - 60 * (self.dia_minutes + 1)
            self.entries[:2] = [(second_s, second + oldest if counts else second)]

    def forget(self, at_s: int) -> None:
        """Drop what is older than is kept for gaps of readings (D-1061)."""
        first_s = at_s - 60 * (self.dia_minutes + _GAP_MINUTES)
        if self.entries and self.entries[0][0] < first_s:
            self.entries = [entry for entry in self.entries if entry[0] >= first_s]


def _aged(doses: Sequence[tuple[int, int]], at_s: int, curve: Curve) -> list[tuple[int, float]]:
    """Age in minutes at a second, rounded, and U of each dose that works then or later (D-1013)."""
    # The oldest come first: those that work no more are passed over at once.
    first = bisect_left(doses, at_s + 31 - 60 * curve.minutes, key=itemgetter(0))
    return [((at_s - dose_s + 30) // 60, mu / 1000) for dose_s, mu in doses[first:]]


def activity_of(doses: Sequence[tuple[int, int]], at_s: int, curve: Curve) -> float:
    """The activity at a second of the doses up to it (D-1013, D-1061)."""
    activity = 0.0
    for age, dose in _aged(doses[: bisect_right(doses, at_s, key=itemgetter(0))], at_s, curve):
        activity += dose * curve.activity[age]
    return rounded(activity, 4)


def points_of(
    doses: Sequence[tuple[int, int]], scheduled: Sequence[tuple[int, int]], at_s: int, curve: Curve
) -> tuple[InsulinPoint, ...]:
    """The 48 points of D-1013.

    Args:
        doses: (second, mU) of what was delivered and, negative, scheduled, oldest first and none to come.
        scheduled: the same of what the profile schedules from now on, negative.
        at_s: now.
        curve: how a dose works.
    """
    past = _aged(doses, at_s, curve)
    iob = 0.0
    for age, dose in past:
        iob += dose * curve.left[age]
    worked = np.zeros((len(past) + 1, _POINTS))
    if past:
        ages, units = zip(*past, strict=True)
        worked[1:] = np.array(units)[:, np.newaxis] * curve.at_points[list(ages)]
    activity = _in_order(worked)
    zero_temp = _in_order(np.vstack([activity, _to_come(scheduled, at_s, curve)]))
    first, *others = map(InsulinPoint, [0.0] * _POINTS, _rounded(activity), _rounded(zero_temp))
    return (replace(first, iob=rounded(iob, 3)), *others)


def _rounded(activities: NDArray[np.float64]) -> list[float]:
    """`rounded` to 4 digits, of each."""
    scaled = activities * 10000.0
    whole = np.floor(scaled)
    numbers: list[float] = ((whole + (scaled - whole >= 0.5)) / 10000.0).tolist()
    return numbers


def _in_order(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sum of each column, from the first row on: other orders may differ in the last digit."""
    total: NDArray[np.float64] = np.cumsum(rows, axis=0)[-1]
    return total


def _to_come(scheduled: Sequence[tuple[int, int]], at_s: int, curve: Curve) -> NDArray[np.float64]:
    """What each dose to come (rows) works at each point (columns); nothing before its second."""
    if not scheduled:
        return np.zeros((0, _POINTS))
    dose_s, mu = (np.array(column)[:, np.newaxis] for column in zip(*scheduled, strict=True))
    points = _STEP_MINUTES * np.arange(_POINTS)
    ages = (at_s - dose_s + 30) // 60 + points
    works = (mu / 1000) * curve.activities[np.maximum(ages, 0)]
    return np.where(dose_s <= at_s + 60 * points, works, 0.0)
