# The probe's time: seconds and microseconds since its start, from ticks that wrap. `read` has to be called more often
# than they do, which is every nine minutes at the most.
from time import ticks_diff, ticks_us

_US = 1000000


class Ticking:
    def __init__(self):
        self.ticks = ticks_us()
        self.s = 0
        self.us = 0

    def read(self):
        now = ticks_us()
        self.us += ticks_diff(now, self.ticks)
        self.ticks = now
        self.s += self.us // _US
        self.us %= _US

    # The moment that lies so many microseconds before the last reading, as (second, microsecond).
    def ago(self, us):
        us = self.us - us
        return self.s + us // _US, us % _US

    # Microseconds before the last reading at which the ticks stood so.
    def since(self, ticks):
        return ticks_diff(self.ticks, ticks)
