# E2E-Protection: a counter and a CRC at the end of a value (IDS 1.0.2, 3.1).
from micropython import const

from octets import crc16

TRAILER_OCTETS = const(3)
CRC_OCTETS = const(2)

# What a server holds as the last counter received when a connection begins.
NONE_RECEIVED = const(255)


# The counter that follows: 1 to 255, then 1 again.
def following(counter):
    return counter % 255 + 1


# Puts the CRC of buf[start:end] at `at`.
def put_crc(buf, start, end, at):
    crc = crc16(buf, start, end)
    buf[at] = crc & 0xFF
    buf[at + 1] = crc >> 8


def append_crc(buf, start, end):
    put_crc(buf, start, end, end)
    return end + CRC_OCTETS


# Whether the last two octets before `end` are the CRC of what stands before them.
def crc_matches(buf, start, end):
    crc = crc16(buf, start, end - CRC_OCTETS)
    return buf[end - 2] == crc & 0xFF and buf[end - 1] == crc >> 8
