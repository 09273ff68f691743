"""The oracle's time and delivery, DOSING.md sections 1 and 2.

Goal: every boundary and worked number of D-001 to D-107 holds of the oracle, to the second and without tolerance.
Method: a pump in Run at a known rate from second 0, the inputs of the rule, and the list of due seconds.
"""

from datetime import datetime
from decimal import Decimal
from fractions import Fraction

import pytest

from hil.oracle_bench import accept, code, pulses, running, take
from pumprig.errors import UsageError
from pumprig.oracle.commands import (
    CancelBolus,
    CancelTbr,
    SetBolus,
    SetClock,
    SetTbr,
    SetTherapyState,
)
from pumprig.oracle.events import BolusEnded, BolusStarted, DailyInsulin, Pulse, TbrEnded


def test_tbr_ends_on_the_pump_second_though_the_clock_is_set():
    """D-001: a TBR of 30 min from 100 ends at 1900 even if the clock is set in between."""
    oracle = running()
    accept(oracle, 100, SetTbr(Decimal("2.0"), 30))
    accept(oracle, 900, SetClock(datetime(2031, 5, 6, 7, 8, 9)))
    oracle.advance(2000)
    assert take(oracle, TbrEnded) == [TbrEnded(at_s=1900, reason="duration over", effective_minutes=30)]


def test_an_input_takes_effect_at_its_second_and_never_before_one_that_is_over():
    """D-002: a Set Bolus of 41.5 s is told for second 42 and starts there; time does not go back."""
    oracle = running((1440, "0"))
    accept(oracle, 42, SetBolus(Decimal("0.20")))
    assert take(oracle, BolusStarted) == [BolusStarted(at_s=42, bolus_id=1, fast_mu=200)]
    with pytest.raises(UsageError, match="41 lies before 42"):
        oracle.command(41, CancelTbr())
    with pytest.raises(UsageError, match="41 lies before 42"):
        oracle.advance(41)


@pytest.mark.parametrize(
    "command",
    [SetTbr(Decimal(0), 30), SetTherapyState("stop"), SetTherapyState("pause")],
    ids=["rate to 0", "stop", "pause"],
)
def test_pulse_due_at_the_second_of_a_change_is_still_delivered(command):
    """D-003: what was earned up to 180 leaves at 180, before the input of 180."""
    oracle = running()
    accept(oracle, 180, command)
    assert pulses(oracle, 400) == [180]


def test_input_one_second_before_the_pulse_comes_in_time():
    """D-003, D-104: a rate of 0 from 179 leaves the pulse of 180 undelivered."""
    oracle = running()
    accept(oracle, 179, SetTbr(Decimal(0), 30))
    assert pulses(oracle, 400) == []


def test_tbr_that_ends_now_makes_room_for_another_now():
    """D-003: a TBR that ends at 1900 and a Set TBR without change flag at 1900: accepted."""
    oracle = running()
    accept(oracle, 100, SetTbr(Decimal("2.0"), 30))
    assert code(oracle, 1899, SetTbr(Decimal("1.5"), 30)) == 0x74
    accept(oracle, 1900, SetTbr(Decimal("1.5"), 30))


def test_pulse_at_midnight_belongs_to_the_day_that_ends():
    """D-003, D-901: the basal pulse due at 86400 is the 480th of the day that ends there."""
    oracle = running()
    oracle.advance(86_400)
    (day,) = take(oracle, DailyInsulin)
    assert (day.at_s, day.day, day.basal_mu) == (86_400, datetime(2000, 1, 1).date(), 24_000)
    assert oracle.state().day_basal_mu == 0


def test_whole_pulses_and_the_rest_stays():
    """D-101, D-904: 0.82 U/h for an hour is 16 pulses and 20 mU remainder, 820 = 800 + 20 + 0."""
    oracle = running((1440, "0.82"))
    assert len(pulses(oracle, 3600)) == 16
    assert oracle.state().remainder_mu == 20
    basal = oracle.ledger().basal
    assert (basal.commanded_mu, basal.delivered_mu, basal.remaining_mu, basal.dropped_mu) == (820, 800, 20, 0)


def test_basal_pulse_falls_when_the_sum_is_reached():
    """D-102: 1 U/h from 0 gives 180, 360, 540; reaching exactly 3600 x P is enough."""
    oracle = running()
    assert pulses(oracle, 179) == []
    assert oracle.state().remainder_mu == Fraction(1000 * 179, 3600)
    assert pulses(oracle, 180) == [180]
    assert oracle.state().remainder_mu == 0
    assert pulses(oracle, 540) == [360, 540]


@pytest.mark.parametrize(("rate", "expected"), [("7.0", 25 + 1), ("0.7", 257 + 1), ("0.999", 180 + 1)])
def test_basal_pulse_falls_at_the_exact_ceiling(rate, expected):
    """D-102: where 180000 is no multiple of the rate the pulse falls at the next whole second."""
    oracle = running((1440, rate))
    assert pulses(oracle, 300)[0] == expected


def test_sum_does_not_drift_over_two_weeks():
    """D-102: 0.007 U/h for 14 days earns 2352 mU, 47 pulses and 2 mU, exactly."""
    oracle = running((1440, "0.007"))
    assert len(pulses(oracle, 14 * 86_400)) == 47
    assert oracle.state().remainder_mu == 2


def test_withheld_pulses_fall_one_a_second():
    """D-103: three pulses withheld in a Pause that ends at 1000 fall due at 1001, 1002, 1003."""
    oracle = running()
    # The pulse of 360 is out, the pump is paused at once: 640 s earn three pulses and 100000 more.
    accept(oracle, 360, SetTherapyState("pause"))
    accept(oracle, 1000, SetTherapyState("run"))
    assert pulses(oracle, 1079) == [180, 360, 1001, 1002, 1003]
    assert pulses(oracle, 1080) == [1080]


def test_remainder_outlives_a_suspension():
    """D-104: 1 U/h for 100 s, 0 for 30 min, 1 U/h again: the next pulse falls 80 s after the resume."""
    oracle = running()
    accept(oracle, 100, SetTbr(Decimal(0), 30))
    assert pulses(oracle, 2000) == [1900 + 80]


def test_second_that_ends_at_the_change_earns_the_old_rate():
    """D-104: 1 U/h up to 100 and 2 U/h from 100: 80000 are missing and take 40 s."""
    oracle = running()
    accept(oracle, 100, SetTbr(Decimal(2), 30))
    assert pulses(oracle, 200) == [140]


def test_stop_drops_the_remainder():
    """D-105, D-904: 1 U/h for 100 s, Stop, Run: the first pulse falls 180 s after Run, 1000/36 mU are dropped."""
    oracle = running()
    accept(oracle, 100, SetTherapyState("stop"))
    accept(oracle, 500, SetTherapyState("run"))
    assert pulses(oracle, 700) == [680]
    basal = oracle.ledger().basal
    assert basal.dropped_mu == Fraction(100 * 1000, 3600)
    assert basal.balanced


def test_stop_drops_withheld_pulses_too():
    """D-105: a remainder of more than a pulse, kept in Pause, is dropped whole by Stop."""
    oracle = running()
    accept(oracle, 100, SetTherapyState("pause"))
    accept(oracle, 900, SetTherapyState("stop"))
    accept(oracle, 901, SetTherapyState("run"))
    assert pulses(oracle, 1081) == [1081]
    assert oracle.ledger().basal.dropped_mu == 250


def test_bolus_at_standard_speed():
    """D-106: 0.20 U from 42: pulses at 44, 46, 48, 50; the bolus ends at 50."""
    oracle = running((1440, "0"))
    accept(oracle, 42, SetBolus(Decimal("0.20")))
    oracle.advance(60)
    events = oracle.take_events()
    assert [e.due_s for e in events if isinstance(e, Pulse)] == [44, 46, 48, 50]
    assert events[-1] == BolusEnded(at_s=50, bolus_id=1, fast_mu=200, reason="programmed amount delivered")


def test_quick_bolus_has_several_pulses_in_a_second():
    """D-106: 15 U/min earns 250 mU a second: five pulses each at 43 and 44."""
    oracle = running((1440, "0"), bolus_speed_mu_per_minute=15_000)
    accept(oracle, 42, SetBolus(Decimal("0.50")))
    assert pulses(oracle, 60) == [43] * 5 + [44] * 5


def test_bolus_speed_that_is_no_divisor_of_a_pulse():
    """D-106: at 2000 mU/min a pulse of 50 mU takes 1.5 s: the accumulator carries the half second over."""
    oracle = running((1440, "0"), bolus_speed_mu_per_minute=2000)
    accept(oracle, 0, SetBolus(Decimal("0.20")))
    assert pulses(oracle, 60) == [2, 3, 5, 6]


def test_each_bolus_starts_with_an_empty_accumulator():
    """D-106: what a cancelled bolus had accumulated is not there for the next one."""
    oracle = running((1440, "0"))
    first = accept(oracle, 10, SetBolus(Decimal("1.0")))
    accept(oracle, 13, CancelBolus(first["bolus_id"]))
    accept(oracle, 13, SetBolus(Decimal("0.05")))
    assert pulses(oracle, 60) == [12, 15]


def test_basal_and_bolus_do_not_touch_each_other():
    """D-107, D-003: basal 1 U/h from 0, 5 U from 100: at 180 a bolus pulse and then a basal pulse."""
    oracle = running()
    accept(oracle, 100, SetBolus(Decimal("5.0")))
    oracle.advance(400)
    events = take(oracle, Pulse)
    assert [e.source for e in events if e.due_s == 180] == ["bolus", "basal"]
    assert [e.due_s for e in events if e.source == "basal"] == [180, 360]
    assert [e.due_s for e in events if e.source == "bolus"] == list(range(102, 302, 2))
