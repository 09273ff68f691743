# Profiles and the transaction that writes one (D-201, D-910; IDS 1.0.2, 3.7.2).
#
# Row 0 is that of the profile that is being written (pump/template_commands.py). A block of 0 minutes is no block.
import struct
from array import array

from micropython import const

# In a record of the journal: row, first block and blocks of a piece; then duration and value of each, or three of them
# with a high.
BLOCKS = const(5)
BLOCKS_WITH_HIGH = const(3)


class Profiles:
    # rates: the steps of basal rates. rows: how many profiles there are; high_rows: a bit for each whose blocks have
    # two values. Which number has which row is for the registry to know.
    def __init__(self, settings, rates, rows, high_rows):
        self.blocks_max = settings.BLOCKS_MAX
        self.rates = rates
        self.rate_mu_per_h_max = settings.BASAL_LIMIT_MU_PER_H
        self._rows = rows
        self.high_rows = high_rows
        cells = 2 * (rows + 1) * self.blocks_max
        self.durations = array("H", bytes(cells))
        self.values = array("H", bytes(cells))
        self.highs = array("H", bytes(cells))
        self.counts = bytearray(rows + 1)
        # The number of the template that is being written.
        self.writing = 0
        # A bit for each row that the journal does not hold as it is.
        self.unsaved = 0

    # Forgets a transaction that has begun.
    def drop(self):
        self.writing = 0
        for block in range(self.blocks_max):
            self.durations[block] = 0

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
        return (self.blocks_max + BLOCKS_WITH_HIGH - 1) // BLOCKS_WITH_HIGH

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
        with_high = self.high_rows >> row & 1
        blocks = BLOCKS_WITH_HIGH if with_high else BLOCKS
        first = piece * blocks
        if not changed or first >= self.counts[row]:
            return False
        buf[at] = row
        buf[at + 1] = first
        buf[at + 2] = blocks = min(blocks, self.blocks_max - first)
        cell = row * self.blocks_max + first
        at += 3
        for i in range(cell, cell + blocks):
            struct.pack_into("<HH", buf, at, self.durations[i], self.values[i])
            at += 4
            if with_high:
                struct.pack_into("<H", buf, at, self.highs[i])
                at += 2
        return True
