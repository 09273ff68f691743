"""Random values of messages within their limits, edges first: what a fuzzer begins with."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

from pumpwire.declare import Message
from pumpwire.errors import WireError
from pumpwire.layout import Field
from pumpwire.numbers import FLOAT, SFLOAT, Special, toward_zero

__all__ = ["octets_of", "values_of"]

_RANGES = {
    "u8": (0, 0xFF), "u16": (0, 0xFFFF), "u24": (0, 0xFFFFFF), "u32": (0, 0xFFFFFFFF),
    "s8": (-0x80, 0x7F), "s16": (-0x8000, 0x7FFF), "s32": (-0x80000000, 0x7FFFFFFF),
}  # fmt: skip
_ATTEMPTS = 8


def octets_of(message: Message, dice: random.Random) -> bytes:
    """The octets of a random valid message, end-to-end protection not included."""
    for _ in range(_ATTEMPTS):
        try:
            return message.build(**values_of(message, dice))
        except WireError:
            continue
    return dice.choice(message.examples).octets


def values_of(message: Message, dice: random.Random) -> dict[str, Any]:
    """Values for all fields that the random flags ask for; those of a field alone are within its limits."""
    values: dict[str, Any] = {}
    for field in message.fields:
        if field.condition is None or field.condition.holds(values):
            values[field.name] = _value(field, values, dice)
    return values


def _value(field: Field, values: dict[str, Any], dice: random.Random) -> Any:
    if field.members is not None:
        return _flags(field, dice) if field.is_flags else dice.choice(list(field.members))
    if field.kind == "counted":
        low, high = _RANGES[field.element]
        return [dice.randint(low, high) for _ in range(dice.randint(field.count_low, field.count_high))]
    if field.kind == "octets":
        length = field.octets
        if field.length_from is not None:
            length = min(length, -(-int(values[field.length_from[0]]) // field.length_from[1]))
        return dice.randbytes(length)
    if field.kind in ("sfloat", "float"):
        return _decimal(field, dice)
    if field.kind in _RANGES:
        low, high = _RANGES[field.kind]
        low = low if field.low is None else int(field.low)
        high = high if field.high is None else int(field.high)
        return dice.choice((low, high, dice.randint(low, high), dice.randint(low, min(high, low + 10))))
    return ""


def _flags(field: Field, dice: random.Random) -> Any:
    bits = 0
    for member in field.members:
        if dice.random() < 0.4:
            bits |= member
    for flag, needed in field.requires:
        if bits & flag and not bits & needed:
            bits &= ~flag
    return field.members(bits)


def _decimal(field: Field, dice: random.Random) -> Any:
    if field.specials and dice.random() < 0.05:
        return dice.choice([special for special in Special if special is not Special.RESERVED])
    low = Decimal(0) if field.low is None else Decimal(field.low)
    high = Decimal(1000) if field.high is None else Decimal(field.high)
    whole = Decimal(dice.choice((0, 50, 850, 1000, dice.randint(0, 2045), 1000 * dice.randint(0, 30)))) / field.scale
    value = dice.choice((low, high, min(max(whole, low), high), min(max(whole, low), high)))
    return toward_zero(value, SFLOAT if field.kind == "sfloat" else FLOAT)
