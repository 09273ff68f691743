"""Reservoir, occlusion and annunciations: what stops therapy, and what the wearer is told.

Method: a pump brought near an edge by injected levels and forces; expected are pulses, ends and annunciations at the
boundaries of D-501, D-811 to D-831 (IDS 1.0.2, 3.4).
"""

import pytest

from firmware.pump_bench import Bench
from pump import events

LEVEL = events.FAULT_RESERVOIR_LEVEL
DETACHED = events.FAULT_RESERVOIR_DETACHED
OCCLUSION = events.FAULT_OCCLUSION


def names(bench, s):
    """What was told at s."""
    return [line[1:] for line in bench.told if line[0] == s]


# --- therapy control state ---


@pytest.mark.parametrize(
    "way, code",
    [((events.PAUSE,), events.NOT_APPLICABLE), ((events.STOP,), events.SUCCESS), ((events.RUN,), events.SUCCESS),
     ((events.RUN, events.PAUSE, events.RUN), events.SUCCESS),
     ((events.RUN, events.PAUSE, events.STOP), events.SUCCESS),
     ((events.RUN, events.STOP, events.PAUSE), events.NOT_APPLICABLE), ((events.UNDETERMINED,), events.INVALID_OPERAND),
     ((0,), events.INVALID_OPERAND)],
)  # fmt: skip
def test_the_ways_between_the_states(way, code):
    """D-501: Stop after a reset; anything not allowed 0x74, Undetermined 0x71."""
    bench = Bench()
    assert bench.pump.therapy == events.STOP
    assert [bench.do(s, "set_therapy_state", state) for s, state in enumerate(way, 1)][-1] == code


def test_the_state_it_is_in_changes_nothing():
    """D-501: accepted and not recorded; a Pause is not prolonged by another one."""
    bench = Bench().dose(1000)
    bench.do(100, "set_therapy_state", events.PAUSE)
    assert bench.do(500, "set_therapy_state", events.PAUSE) == events.SUCCESS
    assert bench.run(1000).therapy == events.STOP
    assert len(bench.all("THERAPY")) == 3


def test_run_needs_a_reservoir_with_insulin():
    """D-501: detached or empty 0x74, from Pause too."""
    for kind, value in ((DETACHED, 1), (LEVEL, 0)):
        bench = Bench()
        bench.do(1, "inject", kind, value)
        assert bench.do(2, "set_therapy_state", events.RUN) == events.NOT_APPLICABLE
        bench.do(3, "inject", kind, 1 - value if kind == DETACHED else 1)
        assert bench.do(4, "set_therapy_state", events.RUN) == events.SUCCESS


def test_entering_and_leaving_run_tell_the_delivered_rate():
    """D-907: 0 outside Run."""
    bench = Bench().dose(1000)
    bench.do(100, "set_therapy_state", events.PAUSE)
    bench.do(200, "set_therapy_state", events.RUN)
    assert [line[:3] for line in bench.all("BASAL_CHANGED")] == [(0, 0, 1000), (100, 1000, 0), (200, 0, 1000)]
    assert names(bench, 100) == [
        ("THERAPY", events.RUN, events.PAUSE, 0, 0, 0),
        ("BASAL_CHANGED", 1000, 0, events.DEVICE, 0, 0),
    ]


# --- reservoir ---


def test_the_reservoir_loses_one_with_each_pulse():
    """D-811: 300 U is 6000 pulses."""
    bench = Bench().dose(1000)
    bench.bolus(0, 1000)
    pump = bench.run(3600)
    assert len(bench.pulses) == 40
    assert (pump.reservoir.remaining_pulses, pump.reservoir.remaining_mu) == (5960, 298000)


def test_low_is_told_once_when_a_pulse_reaches_the_level():
    """D-812: 20.05 to 20.00 U raises it; setting the level does not."""
    bench = Bench().dose(1000)
    bench.do(1, "inject", LEVEL, 400)
    bench.run(200)
    assert bench.all("ANNUNCIATION") == []
    bench.do(200, "inject", LEVEL, 402)
    bench.run(539)
    assert bench.all("ANNUNCIATION") == []
    bench.run(2000)
    assert bench.all("ANNUNCIATION") == [(540, 1, events.RESERVOIR_LOW, events.PENDING, 0, 0)]


def test_every_ten_units_is_recorded():
    """D-814: 300 U: the first at 290; also when it is set, detached and attached; zero is a multiple."""
    bench = Bench().dose(30000)
    bench.bolus(0, 10000)
    bench.run(700)
    recorded = bench.all("RESERVOIR")
    assert [line[1] for line in recorded] == [290000]
    bench.do(700, "inject", LEVEL, 1)
    bench.run(800)
    assert [line[1] for line in bench.all("RESERVOIR")] == [290000, 50, 0]
    bench.do(900, "inject", DETACHED, 1)
    bench.do(900, "inject", DETACHED, 1)
    bench.do(901, "inject", DETACHED, 0)
    assert [line[0] for line in bench.all("RESERVOIR")[3:]] == [900, 901]


def test_the_last_pulse_is_delivered_and_the_next_at_its_second_is_not():
    """D-813: one pulse left, a bolus and a basal pulse due: the bolus pulse comes, the basal pulse does not."""
    bench = Bench().dose(1000)
    bench.tbr(176, 1000, 30)
    bench.bolus(176, 500)
    bench.do(178, "inject", LEVEL, 1)
    pump = bench.run(5000)
    assert bench.pulses == [178, 180]
    assert pump.therapy == events.STOP
    assert names(bench, 180) == [
        ("RESERVOIR", 0, 0, 0, 0, 0),
        ("ANNUNCIATION", 1, events.RESERVOIR_EMPTY, events.PENDING, 0, 0),
        ("BOLUS_ENDED", 1, 100, events.ERROR_ABORT, 1, 176),
        ("TBR_ENDED", 0, events.ERROR_ABORT, 1, 0, 0),
        ("BASAL_CHANGED", 1000, 1000, events.DEVICE, 0, 0),
        ("THERAPY", events.RUN, events.STOP, 0, 0, 0),
        ("BASAL_CHANGED", 1000, 0, events.DEVICE, 0, 0),
    ]


def test_a_bolus_that_empties_the_reservoir_with_its_last_pulse_is_complete():
    """D-813, D-003: only one that is not complete is aborted; it ends in its own step, after the Stop."""
    bench = Bench().dose(0)
    bench.do(10, "inject", LEVEL, 4)
    bench.bolus(10, 200)
    bench.run(100)
    assert bench.all("BOLUS_ENDED") == [(18, 1, 200, events.COMPLETE, 0, 10)]
    assert [name for _, name in bench.since(18)] == ["RESERVOIR", "ANNUNCIATION", "THERAPY", "BOLUS_ENDED"]
    assert bench.pump.therapy == events.STOP


@pytest.mark.parametrize("state", [events.RUN, events.PAUSE])
@pytest.mark.parametrize("kind, value, annunciations", [(DETACHED, 1, 0), (LEVEL, 0, 1)])
def test_a_reservoir_taken_off_or_emptied_stops_therapy(state, kind, value, annunciations):
    """D-814: as D-813 does, with the annunciation only when it was set to zero."""
    bench = Bench().dose(1000)
    bench.bolus(90, 1000)
    bench.do(91, "set_therapy_state", state)
    bench.do(91, "inject", kind, value)
    bench.run(1000)
    assert (bench.pulses, bench.pump.therapy) == ([], events.STOP)
    assert len(bench.all("ANNUNCIATION")) == annunciations
    assert bench.all("BOLUS_ENDED") == [(91, 1, 0, events.ERROR_ABORT, annunciations, 90)]


@pytest.mark.parametrize("kind, value", [(LEVEL, 6001), (LEVEL, -1), (OCCLUSION, 2), (DETACHED, 2), (0x0F, 0)])
def test_an_impossible_fault_is_refused(kind, value):
    """D-814: no more than the capacity, and only faults that exist; nothing changes and nothing is recorded."""
    bench = Bench()
    assert bench.do(1, "inject", kind, value) == events.OUT_OF_RANGE
    assert bench.pump.reservoir.remaining_pulses == 6000
    assert bench.all("RESERVOIR") == []


def test_attaching_what_is_attached_changes_nothing():
    """D-814: therapy goes on, and nothing is recorded."""
    bench = Bench().dose(1000)
    bench.do(100, "inject", DETACHED, 0)
    bench.run(180)
    assert (bench.pulses, bench.since(100)) == ([180], [])


# --- occlusion ---


def test_an_occlusion_is_found_before_the_next_pulse():
    """D-821: force high at 100.5, next pulse due at 180: Stop at 180 without it; nothing is read before."""
    bench = Bench().dose(1000)
    bench.tbr(50, 1000, 30)
    bench.run(100)
    bench.occluded = True
    pump = bench.run(2000)
    assert (bench.pulses, bench.readings, pump.therapy) == ([], [180], events.STOP)
    assert names(bench, 180)[:2] == [
        ("ANNUNCIATION", 1, events.OCCLUSION_DETECTED, events.PENDING, 0, 0),
        ("TBR_ENDED", 2, events.ERROR_ABORT, 1, 0, 0),
    ]
    assert (pump.delivery.dropped_pulses, pump.delivery.dropped_rest) == (1, 0)


def test_an_occlusion_at_a_bolus_pulse_holds_back_the_basal_pulse_too():
    """D-821, D-003: the bolus pulse of the second comes first; the injected fault acts as the force does."""
    bench = Bench().dose(1000)
    bench.bolus(100, 10000)
    bench.do(179, "inject", OCCLUSION, 1)
    pump = bench.run(1000)
    assert bench.pulses == list(range(102, 180, 2))
    assert bench.all("BOLUS_ENDED") == [(180, 1, 39 * 50, events.ERROR_ABORT, 1, 100)]
    assert pump.reservoir.remaining_pulses == 6000 - 39
    bench.do(1000, "inject", OCCLUSION, 0)
    bench.do(1000, "set_therapy_state", events.RUN)
    bench.run(1180)
    assert bench.pulses[-1] == 1180


def test_no_pulse_due_no_occlusion():
    """D-821: at a rate of 0 the force is not read."""
    bench = Bench().dose(0)
    bench.occluded = True
    assert bench.run(86400).therapy == events.RUN
    assert bench.readings == []


# --- annunciations ---


def occluded(bench, s):
    """Raise an occlusion with a bolus pulse at s + 2."""
    bench.do(s, "inject", OCCLUSION, 1)
    bench.do(s, "set_therapy_state", events.RUN)
    bench.bolus(s, 50)
    bench.run(s + 2)


def test_no_second_one_of_a_type_before_the_first_is_confirmed():
    """D-831: but the fault names the one that stands; IDs count from 1."""
    bench = Bench()
    occluded(bench, 10)
    occluded(bench, 20)
    assert [line[4] for line in bench.all("BOLUS_ENDED")] == [1, 1]
    assert bench.do(30, "confirm", 1) == events.SUCCESS
    occluded(bench, 40)
    assert [line[1:4] for line in bench.all("ANNUNCIATION")] == [
        (1, events.OCCLUSION_DETECTED, events.PENDING),
        (1, events.OCCLUSION_DETECTED, events.CONFIRMED),
        (2, events.OCCLUSION_DETECTED, events.PENDING),
    ]


def test_a_snooze_lasts_thirty_minutes():
    """D-831: snoozed at 100, pending at 1900."""
    bench = Bench()
    occluded(bench, 10)
    assert bench.do(100, "snooze", 1) == events.SUCCESS
    bench.run(1899)
    assert bench.all("ANNUNCIATION")[-1] == (100, 1, events.OCCLUSION_DETECTED, events.SNOOZED, 0, 0)
    bench.run(1900)
    assert bench.all("ANNUNCIATION")[-1] == (1900, 1, events.OCCLUSION_DETECTED, events.PENDING, 0, 0)
    bench.run(9000)
    assert len(bench.all("ANNUNCIATION")) == 3


def test_two_snoozes_that_end_together_end_oldest_first():
    """D-831, D-003: whatever their types."""
    bench = Bench()
    bench.do(1, "inject", LEVEL, 0)
    bench.do(2, "inject", LEVEL, 1)
    bench.do(2, "set_therapy_state", events.RUN)
    bench.do(2, "inject", LEVEL, 0)
    bench.do(3, "inject", LEVEL, 6000)
    occluded(bench, 10)
    for annunciation in (2, 1):
        bench.do(100, "snooze", annunciation)
    bench.run(1900)
    assert [(line[0], line[1]) for line in bench.all("ANNUNCIATION")[-2:]] == [(1900, 1), (1900, 2)]


def test_a_confirmed_one_does_not_wake_up():
    """D-831: confirming ends the snooze."""
    bench = Bench()
    occluded(bench, 10)
    bench.do(100, "snooze", 1)
    bench.do(200, "confirm", 1)
    bench.run(9000)
    assert [line[3] for line in bench.all("ANNUNCIATION")] == [events.PENDING, events.SNOOZED, events.CONFIRMED]


def test_shown_is_the_oldest_pending_else_the_oldest_snoozed():
    """D-831: through snoozes and confirmations."""
    bench = Bench()

    def shown():
        slot = bench.pump.annunciations.shown()
        return None if slot < 0 else bench.pump.annunciations.ids[slot]

    assert shown() is None
    occluded(bench, 10)
    bench.do(20, "inject", OCCLUSION, 0)
    bench.do(20, "set_therapy_state", events.RUN)
    bench.do(21, "inject", LEVEL, 0)
    assert shown() == 1
    bench.do(30, "snooze", 1)
    assert shown() == 2
    bench.do(31, "snooze", 2)
    assert shown() == 1
    bench.do(32, "confirm", 1)
    assert shown() == 2
    bench.do(33, "confirm", 2)
    assert shown() is None


@pytest.mark.parametrize("command", ["confirm", "snooze"])
def test_an_id_that_is_none_or_confirmed(command):
    """D-831: 0x74."""
    bench = Bench()
    assert bench.do(1, command, 1) == events.NOT_APPLICABLE
    assert bench.do(1, command, 0) == events.NOT_APPLICABLE
    occluded(bench, 10)
    bench.do(20, "confirm", 1)
    assert bench.do(21, command, 1) == events.NOT_APPLICABLE
