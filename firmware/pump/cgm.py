# CGM: the usable samples of the session, when they go stale, and where they are heading (D-601 to D-607, D-1102).
#
# Pure logic: time is the pump second; a sample is as old as its measurement, whenever it arrived.
from array import array

from micropython import const

# Words of pump/events.py.
_NEVER = const(0x3FFFFFFF)
_NO_PREDICTION_MG_DL = const(0x7FFF)


# What accept() says of a sample.
USABLE = const(0)
TOO_OLD = const(1)
INVALID = const(2)

GLUCOSE_MG_DL_MAX = const(1000)
# Session stopped, sensor type incorrect, sensor malfunction, general device fault.
_UNUSABLE_STATUS = const(0x2D)
_AHEAD_S_MAX = const(60)
_WINDOW_MINUTES = const(17)
_FIT_SAMPLES_MIN = const(3)
_KEPT_MINUTES = const(45)
# Offsets grow, so that there are no more samples than minutes.
_SAMPLES = const(46)


class Cgm:
    def __init__(self):
        self._in_session = False
        # How many there were.
        self.sessions = 0
        self._session_start_s = 0
        self._offsets = array("H", bytes(2 * _SAMPLES))
        self._glucose = array("H", bytes(2 * _SAMPLES))
        # How many samples are kept, and how many of them are in the window of the fit.
        self.count = 0
        self._fitted = 0
        self._newest_offset = -1
        self.stale = False
        # Whether the newest sample has a prediction: numerator over denominator.
        self.predicted = False
        self._numerator = 0
        self._denominator = 1
        # The second at which the newest usable sample was measured; NEVER before the first.
        self._measured_s = _NEVER

    # A new session knows no samples yet, but an old sample goes on ageing.
    def session(self, start_s):
        if self._in_session and start_s == self._session_start_s:
            return
        self._in_session = True
        self.sessions += 1
        self._session_start_s = start_s
        self.count = 0
        self._newest_offset = -1
        self.predicted = False

    # The second at which CGM becomes stale, NEVER when it is or when there is no sample to age.
    def stale_s(self, stale_minutes):
        if self.stale or self._measured_s == _NEVER:
            return _NEVER
        return self._measured_s + 60 * stale_minutes + 1

    # Judges a sample that takes effect at s and keeps it when it is usable.
    def accept(self, s, offset_minutes, glucose_mg_dl, status, stale_minutes):
        measured_s = self._session_start_s + 60 * offset_minutes
        if (
            not self._in_session
            or not 1 <= glucose_mg_dl <= GLUCOSE_MG_DL_MAX
            or status & _UNUSABLE_STATUS
            or offset_minutes <= self._newest_offset
            or measured_s - s > _AHEAD_S_MAX
        ):
            return INVALID
        if s - measured_s > 60 * stale_minutes:
            return TOO_OLD
        if self._measured_s == _NEVER or self._measured_s < measured_s:
            self._measured_s = measured_s
        self._newest_offset = offset_minutes
        self.stale = False
        self._store(offset_minutes, glucose_mg_dl)
        return USABLE

    # Adds a sample and forgets the old ones.
    def _store(self, offset_minutes, glucose_mg_dl):
        kept = 0
        self._fitted = 1
        for i in range(self.count):
            age_minutes = offset_minutes - self._offsets[i]
            if age_minutes <= _KEPT_MINUTES:
                self._offsets[kept] = self._offsets[i]
                self._glucose[kept] = self._glucose[i]
                kept += 1
            if age_minutes <= _WINDOW_MINUTES:
                self._fitted += 1
        self._offsets[kept] = offset_minutes
        self._glucose[kept] = glucose_mg_dl
        self.count = kept + 1

    # The newest usable sample.
    def glucose_mg_dl(self):
        return self._glucose[self.count - 1]

    # The second at which a kept sample was measured, and its glucose; 0 is the newest one.
    def measured_s(self, n):
        return self._session_start_s + 60 * self._offsets[self.count - 1 - n]

    def measured_mg_dl(self, n):
        return self._glucose[self.count - 1 - n]

    # Whether it is above the one before it, when that is in the window.
    def rising(self):
        return self._fitted > 1 and self._glucose[self.count - 2] < self._glucose[self.count - 1]

    # Fits the straight line of least squares and follows it to the horizon. Offsets count from the newest sample: 18
    # samples of 1000 mg/dL over 60 min keep every sum below 2**30.
    def predict(self, horizon_minutes):
        count = self._fitted
        self.predicted = count >= _FIT_SAMPLES_MIN
        if not self.predicted:
            return
        newest = self._offsets[self.count - 1]
        sum_x = sum_y = sum_xx = sum_xy = 0
        for i in range(self.count - count, self.count):
            x = self._offsets[i] - newest
            y = self._glucose[i]
            sum_x += x
            sum_y += y
            sum_xx += x * x
            sum_xy += x * y
        spread = count * sum_xx - sum_x * sum_x
        slope = count * sum_xy - sum_x * sum_y
        self._numerator = sum_y * spread + slope * (count * horizon_minutes - sum_x)
        self._denominator = count * spread

    # Compared before any rounding.
    def prediction_below(self, limit_mg_dl):
        return self.predicted and self._numerator < limit_mg_dl * self._denominator

    # For display: rounded half up.
    def predicted_mg_dl(self):
        if not self.predicted:
            return _NO_PREDICTION_MG_DL
        whole = self._numerator // self._denominator
        rest = self._numerator - whole * self._denominator
        return whole + 1 if 2 * rest >= self._denominator else whole
