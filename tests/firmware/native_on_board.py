"""Runs on MicroPython: holds what is in machine code against the same in Python, and proves that it allocates nothing.

Prints `octets N`, `ages N` and `locked ok`.
"""

import random
from array import array

import micropython

import octets
import octets_native
from pump.control.oref import ages, ages_native

ROOM = 250


def plain(module):
    """The module's functions without those in machine code."""
    with open(module.__file__) as file:
        source = file.read()
    names = {}
    exec(source[: source.index("\ntry:\n")], names)
    return names


def same_octets(r, wanted):
    """A frame's way out and back in, in pieces, of any octets."""
    size = r.randrange(ROOM)
    raw = bytearray((r.getrandbits(8) if r.getrandbits(2) else 0) for _ in range(size))
    if r.getrandbits(2) == 0:
        raw = bytearray(bytes((r.randrange(1, 256),)) * size)
    start = r.randrange(size + 1)
    assert wanted["crc16"](raw, start, size) == octets_native.crc16(raw, start, size)
    out, other = bytearray(ROOM + 5), bytearray(ROOM + 5)
    end = wanted["stuff"](raw, size, out)
    assert (octets_native.stuff(raw, size, other), other) == (end, out)
    line = out[:end] if r.getrandbits(1) else bytearray(r.getrandbits(8) for _ in range(ROOM))
    room, piece = r.choice((ROOM, 20)), r.randrange(1, 65)
    seen = []
    for unstuff in (wanted["unstuff"], octets_native.unstuff):
        frame, state, at, steps = bytearray(ROOM), bytearray(octets.STATE_OCTETS), 0, []
        while at < len(line):
            until = min(len(line), at + piece)
            at = unstuff(line, at, until, frame, room, state)
            steps.append((at, bytes(state)))
            if at < until:
                at += 1
                state = bytearray(octets.STATE_OCTETS)
        seen.append((steps, frame))
    assert seen[0] == seen[1]


def same_ages(r, wanted):
    """Doses in a room that goes round, some from before they counted and some to come."""
    room, left = r.randrange(3, 200), 0
    entries = bytearray(3 * room)
    first = at = r.randrange(room)
    newest_s = s = r.randrange(200000)
    for _ in range(r.randrange(room + 1)):
        newest_s = s = s + r.choice((0, 1, 20, 29, 30, 31, 60, 300))
        entries[3 * at : 3 * at + 3] = bytes((s & 0xFF, s >> 8 & 0xFF, r.choice((0, 127, 128, 129, 129, 255))))
        at, left = (at + 1) % room, left + 1
    s = max(0, s + r.randrange(-100, 20000))
    joined = r.choice((0, 0, -300, 7))
    end, dose_mu, alone = r.choice((180, 300, 480)), r.choice((1, 25, 50, 500)), r.getrandbits(1)
    seen = []
    for take in (wanted["take"], ages_native.take):
        minutes, amounts_mu = array("h", bytes(2 * room)), array("i", bytes(4 * room))
        count = take(
            entries, room, newest_s, joined, first, left, s, end, dose_mu, alone, minutes, amounts_mu
        )
        seen.append((count, list(minutes), list(amounts_mu)))
    assert seen[0] == seen[1]


def hot():
    """All of it once."""
    end = octets.stuff(RAW, 40, OUT)
    octets.unstuff(OUT, 0, end, FRAME, 60, STATE)
    ages.take(ENTRIES, 8, 7, 0, 3, 8, 900, 300, 50, False, MINUTES, AMOUNTS)
    return octets.crc16(FRAME, 0, 40)


assert octets.crc16 is octets_native.crc16 and ages.take is ages_native.take
random.seed(7)
known, known_ages = plain(octets), plain(ages)
for _ in range(1500):
    same_octets(random, known)
print("octets", 1500)
for _ in range(300):
    same_ages(random, known_ages)
print("ages", 300)
RAW, OUT, FRAME, STATE = bytearray(range(40)), bytearray(60), bytearray(60), bytearray(octets.STATE_OCTETS)
ENTRIES = bytes(octet for s in range(8) for octet in (s, 0, 129))
MINUTES, AMOUNTS = array("h", bytes(16)), array("i", bytes(32))
hot()
micropython.heap_lock()
try:
    hot()
finally:
    micropython.heap_unlock()
print("locked ok")
