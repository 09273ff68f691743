"""The firmware's module `clock` where there are no ticks: its milliseconds are what the test sets in `ticks_ms`."""


class Timeout:
    """A span of milliseconds that runs, or does not."""

    def __init__(self, clock):
        self._clock = clock
        self._at_ms = 0
        self.running = False

    def start(self, span_ms):
        """Let it run from now on."""
        self._at_ms = self._clock.ticks_ms + span_ms
        self.running = True

    def stop(self):
        """Let it not run."""
        self.running = False

    def left_ms(self):
        """Milliseconds left, 0 when over."""
        return max(0, self._at_ms - self._clock.ticks_ms)

    def over(self):
        """Whether it ran out."""
        return self.running and self._at_ms <= self._clock.ticks_ms
