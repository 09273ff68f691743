"""Time: pump seconds, the order within a second, the wall clock and the jump from due second to due second.

Method: scenarios on the bench at the boundary seconds of D-001 to D-003, D-202, D-203, D-901 and D-906; the calendar
against Python's own.
"""

import datetime

import pytest

from firmware.pump_bench import Bench
from pump import events
from pump.wall import Wall, day_number

ZONE = (0, 0)


def test_a_running_tbr_does_not_care_about_the_clock():
    """D-001: started at 100 for 30 min it ends at 1900, whatever the clock is set to in between."""
    bench = Bench().dose(1000)
    bench.tbr(100, 2000, 30)
    bench.do(500, "set_clock", 2026, 11, 21, 23, 59, 0, *ZONE)
    bench.run(3000)
    assert [line[0] for line in bench.all("TBR_ENDED")] == [1900]


def test_everything_due_in_one_second_happens_in_its_order():
    """D-003: pulses bolus before basal, end of the bolus, midnight, block boundary, end of the TBR, end of a snooze."""
    bench = Bench()
    bench.profile(0, (720, 1000), (720, 3000))
    bench.do(0, "set_therapy_state", events.RUN)
    bench.do(86400 - 1920, "inject", events.FAULT_RESERVOIR_LEVEL, 401)
    bench.run(86400 - 1860)
    assert len(bench.all("ANNUNCIATION")) == 1
    bench.do(86400 - 1800, "snooze", 1)
    bench.tbr(86400 - 1800, 1000, 30)
    bench.bolus(86400 - 4, 100)
    bench.run(86400)
    assert [name for _, name in bench.since(86400)] == [
        "BOLUS_ENDED", "DAILY", "TBR_ENDED", "BASAL_CHANGED", "ANNUNCIATION",
    ]  # fmt: skip
    assert bench.all("BASAL_CHANGED")[-1] == (86400, 1000, 1000, events.DEVICE, 0, 0)


def test_a_pulse_at_midnight_belongs_to_the_day_that_ends():
    """D-003, D-901: the 480th pulse of 1 U/h falls at 00:00:00."""
    bench = Bench().dose(1000)
    pump = bench.run(86400)
    assert bench.all("DAILY") == [(86400, 0, 24000, 0, 2000, 1 * 32 + 1)]
    assert (pump.daily.basal_mu, pump.daily.bolus_mu) == (0, 0)


def test_a_command_at_the_end_of_a_tbr_finds_none():
    """D-003: inputs come last, so that a Set TBR without the change flag succeeds there."""
    bench = Bench().dose(1000)
    bench.tbr(100, 2000, 30)
    assert bench.tbr(1899, 500, 30) == events.NOT_APPLICABLE
    assert bench.tbr(1900, 500, 30) == events.SUCCESS


def test_the_clock_changes_the_block_and_keeps_the_remainder():
    """D-203, D-104: set from 05:59 to 12:00, 1.0 U/h is in force at once."""
    bench = Bench()
    bench.profile(0, (360, 800), (1080, 1000))
    bench.do(0, "set_clock", 2026, 11, 21, 5, 59, 0, *ZONE)
    bench.do(0, "set_therapy_state", events.RUN)
    assert bench.do(30, "set_clock", 2026, 11, 21, 12, 0, 0, *ZONE) == events.SUCCESS
    pump = bench.run(186)
    assert bench.pulses == [186]
    assert pump.delivery.rest() == 30 * 800 + 156 * 1000 - 180000
    assert bench.all("BASAL_CHANGED")[-1] == (30, 800, 1000, events.DEVICE, 0, 0)


@pytest.mark.parametrize("hour, second_due", [(5, 3600), (23, 7 * 3600)])
def test_the_next_boundary_follows_the_clock(hour, second_due):
    """D-202, D-203: after a change the boundaries stand at their local times."""
    bench = Bench()
    bench.profile(0, (360, 800), (1080, 1000))
    bench.do(0, "set_therapy_state", events.RUN)
    bench.do(0, "set_clock", 2026, 11, 21, hour, 0, 0, *ZONE)
    bench.run(86400)
    assert (second_due, 800, 1000, events.DEVICE, 0, 0) in bench.all("BASAL_CHANGED")


def test_a_change_of_date_closes_the_day_with_its_flag():
    """D-901: the day that was is recorded under its own date; setting only the time keeps the sums."""
    bench = Bench().dose(1000)
    bench.do(3600, "set_clock", 2000, 1, 1, 8, 0, 0, *ZONE)
    assert bench.all("DAILY") == []
    bench.do(7200, "set_clock", 2026, 11, 21, 9, 0, 0, *ZONE)
    assert bench.all("DAILY") == [(7200, 0, 2000, 1, 2000, 33)]
    bench.run(7200 + 15 * 3600)
    assert bench.all("DAILY")[1] == (7200 + 15 * 3600, 0, 15000, 0, 2026, 11 * 32 + 21)


def test_reference_times_stand_at_0_at_each_change_and_every_hour():
    """D-906: exactly 3600 s after the one before, and first of its second."""
    bench = Bench()
    assert bench.told == [(0, "REFERENCE_TIME", events.DATE_TIME_LOSS, 0, 0, 0, 0)]
    bench.do(5000, "set_clock", 2026, 1, 1, 0, 0, 0, *ZONE)
    bench.run(5000 + 7200)
    assert [line[:2] for line in bench.all("REFERENCE_TIME")] == [
        (0, events.DATE_TIME_LOSS),
        (3600, events.PERIODIC),
        (5000, events.SET_DATE_TIME),
        (8600, events.PERIODIC),
        (12200, events.PERIODIC),
    ]


@pytest.mark.parametrize(
    "time",
    [(2026, 2, 29, 0, 0, 0), (2026, 13, 1, 0, 0, 0), (2026, 0, 1, 0, 0, 0), (2026, 4, 31, 0, 0, 0),
     (2026, 1, 0, 0, 0, 0), (1582, 1, 1, 0, 0, 0), (10000, 1, 1, 0, 0, 0), (2026, 1, 1, 24, 0, 0),
     (2026, 1, 1, 0, 60, 0), (2026, 1, 1, 0, 0, 60)],
)  # fmt: skip
def test_a_time_that_does_not_exist_is_refused(time):
    """D-001: the clock and the history stay as they were."""
    bench = Bench()
    assert bench.do(10, "set_clock", *time, *ZONE) == events.OUT_OF_RANGE
    assert len(bench.told) == 1


def test_the_calendar_is_the_gregorian_one():
    """D-901: dates against Python's calendar, with leap days, centuries and both ends."""
    wall = Wall()
    first = datetime.date(2000, 1, 1).toordinal()
    dates = [datetime.date(year, month, day) for year in (1583, 1700, 1999, 2000, 2023, 2024, 2100, 2400, 9999)
             for month, day in ((1, 1), (2, 28), (3, 1), (12, 31))]  # fmt: skip
    dates += [datetime.date(2024, 2, 29), *(datetime.date.fromordinal(first + n) for n in range(-73000, 146100, 73))]
    dates += [datetime.date(year, 12, 31) - datetime.timedelta(306 - n) for year in (2000, 2100, 2400) for n in (0, 1)]
    for date in dates:
        number = day_number(date.year, date.month, date.day)
        assert number == date.toordinal() - first
        wall.date(number)
        assert (wall.year, wall.month, wall.day_of_month) == (date.year, date.month, date.day)


def test_the_wall_clock_reads_what_was_set_and_goes_on():
    """D-001: an offset to the pump second."""
    bench = Bench()
    assert (bench.pump.wall.zone, bench.pump.wall.dst) == (-128, 255)
    bench.do(100, "set_clock", 2024, 2, 28, 23, 59, 58, -20, 4)
    wall = bench.run(200).wall
    wall.read(102)
    assert (wall.year, wall.month, wall.day_of_month, wall.hour, wall.minute, wall.second) == (2024, 2, 29, 0, 0, 0)
    assert (wall.zone, wall.dst) == (-20, 4)
    wall.read(102 + 13 * 3600 + 47 * 60 + 59)
    assert (wall.day_of_month, wall.hour, wall.minute, wall.second) == (29, 13, 47, 59)


def test_past_the_last_year_of_the_wire_the_date_is_unknown():
    """D-906: the reference time after 9999-12-31 23:59:59 has a time and no date, and the pump goes on."""
    wall = Wall()
    wall.set(10, 9999, 12, 31, 23, 59, 58, *ZONE)
    wall.read(11)
    assert (wall.year, wall.month, wall.day_of_month, wall.second) == (9999, 12, 31, 59)
    wall.read(12)
    assert (wall.year, wall.month, wall.day_of_month, wall.hour, wall.second) == (0, 0, 0, 0, 0)


def test_advance_to_a_second_that_has_passed_does_nothing():
    """D-002: the state at s is judged, never an older one."""
    bench = Bench().dose(1000)
    bench.run(500)
    told, pulses = list(bench.told), list(bench.pulses)
    bench.run(500)
    bench.run(10)
    assert (bench.told, bench.pulses, bench.pump.now_s) == (told, pulses, 500)


def test_nothing_is_due_before_it_is():
    """D-003: an idle pump sleeps to its next reference time, a dosing one to its next pulse."""
    bench = Bench()
    assert bench.pump.due_s() == 3600
    bench.dose(1000)
    assert bench.pump.due_s() == 180
    bench.bolus(10, 50)
    assert bench.pump.due_s() == 12
