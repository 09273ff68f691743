"""Goal: the oracle's carbs on board and slopes are those of oref0's lib/meal: D-1061 to D-1066.

Method: hours of readings with gaps and faults, carbs, doses and blocks of ISF go to lib/meal/total.js as a history, and
to the oracle as they came; carbs, COB, age and slopes are equal. The worked examples stand for themselves.
"""

from datetime import UTC, datetime
from math import isnan
from random import Random

import pytest

from oref0.cases import NOW_MS
from pumprig.oracle.oref.insulin import exponential, points_of
from pumprig.oracle.oref.meal import Buckets, Carbs, MealSettings, meal_of

HOUR_S = 3600
DAY_MINUTES = 1440


def iso(s):
    return datetime.fromtimestamp(NOW_MS / 1000 + s, UTC).isoformat()


def readings_of(r):
    """(second, mg/dL) up to second 0, oldest first; the newest is a glucose, and none is too soon after another."""
    s, mg_dl, every = -r.choice([0, 0, 60, 290, 1800]), r.randrange(50, 250), r.choice([300, 300, 300, 180, 420, 900])
    readings = [(s, mg_dl)]
    while s > -8 * HOUR_S:
        s -= every if r.random() < 0.9 else r.choice([181, 479, 480, 481, 600, 601, 1500, 7200, 14400, 15000])
        mg_dl = min(600, max(39, mg_dl + r.randrange(-12, 12)))
        readings.append((s, 38 if r.random() < 0.02 else mg_dl))
    return readings[::-1]


class Case:
    """Some hours up to second 0."""

    def __init__(self, seed):
        r = Random(seed)
        self.readings = readings_of(r)
        count = r.choice([0, 1, 2, 3, 6])
        self.carbs = [(-s, r.choice([3, 15, 40, 80, 200])) for s in r.sample(range(6 * HOUR_S + 60), count)]
        seconds = sorted(-s for s in r.sample(range(15 * HOUR_S), r.choice([0, 10, 150])))
        self.doses = [(s, r.choice([50, -50, 50, 700])) for s in seconds]
        self.blocks = [(0, r.choice([20, 50, 110.5])), (60 * r.randrange(1, 24), r.choice([35, 48.1, 90]))]
        self.carb_ratio, self.least_impact = r.choice([4, 9.5, 10, 25]), r.choice([8, 3, 0, 20])
        self.cob_max = r.choice([120, 120, 40])
        self.dia, self.peak = r.choice([(300, 75), (420, 60)])

    def isf(self, s):
        minute = (NOW_MS // 1000 + s) // 60 % DAY_MINUTES
        return self.blocks[minute >= self.blocks[1][0]][1]

    def oref0(self, reference):
        basal = [{"i": 0, "start": "00:00:00", "minutes": 0, "rate": 1}]
        ends = (self.blocks[1][0], DAY_MINUTES)
        sensitivities = [
            {"i": i, "x": i, "offset": start, "endOffset": end, "start": "00:00:00", "sensitivity": isf}
            for i, ((start, isf), end) in enumerate(zip(self.blocks, ends, strict=True))
        ]
        profile = {
            "dia": self.dia / 60, "curve": "rapid-acting", "useCustomPeakTime": True, "insulinPeakTime": self.peak,
            "sens": 50, "isfProfile": {"sensitivities": sensitivities}, "carb_ratio": self.carb_ratio,
            "maxCOB": self.cob_max, "min_5m_carbimpact": self.least_impact, "current_basal": 1, "max_daily_basal": 1,
            "basalprofile": basal,
        }  # fmt: skip
        said = reference.ask(
            "meal", time=NOW_MS, every_dose=True, profile=profile, basalprofile=basal,
            glucose=[{"date": NOW_MS + 1000 * s, "dateString": iso(s), "glucose": g} for s, g in self.readings[::-1]],
            treatments=[{"timestamp": iso(s), "carbs": g, "nsCarbs": g} for s, g in self.carbs],
            pumphistory=[{"_type": "Bolus", "amount": mu / 1000, "timestamp": iso(s)} for s, mu in self.doses[::-1]],
        )  # fmt: skip
        last = said["lastCarbTime"]
        age = (NOW_MS - last) / 60000 if last else None
        return (said["carbs"], said["mealCOB"], age, said["slopeFromMaxDeviation"], said["slopeFromMinDeviation"])

    def oracle(self):
        curve, buckets = exponential(self.dia, self.peak), Buckets()
        for s, mg_dl in self.readings:
            buckets.add(s, mg_dl, lambda at_s: self._activity(at_s, curve))
        settings = MealSettings(self.carb_ratio, self.isf, self.least_impact, self.cob_max)
        meal = meal_of(buckets, [Carbs(s, grams) for s, grams in self.carbs], 0, settings)
        newest = max((s for s, _ in self.carbs if s > -6 * HOUR_S), default=None)
        assert isnan(meal.age_minutes) == (newest is None)
        age = None if newest is None else -newest / 60
        return meal.carbs, meal.cob, age, meal.slope_from_max, meal.slope_from_min

    def _activity(self, at_s, curve):
        return points_of([dose for dose in self.doses if dose[0] <= at_s], [], at_s, curve)[0].activity


def compare(reference, seeds):
    for seed in seeds:
        case = Case(seed)
        assert case.oracle() == case.oref0(reference), seed
    print(f"{len(seeds)} meals, no differences")


def test_meals_are_those_of_oref0(reference):
    compare(reference, range(40))


@pytest.mark.slow
def test_meals_are_those_of_oref0_in_two_thousand(reference):
    compare(reference, range(1000, 3000))


# --- the worked examples ---


def bucketed(*readings, activity=0.0):
    buckets = Buckets()
    for minute, mg_dl in readings:
        buckets.add(60 * minute, mg_dl, lambda _: activity)
    return buckets


def meal(buckets, *carbs, now=0, cob_max=120):
    settings = MealSettings(10, lambda _: 50, 8, cob_max)
    return meal_of(buckets, [Carbs(60 * minute, grams) for minute, grams in carbs], 60 * now, settings)


def still(minutes):
    return bucketed(*((minute, 120) for minute in range(-minutes, 1, 5)))


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        (((0, 120), (15, 151)), [(15, 151), (10, 141), (5, 130)]),
        (((0, 120), (8, 130)), [(8, 130), (0, 120)]),
        (((0, 120), (10, 130)), [(10, 130), (5, 125)]),
        (((0, 120), (2, 130), (3, 38), (5, 140)), [(5, 140), (0, 120)]),
    ],
)
def test_buckets(readings, expected):
    """D-1061."""
    assert [(one.at_s // 60, one.mg_dl) for one in bucketed(*readings).since(-60)] == expected


def test_slopes_of_deviations():
    """D-1062, D-1063: now 2, a mean deviation of 5 ten min ago: from max -1.5, from min 0."""
    found = meal(bucketed((0, 100), (5, 104), (10, 112), (15, 115), (20, 116), (25, 118)), now=25)
    assert (found.slope_from_max, found.slope_from_min) == (-1.5, 0)
    assert meal(still(10)).slope_from_min == 999


@pytest.mark.parametrize(("minute", "cob"), [(45, 40), (46, 0)])
def test_readings_of_45_min_count(minute, cob):
    """D-1063, D-1065."""
    assert meal(bucketed((0, 120), (minute, 120)), (minute, 40), now=minute).cob == cob


def test_absorption_and_cob():
    """D-1064, D-1065: 1.6 g a bucket, 12 of them: 20 g 65 min ago and 40 g now are 41, of 60."""
    assert meal(still(70), (-65, 40)).cob == 40 - 19
    found = meal(still(70), (-65, 20), (0, 40))
    assert (found.cob, found.carbs) == (41, 60)
    found = meal(still(70), (-65, 5), (0, 40))
    assert (found.cob, found.carbs) == (40, 40)
    assert meal(still(70), (0, 40), cob_max=0).cob == 0
    assert meal(still(370), (-360, 250)).carbs == 0
    assert meal(still(370), (-359, 250)).carbs == 250


def test_age_of_the_last_carbs():
    """D-1066."""
    assert meal(still(70), (-20, 40), (-180, 10)).age_minutes == 20
    assert meal(still(70), (0, 40)).age_minutes == 0
    assert isnan(meal(still(70)).age_minutes)


def test_what_is_forgotten_is_out_of_reach():
    """D-1064: the newest reading before a meal stays."""
    buckets = bucketed((0, 100), (5, 105), (10, 110), (15, 115), (20, 125))
    since = buckets.since(11 * 60)
    buckets.forget(11 * 60)
    assert buckets.since(11 * 60) == since
    assert buckets.since(0) == since
