"""Octets of requests, right ones and wrong ones."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from pumpwire import numbers
from pumpwire.numbers import Special
from pumpwire.registry import MESSAGES

__all__ = [
    "ANY_RFU",
    "NAN",
    "NINF",
    "NRES",
    "PINF",
    "Bolus",
    "hex_of",
    "i8",
    "opcode_of",
    "request",
    "sf",
    "u8",
    "u16",
    "u32",
]

# No word of the Hamming code, and so a value of no enumeration.
ANY_RFU = 0x01


def u8(value: int) -> bytes:
    """An octet."""
    return value.to_bytes(1, "little")


def i8(value: int) -> bytes:
    """An octet with a sign."""
    return value.to_bytes(1, "little", signed=True)


def u16(value: int) -> bytes:
    """Two octets."""
    return value.to_bytes(2, "little")


def u32(value: int) -> bytes:
    """Four octets."""
    return value.to_bytes(4, "little")


def sf(value: str | Decimal | int | Special) -> bytes:
    """An SFLOAT."""
    exact = value if isinstance(value, Special) else Decimal(value)
    return u16(numbers.encode(numbers.SFLOAT, exact))


NAN = sf(Special.NAN)
NRES = sf(Special.NRES)
PINF = sf(Special.PINF)
NINF = sf(Special.NINF)


def opcode_of(name: str) -> int:
    """The opcode of a message."""
    opcode = MESSAGES[name].opcode
    assert opcode is not None
    return opcode


def request(name: str | int, *operand: bytes) -> bytes:
    """A request: the opcode of a message (or a number as two octets), and whatever follows it."""
    if isinstance(name, int):
        return u16(name) + b"".join(operand)
    message = MESSAGES[name]
    return opcode_of(name).to_bytes(message.on.opcode_octets, "little") + b"".join(operand)


def hex_of(octets: bytes | None) -> str:
    """Octets for a person."""
    if octets is None:
        return "nothing"
    return octets.hex(" ") or "no octets"


@dataclass(frozen=True)
class Bolus:
    """The operand of Set Bolus; each field can be wrong.

    Args:
        kind: bolus type word.
        fast, extended: IU, or the two octets themselves.
        minutes: duration.
        delay, template, activation: None for absent, as the flags then say.
        more_flags: bits set beside those that say what is present.
    """

    kind: int
    fast: str | bytes = "0"
    extended: str | bytes = "0"
    minutes: int = 0
    delay: int | None = None
    template: int | None = None
    activation: int | None = None
    more_flags: int = 0

    @property
    def flags(self) -> int:
        """The flags octet."""
        present = (self.delay, self.template, self.activation)
        return sum(1 << bit for bit, value in enumerate(present) if value is not None) | self.more_flags

    def operand(self) -> bytes:
        """The octets after the opcode."""
        amounts = b"".join(part if isinstance(part, bytes) else sf(part) for part in (self.fast, self.extended))
        tail = b"" if self.delay is None else u16(self.delay)
        tail += b"".join(u8(part) for part in (self.template, self.activation) if part is not None)
        return u8(self.flags) + u8(self.kind) + amounts + u16(self.minutes) + tail

    def request(self) -> bytes:
        """Set Bolus."""
        return request("SetBolus", self.operand())
