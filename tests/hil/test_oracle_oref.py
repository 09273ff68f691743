"""The oracle's reading of DOSING.md section 14.

Goal: each rule's worked example, and the numbers just beside it, hold of the oracle without oref0 at hand.
Method: the example of section 14 (basal 1, ISF 50, range 100 to 110, glucose 120 and still), with changes. The tests
beside oref0 hold the same code against the npm package.
"""

from dataclasses import replace
from math import nan

import pytest

from pumprig.oracle.oref import (
    GlucoseStatus,
    Inputs,
    InsulinPoint,
    LastTbr,
    Meal,
    RunningTbr,
    Settings,
    WantedTbr,
    decide,
)
from pumprig.oracle.oref.aim import aim_of, flat, trend_of
from pumprig.oracle.oref.forecast import carbs_of
from pumprig.oracle.oref.glucose import Reading, status_of
from pumprig.oracle.oref.inputs import FlatCgm
from pumprig.oracle.oref.insulin import Doses, bilinear, exponential, points_of
from pumprig.oracle.oref.numbers import quotient, rounded

EXAMPLE = Settings(
    basal=1, basal_max=4, basal_day_max=1.2, iob_max=5, isf=50, carb_ratio=10, low=100, high=110,
    flat_cgm=FlatCgm.IGNORED,
)  # fmt: skip
NO_CARBS = Meal(carbs=0, cob=0)
CARBS = Meal(carbs=40, cob=40, age_minutes=0, slope_from_max=0, slope_from_min=999)
MINUTE_MS = 60_000


def still(mg_dl, delta=0.0):
    """Glucose that stands or moves by delta, and has stood so for long."""
    return GlucoseStatus(mg_dl, delta, delta, delta)


def example(glucose=120, delta=0.0, iob=0.0, activity=0.0, tbr=(0, 0), **changes):
    """The inputs of the example; what is a setting goes there."""
    names = EXAMPLE.__dataclass_fields__
    settings = replace(EXAMPLE, **{name: changes.pop(name) for name in list(changes) if name in names})
    now = InsulinPoint(iob, activity, activity)
    inputs = Inputs(settings, still(glucose, delta), now, (now,) * 48, RunningTbr(*tbr), meal=NO_CARBS)
    return replace(inputs, **changes)


def decided(*values, **changes):
    """Rule, rate and minutes; None for a TBR that is not to be set."""
    decision = decide(example(*values, **changes))
    tbr = decision.tbr
    return decision.rule, *((None, None) if tbr is None else (tbr.rate, tbr.minutes))


def smb(*values, **changes):
    """The decision with small boluses always on."""
    return decide(example(*values, smb_always=True, small_boluses=True, bolus_age_minutes=60.0, **changes))


def test_numbers_that_are_not_there():
    """D-1001: no meal data: no carbs, no COB line; without points the lines have only their first."""
    decision = decide(example(meal=Meal()))
    assert decision.forecast.cob_line is None
    decision = decide(example(points=()))
    assert (decision.forecast.iob_line, decision.forecast.min_guard) == ([120], 999)


@pytest.mark.parametrize(("value", "expected"), [(-2.5, -2), (2.5, 3), (0.49999999999999994, 0), (-0.51, -1)])
def test_rounding(value, expected):
    """D-1002."""
    assert rounded(value) == expected


def test_quotients_by_zero():
    """D-1002: infinite; zero by zero is no number."""
    assert (quotient(1, 0.0), quotient(-1, 0.0)) == (float("inf"), float("-inf"))
    assert quotient(0.0, 0.0) != quotient(0.0, 0.0)


@pytest.mark.parametrize(("rate", "coarse", "fine"), [(0.975, 1, 0.975), (10.26, 10.3, 10.3), (1.03, 1.05, 1.05)])
def test_steps(rate, coarse, fine):
    """D-1003."""
    assert EXAMPLE.stepped(rate) == coarse
    assert replace(EXAMPLE, fine_steps=True).stepped(rate) == fine
    assert replace(EXAMPLE, exact=True).stepped(rate) == rate


def test_glucose_status():
    """D-1011: 120 now, 115, 114, 110 at 5, 10, 20 min."""
    newest, *older = (Reading(-age * MINUTE_MS, mg_dl) for age, mg_dl in {0: 120, 5: 115, 10: 114, 20: 110}.items())
    assert status_of(newest, older).glucose == GlucoseStatus(120, 5, 4, 2.5)
    assert status_of(newest, [Reading(-5 * MINUTE_MS, 115, calibration=True), *older]).glucose.short == 0
    assert status_of(newest, [Reading(-10 * MINUTE_MS, 110)]).glucose.delta == 0
    assert status_of(newest, [Reading(-MINUTE_MS, 118)]).glucose.mg_dl == 119


def test_curves():
    """D-1012."""
    curve = bilinear(180)
    assert (curve.left[75], round(curve.activity[75], 5)) == (0.55556, 0.01111)
    assert exponential(180, 75).minutes == 300


def test_insulin_on_board():
    """D-1013: one pulse of 0.05 U at 104 min; 29 s is age 0, 30 s is age 1; basal as scheduled cancels."""
    curve = exponential(300, 75)
    assert points_of([(0, 50)], [], 104 * 60, curve)[0].iob == 0.025
    assert points_of([(0, 5000)], [], 29, curve)[0] == points_of([(0, 5000)], [], 0, curve)[0]
    assert points_of([(0, 50000)], [], 30, curve)[0].iob < 50
    assert points_of([(0, 50), (1, -50)], [], 600, curve)[0].iob == 0


def test_doses_of_a_second_are_one_and_the_oldest_become_one():
    """D-1103: at most 1024; one more, and the two oldest stand at the later second."""
    doses = Doses(300)
    for s in range(1025):
        doses.add(s, 50)
        doses.add(s, -50)
    doses.add(1024, 50)
    assert doses.entries[:2] == [(1, 0), (2, 0)]
    assert (len(doses.entries), doses.entries[-1]) == (1024, (1024, 50))


def test_doses_that_only_gaps_ask_for_give_room():
    """D-1103: older than T + 1 min they are dropped for others, and in any case 300 min later."""
    doses = Doses(300)
    doses.add(0, 1000)
    for s in range(301 * 60, 301 * 60 + 1024):
        doses.add(s + 1, 50)
    assert doses.entries[0] == (301 * 60 + 1, 50)
    doses.forget(301 * 60 + 1 + 601 * 60)
    assert doses.entries[0] == (301 * 60 + 1, 50)
    doses.forget(301 * 60 + 2 + 601 * 60)
    assert doses.entries[0] == (301 * 60 + 2, 50)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"glucose": 38, "tbr": (2, 20)}, (1014, 1, 30)),
        ({"glucose": 10, "tbr": (0, 31)}, (1014, 0, 30)),
        ({"glucose": 38, "tbr": (0, 30)}, (1014, None, None)),
        ({"glucose": 38, "tbr": (1, 20)}, (1014, None, None)),
        ({"age_minutes": 12.05, "tbr": (2, 20)}, (1014, 1, 30)),
        ({"age_minutes": 12.04, "tbr": (3.2, 20)}, (1050, 1.6, 30)),
        ({"age_minutes": -5.06, "tbr": (2, 20)}, (1014, 1, 30)),
    ],
)
def test_cgm_not_to_be_trusted(changes, expected):
    """D-1014."""
    assert decided(**changes) == expected


@pytest.mark.parametrize(("average", "expected"), [(0.99, True), (-0.99, True), (1, False), (-1, False)])
def test_flat(average, expected):
    """D-1015: -1 and 1 are outside."""
    glucose = GlucoseStatus(100, 0, average, average)
    detecting = example(glucose=100, flat_cgm=FlatCgm.DETECTED)
    assert flat(replace(detecting, glucose=glucose)) == expected
    assert not flat(replace(detecting, glucose=replace(glucose, fake=True)))
    assert not flat(replace(example(), glucose=glucose))
    assert flat(example(flat_cgm=FlatCgm.TOLD, flat=True))


def test_sensitivity():
    """D-1021: range 140 to 140, exercise mode: ratio 0.6, basal 0.6; without a temp target autosens has the word."""
    aim = aim_of(example(temp_target=True, exercise_mode=True, low=140, high=140))
    assert (aim.ratio, aim.basal) == (0.6, 0.6)
    assert aim_of(example(exercise_mode=True, low=140, high=140, autosens=1.1)).ratio == 1.1
    assert aim_of(example(temp_target=True, low_target_lowers_sensitivity=True, low=39, high=39)).ratio == 1.2


def test_target_follows_sensitivity():
    """D-1022: 0.8: 110 to 123, target 116."""
    aim = aim_of(example(sensitivity_raises_target=True, autosens=0.8))
    assert (aim.low, aim.high, aim.target) == (110, 123, 116)


def test_noise_raises_the_target():
    """D-1023: noise 2, 1.3: 130 to 143, target 137."""
    inputs = example()
    aim = aim_of(replace(inputs, glucose=replace(inputs.glucose, noise=2)))
    assert (aim.low, aim.high, aim.target) == (130, 143, 137)


def test_threshold_and_isf():
    """D-1024."""
    assert aim_of(example()).threshold == 70
    assert aim_of(example(autosens=1.2)).isf == 41.7


@pytest.mark.parametrize(("rate", "age", "rule"), [(1.5, 11, 1025), (1.5, 10, 1050), (2, 11, 1050)])
def test_another_tbr_than_the_historys(rate, age, rule):
    """D-1025."""
    found = decided(tbr=(2, 20), last_tbr=LastTbr(rate, 30, age), small_boluses=True)
    assert found[0] == rule
    assert found[1:] == (0, 0) or rule != 1025


@pytest.mark.parametrize(("age", "minutes", "ended"), [(20, 14, True), (20, 15, False), (10, 1, False)])
def test_a_tbr_that_has_ended(age, minutes, ended):
    """D-1026."""
    assert (decided(tbr=(2, 20), last_tbr=LastTbr(2, minutes, age)) == (1026, 0, 0)) == ended


def test_deviation():
    """D-1027: delta -4, short -2, long 1: the third, 6."""
    inputs = replace(example(), glucose=GlucoseStatus(120, -4, -2, 1))
    assert trend_of(inputs, aim_of(inputs)).deviation == 6


def test_eventual_glucose():
    """D-1028: IOB 1, delta 2 throughout: naive 70, eventual 82, expected delta 1."""
    trend = decide(example(120, 2, iob=1)).trend
    assert (trend.naive, trend.eventual, trend.expected_delta) == (70, 82, 1)


def carbs(*values, **changes):
    inputs = example(*values, **changes)
    aim = aim_of(inputs)
    return carbs_of(inputs, aim, trend_of(inputs, aim))


def test_carb_impact():
    """D-1031: csf 5: at most 12.5; it may be negative."""
    assert carbs(120, 15).impact == 12.5
    assert carbs(120, -3).impact == -3


def test_carbs_not_yet_seen():
    """D-1032: 40 g of 40 g, just eaten, impact 0: 3 h, peak 11.11."""
    found = carbs(meal=CARBS)
    assert (found.hours, round(found.peak, 2), found.fading_points) == (3, 11.11, 0)


def test_lines():
    """D-1033 to D-1036: the first points, and the shortest that a still line becomes."""
    assert decide(example(120, 12)).forecast.iob_line[:4] == [120, 131, 141, 150]
    assert decide(example(meal=CARBS)).forecast.cob_line[:3] == [120, 121, 122]
    meal = Meal(carbs=0, cob=0, slope_from_max=-1, slope_from_min=0)
    assert decide(example(120, 6, meal=meal, uam=True)).forecast.uam_line[:4] == [120, 125, 129, 132]
    forecast = decide(example()).forecast
    assert (forecast.iob_line, forecast.cob_line, forecast.uam_line) == ([120] * 13, None, None)


def test_guard_and_min_pred():
    """D-1037: still at 120: both 120."""
    forecast = decide(example()).forecast
    assert (forecast.min_guard, forecast.min_pred) == (120, 120)


def test_small_boluses_are_not_chosen_under_a_high_temp_target():
    """D-1038: always, temp target 120: no."""
    assert smb(160).small_bolus == 0.5
    high = {"temp_target": True, "low": 120, "high": 120}
    assert smb(180, **high).small_bolus == 0
    assert smb(180, **high, smb_with_high_target=True).small_bolus == 0.5


@pytest.mark.parametrize(("delta", "on"), [(24, True), (24.1, False)])
def test_a_jump_turns_small_boluses_off(delta, on):
    """D-1039: above glucose x share; D-1044 holds only without them."""
    glucose = GlucoseStatus(120, delta, 0, 0)
    decision = decide(replace(example(smb_always=True, small_boluses=True, iob=0.3), glucose=glucose))
    assert (decision.rule == 1045) == (not on)


def test_carbs_required():
    """D-1040: still at 60, IOB 0.5: naive 35, 0 min, 7 g."""
    assert decide(example(60, iob=0.5, carbs_required_threshold=7)).carbs_required == 7
    assert decide(example(60, iob=0.5, carbs_required_threshold=8)).carbs_required is None


@pytest.mark.parametrize(("glucose", "expected"), [(69, (1041, 0, 30)), (70, (1043, 0, 30))])
def test_low(glucose, expected):
    """D-1041: 69: 30 min; equal to the threshold is not low."""
    assert decided(glucose) == expected


def test_low_does_not_hold_while_it_rises_against_a_deficit():
    """D-1041: IOB below -20 min of basal, and faster than expected."""
    assert decided(69, 12, iob=-0.34)[0] != 1041
    assert decided(69, 12, iob=-0.33)[0] == 1041


@pytest.mark.parametrize(("minute", "rule"), [(54, 1050), (55, 1042)])
def test_end_of_the_hour(minute, rule):
    """D-1042: 55 is in."""
    assert decided(skip_neutral_temps=True, minute=minute)[0] == rule


def test_eventually_low():
    """D-1043: still at 90: 18 min are 30."""
    assert decided(90) == (1043, 0, 30)


@pytest.mark.parametrize(("delta", "rule"), [(-1, 1050), (-2, 1044)])
def test_falling(delta, rule):
    """D-1044."""
    assert decided(140, delta)[0] == rule


@pytest.mark.parametrize(("glucose", "expected"), [(109, (1045, 1, 30)), (110, (1050, 1.2, 30))])
def test_in_range(glucose, expected):
    """D-1045."""
    assert decided(glucose) == expected


@pytest.mark.parametrize(("iob", "rule"), [(5, 1050), (5.001, 1046)])
def test_iob_limit(iob, rule):
    """D-1046."""
    assert decided(400, iob=iob)[0] == rule


def test_insulin_required():
    """D-1047: still at 160: 1.1 U, 3.2 U/h."""
    decision = decide(example(160))
    assert (decision.insulin_required, decision.tbr) == (1.1, WantedTbr(3.2, 30))


@pytest.mark.parametrize(("age", "bolus"), [(3.0, 0), (3.04, 0), (3.05, 0.5), (nan, 0)])
def test_small_bolus(age, bolus):
    """D-1048: at exactly 3.0 min it waits."""
    decision = decide(example(160, smb_always=True, small_boluses=True, bolus_age_minutes=age))
    assert decision.small_bolus == bolus


def test_low_tbr_beside_a_small_bolus():
    """D-1049: still at 102: insulin required -0.06, 4 min, 0.13 U/h."""
    decision = smb(102)
    assert (decision.rule, decision.insulin_required, decision.small_bolus) == (1049, -0.06, 0)
    assert decision.tbr == WantedTbr(0.13, 30)


@pytest.mark.parametrize(("minutes", "expected"), [(6, (1050, None, None)), (5, (1050, 3.2, 30))])
def test_high_tbr(minutes, expected):
    """D-1050."""
    assert decided(160, tbr=(3.2, minutes)) == expected


@pytest.mark.parametrize(("rate", "minutes", "kept"), [(2.8, 21, True), (2.6, 21, False), (2.8, 20, False)])
def test_setting_a_tbr(rate, minutes, kept):
    """D-1051."""
    assert (decided(160, tbr=(rate, minutes)) == (1050, None, None)) == kept


def test_neutral_tbrs_are_skipped_when_asked():
    """D-1051: what runs is canceled, or nothing is done."""
    assert decided(109, skip_neutral_temps=True) == (1045, None, None)
    assert decided(109, skip_neutral_temps=True, tbr=(2, 20)) == (1045, 0, 0)


def test_safe_rate():
    """D-1052."""
    assert decided(400) == (1050, 3.6, 30)


@pytest.mark.parametrize(("minutes", "expected"), [(16, (1045, None, None)), (15, (1045, 1, 30))])
def test_the_basal_as_a_tbr(minutes, expected):
    """D-1053."""
    assert decided(109, tbr=(1, minutes)) == expected
