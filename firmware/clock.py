# The pump's clock: whole seconds and milliseconds since the start, counted from the millisecond ticks.
#
# The ticks wrap after 2**30 ms (12.4 days), the seconds do not. `read` has to be called at least every 2**29 ms;
# the main loop does so for the watchdog's sake.
from time import ticks_add, ticks_diff, ticks_ms

_AHEAD_S_MAX = 500000  # So that the milliseconds until then stay a small int and a possible timeout of poll.


class Clock:
    def __init__(self):
        self.ticks_ms = 0
        self.s = 0
        self.ms = 0

    # Second 0 begins now.
    def start(self):
        self.ticks_ms = ticks_ms()

    def read(self):
        now_ms = ticks_ms()
        ms = self.ms + ticks_diff(now_ms, self.ticks_ms)
        self.ticks_ms = now_ms
        if ms >= 1000:
            self.s += ms // 1000
            ms %= 1000
        self.ms = ms

    # What arrives now takes effect at this pump second.
    def effect_s(self):
        return self.s + 1

    # Milliseconds from the last reading to the start of a pump second; 0 when it has begun.
    def ms_until_s(self, s):
        ahead_s = s - self.s
        if ahead_s <= 0:
            return 0
        if ahead_s > _AHEAD_S_MAX:
            ahead_s = _AHEAD_S_MAX
        return ahead_s * 1000 - self.ms


# A span of milliseconds that runs, or does not; at most 2**29 ms long.
class Timeout:
    def __init__(self, clock):
        self._clock = clock
        self._at_ms = 0
        self.running = False

    def start(self, span_ms):
        self._at_ms = ticks_add(self._clock.ticks_ms, span_ms)
        self.running = True

    def stop(self):
        self.running = False

    # Milliseconds left at the clock's last reading, 0 when over. Only for one that runs.
    def left_ms(self):
        left_ms = ticks_diff(self._at_ms, self._clock.ticks_ms)
        return left_ms if left_ms > 0 else 0

    def over(self):
        return self.running and ticks_diff(self._at_ms, self._clock.ticks_ms) <= 0
