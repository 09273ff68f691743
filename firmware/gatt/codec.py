# Decodes and encodes every message of the wire by the programs in gatt/wire_tables.py, without allocating.
#
# A program is a place in PROGRAMS from which instructions go on to a 0: an operation, a slot, its parameters. `fields`
# holds one int for each slot; a decimal number is an int of value x scale. What cannot be such an int has a sentinel of
# its own below -2**29.
from array import array

from micropython import const

from gatt.wire_tables import NUMBERS, PROGRAMS, SLOTS, WORDS

# Outcomes of decode, which IDS answers differently.
OK = const(0)
BAD_STRUCTURE = const(1)
RFU = const(2)
PROHIBITED = const(3)
OUT_OF_RANGE = const(4)

# An optional field that is not there, and the words of SFLOAT and FLOAT that are no numbers.
ABSENT = const(-0x20000001)
NAN = const(-0x20000002)
NRES = const(-0x20000003)
PINF = const(-0x20000004)
NINF = const(-0x20000005)
RESERVED = const(-0x20000006)
# A decimal with more digits than its scale has: out of range, and below every limit that anybody may look for.
INEXACT = const(-0x20000007)

# Octets of an entry in a table of opcodes.
_ENTRY_OCTETS = const(4)

_SCALED_LIMIT = const(0x1FFFFFFF)

_U8 = const(1)
_U16 = const(2)
_U24 = const(3)
_U32 = const(4)
_S16 = const(6)
_SFLOAT = const(7)
_FLOAT = const(8)
_WORD = const(9)
_BITS = const(10)
_NEEDS = const(11)
_RANGE = const(12)
_IF = const(13)
_WHEN = const(14)
_COUNTED = const(15)
_OCTETS = const(16)

_PLACES = const(0x0F)
_SPECIALS = const(0x10)
_ROUND_TOWARD_ZERO = const(0x20)
_ROUND_HALF_UP = const(0x40)

# Octets of a number on the wire, by operation, and of the instructions that are about several octets or elements.
_OCTETS_OF = b"\x00\x01\x02\x03\x04\x01\x02\x02\x04"
_ARRAY_LENGTHS = b"\x05\x03\x05"

# A decimal whose digits are few is scaled in one step.
_POWERS = (1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000)
_FEW_DIGITS = const(2048)


# What a table of gatt/wire_tables.py has beside an opcode: its program, or the opcode of its answer; -1 for none.
def find(table, opcode):
    for at in range(0, len(table), _ENTRY_OCTETS):
        if table[at] | table[at + 1] << 8 == opcode:
            return table[at + 2] | table[at + 3] << 8
    return -1


class Codec:
    def __init__(self):
        self.fields = array("i", [ABSENT] * SLOTS)
        # The field that RFU or OUT_OF_RANGE is about, or that encode could not say.
        self.bad_slot = -1
        self._inexact = False

    # Reads buf[start:end] into `fields`. A limit is reported only when all else is well, and then for the first
    # field that breaks one; the other fields can still be used.
    #
    # Most fields are small unsigned integers, and most conditions hold: these cases come first, and call nothing.
    def decode(self, at, buf, start, end):
        program = PROGRAMS
        fields = self.fields
        status = OK
        self.bad_slot = -1
        while program[at]:
            op = program[at]
            slot = program[at + 1]
            if op == _U8 and start < end:
                fields[slot] = buf[start]
                start += 1
                at += 2
            elif op == _U16 and end - start > 1:
                fields[slot] = buf[start] | buf[start + 1] << 8
                start += 2
                at += 2
            elif op == _RANGE:
                inside = NUMBERS[program[at + 2]] <= fields[slot] <= NUMBERS[program[at + 3]]
                if not inside and status == OK and not self._in_range(program, at):
                    status = OUT_OF_RANGE
                    self.bad_slot = slot
                at += 5
            elif op == _WORD:
                if fields[slot] not in WORDS[program[at + 2]]:
                    self.bad_slot = slot
                    return RFU
                at += 3
            elif op == _IF or op == _WHEN:
                if not (op == _IF and fields[slot] >> program[at + 2] & 1 or self._present(program, at)):
                    at += program[at + 3]
                at += 6
            elif op == _BITS:
                fields[slot] &= NUMBERS[program[at + 2]]
                at += 3
            elif op == _NEEDS:
                if fields[slot] >> program[at + 2] & 1 and not fields[slot] >> program[at + 3] & 1:
                    return BAD_STRUCTURE
                at += 4
            elif op >= _COUNTED:
                start = self._read_octets(program, at, buf, start, end)
                if start < 0:
                    return BAD_STRUCTURE
                at += _ARRAY_LENGTHS[op - _COUNTED]
            else:
                octets = _OCTETS_OF[op]
                if end - start < octets:
                    return BAD_STRUCTURE
                if op <= _S16:
                    self._read_integer(op, slot, buf, start)
                    at += 2
                else:
                    outcome = self._read_decimal(op, slot, program[at + 2], buf, start)
                    if outcome == RFU:
                        return RFU
                    if outcome != OK and status == OK:
                        status = OUT_OF_RANGE
                        self.bad_slot = slot
                    at += 3
                start += octets
        return status if start == end else BAD_STRUCTURE

    # Writes `fields` into buf from start; returns the end, or -1 when bad_slot holds what its field cannot say. The
    # caller provides the room: 20 octets hold every message.
    def encode(self, at, buf, start):
        program = PROGRAMS
        fields = self.fields
        self.bad_slot = -1
        while program[at]:
            op = program[at]
            slot = program[at + 1]
            value = fields[slot]
            good = True
            if op == _U8 and 0 <= value <= 0xFF:
                buf[start] = value
                start += 1
                at += 2
            elif op == _U16 and 0 <= value <= 0xFFFF:
                buf[start] = value & 0xFF
                buf[start + 1] = value >> 8
                start += 2
                at += 2
            elif op == _RANGE:
                if not NUMBERS[program[at + 2]] <= value <= NUMBERS[program[at + 3]]:
                    good = self._in_range(program, at)
                at += 5
            elif op == _WORD:
                good = value in WORDS[program[at + 2]]
                at += 3
            elif op == _IF or op == _WHEN:
                if not (op == _IF and value >> program[at + 2] & 1 or self._present(program, at)):
                    at += program[at + 3]
                at += 6
            elif op == _BITS:
                good = value & ~NUMBERS[program[at + 2]] == 0
                at += 3
            elif op == _NEEDS:
                good = not value >> program[at + 2] & 1 or value >> program[at + 3] & 1
                at += 4
            elif op >= _COUNTED:
                start = self._write_octets(program, at, buf, start)
                good = start >= 0
                at += _ARRAY_LENGTHS[op - _COUNTED]
            elif op <= _S16:
                good = self._write_integer(op, slot, buf, start)
                start += _OCTETS_OF[op]
                at += 2
            else:
                good = self._write_decimal(op, program[at + 2], value, buf, start)
                start += _OCTETS_OF[op]
                at += 3
            if not good:
                self.bad_slot = slot
                return -1
        return start

    # Sentinels are outside no range: whether a field takes them is told by its decimal instruction.
    def _in_range(self, program, at):
        value = self.fields[program[at + 1]]
        if NUMBERS[program[at + 2]] <= value <= NUMBERS[program[at + 3]]:
            return True
        return value < -_SCALED_LIMIT or value == NUMBERS[program[at + 4]]

    # Whether a conditional field is there; its slots are emptied when it is not.
    def _present(self, program, at):
        value = self.fields[program[at + 1]]
        if program[at] == _IF:
            if value >> program[at + 2] & 1:
                return True
        elif value in WORDS[program[at + 2]]:
            return True
        slot = program[at + 4]
        last = slot + program[at + 5]
        while slot < last:
            self.fields[slot] = ABSENT
            slot += 1
        return False

    def _read_integer(self, op, slot, buf, start):
        value = buf[start]
        if op == _U32:
            self.fields[slot + 1] = buf[start + 2] | buf[start + 3] << 8
        if op != 1 and op != 5:
            value |= buf[start + 1] << 8
        if op == _U24:
            value |= buf[start + 2] << 16
        elif op == 5:
            value = (value ^ 0x80) - 0x80
        elif op == _S16:
            value = (value ^ 0x8000) - 0x8000
        self.fields[slot] = value

    def _write_integer(self, op, slot, buf, start):
        value = self.fields[slot]
        if op == _U32:
            high = self.fields[slot + 1]
            if not 0 <= high <= 0xFFFF:
                return False
            buf[start + 2] = high & 0xFF
            buf[start + 3] = high >> 8
            op = _U16
        if op >= 5:
            limit = 0x80 if op == 5 else 0x8000
            if not -limit <= value < limit:
                return False
            op -= 4
        elif not 0 <= value < 1 << 8 * op:
            return False
        buf[start] = value & 0xFF
        if op >= _U16:
            buf[start + 1] = value >> 8 & 0xFF
        if op == _U24:
            buf[start + 2] = value >> 16
        return True

    # Reads a decimal into its slot; the outcome is OUT_OF_RANGE when it cannot be said in the slot's unit.
    def _read_decimal(self, op, slot, options, buf, start):
        mantissa = buf[start] | buf[start + 1] << 8
        if op == _SFLOAT:
            exponent = mantissa >> 12
            mantissa &= 0xFFF
            half = 0x800
            exponent = (exponent ^ 8) - 8
        else:
            mantissa |= buf[start + 2] << 16
            exponent = (buf[start + 3] ^ 0x80) - 0x80
            half = 0x800000
        if exponent == 0 and half - 2 <= mantissa <= half + 2:
            special = _special(mantissa - half)
            if special == RESERVED:
                self.bad_slot = slot
                return RFU
            self.fields[slot] = special
            return OK if options & _SPECIALS else OUT_OF_RANGE
        if mantissa >= half:
            mantissa -= half << 1
        exponent += options & _PLACES
        if 0 <= exponent <= 5 and -_FEW_DIGITS <= mantissa < _FEW_DIGITS:
            self.fields[slot] = mantissa * _POWERS[exponent]
            return OK
        self._inexact = False
        self.fields[slot] = self._scaled(mantissa, exponent, options)
        return OUT_OF_RANGE if self._inexact else OK

    # mantissa x 10**exponent as an int; digits that are lost and values beyond the limit are noted as inexact.
    def _scaled(self, mantissa, exponent, options):
        if mantissa == 0:
            return 0
        while exponent > 0:
            if not -_SCALED_LIMIT // 10 <= mantissa <= _SCALED_LIMIT // 10:
                self._inexact = True
                return _SCALED_LIMIT if mantissa > 0 else -_SCALED_LIMIT
            mantissa *= 10
            exponent -= 1
        if options & _ROUND_HALF_UP:
            while exponent < -1:
                mantissa //= 10
                exponent += 1
            return mantissa if exponent == 0 else (mantissa + 5) // 10
        negative = mantissa < 0
        if negative:
            mantissa = -mantissa
        while exponent < 0 and mantissa:
            if mantissa % 10 and not options & _ROUND_TOWARD_ZERO:
                self._inexact = True
                return INEXACT
            mantissa //= 10
            exponent += 1
        return -mantissa if negative else mantissa

    # Encodes with the fewest digits; what does not fit the mantissa is dropped, toward zero.
    def _write_decimal(self, op, options, value, buf, start):
        half = 0x800 if op == _SFLOAT else 0x800000
        exponent = -(options & _PLACES)
        if value < -_SCALED_LIMIT:
            if value >= ABSENT or value <= RESERVED or not options & _SPECIALS:
                return False
            mantissa = half + _special_offset(value)
            exponent = 0
        elif value > _SCALED_LIMIT:
            return False
        else:
            negative = value < 0
            mantissa = -value if negative else value
            if mantissa % _POWERS[-exponent] == 0:
                mantissa //= _POWERS[-exponent]
                exponent = 0
            else:
                while mantissa % 10 == 0:
                    mantissa //= 10
                    exponent += 1
            # What fits at once needs no more.
            if mantissa > half - 3:
                while not _fits(mantissa, exponent, half, negative):
                    mantissa //= 10
                    exponent += 1
                while exponent < 0 and mantissa % 10 == 0:
                    mantissa //= 10
                    exponent += 1
                if exponent > 0 and _fits(mantissa * 10, exponent - 1, half, negative):
                    mantissa *= 10
                    exponent -= 1
            if negative:
                mantissa = (half << 1) - mantissa
        buf[start] = mantissa & 0xFF
        if op == _SFLOAT:
            buf[start + 1] = mantissa >> 8 & 0x0F | (exponent & 0x0F) << 4
        else:
            buf[start + 1] = mantissa >> 8 & 0xFF
            buf[start + 2] = mantissa >> 16 & 0xFF
            buf[start + 3] = exponent & 0xFF
        return True

    # Octets and counted elements; returns the position after them, or -1.
    def _read_octets(self, program, at, buf, start, end):
        op = program[at]
        slot = program[at + 1]
        width = 1
        count = program[at + 2]
        if op == _COUNTED:
            if start >= end or not count <= buf[start] <= program[at + 3]:
                return -1
            width = program[at + 4]
            count = buf[start]
            self.fields[slot] = count
            slot += 1
            start += 1
        elif op != _OCTETS:
            count = (self.fields[count] + program[at + 3] - 1) // program[at + 3]
            if count > program[at + 4]:
                return -1
        if end - start < count * width:
            return -1
        fields = self.fields
        while count:
            if width == _U8:
                fields[slot] = buf[start]
            else:
                self._read_integer(width, slot, buf, start)
            start += width
            slot += 1
            count -= 1
        return start

    def _write_octets(self, program, at, buf, start):
        op = program[at]
        slot = program[at + 1]
        width = 1
        count = program[at + 2]
        if op == _COUNTED:
            low = count
            count = self.fields[slot]
            if not low <= count <= program[at + 3]:
                return -1
            width = program[at + 4]
            buf[start] = count
            slot += 1
            start += 1
        elif op != _OCTETS:
            count = (self.fields[count] + program[at + 3] - 1) // program[at + 3]
            if count > program[at + 4]:
                return -1
        fields = self.fields
        while count:
            if width == _U8 and 0 <= fields[slot] <= 0xFF:
                buf[start] = fields[slot]
            elif not self._write_integer(width, slot, buf, start):
                return -1
            start += width
            slot += 1
            count -= 1
        return start


# NaN, NRes, the infinities and the reserved word stand around the middle of the mantissa's words.
def _special(offset):
    if offset == -1:
        return NAN
    if offset == 0:
        return NRES
    if offset == 1:
        return RESERVED
    return NINF if offset == 2 else PINF


def _special_offset(value):
    if value == NAN:
        return -1
    if value == NRES:
        return 0
    return 2 if value == NINF else -2


def _fits(mantissa, exponent, half, negative):
    if exponent == 0:
        return mantissa <= half - 3
    return mantissa <= half if negative else mantissa < half
