"""The patient of a scenario, who takes the place of a trace."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, Field

from pumprig.errors import UsageError
from pumprig.patients import PatientParameters, patient_parameters
from pumprig.patients.plan import NO_MEALS
from pumprig.scenario_values import MINUTES_OF_DAY, BasalBlock, Part, most_on_the_wire

__all__ = ["PatientSettings", "resting_profile"]


def _known(name: str) -> str:
    try:
        patient_parameters(name)
    except UsageError as error:
        raise ValueError(f"{error.what}; allowed: {error.allowed}") from None
    return name


class PatientSettings(Part):
    """A virtual patient whose glucose answers to what the pump delivers.

    Attributes:
        name: one of the 30.
        meals: file of the meals, relative to the scenario's folder, or `none`.
        seed: of the sensor's noise; None for that of the run.
    """

    name: Annotated[str, AfterValidator(_known)]
    meals: Annotated[str, Field(min_length=1)] = NO_MEALS
    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] | None = None


def resting_profile(parameters: PatientParameters) -> list[BasalBlock]:
    """The rate that holds a patient at rest, rounded down to one that a client can send and the pump takes (D-201)."""
    rate = most_on_the_wire(Decimal(repr(parameters.resting_basal_iu_per_h)))
    return [BasalBlock(duration_minutes=MINUTES_OF_DAY, rate_iu_per_h=rate)]
