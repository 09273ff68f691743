"""The serial frame: `COBS( type | body | CRC-16/MCRF4XX ) 0x00`, and what the frames of a connection say.

Octet by octet COBS takes every 0x00 out of a frame, so that 0x00 ends one and a receiver finds the next after any
damage. The declarations below are the definition; `encode` and `Decoder` are written out by hand, because every
octet of a replay passes there, and a test holds them against the declarations.
"""

from __future__ import annotations

import enum
from typing import Any, Final, NamedTuple

from cobs import cobs
from construct import Bytes, Checksum, GreedyBytes, Int8ul, Int16ul, Int32ul, RawCopy, Struct, Terminated, this
from fastcrc import crc16

from pumpwire.errors import FrameError
from pumpwire.fields import Word

__all__ = ["BODIES", "Decoder", "Frame", "FrameType", "OpenStatus", "body", "content", "encode", "parse", "parse_body"]

# An ATT PDU of the largest ATT_MTU in use, with type and CRC, and COBS's overhead.
FRAME_OCTETS_MAX: Final = 1 + 247 + 2 + 2
DELIMITER: Final = b"\0"


class FrameType(enum.IntEnum):
    """What a frame is about."""

    OPEN = 1
    OPEN_ACK = 2
    CLOSE = 3
    KEEP_ALIVE = 4
    ATT = 5


class OpenStatus(enum.IntEnum):
    """The answer to an open."""

    OK = 0
    VERSION_UNSUPPORTED = 1


def content(octets: int) -> Any:
    """The declaration of what COBS carries.

    Args:
        octets: the whole length; the body has no length of its own.
    """
    return Struct(
        "covered" / RawCopy(Struct("type" / Word(Int8ul, FrameType), "body" / Bytes(octets - 3))),
        "crc" / Checksum(Int16ul, crc16.mcrf4xx, this.covered.data),
        Terminated,
    )


BODIES: Final[dict[FrameType, Any]] = {
    FrameType.OPEN: Struct(
        "nonce" / Int32ul * "any number; repeated by the answer",
        "wire_version" / Int16ul,
        "keep_alive_ms" / Int16ul * "0 for no keep-alives",
    ),
    FrameType.OPEN_ACK: Struct("nonce" / Int32ul, "wire_version" / Int16ul, "status" / Word(Int8ul, OpenStatus)),
    FrameType.CLOSE: Struct(),
    FrameType.KEEP_ALIVE: Struct(),
    FrameType.ATT: GreedyBytes,
}


class Frame(NamedTuple):
    """A sound frame."""

    type: FrameType
    body: bytes


_TYPES: Final = {int(kind): kind for kind in FrameType}


def encode(type: int, body: bytes = b"") -> bytes:
    """The octets of a frame, delimiter included.

    Args:
        type: a `FrameType`.
        body: at most 247 octets.

    Raises:
        FrameError: the body is too long or the type is unknown.
    """
    if type not in _TYPES:
        raise FrameError(f"{type} is no frame type; use one of FrameType")
    data = bytes((type,)) + body
    if len(data) + 4 > FRAME_OCTETS_MAX:
        raise FrameError(f"a body of {len(body)} octets is too long; {FRAME_OCTETS_MAX - 5} fit a frame")
    encoded: bytes = cobs.encode(data + crc16.mcrf4xx(data).to_bytes(2, "little"))
    return encoded + DELIMITER


def body(type: FrameType, **values: Any) -> bytes:
    """The body of an open, open-ack, close or keep-alive frame.

    Args:
        type: of the frame.
        **values: the fields that `BODIES` declares.
    """
    declared = BODIES[type]
    names = _names(declared)
    if set(names) != set(values):
        raise FrameError(f"{type.name} has the fields {names}, not {sorted(values)}")
    return bytes(declared.build(values))


def parse_body(frame: Frame) -> dict[str, Any]:
    """The fields of an open, open-ack, close or keep-alive frame.

    Raises:
        FrameError: the body has another length or an unknown status.
    """
    declared = BODIES[frame.type]
    if not isinstance(declared, Struct) or declared.sizeof() != len(frame.body):
        raise FrameError(f"{frame.type.name}: a body of {len(frame.body)} octets cannot be")
    container = declared.parse(frame.body)
    return {name: container[name] for name in _names(declared)}


def _names(declared: Any) -> list[str]:
    return [str(subcon.name) for subcon in declared.subcons] if isinstance(declared, Struct) else []


class Decoder:
    """Takes octets as they come and gives sound frames; what is damaged is dropped and counted.

    Attributes:
        dropped: frames dropped so far.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self._held = b""
        self._skipping = False

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that these octets complete, in order."""
        parts = (self._held + data).split(DELIMITER)
        held = parts.pop()
        frames: list[Frame] = []
        for part in parts:
            if self._skipping:
                self._skipping = False
                continue
            if not part:
                continue
            frame = parse(part) if len(part) < FRAME_OCTETS_MAX else None
            if frame is None:
                self.dropped += 1
            else:
                frames.append(frame)
        if len(held) >= FRAME_OCTETS_MAX or self._skipping:
            # A frame that never ends is counted once and skipped to its end.
            self.dropped += not self._skipping
            self._skipping = True
            held = b""
        self._held = held
        return frames

    def clear(self) -> None:
        """Forgets the beginning of a frame; for a fresh connection."""
        self._held = b""
        self._skipping = False


def parse(part: bytes) -> Frame | None:
    """The frame between two delimiters, or None when it is damaged.

    Args:
        part: the octets, delimiter not included.
    """
    try:
        data: bytes = cobs.decode(part)
    except cobs.DecodeError:
        return None
    if len(data) < 3:
        return None
    kind = _TYPES.get(data[0])
    if kind is None or crc16.mcrf4xx(data[:-2]) != data[-2] | data[-1] << 8:
        return None
    return Frame(kind, data[1:-2])
