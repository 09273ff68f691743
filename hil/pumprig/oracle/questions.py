"""What a client may ask the pump: commands that change nothing, answered with a code and, on success, fields."""

from __future__ import annotations

from dataclasses import dataclass

from pumprig.oracle.commands import Command

__all__ = [
    "GetActivatedProfiles",
    "GetActiveBasal",
    "GetActiveBolus",
    "GetActiveBolusIds",
    "GetAvailableBoluses",
    "GetBolusTemplate",
    "GetCounter",
    "GetTbrTemplate",
    "GetTemplateStatus",
    "ReadProfile",
]


@dataclass(frozen=True)
class GetActiveBolusIds(Command):
    """Get Active Bolus IDs (D-411): `bolus_ids`, the one whose delivery starts first at first."""


@dataclass(frozen=True)
class GetActiveBolus(Command):
    """Get Active Bolus Delivery (D-415): 0x71 or 0x74.

    Fields: `bolus_id`, `bolus_type`, `fast_mu`, `extended_mu`, `duration_minutes`, `delay_minutes` (None for none),
    `template` (0 for none), `activation` (None for none), `reasons`.

    Args:
        bolus_id: its number.
        selection: `programmed`, `remaining` or `delivered`.
    """

    bolus_id: int
    selection: str


@dataclass(frozen=True)
class GetActiveBasal(Command):
    """Get Active Basal Rate Delivery: 0x74 when there is none.

    Fields: `template`, `profile_rate_mu_per_h`, `tbr_type` (None when no TBR runs) and with it `tbr_value`,
    `programmed_minutes`, `remaining_minutes`, `tbr_template` (0 for none), `context`.
    """


@dataclass(frozen=True)
class GetAvailableBoluses(Command):
    """Get Available Boluses (D-403): `fast`, `extended`, `multiwave`, true where a place is free."""


@dataclass(frozen=True)
class GetCounter(Command):
    """Get Counter (D-514): 0x71; `minutes`.

    Args:
        counter: `lifetime`, `warranty`, `loaner` or `reservoir insulin operation time`.
        selection: `remaining` or `elapsed`.
    """

    counter: str
    selection: str


@dataclass(frozen=True)
class GetTemplateStatus(Command):
    """Get Template Status and Details: `types`, a tuple of `pumprig.oracle.templates.TypeStatus`."""


@dataclass(frozen=True)
class GetActivatedProfiles(Command):
    """Get Activated Profile Templates (D-204, D-910): `numbers`, ascending."""


@dataclass(frozen=True)
class ReadProfile(Command):
    """Read a profile template (D-204, D-910): 0x73 or 0x74.

    `blocks` has (minutes, value) each, for a target range (minutes, low, high): mU/h, or tenths of the wire's unit.

    Args:
        template: its number.
        kind: `basal`, `isf`, `icho` or `target`.
    """

    template: int
    kind: str = "basal"


@dataclass(frozen=True)
class GetTbrTemplate(Command):
    """Get TBR Template (D-307): 0x73 or 0x74; `number`, `tbr_type`, `value` in thousandths, `duration_minutes`."""

    number: int


@dataclass(frozen=True)
class GetBolusTemplate(Command):
    """Get Bolus Template (D-412): 0x73 or 0x74.

    Fields: `number`, `bolus_type`, `fast_mu`, `extended_mu`, `duration_minutes`, `delay_minutes` (None for none),
    `reasons`.
    """

    number: int
