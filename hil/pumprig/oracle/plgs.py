"""CGM samples and predictive low glucose suspend (D-601 to D-615)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from math import floor, isfinite

from pumprig.oracle.delivery import NEVER
from pumprig.oracle.settings import (
    LEAST_ALLOWANCE_S,
    PREDICTION_SAMPLES,
    PREDICTION_WINDOW_MINUTES,
    ControllerSettings,
)
from pumprig.oracle.terms import Action, Controller, Reason

__all__ = ["Cgm", "Glucose", "Limiter", "Prediction", "Situation", "decide", "whole_glucose"]

Glucose = int | float | Decimal | Fraction | None

# Sensor status annunciation: session stopped, sensor type incorrect, sensor malfunction, general device fault (CGMS).
_UNUSABLE_STATUS = 1 << 0 | 1 << 2 | 1 << 3 | 1 << 5
_GLUCOSE_MG_DL_MAX = 1000
_AHEAD_S_MAX = 60
# No limit window is longer (section 10).
_WINDOW_S_MAX = 480 * 60


def whole_glucose(glucose_mg_dl: Glucose) -> int | None:
    """Glucose rounded half up to whole mg/dL, or None when it is no number from 1 to 1000 (D-602)."""
    if glucose_mg_dl is None or not isfinite(glucose_mg_dl):
        return None
    rounded = glucose_mg_dl if isinstance(glucose_mg_dl, int) else floor(Fraction(glucose_mg_dl) + Fraction(1, 2))
    return rounded if 1 <= rounded <= _GLUCOSE_MG_DL_MAX else None


@dataclass(frozen=True, slots=True)
class Prediction:
    """An exact glucose in mg/dL: numerator over a positive denominator (D-605)."""

    numerator: int
    denominator: int

    def below(self, limit_mg_dl: int) -> bool:
        """Whether it is strictly below a limit, before any rounding (D-606)."""
        return self.numerator < limit_mg_dl * self.denominator

    def reaches(self, limit_mg_dl: int) -> bool:
        """Whether it is a limit or above it, before any rounding (D-610)."""
        return not self.below(limit_mg_dl)

    @property
    def exact(self) -> Fraction:
        """The value in lowest terms."""
        return Fraction(self.numerator, self.denominator)

    @property
    def displayed(self) -> int:
        """The floor of the value plus one half (D-605)."""
        return (2 * self.numerator + self.denominator) // (2 * self.denominator)


class Cgm:
    """The usable samples of the session, as far back as a rule reaches (D-601 to D-607)."""

    def __init__(self) -> None:
        self.start_s: int | None = None
        self._session: datetime | None = None
        self.stale = False
        self.newest_measured_s: int | None = None
        self._samples: deque[tuple[int, int]] = deque()

    def open(self, session: datetime, start_s: int) -> bool:
        """Take the session start that the CGM tells, and the pump second that it is on the clock of now.

        Another start is another session: order and fit begin anew. The same start goes on, with the pump second of its
        first reading, because setting the clock moves no measurement (D-601). Returns whether it is another session.
        """
        if session == self._session:
            return False
        self._session, self.start_s = session, start_s
        self._samples.clear()
        return True

    def refusal(self, at_s: int, offset_minutes: int, glucose: int | None, status: int, stale_s: int) -> Reason | None:
        """Why a sample is not usable, or None when it is (D-602)."""
        if self.start_s is None or glucose is None or status & _UNUSABLE_STATUS:
            return Reason.INVALID_SAMPLE
        if self._samples and offset_minutes <= self._samples[-1][0]:
            return Reason.INVALID_SAMPLE
        age_s = at_s - self.start_s - 60 * offset_minutes
        if age_s < -_AHEAD_S_MAX:
            return Reason.INVALID_SAMPLE
        return Reason.STALE if age_s > stale_s else None

    def keep(self, offset_minutes: int, glucose: int) -> bool:
        """Take in a usable sample, which ends a stale CGM; return whether it is rising (D-603, D-607)."""
        assert self.start_s is not None
        oldest = offset_minutes - PREDICTION_WINDOW_MINUTES
        while self._samples and self._samples[0][0] < oldest:
            self._samples.popleft()
        rising = bool(self._samples) and self._samples[-1][1] < glucose
        self._samples.append((offset_minutes, glucose))
        measured_s = self.measured_s(offset_minutes)
        if self.newest_measured_s is None or measured_s > self.newest_measured_s:
            self.newest_measured_s = measured_s
        self.stale = False
        return rising

    def measured_s(self, offset_minutes: int) -> int:
        """The pump second at which a sample of the session was measured (D-601)."""
        assert self.start_s is not None
        return self.start_s + 60 * offset_minutes

    def stale_due_s(self, stale_s: int) -> int:
        """The second at which CGM becomes stale if no usable sample comes (D-603)."""
        if self.stale or self.newest_measured_s is None:
            return NEVER
        return self.newest_measured_s + stale_s + 1

    def predict(self, horizon_minutes: int) -> Prediction | None:
        """The line of least squares at the newest offset plus the horizon (D-604, D-605)."""
        count = len(self._samples)
        if count < PREDICTION_SAMPLES:
            return None
        # Offsets relative to the newest keep the integers small; the line is the same.
        newest = self._samples[-1][0]
        sum_x = sum_y = sum_xx = sum_xy = 0
        for offset, glucose in self._samples:
            x = offset - newest
            sum_x += x
            sum_y += glucose
            sum_xx += x * x
            sum_xy += x * glucose
        spread = count * sum_xx - sum_x * sum_x
        lean = count * sum_xy - sum_x * sum_y
        return Prediction(sum_y * spread + lean * (count * horizon_minutes - sum_x), count * spread)


class Limiter:
    """Suspended seconds in the rolling window (D-611)."""

    def __init__(self) -> None:
        self._over: deque[tuple[int, int]] = deque()
        self._since_s: int | None = None

    def start(self, at_s: int) -> None:
        """A suspension starts."""
        self._since_s = at_s

    def end(self, at_s: int) -> None:
        """The suspension ends; its last second is the one before."""
        assert self._since_s is not None
        self._over.append((self._since_s, at_s))
        self._since_s = None

    def allowance_s(self, at_s: int, limit_s: int, window_s: int) -> int:
        """Seconds that a suspension starting now may last; below zero after the limit was lowered."""
        while self._over and self._over[0][1] <= at_s - _WINDOW_S_MAX:
            self._over.popleft()
        first_s = at_s - window_s
        spans = [*self._over] if self._since_s is None else [*self._over, (self._since_s, at_s)]
        return limit_s - sum(max(0, end - max(start, first_s)) for start, end in spans)


@dataclass(frozen=True, slots=True)
class Situation:
    """What a decision about a usable sample depends on besides the settings (D-615)."""

    running: bool
    glucose: int
    rising: bool
    prediction: Prediction | None
    suspended_for_s: int | None
    locked_out: bool
    allowance_s: int


def decide(settings: ControllerSettings, now: Situation) -> tuple[Action, Reason]:
    """Action and reason for a usable sample: the first that applies, in the order of D-615."""
    if settings.controller == Controller.MANUAL:
        return Action.NONE, Reason.MANUAL
    if not now.running:
        return Action.NONE, Reason.NOT_RUNNING
    low_now = now.glucose < settings.suspend_now_mg_dl
    low = low_now or _predicted_low(settings, now)
    why_low = Reason.LOW_NOW if low_now else Reason.PREDICTED_LOW
    if now.suspended_for_s is not None:
        if now.suspended_for_s < 60 * settings.minimum_minutes:
            return Action.KEEP, Reason.MINIMUM_TIME
        if now.rising and settings.rising_resumes:
            return Action.RESUME, Reason.RISING
        return (Action.RESUME, Reason.NOT_LOW) if not low and _recovered(settings, now) else (Action.KEEP, why_low)
    if not low:
        return Action.KEEP, Reason.NO_PREDICTION if now.prediction is None else Reason.NOT_LOW
    if now.rising and settings.rising_holds:
        return Action.KEEP, Reason.RISING
    if now.locked_out:
        return Action.KEEP, Reason.LOCKOUT
    if now.allowance_s < LEAST_ALLOWANCE_S:
        return Action.KEEP, Reason.LIMIT_REACHED
    return Action.SUSPEND, why_low


def _predicted_low(settings: ControllerSettings, now: Situation) -> bool:
    """Whether the prediction is low, and glucose near enough to it where that is asked (D-606)."""
    if now.prediction is None or not now.prediction.below(settings.suspend_predicted_mg_dl):
        return False
    return settings.near_mg_dl == 0 or now.glucose <= settings.near_mg_dl


def _recovered(settings: ControllerSettings, now: Situation) -> bool:
    """Whether glucose and prediction have reached what a resume asks of them (D-610)."""
    if now.glucose < settings.resume_mg_dl:
        return False
    asked = settings.resume_predicted_mg_dl
    return asked == 0 or (now.prediction is not None and now.prediction.reaches(asked))
