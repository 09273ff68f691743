"""Glucose status: where glucose stands and how it moved of late (D-1011)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pumprig.oracle.oref.inputs import GlucoseStatus
from pumprig.oracle.oref.numbers import rounded

__all__ = ["Reading", "Status", "status_of"]

_MINUTE_MS = 60_000
_COUNTS_ABOVE = 38


@dataclass(frozen=True, slots=True)
class Reading:
    """A reading at a moment in ms; `counts` is false for another sensor's, `calibration` ends what counts."""

    at_ms: float
    mg_dl: float
    counts: bool = True
    calibration: bool = False


@dataclass(frozen=True, slots=True)
class Status:
    """The glucose status, and the moment that "now" is, as the mean of the newest readings (D-1011)."""

    glucose: GlucoseStatus
    at_ms: float


def _mean(slopes: list[float]) -> float:
    total = 0.0
    for slope in slopes:
        total += slope
    return rounded(total / len(slopes), 2) if slopes else 0.0


def status_of(newest: Reading, older: Iterable[Reading]) -> Status:
    """The status of readings.

    Args:
        newest: the reading that is decided on.
        older: those before it, newest first.
    """
    now, at_ms = newest.mg_dl, newest.at_ms
    delta: list[float] = []
    short: list[float] = []
    long: list[float] = []
    for reading in older:
        if reading.calibration:
            break
        if not reading.counts or reading.mg_dl <= _COUNTS_ABOVE:
            continue
        m = rounded((at_ms - reading.at_ms) / _MINUTE_MS)
        if -1 <= m <= 2:
            now, at_ms = (now + reading.mg_dl) / 2, (at_ms + reading.at_ms) / 2
        elif 3 <= m <= 42:
            slope = (now - reading.mg_dl) / m * 5
            (short if m <= 17 else long).append(slope)
            if m <= 7:
                delta.append(slope)
    return Status(GlucoseStatus(rounded(now, 2), _mean(delta), _mean(short), _mean(long)), at_ms)
