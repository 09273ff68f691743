# History in flash: the seam append, scan and load of pump/history.py, over a ring of blocks.
#
# In memory there is an index of runs only: sequence numbers that follow one another in slots that follow one another.
# A block begins one, and so does what comes after a slot that a power cut spoilt. A later run counts where it has
# numbers of an earlier one: those were never durable.
import struct
from array import array

from micropython import const

from journal.ring import EVENT, PAYLOAD
from pump.events import REFERENCE_TIME

_DATA_OCTETS_MAX = const(19)
_DATA = const(11)
_RUNS = const(256)
# A block is erased ahead when no more slots than these are left in the one before.
_AHEAD_SLOTS = const(16)


class History:
    # store: has touch(event), told of every record.
    def __init__(self, ring, store):
        self._ring = ring
        self._store = store
        self._reference_s = 0
        self.next_sequence = 0
        # The record that was loaded last.
        self.sequence = 0
        self.event = 0
        self.offset_s = 0
        self.length = 0
        self.data = bytearray(_DATA_OCTETS_MAX)
        # First sequence number and place (block * slots + slot) of each run, the oldest first.
        self._firsts = array("i", bytes(4 * _RUNS))
        self._places = array("i", bytes(4 * _RUNS))
        self._runs = 0
        # Whether the next record continues the last run, and whether the block is one run without a spoilt slot.
        self._continues = False
        self._whole = True

    # --- Writing --------------------------------------------------------------------------------------------------

    # Records an event of second s with length octets of payload; returns its sequence number. It is durable when the
    # store commits.
    def append(self, event, s, payload, length):
        ring = self._ring
        if not ring.free():
            self._turn()
        offset_s = s - self._reference_s & 0xFFFF
        out = ring.out
        struct.pack_into("<HHB", out, PAYLOAD, event, offset_s, length)
        for i in range(length):
            out[_DATA + i] = payload[i]
        if not self._continues:
            self._begin_run(self.next_sequence, ring.block * ring.slots + ring.slot)
            self._continues = True
        ring.put(self.next_sequence, EVENT, 0)
        if event == REFERENCE_TIME:
            self._reference_s = s
        self.next_sequence += 1
        self._store.touch(event)
        return self.next_sequence - 1

    # The header says where the block begins, and whether the one before needs no reading.
    def _turn(self):
        ring = self._ring
        if not ring.prepared():
            self._forget_block(ring.next_block())
        struct.pack_into("<IB", ring.out, PAYLOAD, self.next_sequence, 1 if self._whole else 0)
        ring.turn()
        self._continues = False
        self._whole = True

    # Erases the next block while there is time; its records are the oldest.
    def prepare(self):
        ring = self._ring
        if ring.free() <= _AHEAD_SLOTS and not ring.prepared():
            self._forget_block(ring.next_block())
            ring.prepare()

    def _forget_block(self, block):
        slots = self._ring.slots
        while self._runs and self._places[0] // slots == block:
            self._forget_run()

    def _forget_run(self):
        self._runs -= 1
        for i in range(self._runs):
            self._firsts[i] = self._firsts[i + 1]
            self._places[i] = self._places[i + 1]

    def _begin_run(self, first, place):
        if first > self.next_sequence:
            self._runs = 0
        while self._runs and self._firsts[self._runs - 1] >= first:
            self._runs -= 1
        if self._runs == _RUNS:
            self._forget_run()
        self._firsts[self._runs] = first
        self._places[self._runs] = place
        self._runs += 1

    # --- Reading --------------------------------------------------------------------------------------------------

    # How many records are stored.
    def count(self):
        return self.next_sequence - self._firsts[0] if self._runs else 0

    # The oldest stored sequence number that is not below from_sequence; next_sequence when there is none.
    def scan(self, from_sequence):
        oldest = self.next_sequence - self.count()
        return min(max(from_sequence, oldest), self.next_sequence)

    # Puts a record into sequence, event, offset_s, length and data; False when it is not stored (any more, or yet).
    def load(self, sequence):
        if sequence != self.scan(sequence) or sequence == self.next_sequence:
            return False
        run = self._runs - 1
        while self._firsts[run] > sequence:
            run -= 1
        ring = self._ring
        place = self._places[run] + sequence - self._firsts[run]
        if not ring.read(place // ring.slots, place % ring.slots) or ring.number() != sequence:
            return False
        record = ring.record
        self.sequence = sequence
        self.event = record[PAYLOAD] | record[PAYLOAD + 1] << 8
        self.offset_s = record[PAYLOAD + 2] | record[PAYLOAD + 3] << 8
        self.length = record[PAYLOAD + 4]
        for i in range(self.length):
            self.data[i] = record[_DATA + i]
        return True

    # --- After a start --------------------------------------------------------------------------------------------

    # Finds what is stored. committed: the sequence number before which all is durable; -1 when nobody knows.
    def open(self, committed):
        ring = self._ring
        newest = ring.newest_below(1 << 30)
        if newest >= 0:
            ring.serial_of(newest)
            ring.serial = ring.number()
            for i in range(1, ring.blocks + 1):
                self._open_block((newest + i) % ring.blocks, i == ring.blocks)
            ring.block = newest
        if committed >= 0 and committed != self.next_sequence:
            self._cut_back(committed)

    # The header of the block after it tells when a block can be taken as it is.
    def _open_block(self, block, newest):
        ring = self._ring
        serial = ring.serial_of(block)
        if serial < 0:
            return
        first = struct.unpack_from("<I", ring.record, PAYLOAD)[0]
        if not newest and ring.serial_of((block + 1) % ring.blocks) == serial + 1:
            following, whole = struct.unpack_from("<IB", ring.record, PAYLOAD)
            if whole:
                self._begin_run(first, block * ring.slots + 1)
                self.next_sequence = following
                return
        self._read_block(block, first)

    def _read_block(self, block, first):
        ring = self._ring
        self._continues = False
        self._whole = True
        if first > self.next_sequence:
            self._runs = 0
            self.next_sequence = first
        ring.slot = 1
        for slot in range(1, ring.slots):
            if ring.read(block, slot) and ring.record[4] == EVENT:
                number = ring.number()
                if not self._continues or number != self.next_sequence:
                    self._whole = self._whole and slot == 1
                    self._begin_run(number, block * ring.slots + slot)
                    self._continues = True
                self.next_sequence = number + 1
            elif ring.blank():
                continue
            else:
                self._continues = self._whole = False
            ring.slot = slot + 1
        self._continues = self._continues and ring.slot > 1

    # What is not durable is not there; what is missing leaves nothing before it.
    def _cut_back(self, committed):
        if committed > self.next_sequence:
            self._runs = 0
        while self._runs and self._firsts[self._runs - 1] >= committed:
            self._runs -= 1
        self.next_sequence = committed
        self._continues = self._whole = False
