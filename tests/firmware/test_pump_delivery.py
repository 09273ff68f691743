"""Delivery: rates become pulses at exactly the seconds that the specification gives.

Method: a profile, therapy states and boluses on the bench; the seconds of the motor's pulses are the expectation, as
in the worked examples and at the boundaries of D-101 to D-107 and D-501 to D-504.
"""

import pytest

from firmware.pump_bench import Bench
from pump import events


def test_one_unit_per_hour_is_a_pulse_every_180_s():
    """D-102: the pulse falls due when the remainder reaches 3600 P, equality included."""
    bench = Bench().dose(1000)
    bench.run(539)
    assert bench.pulses == [180, 360]
    bench.run(540)
    assert bench.pulses == [180, 360, 540]


def test_only_whole_pulses_leave_and_the_rest_stays():
    """D-101: 0.82 U/h for an hour is 16 pulses and 20 mU remainder."""
    bench = Bench().dose(820)
    pump = bench.run(3600)
    assert len(bench.pulses) == 16
    assert (pump.delivery.owed_pulses(), pump.delivery.rest()) == (0, 20 * 3600)


@pytest.mark.parametrize("rate", [1, 7, 333, 825, 29999, 30000])
def test_the_sum_is_exact_over_a_fortnight(rate):
    """D-102: no rounding and no drift."""
    bench = Bench({"RESERVOIR_CAPACITY_MU": 20_000_000, "RESERVOIR_LOW_MU": 0, "GUARD_DAY_MU": 1_000_000})
    pump = bench.dose(rate).run(14 * 86400)
    delivered = len(bench.pulses) * 180000
    assert delivered + pump.delivery.rest() == rate * 14 * 86400
    assert bench.pulses == [-(-180000 * k // rate) for k in range(1, len(bench.pulses) + 1)]


def test_a_rate_change_keeps_the_remainder():
    """D-104: 100 s earned before a TBR of 0 count after it."""
    bench = Bench().dose(1000)
    bench.tbr(100, 0, 30)
    bench.run(1900 + 79)
    assert bench.pulses == []
    bench.run(1900 + 80)
    assert bench.pulses == [1980]


def test_the_second_that_ends_at_a_change_is_integrated_at_the_old_rate():
    """D-104: 179 s at 1 U/h, and the 180th second at 30 U/h."""
    bench = Bench().dose(1000)
    bench.tbr(179, 30000, 1)
    pump = bench.run(180)
    assert bench.pulses == [180]
    assert pump.delivery.rest() == 179 * 1000 + 30000 - 180000


def test_a_pulse_due_at_the_second_of_a_change_is_delivered():
    """D-003: it was earned before; by Stop, by a TBR of 0, by a cancel."""
    for command in (("set_therapy_state", events.STOP), ("set_tbr", events.ABSOLUTE, 0, 30, False, events.DEVICE, 0)):
        bench = Bench().dose(1000)
        assert bench.do(180, *command) == events.SUCCESS
        bench.run(1000)
        assert bench.pulses == [180]


def test_stop_drops_the_remainder_and_accounts_for_it():
    """D-105: after Stop the first pulse takes a whole period."""
    bench = Bench().dose(1000)
    bench.do(100, "set_therapy_state", events.STOP)
    bench.do(4000, "set_therapy_state", events.RUN)
    pump = bench.run(4180)
    assert bench.pulses == [4180]
    assert (pump.delivery.dropped_pulses, pump.delivery.dropped_rest) == (0, 100 * 1000)


def test_a_stop_makes_nothing_good():
    """D-502: an hour of Stop at 1 U/h is lost."""
    bench = Bench().dose(1000)
    bench.do(1000, "set_therapy_state", events.STOP)
    bench.do(4600, "set_therapy_state", events.RUN)
    bench.run(5000)
    assert bench.pulses == [180, 360, 540, 720, 900, 4780, 4960]


def test_a_bolus_has_its_own_accumulator():
    """D-106: 0.20 U from second 42."""
    bench = Bench().dose(0)
    assert bench.bolus(42, 200) == events.SUCCESS
    pump = bench.run(50)
    assert bench.pulses == [44, 46, 48, 50]
    assert not pump.boluses[0].active
    assert bench.all("BOLUS_ENDED") == [(50, 1, 200, events.COMPLETE, 0, 42)]


def test_a_quick_bolus_delivers_several_pulses_in_a_second():
    """D-106: 15 U/min are five pulses a second."""
    bench = Bench({"BOLUS_SPEED_MU_PER_MINUTE": 15000}).dose(0)
    bench.bolus(10, 600)
    bench.run(20)
    assert bench.pulses == [11] * 5 + [12] * 5 + [13] * 2
    assert bench.all("BOLUS_ENDED")[0][0] == 13


def test_the_accumulator_of_a_bolus_starts_at_zero():
    """D-106: what the speed left over in one bolus is no part of the next."""
    bench = Bench({"BOLUS_SPEED_MU_PER_MINUTE": 2000}).dose(0)
    bench.bolus(0, 50)
    bench.bolus(10, 100)
    bench.run(30)
    assert bench.pulses == [2, 12, 13]


def test_basal_and_bolus_run_side_by_side():
    """D-107: at 180 both have a pulse, and neither takes from the other."""
    bench = Bench().dose(1000)
    bench.bolus(100, 5000)
    bench.run(400)
    assert bench.pulses.count(180) == 2
    alone = Bench().dose(1000)
    alone.run(400)
    only = Bench().dose(0)
    only.bolus(100, 5000)
    only.run(400)
    assert sorted(bench.pulses) == sorted(alone.pulses + only.pulses)


def test_pause_withholds_and_run_makes_good_one_pulse_a_second():
    """D-503, D-103: 600 s of Pause at 1 U/h earn 3 pulses and 60000."""
    bench = Bench().dose(1000)
    bench.do(900, "set_therapy_state", events.PAUSE)
    bench.do(1500, "set_therapy_state", events.RUN)
    bench.run(1620)
    assert bench.pulses[5:] == [1501, 1502, 1503, 1620]


def test_pulses_made_good_and_earned_share_the_one_a_second():
    """D-103: at 30 U/h a Pause of 60 s owes 10 pulses; what is earned meanwhile queues behind them."""
    bench = Bench().dose(30000)
    bench.do(600, "set_therapy_state", events.PAUSE)
    bench.do(660, "set_therapy_state", events.RUN)
    bench.run(672)
    assert [s for s in bench.pulses if s > 600] == list(range(661, 673))
    bench.run(720)
    assert len(bench.pulses) == 720 // 6


def test_a_bolus_halts_in_pause_and_goes_on():
    """D-503: the half-earned pulse of the bolus is kept, too."""
    bench = Bench().dose(0)
    bench.bolus(42, 200)
    bench.do(47, "set_therapy_state", events.PAUSE)
    bench.do(100, "set_therapy_state", events.RUN)
    bench.run(200)
    assert bench.pulses == [44, 46, 101, 103]
    assert bench.all("BOLUS_ENDED") == [(103, 1, 200, events.COMPLETE, 0, 42)]


def test_a_pause_of_fifteen_minutes_becomes_stop():
    """D-504: at that second, with the annunciation, and the withheld pulses dropped."""
    bench = Bench().dose(1000)
    bench.do(1000, "set_therapy_state", events.PAUSE)
    assert bench.run(1899).therapy == events.PAUSE
    pump = bench.run(1900)
    assert pump.therapy == events.STOP
    assert (1900, 1, events.PAUSE_OVER, events.PENDING, 0, 0) in bench.all("ANNUNCIATION")
    assert pump.delivery.dropped_pulses == 5
    assert bench.pulses[-1] == 900


def test_a_return_to_run_at_the_limit_of_pause_comes_too_late():
    """D-504: it is a Stop to Run, so that nothing is made good."""
    bench = Bench().dose(1000)
    bench.do(1000, "set_therapy_state", events.PAUSE)
    assert bench.do(1900, "set_therapy_state", events.RUN) == events.SUCCESS
    bench.run(2080)
    assert bench.pulses[-2:] == [900, 2080]


def test_pause_then_stop_drops_what_pause_withheld():
    """D-105: any way into Stop."""
    bench = Bench().dose(1000)
    bench.do(1000, "set_therapy_state", events.PAUSE)
    bench.do(1400, "set_therapy_state", events.STOP)
    pump = bench.do(1400, "set_therapy_state", events.RUN) and bench.run(1579)
    assert bench.pulses[-1] == 900
    assert (pump.delivery.dropped_pulses, pump.delivery.dropped_rest) == (2, 140000)


def test_delivered_sums_roll_over_above_80000_units():
    """D-902: 80,000 IU itself is still shown; the pulse beyond it makes 0."""
    bench = Bench({"DELIVERED_ROLLOVER_MU": 200}).dose(1000)
    bench.bolus(0, 200)
    pump = bench.run(720)
    assert (pump.delivery.basal_mu, pump.delivery.bolus_mu) == (200, 200)
    bench.bolus(720, 50)
    pump = bench.run(900)
    assert (pump.delivery.basal_mu, pump.delivery.bolus_mu) == (0, 0)
    assert (pump.delivery.basal_pulses, pump.delivery.bolus_pulses, pump.delivery.prime_pulses) == (5, 5, 0)
