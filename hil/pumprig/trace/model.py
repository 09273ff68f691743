"""What a trace is, once it has been read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal, NamedTuple

MG_DL_PER_MMOL_L = Decimal("18.02")
"""The factor that CGMS 1.0.2 gives its clients."""

LOW_MG_DL = 39
HIGH_MG_DL = 401
GLUCOSE_MG_DL_MIN = 1
GLUCOSE_MG_DL_MAX = 1000

Unit = Literal["mg/dL", "mmol/L"]
OutOfRange = Literal["", "low", "high"]


class Record(NamedTuple):
    """One CGM reading as a file gives it: before order, duplicates and the minute grid are judged."""

    line: int
    time: datetime
    glucose_mg_dl: int
    flag: OutOfRange
    written: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One CGM sample.

    Attributes:
        offset_minutes: whole minutes since the first sample, as a CGM session counts them.
        glucose_mg_dl: whole mg/dL; 39 and 401 where the sensor said Low and High.
        flag: `low` or `high` where the sensor gave no number, else empty.
        line: line of the source file.
    """

    offset_minutes: int
    glucose_mg_dl: int
    flag: OutOfRange = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Gap:
    """Two neighbouring samples more than one and a half intervals apart; nothing is filled in between."""

    from_offset_minutes: int
    to_offset_minutes: int

    @property
    def minutes(self) -> int:
        """Length of the gap."""
        return self.to_offset_minutes - self.from_offset_minutes


@dataclass(frozen=True, slots=True)
class Trace:
    """A CGM trace without a name: no path, no person, no serial number.

    Attributes:
        samples: in strictly rising order of `offset_minutes`; the first has offset 0.
        start: local time of the first sample, without a zone.
        source_sha256: of the file's bytes.
        source_format: `dexcom`, `libre`, `carelink`, `nightscout` or `plain`.
        interval_minutes: median distance of two samples.
        gaps: distances of more than one and a half intervals.
        duplicates_dropped: records that repeated another's time and glucose.
        notes: what the reader did or left out, one sentence each.
    """

    samples: tuple[Sample, ...]
    start: datetime
    source_sha256: str
    source_format: str
    interval_minutes: int
    gaps: tuple[Gap, ...]
    duplicates_dropped: int
    notes: tuple[str, ...]

    @property
    def duration_minutes(self) -> int:
        """From the first sample to the end of the last one's interval."""
        return self.samples[-1].offset_minutes + self.interval_minutes

    def time_of(self, offset_minutes: int) -> datetime:
        """Local time of an offset."""
        return self.start + timedelta(minutes=offset_minutes)


def to_mg_dl(value: Decimal, unit: Unit) -> int:
    """Whole mg/dL, rounded half up."""
    scaled = value * MG_DL_PER_MMOL_L if unit == "mmol/L" else value
    return int(scaled.to_integral_value(rounding=ROUND_HALF_UP))
