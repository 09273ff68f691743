# Profiles and the transaction that writes one (D-201, D-910; IDS 1.0.2, 3.7.2).
#
# A profile is written block by block, in any order. Blocks gather in row 0, apart from the profiles, and replace one
# only when the record with the end flag finds them whole; any failure drops them all. A block of 0 minutes is no block.
import struct
from array import array

from micropython import const

# Words of pump/events.py.
_NOT_PLAUSIBLE = const(0x75)
_OUT_OF_RANGE = const(0x73)
_SUCCESS = const(0x0F)
_TEMPLATE_BASAL = const(0x33)
_TEMPLATE_ICHO = const(0x66)
_TEMPLATE_ISF = const(0x5A)
_TEMPLATE_TARGET = const(0x96)


_DAY_MINUTES = const(1440)
# In tenths of the wire's units.
_ISF_MIN = const(10)
_ISF_MAX = const(10000)
_ICHO_MIN = const(10)
_ICHO_MAX = const(3000)
_TARGET_MIN = const(400)
_TARGET_MAX = const(4000)
# In a record of the journal: row, first block and blocks of a piece; then duration and value of each, or three of them
# with a high.
_BLOCKS = const(5)
_BLOCKS_WITH_HIGH = const(3)


class Profiles:
    # rates: the steps of basal rates. rows: how many profiles there are; high_rows: a bit for each whose blocks have
    # two values. Which number has which row is for the registry to know.
    def __init__(self, settings, rates, rows, high_rows):
        self.blocks_max = settings.BLOCKS_MAX
        self._rates = rates
        self._rate_mu_per_h_max = settings.BASAL_LIMIT_MU_PER_H
        self._rows = rows
        self._high_rows = high_rows
        cells = 2 * (rows + 1) * self.blocks_max
        self._durations = array("H", bytes(cells))
        self._values = array("H", bytes(cells))
        self._highs = array("H", bytes(cells))
        self.counts = bytearray(rows + 1)
        # The number of the template that is being written.
        self._writing = 0
        # A bit for each row that the journal does not hold as it is.
        self.unsaved = 0

    # Takes one block into the transaction; index counts from 1.
    def _take(self, number, kind, index, duration_minutes, value, high):
        code = self._judge(number, kind, index, duration_minutes, value, high)
        if code != _SUCCESS:
            self.drop()
            return code
        self._writing = number
        self._durations[index - 1] = duration_minutes
        self._values[index - 1] = value
        self._highs[index - 1] = high
        return _SUCCESS

    def _judge(self, number, kind, index, duration_minutes, value, high):
        if not (1 <= index <= self.blocks_max and 1 <= duration_minutes <= _DAY_MINUTES):
            return _OUT_OF_RANGE
        if not self._within(kind, value) or (kind == _TEMPLATE_TARGET and not self._within(kind, high)):
            return _OUT_OF_RANGE
        if kind == _TEMPLATE_TARGET and value > high:
            return _NOT_PLAUSIBLE
        if self._writing not in (0, number) or self._durations[index - 1]:
            return _NOT_PLAUSIBLE
        return _SUCCESS

    def _within(self, kind, value):
        if kind == _TEMPLATE_BASAL:
            return value == 0 or 0 < value <= self._rate_mu_per_h_max and self._rates.on(value)
        if kind == _TEMPLATE_ISF:
            return _ISF_MIN <= value <= _ISF_MAX
        if kind == _TEMPLATE_ICHO:
            return _ICHO_MIN <= value <= _ICHO_MAX
        return _TARGET_MIN <= value <= _TARGET_MAX

    # Ends the transaction: the row is replaced, or nothing is.
    def _finish(self, number, row):
        count = 0
        while count < self.blocks_max and self._durations[count]:
            count += 1
        minutes = 0
        for block in range(count):
            minutes += self._durations[block]
        beyond_gap = 0
        for block in range(count, self.blocks_max):
            beyond_gap += self._durations[block]
        if self._writing != number or minutes != _DAY_MINUTES or beyond_gap:
            self.drop()
            return _NOT_PLAUSIBLE
        cell = row * self.blocks_max
        for block in range(self.blocks_max):
            self._durations[cell + block] = self._durations[block]
            self._values[cell + block] = self._values[block]
            self._highs[cell + block] = self._highs[block]
        self.counts[row] = count
        self.unsaved |= 1 << row
        self.drop()
        return _SUCCESS

    # Forgets a transaction that has begun.
    def drop(self):
        self._writing = 0
        for block in range(self.blocks_max):
            self._durations[block] = 0

    # --- For the journal --------------------------------------------------------------------------------------------

    # How many records all rows take, and how many those that changed.
    def pieces(self):
        return self._rows * self._pieces_each()

    def room(self):
        rows = 0
        for row in range(1, self._rows + 1):
            rows += self.unsaved >> row & 1
        return rows * self._pieces_each()

    def _pieces_each(self):
        return (self.blocks_max + _BLOCKS_WITH_HIGH - 1) // _BLOCKS_WITH_HIGH

    def forget_saved(self):
        self.unsaved = (2 << self._rows) - 2

    # Puts one piece into buf; False when the journal holds its row as it is, or no block of it is in the piece. How
    # many blocks a row has stands elsewhere: `counts` are saved as a whole.
    def save(self, piece, buf, at):
        pieces_each = self._pieces_each()
        row = piece // pieces_each + 1
        piece %= pieces_each
        changed = self.unsaved >> row & 1
        if piece == pieces_each - 1:
            self.unsaved &= ~(1 << row)
        with_high = self._high_rows >> row & 1
        blocks = _BLOCKS_WITH_HIGH if with_high else _BLOCKS
        first = piece * blocks
        if not changed or first >= self.counts[row]:
            return False
        buf[at] = row
        buf[at + 1] = first
        buf[at + 2] = blocks = min(blocks, self.blocks_max - first)
        cell = row * self.blocks_max + first
        at += 3
        for i in range(cell, cell + blocks):
            struct.pack_into("<HH", buf, at, self._durations[i], self._values[i])
            at += 4
            if with_high:
                struct.pack_into("<H", buf, at, self._highs[i])
                at += 2
        return True

    def restore(self, buf, at):
        row, first, blocks = buf[at], buf[at + 1], buf[at + 2]
        cell = row * self.blocks_max + first
        at += 3
        for i in range(cell, cell + blocks):
            self._durations[i], self._values[i] = struct.unpack_from("<HH", buf, at)
            at += 4
            if self._high_rows >> row & 1:
                self._highs[i] = struct.unpack_from("<H", buf, at)[0]
                at += 2
