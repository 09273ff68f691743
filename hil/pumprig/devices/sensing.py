"""What a sensor makes of a trace: its interval, its range, and when it is silent (D-1302).

The trace is what was there to be measured. A sensor that reads more often than the trace draws a straight line between
readings at most 15 minutes apart, and stays silent in a longer gap; one that reads as often or more seldom takes the
nearest reading within half of its interval.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace

from pumprig.devices.cgm import CgmProfile
from pumprig.errors import UsageError
from pumprig.trace import Sample, Trace
from pumprig.trace.series import interval_and_gaps

__all__ = ["LINE_MINUTES_MAX", "in_range", "sensed"]

LINE_MINUTES_MAX = 15
"""Readings further apart than this have nothing between them."""


def sensed(trace: Trace, cgm: CgmProfile, age_minutes: int | None = None, *, measured: bool = True) -> Trace:
    """The trace that a sensor sends.

    Args:
        trace: what is there.
        cgm: the sensor.
        age_minutes: how long its session has run at the first reading; None when its warm-up has just ended.
        measured: false for times alone, whose glucose is measured as a run goes.

    Raises:
        UsageError: the sensor says nothing in this time.
    """
    step = cgm.interval_minutes.value
    last = trace.samples[-1].offset_minutes + (0 if measured else trace.interval_minutes - 1)
    samples: list[Sample] = []
    silent = missing = 0
    for minute in range(trace.samples[0].offset_minutes, last + 1, step):
        if _warming_up(cgm, age_minutes, minute):
            silent += 1
            continue
        sample = _reading(trace, minute, step) if measured else Sample(minute, 0)
        if sample is None:
            missing += 1
        else:
            samples.append(in_range(sample, cgm) if measured else sample)
    if not samples:
        raise UsageError(
            f"{cgm.title} says nothing in these {last + 1} minutes; its warm-up takes {cgm.warm_up_minutes.value}",
            where="cgm_age_minutes", remedy="Choose a longer part of the trace, or an older session.",
        )  # fmt: skip
    notes = [*trace.notes, f"Sensed by {cgm.title}, every {step} min: {len(samples)} of {len(trace.samples)} readings."]
    if silent:
        notes.append(f"Not taken while the sensor warmed up: {silent}.")
    if missing:
        notes.append(f"Not taken in gaps of the trace: {missing}.")
    _, gaps = interval_and_gaps(tuple(samples))
    return replace(trace, samples=tuple(samples), interval_minutes=step, gaps=gaps, notes=tuple(notes))


def in_range(sample: Sample, cgm: CgmProfile) -> Sample:
    """A reading as the sensor tells it: Low and High are its numbers for them, whatever the trace had."""
    glucose = sample.glucose_mg_dl
    if glucose < cgm.least_mg_dl.value or sample.flag == "low":
        return replace(sample, glucose_mg_dl=cgm.below_mg_dl.value, flag="low")
    if glucose > cgm.most_mg_dl.value or sample.flag == "high":
        return replace(sample, glucose_mg_dl=cgm.above_mg_dl.value, flag="high")
    return sample


def _warming_up(cgm: CgmProfile, age_minutes: int | None, minute: int) -> bool:
    warm_up = cgm.warm_up_minutes.value
    age = warm_up if age_minutes is None else age_minutes
    return (age + minute) % (60 * cgm.session_hours.value) < warm_up


def _reading(trace: Trace, minute: int, step: int) -> Sample | None:
    samples = trace.samples
    after = bisect_left(samples, minute, key=lambda sample: sample.offset_minutes)
    if after < len(samples) and samples[after].offset_minutes == minute:
        return samples[after]
    if step < trace.interval_minutes:
        return _between(samples, after, minute)
    # Of two that are equally near, the one that was there first.
    neighbours = samples[max(0, after - 1) : after + 1]
    found = min(neighbours, key=lambda sample: abs(sample.offset_minutes - minute))
    return replace(found, offset_minutes=minute) if 2 * abs(found.offset_minutes - minute) <= step else None


def _between(samples: Sequence[Sample], after: int, minute: int) -> Sample | None:
    if not 0 < after < len(samples):
        return None
    left, right = samples[after - 1], samples[after]
    apart = right.offset_minutes - left.offset_minutes
    if apart > LINE_MINUTES_MAX:
        return None
    rise = (right.glucose_mg_dl - left.glucose_mg_dl) * (minute - left.offset_minutes)
    # Rounded half up, in whole numbers.
    glucose = left.glucose_mg_dl + (2 * rise + apart) // (2 * apart)
    return Sample(minute, glucose, left.flag if left.flag == right.flag else "", left.line)
