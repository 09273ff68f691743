"""What a sensor makes of a trace (D-1302, D-1303).

Goal: a reading stands where the sensor takes one and nowhere else, with the glucose that the trace has there; the
range, the warm-up and the latency are those of the profile. Method: short traces over profiles made for the edge, with
exact results.
"""

import hashlib
from datetime import datetime

import pytest

from hil.rig_bench import PLGS, fault, flat
from pumprig.devices.cgm import load_cgm
from pumprig.devices.facts import Fact
from pumprig.devices.sensing import sensed
from pumprig.errors import UsageError
from pumprig.runs import make_plan
from pumprig.trace import Sample, Trace
from pumprig.trace.series import interval_and_gaps

G6 = load_cgm("dexcom_g6")


def cgm(**values):
    """A sensor with some values of its own; without warm-up unless one is given."""
    made = {name: Fact(value=value, unverified=True) for name, value in {"warm_up_minutes": 0, **values}.items()}
    return G6.model_copy(update=made)


def trace(*readings):
    """A trace of (minute, mg/dL) or (minute, mg/dL, flag)."""
    samples = tuple(Sample(*reading) for reading in readings)
    interval, gaps = interval_and_gaps(samples)
    return Trace(samples, datetime(2026, 3, 4, 6), hashlib.sha256().hexdigest(), "plain", interval, gaps, 0, ())


def told(made):
    return [(sample.offset_minutes, sample.glucose_mg_dl, sample.flag) for sample in made.samples]


FIVE = trace(*((minute, 100 + minute) for minute in range(0, 61, 5)))


def test_a_sensor_with_the_interval_of_the_trace_sends_the_trace():
    made = sensed(FIVE, cgm())
    assert made.samples == FIVE.samples and made.interval_minutes == 5 and made.gaps == FIVE.gaps


def test_a_finer_sensor_draws_a_straight_line_and_rounds_half_up():
    made = sensed(trace((0, 100), (4, 102), (8, 101)), cgm(interval_minutes=1))
    assert [glucose for _, glucose, _ in told(made)] == [100, 101, 101, 102, 102, 102, 102, 101, 101]


@pytest.mark.parametrize(("apart", "between"), [(15, 14), (16, 0)])
def test_a_line_reaches_over_15_minutes_and_no_further(apart, between):
    made = sensed(trace((0, 100), (5, 100), (10, 100), (10 + apart, 100), (15 + apart, 100)), cgm(interval_minutes=1))
    assert len([minute for minute, _, _ in told(made) if 10 < minute < 10 + apart]) == between
    assert made.gaps == () if between else [gap.minutes for gap in made.gaps] == [16]


def test_a_coarser_sensor_takes_the_nearest_reading_and_of_two_the_earlier():
    readings = trace((0, 100), (5, 105), (10, 110), (16, 116), (25, 125), (35, 135), (60, 160))
    made = sensed(readings, cgm(interval_minutes=15))
    assert told(made) == [(0, 100, ""), (15, 116, ""), (30, 125, ""), (60, 160, "")]


@pytest.mark.parametrize(
    ("glucose", "flag", "sent"),
    [
        (40, "", (40, "")), (39, "", (30, "low")), (400, "", (400, "")), (401, "", (501, "high")),
        (39, "low", (30, "low")), (401, "high", (501, "high")), (45, "low", (30, "low")),
    ],
)  # fmt: skip
def test_beyond_its_range_a_sensor_says_its_own_low_and_high(glucose, flag, sent):
    made = sensed(trace((0, glucose, flag)), cgm(below_mg_dl=30, above_mg_dl=501))
    assert told(made) == [(0, *sent)]


def test_between_a_low_and_a_number_is_a_number_unless_it_is_below_the_range():
    made = sensed(trace((0, 39, "low"), (5, 54)), cgm(interval_minutes=1))
    assert told(made)[:2] == [(0, 39, "low"), (1, 42, "")]


@pytest.mark.parametrize(("age", "first"), [(None, 0), (0, 30), (29, 5), (30, 0), (25, 5)])
def test_a_session_begins_with_its_warm_up(age, first):
    assert sensed(FIVE, cgm(warm_up_minutes=30), age).samples[0].offset_minutes == first


def test_another_session_begins_when_one_is_over_and_warms_up_again():
    made = sensed(FIVE, cgm(warm_up_minutes=10, session_hours=1), 40)
    assert [minute for minute, _, _ in told(made)] == [0, 5, 10, 15, *range(30, 61, 5)]


def test_a_run_within_the_warm_up_is_refused():
    with pytest.raises(UsageError, match="says nothing in these 61 minutes; its warm-up takes 120"):
        sensed(FIVE, cgm(warm_up_minutes=120), 0)


def test_times_alone_follow_the_sensor_and_its_warm_up():
    made = sensed(trace(*((minute, 0) for minute in range(0, 60, 5))), cgm(interval_minutes=10), measured=False)
    assert [minute for minute, _, _ in told(made)] == [0, 10, 20, 30, 40, 50]


def test_it_is_the_same_each_time():
    made = [sensed(FIVE, load_cgm(name)) for name in ("libre3", "libre2", "dexcom_g7")]
    again = [sensed(FIVE, load_cgm(name)) for name in ("libre3", "libre2", "dexcom_g7")]
    assert made == again and [len(each.samples) for each in made] == [61, 5, 13]


# --- on its way to the pump ---


def test_a_sample_arrives_its_latency_after_it_was_measured(bench, monkeypatch):
    bench.trace(flat(60))
    monkeypatch.setattr("pumprig.devices.choice.load_cgm", lambda name: cgm(latency_s=90))
    schedule = make_plan(bench.scenario('cgm_profile = "dexcom_g6"', PLGS)).schedule
    arrivals = [stimulus.at_s - schedule.start_s for stimulus in schedule.of_kind("sample")]
    assert arrivals == [90 + 300 * number for number in range(12)]


@pytest.mark.parametrize(("minutes", "first"), [(0, 50), (29, 25), (30, 20), (180, 20)])
def test_a_sensor_keeps_what_was_missed_for_its_back_fill_time(bench, monkeypatch, minutes, first):
    bench.trace(flat(90))
    monkeypatch.setattr("pumprig.devices.choice.load_cgm", lambda name: cgm(backfill_minutes=minutes))
    plan = make_plan(bench.scenario('cgm_profile = "dexcom_g6"', PLGS, fault(1000, "bearer_down", for_seconds=2000)))
    # Missed are those of 20 to 45 min; the connection is back at 50.
    kept = [sample.offset_minutes for sample in plan.missed(plan.schedule.start_s + 3000)]
    assert kept == list(range(first, 50, 5))
