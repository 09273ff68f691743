"""Temporary basal rate: accepted values, start, change, cancel and end to the second.

Method: commands on the bench at the boundaries of D-301 to D-306; expected are response codes, what the history is
told, and what was earned.
"""

import pytest

from firmware.pump_bench import Bench
from pump import events

DEVICE = events.DEVICE
REMOTE = events.REMOTE_CONTROL


def tbr(bench, s, rate, minutes, change=False):
    """Set TBR by a remote control."""
    return bench.tbr(s, rate, minutes, change, REMOTE)


@pytest.mark.parametrize(
    "rate, minutes, code",
    [(825, 30, events.SUCCESS), (0, 1, events.SUCCESS), (30000, 1440, events.SUCCESS), (30001, 30, events.OUT_OF_RANGE),
     (-1, 30, events.OUT_OF_RANGE), (1000, 0, events.OUT_OF_RANGE), (1000, 1441, events.OUT_OF_RANGE)],
)  # fmt: skip
def test_what_is_accepted(rate, minutes, code):
    """D-301, D-801: both limits are allowed, one beyond is not."""
    assert tbr(Bench().dose(1000), 10, rate, minutes) == code


@pytest.mark.parametrize("state", [events.STOP, events.PAUSE])
def test_only_in_run(state):
    """D-301: 0x74 otherwise, also for a change of one that runs on in Pause."""
    bench = Bench().dose(1000)
    tbr(bench, 5, 500, 30)
    bench.do(10, "set_therapy_state", state)
    for change in (False, True):
        assert tbr(bench, 20, 500, 30, change) == events.NOT_APPLICABLE


def test_the_change_flag_must_say_what_is():
    """D-301: an active one without the flag, or the flag with none active: 0x74; an impossible value comes first."""
    bench = Bench().dose(1000)
    assert tbr(bench, 10, 500, 30, change=True) == events.NOT_APPLICABLE
    assert tbr(bench, 10, 500, 30) == events.SUCCESS
    assert tbr(bench, 20, 600, 30) == events.NOT_APPLICABLE
    assert tbr(bench, 20, 30001, 30) == events.OUT_OF_RANGE
    assert bench.pump.tbr.value == 500


def test_the_end_second_belongs_to_the_profile():
    """D-302: 2 U/h for 1 min from 600 over a profile of 0 earns 120000."""
    bench = Bench().dose(0)
    tbr(bench, 600, 2000, 1)
    assert bench.run(659).tbr.active
    pump = bench.run(660)
    assert not pump.tbr.active
    assert pump.delivery.rest() == 120000
    assert bench.run(5000).delivery.rest() == 120000


def test_its_group_is_told_together():
    """D-905: start, change and end, each with the delivered rate right after it, also when that stays the same."""
    bench = Bench().dose(1000)
    tbr(bench, 600, 1000, 30)
    tbr(bench, 660, 2000, 30, change=True)
    bench.run(3000)
    told = bench.all("TBR_STARTED", "TBR_CHANGED", "TBR_ENDED", "BASAL_CHANGED")[1:]
    assert told == [
        (600, "TBR_STARTED", 1000, 30, REMOTE, 0, 0),
        (600, "BASAL_CHANGED", 1000, 1000, REMOTE, 0, 0),
        (660, "TBR_CHANGED", 2000, 30, 1, 0, 0),
        (660, "BASAL_CHANGED", 1000, 2000, REMOTE, 0, 0),
        (2460, "TBR_ENDED", 31, events.COMPLETE, 0, 0, 0),
        (2460, "BASAL_CHANGED", 2000, 1000, DEVICE, 0, 0),
    ]


def test_a_change_counts_its_duration_from_itself():
    """D-303: 30 min from 600, changed at 660 to 30 min, ends at 2460; at that second there is none to change."""
    bench = Bench().dose(1000)
    tbr(bench, 600, 500, 30)
    tbr(bench, 660, 700, 30, change=True)
    assert bench.run(2459).tbr.active
    assert tbr(bench, 2460, 800, 30, change=True) == events.NOT_APPLICABLE


def test_cancel_puts_the_profile_in_force_at_its_second():
    """D-304, D-305: cancelled after 899 s, effective 14 min."""
    bench = Bench().dose(0)
    tbr(bench, 1, 3600, 30)
    assert bench.do(900, "cancel_tbr") == events.SUCCESS
    pump = bench.run(2000)
    assert len(bench.pulses) * 180000 + pump.delivery.rest() == 899 * 3600
    assert bench.all("TBR_ENDED") == [(900, 14, events.CANCELED, 0, 0, 0)]
    assert bench.do(2000, "cancel_tbr") == events.NOT_APPLICABLE


@pytest.mark.parametrize("after_s, effective, remaining", [(59, 0, 30), (60, 1, 29), (1799, 29, 1)])
def test_effective_is_rounded_down_and_remaining_up(after_s, effective, remaining):
    """D-305: 59 s effective is 0 min, 1 s remaining is 1 min."""
    bench = Bench().dose(1000)
    tbr(bench, 600, 500, 30)
    assert bench.run(600 + after_s).tbr.remaining_minutes(600 + after_s) == remaining
    bench.do(600 + after_s, "cancel_tbr")
    assert bench.all("TBR_ENDED")[0][1] == effective


def test_time_runs_on_in_pause():
    """D-302, D-503: it ends at its second, and earned its rate while it lasted."""
    bench = Bench().dose(0)
    tbr(bench, 600, 3600, 1)
    bench.do(630, "set_therapy_state", events.PAUSE)
    bench.do(700, "set_therapy_state", events.RUN)
    bench.run(800)
    assert bench.all("TBR_ENDED") == [(660, 1, events.COMPLETE, 0, 0, 0)]
    assert bench.pulses == [701]


def test_a_block_boundary_under_a_tbr_shows_only_at_its_end():
    """D-202, D-907: the TBR's rate is delivered while it runs."""
    bench = Bench()
    bench.profile(0, (360, 800), (1080, 1000))
    bench.do(0, "set_therapy_state", events.RUN)
    tbr(bench, 21000, 500, 30)
    bench.run(23000)
    assert bench.all("BASAL_CHANGED")[1:] == [
        (21000, 800, 500, REMOTE, 0, 0),
        (22800, 500, 1000, DEVICE, 0, 0),
    ]
