"""Compiles a message declaration into the octets of a program that the firmware's codec interprets.

Each instruction is an operation, a slot and its parameters. Slots hold the values of fields on the board: every
field name has one, whatever the message. Numbers too large for an octet and the words of enumerations stand in two
shared pools.

    U8 U16 U24 slot          unsigned integer
    U32 slot                 two slots: low 16 bits, high 16 bits; also of an s32, as a complement of two
    S8 S16 slot              signed integer
    SFLOAT FLOAT slot options  options: places of the scale | specials << 4 | rounding << 5
    WORD slot words          the slot is one of words
    BITS slot number         undeclared flag bits are cleared
    NEEDS slot a b           flag bit a only together with bit b
    RANGE slot low high also indices of numbers
    IF slot bit skip target count      unless the bit is set: the target slots are absent, skip
    WHEN slot words skip target count  unless the slot is one of words: likewise
    COUNTED slot low high octets       count in the slot, elements in those after it
    OCTETS slot length
    OCTETS_FOR slot count_slot per_octet high
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from pumpwire.declare import Message
from pumpwire.errors import DeclarationError
from pumpwire.layout import Field


class Op(enum.IntEnum):
    """Operations, as `firmware/gatt/codec.py` knows them."""

    U8 = 1
    U16 = 2
    U24 = 3
    U32 = 4
    S8 = 5
    S16 = 6
    SFLOAT = 7
    FLOAT = 8
    WORD = 9
    BITS = 10
    NEEDS = 11
    RANGE = 12
    IF = 13
    WHEN = 14
    COUNTED = 15
    OCTETS = 16
    OCTETS_FOR = 17


_INTEGER_OPS = {"u8": Op.U8, "u16": Op.U16, "u24": Op.U24, "u32": Op.U32, "s8": Op.S8, "s16": Op.S16, "s32": Op.U32}
_OCTET_MAX = 255
T = TypeVar("T")


@dataclass
class Slots:
    """The slots of all fields.

    Args:
        names: constant -> slot, in the order of slots.
        size: number of slots.
    """

    names: dict[str, int] = field(default_factory=dict)
    size: int = 0
    _base: dict[str, int] = field(default_factory=dict)
    _shape: dict[str, tuple[str, int, int]] = field(default_factory=dict)

    def add(self, declared: Field, message: str) -> None:
        """Gives a field its slots, or checks that those it has from another message suit it."""
        kind, count = _shape(declared)
        shape = (kind, count, declared.scale)
        known = self._shape.setdefault(declared.name, shape)
        if known != shape:
            raise DeclarationError(
                f"{message}.{declared.name}: another message has a field of this name with another number of slots "
                f"or another scale ({known} and {shape}); give one of them a name of its own"
            )
        if declared.name in self._base:
            return
        self._base[declared.name] = self.size
        constant = declared.name.upper()
        if kind == "halves":
            self.names |= {f"{constant}_LOW": self.size, f"{constant}_HIGH": self.size + 1}
        elif kind == "counted":
            self.names |= {f"{constant}_COUNT": self.size, constant: self.size + 1}
        else:
            self.names[constant] = self.size
        self.size += count
        if self.size > _OCTET_MAX:
            raise DeclarationError(f"{message}.{declared.name}: more than {_OCTET_MAX} slots")

    def of(self, name: str) -> int:
        """The first slot of a field."""
        return self._base[name]

    def count(self, name: str) -> int:
        """The number of its slots."""
        return self._shape[name][1]


def _shape(declared: Field) -> tuple[str, int]:
    if declared.kind in ("u32", "s32"):
        return "halves", 2
    if declared.kind == "counted":
        return "counted", 1 + declared.count_high
    if declared.kind == "octets":
        return "octets", declared.octets
    return "number", 1


class Pool(Generic[T]):
    """Values that programs refer to by index."""

    def __init__(self) -> None:
        self.values: list[T] = []

    def index(self, value: T) -> int:
        """The index of a value, which is added when it is not there yet."""
        if value not in self.values:
            self.values.append(value)
        index = self.values.index(value)
        if index > _OCTET_MAX:
            raise DeclarationError("more values than an octet can tell apart")
        return index


class Compiler:
    """Compiles messages; slots and pools are shared by all of them."""

    def __init__(self) -> None:
        self.slots = Slots()
        self.numbers: Pool[int] = Pool()
        self.words: Pool[tuple[int, ...]] = Pool()

    def compile(self, fields: tuple[Field, ...], where: str) -> bytes:
        """The program of some fields.

        Args:
            fields: in wire order.
            where: name of the message, for errors.
        """
        out = bytearray()
        for declared in fields:
            self.slots.add(declared, where)
            body = self._field(declared)
            condition = declared.condition
            if condition is not None:
                target = [len(body), self.slots.of(declared.name), self.slots.count(declared.name)]
                governing = self.slots.of(condition.field)
                if condition.mask:
                    out += bytes([Op.IF, governing, condition.mask.bit_length() - 1, *target])
                else:
                    out += bytes([Op.WHEN, governing, self.words.index(condition.values), *target])
            out += body
        return bytes(out)

    def message(self, message: Message) -> bytes:
        """The program of a message, without opcode and header."""
        return self.compile(message.layout, message.name)

    def _field(self, declared: Field) -> bytes:
        slot = self.slots.of(declared.name)
        if declared.kind == "counted":
            return bytes([Op.COUNTED, slot, declared.count_low, declared.count_high, declared.octets])
        if declared.kind == "octets":
            if declared.length_from is None:
                return bytes([Op.OCTETS, slot, declared.octets])
            count_field, per_octet = declared.length_from
            return bytes([Op.OCTETS_FOR, slot, self.slots.of(count_field), per_octet, declared.octets])
        out = bytearray()
        if declared.kind in ("sfloat", "float"):
            places = len(str(declared.scale)) - 1
            options = places | declared.specials << 4 | declared.rounding.value << 5
            out += bytes([Op.SFLOAT if declared.kind == "sfloat" else Op.FLOAT, slot, options])
        else:
            out += bytes([_INTEGER_OPS[declared.kind], slot])
        if declared.is_flags:
            mask = 0
            for member in declared.members:
                mask |= member.value
            if mask != (1 << 8 * declared.octets) - 1:
                out += bytes([Op.BITS, slot, self.numbers.index(mask)])
            for flag, needed in declared.requires:
                out += bytes([Op.NEEDS, slot, flag.bit_length() - 1, needed.bit_length() - 1])
        elif declared.members is not None:
            out += bytes([Op.WORD, slot, self.words.index(tuple(member.value for member in declared.members))])
        if declared.low is not None and declared.high is not None:
            low, high = int(declared.low * declared.scale), int(declared.high * declared.scale)
            also = low if declared.also is None else declared.also * declared.scale
            out += bytes([Op.RANGE, slot, *(self.numbers.index(value) for value in (low, high, also))])
        return bytes(out)
