"""The parts of a scenario, all of them by name: commands, faults, expectations, and what they are made of.

Limits here are those of the format and of the bench. A command that the pump must refuse is a legal part of a
scenario, as long as the wire can carry it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pumprig.checks import CHECKS
from pumprig.scenario_commands import (
    ActivateBasalProfile,
    ActivateTemplates,
    AnnounceCarbs,
    BolusAmounts,
    BolusCalculated,
    CancelBolus,
    CancelTbr,
    Command,
    ConfirmAnnunciation,
    DeleteRecords,
    ResetBasalProfile,
    ResetOperationTime,
    ResetTemplates,
    SetBolus,
    SetBolusTemplate,
    SetClock,
    SetController,
    SetFillLevel,
    SetGuardrails,
    SetMaxBolus,
    SetOref,
    SetTbr,
    SetTbrTemplate,
    SetTherapyState,
    SnoozeAnnunciation,
    StartPriming,
    StopPriming,
    WriteBasalProfile,
    WriteIchoProfile,
    WriteIsfProfile,
    WriteTargetProfile,
)
from pumprig.scenario_control import ControllerSettings, GuardrailSettings, OrefSettings, WrittenSettings
from pumprig.scenario_values import (
    MINUTES_OF_DAY,
    START_ALLOWED,
    Amount,
    At,
    BasalBlock,
    Hours,
    IchoBlock,
    IsfBlock,
    Part,
    PumpSettings,
    Start,
    TargetBlock,
    WireAmount,
    clock_text,
    seconds_problem,
)

__all__ = [
    "START_ALLOWED",
    "ActivateBasalProfile",
    "ActivateTemplates",
    "AnnounceCarbs",
    "Annunciation",
    "BasalBlock",
    "BatteryLevel",
    "BearerDown",
    "BolusAmounts",
    "BolusCalculated",
    "CancelBolus",
    "CancelTbr",
    "CgmDrop",
    "CgmDuplicate",
    "CgmLate",
    "CgmSample",
    "Command",
    "ConfirmAnnunciation",
    "ControllerSettings",
    "DeleteRecords",
    "Expect",
    "Fault",
    "GuardrailSettings",
    "Hours",
    "IchoBlock",
    "IsfBlock",
    "Occlusion",
    "OrefSettings",
    "Part",
    "PowerCut",
    "PumpSettings",
    "RepeatCommand",
    "ReservoirDetached",
    "ReservoirLevel",
    "ResetBasalProfile",
    "ResetOperationTime",
    "ResetTemplates",
    "SetBolus",
    "SetBolusTemplate",
    "SetClock",
    "SetController",
    "SetFillLevel",
    "SetGuardrails",
    "SetMaxBolus",
    "SetOref",
    "SetTbr",
    "SetTbrTemplate",
    "SetTherapyState",
    "SnoozeAnnunciation",
    "Start",
    "StartPriming",
    "StopPriming",
    "TargetBlock",
    "WriteBasalProfile",
    "WriteIchoProfile",
    "WriteIsfProfile",
    "WriteTargetProfile",
    "WrittenSettings",
    "clock_text",
    "seconds_problem",
]


class Occlusion(At):
    """The line is blocked, or free again."""

    kind: Literal["occlusion"] = "occlusion"
    on: bool


class ReservoirLevel(At):
    """The reservoir holds this much from now on."""

    kind: Literal["reservoir_level"] = "reservoir_level"
    amount_iu: Amount


class ReservoirDetached(At):
    """The reservoir is taken out, or put back."""

    kind: Literal["reservoir_detached"] = "reservoir_detached"
    on: bool


class CgmLate(At):
    """The next sample measured at this time or later arrives late."""

    kind: Literal["cgm_late"] = "cgm_late"
    by_minutes: Annotated[int, Field(ge=1, le=MINUTES_OF_DAY)]


class CgmDrop(At):
    """Samples measured from this time on, for so long, never arrive."""

    kind: Literal["cgm_drop"] = "cgm_drop"
    for_minutes: Annotated[int, Field(ge=1, le=65535)]


class CgmDuplicate(At):
    """The next sample measured at this time or later arrives twice, a second apart."""

    kind: Literal["cgm_duplicate"] = "cgm_duplicate"


SensorStatus = Literal[
    "session_stopped", "device_battery_low", "sensor_type_incorrect", "sensor_malfunction", "device_specific_alert",
    "general_device_fault",
]  # fmt: skip


class CgmSample(At):
    """A sample beside those of the trace, at any second and of any time; without glucose it holds no measurement."""

    kind: Literal["cgm_sample"] = "cgm_sample"
    offset_minutes: Annotated[int, Field(ge=0, le=65535)]
    glucose_mg_dl: WireAmount | None = None
    status: list[SensorStatus] = Field(default=[])


class BearerDown(At):
    """The connection is closed for so long. Samples of that time are lost."""

    kind: Literal["bearer_down"] = "bearer_down"
    for_seconds: Annotated[int, Field(ge=1, le=7 * 86400)]


class PowerCut(At):
    """The pump loses its power for so long and starts again, with its flash as it is then (section 12)."""

    kind: Literal["power_cut"] = "power_cut"
    for_seconds: Annotated[int, Field(ge=1, le=7 * 86400)]


class RepeatCommand(At):
    """The newest command comes a second time, octet for octet, and must be refused (D-405)."""

    kind: Literal["repeat_command"] = "repeat_command"


class BatteryLevel(At):
    """The battery holds so much from now on (D-841)."""

    kind: Literal["battery_level"] = "battery_level"
    percent: Annotated[int, Field(ge=0, le=100)]


AnnunciationWord = Literal[
    "system_issue", "mechanical_issue", "occlusion_detected", "reservoir_issue", "reservoir_empty", "reservoir_low",
    "priming_issue", "infusion_set_incomplete", "infusion_set_detached", "power_source_insufficient", "battery_empty",
    "battery_low", "battery_medium", "battery_full", "temperature_out_of_range", "air_pressure_out_of_range",
    "bolus_canceled", "tbr_over", "tbr_canceled", "max_delivery", "date_time_issue", "temperature", "cgm_stale",
    "pause_over",
]  # fmt: skip


class Annunciation(At):
    """The pump raises an annunciation of this type, for no reason of its own (D-842)."""

    kind: Literal["annunciation"] = "annunciation"
    type: AnnunciationWord


Fault = Annotated[
    Occlusion
    | ReservoirLevel
    | ReservoirDetached
    | BatteryLevel
    | Annunciation
    | CgmLate
    | CgmDrop
    | CgmDuplicate
    | CgmSample
    | BearerDown
    | PowerCut
    | RepeatCommand,
    Field(discriminator="kind"),
]


class Expect(Part):
    """What must come out besides the rules. A field that is left out is not judged.

    Attributes:
        verdict: the run's verdict; a run that must not pass and does is a FAIL.
        basal_iu: basal insulin delivered, exactly.
        bolus_iu: bolus insulin delivered, exactly.
        suspensions_at_least: number of plgs suspensions.
        violations: violations of each named check, exactly; a check that is not named is not judged.
    """

    verdict: Literal["PASS", "FAIL", "ERROR", "INCONCLUSIVE"] = "PASS"
    basal_iu: Amount | None = None
    bolus_iu: Amount | None = None
    suspensions_at_least: Annotated[int, Field(ge=0)] | None = None
    violations: dict[str, Annotated[int, Field(ge=0)]] = Field(default={})

    @model_validator(mode="after")
    def _judge(self) -> Expect:
        for check in self.violations:
            if check not in CHECKS:
                raise ValueError(f"violations: no check is called {check}; allowed: {', '.join(CHECKS)}")
        return self
