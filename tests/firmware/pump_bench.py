"""A pump on the bench: the core with a motor that only notes its pulses. Runs on CPython and on MicroPython.

Times are pump seconds. `bench.do(s, command, ...)` lets a command take effect at s and returns its response code;
`bench.pulses` are the seconds of all motor pulses and `bench.told` all events, `(s, name, values ...)`. What an event
leaves to be read from the pump stands in its place there:

BOLUS_STARTED  id, fast_mu, extended_mu, duration_minutes, delay_minutes
BOLUS_ENDED    id, delivered_mu, end reason, annunciation id, start_s
TBR_STARTED    value, duration_minutes, context, template, 1 when relative
TBR_CHANGED    value, duration_minutes, elapsed_minutes, template, 1 when relative
"""

import settings as product
from pump import events

try:
    from firmware.whole_pump import Pump
except ImportError:
    # Without the tests' package, as on MicroPython.
    from whole_pump import Pump

_NAMES = (
    "REFERENCE_TIME", "BOLUS_STARTED", "BOLUS_ENDED", "BASAL_CHANGED", "TBR_STARTED", "TBR_ENDED", "TBR_CHANGED",
    "PROFILE_ACTIVATED", "BLOCK_CHANGED", "ISF_BLOCK_CHANGED", "ICHO_BLOCK_CHANGED", "TARGET_BLOCK_CHANGED", "DAILY",
    "THERAPY", "OPERATIONAL", "RESERVOIR", "ANNUNCIATION", "MAX_BOLUS", "DECISION", "BOLUS_CALCULATED",
    "PRIMING_STARTED", "PRIMING_DONE", "POINTER", "TBR_TEMPLATE_CHANGED", "BOLUS_TEMPLATE_CHANGED",
    "GUARDRAIL", "CARBS",
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
        pump = self.pump
        tbr = pump.tbr
        if event == events.BOLUS_STARTED:
            bolus = pump.boluses[values[0]]
            values = (
                bolus.bolus_id, bolus.fast_mu, bolus.extended_mu, bolus.duration_minutes, bolus.delay_minutes
            )  # fmt: skip
        elif event == events.BOLUS_ENDED:
            bolus = pump.boluses[values[0]]
            delivered_mu = bolus.fast_delivered_mu + bolus.extended_delivered_mu
            values = (bolus.bolus_id, delivered_mu, values[1], values[2], bolus.start_s)
        elif event in (events.TBR_STARTED, events.TBR_CHANGED):
            third = tbr.context if event == events.TBR_STARTED else values[0]
            values = (tbr.value, tbr.duration_minutes, third, tbr.template, int(tbr.kind == events.RELATIVE))
        # MicroPython has no star in a tuple.
        self.told.append((s, NAMES[event]) + values)  # noqa: RUF005

    def run(self, s):
        """Advance to s and return the pump."""
        self.pump.advance(s)
        return self.pump

    def do(self, s, command, *operands):
        """Let a command take effect at s; returns its response code."""
        return getattr(self.run(s), command)(s, *operands)

    def bolus(self, s, fast_mu=0, extended_mu=0, minutes=0, delay=0):
        """Set a bolus of the type that its amounts make."""
        kind = events.MULTIWAVE if fast_mu and extended_mu else events.EXTENDED if extended_mu else events.FAST
        return self.do(s, "set_bolus", kind, fast_mu, extended_mu, minutes, delay, 0, 0, 0)

    def tbr(self, s, rate, minutes, change=False, context=events.REMOTE_CONTROL):
        """Set an absolute TBR."""
        return self.do(s, "set_tbr", events.ABSOLUTE, rate, minutes, change, context, 0)

    def factor(self, s, thousandths, minutes, change=False):
        """Set a relative TBR."""
        return self.do(s, "set_tbr", events.RELATIVE, thousandths, minutes, change, events.REMOTE_CONTROL, 0)

    def write(self, s, template, *blocks):
        """Write (duration, value[, high]) blocks and complete the profile; returns the first code but success."""
        kind = self.pump.templates.type_of(template)
        for index, block in enumerate(blocks, 1):
            high = block[2] if len(block) > 2 else 0
            code = self.do(s, "write_block", kind, template, index, block[0], block[1], high)
            if code != events.SUCCESS:
                return code
        return self.do(s, "complete_profile", kind, template)

    def profile(self, s, *blocks, template=1):
        """Write (minutes, mU/h) blocks and activate them."""
        assert self.write(s, template, *blocks) == events.SUCCESS
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
