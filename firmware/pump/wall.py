# Wall clock: local civil time as an offset to pump seconds (D-001).
#
# Pure logic on integers. Until the clock is set, time starts at midnight of 2000-01-01, and day numbers count from
# that day. The arithmetic of dates begins its year in March, so that the leap day is the last day of a year.
from micropython import const

_DAY_S = const(86400)
# Days from 0000-03-01 to 2000-01-01, and in 400 years.
_EPOCH_DAYS = const(730425)
_DAYS_400_YEARS = const(146097)
# The last year that a CGMS or IDS date can have.
_YEAR_MAX = const(9999)

# Zone and daylight saving as CGMS 1.0.2 writes "unknown".
ZONE_UNKNOWN = const(-128)
DST_UNKNOWN = const(255)


# The day number of a date; a month or day out of range gives the number of the date that it overflows into.
def day_number(year, month, day_of_month):
    if month <= 2:
        year -= 1
        month += 12
    days_before_year = 365 * year + year // 4 - year // 100 + year // 400
    return days_before_year + (153 * month - 457) // 5 + day_of_month - 1 - _EPOCH_DAYS


class Wall:
    def __init__(self):
        self.year = 0
        self.month = 0
        self.day_of_month = 0
        self.hour = 0
        self.minute = 0
        self.second = 0
        self.zone = ZONE_UNKNOWN
        self.dst = DST_UNKNOWN
        self._set_s = 0
        self._day = 0
        self._second_of_day = 0

    # The day number at pump second s.
    def day(self, s):
        return self._day + (self._second_of_day + s - self._set_s) // _DAY_S

    def second_of_day(self, s):
        return (self._second_of_day + s - self._set_s) % _DAY_S

    # The first midnight after s, as a pump second.
    def midnight_s(self, s):
        return s + _DAY_S - self.second_of_day(s)

    # Puts a day's date into year, month and day_of_month.
    def date(self, day):
        day += _EPOCH_DAYS
        era = day // _DAYS_400_YEARS
        day -= era * _DAYS_400_YEARS
        year = (day - day // 1460 + day // 36524 - day // 146096) // 365
        day -= 365 * year + year // 4 - year // 100
        month = (5 * day + 2) // 153
        self.day_of_month = day - (153 * month + 2) // 5 + 1
        self.month = month + 3 if month < 10 else month - 9
        self.year = year + 400 * era + (1 if month >= 10 else 0)
        if self.year > _YEAR_MAX:
            # The wire has no such year: the date is told as unknown.
            self.year = self.month = self.day_of_month = 0

    # Puts the date and time of pump second s into the attributes.
    def read(self, s):
        self.date(self.day(s))
        second = self.second_of_day(s)
        self.hour = second // 3600
        self.minute = second // 60 % 60
        self.second = second % 60

    # From pump second s on it is this date and time, which is valid.
    def set(self, s, year, month, day_of_month, hour, minute, second, zone, dst):
        self._set_s = s
        self._day = day_number(year, month, day_of_month)
        self._second_of_day = 3600 * hour + 60 * minute + second
        self.zone = zone
        self.dst = dst
