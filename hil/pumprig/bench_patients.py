"""How fast virtual patients live: by themselves, and as a cohort through real firmware."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

from pumprig.bench_figures import BenchError, Figure
from pumprig.cohort.cohort import Settings, run_cohort
from pumprig.patients import Meal, Patient, SensorNoise, patient_names, patient_parameters

__all__ = ["cohort", "cohort_oref", "patient_days"]

_DAY_MINUTES = 1440
_ALIVE = 10
_COHORT = ("adolescent#001", "adult#001", "child#001", "adult#004")
_WEEK_DAYS = 7
_MEALS = ("07:00,45", "12:15,70", "18:40,80")


def patient_days(rounds: int) -> list[Figure]:
    """Days that patients live in a second of one core without a pump: every third, with meals, pulses and a sensor."""
    taken = []
    meals = (Meal(420, 45.0), Meal(735, 70.0), Meal(1120, 80.0))
    for _ in range(rounds):
        start = time.process_time()
        for name in patient_names()[:: len(patient_names()) // _ALIVE]:
            patient, noise = Patient(patient_parameters(name)), SensorNoise(1)
            for minute in range(_DAY_MINUTES):
                for meal in meals:
                    if meal.falls_on(minute):
                        patient.eat(meal.carbohydrate_g)
                glucose = patient.step(0.05 * (minute % 3 == 0))
                if minute % 5 == 0:
                    noise.reading_mg_dl(minute, glucose)
        taken.append(_ALIVE / (time.process_time() - start))
    return [Figure("patient_days_without_dut", round(statistics.median(taken), 1), "per second", "at least 25")]


def cohort(_rounds: int) -> list[Figure]:
    """A week of four patients through real firmware, two at a time; thirty take as much longer as they are more."""
    return _cohort("plgs", "")


def cohort_oref(_rounds: int) -> list[Figure]:
    """The same patients under oref, with three meals a day of which the pump is told."""
    return _cohort("oref", "_oref")


def _cohort(controller: str, suffix: str) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="pumprig-bench-") as name:
        folder = Path(name)
        meals = folder / "meals.csv"
        meals.write_text("".join(f"{meal}\n" for meal in _MEALS), encoding="utf-8")
        loop = controller == "oref"
        settings = Settings(_COHORT, _WEEK_DAYS, (controller,), meals if loop else None, announced=loop)
        start = time.perf_counter()
        ended = run_cohort(settings, folder, (), slots=2)
        taken_s = time.perf_counter() - start
    if ended.exit_code:
        raise BenchError(f"the cohort ended with exit code {ended.exit_code}")
    days = _WEEK_DAYS * len(_COHORT)
    minutes = taken_s / len(_COHORT) * len(patient_names()) / 60
    return [
        Figure(f"cohort{suffix}_patient_days", round(days / taken_s, 2), "per second"),
        Figure(f"cohort{suffix}_7_days_30_patients_scaled_up_from_4", round(minutes, 2), "min", "at most 10"),
    ]
