# What carbs still do to glucose: the impact seen now, and that of the carbs not yet seen (D-1031, D-1032).
from pump.control.oref.numbers import NOTHING, given, greater, hundredth, lesser, nearest, over, tenth

# g/h: more than this is no carbs; and what carbs not yet seen are taken to need.
_ABSORPTION_MOST = 30
_ABSORPTION_ASSUMED = 20
_REMAINING_CARBS_MOST = 90
_ABSORPTION_HOURS_LEAST = 3


class Carbs:
    def __init__(self):
        self.deviation = NOTHING  # mg/dL in 5 min, beyond what insulin explains
        self.impact = NOTHING  # the same, as far as carbs may explain it
        self.per_gram = NOTHING  # mg/dL
        self.hours = NOTHING  # in which what remains is absorbed
        self.seen_points = NOTHING  # half of the points over which the impact fades
        self.unseen_peak = NOTHING  # mg/dL in 5 min
        self.slope = NOTHING  # of the deviation, a point

    def set(self, meal, settings, targets, min_delta, bgi):
        self.deviation = tenth(min_delta - bgi)
        self.per_gram = targets.isf / settings.carb_ratio
        most = tenth(_ABSORPTION_MOST * self.per_gram * 5 / 60)
        self.impact = most if self.deviation > most else self.deviation
        self.hours = _hours(meal, targets.ratio)
        seen = greater(0, self.impact / 5 * 60 * self.hours / 2) / self.per_gram
        remaining = _remaining(meal, settings, seen)
        self.unseen_peak = over(remaining * self.per_gram * 5 / 60, self.hours / 2)
        self.slope = lesser(hundredth(meal.slope_from_max), -hundredth(meal.slope_from_min) / 3)
        if self.impact == 0:
            self.seen_points = 0
        else:
            fading = greater(0, meal.cob * self.per_gram / self.impact)
            self.seen_points = lesser(self.hours * 60 / 5 / 2, fading)

    # Whether the line of announced carbs says anything beyond the others.
    def expected(self):
        return given(self.seen_points) or self.unseen_peak > 0

    # Whether carbs raise glucose, announced or not.
    def rising(self):
        return self.impact > 0 or self.unseen_peak > 0


def _hours(meal, ratio):
    hours = _ABSORPTION_HOURS_LEAST / ratio if given(ratio) else _ABSORPTION_HOURS_LEAST
    if not given(meal.carbs):
        return hours
    return tenth(greater(hours, meal.cob / _ABSORPTION_ASSUMED) + 1.5 * nearest(meal.last_carb_age_ms / 60000) / 60)


def _remaining(meal, settings, seen):
    most = _REMAINING_CARBS_MOST
    if given(settings.remaining_carbs_cap):
        most = min(most, settings.remaining_carbs_cap)
    share = min(1, settings.remaining_carbs_fraction) if given(settings.remaining_carbs_fraction) else 1
    return lesser(most, greater(0, meal.cob - seen - meal.carbs * (1 - share)))
