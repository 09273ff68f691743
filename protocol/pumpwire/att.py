"""The ATT PDUs in use (Bluetooth Core 5.4, Vol 3, Part F, 3.4), alike on BLE and on the serial bearer.

`PDU` is the definition. `parse` and `build` are written out by hand, because every octet of a replay passes there,
and a test holds them against the definition.
"""

from __future__ import annotations

import enum
from typing import Any, Final, NamedTuple

from construct import GreedyBytes, Int8ul, Int16ul, Struct, Switch, Terminated, this

from pumpwire.errors import PduError
from pumpwire.fields import Word

MTU_DEFAULT: Final = 23


class AttOpcode(enum.IntEnum):
    """PDUs in use."""

    ERROR_RESPONSE = 0x01
    EXCHANGE_MTU_REQUEST = 0x02
    EXCHANGE_MTU_RESPONSE = 0x03
    READ_REQUEST = 0x0A
    READ_RESPONSE = 0x0B
    WRITE_REQUEST = 0x12
    WRITE_RESPONSE = 0x13
    NOTIFICATION = 0x1B
    INDICATION = 0x1D
    CONFIRMATION = 0x1E


class AttErrorCode(enum.IntEnum):
    """Reasons of an error response; 0x80 to 0x82 are the services' own (IDS 1.0.2, 1.8; CGMS 1.0.2)."""

    INVALID_HANDLE = 0x01
    READ_NOT_PERMITTED = 0x02
    WRITE_NOT_PERMITTED = 0x03
    INVALID_PDU = 0x04
    INSUFFICIENT_AUTHENTICATION = 0x05
    REQUEST_NOT_SUPPORTED = 0x06
    INVALID_OFFSET = 0x07
    INSUFFICIENT_AUTHORIZATION = 0x08
    ATTRIBUTE_NOT_FOUND = 0x0A
    ENCRYPTION_KEY_TOO_SHORT = 0x0C
    INVALID_ATTRIBUTE_VALUE_LENGTH = 0x0D
    UNLIKELY_ERROR = 0x0E
    INSUFFICIENT_ENCRYPTION = 0x0F
    INSUFFICIENT_RESOURCES = 0x11
    VALUE_NOT_ALLOWED = 0x13
    MISSING_CRC = 0x80
    INVALID_CRC = 0x81
    INVALID_COUNTER = 0x82
    WRITE_REQUEST_REJECTED = 0xFC
    CCCD_IMPROPERLY_CONFIGURED = 0xFD
    PROCEDURE_ALREADY_IN_PROGRESS = 0xFE
    OUT_OF_RANGE = 0xFF


_HANDLE = Struct("handle" / Int16ul, Terminated)
_VALUE = Struct("value" / GreedyBytes)
_HANDLE_VALUE = Struct("handle" / Int16ul, "value" / GreedyBytes)
_EMPTY = Struct(Terminated)
_MTU = Struct("mtu" / Int16ul, Terminated)

PARAMETERS: Final[dict[AttOpcode, Any]] = {
    AttOpcode.ERROR_RESPONSE: Struct("request_opcode" / Int8ul, "handle" / Int16ul, "error" / Int8ul, Terminated),
    AttOpcode.EXCHANGE_MTU_REQUEST: _MTU,
    AttOpcode.EXCHANGE_MTU_RESPONSE: _MTU,
    AttOpcode.READ_REQUEST: _HANDLE,
    AttOpcode.READ_RESPONSE: _VALUE,
    AttOpcode.WRITE_REQUEST: _HANDLE_VALUE,
    AttOpcode.WRITE_RESPONSE: _EMPTY,
    AttOpcode.NOTIFICATION: _HANDLE_VALUE,
    AttOpcode.INDICATION: _HANDLE_VALUE,
    AttOpcode.CONFIRMATION: _EMPTY,
}
"""What follows the opcode."""

PDU: Final = Struct("opcode" / Word(Int8ul, AttOpcode), "parameters" / Switch(this.opcode, PARAMETERS))


class Pdu(NamedTuple):
    """An ATT PDU; what an opcode does not carry is 0 or empty."""

    opcode: AttOpcode
    handle: int = 0
    value: bytes = b""
    mtu: int = 0
    request_opcode: int = 0
    error: int = 0


_OPCODES: Final = {int(opcode): opcode for opcode in AttOpcode}
_WITH_VALUE: Final = (AttOpcode.WRITE_REQUEST, AttOpcode.NOTIFICATION, AttOpcode.INDICATION)
_BARE: Final = (AttOpcode.WRITE_RESPONSE, AttOpcode.CONFIRMATION)
_MTUS: Final = (AttOpcode.EXCHANGE_MTU_REQUEST, AttOpcode.EXCHANGE_MTU_RESPONSE)


def parse(data: bytes) -> Pdu:
    """The PDU in some octets.

    Raises:
        PduError: an unknown opcode or a wrong length.
    """
    opcode = _OPCODES.get(data[0]) if data else None
    size = len(data)
    if opcode is None:
        raise PduError(f"{data[:1].hex() or 'nothing'} begins no ATT PDU in use")
    if opcode in _WITH_VALUE:
        if size >= 3:
            return Pdu(opcode, data[1] | data[2] << 8, data[3:])
    elif opcode is AttOpcode.READ_RESPONSE:
        return Pdu(opcode, 0, data[1:])
    elif opcode in _BARE:
        if size == 1:
            return Pdu(opcode)
    elif opcode is AttOpcode.READ_REQUEST:
        if size == 3:
            return Pdu(opcode, data[1] | data[2] << 8)
    elif opcode in _MTUS:
        if size == 3:
            return Pdu(opcode, mtu=data[1] | data[2] << 8)
    elif size == 5:
        return Pdu(opcode, data[2] | data[3] << 8, request_opcode=data[1], error=data[4])
    raise PduError(f"{opcode.name}: {size} octets cannot be")


def build(pdu: Pdu) -> bytes:
    """The octets of a PDU."""
    opcode = pdu.opcode
    head = bytes((opcode,))
    if opcode in _WITH_VALUE:
        return head + pdu.handle.to_bytes(2, "little") + pdu.value
    if opcode is AttOpcode.READ_RESPONSE:
        return head + pdu.value
    if opcode in _BARE:
        return head
    if opcode is AttOpcode.READ_REQUEST:
        return head + pdu.handle.to_bytes(2, "little")
    if opcode in _MTUS:
        return head + pdu.mtu.to_bytes(2, "little")
    return bytes((opcode, pdu.request_opcode)) + pdu.handle.to_bytes(2, "little") + bytes((pdu.error,))
