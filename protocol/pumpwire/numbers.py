"""IEEE-11073 SFLOAT and FLOAT: exact decimal numbers of 16 and 32 bits.

One value has many encodings. The canonical one has the fewest digits: integers that fit use exponent 0, otherwise
the exponent is as near to 0 as the digits allow.
"""

from __future__ import annotations

import enum
from decimal import Decimal
from typing import Final

from pumpwire.errors import ValueNotExact


class Special(enum.Enum):
    """The words of SFLOAT and FLOAT that are no numbers."""

    NAN = "NaN"
    NRES = "NRes"
    PINF = "+INFINITY"
    NINF = "-INFINITY"
    RESERVED = "reserved"

    def __repr__(self) -> str:
        return f"Special.{self.name}"


class Format:
    """One of the two layouts.

    Args:
        name: "SFLOAT" or "FLOAT".
        mantissa_bits: width of the signed mantissa.
        exponent_bits: width of the signed exponent.
    """

    def __init__(self, name: str, mantissa_bits: int, exponent_bits: int) -> None:
        self.name = name
        self.mantissa_bits = mantissa_bits
        self.exponent_bits = exponent_bits
        self.half = 1 << mantissa_bits - 1
        self.exponent_min = -(1 << exponent_bits - 1)
        self.exponent_max = (1 << exponent_bits - 1) - 1
        self.specials: dict[int, Special] = {
            self.half - 1: Special.NAN,
            self.half: Special.NRES,
            self.half - 2: Special.PINF,
            self.half + 2: Special.NINF,
            self.half + 1: Special.RESERVED,
        }
        self.words = {special: word for word, special in self.specials.items()}

    def fits(self, mantissa: int, exponent: int) -> bool:
        """Whether a mantissa can stand at an exponent; the outermost five are taken by specials at exponent 0."""
        if exponent == 0:
            return -self.half + 2 < mantissa < self.half - 2
        return -self.half <= mantissa < self.half

    def word(self, mantissa: int, exponent: int) -> int:
        """The word of a mantissa and an exponent that fit."""
        return (exponent & (1 << self.exponent_bits) - 1) << self.mantissa_bits | mantissa & 2 * self.half - 1


SFLOAT: Final = Format("SFLOAT", 12, 4)
FLOAT: Final = Format("FLOAT", 24, 8)


def decode(form: Format, word: int) -> Decimal | Special:
    """The value of a word.

    Args:
        form: SFLOAT or FLOAT.
        word: the unsigned word.
    """
    special = form.specials.get(word)
    if special is not None:
        return special
    mantissa = word & 2 * form.half - 1
    if mantissa >= form.half:
        mantissa -= 2 * form.half
    exponent = word >> form.mantissa_bits
    if exponent > form.exponent_max:
        exponent -= 1 << form.exponent_bits
    return Decimal(mantissa).scaleb(exponent)


def _digits(value: Decimal) -> tuple[int, int]:
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        raise ValueNotExact(f"{value} is no finite number; use numbers.Special")
    mantissa = int("".join(map(str, digits)))
    while exponent < 0 and mantissa % 10 == 0 and mantissa:
        mantissa //= 10
        exponent += 1
    if mantissa == 0:
        return 0, 0
    if exponent > 0:
        mantissa, exponent = mantissa * 10**exponent, 0
    return (-mantissa if sign else mantissa), exponent


def _shorten(form: Format, mantissa: int, exponent: int) -> tuple[int, int, bool]:
    # Digits are dropped at the right until the rest fits; what is dropped makes the number inexact unless it is 0.
    exact = True
    while not form.fits(mantissa, exponent) or exponent < form.exponent_min:
        if mantissa % 10:
            exact = False
        mantissa = mantissa // 10 if mantissa >= 0 else -(-mantissa // 10)
        exponent += 1
    while exponent < 0 and mantissa and mantissa % 10 == 0:
        mantissa //= 10
        exponent += 1
    return (mantissa, exponent, exact) if mantissa else (0, 0, exact)


def encode(form: Format, value: Decimal | Special) -> int:
    """The canonical word of a value.

    Args:
        form: SFLOAT or FLOAT.
        value: an exact decimal number or a special.

    Raises:
        ValueNotExact: the value has more digits than the mantissa, or is too large.
    """
    if isinstance(value, Special):
        return form.words[value]
    mantissa, exponent, exact = _shorten(form, *_digits(value))
    if not exact or exponent > form.exponent_max:
        raise ValueNotExact(f"{value} does not fit {form.name} exactly; round it first with numbers.toward_zero")
    return form.word(mantissa, exponent)


def toward_zero(value: Decimal, form: Format = SFLOAT) -> Decimal:
    """The value without the last digits that a format cannot hold.

    Digits are dropped at the right until the mantissa fits: 2045 stays, 2046 becomes 2040, 20.482 becomes 20.4.

    Args:
        value: a finite number.
        form: SFLOAT or FLOAT.

    Raises:
        ValueNotExact: the magnitude is beyond the format.
    """
    mantissa, exponent, _ = _shorten(form, *_digits(value))
    if exponent > form.exponent_max:
        raise ValueNotExact(f"{value} is beyond {form.name}")
    return Decimal(mantissa).scaleb(exponent)
