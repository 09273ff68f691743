# Current Time: the pump's local time (CTS 1.1, 3.1). It says nothing of time zone and daylight saving.
from micropython import const

from gatt import att, handles
from gatt import wire_tables as tables
from gatt.characteristic import READ, WRITE, Characteristic
from gatt.codec import BAD_STRUCTURE, OK
from gatt.encode import encode
from gatt.procedures import SUCCESS
from pump.seldom import set_clock
from pump.wall import DST_UNKNOWN, ZONE_UNKNOWN

# Day numbers count from a Saturday; Monday is 1.
_WEEKDAY_OF_DAY_0 = const(6)


class CurrentTime(Characteristic):
    protected = False

    # on_set(s) is called when the clock has been set.
    def __init__(self, codec, pump, on_set):
        self._codec = codec
        self._pump = pump
        self._on_set = on_set
        super().__init__(handles.CURRENT_TIME, READ | WRITE)

    def encode(self, s, buf, start):
        fields = self._codec.fields
        wall = self._pump.wall
        wall.read(s)
        fields[tables.YEAR] = wall.year
        fields[tables.MONTH] = wall.month
        fields[tables.DAY] = wall.day_of_month
        fields[tables.HOUR] = wall.hour
        fields[tables.MINUTE] = wall.minute
        fields[tables.SECOND] = wall.second
        fields[tables.DAY_OF_WEEK] = (wall.day(s) + _WEEKDAY_OF_DAY_0 - 1) % 7 + 1
        fields[tables.FRACTIONS_256] = 0
        fields[tables.ADJUST_REASON] = 0
        return encode(self._codec, tables.CURRENT_TIME, buf, start)

    def write(self, s, buf, start, end):
        fields = self._codec.fields
        outcome = self._codec.decode(tables.CURRENT_TIME, buf, start, end)
        if outcome == BAD_STRUCTURE:
            return att.INVALID_LENGTH
        if outcome != OK:
            return att.OUT_OF_RANGE
        code = set_clock(
            self._pump, s, fields[tables.YEAR], fields[tables.MONTH], fields[tables.DAY], fields[tables.HOUR],
            fields[tables.MINUTE], fields[tables.SECOND], ZONE_UNKNOWN, DST_UNKNOWN,
        )  # fmt: skip
        if code != SUCCESS:
            return att.OUT_OF_RANGE
        self._on_set(s)
        return att.OK
