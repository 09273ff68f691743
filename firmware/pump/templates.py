# Basal rate profile templates and the transaction that writes one (D-201; IDS 1.0.2, 3.7.2).
#
# A template is written block by block, in any order. Blocks gather apart from the template and replace it only when
# the record with the end flag finds them whole; any failure drops them all.
import struct
from array import array

from micropython import const

from pump.events import NOT_APPLICABLE, NOT_PLAUSIBLE, OUT_OF_RANGE, SUCCESS

_DAY_MINUTES = const(1440)
# In a record of the journal: template, first block, blocks in all; then duration and rate of each.
_PIECE_BLOCKS = const(5)
_PIECE = "<BBBx"
_BLOCK = "<HH"


class Templates:
    def __init__(self, settings):
        self.number_max = settings.BASAL_TEMPLATES
        self.blocks_max = settings.BLOCKS_MAX
        self._rate_mu_per_h_max = settings.BASAL_LIMIT_MU_PER_H
        # Row 0 holds the transaction, row n template n; a block of 0 minutes is no block.
        cells = (self.number_max + 1) * self.blocks_max
        self._durations = array("H", bytes(2 * cells))
        self._rates = array("H", bytes(2 * cells))
        self._counts = bytearray(self.number_max + 1)
        self._writing = 0

    def exists(self, template):
        return 1 <= template <= self.number_max

    def configured(self, template):
        return self.exists(template) and self._counts[template] > 0

    # How many blocks a template has; they are numbered from 0 here, from 1 on the wire.
    def count(self, template):
        return self._counts[template]

    def duration_minutes(self, template, block):
        return self._durations[template * self.blocks_max + block]

    def rate_mu_per_h(self, template, block):
        return self._rates[template * self.blocks_max + block]

    # Takes one block into the transaction; index counts from 1.
    def write(self, template, index, duration_minutes, rate_mu_per_h):
        code = self._judge(template, index, duration_minutes, rate_mu_per_h)
        if code != SUCCESS:
            self.drop()
            return code
        self._writing = template
        self._durations[index - 1] = duration_minutes
        self._rates[index - 1] = rate_mu_per_h
        return SUCCESS

    def _judge(self, template, index, duration_minutes, rate_mu_per_h):
        if not (self.exists(template) and 1 <= index <= self.blocks_max):
            return OUT_OF_RANGE
        if not (1 <= duration_minutes <= _DAY_MINUTES and 0 <= rate_mu_per_h <= self._rate_mu_per_h_max):
            return OUT_OF_RANGE
        if self._writing not in (0, template) or self._durations[index - 1]:
            return NOT_PLAUSIBLE
        return SUCCESS

    # Ends the transaction: the template is replaced, or nothing is.
    def complete(self, template):
        if not self.exists(template):
            self.drop()
            return OUT_OF_RANGE
        count = 0
        while count < self.blocks_max and self._durations[count]:
            count += 1
        minutes = 0
        for block in range(count):
            minutes += self._durations[block]
        beyond_gap = 0
        for block in range(count, self.blocks_max):
            beyond_gap += self._durations[block]
        if self._writing != template or minutes != _DAY_MINUTES or beyond_gap:
            self.drop()
            return NOT_PLAUSIBLE
        row = template * self.blocks_max
        for block in range(self.blocks_max):
            self._durations[row + block] = self._durations[block]
            self._rates[row + block] = self._rates[block]
        self._counts[template] = count
        self.drop()
        return SUCCESS

    # How many records of the journal hold all templates.
    def pieces(self):
        return self.number_max * self._pieces_each()

    def _pieces_each(self):
        return (self.blocks_max + _PIECE_BLOCKS - 1) // _PIECE_BLOCKS

    # Puts one piece into buf; False when no block of its template is in it. The first also says that there is none.
    def save(self, piece, buf, at):
        template = piece // self._pieces_each() + 1
        first = piece % self._pieces_each() * _PIECE_BLOCKS
        count = self._counts[template]
        if first and first >= count:
            return False
        struct.pack_into(_PIECE, buf, at, template, first, count)
        cell = template * self.blocks_max + first
        for i in range(min(_PIECE_BLOCKS, count - first)):
            struct.pack_into(_BLOCK, buf, at + 4 + 4 * i, self._durations[cell + i], self._rates[cell + i])
        return True

    def restore(self, buf, at):
        template, first, count = struct.unpack_from(_PIECE, buf, at)
        self._counts[template] = count
        cell = template * self.blocks_max + first
        for i in range(min(_PIECE_BLOCKS, count - first)):
            self._durations[cell + i], self._rates[cell + i] = struct.unpack_from(_BLOCK, buf, at + 4 + 4 * i)

    # Forgets a transaction that has begun.
    def drop(self):
        self._writing = 0
        for block in range(self.blocks_max):
            self._durations[block] = 0

    # Resets all the listed templates or none: each must be configured and not the activated one.
    def reset(self, numbers, first, count, activated):
        for i in range(first, first + count):
            if not self.configured(numbers[i]) or numbers[i] == activated:
                return NOT_APPLICABLE
        for i in range(first, first + count):
            self._counts[numbers[i]] = 0
        return SUCCESS
