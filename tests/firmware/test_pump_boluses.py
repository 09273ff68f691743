"""Extended and multiwave boluses, their delay, and two boluses side by side.

Method: boluses on the bench at the boundaries of D-107, D-108, D-401 to D-403 and D-411 to D-415; the seconds of the
pulses are written down by hand.
"""

import pytest

from firmware.pump_bench import Bench
from pump import events

FAST, EXTENDED, MULTIWAVE = events.FAST, events.EXTENDED, events.MULTIWAVE


def kinds(bench, s):
    """Which types are available at s."""
    pump = bench.run(s)
    return [kind for kind in (FAST, EXTENDED, MULTIWAVE) if pump.bolus_available(kind)]


# --- How it is delivered (D-107, D-108, D-413, D-414) ---------------------------------------------------------------


def test_an_extended_bolus_is_spread_evenly():
    """D-108: 0.20 U over 1 min from 100."""
    bench = Bench().dose(0)
    assert bench.bolus(100, 0, 200, 1) == events.SUCCESS
    bench.run(1000)
    assert bench.pulses == [115, 130, 145, 160]
    assert bench.all("BOLUS_ENDED") == [(160, 1, 200, events.COMPLETE, 0, 100)]


def test_the_last_pulse_falls_on_the_last_second_whatever_the_division_leaves():
    """D-108: 7 pulses over 11 min, each at the first second at which it is earned."""
    bench = Bench().dose(0)
    bench.bolus(10, 0, 350, 11)
    bench.run(1000)
    assert bench.pulses == [10 + -(-660 * n // 7) for n in range(1, 8)]
    assert bench.pulses[-1] == 10 + 660


def test_what_is_not_earned_in_pause_makes_the_delivery_longer():
    """D-108: Pause from 120 to 200; what was earned is kept."""
    bench = Bench().dose(0)
    bench.bolus(100, 0, 200, 1)
    bench.do(120, "set_therapy_state", events.PAUSE)
    bench.do(200, "set_therapy_state", events.RUN)
    bench.run(1000)
    assert bench.pulses == [115, 210, 225, 240]


def test_several_pulses_of_a_second_all_leave_in_it():
    """D-108: what the speed of a quick pump brings: two pulses a second."""
    bench = Bench({"BOLUS_SPEED_MU_PER_MINUTE": 6000}).dose(0)
    assert bench.bolus(10, 0, 6000, 1) == events.SUCCESS
    bench.run(100)
    assert bench.pulses == [s for s in range(11, 71) for _ in range(2)]


def test_a_multiwave_delivers_both_parts_at_once():
    """D-414: fast at 2 and 4, extended at 60 and 120; it ends with the last of them."""
    bench = Bench().dose(0)
    bench.bolus(0, 100, 100, 2)
    bolus = bench.run(4).boluses[1]
    assert (bolus.fast_delivered_mu, bolus.extended_delivered_mu) == (100, 0)
    bench.run(60)
    assert (bolus.fast_delivered_mu, bolus.extended_delivered_mu) == (100, 50)
    bench.run(1000)
    assert bench.pulses == [2, 4, 60, 120]
    assert bench.all("BOLUS_ENDED") == [(120, 1, 200, events.COMPLETE, 0, 0)]


def test_a_multiwave_whose_fast_part_is_the_longer_ends_with_it():
    """D-414: 5 U fast, 0.10 U over a minute."""
    bench = Bench().dose(0)
    bench.bolus(0, 5000, 100, 1)
    bench.run(1000)
    assert bench.all("BOLUS_ENDED") == [(200, 1, 5100, events.COMPLETE, 0, 0)]
    assert bench.pulses.count(30) == 2


def test_a_cancel_ends_both_parts():
    """D-404, D-414."""
    bench = Bench().dose(0)
    bench.bolus(0, 1000, 1000, 10)
    assert bench.do(30, "cancel_bolus", 1) == events.SUCCESS
    bench.run(1000)
    assert bench.all("BOLUS_ENDED") == [(30, 1, 800, events.CANCELED, 0, 0)]
    assert len(bench.pulses) == 16


def test_a_delay_comes_before_the_first_second_that_earns():
    """D-413: 0.10 U with a delay of 1 min accepted at 42; nothing is recorded at the start of delivery."""
    bench = Bench().dose(0)
    bench.bolus(42, 100, delay=1)
    bench.run(1000)
    assert bench.pulses == [104, 106]
    assert bench.since(42) == [(42, "BOLUS_STARTED"), (106, "BOLUS_ENDED")]


def test_the_delay_runs_on_in_pause():
    """D-413: Pause from 50 to 90 changes nothing; from 100 to 110 it takes the eight seconds of earning since 102."""
    for begin, end, pulses in ((50, 90, [104, 106]), (100, 110, [112, 114])):
        bench = Bench().dose(0)
        bench.bolus(42, 100, delay=1)
        bench.do(begin, "set_therapy_state", events.PAUSE)
        bench.do(end, "set_therapy_state", events.RUN)
        bench.run(1000)
        assert bench.pulses == pulses


def test_all_pulses_of_a_second_leave_in_their_order():
    """D-003, D-107: fast bolus, extended bolus, basal; none takes from another's accumulator."""
    sources = []
    bench = Bench()
    bench.pump.delivery._store.queue = sources.append
    bench.dose(1000)
    bench.bolus(120, 5000)
    bench.bolus(120, 0, 100, 2)
    bench.run(180)
    assert bench.pulses.count(180) == 3
    assert sources[-3:] == [events.SOURCE_BOLUS, events.SOURCE_EXTENDED, events.SOURCE_BASAL]


def test_jumping_over_two_boluses_is_counting_their_seconds():
    """D-003: due_s() names every second at which something falls due."""
    fast, slow = Bench().dose(1234), Bench().dose(1234)
    for bench in (fast, slow):
        bench.bolus(10, 300, 1350, 17, 2)
        bench.bolus(11, 750)
    fast.run(5000)
    for s in range(5001):
        slow.run(s)
    assert fast.pulses == slow.pulses
    assert fast.told == slow.told


# --- What is accepted (D-401, D-403) --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "fast", "extended", "minutes", "delay", "code"),
    [
        (FAST, 50, 0, 0, 0, events.SUCCESS),
        (FAST, 50, 0, 0, 720, events.SUCCESS),
        (FAST, 50, 0, 0, 721, events.OUT_OF_RANGE),
        (FAST, 50, 0, 0, -1, events.OUT_OF_RANGE),
        (FAST, 50, 50, 0, 0, events.INVALID_OPERAND),
        (FAST, 50, 0, 1, 0, events.INVALID_OPERAND),
        (FAST, -(2**30), 0, 0, 0, events.OUT_OF_RANGE),
        (EXTENDED, 0, 50, 1, 0, events.SUCCESS),
        (EXTENDED, 0, 50, 720, 720, events.SUCCESS),
        (EXTENDED, 0, 50, 721, 0, events.OUT_OF_RANGE),
        (EXTENDED, 0, 50, 0, 0, events.OUT_OF_RANGE),
        (EXTENDED, 0, 0, 10, 0, events.OUT_OF_RANGE),
        (EXTENDED, 0, 75, 10, 0, events.OUT_OF_RANGE),
        (EXTENDED, 0, 10000, 10, 0, events.SUCCESS),
        (EXTENDED, 0, 10050, 10, 0, events.OUT_OF_RANGE),
        (EXTENDED, 50, 50, 10, 0, events.INVALID_OPERAND),
        (EXTENDED, 0, 6000, 4, 0, events.SUCCESS),
        (EXTENDED, 0, 6000, 3, 0, events.OUT_OF_RANGE),
        (MULTIWAVE, 50, 50, 1, 0, events.SUCCESS),
        (MULTIWAVE, 4000, 6000, 30, 0, events.SUCCESS),
        (MULTIWAVE, 4050, 6000, 30, 0, events.OUT_OF_RANGE),
        (MULTIWAVE, 0, 50, 1, 0, events.OUT_OF_RANGE),
        (MULTIWAVE, 50, 0, 1, 0, events.OUT_OF_RANGE),
        (MULTIWAVE, 75, 50, 1, 0, events.OUT_OF_RANGE),
        (0x0F, 50, 0, 0, 0, events.INVALID_OPERAND),
        (0x0F, 70, 0, 0, 721, events.INVALID_OPERAND),
    ],
)  # fmt: skip
def test_what_is_accepted(kind, fast, extended, minutes, delay, code):
    """D-401: types, amounts, durations and delays at their bounds; also outside Run what is refused before."""
    command = ("set_bolus", kind, fast, extended, minutes, delay, 0, 0, 0)
    assert Bench().dose(0).do(10, *command) == code
    assert Bench().do(10, *command) == (events.NOT_APPLICABLE if code == events.SUCCESS else code)


def test_one_of_each_kind_at_a_time():
    """D-403: an extended one is accepted beside a fast one, a multiwave not beside an extended one."""
    bench = Bench().dose(0)
    assert kinds(bench, 0) == [FAST, EXTENDED, MULTIWAVE]
    bench.bolus(42, 100)
    assert kinds(bench, 45) == [EXTENDED, MULTIWAVE]
    assert bench.bolus(45, 100) == events.NO_MORE_BOLUSES
    assert bench.bolus(45, 0, 100, 1) == events.SUCCESS
    assert kinds(bench, 45) == []
    assert bench.bolus(46, 100) == events.SUCCESS
    assert bench.bolus(46, 50, 50, 1) == events.NO_MORE_BOLUSES
    assert [line[1] for line in bench.all("BOLUS_STARTED")] == [1, 2, 3]
    bench.do(47, "set_therapy_state", events.PAUSE)
    assert kinds(bench, 47) == []


def test_a_bolus_that_waits_takes_its_place():
    """D-403, D-411: the wait of its delay included."""
    bench = Bench().dose(0)
    bench.bolus(42, 100, delay=10)
    assert bench.bolus(43, 100) == events.NO_MORE_BOLUSES
    assert bench.do(44, "cancel_bolus", 1) == events.SUCCESS
    assert bench.all("BOLUS_ENDED") == [(44, 1, 0, events.CANCELED, 0, 642)]
    assert bench.bolus(44, 100) == events.SUCCESS


def test_the_reservoir_must_hold_it_beyond_what_runs():
    """D-401: 10 pulses, of which an extended bolus has still to deliver 4 at 30: 0.30 U is accepted, 0.35 U is not."""
    bench = Bench().dose(0)
    bench.do(1, "inject", events.FAULT_RESERVOIR_LEVEL, 12)
    bench.bolus(2, 0, 300, 1)
    bench.run(30)
    assert bench.bolus(30, 350) == events.NOT_COMPLETED
    assert bench.bolus(30, 300) == events.SUCCESS
    assert bench.bolus(31, 0, 50, 1) == events.NO_MORE_BOLUSES


# --- Which are active, and how they are shown (D-411, D-415) --------------------------------------------------------


def listed(bench, s):
    """IDs of the active boluses in their order."""
    pump = bench.run(s)
    return [pump.active_bolus(i).bolus_id for i in range(pump.bolus_count())]


def test_they_are_listed_by_the_start_of_delivery():
    """D-411: extended with a delay of 10 min at 100, fast at 200: the fast one is first."""
    bench = Bench().dose(0)
    bench.bolus(100, 0, 500, 10, 10)
    assert listed(bench, 150) == [1]
    bench.bolus(200, 10000)
    assert listed(bench, 200) == [2, 1]
    assert listed(bench, 650) == [1]
    assert [bench.pump.find_bolus(number) is None for number in (0, 1, 2)] == [True, False, True]
    assert listed(bench, 2000) == []


@pytest.mark.parametrize("fast_first", [True, False])
def test_of_two_that_start_at_once_the_one_that_was_accepted_first_is_first(fast_first):
    """D-411: also when the IDs begin anew between them; both end in this order at a Stop (D-502)."""
    bench = Bench().dose(0)
    bench.pump.orders.last_id = 65534
    for fast in (fast_first, not fast_first):
        bench.bolus(10, *((1000,) if fast else (0, 1000, 60)))
    assert listed(bench, 20) == [65535, 1]
    bench.do(30, "set_therapy_state", events.STOP)
    assert [(s, number, reason) for s, number, _, reason, *_ in bench.all("BOLUS_ENDED")] == [
        (30, 65535, events.CANCELED), (30, 1, events.CANCELED),
    ]  # fmt: skip


def test_one_that_was_delayed_to_the_start_of_a_later_one_comes_first():
    """D-411: both start delivery at 160."""
    bench = Bench().dose(0)
    bench.bolus(100, 0, 500, 10, 1)
    bench.bolus(160, 500)
    assert listed(bench, 161) == [1, 2]


@pytest.mark.parametrize(
    ("extended", "fast", "order"),
    [((100, 0, 100, 2), (160, 1500), [1, 2]), ((100, 0, 100, 1, 1), (110, 2750), [2, 1])],
)
def test_both_end_in_their_order_when_the_last_pulses_fall_together(extended, fast, order):
    """D-003, D-411: by the start of delivery, at 220."""
    bench = Bench().dose(0)
    bench.bolus(*extended)
    bench.bolus(*fast)
    bench.run(400)
    assert [line[:2] for line in bench.all("BOLUS_ENDED")] == [(220, number) for number in order]


def test_durations_on_the_wire():
    """D-415: extended over 10 min, cancelled after 90 s; Pause counts as effective and not as elapsed."""
    bench = Bench().dose(0)
    bench.bolus(100, 0, 500, 10)
    bolus = bench.run(159).boluses[1]
    assert (bolus.elapsed_minutes(), bolus.remaining_minutes(), bolus.effective_minutes(159)) == (0, 10, 0)
    bench.run(160)
    assert (bolus.elapsed_minutes(), bolus.remaining_minutes(), bolus.effective_minutes(160)) == (1, 9, 1)
    bench.run(190)
    assert (bolus.elapsed_minutes(), bolus.remaining_minutes(), bolus.effective_minutes(190)) == (1, 9, 1)
    bench.do(190, "set_therapy_state", events.PAUSE)
    bench.do(370, "set_therapy_state", events.RUN)
    bench.do(371, "cancel_bolus", 1)
    assert (bolus.elapsed_minutes(), bolus.effective_minutes(371)) == (1, 4)


def test_durations_of_a_fast_bolus_are_0():
    """D-415: elapsed, remaining and effective; and effective of one that had not started."""
    bench = Bench().dose(0)
    bench.bolus(0, 10000)
    bolus = bench.run(300).boluses[0]
    assert (bolus.elapsed_minutes(), bolus.remaining_minutes(), bolus.effective_minutes(300)) == (0, 0, 0)
    bench.bolus(300, 0, 100, 10, 10)
    assert bench.run(600).boluses[1].effective_minutes(600) == 0


def test_a_multiwave_whose_extended_part_is_out_has_no_minutes_left():
    """D-415: elapsed and remaining make up what was programmed."""
    bench = Bench().dose(0)
    bench.bolus(0, 10000 - 50, 50, 1)
    bolus = bench.run(200).boluses[1]
    assert (bolus.elapsed_minutes(), bolus.remaining_minutes()) == (1, 0)


def test_a_remaining_delay_is_rounded_up():
    """D-415: 10 min at 100, 1 min with a second left, 0 at the start."""
    bench = Bench().dose(0)
    bench.bolus(100, 0, 100, 10, 10)
    bolus = bench.pump.boluses[1]
    delays = [bolus.remaining_delay_minutes(s) for s in (100, 101, 160, 161, 699, 700, 800)]
    assert delays == [10, 10, 9, 9, 1, 0, 0]
    assert bolus.delay_minutes == 10


# --- How they end (D-003, D-813, D-821) -----------------------------------------------------------------------------


def test_an_occlusion_ends_both_but_not_the_one_that_is_complete():
    """D-003, D-821: at 30 the fast one's last pulse leaves, the extended one's meets the occlusion."""
    bench = Bench().dose(0)
    bench.bolus(0, 0, 100, 1)
    bench.bolus(26, 100)
    bench.run(29)
    pulse = bench.pulse
    bench.pulse = lambda s: (pulse(s), setattr(bench, "occluded", s == 30))
    bench.pump.delivery._motor = bench
    bench.run(100)
    assert bench.pulses == [28, 30]
    assert [line[1:] for line in bench.told if line[0] == 30] == [
        ("ANNUNCIATION", 1, events.OCCLUSION_DETECTED, events.PENDING, 0, 0),
        ("BOLUS_ENDED", 1, 0, events.ERROR_ABORT, 1, 0),
        ("THERAPY", events.RUN, events.STOP, 0, 0, 0),
        ("BOLUS_ENDED", 2, 100, events.COMPLETE, 0, 26),
    ]


def test_an_empty_reservoir_ends_both_in_their_order():
    """D-813, D-905: reservoir, annunciation, boluses, TBR with its rate, therapy, rate."""
    bench = Bench().dose(1000)
    bench.do(1, "inject", events.FAULT_RESERVOIR_LEVEL, 30)
    bench.tbr(2, 0, 30)
    bench.bolus(3, 0, 500, 10)
    bench.bolus(4, 1000)
    bench.do(20, "inject", events.FAULT_RESERVOIR_LEVEL, 1)
    bench.run(100)
    assert bench.since(21) == [
        (22, "RESERVOIR"), (22, "ANNUNCIATION"), (22, "BOLUS_ENDED"), (22, "BOLUS_ENDED"), (22, "TBR_ENDED"),
        (22, "BASAL_CHANGED"), (22, "THERAPY"), (22, "BASAL_CHANGED"),
    ]  # fmt: skip
    assert [line[1] for line in bench.all("BOLUS_ENDED")] == [1, 2]


def test_a_pause_halts_both_and_its_limit_cancels_both():
    """D-502 to D-504."""
    bench = Bench().dose(0)
    bench.bolus(0, 0, 500, 10)
    bench.bolus(0, 10000)
    bench.do(10, "set_therapy_state", events.PAUSE)
    bench.run(2000)
    assert bench.all("BOLUS_ENDED") == [(910, 1, 0, events.CANCELED, 0, 0), (910, 2, 250, events.CANCELED, 0, 0)]


# --- The bolus calculator (D-909) -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "code"),
    [(0, events.SUCCESS), (50, events.SUCCESS), (25000, events.SUCCESS), (25050, events.OUT_OF_RANGE),
     (75, events.OUT_OF_RANGE), (-50, events.OUT_OF_RANGE)],
)  # fmt: skip
@pytest.mark.parametrize("place", [0, 7])
def test_what_a_bolus_calculator_may_say(place, amount, code):
    """D-909: 0 to 25 U in whole pulses; it moves no insulin."""
    amounts = [2000, 0, 0, 0, 1500, 0, 0, 0]
    amounts[place] = amount
    bench = Bench().dose(0)
    assert bench.do(10, "bolus_calculated", *amounts) == code
    assert list(bench.pump.calculated) == (amounts if code == events.SUCCESS else [0] * 8)
    assert bench.since(10) == ([(10, "BOLUS_CALCULATED")] if code == events.SUCCESS else [])
    bench.run(1000)
    assert bench.pulses == []
