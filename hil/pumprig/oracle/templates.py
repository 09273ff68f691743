"""Templates of every type under one row of numbers, and which profiles are activated (D-204, D-307, D-412, D-910)."""

from __future__ import annotations

from dataclasses import dataclass

from pumprig.oracle.bolus import BolusPlan
from pumprig.oracle.profile import Profile
from pumprig.oracle.terms import TbrType, TemplateKind

__all__ = ["BLOCKS_MAX", "PROFILE_KINDS", "TbrPlan", "Templates", "TypeStatus"]

BLOCKS_MAX = 24
PROFILE_KINDS = (TemplateKind.BASAL, TemplateKind.ISF, TemplateKind.ICHO, TemplateKind.TARGET)
_PRESET = 6


@dataclass(frozen=True)
class TbrPlan:
    """What a command or a template says of a TBR: mU/h or thousandths of the factor, and minutes."""

    tbr_type: TbrType
    value: int
    duration_minutes: int


@dataclass(frozen=True)
class TypeStatus:
    """The templates of one type: (configurable, configured) of each; `blocks_max` is 0 for what is no profile."""

    kind: TemplateKind
    first: int
    count: int
    blocks_max: int
    flags: tuple[tuple[bool, bool], ...]


class Templates:
    """All templates.

    Args:
        basal_count: number of basal profile templates, numbered from 1.
        adjustable: whether there are templates of basal profiles and TBR (D-205).
    """

    def __init__(self, basal_count: int, *, adjustable: bool = True) -> None:
        self.numbers = {
            TemplateKind.BASAL: range(1, basal_count + 1),
            TemplateKind.TBR: range(4, 7),
            TemplateKind.BOLUS: range(7, 10),
            TemplateKind.ISF: range(10, 12),
            TemplateKind.ICHO: range(12, 14),
            TemplateKind.TARGET: range(14, 16),
        }
        if not adjustable:
            self.numbers |= {TemplateKind.BASAL: range(0), TemplateKind.TBR: range(0)}
        self.profiles: dict[int, Profile] = {}
        self.tbrs: dict[int, TbrPlan] = {_PRESET: TbrPlan(TbrType.RELATIVE, 500, 60)}
        self.boluses: dict[int, BolusPlan] = {}
        self.activated: dict[TemplateKind, int] = {}

    def kind_of(self, number: int) -> TemplateKind | None:
        """The type that a number belongs to, or None."""
        return next((kind for kind, numbers in self.numbers.items() if number in numbers), None)

    def is_one(self, kind: TemplateKind, number: int) -> bool:
        """Whether a number is one of a type's."""
        return number in self.numbers[kind]

    def configurable(self, number: int) -> bool:
        """Whether it may be set: all but the preset."""
        return self.kind_of(number) is not None and number != _PRESET

    def configured(self, number: int) -> bool:
        """Whether it holds something."""
        return any(number in held for held in (self.profiles, self.tbrs, self.boluses))

    def resettable(self, number: int) -> bool:
        """Whether Reset Template Status may name it (D-204)."""
        return self.configured(number) and self.configurable(number) and number not in self.activated.values()

    def reset(self, number: int) -> None:
        """Make it one that is not configured."""
        for held in (self.profiles, self.tbrs, self.boluses):
            held.pop(number, None)

    def activated_profile(self, kind: TemplateKind) -> Profile | None:
        """The profile of a type that is activated."""
        return self.profiles.get(self.activated.get(kind, 0))

    def status(self) -> tuple[TypeStatus, ...]:
        """All types in the order of their numbers."""
        return tuple(
            TypeStatus(
                kind,
                numbers[0],
                len(numbers),
                BLOCKS_MAX if kind in PROFILE_KINDS else 0,
                tuple((self.configurable(number), self.configured(number)) for number in numbers),
            )
            for kind, numbers in self.numbers.items()
            if numbers
        )
