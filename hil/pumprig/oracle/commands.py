"""What the rig sends to the pump, as the oracle is told it. Amounts are IU as `Decimal`, as on the wire."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

__all__ = [
    "ActivateProfile",
    "AttachReservoir",
    "CancelBolus",
    "CancelTbr",
    "Command",
    "Configure",
    "ConfirmAnnunciation",
    "Expected",
    "InjectOcclusion",
    "OpenCgmSession",
    "ResetProfile",
    "SetBolus",
    "SetClock",
    "SetForce",
    "SetMaxBolus",
    "SetReservoir",
    "SetTbr",
    "SetTherapyState",
    "SnoozeAnnunciation",
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
    """Set TBR Adjustment (D-301): rate in IU/h, duration in minutes."""

    rate_iu_per_h: Decimal
    duration_minutes: int
    change: bool = False
    context: str | None = None
    tbr_type: str = "absolute"
    template_number: int | None = None


@dataclass(frozen=True)
class CancelTbr(Command):
    """Cancel TBR Adjustment (D-304)."""


@dataclass(frozen=True)
class SetBolus(Command):
    """Set Bolus (D-401): amount in IU."""

    amount_iu: Decimal
    bolus_type: str = "fast"
    extended_amount_iu: Decimal = Decimal(0)
    duration_minutes: int = 0


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
    """A basal profile write whose last record ends the transaction (D-201).

    Args:
        template: number of the template.
        blocks: pairs of duration in minutes and rate in IU/h.
    """

    template: int
    blocks: tuple[tuple[int, Decimal], ...]


@dataclass(frozen=True)
class ActivateProfile(Command):
    """Activate Profile Templates with one basal template (D-204)."""

    template: int


@dataclass(frozen=True)
class ResetProfile(Command):
    """Reset Template Status of one basal template (D-204)."""

    template: int


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
    """Fill level set to a number of pulses (D-814)."""

    pulses: int


@dataclass(frozen=True)
class AttachReservoir(Command):
    """Reservoir attached (True) or detached (False), D-814."""

    attached: bool


@dataclass(frozen=True)
class OpenCgmSession(Command):
    """The pump reads the CGM's session start time (D-601)."""

    session_start: datetime
