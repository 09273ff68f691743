"""Goal: the same scenario gives the same dose events, octet for octet: run twice, repeated from its record, and by any
clock.

Method: one busy scenario with suspension, TBR, bolus, Pause and a bearer that goes down is run in lockstep and compared
with itself; a shorter one also at scaled and real time. A machine too busy for that skips with its reason.
"""

import json
import os
from pathlib import Path

import pytest

from campaign import size
from hil.rig_bench import PLGS, Run, command, every_5_minutes, fault, firmware_copy, fit_run, pump
from pumplink.virtual.clocks import Lockstep, parse_clock
from pumprig.runs import RunOptions, execute, make_plan
from pumprig.scenario import Scenario
from pumprig.verdict import Verdict

SAMPLES = Path(os.environ.get("PUMPRIG_SAMPLES", "../shared")) / "traces" / "dexcom_clarity_8_days.csv"
BUSY = (
    PLGS,
    pump((390, 1), (1050, 2)),
    command(310, "set_tbr", rate_iu_per_h=3, duration_minutes=30),
    command(900, "set_bolus", amount_iu=2),
    command(930, "set_therapy_state", state="pause"),
    command(1000, "set_therapy_state", state="run"),
    fault(1210, "cgm_duplicate"),
    fault(2000, "bearer_down", for_seconds=400),
    command(3000, "set_bolus", amount_iu=1),
)
FALLING = every_5_minutes([110, 100, 90, 80, 70, 65, 62, 60, 65, 75, 90, 110])


def test_the_same_run_twice_gives_the_same_octets(bench):
    first, second = bench.run(*BUSY, readings=FALLING), bench.run(*BUSY, readings=FALLING)
    assert first.verdict is Verdict.PASS, first.explain()
    assert (first.folder / "doses.jsonl").read_bytes() == (second.folder / "doses.jsonl").read_bytes()
    assert first.outcome.summary["doses_sha256"] == second.outcome.summary["doses_sha256"]
    names = {dose["event"] for dose in first.doses}
    assert {"pulse", "suspend", "resume", "HistoryTbrStarted", "HistoryBolusDelivered2"} <= names


def test_a_dose_event_has_no_host_time_and_sorted_keys(bench):
    run = bench.run(*BUSY, readings=FALLING)
    for line in run.dose_text.splitlines():
        dose = json.loads(line)
        assert list(dose) == sorted(dose)
        assert not {"host", "t"} & set(dose)


def test_a_run_is_rebuilt_from_its_record(bench, tmp_path):
    first = bench.run(*BUSY, readings=FALLING)
    recorded = json.loads((first.folder / "run.json").read_text(encoding="utf-8"))["scenario"]
    again = Scenario.from_json(json.dumps(recorded))
    options = RunOptions(board="virtual", clock=Lockstep(), out=tmp_path / "again", report=False)
    second = execute(make_plan(again), options)
    assert (second.folder / "doses.jsonl").read_text(encoding="utf-8") == first.dose_text


def test_firmware_that_differs_in_a_comment_gives_the_same_doses(bench, tmp_path):
    copy = firmware_copy(tmp_path, pump__daily=("# Total daily insulin:", "# Insulin of the day:"))
    first, second = bench.run(*BUSY, readings=FALLING), bench.run(*BUSY, readings=FALLING, firmware=copy)
    assert first.dose_text == second.dose_text
    assert first.outcome.summary != second.outcome.summary
    hashes = [json.loads((run.folder / "run.json").read_text())["firmware_hash"] for run in (first, second)]
    assert hashes[0] != hashes[1]


# Minutes apart, so that a suspension is seen within a few of them.
SHORT = [(0, 90), (1, 80), (2, 68), (3, 66)]
SHORT_PARTS = (
    PLGS, pump((1440, 20)), command(30, "set_bolus", amount_iu=1), command(31, "set_tbr", rate_iu_per_h=10,
                                                                           duration_minutes=5),
    fault(75, "bearer_down", for_seconds=20), command(130, "set_bolus", amount_iu=1),
)  # fmt: skip


def test_scaled_time_gives_the_doses_of_lockstep(bench):
    lockstep = bench.run(*SHORT_PARTS, readings=SHORT)
    assert lockstep.verdict is Verdict.PASS, lockstep.explain()
    assert len(lockstep.pulses) > 40
    assert lockstep.of("suspend") == [(120,)]
    scaled = fit_run(lambda: bench.run(*SHORT_PARTS, readings=SHORT, clock="scaled:60"))
    assert scaled.verdict is Verdict.PASS, scaled.explain()
    assert scaled.dose_text == lockstep.dose_text
    checks = scaled.outcome.summary["checks"]
    assert checks["decision-deadline-host"]["judged"]
    assert checks["decision-deadline-host"]["passed"] == len(SHORT)
    assert not lockstep.outcome.summary["checks"]["decision-deadline-host"]["judged"]


def test_a_sample_fetched_after_a_lost_connection_suspends_at_the_same_second_on_every_clock(bench):
    """D-617: it leaves at a moment of the second that each clock has for it alone."""
    parts = (PLGS, pump((1440, 20)), fault(75, "bearer_down", for_seconds=90), command(170, "set_bolus", amount_iu=1))
    lockstep = bench.run(*parts, readings=SHORT)
    assert lockstep.verdict is Verdict.PASS, lockstep.explain()
    assert lockstep.of("suspend") == [(75 + 90 + 1,)]
    scaled = fit_run(lambda: bench.run(*parts, readings=SHORT, clock="scaled:60"))
    assert scaled.verdict is Verdict.PASS, scaled.explain()
    assert scaled.dose_text == lockstep.dose_text


@pytest.mark.slow
@pytest.mark.parametrize(("clock", "minutes"), [("scaled:60", 60), ("realtime", size(3, whole=10))])
def test_an_hour_at_sixty_times_and_minutes_of_real_time_give_the_doses_of_lockstep(bench, clock, minutes):
    # The recorded trace where there is one, else the day that comes with pumprig.
    trace = SAMPLES.resolve() if SAMPLES.is_file() else "bundled"
    text = "\n".join([
        f'trace = "{trace}"', "start = 10", f"hours = {minutes / 60}", PLGS, pump((720, 3), (720, 6)),
        command(10, "set_bolus", amount_iu=2), command(60, "set_tbr", rate_iu_per_h=9, duration_minutes=1),
        fault(80, "bearer_down", for_seconds=60),
    ])  # fmt: skip
    scenario = Scenario.from_toml(text)

    def run(how):
        options = RunOptions(board="virtual", clock=how, out=bench.folder / "runs", report=False)
        return Run(execute(make_plan(scenario, how), options))

    lockstep = run(Lockstep())
    other = fit_run(lambda: run(parse_clock(clock)), attempts=3)
    assert lockstep.verdict is Verdict.PASS, lockstep.explain()
    assert other.verdict is Verdict.PASS, other.explain()
    assert other.dose_text == lockstep.dose_text
    assert len(lockstep.pulses) > 40
    # The deadline of a command's answer is judged at real time alone.
    assert bool(other.outcome.summary["checks"]["response-deadline"]["passed"]) is (clock == "realtime")


@pytest.mark.slow
def test_two_weeks_of_a_sensor_are_exact(bench):
    day = [*range(140, 60, -4), *range(60, 180, 3), *range(180, 140, -1)]
    glucose = (day * 60)[: 14 * 288]
    run = bench.run(PLGS, pump((360, 1), (1080, 2)), readings=every_5_minutes(glucose))
    assert run.verdict is Verdict.PASS, run.explain()
    assert run.outcome.summary["samples_sent"] == 14 * 288


@pytest.mark.slow
def test_a_recorded_trace_of_eight_days_passes(tmp_path):
    if not SAMPLES.is_file():
        pytest.skip(f"there is no recorded trace at {SAMPLES}; PUMPRIG_SAMPLES names their folder")
    plan = make_plan(Scenario.from_trace(SAMPLES, controller="plgs"))
    outcomes = [
        execute(plan, RunOptions(board="virtual", clock=Lockstep(), out=tmp_path, report=False)) for _ in range(2)
    ]
    assert [outcome.verdict for outcome in outcomes] == [Verdict.PASS] * 2
    assert outcomes[0].summary["doses_sha256"] == outcomes[1].summary["doses_sha256"]
    assert outcomes[0].summary["samples_sent"] == len(plan.trace.samples)
