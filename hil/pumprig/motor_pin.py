"""The motor pin of a virtual board: its edges made into pulses, with the width of each and the pause before it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["EndedPulse", "MotorPin"]


@dataclass(frozen=True)
class EndedPulse:
    """A pulse whose pin has fallen; all in DUT microseconds.

    Args:
        at_us: when the pin rose.
        width_us: for how long it was high.
        pause_us: for how long it had been low before; None for the first pulse since the power came.
    """

    at_us: int
    width_us: int
    pause_us: int | None


class MotorPin:
    """Notes the edges of the pin as they are told.

    Attributes:
        high_since_us: when the pin rose that is high now; None when it is low.
        broken_off: how many pulses had begun when the power went.
    """

    def __init__(self) -> None:
        self.high_since_us: int | None = None
        self.broken_off = 0
        self._fell_us: int | None = None
        self._risen: list[tuple[int, int]] = []
        self._ended: list[EndedPulse] = []

    def edge(self, level: int, at_us: int, due_us: int) -> None:
        """The pin has changed.

        Args:
            level: what it is now.
            at_us: when, in DUT microseconds.
            due_us: the deadline that the firmware had last woken for.
        """
        if level:
            self.high_since_us = at_us
            self._risen.append((at_us, due_us))
        elif self.high_since_us is not None:
            rose_us, fell_us = self.high_since_us, self._fell_us
            self._ended.append(EndedPulse(rose_us, at_us - rose_us, None if fell_us is None else rose_us - fell_us))
            self.high_since_us, self._fell_us = None, at_us

    def power_lost(self) -> None:
        """The power has gone: the pin is low, and its next edge is of another life and another clock."""
        self.broken_off += self.high_since_us is not None
        self.high_since_us = self._fell_us = None

    def risen(self) -> list[tuple[int, int]]:
        """The pulses that have begun since the last call, as (at_us, due_us), in order."""
        found, self._risen = self._risen, []
        return found

    def ended(self) -> list[EndedPulse]:
        """The pulses that have ended since the last call, in order."""
        found, self._ended = self._ended, []
        return found
