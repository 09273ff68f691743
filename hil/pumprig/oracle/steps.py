"""The steps in which a pump doses, and how what it decides itself is cut down to them (D-109)."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["Step", "cut_down", "on_step", "step_at"]

Step = tuple[int, int]
"""(below, step): values below the first number move in the second."""


def step_at(value: int, steps: Sequence[Step]) -> int | None:
    """The step of a value: that of the first pair whose bound exceeds it; None for a value beyond all."""
    return next((step for below, step in steps if value < below), None)


def on_step(value: int, least: int, steps: Sequence[Step]) -> bool:
    """Whether a value other than 0 is one that the pump can be set to."""
    step = step_at(value, steps)
    return value >= least and step is not None and value % step == 0


def cut_down(value: int, least: int, steps: Sequence[Step]) -> int:
    """The greatest value on a step that is no greater; 0 when even the least is."""
    bounds = [0, *(below for below, _ in steps)]
    for first, (below, step) in reversed(list(zip(bounds, steps, strict=False))):
        most = min(value, below - 1)
        lower = most - most % step
        if lower >= max(first, least):
            return lower
    return 0
