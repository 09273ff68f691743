"""The commands of a scenario, each with the fields that its message has."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from pumprig.scenario_control import GuardrailSettings, OrefSettings, WrittenSettings
from pumprig.scenario_values import (
    BLOCKS_SENT_MAX,
    MINUTES_OF_DAY,
    At,
    BasalBlock,
    FieldProblem,
    IchoBlock,
    IsfBlock,
    Part,
    SettingAmount,
    TargetBlock,
    known_century,
    without_zone,
)

__all__ = [
    "ActivateBasalProfile",
    "ActivateTemplates",
    "AnnounceCarbs",
    "BolusAmounts",
    "BolusCalculated",
    "CancelBolus",
    "CancelTbr",
    "Command",
    "ConfirmAnnunciation",
    "DeleteRecords",
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
    "StartPriming",
    "StopPriming",
    "WriteBasalProfile",
    "WriteIchoProfile",
    "WriteIsfProfile",
    "WriteTargetProfile",
]

SEQUENCE_MAX = 2**32 - 1

_Template = Annotated[int, Field(ge=1, le=255)]
_SomeTemplates = Annotated[list[Annotated[int, Field(ge=1, le=255)]], Field(min_length=1, max_length=14)]
_Number = Annotated[int, Field(ge=0, le=65535)]
_Minutes = Annotated[int, Field(ge=0, le=65535)]
_TbrMinutes = Annotated[int, Field(ge=1, le=MINUTES_OF_DAY)]
_Sequence = Annotated[int, Field(ge=0, le=SEQUENCE_MAX)]
_BolusType = Literal["fast", "extended", "multiwave", "undetermined"]
_Reasons = list[Literal["meal", "correction"]]


class _TbrValue(At):
    # A rate for an absolute TBR, a factor for a relative one.
    rate_iu_per_h: SettingAmount | None = None
    factor: SettingAmount | None = None


class SetTbr(_TbrValue):
    """Set TBR Adjustment: absolute by its rate, relative by its factor, or by a template."""

    kind: Literal["set_tbr"] = "set_tbr"
    duration_minutes: _TbrMinutes | None = None
    change: bool = False
    template_number: _Template | None = None

    @model_validator(mode="after")
    def _judge(self) -> SetTbr:
        given = [value for value in (self.rate_iu_per_h, self.factor, self.template_number) if value is not None]
        if not given:
            raise FieldProblem("rate_iu_per_h", "is missing; or give factor, or template_number")
        if len(given) > 1:
            raise ValueError("only one of rate_iu_per_h, factor and template_number can be given")
        if self.template_number is None and self.duration_minutes is None:
            raise FieldProblem("duration_minutes", "is missing")
        if self.template_number is not None and self.duration_minutes is not None:
            raise FieldProblem("duration_minutes", "the template has its own")
        return self


class CancelTbr(At):
    """Cancel TBR Adjustment."""

    kind: Literal["cancel_tbr"] = "cancel_tbr"


class SetTbrTemplate(_TbrValue):
    """Set TBR Template."""

    kind: Literal["set_tbr_template"] = "set_tbr_template"
    template_number: _Template
    duration_minutes: _TbrMinutes

    @model_validator(mode="after")
    def _judge(self) -> SetTbrTemplate:
        if self.rate_iu_per_h is None and self.factor is None:
            raise FieldProblem("rate_iu_per_h", "is missing; or give factor")
        if self.rate_iu_per_h is not None and self.factor is not None:
            raise FieldProblem("factor", "only one of rate_iu_per_h and factor can be given")
        return self


class _BolusValues(At):
    # Without a type the amounts tell it.
    type: _BolusType | None = None
    amount_iu: SettingAmount | None = None
    extended_iu: SettingAmount | None = None
    duration_minutes: _Minutes = 0
    delay_minutes: _Minutes | None = None
    reasons: _Reasons = Field(default=[])


class SetBolus(_BolusValues):
    """Set Bolus: of any type, or by a template."""

    kind: Literal["set_bolus"] = "set_bolus"
    template_number: _Template | None = None
    activation: Literal["manual", "recommended", "manually_changed_recommended", "commanded", "none"] = "manual"

    @model_validator(mode="after")
    def _judge(self) -> SetBolus:
        if self.amount_iu is None and self.extended_iu is None and self.template_number is None:
            raise FieldProblem("amount_iu", "is missing; or give extended_iu, or template_number")
        return self


class SetBolusTemplate(_BolusValues):
    """Set Bolus Template."""

    kind: Literal["set_bolus_template"] = "set_bolus_template"
    template_number: _Template

    @model_validator(mode="after")
    def _judge(self) -> SetBolusTemplate:
        if self.amount_iu is None and self.extended_iu is None:
            raise FieldProblem("amount_iu", "is missing; or give extended_iu")
        return self


class CancelBolus(At):
    """Cancel Bolus; without an ID the newest one."""

    kind: Literal["cancel_bolus"] = "cancel_bolus"
    bolus_id: _Number | None = None


class SetMaxBolus(At):
    """Set Max Bolus Amount."""

    kind: Literal["set_max_bolus"] = "set_max_bolus"
    amount_iu: SettingAmount


class SetTherapyState(At):
    """Set Therapy Control State."""

    kind: Literal["set_therapy_state"] = "set_therapy_state"
    state: Literal["run", "pause", "stop"]


class SetClock(At):
    """A write of Current Time: the pump's wall clock."""

    kind: Literal["set_clock"] = "set_clock"
    to: Annotated[datetime, AfterValidator(without_zone), AfterValidator(known_century)]


class ConfirmAnnunciation(At):
    """Confirm Annunciation; without an ID the one that the pump shows."""

    kind: Literal["confirm_annunciation"] = "confirm_annunciation"
    annunciation_id: _Number | None = None


class SnoozeAnnunciation(At):
    """Snooze Annunciation; without an ID the one that the pump shows."""

    kind: Literal["snooze_annunciation"] = "snooze_annunciation"
    annunciation_id: _Number | None = None


class WriteBasalProfile(At):
    """Write Basal Rate Template: all blocks of one template; the pump refuses blocks that make no day."""

    kind: Literal["write_basal_profile"] = "write_basal_profile"
    template_number: _Template = 1
    basal_profile: Annotated[list[BasalBlock], Field(min_length=1, max_length=BLOCKS_SENT_MAX)]


class WriteIsfProfile(At):
    """Write ISF Template: insulin sensitivity over the day."""

    kind: Literal["write_isf_profile"] = "write_isf_profile"
    template_number: _Template = 10
    isf_profile: Annotated[list[IsfBlock], Field(min_length=1, max_length=BLOCKS_SENT_MAX)]


class WriteIchoProfile(At):
    """Write I:CHO Ratio Template: carbohydrate ratios over the day."""

    kind: Literal["write_icho_profile"] = "write_icho_profile"
    template_number: _Template = 12
    icho_profile: Annotated[list[IchoBlock], Field(min_length=1, max_length=BLOCKS_SENT_MAX)]


class WriteTargetProfile(At):
    """Write Target Glucose Range Template: target ranges over the day."""

    kind: Literal["write_target_profile"] = "write_target_profile"
    template_number: _Template = 14
    target_profile: Annotated[list[TargetBlock], Field(min_length=1, max_length=BLOCKS_SENT_MAX)]


class ActivateBasalProfile(At):
    """Activate Profile Templates: one basal rate template."""

    kind: Literal["activate_basal_profile"] = "activate_basal_profile"
    template_number: _Template = 1


class ActivateTemplates(At):
    """Activate Profile Templates: of any types, all of them or none."""

    kind: Literal["activate_templates"] = "activate_templates"
    template_numbers: _SomeTemplates


class ResetBasalProfile(At):
    """Reset Template Status: one basal rate template."""

    kind: Literal["reset_basal_profile"] = "reset_basal_profile"
    template_number: _Template = 1


class ResetTemplates(At):
    """Reset Template Status: of any types, all of them or none."""

    kind: Literal["reset_templates"] = "reset_templates"
    template_numbers: _SomeTemplates


class StartPriming(At):
    """Start Priming."""

    kind: Literal["start_priming"] = "start_priming"
    amount_iu: SettingAmount


class StopPriming(At):
    """Stop Priming."""

    kind: Literal["stop_priming"] = "stop_priming"


class SetFillLevel(At):
    """Set Initial Reservoir Fill Level."""

    kind: Literal["set_fill_level"] = "set_fill_level"
    amount_iu: SettingAmount


class ResetOperationTime(At):
    """Reset Reservoir Insulin Operation Time."""

    kind: Literal["reset_operation_time"] = "reset_operation_time"


class DeleteRecords(At):
    """Delete Stored Records, of the history's RACP."""

    kind: Literal["delete_records"] = "delete_records"
    operator: Literal["all", "at_most", "at_least", "within", "first", "last"]
    which: Literal["all", "reference_times", "others"] = "all"
    minimum_sequence: _Sequence | None = None
    maximum_sequence: _Sequence | None = None

    @model_validator(mode="after")
    def _judge(self) -> DeleteRecords:
        for field, operators in (
            ("minimum_sequence", ("at_least", "within")),
            ("maximum_sequence", ("at_most", "within")),
        ):
            given = getattr(self, field) is not None
            if given != (self.operator in operators):
                allowed = " and ".join(operators)
                raise FieldProblem(field, f"belongs to {allowed} alone" if given else "is missing")
        if self.operator == "within" and (self.maximum_sequence or 0) < (self.minimum_sequence or 0):
            raise FieldProblem("maximum_sequence", "lies below minimum_sequence")
        if self.which != "all" and self.operator in ("all", "first", "last"):
            raise FieldProblem("which", "belongs to at_most, at_least and within alone")
        return self


class BolusAmounts(Part):
    """What a bolus calculator recommends, or what its user confirms."""

    fast_meal_iu: SettingAmount = Decimal(0)
    fast_correction_iu: SettingAmount = Decimal(0)
    extended_meal_iu: SettingAmount = Decimal(0)
    extended_correction_iu: SettingAmount = Decimal(0)


class BolusCalculated(At):
    """The pump's bolus calculator was used (D-909)."""

    kind: Literal["bolus_calculated"] = "bolus_calculated"
    recommended: BolusAmounts = BolusAmounts()
    confirmed: BolusAmounts = BolusAmounts()


class SetController(At):
    """A write of the controller's settings (D-616); the pump refuses settings that do not agree."""

    kind: Literal["set_controller"] = "set_controller"
    controller: Literal["manual", "plgs", "oref", "own"]
    settings: WrittenSettings = WrittenSettings()


class SetOref(At):
    """A write of the settings of controller oref (D-1201); what is left out has its value of the beginning."""

    kind: Literal["set_oref"] = "set_oref"
    oref: OrefSettings = OrefSettings()


class SetGuardrails(At):
    """A write of the guardrails (D-1201); what is left out stays as it is."""

    kind: Literal["set_guardrails"] = "set_guardrails"
    guardrails: GuardrailSettings


class AnnounceCarbs(At):
    """Carbs are announced to the controller (D-1108)."""

    kind: Literal["announce_carbs"] = "announce_carbs"
    carbs_g: Annotated[int, Field(ge=1, le=250)]
    minutes_ago: Annotated[int, Field(ge=0, le=360)] = 0


Command = Annotated[
    SetTbr
    | CancelTbr
    | SetTbrTemplate
    | SetBolus
    | CancelBolus
    | SetBolusTemplate
    | SetMaxBolus
    | SetTherapyState
    | SetClock
    | ConfirmAnnunciation
    | SnoozeAnnunciation
    | WriteBasalProfile
    | WriteIsfProfile
    | WriteIchoProfile
    | WriteTargetProfile
    | ActivateBasalProfile
    | ActivateTemplates
    | ResetBasalProfile
    | ResetTemplates
    | StartPriming
    | StopPriming
    | SetFillLevel
    | ResetOperationTime
    | DeleteRecords
    | BolusCalculated
    | SetController
    | SetOref
    | SetGuardrails
    | AnnounceCarbs,
    Field(discriminator="kind"),
]
