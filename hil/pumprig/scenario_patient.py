"""The patient of a scenario, who takes the place of a trace."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from pumprig.errors import UsageError
from pumprig.patients import PatientParameters, patient_parameters
from pumprig.patients.meals import Meal
from pumprig.patients.plan import NO_MEALS
from pumprig.scenario_commands import AnnounceCarbs
from pumprig.scenario_values import (
    MINUTES_OF_DAY,
    BasalBlock,
    IchoBlock,
    IsfBlock,
    Part,
    TargetBlock,
    most_on_the_wire,
)

__all__ = ["PatientSettings", "announcements", "loop_profiles", "resting_profile"]

# Rules of thumb of the clinic: a day's insulin is half basal; 1800 over it is the ISF, 500 over it the I:CHO ratio.
_BASAL_SHARE = 0.5
_ISF_RULE_MG_DL, _ICHO_RULE_G = 1800, 500
_CARBS_G_MAX = 250
_TENTHS_MOST = Decimal("204.5")
_TARGET_MG_DL = (Decimal(100), Decimal(110))


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
        announce: whether the pump is told of the meals when they are eaten.
    """

    name: Annotated[str, AfterValidator(_known)]
    meals: Annotated[str, Field(min_length=1)] = NO_MEALS
    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] | None = None
    announce: bool = False


def resting_profile(parameters: PatientParameters) -> list[BasalBlock]:
    """The rate that holds a patient at rest, rounded down to one that a client can send and the pump takes (D-201)."""
    rate = most_on_the_wire(Decimal(repr(parameters.resting_basal_iu_per_h)))
    return [BasalBlock(duration_minutes=MINUTES_OF_DAY, rate_iu_per_h=rate)]


def loop_profiles(parameters: PatientParameters) -> dict[str, Any]:
    """Sensitivity, carbohydrate ratio and target for a loop, by the fields of `[pump]`.

    The resting basal rate gives the day's insulin, twice as much, and the rules of 1800 and of 500 the rest: what a
    clinic would begin with, not what would fit this patient best. The target is 100 to 110 mg/dL.
    """
    day_iu = 24 * parameters.resting_basal_iu_per_h / _BASAL_SHARE
    minutes, (low, high) = MINUTES_OF_DAY, _TARGET_MG_DL
    isf, ratio = (_tenths(rule / day_iu) for rule in (_ISF_RULE_MG_DL, _ICHO_RULE_G))
    return {
        "isf_profile": [IsfBlock(duration_minutes=minutes, isf_mg_dl_per_iu=isf)],
        "icho_profile": [IchoBlock(duration_minutes=minutes, icho_ratio_g_per_iu=ratio)],
        "target_profile": [TargetBlock(duration_minutes=minutes, low_mg_dl=low, high_mg_dl=high)],
    }


def announcements(meals: Sequence[Meal], start: datetime, seconds: int) -> list[AnnounceCarbs]:
    """What the pump is told of meals: whole grams, at the second at which they are eaten.

    Args:
        meals: what is eaten.
        start: local time of the first sample.
        seconds: length of the run.
    """
    first_minute, told = 60 * start.hour + start.minute, []
    for minute in range(-(-seconds // 60)):
        for meal in meals:
            grams = round(meal.carbohydrate_g) if meal.falls_on(first_minute + minute) else 0
            while grams > 0:
                told.append(AnnounceCarbs.model_construct(at=60 * minute, carbs_g=min(grams, _CARBS_G_MAX)))
                grams -= _CARBS_G_MAX
    return told


def _tenths(value: float) -> Decimal:
    """The nearest number of tenths that an SFLOAT holds: whole from 204.5 on."""
    tenths = Decimal(repr(value)).quantize(Decimal("0.1"))
    return tenths if tenths <= _TENTHS_MOST else tenths.quantize(Decimal(1))
