"""The three clocks a virtual board can run by."""

from __future__ import annotations

from dataclasses import dataclass

SCALE_MAX = 3600


@dataclass(frozen=True)
class Lockstep:
    """The host grants time; the board jumps from deadline to deadline. Exactly repeatable, and fast."""

    @property
    def scale(self) -> int:
        """0: no relation to real time."""
        return 0

    def __str__(self) -> str:
        return "lockstep"


@dataclass(frozen=True)
class Scaled:
    """The board's clock runs `scale` times as fast as the host's monotonic clock.

    Args:
        scale: whole number from 1 to 3600.
    Raises:
        ValueError: the scale is out of range.
    """

    scale: int

    def __post_init__(self) -> None:
        if not isinstance(self.scale, int) or not 1 <= self.scale <= SCALE_MAX:
            raise ValueError(f"clock scale is {self.scale!r}; allowed is a whole number from 1 to {SCALE_MAX}")

    def __str__(self) -> str:
        return f"scaled:{self.scale}"


@dataclass(frozen=True)
class Realtime:
    """The board's clock runs with the host's monotonic clock."""

    @property
    def scale(self) -> int:
        """1: as fast as the host's clock."""
        return 1

    def __str__(self) -> str:
        return "realtime"


Clock = Lockstep | Scaled | Realtime


def parse_clock(text: str) -> Clock:
    """The clock named by `lockstep`, `realtime` or `scaled:N`.

    Raises:
        ValueError: the text names no clock; the message lists what is allowed.
    """
    if text == "lockstep":
        return Lockstep()
    if text == "realtime":
        return Realtime()
    name, _, number = text.partition(":")
    if name == "scaled" and number.isdecimal():
        return Scaled(int(number))
    raise ValueError(f"clock is {text!r}; allowed are lockstep, realtime and scaled:N (N from 1 to {SCALE_MAX})")
