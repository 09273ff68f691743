"""Numbers as section 14 takes them (D-1001, D-1002): doubles, halves upward, and one that is not there as NaN."""

from __future__ import annotations

from math import copysign, floor, inf, isnan, nan

__all__ = ["NOTHING", "given", "greatest", "least", "quotient", "rounded"]

_SCALES = (1.0, 10.0, 100.0, 1000.0, 10000.0)

NOTHING = nan
"""A number that is not there: it takes part in no comparison (D-1001)."""


def given(value: float) -> bool:
    """Whether a number is there and not zero (D-1001)."""
    return not isnan(value) and value != 0


def rounded(value: float, digits: int = 0) -> float:
    """The floor of value x 10^digits + 1/2, divided by 10^digits (D-1002)."""
    scale = _SCALES[digits]
    scaled = value * scale
    try:
        whole = floor(scaled)
    except (ValueError, OverflowError):
        return value
    # The difference is exact where the sum of the rule would round once more, as just below one half.
    return (whole + (scaled - whole >= 0.5)) / scale


def least(one: float, *others: float) -> float:
    """The lowest of some numbers; nothing when one is not there."""
    for other in others:
        if other < one:
            one = other
        elif isnan(other):
            return NOTHING
    return one


def greatest(one: float, *others: float) -> float:
    """The highest of some numbers; nothing when one is not there."""
    for other in others:
        if other > one:
            one = other
        elif isnan(other):
            return NOTHING
    return one


def quotient(value: float, by: float) -> float:
    """One number by another; by zero it is infinite, and zero by zero is nothing (D-1002)."""
    if by:
        return value / by
    return copysign(inf, value) * copysign(1, by) if given(value) else NOTHING
