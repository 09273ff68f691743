"""Priming, fill level, operation time, counters, battery and injected annunciations.

Method: commands on the bench in Stop and in Run, at the boundaries of D-511 to D-514, D-841 and D-842.
"""

import pytest

from firmware.pump_bench import Bench
from pump import events

PENDING = events.PENDING


def raised(bench):
    """Seconds and types of the annunciations that were raised."""
    return [(s, kind) for s, _, kind, status, *_ in bench.all("ANNUNCIATION") if status == PENDING]


# --- Priming (D-511, D-512) -----------------------------------------------------------------------------------------


def test_priming_delivers_and_counts_apart():
    """D-511: 0.10 U from 42; only the reservoir and the prime pulses know of it."""
    bench = Bench()
    assert bench.do(42, "start_priming", 100) == events.SUCCESS
    assert bench.pump.operational == events.PRIMING
    pump = bench.run(100)
    assert bench.pulses == [44, 46]
    assert pump.operational == events.READY
    assert [line for line in bench.told if line[0] >= 42] == [
        (42, "PRIMING_STARTED", 100, 0, 0, 0, 0),
        (42, "OPERATIONAL", events.READY, events.PRIMING, 0, 0, 0),
        (46, "PRIMING_DONE", 100, events.AMOUNT_REACHED, 0, 0, 0),
        (46, "OPERATIONAL", events.PRIMING, events.READY, 0, 0, 0),
    ]
    delivery = pump.delivery
    assert (delivery.prime_pulses, delivery.basal_pulses, delivery.bolus_pulses) == (2, 0, 0)
    assert (pump.daily.basal_mu, pump.daily.bolus_mu, delivery.basal_mu, delivery.bolus_mu) == (0, 0, 0, 0)
    assert pump.iob.total_mu(100) == 0
    assert pump.reservoir.remaining_pulses == 5998


@pytest.mark.parametrize(
    ("amount", "level", "code"),
    [
        (50, 6000, events.SUCCESS), (25000, 6000, events.SUCCESS), (25050, 6000, events.OUT_OF_RANGE),
        (75, 6000, events.OUT_OF_RANGE), (0, 0, events.OUT_OF_RANGE), (50, 0, events.NOT_APPLICABLE),
        (200, 4, events.SUCCESS), (250, 4, events.NOT_COMPLETED),
    ],
)  # fmt: skip
def test_what_may_be_primed(amount, level, code):
    """D-511: whole pulses, one to 25 U; the reservoir not empty, and holding it."""
    bench = Bench()
    bench.do(1, "inject", events.FAULT_RESERVOIR_LEVEL, level)
    assert bench.do(2, "start_priming", amount) == code


def test_priming_needs_stop_and_an_attached_reservoir():
    """D-511: not in Run or Pause, not while priming, not detached; Run while priming is refused."""
    bench = Bench().dose(0)
    assert bench.do(1, "start_priming", 100) == events.NOT_APPLICABLE
    bench.do(2, "set_therapy_state", events.PAUSE)
    assert bench.do(3, "start_priming", 100) == events.NOT_APPLICABLE
    bench.do(4, "set_therapy_state", events.STOP)
    assert bench.do(5, "start_priming", 1000) == events.SUCCESS
    assert bench.do(6, "start_priming", 100) == events.NOT_APPLICABLE
    assert bench.do(6, "set_therapy_state", events.RUN) == events.NOT_APPLICABLE
    assert bench.do(6, "set_therapy_state", events.STOP) == events.SUCCESS
    assert bench.pump.priming.active
    assert bench.do(7, "stop_priming") == events.SUCCESS
    assert bench.do(7, "set_therapy_state", events.RUN) == events.SUCCESS
    bench.do(8, "set_therapy_state", events.STOP)
    bench.do(9, "inject", events.FAULT_RESERVOIR_DETACHED, 1)
    assert bench.do(10, "start_priming", 100) == events.NOT_APPLICABLE


def test_stop_priming_ends_it_at_its_second():
    """D-512: 1 U from 42 stopped at 50, the pulse of that second included; with none under way 0x74."""
    bench = Bench()
    assert bench.do(41, "stop_priming") == events.NOT_APPLICABLE
    bench.do(42, "start_priming", 1000)
    assert bench.do(50, "stop_priming") == events.SUCCESS
    bench.run(100)
    assert bench.pulses == [44, 46, 48, 50]
    assert bench.all("PRIMING_DONE") == [(50, 200, events.STOPPED_BY_USER, 0, 0, 0)]
    assert bench.do(100, "stop_priming") == events.NOT_APPLICABLE


def test_an_occlusion_ends_it():
    """D-512, D-821: the pulse does not leave; nothing is read where none is due."""
    bench = Bench()
    bench.do(42, "start_priming", 1000)
    bench.run(45)
    bench.occluded = True
    bench.run(100)
    assert bench.pulses == [44]
    assert bench.readings == [44, 46]
    assert [line for line in bench.told if line[0] == 46] == [
        (46, "ANNUNCIATION", 1, events.OCCLUSION_DETECTED, PENDING, 0, 0),
        (46, "PRIMING_DONE", 50, events.ERROR_ABORT, 1, 0, 0),
        (46, "OPERATIONAL", events.PRIMING, events.READY, 0, 0, 0),
    ]


def test_the_pulse_that_empties_the_reservoir_may_be_the_last_one():
    """D-003, D-512: the amount is reached then."""
    bench = Bench()
    bench.do(1, "inject", events.FAULT_RESERVOIR_LEVEL, 2)
    bench.do(42, "start_priming", 100)
    bench.run(100)
    assert [line[1:] for line in bench.told if line[0] == 46] == [
        ("RESERVOIR", 0, 0, 0, 0, 0),
        ("ANNUNCIATION", 1, events.RESERVOIR_EMPTY, PENDING, 0, 0),
        ("PRIMING_DONE", 100, events.AMOUNT_REACHED, 0, 0, 0),
        ("OPERATIONAL", events.PRIMING, events.READY, 0, 0, 0),
    ]


@pytest.mark.parametrize(
    ("fault", "value", "annunciation"),
    [(events.FAULT_RESERVOIR_LEVEL, 0, events.RESERVOIR_EMPTY), (events.FAULT_RESERVOIR_DETACHED, 1, None),
     (events.BATTERY_LEVEL, 0, events.BATTERY_EMPTY)],
)  # fmt: skip
def test_what_takes_the_insulin_or_the_power_away_ends_it(fault, value, annunciation):
    """D-512, D-841: error abort, with the annunciation if there is one."""
    bench = Bench()
    bench.do(42, "start_priming", 1000)
    assert bench.do(50, "inject", fault, value) == events.SUCCESS
    bench.run(100)
    assert len(bench.pulses) == 4
    number = 1 if annunciation else 0
    assert bench.all("PRIMING_DONE") == [(50, 200, events.ERROR_ABORT, number, 0, 0)]
    assert raised(bench) == ([(50, annunciation)] if annunciation else [])


def test_priming_runs_into_the_low_reservoir_as_any_pulse_does():
    """D-811, D-812: and through a step of the reservoir (D-814)."""
    bench = Bench()
    bench.do(1, "inject", events.FAULT_RESERVOIR_LEVEL, 401)
    bench.do(10, "start_priming", 500)
    bench.run(100)
    assert raised(bench) == [(12, events.RESERVOIR_LOW)]
    assert bench.all("RESERVOIR")[1:] == [(12, 20000, 0, 0, 0, 0)]


def test_midnight_and_reference_times_go_on_while_priming():
    """D-003: jumping over a priming equals counting its seconds."""
    fast, slow = Bench(), Bench()
    for bench in (fast, slow):
        bench.do(86000, "start_priming", 25000)
    fast.run(90000)
    for s in range(86000, 90001):
        slow.run(s)
    assert fast.told == slow.told
    assert fast.pulses == slow.pulses
    assert len(fast.pulses) == 500


# --- Fill level and counters (D-513, D-514) -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "code"),
    [(200000, events.SUCCESS), (0, events.SUCCESS), (300000, events.SUCCESS), (300050, events.OUT_OF_RANGE),
     (75, events.OUT_OF_RANGE), (-50, events.OUT_OF_RANGE)],
)  # fmt: skip
def test_what_the_fill_level_may_be(amount, code):
    """D-513: 200 U are 4000 pulses; recorded, and nothing raised."""
    bench = Bench()
    assert bench.do(10, "set_fill_level", amount) == code
    if code == events.SUCCESS:
        assert bench.pump.reservoir.remaining_pulses == amount // 50
        assert bench.since(10) == [(10, "RESERVOIR")]


def test_the_fill_level_is_set_in_stop_with_a_reservoir_and_not_while_priming():
    """D-513: 0x74; a value out of range comes first."""
    bench = Bench().dose(0)
    assert bench.do(1, "set_fill_level", 300050) == events.OUT_OF_RANGE
    assert bench.do(1, "set_fill_level", 100000) == events.NOT_APPLICABLE
    bench.do(2, "set_therapy_state", events.STOP)
    bench.do(3, "start_priming", 1000)
    assert bench.do(4, "set_fill_level", 100000) == events.NOT_APPLICABLE
    bench.do(5, "stop_priming")
    bench.do(6, "inject", events.FAULT_RESERVOIR_DETACHED, 1)
    assert bench.do(7, "set_fill_level", 100000) == events.NOT_APPLICABLE
    bench.do(8, "inject", events.FAULT_RESERVOIR_DETACHED, 0)
    assert bench.do(9, "set_fill_level", 100000) == events.SUCCESS


TOTALS = {
    events.COUNTER_LIFETIME: 2102400, events.COUNTER_WARRANTY: 2102400, events.COUNTER_LOANER: 259200,
    events.COUNTER_OPERATION: 10080,
}  # fmt: skip


@pytest.mark.parametrize("counter", TOTALS)
def test_counters_count_whole_minutes(counter):
    """D-514: after 90 s elapsed 1, and the total less that remains; below 0 after it."""
    pump = Bench().run(90)
    total = TOTALS[counter]
    for s, elapsed in ((0, 0), (59, 0), (60, 1), (90, 1), (60 * total, total), (60 * total + 60, total + 1)):
        assert pump.counter_minutes(s, counter, events.COUNTER_ELAPSED) == elapsed
        assert pump.counter_minutes(s, counter, events.COUNTER_REMAINING) == total - elapsed


def test_the_operation_time_counts_from_its_reset():
    """D-514: at any time, also in Run; the others go on."""
    bench = Bench().dose(0)
    assert bench.do(90, "reset_operation_time") == events.SUCCESS
    assert bench.since(90) == []
    pump = bench.run(209)
    assert pump.counter_minutes(209, events.COUNTER_OPERATION, events.COUNTER_ELAPSED) == 1
    assert pump.counter_minutes(210, events.COUNTER_OPERATION, events.COUNTER_REMAINING) == 10078
    assert pump.counter_minutes(209, events.COUNTER_LIFETIME, events.COUNTER_ELAPSED) == 3


# --- Battery and injected annunciations (D-841, D-842) --------------------------------------------------------------


def test_a_battery_that_falls_is_told_once():
    """D-841: 100 to 15 is low; 21 to 20 is, 20 to 15 and 0 to 10 is not; therapy goes on."""
    bench = Bench().dose(1000)
    assert bench.pump.battery_percent == 100
    for s, percent in enumerate((21, 20, 15, 100, 20), 10):
        assert bench.do(s, "inject", events.BATTERY_LEVEL, percent) == events.SUCCESS
        assert bench.pump.battery_percent == percent
        if s == 12:
            bench.do(s, "confirm", 1)
    assert raised(bench) == [(11, events.BATTERY_LOW), (14, events.BATTERY_LOW)]
    assert bench.pump.therapy == events.RUN
    for value in (-1, 101):
        assert bench.do(20, "inject", events.BATTERY_LEVEL, value) == events.OUT_OF_RANGE
    assert bench.pump.battery_percent == 20


def test_an_empty_battery_stops_therapy():
    """D-841: 0 is empty alone; boluses, TBR, therapy as at an occlusion; in Stop nothing more."""
    bench = Bench().dose(1000)
    bench.tbr(1, 2000, 30)
    bench.bolus(2, 0, 500, 10)
    bench.do(10, "inject", events.BATTERY_LEVEL, 0)
    assert [line[1:4] for line in bench.told if line[0] == 10] == [
        ("ANNUNCIATION", 1, events.BATTERY_EMPTY), ("BOLUS_ENDED", 1, 0), ("TBR_ENDED", 0, events.ERROR_ABORT),
        ("BASAL_CHANGED", 2000, 1000), ("THERAPY", events.RUN, events.STOP), ("BASAL_CHANGED", 1000, 0),
    ]  # fmt: skip
    assert bench.all("BOLUS_ENDED")[0][3:5] == (events.ERROR_ABORT, 1)
    bench.do(11, "confirm", 1)
    bench.do(12, "inject", events.BATTERY_LEVEL, 0)
    assert bench.since(12) == [(12, "ANNUNCIATION")]
    bench.do(13, "inject", events.BATTERY_LEVEL, 10)
    assert bench.since(13) == []


def test_every_type_of_annunciation_can_be_injected_and_changes_nothing_else():
    """D-842: 24 of them, each a slot of its own; a second one of a type is none (D-831)."""
    bench = Bench().dose(1000)
    types = list(bench.pump.annunciations.types)
    assert len(set(types)) == 24
    for kind in types:
        assert bench.do(10, "inject", events.INJECTED_ANNUNCIATION, kind) == events.SUCCESS
    assert bench.do(11, "inject", events.INJECTED_ANNUNCIATION, 0x00FF) == events.SUCCESS
    assert raised(bench) == [(10, kind) for kind in types]
    assert {name for _, name in bench.since(10)} == {"ANNUNCIATION"}
    assert bench.pump.therapy == events.RUN
    for kind in (0, 0x00FE, 0x1234, 0xFFFF):
        assert bench.do(12, "inject", events.INJECTED_ANNUNCIATION, kind) == events.OUT_OF_RANGE
    assert bench.do(12, "inject", 0x0F, 0) == events.OUT_OF_RANGE


def test_a_write_of_the_controller_settings_is_told_before_what_it_brings_about():
    """D-616, D-905: the pointer event, then the end of a suspension; a refused write tells nothing."""
    bench = Bench().dose(1000)
    values = (events.PLGS, 80, 70, 30, 120, 150, 15, 30, 300, 75, 0, 0, 0, 5, 3)
    assert bench.do(1, "configure", *values) == events.SUCCESS
    assert bench.since(1) == [(1, "POINTER")]
    bench.do(2, "cgm_session", 0)
    bench.do(300, "cgm_sample", 5, 60, 0)
    assert bench.pump.tbr.suspension
    assert bench.do(400, "configure", events.MANUAL, *values[1:]) == events.SUCCESS
    assert bench.since(400) == [(400, "POINTER"), (400, "TBR_ENDED"), (400, "BASAL_CHANGED")]
    assert bench.do(500, "configure", 0x0F, *values[1:]) == events.OUT_OF_RANGE
    assert bench.since(500) == []
