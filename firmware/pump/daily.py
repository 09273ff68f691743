# Total daily insulin: what was delivered since local midnight (D-901).
#
# Pure logic: whoever delivers a pulse counts it here; the caller closes the day.
from micropython import const

# Words of pump/events.py.
_DAILY = const(0x00FF)


class Daily:
    def __init__(self, emit, wall):
        self._emit = emit
        self._wall = wall
        self.basal_mu = 0
        self.bolus_mu = 0

    # Records the day that ends at s; date_changed is 1 when setting the clock ended it.
    def close(self, s, day, date_changed):
        wall = self._wall
        wall.date(day)
        month_and_day = wall.month * 32 + wall.day_of_month
        self._emit(_DAILY, s, self.bolus_mu, self.basal_mu, date_changed, wall.year, month_and_day)
        self.basal_mu = 0
        self.bolus_mu = 0
