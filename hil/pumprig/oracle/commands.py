"""What the rig sends to the pump, as the oracle is told it. Amounts are IU as `Decimal`, as on the wire."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from pumprig.oracle.oref_settings import OrefSettings

__all__ = [
    "ActivateProfile",
    "ActivateTemplates",
    "AnnounceCarbs",
    "AttachReservoir",
    "CalculateBolus",
    "CancelBolus",
    "CancelTbr",
    "Command",
    "Configure",
    "ConfigureOref",
    "ConfirmAnnunciation",
    "DeleteRecords",
    "Expected",
    "InjectOcclusion",
    "OpenCgmSession",
    "RaiseAnnunciation",
    "ResetOperationTime",
    "ResetProfile",
    "ResetTemplates",
    "SetBattery",
    "SetBolus",
    "SetBolusTemplate",
    "SetClock",
    "SetFillLevel",
    "SetForce",
    "SetGuardrails",
    "SetMaxBolus",
    "SetReservoir",
    "SetTbr",
    "SetTbrTemplate",
    "SetTherapyState",
    "SnoozeAnnunciation",
    "StartPriming",
    "StopPriming",
    "WriteProfile",
]


@dataclass(frozen=True)
class Command:
    """An input of the pump that takes effect at a whole pump second (D-002)."""


@dataclass(frozen=True)
class Expected:
    """The answer that the specification allows: response codes (usually one) and the fields that go with success."""

    codes: frozenset[int]
    fields: dict[str, Any] = field(default_factory=dict)
    rule: str = ""

    @property
    def code(self) -> int:
        """The response code, where only one is allowed."""
        (code,) = self.codes
        return code


@dataclass(frozen=True)
class SetTherapyState(Command):
    """Set Therapy Control State (D-501): run, pause, stop."""

    state: str


@dataclass(frozen=True)
class SetTbr(Command):
    """Set TBR Adjustment (D-301): answers 0x71, 0x73 or 0x74, looked for in this order.

    Args:
        value: IU/h when absolute, the factor when relative. With a template it is not looked at, nor duration and type.
        duration_minutes: its duration.
        change: whether it changes the one that runs.
        context: delivery context, None for none.
        tbr_type: `absolute` or `relative`.
        template_number: the template that says type, value and duration, None for none.
    """

    value: Decimal
    duration_minutes: int
    change: bool = False
    context: str | None = None
    tbr_type: str = "absolute"
    template_number: int | None = None


@dataclass(frozen=True)
class SetTbrTemplate(Command):
    """Set TBR Template (D-307): 0x71, 0x73, 0x74; success has `number`."""

    number: int
    tbr_type: str
    value: Decimal
    duration_minutes: int


@dataclass(frozen=True)
class CancelTbr(Command):
    """Cancel TBR Adjustment (D-304)."""


@dataclass(frozen=True)
class SetBolus(Command):
    """Set Bolus (D-401): 0x71, 0x73, 0x74, 0x76, 0x72 in this order; success has `bolus_id`.

    Args:
        amount_iu: the fast amount.
        bolus_type: `fast`, `extended` or `multiwave`.
        extended_amount_iu: the extended amount.
        duration_minutes: over which the extended amount goes.
        delay_minutes: delay (D-413); None leaves the field out.
        template_number: the template that says all before it and the reasons (D-412), None for none.
        activation: `undetermined`, `manual`, `recommended`, `manually changed recommended` or `commanded`; None for
            none.
        reasons: of `correction` and `meal`.
    """

    amount_iu: Decimal
    bolus_type: str = "fast"
    extended_amount_iu: Decimal = Decimal(0)
    duration_minutes: int = 0
    delay_minutes: int | None = None
    template_number: int | None = None
    activation: str | None = None
    reasons: frozenset[str] = frozenset()


@dataclass(frozen=True)
class SetBolusTemplate(Command):
    """Set Bolus Template (D-412): 0x71 or 0x73; success has `number`. Fields as of SetBolus."""

    number: int
    bolus_type: str
    amount_iu: Decimal
    extended_amount_iu: Decimal = Decimal(0)
    duration_minutes: int = 0
    delay_minutes: int | None = None
    reasons: frozenset[str] = frozenset()


@dataclass(frozen=True)
class CancelBolus(Command):
    """Cancel Bolus (D-404)."""

    bolus_id: int


@dataclass(frozen=True)
class SetMaxBolus(Command):
    """Set Max Bolus Amount (D-802): amount in IU."""

    amount_iu: Decimal


@dataclass(frozen=True)
class WriteProfile(Command):
    """A profile write whose last record ends the transaction (D-201, D-910): 0x73 or 0x75.

    The blocks are judged one after the other, and their sum at the end.

    Args:
        template: number of the template.
        blocks: duration in minutes and value: IU/h, mg/dL per U, g per U; for a target range duration, low and high.
        kind: `basal`, `isf`, `icho` or `target`.
    """

    template: int
    blocks: tuple[tuple[Any, ...], ...]
    kind: str = "basal"


@dataclass(frozen=True)
class ActivateTemplates(Command):
    """Activate Profile Templates (D-204, D-910): 0x74 and nothing is activated; success has `numbers`."""

    numbers: tuple[int, ...]


@dataclass(frozen=True)
class ActivateProfile(Command):
    """Activate Profile Templates with one template (D-204)."""

    template: int


@dataclass(frozen=True)
class ResetTemplates(Command):
    """Reset Template Status (D-204): 0x74 and nothing is reset; success has `numbers`."""

    numbers: tuple[int, ...]


@dataclass(frozen=True)
class ResetProfile(Command):
    """Reset Template Status of one template (D-204)."""

    template: int


@dataclass(frozen=True)
class StartPriming(Command):
    """Start Priming (D-511): 0x73, 0x74, 0x72 in this order."""

    amount_iu: Decimal


@dataclass(frozen=True)
class StopPriming(Command):
    """Stop Priming (D-512): 0x74."""


@dataclass(frozen=True)
class SetFillLevel(Command):
    """Set Initial Reservoir Fill Level (D-513): 0x73, 0x74 in this order."""

    amount_iu: Decimal


@dataclass(frozen=True)
class ResetOperationTime(Command):
    """Reset Reservoir Insulin Operation Time (D-513)."""


@dataclass(frozen=True)
class CalculateBolus(Command):
    """The emulator's bolus calculator (D-909), a plain write: 0 or ATT error 0xFF.

    Args:
        recommended: IU of fast meal, fast correction, extended meal, extended correction.
        confirmed: the same as confirmed.
    """

    recommended: tuple[Decimal, Decimal, Decimal, Decimal]
    confirmed: tuple[Decimal, Decimal, Decimal, Decimal]


@dataclass(frozen=True)
class SetClock(Command):
    """The local date and time of the second at which the command takes effect (D-001)."""

    wall: datetime


@dataclass(frozen=True)
class Configure(Command):
    """A write of the controller settings (D-616); None leaves a value as it is."""

    controller: str | None = None
    suspend_predicted_mg_dl: int | None = None
    suspend_now_mg_dl: int | None = None
    horizon_minutes: int | None = None
    suspend_limit_minutes: int | None = None
    limit_window_minutes: int | None = None
    stale_minutes: int | None = None
    lockout_minutes: int | None = None
    dia_minutes: int | None = None
    peak_minutes: int | None = None
    near_mg_dl: int | None = None
    resume_mg_dl: int | None = None
    resume_predicted_mg_dl: int | None = None
    minimum_minutes: int | None = None
    plgs_flags: int | None = None


@dataclass(frozen=True)
class SetGuardrails(Command):
    """A write of the controller's guardrails (D-1201): 0 or ATT error 0xFF; None leaves a value as it is."""

    basal_mu_per_h: int | None = None
    bolus_mu: int | None = None
    iob_mu: int | None = None
    hour_mu: int | None = None
    day_mu: int | None = None
    interval_minutes: int | None = None
    stale_minutes: int | None = None
    decision_minutes: int | None = None


@dataclass(frozen=True)
class ConfigureOref(Command):
    """A write of the settings of controller oref (D-1102): 0 or ATT error 0xFF."""

    settings: OrefSettings


@dataclass(frozen=True)
class AnnounceCarbs(Command):
    """Carbs eaten some minutes ago (D-1108): 0 or ATT error 0xFF."""

    carbs_g: int
    minutes_ago: int = 0


@dataclass(frozen=True)
class ConfirmAnnunciation(Command):
    """Confirm Annunciation (D-831)."""

    annunciation_id: int


@dataclass(frozen=True)
class SnoozeAnnunciation(Command):
    """Snooze Annunciation (D-831)."""

    annunciation_id: int


@dataclass(frozen=True)
class SetForce(Command):
    """Motor force as the pump reads it, 0 to 65535.

    It is a level, no message: a pulse due at the very second of effect meets it already (D-821), so the oracle is told
    before it advances to that second.
    """

    value: int


@dataclass(frozen=True)
class InjectOcclusion(Command):
    """The emulator's fault *occlusion*, sent as a message: pulses due after the second of effect meet it (D-003)."""

    active: bool


@dataclass(frozen=True)
class SetReservoir(Command):
    """Fill level set to a number of pulses (D-814): ATT error 0xFF above the capacity, else 0."""

    pulses: int


@dataclass(frozen=True)
class AttachReservoir(Command):
    """Reservoir attached (True) or detached (False), D-814."""

    attached: bool


@dataclass(frozen=True)
class SetBattery(Command):
    """The emulator's fault *battery level* in percent (D-841): 0 or ATT error 0xFF."""

    percent: int


@dataclass(frozen=True)
class RaiseAnnunciation(Command):
    """The emulator's fault *annunciation* (D-842): 0 or ATT error 0xFF for what is no type.

    Args:
        type: a word of `pumprig.oracle.terms.AnnunciationType`.
    """

    type: str


@dataclass(frozen=True)
class DeleteRecords(Command):
    """Delete stored records (D-911): RACP codes 0xF0, 0x0A, 0x06; success has `deleted`, how many.

    Args:
        least, most: sequence numbers that bound it, both included; None for no bound.
        only: `reference` or `other` for these alone, None for all.
    """

    least: int | None = None
    most: int | None = None
    only: str | None = None


@dataclass(frozen=True)
class OpenCgmSession(Command):
    """The pump reads the CGM's session start time (D-601)."""

    session_start: datetime
