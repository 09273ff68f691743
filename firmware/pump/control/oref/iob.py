# Insulin on board of what the pump delivered, netted against the scheduled basal (D-1012, D-1013).
#
# A dose is a pulse that left the pump, or, below zero, one that the basal profile had scheduled. Where both fall
# together they cancel; so basal as scheduled counts nothing, and a zero temp counts below zero.
import math
from array import array

from pump.control.oref.inputs import FLOAT, POINTS
from pump.control.oref.numbers import nearest, thousandth

BILINEAR = 0
EXPONENTIAL = 1

_LEAST_MINUTES = 180
_LEAST_EXPONENTIAL_MINUTES = 300
_BILINEAR_PEAK = 75
_BILINEAR_END = 180
_POINT_MINUTES = 5
_POINTS_MINUTES = 240


# How much of a unit is left, and how much of it works in a minute, at each age in whole minutes.
class Curve:
    def __init__(self, kind, dia_minutes, peak_minutes=75):
        least = _LEAST_MINUTES if kind == BILINEAR else _LEAST_EXPONENTIAL_MINUTES
        end = max(dia_minutes, least)
        self.kind = kind
        self.minutes = math.ceil(end)
        self.left = array(FLOAT, (0 for _ in range(self.minutes)))
        self.activity = array(FLOAT, (0 for _ in range(self.minutes)))
        if kind == BILINEAR:
            self._bilinear(end)
        else:
            self._exponential(end, peak_minutes)

    # A triangle; what is left is fitted by two parabolas.
    def _bilinear(self, end):
        top = 2 / end
        for age in range(self.minutes):
            t = 3 / (end / 60) * age
            if t < _BILINEAR_PEAK:
                x = t / 5 + 1
                self.activity[age] = top / _BILINEAR_PEAK * t
                self.left[age] = -0.001852 * x * x + 0.001852 * x + 1
            elif t < _BILINEAR_END:
                x = (t - _BILINEAR_PEAK) / 5
                self.activity[age] = top - top / (_BILINEAR_END - _BILINEAR_PEAK) * (t - _BILINEAR_PEAK)
                self.left[age] = 0.001323 * x * x - 0.054233 * x + 0.55556

    # D-701.
    def _exponential(self, end, peak):
        tau = peak * (1 - peak / end) / (1 - 2 * peak / end)
        a = 2 * tau / end
        s = 1 / (1 - a + (1 + a) * math.exp(-end / tau))
        for age in range(self.minutes):
            fading = math.exp(-age / tau)
            self.activity[age] = s / (tau * tau) * age * (1 - age / end) * fading
            self.left[age] = 1 - s * (1 - a) * ((age * age / (tau * end * (1 - a)) - age / tau - 1) * fading + 1)


# Works out the insulin on board of doses at a second, and how it works at 48 points from there.
class Insulin:
    # room: as that of the doses, of which those of one age become one under an exponential curve.
    def __init__(self, curve, room):
        self.curve = curve
        if curve.kind == EXPONENTIAL:
            room = min(room, curve.minutes)
        self._ages = array("h", (0 for _ in range(room)))
        self._units = array(FLOAT, (0 for _ in range(room)))
        self._count = 0

    # U at one second.
    def left(self, doses, s):
        self._take(doses, s)
        units = 0
        for n in range(self._count):
            units += self._units[n] * self.curve.left[self._ages[n]]
        return thousandth(units)

    # U/min at one second.
    def activity(self, doses, s):
        self._take(doses, s)
        units = 0
        for n in range(self._count):
            units += self._units[n] * self.curve.activity[self._ages[n]]
        return _rounded(units)

    # Fills an Iob. scheduled is what a zero temp from s on would leave out: Doses after s, below zero.
    def fill(self, doses, scheduled, s, iob):
        iob.iob = self.left(doses, s)
        activities, zero_temp_activities = iob.activities, iob.zero_temp_activities
        self._work(activities)
        for i in range(POINTS):
            zero_temp_activities[i] = activities[i]
        self._leave_out(scheduled, s, zero_temp_activities)
        for i in range(POINTS):
            activities[i] = _rounded(activities[i])
            zero_temp_activities[i] = _rounded(zero_temp_activities[i])
        iob.activity = activities[0]
        iob.count = POINTS

    # Doses that still work, with their age in whole minutes, half up. Those of one age become one, as the pulses of a
    # bolus do; under the bilinear curve each stays alone: sums fall on halves there, and the order of adding decides.
    def _take(self, doses, s):
        end, alone = self.curve.minutes, self.curve.kind == BILINEAR
        ages, units, seconds, counts = self._ages, self._units, doses.seconds, doses.doses
        count = sum_mu = 0
        at = doses.first
        left = doses.count
        while left and s - seconds[at] >= 60 * end:
            at = at + 1 if at + 1 < len(seconds) else 0
            left -= 1
        for _ in range(left):
            age_s = s - seconds[at]
            age = (age_s + 30) // 60
            if age_s >= 0 and age < end:
                mu = counts[at] * doses.dose_mu
                if count and ages[count - 1] == age and not alone:
                    sum_mu += mu
                else:
                    sum_mu = mu
                    ages[count] = age
                    count += 1
                units[count - 1] = sum_mu / 1000
            at = at + 1 if at + 1 < len(seconds) else 0
        self._count = count

    # U/min at each point, of the doses that were taken last.
    def _work(self, activities):
        curve, end = self.curve.activity, self.curve.minutes
        for i in range(POINTS):
            activities[i] = 0
        for n in range(self._count):
            age, units = self._ages[n], self._units[n]
            if not units:
                continue
            i = 0
            for minute in range(age, min(end, age + _POINTS_MINUTES), _POINT_MINUTES):
                activities[i] += units * curve[minute]
                i += 1

    def _leave_out(self, scheduled, s, activities):
        curve, end = self.curve.activity, self.curve.minutes
        for n in range(scheduled.first, scheduled.first + scheduled.count):
            n %= len(scheduled.seconds)
            after_s, units = scheduled.seconds[n] - s, scheduled.doses[n] * scheduled.dose_mu / 1000
            age = (30 - after_s) // 60
            for i in range((after_s + 299) // 300, POINTS):
                if age + _POINT_MINUTES * i < end:
                    activities[i] += units * curve[age + _POINT_MINUTES * i]


# To 0.0001 U/min.
def _rounded(units):
    return nearest(units * 10000) / 10000
