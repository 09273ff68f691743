# ruff: noqa: F821 - ptr8, ptr16 and ptr32 are words of viper
# octets.py in machine code. What it cannot run on says so when it is imported.
import micropython

_CRC = (
    b"\x00\x00\x81\x10\x02\x21\x83\x31\x04\x42\x85\x52\x06\x63\x87\x73"
    b"\x08\x84\x89\x94\x0a\xa5\x8b\xb5\x0c\xc6\x8d\xd6\x0e\xe7\x8f\xf7"
)


@micropython.viper
def crc16(buf: ptr8, start: int, end: int) -> int:
    table = ptr16(_CRC)
    crc = 0xFFFF
    while start < end:
        crc ^= buf[start]
        crc = crc >> 4 ^ table[crc & 15]
        crc = crc >> 4 ^ table[crc & 15]
        start += 1
    return crc


@micropython.viper
def stuff(raw: ptr8, end: int, out: ptr8) -> int:
    code_at = 0
    to = 1
    at = 0
    while at < end:
        octet = int(raw[at])
        at += 1
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


@micropython.viper
def unstuff(chunk: ptr8, at: int, count: int, frame: ptr8, room: int, state: ptr8) -> int:
    used = int(state[0])
    code = int(state[1])
    left = int(state[2])
    while at < count:
        octet = int(chunk[at])
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
            state[3] = 1
    state[0] = used
    state[1] = code
    state[2] = left
    return at
