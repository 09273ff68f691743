"""A connection to the server under test: protected values, procedures, and what came of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pumprig.conformance.channel import Channel, Value
from pumprig.conformance.model import Failed, NotAdvertised, NotPossible
from pumprig.conformance.octets import hex_of, u16
from pumprig.conformance.told import Fields, Octets
from pumpwire import att, database, e2e
from pumpwire.att import AttErrorCode, AttOpcode, Pdu
from pumpwire.database import Characteristic, Protection
from pumpwire.declare import TO_CLIENT, Message, Outcome, plain
from pumpwire.errors import E2EError
from pumpwire.registry import decode

if TYPE_CHECKING:
    from pumprig.conformance.bench import Bench

__all__ = ["CCP", "RACP", "SRCP", "Answer", "Session"]

SRCP = database.STATUS_READER_CONTROL_POINT
CCP = database.COMMAND_CONTROL_POINT
RACP = database.RECORD_ACCESS_CONTROL_POINT

ANSWER_S = 30.0
_DATA = {CCP: database.COMMAND_DATA, RACP: database.HISTORY_DATA}
_RESPONSE_CODES = ("ReaderResponseCode", "CommandResponseCode", "RacpResponseCode")
_SUBSCRIBED = (SRCP, CCP, database.COMMAND_DATA, RACP, database.HISTORY_DATA)
_VALUES = {item.handle: item for item in database.CHARACTERISTICS.values()}
_VALUE_OCTETS_MAX = 20
_VENDOR = ("vendor service",)


@dataclass
class Answer:
    """What came of a write to a control point.

    Args:
        on: the control point.
        sent: the message, without protection.
        error: the ATT error that refused the write, 0 when it was taken, None when nothing came.
        octets: the message of the indication, None when none came.
        data: the messages notified before it.
    """

    on: Characteristic
    sent: bytes
    error: int | None
    octets: bytes | None = None
    data: list[bytes] = field(default_factory=list)

    @property
    def opcode(self) -> int:
        """Opcode of what was sent."""
        return int.from_bytes(self.sent[: self.on.opcode_octets], "little")

    @property
    def message(self) -> Message | None:
        """What the indication is."""
        return None if self.octets is None else decode(self.on, self.octets, TO_CLIENT)[0]

    @property
    def fields(self) -> Mapping[str, Any]:
        """The fields of the indication, none when it cannot be read."""
        return Fields() if self.octets is None else Fields(decode(self.on, self.octets, TO_CLIENT)[1].fields)

    @property
    def code(self) -> int | None:
        """The response code, when the answer is one for what was sent."""
        message = self.message
        if message is None or message.name not in _RESPONSE_CODES or self.fields.get("request_opcode") != self.opcode:
            return None
        return int(self.fields["response_code"])

    def __str__(self) -> str:
        sent = f"to {hex_of(self.sent)}"
        if self.error is None:
            return f"no response {sent}"
        if self.error:
            return f"ATT error 0x{self.error:02X} {sent}"
        if self.octets is None:
            return f"no indication {sent}"
        message, understood = decode(self.on, self.octets, TO_CLIENT)
        said = understood.detail
        if message is not None and understood.fields:
            present = {name: value for name, value in understood.fields.items() if value is not None}
            said = f"{message.name} " + ", ".join(f"{name} {plain(value)}" for name, value in present.items())
        data = f" after {len(self.data)} notifications" if self.data else ""
        return f"{hex_of(self.octets)} ({said}){data} {sent}"


class Session:
    """A connection, as a case has it.

    Args:
        bench: where the server stands.
        channel: the way to it.

    Attributes:
        touched: whether a command was sent that may have changed the server.
    """

    def __init__(self, bench: Bench, channel: Channel) -> None:
        self.bench = bench
        self.channel = channel
        channel.on_arrival = self._arrived
        channel.on_open = self._fresh
        self.touched = False
        self._sent: dict[int, int] = {}
        self._received: dict[int, int] = {}

    # --- Connection ---------------------------------------------------------------------------------------------

    def open(self, *, subscribe: bool = True) -> None:
        """Begins a fresh connection, and asks for what procedures need."""
        self.channel.open()
        if subscribe:
            for characteristic in _SUBSCRIBED:
                if self.bench.has(characteristic):
                    self.configure(characteristic)

    def _fresh(self) -> None:
        self._sent.clear()
        self._received.clear()

    def configure(self, characteristic: Characteristic, bits: int | None = None) -> int | None:
        """Writes a client configuration; returns the ATT error, 0 for none."""
        if bits is None:
            bits = 2 if "indicate" in characteristic.properties else 1
        return self.write_octets(characteristic.handle + 1, u16(bits))

    def subscribe(self, characteristic: Characteristic) -> None:
        """Asks for indications or notifications.

        Raises:
            Failed: the server refuses, although the standard has the property.
        """
        error = self.configure(characteristic)
        if error != 0:
            seen = "no response" if error is None else f"ATT error 0x{error:02X}"
            raise Failed(f"the client configuration of {characteristic.name} can be written", seen)

    def wait(self, seconds: float) -> None:
        """Lets the server's time pass."""
        self.channel.wait(seconds)

    # --- Octets -------------------------------------------------------------------------------------------------

    def write_octets(self, handle: int, octets: bytes) -> int | None:
        """Writes a value as it is; returns the ATT error, 0 for none, None when nothing came."""
        if handle == CCP.handle:
            self.touched = True
        response = self.channel.request(att.build(Pdu(AttOpcode.WRITE_REQUEST, handle, octets)))
        if response is None:
            return None
        return response.error if response.opcode is AttOpcode.ERROR_RESPONSE else 0

    def read_octets(self, characteristic: Characteristic) -> bytes | int | None:
        """Reads a value; returns its octets with protection, or the ATT error, or None when nothing came."""
        response = self.channel.request(att.build(Pdu(AttOpcode.READ_REQUEST, characteristic.handle)))
        if response is None:
            return None
        if response.opcode is AttOpcode.ERROR_RESPONSE:
            return response.error
        return response.value

    def protected(self, characteristic: Characteristic, message: bytes, counter: int | None = None) -> bytes:
        """A message with counter and CRC, where the server has them; the counter moves on unless it is given."""
        if not self.bench.is_protected(characteristic):
            return message
        if counter is None:
            counter = self._sent[characteristic.handle] = self.next_counter(characteristic)
        return e2e.protect(message, counter, characteristic.protection)

    def next_counter(self, characteristic: Characteristic) -> int:
        """The counter that is due to be sent."""
        return self._sent.get(characteristic.handle, 0) % 255 + 1

    def set_counter(self, characteristic: Characteristic, last: int) -> None:
        """Says what the last counter sent was; 0 for none."""
        self._sent[characteristic.handle] = last

    # --- Messages -----------------------------------------------------------------------------------------------

    def read(self, characteristic: Characteristic) -> bytes:
        """The message of a characteristic's value.

        Raises:
            Failed: the value cannot be read.
            NotPossible: the server does not have the characteristic, and need not.
        """
        octets = self.read_octets(characteristic)
        if not isinstance(octets, bytes):
            said = "no response" if octets is None else f"ATT error 0x{octets:02X}"
            if octets == AttErrorCode.INVALID_HANDLE and characteristic not in self.bench.mandatory:
                raise NotPossible(f"the server has no {characteristic.name}")
            raise Failed(f"{characteristic.name} can be read", said)
        return self.unprotected(characteristic, octets)

    def fields(self, characteristic: Characteristic) -> Mapping[str, Any]:
        """The fields of a characteristic's value.

        Raises:
            Failed: it cannot be read, or not be understood.
        """
        octets = self.read(characteristic)
        message, understood = decode(characteristic, octets, TO_CLIENT)
        if message is None or not understood.fields:
            raise Failed(f"{characteristic.name} has its format", f"{hex_of(octets)}: {understood.detail}")
        return Fields(understood.fields)

    def unprotected(self, characteristic: Characteristic, octets: bytes) -> bytes:
        """A value without counter and CRC, right or wrong."""
        if characteristic.protection is Protection.LEADING:
            return Octets(octets[3:])
        if not self.bench.is_protected(characteristic):
            return Octets(octets)
        return Octets(octets[: -2 if characteristic.protection is Protection.CRC else -3])

    def take(self, characteristic: Characteristic, seconds: float | None = None) -> bytes | None:
        """The next notified or indicated message of a characteristic, None when none comes in time."""
        value = self.channel.value((characteristic.handle,), self.bench.quiet_s if seconds is None else seconds)
        return None if value is None else self._message(value)

    def _message(self, value: Value) -> bytes:
        return self.unprotected(_VALUES[value.handle], value.octets)

    def ask(self, on: Characteristic, message: bytes, timeout_s: float = ANSWER_S) -> Answer:
        """Writes a message to a control point and waits for its indication."""
        error = self.write_octets(on.handle, self.protected(on, message))
        answer = Answer(on, message, error)
        if error in (e2e.ATT_ERROR_INVALID_CRC, e2e.ATT_ERROR_INVALID_COUNTER):
            self.set_counter(on, self._sent.get(on.handle, 1) - 1)
        return self.finish(answer, timeout_s) if error == 0 else answer

    def finish(self, answer: Answer, timeout_s: float = ANSWER_S) -> Answer:
        """Waits for the indication of a message that was written, and keeps what is notified before it."""
        on = answer.on
        handles = (on.handle, _DATA[on].handle) if on in _DATA else (on.handle,)
        while answer.octets is None:
            value = self.channel.value(handles, timeout_s)
            if value is None:
                break
            if value.handle == on.handle:
                answer.octets = self._message(value)
            else:
                answer.data.append(self._message(value))
        return answer

    # --- What every value must be -------------------------------------------------------------------------------

    def _arrived(self, handle: int, octets: bytes, was_read: bool) -> None:
        if handle in _VALUES:
            self._note(_VALUES[handle], octets, was_read)

    def _note(self, characteristic: Characteristic, octets: bytes, was_read: bool) -> None:
        self._note_protection(characteristic, octets, was_read)
        if len(octets) > _VALUE_OCTETS_MAX:
            self.bench.note("size", f"{characteristic.name}: {len(octets)} octets: {hex_of(octets)}")
        if not characteristic.clause.startswith(_VENDOR):
            self._note_format(characteristic, self.unprotected(characteristic, octets))

    def _note_format(self, characteristic: Characteristic, message: bytes) -> None:
        known, understood = decode(characteristic, message, TO_CLIENT)
        if known is not None and understood.outcome in (Outcome.OK, Outcome.OUT_OF_RANGE):
            self._note_rfu_bits(known, message, understood.fields)
            return
        vendor = characteristic is database.HISTORY_DATA and len(message) > 1 and message[1] >= 0xF0
        if known is None and vendor:
            return
        self.bench.note("format", f"{characteristic.name}: {hex_of(message)}: {understood.detail}")

    # Who receives RFU bits ignores them, but who sends them sends 0.
    def _note_rfu_bits(self, known: Message, message: bytes, values: dict[str, Any]) -> None:
        at = 0 if known.opcode is None else known.on.opcode_octets
        for part in known.fields:
            octets = part.length_in(values)
            if part.is_flags and octets:
                rfu = int.from_bytes(message[at : at + octets], "little") & ~sum(part.members)
                if rfu:
                    self.bench.note("format", f"{known.name}: RFU bits 0x{rfu:X} of {part.name}: {hex_of(message)}")
            at += octets

    def _note_protection(self, characteristic: Characteristic, octets: bytes, was_read: bool) -> None:
        if not self.bench.is_protected(characteristic):
            return
        try:
            _, counter = e2e.check(octets, characteristic.protection)
        except E2EError as error:
            self.bench.note("e2e", f"{characteristic.name}: {hex_of(octets)}: {error}")
            return
        if counter is None:
            return
        last = self._received.get(characteristic.handle, 0)
        if counter != last % 255 + 1:
            self.bench.note("e2e", f"{characteristic.name}: counter {counter} follows {last}: {hex_of(octets)}")
        # A stack that does not tell of reads shows the counter that is due, and leaves it so.
        if not (was_read and "read_counted" in self.bench.limits):
            self._received[characteristic.handle] = counter

    # --- Judging ------------------------------------------------------------------------------------------------

    def code(self, on: Characteristic, message: bytes, *codes: int) -> Answer:
        """Asks, and wants one of these response codes.

        Raises:
            Failed: another answer came.
        """
        answer = self.ask(on, message)
        return self.has_code(answer, *codes)

    def has_code(self, answer: Answer, *codes: int) -> Answer:
        """An answer that must be one of these response codes.

        Raises:
            Failed: it is another.
        """
        if answer.code not in codes:
            wanted = " or ".join(f"0x{code:02X}" for code in codes)
            raise Failed(f"response code {wanted}", str(answer))
        return answer

    def answered(self, on: Characteristic, message: bytes, name: str, *, optional: bool = False) -> Answer:
        """Asks, and wants the answer `name`.

        Args:
            on: the control point.
            message: the request.
            name: message name of the answer.
            optional: the standard lets a server do without this opcode.

        Raises:
            Failed: another answer came.
            NotAdvertised: the server says that it does not support an optional opcode.
        """
        answer = self.ask(on, message)
        self.supported(answer, optional=optional)
        if answer.message is None or answer.message.name != name or not answer.fields:
            raise Failed(name, str(answer))
        return answer

    def supported(self, answer: Answer, *, optional: bool = True) -> Answer:
        """An answer that is not "opcode not supported" of an optional opcode.

        Raises:
            NotAdvertised: it is.
        """
        refusal = 0x02 if answer.on is RACP else 0x70
        if optional and answer.code == refusal:
            raise NotAdvertised(f"opcode 0x{answer.opcode:04X} is not supported, and is optional")
        return answer

    def equal(self, what: str, seen: object, expected: object) -> None:
        """Wants two values to be equal.

        Raises:
            Failed: they are not.
        """
        if seen != expected:
            raise Failed(f"{what} {plain(expected)}", f"{plain(seen)}")

    def same(self, what: str, characteristic: Characteristic, seen: bytes | None, wanted: bytes) -> None:
        """Wants two messages to say the same; a number may be encoded in more than one way.

        Raises:
            Failed: they do not.
        """
        _, understood = decode(characteristic, seen or b"", TO_CLIENT)
        _, right = decode(characteristic, wanted, TO_CLIENT)
        if not right.fields or understood.fields != right.fields:
            raise Failed(f"{what} {hex_of(wanted)}", hex_of(seen))

    def holds(self, condition: bool, expected: str, seen: object) -> None:
        """Wants something to be so.

        Raises:
            Failed: it is not.
        """
        if not condition:
            raise Failed(expected, seen if isinstance(seen, str) else str(seen))
