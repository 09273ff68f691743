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


# --- Relative TBR (D-308) -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("factor", "rate", "delivered"),
    [(1100, 825, 907), (1100, 30000, 30000), (2500, 12000, 30000), (2500, 11999, 29997), (0, 1000, 0), (999, 1, 0),
     (1000, 825, 825)],
)  # fmt: skip
def test_a_relative_tbr_is_rounded_down_and_limited(factor, rate, delivered):
    """D-308: 1.1 over 0.825 U/h is 0.907 U/h, over 30 U/h it is 30."""
    bench = Bench().dose(rate)
    assert bench.factor(10, factor, 30) == events.SUCCESS
    assert bench.pump.delivered_rate_mu_per_h() == delivered
    assert bench.all("TBR_STARTED") == [(10, factor, 30, REMOTE, 0, 1)]


@pytest.mark.parametrize(
    ("kind", "value", "minutes", "code"),
    [
        (events.RELATIVE, 2500, 1440, events.SUCCESS), (events.RELATIVE, 2501, 1, events.OUT_OF_RANGE),
        (events.RELATIVE, -1, 1, events.OUT_OF_RANGE), (events.RELATIVE, 0, 0, events.OUT_OF_RANGE),
        (events.RELATIVE, 0, 1441, events.OUT_OF_RANGE), (0x0F, 99999, 0, events.INVALID_OPERAND),
    ],
)  # fmt: skip
def test_what_a_relative_tbr_may_be(kind, value, minutes, code):
    """D-301: a factor of 0 to 2.5; another type 0x71, whatever else is wrong. In Stop 0x74 comes last."""
    command = ("set_tbr", kind, value, minutes, False, REMOTE, 0)
    assert Bench().dose(0).do(10, *command) == code
    assert Bench().do(10, *command) == (events.NOT_APPLICABLE if code == events.SUCCESS else code)


def test_a_relative_tbr_follows_the_profile():
    """D-308: at a block boundary, an activation and a clock change, recorded with context device."""
    bench = Bench()
    bench.profile(0, (360, 800), (1080, 1000))
    assert bench.write(0, 2, (1440, 400)) == events.SUCCESS
    bench.do(0, "set_therapy_state", events.RUN)
    bench.factor(21000, 1500, 1000)
    bench.do(30000, "activate", [2], 0, 1)
    bench.do(40000, "activate", [1], 0, 1)
    bench.do(50000, "set_clock", 2024, 5, 2, 1, 0, 0, 0, 0)
    device = events.DEVICE
    assert [line[:4] for line in bench.all("BASAL_CHANGED")[1:]] == [
        (21000, 800, 1200, REMOTE), (21600, 1200, 1500, device), (30000, 1500, 600, device),
        (40000, 600, 1500, device), (50000, 1500, 1200, device),
    ]  # fmt: skip
    bench.run(21000 + 60000)
    assert bench.all("TBR_ENDED") == [(81000, 1000, events.COMPLETE, 0, 0, 0)]


def test_a_boundary_that_leaves_the_limited_rate_is_not_recorded():
    """D-308, D-905: 2.5 over 20 and over 25 U/h are both 30."""
    bench = Bench()
    bench.profile(0, (360, 20000), (1080, 25000))
    bench.do(0, "set_therapy_state", events.RUN)
    bench.factor(21000, 2500, 1000)
    bench.run(22000)
    assert [s for s, *_ in bench.all("BASAL_CHANGED")] == [0, 21000]


def test_a_tbr_changes_from_one_type_to_the_other():
    """D-303: and stays the same one."""
    bench = Bench().dose(1000)
    bench.tbr(600, 2000, 30)
    assert bench.factor(660, 500, 30, True) == events.SUCCESS
    assert bench.pump.delivered_rate_mu_per_h() == 500
    assert bench.all("TBR_CHANGED") == [(660, 500, 30, 1, 0, 1)]
    assert bench.tbr(720, 2500, 30, True) == events.SUCCESS
    assert bench.pump.delivered_rate_mu_per_h() == 2500
