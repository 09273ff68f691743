"""The synthetic day that comes with pumprig, and the program that wrote it.

    python -m pumprig.trace.synthetic --seed 2026 > hil/pumprig/data/synthetic_day.csv

Nobody wore this sensor. The day runs from six to six at one sample in 5 minutes and holds what a rig wants to see:
three meals, a high after lunch, a low in the afternoon, a gap in the evening, and a compression dip at night.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta

START = datetime(2026, 3, 4, 6, 0)
INTERVAL_MINUTES = 5
SAMPLES = 288
DEFAULT_SEED = 2026

# (minutes after the start, rise in mg/dL, minutes to the peak)
_MEALS = ((75, 78, 55), (375, 182, 70), (765, 88, 60))
# (minutes after the start, depth in mg/dL, half width in minutes)
_EXERCISE_LOW = (610, 79, 62)
_GAP = (930, 970)
# (minutes after the start, share of the glucose that the pressed sensor still sees)
_COMPRESSION = ((1250, 0.86), (1255, 0.66), (1260, 0.55), (1265, 0.53), (1270, 0.56), (1275, 0.72), (1280, 0.91))


def _meal(minutes: float, rise: float, peak: float) -> float:
    if minutes <= 0:
        return 0.0
    share = minutes / peak
    return rise * share**2 * math.exp(2 * (1 - share))


def _glucose(minute: int) -> float:
    dawn = 14 * math.exp(-(((minute - 90) / 120) ** 2)) + 12 * math.exp(-(((minute - 1440) / 150) ** 2))
    meals = sum(_meal(minute - at, rise, peak) for at, rise, peak in _MEALS)
    at, depth, half_width = _EXERCISE_LOW
    exercise = depth * math.exp(-(((minute - at) / half_width) ** 2))
    return 112 + dawn + meals - exercise


def readings(seed: int) -> Iterator[tuple[datetime, int]]:
    """Time and glucose in mg/dL of each sample; the same for the same seed on every machine."""
    noise = random.Random(seed)
    pressed = dict(_COMPRESSION)
    drift = 0.0
    for index in range(SAMPLES):
        minute = index * INTERVAL_MINUTES
        # Sensor noise is correlated: each sample keeps most of the one before.
        drift = 0.7 * drift + 2.4 * (noise.random() - 0.5)
        if _GAP[0] <= minute < _GAP[1]:
            continue
        glucose = (_glucose(minute) + drift) * pressed.get(minute, 1.0)
        yield START + timedelta(minutes=minute), math.floor(glucose + 0.5)


def synthetic_day(seed: int = DEFAULT_SEED) -> str:
    """The whole file as a plain CSV."""
    lines = [
        "# Synthetic CGM day: written by a program, worn by nobody. Not for therapy.",
        f"# python -m pumprig.trace.synthetic --seed {seed}",
        "time,glucose_mg_dl",
    ]
    lines += [f"{time.isoformat()},{glucose_mg_dl}" for time, glucose_mg_dl in readings(seed)]
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Writes the day to the standard output."""
    parser = argparse.ArgumentParser(description="Write a synthetic CGM day as a plain CSV.")
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help="seed of the sensor noise")
    sys.stdout.write(synthetic_day(parser.parse_args(arguments).seed))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
