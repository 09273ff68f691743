"""Goal: Stop, Pause and their limits, and every refusal of a command, as whole runs: legal, answered and judged.

Method: a real pump in lockstep for an hour; the answers and what is delivered afterwards are worked out from the rules.
At 1 IU/h, with therapy from ten seconds before the first sample, pulses fall at 170, 350 and so on.
"""

from decimal import Decimal

import pytest

from hil.rig_bench import MANUAL, PLGS, command, fault, pump
from pumprig.verdict import Verdict

SUCCESS, INVALID, OUT_OF_RANGE, NOT_APPLICABLE, TOO_MANY, NOT_COMPLETED = 0x0F, 0x71, 0x73, 0x74, 0x76, 0x72


def state(at_s, to):
    return command(at_s, "set_therapy_state", state=to)


def test_stop_delivers_nothing_makes_nothing_good_and_drops_the_remainder(bench):
    run = bench.run(MANUAL, pump(), state(1000, "stop"), state(2000, "run"))
    assert run.verdict is Verdict.PASS, run.explain()
    assert [s for s in run.pulses if s <= 3600] == [170, 350, 530, 710, 890, *range(2180, 3601, 180)]
    assert run.outcome.summary["ledger_mu"]["basal"]["dropped"] == pytest.approx(110 / 3.6)


def test_stop_ends_a_bolus_and_then_a_tbr(bench):
    run = bench.run(
        MANUAL, pump(), command(900, "set_tbr", rate_iu_per_h=2, duration_minutes=60),
        command(990, "set_bolus", amount_iu=2), state(1000, "stop"),
    )  # fmt: skip
    assert run.verdict is Verdict.PASS, run.explain()
    at_stop = [dose["event"].removeprefix("History") for dose in run.doses if dose["s"] == 1000]
    assert at_stop == [
        "pulse", "BolusDelivered1", "BolusDelivered2", "TbrEnded", "DeliveredBasalRateChanged",
        "TherapyControlStateChanged", "DeliveredBasalRateChanged",
    ]  # fmt: skip
    assert run.of("BolusDelivered1", "fast_delivered_iu") == [(1000, "0.25")]
    assert run.of("BolusDelivered2", "bolus_end_reason") == [(1000, "CANCELED")]
    assert run.of("TbrEnded", "tbr_end_reason") == [(1000, "CANCELED")]


def test_pause_withholds_the_basal_and_delivers_it_afterwards_one_pulse_a_second(bench):
    run = bench.run(MANUAL, pump(), state(890, "pause"), state(1490, "run"))
    assert run.verdict is Verdict.PASS, run.explain()
    # 600 s earn three pulses and a third of one.
    assert run.pulses == [170, 350, 530, 710, 890, 1491, 1492, 1493, *range(1610, 3601, 180)]


def test_pause_halts_a_bolus_which_goes_on_afterwards(bench):
    run = bench.run(
        MANUAL, pump((1440, 0)), command(600, "set_bolus", amount_iu=1), state(609, "pause"), state(700, "run")
    )  # fmt: skip
    assert run.verdict is Verdict.PASS, run.explain()
    # Nine seconds have earned four pulses and a half: the fifth falls a second after the return.
    assert run.pulses == [602, 604, 606, 608, *range(701, 732, 2)]


def test_a_tbr_runs_on_in_pause(bench):
    run = bench.run(
        MANUAL, pump((1440, 0)), command(600, "set_tbr", rate_iu_per_h=3, duration_minutes=5),
        state(660, "pause"), state(1200, "run"),
    )  # fmt: skip
    assert run.verdict is Verdict.PASS, run.explain()
    assert run.of("TbrEnded", "tbr_end_reason", "effective_duration_minutes") == [(900, "DURATION_OVER", 5)]
    assert run.pulses == [660, 1201, 1202, 1203, 1204]


def test_a_return_in_the_last_second_of_pause_makes_good_what_it_withheld(bench):
    run = bench.run(MANUAL, pump(), state(1000, "pause"), state(1899, "run"))
    assert run.verdict is Verdict.PASS, run.explain()
    assert run.of("TherapyControlStateChanged", "new_therapy_control_state")[1:] == [(1000, "PAUSE"), (1899, "RUN")]
    assert [second for second in run.pulses if 1000 < second < 1910] == [1900, 1901, 1902, 1903, 1904]


def test_the_limit_of_pause_is_stop_and_a_return_at_that_second_comes_too_late(bench):
    run = bench.run(MANUAL, pump(), state(1000, "pause"), state(1900, "run"))
    assert run.verdict is Verdict.PASS, run.explain()
    assert run.of("TherapyControlStateChanged", "new_therapy_control_state")[1:] == [
        (1000, "PAUSE"), (1900, "STOP"), (1900, "RUN"),
    ]  # fmt: skip
    # Stop dropped what was earned.
    assert [second for second in run.pulses if second > 1000] == list(range(2080, 3601, 180))
    assert run.events("annunciation")[0]["type"] == "pause over"


@pytest.mark.parametrize(
    ("first", "second", "codes"),
    [
        ("stop", "pause", [SUCCESS, NOT_APPLICABLE]), ("stop", "stop", [SUCCESS, SUCCESS]),
        ("stop", "run", [SUCCESS, SUCCESS]), ("pause", "pause", [SUCCESS, SUCCESS]),
        ("pause", "stop", [SUCCESS, SUCCESS]), ("pause", "run", [SUCCESS, SUCCESS]), ("run", "run", [SUCCESS, SUCCESS]),
    ],
)  # fmt: skip
def test_transitions_of_therapy(bench, first, second, codes):
    run = bench.run(MANUAL, pump(), state(600, first), state(700, second))
    assert run.verdict is Verdict.PASS, run.explain()
    assert run.answers("set_therapy_state") == codes


# --- Refusals: each is answered as the rules give, and changes nothing ---


def answered(bench, code, kind, *before, settings=None, **fields):
    """Give a command at 600, after others; its answer must be `code`, and the run a PASS."""
    run = bench.run(MANUAL, pump(**(settings or {})), *before, command(600, kind, **fields))
    assert run.verdict is Verdict.PASS, run.explain()
    assert run.answers(kind)[-1] == code
    return run


@pytest.mark.parametrize("rate", ["30.1", "31", "204"])
def test_a_tbr_out_of_range_is_refused(bench, rate):
    run = answered(bench, OUT_OF_RANGE, "set_tbr", rate_iu_per_h=Decimal(rate), duration_minutes=30)
    assert run.told("TbrStarted") == []


@pytest.mark.parametrize("rate", ["30", "0.825", "0", "0.001"])
def test_a_tbr_within_range_is_accepted(bench, rate):
    run = answered(bench, SUCCESS, "set_tbr", rate_iu_per_h=Decimal(rate), duration_minutes=1440)
    assert len(run.told("TbrStarted")) == 1


def test_a_tbr_that_changes_none_and_one_beside_another_are_refused(bench):
    answered(bench, NOT_APPLICABLE, "set_tbr", rate_iu_per_h=1, duration_minutes=30, change=True)
    answered(
        bench, NOT_APPLICABLE, "set_tbr", command(599, "set_tbr", rate_iu_per_h=2, duration_minutes=30),
        rate_iu_per_h=1, duration_minutes=30,
    )  # fmt: skip


@pytest.mark.parametrize("therapy", ["stop", "pause"])
def test_outside_run_neither_tbr_nor_bolus_is_taken_whatever_its_size_allows(bench, therapy):
    answered(bench, NOT_APPLICABLE, "set_tbr", state(599, therapy), rate_iu_per_h=1, duration_minutes=30)
    answered(bench, NOT_APPLICABLE, "set_bolus", state(599, therapy), amount_iu=1)
    answered(bench, OUT_OF_RANGE, "set_bolus", state(599, therapy), amount_iu=Decimal("0.07"))


@pytest.mark.parametrize(("amount", "code"), [
    ("0", OUT_OF_RANGE), ("0.05", SUCCESS), ("0.07", OUT_OF_RANGE), ("2", SUCCESS), ("2.05", OUT_OF_RANGE),
])  # fmt: skip
def test_a_bolus_is_whole_pulses_up_to_the_maximum(bench, amount, code):
    run = answered(bench, code, "set_bolus", settings={"max_bolus_iu": 2}, amount_iu=Decimal(amount))
    assert bool(run.of("BolusProgrammed1", "bolus_id")) is (code == SUCCESS)


def test_a_second_bolus_is_one_too_many_and_takes_no_number(bench):
    run = answered(bench, TOO_MANY, "set_bolus", command(590, "set_bolus", amount_iu=1), amount_iu=1)
    assert run.of("BolusProgrammed1", "bolus_id") == [(590, 1)]


@pytest.mark.parametrize(("amount", "code"), [("1", SUCCESS), ("1.05", NOT_COMPLETED)])
def test_a_bolus_is_no_more_than_the_reservoir_holds(bench, amount, code):
    settings = {"reservoir_iu": Decimal("1.15")}
    # Three basal pulses have gone by 600.
    run = answered(bench, code, "set_bolus", settings=settings, amount_iu=Decimal(amount))
    if code == SUCCESS:
        assert run.of("BolusDelivered1", "fast_delivered_iu") == [(640, "1")]


@pytest.mark.parametrize(("amount", "code"), [
    ("0", OUT_OF_RANGE), ("0.05", SUCCESS), ("0.07", OUT_OF_RANGE), ("25", SUCCESS), ("25.1", OUT_OF_RANGE),
])  # fmt: skip
def test_a_maximum_bolus_is_whole_pulses_up_to_25_iu(bench, amount, code):
    answered(bench, code, "set_max_bolus", amount_iu=Decimal(amount))


def test_a_maximum_that_is_lowered_does_not_cut_a_running_bolus(bench):
    run = bench.run(
        MANUAL, pump((1440, 0)), command(600, "set_bolus", amount_iu=2), command(610, "set_max_bolus", amount_iu=1),
        command(690, "set_bolus", amount_iu=2), command(691, "set_bolus", amount_iu=1),
    )  # fmt: skip
    assert run.verdict is Verdict.PASS, run.explain()
    assert run.answers("set_bolus") == [SUCCESS, OUT_OF_RANGE, SUCCESS]
    assert run.of("BolusDelivered1", "bolus_id", "fast_delivered_iu") == [(680, 1, "2"), (731, 2, "1")]


@pytest.mark.parametrize("bolus_id", [0, 1, 2, 65535])
def test_a_bolus_that_is_not_active_cannot_be_cancelled(bench, bolus_id):
    answered(
        bench, NOT_APPLICABLE, "cancel_bolus", command(500, "set_bolus", amount_iu=Decimal("0.05")), bolus_id=bolus_id
    )


@pytest.mark.parametrize("template", [2, 3, 4, 255])
def test_a_profile_that_is_not_there_cannot_be_activated(bench, template):
    answered(bench, NOT_APPLICABLE, "activate_basal_profile", template_number=template)


def test_a_profile_above_the_limit_or_without_a_place_is_refused_and_the_old_one_stays(bench):
    for template, rate in ((1, "30.1"), (4, "1")):
        run = answered(
            bench, OUT_OF_RANGE, "write_basal_profile", template_number=template,
            basal_profile=[
                {"duration_minutes": 720, "rate_iu_per_h": 2}, {"duration_minutes": 720, "rate_iu_per_h": Decimal(rate)}
            ],
        )  # fmt: skip
        assert run.pulses == list(range(170, 3600, 180))


def test_settings_that_contradict_each_other_are_refused_and_change_nothing(bench):
    contradiction = {"suspend_limit_minutes": 200, "limit_window_minutes": 150}
    run = bench.run(PLGS, pump(), command(600, "set_controller", controller="manual", settings=contradiction))
    assert run.verdict is Verdict.PASS, run.explain()
    assert run.answers("set_controller") == [0xFF]
    # Still plgs: steady glucose is kept, not left alone.
    assert {event["action"] for event in run.events("decision")} == {"keep"}


@pytest.mark.parametrize("kind", ["confirm_annunciation", "snooze_annunciation"])
@pytest.mark.parametrize("number", [0, 1, 9])
def test_an_annunciation_that_was_never_raised_can_be_neither_confirmed_nor_snoozed(bench, kind, number):
    answered(bench, NOT_APPLICABLE, kind, annunciation_id=number)


def test_run_needs_a_reservoir_that_holds_something(bench):
    run = bench.run(
        MANUAL, pump(),
        fault(600, "reservoir_detached", on=True), state(601, "run"),
        fault(602, "reservoir_detached", on=False), state(603, "run"),
        fault(700, "reservoir_level", amount_iu=0), state(701, "run"),
        fault(702, "reservoir_level", amount_iu=100), state(703, "run"),
    )  # fmt: skip
    assert run.verdict is Verdict.PASS, run.explain()
    assert run.answers("set_therapy_state") == [NOT_APPLICABLE, SUCCESS, NOT_APPLICABLE, SUCCESS]
