"""Goal: a motor pulse that is missing, too many, shifted or in the wrong place is seen, and named with its rule.

Method: pulses due and pulses seen are given by hand, at the edges: one second early and late, two in one second, the
first and the last second of a suspension, the basal limit of an hour and one pulse more.
"""

import itertools

import pytest

from pumprig.checks import CheckBook
from pumprig.pulses import DuePulse, PulseWitness, SeenPulse
from pumprig.verdict import VerdictBook

LIMIT = 4


class Motor:
    """A witness, what it told of each pulse, and what it missed."""

    def __init__(self, suspended=lambda second: False):
        self.checks = CheckBook(VerdictBook(), real_time=False)
        self.told = []
        self.witness = PulseWitness(
            self.checks, on_pulse=lambda pulse, source: self.told.append((pulse.due_s, source)),
            basal_pulses_per_hour_max=LIMIT,
        )  # fmt: skip
        self.suspended = suspended

    def due(self, *seconds, source="basal"):
        for second in seconds:
            self.witness.due(DuePulse(second, source, "D-106" if source == "bolus" else "D-102"))
        return self

    def seen(self, *seconds, late_s=0.0):
        for second in seconds:
            self.witness.seen(SeenPulse(second, second + late_s))
        return self

    def settle(self, until_s=100_000):
        self.witness.settle(until_s, self.suspended)
        return [(v.check, v.rule, v.expected, v.observed) for v in self.checks.violations]

    def passed(self, check):
        return self.checks.counts()[check]["passed"]


def test_pulses_that_are_due_and_come_are_counted_with_their_source():
    motor = Motor().due(180, 360).due(400, source="bolus").seen(180, 360, 400)
    assert motor.settle() == []
    assert motor.told == [(180, "basal"), (360, "basal"), (400, "bolus")]
    assert motor.passed("pulse") == 3
    assert motor.witness.seen_count == 3


def test_a_missing_pulse_is_named_with_its_rule_and_the_next_one_seen():
    motor = Motor().due(180).due(360, source="bolus").due(540).seen(180, 540)
    assert motor.settle() == [("pulse", "D-106", 360, 540)]
    assert motor.told == [(180, "basal"), (540, "basal")]


def test_a_missing_pulse_at_the_end_has_nothing_after_it():
    assert Motor().due(180, 360).seen(180).settle() == [("pulse", "D-102", 360, None)]


def test_a_pulse_that_no_rule_gives_is_named_with_the_next_one_due():
    motor = Motor().due(180, 360).seen(180, 200, 360)
    assert motor.settle() == [("pulse", "D-102", 360, 200)]
    assert (200, "unexpected") in motor.told


@pytest.mark.parametrize(
    ("second", "missed"),
    [(359, [(360, 359), (360, None)]), (361, [(360, 361), (None, 361)])],
)
def test_a_pulse_a_second_away_is_one_too_many_and_one_missing(second, missed):
    found = Motor().due(360).seen(second).settle()
    assert [(expected, observed) for _, _, expected, observed in found] == missed


def test_two_pulses_of_one_second_are_two():
    both = Motor().due(180, source="bolus").due(180).seen(180, 180)
    assert both.settle() == []
    assert both.told == [(180, "bolus"), (180, "basal")]
    assert len(Motor().due(180, source="bolus").due(180).seen(180).settle()) == 1
    assert len(Motor().due(180).seen(180, 180).settle()) == 1


def test_what_lies_after_the_settled_second_is_not_judged_yet():
    motor = Motor().due(180, 181).seen(180)
    assert motor.settle(180) == []
    assert motor.settle(181) == [("pulse", "D-102", 181, None)]


def test_settling_twice_judges_nothing_twice():
    motor = Motor().due(180).seen(180, 200)
    assert motor.settle() == motor.settle()
    assert motor.passed("pulse") == 1


@pytest.mark.parametrize(("late_s", "missed"), [(0.0, 0), (0.999, 0), (1.0, 1), (1.5, 1)])
def test_a_pulse_must_leave_the_motor_within_its_second(late_s, missed):
    motor = Motor().due(180).seen(180, late_s=late_s)
    motor.settle()
    assert motor.checks.missed("pulse-timing") == missed
    assert motor.witness.lateness_s_max == pytest.approx(late_s)


def test_a_bench_that_is_unfit_says_nothing_of_a_pulses_time():
    motor = Motor().due(180)
    motor.witness.seen(SeenPulse(180, 182.5), timed=False)
    assert motor.settle() == []
    assert motor.checks.counts()["pulse-timing"]["passed"] == 0
    assert motor.witness.lateness_s_max == 2.5


@pytest.mark.parametrize(("second", "broken"), [(600, False), (601, True), (900, True), (901, False)])
def test_a_pulse_that_no_rule_gives_breaks_a_suspension_from_its_first_to_its_last_second(second, broken):
    # From 600 to 900: the second that ends at 600 is before it, the one that ends at 900 its last.
    motor = Motor(suspended=lambda at_s: 600 < at_s <= 900).seen(second)
    checks = [check for check, *_ in motor.settle()]
    assert ("suspension" in checks) is broken
    assert "pulse" in checks


def test_a_pulse_that_the_rules_give_during_a_suspension_breaks_nothing():
    # What a Pause withheld may fall due while a suspension runs; and a bolus goes on.
    motor = Motor(suspended=lambda at_s: True).due(700).due(700, source="bolus").seen(700, 700)
    assert motor.settle() == []


def test_an_hour_holds_the_limit_and_no_pulse_more():
    seconds = [0, 10, 20, 30]
    assert Motor().due(*seconds, 3600).seen(*seconds, 3600).settle() == []
    assert Motor().due(*seconds, 3599).seen(*seconds, 3599).settle() == [("rate-limit", "D-801", "<= 4", 5)]


def test_bolus_pulses_do_not_count_against_the_basal_limit():
    assert Motor().due(*range(20), source="bolus").seen(*range(20)).settle() == []


def test_a_pulse_that_no_rule_gives_counts_against_the_basal_limit():
    motor = Motor().due(0, 10, 20, 30).seen(0, 10, 20, 30, 40)
    assert [check for check, *_ in motor.settle()] == ["pulse", "rate-limit"]


def test_every_way_of_losing_one_and_adding_one_is_seen():
    due = [180, 360, 540, 720]
    for lost, added in itertools.product(due, [181, 359, 361, 541, 900]):
        seen = sorted({*due, added} - {lost})
        found = Motor().due(*due).seen(*seen).settle()
        assert [check for check, *_ in found] == ["pulse", "pulse"], (lost, added)
