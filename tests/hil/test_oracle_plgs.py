"""The oracle's CGM and plgs, DOSING.md section 7.

Goal: D-601 to D-616 hold of the oracle, each at its boundary and with its worked number.
Method: samples fed a second or so after their measurement; the session starts at pump second 0 unless a test says so.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest

from hil.oracle_bench import MIDNIGHT, accept, at, code, feed, plgs, pulses, running, take
from pumprig.oracle.commands import (
    CancelTbr,
    Configure,
    OpenCgmSession,
    SetBolus,
    SetClock,
    SetTbr,
    SetTherapyState,
)
from pumprig.oracle.events import Annunciation, TbrEnded, TbrStarted

FALL = [120, 112, 104, 96]


def suspended(at_s, **controller):
    """A plgs pump suspended by one low sample measured at `at_s` (a whole minute)."""
    oracle = plgs(**controller)
    assert at(oracle, at_s, at_s // 60, 60) == ("suspend", "low now")
    oracle.take_events()
    return oracle


def test_measurement_time_counts_from_the_session_start():
    """D-601, D-603: session start at 60, offset 5: measured at 360, stale at 1261."""
    oracle = plgs(session_start=MIDNIGHT + timedelta(seconds=60))
    assert at(oracle, 700, 5, 100) == ("keep", "no prediction")
    oracle.advance(1260)
    assert not oracle.state().cgm_stale
    oracle.advance(1261)
    assert oracle.state().cgm_stale
    assert take(oracle) == [Annunciation(at_s=1261, annunciation_id=1, type="stale CGM", status="pending")]


@pytest.mark.parametrize("reconnect", [False, True], ids=["same link", "read again"])
def test_setting_the_clock_moves_no_measurement(reconnect):
    """D-601: after a clock change, and after the same start is read again, offset 10 is still measured at 600."""
    oracle = plgs()
    at(oracle, 301, 5, 100)
    accept(oracle, 400, SetClock(datetime(2024, 2, 29, 9)))
    if reconnect:
        accept(oracle, 401, OpenCgmSession(MIDNIGHT))
    assert at(oracle, 601, 5, 99) == ("none", "invalid sample")
    assert at(oracle, 602, 10, 99) == ("keep", "no prediction")
    oracle.advance(1500)
    assert not oracle.state().cgm_stale
    oracle.advance(1501)
    assert oracle.state().cgm_stale


def test_another_session_begins_anew():
    """D-601, D-602, D-604, D-607: in a new session offsets may be small again; fit and rise have nothing before."""
    oracle = plgs()
    accept(oracle, 0, SetTherapyState("stop"))
    feed(oracle, [64, 63, 62, 60])
    accept(oracle, 1000, OpenCgmSession(MIDNIGHT + timedelta(seconds=900)))
    accept(oracle, 1000, SetTherapyState("run"))
    # 66 would be rising after 60, but it is the session's first.
    assert at(oracle, 1001, 0, 66) == ("suspend", "low now")
    decision = oracle.sample(1260, 5, 67)
    assert decision.predicted is None
    assert decision.reason == "minimum time"


@pytest.mark.parametrize("bit", [0, 2, 3, 5])
def test_status_that_makes_a_sample_unusable(bit):
    """D-602: session stopped, sensor type incorrect, sensor malfunction, general device fault."""
    oracle = plgs()
    assert at(oracle, 301, 5, 60, 1 << bit) == ("none", "invalid sample")
    assert at(oracle, 302, 5, 60) == ("suspend", "low now")


def test_other_status_bits_do_not():
    """D-602: all other bits of the annunciation, warnings included, leave a sample usable."""
    assert at(plgs(), 301, 5, 60, 0xFFFFFF & ~0b101101) == ("suspend", "low now")


@pytest.mark.parametrize(
    ("glucose", "shown"),
    [
        (1, 1),
        (1000, 1000),
        (39, 39),
        (401, 401),
        (0, 0),
        (1001, 0),
        (-5, 0),
        (None, 0),
        (Decimal("NaN"), 0),
        (Decimal("Infinity"), 0),
        (float("nan"), 0),
        (Decimal("0.4"), 0),
        (Decimal("0.5"), 1),
        (Decimal("69.5"), 70),
        (Decimal("69.4"), 69),
        (Decimal("1000.4"), 1000),
        (Decimal("1000.5"), 0),
    ],
)
def test_glucose_that_is_usable(glucose, shown):
    """D-602, D-615: a number from 1 to 1000, rounded half up; 39 and 401 are used as these numbers."""
    decision = plgs().sample(301, 5, glucose)
    assert decision.glucose_mg_dl == shown
    assert (decision.reason == "invalid sample") == (shown == 0)


def test_offset_must_grow():
    """D-602: offset 10 after offset 15 is not usable, nor is 15 again; an unusable 20 does not count."""
    oracle = plgs()
    at(oracle, 901, 15, 100)
    assert at(oracle, 902, 10, 100) == ("none", "invalid sample")
    assert at(oracle, 903, 15, 100) == ("none", "invalid sample")
    assert at(oracle, 1200, 20, None) == ("none", "invalid sample")
    assert at(oracle, 1201, 20, 100) == ("keep", "no prediction")


@pytest.mark.parametrize(
    ("at_s", "expected"),
    [
        (539, ("none", "invalid sample")),
        (540, ("keep", "no prediction")),
        (1500, ("keep", "no prediction")),
        (1501, ("none", "stale")),
    ],
)
def test_age_of_a_sample(at_s, expected):
    """D-602: measured at 600: 60 s ahead and 15 min old are usable, one second more is not."""
    assert at(plgs(), at_s, 10, 100) == expected


def test_stale_only_when_nothing_else_is_wrong():
    """D-602: too old and NaN is an invalid sample."""
    assert at(plgs(), 3000, 10, None) == ("none", "invalid sample")
    assert at(plgs(), 3000, 10, 100, 1) == ("none", "invalid sample")


def test_unusable_sample_changes_nothing():
    """D-602: a stale low sample neither suspends nor enters the fit nor sets the order."""
    oracle = plgs()
    assert at(oracle, 3000, 10, 50) == ("none", "stale")
    assert at(oracle, 3001, 50, 60) == ("suspend", "low now")


def test_a_usable_sample_ends_the_stale_state():
    """D-603: stale at 901, a usable sample at 1000, stale again 901 s after its measurement."""
    oracle = plgs()
    at(oracle, 1, 0, 100)
    oracle.advance(901)
    assert oracle.state().cgm_stale
    at(oracle, 1000, 16, 100)
    assert not oracle.state().cgm_stale
    oracle.advance(960 + 901)
    assert oracle.state().cgm_stale
    # The annunciation of 901 is not confirmed, so there is no second one (D-831).
    assert len(take(oracle, Annunciation)) == 1


def test_sample_at_the_second_of_staleness_comes_after_it():
    """D-603, D-003: at 901 CGM is stale first, then the sample of 901 ends it."""
    oracle = plgs()
    at(oracle, 1, 0, 100)
    at(oracle, 901, 15, 100)
    assert len(take(oracle, Annunciation)) == 1
    assert not oracle.state().cgm_stale


def test_stale_cgm_ends_a_suspension():
    """D-603: measured at 600, suspended at 600, stale and canceled at 1501."""
    oracle = suspended(600)
    oracle.advance(2000)
    annunciation, ended, _ = take(oracle)
    assert annunciation == Annunciation(at_s=1501, annunciation_id=1, type="stale CGM", status="pending")
    assert ended == TbrEnded(at_s=1501, reason="canceled", effective_minutes=15)


def test_stale_holds_for_every_controller_and_state():
    """D-603: manual, in Stop: stale all the same; before the first usable sample it is not."""
    oracle = running()
    accept(oracle, 0, OpenCgmSession(MIDNIGHT))
    accept(oracle, 1, SetTherapyState("stop"))
    oracle.advance(5000)
    assert not oracle.state().cgm_stale
    at(oracle, 5000, 83, 100)
    oracle.advance(83 * 60 + 901)
    assert oracle.state().cgm_stale


def test_new_session_alone_does_not_end_staleness():
    """D-603: only a usable sample does."""
    oracle = plgs()
    at(oracle, 1, 0, 100)
    oracle.advance(901)
    accept(oracle, 1000, OpenCgmSession(MIDNIGHT + timedelta(seconds=1000)))
    assert oracle.state().cgm_stale
    at(oracle, 1000, 0, 100)
    assert not oracle.state().cgm_stale


@pytest.mark.parametrize(
    ("offsets", "used"), [((0, 5, 10, 15), 4), ((0, 5, 10, 18), 3), ((0, 5, 10, 17), 4), ((0, 15, 20), 2)]
)
def test_prediction_window(offsets, used):
    """D-604: newest - 17 is in, newest - 18 is out; two samples make no prediction."""
    oracle = plgs()
    values = [200, 150, 130, 100]
    for offset, glucose in zip(offsets, values, strict=False):
        decision = oracle.sample(60 * offset + 1, offset, glucose)
    window = [(o, g) for o, g in zip(offsets, values, strict=False) if o >= offsets[-1] - 17]
    assert len(window) == used
    assert decision.predicted == (fit(window, offsets[-1] + 30) if used >= 3 else None)


def fit(points, x):
    """Least squares by the textbook's means, as a second way to the same line."""
    count = len(points)
    mean_x = Fraction(sum(p[0] for p in points), count)
    mean_y = Fraction(sum(p[1] for p in points), count)
    slope = sum((px - mean_x) * (py - mean_y) for px, py in points) / sum((px - mean_x) ** 2 for px, _ in points)
    return mean_y + slope * (x - mean_x)


def test_predictor():
    """D-605, D-606: 120, 112, 104, 96 at 0, 5, 10, 15: slope -1.6, prediction at 45: 48, low."""
    oracle = plgs()
    assert feed(oracle, FALL[:3]) == [
        ("keep", "no prediction"),
        ("keep", "no prediction"),
        ("suspend", "predicted low"),
    ]
    decision = oracle.sample(901, 15, 96)
    assert (decision.predicted, decision.predicted_mg_dl) == (48, 48)


def test_prediction_is_compared_before_it_is_rounded():
    """D-605: 79.9 is below 80 and shows as 80; three samples 0, 5, 10 with horizon 30 at 40."""
    oracle = plgs()
    # Mean (100 + 95 + 92) / 3, slope -0.8: 95.667 - 28 = 67.667; raised by 12 it is 79.667.
    feed(oracle, [112, 107])
    decision = oracle.sample(601, 10, 104)
    assert decision.predicted == Fraction(239, 3)
    assert decision.predicted_mg_dl == 80
    assert (decision.action, decision.reason) == ("suspend", "predicted low")


@pytest.mark.parametrize(
    ("values", "shown"),
    [([100, 100, 100], 100), ([140, 120, 100], -20), ([101, 100, 100], 97), ([100, 100, 101], 104)],
)
def test_displayed_prediction_is_rounded_half_up(values, shown):
    """D-605: the floor of the value plus one half, also below zero."""
    oracle = plgs()
    feed(oracle, values[:2])
    decision = oracle.sample(601, 10, values[2])
    assert decision.predicted == fit(list(zip((0, 5, 10), values, strict=True)), 40)
    assert decision.predicted_mg_dl == shown == (decision.predicted + Fraction(1, 2)).__floor__()


@pytest.mark.parametrize(("glucose", "expected"), [(70, ("keep", "no prediction")), (69, ("suspend", "low now"))])
def test_low_now_is_strict(glucose, expected):
    """D-606: 70 is not low, 69 is."""
    assert at(plgs(), 301, 5, glucose) == expected


def test_prediction_of_exactly_the_limit_is_not_low():
    """D-606: 110, 105, 100 at 0, 5, 10: slope -1, 70 at 40; the limit 70 holds, 71 does not."""
    for limit, expected in [(70, ("keep", "not low")), (71, ("suspend", "predicted low"))]:
        oracle = plgs(suspend_predicted_mg_dl=limit)
        assert feed(oracle, [110, 105, 100])[-1] == expected


@pytest.mark.parametrize(
    ("before", "gap", "glucose", "expected"),
    [
        (60, 5, 61, ("keep", "rising")),
        (60, 17, 61, ("keep", "rising")),
        (60, 18, 61, ("suspend", "low now")),
        (61, 5, 61, ("suspend", "low now")),
        (39, 5, 39, ("suspend", "low now")),
        (62, 5, 61, ("suspend", "low now")),
    ],
)
def test_rising(before, gap, glucose, expected):
    """D-607, D-608: a strictly smaller usable sample at most 17 min before; 39 after 39 is not rising."""
    oracle = plgs()
    # In Stop the first sample is kept for the fit and starts nothing (D-613).
    accept(oracle, 0, SetTherapyState("stop"))
    at(oracle, 1, 0, before)
    accept(oracle, 2, SetTherapyState("run"))
    assert at(oracle, 60 * gap + 1, gap, glucose) == expected


def test_rising_looks_at_the_usable_sample_before():
    """D-607: an unusable sample between does not count."""
    oracle = plgs()
    accept(oracle, 0, SetTherapyState("stop"))
    at(oracle, 1, 0, 66)
    at(oracle, 301, 5, 60, 1)
    accept(oracle, 302, SetTherapyState("run"))
    assert at(oracle, 601, 10, 65) == ("suspend", "low now")


def test_suspension_is_programmed_for_the_allowance():
    """D-609, D-306: nothing suspended before: 120 min of 0 U/h by the AP controller."""
    oracle = plgs()
    at(oracle, 301, 5, 60)
    started = take(oracle, TbrStarted)
    assert started == [TbrStarted(at_s=301, value=0, duration_minutes=120, context="AP controller")]


@pytest.mark.parametrize(("at_s", "expected"), [(899, ("keep", "minimum time")), (900, ("resume", "rising"))])
def test_minimum_suspension(at_s, expected):
    """D-610: suspended at 600, a rising sample at 899 keeps, at 900 resumes."""
    oracle = suspended(600)
    assert at(oracle, at_s, 14, 61) == expected
    ended = take(oracle, TbrEnded)
    assert ended == ([TbrEnded(at_s=900, reason="canceled", effective_minutes=5)] if at_s == 900 else [])


@pytest.mark.parametrize(
    ("glucose", "expected"),
    [(60, ("keep", "low now")), (61, ("resume", "rising")), (59, ("keep", "low now"))],
)
def test_resume_when_rising(glucose, expected):
    """D-610, D-615: equal and falling keep."""
    oracle = suspended(600)
    assert at(oracle, 901, 15, glucose) == expected


def test_resume_when_not_low_though_falling():
    """D-610: 75 after 80, no prediction: not low, resume."""
    oracle = suspended(600, stale_minutes=30)
    assert at(oracle, 700, 11, 80) == ("keep", "minimum time")
    assert at(oracle, 1801, 30, 75) == ("resume", "not low")


def test_keep_while_the_prediction_is_low():
    """D-610, D-615: suspended at 601 on a prediction, still falling at 901: keep, predicted low."""
    assert feed(plgs(), FALL)[2:] == [("suspend", "predicted low"), ("keep", "predicted low")]


def test_suspension_ends_after_its_duration_and_the_window_forbids_another():
    """D-611: suspended 0 to 7200: ended (duration over); 9299 is too early, at 9300 five minutes may start."""
    oracle = plgs()
    assert at(oracle, 0, 0, 60) == ("suspend", "low now")
    for offset in range(5, 150, 5):
        action = at(oracle, 60 * offset, offset, 60)
        assert action == (("keep", "low now") if offset < 120 else ("keep", "limit reached"))
    assert take(oracle, TbrEnded) == [TbrEnded(at_s=7200, reason="duration over", effective_minutes=120)]
    assert at(oracle, 9299, 154, 60) == ("keep", "limit reached")
    assert oracle.state().allowance_s == 299
    assert at(oracle, 9300, 155, 60) == ("suspend", "low now")
    assert oracle.state().tbr.programmed_minutes == 5


def test_allowance_counts_seconds_inside_the_window_only():
    """D-611: 600 to 900 suspended: the allowance is 6900 until 9600, and grows by each second that leaves."""
    oracle = suspended(600)
    at(oracle, 900, 15, 61)
    for at_s, allowance in [(900, 6900), (9600, 6900), (9601, 6901), (9899, 7199), (9900, 7200), (20_000, 7200)]:
        oracle.advance(at_s)
        assert oracle.state().allowance_s == allowance


def test_programmed_minutes_are_rounded_down():
    """D-609: an allowance of 6900 s less 59 s is 114 min."""
    oracle = suspended(600)
    at(oracle, 959, 15, 61)
    assert oracle.state().allowance_s == 7200 - 359
    assert at(oracle, 1260, 21, 60) == ("suspend", "low now")
    assert oracle.state().tbr.programmed_minutes == 114


def test_suspension_leaves_a_bolus_and_the_remainder_alone():
    """D-612: 1 U under way at the suspension: all 20 pulses come, a further bolus is accepted, no basal pulse falls."""
    oracle = plgs()
    accept(oracle, 595, SetBolus(Decimal("1.0")))
    at(oracle, 600, 10, 60)
    remainder = oracle.state().remainder_mu
    assert len(pulses(oracle, 700, "bolus")) == 20
    accept(oracle, 700, SetBolus(Decimal("0.05")))
    assert pulses(oracle, 1400, "basal") == []
    assert oracle.state().remainder_mu == remainder


def test_stop_ends_a_suspension_and_samples_are_kept_for_the_fit():
    """D-613: in Stop none (therapy not running); the first sample in Run has its prediction."""
    oracle = suspended(600)
    accept(oracle, 700, SetTherapyState("stop"))
    assert take(oracle, TbrEnded)[0].reason == "canceled"
    assert at(oracle, 901, 15, 60) == ("none", "therapy not running")
    accept(oracle, 1000, SetTherapyState("run"))
    decision = oracle.sample(1201, 20, 55)
    assert decision.predicted == fit([(10, 60), (15, 60), (20, 55)], 50)


def test_sample_in_pause_does_not_resume():
    """D-613: Pause during a suspension, rising sample: it runs on, and counts against the window."""
    oracle = suspended(600)
    accept(oracle, 650, SetTherapyState("pause"))
    assert at(oracle, 1201, 20, 90) == ("none", "therapy not running")
    assert oracle.state().suspended
    accept(oracle, 1300, SetTherapyState("run"))
    assert oracle.state().allowance_s == 7200 - 700
    assert at(oracle, 1501, 25, 91) == ("resume", "rising")


@pytest.mark.parametrize("command", [CancelTbr(), SetTbr(Decimal(0), 30, change=True)], ids=["cancel", "change"])
def test_lockout_after_a_clients_hand(command):
    """D-614: at 1000 with 30 min: a low sample at 2799 keeps (lockout), at 2800 suspends."""
    for at_s, expected in [(2799, ("keep", "lockout")), (2800, ("suspend", "low now"))]:
        oracle = suspended(600)
        accept(oracle, 1000, command)
        assert not oracle.state().suspended
        assert at(oracle, at_s, 46, 60) == expected


def test_lockout_of_nothing():
    """D-614: with a lockout of 0 min the next low sample suspends."""
    oracle = suspended(600, lockout_minutes=0)
    accept(oracle, 900, CancelTbr())
    assert at(oracle, 900, 15, 60) == ("suspend", "low now")


def test_changed_suspension_is_the_clients_with_its_first_start():
    """D-306, D-303, D-611: changed at 1200, its effective minutes count from 600, the window's only up to 1200."""
    oracle = suspended(600)
    accept(oracle, 1200, SetTbr(Decimal("0.5"), 10, change=True))
    oracle.advance(1800)
    assert take(oracle, TbrEnded) == [TbrEnded(at_s=1800, reason="duration over", effective_minutes=20)]
    assert oracle.state().allowance_s == 7200 - 600


def test_a_resume_of_the_pump_locks_nothing():
    """D-614: only a client's cancel or change does."""
    oracle = suspended(600)
    at(oracle, 901, 15, 61)
    assert at(oracle, 1201, 20, 60) == ("suspend", "low now")


def test_first_reason_that_applies():
    """D-615: 65 after 66 while locked out: lockout; 66 after 65: rising is found before."""
    oracle = suspended(600)
    accept(oracle, 700, CancelTbr())
    at(oracle, 900, 15, 66)
    assert at(oracle, 1200, 20, 65) == ("keep", "lockout")
    assert at(oracle, 1500, 25, 66) == ("keep", "rising")


def test_manual_decides_nothing_but_shows_the_prediction():
    """D-615: manual comes before therapy not running; the prediction is shown whenever a usable sample has one."""
    oracle = running()
    accept(oracle, 0, OpenCgmSession(MIDNIGHT))
    feed(oracle, FALL[:2])
    accept(oracle, 400, SetTherapyState("stop"))
    decision = oracle.sample(601, 10, FALL[2])
    assert (decision.action, decision.reason) == ("none", "manual")
    assert decision.predicted == 56


def test_one_decision_a_sample_numbered_from_one():
    """D-615: every sample received, usable or not, gets the next number."""
    oracle = plgs()
    decisions = [oracle.sample(301, 5, 100), oracle.sample(302, 5, 100), oracle.sample(303, 5, None)]
    assert [decision.sequence for decision in decisions] == [1, 2, 3]


def test_leaving_plgs_ends_a_suspension():
    """D-616: plgs to manual at 1000 ends the suspension at 1000; other changes leave it."""
    oracle = suspended(600)
    assert code(oracle, 900, Configure(suspend_now_mg_dl=60)) == 0
    assert oracle.state().suspended
    assert code(oracle, 1000, Configure(controller="manual")) == 0
    assert take(oracle, TbrEnded) == [TbrEnded(at_s=1000, reason="canceled", effective_minutes=6)]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (Configure(suspend_predicted_mg_dl=60), 0),
        (Configure(suspend_predicted_mg_dl=59), 0xFF),
        (Configure(suspend_predicted_mg_dl=121), 0xFF),
        (Configure(suspend_now_mg_dl=49), 0xFF),
        (Configure(suspend_now_mg_dl=100), 0),
        (Configure(suspend_now_mg_dl=101), 0xFF),
        (Configure(horizon_minutes=9), 0xFF),
        (Configure(horizon_minutes=61), 0xFF),
        (Configure(suspend_limit_minutes=4), 0xFF),
        (Configure(suspend_limit_minutes=150), 0),
        (Configure(suspend_limit_minutes=151), 0xFF),
        (Configure(suspend_limit_minutes=240, limit_window_minutes=240), 0),
        (Configure(suspend_limit_minutes=241, limit_window_minutes=480), 0xFF),
        (Configure(limit_window_minutes=119), 0xFF),
        (Configure(limit_window_minutes=481), 0xFF),
        (Configure(stale_minutes=4), 0xFF),
        (Configure(stale_minutes=60), 0),
        (Configure(stale_minutes=61), 0xFF),
        (Configure(lockout_minutes=240), 0),
        (Configure(lockout_minutes=241), 0xFF),
        (Configure(dia_minutes=179), 0xFF),
        (Configure(dia_minutes=480), 0),
        (Configure(dia_minutes=481), 0xFF),
        (Configure(peak_minutes=34), 0xFF),
        (Configure(peak_minutes=120), 0),
        (Configure(peak_minutes=121), 0xFF),
        (Configure(dia_minutes=180, peak_minutes=72), 0),
        (Configure(dia_minutes=180, peak_minutes=73), 0xFF),
        (Configure(controller="hybrid"), 0xFF),
        (Configure(suspend_predicted_mg_dl=120, suspend_now_mg_dl=50, horizon_minutes=10), 0),
        (Configure(horizon_minutes=60, stale_minutes=5, lockout_minutes=0), 0),
        (Configure(suspend_limit_minutes=5, limit_window_minutes=5), 0),
        (Configure(limit_window_minutes=480, peak_minutes=35), 0),
        (Configure(dia_minutes=180, peak_minutes=35), 0),
    ],
)
def test_settings_accepted_and_refused(settings, expected):
    """D-616 and the table of section 10; a refused write changes nothing."""
    oracle = plgs()
    before = oracle.state().controller
    assert code(oracle, 10, settings) == expected
    assert (oracle.state().controller == before) == (expected == 0xFF)


def test_a_lower_stale_limit_is_judged_from_the_next_second():
    """D-616, D-603, D-003: settings are (8), staleness is (7): lowered at 700, stale at 701."""
    oracle = plgs()
    at(oracle, 1, 0, 100)
    accept(oracle, 700, Configure(stale_minutes=5))
    assert not oracle.state().cgm_stale
    oracle.advance(701)
    assert oracle.state().cgm_stale
