"""Goal: predictive low glucose suspend in whole runs: what suspends, resumes, interrupts, forbids and runs out.

Method: short traces at the edges of the rules of DOSING.md, section 7, in lockstep; the dose events that follow from
them are written down here. At 1 IU/h pulses fall at 170, 350 and so on.
"""

from datetime import datetime

import pytest

from hil.rig_bench import BEFORE_MIDNIGHT, MANUAL, PLGS, command, every_5_minutes, fault, pump
from pumprig.verdict import Verdict

FALLING = [100, 90, 80, 69, 68, 67]


def settings(**values):
    return "\n".join(["[settings]", *(f"{name} = {value}" for name, value in values.items())])


def suspensions(run):
    """(second, suspend or resume, why) of a run."""
    return [(dose["s"], dose["event"], dose["reason"]) for dose in run.doses if dose["event"] in ("suspend", "resume")]


def test_a_day_without_lows_is_the_profile(bench):
    run = bench.run(PLGS, pump(), readings=every_5_minutes([120] * 12))
    assert run.verdict is Verdict.PASS, run.explain()
    assert suspensions(run) == []
    assert run.pulses == list(range(170, 3600, 180))


def test_the_same_low_under_manual_changes_nothing(bench):
    run = bench.run(MANUAL, pump(), readings=every_5_minutes(FALLING))
    assert run.verdict is Verdict.PASS, run.explain()
    assert suspensions(run) == []
    assert {event["reason"] for event in run.events("decision")} == {"manual"}


def test_a_predicted_low_suspends_and_a_rise_resumes_and_the_remainder_is_kept(bench):
    # Three samples give the line: at 600 it leads to 20 within the half hour. At 1500 glucose rises.
    run = bench.run(PLGS, pump(), readings=every_5_minutes([100, 90, 80, 75, 71, 73, 80, 90, 100, 110, 115, 120]))
    assert run.verdict is Verdict.PASS, run.explain()
    assert suspensions(run) == [(600, "suspend", "predicted low"), (1500, "resume", "rising")]
    assert run.of("TbrStarted", "value", "duration_minutes") == [(600, "0", 120)]
    assert run.of("TbrEnded", "tbr_end_reason", "effective_duration_minutes") == [(1500, "CANCELED", 15)]
    # 70 s were earned since 530 when it began.
    assert run.pulses == [170, 350, 530, *range(1610, 3601, 180)]
    assert run.outcome.summary["suspended_s"] == 900


@pytest.mark.parametrize(("glucose", "action"), [(70, "keep"), (69, "suspend")])
def test_the_limit_for_low_now_is_strict(bench, glucose, action):
    run = bench.run(PLGS, pump(), readings=every_5_minutes([glucose + 1, glucose]))
    assert run.verdict is Verdict.PASS, run.explain()
    assert run.events("decision")[1]["action"] == action


def test_flat_at_39_suspends_and_is_not_rising(bench):
    run = bench.run(PLGS, pump(), readings=every_5_minutes([39] * 4))
    assert run.verdict is Verdict.PASS, run.explain()
    assert suspensions(run) == [(0, "suspend", "low now")]
    assert [event["reason"] for event in run.events("decision")] == ["low now"] * 4


def test_401_is_used_as_its_number(bench):
    run = bench.run(PLGS, pump(), readings=every_5_minutes([401, 401, 401, 401]))
    assert run.verdict is Verdict.PASS, run.explain()
    assert [event["predicted_mg_dl"] for event in run.events("decision")] == [None, None, 401, 401]


@pytest.mark.parametrize(("rise_s", "reason"), [(299, "minimum time"), (300, "rising")])
def test_a_suspension_lasts_five_minutes_at_least(bench, rise_s, reason):
    low_s = 600
    extra = fault(low_s + rise_s, "cgm_sample", offset_minutes=(low_s + rise_s) // 60, glucose_mg_dl=75)
    readings = [(0, 80), (5, 72), (10, 65), (16, 80), (20, 90)]
    run = bench.run(PLGS, pump(), extra, readings=readings)
    assert run.verdict is Verdict.PASS, run.explain()
    (decision,) = [event for event in run.events("decision") if event["at_s"] - 60 == low_s + rise_s]
    assert decision["reason"] == reason


def test_a_suspension_interrupts_a_clients_tbr_for_good(bench):
    run = bench.run(
        PLGS, pump(), command(300, "set_tbr", rate_iu_per_h=2, duration_minutes=60),
        readings=every_5_minutes([90, 80, 65, 64, 66, 90, 100]),
    )  # fmt: skip
    assert run.verdict is Verdict.PASS, run.explain()
    assert [(second, name) for second, name in run.told("TbrStarted", "TbrEnded")] == [
        (300, "TbrStarted"), (600, "TbrEnded"), (600, "TbrStarted"), (1200, "TbrEnded"),
    ]  # fmt: skip
    assert run.of("TbrEnded", "tbr_end_reason", "effective_duration_minutes")[0] == (600, "CANCELED", 5)
    assert run.of("DeliveredBasalRateChanged", "new_rate_iu_per_h")[-1] == (1200, "1")


def test_a_bolus_runs_through_a_suspension(bench):
    run = bench.run(PLGS, pump(), command(590, "set_bolus", amount_iu=1), readings=every_5_minutes(FALLING))
    assert run.verdict is Verdict.PASS, run.explain()
    assert [second for second in run.pulses if second > 580] == list(range(592, 631, 2))


@pytest.mark.parametrize(("low_s", "reason"), [(2699, "lockout"), (2700, "low now")])
def test_a_client_that_cancels_a_suspension_locks_the_next_one_out(bench, low_s, reason):
    # Suspended at 600, cancelled at 900: none before 2700.
    extra = fault(low_s, "cgm_sample", offset_minutes=low_s // 60, glucose_mg_dl=60)
    readings = [(0, 80), (5, 72), (10, 65), (43, 61), (47, 61)]
    run = bench.run(PLGS, pump(), command(900, "cancel_tbr"), extra, readings=readings)
    assert run.verdict is Verdict.PASS, run.explain()
    (decision,) = [event for event in run.events("decision") if event["at_s"] - 60 == low_s]
    assert decision["reason"] == reason


def test_a_suspension_that_a_client_changes_is_the_clients_from_then_on(bench):
    run = bench.run(
        PLGS, pump(), command(900, "set_tbr", rate_iu_per_h=2, duration_minutes=30, change=True),
        readings=every_5_minutes([80, 72, 65, 64, 90, 95, 100, 105, 110, 110]),
    )  # fmt: skip
    assert run.verdict is Verdict.PASS, run.explain()
    # The rise at 1200 resumes nothing, and its effect counts from the suspension's beginning.
    assert suspensions(run) == [(600, "suspend", "low now")]
    assert run.of("TbrEnded", "tbr_end_reason", "effective_duration_minutes") == [(2700, "DURATION_OVER", 35)]


def test_the_limit_of_the_window_ends_a_suspension_and_delays_the_next(bench):
    run = bench.run(
        PLGS, settings(suspend_limit_minutes=10, limit_window_minutes=30), pump(), readings=every_5_minutes([60] * 12)
    )
    assert run.verdict is Verdict.PASS, run.explain()
    # Suspended from 0 to 600; the allowance is 300 s again at 2100, and once more at 2400.
    assert run.of("TbrStarted", "duration_minutes") == [(0, 10), (2100, 5), (2400, 5)]
    assert run.of("TbrEnded", "tbr_end_reason")[0] == (600, "DURATION_OVER")
    reasons = [event["reason"] for event in run.events("decision")]
    assert reasons[2:7] == ["limit reached"] * 5


def test_a_sensor_that_becomes_stale_ends_a_suspension(bench):
    readings = [(0, 80), (5, 72), (10, 65), (60, 64), (65, 66)]
    run = bench.run(PLGS, pump(), readings=readings)
    assert run.verdict is Verdict.PASS, run.explain()
    assert run.of("TbrEnded", "tbr_end_reason")[:1] == [(1501, "CANCELED")]
    assert [second for second in run.pulses if 600 < second < 3600] == list(range(1611, 3600, 180))


def test_leaving_plgs_ends_a_suspension_and_so_does_stop(bench):
    for end in (command(900, "set_controller", controller="manual"), command(900, "set_therapy_state", state="stop")):
        run = bench.run(PLGS, pump(), end, readings=every_5_minutes([80, 72, 65, 64, 63, 62]))
        assert run.verdict is Verdict.PASS, run.explain()
        assert run.of("TbrEnded", "tbr_end_reason") == [(900, "CANCELED")]


def test_in_pause_a_suspension_runs_on_and_samples_resume_nothing(bench):
    run = bench.run(
        PLGS, pump(), command(700, "set_therapy_state", state="pause"), command(1300, "set_therapy_state", state="run"),
        readings=every_5_minutes([80, 72, 65, 75, 85, 95, 105]),
    )  # fmt: skip
    assert run.verdict is Verdict.PASS, run.explain()
    assert suspensions(run) == [(600, "suspend", "low now"), (1500, "resume", "rising")]
    assert [event["reason"] for event in run.events("decision")][3:5] == ["therapy not running"] * 2


def test_a_suspension_over_midnight(bench):
    readings = every_5_minutes([90] * 11 + [65, 64, 63, 62, 70, 80, 90])
    run = bench.run(PLGS, pump(), readings=readings, start=BEFORE_MIDNIGHT)
    assert run.verdict is Verdict.PASS, run.explain()
    assert [event for _, event, _ in suspensions(run)] == ["suspend", "resume"]
    assert run.of("TotalDailyInsulin", "basal_delivered_iu") == [(3600, "0.9")]


def test_a_clock_change_moves_no_measurement(bench):
    run = bench.run(
        PLGS, pump(), command(1000, "set_clock", to=datetime(2026, 3, 5, 1)),
        fault(1700, "bearer_down", for_seconds=30), readings=every_5_minutes([80, 72, 65, 64, 63, 62, 64, 90, 100]),
    )  # fmt: skip
    assert run.verdict is Verdict.PASS, run.explain()
    assert suspensions(run) == [(600, "suspend", "low now"), (1800, "resume", "rising")]


def test_a_sensor_every_minute(bench):
    glucose = [100 - number for number in range(40)] + [60 + 2 * number for number in range(20)]
    run = bench.run(PLGS, pump(), readings=list(enumerate(glucose)))
    assert run.verdict is Verdict.PASS, run.explain()
    assert [event for _, event, _ in suspensions(run)] == ["suspend", "resume"]
    assert run.outcome.summary["samples_sent"] == 60


def test_an_expectation_that_does_not_hold_fails_the_run(bench):
    run = bench.run(PLGS, pump(), "[expect]\nsuspensions_at_least = 1\nbasal_iu = 1.05")
    assert run.verdict is Verdict.FAIL
    assert [reason.check for reason in run.outcome.reasons] == ["expectation"]
    assert run.outcome.summary["violations"] == 2


def test_a_run_that_passes_although_its_scenario_expects_otherwise_is_a_fail(bench):
    run = bench.run(PLGS, pump(), '[expect]\nverdict = "FAIL"')
    assert run.verdict is Verdict.FAIL
    assert run.outcome.exit_code == 1
    assert "expects FAIL" in run.outcome.reasons[0].message
