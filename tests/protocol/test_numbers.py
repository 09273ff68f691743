"""SFLOAT and FLOAT: exact, canonical, and refused rather than rounded.

Goal: every word means what IEEE 11073 says, one value has one encoding, and nothing is rounded unasked.
Method: published vectors, all 65,536 SFLOAT words, and the edges of both mantissas.
"""

from __future__ import annotations

from decimal import Decimal

import pytest

from pumpwire import numbers
from pumpwire.errors import ValueNotExact
from pumpwire.numbers import FLOAT, SFLOAT, Special

# Value, word of another encoder that keeps as many digits as fit.
PUBLISHED_SFLOAT = [
    ("0.1", 0xC3E8), ("0.11", 0xC44C), ("2.28", 0xE0E4), ("2.3", 0xE0E6), ("10.25", 0xE401), ("20.5", 0xF0CD),
    ("-0.1", 0xCC18), ("0.02", 0xB7D0), ("-0.003", 0xBED4), ("0.0004", 0xA190), ("-0.00123", 0xAB32),
    ("0.000456", 0xA1C8), ("-0.00000789", 0x8CEB), ("10000", 0x13E8), ("-200000", 0x2830), ("3e8", 0x612C),
    ("-4e9", 0x7E70), ("2045", 0x07FD), ("-2045", 0x0803), ("2040", 0x10CC), ("-2040", 0x1F34), ("2047e7", 0x77FF),
    ("-2048e7", 0x7800),
]  # fmt: skip
# Value and canonical word.
CANONICAL_SFLOAT = [
    ("100", 0x0064), ("95", 0x005F), ("400", 0x0190), ("120.5", 0xF4B5), ("-1.25", 0xEF83), ("0.3", 0xF003),
    ("-204.8", 0xF800), ("2.047", 0xD7FF), ("204.7", 0xF7FF), ("-177.7", 0xF90F), ("0", 0x0000), ("1", 0x0001),
    ("1.0", 0x0001), ("2050", 0x10CD), ("20.50", 0xF0CD), ("-2046e1", 0x1802), ("2045", 0x07FD), ("3000", 0x112C),
]  # fmt: skip
PUBLISHED_FLOAT = [
    ("10000", 0x00002710), ("10000", 0xFE0F4240), ("-200000", 0x00FCF2C0), ("-200000", 0xFFE17B80),
    ("3e8", 0x022DC6C0), ("-4e8", 0x02C2F700), ("2047e7", 0x041F3C18), ("-2048e7", 0x04E0C000),
    ("-0.1", 0xF9F0BDC0), ("0.02", 0xF81E8480), ("-0.003", 0xF8FB6C20), ("0.0004", 0xF8009C40),
    ("-0.00123", 0xF8FE1F88), ("0.000456", 0xF800B220), ("-0.00000789", 0xF8FFFCEB), ("0.025", 0xF82625A0),
]  # fmt: skip


@pytest.mark.parametrize(("value", "word"), PUBLISHED_SFLOAT)
def test_published_sfloat_words_decode(value, word):
    assert numbers.decode(SFLOAT, word) == Decimal(value)


@pytest.mark.parametrize(("value", "word"), PUBLISHED_FLOAT)
def test_published_float_words_decode(value, word):
    assert numbers.decode(FLOAT, word) == Decimal(value)


@pytest.mark.parametrize(("value", "word"), CANONICAL_SFLOAT)
def test_the_canonical_encoder_uses_the_fewest_digits(value, word):
    assert numbers.encode(SFLOAT, Decimal(value)) == word


@pytest.mark.parametrize(("form", "words"), [
    (SFLOAT, (0x07FF, 0x0800, 0x07FE, 0x0802)),
    (FLOAT, (0x007FFFFF, 0x00800000, 0x007FFFFE, 0x00800002)),
])  # fmt: skip
def test_specials_have_their_words(form, words):
    kinds = (Special.NAN, Special.NRES, Special.PINF, Special.NINF)
    assert tuple(numbers.encode(form, kind) for kind in kinds) == words
    assert tuple(numbers.decode(form, word) for word in words) == kinds
    assert numbers.decode(form, form.half + 1) is Special.RESERVED


def test_specials_are_taken_at_exponent_zero_only():
    assert numbers.decode(SFLOAT, 0x17FF) == 20470
    assert numbers.decode(SFLOAT, 0xF800) == Decimal("-204.8")


def test_every_sfloat_word_survives_a_round_trip_by_value():
    canonical = set()
    for word in range(0x10000):
        value = numbers.decode(SFLOAT, word)
        again = numbers.encode(SFLOAT, value)
        assert numbers.decode(SFLOAT, again) == value
        assert numbers.encode(SFLOAT, numbers.decode(SFLOAT, again)) == again
        canonical.add(again)
    assert len(canonical) == len({numbers.decode(SFLOAT, word) for word in canonical})


@pytest.mark.parametrize("value", ["20.55", "2.075", "204.85", "2046", "-2046", "2.0789", "1e11", "0.00000000123"])
def test_a_value_that_does_not_fit_is_refused(value):
    with pytest.raises(ValueNotExact):
        numbers.encode(SFLOAT, Decimal(value))


@pytest.mark.parametrize(("value", "rounded"), [
    ("20.55", "20.5"), ("2.075", "2.07"), ("-2.075", "-2.07"), ("2046", "2040"), ("-2049", "-2040"),
    ("204.85", "204"), ("2.0789", "2.07"), ("0.00000000123", "0"), ("198.75", "198.7"), ("20.482", "20.4"),
])  # fmt: skip
def test_toward_zero_drops_digits_at_the_right(value, rounded):
    result = numbers.toward_zero(Decimal(value))
    assert result == Decimal(rounded)
    assert numbers.decode(SFLOAT, numbers.encode(SFLOAT, result)) == result


def test_toward_zero_keeps_the_finest_step_at_which_the_digits_fit():
    for scaled in range(-30_000, 300_000, 7):
        sign, magnitude = (-1 if scaled < 0 else 1), abs(scaled)
        steps = (1, 10, 100, 1000)
        limits = [2045 if step == 1000 else (2048 if sign < 0 else 2047) for step in steps]
        step = next(step for step, limit in zip(steps, limits, strict=True) if magnitude // step <= limit)
        expected = Decimal(sign * (magnitude // step) * step) / 1000
        assert numbers.toward_zero(Decimal(scaled) / 1000) == expected


def test_a_value_beyond_the_format_is_refused_even_rounded():
    with pytest.raises(ValueNotExact):
        numbers.toward_zero(Decimal("1e12"))
    with pytest.raises(ValueNotExact):
        numbers.encode(SFLOAT, Decimal("NaN"))


@pytest.mark.parametrize("value", ["80000", "79999.95", "0.05", "8388605", "0.8388607", "-0.8388608"])
def test_float_says_sums_exactly(value):
    assert numbers.decode(FLOAT, numbers.encode(FLOAT, Decimal(value))) == Decimal(value)


@pytest.mark.parametrize("value", ["8388606", "-8388606", "0.83886081"])
def test_float_refuses_one_step_more(value):
    with pytest.raises(ValueNotExact):
        numbers.encode(FLOAT, Decimal(value))
