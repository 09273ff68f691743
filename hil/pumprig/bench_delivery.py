"""How long it takes to measure the delivery accuracy of a pump."""

from __future__ import annotations

import statistics
import time

from pumprig.accuracy.campaign import measure, measurements_for, pump_data
from pumprig.accuracy.plan import DAYS, Settings
from pumprig.bench_figures import BenchError, Figure

__all__ = ["accuracy"]


def accuracy(rounds: int) -> list[Figure]:
    """Trumpet curves, boluses and 30 days of drift, two pumps at a time, as `pumprig accuracy` measures them."""
    taken, drift = [], []
    for _ in range(rounds):
        start = time.perf_counter()
        settings = Settings()
        pump = pump_data(settings)
        planned = measurements_for(settings, pump)
        ended = measure(settings, pump, planned)
        taken.append(time.perf_counter() - start)
        start = time.perf_counter()
        measure(settings, pump, [one for one in planned if one.name.startswith("drift")])
        drift.append(time.perf_counter() - start)
        if ended.exit_code:
            raise BenchError(f"the firmware failed its measurement: {ended.verdict.name}")
    return [
        Figure("accuracy_whole_lockstep", statistics.median(taken), "s", "at most 30"),
        Figure(f"accuracy_drift_{DAYS}_days_lockstep", statistics.median(drift), "s", "at most 15"),
    ]
