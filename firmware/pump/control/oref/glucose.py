# Glucose status: the newest reading and how glucose moved, in mg/dL in 5 min (D-1011).
from array import array

from pump.control.oref.inputs import FLOAT
from pump.control.oref.numbers import hundredth, nearest

# Enough for 42 min of a sensor that reads every minute, with some to spare.
READINGS = 64
# Up to this a number is a sensor's word for a fault.
_FAULT_MOST = 38

# What a reading is: left out (of another sensor), counted, or a calibration, behind which nothing counts.
LEFT_OUT = 0
COUNTED = 1
CALIBRATION = 2


# The newest readings, newest first, with their age in ms relative to the newest.
class Readings:
    def __init__(self):
        self.count = 0
        self.mg_dl = array(FLOAT, (0 for _ in range(READINGS)))
        self.ages_ms = array("i", (0 for _ in range(READINGS)))
        self.kinds = bytearray(READINGS)


# Sums up the slopes to the readings of one span.
class _Span:
    def __init__(self):
        self.sum = 0
        self.count = 0

    def add(self, slope):
        self.sum += slope
        self.count += 1

    def mean(self):
        return hundredth(self.sum / self.count) if self.count else 0


# Fills a Glucose from readings, and returns the age in ms, relative to the newest reading, of the time it stands for.
def status(readings, glucose):
    mg_dl, age_ms = readings.mg_dl[0], 0
    last, short, long = _Span(), _Span(), _Span()
    for i in range(1, readings.count):
        if readings.kinds[i] == CALIBRATION:
            break
        then = readings.mg_dl[i]
        if readings.kinds[i] == LEFT_OUT or not then > _FAULT_MOST:
            continue
        minutes = nearest((readings.ages_ms[i] - age_ms) / 60000)
        if -2 < minutes < 3:
            mg_dl = (mg_dl + then) / 2
            age_ms = (age_ms + readings.ages_ms[i]) / 2
        elif 3 <= minutes < 43:
            slope = (mg_dl - then) / minutes * 5
            (short if minutes < 18 else long).add(slope)
            if minutes < 8:
                last.add(slope)
    glucose.mg_dl = hundredth(mg_dl)
    glucose.delta = last.mean()
    glucose.short_delta = short.mean()
    glucose.long_delta = long.mean()
    return age_ms
