"""Goal: the worked examples of DOSING.md section 14 are what controller oref does.

Method: the controller on CPython, one test a rule, with the numbers of the example and those just beside it.
"""

import pytest

from oref0.cases import NOW_MS
from oref0.controller import Controller
from oref0.test_glucose_status import firmware_status
from pump.control.oref.inputs import Settings
from pump.control.oref.iob import BILINEAR, EXPONENTIAL, Curve, Insulin
from pump.control.oref.numbers import nearest
from pump.doses import Doses

MINUTE_MS = 60000
ALWAYS = {"microBolusAllowed": True, "profile": {"enableSMB_always": True}}
CARBS = {"carbs": 40, "mealCOB": 40, "lastCarbTime": NOW_MS, "slopeFromMaxDeviation": 0, "slopeFromMinDeviation": 999}


def still(glucose, delta=0.0, average=1.0):
    """A glucose that stands still and is not flat (D-1015), or moves by delta."""
    return {"glucose": glucose, "delta": delta, "short_avgdelta": delta or 0, "long_avgdelta": average}


def decided(glucose=None, temp=(0, 0), iob=0, activity=0, zero_temp=None, **changes):
    """The controller after it has decided on DOSING.md's example, with changes."""
    point = {"iob": iob, "activity": activity}
    point["iobWithZeroTemp"] = {"activity": activity if zero_temp is None else zero_temp}
    history = changes.pop("history", {})
    flat = changes.pop("flat_cgm", "ignore")
    exact = changes.pop("exact", False)
    profile = {
        "current_basal": 1, "max_basal": 4, "max_daily_basal": 1.2, "max_iob": 5, "sens": 50, "carb_ratio": 10,
        "min_bg": 100, "max_bg": 110, "autosens_max": 1.2, "noisyCGMTargetMultiplier": 1.3,
    } | changes.pop("profile", {})  # fmt: skip
    case = {
        "glucose_status": {"date": NOW_MS} | still(120) | (glucose or {}), "profile": profile,
        "meal": {"carbs": 0, "mealCOB": 0}, "currenttemp": {"rate": temp[0], "duration": temp[1]}, "now": NOW_MS,
        "iob": [point | {"lastBolusTime": 0} | history] + [point] * 47,
    }  # fmt: skip
    controller = Controller()
    controller.decide(case | changes, flat_cgm=flat, exact=exact)
    return controller.oref


def temp_of(oref):
    """The rule that decided, and the TBR it set."""
    decision = oref.decision
    return (decision.rule, decision.rate, decision.minutes) if decision.acts else (decision.rule, None, None)


def shown(line):
    return list(line.points[: line.count])


def last_temp(rate, minutes, age_minutes):
    return {"lastTemp": {"rate": rate, "duration": minutes, "date": NOW_MS - age_minutes * MINUTE_MS}}


def test_inputs_that_are_not_there_say_nothing():
    """D-1001."""
    oref = decided(meal={})
    assert not oref.forecast.cob_shown
    assert oref.decision.rule == 1050


@pytest.mark.parametrize(("value", "rounded"), [(-2.5, -2), (2.5, 3), (0.49999999999999994, 0), (-0.51, -1)])
def test_halves_go_up(value, rounded):
    """D-1002."""
    assert nearest(value) == rounded


@pytest.mark.parametrize(("rate", "coarse", "fine"), [(0.975, 1, 0.975), (10.26, 10.3, 10.3), (1.03, 1.05, 1.05)])
def test_steps(rate, coarse, fine):
    """D-1003."""
    settings = Settings()
    assert settings.stepped(rate) == coarse
    settings.fine_steps = True
    assert settings.stepped(rate) == fine
    settings.exact = True
    assert settings.stepped(rate) == rate


def test_glucose_status():
    """D-1011."""
    ages = {0: 120, 5: 115, 10: 114, 20: 110}
    said = firmware_status([{"date": NOW_MS - age * MINUTE_MS, "glucose": mg_dl} for age, mg_dl in ages.items()])
    assert (said["delta"], said["short_avgdelta"], said["long_avgdelta"]) == (5, 4, 2.5)


def test_curves():
    """D-1012."""
    curve = Curve(BILINEAR, 180)
    assert (curve.left[75], round(curve.activity[75], 5)) == (0.55556, 0.01111)


def test_insulin_on_board():
    """D-1013."""
    doses, insulin = Doses(1), Insulin(Curve(EXPONENTIAL, 300, 75), 1)
    doses.add(0, 50)
    assert insulin.left(doses, 104 * 60) == 0.025


@pytest.mark.parametrize(
    ("glucose", "temp", "expected"),
    [
        ({"glucose": 38}, (2, 20), (1014, 1, 30)), ({"glucose": 10}, (0, 31), (1014, 0, 30)),
        ({"glucose": 38}, (0, 30), (1014, None, None)), ({"noise": 3}, (1, 20), (1014, None, None)),
        ({"date": NOW_MS - 723000}, (2, 20), (1014, 1, 30)), ({"date": NOW_MS - 722000}, (3.2, 20), (1050, 1.6, 30)),
    ],
)  # fmt: skip
def test_cgm_not_to_be_trusted(glucose, temp, expected):
    """D-1014."""
    assert temp_of(decided(glucose, temp)) == expected


@pytest.mark.parametrize(("average", "rule"), [(0.99, 1014), (-0.99, 1014), (1, 1045), (-1, 1045)])
def test_flat(average, rule):
    """D-1015."""
    glucose = still(100, 0, average) | {"short_avgdelta": average}
    assert (decided(glucose, flat_cgm="detect").decision.rule == 1014) == (rule == 1014)
    assert decided(glucose, flat_cgm="told", flatBGsDetected=True).decision.rule == 1014
    assert decided(glucose, flat_cgm="ignore").decision.rule != 1014
    assert decided(glucose | {"device": "fakecgm"}, flat_cgm="detect").decision.rule != 1014


def test_sensitivity():
    """D-1021."""
    profile = {"temptargetSet": True, "exercise_mode": True, "min_bg": 140, "max_bg": 140}
    assert (decided(profile=profile).targets.ratio, decided(profile=profile).targets.basal) == (0.6, 0.6)


def test_target_follows_sensitivity():
    """D-1022."""
    targets = decided(profile={"sensitivity_raises_target": True}, autosens={"ratio": 0.8}).targets
    assert (targets.min_bg, targets.max_bg, targets.target) == (110, 123, 116)


def test_noise_raises_the_target():
    """D-1023."""
    targets = decided({"noise": 2}).targets
    assert (targets.min_bg, targets.max_bg, targets.target) == (130, 143, 137)


def test_threshold_and_isf():
    """D-1024."""
    assert decided().targets.threshold == 70
    assert decided(autosens={"ratio": 1.2}).targets.isf == 41.7


@pytest.mark.parametrize(("rate", "age", "rule"), [(1.5, 11, 1025), (1.5, 10, 0), (2, 11, 0)])
def test_another_temp(rate, age, rule):
    """D-1025."""
    oref = decided(temp=(2, 20), history=last_temp(rate, 30, age), microBolusAllowed=True)
    assert (temp_of(oref) == (rule, 0, 0)) if rule else oref.decision.rule > 1026


@pytest.mark.parametrize(("age", "minutes", "ended"), [(20, 14, True), (20, 15, False), (10, 1, False)])
def test_a_temp_that_has_ended(age, minutes, ended):
    """D-1026."""
    assert (temp_of(decided(temp=(2, 20), history=last_temp(2, minutes, age))) == (1026, 0, 0)) == ended


def test_deviation():
    """D-1027."""
    glucose = {"delta": -4, "short_avgdelta": -2, "long_avgdelta": 1}
    assert decided(glucose).decision.deviation == 6


def test_eventual_glucose():
    """D-1028."""
    oref = decided(still(120, 2, 2), iob=1)
    assert (oref._naive, oref._naive + oref.decision.deviation, oref._expected_delta) == (70, 82, 1)


def test_carb_impact():
    """D-1031."""
    assert decided(still(120, 15, 15)).carbs.impact == 12.5
    assert decided(still(120, -3, -3)).carbs.impact == -3


def test_carbs_not_yet_seen():
    """D-1032."""
    carbs = decided(meal=CARBS).carbs
    assert (carbs.hours, round(carbs.unseen_peak, 2), carbs.seen_points) == (3, 11.11, 0)


def test_lines():
    """D-1033."""
    assert shown(decided(still(120, 12, 12)).forecast.iob)[:4] == [120, 131, 141, 150]


def test_cob_line():
    """D-1034."""
    forecast = decided(meal=CARBS).forecast
    assert shown(forecast.cob)[:3] == [120, 121, 122]


def test_uam_line():
    """D-1035."""
    meal = {"carbs": 0, "mealCOB": 0, "slopeFromMaxDeviation": -1, "slopeFromMinDeviation": 0}
    oref = decided(still(120, 6, 6), meal=meal, profile={"enableUAM": True})
    assert shown(oref.forecast.uam)[:4] == [120, 125, 129, 132]


def test_what_is_shown():
    """D-1036."""
    forecast = decided().forecast
    assert shown(forecast.iob) == [120] * 13
    assert (forecast.cob_shown, forecast.uam_shown) == (False, False)


def test_guard_and_min_pred():
    """D-1037."""
    forecast = decided().forecast
    assert (forecast.min_guard, forecast.min_pred) == (120, 120)


def test_small_boluses_are_not_chosen_under_a_high_temp_target():
    """D-1038."""
    assert decided(still(160), **ALWAYS)._smb
    profile = ALWAYS["profile"] | {"temptargetSet": True, "min_bg": 120, "max_bg": 120}
    assert not decided(still(160), microBolusAllowed=True, profile=profile)._smb


@pytest.mark.parametrize(("delta", "on"), [(24, True), (24.1, False)])
def test_a_jump_turns_small_boluses_off(delta, on):
    """D-1039."""
    assert decided(still(120, delta, 0), **ALWAYS)._smb == on


def test_carbs_required():
    """D-1040."""
    glucose = still(60, 0, 1)
    assert decided(glucose, iob=0.5, profile={"carbsReqThreshold": 7}).decision.carbs_required == 7
    assert decided(glucose, iob=0.5, profile={"carbsReqThreshold": 8}).decision.carbs_required != 7


@pytest.mark.parametrize(("glucose", "expected"), [(69, (1041, 0, 30)), (70, (1043, 0, 30))])
def test_low(glucose, expected):
    """D-1041."""
    assert temp_of(decided(still(glucose)))[:2] == expected[:2]
    assert decided(still(69)).decision.minutes == 30


@pytest.mark.parametrize(("minute", "rule"), [(54, 1050), (55, 1042)])
def test_end_of_the_hour(minute, rule):
    """D-1042."""
    now = NOW_MS + minute * MINUTE_MS
    glucose = still(120) | {"date": now}
    assert decided(glucose, now=now, profile={"skip_neutral_temps": True}).decision.rule == rule


def test_eventually_low():
    """D-1043."""
    assert temp_of(decided(still(90))) == (1043, 0, 30)


@pytest.mark.parametrize(("delta", "rule"), [(-1, 1050), (-2, 1044)])
def test_falling(delta, rule):
    """D-1044."""
    assert decided(still(140, delta, delta)).decision.rule == rule


@pytest.mark.parametrize(("glucose", "expected"), [(109, (1045, 1, 30)), (110, (1050, 1.2, 30))])
def test_in_range(glucose, expected):
    """D-1045."""
    assert temp_of(decided(still(glucose))) == expected


@pytest.mark.parametrize(("iob", "rule"), [(5, 1050), (5.001, 1046)])
def test_iob_limit(iob, rule):
    """D-1046."""
    assert decided(still(400), iob=iob).decision.rule == rule


def test_insulin_required():
    """D-1047."""
    oref = decided(still(160))
    assert (oref.decision.insulin_required, oref.decision.rate) == (1.1, 3.2)


@pytest.mark.parametrize(("age_s", "smb"), [(180, 0), (183, 0.5)])
def test_small_bolus(age_s, smb):
    """D-1048."""
    oref = decided(still(160), history={"lastBolusTime": NOW_MS - 1000 * age_s}, **ALWAYS)
    assert oref.decision.smb == smb


def test_low_temp_beside_a_small_bolus():
    """D-1049."""
    oref = decided(still(102), **ALWAYS)
    assert (oref.decision.insulin_required, oref.decision.smb) == (-0.06, 0)
    assert temp_of(oref) == (1049, 0.13, 30)


@pytest.mark.parametrize(("minutes", "expected"), [(6, (1050, None, None)), (5, (1050, 3.2, 30))])
def test_high_temp(minutes, expected):
    """D-1050."""
    assert temp_of(decided(still(160), temp=(3.2, minutes))) == expected


@pytest.mark.parametrize(("rate", "minutes", "kept"), [(2.8, 21, True), (2.6, 21, False), (2.8, 20, False)])
def test_setting_a_temp(rate, minutes, kept):
    """D-1051."""
    assert (temp_of(decided(still(160), temp=(rate, minutes))) == (1050, None, None)) == kept


def test_safe_rate():
    """D-1052."""
    assert temp_of(decided(still(400))) == (1050, 3.6, 30)


@pytest.mark.parametrize(("minutes", "expected"), [(16, (1045, None, None)), (15, (1045, 1, 30))])
def test_the_basal_as_a_temp(minutes, expected):
    """D-1053."""
    assert temp_of(decided(still(109), temp=(1, minutes))) == expected
