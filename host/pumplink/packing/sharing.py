"""Gives things short names, so that many of them share one: only those that are met in one place need different ones.

It is what a compiler does with registers. A place is whatever is looked into by name: a class with its bases and
derived classes, a file with its globals.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TypeVar

__all__ = ["shared"]

Thing = TypeVar("Thing", bound=Hashable)


def shared(
    things: Sequence[Thing], places: Iterable[Iterable[Thing]], allowed: Callable[[int, Thing], bool]
) -> dict[Thing, int]:
    """Numbers for things: no place has two of one number.

    Args:
        things: all of them; the first get the lowest numbers, and those after them change nothing for them.
        places: which of the things are met in each.
        allowed: whether a thing may have a number; above some number it may have any.
    """
    # For each place the numbers that are taken there, as bits.
    taken: list[int] = []
    places_of: dict[Thing, list[int]] = {thing: [] for thing in things}
    for number, place in enumerate(places):
        taken.append(0)
        for thing in set(place):
            places_of[thing].append(number)
    numbers: dict[Thing, int] = {}
    for thing in things:
        used = 0
        for place_number in places_of[thing]:
            used |= taken[place_number]
        number = 0
        while used >> number & 1 or not allowed(number, thing):
            number += 1
        numbers[thing] = number
        for place_number in places_of[thing]:
            taken[place_number] |= 1 << number
    return numbers
