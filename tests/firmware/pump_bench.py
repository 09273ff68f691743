"""A pump on the bench: the core with a motor that only notes its pulses. Runs on CPython and on MicroPython.

Times are pump seconds. `bench.do(s, command, ...)` lets a command take effect at s and returns its response code;
`bench.pulses` are the seconds of all motor pulses and `bench.told` all events, `(s, name, values ...)`.
"""

import settings as product
from pump import events
from pump.core import Pump

_NAMES = (
    "REFERENCE_TIME", "BOLUS_STARTED", "BOLUS_ENDED", "BASAL_CHANGED", "TBR_STARTED", "TBR_ENDED", "TBR_CHANGED",
    "PROFILE_ACTIVATED", "BLOCK_CHANGED", "DAILY", "THERAPY", "OPERATIONAL", "RESERVOIR", "ANNUNCIATION", "MAX_BOLUS",
    "DECISION",
)  # fmt: skip
NAMES = {getattr(events, name): name for name in _NAMES}


class Settings:
    """The product's settings, with some replaced."""

    def __init__(self, replaced):
        for name in dir(product):
            if name[0].isupper():
                setattr(self, name, replaced.get(name, getattr(product, name)))


class Bench:
    """One pump, from its reset at second 0.

    Args:
        replaced: settings of the product that differ here, by name.
    """

    def __init__(self, replaced=None):
        self.pulses = []
        self.readings = []
        self.told = []
        self.occluded = False
        self.pump = Pump(Settings(replaced or {}), self._emit, self)
        self.pump.advance(0)

    def ready(self, s):
        """The motor's side: the force is read before a pulse."""
        self.readings.append(s)
        return not self.occluded

    def pulse(self, s):
        """The motor's side: one pulse leaves at s."""
        self.pulses.append(s)

    def _emit(self, event, s, *values):
        # MicroPython has no star in a tuple.
        self.told.append((s, NAMES[event]) + values)  # noqa: RUF005

    def run(self, s):
        """Advance to s and return the pump."""
        self.pump.advance(s)
        return self.pump

    def do(self, s, command, *operands):
        """Let a command take effect at s; returns its response code."""
        return getattr(self.run(s), command)(s, *operands)

    def profile(self, s, *blocks, template=1):
        """Write (minutes, mU/h) blocks and activate them."""
        for index, (minutes, rate) in enumerate(blocks, 1):
            assert self.do(s, "write_block", template, index, minutes, rate) == events.SUCCESS
        assert self.do(s, "complete_profile", template) == events.SUCCESS
        assert self.do(s, "activate", [template], 0, 1) == events.SUCCESS

    def dose(self, rate, s=0):
        """Run with one basal rate round the clock."""
        self.profile(s, (1440, rate))
        assert self.do(s, "set_therapy_state", events.RUN) == events.SUCCESS
        return self

    def all(self, *names):
        """What was told of these kinds: (s, values ...) of one kind, (s, name, values ...) of several."""
        told = [line for line in self.told if line[1] in names]
        return [line[:1] + line[2:] for line in told] if len(names) == 1 else told

    def since(self, s):
        """The names of what was told from s on, in order, with their seconds."""
        return [line[:2] for line in self.told if line[0] >= s and line[1] != "REFERENCE_TIME"]
