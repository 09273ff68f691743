"""Bolus: what is accepted, its ID, one at a time, cancel.

Method: commands on the bench at the boundaries of D-401 to D-404, D-502 and D-802.
"""

import pytest

from firmware.pump_bench import Bench
from pump import events


@pytest.mark.parametrize(
    "amount, code",
    [(50, events.SUCCESS), (10000, events.SUCCESS), (70, events.OUT_OF_RANGE), (0, events.OUT_OF_RANGE),
     (-50, events.OUT_OF_RANGE), (10050, events.OUT_OF_RANGE)],
)  # fmt: skip
def test_what_is_accepted(amount, code):
    """D-401: whole pulses, one pulse to the maximum bolus, both included."""
    assert Bench().dose(0).bolus(10, amount) == code


@pytest.mark.parametrize("state", [events.STOP, events.PAUSE])
def test_only_in_run(state):
    """D-401: 0x74 otherwise; an amount out of range is told first."""
    bench = Bench().dose(0)
    bench.do(5, "set_therapy_state", state)
    assert bench.bolus(10, 50) == events.NOT_APPLICABLE
    assert bench.bolus(10, 70) == events.OUT_OF_RANGE


def test_no_more_than_the_reservoir_holds():
    """D-401: equal is enough, one pulse more is 0x72."""
    bench = Bench().dose(0)
    bench.do(1, "inject", events.FAULT_RESERVOIR_LEVEL, 4)
    assert bench.bolus(2, 250) == events.NOT_COMPLETED
    assert bench.bolus(2, 200) == events.SUCCESS


def test_a_refused_bolus_uses_no_id():
    """D-402: first bolus 1, a refused one, the next 2."""
    bench = Bench().dose(0)
    bench.bolus(1, 50)
    bench.bolus(10, 70)
    bench.bolus(11, 50)
    assert bench.all("BOLUS_STARTED") == [(1, 1, 50, 0, 0, 0), (11, 2, 50, 0, 0, 0)]


def test_the_id_after_65535_is_1():
    """D-402: 0 is never one."""
    bench = Bench().dose(0)
    bench.pump.orders.last_id = 65534
    for s in (1, 11):
        bench.bolus(s, 50)
    assert [line[1] for line in bench.all("BOLUS_STARTED")] == [65535, 1]


def test_one_at_a_time_until_the_second_of_the_last_pulse():
    """D-403: 0.10 U from 42 ends at 46; refused at 45, accepted at 46."""
    bench = Bench().dose(0)
    bench.bolus(42, 100)
    assert bench.bolus(45, 100) == events.NO_MORE_BOLUSES
    assert bench.bolus(46, 100) == events.SUCCESS
    bench.run(50)
    assert bench.pulses == [44, 46, 48, 50]


def test_cancel_keeps_what_was_delivered_by_then():
    """D-404: 1 U from 42 cancelled at 50, the pulse of that second included."""
    bench = Bench().dose(0)
    bench.bolus(42, 1000)
    assert bench.do(50, "cancel_bolus", 1) == events.SUCCESS
    bench.run(100)
    assert bench.pulses == [44, 46, 48, 50]
    assert bench.all("BOLUS_ENDED") == [(50, 1, 200, events.CANCELED, 0, 42)]


def test_cancel_wants_the_id_of_the_active_one():
    """D-404: an ID never given, or no longer active: 0x74; at the second of the last pulse it is none."""
    bench = Bench().dose(0)
    bench.bolus(42, 100)
    assert bench.do(43, "cancel_bolus", 2) == events.NOT_APPLICABLE
    assert bench.do(46, "cancel_bolus", 1) == events.NOT_APPLICABLE
    assert bench.all("BOLUS_ENDED") == [(46, 1, 100, events.COMPLETE, 0, 42)]


def test_a_bolus_can_be_cancelled_in_pause():
    """D-404, D-503: what is left is not delivered after the return to Run."""
    bench = Bench().dose(0)
    bench.bolus(42, 1000)
    bench.do(45, "set_therapy_state", events.PAUSE)
    assert bench.do(60, "cancel_bolus", 1) == events.SUCCESS
    bench.do(70, "set_therapy_state", events.RUN)
    bench.run(200)
    assert bench.pulses == [44]


def test_stop_cancels_the_bolus_then_the_tbr_then_stops():
    """D-502: in this order, at its second, each group whole."""
    bench = Bench().dose(1000)
    bench.tbr(40, 2000, 30)
    bench.bolus(42, 1000)
    bench.do(50, "set_therapy_state", events.STOP)
    bench.run(5000)
    assert bench.pulses == [44, 46, 48, 50]
    told = [line for line in bench.told if line[0] == 50]
    assert told == [
        (50, "BOLUS_ENDED", 1, 200, events.CANCELED, 0, 42),
        (50, "TBR_ENDED", 0, events.CANCELED, 0, 0, 0),
        (50, "BASAL_CHANGED", 2000, 1000, events.DEVICE, 0, 0),
        (50, "THERAPY", events.RUN, events.STOP, 0, 0, 0),
        (50, "BASAL_CHANGED", 1000, 0, events.DEVICE, 0, 0),
    ]


def test_the_maximum_is_the_one_at_the_time_of_the_command():
    """D-802: lowering it does not cut a running bolus; 2.0 accepted, 2.05 refused."""
    bench = Bench().dose(0)
    bench.bolus(1, 5000)
    assert bench.do(2, "set_max_bolus", 2000) == events.SUCCESS
    bench.run(300)
    assert len(bench.pulses) == 100
    assert bench.bolus(300, 2050) == events.OUT_OF_RANGE
    assert bench.bolus(300, 2000) == events.SUCCESS
    assert bench.all("MAX_BOLUS") == [(2, 10000, 2000, 0, 0, 0)]


@pytest.mark.parametrize(
    "amount, code",
    [(50, events.SUCCESS), (25000, events.SUCCESS), (0, events.OUT_OF_RANGE), (25050, events.OUT_OF_RANGE),
     (75, events.OUT_OF_RANGE)],
)  # fmt: skip
def test_what_the_maximum_may_be(amount, code):
    """D-802: whole pulses from one pulse to 25 U."""
    assert Bench().do(1, "set_max_bolus", amount) == code


def test_the_same_maximum_again_is_no_change():
    """D-905: nothing to record."""
    bench = Bench()
    assert bench.do(1, "set_max_bolus", 10000) == events.SUCCESS
    assert bench.all("MAX_BOLUS") == []
