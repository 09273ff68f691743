"""Seeded octets and values for every message, to hold the firmware's codec against construct.

    random.Random(seed) -> values of a message -> its octets -> damaged octets
"""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

from pumpwire import numbers
from pumpwire.declare import Message
from pumpwire.fields import SCALED_LIMIT, Rounding
from pumpwire.layout import Field
from pumpwire.numbers import Special

_RANGES = {"u8": (0, 0xFF), "u16": (0, 0xFFFF), "u24": (0, 0xFFFFFF), "u32": (0, 0xFFFFFFFF),
           "s8": (-0x80, 0x7F), "s16": (-0x8000, 0x7FFF), "s32": (-0x80000000, 0x7FFFFFFF)}  # fmt: skip
_SPECIALS = (Special.NAN, Special.NRES, Special.PINF, Special.NINF)


def values_of(message: Message, source: random.Random) -> dict[str, Any]:
    """Values that `message.build` takes, edges more often than chance would have them.

    Args:
        message: any message.
        source: of randomness.
    """
    values: dict[str, Any] = {}
    for field in message.fields:
        condition = field.condition
        present = condition is None or condition.holds(values)
        values[field.name] = _value(field, values, source) if present else None
    return values


def _value(field: Field, values: dict[str, Any], source: random.Random) -> Any:
    if field.is_flags:
        return _flags(field, source)
    if field.members is not None:
        return source.choice(list(field.members))
    if field.kind == "counted":
        low, high = _RANGES[field.element]
        count = source.choice((field.count_low, field.count_high, source.randint(field.count_low, field.count_high)))
        return [_edge(low, high, source) for _ in range(count)]
    if field.kind == "octets":
        if field.length_from is None:
            return source.randbytes(field.octets)
        count_field, per_octet = field.length_from
        values[count_field] = source.randint(0, field.octets * per_octet)
        return source.randbytes(-(-values[count_field] // per_octet))
    if field.kind == "text":
        return "".join(source.choice("aZ0 ß€") for _ in range(source.randint(0, field.octets // 3)))
    if field.kind in ("sfloat", "float"):
        return _decimal(field, source)
    low, high = _RANGES[field.kind]
    if field.low is not None and field.high is not None:
        low, high = int(field.low), int(field.high)
        if field.also is not None and source.random() < 0.2:
            return field.also
    return _edge(low, high, source)


def _edge(low: int, high: int, source: random.Random) -> int:
    return source.choice((low, high, source.randint(low, high), source.randint(low, high)))


def _flags(field: Field, source: random.Random) -> Any:
    value = 0
    for member in field.members:
        if source.random() < 0.5:
            value |= member.value
    for flag, needed in field.requires:
        if not value & needed:
            value &= ~flag
    return field.members(value)


def _decimal(field: Field, source: random.Random) -> Decimal | Special:
    if field.specials and source.random() < 0.15:
        return source.choice(_SPECIALS)
    form = numbers.SFLOAT if field.kind == "sfloat" else numbers.FLOAT
    low, high = -SCALED_LIMIT, SCALED_LIMIT
    if field.low is not None and field.high is not None:
        low, high = int(field.low * field.scale), int(field.high * field.scale)
    bound = source.choice((10, 3000, 100_000, 10_000_000, SCALED_LIMIT))
    scaled = _edge(max(low, -bound), min(high, bound), source)
    return numbers.toward_zero(Decimal(scaled) / field.scale, form)


def damaged(octets: bytes, source: random.Random) -> bytes:
    """Octets as a faulty peer might send them: cut short, lengthened, bits flipped, or replaced.

    Args:
        octets: of a message, opcode included.
        source: of randomness.
    """
    kind = source.randrange(4)
    if kind == 0:
        return octets[: source.randint(0, len(octets))]
    if kind == 1:
        return octets + source.randbytes(source.randint(1, 3))
    out = bytearray(octets)
    for _ in range(source.randint(1, 3)):
        if out:
            index = source.randrange(len(out))
            out[index] = source.randrange(256) if kind == 2 else out[index] ^ 1 << source.randrange(8)
    return bytes(out)


def board_values(message: Message, fields: dict[str, Any]) -> dict[str, Any]:
    """The values as the slots of the firmware's codec hold them; None, NaN and the like as their names.

    Args:
        message: any message.
        fields: what `message.parse` gave or `message.build` takes.
    """
    return {field.name: _slot(field, fields.get(field.name)) for field in message.fields}


def _slot(field: Field, value: Any) -> Any:
    if value is None:
        return "ABSENT"
    if isinstance(value, Special):
        return value.name
    if isinstance(value, (bytes, list)):
        return list(value)
    if isinstance(value, Decimal):
        scaled = value * field.scale
        if field.rounding is Rounding.HALF_UP:
            return int((scaled + Decimal("0.5")).to_integral_value(rounding="ROUND_FLOOR"))
        return int(scaled)
    return int(value)
