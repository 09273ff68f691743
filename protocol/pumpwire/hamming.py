"""Extended Hamming code words, from which IDS takes its opcodes and enumeration values (IDS 1.0.2, 5)."""

from __future__ import annotations


def is_word(value: int) -> bool:
    """Whether a value is a non-zero word of the extended Hamming code (8 and 16 bits alike).

    A word has an even number of set bits, and the indices of its set bits cancel under exclusive or.
    """
    if value <= 0 or value.bit_count() & 1:
        return False
    syndrome = 0
    for index in range(value.bit_length()):
        if value >> index & 1:
            syndrome ^= index
    return syndrome == 0


def words(low: int, high: int) -> list[int]:
    """All code words from low to high, both included."""
    return [value for value in range(low, high + 1) if is_word(value)]
