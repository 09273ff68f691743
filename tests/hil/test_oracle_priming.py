"""The oracle's priming, fill level, counters, battery, injected annunciations, bolus calculator and deleted records.

Goal: D-511 to D-514, D-841, D-842, D-909 and D-911 with their boundaries. Method: the rules' worked examples and their
neighbours, on pumps in Stop and in Run.
"""

from decimal import Decimal

import pytest

from hil.oracle_bench import accept, code, pulses, running, take
from pumprig.oracle import Oracle, OracleSettings
from pumprig.oracle.commands import (
    AttachReservoir,
    CalculateBolus,
    ConfirmAnnunciation,
    DeleteRecords,
    InjectOcclusion,
    RaiseAnnunciation,
    ResetOperationTime,
    SetBattery,
    SetBolus,
    SetFillLevel,
    SetForce,
    SetReservoir,
    SetTbr,
    SetTherapyState,
    StartPriming,
    StopPriming,
)
from pumprig.oracle.events import (
    Annunciation,
    BolusCalculated,
    BolusEnded,
    OperationalChanged,
    PrimingDone,
    PrimingStarted,
    ReservoirChanged,
    TbrEnded,
    TherapyChanged,
)
from pumprig.oracle.questions import GetCounter
from pumprig.oracle.terms import AnnunciationType

TO_PRIMING = {"old": "ready", "new": "priming"}
TO_READY = {"old": "priming", "new": "ready"}


def prime(text):
    """Start Priming."""
    return StartPriming(Decimal(text))


# --- priming ---


def test_priming_of_the_worked_example():
    """D-511: 0.10 U from 42: pulses at 44 and 46, done at 46 (amount reached)."""
    oracle = Oracle()
    take(oracle)
    accept(oracle, 42, prime("0.10"))
    assert oracle.state().operational == "priming"
    oracle.advance(100)
    events = oracle.take_events()
    assert [event.at_s for event in events if not event.codes] == [44, 46]
    assert [event for event in events if event.codes] == [
        PrimingStarted(at_s=42, amount_mu=100),
        OperationalChanged(at_s=42, **TO_PRIMING),
        PrimingDone(at_s=46, delivered_mu=100, reason="amount reached"),
        OperationalChanged(at_s=46, **TO_READY),
    ]
    assert oracle.state().operational == "ready"


def test_prime_pulses_count_as_such_alone():
    """D-511: out of the reservoir, and in no sum of insulin."""
    oracle = Oracle()
    accept(oracle, 42, prime("1.0"))
    oracle.advance(100)
    state, ledger = oracle.state(), oracle.ledger()
    assert (state.counters.prime_pulses, state.counters.bolus_pulses, state.counters.basal_pulses) == (20, 0, 0)
    assert state.reservoir_pulses == 5980
    assert (state.iob_mu, state.day_bolus_mu, state.day_basal_mu, state.delivered_bolus_mu) == (0, 0, 0, 0)
    assert ledger.prime.balanced and ledger.prime.delivered_mu == 1000
    assert ledger.pulses == ledger.reservoir_used_pulses == 20


def test_stop_priming_of_the_worked_example():
    """D-512: 1 U from 42 stopped at 50: 0.20 U."""
    oracle = Oracle()
    accept(oracle, 42, prime("1.0"))
    take(oracle)
    accept(oracle, 50, StopPriming())
    assert take(oracle) == [
        PrimingDone(at_s=50, delivered_mu=200, reason="aborted by user"),
        OperationalChanged(at_s=50, **TO_READY),
    ]
    assert code(oracle, 51, StopPriming()) == 0x74
    assert pulses(oracle, 200) == []
    assert oracle.ledger().prime.dropped_mu == 800


@pytest.mark.parametrize(
    ("amount", "expected"),
    [("0.05", 0x0F), ("25.0", 0x0F), ("25.05", 0x73), ("0", 0x73), ("0.07", 0x73), ("NaN", 0x73)],
)
def test_amount_of_a_priming(amount, expected):
    """D-511: whole pulses, one pulse to 25 U."""
    assert code(Oracle(), 10, prime(amount)) == expected


def test_the_order_of_the_refusals():
    """D-511: 0x73, 0x74, 0x72."""
    oracle = running(reservoir_pulses=3)
    assert code(oracle, 1, prime("0.07")) == 0x73
    assert code(oracle, 1, prime("0.20")) == 0x74
    accept(oracle, 2, SetTherapyState("stop"))
    assert code(oracle, 3, prime("0.20")) == 0x72
    accept(oracle, 4, AttachReservoir(False))
    assert code(oracle, 5, prime("0.20")) == 0x74
    accept(oracle, 6, AttachReservoir(True))
    accept(oracle, 7, SetReservoir(0))
    assert code(oracle, 8, prime("0.05")) == 0x74
    accept(oracle, 9, SetReservoir(100))
    accept(oracle, 10, prime("1.0"))
    assert code(oracle, 11, prime("99")) == 0x73
    assert code(oracle, 11, prime("0.05")) == 0x74
    assert code(oracle, 11, SetTherapyState("run")) == 0x74
    assert code(oracle, 11, SetTherapyState("stop")) == 0x0F
    assert code(oracle, 11, SetFillLevel(Decimal("100"))) == 0x74


@pytest.mark.parametrize("fault", [SetForce(65_535), InjectOcclusion(True)])
def test_an_occlusion_ends_a_priming(fault):
    """D-512, D-821: the pulse that meets it is not delivered."""
    oracle = Oracle()
    accept(oracle, 42, prime("1.0"))
    take(oracle)
    accept(oracle, 49, fault)
    oracle.advance(100)
    assert take(oracle) == [
        Annunciation(at_s=50, annunciation_id=1, type="occlusion", status="pending"),
        PrimingDone(at_s=50, delivered_mu=150, reason="error abort", annunciation_id=1),
        OperationalChanged(at_s=50, **TO_READY),
    ]


def test_an_emptied_and_a_detached_reservoir_end_a_priming():
    """D-512, D-814: *reservoir empty* only when set to zero."""
    oracle = Oracle()
    accept(oracle, 42, prime("1.0"))
    accept(oracle, 43, SetReservoir(0))
    accept(oracle, 44, SetReservoir(10))
    accept(oracle, 50, prime("0.50"))
    accept(oracle, 51, AttachReservoir(False))
    done = [(event.at_s, event.reason, event.annunciation_id) for event in take(oracle, PrimingDone)]
    assert done == [(43, "error abort", 1), (51, "error abort", None)]


def test_the_pulse_that_empties_the_reservoir():
    """D-512, D-813, D-905: a priming that is not complete ends by a fault, after reservoir and annunciation."""
    oracle = Oracle()
    accept(oracle, 40, prime("1.0"))
    accept(oracle, 41, SetReservoir(2))
    take(oracle)
    oracle.advance(100)
    assert take(oracle) == [
        ReservoirChanged(at_s=44, remaining_mu=0),
        Annunciation(at_s=44, annunciation_id=1, type="reservoir empty", status="pending"),
        PrimingDone(at_s=44, delivered_mu=100, reason="error abort", annunciation_id=1),
        OperationalChanged(at_s=44, **TO_READY),
    ]


def test_a_priming_completed_by_the_pulse_that_empties_the_reservoir():
    """D-003 (2), D-512: as a bolus, it has reached its amount."""
    oracle = Oracle(OracleSettings(reservoir_pulses=2))
    accept(oracle, 40, prime("0.10"))
    oracle.advance(100)
    assert [event.reason for event in take(oracle, PrimingDone)] == ["amount reached"]


# --- fill level ---


@pytest.mark.parametrize(
    ("level", "expected"),
    [("200", 0x0F), ("300", 0x0F), ("0", 0x0F), ("300.05", 0x73), ("0.07", 0x73), ("-0.05", 0x73)],
)
def test_fill_level(level, expected):
    """D-513: whole pulses from 0 to the capacity; 200 U: 4000 pulses, recorded."""
    oracle = Oracle()
    take(oracle)
    assert code(oracle, 10, SetFillLevel(Decimal(level))) == expected
    if expected == 0x0F:
        assert take(oracle) == [ReservoirChanged(at_s=10, remaining_mu=int(1000 * Decimal(level)))]
        assert oracle.state().reservoir_pulses == 20 * int(level)


def test_fill_level_in_run_and_detached():
    """D-513: 0x73 before 0x74."""
    oracle = running()
    assert code(oracle, 10, SetFillLevel(Decimal("301"))) == 0x73
    assert code(oracle, 10, SetFillLevel(Decimal("200"))) == 0x74
    accept(oracle, 11, SetTherapyState("stop"))
    accept(oracle, 12, AttachReservoir(False))
    assert code(oracle, 13, SetFillLevel(Decimal("200"))) == 0x74


# --- counters ---


def minutes(oracle, at_s, counter, selection):
    """A counter."""
    return accept(oracle, at_s, GetCounter(counter, selection))["minutes"]


def test_counters_of_the_worked_example():
    """D-514: after 90 s: elapsed 1, lifetime remaining 2,102,399."""
    oracle = Oracle()
    assert minutes(oracle, 59, "lifetime", "elapsed") == 0
    assert minutes(oracle, 90, "lifetime", "elapsed") == 1
    assert minutes(oracle, 90, "lifetime", "remaining") == 2_102_399
    assert minutes(oracle, 90, "warranty", "remaining") == 2_102_399
    assert minutes(oracle, 90, "loaner", "remaining") == 259_199
    assert minutes(oracle, 90, "reservoir insulin operation time", "remaining") == 10_079


def test_operation_time_counts_from_its_reset():
    """D-513, D-514: and its remaining time may fall below 0."""
    oracle = running()
    accept(oracle, 100, ResetOperationTime())
    assert minutes(oracle, 159, "reservoir insulin operation time", "elapsed") == 0
    assert minutes(oracle, 160, "reservoir insulin operation time", "elapsed") == 1
    assert minutes(oracle, 160, "lifetime", "elapsed") == 2
    assert minutes(oracle, 100 + 60 * 10_082, "reservoir insulin operation time", "remaining") == -2


@pytest.mark.parametrize("question", [GetCounter("age", "elapsed"), GetCounter("loaner", "undetermined")])
def test_a_counter_that_is_none(question):
    """D-514: 0x71."""
    assert code(Oracle(), 10, question) == 0x71


# --- battery and injected annunciations ---


@pytest.mark.parametrize(
    ("levels", "raised"),
    [
        ([15], ["battery low"]),
        ([20], ["battery low"]),
        ([21], []),
        ([21, 20, 19], ["battery low"]),
        ([0], ["battery empty"]),
        ([20, 0], ["battery low", "battery empty"]),
        ([0, 20], ["battery empty"]),
    ],
)
def test_battery(levels, raised):
    """D-841: 20 is low, 0 is empty alone; low from above 20 to 20 or less."""
    oracle = running()
    assert oracle.state().battery_percent == 100
    for second, percent in enumerate(levels, 10):
        accept(oracle, second, SetBattery(percent))
    assert [event.type for event in take(oracle, Annunciation)] == raised
    assert oracle.state().therapy == ("stop" if 0 in levels else "run")
    assert oracle.state().battery_percent == levels[-1]


def test_an_empty_battery_stops_therapy_as_an_occlusion_does():
    """D-821, D-841: annunciation, bolus, TBR, therapy."""
    oracle = running((1440, "0"))
    accept(oracle, 10, SetBolus(Decimal("1.0")))
    accept(oracle, 11, SetTbr(Decimal("0"), 60))
    take(oracle)
    accept(oracle, 14, SetBattery(0))
    events = take(oracle, Annunciation, BolusEnded, TbrEnded, TherapyChanged)
    assert [type(event) for event in events] == [Annunciation, BolusEnded, TbrEnded, TherapyChanged]
    assert [event.reason for event in events[1:3]] == ["error abort"] * 2
    assert [event.annunciation_id for event in events[:3]] == [1, 1, 1]


def test_an_empty_battery_ends_a_priming():
    """D-841: in Stop nothing more stops."""
    oracle = Oracle()
    accept(oracle, 42, prime("1.0"))
    take(oracle)
    accept(oracle, 44, SetBattery(0))
    assert take(oracle) == [
        Annunciation(at_s=44, annunciation_id=1, type="battery empty", status="pending"),
        PrimingDone(at_s=44, delivered_mu=50, reason="error abort", annunciation_id=1),
        OperationalChanged(at_s=44, **TO_READY),
    ]
    assert code(oracle, 50, SetBattery(101)) == 0xFF


@pytest.mark.parametrize("kind", list(AnnunciationType))
def test_any_annunciation_is_raised(kind):
    """D-842, D-831: once, and nothing but annunciations changes."""
    oracle = running()
    accept(oracle, 10, RaiseAnnunciation(str(kind)))
    accept(oracle, 11, RaiseAnnunciation(str(kind)))
    assert take(oracle) == [Annunciation(at_s=10, annunciation_id=1, type=kind, status="pending")]
    assert oracle.state().therapy == "run"
    accept(oracle, 12, ConfirmAnnunciation(1))
    accept(oracle, 13, RaiseAnnunciation(str(kind)))
    assert oracle.state().shown.annunciation_id == 2
    assert code(oracle, 14, RaiseAnnunciation("flood")) == 0xFF


# --- bolus calculated ---

MEAL = tuple(map(Decimal, ("2.0", "0", "0", "0")))
LESS = tuple(map(Decimal, ("1.5", "0", "0", "0")))


def test_what_a_calculator_is_told():
    """D-909: recorded as such; no insulin moves."""
    oracle = running((1440, "0"))
    accept(oracle, 10, CalculateBolus(MEAL, LESS))
    assert take(oracle) == [BolusCalculated(at_s=10, recommended=(2000, 0, 0, 0), confirmed=(1500, 0, 0, 0))]
    assert pulses(oracle, 1000) == []


@pytest.mark.parametrize(("amount", "expected"), [("25.0", 0), ("25.05", 0xFF), ("-0.05", 0xFF), ("0.07", 0xFF)])
def test_amounts_of_a_calculation(amount, expected):
    """D-909: 0 to 25 U in whole pulses, each of the eight."""
    oracle = running()
    for place in range(4):
        odd = (*MEAL[:place], Decimal(amount), *MEAL[place + 1 :])
        assert code(oracle, 10, CalculateBolus(MEAL, odd)) == expected
        assert code(oracle, 10, CalculateBolus(odd, LESS)) == expected


# --- deleted records ---


def test_a_part_of_a_group_is_not_deleted():
    """D-911: 0x0A and nothing is taken; 0x06 when nothing is found; numbers go on."""
    oracle = running()
    accept(oracle, 10, SetBolus(Decimal("1.0")))
    (first, last) = oracle.records_stored()[-1]
    assert last == first + 1
    before = oracle.records_stored()
    assert code(oracle, 11, DeleteRecords(most=first)) == 0x0A
    assert oracle.records_stored() == before
    assert code(oracle, 11, DeleteRecords(most=last)) == 0xF0
    assert oracle.records_stored() == ()
    assert code(oracle, 12, DeleteRecords(most=last)) == 0x06
    accept(oracle, 13, SetTbr(Decimal("2.0"), 60))
    # TBR started and its rate stand together, after the numbers of before.
    assert oracle.records_stored() == ((last + 1, last + 2),)
    assert code(oracle, 14, DeleteRecords(least=last + 2)) == 0x0A


def test_deleting_by_kind():
    """D-911: reference times alone, or all the others."""
    oracle = running()
    oracle.advance(3600)
    assert code(oracle, 3601, DeleteRecords(most=0, only="other")) == 0x06
    assert accept_deleted(oracle, DeleteRecords(only="reference")) == 2
    assert code(oracle, 3602, DeleteRecords(only="reference")) == 0x06
    assert code(oracle, 3602, DeleteRecords(only="other")) == 0xF0
    assert oracle.records_stored() == ()


def accept_deleted(oracle, command):
    """How many records went."""
    answer = oracle.command(oracle.now_s, command)
    assert answer.code == 0xF0
    return answer.fields["deleted"]
