# History in flash: the seam append, scan and load, over a ring of blocks.
#
# In memory there is an index of blocks only: the sequence number that each begins with. The records of a block stand
# in the order of their numbers. A slot that a power cut spoilt is wiped at the next start and counts for nothing; one
# whose record was deleted is wiped but for its head and counts as its number; any other that cannot be read is a
# record that has rotted, and is told of in its place.
#
# What is deleted from the oldest record on is a floor under the numbers. Anything else is first made durable as what
# is to be deleted, and then carried out slot by slot, also after a power cut: so that a delete takes no memory, and as
# many of them as one likes take none either.
import struct
from array import array

from micropython import const

from journal.parts import DELETION_LAYOUT, RECORDS_DELETED
from journal.ring import EVENT, PAYLOAD

# Words of pump/events.py.
_REFERENCE_TIME = const(0x000F)

# Which records are meant, in the words of the wire.
ANY = const(0x0F)
REFERENCES = const(0x33)
OTHERS = const(0x3C)

# What stands for a record that cannot be read any more; on the wire its number is 0xFFFFFFFF.
DATA_CORRUPTION = const(0x03A6)
_NO_SEQUENCE = const(-1)

_DATA_OCTETS_MAX = const(19)
_DATA = const(11)
# A block is erased ahead when no more slots than these are left in the one before.
_AHEAD_SLOTS = const(16)
# How many numbers of a delete are looked at each time that the motor rests.
_DELETED_AT_ONCE = const(8)


class History:
    # store: has touch(event), told of every record and of every delete.
    def __init__(self, ring, store):
        self._ring = ring
        self._store = store
        self._reference_s = 0
        self.next_sequence = 0
        # No number below is stored.
        self.oldest = 0
        # The record that was loaded last.
        self.sequence = 0
        self.event = 0
        self.offset_s = 0
        self.length = 0
        self.data = bytearray(_DATA_OCTETS_MAX)
        # By block: the first sequence number, -1 for none, and whether each of its slots has a number of its own.
        self._firsts = array("i", [-1] * ring.blocks)
        self._whole = bytearray(ring.blocks)
        # Where the last record was looked for: its block, and its own slot, 0 when it has none.
        self._block = 0
        self._slot = 0
        # Where the last walk through a block ended: its slot, the number that is due there, and the last slot since a
        # record that counted for nothing, 0 for none.
        self._walked = -1
        self._walked_slot = 0
        self._walked_at = 0
        self._walked_headless = 0
        # Below the floor all was deleted; from the first to the last hole some may be.
        self.floor = 0
        self.hole_first = 0
        self.hole_last = -1
        # What is being deleted, whether that is durable, and the number that is looked at next.
        self.delete_first = 0
        self.delete_last = -1
        self.delete_which = ANY
        self.delete_durable = False
        self.delete_next = 0
        self.delete_resumed = False

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
        ring.put(self.next_sequence, EVENT, 0)
        if event == _REFERENCE_TIME:
            self._reference_s = s
        self.next_sequence += 1
        self._store.touch(event)
        return self.next_sequence - 1

    # The header says where the block begins, and whether the one before is whole.
    def _turn(self):
        ring = self._ring
        before = ring.block
        if not ring.prepared():
            self._forget(ring.next_block())
        struct.pack_into("<IB", ring.out, PAYLOAD, self.next_sequence, self._whole[before])
        ring.turn()
        self._firsts[ring.block] = self.next_sequence
        self._whole[ring.block] = 1

    # While the motor rests: erases the next block while there is time, its records are the oldest; and goes on with
    # what is being deleted.
    def prepare(self):
        ring = self._ring
        if ring.free() <= _AHEAD_SLOTS and not ring.prepared():
            self._forget(ring.next_block())
            ring.prepare()
        if self.delete_durable:
            self._delete_some()

    def _forget(self, block):
        firsts = self._firsts
        if firsts[block] < 0:
            return
        firsts[block] = self._walked = -1
        self._raise_oldest()

    def _raise_oldest(self):
        blocks = self._ring.blocks
        block = self._ring.next_block()
        for _ in range(blocks):
            if self._firsts[block] >= 0:
                self.oldest = max(self.oldest, self._firsts[block])
                return
            block = (block + 1) % blocks
        self.oldest = self.next_sequence

    # --- Reading --------------------------------------------------------------------------------------------------

    # The least number not below from_sequence that may be stored; next_sequence when there is none.
    def scan(self, from_sequence):
        return min(max(from_sequence, self.oldest), self.next_sequence)

    # How many records are stored from one number to another, both included; -1 when only reading them tells.
    def number_of(self, first, last):
        first = max(first, self.oldest)
        last = min(last, self.next_sequence - 1)
        if first <= self.hole_last and self.hole_first <= last:
            return -1
        return max(0, last - first + 1)

    # Puts a record into sequence, event, offset_s, length and data; False when it is not stored (any more, or yet).
    def load(self, sequence):
        if sequence != self.scan(sequence) or sequence == self.next_sequence:
            return False
        record = self._ring.record
        if self._find(sequence):
            self.sequence = sequence
            self.event = record[PAYLOAD] | record[PAYLOAD + 1] << 8
            self.offset_s = record[PAYLOAD + 2] | record[PAYLOAD + 3] << 8
            self.length = record[PAYLOAD + 4]
            for i in range(self.length):
                self.data[i] = record[_DATA + i]
        elif self._slot and self._ring.wiped():
            return False
        else:
            self.sequence = _NO_SEQUENCE
            self.event = DATA_CORRUPTION
            self.offset_s = self.length = 0
        return True

    # Whether the loaded record is one of those that are meant.
    def matches(self, which):
        return which == ANY or (self.event == _REFERENCE_TIME) == (which == REFERENCES)

    # Finds the slot of a number; True when its record stands there, and is in the ring's `record` then.
    def _find(self, sequence):
        ring = self._ring
        block = self._block = self._block_of(sequence)
        if not self._whole[block]:
            return self._walk(block, sequence)
        slot = sequence - self._firsts[block] + 1
        readable = slot < ring.slots and self._read(block, slot)
        foreign = slot >= ring.slots or readable and ring.number() != sequence
        self._slot = 0 if foreign else slot
        return readable and not foreign

    # Goes from slot to slot of a block in which some count for nothing. A record says itself which one it is; what
    # cannot be read is the one that is due, unless that still comes. What was deleted looks as if it counted for
    # nothing when a cut in the deleting has spoilt its head.
    def _walk(self, block, sequence):
        ring = self._ring
        if block != self._walked or sequence < self._walked_at:
            self._walked = block
            self._walked_slot = 1
            self._walked_at = self._firsts[block]
            self._walked_headless = 0
        at = self._walked_at
        headless = self._walked_headless
        own = 0
        for slot in range(self._walked_slot, ring.slots):
            if self._read(block, slot):
                at = ring.number()
                if at == sequence:
                    own = slot
                    headless = 0
                if at >= sequence:
                    break
                at += 1
                headless = 0
            elif ring.blank():
                break
            elif ring.spoilt():
                headless = slot
            elif at == sequence and not own:
                own = slot
            else:
                at += 1
        if not own and self.hole_first <= sequence <= self.hole_last:
            own = headless
        self._slot = own
        if own:
            self._walked_slot = own
            self._walked_at = sequence
            self._walked_headless = headless
        return own > 0 and self._read(block, own)

    # The newest block that begins at a number or before it.
    def _block_of(self, sequence):
        firsts = self._firsts
        blocks = self._ring.blocks
        block = self._block
        newest = self._ring.block
        following = (block + 1) % blocks
        if 0 <= firsts[block] <= sequence and (block == newest or sequence < firsts[following]):
            return block
        block = newest
        for _ in range(blocks):
            if 0 <= firsts[block] <= sequence:
                return block
            block = (block - 1) % blocks
        return newest

    # Whether a record of the history stands in a slot.
    def _read(self, block, slot):
        ring = self._ring
        return ring.read(block, slot) and ring.record[4] == EVENT

    # --- Deleting -------------------------------------------------------------------------------------------------

    # Whether records are still being deleted.
    def deleting(self):
        return self.delete_first <= self.delete_last

    # Deletes what is meant of the records from one number to another, both included. It has happened when the store
    # has committed and `deleting` is over; a power cut after the commit does not stop it.
    def delete(self, first, last, which):
        first = max(first, self.oldest)
        last = min(last, self.next_sequence - 1)
        if which == ANY and first == self.oldest:
            self.floor = self.oldest = max(first, last + 1)
        elif first <= last:
            self.delete_first = self.delete_next = first
            self.delete_last = last
            self.delete_which = which
            self.delete_durable = self.delete_resumed = False
            self._widen_holes(first, last)
        self._store.touch(RECORDS_DELETED)

    def _widen_holes(self, first, last):
        if self.hole_last < self.oldest:
            self.hole_first = first
            self.hole_last = last
        self.hole_first = min(self.hole_first, first)
        self.hole_last = max(self.hole_last, last)

    def _delete_some(self):
        for _ in range(_DELETED_AT_ONCE):
            sequence = self.scan(self.delete_next)
            if sequence > self.delete_last:
                self.delete_first = 0
                self.delete_last = -1
                self.delete_durable = False
                self._store.touch(RECORDS_DELETED)
                return
            self.delete_next = sequence + 1
            if self.load(sequence) and self._slot and self._is_deleted():
                self._ring.wipe(self._block, self._slot, True)

    # Whether the delete means the loaded record. One that cannot be read after a power cut may be one of those that
    # were meant: it has been wiped in part.
    def _is_deleted(self):
        return self.matches(self.delete_which) or self.delete_resumed and self.event == DATA_CORRUPTION

    # Puts what was deleted, and what is being deleted, into a record's payload; False when there is nothing to say.
    def save(self, out, at):
        if not self.floor and self.hole_last < 0:
            return False
        struct.pack_into(
            DELETION_LAYOUT, out, at, self.floor, self.hole_first, self.hole_last + 1, self.delete_first,
            self.delete_last + 1, self.delete_which,
        )  # fmt: skip
        self.delete_durable = self.deleting()
        return True

    # --- After a start --------------------------------------------------------------------------------------------

    # Finds what is stored. committed: the sequence number before which all is durable; -1 when nobody knows.
    def open(self, committed):
        from journal.recovery import Search

        ring = self._ring
        self.next_sequence = Search(ring, self._firsts, self._whole).find(committed)
        self._raise_oldest()
        # More than the ring can hold is not there.
        self.oldest = max(self.oldest, self.floor, self.next_sequence - ring.blocks * ring.slots)
