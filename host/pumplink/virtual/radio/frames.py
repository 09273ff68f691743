"""What the radio of a virtual board and the board say to each other, inside the frames of the board's link.

`shims/bluetooth.py` has the same numbers: it is MicroPython, and imports nothing of the host's.
"""

from __future__ import annotations

import struct
from enum import IntEnum

__all__ = ["Errno", "Event", "Irq", "Request", "Stack", "uuid_and_rest"]


class Stack(IntEnum):
    """The Bluetooth stack whose limits the board has."""

    NIMBLE = 1
    BTSTACK = 2


class Request(IntEnum):
    """What the board asks of its radio. Below 32 the board waits for the reply."""

    ACTIVE = 1
    CONFIG = 2
    ADVERTISE = 3
    REGISTER = 4
    DISCONNECT = 5
    PAIR = 6
    DISCOVER_SERVICES = 7
    DISCOVER_CHARACTERISTICS = 8
    DISCOVER_DESCRIPTORS = 9
    CLIENT_READ = 10
    CLIENT_WRITE = 11
    CLIENT_MTU = 12

    NOTIFY = 32
    INDICATE = 33
    UPDATED = 34
    PASSKEY = 35
    ANSWERED = 36


class Event(IntEnum):
    """What the radio tells the board beside the events of MicroPython, whose numbers are below 32."""

    REPLY = 128
    SENT = 129
    CCCD = 130
    SECRET_DELETE = 131


class Irq(IntEnum):
    """Events of the module `bluetooth`."""

    CENTRAL_CONNECT = 1
    CENTRAL_DISCONNECT = 2
    GATTS_WRITE = 3
    GATTS_READ_REQUEST = 4
    GATTC_SERVICE_RESULT = 9
    GATTC_SERVICE_DONE = 10
    GATTC_CHARACTERISTIC_RESULT = 11
    GATTC_CHARACTERISTIC_DONE = 12
    GATTC_DESCRIPTOR_RESULT = 13
    GATTC_DESCRIPTOR_DONE = 14
    GATTC_READ_RESULT = 15
    GATTC_READ_DONE = 16
    GATTC_WRITE_DONE = 17
    GATTC_NOTIFY = 18
    GATTC_INDICATE = 19
    GATTS_INDICATE_DONE = 20
    MTU_EXCHANGED = 21
    CONNECTION_UPDATE = 27
    ENCRYPTION_UPDATE = 28
    GET_SECRET = 29
    SET_SECRET = 30
    PASSKEY_ACTION = 31


class Errno(IntEnum):
    """Errors of MicroPython's modules."""

    OK = 0
    EIO = 5
    E2BIG = 7
    EBUSY = 16
    ENODEV = 19
    EINVAL = 22
    ENOTCONN = 107
    EALREADY = 114


_LENGTH = struct.Struct("<B")


def uuid_and_rest(data: bytes) -> tuple[bytes, bytes]:
    """Splits a UUID, with its length before it, from what follows.

    Args:
        data: octets from the board.
    """
    (count,) = _LENGTH.unpack_from(data)
    return data[1 : 1 + count], data[1 + count :]
