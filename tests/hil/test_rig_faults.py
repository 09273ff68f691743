"""Goal: what goes wrong around a pump ends as DOSING.md says: occlusion, reservoir, sensor, and a bearer that is down.

Method: whole runs in lockstep with one fault or two; doses are worked out from the rules. At 1 IU/h, with therapy from
ten seconds before the first sample, pulses fall at 170, 350 and so on.
"""

from decimal import Decimal

import pytest

from hil.rig_bench import MANUAL, PLGS, command, every_5_minutes, fault, firmware_copy, flat, pump
from pumprig.verdict import Verdict

BASAL = list(range(170, 3600, 180))


def state(at_s, to):
    return command(at_s, "set_therapy_state", state=to)


# --- Occlusion ---


def test_an_occlusion_stops_at_the_next_pulse_due_and_not_before(bench):
    run = bench.run(MANUAL, pump(), fault(600, "occlusion", on=True))
    assert run.verdict is Verdict.PASS, run.explain()
    assert run.pulses == [170, 350, 530]
    assert run.of("TherapyControlStateChanged", "new_therapy_control_state") == [(-10, "RUN"), (710, "STOP")]
    assert [(event["at_s"] - 60, event["type"]) for event in run.events("annunciation")][:1] == [(710, "occlusion")]


def test_an_occlusion_set_just_before_a_pulse_meets_that_pulse(bench):
    run = bench.run(MANUAL, pump(), fault(710, "occlusion", on=True))
    assert run.verdict is Verdict.PASS, run.explain()
    assert run.pulses == [170, 350, 530]
    late = bench.run(MANUAL, pump(), fault(711, "occlusion", on=True))
    assert late.verdict is Verdict.PASS, late.explain()
    assert late.pulses == [170, 350, 530, 710]


def test_an_occlusion_that_goes_before_a_pulse_is_due_is_never_met(bench):
    run = bench.run(MANUAL, pump(), fault(600, "occlusion", on=True), fault(709, "occlusion", on=False))
    assert run.verdict is Verdict.PASS, run.explain()
    assert run.pulses == BASAL
    assert run.events("annunciation") == []


def test_an_occlusion_ends_bolus_and_tbr_by_error_and_therapy_can_go_on_afterwards(bench):
    run = bench.run(
        MANUAL, pump((1440, 0)), command(500, "set_tbr", rate_iu_per_h=Decimal("0.1"), duration_minutes=60),
        command(600, "set_bolus", amount_iu=1), fault(607, "occlusion", on=True), fault(700, "occlusion", on=False),
        state(710, "run"), command(720, "set_bolus", amount_iu=1),
    )  # fmt: skip
    assert run.verdict is Verdict.PASS, run.explain()
    assert run.of("BolusDelivered2", "bolus_end_reason", "annunciation_id")[0] == (608, "ERROR_ABORT", 1)
    assert run.of("TbrEnded", "tbr_end_reason", "annunciation_id") == [(608, "ERROR_ABORT", 1)]
    assert run.pulses == [602, 604, 606, *range(722, 761, 2)]


# --- Reservoir ---


def test_the_pulse_to_the_low_level_raises_it_once(bench):
    run = bench.run(MANUAL, pump(reservoir_iu=Decimal("20.1")))
    assert run.verdict is Verdict.PASS, run.explain()
    assert run.pulses == BASAL
    assert [(event["at_s"] - 60, event["type"], event["status"]) for event in run.events("annunciation")][:1] == [
        (350, "reservoir low", "pending")
    ]
    assert run.of("ReservoirRemainingChanged", "reservoir_remaining_iu") == [(350, "20")]


def test_the_last_pulse_empties_the_reservoir_and_stops_therapy(bench):
    run = bench.run(
        MANUAL, pump(reservoir_iu=Decimal("0.25")), command(500, "set_tbr", rate_iu_per_h=1, duration_minutes=60)
    )
    assert run.verdict is Verdict.PASS, run.explain()
    assert run.pulses == [170, 350, 530, 710, 890]
    at_end = [dose["event"].removeprefix("History") for dose in run.doses if dose["s"] == 890]
    assert at_end == [
        "pulse", "ReservoirRemainingChanged", "TbrEnded", "DeliveredBasalRateChanged", "TherapyControlStateChanged",
        "DeliveredBasalRateChanged",
    ]  # fmt: skip


def test_a_bolus_completed_by_the_pulse_that_empties_the_reservoir_is_delivered(bench):
    run = bench.run(
        MANUAL, pump((1440, 0), reservoir_iu=1), command(600, "set_bolus", amount_iu=1), readings=flat(30)
    )
    assert run.verdict is Verdict.PASS, run.explain()
    assert run.of("BolusDelivered2", "bolus_end_reason") == [(640, "PROGRAMMED_AMOUNT_DELIVERED")]
    assert run.of("TherapyControlStateChanged", "new_therapy_control_state")[-1] == (640, "STOP")


def test_a_basal_pulse_due_with_the_last_bolus_pulse_does_not_come(bench):
    # A bolus pulse empties the reservoir at 710, where a basal pulse is due.
    run = bench.run(MANUAL, pump(reservoir_iu=Decimal("0.2")), command(708, "set_bolus", amount_iu=Decimal("0.05")))
    assert run.verdict is Verdict.PASS, run.explain()
    assert run.pulses == [170, 350, 530, 710]
    assert run.outcome.summary["pulses"] == {"basal": 3, "bolus": 1}


@pytest.mark.parametrize("kind", ["reservoir_detached", "reservoir_level"])
def test_without_insulin_therapy_stops_at_that_second(bench, kind):
    gone = {"on": True} if kind == "reservoir_detached" else {"amount_iu": 0}
    back = {"on": False} if kind == "reservoir_detached" else {"amount_iu": 100}
    run = bench.run(
        MANUAL, pump(), command(590, "set_bolus", amount_iu=2), fault(600, kind, **gone), state(650, "run"),
        fault(660, kind, **back), state(700, "run"),
    )  # fmt: skip
    assert run.verdict is Verdict.PASS, run.explain()
    assert run.answers("set_therapy_state") == [0x74, 0x0F]
    assert run.of("BolusDelivered2", "bolus_end_reason") == [(600, "ERROR_ABORT")]
    assert run.pulses == [170, 350, 530, 592, 594, 596, 598, 600, *range(880, 3601, 180)]
    raised = [event["type"] for event in run.events("annunciation")]
    assert ("reservoir empty" in raised) is (kind == "reservoir_level")


# --- Sensor ---

STEADY = [120, 118, 116, 114, 112, 110, 108, 106, 104, 102, 100, 98]


def reasons(run):
    return {event["offset_minutes"]: event["reason"] for event in run.events("decision")}


def test_a_late_sample_is_used_when_it_is_the_newest(bench):
    run = bench.run(PLGS, pump(), fault(600, "cgm_late", by_minutes=4), readings=every_5_minutes(STEADY))
    assert run.verdict is Verdict.PASS, run.explain()
    (late,) = [event for event in run.events("decision") if event["offset_minutes"] == 10]
    assert (late["at_s"] - 60, late["reason"]) == (840, "not low")


def test_a_sample_that_comes_after_a_newer_one_is_not_used(bench):
    run = bench.run(PLGS, pump(), fault(600, "cgm_late", by_minutes=6), readings=every_5_minutes(STEADY))
    assert run.verdict is Verdict.PASS, run.explain()
    assert reasons(run)[10] == "invalid sample"
    # The fit of the one after it lacks the late one.
    assert reasons(run)[15] == "not low"


@pytest.mark.parametrize(("by_minutes", "reason"), [(15, "not low"), (16, "stale")])
def test_a_sample_older_than_the_limit_is_stale(bench, by_minutes, reason):
    readings = [*every_5_minutes(STEADY[:3]), (40, 105), (45, 104), (50, 103)]
    run = bench.run(PLGS, pump(), fault(600, "cgm_late", by_minutes=by_minutes), readings=readings)
    assert run.verdict is Verdict.PASS, run.explain()
    assert reasons(run)[10] == reason


def test_a_duplicate_gets_a_decision_of_its_own_and_changes_nothing(bench):
    run = bench.run(PLGS, pump(), fault(600, "cgm_duplicate"), readings=every_5_minutes(STEADY))
    assert run.verdict is Verdict.PASS, run.explain()
    twice = [(event["at_s"] - 60, event["reason"]) for event in run.events("decision") if event["offset_minutes"] == 10]
    assert twice == [(600, "not low"), (601, "invalid sample")]


def test_dropped_samples_make_the_sensor_stale_by_measurement_time(bench):
    run = bench.run(PLGS, pump(), fault(900, "cgm_drop", for_minutes=30), readings=every_5_minutes(STEADY))
    assert run.verdict is Verdict.PASS, run.explain()
    assert sorted(reasons(run)) == [0, 5, 10, 45, 50, 55]
    # The newest was measured at 600: stale at the first second older than 15 minutes.
    assert [(event["at_s"] - 60, event["type"]) for event in run.events("annunciation")][:1] == [(1501, "stale CGM")]


# --- Bearer ---

DOWN_S = 700


@pytest.mark.parametrize("for_s", [1, 60, 500, 2000])
def test_a_tbr_ends_on_the_pumps_clock_while_the_bearer_is_down(bench, for_s):
    run = bench.run(
        MANUAL, pump((1440, 0)), command(600, "set_tbr", rate_iu_per_h=3, duration_minutes=10),
        fault(DOWN_S, "bearer_down", for_seconds=for_s),
    )  # fmt: skip
    assert run.verdict is Verdict.PASS, run.explain()
    assert run.of("TbrStarted", "value") == [(600, "3")]
    assert run.of("TbrEnded", "tbr_end_reason") == [(1200, "DURATION_OVER")]
    assert run.pulses == list(range(660, 1201, 60))


def test_a_bolus_goes_on_while_the_bearer_is_down(bench):
    run = bench.run(
        MANUAL, pump((1440, 0)), command(695, "set_bolus", amount_iu=2), fault(DOWN_S, "bearer_down", for_seconds=600)
    )
    assert run.verdict is Verdict.PASS, run.explain()
    assert run.pulses == list(range(697, 776, 2))
    assert run.of("BolusDelivered2", "bolus_end_reason") == [(775, "PROGRAMMED_AMOUNT_DELIVERED")]


def test_a_command_of_the_second_at_which_the_bearer_goes_is_still_given(bench):
    run = bench.run(
        MANUAL, pump((1440, 0)), fault(DOWN_S, "bearer_down", for_seconds=60),
        command(DOWN_S, "set_bolus", amount_iu=1), command(DOWN_S + 60, "set_bolus", amount_iu=1),
    )  # fmt: skip
    assert run.verdict is Verdict.PASS, run.explain()
    assert run.of("BolusProgrammed1", "bolus_id") == [(700, 1), (760, 2)]


def test_samples_of_the_time_without_a_bearer_are_fetched_and_the_session_goes_on(bench):
    """D-617: each is judged by its measurement time at the second after the connection is back."""
    run = bench.run(
        PLGS, pump(), fault(DOWN_S, "bearer_down", for_seconds=1300), readings=every_5_minutes(STEADY)
    )
    assert run.verdict is Verdict.PASS, run.explain()
    told = reasons(run)
    assert sorted(told) == list(range(0, 60, 5))
    assert (told[15], told[20], told[25], told[30]) == ("stale", "not low", "not low", "not low")
    fetched = [event["at_s"] - 60 for event in run.events("decision") if 15 <= event["offset_minutes"] <= 30]
    assert fetched == [DOWN_S + 1300 + 1] * 4
    # It became stale while nobody listened.
    assert [(event["at_s"] - 60, event["type"]) for event in run.events("annunciation")][:1] == [(1501, "stale CGM")]


def test_a_long_time_without_a_bearer_is_fetched_in_parts_and_before_live_samples(bench):
    """What a board takes in at once is less; the live sample of the second waits its turn."""
    readings = [(minute, 120 + minute % 7) for minute in range(120)]
    run = bench.run(PLGS, pump(), fault(590, "bearer_down", for_seconds=3610), readings=readings)
    assert run.verdict is Verdict.PASS, run.explain()
    decisions = [(event["offset_minutes"], event["at_s"] - 60) for event in run.events("decision")]
    assert [offset for offset, _ in decisions] == list(range(120))
    seconds = dict(decisions)
    assert seconds[10] == 4201
    assert 4202 <= seconds[69] <= seconds[70] <= 4206
    assert seconds[71] == 4260


def test_a_bearer_that_is_down_to_the_very_end_is_opened_once_more_for_the_last_questions(bench):
    run = bench.run(MANUAL, pump(), fault(3000, "bearer_down", for_seconds=3600))
    assert run.verdict is Verdict.PASS, run.explain()
    assert run.pulses == BASAL
    assert run.outcome.summary["checks"]["history"]["missed"] == 0


def test_a_bearer_that_is_down_again_and_again(bench):
    downs = [fault(at_s, "bearer_down", for_seconds=20) for at_s in range(100, 3500, 60)]
    run = bench.run(PLGS, pump(), *downs)
    assert run.verdict is Verdict.PASS, run.explain()
    assert run.pulses == BASAL


# What the audit of the second hour asks begins at 3697 s after the first sample.
@pytest.mark.parametrize(
    ("downs", "ended", "audits"),
    [
        # Before, within, and to the end of it; then once more while it is made up for.
        ([(3600, 300)], (3900, 3960), 3), ([(3705, 60)], (3765, 3825), 3),
        ([(3690, 20), (3715, 30)], (3745, 3805), 3),
        # The next audit falls into the making up for this one.
        ([(3600, 3695)], (7296, 7370), 3),
        # Two audits are made up for by one.
        ([(3600, 3800)], (7400, 7460), 2),
    ],
)  # fmt: skip
def test_an_audit_that_falls_due_while_the_bearer_is_down_is_made_up_for_afterwards(bench, downs, ended, audits):
    faults = [fault(at_s, "bearer_down", for_seconds=seconds) for at_s, seconds in downs]
    run = bench.run(MANUAL, pump(), command(3590, "set_bolus", amount_iu=2), *faults, readings=flat(150))
    assert run.verdict is Verdict.PASS, run.explain()
    told = [event["at_s"] - 60 for event in run.events("audit")]
    assert ended[0] < told[0] < ended[1]
    assert len(told) == audits, told


def test_what_is_told_only_between_two_audits_is_asked_when_the_bearer_is_back(bench, tmp_path):
    """At the next audit the TBR is over, and nobody would have known that its minutes were wrong."""
    wrong = firmware_copy(tmp_path, pump__tbr=("(self.end_s - s + 59) // 60", "(self.end_s - s) // 60"))
    parts = (MANUAL, pump(), command(3500, "set_tbr", rate_iu_per_h=2, duration_minutes=20))
    down = fault(3600, "bearer_down", for_seconds=301)
    run = bench.run(*parts, down, readings=flat(120), firmware=wrong)
    assert [reason.check for reason in run.outcome.reasons] == ["active-basal"], run.explain()
    assert 3901 < (run.outcome.reasons[0].at_s or 0) - 60 < 3960


def test_an_occlusion_while_the_bearer_is_down_is_told_afterwards(bench):
    run = bench.run(
        MANUAL, pump(), fault(DOWN_S, "bearer_down", for_seconds=600), fault(705, "occlusion", on=True)
    )
    assert run.verdict is Verdict.PASS, run.explain()
    assert run.pulses == [170, 350, 530]
    assert run.of("TherapyControlStateChanged", "new_therapy_control_state")[-1] == (710, "STOP")
