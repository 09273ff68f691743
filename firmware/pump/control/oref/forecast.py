# Where glucose goes in the next four hours: four lines with a point every 5 min, and what the rules read from them
# (D-1033 to D-1037).
#
# iob: insulin works, and the deviation seen now fades within an hour. zt: insulin works, and none is given from now on.
# cob: announced carbs are absorbed. uam: what raises glucose now fades as it has begun to.
from array import array

from pump.control.oref.inputs import FLOAT, POINTS
from pump.control.oref.numbers import greater, hundredth, lesser, nearest, over

_SHOWN_LEAST = 39
_SHOWN_MOST = 401
# Stands for a lowest point that there is not.
_NO_LOWEST = 999

_FADING_POINTS = 12
# What is left of the deviation at each point; nothing from here on.
_FADING = tuple([1 - i / _FADING_POINTS for i in range(_FADING_POINTS)])
_UAM_FADING_POINTS = 36
# What is dosed now works most after these points; a low before them cannot be helped any more.
_WAIT_POINTS = 18
_UAM_WAIT_POINTS = 12


# A point as it is shown.
def _shown(mg_dl):
    if mg_dl <= _SHOWN_LEAST:
        return _SHOWN_LEAST
    return _SHOWN_MOST if mg_dl >= _SHOWN_MOST else nearest(mg_dl)


class Line:
    # One point more than is shown: the last one counts, but is not shown.
    def __init__(self):
        self.points = array(FLOAT, (0 for _ in range(POINTS + 1)))
        self.start(0, 0)

    def start(self, mg_dl, steps):
        self.points[0] = mg_dl
        self.count = min(steps + 1, POINTS)
        self.end = self.points[steps]
        self.lowest = _NO_LOWEST
        self.lowest_later = _NO_LOWEST

    # Takes the end, the lowest point, and the lowest of those where a low can be helped.
    def finish(self, end, lowest, later):
        self.lowest = nearest(lowest)
        self.lowest_later = greater(_SHOWN_LEAST, nearest(later))
        self.end = end

    # Makes the points those that are shown, for whoever looks at them: no rule does.
    def show(self):
        for i in range(self.count):
            self.points[i] = _shown(self.points[i])

    # Leaves out the end along which nothing changes.
    def trim(self):
        while self.count > 13 and self.points[self.count - 1] == self.points[self.count - 2]:
            self.count -= 1

    # Leaves out the end along which glucose rises above the target.
    def trim_rising(self, target):
        points = self.points
        while self.count > 7 and points[self.count - 2] < points[self.count - 1] and points[self.count - 1] > target:
            self.count -= 1

    # The last point that is shown: what is left out of the end is equal to it.
    def last(self):
        return _shown(self.points[self.count - 1])

    # Minutes until a shown point lies below a limit: 240 when none does.
    def minutes_above(self, mg_dl):
        if self.lowest >= mg_dl <= _SHOWN_MOST and _shown(self.points[0]) >= mg_dl:
            return 240
        for i in range(self.count):
            if _shown(self.points[i]) < mg_dl:
                return 5 * i
        return 240


class Forecast:
    def __init__(self):
        self.iob = Line()
        self.zt = Line()
        self.cob = Line()
        self.uam = Line()
        self._bgi = array(FLOAT, (0 for _ in range(POINTS + 1)))
        self.cob_shown = False
        self.uam_shown = False
        self.eventual = 0
        self.min_guard = 0
        self.min_pred = 0
        self._cob_top = 0

    # Draws the lines; eventual is what insulin and deviation alone lead to. Lines that no rule reads are left out: each
    # of their numbers would take heap.
    def draw(self, inputs, settings, targets, carbs, eventual):
        steps = inputs.iob.count
        mg_dl = inputs.glucose.mg_dl
        self.cob_shown = inputs.meal.cob > 0 and carbs.rising()
        self.uam_shown = settings.uam and carbs.rising()
        self._cob_top = mg_dl
        self._insulin(mg_dl, inputs.iob, targets.isf, carbs.impact)
        if self.cob_shown or carbs.expected():
            self._cob(mg_dl, steps, carbs)
        if settings.uam:
            self._uam(mg_dl, steps, carbs)
        if steps == 0:
            self.iob.end = eventual
        self._raise(eventual)

    # The two lines of insulin alone.
    def _insulin(self, mg_dl, iob, isf, impact):
        steps = iob.count
        self.iob.start(mg_dl, steps)
        self.zt.start(mg_dl, steps)
        points, zero_temp_points, bgi = self.iob.points, self.zt.points, self._bgi
        activities, zero_temp_activities = iob.activities, iob.zero_temp_activities
        zero_temp = mg_dl
        fall = -isf
        lowest = later = zero_temp_lowest = zero_temp_later = _NO_LOWEST
        for i in range(1, steps + 1):
            change = hundredth(activities[i - 1] * fall * 5)
            bgi[i] = change
            mg_dl += change
            if i < _FADING_POINTS:
                mg_dl += impact * _FADING[i]
            points[i] = mg_dl
            zero_temp += hundredth(zero_temp_activities[i - 1] * fall * 5)
            zero_temp_points[i] = zero_temp
            if mg_dl < lowest:
                lowest = mg_dl
            if zero_temp < zero_temp_lowest:
                zero_temp_lowest = zero_temp
            if i >= _WAIT_POINTS:
                if mg_dl < later:
                    later = mg_dl
                if zero_temp < zero_temp_later:
                    zero_temp_later = zero_temp
        self.iob.finish(points[steps], lowest, later)
        self.zt.finish(zero_temp_points[steps], zero_temp_lowest, zero_temp_later)

    # What carbs seen now still bring fades; what is not seen yet comes as a triangle over the hours that remain.
    def _cob(self, mg_dl, steps, carbs):
        self.cob.start(mg_dl, steps)
        points, bgi, iob_points = self.cob.points, self._bgi, self.iob.points
        falling = carbs.impact if carbs.impact < 0 else 0
        seen = greater(0, carbs.impact)
        fading_points = greater(carbs.seen_points * 2, 1)
        last, top, peak = carbs.hours * 12, carbs.hours / 2 * 12, carbs.unseen_peak
        iob_top = mg_dl
        expected = carbs.expected()
        lowest = later = _NO_LOWEST
        for i in range(1, steps + 1):
            mg_dl += bgi[i]
            if falling and i < _FADING_POINTS:
                mg_dl += falling * _FADING[i]
            if not i >= fading_points:
                mg_dl += seen * (1 - i / fading_points)
            if peak:
                mg_dl += greater(0, over(lesser(i, last - i), top) * peak)
            points[i] = mg_dl
            if mg_dl < lowest:
                lowest = mg_dl
            if mg_dl < later and i >= _WAIT_POINTS:
                later = mg_dl
            iob = iob_points[i]
            if iob > iob_top:
                iob_top = iob
            if expected and mg_dl > iob_top:
                self._cob_top = mg_dl
        self.cob.finish(mg_dl, lowest, later)

    # What raises glucose now falls along the slope, or within three hours, whichever is less.
    def _uam(self, mg_dl, steps, carbs):
        self.uam.start(mg_dl, steps)
        points, bgi, deviation, slope = self.uam.points, self._bgi, carbs.deviation, carbs.slope
        falling = carbs.impact if carbs.impact < 0 else 0
        raised = True
        lowest = later = _NO_LOWEST
        for i in range(1, steps + 1):
            mg_dl += bgi[i]
            if falling and i < _FADING_POINTS:
                mg_dl += falling * _FADING[i]
            if raised:
                rise = deviation + i * slope
                if not rise <= 0:
                    by_time = deviation * (1 - i / _UAM_FADING_POINTS)
                    mg_dl += greater(0, by_time if by_time < rise else rise)
                else:
                    raised = slope > 0
            points[i] = mg_dl
            if mg_dl < lowest:
                lowest = mg_dl
            if mg_dl < later and i >= _UAM_WAIT_POINTS:
                later = mg_dl
        self.uam.finish(mg_dl, lowest, later)

    # Raises the eventual glucose to where carbs lead.
    def _raise(self, eventual):
        if self.cob_shown:
            eventual = greater(eventual, self.cob.last())
        if self.uam_shown:
            last = self.uam.last()
            if last == last:
                eventual = greater(eventual, last)
        self.eventual = eventual

    # Makes the lines those that are shown.
    def show(self, target):
        for line in (self.iob, self.zt, self.cob, self.uam):
            line.show()
        self.iob.trim()
        self.zt.trim_rising(target)
        if self.cob_shown:
            self.cob.trim()
        if self.uam_shown:
            self.uam.trim()

    # The line that carbs are judged by.
    def leading(self):
        return self.cob if self.cob_shown else self.iob

    # The lowest glucose from now on (min_guard), and the lowest that a dose of now can still help (min_pred).
    def read(self, glucose_mg_dl, meal, uam, targets, carbs):
        left = over(meal.cob, meal.carbs)
        expected = carbs.expected()
        cob_lowest = self.cob.lowest if expected else _NO_LOWEST
        cob_later = self.cob.lowest_later if expected else _NO_LOWEST
        uam_later = self.uam.lowest_later if uam else _NO_LOWEST
        self.min_guard = self._guard(left, cob_lowest, expected, uam)
        average = greater(self._average(left, cob_later, uam_later), self.zt.lowest)
        zt_uam = self._held_by_zt(uam_later, targets)
        lowest = self._lowest(left, meal, uam, cob_later, zt_uam)
        self.min_pred = lesser(lowest, average)
        if self._cob_top > glucose_mg_dl:
            self.min_pred = lesser(self.min_pred, self._cob_top)

    def _guard(self, left, cob_lowest, expected, uam):
        if not expected:
            return self.uam.lowest if uam else self.iob.lowest
        if not uam:
            return cob_lowest
        return nearest(left * cob_lowest + (1 - left) * self.uam.lowest)

    # Where the lines end, between those that there are.
    def _average(self, left, cob_later, uam_later):
        if uam_later < _NO_LOWEST and cob_later < _NO_LOWEST:
            return nearest((1 - left) * self.uam.end + left * self.cob.end)
        if cob_later < _NO_LOWEST:
            return nearest((self.iob.end + self.cob.end) / 2)
        if uam_later < _NO_LOWEST:
            return nearest((self.iob.end + self.uam.end) / 2)
        return nearest(self.iob.end)

    # The UAM line is trusted the less, the lower glucose gets without insulin.
    def _held_by_zt(self, uam_later, targets):
        zt_lowest = self.zt.lowest
        if zt_lowest < targets.threshold:
            return nearest((uam_later + zt_lowest) / 2)
        if zt_lowest < targets.target:
            share = (zt_lowest - targets.threshold) / (targets.target - targets.threshold)
            return nearest((uam_later + (uam_later * share + zt_lowest * (1 - share))) / 2)
        return nearest((uam_later + zt_lowest) / 2) if zt_lowest > uam_later else nearest(uam_later)

    def _lowest(self, left, meal, uam, cob_later, zt_uam):
        iob_later = self.iob.lowest_later
        if meal.carbs != 0 and meal.carbs == meal.carbs:
            if cob_later < _NO_LOWEST:
                lowest = greater(iob_later, cob_later)
                return nearest(greater(lowest, left * cob_later + (1 - left) * zt_uam)) if uam else lowest
            return zt_uam if uam else self.min_guard
        return nearest(greater(iob_later, zt_uam)) if uam else iob_later
