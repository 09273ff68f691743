"""Goal: the glucose status of readings is that of oref0's glucose-get-last: D-1011. And days that people recorded lead
controller oref and oref0 to the same decisions.

Method: random readings with jitter, gaps, faults, calibrations and other sensors; and the traces of PUMPRIG_SAMPLES,
reading by reading: status, insulin on board of what the decisions so far delivered, decision.
"""

import os
from pathlib import Path
from random import Random

import pytest

from oref0.cases import NOW_MS
from oref0.replay import Replay
from pump.control.oref.glucose import CALIBRATION, COUNTED, LEFT_OUT, Readings, status
from pump.control.oref.inputs import Glucose
from pumprig.decide.oref import OrefDecider
from pumprig.trace.loader import load_trace

TRACES = {
    "dexcom_clarity_8_days.csv": 2148, "librelink_68_days.csv": 4302, "loop_capture_2023.csv": 120,
    "loop_suspend_2023.csv": 120, "oref0_rig_2018/glucose.json": 288,
}  # fmt: skip


def firmware_status(readings):
    """The firmware's status of readings as oref0 takes them, with oref0's keys."""
    taken, glucose = Readings(), Glucose()
    taken.count = len(readings)
    for i, one in enumerate(readings):
        taken.mg_dl[i] = one["glucose"]
        taken.ages_ms[i] = readings[0]["date"] - one["date"]
        same = one.get("device") == readings[0].get("device")
        taken.kinds[i] = CALIBRATION if one.get("type") == "cal" else COUNTED if same else LEFT_OUT
    age_ms = status(taken, glucose)
    return {
        "glucose": glucose.mg_dl, "delta": glucose.delta, "short_avgdelta": glucose.short_delta,
        "long_avgdelta": glucose.long_delta, "date": readings[0]["date"] - age_ms,
    }  # fmt: skip


def compare_status(reference, readings):
    there = reference.ask("glucose", readings=readings)
    here = firmware_status(readings)
    assert here == {key: there[key] for key in here}, readings
    return there


def random_readings(r):
    date, mg_dl, every_s = NOW_MS, r.randrange(45, 300), r.choice([60, 300, 300, 300, 900])
    readings = []
    for _ in range(r.choice([1, 2, 10, 45])):
        readings.append({"date": date, "glucose": mg_dl, "device": r.choice(["a"] * 20 + ["b"])})
        if r.random() < 0.02:
            readings[-1]["type"] = "cal"
        step_s = r.choice([every_s] * 6 + [every_s + 1, every_s - 1, 30, 90, 149, 150, 151, 450, 1050, 2550, -60])
        date -= 1000 * step_s + r.choice([0, 0, 1, 499, 500])
        mg_dl = r.choice([max(39, mg_dl + r.randrange(-12, 13))] * 30 + [38, 39, 12])
    return readings


def test_status_of_random_readings(reference):
    for seed in range(1500):
        compare_status(reference, random_readings(Random(seed)))


def replay(reference, name, count, profile):
    path = Path(os.environ.get("PUMPRIG_SAMPLES", "../shared")) / "traces" / name
    if not path.exists():
        pytest.skip(f"recorded samples are not there: {path} (set PUMPRIG_SAMPLES)")
    samples = load_trace(path).samples[:count]
    run = Replay(profile)
    smbs = temps = 0
    with OrefDecider() as decider:
        for i, sample in enumerate(samples):
            recent = [one for one in samples[max(0, i - 50) : i + 1] if sample.offset_minutes - one.offset_minutes < 60]
            readings = [
                {"date": run.ms(60 * one.offset_minutes), "glucose": one.glucose_mg_dl, "device": "trace"}
                for one in reversed(recent)
            ]
            glucose_status = compare_status(reference, readings)
            asked = run.inputs(60 * sample.offset_minutes, glucose_status)
            there, here = reference.ask("determine", **asked), decider.decide_on(asked)
            there.pop("reason"), here.pop("reason")
            assert here == there, (i, asked)
            run.carry_out(there)
            smbs, temps = smbs + ("units" in there), temps + ("rate" in there)
    print(f"{name}: {len(samples)} readings, {temps} TBRs and {smbs} small boluses, no differences")
    return smbs, temps


@pytest.mark.parametrize("name", TRACES)
def test_the_first_hours_of_recorded_days(reference, name):
    replay(reference, name, 40, {"enableSMB_always": True, "enableUAM": True})


@pytest.mark.slow
@pytest.mark.parametrize("extra", [{}, {"enableSMB_always": True, "enableUAM": True}], ids=["temp", "smb"])
@pytest.mark.parametrize("name", TRACES)
def test_recorded_days(reference, name, extra):
    smbs, temps = replay(reference, name, TRACES[name], extra)
    assert temps > 0
    assert (smbs > 0) == bool(extra)
