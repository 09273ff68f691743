"""What the tests of closed loops share: a pump under oref with all profiles, and samples for it. Runs on every port."""

import settings as product
from firmware.pump_bench import Bench
from pump import events
from pump.control import oref_settings as places

NONE, KEEP, SET, CANCEL = events.ACTION_NONE, events.ACTION_KEEP, events.ACTION_SET_TBR, events.ACTION_CANCEL_TBR
RULE = events.REASON_CONTROLLER_RULE
CONTROLLER = (80, 70, 30, 120, 150, 15, 30, 300, 75, 0, 0, 0, 5, 3)
SMB = places.FLAG_SMB | places.FLAG_SMB_ALWAYS
ISF, ICHO, TARGET = 10, 12, 14


def control(bench, s, controller, stale=15, dia=300, peak=75):
    """Choose a controller."""
    values = CONTROLLER[:5] + (stale, 30, dia, peak) + CONTROLLER[9:]  # noqa: RUF005
    return bench.do(s, "configure", controller, *values)


def oref_settings(bench, s, **changed):
    """Write the settings of oref, the pump's own with some changed: keys are places, in lower case."""
    values = list(product.OREF_SETTINGS)
    for name, value in changed.items():
        values[getattr(places, name.upper())] = value
    return bench.do(s, "configure_oref", *values)


def profiles(bench, s, isf=500, icho=100, low=1000, high=1100):
    """Activate an ISF, an I:CHO ratio and a target range for the whole day, in tenths."""
    for template, block in ((ISF, (1440, isf)), (ICHO, (1440, icho)), (TARGET, (1440, low, high))):
        assert bench.write(s, template, block) == events.SUCCESS
        assert bench.do(s, "activate", [template], 0, 1) == events.SUCCESS


def loop(rate=1000, replaced=None, controller=events.OREF, stale=15, **changed):
    """A pump in Run under a closed loop, whose session starts at second 0 and may stand still."""
    bench = Bench(replaced).dose(rate)
    profiles(bench, 0)
    assert oref_settings(bench, 0, **(dict(flat_cgm=events.FLAT_CGM_IGNORED) | changed)) == events.SUCCESS
    assert control(bench, 0, controller, stale) == events.SUCCESS
    bench.pump.cgm_session(0, 0)
    return bench


def sample(bench, offset, glucose, s=None, status=0):
    """One sample, measured when it takes effect unless s says otherwise; returns (action, reason)."""
    bench.do(60 * offset if s is None else s, "cgm_sample", offset, glucose, status)
    return bench.pump.decision.action, bench.pump.decision.reason


def still(bench, glucose, first, last):
    """Samples every 5 min that stand still; returns the last decision."""
    decided = None
    for offset in range(first, last + 1, 5):
        decided = sample(bench, offset, glucose)
    return decided
