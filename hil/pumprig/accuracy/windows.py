"""Windows over a series of pulses: how many each holds, the extremes over all positions, and what they may hold.

Insulin is counted in whole pulses and in exact fractions of milliunits; only what is shown is rounded.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np

__all__ = ["ANALYSIS_HOURS", "STABILISATION_HOURS", "WINDOWS_MINUTES", "Count", "Window", "flow_mu_per_h", "windows_of"]

STABILISATION_HOURS = 24
ANALYSIS_HOURS = 25
WINDOWS_MINUTES = (15, 60, 150, 330, 570, 930)
"""Observation windows of the trumpet curve (D-1401)."""


@dataclass(frozen=True)
class Count:
    """How many pulses a window holds, and where it first is so.

    Args:
        pulses: in the window.
        from_s: where the window begins, in seconds since delivery began; its pulses come after this second.
    """

    pulses: int
    from_s: int


@dataclass(frozen=True)
class Window:
    """All positions of one window over the analysis.

    Args:
        minutes: its length.
        pulse_mu: the pulse size.
        programmed_mu: what the rate gives in it.
        least, greatest: the positions with the fewest and the most pulses.
        positions: how many there are, one for each whole second.
        outside: in how many of them the pulses are fewer or more than D-1402 allows.
    """

    minutes: int
    pulse_mu: int
    programmed_mu: Fraction
    least: Count
    greatest: Count
    positions: int
    outside: int

    @property
    def pulses_min(self) -> int:
        """The fewest pulses that it may hold (D-1402)."""
        return math.floor(self.programmed_mu / self.pulse_mu)

    @property
    def pulses_max(self) -> int:
        """The most pulses that it may hold (D-1402)."""
        return math.ceil(self.programmed_mu / self.pulse_mu)

    @property
    def error_percent_min(self) -> Fraction:
        """The least error over all positions, in percent of what was programmed (D-1401)."""
        return self._error_percent(self.least)

    @property
    def error_percent_max(self) -> Fraction:
        """The greatest error over all positions, in percent of what was programmed (D-1401)."""
        return self._error_percent(self.greatest)

    def _error_percent(self, count: Count) -> Fraction:
        return 100 * (count.pulses * self.pulse_mu - self.programmed_mu) / self.programmed_mu


def windows_of(
    pulses_s: Sequence[int], rate_mu_per_h: int, pulse_mu: int, *, from_s: int, until_s: int, minutes: Iterable[int]
) -> list[Window]:
    """Count the pulses of every window at every position.

    A window that begins at a holds the pulses of the seconds after a up to a + its length, as a rate in force from a
    earns them (D-102). It begins at every whole second at which it lies within the analysis.

    Args:
        pulses_s: whole seconds of the pulses since delivery began, in order.
        rate_mu_per_h: what was programmed, above 0.
        pulse_mu: the pulse size.
        from_s, until_s: where the analysis begins and ends.
        minutes: the lengths of the windows, none longer than the analysis.
    """
    seen = np.asarray(pulses_s, dtype=np.int64)
    return [_window(seen, rate_mu_per_h, pulse_mu, from_s, until_s, length) for length in minutes]


def _window(
    seen: np.ndarray[tuple[int], np.dtype[np.int64]], rate_mu_per_h: int, pulse_mu: int, from_s: int, until_s: int,
    minutes: int,
) -> Window:  # fmt: skip
    length_s = 60 * minutes
    last_s = until_s - length_s
    # A count changes only where a pulse leaves the window at its beginning, or comes in at its end.
    turns = np.unique(np.concatenate(([from_s], seen, seen - length_s)))
    turns = turns[(turns >= from_s) & (turns <= last_s)]
    counts = np.searchsorted(seen, turns + length_s, side="right") - np.searchsorted(seen, turns, side="right")
    stays = np.diff(np.append(turns, last_s + 1))
    programmed_mu = Fraction(rate_mu_per_h * minutes, 60)
    allowed = (math.floor(programmed_mu / pulse_mu), math.ceil(programmed_mu / pulse_mu))
    outside = int(stays[(counts < allowed[0]) | (counts > allowed[1])].sum())
    least, greatest = int(counts.argmin()), int(counts.argmax())
    return Window(
        minutes, pulse_mu, programmed_mu, Count(int(counts[least]), int(turns[least])),
        Count(int(counts[greatest]), int(turns[greatest])), last_s - from_s + 1, outside,
    )  # fmt: skip


def flow_mu_per_h(pulses_s: Iterable[int], pulse_mu: int, *, from_s: int, until_s: int, minutes: int) -> list[Fraction]:
    """What was delivered in one window after another, as a rate: the start-up graph.

    Args:
        pulses_s: whole seconds of the pulses since delivery began.
        pulse_mu: the pulse size.
        from_s, until_s: where the first window begins and the last one ends at the latest.
        minutes: the length of a window.
    """
    edges = range(from_s, until_s + 1, 60 * minutes)
    seen = sorted(pulses_s)
    held = np.searchsorted(np.asarray(seen, dtype=np.int64), np.asarray(edges), side="right")
    return [Fraction(int(after - before) * pulse_mu * 60, minutes) for before, after in pairwise(held)]
