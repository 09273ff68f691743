# History: the newest records of a fixed number, in memory.
#
# It stands in for the history of the journal where nothing has to survive. A record is kept as the wire sends it:
# event, sequence number, seconds since the last reference time, up to 10 octets of data. Sequence numbers start at 0
# and are never used again; a full ring overwrites its oldest record.
from micropython import const

# Words of pump/events.py.
_REFERENCE_TIME = const(0x000F)


DATA_OCTETS_MAX = const(10)
# In a slot: event (2 octets), relative offset (2), length of the data (1), data (10).
_DATA = const(5)
_SLOT = const(15)


class History:
    def __init__(self, capacity):
        self._capacity = capacity
        self._ring = bytearray(_SLOT * capacity)
        self._reference_s = 0
        self.next_sequence = 0
        # The record that was loaded last.
        self.sequence = 0
        self.event = 0
        self.offset_s = 0
        self.length = 0
        self.data = bytearray(DATA_OCTETS_MAX)

    # Records an event of second s with length octets of payload; returns its sequence number. The offset of a
    # reference time counts from the one before; it is not carried over 65535 s, as one is recorded every hour.
    def append(self, event, s, payload, length):
        ring = self._ring
        at = self.next_sequence % self._capacity * _SLOT
        offset_s = s - self._reference_s
        ring[at] = event & 0xFF
        ring[at + 1] = event >> 8
        ring[at + 2] = offset_s & 0xFF
        ring[at + 3] = offset_s >> 8 & 0xFF
        ring[at + 4] = length
        at += _DATA
        for i in range(length):
            ring[at + i] = payload[i]
        if event == _REFERENCE_TIME:
            self._reference_s = s
        self.next_sequence += 1
        return self.next_sequence - 1

    # How many records are stored.
    def count(self):
        return min(self.next_sequence, self._capacity)

    # The oldest stored sequence number that is not below from_sequence; next_sequence when there is none.
    def scan(self, from_sequence):
        oldest = self.next_sequence - self.count()
        return min(max(from_sequence, oldest), self.next_sequence)

    # Puts a record into sequence, event, offset_s, length and data; False when it is not stored (any more, or yet).
    def load(self, sequence):
        if sequence != self.scan(sequence) or sequence == self.next_sequence:
            return False
        ring = self._ring
        at = sequence % self._capacity * _SLOT
        self.sequence = sequence
        self.event = ring[at] | ring[at + 1] << 8
        self.offset_s = ring[at + 2] | ring[at + 3] << 8
        self.length = ring[at + 4]
        at += _DATA
        for i in range(self.length):
            self.data[i] = ring[at + i]
        return True
