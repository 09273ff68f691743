"""How the time of another clock stands to this one's, and how far that can be wrong.

Each look at the other clock gives an interval in which the difference of the two was. The two drift apart by no more
than a known bound, so each look also bounds the difference of any other moment, and all of them together bound it best.
"""

from __future__ import annotations

from collections import deque

__all__ = ["ClockRelation"]

_LOOKS_KEPT = 64


class ClockRelation:
    """The difference "this clock less the other one", from looks at the other one.

    Args:
        drift_ppm_max: how fast the two may part.
    """

    def __init__(self, drift_ppm_max: float) -> None:
        self._drift = drift_ppm_max / 1e6
        self._looks: deque[tuple[float, float, float]] = deque(maxlen=_LOOKS_KEPT)

    def look(self, before_s: float, other_s: float, after_s: float) -> None:
        """The other clock showed `other_s` at some moment from `before_s` to `after_s` on this one."""
        self._looks.append((other_s, before_s - other_s, after_s - other_s))

    def at(self, other_s: float) -> tuple[float, float]:
        """This clock's time when the other one showed `other_s`, and by how much that can be wrong, both in seconds.

        The doubt is infinite without a look, and where two looks contradict each other: then a clock has jumped.
        """
        low = max((low - abs(other_s - at_s) * self._drift for at_s, low, _ in self._looks), default=float("-inf"))
        high = min((high + abs(other_s - at_s) * self._drift for at_s, _, high in self._looks), default=float("inf"))
        if not self._looks or low > high:
            return other_s, float("inf")
        return other_s + (low + high) / 2, (high - low) / 2
