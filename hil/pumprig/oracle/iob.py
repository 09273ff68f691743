"""Insulin on board from the pulses really delivered (D-701 to D-704), in double precision."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["InsulinOnBoard", "Iob", "iob_curve"]

# The table of the pump's curve has 15 bits (D-703).
_TABLE = 32768
_GROWTH_MINUTES = 7 * 1440


@dataclass(frozen=True, slots=True)
class Iob:
    """Insulin on board in mU, and how far the pump may be from it (D-703)."""

    mu: float
    tolerance_mu: float


def iob_curve(dia_minutes: int, peak_minutes: int, ages: NDArray[np.float64]) -> NDArray[np.float64]:
    """The share of a dose that is left at each age (D-701).

    Args:
        dia_minutes: duration of insulin action T.
        peak_minutes: peak p, below T / 2.
        ages: ages in minutes.
    """
    end, peak = float(dia_minutes), float(peak_minutes)
    tau = peak * (1 - peak / end) / (1 - 2 * peak / end)
    a = 2 * tau / end
    scale = 1 / (1 - a + (1 + a) * np.exp(-end / tau))
    inner = (ages**2 / (tau * end * (1 - a)) - ages / tau - 1) * np.exp(-ages / tau) + 1
    return np.where(ages >= end, 0.0, 1 - scale * (1 - a) * inner)


class InsulinOnBoard:
    """Pulses per whole pump minute, weighed with the curve when asked (D-702).

    Args:
        pulse_mu: pulse size P in mU.
        dia_minutes: duration of insulin action T.
        peak_minutes: peak p.
    """

    def __init__(self, pulse_mu: int, dia_minutes: int, peak_minutes: int) -> None:
        self._pulse_mu = pulse_mu
        self._pulses = np.zeros(_GROWTH_MINUTES)
        self._weights = np.zeros(0)
        # What was found for a minute, until something changes.
        self._found: tuple[int, Iob] | None = None
        self.configure(dia_minutes, peak_minutes)

    def configure(self, dia_minutes: int, peak_minutes: int) -> None:
        """Weigh all pulses, also those delivered before, with another curve."""
        # Oldest first, as the pulses lie; ages from T on weigh nothing and are left out.
        ages = np.arange(dia_minutes - 1, -1, -1, dtype=np.float64)
        self._weights = iob_curve(dia_minutes, peak_minutes, ages) * self._pulse_mu
        self._found = None

    def add(self, at_s: int) -> None:
        """Count a pulse delivered at a pump second."""
        minute = at_s // 60
        if minute >= len(self._pulses):
            grown = np.zeros(max(2 * len(self._pulses), minute + 1))
            grown[: len(self._pulses)] = self._pulses
            self._pulses = grown
        self._pulses[minute] += 1.0
        self._found = None

    def at(self, at_s: int) -> Iob:
        """Insulin on board at a pump second, with its tolerance."""
        end = at_s // 60 + 1
        if self._found is not None and self._found[0] == end:
            return self._found[1]
        pulses = self._pulses[max(0, end - len(self._weights)) : end]
        # The newest minutes may lie beyond the array when nothing was delivered lately.
        first = len(self._weights) - min(end, len(self._weights))
        weights = self._weights[first : first + len(pulses)]
        iob = Iob(float(pulses @ weights), 1 + float(pulses.sum()) * self._pulse_mu / _TABLE)
        self._found = (end, iob)
        return iob
