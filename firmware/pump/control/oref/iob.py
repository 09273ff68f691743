# Insulin on board of what the pump delivered, netted against the scheduled basal (D-1012, D-1013).
#
# A dose is a pulse that left the pump, or, below zero, one that the basal profile had scheduled. Where both fall
# together they cancel; so basal as scheduled counts nothing, and a zero temp counts below zero.
import math
from array import array

from pump.control.oref.ages import take
from pump.control.oref.inputs import FLOAT, POINTS
from pump.control.oref.numbers import thousandth

BILINEAR = 0
EXPONENTIAL = 1

_LEAST_MINUTES = 180
_LEAST_EXPONENTIAL_MINUTES = 300
_MINUTES_MAX = 480
_BILINEAR_PEAK = 75
_BILINEAR_END = 180
_POINT_MINUTES = 5
_POINT_S = 300
# A zero temp leaves out pulses of 4 h, joined by minutes.
_TO_COME_ROWS = 242


# How much of a unit is left, and how much of it works in a minute, at each age in whole minutes.
class Curve:
    # Its memory is taken once, for the longest that a pump may be set to: a heap in pieces may have no other room when
    # the curve changes.
    def __init__(self, kind, dia_minutes, peak_minutes=75):
        room = max(_MINUTES_MAX, math.ceil(dia_minutes))
        self.left = array(FLOAT, (0 for _ in range(room)))
        self.activity = array(FLOAT, (0 for _ in range(room)))
        self.shape(kind, dia_minutes, peak_minutes)

    def shape(self, kind, dia_minutes, peak_minutes):
        least = _LEAST_MINUTES if kind == BILINEAR else _LEAST_EXPONENTIAL_MINUTES
        end = max(dia_minutes, least)
        self.kind = kind
        self.minutes = math.ceil(end)
        for age in range(len(self.left)):
            self.left[age] = self.activity[age] = 0
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
    # room: as that of the doses.
    def __init__(self, curve, room):
        self.curve = curve
        self._ages = array("h", (0 for _ in range(room)))
        self._mu = array("i", (0 for _ in range(room)))
        self._count = 0
        # The points of the last look, unrounded, its second, and how often the doses had been rewritten by then.
        self._worked = array(FLOAT, (0 for _ in range(POINTS)))
        self._worked_s = None
        self._rewritten = 0
        # What a zero temp leaves out of the points, and the pulses it was worked out from: minutes after the look.
        self._left_out = array(FLOAT, (0 for _ in range(POINTS)))
        self._to_come = bytearray(_TO_COME_ROWS)
        self._to_come_doses = array("h", (0 for _ in range(_TO_COME_ROWS)))
        self._to_come_count = 0

    # Follows another curve, from the next look on.
    def follow(self, kind, dia_minutes, peak_minutes):
        self.curve.shape(kind, dia_minutes, peak_minutes)
        self._worked_s = None

    # U at one second.
    def left(self, doses, s):
        return thousandth(self._sum(doses, s, self.curve.left))

    # U/min at one second.
    def activity(self, doses, s):
        return _rounded(self._sum(doses, s, self.curve.activity))

    # Each number takes heap: a dose as large as the one before is not worked out again, and none adds nothing.
    def _sum(self, doses, s, curve):
        self._take(doses, s)
        amounts_mu, ages = self._mu, self._ages
        units = dose = last_mu = 0
        for n in range(self._count):
            mu = amounts_mu[n]
            if mu:
                if mu != last_mu:
                    dose = mu / 1000
                    last_mu = mu
                units += dose * curve[ages[n]]
        return units

    # Fills an Iob. scheduled is what a zero temp from s on would leave out: Doses at whole minutes after s, below zero.
    def fill(self, doses, scheduled, s, iob):
        iob.iob = self.left(doses, s)
        activities, zero_temp_activities, worked = iob.activities, iob.zero_temp_activities, self._worked
        steps = self._steps_since(doses, s)
        self._work(doses, s, steps)
        if self.curve.kind == BILINEAR:
            for i in range(POINTS):
                zero_temp_activities[i] = worked[i]
            self._leave_out(scheduled, s, 0, zero_temp_activities)
            for i in range(POINTS):
                activities[i] = _rounded(worked[i])
                zero_temp_activities[i] = _rounded(zero_temp_activities[i])
        else:
            self._leave_out_since(scheduled, s, steps)
            left_out = self._left_out
            for i in range(POINTS):
                units = worked[i]
                activities[i] = _rounded(units)
                zero_temp_activities[i] = _rounded(units + left_out[i])
        self._worked_s = s
        self._rewritten = doses.rewritten
        iob.activity = activities[0]
        iob.count = POINTS

    # How many points ago the last look was; all of them when nothing of it holds.
    def _steps_since(self, doses, s):
        if self._worked_s is not None and doses.rewritten == self._rewritten and s > self._worked_s:
            ago_s = s - self._worked_s
            if ago_s % _POINT_S == 0:
                return min(POINTS, ago_s // _POINT_S)
        return POINTS

    # Doses that still work, with their age in whole minutes, half up. Those of one age become one, as the pulses of a
    # bolus do; under the bilinear curve each stays alone: sums fall on halves there, and the order of adding decides.
    def _take(self, doses, s):
        self._count = take(
            doses.entries, doses.room, doses.newest_s, doses.joined, doses.first, doses.count, s, self.curve.minutes,
            doses.dose_mu, self.curve.kind == BILINEAR, self._ages, self._mu,
        )  # fmt: skip

    # U/min at each point, of the doses that were taken last. What the last look found for later points holds: the doses
    # are then older by just these points, and come first in the sums.
    def _work(self, doses, s, steps):
        worked = self._worked
        kept = POINTS - steps
        for i in range(kept):
            worked[i] = worked[i + steps]
        if kept:
            self._add_since(doses, s, kept)
        self._work_from(kept)

    # Adds the doses that came after the last look to the points up to kept.
    def _add_since(self, doses, s, kept):
        room = doses.room
        since = 0
        while since < doses.count and doses.second_at((doses.first + doses.count - 1 - since) % room) > self._worked_s:
            since += 1
        curve, minutes, worked = self.curve.activity, self.curve.minutes, self._worked
        came = []
        for n in range(doses.count - since, doses.count):
            at = (doses.first + n) % room
            count = doses.doses_at(at)
            if count:
                came.append((count * doses.dose_mu / 1000, (s - doses.second_at(at) + 30) // 60))
        if came:
            later = 0
            for i in range(kept):
                units = worked[i]
                for dose, age in came:
                    if age + later < minutes:
                        units += dose * curve[age + later]
                worked[i] = units
                later += _POINT_MINUTES

    # The points from the first on, of all doses that were taken. Point by point, so that a sum takes less heap; what
    # works no more at a point works at none after it.
    def _work_from(self, first):
        curve, end, amounts_mu, ages = self.curve.activity, self.curve.minutes, self._mu, self._ages
        units_of = {}
        working = 0
        for i in range(first, POINTS):
            later = _POINT_MINUTES * i
            while working < self._count and ages[working] + later >= end:
                working += 1
            units = 0
            for n in range(working, self._count):
                mu = amounts_mu[n]
                if mu:
                    if mu not in units_of:
                        units_of[mu] = mu / 1000
                    units += units_of[mu] * curve[ages[n] + later]
            self._worked[i] = units

    # What is left out of the points from the first on. After most looks that is the last one alone.
    def _leave_out(self, scheduled, s, first, activities):
        curve, minutes = self.curve.activity, self.curve.minutes
        room, alone = scheduled.room, first == POINTS - 1
        last_age, last_s = _POINT_MINUTES * (POINTS - 1), _POINT_S * (POINTS - 1)
        units = last = total = 0
        at = scheduled.first
        for _ in range(scheduled.count):
            after_s = scheduled.second_at(at) - s
            count = scheduled.doses_at(at)
            if count != last:
                last = count
                units = last * scheduled.dose_mu / 1000
            age = (30 - after_s) // 60
            if not alone:
                self._add(units, age, max(first, (after_s + _POINT_S - 1) // _POINT_S), POINTS, activities)
            elif after_s <= last_s and age + last_age < minutes:
                total += units * curve[age + last_age]
            at = at + 1 if at + 1 < room else 0
        if alone:
            activities[first] += total

    # The same for all points, into _left_out. While the pulses to come are those that were to come at the last look,
    # what it found holds but for those that have come.
    def _leave_out_since(self, scheduled, s, steps):
        left_out = self._left_out
        come = self._come(scheduled, s, steps)
        if steps < POINTS and not self._as_foreseen(scheduled, s, steps, come):
            steps = POINTS
        kept = POINTS - steps
        for i in range(kept):
            left_out[i] = left_out[i + steps]
        if kept:
            for n in range(come):
                units = self._to_come_doses[n] * scheduled.dose_mu / 1000
                self._add(-units, _POINT_MINUTES * steps - self._to_come[n], 0, kept, left_out)
        for i in range(kept, POINTS):
            left_out[i] = 0
        self._leave_out(scheduled, s, kept, left_out)
        self._foresee(scheduled, s)

    # How many of the pulses that were to come at the last look have come. Minutes are rounded: what was to come in just
    # this one may come yet.
    def _come(self, scheduled, s, steps):
        now = _POINT_MINUTES * steps
        n = 0
        while n < self._to_come_count and self._to_come[n] < now:
            n += 1
        yet = scheduled.count and scheduled.second_at(scheduled.first) == s
        return n + 1 if n < self._to_come_count and self._to_come[n] == now and not yet else n

    # Whether the pulses to come are those of the last look from the nth on.
    def _as_foreseen(self, scheduled, s, steps, n):
        if self._to_come_count - n > scheduled.count:
            return False
        at = scheduled.first
        while n < self._to_come_count:
            minute = (scheduled.second_at(at) - s) // 60
            if minute + _POINT_MINUTES * steps != self._to_come[n] or scheduled.doses_at(at) != self._to_come_doses[n]:
                return False
            n += 1
            at = at + 1 if at + 1 < scheduled.room else 0
        return True

    # Keeps the pulses to come for the next look.
    def _foresee(self, scheduled, s):
        self._to_come_count = scheduled.count
        at = scheduled.first
        for n in range(scheduled.count):
            self._to_come[n] = (scheduled.second_at(at) - s) // 60
            self._to_come_doses[n] = scheduled.doses_at(at)
            at = at + 1 if at + 1 < scheduled.room else 0

    # Adds how a dose works to the points from first to before last; age is that at point 0.
    def _add(self, units, age, first, last, activities):
        curve = self.curve.activity
        last = min(last, (self.curve.minutes - age + _POINT_MINUTES - 1) // _POINT_MINUTES)
        age += _POINT_MINUTES * first
        for i in range(first, last):
            activities[i] += units * curve[age]
            age += _POINT_MINUTES


# To 0.0001 U/min.
def _rounded(units):
    return (math.floor(units * 20000) + 1 >> 1) / 10000
