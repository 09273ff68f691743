"""The frames of the serial bearer: `COBS(type | body | CRC-16/MCRF4XX) 0x00`.

Written out by hand, beside the declaration in `pumpwire.frame`, because every octet of a replay passes here.
"""

from __future__ import annotations

from typing import NamedTuple

from cobs import cobs
from fastcrc import crc16

__all__ = ["ATT", "CLOSE", "KEEP_ALIVE", "OPEN", "OPEN_ACK", "Deframer", "Frame", "build_frame"]

OPEN = 1
OPEN_ACK = 2
CLOSE = 3
KEEP_ALIVE = 4
ATT = 5

_TYPES = (OPEN, OPEN_ACK, CLOSE, KEEP_ALIVE, ATT)
_HELD_OCTETS_MAX = 1024


class Frame(NamedTuple):
    """A sound frame."""

    type: int
    body: bytes


def build_frame(type_: int, body: bytes = b"") -> bytes:
    """The octets of a frame, delimiter included."""
    data = bytes((type_,)) + body
    return cobs.encode(data + crc16.mcrf4xx(data).to_bytes(2, "little")) + b"\0"


class Deframer:
    """Takes octets as they come and gives sound frames; what is damaged is dropped and counted.

    Attributes:
        dropped: frames dropped so far.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self._held = b""

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that these octets complete, in order."""
        parts = (self._held + data).split(b"\0")
        self._held = parts.pop()
        if len(self._held) > _HELD_OCTETS_MAX:
            self._held = b""
            self.dropped += 1
        frames = []
        for part in parts:
            if not part:
                continue
            frame = _parse(part)
            if frame is None:
                self.dropped += 1
            else:
                frames.append(frame)
        return frames

    def clear(self) -> None:
        """Forgets the beginning of a frame; for a fresh connection."""
        self._held = b""


def _parse(part: bytes) -> Frame | None:
    try:
        data = cobs.decode(part)
    except cobs.DecodeError:
        return None
    if len(data) < 3 or data[0] not in _TYPES:
        return None
    if crc16.mcrf4xx(data[:-2]) != data[-2] | data[-1] << 8:
        return None
    return Frame(data[0], data[1:-2])
