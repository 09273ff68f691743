# Buckets: glucose of the last hours every 5 min or so, each with the activity of insulin at its second (D-1061).
#
# A bucket is a reading, or stands in a gap between two. Activity is worked out when a reading comes, so that later
# decisions only look it up.
from array import array

from pump.control.oref.inputs import FLOAT

# How long carbs count, and so how far back a meal is looked for.
HOURS = 6
_WINDOW_S = 21600
# Six hours of readings 3 min apart, and the one before.
ROWS = 124
_GLUCOSE_LEAST = 39
# A reading not later than this after the one before is left out; a longer gap than this one is filled.
_NEAR_S = 120
_GAP_S = 480
_GAP_S_MAX = 14400
_STEP_S = 300

# Kinds of rows. A reading at the far end of a gap is no bucket, but it says where a meal's buckets end.
_FILLED = 0
_READING = 1
_FAR_END = 2


class Buckets:
    def __init__(self):
        self.seconds = array("i", (0 for _ in range(ROWS)))
        self.mg_dl = array("H", (0 for _ in range(ROWS)))
        self.activities = array(FLOAT, (0 for _ in range(ROWS)))
        self._kinds = bytearray(ROWS)
        self._count = 0
        # The rows that are buckets, newest first.
        self.rows = bytearray(ROWS)
        self.count = 0

    def clear(self):
        self._count = self.count = 0

    # Takes a reading of second s, later than those before. activity(s): that of insulin in U/min.
    def add(self, s, mg_dl, activity):
        if mg_dl < _GLUCOSE_LEAST:
            return
        last = self._count - 1
        if last >= 0:
            gap_s = s - self.seconds[last]
            if gap_s <= _NEAR_S:
                return
            if gap_s > _GAP_S:
                self._kinds[last] = _FAR_END
                self._fill(s, mg_dl, gap_s, activity)
        self._append(s, mg_dl, activity(s), _READING)
        self._forget(s)
        self._order()

    # Fills the gap before a reading, from its far end on; filled backwards, each point from the one after it.
    def _fill(self, s, mg_dl, gap_s, activity):
        then = self.mg_dl[self._count - 1]
        left = min(gap_s, _GAP_S_MAX) / 60
        first = self._count
        glucose = mg_dl
        points = 0
        while left > 5:
            glucose = glucose + 5 / left * (then - glucose)
            left -= 5
            points += 1
            s -= _STEP_S
            self._append(s, int(glucose + 0.5), activity(s), _FILLED)
        first = self._count - points
        for i in range(points // 2):
            self._swap(first + i, self._count - 1 - i)

    def _swap(self, a, b):
        for column in (self.seconds, self.mg_dl, self.activities):
            column[a], column[b] = column[b], column[a]

    def _append(self, s, mg_dl, activity, kind):
        if self._count == ROWS:
            self._drop(1)
        at = self._count
        self.seconds[at] = s
        self.mg_dl[at] = mg_dl
        self.activities[at] = activity
        self._kinds[at] = kind
        self._count += 1

    # Keeps one reading from before the window.
    def _forget(self, s):
        old = 0
        for row in range(self._count):
            if s - self.seconds[row] > _WINDOW_S and self._kinds[row] != _FILLED:
                old = row
        self._drop(old)

    def _drop(self, rows):
        if rows:
            for column in (self.seconds, self.mg_dl, self.activities, self._kinds):
                for row in range(rows, self._count):
                    column[row - rows] = column[row]
            self._count -= rows

    def _order(self):
        self.count = 0
        for row in range(self._count - 1, -1, -1):
            if self._kinds[row] != _FAR_END:
                self.rows[self.count] = row
                self.count += 1

    # How many buckets there are for what began at a second: to the newest reading before it.
    def since(self, s):
        end_s = self._end_s(s, False)
        count = 0
        while count < self.count and self.seconds[self.rows[count]] >= end_s:
            count += 1
        return count

    # How many buckets lie in readings from a second on. The newest reading is always one.
    def within(self, s):
        end_s = self._end_s(s, True)
        count = 0
        while count < self.count and self.seconds[self.rows[count]] >= end_s:
            count += 1
        return count

    # The oldest reading from a second on, or the newest before it.
    def _end_s(self, s, within):
        newest = self._count - 1
        end_s = self.seconds[newest] if newest >= 0 else 0
        for row in range(newest, -1, -1):
            if self._kinds[row] == _FILLED:
                continue
            if self.seconds[row] < s:
                return end_s if within else self.seconds[row]
            end_s = self.seconds[row]
        return end_s
