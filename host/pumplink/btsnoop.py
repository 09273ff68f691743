"""Captures as btsnoop files, which Wireshark and tshark open as Bluetooth ATT.

A file is a header and records of HCI packets (H4). Each ATT PDU is an ACL packet on the L2CAP channel 4; each
connection begins with an LE Connection Complete event and ends with a Disconnection Complete, so that the roles are
known: the host is central, the pump peripheral. What crossed another bearer is written as it would have looked on
Bluetooth. Times count from the Unix epoch: in captures of our own, second 0 is DUT second 0.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple, Self

from pumplink.link import Link

__all__ = ["Capture", "CaptureError", "Record", "capture_link", "pdus", "records"]

_MAGIC = b"btsnoop\0"
_VERSION = 1
_DATALINK_H4 = 1002
_HEADER = struct.Struct(">8sII")
_RECORD = struct.Struct(">IIIIq")
# Microseconds from the year 0, from which btsnoop counts, to 1970.
_EPOCH_US = 0x00DCDDB30F2F8000
_RECEIVED, _COMMAND_OR_EVENT = 1, 2
_ACL, _EVENT = 0x02, 0x04
_ATT_CID = 4
_FIRST, _CONTINUED, _FIRST_FLUSHABLE = 0, 1, 2
_HANDLE_MAX = 0x0EFF
_LE_META, _DISCONNECTION_COMPLETE = 0x3E, 0x05
_LE_CONNECTION_COMPLETE = (0x01, 0x0A)
_ROLE_CENTRAL = 0
_REMOTE_USER_ENDED = 0x13
_INTERVAL, _SUPERVISION = 24, 400
_RECORD_OCTETS_MAX = 1 << 20
# Documentation addresses: locally administered, and nobody's.
_PUMP_ADDRESS = bytes.fromhex("0100fefecac2")
_US = 1_000_000


class CaptureError(ValueError):
    """A file that is no btsnoop capture of HCI packets; the message says where."""


class Record(NamedTuple):
    """One HCI packet.

    Args:
        at_us: microseconds since the Unix epoch.
        received: whether it came from the controller.
        packet: H4 type and packet.
    """

    at_us: int
    received: bool
    packet: bytes


class Pdu(NamedTuple):
    """One ATT PDU, or the beginning of a connection.

    Args:
        at_s: seconds since the Unix epoch; DUT seconds in captures of our own.
        direction: "to_pump" or "to_client".
        octets: the PDU; None when a connection begins.
    """

    at_s: float
    direction: str
    octets: bytes | None


class Capture:
    """Writes a capture.

    Args:
        path: the file, written anew.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BinaryIO = path.open("wb")
        self._file.write(_HEADER.pack(_MAGIC, _VERSION, _DATALINK_H4))
        self._handle = 0
        self._connected = False

    def connected(self, at_s: float) -> None:
        """A connection begins; one that is open ends."""
        if self._connected:
            self.disconnected(at_s)
        self._handle = self._handle % _HANDLE_MAX + 1
        self._connected = True
        self._event(
            at_s, _LE_META,
            struct.pack(
                "<BBHBB6sHHHB", _LE_CONNECTION_COMPLETE[0], 0, self._handle, _ROLE_CENTRAL, 0, _PUMP_ADDRESS, _INTERVAL,
                0, _SUPERVISION, 0,
            ),
        )  # fmt: skip

    def disconnected(self, at_s: float) -> None:
        """The connection ends; without one nothing is written."""
        if self._connected:
            self._connected = False
            self._event(at_s, _DISCONNECTION_COMPLETE, struct.pack("<BHB", 0, self._handle, _REMOTE_USER_ENDED))

    def pdu(self, direction: str, octets: bytes, at_s: float) -> None:
        """Writes an ATT PDU.

        Args:
            direction: "to_pump" or "to_client".
            octets: the PDU.
            at_s: DUT seconds.
        """
        if not self._connected:
            self.connected(at_s)
        received = direction == "to_client"
        flags = (_FIRST_FLUSHABLE if received else _FIRST) << 12
        head = struct.pack("<BHHHH", _ACL, self._handle | flags, len(octets) + 4, len(octets), _ATT_CID)
        self._record(at_s, _RECEIVED if received else 0, head + octets)

    def close(self) -> None:
        """Closes the file; a second call does nothing."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _event(self, at_s: float, code: int, parameters: bytes) -> None:
        packet = bytes((_EVENT, code, len(parameters))) + parameters
        self._record(at_s, _RECEIVED | _COMMAND_OR_EVENT, packet)

    def _record(self, at_s: float, flags: int, packet: bytes) -> None:
        if not self._file.closed:
            at_us = _EPOCH_US + round(at_s * _US)
            self._file.write(_RECORD.pack(len(packet), len(packet), flags, 0, at_us) + packet)


def capture_link(link: Link, path: Path) -> Capture:
    """Writes all that crosses a link from now on; the caller closes the capture."""
    capture = Capture(path)

    def take(direction: str, octets: bytes) -> None:
        at_s = link.bearer.received_at_s if direction == "to_client" else link.now_s
        capture.pdu(direction, octets, at_s)

    link.watch(take)
    link.on_open(lambda: capture.connected(link.bearer.received_at_s))
    return capture


def records(path: Path) -> Iterator[Record]:
    """The records of a file.

    Raises:
        CaptureError: it is no btsnoop file of HCI packets, or it is cut.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        header = file.read(_HEADER.size)
        if len(header) < _HEADER.size or not header.startswith(_MAGIC):
            raise CaptureError(f"{path}: no btsnoop file; it begins with {header[:8].hex() or 'nothing'}")
        _, version, datalink = _HEADER.unpack(header)
        if version != _VERSION or datalink != _DATALINK_H4:
            raise CaptureError(f"{path}: version {version}, link type {datalink}; allowed: version 1, HCI UART (1002)")
        number = 0
        while head := file.read(_RECORD.size):
            number += 1
            if len(head) < _RECORD.size:
                raise CaptureError(f"{path}: record {number} is cut in its head")
            _, size, flags, _, at_us = _RECORD.unpack(head)
            packet = file.read(size) if size <= _RECORD_OCTETS_MAX else b""
            if len(packet) < size:
                raise CaptureError(f"{path}: record {number} of {size} octets is cut after {len(packet)}")
            yield Record(at_us - _EPOCH_US, bool(flags & _RECEIVED), packet)


def pdus(path: Path) -> Iterator[Pdu]:
    """The ATT PDUs of a file in order, fragments joined, with a mark where a connection begins.

    What the host sent counts as "to_pump": a pump whose own host wrote the capture has the directions the other way.

    Raises:
        CaptureError: as `records`.
    """
    held: dict[tuple[bool, int], bytes] = {}
    for record in records(path):
        at_s = record.at_us / _US
        packet = record.packet
        if packet[:2] == bytes((_EVENT, _LE_META)) and packet[3:4] and packet[3] in _LE_CONNECTION_COMPLETE:
            held.clear()
            yield Pdu(at_s, "to_client", None)
        if len(packet) < 5 or packet[0] != _ACL:
            continue
        handle, boundary = int.from_bytes(packet[1:3], "little") & 0x0FFF, packet[2] >> 4 & 3
        key = (record.received, handle)
        frame = packet[5:] if boundary != _CONTINUED else held.get(key, b"") + packet[5:]
        held[key] = frame
        if len(frame) < 4 or len(frame) - 4 < int.from_bytes(frame[:2], "little"):
            continue
        del held[key]
        if int.from_bytes(frame[2:4], "little") == _ATT_CID and len(frame) > 4:
            yield Pdu(at_s, "to_client" if record.received else "to_pump", frame[4:])
