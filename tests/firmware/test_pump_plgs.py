"""Predictive low glucose suspend: every condition of a decision, and what a suspension does.

Method: CGM samples on the bench at chosen offsets; expected are the decision's action, reason and prediction, and the
TBR that is told. Boundaries and worked examples of D-306 and D-606 to D-616.
"""

from fractions import Fraction

import pytest

from firmware.plgs_bench import (
    KEEP,
    NONE,
    RESUME,
    SUSPEND,
    configure,
    exact,
    last_of,
    plgs,
    sample,
    samples,
    suspensions,
)
from firmware.pump_bench import Bench
from pump import events
from pump.control.suspensions import Suspensions

# --- when to suspend ---


@pytest.mark.parametrize("glucose, decided", [(70, KEEP), (69, SUSPEND), (39, SUSPEND)])
def test_low_now_is_strict(glucose, decided):
    """D-606, D-602: 70 is not low, 69 is, and 39 (Low) is a number."""
    assert sample(plgs(), 0, glucose)[0] == decided


def test_rising_is_strict():
    """D-607, D-608: 65 after 66 suspends, 66 after 65 keeps, 65 after 65 suspends."""
    assert last_of((0, 66), (5, 65))[0] == (SUSPEND, events.REASON_LOW_NOW)
    assert last_of((0, 65), (5, 66))[0] == (KEEP, events.REASON_RISING)
    assert last_of((0, 39), (5, 39))[0] == (SUSPEND, events.REASON_LOW_NOW)


@pytest.mark.parametrize("gap, reason", [(17, events.REASON_RISING), (18, events.REASON_LOW_NOW)])
def test_rising_looks_back_seventeen_minutes(gap, reason):
    """D-607: a sample 18 min older says nothing about now."""
    assert last_of((0, 60), (gap, 61), stale=60)[0][1] == reason


def test_a_suspension_is_a_tbr_of_zero_by_the_ap_controller():
    """D-306, D-609: for the whole allowance; the remainder is kept and the profile returns."""
    bench = plgs()
    sample(bench, 5, 60)
    assert bench.all("TBR_STARTED") == [(300, 0, 120, events.AP_CONTROLLER, 0, 0)]
    assert bench.all("BASAL_CHANGED")[-1] == (300, 1000, 0, events.AP_CONTROLLER, 0, 0)
    assert bench.since(300)[:3] == [(300, "TBR_STARTED"), (300, "BASAL_CHANGED"), (300, "DECISION")]
    configure(bench, 300, stale=60)
    samples(bench, (10, 60), (15, 61))
    bench.run(960)
    assert bench.pulses == [180, 960]


def test_it_interrupts_a_clients_tbr_for_good():
    """D-306: canceled after 10 min at the same second, and not restored."""
    bench = plgs()
    bench.tbr(600, 2000, 30)
    sample(bench, 20, 60)
    configure(bench, 1200, stale=60)
    sample(bench, 26, 100)
    bench.run(3000)
    assert bench.all("TBR_STARTED", "TBR_ENDED")[1:] == [
        (1200, "TBR_ENDED", 10, events.CANCELED, 0, 0, 0),
        (1200, "TBR_STARTED", 0, 120, events.AP_CONTROLLER, 0, 0),
        (1560, "TBR_ENDED", 6, events.CANCELED, 0, 0, 0),
    ]
    assert bench.pump.delivered_rate_mu_per_h() == 1000


def test_a_clients_zero_tbr_is_no_suspension():
    """D-306: it does not count against the limit, and a low sample replaces it."""
    bench = plgs()
    bench.tbr(1, 0, 120, context=events.AP_CONTROLLER)
    assert sample(bench, 100, 60) == (SUSPEND, events.REASON_LOW_NOW)
    assert bench.all("TBR_STARTED")[1] == (6000, 0, 120, events.AP_CONTROLLER, 0, 0)


def test_a_bolus_goes_on():
    """D-612: all 20 pulses of 1 U come, and a client may bolus."""
    bench = plgs(rate=0)
    bench.bolus(299, 1000)
    sample(bench, 5, 60)
    bench.run(400)
    assert len(bench.pulses) == 20
    assert bench.bolus(400, 50) == events.SUCCESS


# --- when to resume ---


@pytest.mark.parametrize(
    "s, decided", [(899, (KEEP, events.REASON_MINIMUM_TIME)), (900, (RESUME, events.REASON_RISING))]
)
def test_five_minutes_at_least(s, decided):
    """D-610: exactly 300 s is enough."""
    bench = plgs()
    sample(bench, 10, 60)
    assert sample(bench, 14, 61, s=s) == decided


def test_resume_when_not_low_though_falling():
    """D-610, D-615: rising comes first, then not low."""
    bench = plgs()
    samples(bench, (0, 60), (1, 200))
    assert sample(bench, 6, 190) == (RESUME, events.REASON_NOT_LOW)


def test_go_on_while_low_and_not_rising():
    """D-615: with the reason of the low."""
    bench = plgs()
    assert samples(bench, (0, 65), (5, 64)) == (KEEP, events.REASON_LOW_NOW)
    bench = plgs()
    assert samples(bench, (0, 110), (5, 95), (10, 90), (16, 85)) == (KEEP, events.REASON_PREDICTED_LOW)


# --- the limit ---


def low_from(bench, first, last, step=5):
    """Low samples, never rising, every step minutes."""
    for offset in range(first, last + 1, step):
        sample(bench, offset, 60)


def test_two_hours_then_the_profile_then_again_when_the_window_allows():
    """D-611: suspended from 0 to 7200, the next may start at 9300 for 5 min."""
    bench = plgs()
    low_from(bench, 0, 150)
    assert bench.pump.decision.reason == events.REASON_LIMIT_REACHED
    assert sample(bench, 154, 60, s=9299) == (KEEP, events.REASON_LIMIT_REACHED)
    assert sample(bench, 155, 60, s=9300) == (SUSPEND, events.REASON_LOW_NOW)
    bench.run(9700)
    assert suspensions(bench) == ([(0, 120), (9300, 5)], [(7200, events.COMPLETE), (9600, events.COMPLETE)])


def test_pause_counts_as_suspended():
    """D-613, D-611: the suspension runs on in Pause."""
    bench = plgs()
    low_from(bench, 0, 30)
    bench.do(1900, "set_therapy_state", events.PAUSE)
    bench.do(2700, "set_therapy_state", events.RUN)
    low_from(bench, 45, 125)
    assert suspensions(bench)[1] == [(7200, events.COMPLETE)]


def test_the_allowance_is_whole_minutes_rounded_down():
    """D-609: 100 s were used of it, 7100 s are 118 min."""
    bench = plgs()
    sample(bench, 0, 60)
    bench.do(100, "set_therapy_state", events.STOP)
    bench.do(101, "set_therapy_state", events.RUN)
    sample(bench, 2, 59)
    assert suspensions(bench)[0] == [(0, 120), (120, 118)]


def test_more_suspensions_than_the_ledger_holds_only_shorten_the_allowance():
    """D-611: the two oldest become one, the time between them counted."""
    ledger = Suspensions()
    for n in range(70):
        ledger.begin(100 * n)
        ledger.end(100 * n + 10)
    exact_s = 7200 - 70 * 10
    assert ledger.allowance_s(7000, 120, 480) == exact_s - 6 * 90
    ledger.begin(50000)
    ledger.end(50100)
    assert ledger.allowance_s(50100, 120, 480) == 7100


# --- clients, therapy, settings ---


@pytest.mark.parametrize(
    "command", [("cancel_tbr",), ("set_tbr", events.ABSOLUTE, 500, 5, True, events.REMOTE_CONTROL, 0)]
)
def test_lockout_after_a_client_took_the_suspension(command):
    """D-614: taken at 1000 with 30 min, a low sample at 2799 keeps, at 2800 suspends."""
    bench = plgs(stale=60)
    sample(bench, 5, 60)
    assert bench.do(1000, *command) == events.SUCCESS
    assert sample(bench, 46, 59, s=2799) == (KEEP, events.REASON_LOCKOUT)
    assert sample(bench, 47, 58, s=2800) == (SUSPEND, events.REASON_LOW_NOW)
    assert bench.all("TBR_STARTED")[-1] == (2800, 0, (7200 - 700) // 60, events.AP_CONTROLLER, 0, 0)


def test_a_changed_suspension_is_the_same_tbr_but_no_suspension():
    """D-303, D-614: its effective duration counts from its start, and a rising sample does not end it."""
    bench = plgs(stale=60)
    sample(bench, 5, 60)
    bench.tbr(900, 0, 30, True)
    assert sample(bench, 20, 100)[0] == KEEP
    bench.run(3000)
    assert bench.all("TBR_ENDED") == [(2700, 40, events.COMPLETE, 0, 0, 0)]


def test_cancelling_a_clients_tbr_locks_nothing():
    """D-614: only a suspension's cancel does."""
    bench = plgs()
    bench.tbr(10, 500, 30)
    bench.do(20, "cancel_tbr")
    assert sample(bench, 1, 60)[0] == SUSPEND


@pytest.mark.parametrize("state", [events.STOP, events.PAUSE])
def test_outside_run_samples_are_only_kept(state):
    """D-613: answered none, therapy not running, and part of the fit afterwards."""
    bench = plgs()
    sample(bench, 0, 120)
    bench.do(200, "set_therapy_state", state)
    assert samples(bench, (5, 112), (10, 60)) == (NONE, events.REASON_NOT_RUNNING)
    bench.do(700, "set_therapy_state", events.RUN)
    assert sample(bench, 15, 96) == (KEEP, events.REASON_RISING)
    value = exact([(0, 120), (5, 112), (10, 60), (15, 96)], 30)
    assert bench.pump.decision.predicted_mg_dl == (value + Fraction(1, 2)) // 1


def test_a_rising_sample_in_pause_does_not_resume():
    """D-613: the suspension runs on as any TBR."""
    bench = plgs()
    sample(bench, 0, 60)
    bench.do(200, "set_therapy_state", events.PAUSE)
    assert sample(bench, 10, 100) == (NONE, events.REASON_NOT_RUNNING)
    assert bench.pump.tbr.suspension
    bench.do(700, "set_therapy_state", events.RUN)
    assert sample(bench, 15, 101) == (RESUME, events.REASON_RISING)


def test_stop_ends_a_suspension():
    """D-613: as any TBR, and without a lockout."""
    bench = plgs()
    sample(bench, 0, 60)
    bench.do(200, "set_therapy_state", events.STOP)
    bench.do(210, "set_therapy_state", events.RUN)
    assert suspensions(bench)[1] == [(200, events.CANCELED)]
    assert sample(bench, 4, 59)[0] == SUSPEND


def test_manual_only_looks():
    """D-615: none, manual; an unusable sample is called so first."""
    bench = plgs(controller=events.MANUAL)
    assert sample(bench, 0, 40) == (NONE, events.REASON_MANUAL)
    assert sample(bench, 0, 40) == (NONE, events.REASON_INVALID_SAMPLE)
    bench.do(70, "set_therapy_state", events.STOP)
    assert sample(bench, 2, 40) == (NONE, events.REASON_MANUAL)
    assert bench.all("TBR_STARTED") == []


def test_leaving_plgs_ends_the_suspension():
    """D-616: at its second, canceled; a client's TBR stays."""
    bench = plgs()
    sample(bench, 10, 60)
    assert configure(bench, 1000, controller=events.MANUAL) == events.SUCCESS
    assert suspensions(bench)[1] == [(1000, events.CANCELED)]
    bench.tbr(1100, 0, 30, context=events.AP_CONTROLLER)
    configure(bench, 1200, controller=events.MANUAL)
    assert bench.pump.tbr.active


def test_other_changes_leave_the_suspension_as_it_is():
    """D-616: programmed for 120 min it runs them, though the limit is now 10."""
    bench = plgs()
    sample(bench, 0, 60)
    configure(bench, 10, limit=10, window=10, stale=60)
    low_from(bench, 40, 120, 40)
    assert suspensions(bench)[1] == [(7200, events.COMPLETE)]


BOUNDS = {"predicted": (60, 120), "now": (50, 100), "horizon": (10, 60), "limit": (5, 150), "window": (120, 480),
          "stale": (5, 60), "lockout": (0, 240), "dia": (180, 480), "peak": (35, 120), "near": (0, 400),
          "resume": (0, 400), "resume_predicted": (0, 400), "minimum": (5, 60)}  # fmt: skip


@pytest.mark.parametrize("name", BOUNDS)
def test_settings_within_their_bounds(name):
    """D-616: bounds included, one beyond refused without any change; the limit is bounded by its window here."""
    low, high = BOUNDS[name]
    beside = {"peak": 35} if name == "dia" else {"dia": 480} if name == "peak" else {}
    for value in (low, high):
        assert configure(Bench(), 1, **{**beside, name: value}) == events.SUCCESS
    for value in (low - 1, high + 1):
        bench = Bench()
        assert configure(bench, 1, **{**beside, name: value}) == events.OUT_OF_RANGE
        assert bench.pump.control.settings.controller == events.MANUAL


def test_settings_that_do_not_go_together():
    """D-616: the peak at most 2 T / 5, the limit within its window and at most 240 min, a known controller."""
    assert configure(Bench(), 1, dia=200, peak=80) == events.SUCCESS
    assert configure(Bench(), 1, dia=200, peak=81) == events.OUT_OF_RANGE
    assert configure(Bench(), 1, limit=240, window=240) == events.SUCCESS
    assert configure(Bench(), 1, limit=241, window=480) == events.OUT_OF_RANGE
    assert configure(Bench(), 1, controller=0x0F) == events.OUT_OF_RANGE


def test_each_sample_gets_one_decision():
    """D-615: told once each, numbered in sequence, with what it was decided on."""
    bench = plgs()
    decision = bench.pump.decision
    assert (decision.sequence, decision.action, decision.predicted_mg_dl) == (0, NONE, events.NO_PREDICTION_MG_DL)
    for offset, glucose in ((0, 120), (0, 120), (5, -1), (6, 90)):
        sample(bench, offset, glucose, s=400)
    assert bench.all("DECISION") == [(400, 0, 0, 0, 0, 0)] * 4
    assert (decision.sequence, decision.offset_minutes, decision.at_s, decision.glucose_mg_dl) == (4, 6, 400, 90)
    assert decision.iob_mu == 2 * 50 - 1


@pytest.mark.parametrize("glucose, shown", [(1, 1), (1000, 1000), (0, 0), (1001, 0), (-1, 0)])
def test_a_glucose_is_shown_when_it_is_one(glucose, shown):
    """D-615: a number from 1 to 1000, else 0."""
    bench = plgs()
    sample(bench, 0, glucose)
    assert bench.pump.decision.glucose_mg_dl == shown


def test_the_decision_after_65535_is_1():
    """D-615: 0 is none yet."""
    bench = plgs()
    bench.pump.decision.sequence = 65534
    for expected in (65535, 1):
        sample(bench, 0, 120)
        assert bench.pump.decision.sequence == expected
