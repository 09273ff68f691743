"""Goal: whole runs deliver the pulses that DOSING.md gives, to the second: basal, TBR, bolus, profile, clock, midnight.

Method: a real pump in lockstep for an hour or two; the expected pulses are worked out here by hand from the rules and
found in the record of the run. Therapy begins ten seconds before the first sample, so at 1 IU/h the pulses fall at 170,
350 and so on.
"""

from datetime import datetime

import pytest

from hil.rig_bench import BEFORE_MIDNIGHT, MANUAL, command, fault, flat, profile, pump
from pumprig.verdict import Verdict

BASAL = range(170, 3600, 180)
BOLUS_PULSE_S = 2
CLOCK_CHANGED = "DATE_TIME_CHANGED"


def bolus(start_s, pulses):
    """Seconds of a bolus's pulses at 1.5 IU/min."""
    return [start_s + BOLUS_PULSE_S * number for number in range(1, pulses + 1)]


def test_basal_alone(bench):
    run = bench.run(MANUAL, pump())
    assert run.verdict is Verdict.PASS, run.explain()
    assert run.pulses == list(BASAL)
    account = run.outcome.summary["ledger_mu"]["basal"]
    assert (account["delivered"], account["dropped"]) == (1000, 0)
    assert account["commanded"] == pytest.approx(1000 + account["remaining"])


def test_082_iu_an_hour_are_16_pulses_and_a_remainder(bench):
    run = bench.run(MANUAL, pump((1440, "0.82")), "[expect]\nbasal_iu = 0.8")
    assert run.verdict is Verdict.PASS, run.explain()
    assert len(run.pulses) == 16


def test_a_rate_of_zero_delivers_nothing(bench):
    run = bench.run(MANUAL, pump((1440, 0)))
    assert run.verdict is Verdict.PASS, run.explain()
    assert run.pulses == []


def test_the_highest_basal_rate(bench):
    run = bench.run(MANUAL, pump((1440, 30)), readings=flat(30))
    assert run.verdict is Verdict.PASS, run.explain()
    # The last questions to the pump take some seconds more.
    assert [second for second in run.pulses if second <= 1800] == list(range(-4, 1801, 6))


def test_a_bolus_runs_beside_the_basal(bench):
    run = bench.run(MANUAL, pump(), command(160, "set_bolus", amount_iu=1))
    assert run.verdict is Verdict.PASS, run.explain()
    assert run.pulses == sorted([*BASAL, *bolus(160, 20)])
    assert run.pulses.count(170) == 2
    assert run.of("BolusProgrammed1", "bolus_id", "fast_amount_iu") == [(160, 1, "1")]
    assert run.of("BolusDelivered1", "bolus_id", "fast_delivered_iu") == [(200, 1, "1")]
    assert run.of("BolusDelivered2", "bolus_end_reason") == [(200, "PROGRAMMED_AMOUNT_DELIVERED")]


@pytest.mark.parametrize(("cancel_s", "pulses"), [(600, 0), (601, 0), (602, 1), (603, 1), (639, 19)])
def test_a_cancelled_bolus_ends_with_the_pulse_of_that_very_second(bench, cancel_s, pulses):
    run = bench.run(
        MANUAL, pump((1440, 0)), command(600, "set_bolus", amount_iu=1), command(cancel_s, "cancel_bolus")
    )
    assert run.verdict is Verdict.PASS, run.explain()
    assert run.pulses == bolus(600, pulses)
    assert run.of("BolusDelivered2", "bolus_end_reason") == [(cancel_s, "CANCELED")]


def test_a_bolus_that_has_just_ended_can_be_followed_and_not_cancelled(bench):
    run = bench.run(
        MANUAL, pump((1440, 0)),
        command(600, "set_bolus", amount_iu=1), command(639, "set_bolus", amount_iu=1),
        command(640, "cancel_bolus"), command(640, "set_bolus", amount_iu=1),
    )  # fmt: skip
    assert run.verdict is Verdict.PASS, run.explain()
    assert run.answers("set_bolus") == [0x0F, 0x76, 0x0F]
    assert run.answers("cancel_bolus") == [0x74]
    assert run.pulses == bolus(600, 20) + bolus(640, 20)


def test_a_tbr_is_in_force_up_to_its_end_second(bench):
    run = bench.run(MANUAL, pump((1440, 0)), command(600, "set_tbr", rate_iu_per_h=3, duration_minutes=10))
    assert run.verdict is Verdict.PASS, run.explain()
    # A pulse a minute; the last one is earned by the end second itself.
    assert run.pulses == list(range(660, 1201, 60))
    assert run.of("TbrStarted", "value", "duration_minutes") == [(600, "3", 10)]
    assert run.of("TbrEnded", "tbr_end_reason", "effective_duration_minutes") == [(1200, "DURATION_OVER", 10)]
    assert run.of("DeliveredBasalRateChanged", "new_rate_iu_per_h")[-2:] == [(600, "3"), (1200, "0")]


def test_a_tbr_keeps_the_remainder_at_both_ends(bench):
    run = bench.run(MANUAL, pump(), command(710, "set_tbr", rate_iu_per_h=0, duration_minutes=10))
    assert run.verdict is Verdict.PASS, run.explain()
    # Nothing is earned between 710 and 1310.
    assert run.pulses == [170, 350, 530, 710, *range(1490, 3601, 180)]


def test_a_changed_tbr_counts_its_duration_anew_and_its_effect_from_the_first_start(bench):
    run = bench.run(
        MANUAL, pump((1440, 0)),
        command(600, "set_tbr", rate_iu_per_h=3, duration_minutes=30),
        command(660, "set_tbr", rate_iu_per_h=1, duration_minutes=30, change=True),
    )  # fmt: skip
    assert run.verdict is Verdict.PASS, run.explain()
    assert run.of("TbrChanged", "value", "duration_minutes", "elapsed_minutes") == [(660, "1", 30, 1)]
    assert run.of("TbrEnded", "tbr_end_reason", "effective_duration_minutes") == [(2460, "DURATION_OVER", 31)]
    assert run.pulses == [660, *range(840, 2461, 180)]


@pytest.mark.parametrize(("at_s", "change", "code"), [
    (1199, True, 0x0F), (1199, False, 0x74), (1200, True, 0x74), (1200, False, 0x0F),
])  # fmt: skip
def test_at_its_end_second_a_tbr_has_ended(bench, at_s, change, code):
    run = bench.run(
        MANUAL, pump(), command(600, "set_tbr", rate_iu_per_h=2, duration_minutes=10),
        command(at_s, "set_tbr", rate_iu_per_h=2, duration_minutes=5, change=change),
    )  # fmt: skip
    assert run.verdict is Verdict.PASS, run.explain()
    assert run.answers("set_tbr") == [0x0F, code]


def test_a_cancelled_tbr_gives_way_to_the_profile_at_once(bench):
    run = bench.run(
        MANUAL, pump((1440, 0)), command(600, "set_tbr", rate_iu_per_h=3, duration_minutes=60),
        command(1499, "cancel_tbr"), command(1500, "cancel_tbr"),
    )  # fmt: skip
    assert run.verdict is Verdict.PASS, run.explain()
    assert run.answers("cancel_tbr") == [0x0F, 0x74]
    assert run.of("TbrEnded", "tbr_end_reason", "effective_duration_minutes") == [(1499, "CANCELED", 14)]
    assert run.pulses == list(range(660, 1499, 60))


# --- Profile, clock, midnight ---


def test_the_boundary_second_of_a_block_still_earns_the_earlier_rate(bench):
    # 06:00 local time is second 0; the profile changes at 06:30.
    run = bench.run(MANUAL, pump((390, 3), (1050, 0)))
    assert run.verdict is Verdict.PASS, run.explain()
    assert run.pulses == list(range(50, 1801, 60))
    assert run.of("DeliveredBasalRateChanged", "new_rate_iu_per_h") == [(-10, "3"), (1800, "0")]


def test_midnight_closes_the_day_with_its_very_pulse(bench):
    # 23:00 is second 0 and midnight 3600. Of the bolus from 3581 on, nine pulses fall up to it.
    run = bench.run(
        MANUAL, pump((1440, 6)), command(3581, "set_bolus", amount_iu=1), readings=flat(90), start=BEFORE_MIDNIGHT
    )
    assert run.verdict is Verdict.PASS, run.explain()
    basal = len(range(20, 3601, 30))
    ((at_s, basal_iu, bolus_iu, day),) = run.of("TotalDailyInsulin", "basal_delivered_iu", "bolus_delivered_iu", "day")
    assert (at_s, day) == (3600, 4)
    assert float(basal_iu) == basal * 0.05
    assert float(bolus_iu) == 0.45


def test_a_pulse_at_midnight_belongs_to_the_day_that_ends(bench):
    run = bench.run(
        MANUAL, pump((1440, 0)), command(3580, "set_bolus", amount_iu=1), readings=flat(90), start=BEFORE_MIDNIGHT
    )
    assert run.verdict is Verdict.PASS, run.explain()
    assert 3600 in run.pulses
    assert run.of("TotalDailyInsulin", "bolus_delivered_iu") == [(3600, "0.5")]


@pytest.mark.parametrize(
    ("to", "closed"),
    [
        (datetime(2026, 3, 4, 12, 0), []),
        (datetime(2026, 3, 5, 0, 0), [(1800, 4, CLOCK_CHANGED)]),
        (datetime(2026, 3, 3, 23, 50), [(1800, 4, CLOCK_CHANGED), (2400, 3, 0)]),
        (datetime(2026, 3, 4, 23, 59, 59), [(1801, 4, 0)]),
    ],
    ids=["forward the same day", "forward to midnight", "back over midnight", "just before midnight"],
)
def test_a_clock_change_moves_the_day_and_the_block_and_nothing_that_runs(bench, to, closed):
    run = bench.run(
        MANUAL, pump((720, 0), (720, 3)),
        command(1500, "set_tbr", rate_iu_per_h=6, duration_minutes=10), command(1800, "set_clock", to=to),
    )  # fmt: skip
    assert run.verdict is Verdict.PASS, run.explain()
    assert run.of("TotalDailyInsulin", "day", "flags") == closed
    assert run.of("TbrEnded", "tbr_end_reason", "effective_duration_minutes") == [(2100, "DURATION_OVER", 10)]
    assert run.pulses[:20] == list(range(1530, 2101, 30))
    afternoon = to.hour >= 12 and not any(second == 1801 for second, *_ in closed)
    assert (len(run.pulses) > 20) is afternoon


def test_a_profile_written_while_active_is_in_force_at_once(bench):
    run = bench.run(
        MANUAL, pump(), command(1790, "write_basal_profile", template_number=1, basal_profile=profile((1440, 3)))
    )
    assert run.verdict is Verdict.PASS, run.explain()
    assert run.pulses == [*range(170, 1791, 180), *range(1850, 3601, 60)]
    assert run.of("DeliveredBasalRateChanged", "old_rate_iu_per_h", "new_rate_iu_per_h")[-1] == (1790, "1", "3")


def test_a_profile_written_beside_waits_for_its_activation(bench):
    run = bench.run(
        MANUAL, pump(),
        command(900, "activate_basal_profile", template_number=2),
        command(1000, "write_basal_profile", template_number=2, basal_profile=profile((1440, 3))),
        command(1790, "activate_basal_profile", template_number=2),
    )  # fmt: skip
    assert run.verdict is Verdict.PASS, run.explain()
    assert run.answers("activate_basal_profile") == [0x74, 0x0F]
    assert run.pulses == [*range(170, 1791, 180), *range(1850, 3601, 60)]


def test_a_profile_of_24_blocks_in_both_directions(bench):
    blocks = [(60, number % 3 + 1) for number in range(24)]
    run = bench.run(MANUAL, pump(*blocks), readings=flat(180))
    assert run.verdict is Verdict.PASS, run.explain()
    assert run.of("DeliveredBasalRateChanged", "new_rate_iu_per_h") == [(-10, "3"), (0, "1"), (3600, "2"), (7200, "3"),
                                                                       (10800, "1")]  # fmt: skip


def test_a_repeated_bolus_frame_is_one_bolus(bench):
    run = bench.run(MANUAL, pump((1440, 0)), command(600, "set_bolus", amount_iu=1), fault(601, "repeat_command"))
    assert run.verdict is Verdict.PASS, run.explain()
    assert run.pulses == bolus(600, 20)
    assert [event["fields"]["att_error"] for event in run.events("fault")] == [0x82]
