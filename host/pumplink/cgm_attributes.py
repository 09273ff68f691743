"""What the characteristics of a CGM Service have in common: client configurations, CRCs and procedures (CGMS 1.0.2)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from pumplink.errors import AttError
from pumplink.link import Link
from pumpwire import e2e
from pumpwire.att import AttErrorCode
from pumpwire.database import Characteristic, Protection
from pumpwire.declare import TO_CLIENT, Message, Outcome
from pumpwire.errors import E2EError
from pumpwire.receiver import reaction
from pumpwire.registry import decode

__all__ = ["Configuration", "ControlPoint", "unprotected"]

NOTIFY, INDICATE = 1, 2


def unprotected(characteristic: Characteristic, value: bytes) -> bytes:
    """A written value without its CRC (CGMS 1.0.2, 3.11).

    A CRC is missing when the value is a whole message without it; else one that does not fit is wrong.

    Raises:
        AttError: Missing CRC or Invalid CRC.
    """
    try:
        return e2e.check(value, Protection.CRC).payload
    except E2EError:
        message, decoded = decode(characteristic, value, TO_CLIENT)
        whole = message is not None and decoded.outcome is not Outcome.BAD_STRUCTURE
        code = AttErrorCode.MISSING_CRC if whole or len(value) <= 2 else AttErrorCode.INVALID_CRC
        raise AttError(code, characteristic.handle) from None


class Configuration:
    """A client characteristic configuration: off on each connection until the client turns it on.

    Args:
        link: the connection.
        characteristic: beside which it stands.
        changed: called after each write.

    Attributes:
        on: whether the client asked for notifications, or for indications.
    """

    def __init__(self, link: Link, characteristic: Characteristic, changed: Callable[[], None] = lambda: None) -> None:
        assert characteristic.configuration_handle is not None
        self.on = False
        self._handle = characteristic.configuration_handle
        self._bits = NOTIFY if "notify" in characteristic.properties else INDICATE
        self._changed = changed
        link.serve(self._handle, read=self._read, write=self._write)

    def _read(self) -> bytes:
        return bytes((self._bits if self.on else 0, 0))

    def _write(self, value: bytes) -> None:
        if len(value) != 2:
            raise AttError(AttErrorCode.INVALID_ATTRIBUTE_VALUE_LENGTH, self._handle)
        bits = int.from_bytes(value, "little")
        if bits & ~self._bits:
            raise AttError(AttErrorCode.CCCD_IMPROPERLY_CONFIGURED, self._handle)
        self.on = bool(bits)
        self._changed()


class ControlPoint(ABC):
    """A control point with one procedure at a time, which ends with the confirmation of its indication.

    Args:
        link: the connection.
        characteristic: the control point.
        protected: whether its values end with a CRC.
        response: the message that carries response codes.
        finished: called when a procedure has ended.
        **always: fields that the response always has, beside opcode and code.

    Attributes:
        busy: whether a procedure is under way.
    """

    def __init__(
        self, link: Link, characteristic: Characteristic, protected: bool, response: Message,
        finished: Callable[[], None], **always: Any,
    ) -> None:  # fmt: skip
        self.busy = False
        self._link = link
        self._characteristic = characteristic
        self._protected = protected
        self._response = response
        self._always = always
        self._finished = finished
        self._configuration = Configuration(link, characteristic)
        link.serve(characteristic.handle, write=self._write)

    def reset(self) -> None:
        """A connection has begun."""
        self.busy = False
        self._configuration.on = False

    def _refusal(self, code: AttErrorCode) -> AttError:
        return AttError(code, self._characteristic.handle)

    def _write(self, value: bytes) -> None:
        octets = unprotected(self._characteristic, value) if self._protected else value
        if not self._configuration.on:
            raise self._refusal(AttErrorCode.CCCD_IMPROPERLY_CONFIGURED)
        message, decoded = decode(self._characteristic, octets, TO_CLIENT)
        if self.busy and not self.interrupts(message):
            raise self._refusal(AttErrorCode.PROCEDURE_ALREADY_IN_PROGRESS)
        if message is not None and decoded.ok:
            self.perform(message, decoded.fields)
            return
        does = reaction(self._characteristic, TO_CLIENT, octets, decoded.outcome, decoded.field)
        assert does.code is not None
        if does.does == "refuses":
            raise self._refusal(AttErrorCode(does.code))
        self.respond(octets[0], int(does.code))

    def interrupts(self, message: Message | None) -> bool:
        """Whether a message may come while a procedure is under way."""
        return False

    @abstractmethod
    def perform(self, message: Message, fields: dict[str, Any]) -> None:
        """Carry a procedure out; called before its write is answered.

        Raises:
            AttError: it is refused.
        """

    def respond(self, request_opcode: int, code: int) -> None:
        """End a procedure with a response code."""
        self.answer(self._response.build(request_opcode=request_opcode, response_code=code, **self._always))

    def answer(self, octets: bytes) -> None:
        """End a procedure with a message, once its write has been answered."""
        self.busy = True
        value = e2e.protect(octets, protection=Protection.CRC) if self._protected else octets
        handle = self._characteristic.handle
        self._link.after(0, lambda: self._link.indicate_soon(handle, value, self._confirmed))

    def _confirmed(self) -> None:
        self.busy = False
        self._finished()
