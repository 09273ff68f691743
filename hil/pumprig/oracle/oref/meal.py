"""Carbs on board, and how far glucose left what insulin explains (D-1061 to D-1066). Times in whole seconds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pumprig.oracle.oref.aim import bgi_of
from pumprig.oracle.oref.inputs import Meal
from pumprig.oracle.oref.numbers import NOTHING, rounded

__all__ = ["Bucket", "Buckets", "Carbs", "MealSettings", "meal_of"]

_COUNTS_FROM_MG_DL = 39
_TOO_SOON_S = 2 * 60
_GAP_S = 8 * 60
_GAP_S_MOST = 240 * 60
_STEP_S = 5 * 60
_RECENT_S = 45 * 60
_CARBS_S = 6 * 3600
_LATER_BUCKETS = 3


@dataclass(frozen=True, slots=True)
class Bucket:
    """Glucose at a second, as shown, with the activity of insulin then (D-1061)."""

    at_s: int
    mg_dl: float
    activity: float


@dataclass(frozen=True, slots=True)
class _Counted:
    """A reading that counts, and what fills the gap before it, newest first."""

    bucket: Bucket
    after_gap: bool
    filling: tuple[Bucket, ...]


class Buckets:
    """The readings of a session as they come (D-1061)."""

    def __init__(self) -> None:
        self._counted: list[_Counted] = []

    def clear(self) -> None:
        """Begin anew."""
        self._counted.clear()

    def add(self, at_s: int, mg_dl: float, activity_at: Callable[[int], float]) -> None:
        """Take a reading in, later than those before.

        Args:
            at_s: when it was measured.
            mg_dl: its glucose.
            activity_at: the activity of insulin at a second (D-1013).
        """
        last = self._counted[-1].bucket if self._counted else None
        if mg_dl < _COUNTS_FROM_MG_DL or (last is not None and at_s - last.at_s <= _TOO_SOON_S):
            return
        bucket = Bucket(at_s, mg_dl, activity_at(at_s))
        after_gap = last is not None and at_s - last.at_s > _GAP_S
        filling = _filling(bucket, last, activity_at) if last is not None and after_gap else ()
        self._counted.append(_Counted(bucket, after_gap, filling))

    def forget(self, before_s: int) -> None:
        """Drop what no look can reach: all before the newest reading that was measured before a second."""
        while len(self._counted) > 1 and self._counted[1].bucket.at_s < before_s:
            self._counted.pop(0)

    def recent(self, at_s: int) -> list[Bucket]:
        """Buckets in the readings at most 45 min old, and the newest in any case, newest first (D-1063)."""
        last = len(self._counted) - 1
        return _buckets(
            [one for i, one in enumerate(self._counted) if i == last or at_s - one.bucket.at_s <= _RECENT_S]
        )

    def since(self, meal_s: int) -> list[Bucket]:
        """Buckets to the newest reading before a meal, newest first (D-1064)."""
        before = sum(one.bucket.at_s < meal_s for one in self._counted)
        return _buckets(self._counted[max(0, before - 1) :])


def _filling(newer: Bucket, older: Bucket, activity_at: Callable[[int], float]) -> tuple[Bucket, ...]:
    """Buckets of a gap, from the newer end back (D-1061)."""
    filling, at_s, glucose = [], newer.at_s, newer.mg_dl
    left_minutes = min(newer.at_s - older.at_s, _GAP_S_MOST) / 60
    while left_minutes > 5:
        at_s -= _STEP_S
        glucose += 5 / left_minutes * (older.mg_dl - glucose)
        filling.append(Bucket(at_s, rounded(glucose), activity_at(at_s)))
        left_minutes -= 5
    return tuple(filling)


def _buckets(counted: Sequence[_Counted]) -> list[Bucket]:
    """The buckets in some readings, newest first; a reading at the far end of a gap is none."""
    buckets: list[Bucket] = []
    far_end = False
    for i, one in reversed(list(enumerate(counted))):
        if not far_end:
            buckets.append(one.bucket)
        if i:
            buckets += one.filling
        far_end = one.after_gap
    return buckets


@dataclass(frozen=True, slots=True)
class Carbs:
    """Carbs eaten at a second."""

    eaten_s: int
    grams: float


@dataclass(frozen=True)
class MealSettings:
    """What a meal is judged by.

    Args:
        carb_ratio: the one in force now.
        isf_at: the profile's ISF at a second.
        least_impact: mg/dL in 5 min.
        cob_max: grams.
    """

    carb_ratio: float
    isf_at: Callable[[int], float]
    least_impact: float
    cob_max: float


@dataclass(frozen=True, slots=True)
class _Deviation:
    """D-1062: of a bucket, over the one before it and in the mean over three."""

    at_s: int
    own: float
    mean: float
    isf: float


def _deviations(buckets: Sequence[Bucket], settings: MealSettings) -> list[_Deviation]:
    """D-1062: newest first; the last three buckets have none."""
    found = []
    for bucket, before, third in zip(buckets, buckets[1:], buckets[_LATER_BUCKETS:], strict=False):
        isf = settings.isf_at(bucket.at_s)
        bgi = bgi_of(bucket.activity, isf)
        mean = rounded(rounded((bucket.mg_dl - third.mg_dl) / 3, 2) - bgi, 3)
        found.append(_Deviation(bucket.at_s, rounded(bucket.mg_dl - before.mg_dl - bgi, 2), mean, isf))
    return found


def _slopes(deviations: Sequence[_Deviation], at_s: int) -> tuple[float, float]:
    """From max and from min deviation (D-1063)."""
    from_max, from_min, greatest, least = 0.0, 999.0, 0.0, 999.0
    for one in deviations[1:]:
        slope = (one.mean - deviations[0].mean) / (1000 * (one.at_s - at_s)) * 1000 * 60 * 5
        if one.mean > greatest:
            greatest, from_max = one.mean, min(0, slope)
        if one.mean < least:
            least, from_min = one.mean, max(0, slope)
    return rounded(from_max, 3), rounded(from_min, 3)


def _absorbed(deviations: Sequence[_Deviation], meal_s: int, settings: MealSettings) -> float:
    """Grams since a meal (D-1064)."""
    grams = 0.0
    for one in deviations:
        if one.at_s > meal_s:
            impact = max(one.own, deviations[0].mean / 2, settings.least_impact)
            grams += impact * settings.carb_ratio / one.isf
    return grams


def meal_of(buckets: Buckets, announced: Sequence[Carbs], at_s: int, settings: MealSettings) -> Meal:
    """The meal of a decision (D-1063 to D-1066).

    Args:
        buckets: the readings so far.
        announced: carbs, in any order.
        at_s: the second of the decision.
        settings: what it is judged by.
    """
    now = _deviations(buckets.recent(at_s), settings)
    slopes = _slopes(now, at_s)
    eaten = sorted(
        (one for one in announced if 0 <= at_s - one.eaten_s < _CARBS_S), key=lambda one: one.eaten_s, reverse=True
    )
    cob = so_far = counted = 0.0
    for one in eaten:
        so_far += one.grams
        absorbed = _absorbed(_deviations(buckets.since(one.eaten_s), settings), one.eaten_s, settings)
        left = max(0, so_far - absorbed)
        if left >= cob:
            cob, counted = left, so_far
    return Meal(
        carbs=counted,
        cob=rounded(min(cob, settings.cob_max)) if now else 0.0,
        age_minutes=rounded((at_s - eaten[0].eaten_s) / 60) if eaten else NOTHING,
        slope_from_max=slopes[0],
        slope_from_min=slopes[1],
    )
