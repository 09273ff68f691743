"""Virtual patients: people with type 1 diabetes as equations, who receive what the pump really delivered."""

from __future__ import annotations

from pumprig.patients.meals import Meal, read_meals
from pumprig.patients.model import Patient
from pumprig.patients.parameters import PatientParameters, patient_names, patient_parameters
from pumprig.patients.sensor import SensorNoise

__all__ = [
    "Meal",
    "Patient",
    "PatientParameters",
    "SensorNoise",
    "patient_names",
    "patient_parameters",
    "read_meals",
]
