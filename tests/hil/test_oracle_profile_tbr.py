"""The oracle's basal profile and TBR, DOSING.md sections 3 and 4.

Goal: D-201 to D-306 hold of the oracle: what is accepted, from which second, with which records.
Method: commands at the seconds of the rule and of its boundary; answers, due seconds and records are compared.
"""

from datetime import datetime
from decimal import Decimal

import pytest

from hil.oracle_bench import MIDNIGHT, accept, code, plgs, profile, pulses, running, take
from pumprig.oracle import Oracle, OracleSettings
from pumprig.oracle.commands import (
    ActivateProfile,
    CancelTbr,
    ResetProfile,
    SetClock,
    SetTbr,
    SetTherapyState,
    WriteProfile,
)
from pumprig.oracle.events import (
    BasalChanged,
    BlockChanged,
    ProfileActivated,
    TbrChanged,
    TbrEnded,
    TbrStarted,
)

TWO_BLOCKS = ((360, "0.8"), (1080, "1.0"))
SIX = 6 * 3600


@pytest.mark.parametrize(
    ("blocks", "expected"),
    [
        (((360, "0.8"), (1080, "1.0")), 0x0F),
        (((60, "0"),) * 24, 0x0F),
        (((1440, "30.0"),), 0x0F),
        (((1, "0.001"), (1439, "1.0")), 0x0F),
        (((1439, "1.0"),), 0x75),
        (((720, "1.0"), (721, "1.0")), 0x75),
        ((), 0x75),
        (((1440, "30.1"),), 0x73),
        (((1440, "0.8005"),), 0x73),
        (((1440, "-0.1"),), 0x73),
        (((1440, "NaN"),), 0x73),
        (((0, "1.0"), (1440, "1.0")), 0x73),
        (((1441, "1.0"),), 0x73),
        (((57, "1.0"),) * 24 + ((72, "1.0"),), 0x73),
        (((1439, "30.1"),), 0x73),
    ],
)
def test_profiles_accepted_and_refused(blocks, expected):
    """D-201, D-801: sums of 1439 and 1441 answer 0x75; a limit, a fraction of a mU/h or a 25th block 0x73."""
    assert code(Oracle(), 10, WriteProfile(1, profile(*blocks))) == expected


@pytest.mark.parametrize(("template", "expected"), [(0, 0x73), (1, 0x0F), (3, 0x0F), (4, 0x73)])
def test_template_that_does_not_exist(template, expected):
    """D-201: a template that the pump does not have answers 0x73."""
    assert code(Oracle(), 10, WriteProfile(template, profile((1440, "1.0")))) == expected


def test_refused_write_leaves_the_profile_as_it_was():
    """D-201: a refused transaction is dropped whole."""
    oracle = running()
    assert code(oracle, 10, WriteProfile(1, profile((1000, "2.0"), (439, "2.0")))) == 0x75
    assert pulses(oracle, 180) == [180]
    assert take(oracle) == []


def test_boundary_second_belongs_to_the_later_block():
    """D-202: 1.0 U/h at 06:00:00 exactly; the second that ends there still earns 0.8."""
    oracle = running(*TWO_BLOCKS)
    oracle.advance(SIX - 1)
    assert oracle.state().rate_in_force_mu_per_h == 800
    before = oracle.ledger().basal.commanded_mu
    oracle.advance(SIX)
    assert oracle.state().rate_in_force_mu_per_h == 1000
    assert (oracle.ledger().basal.commanded_mu - before) * 3600 == 800
    assert take(oracle, BasalChanged) == [BasalChanged(at_s=SIX, old_mu_per_h=800, new_mu_per_h=1000, context="device")]


def test_profile_begins_anew_at_midnight():
    """D-202: the first block is in force again from 00:00:00."""
    oracle = running(*TWO_BLOCKS)
    oracle.advance(86_399)
    assert oracle.state().rate_in_force_mu_per_h == 1000
    oracle.advance(86_400)
    assert oracle.state().rate_in_force_mu_per_h == 800


def test_blocks_of_the_same_rate_are_no_change():
    """D-905: a rate change to the same delivered rate is not recorded."""
    oracle = running((360, "1.0"), (1080, "1.0"))
    oracle.advance(SIX + 10)
    assert take(oracle, BasalChanged) == []


def test_clock_change_brings_its_block_at_once():
    """D-203: set from 05:59 to 12:00 the rate is 1.0 U/h at once, and the remainder is kept."""
    oracle = running(*TWO_BLOCKS)
    accept(oracle, SIX - 60, SetClock(datetime(2000, 1, 1, 12)))
    assert oracle.state().rate_in_force_mu_per_h == 1000
    # 0.8 U/h for 21540 s is 17232000: 95 pulses and 132000, so 48 s are missing at 1 U/h.
    oracle.take_events()
    assert pulses(oracle, SIX) == [SIX - 60 + 48]


def test_clock_change_moves_the_next_boundary():
    """D-203: set to 05:59:50 the boundary comes ten seconds later."""
    oracle = running(*TWO_BLOCKS)
    accept(oracle, 1000, SetClock(datetime(2000, 1, 1, 5, 59, 50)))
    oracle.take_events()
    oracle.advance(2000)
    assert [event.at_s for event in take(oracle, BasalChanged)] == [1010]


def test_activation_takes_effect_at_its_second():
    """D-204: activation at 50 with 1 U/h: first pulse at 230."""
    oracle = Oracle()
    accept(oracle, 0, SetTherapyState("run"))
    accept(oracle, 1, WriteProfile(2, profile((1440, "1.0"))))
    oracle.take_events()
    accept(oracle, 50, ActivateProfile(2))
    assert take(oracle) == [
        ProfileActivated(at_s=50, old=0, new=2),
        BasalChanged(at_s=50, old_mu_per_h=0, new_mu_per_h=1000, context="device"),
    ]
    assert pulses(oracle, 300) == [230]


def test_write_to_the_active_template_takes_effect_at_its_second():
    """D-204: a completed write to the activated template changes the rate there; one to another does not."""
    oracle = running()
    accept(oracle, 100, WriteProfile(2, profile((1440, "9.0"))))
    assert oracle.state().rate_in_force_mu_per_h == 1000
    oracle.take_events()
    accept(oracle, 100, WriteProfile(1, profile((1440, "2.0"))))
    assert take(oracle) == [
        BlockChanged(at_s=100, template=1, block=1, duration_minutes=1440, value=2000),
        BasalChanged(at_s=100, old_mu_per_h=1000, new_mu_per_h=2000, context="device"),
    ]
    assert pulses(oracle, 140) == [140]


def test_activation_and_reset_that_do_not_apply():
    """D-204: never written: 0x74; activated again: accepted and recorded; reset of the activated one: 0x74."""
    oracle = running()
    assert code(oracle, 10, ActivateProfile(2)) == 0x74
    assert code(oracle, 10, ActivateProfile(1)) == 0x0F
    assert take(oracle) == [ProfileActivated(at_s=10, old=1, new=1)]
    assert code(oracle, 11, ResetProfile(1)) == 0x74
    accept(oracle, 11, WriteProfile(2, profile((1440, "1.0"))))
    assert code(oracle, 11, ResetProfile(2)) == 0x0F
    assert code(oracle, 11, ResetProfile(2)) == 0x74
    assert code(oracle, 11, ActivateProfile(2)) == 0x74


def test_a_profile_in_stop_is_no_change_of_the_delivered_rate():
    """D-907, D-204: after a reset nothing is delivered; writing and activating in Stop leave it at 0."""
    oracle = Oracle()
    accept(oracle, 1, WriteProfile(1, profile((1440, "1.0"))))
    accept(oracle, 2, ActivateProfile(1))
    assert take(oracle, BasalChanged) == []
    accept(oracle, 3, SetTherapyState("run"))
    assert take(oracle, BasalChanged) == [BasalChanged(at_s=3, old_mu_per_h=0, new_mu_per_h=1000, context="device")]


def test_without_an_activated_profile_the_rate_is_zero():
    """D-204: Run without a profile earns nothing."""
    oracle = Oracle()
    accept(oracle, 0, SetTherapyState("run"))
    assert pulses(oracle, 86_400) == []
    assert oracle.ledger().basal.commanded_mu == 0


@pytest.mark.parametrize(
    ("tbr", "expected"),
    [
        (SetTbr(Decimal("0.825"), 30), 0x0F),
        (SetTbr(Decimal("0"), 1), 0x0F),
        (SetTbr(Decimal("30.0"), 1440), 0x0F),
        (SetTbr(Decimal("30.1"), 30), 0x73),
        (SetTbr(Decimal("-0.1"), 30), 0x73),
        (SetTbr(Decimal("0.8255"), 30), 0x73),
        (SetTbr(Decimal("NaN"), 30), 0x73),
        (SetTbr(Decimal("Infinity"), 30), 0x73),
        (SetTbr(Decimal("1.0"), 0), 0x73),
        (SetTbr(Decimal("1.0"), 1441), 0x73),
        (SetTbr(Decimal("1.0"), 30, change=True), 0x74),
        (SetTbr(Decimal("30.1"), 0, tbr_type="undetermined"), 0x71),
        (SetTbr(Decimal("30.1"), 30, change=True), 0x73),
    ],
)
def test_tbr_accepted_and_refused(tbr, expected):
    """D-301, D-801: each limit, and the order 0x71, 0x73, 0x74 in which refusals are looked for."""
    assert code(running(), 10, tbr) == expected


@pytest.mark.parametrize("state", ["stop", "pause"])
def test_tbr_needs_run(state):
    """D-301: not in Run 0x74."""
    oracle = running()
    accept(oracle, 5, SetTherapyState(state))
    assert code(oracle, 10, SetTbr(Decimal("1.0"), 30)) == 0x74


def test_tbr_on_tbr_needs_the_change_flag():
    """D-301: already active without the change flag 0x74, and the running one goes on."""
    oracle = running()
    accept(oracle, 10, SetTbr(Decimal("2.0"), 30))
    oracle.take_events()
    assert code(oracle, 20, SetTbr(Decimal("3.0"), 30)) == 0x74
    assert take(oracle) == []
    assert oracle.state().rate_in_force_mu_per_h == 2000


def test_tbr_is_in_force_from_start_to_before_end():
    """D-302, D-905: 2 U/h for 1 min from 600 over 0 earns 120000 by 660, no pulse; groups stand together."""
    oracle = running((1440, "0"))
    accept(oracle, 600, SetTbr(Decimal("2.0"), 1))
    assert pulses(oracle, 5000) == []
    assert oracle.state().remainder_mu * 3600 == 120_000
    oracle = running((1440, "0"))
    accept(oracle, 600, SetTbr(Decimal("2.0"), 1))
    oracle.advance(700)
    assert take(oracle) == [
        TbrStarted(at_s=600, value=2000, duration_minutes=1, context="remote control"),
        BasalChanged(at_s=600, old_mu_per_h=0, new_mu_per_h=2000, context="remote control"),
        TbrEnded(at_s=660, reason="duration over", effective_minutes=1),
        BasalChanged(at_s=660, old_mu_per_h=2000, new_mu_per_h=0, context="device"),
    ]


def test_tbr_time_runs_on_in_pause():
    """D-302, D-503: a TBR of 10 min from 600 ends at 1200 in the middle of a Pause."""
    oracle = running()
    accept(oracle, 600, SetTbr(Decimal("2.0"), 10))
    accept(oracle, 900, SetTherapyState("pause"))
    oracle.take_events()
    oracle.advance(1300)
    assert take(oracle) == [
        TbrEnded(at_s=1200, reason="duration over", effective_minutes=10),
        BasalChanged(at_s=1200, old_mu_per_h=0, new_mu_per_h=0, context="device"),
    ]


def test_tbr_group_is_recorded_at_an_equal_rate_too():
    """D-905: inside a TBR group the rate is always recorded."""
    oracle = running()
    accept(oracle, 10, SetTbr(Decimal("1.0"), 30, context="device"))
    group = take(oracle)
    assert group == [
        TbrStarted(at_s=10, value=1000, duration_minutes=30, context="device"),
        BasalChanged(at_s=10, old_mu_per_h=1000, new_mu_per_h=1000, context="device"),
    ]
    assert group[1].sequence == group[0].sequence + 1
    assert group[1].offset_s == group[0].offset_s == 10


def test_block_boundary_under_a_tbr_is_no_change():
    """D-907: while a TBR runs the delivered rate is its own; the profile's new rate comes with its end."""
    oracle = running(*TWO_BLOCKS)
    accept(oracle, SIX - 60, SetTbr(Decimal("2.0"), 2))
    oracle.take_events()
    oracle.advance(SIX + 100)
    assert take(oracle, BasalChanged) == [
        BasalChanged(at_s=SIX + 60, old_mu_per_h=2000, new_mu_per_h=1000, context="device")
    ]


def test_change_counts_anew_from_its_second_and_the_tbr_from_its_start():
    """D-303: 30 min from 600, changed at 660 to 30 min: ends at 2460, effective 31 min."""
    oracle = running()
    accept(oracle, 600, SetTbr(Decimal("2.0"), 30))
    accept(oracle, 660, SetTbr(Decimal("3.0"), 30, change=True))
    oracle.advance(3000)
    assert take(oracle)[2:] == [
        TbrChanged(at_s=660, value=3000, duration_minutes=30, elapsed_minutes=1, context="remote control"),
        BasalChanged(at_s=660, old_mu_per_h=2000, new_mu_per_h=3000, context="remote control"),
        TbrEnded(at_s=2460, reason="duration over", effective_minutes=31),
        BasalChanged(at_s=2460, old_mu_per_h=3000, new_mu_per_h=1000, context="device"),
    ]


def test_change_at_the_end_second_finds_none():
    """D-303, D-003: at 2400 the TBR of 600 to 2400 has ended; at 2399 it can be changed."""
    oracle = running()
    accept(oracle, 600, SetTbr(Decimal("2.0"), 30))
    assert code(oracle, 2400, SetTbr(Decimal("3.0"), 30, change=True)) == 0x74
    oracle = running()
    accept(oracle, 600, SetTbr(Decimal("2.0"), 30))
    assert code(oracle, 2399, SetTbr(Decimal("3.0"), 30, change=True)) == 0x0F


@pytest.mark.parametrize(("cancel_s", "effective"), [(1, 0), (59, 0), (60, 1), (899, 14), (900, 15)])
def test_cancel_and_its_effective_minutes(cancel_s, effective):
    """D-304, D-305: from the second of the cancel the profile is in force; whole minutes, rounded down."""
    oracle = running()
    accept(oracle, 600, SetTbr(Decimal("2.0"), 30))
    accept(oracle, 600 + cancel_s, CancelTbr())
    assert take(oracle, TbrEnded) == [TbrEnded(at_s=600 + cancel_s, reason="canceled", effective_minutes=effective)]
    assert oracle.state().rate_in_force_mu_per_h == 1000
    assert code(oracle, 600 + cancel_s, CancelTbr()) == 0x74


@pytest.mark.parametrize(("at_s", "remaining"), [(600, 30), (601, 30), (660, 29), (2399, 1)])
def test_remaining_minutes_are_rounded_up(at_s, remaining):
    """D-305: 1 s remaining is 1 min."""
    oracle = running()
    accept(oracle, 600, SetTbr(Decimal("2.0"), 30))
    oracle.advance(at_s)
    assert oracle.state().tbr.remaining_minutes == remaining


@pytest.mark.parametrize("minutes", [1, 30, 1439, 1440])
def test_a_whole_duration_is_left_at_the_start(minutes):
    """D-305: at the start second all of it remains, one second later still the last minute begun."""
    oracle = running()
    accept(oracle, 600, SetTbr(Decimal("2.0"), minutes))
    assert oracle.state().tbr.remaining_minutes == minutes
    oracle.advance(601)
    assert oracle.state().tbr.remaining_minutes == minutes
    assert (oracle.state().tbr.start_s, oracle.state().tbr.end_s) == (600, 600 + 60 * minutes)


def test_suspension_interrupts_a_clients_tbr():
    """D-306: client's TBR from 600 to 2400, suspension at 1200: ended (canceled, 10 min), not restored."""
    oracle = plgs()
    accept(oracle, 600, SetTbr(Decimal("2.0"), 30))
    oracle.take_events()
    assert oracle.sample(1200, 20, 65).action == "suspend"
    assert take(oracle) == [
        TbrEnded(at_s=1200, reason="canceled", effective_minutes=10),
        BasalChanged(at_s=1200, old_mu_per_h=2000, new_mu_per_h=1000, context="device"),
        TbrStarted(at_s=1200, value=0, duration_minutes=120, context="AP controller"),
        BasalChanged(at_s=1200, old_mu_per_h=1000, new_mu_per_h=0, context="AP controller"),
    ]
    assert oracle.sample(1800, 30, 120).action == "resume"
    assert oracle.state().rate_in_force_mu_per_h == 1000


def test_clients_zero_rate_is_no_suspension():
    """D-306, D-611: a client's TBR of 0 U/h uses nothing of the allowance and is not resumed."""
    oracle = plgs()
    accept(oracle, 0, SetTbr(Decimal(0), 30))
    decision = oracle.sample(900, 15, 120)
    assert (decision.action, decision.reason) == ("keep", "no prediction")
    assert oracle.state().allowance_s == 7200
    assert not oracle.state().suspended


def test_wall_clock_of_the_settings_decides_the_first_block():
    """D-202: a pump that starts at 05:59:59 enters the second block at pump second 1."""
    oracle = running(*TWO_BLOCKS, settings=OracleSettings(wall_start=MIDNIGHT.replace(hour=5, minute=59, second=59)))
    assert oracle.state().profile_rate_mu_per_h == 800
    oracle.advance(1)
    assert oracle.state().profile_rate_mu_per_h == 1000
