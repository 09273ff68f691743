# Carbs on board and how glucose deviates from what insulin explains (D-1061 to D-1066).
#
# Pure logic: announced carbs and buckets in, a Meal of inputs.py out. A bucket's deviation says how many carbs were
# absorbed in it, but never less than is assumed of every 5 min.
from array import array

from pump.control.oref.buckets import ROWS
from pump.control.oref.inputs import FLOAT
from pump.control.oref.numbers import NOTHING, hundredth, nearest, thousandth

CARBS_MAX = 24
_WINDOW_S = 21600
_DEVIATIONS_S = 2700
# A bucket's deviation looks as many buckets back.
_BACK = 3
_NO_LEAST = 999


# Carbs announced, newest first by when they were eaten.
class Announced:
    def __init__(self):
        self.seconds = array("i", (0 for _ in range(CARBS_MAX)))
        self.grams = bytearray(CARBS_MAX)
        self.count = 0

    # False when there is no room.
    def add(self, s, eaten_s, grams):
        self.forget(s)
        if self.count == CARBS_MAX:
            return False
        at = self.count
        while at and self.seconds[at - 1] < eaten_s:
            self.seconds[at] = self.seconds[at - 1]
            self.grams[at] = self.grams[at - 1]
            at -= 1
        self.seconds[at] = eaten_s
        self.grams[at] = grams
        self.count += 1
        return True

    def forget(self, s):
        while self.count and s - self.seconds[self.count - 1] >= _WINDOW_S:
            self.count -= 1


class Meals:
    def __init__(self):
        self._absorbed = array(FLOAT, (0 for _ in range(ROWS)))
        # The newest deviation, in mg/dL in 5 min.
        self.current = NOTHING
        self.recent = 0

    # isf(s): mg/dL/U at a second.
    def fill(self, s, announced, buckets, isf, settings, meal):
        self.current = NOTHING
        if buckets.count > _BACK:
            self.current = self._deviation(buckets, 0, isf)
        self.recent = buckets.within(s - _DEVIATIONS_S) - _BACK
        self._slopes(s, buckets, isf, meal)
        announced.forget(s)
        meal.bolus_wizard = False
        meal.carbs = meal.cob = 0
        meal.last_carb_age_ms = NOTHING
        if announced.count:
            self._absorb(announced, buckets, isf, settings)
            self._count(s, announced, buckets, settings, meal)

    # What insulin does in 5 min at a bucket.
    def _bgi(self, buckets, row, isf):
        return hundredth(-buckets.activities[row] * isf(buckets.seconds[row]) * 5)

    # The mean rise of three buckets up to bucket i, beyond that.
    def _deviation(self, buckets, i, isf):
        row = buckets.rows[i]
        rise = hundredth((buckets.mg_dl[row] - buckets.mg_dl[buckets.rows[i + _BACK]]) / _BACK)
        return thousandth(rise - self._bgi(buckets, row, isf))

    # From the highest and the lowest deviation of the last 45 min to the newest one.
    def _slopes(self, s, buckets, isf, meal):
        meal.slope_from_max, meal.slope_from_min = 0, _NO_LEAST
        most, least = 0, _NO_LEAST
        for i in range(1, self.recent):
            deviation = self._deviation(buckets, i, isf)
            age_ms = 1000 * (s - buckets.seconds[buckets.rows[i]])
            slope = (deviation - self.current) / -age_ms * 1000 * 60 * 5
            if deviation > most:
                meal.slope_from_max = min(0, slope)
                most = deviation
            if deviation < least:
                meal.slope_from_min = max(0, slope)
                least = deviation
        meal.slope_from_max = thousandth(meal.slope_from_max)
        meal.slope_from_min = thousandth(meal.slope_from_min)

    # Sums up what was absorbed from the newest bucket back; as far as the oldest carbs reach.
    def _absorb(self, announced, buckets, isf, settings):
        absorbed, grams = self._absorbed, 0
        end_s = announced.seconds[announced.count - 1]
        for i in range(buckets.count - _BACK):
            row = buckets.rows[i]
            if buckets.seconds[row] <= end_s:
                return
            rise = buckets.mg_dl[row] - buckets.mg_dl[buckets.rows[i + 1]]
            impact = hundredth(rise - self._bgi(buckets, row, isf))
            impact = max(impact, self.current / 2, settings.min_carb_impact)
            grams += impact * settings.carb_ratio / isf(buckets.seconds[row])
            absorbed[i] = grams

    # The greatest COB that the carbs since one of them leave; carbs from before it are left out.
    def _count(self, s, announced, buckets, settings, meal):
        carbs = left_out = most = 0
        for n in range(announced.count):
            carbs += announced.grams[n]
            cob = max(0, carbs - self._absorbed_since(announced.seconds[n], buckets))
            if cob < most:
                left_out += announced.grams[n]
            else:
                most = cob
                left_out = 0
        meal.carbs = carbs - left_out
        meal.last_carb_age_ms = 1000 * (s - announced.seconds[0])
        meal.cob = nearest(min(settings.max_cob, most)) if self.recent > 0 else 0

    def _absorbed_since(self, s, buckets):
        i = buckets.since(s) - _BACK - 1
        while i >= 0 and buckets.seconds[buckets.rows[i]] <= s:
            i -= 1
        return self._absorbed[i] if i >= 0 else 0
