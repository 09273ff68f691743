"""Reads a message declaration back out of construct: a flat list of fields, for strict checks and generators.

Only a small subset of construct is accepted. Anything else, a lambda above all, is refused by name, because nothing
could be generated from it.
"""

from __future__ import annotations

import enum
import operator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, cast

import construct
from construct.expr import BinExpr, Path

from pumpwire import fields
from pumpwire.errors import DeclarationError

_INTEGERS = {
    id(construct.Int8ul): ("u8", 1), id(construct.Int8sl): ("s8", 1), id(construct.Int16ul): ("u16", 2),
    id(construct.Int16sl): ("s16", 2), id(construct.Int24ul): ("u24", 3), id(construct.Int32ul): ("u32", 4),
    id(construct.Int32sl): ("s32", 4),
}  # fmt: skip


@dataclass(frozen=True)
class Condition:
    """When a field is there: a flag of a flags field, or one of some values of an enumeration field.

    Args:
        field: the field looked at.
        mask: the flag, or 0.
        values: the enumeration values, when mask is 0.
    """

    field: str
    mask: int = 0
    values: tuple[int, ...] = ()

    def holds(self, values: dict[str, Any]) -> bool:
        """Whether the field is there, given the other values of the message."""
        value = values.get(self.field)
        if not isinstance(value, int):
            return False
        return bool(value & self.mask) if self.mask else value in self.values


@dataclass(frozen=True)
class Field:
    """One field of a message.

    Args:
        name: its name.
        kind: u8, s8, u16, s16, u24, u32, s32, sfloat, float, octets, counted or text.
        octets: its length, or of one element.
        doc: unit or remark.
        members: enumeration or flags class.
        is_flags: whether members are flags.
        requires: pairs of flag masks; the first only together with the second.
        scale: board value of 1 for decimal numbers.
        specials: whether NaN and its kin are values.
        rounding: what the board does with digits beyond the scale.
        low, high, also: limits in the unit of the field.
        condition: when it is there.
        count_low, count_high: of counted fields.
        element: kind of a counted field's elements.
        length_from: field that tells the number of octets, and entries per octet.
    """

    name: str
    kind: str
    octets: int
    doc: str = ""
    members: Any = None
    is_flags: bool = False
    requires: tuple[tuple[int, int], ...] = ()
    scale: int = 1
    specials: bool = False
    rounding: fields.Rounding = fields.Rounding.REFUSE
    low: int | Decimal | None = None
    high: int | Decimal | None = None
    also: int | None = None
    condition: Condition | None = None
    count_low: int = 0
    count_high: int = 0
    element: str = ""
    length_from: tuple[str, int] | None = None

    @property
    def is_fixed(self) -> bool:
        """Whether the length does not depend on other fields."""
        return self.kind not in ("counted", "text") and self.length_from is None

    def length_in(self, values: dict[str, Any]) -> int:
        """Its length in octets within a message that has these values."""
        if self.condition is not None and not self.condition.holds(values):
            return 0
        value = values.get(self.name)
        if self.kind == "counted":
            return 1 + self.octets * len(value or ())
        if self.kind == "text":
            return len(str(value or "").encode())
        return len(value or b"") if self.length_from else self.octets


def _names(path: Any) -> list[str]:
    out: list[str] = []
    while path._Path__parent is not None:
        out.append(path._Path__field)
        path = path._Path__parent
    return out[::-1]


def _condition(expression: Any, where: str) -> Condition:
    if not isinstance(expression, BinExpr):
        raise _no_condition(expression, where)
    expression = cast(Any, expression)
    if isinstance(expression.lhs, Path) and isinstance(expression.rhs, int):
        names = _names(expression.lhs)
        if len(names) == 1 and expression.op is operator.and_:
            return Condition(names[0], mask=expression.rhs)
        if len(names) == 1 and expression.op is operator.eq:
            return Condition(names[0], values=(expression.rhs,))
    if expression.op is operator.or_:
        left, right = _condition(expression.lhs, where), _condition(expression.rhs, where)
        if left.values and right.values and left.field == right.field:
            return Condition(left.field, values=left.values + right.values)
    raise _no_condition(expression, where)


def _no_condition(expression: Any, where: str) -> DeclarationError:
    return DeclarationError(f"{where}: declare conditions with Present or PresentWhen, not {expression!r}")


def _field(name: str, subcon: Any, doc: str, where: str) -> Field:
    details: dict[str, Any] = {"name": name}
    while True:
        if isinstance(subcon, construct.Renamed):
            doc = doc or subcon.docs or ""
            subcon = subcon.subcon
        elif type(subcon) is construct.IfThenElse and subcon.elsesubcon is construct.Pass:
            details["condition"] = _condition(subcon.condfunc, where)
            subcon = subcon.thensubcon
        elif type(subcon) is fields.InRange:
            details |= {"low": subcon.low, "high": subcon.high, "also": subcon.also}
            subcon = subcon.subcon
        elif type(subcon) is fields.Word:
            details["members"] = subcon.members
            subcon = subcon.subcon
        elif type(subcon) is fields.Bits:
            details |= {"members": subcon.members, "is_flags": True}
            details["requires"] = tuple((int(flag), int(needed)) for flag, needed in subcon.requires.items())
            subcon = subcon.subcon
        else:
            break
    details["doc"] = doc
    if isinstance(subcon, (fields.Sfloat, fields.Float)):
        kind, octets = ("sfloat", 2) if isinstance(subcon, fields.Sfloat) else ("float", 4)
        details |= {"scale": subcon.scale, "specials": subcon.specials, "rounding": subcon.rounding}
    elif isinstance(subcon, fields.Counted):
        kind = "counted"
        element, octets = _INTEGERS[id(subcon.element)]
        details |= {"element": element, "count_low": subcon.low, "count_high": subcon.high}
    elif isinstance(subcon, fields.Octets):
        kind, octets = "octets", subcon.high
        if subcon.count_field is not None:
            details["length_from"] = (subcon.count_field, subcon.per_octet)
    elif isinstance(subcon, fields.Text):
        kind, octets = "text", subcon.high
    elif id(subcon) in _INTEGERS:
        kind, octets = _INTEGERS[id(subcon)]
    else:
        raise DeclarationError(f"{where}: {type(subcon).__name__} is outside the subset that can be generated")
    if details.get("members") is not None and kind not in ("u8", "u16", "u24"):
        raise DeclarationError(f"{where}: an enumeration needs an unsigned integer of at most 24 bits")
    if "low" in details and kind in ("u32", "s32"):
        raise DeclarationError(f"{where}: a {kind} takes no limits, the board holds it as two halves")
    return Field(kind=kind, octets=octets, **details)


def fields_of(struct: Any, where: str) -> tuple[Field, ...]:
    """The fields of a declaration in wire order.

    Args:
        struct: a construct.Struct of named fields.
        where: name of the message, for errors.

    Raises:
        DeclarationError: something in it cannot be generated from.
    """
    if type(struct) is not construct.Struct:
        raise DeclarationError(f"{where}: the body must be a Struct, not {type(struct).__name__}")
    out: list[Field] = []
    seen: dict[str, Field] = {}
    for subcon in struct.subcons:
        if not subcon.name:
            raise DeclarationError(f"{where}: every field needs a name")
        field = _field(subcon.name, subcon, getattr(subcon, "docs", "") or "", f"{where}.{subcon.name}")
        if field.name in seen:
            raise DeclarationError(f"{where}.{field.name}: declared twice")
        if field.condition is not None:
            governing = seen.get(field.condition.field)
            if governing is None or governing.members is None or governing.condition is not None:
                raise DeclarationError(f"{where}.{field.name}: depends on no earlier flags or enumeration")
        if out and out[-1].kind == "text":
            raise DeclarationError(f"{where}.{field.name}: text goes to the end of the message, nothing can follow it")
        seen[field.name] = field
        out.append(field)
    return tuple(out)


def members_of(field: Field) -> list[enum.IntEnum]:
    """The enumeration's or flags' members in order."""
    return list(field.members) if field.members is not None else []
