"""The oracle's reservoir, occlusion and annunciations, DOSING.md section 9.

Goal: D-801 to D-831 hold of the oracle, with the order of records when one pulse has several consequences.
Method: reservoirs that are nearly empty, forces at and beside the limit, and the list of records (D-801 and D-802 are
also judged where TBR, profile and bolus are).
"""

from decimal import Decimal

import pytest

from hil.oracle_bench import accept, code, plgs, pulses, running, take
from pumprig.errors import UsageError
from pumprig.oracle.commands import (
    AttachReservoir,
    Command,
    ConfirmAnnunciation,
    InjectOcclusion,
    SetBolus,
    SetForce,
    SetReservoir,
    SetTbr,
    SetTherapyState,
    SnoozeAnnunciation,
)
from pumprig.oracle.events import (
    Annunciation,
    BasalChanged,
    BolusEnded,
    Pulse,
    ReservoirChanged,
    TbrEnded,
    TherapyChanged,
)

HIGH = SetForce(65_535)


@pytest.mark.parametrize(("rate", "expected"), [("30.0", 0x0F), ("30.1", 0x73)])
def test_basal_limit(rate, expected):
    """D-801: equal is allowed."""
    oracle = running()
    assert code(oracle, 10, SetTbr(Decimal(rate), 30)) == expected
    assert oracle.state().rate_in_force_mu_per_h == (30_000 if expected == 0x0F else 1000)


def test_reservoir_is_counted_in_pulses():
    """D-811, D-903, D-904: 300 U is 6000 pulses, and each delivered pulse is one less."""
    oracle = running()
    assert oracle.state().reservoir_pulses == 6000
    accept(oracle, 100, SetBolus(Decimal("1.0")))
    oracle.advance(3600)
    counters = oracle.state().counters
    assert (counters.basal_pulses, counters.bolus_pulses, counters.reservoir_pulses) == (20, 20, 6000 - 40)
    assert oracle.ledger().reservoir_used_pulses == oracle.ledger().pulses == 40


def test_low_is_raised_once_when_the_level_is_reached():
    """D-812: 20.05 to 20.00 U raises it, once; the record of the 20 U step stands before it."""
    oracle = running(reservoir_pulses=402)
    oracle.advance(180)
    assert take(oracle) == []
    oracle.advance(3599)
    assert take(oracle) == [
        ReservoirChanged(at_s=360, remaining_mu=20_000),
        Annunciation(at_s=360, annunciation_id=1, type="reservoir low", status="pending"),
    ]


def test_a_level_above_the_capacity_is_refused():
    """D-814: the capacity itself is none; nothing changes and nothing is recorded."""
    oracle = running()
    assert code(oracle, 10, SetReservoir(6001)) == 0xFF
    assert take(oracle) == [] and oracle.state().reservoir_pulses == 6000
    assert code(oracle, 11, SetReservoir(6000)) == 0
    assert take(oracle) == [ReservoirChanged(at_s=11, remaining_mu=300_000)]


def test_setting_a_low_level_raises_nothing():
    """D-814, D-812: only a pulse that crosses the level does."""
    oracle = running()
    accept(oracle, 10, SetReservoir(100))
    oracle.advance(3600)
    assert take(oracle, Annunciation) == []


def test_low_again_after_a_refill_and_a_confirmation():
    """D-812, D-831: a second crossing raises a second one only when the first is confirmed."""
    oracle = running(reservoir_pulses=401)
    oracle.advance(200)
    accept(oracle, 201, SetReservoir(401))
    oracle.advance(400)
    assert len(take(oracle, Annunciation)) == 1
    accept(oracle, 401, ConfirmAnnunciation(1))
    accept(oracle, 402, SetReservoir(401))
    oracle.take_events()
    oracle.advance(600)
    assert take(oracle, Annunciation) == [
        Annunciation(at_s=540, annunciation_id=2, type="reservoir low", status="pending")
    ]


def test_emptying_pulse_is_delivered_and_then_everything_ends():
    """D-813, D-905, D-814: the records of the last pulse, in order; zero is a multiple of 10 U."""
    oracle = running(reservoir_pulses=40)
    accept(oracle, 10, SetTbr(Decimal("2.0"), 60))
    # The bolus fits when it is commanded; the basal pulses take what it would need.
    accept(oracle, 50, SetBolus(Decimal("2.0")))
    oracle.take_events()
    oracle.advance(500)
    events = oracle.take_events()
    last = max(index for index, event in enumerate(events) if isinstance(event, Pulse))
    at_s = events[last].at_s
    assert sum(isinstance(event, Pulse) for event in events) == 40
    assert events[last + 1 :] == [
        ReservoirChanged(at_s=at_s, remaining_mu=0),
        Annunciation(at_s=at_s, annunciation_id=1, type="reservoir empty", status="pending"),
        BolusEnded(at_s=at_s, bolus_id=1, fast_mu=1950, reason="error abort", annunciation_id=1),
        TbrEnded(at_s=at_s, reason="error abort", effective_minutes=(at_s - 10) // 60, annunciation_id=1),
        BasalChanged(at_s=at_s, old_mu_per_h=2000, new_mu_per_h=1000, context="device"),
        TherapyChanged(at_s=at_s, old="run", new="stop"),
        BasalChanged(at_s=at_s, old_mu_per_h=1000, new_mu_per_h=0, context="device"),
    ]
    assert oracle.state().remainder_mu == 0
    assert oracle.ledger().bolus.dropped_mu == 50


def test_second_pulse_of_the_emptying_second_stays_in():
    """D-813: one pulse left at 180, bolus and basal pulse due: the bolus pulse comes, the basal pulse does not."""
    oracle = running(reservoir_pulses=2)
    accept(oracle, 176, SetBolus(Decimal("0.10")))
    oracle.advance(400)
    assert [(pulse.due_s, pulse.source) for pulse in take(oracle, Pulse)] == [(178, "bolus"), (180, "bolus")]
    assert oracle.state().therapy == "stop"
    assert oracle.ledger().basal.dropped_mu == 50


def test_bolus_completed_by_the_emptying_pulse_is_delivered():
    """D-003, D-813: it ends in (2), after the Stop of (1), with its amount delivered."""
    oracle = running((1440, "0"), reservoir_pulses=2)
    accept(oracle, 10, SetBolus(Decimal("0.10")))
    oracle.advance(20)
    assert take(oracle)[-2:] == [
        TherapyChanged(at_s=14, old="run", new="stop"),
        BolusEnded(at_s=14, bolus_id=1, fast_mu=100, reason="programmed amount delivered"),
    ]


def test_reservoir_records_every_ten_units():
    """D-814: 300 U: the first at 290, then 280; the level of a start is no record."""
    oracle = running((1440, "30.0"))
    oracle.advance(2400)
    assert take(oracle, ReservoirChanged) == [
        ReservoirChanged(at_s=1200, remaining_mu=290_000),
        ReservoirChanged(at_s=2400, remaining_mu=280_000),
    ]


def test_reservoir_records_of_hands():
    """D-814: set, detached and attached are recorded, with what it holds or nothing."""
    oracle = running()
    accept(oracle, 5, SetTherapyState("stop"))
    oracle.take_events()
    for at_s, command in [(10, SetReservoir(500)), (11, AttachReservoir(False)), (12, AttachReservoir(True))]:
        accept(oracle, at_s, command)
    accept(oracle, 13, AttachReservoir(True))
    assert take(oracle) == [
        ReservoirChanged(at_s=10, remaining_mu=25_000),
        ReservoirChanged(at_s=11, remaining_mu=None),
        ReservoirChanged(at_s=12, remaining_mu=25_000),
    ]


@pytest.mark.parametrize("state", ["run", "pause"])
@pytest.mark.parametrize("fault", [SetReservoir(0), AttachReservoir(False)], ids=["empty", "detached"])
def test_losing_the_reservoir_stops_therapy(state, fault):
    """D-814, D-813: bolus and TBR end by error abort, Stop; *reservoir empty* only when it was set to zero."""
    oracle = running()
    accept(oracle, 10, SetTbr(Decimal("2.0"), 60))
    accept(oracle, 20, SetBolus(Decimal("1.0")))
    if state == "pause":
        accept(oracle, 25, SetTherapyState("pause"))
    oracle.take_events()
    accept(oracle, 30, fault)
    kinds = [type(event).__name__ for event in take(oracle)]
    empty = ["Annunciation"] if isinstance(fault, SetReservoir) else []
    rate = ["BasalChanged"] if state == "run" else []
    assert kinds == [
        "ReservoirChanged", *empty, "BolusEnded", "TbrEnded", "BasalChanged", "TherapyChanged", *rate
    ]  # fmt: skip
    assert pulses(oracle, 1000) == []


def test_occlusion_shows_at_the_next_pulse():
    """D-821: force high at 100.5, next pulse due at 180: Stop at 180, no pulse."""
    oracle = running()
    accept(oracle, 101, HIGH)
    oracle.advance(179)
    assert oracle.take_events() == []
    oracle.advance(180)
    assert oracle.take_events() == [
        Annunciation(at_s=180, annunciation_id=1, type="occlusion", status="pending"),
        TherapyChanged(at_s=180, old="run", new="stop"),
        BasalChanged(at_s=180, old_mu_per_h=1000, new_mu_per_h=0, context="device"),
    ]
    assert oracle.ledger().basal.dropped_mu == 50


@pytest.mark.parametrize(("force", "delivered"), [(49_999, [180]), (50_000, []), (50_001, [])])
def test_force_equal_to_the_limit_is_an_occlusion(force, delivered):
    """D-821: equal is an occlusion."""
    oracle = running()
    accept(oracle, 10, SetForce(force))
    assert pulses(oracle, 200) == delivered


@pytest.mark.parametrize(
    ("command", "at_s", "delivered"),
    [
        (HIGH, 180, []),
        (HIGH, 181, [180]),
        (InjectOcclusion(True), 179, []),
        (InjectOcclusion(True), 180, [180]),
    ],
)
def test_pulse_meets_the_force_of_its_second(command: Command, at_s, delivered):
    """D-821, D-003: a level set in [179, 180) is met at 180; the emulator's fault is a message and comes after."""
    oracle = running()
    accept(oracle, at_s, command)
    assert pulses(oracle, 300) == delivered


def test_force_told_after_its_pulse_is_refused():
    """D-821: the rig must tell it before it advances; a second without a pulse does not mind."""
    oracle = running()
    oracle.advance(100)
    accept(oracle, 100, SetForce(1))
    oracle.advance(180)
    with pytest.raises(UsageError, match="before advancing"):
        oracle.command(180, HIGH)


def test_force_that_falls_again_leaves_no_trace():
    """D-821: without a pulse due nothing is read."""
    oracle = running()
    accept(oracle, 10, HIGH)
    accept(oracle, 170, SetForce(0))
    assert pulses(oracle, 180) == [180]


def test_occlusion_in_pause_waits_for_a_pulse():
    """D-821, D-503: withheld pulses read no force; the first one after Run does."""
    oracle = running()
    accept(oracle, 100, SetTherapyState("pause"))
    accept(oracle, 110, HIGH)
    accept(oracle, 600, SetTherapyState("run"))
    oracle.take_events()
    oracle.advance(700)
    assert [event.at_s for event in take(oracle, Annunciation, TherapyChanged)] == [601, 601]


def test_occlusion_aborts_bolus_and_suspension():
    """D-821, D-502: during a suspension a bolus pulse meets the occlusion: bolus and suspension end by error abort."""
    oracle = plgs()
    oracle.sample(600, 10, 60)
    accept(oracle, 700, SetBolus(Decimal("1.0")))
    accept(oracle, 705, HIGH)
    oracle.take_events()
    oracle.advance(800)
    assert take(oracle)[1:3] == [
        BolusEnded(at_s=706, bolus_id=1, fast_mu=100, reason="error abort", annunciation_id=1),
        TbrEnded(at_s=706, reason="error abort", effective_minutes=1, annunciation_id=1),
    ]
    assert not oracle.state().suspended


def occluded():
    """A pump stopped by an occlusion at 180, annunciation 1."""
    oracle = running()
    accept(oracle, 10, HIGH)
    oracle.advance(180)
    accept(oracle, 181, SetForce(0))
    oracle.take_events()
    return oracle


def again(oracle, at_s):
    """Stop once more by an occlusion, some time after `at_s`."""
    accept(oracle, at_s, SetTherapyState("run"))
    accept(oracle, at_s + 1, HIGH)
    oracle.advance(at_s + 200)
    accept(oracle, at_s + 200, SetForce(0))


def test_no_second_one_of_a_type_before_confirmation():
    """D-831: a second occlusion while the first is pending or snoozed is not raised, after confirmation it is."""
    oracle = occluded()
    again(oracle, 200)
    accept(oracle, 500, SnoozeAnnunciation(1))
    again(oracle, 600)
    assert [e.status for e in take(oracle, Annunciation)] == ["snoozed"]
    accept(oracle, 1000, ConfirmAnnunciation(1))
    again(oracle, 1100)
    assert take(oracle, Annunciation) == [
        Annunciation(at_s=1000, annunciation_id=1, type="occlusion", status="confirmed"),
        Annunciation(at_s=1280, annunciation_id=2, type="occlusion", status="pending"),
    ]


def test_snooze_lasts_thirty_minutes():
    """D-831: snoozed at 1000: pending at 2800; snoozed again meanwhile, the 30 min begin anew without a record."""
    oracle = occluded()
    assert accept(oracle, 1000, SnoozeAnnunciation(1)) == {"annunciation_id": 1}
    oracle.advance(2799)
    assert oracle.state().shown.status == "snoozed"
    oracle.advance(2800)
    assert [(e.at_s, e.status) for e in take(oracle, Annunciation)] == [(1000, "snoozed"), (2800, "pending")]
    accept(oracle, 3000, SnoozeAnnunciation(1))
    accept(oracle, 3600, SnoozeAnnunciation(1))
    oracle.advance(6000)
    assert [(e.at_s, e.status) for e in take(oracle, Annunciation)] == [(3000, "snoozed"), (5400, "pending")]


@pytest.mark.parametrize("kind", [ConfirmAnnunciation, SnoozeAnnunciation])
def test_ids_that_do_not_apply(kind):
    """D-831: an ID never given or confirmed: 0x74."""
    oracle = occluded()
    assert code(oracle, 200, kind(2)) == 0x74
    assert code(oracle, 201, kind(0)) == 0x74
    accept(oracle, 202, ConfirmAnnunciation(1))
    assert code(oracle, 203, kind(1)) == 0x74


def test_shown_is_the_oldest_pending_else_the_oldest_snoozed():
    """D-831: with 1 and 2 open, in every combination of snoozes."""
    oracle = running(reservoir_pulses=401)
    accept(oracle, 185, HIGH)
    oracle.advance(400)
    assert [(n.annunciation_id, n.type) for n in oracle.state().annunciations] == [
        (1, "reservoir low"),
        (2, "occlusion"),
    ]
    assert oracle.state().shown.annunciation_id == 1
    accept(oracle, 500, SnoozeAnnunciation(1))
    assert oracle.state().shown.annunciation_id == 2
    accept(oracle, 501, SnoozeAnnunciation(2))
    assert oracle.state().shown.annunciation_id == 1
    accept(oracle, 502, ConfirmAnnunciation(1))
    assert oracle.state().shown.annunciation_id == 2
    accept(oracle, 503, ConfirmAnnunciation(2))
    assert oracle.state().shown is None
