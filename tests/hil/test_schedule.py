"""The stimulus schedule.

Goal: every stimulus has one pump second and one place in one order, and the CGM's faults are resolved before the run.
Method: short traces with commands and faults at the same second and at the edges of each other.
"""

from datetime import datetime

import pytest

from pumprig.errors import ScenarioError, UsageError
from pumprig.scenario import Scenario, demo_scenario_path
from pumprig.schedule import Schedule, make_schedule, run_seconds
from pumprig.trace import Sample, Trace

START_S = 60


def trace(*offsets: int) -> Trace:
    samples = tuple(Sample(offset, 100 + offset) for offset in offsets)
    return Trace(samples, datetime(2026, 3, 4, 6), "0" * 64, "plain", 5, (), 0, ())


def schedule(text: str = "", offsets: tuple[int, ...] = (0, 5, 10, 15), start_s: int = START_S) -> Schedule:
    return make_schedule(Scenario.from_toml(f"trace = 'bundled'\n{text}"), trace(*offsets), start_s)


def fault(kind: str, at: str, **fields: object) -> str:
    rest = "\n".join(f"{name} = {str(value).lower()}" for name, value in fields.items())
    return f"[[fault]]\nat = '{at}'\nkind = '{kind}'\n{rest}\n"


def command(kind: str, at: str, **fields: object) -> str:
    rest = "\n".join(f"{name} = {value}" for name, value in fields.items())
    return f"[[command]]\nat = '{at}'\nkind = '{kind}'\n{rest}\n"


def samples_of(plan: Schedule) -> list[tuple[int, int]]:
    return [(s.at_s, s.payload.offset_minutes) for s in plan.of_kind("sample")]


def test_samples_take_effect_at_their_offset_and_are_sent_half_a_second_before():
    plan = schedule()
    assert samples_of(plan) == [(60, 0), (360, 5), (660, 10), (960, 15)]
    assert [s.send_at_s for s in plan.stimuli] == [59.5, 359.5, 659.5, 959.5]
    assert [s.seq for s in plan.stimuli] == [0, 1, 2, 3]
    assert (plan.start_s, plan.end_s, plan.withheld) == (60, 60 + 20 * 60, ())


@pytest.mark.parametrize(("hours", "length_s"), [(None, 1200), (0.25, 900), (5, 1200)])
def test_a_run_ends_with_its_hours_or_with_its_trace(hours, length_s):
    text = f"hours = {hours}\n" if hours else ""
    scenario = Scenario.from_toml(f"trace = 'bundled'\n{text}")
    assert run_seconds(scenario, trace(0, 5, 10, 15).duration_minutes) == length_s


def test_the_order_within_one_second():
    text = (
        command("cancel_tbr", "00:05:00")
        + command("set_bolus", "00:05:00", amount_iu=1)
        + fault("bearer_down", "00:05:00", for_seconds=30)
        + fault("occlusion", "00:05:00", on=True)
        + fault("reservoir_level", "00:05:00", amount_iu=10)
        + fault("bearer_down", "00:04:00", for_seconds=59)
    )
    at_once = [s for s in schedule(text).stimuli if s.at_s == START_S + 300]
    assert [s.payload.kind if s.kind != "sample" else "sample" for s in at_once] == [
        "occlusion", "reservoir_level", "sample", "cancel_tbr", "set_bolus", "bearer_down",
    ]  # fmt: skip


def test_the_connection_comes_back_before_what_is_sent_at_that_second():
    plan = schedule(fault("bearer_down", "00:04:00", for_seconds=60) + command("cancel_tbr", "00:05:00"))
    assert [s.kind for s in plan.stimuli if s.at_s == START_S + 300] == ["bearer_up", "sample", "command"]


def test_the_schedule_of_a_scenario_is_always_the_same():
    scenario = Scenario.load(demo_scenario_path())
    one = make_schedule(scenario, scenario.load_trace(), START_S)
    assert one == make_schedule(Scenario.from_json(scenario.to_json()), scenario.load_trace(), START_S)
    keys = [(s.at_s, s.seq) for s in one.stimuli]
    assert keys == sorted(keys)
    assert [s.seq for s in one.stimuli] == list(range(len(one.stimuli)))


def test_dropped_samples_never_arrive_and_are_listed():
    # From the fifth minute up to, and not including, the fifteenth.
    plan = schedule(fault("cgm_drop", "00:05:00", for_minutes=10))
    assert samples_of(plan) == [(60, 0), (960, 15)]
    assert [(w.sample.offset_minutes, w.reason) for w in plan.withheld] == [(5, "dropped"), (10, "dropped")]


@pytest.mark.parametrize(("at", "offset"), [("00:05:00", 5), ("00:05:01", 10)])
def test_a_late_sample_keeps_its_measurement_time(at, offset):
    plan = schedule(fault("cgm_late", at, by_minutes=2))
    assert (START_S + 60 * offset + 120, offset) in samples_of(plan)
    assert len(samples_of(plan)) == 4


def test_a_late_sample_may_arrive_with_and_after_the_next():
    assert samples_of(schedule(fault("cgm_late", "00:05:00", by_minutes=5)))[1:3] == [(660, 5), (660, 10)]
    assert samples_of(schedule(fault("cgm_late", "00:05:00", by_minutes=6)))[1:3] == [(660, 10), (720, 5)]


def test_a_sample_that_would_arrive_after_the_end_is_withheld():
    plan = schedule(fault("cgm_late", "00:15:00", by_minutes=5))
    assert [(w.sample.offset_minutes, w.reason) for w in plan.withheld] == [(15, "after the end")]


def test_a_duplicate_arrives_one_second_after_its_original():
    assert samples_of(schedule(fault("cgm_duplicate", "00:04:00")))[1:3] == [(360, 5), (361, 5)]


def test_a_late_sample_is_duplicated_late():
    plan = schedule(fault("cgm_late", "00:05:00", by_minutes=1) + fault("cgm_duplicate", "00:05:00"))
    assert samples_of(plan)[1:3] == [(420, 5), (421, 5)]


def test_a_dropped_sample_is_neither_late_nor_duplicated():
    text = fault("cgm_drop", "00:05:00", for_minutes=1) + fault("cgm_duplicate", "00:05:00")
    assert samples_of(schedule(text)) == [(60, 0), (660, 10), (661, 10), (960, 15)]


def test_samples_are_lost_while_the_bearer_is_down():
    # The second at which it goes and the second at which it is back still count as connected.
    plan = schedule(fault("bearer_down", "00:05:00", for_seconds=600))
    assert samples_of(plan) == [(60, 0), (360, 5), (960, 15)]
    assert [(w.sample.offset_minutes, w.reason) for w in plan.withheld] == [(10, "bearer down")]


def test_a_bearer_that_stays_down_to_the_end_does_not_come_back():
    plan = schedule(fault("bearer_down", "00:16:00", for_seconds=240))
    assert [s.kind for s in plan.stimuli][-1] == "bearer_down"


def test_commands_count_from_the_first_sample():
    plan = schedule(command("cancel_tbr", "00:00:00"), start_s=1000)
    assert [(s.at_s, s.kind) for s in plan.stimuli[:2]] == [(1000, "sample"), (1000, "command")]


def test_a_command_after_the_end_of_the_trace_is_refused_with_its_line():
    with pytest.raises(ScenarioError, match=r"scenario.toml:3: command.1.at: 00:20:00 lies after the run"):
        schedule(command("cancel_tbr", "00:20:00"))


@pytest.mark.parametrize(("last", "is_refused"), [(65535, False), (65536, True)])
def test_a_trace_longer_than_a_session_can_count_is_refused(last, is_refused):
    if is_refused:
        with pytest.raises(UsageError, match="65535 minutes"):
            schedule(offsets=(0, last))
    else:
        assert samples_of(schedule(offsets=(0, last)))[-1] == (START_S + 60 * last, last)


def test_a_repeated_command_follows_the_commands_of_its_second():
    text = fault("repeat_command", "00:05:00") + command("set_bolus", "00:05:00", amount_iu=1)
    assert [s.kind for s in schedule(text).stimuli if s.at_s == 360] == ["sample", "command", "repeat"]
