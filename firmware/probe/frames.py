# Frames of the probe: COBS(type u8 | body | CRC-32 u32, low octet first) 0x00.
#
# Host to probe: HELLO; SYNC (number u16).
# Probe to host: I_AM (version u16, start u32, kind of capture u8, build of 8 octets, name of the board);
# TIME (number u16 of the sync, start u32, second u32, microsecond u32, next sequence number u32, overflows u16,
# level u8);
# EDGE (sequence number u32, second u32, microsecond u32, level u8, 2 more when it was noted after the next one).
# `start` is drawn anew at each start of the probe, whose time and sequence numbers begin at 0 then.
from binascii import crc32

HELLO = 0x01
SYNC = 0x02
I_AM = 0x81
TIME = 0x82
EDGE = 0x83

VERSION = 1

_FRAME_OCTETS_MAX = 64


def encoded(kind, body):
    raw = bytes((kind,)) + body
    crc = crc32(raw)
    raw += bytes((crc & 0xFF, crc >> 8 & 0xFF, crc >> 16 & 0xFF, crc >> 24))
    # No frame is long enough for a second code of 255.
    out = bytearray(1)
    code_at = 0
    for octet in raw:
        if octet:
            out.append(octet)
        else:
            out[code_at] = len(out) - code_at
            code_at = len(out)
            out.append(0)
    out[code_at] = len(out) - code_at
    out.append(0)
    return out


# The octets between two zeros as (type, body), None when damaged.
def decoded(octets):
    raw = bytearray()
    at = 0
    while at < len(octets):
        code = octets[at]
        if at + code > len(octets):
            return None
        raw += octets[at + 1 : at + code]
        at += code
        if at < len(octets):
            raw.append(0)
    if len(raw) < 5:
        return None
    crc = crc32(raw[:-4])
    if bytes((crc & 0xFF, crc >> 8 & 0xFF, crc >> 16 & 0xFF, crc >> 24)) != raw[-4:]:
        return None
    return raw[0], bytes(raw[1:-4])


# Cuts octets into frames.
class Receiver:
    def __init__(self):
        self._octets = bytearray()

    # The whole frames that end in `octets`.
    def take(self, octets):
        frames = []
        for octet in octets:
            if octet == 0:
                frame = decoded(self._octets)
                if frame is not None:
                    frames.append(frame)
                self._octets = bytearray()
            elif len(self._octets) < _FRAME_OCTETS_MAX:
                self._octets.append(octet)
        return frames
