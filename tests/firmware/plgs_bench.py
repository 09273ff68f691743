"""What the tests of CGM and of plgs share: a pump under plgs, and samples for it."""

from fractions import Fraction

from firmware.pump_bench import Bench
from pump import events

NONE, KEEP, SUSPEND, RESUME = (
    events.ACTION_NONE, events.ACTION_KEEP, events.ACTION_SUSPEND, events.ACTION_RESUME,
)  # fmt: skip
DEFAULTS = {
    "controller": events.PLGS, "predicted": 80, "now": 70, "horizon": 30, "limit": 120, "window": 150, "stale": 15,
    "lockout": 30, "dia": 300, "peak": 75, "near": 0, "resume": 0, "resume_predicted": 0, "minimum": 5, "flags": 3,
}  # fmt: skip


def configure(bench, s, **changed):
    """Write the controller settings, the defaults with some changed."""
    return bench.do(s, "configure", *{**DEFAULTS, **changed}.values())


def plgs(rate=1000, **changed):
    """A pump in Run under plgs whose session starts at second 0."""
    bench = Bench().dose(rate)
    assert configure(bench, 0, **changed) == events.SUCCESS
    bench.pump.cgm_session(0, 0)
    return bench


def sample(bench, offset, glucose, s=None, status=0):
    """One sample, measured when it takes effect unless s says otherwise; returns (action, reason)."""
    bench.do(60 * offset if s is None else s, "cgm_sample", offset, glucose, status)
    return bench.pump.decision.action, bench.pump.decision.reason


def samples(bench, *pairs):
    """Several (offset, glucose); returns the last decision."""
    for offset, glucose in pairs:
        decided = sample(bench, offset, glucose)
    return decided


def last_of(*pairs, **changed):
    """The decision on the last sample, when therapy was stopped at the ones before."""
    bench = plgs(**changed)
    bench.do(0, "set_therapy_state", events.STOP)
    samples(bench, *pairs[:-1])
    bench.do(60 * pairs[-1][0], "set_therapy_state", events.RUN)
    return samples(bench, pairs[-1]), bench.pump.decision.predicted_mg_dl


def suspensions(bench):
    """(start, minutes) and (end, reason) of all TBRs."""
    started = [(s, minutes) for s, rate, minutes, context, *_ in bench.all("TBR_STARTED") if context == 0x55]
    return started, [(s, reason) for s, _, reason, *_ in bench.all("TBR_ENDED")]


def exact(points, horizon):
    """The straight line of least squares in fractions: its value at the newest offset plus the horizon."""
    n = len(points)
    mean_x = Fraction(sum(x for x, _ in points), n)
    mean_y = Fraction(sum(y for _, y in points), n)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / sum((x - mean_x) ** 2 for x, _ in points)
    return mean_y + slope * (points[-1][0] + horizon - mean_x)
