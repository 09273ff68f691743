"""The field types of which messages are declared, as construct classes that are strict.

construct by itself lets an unknown enumeration value, a stray flag bit or a number beyond its limits pass. These
classes do not: when parsing, a value outside the declared ones raises `RfuValue`, a wrong structure raises
`BadStructure`, and a limit is noted as a finding so that the rest of the message is still read. When building,
each refuses what it could not have parsed.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import construct
from construct import Int8sl, Int8ul, Int16sl, Int16ul, Int24ul, Int32sl, Int32ul

from pumpwire import numbers
from pumpwire.errors import ValueNotExact, WireError
from pumpwire.numbers import Special

__all__ = [
    "BadStructure",
    "Bits",
    "Counted",
    "Float",
    "InRange",
    "Int8sl",
    "Int8ul",
    "Int16sl",
    "Int16ul",
    "Int24ul",
    "Int32sl",
    "Int32ul",
    "Octets",
    "OutOfRange",
    "Present",
    "PresentWhen",
    "Refused",
    "RfuValue",
    "Rounding",
    "Sfloat",
    "Text",
    "Word",
]


class Rounding(enum.Enum):
    """What the board does with digits beyond its scale."""

    REFUSE = 0
    TOWARD_ZERO = 1
    HALF_UP = 2


# A scaled number on the board stays below this magnitude, so that it is a small int on 32-bit boards and the
# sentinels of the firmware codec keep apart from it.
SCALED_LIMIT = (1 << 29) - 1


class BadStructure(WireError):
    """Too few or too many octets, a count that cannot be, or flags that contradict one another."""


class RfuValue(WireError):
    """An enumeration value that is reserved for future use."""

    def __init__(self, path: str, value: int, allowed: str) -> None:
        super().__init__(f"{value:#04x} is reserved for future use; allowed: {allowed}")
        self.path = path
        self.value = value


class OutOfRange(WireError):
    """A value beyond the limits of its field."""

    def __init__(self, path: str, value: object, allowed: str) -> None:
        super().__init__(f"{value} is out of range; allowed: {allowed}")
        self.path = path
        self.value = value


class Refused(WireError):
    """A value that a field does not take when building."""

    def __init__(self, value: object, allowed: str) -> None:
        super().__init__(f"{value!r} cannot be sent; allowed: {allowed}")
        self.value = value
        self.allowed = allowed


def _note(context: Any, finding: OutOfRange) -> None:
    # Without a list of findings (plain construct use) a limit is an error like any other.
    findings = context._params.get("findings")
    if findings is None:
        raise finding
    findings.append(finding)


def _whole(obj: object, allowed: str) -> int:
    if isinstance(obj, bool) or not isinstance(obj, int):
        raise Refused(obj, allowed)
    return int(obj)


class Word(construct.Adapter):
    """An enumeration: any value that is no member is reserved for future use.

    Args:
        subcon: the integer on the wire.
        members: the enumeration; parsing gives its members.
    """

    def __init__(self, subcon: Any, members: type[enum.IntEnum]) -> None:
        super().__init__(subcon)
        self.members = members
        self.allowed = ", ".join(f"{member.name} {member.value:#04x}" for member in members)
        self._by_value: dict[int, enum.IntEnum] = {member.value: member for member in members}

    def _decode(self, obj: int, context: Any, path: str) -> enum.IntEnum:
        member = self._by_value.get(obj)
        if member is None:
            raise RfuValue(path, obj, self.allowed)
        return member

    def _encode(self, obj: object, context: Any, path: str) -> int:
        value = _whole(obj, self.allowed)
        if value not in self._by_value:
            raise Refused(obj, self.allowed)
        return value


class Bits(construct.Adapter):
    """A set of flags: bits that are not declared are sent 0 and ignored on receipt.

    Args:
        subcon: the integer on the wire.
        members: the flags.
        requires: flag -> the flag without which it must not be set.
    """

    def __init__(
        self, subcon: Any, members: type[enum.IntFlag], requires: Mapping[Any, enum.IntFlag] | None = None
    ) -> None:
        super().__init__(subcon)
        self.members = members
        self.requires = requires or {}
        self.mask = 0
        for member in members:
            self.mask |= member.value
        self.allowed = " | ".join(str(member.name) for member in members)

    def _contradiction(self, value: int) -> str | None:
        for flag, needed in self.requires.items():
            if value & flag and not value & needed:
                return f"{flag.name} only together with {needed.name}"
        return None

    def _decode(self, obj: int, context: Any, path: str) -> enum.IntFlag:
        wrong = self._contradiction(obj)
        if wrong:
            raise BadStructure(wrong)
        return self.members(obj & self.mask)

    def _encode(self, obj: object, context: Any, path: str) -> int:
        value = _whole(obj, self.allowed)
        if value & ~self.mask:
            raise Refused(obj, self.allowed)
        wrong = self._contradiction(value)
        if wrong:
            raise Refused(obj, wrong)
        return value


class InRange(construct.Adapter):
    """Limits on a number, both included; a value beyond them is out of range, not a wrong structure.

    Args:
        subcon: an integer or a Sfloat/Float.
        low: least value, in the unit of the field.
        high: greatest value.
        also: one more value that is allowed, such as "unknown".
    """

    def __init__(self, subcon: Any, low: int | Decimal, high: int | Decimal, also: int | None = None) -> None:
        super().__init__(subcon)
        self.low = low
        self.high = high
        self.also = also
        self.allowed = f"{low} to {high}" + ("" if also is None else f", or {also}")

    def _inside(self, obj: Any) -> bool:
        return isinstance(obj, Special) or self.low <= obj <= self.high or obj == self.also

    def _decode(self, obj: Any, context: Any, path: str) -> Any:
        if not self._inside(obj):
            _note(context, OutOfRange(path, obj, self.allowed))
        return obj

    def _encode(self, obj: Any, context: Any, path: str) -> Any:
        number = isinstance(obj, (int, Decimal, Special)) and not isinstance(obj, bool)
        if not number or (isinstance(obj, Decimal) and not obj.is_finite()) or not self._inside(obj):
            raise Refused(obj, self.allowed)
        return obj


class _Number(construct.Adapter):
    form: numbers.Format

    def __init__(self, subcon: Any, scale: int, specials: bool, rounding: Rounding) -> None:
        super().__init__(subcon)
        self.scale = scale
        self.specials = specials
        self.rounding = rounding
        self.places = len(str(scale)) - 1
        self.bound = Decimal(SCALED_LIMIT) / scale
        self.allowed = f"a whole multiple of {Decimal(1) / scale} up to {int(self.bound)} either way" + (
            " or a numbers.Special" if specials else ""
        )

    def _decode(self, obj: int, context: Any, path: str) -> Decimal | Special:
        value = numbers.decode(self.form, obj)
        if isinstance(value, Special):
            if value is Special.RESERVED:
                raise RfuValue(path, obj, "a number, NaN, NRes or an infinity")
            if not self.specials:
                _note(context, OutOfRange(path, value.value, self.allowed))
            return value
        scaled = value.scaleb(self.places)
        if abs(value) > self.bound or (self.rounding is Rounding.REFUSE and scaled != scaled.to_integral_value()):
            _note(context, OutOfRange(path, value, self.allowed))
        return value

    def _encode(self, obj: object, context: Any, path: str) -> int:
        if isinstance(obj, Special):
            if not self.specials or obj is Special.RESERVED:
                raise Refused(obj, self.allowed)
            return numbers.encode(self.form, obj)
        if isinstance(obj, bool) or not isinstance(obj, (int, Decimal)):
            raise Refused(obj, f"a Decimal or an int, {self.allowed}")
        value = Decimal(obj)
        if not value.is_finite() or abs(value) > self.bound:
            raise Refused(obj, self.allowed)
        if self.rounding is Rounding.REFUSE and (value.scaleb(self.places)) % 1:
            raise Refused(obj, self.allowed)
        try:
            return numbers.encode(self.form, value)
        except ValueNotExact as error:
            raise Refused(obj, str(error)) from error


class Sfloat(_Number):
    """A 16-bit decimal number; `decimal.Decimal` on the host, an int of value x scale on the board.

    Args:
        scale: power of ten by which the board multiplies; a value that is then not whole is out of range.
        specials: whether NaN, NRes and the infinities are values of this field.
        rounding: whether the board rounds digits beyond the scale instead (for measured values).
    """

    form = numbers.SFLOAT

    def __init__(self, scale: int, specials: bool = False, rounding: Rounding = Rounding.REFUSE) -> None:
        super().__init__(Int16ul, scale, specials, rounding)


class Float(_Number):
    """A 32-bit decimal number, see `Sfloat`."""

    form = numbers.FLOAT

    def __init__(self, scale: int, specials: bool = False, rounding: Rounding = Rounding.REFUSE) -> None:
        super().__init__(Int32ul, scale, specials, rounding)


class Counted(construct.Construct):
    """A count in one octet, then so many equal elements; a list on the host.

    Args:
        element: an integer type.
        low: least count.
        high: greatest count; a message with another count has a wrong structure.
    """

    def __init__(self, element: Any, low: int, high: int) -> None:
        super().__init__()
        self.element = element
        self.low = low
        self.high = high

    def _parse(self, stream: Any, context: Any, path: str) -> list[int]:
        count = Int8ul._parsereport(stream, context, path)
        if not self.low <= count <= self.high:
            raise BadStructure(f"{count} elements where {self.low} to {self.high} are possible")
        return [self.element._parsereport(stream, context, path) for _ in range(count)]

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        allowed = f"a sequence of {self.low} to {self.high} integers"
        if isinstance(obj, (str, bytes)) or not isinstance(obj, Sequence) or not self.low <= len(obj) <= self.high:
            raise Refused(obj, allowed)
        Int8ul._build(len(obj), stream, context, path)
        for item in obj:
            self.element._build(_whole(item, allowed), stream, context, path)
        return obj

    def _sizeof(self, context: Any, path: str) -> int:
        raise construct.SizeofError("depends on the count", path=path)


class Octets(construct.Construct):
    """Raw octets, `bytes` on the host and one slot an octet on the board.

    Args:
        length: their number, or None for a number that follows from another field.
        count_field: the field whose value says how many entries follow.
        per_octet: entries of count_field that one octet holds.
        high: greatest number of octets.
    """

    def __init__(
        self, length: int | None = None, count_field: str | None = None, per_octet: int = 1, high: int | None = None
    ) -> None:
        super().__init__()
        self.length = length
        self.count_field = count_field
        self.per_octet = per_octet
        self.high = length if length is not None else high or 0

    def _length(self, context: Any) -> int:
        if self.length is not None:
            return self.length
        return int(-(-context[self.count_field] // self.per_octet))

    def _parse(self, stream: Any, context: Any, path: str) -> bytes:
        length = self._length(context)
        if length > self.high:
            raise BadStructure(f"{length} octets announced where {self.high} are possible")
        return bytes(construct.stream_read(stream, length, path))

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        length = self._length(context)
        if not isinstance(obj, (bytes, bytearray)) or len(obj) != length or length > self.high:
            raise Refused(obj, f"bytes of length {length}, at most {self.high}")
        construct.stream_write(stream, bytes(obj), length, path)
        return obj

    def _sizeof(self, context: Any, path: str) -> int:
        if self.length is None:
            raise construct.SizeofError("depends on the count", path=path)
        return self.length


class Text(construct.Construct):
    """UTF-8 text up to the end of the message; `str` on the host.

    Args:
        high: greatest number of octets.
    """

    def __init__(self, high: int) -> None:
        super().__init__()
        self.high = high

    def _parse(self, stream: Any, context: Any, path: str) -> str:
        octets = stream.read()
        if len(octets) > self.high:
            raise BadStructure(f"{len(octets)} octets of text where {self.high} are possible")
        try:
            return bytes(octets).decode()
        except UnicodeDecodeError:
            raise BadStructure("the text is no UTF-8") from None

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        allowed = f"text of at most {self.high} octets in UTF-8"
        if not isinstance(obj, str):
            raise Refused(obj, allowed)
        octets = obj.encode(errors="replace")
        if len(octets) > self.high or octets.decode() != obj:
            raise Refused(obj, allowed)
        construct.stream_write(stream, octets, len(octets), path)
        return obj

    def _sizeof(self, context: Any, path: str) -> int:
        raise construct.SizeofError("depends on the text", path=path)


def Present(flag: enum.IntFlag, subcon: Any, flags: str = "flags") -> Any:
    """A field that is there only when a flag of the flags field is set.

    Args:
        flag: the flag.
        subcon: the field type.
        flags: name of the flags field.
    """
    return construct.If(construct.this[flags] & int(flag), subcon)


def PresentWhen(field: str, values: Sequence[enum.IntEnum], subcon: Any) -> Any:
    """A field that is there only when an enumeration field has one of some values.

    Args:
        field: name of the enumeration field.
        values: the values with which the field is there.
        subcon: the field type.
    """
    condition: Any = construct.this[field] == int(values[0])
    for value in values[1:]:
        condition = condition | (construct.this[field] == int(value))
    return construct.If(condition, subcon)
