"""How long a pulse holds the motor pin: a motor makes its quantum only with the width that it takes (D-958)."""

from __future__ import annotations

from math import isfinite

from pumprig.checks import CheckBook
from pumprig.pace import Unfit

__all__ = ["PulseWidths"]

SHORT_US = 1000
# A whole millisecond that is counted, and a report's turn, in which the pump looks at nothing else.
LONG_US_LOCKSTEP = 4000
TIMES_MAX = 10
ENDLESS_US = 1_000_000
_US = 1_000_000


class PulseWidths:
    """Judges the width of each pulse, and the pause before it.

    Args:
        checks: where each judgement goes.
        pulse_ms: how long the pump holds its motor pin high, by Pump Data.
        real_time: whether computing takes time.
        own_time: whether no host can hold the pump up, so that a long pulse is its own doing.

    Attributes:
        shortest_ms, longest_ms: what was seen; None before the first pulse.
    """

    def __init__(self, checks: CheckBook, pulse_ms: int, *, real_time: bool, own_time: bool) -> None:
        self._checks = checks
        self._pulse_us = pulse_ms * 1000
        self._most_us = TIMES_MAX * self._pulse_us if real_time else self._pulse_us + LONG_US_LOCKSTEP
        self._own_time = own_time
        self.shortest_ms: float | None = None
        self.longest_ms: float | None = None

    def ended(self, at_s: float, width_s: float) -> None:
        """A pulse has ended.

        Args:
            at_s: the pump second at which it began.
            width_s: how long the pin was high; infinite for one that did not end while it was looked at.

        Raises:
            Unfit: it took so long that nobody knows what held it up, the pump or its host.
        """
        if not isfinite(width_s):
            self.high(at_s, width_s)
            return
        width_us, ms = round(width_s * _US), round(width_s * 1000, 3)
        self.shortest_ms = min(ms, self.shortest_ms or ms)
        self.longest_ms = max(ms, self.longest_ms or ms)
        # A busy host makes a pulse longer, never shorter: its end is awaited from a look at the clock after its begin.
        self._checks.expect(
            "pulse-width", width_us >= self._pulse_us - SHORT_US, at_s,
            message=f"the motor pin was high for {ms:.1f} ms, due {self._pulse_us / 1000:g} ms",
            expected=f">= {(self._pulse_us - SHORT_US) / 1000:g} ms", observed=ms,
        )  # fmt: skip
        self.high(at_s, width_s)

    def high(self, at_s: float, for_s: float) -> bool:
        """The pin is, or was, high for so long.

        Args:
            at_s: the pump second at which the pulse began.
            for_s: how long; infinite for more than anybody looked.

        Returns:
            Whether that is no longer than allowed.

        Raises:
            Unfit: it is so long that nobody knows what holds it up, the pump or its host.
        """
        shown, observed = "a second and longer", None
        if isfinite(for_s):
            shown, observed = f"{for_s * 1000:.1f} ms", round(for_s * 1000, 3)
        if not self._own_time:
            fit = self._checks.expect(
                "bench-fitness", isfinite(for_s) and round(for_s * _US) < ENDLESS_US, at_s,
                message=f"the motor pin was high for {shown}, and whether the pump or this machine held it up is not "
                "known; use a slower clock, or lockstep",
                expected="< 1000 ms", observed=observed, rule="D-955",
            )  # fmt: skip
            if not fit:
                raise Unfit
        return self._checks.expect(
            "pulse-end", isfinite(for_s) and round(for_s * _US) <= self._most_us, at_s,
            message=f"the motor pin was high for {shown}, due {self._pulse_us / 1000:g} ms",
            expected=f"<= {self._most_us / 1000:g} ms", observed=observed,
        )  # fmt: skip

    def too_long(self, for_s: float) -> bool:
        """Whether a pin that has been high for so long is so for longer than this run lets pass."""
        return round(for_s * _US) > self._most_us if self._own_time else round(for_s * _US) >= ENDLESS_US

    def paused(self, at_s: float, pause_s: float) -> None:
        """A pulse has begun so long after the end of the one before it."""
        pause_us = round(pause_s * _US)
        self._checks.expect(
            "pulse-end", pause_us >= self._pulse_us - SHORT_US, at_s,
            message=f"the motor pin was low for {pause_us / 1000:.1f} ms only between two pulses",
            expected=f">= {(self._pulse_us - SHORT_US) / 1000:g} ms", observed=pause_us / 1000,
        )  # fmt: skip
