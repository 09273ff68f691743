"""End-to-end protection of characteristic values: a counter and a CRC-16/MCRF4XX (IDS 1.0.2, 3.1, 3.12, 3.15, 3.16).

    trailer   payload | counter u8 | crc u16      every IDS and vendor characteristic but the next two
    leading   crc u16 | counter u8 | payload      IDD Features
    crc       payload | crc u16                   IDD History Data, CGM Feature, CGM Session Start Time
"""

from __future__ import annotations

from typing import NamedTuple

from fastcrc import crc16 as _crc16

from pumpwire.database import Protection
from pumpwire.errors import E2EError

ATT_ERROR_INVALID_CRC = 0x81
ATT_ERROR_INVALID_COUNTER = 0x82


def crc16(data: bytes) -> int:
    """CRC-16/MCRF4XX; on the wire the low octet comes first."""
    return _crc16.mcrf4xx(data)


class E2ECounter:
    """The sender's counter of one characteristic in one direction: 1 on each connection, 255 is followed by 1."""

    def __init__(self) -> None:
        self._last = 0

    def next(self) -> int:
        """The counter of the next message."""
        self._last = self._last % 255 + 1
        return self._last

    def reset(self) -> None:
        """A new connection: the next counter is 1."""
        self._last = 0


def counter_follows(last: int, current: int) -> bool:
    """Whether a received counter is the successor of the last one (IDS 1.0.2, 3.12).

    Args:
        last: the last valid counter, 255 when the connection is new.
        current: the one received.
    """
    return current - last % 255 == 1


class Checked(NamedTuple):
    """A characteristic value whose CRC is right: the message in it, and its counter (None where there is none)."""

    payload: bytes
    counter: int | None


def protect(payload: bytes, counter: int = 0, protection: Protection = Protection.TRAILER) -> bytes:
    """A message as a characteristic value.

    Args:
        payload: the message.
        counter: from an `E2ECounter`; not used where the value has none.
        protection: of the characteristic.
    """
    if protection is Protection.TRAILER:
        covered = payload + bytes([counter])
        return covered + crc16(covered).to_bytes(2, "little")
    if protection is Protection.LEADING:
        covered = bytes([counter]) + payload
        return crc16(covered).to_bytes(2, "little") + covered
    if protection is Protection.CRC:
        return payload + crc16(payload).to_bytes(2, "little")
    return payload


def check(value: bytes, protection: Protection = Protection.TRAILER) -> Checked:
    """The message in a characteristic value; whether the counter is the expected one is left to the caller.

    Args:
        value: the characteristic value.
        protection: of the characteristic.

    Raises:
        E2EError: the value is too short, or its CRC is wrong.
    """
    if protection in (Protection.NONE, Protection.RECORD):
        return Checked(value, None)
    if len(value) < (2 if protection is Protection.CRC else 3):
        raise E2EError(f"{len(value)} octets are too few for a counter and a CRC")
    if protection is Protection.LEADING:
        crc, covered = int.from_bytes(value[:2], "little"), value[2:]
    else:
        crc, covered = int.from_bytes(value[-2:], "little"), value[:-2]
    if crc16(covered) != crc:
        raise E2EError(f"CRC {crc:#06x} where {crc16(covered):#06x} was expected")
    if protection is Protection.LEADING:
        return Checked(covered[1:], covered[0])
    if protection is Protection.TRAILER:
        return Checked(covered[:-1], covered[-1])
    return Checked(covered, None)
