"""Goal: insulin on board of a pump that runs is that of oref0 on the same pulses: D-1013, D-1102, D-1103.

Method: TBRs and boluses at random through the pump on CPython. The pulses of its motor, and as deficits those that its
profile alone would have given, go to lib/iob/total.js as treatments; and its TBRs, as oref0 reads a pump's history, to
lib/iob.
"""

from random import Random

import pytest

from firmware.loop_bench import loop, sample
from oref0.cases import NOW_MS
from oref0.reference import Reference
from oref0.test_insulin import history_of
from pump import events
from pump.control import own

HOUR_S, RATE, NOW_S = 3600, 1000, 9 * 3600
PROFILE = {
    "dia": 5, "curve": "rapid-acting", "current_basal": 1, "max_daily_basal": 1,
    "basalprofile": [{"i": 0, "start": "00:00:00", "minutes": 0, "rate": 1}],
}  # fmt: skip


@pytest.fixture
def reference():
    process = Reference()
    yield process
    process.close()


def treatment(s, units):
    return {"date": NOW_MS + 1000 * s, "insulin": units}


def dosed(seed, boluses):
    """A pump after some hours, and its TBRs as (second, mU/h, minutes)."""
    r = Random(seed)
    bench, temps = loop(RATE, controller=events.OWN), []
    s = 60 * r.randrange(1, 60)
    while s < NOW_S - 2400:
        minutes = r.choice([30, 30, 60, 90])
        rate = r.choice([0, 0, 300, 650, 1500, 2750, 4000])
        assert bench.tbr(s, rate, minutes, change=bench.run(s).tbr.active) == events.SUCCESS
        temps.append((s, rate, minutes))
        if boluses and r.random() < 0.4:
            bench.bolus(s, fast_mu=50 * r.randrange(1, 80))
        s += 60 * r.choice([minutes, r.randrange(5, minutes), minutes + r.randrange(5, 60)])
    sample(bench, NOW_S // 60, 120)
    return bench, temps


@pytest.mark.parametrize("seed", range(12))
def test_iob_is_that_of_total_js(monkeypatch, reference, seed):
    monkeypatch.setattr(own, "decide", lambda inputs, settings, decision: None)
    bench, _ = dosed(seed, boluses=True)
    iob = bench.pump.control.loop(bench.pump).inputs.iob
    due = [180 * n for n in range(1, NOW_S // 180 + 1)]
    doses = [treatment(s, 0.05) for s in bench.pulses] + [treatment(s, -0.05) for s in due]
    left_out = [treatment(s, -0.05) for s in range(NOW_S + 180, NOW_S + 14401, 180)]
    times = [NOW_MS + 1000 * (NOW_S + 300 * i) for i in range(48)]
    there = reference.ask("total", treatments=doses, profile=PROFILE, times=times)
    zero = reference.ask("total", treatments=doses + left_out, profile=PROFILE, times=times)
    assert abs(iob.iob - there[0]["iob"]) < 0.001
    assert list(iob.activities) == [one["activity"] for one in there]
    assert list(iob.zero_temp_activities) == [one["activity"] for one in zero]


def test_iob_is_near_what_oref0_makes_of_the_history(monkeypatch, reference):
    """Whole pulses against oref0's small boluses of 0.05 U: at most that much apart for each piece of 30 min."""
    monkeypatch.setattr(own, "decide", lambda inputs, settings, decision: None)
    worst = 0.0
    for seed in range(10):
        bench, temps = dosed(seed, boluses=False)
        clock = history_of([(NOW_S, 0, 0)])[0]["timestamp"]
        there = reference.ask("iob", history=history_of(temps), profile=PROFILE, clock=clock)
        here = bench.pump.control.loop(bench.pump).inputs.iob.iob
        pieces = sum(-(-minutes // 30) for s, _, minutes in temps if s + 60 * minutes > NOW_S - 5 * HOUR_S)
        worst = max(worst, abs(here - there[0]["iob"]) / pieces)
    print(f"10 runs of a pump: at most {worst:.4f} U a piece")
    assert worst <= 0.05
