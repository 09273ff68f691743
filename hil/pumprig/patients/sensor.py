"""What a CGM makes of the glucose beneath the skin: noise that drifts, rounding, and a range.

The error has the marginal shape of Breton and Kovatchev (2008): an autoregressive row of normal numbers every 15 min,
bent by Johnson's SU transform, with a smooth line between.
"""

from __future__ import annotations

from math import floor, sinh

import numpy as np

__all__ = ["SensorNoise"]

_STEP_MINUTES = 15
_AUTOREGRESSION = 0.7
_XI, _LAMBDA, _GAMMA, _DELTA = -5.47, 15.9574, -0.5444, 1.6898


class SensorNoise:
    """The error of one sensor over time.

    Args:
        seed: the same seed gives the same error at each minute.
        scale: 1 for the published error, 0 for a sensor without any.
    """

    def __init__(self, seed: int, scale: float = 1.0) -> None:
        self._random = np.random.default_rng(seed)
        self._scale = scale
        self._normal = float(self._random.standard_normal())
        self._knots = [self._bent()]

    def _bent(self) -> float:
        return _XI + _LAMBDA * sinh((self._normal - _GAMMA) / _DELTA)

    def _knot(self, number: int) -> float:
        while len(self._knots) <= number:
            self._normal = _AUTOREGRESSION * (self._normal + float(self._random.standard_normal()))
            self._knots.append(self._bent())
        return self._knots[number]

    def error_mg_dl(self, minute: float) -> float:
        """The error at a minute since the sensor began, mg/dL."""
        at = minute / _STEP_MINUTES
        knot = floor(at)
        t = at - knot
        before, left = self._knot(max(knot - 1, 0)), self._knot(knot)
        right, after = self._knot(knot + 1), self._knot(knot + 2)
        # The cubic of Catmull and Rom through left and right, with the slopes of their neighbours.
        bend = 2 * before - 5 * left + 4 * right - after
        turn = 3 * (left - right) + after - before
        return self._scale * (left + 0.5 * t * (right - before + t * (bend + t * turn)))

    def reading_mg_dl(self, minute: float, glucose_mg_dl: float, low_mg_dl: int = 39, high_mg_dl: int = 401) -> int:
        """What the sensor shows: whole mg/dL, and `low` or `high` outside of its range.

        Args:
            minute: since the sensor began.
            glucose_mg_dl: what is there.
            low_mg_dl, high_mg_dl: the numbers that stand for Low and High.
        """
        shown = floor(glucose_mg_dl + self.error_mg_dl(minute) + 0.5)
        return min(max(shown, low_mg_dl), high_mg_dl)
