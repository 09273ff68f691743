"""A store of thousands of records, made at once: what a board's flash looks like after a long life."""

import struct
from datetime import datetime, timedelta

from firmware.journal_bench import JournalBench
from pump import events

FLASH_BLOCKS, STATE_BLOCKS = 56, 8
BLOCK_OCTETS, SLOT_OCTETS = 4096, 32
RECORDS = 5000
REFERENCE_EVERY = 100
EVERY_S = 30
HISTORY_AT = STATE_BLOCKS * BLOCK_OCTETS
_LOST = datetime(2000, 1, 1)
_MAX_BOLUS = b"\x05\x00\x0a\x00"


def flash(records=RECORDS):
    """The octets of a flash with this many records, one every 30 s, every hundredth of them a reference time."""
    bench = JournalBench(blocks=FLASH_BLOCKS, state_blocks=STATE_BLOCKS).boot()
    for number in range(1, records):
        if number % REFERENCE_EVERY:
            bench.history.append(events.MAX_BOLUS, EVERY_S * number, _MAX_BOLUS, len(_MAX_BOLUS))
        else:
            data = _reference(_LOST + timedelta(seconds=EVERY_S * number))
            bench.history.append(events.REFERENCE_TIME, EVERY_S * number, data, len(data))
        if number % 7 == 0:
            bench.store.commit()
            bench.store.tend()
    bench.store.commit()
    return bytes(bench.device.image)


def _reference(at):
    return struct.pack("<BH5BbB", 0x3C, at.year, at.month, at.day, at.hour, at.minute, at.second, -128, 255)


def places(image):
    """Sequence number -> address, of every record of the history in a flash."""
    found = {}
    for at in range(HISTORY_AT, len(image), SLOT_OCTETS):
        if image[at + 4] == 0x22:
            found[int.from_bytes(image[at : at + 4], "little")] = at
    return found
