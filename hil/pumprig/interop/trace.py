"""The trace of the matrix, and the program that wrote it.

    python -m pumprig.interop.trace > hil/pumprig/data/interop_trace.csv

Nobody wore this sensor. In six hours glucose rises beyond what a sensor tells, falls below it, and comes back.
"""

from __future__ import annotations

import math
import sys
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

__all__ = ["interop_trace_path", "trace_text"]

START = datetime(2026, 3, 4, 6, 0)
INTERVAL_MINUTES = 5
_TURNS = ((0, 130), (40, 126), (105, 428), (150, 290), (232, 36), (285, 118), (360, 112))
"""Minutes and mg/dL between which glucose goes as half a cosine."""


def interop_trace_path() -> Path:
    """The trace that comes with pumprig."""
    return Path(__file__).resolve().parent.parent / "data" / "interop_trace.csv"


def _glucose(minute: int) -> float:
    for (begin, left), (end, right) in pairwise(_TURNS):
        if minute <= end:
            share = (1 - math.cos(math.pi * (minute - begin) / (end - begin))) / 2
            return left + (right - left) * share
    return _TURNS[-1][1]


def trace_text() -> str:
    """The whole file as a plain CSV."""
    lines = ["# Synthetic CGM trace: written by a program, worn by nobody. Not for therapy.", "time,glucose_mg_dl"]
    for minute in range(0, _TURNS[-1][0], INTERVAL_MINUTES):
        lines.append(f"{(START + timedelta(minutes=minute)).isoformat()},{math.floor(_glucose(minute) + 0.5)}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(trace_text())
