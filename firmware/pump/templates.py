# The templates of all types by their numbers, which are unique over the types (D-204, D-307, D-412, D-910).
from micropython import const

from pump.bolus_templates import BolusTemplates
from pump.profiles import Profiles
from pump.tbr_templates import TbrTemplates

# Words of pump/events.py.
_TEMPLATE_BASAL = const(0x33)
_TEMPLATE_BOLUS = const(0x55)
_TEMPLATE_TARGET = const(0x96)
_TEMPLATE_TBR = const(0x3C)

ACTIVATED = const(0x80)


class Templates(Profiles):
    # rates: the steps of basal rates.
    def __init__(self, settings, rates):
        self.types = settings.TEMPLATE_TYPES
        # A basal that cannot be adjusted has no templates; their numbers stay as they are.
        self._adjustable = settings.BASAL_ADJUSTABLE
        # The row of each number among the profiles, 0 for what is no profile; and of the first number of each type of
        # profile, the number that is activated, 0 for none.
        self.row_of = bytearray(len(self.types))
        self.activated_of = bytearray(len(self.types))
        rows = high_rows = 0
        for number in range(1, len(self.types)):
            kind = self.types[number]
            if kind not in (_TEMPLATE_TBR, _TEMPLATE_BOLUS):
                rows += 1
                self.row_of[number] = rows
                high_rows |= (kind == _TEMPLATE_TARGET) << rows
        super().__init__(settings, rates, rows, high_rows)
        self.tbr = TbrTemplates(self)
        self.bolus = BolusTemplates(self)

    # --- Numbers ----------------------------------------------------------------------------------------------------

    # The type of a number, 0 when there is no such template.
    def type_of(self, number):
        kind = self.types[number] if 0 <= number < len(self.types) else 0
        return kind if self.offers(kind) else 0

    # Whether the pump has templates of a type.
    def offers(self, kind):
        return self._adjustable or kind not in (_TEMPLATE_BASAL, _TEMPLATE_TBR)

    def exists(self, number):
        return self.type_of(number) != 0

    # The lowest number of a type, and how many there are.
    def first(self, kind):
        number = 1
        while self.types[number] != kind:
            number += 1
        return number

    def count_of(self, kind):
        count = 0
        for number in range(len(self.types)):
            count += self.types[number] == kind
        return count

    # Whether a client may write it, and whether there is something in it.
    def configurable(self, number):
        return self.exists(number) and number != self.tbr.preset

    def configured(self, number):
        kind = self.type_of(number)
        if kind == _TEMPLATE_TBR:
            return self.tbr.kind(number) != 0
        if kind == _TEMPLATE_BOLUS:
            return self.bolus.kind(number) != 0
        return kind != 0 and self.counts[self.row_of[number]] > 0

    # --- Profiles ---------------------------------------------------------------------------------------------------

    # How many blocks a profile has; they are numbered from 0 here, from 1 on the wire.
    def count(self, number):
        return self.counts[self.row_of[number]]

    def duration_minutes(self, number, block):
        return self.durations[self.row_of[number] * self.blocks_max + block]

    # mU/h of a basal profile, tenths of the others' units; of a target range the lower end.
    def value(self, number, block):
        return self.values[self.row_of[number] * self.blocks_max + block]

    # The upper end of a target range, else 0.
    def high(self, number, block):
        return self.highs[self.row_of[number] * self.blocks_max + block]

    # The number that is activated of a type of profile, 0 for none.
    def activated(self, kind):
        return self.activated_of[self.first(kind)]

    def activate(self, number):
        self.activated_of[self.first(self.types[number])] = number

    # An octet for each number from 1: how many blocks a profile has, and whether it is activated. For the journal.
    def save_directory(self, buf, at):
        for number in range(1, len(self.types)):
            row = self.row_of[number]
            activated = row and self.activated(self.types[number]) == number
            buf[at + number - 1] = self.counts[row] | (ACTIVATED if activated else 0)
