"""Follows an exchange of ATT PDUs and says what each of them means, in the light of those before it.

    exchange = Exchange()
    exchange.connected()
    for direction, pdu in pdus:
        step = exchange.take(direction, pdu)
        print(*lines(step), sep="\\n")
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from pumpwire import att, e2e
from pumpwire.att import AttErrorCode, AttOpcode, Pdu
from pumpwire.database import CHARACTERISTICS, Characteristic, Protection
from pumpwire.declare import TO_CLIENT, TO_PUMP, plain
from pumpwire.errors import PduError
from pumpwire.registry import messages_of
from pumpwire.tools.explain import Explained, explain_value

__all__ = ["Exchange", "Step", "lines", "text_of"]

_VALUES = {item.handle: item for item in CHARACTERISTICS.values()}
_CONFIGURATIONS = {item.configuration_handle: item for item in CHARACTERISTICS.values() if item.configuration_handle}
_ANSWERS = (AttOpcode.READ_RESPONSE, AttOpcode.WRITE_RESPONSE, AttOpcode.ERROR_RESPONSE)
_OTHER_WAY = {TO_PUMP: TO_CLIENT, TO_CLIENT: TO_PUMP}


@dataclass(frozen=True, slots=True)
class Step:
    """One PDU, understood.

    Args:
        direction: "to_pump" or "to_client".
        pdu: the PDU, None when it is none.
        octets: of it.
        characteristic: that it is about, None when there is none.
        said: what it says in a few words.
        values: the messages in it.
        error: the ATT error code, None when it is no error response.
        notes: what is odd about it.
    """

    direction: str
    pdu: Pdu | None
    octets: bytes
    characteristic: Characteristic | None
    said: str
    values: tuple[Explained, ...] = ()
    error: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing about it is wrong; an error response is right as such."""
        return not self.notes and all(value.ok for value in self.values)


@dataclass
class Exchange:
    """The state that ATT and the end-to-end protection tie to a connection."""

    _asked: dict[str, Pdu] = field(default_factory=dict)
    _counters: dict[tuple[int, str], int] = field(default_factory=dict)
    _before: dict[tuple[int, str], int] = field(default_factory=dict)
    _unconfirmed: dict[str, Characteristic | None] = field(default_factory=dict)

    def connected(self) -> None:
        """A connection begins: counters start at 1, and nothing is under way."""
        self._asked.clear()
        self._counters.clear()
        self._before.clear()
        self._unconfirmed.clear()

    def take(self, direction: str, octets: bytes) -> Step:
        """Understands the next PDU.

        Args:
            direction: "to_pump" or "to_client".
            octets: the PDU.
        """
        try:
            pdu = att.parse(octets)
        except PduError as error:
            return Step(direction, None, octets, None, "unknown", notes=(str(error),))
        if pdu.opcode in _ANSWERS:
            return self._answer(direction, pdu, octets)
        if pdu.opcode in (AttOpcode.EXCHANGE_MTU_REQUEST, AttOpcode.EXCHANGE_MTU_RESPONSE):
            return Step(direction, pdu, octets, None, f"{_words(pdu.opcode)} {pdu.mtu}")
        if pdu.opcode is AttOpcode.CONFIRMATION:
            confirmed = self._unconfirmed.pop(_OTHER_WAY[direction], None)
            return Step(direction, pdu, octets, confirmed, "confirmation")
        return self._handled(direction, pdu, octets)

    def _handled(self, direction: str, pdu: Pdu, octets: bytes) -> Step:
        notes: list[str] = []
        if pdu.opcode is AttOpcode.INDICATION:
            if direction in self._unconfirmed:
                notes.append("the indication before it is not confirmed yet")
            self._unconfirmed[direction] = _VALUES.get(pdu.handle)
        elif pdu.opcode is not AttOpcode.NOTIFICATION:
            if direction in self._asked:
                notes.append("the request before it is not answered yet")
            self._asked[direction] = pdu
        characteristic = _VALUES.get(pdu.handle)
        said = _words(pdu.opcode)
        if characteristic is None:
            return self._other_handle(direction, pdu, octets, said, notes)
        values: tuple[Explained, ...] = ()
        if pdu.opcode is not AttOpcode.READ_REQUEST:
            values = self._values(characteristic, pdu.value, direction)
        return Step(direction, pdu, octets, characteristic, said, values, notes=tuple(notes))

    def _other_handle(self, direction: str, pdu: Pdu, octets: bytes, said: str, notes: list[str]) -> Step:
        characteristic = _CONFIGURATIONS.get(pdu.handle)
        if characteristic is None:
            notes.append(f"handle 0x{pdu.handle:04X} is not in the database")
            return Step(direction, pdu, octets, None, said, notes=tuple(notes))
        if pdu.opcode is AttOpcode.WRITE_REQUEST:
            bits = int.from_bytes(pdu.value, "little")
            wanted = {0: "off", 1: "notifications", 2: "indications"}.get(bits, f"0x{pdu.value.hex()}")
            return Step(direction, pdu, octets, characteristic, f"client configuration: {wanted}", notes=tuple(notes))
        return Step(direction, pdu, octets, characteristic, f"{said} of client configuration", notes=tuple(notes))

    def _answer(self, direction: str, pdu: Pdu, octets: bytes) -> Step:
        asked = self._asked.pop(_OTHER_WAY[direction], None)
        said = _words(pdu.opcode)
        if asked is None:
            return Step(direction, pdu, octets, None, said, notes=("nothing was asked",), error=pdu.error or None)
        characteristic = _VALUES.get(asked.handle) or _CONFIGURATIONS.get(asked.handle)
        if pdu.opcode is AttOpcode.ERROR_RESPONSE:
            self._taken_back(asked, pdu.error, _OTHER_WAY[direction])
            said = f"error 0x{pdu.error:02X} {_error_words(pdu.error)}"
            return Step(direction, pdu, octets, characteristic, said, error=pdu.error)
        values: tuple[Explained, ...] = ()
        if pdu.opcode is AttOpcode.READ_RESPONSE and asked.handle in _VALUES:
            values = self._values(_VALUES[asked.handle], pdu.value, direction)
        return Step(direction, pdu, octets, characteristic, said, values)

    def _values(self, characteristic: Characteristic, value: bytes, direction: str) -> tuple[Explained, ...]:
        if characteristic.protection not in (Protection.TRAILER, Protection.LEADING):
            return tuple(explain_value(characteristic, value, direction))
        key = (characteristic.handle, direction)
        last = self._counters.get(key, 0)
        explained = explain_value(characteristic, value, direction, last % 255 + 1)
        for one in explained:
            if one.e2e is not None and one.e2e.crc_ok and one.e2e.counter is not None:
                self._before[key] = last
                self._counters[key] = one.e2e.counter
        return tuple(explained)

    # A server takes no notice of the counter of a value that it refused for counter or CRC.
    def _taken_back(self, asked: Pdu, error: int, direction: str) -> None:
        if asked.opcode is AttOpcode.WRITE_REQUEST and error in (
            e2e.ATT_ERROR_INVALID_CRC, e2e.ATT_ERROR_INVALID_COUNTER,
        ):  # fmt: skip
            key = (asked.handle, direction)
            self._counters[key] = self._before.get(key, 0)


def _words(opcode: enum.IntEnum) -> str:
    return opcode.name.lower().replace("_", " ")


def _error_words(code: int) -> str:
    return _words(AttErrorCode(code)) if code in AttErrorCode.__members__.values() else "unknown"


def lines(step: Step, at_s: float | None = None) -> list[str]:
    """A step as lines of a transcript.

    Args:
        step: what was understood.
        at_s: its time in DUT seconds, None for none.
    """
    arrow = "-->" if step.direction == TO_PUMP else "<--"
    when = "" if at_s is None else f"{at_s:13.6f}  "
    on = "" if step.characteristic is None else f"  {step.characteristic.name}"
    out = [f"{when}{arrow}  {step.said}{on}"]
    pad = " " * (len(when) + 5)
    for value in step.values:
        out += [pad + text for text in _value_lines(value)]
    out += [f"{pad}! {note} [{step.octets.hex()}]" for note in step.notes]
    return out


def _value_lines(value: Explained) -> Iterable[str]:
    name = value.message.name if value.message is not None else f"[{value.octets.hex()}]"
    shown = ", ".join(f"{key}={_field_text(value, key, item)}" for key, item in value.fields.items())
    protection = "" if value.e2e is None or not value.e2e.ok else f"  ({value.e2e.text})"
    yield f"{name} {shown}".rstrip() + protection
    if value.wrong is not None:
        yield f"! {value.wrong}"
    if value.e2e is not None and not value.e2e.ok:
        yield f"! {value.e2e.text}"


def _field_text(value: Explained, name: str, item: Any) -> str:
    if name == "request_opcode":
        for message in messages_of(value.characteristic):
            if message.opcode == item:
                return message.name
        return f"0x{item:X}"
    return text_of(item)


def text_of(value: Any) -> str:
    """A field's value in a few characters: enumerations by name, flags joined."""
    if isinstance(value, enum.IntFlag):
        return "|".join(plain(value)) or "0"
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, list):
        return "[" + " ".join(text_of(item) for item in value) + "]"
    return str(plain(value))
