"""The oracle's plgs as data: limits of nearness and of a resume, a minimum, rising (DOSING.md section 7).

Goal: D-606, D-608, D-610 and D-618 hold with every number that a client can write, each at its boundary.
Method: the settings of suspend before low with L = 60, and single numbers beside those of Basal-IQ.
"""

import pytest

from hil.oracle_bench import accept, at, code, feed, plgs
from pumprig.oracle.commands import Configure

BEFORE_LOW = {
    "suspend_now_mg_dl": 61, "near_mg_dl": 130, "suspend_predicted_mg_dl": 80, "horizon_minutes": 30,
    "resume_mg_dl": 80, "resume_predicted_mg_dl": 100, "minimum_minutes": 30, "plgs_flags": 0,
    "stale_minutes": 60,
}  # fmt: skip


def before_low(**changed):
    """A pump with the rules of suspend before low."""
    return plgs(**BEFORE_LOW | changed)


@pytest.mark.parametrize(("glucose", "expected"), [(60, ("suspend", "low now")), (61, ("keep", "no prediction"))])
def test_at_the_low_limit(glucose, expected):
    """D-618: L = 60: glucose of 60 suspends."""
    assert feed(before_low(), [glucose]) == [expected]


@pytest.mark.parametrize(("newest", "expected"), [(130, ("suspend", "predicted low")), (131, ("keep", "not low"))])
def test_near(newest, expected):
    """D-606, D-618: a low prediction suspends at 130 and not at 131."""
    assert feed(before_low(), [newest + 30, newest + 20, newest + 10, newest])[-1] == expected


def test_below_suspend_now_is_near_enough():
    """D-606: the near limit holds for predictions alone."""
    assert feed(before_low(near_mg_dl=50), [55]) == [("suspend", "low now")]


def test_no_near_limit():
    """D-606: 0 is none."""
    assert feed(before_low(near_mg_dl=0), [280, 250, 220])[-1] == ("suspend", "predicted low")


@pytest.mark.parametrize(("glucose", "expected"), [(80, ("resume", "not low")), (79, ("keep", "predicted low"))])
def test_resume_limit(glucose, expected):
    """D-610: glucose must have reached it; equal has."""
    oracle = before_low(resume_predicted_mg_dl=0)
    feed(oracle, [60])
    assert at(oracle, 1801, 30, glucose) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [([85, 85, 90], "resume"), ([90, 90, 90], "keep"), ([100, 100, 100], "resume"), ([100, 100, 99], "keep")],
)
def test_resume_predicted_limit(values, expected):
    """D-610: the prediction must have reached 100, exactly; (85, 85, 90) predicts 104.17."""
    oracle = before_low()
    feed(oracle, [60])
    assert [action for action, _ in feed(oracle, values, first_offset=30)][-1] == expected


def test_without_a_prediction_its_limit_is_not_reached():
    """D-610: one sample after a gap predicts nothing: keep."""
    oracle = before_low()
    feed(oracle, [60])
    assert at(oracle, 2401, 40, 150) == ("keep", "predicted low")
    assert at(before_low_without_prediction(), 2401, 40, 150) == ("resume", "not low")


def before_low_without_prediction():
    """Suspended, and asking nothing of the prediction."""
    oracle = before_low(resume_predicted_mg_dl=0)
    feed(oracle, [60])
    return oracle


@pytest.mark.parametrize(("at_s", "expected"), [(1800, ("keep", "minimum time")), (1801, ("resume", "not low"))])
def test_minimum(at_s, expected):
    """D-610: 30 min after the suspension at 1, exactly, is enough."""
    oracle = before_low_without_prediction()
    assert at(oracle, at_s, 30, 150) == expected


def test_rising_holds_nothing_and_resumes_nothing():
    """D-608, D-610: without its flags a rising low sample suspends, and one below the limits does not resume."""
    assert feed(before_low(), [65, 60])[-1] == ("suspend", "low now")
    oracle = before_low(minimum_minutes=5)
    assert feed(oracle, [50, 60, 70], first_offset=0) == [
        ("suspend", "low now"), ("keep", "low now"), ("keep", "predicted low")
    ]  # fmt: skip


@pytest.mark.parametrize(("flags", "expected"), [(2, ("keep", "rising")), (1, ("suspend", "low now"))])
def test_rising_holds(flags, expected):
    """D-608: 66 after 65."""
    oracle = plgs(plgs_flags=flags, suspend_now_mg_dl=70, lockout_minutes=0)
    accept(oracle, 0, Configure(controller="manual"))
    feed(oracle, [65])
    accept(oracle, 10, Configure(controller="plgs"))
    assert at(oracle, 301, 5, 66) == expected


@pytest.mark.parametrize(("flags", "expected"), [(1, ("resume", "rising")), (2, ("keep", "low now"))])
def test_rising_resumes(flags, expected):
    """D-610: 61 after 60."""
    assert feed(plgs(plgs_flags=flags), [60, 61])[-1] == expected


@pytest.mark.parametrize(
    ("settings", "answer"),
    [
        ({"near_mg_dl": 400}, 0),
        ({"near_mg_dl": 401}, 0xFF),
        ({"resume_mg_dl": 401}, 0xFF),
        ({"resume_predicted_mg_dl": 401}, 0xFF),
        ({"minimum_minutes": 4}, 0xFF),
        ({"minimum_minutes": 60}, 0),
        ({"minimum_minutes": 61}, 0xFF),
    ],
)
def test_settings_accepted_and_refused(settings, answer):
    """D-616."""
    assert code(plgs(), 1, Configure(**settings)) == answer
