"""Tables that the generated host codec looks numbers and flags up in.

Each starts empty and asks construct's own field types the first time a word or a value comes by, so that it cannot
say anything else than they do.
"""

from __future__ import annotations

import enum
from decimal import Decimal
from typing import Any

import construct

from pumpwire import fields
from pumpwire.errors import WireError
from pumpwire.numbers import Special

__all__ = ["Flags", "Values", "Words", "number", "words"]

# A table of 32-bit words or of long flags would grow without end.
_ENTRIES_MAX = 1 << 16


def number(name: str, scale: int, specials: bool, rounding: str, low: str, high: str, also: str) -> Any:
    """The field type of a decimal number; limits as text, empty for none."""
    kind = fields.Sfloat if name == "sfloat" else fields.Float
    field: Any = kind(scale, specials, fields.Rounding[rounding])
    if low:
        field = fields.InRange(field, Decimal(low), Decimal(high), int(also) if also else None)
    return field


class Words(dict[int, "Decimal | Special | None"]):
    """Word of a number -> its value, None when it is none of the field.

    Args:
        field: from `number`.
        octets: 2 or 4.
    """

    def __init__(self, field: Any, octets: int) -> None:
        super().__init__()
        self._field = field
        self._octets = octets

    def __missing__(self, word: int) -> Decimal | Special | None:
        findings: list[Any] = []
        try:
            value = self._field.parse(word.to_bytes(self._octets, "little"), findings=findings)
        except WireError:
            value = None
        if findings:
            value = None
        if len(self) >= _ENTRIES_MAX:
            self.clear()
        self[word] = value
        return value


class Values(dict[Any, "int | None"]):
    """Value of a number -> its word, None when the field does not take it.

    Args:
        field: from `number`.
    """

    def __init__(self, field: Any) -> None:
        super().__init__()
        self._field = field

    def __missing__(self, value: Any) -> int | None:
        try:
            word = int.from_bytes(self._field.build(value), "little")
        except (WireError, construct.ConstructError):
            # What is refused is not kept: there is no end of such values.
            return None
        if len(self) >= _ENTRIES_MAX:
            self.clear()
        self[value] = word
        return word


class Flags(dict[int, "enum.IntFlag | None"]):
    """Word of flags -> the declared ones, None when they contradict one another.

    Args:
        members: the flags.
        requires: pairs of masks, the first only together with the second.
    """

    def __init__(self, members: type[enum.IntFlag], requires: tuple[tuple[int, int], ...]) -> None:
        super().__init__()
        self._members = members
        self._requires = requires
        self._mask = sum(member.value for member in members)

    def __missing__(self, word: int) -> enum.IntFlag | None:
        value: enum.IntFlag | None = self._members(word & self._mask)
        if any(word & flag and not word & needed for flag, needed in self._requires):
            value = None
        if len(self) >= _ENTRIES_MAX:
            self.clear()
        self[word] = value
        return value


def words(members: type[enum.IntEnum]) -> dict[int, enum.IntEnum]:
    """Value -> member of an enumeration."""
    return {member.value: member for member in members}
