"""Compiles a message declaration into the octets of a program that the firmware's codec interprets.

Each instruction is an operation, a slot and its parameters. Slots hold the values of fields on the board: every
field name has one, whatever the message. Fields that stand in one message alone, whose value is read or written as it
is, share slots with the like of other messages: such a value is used up before the next message comes. Numbers too
large for an octet and the words of enumerations stand in two shared pools.

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
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from pumpwire import database
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


def owners(messages: Iterable[Message]) -> dict[str, str]:
    """Field -> the one message in which it stands, of messages that are a whole value of a characteristic of the pump.

    Control points, and records that the pump keeps, have opcodes: more than one message of theirs is at work at a time.
    What comes from the sensor is left out, too: the pump reads it while it tells of other things.

    Args:
        messages: all of the wire.
    """
    of_pump = {item for service in database.SERVICES if service.owner == "pump" for item in service.characteristics}
    found: dict[str, list[Message]] = {}
    for message in messages:
        for declared in message.fields:
            found.setdefault(declared.name, []).append(message)
    return {
        name: users[0].name
        for name, users in found.items()
        if len(users) == 1 and users[0].on in of_pump and not users[0].on.opcode_octets
    }


@dataclass
class Slots:
    """The slots of all fields. Those of fields with an owner come first, each owner's from 0 on.

    Args:
        owner: field -> the one message in which it stands, for fields that share their slots.
        shared: how many slots are shared.
    """

    owner: Mapping[str, str] = field(default_factory=dict)
    shared: int = 0
    names: dict[str, int] = field(default_factory=dict)
    size: int = 0
    _base: dict[str, int] = field(default_factory=dict)
    _shape: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    _own: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.size = self.shared

    def add(self, declared: Field, message: str) -> None:
        """Gives a field its slots, or checks that those it has from another message suit it."""
        owner = self.owner.get(declared.name, message)
        if owner != message:
            raise DeclarationError(f"{message}.{declared.name}: shares its slots, as a field of {owner} alone")
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
        slot = self._base[declared.name] = self._take(declared.name, count)
        constant = declared.name.upper()
        if kind == "halves":
            self.names |= {f"{constant}_LOW": slot, f"{constant}_HIGH": slot + 1}
        elif kind == "counted":
            self.names |= {f"{constant}_COUNT": slot, constant: slot + 1}
        else:
            self.names[constant] = slot
        if self.size > _OCTET_MAX:
            raise DeclarationError(f"{message}.{declared.name}: more than {_OCTET_MAX} slots")

    def _take(self, name: str, count: int) -> int:
        owner = self.owner.get(name)
        if owner is None:
            slot, self.size = self.size, self.size + count
            return slot
        slot = self._own.get(owner, 0)
        self._own[owner] = slot + count
        if slot + count > self.shared:
            raise DeclarationError(f"{owner}.{name}: more slots than the {self.shared} that are shared")
        return slot

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
    """Compiles messages; slots and pools are shared by all of them.

    Args:
        messages: those that will be compiled; without them no field shares its slots.
        wire: all messages, which say what stands in one alone.
    """

    def __init__(self, messages: Iterable[Message] = (), wire: Iterable[Message] = ()) -> None:
        owner = owners(wire)
        own: dict[str, int] = {}
        for message in messages:
            for declared in message.fields:
                if declared.name in owner:
                    own[message.name] = own.get(message.name, 0) + _shape(declared)[1]
        self.slots = Slots(owner, max(own.values(), default=0))
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
