"""The oracle's bolus and therapy states, DOSING.md sections 5 and 6.

Goal: D-401 to D-504 hold of the oracle (D-405 is the link's: the oracle is told a command once, as the pump must act).
Method: commands at the seconds of the rule and of its boundary; answers, due seconds and records are compared.
"""

from decimal import Decimal

import pytest

from hil.oracle_bench import accept, code, pulses, running, take
from pumprig.oracle import Guardrails, Oracle, OracleSettings
from pumprig.oracle.commands import (
    AttachReservoir,
    CancelBolus,
    SetBolus,
    SetMaxBolus,
    SetReservoir,
    SetTbr,
    SetTherapyState,
)
from pumprig.oracle.events import (
    Annunciation,
    BasalChanged,
    BolusEnded,
    BolusStarted,
    TbrEnded,
    TherapyChanged,
)


def to(oracle, at_s, state):
    """The answer to a therapy state."""
    return code(oracle, at_s, SetTherapyState(state))


@pytest.mark.parametrize(
    ("bolus", "expected"),
    [
        (SetBolus(Decimal("0.05")), 0x0F),
        (SetBolus(Decimal("10.0")), 0x0F),
        (SetBolus(Decimal("0.07")), 0x73),
        (SetBolus(Decimal("0")), 0x73),
        (SetBolus(Decimal("-0.05")), 0x73),
        (SetBolus(Decimal("10.05")), 0x73),
        (SetBolus(Decimal("0.0501")), 0x73),
        (SetBolus(Decimal("NaN")), 0x73),
        (SetBolus(Decimal("1.0"), bolus_type="extended"), 0x71),
        (SetBolus(Decimal("1.0"), extended_amount_iu=Decimal("1.0")), 0x71),
        (SetBolus(Decimal("1.0"), duration_minutes=30), 0x71),
        (SetBolus(Decimal("0.07"), bolus_type="undetermined"), 0x71),
    ],
)
def test_boluses_accepted_and_refused(bolus, expected):
    """D-401: whole pulses from one pulse to the maximum; 0x71 is looked for before 0x73."""
    assert code(running(), 10, bolus) == expected


@pytest.mark.parametrize("state", ["stop", "pause"])
def test_bolus_needs_run(state):
    """D-401: not in Run 0x74; a wrong amount is found before."""
    oracle = running()
    accept(oracle, 5, SetTherapyState(state))
    assert code(oracle, 10, SetBolus(Decimal("1.0"))) == 0x74
    assert code(oracle, 10, SetBolus(Decimal("0.07"))) == 0x73


@pytest.mark.parametrize(("pulses_left", "expected"), [(19, 0x72), (20, 0x0F)])
def test_bolus_larger_than_the_reservoir(pulses_left, expected):
    """D-401: 1 U from 19 pulses answers 0x72, from 20 it is accepted."""
    assert code(running(reservoir_pulses=pulses_left), 10, SetBolus(Decimal("1.0"))) == expected


def test_a_second_bolus_is_refused_before_the_reservoir_is_looked_at():
    """D-401, D-403: active 0x76 comes before 0x72, not in Run 0x74 before 0x76."""
    oracle = running(reservoir_pulses=30)
    accept(oracle, 10, SetBolus(Decimal("1.0")))
    assert code(oracle, 11, SetBolus(Decimal("10.0"))) == 0x76
    accept(oracle, 12, SetTherapyState("pause"))
    assert code(oracle, 13, SetBolus(Decimal("1.0"))) == 0x74


def test_bolus_ids_count_accepted_boluses():
    """D-402: first bolus 1, a refused one, the next 2."""
    oracle = running()
    assert accept(oracle, 10, SetBolus(Decimal("0.05")))["bolus_id"] == 1
    assert code(oracle, 20, SetBolus(Decimal("0.07"))) == 0x73
    assert accept(oracle, 30, SetBolus(Decimal("0.05")))["bolus_id"] == 2


def test_bolus_id_65535_is_followed_by_1():
    """D-402: the ID wraps to 1, never to 0."""
    no_limits = Guardrails(iob_mu=10**9, hour_mu=10**9, day_mu=10**9)
    oracle = running((1440, "0"), bolus_speed_mu_per_minute=60_000, reservoir_pulses=70_000, guardrails=no_limits)
    ids = [accept(oracle, second, SetBolus(Decimal("0.05")))["bolus_id"] for second in range(1, 65_538)]
    assert ids[-3:] == [65_535, 1, 2]


@pytest.mark.parametrize(("at_s", "expected"), [(43, 0x76), (45, 0x76), (46, 0x0F)])
def test_one_bolus_at_a_time(at_s, expected):
    """D-403, D-003: 0.10 U from 42 ends at 46; a Set Bolus at 45 is refused, at 46 accepted."""
    oracle = running()
    accept(oracle, 42, SetBolus(Decimal("0.10")))
    assert code(oracle, at_s, SetBolus(Decimal("1.0"))) == expected


def test_cancel_keeps_the_pulse_of_its_second():
    """D-404: 1 U from 42 cancelled at 50: pulses at 44, 46, 48, 50, delivered 0.20 U."""
    oracle = running((1440, "0"))
    accept(oracle, 42, SetBolus(Decimal("1.0")))
    assert accept(oracle, 50, CancelBolus(1)) == {"bolus_id": 1}
    assert take(oracle) == [
        BolusStarted(at_s=42, bolus_id=1, fast_mu=1000),
        BolusEnded(at_s=50, bolus_id=1, fast_mu=200, reason="canceled"),
    ]
    assert pulses(oracle, 200) == []
    bolus = oracle.ledger().boluses[1]
    assert (bolus.commanded_mu, bolus.delivered_mu, bolus.remaining_mu, bolus.dropped_mu) == (1000, 200, 0, 800)


def test_cancel_that_does_not_apply():
    """D-404: an ID never given, or no longer active since the second of its last pulse: 0x74."""
    oracle = running()
    assert code(oracle, 10, CancelBolus(1)) == 0x74
    accept(oracle, 42, SetBolus(Decimal("0.10")))
    assert code(oracle, 43, CancelBolus(2)) == 0x74
    assert code(oracle, 46, CancelBolus(1)) == 0x74


def test_the_command_is_told_once_however_often_its_frame_came():
    """D-405: a repeated frame is no second command; the expected dose of one Set Bolus is one bolus."""
    oracle = running((1440, "0"))
    accept(oracle, 42, SetBolus(Decimal("0.10")))
    assert pulses(oracle, 100) == [44, 46]
    assert oracle.ledger().bolus.commanded_mu == 100


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (["run"], [0x0F]),
        (["stop"], [0x0F]),
        (["pause"], [0x74]),
        (["run", "pause", "run"], [0x0F] * 3),
        (["run", "pause", "stop"], [0x0F] * 3),
        (["run", "stop", "pause"], [0x0F, 0x0F, 0x74]),
        (["run", "run"], [0x0F, 0x0F]),
        (["run", "pause", "pause"], [0x0F] * 3),
        (["undetermined"], [0x71]),
        (["run", "undetermined"], [0x0F, 0x71]),
    ],
)
def test_transitions(path, expected):
    """D-501: the allowed transitions; the state it is in already is accepted; undetermined is 0x71, the rest 0x74."""
    oracle = Oracle()
    assert [to(oracle, 10 + number, state) for number, state in enumerate(path)] == expected


def test_state_it_is_in_already_changes_nothing():
    """D-501: no record, no new Pause."""
    oracle = running()
    accept(oracle, 1000, SetTherapyState("pause"))
    oracle.take_events()
    accept(oracle, 1500, SetTherapyState("pause"))
    assert take(oracle) == []
    oracle.advance(1900)
    assert oracle.state().therapy == "stop"


def test_pump_that_starts_empty_does_not_run():
    """D-501: an initial fill of no pulse is a pump that may be, and that cannot run."""
    assert to(Oracle(OracleSettings(reservoir_pulses=0)), 10, "run") == 0x74


@pytest.mark.parametrize("fault", [SetReservoir(0), AttachReservoir(False)], ids=["empty", "detached"])
def test_run_needs_insulin(fault):
    """D-501: Run without an attached reservoir that is not empty answers 0x74."""
    oracle = Oracle()
    accept(oracle, 5, fault)
    assert to(oracle, 10, "run") == 0x74


def test_stop_ends_bolus_then_tbr_then_drops():
    """D-502, D-905: records of a Stop with bolus and TBR, in order, the rate back to the profile's and then to 0."""
    oracle = running()
    accept(oracle, 100, SetTbr(Decimal("2.0"), 30))
    accept(oracle, 200, SetBolus(Decimal("5.0")))
    oracle.take_events()
    accept(oracle, 230, SetTherapyState("stop"))
    assert take(oracle) == [
        BolusEnded(at_s=230, bolus_id=1, fast_mu=750, reason="canceled"),
        TbrEnded(at_s=230, reason="canceled", effective_minutes=2),
        BasalChanged(at_s=230, old_mu_per_h=2000, new_mu_per_h=1000, context="device"),
        TherapyChanged(at_s=230, old="run", new="stop"),
        BasalChanged(at_s=230, old_mu_per_h=1000, new_mu_per_h=0, context="device"),
    ]
    assert oracle.state().remainder_mu == 0


def test_stop_makes_nothing_good():
    """D-502: Stop from 1000 to 4600 at 1 U/h: no pulse then, the next 180 s after Run."""
    oracle = running()
    accept(oracle, 1000, SetTherapyState("stop"))
    oracle.take_events()
    accept(oracle, 4600, SetTherapyState("run"))
    assert pulses(oracle, 4800) == [4780]
    assert oracle.ledger().basal.balanced


def test_pause_earns_and_run_delivers_it():
    """D-503: Pause 1000 to 1600 at 1 U/h with remainder 0: due at 1601, 1602, 1603, and the next at 1720."""
    oracle = running((1440, "0"))
    accept(oracle, 1000, SetTbr(Decimal("1.0"), 60))
    accept(oracle, 1000, SetTherapyState("pause"))
    accept(oracle, 1600, SetTherapyState("run"))
    assert oracle.state().remainder_mu * 3600 == 600_000
    assert pulses(oracle, 1800) == [1601, 1602, 1603, 1720]


def test_pause_halts_a_bolus():
    """D-503: 0.20 U from 42, Pause 47 to 147: the accumulator of half a pulse waits as well."""
    oracle = running((1440, "0"))
    accept(oracle, 42, SetBolus(Decimal("0.20")))
    accept(oracle, 47, SetTherapyState("pause"))
    accept(oracle, 147, SetTherapyState("run"))
    assert pulses(oracle, 200) == [44, 46, 148, 150]


def test_pause_records_rate_zero():
    """D-907: entering Pause and returning are therapy and rate."""
    oracle = running()
    accept(oracle, 1000, SetTherapyState("pause"))
    accept(oracle, 1010, SetTherapyState("run"))
    assert take(oracle) == [
        TherapyChanged(at_s=1000, old="run", new="pause"),
        BasalChanged(at_s=1000, old_mu_per_h=1000, new_mu_per_h=0, context="device"),
        TherapyChanged(at_s=1010, old="pause", new="run"),
        BasalChanged(at_s=1010, old_mu_per_h=0, new_mu_per_h=1000, context="device"),
    ]


def test_pause_becomes_stop_after_fifteen_minutes():
    """D-504: Pause at 1000 is Stop at 1900 with the annunciation, bolus and TBR canceled, the remainder dropped."""
    oracle = running()
    accept(oracle, 990, SetTbr(Decimal("2.0"), 60))
    accept(oracle, 995, SetBolus(Decimal("1.0")))
    accept(oracle, 1000, SetTherapyState("pause"))
    oracle.advance(1899)
    oracle.take_events()
    assert oracle.state().therapy == "pause"
    oracle.advance(1900)
    assert take(oracle) == [
        Annunciation(at_s=1900, annunciation_id=1, type="pause over", status="pending"),
        BolusEnded(at_s=1900, bolus_id=1, fast_mu=100, reason="canceled"),
        TbrEnded(at_s=1900, reason="canceled", effective_minutes=15),
        BasalChanged(at_s=1900, old_mu_per_h=0, new_mu_per_h=0, context="device"),
        TherapyChanged(at_s=1900, old="pause", new="stop"),
    ]
    assert oracle.state().remainder_mu == 0


def test_run_at_the_limit_of_pause_comes_too_late():
    """D-504, D-003: Run at 1900 is a Stop to Run: nothing withheld is delivered."""
    oracle = running()
    accept(oracle, 1000, SetTherapyState("pause"))
    oracle.take_events()
    assert to(oracle, 1900, "run") == 0x0F
    assert take(oracle, TherapyChanged) == [
        TherapyChanged(at_s=1900, old="pause", new="stop"),
        TherapyChanged(at_s=1900, old="stop", new="run"),
    ]
    assert pulses(oracle, 2100) == [2080]


def test_run_just_before_the_limit_of_pause():
    """D-504, D-503: Run at 1899 delivers what 999 s have earned since 900: five pulses and 99000."""
    oracle = running()
    accept(oracle, 1000, SetTherapyState("pause"))
    oracle.take_events()
    assert to(oracle, 1899, "run") == 0x0F
    assert pulses(oracle, 1980) == [1900, 1901, 1902, 1903, 1904, 1980]


@pytest.mark.parametrize(
    ("amount", "expected"), [("0.05", 0x0F), ("25.0", 0x0F), ("0", 0x73), ("25.05", 0x73), ("2.03", 0x73)]
)
def test_maximum_bolus_setting(amount, expected):
    """D-802: whole pulses from one pulse to 25 U."""
    assert code(Oracle(), 10, SetMaxBolus(Decimal(amount))) == expected


def test_maximum_bolus_judges_later_commands_only():
    """D-802: maximum 2 U: 2.0 accepted, 2.05 refused; lowering it does not cut a running bolus."""
    oracle = running((1440, "0"))
    accept(oracle, 5, SetMaxBolus(Decimal("2.0")))
    assert code(oracle, 6, SetBolus(Decimal("2.05"))) == 0x73
    accept(oracle, 6, SetBolus(Decimal("2.0")))
    accept(oracle, 10, SetMaxBolus(Decimal("0.05")))
    assert len(pulses(oracle, 200)) == 40
