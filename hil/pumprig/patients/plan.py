"""What is known of a virtual patient before a run: who, what is eaten, and when the samples will be taken."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

from pumprig.errors import UsageError
from pumprig.patients.meals import Meal, read_meals
from pumprig.patients.parameters import PatientParameters, patient_parameters
from pumprig.trace import Sample, Trace

__all__ = ["FIRST_MIDNIGHT", "HOURS", "HOURS_MAX", "NO_MEALS", "PatientPlan", "patient_trace"]

FIRST_MIDNIGHT = datetime(2026, 1, 5)
"""When a patient's run begins that names no time: always the same, so that it can be repeated."""
HOURS = 24.0
HOURS_MAX = 1092
"""What a CGM session can count."""
NO_MEALS = "none"
INTERVAL_MINUTES = 5


@dataclass(frozen=True)
class PatientPlan:
    """A patient, and what is eaten.

    Attributes:
        parameters: who it is.
        meals: what is eaten, the pump not being told.
        seed: of the sensor's noise.
    """

    parameters: PatientParameters
    meals: tuple[Meal, ...]
    seed: int

    @classmethod
    def of(cls, name: str, meals: Path | None, seed: int) -> PatientPlan:
        """A patient by name, with a file of meals or without any.

        Raises:
            UsageError: there is no such patient, or the meals cannot be read.
        """
        return cls(patient_parameters(name), () if meals is None else read_meals(meals), seed)

    @property
    def sha256(self) -> str:
        """Of the patient's numbers and the meals."""
        known = {"patient": asdict(self.parameters), "meals": [asdict(meal) for meal in self.meals]}
        return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()


def patient_trace(plan: PatientPlan, start: float | datetime | None, hours: float | None) -> Trace:
    """When a patient's samples will be taken; their glucose, 0 here, is known when they are.

    Args:
        plan: the patient.
        start: hours after midnight, or a local time; midnight when None.
        hours: length of the run; a day when None.

    Raises:
        UsageError: the run is longer than a CGM session.
    """
    hours = HOURS if hours is None else hours
    if hours > HOURS_MAX:
        raise UsageError(
            f"a patient's run of {hours:g} hours is more than one CGM session can count", where="hours",
            allowed=f"up to {HOURS_MAX}",
        )  # fmt: skip
    first = FIRST_MIDNIGHT + timedelta(hours=start or 0) if not isinstance(start, datetime) else start
    samples = tuple(Sample(minute, 0) for minute in range(0, -(-int(hours * 3600) // 60), INTERVAL_MINUTES))
    return Trace(samples, first, plan.sha256, "patient", INTERVAL_MINUTES, (), 0, ())
