# A ring of flash blocks, filled record by record.
#
# A record has 32 octets: number u32, kind u8, flags u8, payload of 24, CRC-16 of it all. A pulse's record is programmed
# in two halves: its intent, with a CRC of its own, and later that it is done. The first record of a block is its
# header; its payload is its owner's. A block is erased when its turn comes, so that all wear alike.
import struct

from micropython import const

from octets import crc16

RECORD_BYTES = const(32)
PAYLOAD = const(6)

# Kinds of records, in both rings.
HEADER = const(0x11)
EVENT = const(0x22)
PULSE = const(0x33)
COMMIT = const(0x44)

_HALF_BYTES = const(16)
_CRC_AT = const(30)
_INTENT_CRC_AT = const(14)
_BLANK = b"\xff" * 32
_DONE = bytes(16)
_HEAD_BYTES = const(6)
_WIPED = bytes(32)
_WIPED_BUT_HEAD = b"\xff" * 6 + bytes(26)


class Ring:
    # The blocks from first_block on.
    def __init__(self, flash, first_block, blocks):
        self._flash = flash
        self._first = first_block
        self.blocks = blocks
        self.slots = flash.block_bytes // RECORD_BYTES
        # The record that is written next, and the one read last.
        self.out = bytearray(RECORD_BYTES)
        self.record = bytearray(RECORD_BYTES)
        self._intent = bytearray(_HALF_BYTES)
        # Where to write next: a block, and the slot in it; the highest serial number of a block.
        self.block = blocks - 1
        self.slot = self.slots
        self.serial = 0
        self._erased = -1
        self._under_way_at = 0

    def _address(self, block, slot):
        return (self._first + block) * self._flash.block_bytes + slot * RECORD_BYTES

    # Slots that are left in this block.
    def free(self):
        return self.slots - self.slot

    def next_block(self):
        return (self.block + 1) % self.blocks

    # --- Reading --------------------------------------------------------------------------------------------------

    # Reads a slot into `record`; False when no record stands there that was wholly written.
    def read(self, block, slot):
        record = self.record
        self._flash.read(self._address(block, slot), record)
        end = _INTENT_CRC_AT if record[4] == PULSE else _CRC_AT
        return record[end] | record[end + 1] << 8 == crc16(record, 0, end)

    def blank(self):
        return self.record == _BLANK

    # Whether the slot that was read has been wiped, and whether with its head; one octet may have rotted since.
    def wiped(self):
        return self._set_octets(_HEAD_BYTES, RECORD_BYTES) < 2

    def spoilt(self):
        return self._set_octets(0, _HEAD_BYTES) == 0 and self.wiped()

    def _set_octets(self, start, end):
        count = 0
        for at in range(start, end):
            if self.record[at]:
                count += 1
        return count

    def number(self):
        record = self.record
        return record[0] | record[1] << 8 | record[2] << 16 | record[3] << 24

    # Whether the pulse that was read is known to be done.
    def done(self):
        for at in range(_HALF_BYTES, RECORD_BYTES):
            if self.record[at] != 0xFF:
                return True
        return False

    # --- Writing --------------------------------------------------------------------------------------------------

    # Erases the next block before it is needed.
    def prepare(self):
        block = self.next_block()
        if self._erased != block:
            self._flash.erase(self._first + block)
            self._erased = block

    def prepared(self):
        return self._erased == self.next_block()

    # Goes on to the next block; the payload of its header stands in `out`.
    def turn(self):
        self.prepare()
        self._erased = -1
        self.block = self.next_block()
        self.serial += 1
        self.slot = 0
        self.put(self.serial, HEADER, 0)

    # Writes `out`, payload filled in, into the next slot; there must be one.
    def put(self, number, kind, flags):
        out = self.out
        struct.pack_into("<IBB", out, 0, number, kind, flags)
        crc = crc16(out, 0, _CRC_AT)
        out[_CRC_AT] = crc & 0xFF
        out[_CRC_AT + 1] = crc >> 8
        self._flash.program(self._address(self.block, self.slot), out)
        self.slot += 1

    # Takes away what a slot says, whatever that is; its head may stay.
    def wipe(self, block, slot, keep_head):
        self._flash.program(self._address(block, slot), _WIPED_BUT_HEAD if keep_head else _WIPED)

    # The intent of a pulse: its source and its number among the pulses of this source.
    def put_intent(self, number, source, count):
        intent = self._intent
        struct.pack_into("<IBBII", intent, 0, number, PULSE, source, count, 0)
        crc = crc16(intent, 0, _INTENT_CRC_AT)
        intent[_INTENT_CRC_AT] = crc & 0xFF
        intent[_INTENT_CRC_AT + 1] = crc >> 8
        self._under_way_at = self._address(self.block, self.slot)
        self._flash.program(self._under_way_at, intent)
        self.slot += 1

    def put_done(self):
        self._flash.program(self._under_way_at + _HALF_BYTES, _DONE)
