"""Messages over a link: end-to-end protection, characteristics and control-point procedures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pumplink.errors import AttError, E2EError, ProcedureError, ProcedureTimeout, WireError
from pumplink.link import Link
from pumplink.results import Procedure
from pumpwire import database, e2e
from pumpwire.database import Characteristic, Protection
from pumpwire.declare import TO_CLIENT, Message
from pumpwire.enums import RacpResponseCode, ResponseCode
from pumpwire.errors import E2EError as WireE2EError
from pumpwire.errors import FieldError
from pumpwire.registry import MESSAGES, decode

__all__ = ["Answer", "Client", "Received"]

PROCEDURE_TIMEOUT_S = 30.0
_ATT_HEADER_OCTETS = 3

_RESPONSE_CODES = ("ReaderResponseCode", "CommandResponseCode", "RacpResponseCode")
_RACP_SUCCESS = (RacpResponseCode.SUCCESS, RacpResponseCode.NO_RECORDS_FOUND)
_DATA = {
    database.COMMAND_CONTROL_POINT: database.COMMAND_DATA,
    database.RECORD_ACCESS_CONTROL_POINT: database.HISTORY_DATA,
}


class Received(NamedTuple):
    """A message from the pump."""

    name: str
    fields: Mapping[str, Any]
    at_s: float


@dataclass
class Answer:
    """What a procedure brought: the fields of its answer, and the data messages that came before."""

    fields: Mapping[str, Any]
    data: list[Received] = field(default_factory=list)


class Client:
    """Speaks the messages of `pumpwire` over a link, each characteristic with its own E2E counters.

    Args:
        link: the connection.
        strict: a wrong counter of a value from the pump is an `E2EError`, but for the first one of a connection where
            the bearer can miss that. Otherwise, for lines that lose frames on purpose, a gap is counted and the value
            taken, and a repeated value is dropped and counted.

    Attributes:
        counter_gaps: values taken although values before them were missing.
        repeated: values dropped because they had come before.
    """

    def __init__(self, link: Link, *, strict: bool = True) -> None:
        self.link = link
        self.strict = strict
        self.counter_gaps = 0
        self.repeated = 0
        self._sent: dict[int, int] = {}
        self._last: dict[int, int] = {}
        self._asked_for_room = False
        self._procedure_callbacks: list[Callable[[Procedure], None]] = []
        for characteristic in database.CHARACTERISTICS.values():
            if characteristic.handle < 0x0100:
                link.on_arrival(characteristic.handle, self._checker(characteristic))
        link.on_open(self._fresh)

    def on_procedure(self, callback: Callable[[Procedure], None]) -> None:
        """Calls `callback(procedure)` after every procedure and every written message, refused ones too."""
        self._procedure_callbacks.append(callback)

    def on_message(self, characteristic: Characteristic, callback: Callable[[Received], None]) -> None:
        """Calls `callback(received)` for every notified or indicated message nobody waited for."""

        def take(value: bytes, at_s: float) -> None:
            callback(self._received(characteristic, value, at_s))

        self.link.on_value(characteristic.handle, take)

    def subscribe(self, characteristic: Characteristic) -> None:
        """Asks for the notifications or indications of a characteristic."""
        self.link.subscribe(characteristic.handle, indicate="indicate" in characteristic.properties)

    def read(self, name: str) -> Mapping[str, Any]:
        """Reads the characteristic of a message and returns its fields.

        Raises:
            AttError, AttTimeout: the read failed.
            E2EError: counter or CRC is wrong.
            WireError: it is not this message.
        """
        message = MESSAGES[name]
        self._make_room(message.on)
        return self._received(message.on, self.link.request_read(message.on.handle), self.link.now_s).fields

    def begin_read(self, name: str) -> Callable[[], Mapping[str, Any]]:
        """Asks for the characteristic of a message and returns at once; the pump works meanwhile.

        Returns:
            What `read` does after asking. The link is not to be used before it has been called.
        """
        message = MESSAGES[name]
        self._make_room(message.on)
        wait = self.link.begin_read(message.on.handle)
        return lambda: self._received(message.on, wait(), self.link.now_s).fields

    def write(self, name: str, **values: Any) -> None:
        """Writes a message that has no procedure.

        Raises:
            ValueError: a value does not fit its field; the message names both and what is allowed.
            AttError, AttTimeout: the write failed.
        """
        message = MESSAGES[name]
        sent_at_s = self.link.now_s
        self._write(message, values)
        self._tell(Procedure(name, values, None, {}, sent_at_s, self.link.bearer.received_at_s))

    def procedure(self, name: str, timeout_s: float = PROCEDURE_TIMEOUT_S, **values: Any) -> Answer:
        """Runs a procedure of a control point: writes the request and waits for the indication that ends it.

        Args:
            name: the request's message name.
            timeout_s: DUT seconds from the write response or the last notification (IDS 1.0.2, 3.11).
            values: the request's fields.
        Raises:
            ValueError: a value does not fit its field; the message names both and what is allowed.
            ProcedureError: the answer is a response code other than success.
            ProcedureTimeout: no answer in time; IDS asks to drop the connection then.
            AttError, AttTimeout, E2EError, WireError: as for any exchange.
        """
        message = MESSAGES[name]
        sent_at_s = self.link.now_s
        self._write(message, values)
        handles = {message.on.handle: message.on}
        if message.on in _DATA:
            handles[_DATA[message.on].handle] = _DATA[message.on]
        data: list[Received] = []
        while True:
            value = self.link.wait_value(handles, self.link.now_s + timeout_s)
            if value is None:
                raise ProcedureTimeout(
                    f"{name}: no answer within {timeout_s:g} s; close the connection and open it again"
                )
            received = self._received(handles[value.handle], value.value, value.at_s)
            if value.handle != message.on.handle:
                data.append(received)
            elif _answers(message, received):
                return self._finish(message, values, received, data, sent_at_s)

    def _finish(
        self, message: Message, values: Mapping[str, Any], received: Received, data: list[Received], sent_at_s: float
    ) -> Answer:
        code = received.fields["response_code"] if received.name in _RESPONSE_CODES else None
        self._tell(Procedure(message.name, values, code, received.fields, sent_at_s, received.at_s))
        if isinstance(code, RacpResponseCode):
            if code not in _RACP_SUCCESS:
                raise ProcedureError(message.name, code, code.name.lower().replace("_", " "))
        elif isinstance(code, ResponseCode) and code is not ResponseCode.SUCCESS:
            raise ProcedureError(message.name, code, code.name.lower().replace("_", " "))
        return Answer(received.fields, data)

    def _tell(self, procedure: Procedure) -> None:
        for callback in self._procedure_callbacks:
            callback(procedure)

    def _write(self, message: Message, values: Mapping[str, Any]) -> None:
        characteristic = message.on
        try:
            payload = message.build(**values)
        except FieldError as error:
            raise ValueError(str(error)) from error
        self._make_room(characteristic)
        handle = characteristic.handle
        last = self._sent.get(handle, 0)
        if characteristic.protection is Protection.TRAILER:
            self._sent[handle] = last % 255 + 1
            payload = e2e.protect(payload, self._sent[handle], characteristic.protection)
        try:
            self.link.request_write(handle, payload)
        except AttError as error:
            # The server took no notice of a counter that it refused together with the value.
            if error.code in (e2e.ATT_ERROR_INVALID_CRC, e2e.ATT_ERROR_INVALID_COUNTER):
                self._sent[handle] = last
            raise

    # The standard's values fit every ATT_MTU; the longest of the vendor services do not fit the smallest.
    def _make_room(self, characteristic: Characteristic) -> None:
        mtu = characteristic.value_octets_max + _ATT_HEADER_OCTETS
        long = characteristic.value_octets_max > database.ATT_VALUE_OCTETS_MAX
        # A client asks once in a connection (Bluetooth Core 5.4, Vol 3, Part F, 3.4.2.1).
        if long and self.link.mtu < mtu and not self._asked_for_room:
            self._asked_for_room = True
            self.link.exchange_mtu(mtu)

    def _received(self, characteristic: Characteristic, value: bytes, at_s: float) -> Received:
        message, decoded = decode(characteristic, value, TO_CLIENT)
        if message is None or not decoded.ok:
            raise WireError(f"the pump sent {value.hex()} as {characteristic.name}: {decoded.detail}")
        return Received(message.name, decoded.fields, at_s)

    # --- End-to-end protection ----------------------------------------------------------------------------------

    def _fresh(self) -> None:
        self._sent.clear()
        self._last.clear()
        self._asked_for_room = False

    def _checker(self, characteristic: Characteristic) -> Callable[[bytes], bytes | None]:
        def check(value: bytes) -> bytes | None:
            return self._check(characteristic, value)

        return check

    def _check(self, characteristic: Characteristic, value: bytes) -> bytes | None:
        try:
            payload, counter = e2e.check(value, characteristic.protection)
        except WireE2EError as error:
            raise E2EError(f"{characteristic.name}: {error}") from error
        if counter is None:
            return payload
        last = self._last.get(characteristic.handle, 0)
        if counter != last % 255 + 1:
            missed = last == 0 and self.link.bearer.misses_first_values
            if (self.strict and not missed) or counter == 0:
                raise E2EError(f"{characteristic.name}: E2E counter {counter} follows {last}; {last % 255 + 1} is due")
            if counter == last:
                self.repeated += 1
                return None
            self.counter_gaps += 1
        self._last[characteristic.handle] = counter
        return payload


# A late answer to an earlier request that timed out is none to this one.
def _answers(message: Message, received: Received) -> bool:
    if received.name in _RESPONSE_CODES:
        return bool(received.fields["request_opcode"] == message.opcode)
    return received.name == message.answer
