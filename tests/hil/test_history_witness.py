"""Goal: history that differs from what the rules give in any way is seen: by number, order, second or field.

Method: an oracle of its own gives a day's events; a pump that tells the truth is made from the same events, and then
one record of it is taken away, told twice, moved, stamped wrongly, changed in one field or given one more.
"""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import pytest

from pumprig.checks import CheckBook
from pumprig.history import HistoryWitness, Record, records_of
from pumprig.oracle import Oracle, OracleSettings
from pumprig.oracle import commands as c
from pumprig.oracle.events import Pulse
from pumprig.verdict import VerdictBook
from pumpwire.database import HISTORY_DATA
from pumpwire.registry import messages_of

END_S = 8000


def events():
    """Events of a little over two hours in which nearly everything is recorded that can be."""
    oracle = Oracle(OracleSettings(reservoir_pulses=440))
    for at_s, command in (
        (5, c.SetClock(datetime(2026, 3, 4, 22, 30))),
        (6, c.SetMaxBolus(Decimal(5))),
        (7, c.WriteProfile(1, ((1440, Decimal(1)),))),
        (8, c.ActivateProfile(1)),
        (9, c.SetTherapyState("run")),
        (100, c.SetBolus(Decimal(3))),
        (600, c.SetTbr(Decimal("0.3"), 30)),
        (900, c.SetTbr(Decimal(2), 30, change=True)),
        (1200, c.SetBolus(Decimal("0.5"))),
        (1206, c.SetTherapyState("stop")),
        (1300, c.ConfirmAnnunciation(1)),
    ):
        oracle.command(at_s, command)
    oracle.advance(END_S)
    return [event for event in oracle.take_events() if not isinstance(event, Pulse)]


def records(expected):
    """What a pump without a fault would tell of these events."""
    told, reference_s = [], 0
    for event in expected:
        for name, fields in records_of(event):
            told.append(Record(len(told), event.at_s - reference_s, name, dict(fields)))
            if name == "HistoryReferenceTime":
                reference_s = event.at_s
    return told


def further_events():
    """Events of what hands, templates, calculators and guardrails leave behind."""
    oracle, one = Oracle(), Decimal(1)
    for at_s, command in (
        (5, c.StartPriming(one)),
        (100, c.WriteProfile(10, ((1440, Decimal(50)),), "isf")),
        (101, c.WriteProfile(12, ((1440, Decimal(10)),), "icho")),
        (102, c.WriteProfile(14, ((1440, Decimal(90), Decimal(110)),), "target")),
        (103, c.SetTbrTemplate(4, "absolute", one, 30)),
        (104, c.SetBolusTemplate(7, "fast", one)),
        (105, c.CalculateBolus((one,) * 4, (one,) * 4)),
        (106, c.AnnounceCarbs(30)),
        (107, c.SetGuardrails(bolus_mu=2000)),
        (108, c.SetBolus(Decimal(5))),
    ):
        oracle.command(at_s, command)
    oracle.advance(200)
    return [event for event in oracle.take_events() if not isinstance(event, Pulse)]


EVENTS, FURTHER = events(), further_events()
TRUE = records(EVENTS)
NAMES = sorted({record.name for record in TRUE})


def judge(told, expected=EVENTS, until_s=END_S):
    """Feed a witness and return its misses as (check, rule, what was expected, what was seen)."""
    checks = CheckBook(VerdictBook(), real_time=False)
    seconds = []
    witness = HistoryWitness(checks, lambda record, at_s: seconds.append((record.sequence, at_s)))
    for event in expected:
        witness.due(event)
    for record in told:
        witness.read(record, END_S)
    witness.settle(until_s, END_S)
    witness.finish(END_S)
    return [(v.check, v.rule, v.expected, v.observed) for v in checks.violations], checks, seconds


def place(name):
    return next(index for index, record in enumerate(TRUE) if record.name == name)


def test_the_truth_passes_and_every_record_is_judged_and_placed_at_its_second():
    missed, checks, seconds = judge(TRUE)
    assert missed == []
    assert checks.counts()["history"]["passed"] == len(TRUE)
    assert checks.counts()["reference-time"]["passed"] == sum("Reference" in record.name for record in TRUE)
    wanted = [event.at_s for event in EVENTS for _ in records_of(event)]
    assert seconds == list(enumerate(wanted))


def test_the_scene_holds_what_it_is_meant_to_show():
    assert {name.removeprefix("History") for name in NAMES} == {
        "ReferenceTime", "TherapyControlStateChanged", "DeliveredBasalRateChanged", "TbrStarted", "TbrChanged",
        "TbrEnded", "BolusProgrammed1", "BolusProgrammed2", "BolusDelivered1", "BolusDelivered2",
        "ProfileTemplateActivated", "BasalBlockChanged", "MaxBolusChanged", "ReservoirRemainingChanged",
        "AnnunciationStatusChanged1", "AnnunciationStatusChanged2", "TotalDailyInsulin",
    }  # fmt: skip


def test_it_does_not_matter_in_how_many_pieces_history_is_read():
    checks = CheckBook(VerdictBook(), real_time=False)
    witness = HistoryWitness(checks, lambda record, at_s: None)
    queue = list(TRUE)
    for event in EVENTS:
        witness.due(event)
        for _ in records_of(event):
            assert witness.next_sequence == queue[0].sequence
            witness.read(queue.pop(0), event.at_s)
        witness.settle(event.at_s, event.at_s)
    witness.finish(END_S)
    assert checks.violations == []
    assert witness.next_sequence == len(TRUE)


@pytest.mark.parametrize("index", range(len(TRUE)))
def test_a_gap_is_seen_wherever_it_is(index):
    missed, _, _ = judge(TRUE[:index] + TRUE[index + 1 :])
    if index == len(TRUE) - 1:
        assert [check for check, *_ in missed] == ["history"]
    else:
        assert missed == [("history-sequence", "D-905", index, index + 1)]


@pytest.mark.parametrize("index", range(len(TRUE)))
def test_a_record_that_was_never_made_is_missed_by_the_next_or_at_the_end(index):
    left_out = [replace(record, sequence=number) for number, record in enumerate(TRUE[:index] + TRUE[index + 1 :])]
    missed, _, _ = judge(left_out)
    assert len(missed) >= 1
    assert all(check in ("history", "reference-time") for check, *_ in missed)


@pytest.mark.parametrize("index", range(len(TRUE)))
def test_a_record_told_twice_is_seen(index):
    missed, _, _ = judge(TRUE[: index + 1] + TRUE[index:])
    assert missed == [("history-sequence", "D-905", index + 1, index)]


@pytest.mark.parametrize("name", NAMES)
def test_every_field_that_the_rules_fix_is_compared(name):
    index = place(name)
    record = TRUE[index]
    for field, value in record.fields.items():
        wrong = dict(record.fields) | {field: 99 if value is None else None}
        missed, _, _ = judge([*TRUE[:index], replace(record, fields=wrong), *TRUE[index + 1 :]])
        assert len(missed) == 1, field
        assert missed[0][0] == ("reference-time" if name == "HistoryReferenceTime" else "history")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("by_s", [-1, 1])
def test_a_record_a_second_away_is_seen(name, by_s):
    index = place(name)
    moved = replace(TRUE[index], offset_s=TRUE[index].offset_s + by_s)
    missed, _, _ = judge([*TRUE[:index], moved, *TRUE[index + 1 :]])
    assert len(missed) == 1
    assert str(missed[0][3]).endswith(f"+{moved.offset_s} s")


@pytest.mark.parametrize("name", NAMES)
def test_a_field_that_no_rule_gives_is_seen(name):
    index = place(name)
    more = replace(TRUE[index], fields=dict(TRUE[index].fields) | {"not_due": 0})
    ((check, _, expected, observed),) = judge([*TRUE[:index], more, *TRUE[index + 1 :]])[0]
    assert check == ("reference-time" if name == "HistoryReferenceTime" else "history")
    assert "not_due=0" in observed and "not_due" not in expected


def test_every_declared_field_of_every_record_that_a_rule_gives_is_expected():
    """What stands in place of a record that cannot be read has no fields, and no rule gives it."""
    due = {name: set(fields) for event in [*EVENTS, *FURTHER] for name, fields in records_of(event)}
    declared = {
        message.name: {field.name for field in message.layout}
        for message in messages_of(HISTORY_DATA)
        if message.served and message.name != "HistoryDataCorruption"
    }
    assert due == declared


def test_two_records_in_the_wrong_order_are_named_once():
    index = place("HistoryTbrStarted")
    first, second = TRUE[index], TRUE[index + 1]
    swapped = [*TRUE[:index], replace(second, sequence=index), replace(first, sequence=index + 1), *TRUE[index + 2 :]]
    missed, _, _ = judge(swapped)
    ((check, rule, expected, observed),) = missed
    assert (check, rule) == ("history", "D-302")
    assert expected.startswith("HistoryTbrStarted ")
    assert observed.startswith("HistoryDeliveredBasalRateChanged ")


def test_what_is_due_later_may_still_be_missing():
    last = EVENTS[-1]
    assert judge(TRUE[:-1], until_s=last.at_s - 1)[0] == []
    ((check, rule, expected, observed),) = judge(TRUE[:-1], until_s=last.at_s)[0]
    assert (check, rule, observed) == ("history", last.rule, None)
    assert expected.startswith(TRUE[-1].name)


def test_a_record_without_a_cause_at_the_end_is_seen():
    extra = Record(len(TRUE), 10, "HistoryReservoirRemainingChanged", {"reservoir_remaining_iu": Decimal(10)})
    assert judge([*TRUE, extra])[0] == [
        ("history", "D-905", None, "HistoryReservoirRemainingChanged reservoir_remaining_iu=10")
    ]


def test_nothing_read_and_nothing_due_is_well():
    assert judge([], expected=[])[0] == []
    assert judge([], until_s=-1)[0] == []
