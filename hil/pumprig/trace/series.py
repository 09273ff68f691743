"""From a file's records to a trace: order, duplicates, window, minute grid, gaps."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median_low

from pumprig.errors import TraceError, UsageError
from pumprig.trace.model import Gap, Record, Sample

DEFAULT_INTERVAL_MINUTES = 5


def in_order(records: Sequence[Record], file: str, minutes_only: bool, notes: list[str]) -> tuple[list[Record], int]:
    """Oldest first, every time once.

    Args:
        records: in the order of the file, oldest or newest first.
        file: the file's name for messages.
        minutes_only: the format's times have no seconds, so that two different readings may share one.
        notes: gets what was done.

    Returns:
        The records and the number of equal duplicates dropped.

    Raises:
        TraceError: two glucose values at one time, or a time that goes back.
    """
    newest_first = records[0].time > records[-1].time
    ordered = list(reversed(records)) if newest_first else list(records)
    if newest_first:
        notes.append("The file is newest first; it was turned round.")
    seen: dict[datetime, Record] = {}
    kept: list[Record] = []
    duplicates = shared = 0
    first_shared: tuple[Record, Record] | None = None
    for record in ordered:
        earlier = seen.get(record.time)
        if earlier is None:
            if kept and record.time < kept[-1].time:
                raise _goes_back(kept[-1], record, file, newest_first)
            seen[record.time] = record
            kept.append(record)
        elif (earlier.glucose_mg_dl, earlier.flag) == (record.glucose_mg_dl, record.flag):
            duplicates += 1
        elif minutes_only and kept[-1].time == record.time:
            shared += 1
            first_shared = first_shared or (earlier, record)
            seen[record.time] = kept[-1] = record
        else:
            raise _conflict(earlier, record, file)
    if duplicates:
        notes.append(f"Equal duplicates dropped: {duplicates}.")
    if first_shared:
        earlier, later = first_shared
        notes.append(
            f"Readings that share a minute with a later one, left out: {shared} (first: line {earlier.line} "
            f"with {earlier.written} before line {later.line} with {later.written})."
        )
    return kept, duplicates


def _goes_back(before: Record, record: Record, file: str, newest_first: bool) -> TraceError:
    at, against = (before, record) if newest_first else (record, before)
    verb = "forward" if newest_first else "back"
    return TraceError(
        f"time goes {verb} to {at.time.isoformat(' ')} after {against.time.isoformat(' ')} on line {against.line}",
        where=f"{file}:{at.line}",
        allowed="times that rise through the whole file, or fall through the whole file",
        remedy="A clock change or a second sensor may lie here: cut the file at this line and use one part.",
    )


def _conflict(earlier: Record, record: Record, file: str) -> TraceError:
    first, second = sorted((earlier, record), key=lambda r: r.line)
    return TraceError(
        f"conflicting readings at {record.time.isoformat(' ')}: {first.written} on line {first.line}, "
        f"{second.written} on line {second.line}",
        where=f"{file}:{second.line}",
        allowed="one glucose value at a time",
        remedy="Remove the wrong one of the two lines.",
    )


def window(records: list[Record], start: float | str | datetime | None, hours: float | None, file: str) -> list[Record]:
    """The part of a trace from `start` on, `hours` long; its end is not part of it.

    Args:
        records: oldest first.
        start: hours after the first record, or a local time; None for the first record.
        hours: length in hours; None for all.
        file: the file's name for messages.

    Raises:
        UsageError: an unreadable start or length, or no record in that part.
    """
    if hours is not None and not 0 < hours <= 24 * 366:
        raise UsageError(f"hours {hours:g} is no usable length", allowed="more than 0, at most 8784 hours")
    begin = _start_time(records[0].time, start)
    end = datetime.max if hours is None else begin + timedelta(hours=hours)
    chosen = [record for record in records if begin <= record.time < end]
    if not chosen:
        raise UsageError(
            f"no reading from {begin.isoformat(' ')}" + ("" if hours is None else f" within {hours:g} hours"),
            where=file,
            allowed=f"a start from {records[0].time.isoformat(' ')} to {records[-1].time.isoformat(' ')}",
            remedy="Choose another --start or more --hours.",
        )
    return chosen


def _start_time(first: datetime, start: float | str | datetime | None) -> datetime:
    if start is None:
        return first
    if isinstance(start, str) and re.fullmatch(r"\d+(\.\d+)?", start.strip()):
        start = float(start)
    try:
        if isinstance(start, str):
            start = datetime.fromisoformat(start.strip())
        if isinstance(start, datetime):
            return start.replace(tzinfo=None)
        if start >= 0:
            return first + timedelta(hours=start)
    except (ValueError, OverflowError):
        pass
    raise UsageError(
        f"start {start!r} cannot be read", allowed="hours after the first reading, or a time such as 2026-03-04T06:00"
    )


def on_minutes(records: list[Record], notes: list[str]) -> tuple[Sample, ...]:
    """Samples on the nearest whole minute since the first record; of two on one minute the later is kept."""
    first = records[0].time
    samples: list[Sample] = []
    merged = 0
    for record in records:
        offset_minutes = int((record.time - first).total_seconds() + 30) // 60
        sample = Sample(offset_minutes, record.glucose_mg_dl, record.flag, record.line)
        if samples and samples[-1].offset_minutes == offset_minutes:
            samples[-1] = sample
            merged += 1
        else:
            samples.append(sample)
    if merged:
        notes.append(f"Readings that fall on the same minute offset as a later one, left out: {merged}.")
    return tuple(samples)


def interval_and_gaps(samples: tuple[Sample, ...]) -> tuple[int, tuple[Gap, ...]]:
    """The median distance of two samples, and the distances of more than one and a half times it."""
    offsets = [sample.offset_minutes for sample in samples]
    steps = [later - earlier for earlier, later in pairwise(offsets)]
    interval = median_low(steps) if steps else DEFAULT_INTERVAL_MINUTES
    gaps = (Gap(a, b) for a, b in pairwise(offsets) if 2 * (b - a) > 3 * interval)
    return interval, tuple(gaps)
