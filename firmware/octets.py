# What every frame, value and record goes through: checksum, and COBS stuffing.
#
# octets_native.py has the same in machine code. It is taken where the port can run it; a board that cannot, or whose
# files were not compiled for it, goes on with what stands here.
from micropython import const

_CRC = (
    0x0000, 0x1081, 0x2102, 0x3183, 0x4204, 0x5285, 0x6306, 0x7387,
    0x8408, 0x9489, 0xA50A, 0xB58B, 0xC60C, 0xD68D, 0xE70E, 0xF78F,
)  # fmt: skip

# What unstuff() goes on with: how much of the frame there is, the last code and how many of its octets are to come, and
# whether there was no room for some.
USED = const(0)
CODE = const(1)
LEFT = const(2)
DAMAGED = const(3)
STATE_OCTETS = const(4)


# CRC-16/MCRF4XX of buf[start:end]; its low octet goes first on the wire.
def crc16(buf, start, end):
    table = _CRC
    crc = 0xFFFF
    while start < end:
        crc ^= buf[start]
        crc = crc >> 4 ^ table[crc & 15]
        crc = crc >> 4 ^ table[crc & 15]
        start += 1
    return crc


# Writes raw[:end] without its zeros into out, and the zero that ends a frame; returns the end of that.
def stuff(raw, end, out):
    code_at = 0
    to = 1
    for at in range(end):
        octet = raw[at]
        if octet:
            out[to] = octet
            to += 1
            if to - code_at < 255:
                continue
        out[code_at] = to - code_at
        code_at = to
        to += 1
    out[code_at] = to - code_at
    out[to] = 0
    return to + 1


# Takes octets from `at` to before `count` into a frame of up to `room` octets, at most 255, as far as a zero; returns
# where that stands, or count. A code says how many octets follow before the next zero that was taken out.
def unstuff(chunk, at, count, frame, room, state):
    used, code, left, damaged = state[USED], state[CODE], state[LEFT], state[DAMAGED]
    while at < count:
        octet = chunk[at]
        if octet == 0:
            break
        at += 1
        if left:
            left -= 1
        else:
            last = code
            code = octet
            left = octet - 1
            if last == 0 or last == 255:
                continue
            octet = 0
        if used < room:
            frame[used] = octet
            used += 1
        else:
            damaged = 1
    state[USED], state[CODE], state[LEFT], state[DAMAGED] = used, code, left, damaged
    return at


try:
    from octets_native import crc16, stuff, unstuff  # noqa: F401
except (AttributeError, ImportError, SyntaxError, ValueError):
    pass
