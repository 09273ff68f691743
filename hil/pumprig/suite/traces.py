"""The traces of the suite's scenarios, and the program that wrote them.

    python -m pumprig.suite.traces

Nobody wore these sensors. Each trace is a few corners (minute, glucose in mg/dL) with straight lines between them,
sampled every five minutes, with what is missing left out.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

__all__ = ["FOLDER", "TRACES", "Shape", "as_csv", "main"]

FOLDER = Path(__file__).parent / "scenarios"


@dataclass(frozen=True)
class Shape:
    """How a trace runs.

    Args:
        about: one line for the file's head.
        start: local time of the first sample.
        corners: (minute, glucose in mg/dL), the first at minute 0.
        every_minutes: distance of two samples.
        missing: (first, last) minute without a sample, both included.
        extra: (minute, glucose) of samples off the grid, or in place of one on it.
    """

    about: str
    start: datetime
    corners: tuple[tuple[int, int], ...]
    every_minutes: int = 5
    missing: tuple[tuple[int, int], ...] = ()
    extra: tuple[tuple[int, int], ...] = ()

    def samples(self) -> dict[int, int]:
        """Glucose in mg/dL by minute, in the order of time."""
        found = {
            minute: self._at(minute)
            for minute in range(0, self.corners[-1][0] + 1, self.every_minutes)
            if not any(first <= minute <= last for first, last in self.missing)
        }
        return dict(sorted((found | dict(self.extra)).items()))

    def _at(self, minute: int) -> int:
        for (begin, low), (end, high) in pairwise(self.corners):
            if minute <= end:
                # Half up, in whole numbers: the same on every machine.
                span = end - begin
                return (2 * (low * span + (high - low) * (minute - begin)) + span) // (2 * span)
        raise ValueError(f"minute {minute} lies after the last corner")


TRACES: dict[str, Shape] = {
    "flat": Shape("Nothing happens for four hours.", datetime(2026, 3, 2, 7, 30), ((0, 120), (240, 120))),
    "day": Shape("Nothing happens for a day and two hours.", datetime(2026, 3, 2, 7, 30), ((0, 120), (1560, 120)), 15),
    "evening": Shape("Nothing happens around midnight.", datetime(2026, 2, 28, 22, 50), ((0, 120), (160, 120))),
    "lows": Shape(
        "Two lows: one with a slow way up, one below what the sensor can show.", datetime(2026, 3, 2, 1, 0),
        ((0, 118), (20, 118), (45, 68), (60, 62), (75, 62), (90, 74), (110, 120), (130, 120), (150, 39), (165, 39),
         (180, 70), (190, 70), (200, 69), (210, 90), (240, 90)),
    ),
    "longlow": Shape(
        "A low that lasts longer than suspending is allowed.", datetime(2026, 3, 2, 1, 0),
        ((0, 90), (15, 75), (20, 69), (320, 45)),
    ),
    "marathon": Shape(
        "A low every three quarters of an hour, for twelve hours.", datetime(2026, 3, 1, 20, 0),
        tuple(
            (45 * cycle + minute, glucose)
            for cycle in range(16)
            for minute, glucose in ((0, 110), (20, 62 + cycle % 3), (29 + cycle % 4, 58))
        ),
    ),
    "edges": Shape(
        "Glucose and predictions at the limits themselves, distances of 17 and 18 minutes.", datetime(2026, 3, 2, 3, 0),
        # Minute 15 predicts exactly 80, minute 17 a little less, which shows as 80 too. Then 17 minutes or 18 decide
        # whether a sample rises, and 70 and 69 whether it is low.
        ((0, 125), (15, 110)),
        extra=(
            (17, 109), (35, 112), (50, 60), (67, 61), (85, 62), (103, 63), (120, 64), (125, 70), (130, 70), (135, 69),
            (140, 69), (145, 70), (150, 401), (168, 39), (169, 39), (171, 41), (173, 39), (174, 40), (200, 120),
        ),
    ),
    "meal": Shape(
        "A meal, a low after it, half an hour without a sample, and a quiet end.", datetime(2026, 3, 2, 11, 0),
        ((0, 112), (20, 118), (60, 150), (105, 222), (150, 236), (215, 171), (260, 118), (300, 67), (330, 61),
         (365, 104), (480, 121)),
        missing=((390, 420),), extra=((0, 110), (5, 112), (10, 115), (435, 117), (440, 115), (445, 118)),
    ),
    "holes": Shape(
        "Gaps before, in and after a low.", datetime(2026, 3, 2, 9, 0),
        ((0, 110), (10, 104), (30, 66), (60, 58), (120, 100), (200, 100)),
        missing=((35, 55), (65, 90), (130, 150)),
    ),
}  # fmt: skip


def as_csv(name: str) -> Iterator[str]:
    """The lines of a trace as a plain CSV."""
    shape = TRACES[name]
    yield f"# Synthetic: {shape.about} Written by a program, worn by nobody. Not for therapy."
    yield "# python -m pumprig.suite.traces"
    yield "time,glucose_mg_dl"
    for minute, glucose_mg_dl in shape.samples().items():
        yield f"{(shape.start + timedelta(minutes=minute)).isoformat()},{glucose_mg_dl}"


def main() -> int:
    """Write all traces beside their scenarios."""
    for name in TRACES:
        (FOLDER / f"{name}.csv").write_text("".join(f"{line}\n" for line in as_csv(name)), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
