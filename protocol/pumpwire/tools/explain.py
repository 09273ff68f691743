"""Explains octets: which message, where each field stands, and which octet is wrong and why."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import construct

from pumpwire import e2e
from pumpwire.cgms import CGM_MEASUREMENT, RECORD_OCTETS_MIN
from pumpwire.database import Characteristic, Protection
from pumpwire.declare import TO_CLIENT, TO_PUMP, Message, Outcome, plain
from pumpwire.errors import E2EError
from pumpwire.fields import BadStructure, OutOfRange, RfuValue
from pumpwire.layout import Field
from pumpwire.registry import decode, messages_of

__all__ = ["E2EState", "Explained", "Part", "Wrong", "explain", "explain_value"]


@dataclass(frozen=True, slots=True)
class Part:
    """One field as it stands in the octets.

    Args:
        field: its declaration; None for the opcode.
        name: its name.
        offset: octet of the message at which it starts.
        octets: its octets.
        value: what they mean; None when they mean nothing.
    """

    field: Field | None
    name: str
    offset: int
    octets: bytes
    value: Any


@dataclass(frozen=True, slots=True)
class Wrong:
    """What is wrong with octets.

    Args:
        message: name of the message, or of the characteristic while the message is not known.
        field: the field, "opcode", or "" when the structure as a whole is wrong.
        offset: octet of the message at which it stands.
        value: what stands there.
        allowed: what would have been right.
        what: one clause on what is wrong.
    """

    message: str
    field: str
    offset: int
    value: str
    allowed: str
    what: str

    @property
    def where(self) -> str:
        """Message, field and octet."""
        return f"{self.message}{'.' + self.field if self.field else ''} at octet {self.offset}"

    def __str__(self) -> str:
        return f"{self.where}: {self.what}; allowed: {self.allowed}"


@dataclass(frozen=True, slots=True)
class E2EState:
    """End-to-end protection of a value.

    Args:
        counter: the counter in it, None where there is none.
        ok: whether it is right, as far as was checked.
        text: one phrase on it.
        crc_ok: whether the CRC is right, so that the counter can be believed.
    """

    counter: int | None
    ok: bool
    text: str
    crc_ok: bool = True


@dataclass(frozen=True, slots=True)
class Explained:
    """Octets, explained.

    Args:
        characteristic: on which they came.
        direction: "to_pump" or "to_client".
        message: the message, None when it is not known.
        outcome: as `Message.parse` tells it.
        parts: the fields up to the first that is unreadable.
        wrong: what is wrong, None when all is right.
        e2e: its protection, None when there is none or it was not looked at.
        octets: the message's octets.
    """

    characteristic: Characteristic
    direction: str
    message: Message | None
    outcome: Outcome
    parts: tuple[Part, ...]
    wrong: Wrong | None
    e2e: E2EState | None
    octets: bytes

    @property
    def fields(self) -> dict[str, Any]:
        """Name -> value of the fields that are there."""
        return {part.name: part.value for part in self.parts if part.field is not None}

    @property
    def ok(self) -> bool:
        """Whether message and protection are right."""
        return self.wrong is None and (self.e2e is None or self.e2e.ok)

    def as_json(self) -> dict[str, Any]:
        """The same as JSON can hold it."""
        out: dict[str, Any] = {
            "characteristic": self.characteristic.name,
            "direction": self.direction,
            "message": None if self.message is None else self.message.name,
            "outcome": self.outcome.name,
            "octets": self.octets.hex(),
            "fields": {name: plain(value) for name, value in self.fields.items()},
            "layout": [{"name": part.name, "offset": part.offset, "octets": part.octets.hex()} for part in self.parts],
        }
        if self.e2e is not None:
            out["e2e"] = {"counter": self.e2e.counter, "ok": self.e2e.ok, "text": self.e2e.text}
        if self.wrong is not None:
            out["wrong"] = {
                "message": self.wrong.message, "field": self.wrong.field, "offset": self.wrong.offset,
                "value": self.wrong.value, "allowed": self.wrong.allowed, "what": self.wrong.what,
            }  # fmt: skip
        return out


def explain(
    characteristic: Characteristic, octets: bytes, direction: str | None = None, protection: E2EState | None = None
) -> Explained:
    """Explains a message.

    Args:
        characteristic: on which the octets came.
        octets: the message, end-to-end protection already removed.
        direction: "to_pump" or "to_client"; None takes the one in which the message is known.
        protection: what is known of the end-to-end protection.
    """
    direction = direction or _direction_of(characteristic, octets)
    message, decoded = decode(characteristic, octets, direction)
    if message is None:
        size = characteristic.opcode_octets
        wrong = _unknown(characteristic, octets, direction, decoded.outcome)
        parts = (Part(None, "opcode", 0, octets[:size], None),) if size and len(octets) >= size else ()
        return Explained(characteristic, direction, None, decoded.outcome, parts, wrong, protection, octets)
    found, fault = _walk(message, octets)
    return Explained(characteristic, direction, message, decoded.outcome, tuple(found), fault, protection, octets)


def _direction_of(characteristic: Characteristic, octets: bytes) -> str:
    for direction in (TO_PUMP, TO_CLIENT):
        if decode(characteristic, octets, direction)[0] is not None:
            return direction
    return TO_PUMP if "write" in characteristic.properties else TO_CLIENT


def _unknown(characteristic: Characteristic, octets: bytes, direction: str, outcome: Outcome) -> Wrong:
    name, size = characteristic.name, characteristic.opcode_octets
    known = messages_of(characteristic, direction)
    if not known:
        return Wrong(name, "", 0, octets.hex(), "the other direction", f"nothing is sent {direction} on it")
    width = 2 * size
    listed = ", ".join(f"0x{message.opcode:0{width}X} {message.name}" for message in known)
    if len(octets) < size:
        return Wrong(name, "opcode", 0, octets.hex(), listed, f"{len(octets)} octets are too few for an opcode")
    opcode = int.from_bytes(octets[:size], "little")
    what = f"opcode 0x{opcode:0{width}X} is " + ("prohibited" if outcome is Outcome.PROHIBITED else "not known")
    swapped = int.from_bytes(octets[:size], "big")
    if any(message.opcode == swapped for message in messages_of(characteristic)):
        what += f" (0x{swapped:0{width}X} is: the low octet comes first)"
    return Wrong(name, "opcode", 0, f"0x{opcode:0{width}X}", listed, what)


# Each field is read together with those before it, because they say whether it is there at all.
def _walk(message: Message, octets: bytes) -> tuple[list[Part], Wrong | None]:
    size = message.on.opcode_octets
    subcons: Sequence[Any] = [*message.on.header, *message.body.subcons]
    parts = [Part(None, "opcode", 0, octets[:size], message.opcode)] if size else []
    wrong: Wrong | None = None
    end = size
    for index, field in enumerate(message.fields):
        findings: list[OutOfRange] = []
        stream = io.BytesIO(octets)
        stream.seek(size)
        try:
            value = construct.Struct(*subcons[: index + 1]).parse_stream(stream, findings=findings)[field.name]
        except (RfuValue, BadStructure, construct.StreamError) as error:
            return parts, _unreadable(message, field, end, octets, error)
        start, end = end, stream.tell()
        if end > start:
            parts.append(Part(field, field.name, start, octets[start:end], value))
        if findings and wrong is None:
            what, _, allowed = str(findings[0]).partition("; allowed: ")
            wrong = Wrong(message.name, field.name, start, str(plain(value)), allowed, what)
    if end < len(octets) and wrong is None:
        rest = octets[end:]
        what = f"{len(rest)} octets too many ({rest.hex()})"
        wrong = Wrong(message.name, "", end, rest.hex(), f"{end} octets in all", what)
    return parts, wrong


def _unreadable(message: Message, field: Field, offset: int, octets: bytes, error: Exception) -> Wrong:
    rest = octets[offset:]
    if isinstance(error, RfuValue):
        what, _, allowed = str(error).partition("; allowed: ")
        return Wrong(message.name, field.name, offset, f"{error.value:#04x}", allowed, what)
    if isinstance(error, BadStructure):
        return Wrong(message.name, field.name, offset, rest[: field.octets].hex(), _count(field), str(error))
    what = f"the message ends here, after {len(octets)} octets" if not rest else f"{len(rest)} octets are too few"
    return Wrong(message.name, field.name, offset, rest.hex(), f"{field.octets} octets for {field.kind}", what)


def _count(field: Field) -> str:
    if field.kind == "counted":
        return f"{field.count_low} to {field.count_high} elements"
    if field.is_flags:
        return "flags that do not contradict one another"
    return f"at most {field.octets} octets"


def explain_value(
    characteristic: Characteristic, value: bytes, direction: str | None = None, counter: int | None = None
) -> list[Explained]:
    """Explains a characteristic value with its end-to-end protection; several records give several results.

    Args:
        characteristic: on which it came.
        value: the whole value.
        direction: "to_pump" or "to_client"; None takes the one in which the message is known.
        counter: the counter that is due; None when it is not known.
    """
    if characteristic.protection is Protection.RECORD:
        return _records(characteristic, value)
    payload, state = unprotected(characteristic, value, counter)
    return [explain(characteristic, payload, direction, state)]


def unprotected(characteristic: Characteristic, value: bytes, counter: int | None) -> tuple[bytes, E2EState | None]:
    """The message in a value, and how its protection stands; a wrong CRC is taken off all the same.

    Args:
        characteristic: on which it came.
        value: the whole value.
        counter: the counter that is due; None when it is not known.
    """
    protection = characteristic.protection
    if protection is Protection.NONE:
        return value, None
    try:
        payload, found = e2e.check(value, protection)
    except E2EError as error:
        octets = 2 if protection is Protection.CRC else 3
        if len(value) < octets:
            return b"", E2EState(None, False, str(error), False)
        if protection is Protection.LEADING:
            return value[3:], E2EState(value[2], False, str(error), False)
        found = None if protection is Protection.CRC else value[-3]
        return value[:-octets], E2EState(found, False, str(error), False)
    if found is None:
        return payload, E2EState(None, True, "CRC right")
    if found == 0:
        return payload, E2EState(0, False, "CRC right, counter 0 is never used")
    if counter is not None and found != counter:
        return payload, E2EState(found, False, f"CRC right, counter {found} where {counter} is due")
    return payload, E2EState(found, True, f"counter {found}, CRC right")


# Records of a CGM measurement: a size octet that cannot be ends the list, since what follows cannot be found.
def _records(characteristic: Characteristic, value: bytes) -> list[Explained]:
    out: list[Explained] = []
    start = 0
    while start < len(value) or not out:
        size = value[start] if start < len(value) else 0
        end = start + size
        if size < RECORD_OCTETS_MIN + 2 or end > len(value):
            left = len(value) - start
            wrong = Wrong(
                CGM_MEASUREMENT.name, "size", start, str(size), f"{RECORD_OCTETS_MIN + 2} to {max(left, 0)}",
                f"a record of {size} octets where {left} are left",
            )  # fmt: skip
            return [
                *out,
                Explained(
                    characteristic, TO_PUMP, CGM_MEASUREMENT, Outcome.BAD_STRUCTURE, (), wrong, None, value[start:]
                ),
            ]
        given = int.from_bytes(value[end - 2 : end], "little")
        right = e2e.crc16(value[start : end - 2])
        text = "CRC right" if given == right else f"CRC {given:#06x} where {right:#06x} was expected"
        state = E2EState(None, given == right, text, given == right)
        out.append(explain(characteristic, value[start + 1 : end - 2], TO_PUMP, state))
        start = end
    return out
