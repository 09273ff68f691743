"""Hypothesis strategies of every message: values to build it from, its octets, and octets gone wrong.

    @given(values_of(MESSAGES["SetBolus"]))
    def test(values): MESSAGES["SetBolus"].build(**values)

Needs hypothesis, which is not installed with the package itself: `pip install hypothesis`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from pumpwire import numbers
from pumpwire.declare import Message
from pumpwire.fields import SCALED_LIMIT
from pumpwire.layout import Field
from pumpwire.numbers import Special
from pumpwire.registry import MESSAGES

__all__ = ["damaged_octets_of", "messages", "octets_of", "values_of"]

_BITS = {"u8": (0, 8), "u16": (0, 16), "u24": (0, 24), "u32": (0, 32), "s8": (1, 8), "s16": (1, 16), "s32": (1, 32)}
_SPECIALS = (Special.NAN, Special.NRES, Special.PINF, Special.NINF)


def messages(served: bool | None = None) -> SearchStrategy[Message]:
    """Any message.

    Args:
        served: only those that the firmware serves, or only the others; None for all.
    """
    return st.sampled_from([item for item in MESSAGES.values() if served is None or item.served is served])


@st.composite
def values_of(draw: DrawFn, message: Message) -> dict[str, Any]:
    """Values that `message.build` takes, absent fields left out.

    Args:
        message: any message.
    """
    values: dict[str, Any] = {}
    for field in message.fields:
        if field.condition is None or field.condition.holds(values):
            values[field.name] = draw(_value(field, values))
    return values


def octets_of(message: Message) -> SearchStrategy[bytes]:
    """Octets that `message.parse` understands."""
    return values_of(message).map(lambda values: message.build(**values))


@st.composite
def damaged_octets_of(draw: DrawFn, message: Message) -> bytes:
    """Octets of a message that were cut, lengthened or changed; by chance they may still be right."""
    octets = bytearray(draw(octets_of(message)))
    kind = draw(st.sampled_from(("cut", "lengthened", "changed", "replaced")))
    if kind == "cut":
        return bytes(octets[: draw(st.integers(0, len(octets)))])
    if kind == "lengthened":
        return bytes(octets) + draw(st.binary(min_size=1, max_size=4))
    if kind == "replaced":
        return bytes(octets[: message.on.opcode_octets]) + draw(st.binary(max_size=20))
    for _ in range(draw(st.integers(1, 3)) if octets else 0):
        octets[draw(st.integers(0, len(octets) - 1))] = draw(st.integers(0, 255))
    return bytes(octets)


def _value(field: Field, values: dict[str, Any]) -> SearchStrategy[Any]:
    if field.is_flags:
        return _flags(field)
    if field.members is not None:
        return st.sampled_from(list(field.members))
    if field.kind in ("sfloat", "float"):
        return _number(field)
    if field.kind == "counted":
        return st.lists(_integers(field.element), min_size=field.count_low, max_size=field.count_high)
    if field.kind == "text":
        short = st.text(max_size=field.octets)
        return short.filter(lambda text: len(text.encode(errors="replace")) <= field.octets and text.isprintable())
    if field.kind == "octets":
        length = field.octets
        if field.length_from is not None:
            count_field, per_octet = field.length_from
            # The count comes first on the wire, and only so many octets as fit can follow.
            values[count_field] = min(values[count_field], field.octets * per_octet)
            length = -(-values[count_field] // per_octet)
        return st.binary(min_size=length, max_size=length)
    if field.low is not None and field.high is not None:
        inside = st.integers(int(field.low), int(field.high))
        return inside if field.also is None else inside | st.just(field.also)
    return _integers(field.kind)


def _integers(kind: str) -> SearchStrategy[int]:
    signed, bits = _BITS[kind]
    return st.integers(-(1 << bits - 1), (1 << bits - 1) - 1) if signed else st.integers(0, (1 << bits) - 1)


def _flags(field: Field) -> SearchStrategy[Any]:
    def together(chosen: list[Any]) -> Any:
        value = sum({int(member) for member in chosen})
        for flag, needed in field.requires:
            if not value & needed:
                value &= ~flag
        return field.members(value)

    return st.lists(st.sampled_from(list(field.members)), unique=True).map(together)


def _number(field: Field) -> SearchStrategy[Any]:
    form = numbers.SFLOAT if field.kind == "sfloat" else numbers.FLOAT
    low, high = -SCALED_LIMIT, SCALED_LIMIT
    if field.low is not None and field.high is not None:
        low, high = int(field.low * field.scale), int(field.high * field.scale)
    near = st.integers(max(low, -5000), min(high, 5000))
    scaled = near | st.integers(low, high)
    exact = scaled.map(lambda value: numbers.toward_zero(Decimal(value) / field.scale, form))
    return exact | st.sampled_from(_SPECIALS) if field.specials else exact
