"""Goal: a decision that is missing, late, told twice, told without a sample or wrong in any field is seen.

Method: an oracle decides on a few samples; what the pump tells is made from its decisions, with one thing changed.
"""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import pytest

from pumprig.checks import CheckBook
from pumprig.judge import DECISION_DEADLINE_S, Judge, SeenDecision
from pumprig.oracle import Oracle, OracleSettings
from pumprig.oracle import commands as c
from pumprig.pulses import SeenPulse
from pumprig.verdict import Verdict, VerdictBook

GLUCOSE = (120, 112, 104, 96, 92)
ARRIVES_AFTER_S = 0.1


class Scene:
    """A judge over an oracle under plgs, with samples every five minutes from second 300 on."""

    def __init__(self, *, real_time=False, glucose=GLUCOSE):
        self.checks = CheckBook(VerdictBook(), real_time=real_time)
        self.told = []
        oracle = Oracle(OracleSettings().with_controller(controller="plgs"))
        self.judge = Judge(
            oracle, self.checks, on_pulse=lambda pulse, source: None, on_record=lambda record, at_s: None,
            on_event=lambda event: None, basal_pulses_per_hour_max=600,
            on_decision=lambda seen, dut_ms, host_ms: self.told.append((seen.sequence, dut_ms, host_ms)),
        )  # fmt: skip
        for at_s, command in (
            (7, c.WriteProfile(1, ((1440, Decimal(1)),))),
            (8, c.ActivateProfile(1)),
            (9, c.SetTherapyState("run")),
            (10, c.OpenCgmSession(datetime(2000, 1, 1))),
        ):
            oracle.command(at_s, command)
        self.samples = list(enumerate(glucose, 1))

    def send(self, number, glucose):
        """Send the sample of so many five minutes; return what the pump must tell."""
        at_s = 300 * number
        wanted = self.judge.oracle.sample(at_s, 5 * number, glucose)
        self.judge.take()
        self.judge.sample_sent(wanted, at_s - 0.5, at_s - 0.5)
        return SeenDecision(
            wanted.sequence, wanted.offset_minutes, wanted.at_s, wanted.glucose_mg_dl, wanted.predicted_mg_dl,
            wanted.iob_displayed_mu, str(wanted.action), str(wanted.reason),
        )  # fmt: skip

    def see(self, seen, after_s=ARRIVES_AFTER_S, host_after_s=ARRIVES_AFTER_S):
        sent_s = seen.at_s - 0.5
        self.judge.decision_seen(seen, sent_s + after_s, sent_s + host_after_s)

    @property
    def missed(self):
        return [(v.check, v.rule, v.expected, v.observed, v.offset_minutes) for v in self.checks.violations]


def test_every_decision_that_is_right_and_in_time_passes():
    scene = Scene()
    for number, glucose in scene.samples:
        scene.see(scene.send(number, glucose))
        scene.judge.overdue(300 * number + 5)
    assert scene.missed == []
    assert [told[0] for told in scene.told] == [1, 2, 3, 4, 5]
    assert all(dut_ms == pytest.approx(1000 * ARRIVES_AFTER_S) for _, dut_ms, _ in scene.told)
    for check in ("decision", "decision-count", "decision-deadline", "iob"):
        assert scene.checks.counts()[check]["passed"] == len(GLUCOSE)


WRONG = [
    ("sequence", 2, "D-615", "number"), ("offset_minutes", 6, "D-601", "sample"), ("at_s", 301, "D-002", "second"),
    ("at_s", 299, "D-002", "second"), ("glucose_mg_dl", 119, "D-602", "glucose"),
    ("glucose_mg_dl", 0, "D-602", "glucose"), ("predicted_mg_dl", 120, "D-605", "prediction"),
    ("action", "none", "D-615", "action"), ("action", "suspend", "D-615", "action"),
    ("reason", "not low", "D-615", "reason"),
]  # fmt: skip


@pytest.mark.parametrize(("field", "value", "rule", "word"), WRONG)
def test_each_field_is_compared_and_named_with_its_rule_and_its_sample(field, value, rule, word):
    scene = Scene()
    right = scene.send(1, 120)
    assert getattr(right, field) != value
    scene.judge.decision_seen(replace(right, **{field: value}), 299.6, 299.6)
    assert scene.missed == [("decision", rule, getattr(right, field), value, 5)]
    assert scene.checks.book.reasons[0].message == f"{word} of the decision on the sample at 5 min is wrong"


def test_a_prediction_that_should_be_there_and_is_not_is_seen():
    scene = Scene()
    for number, glucose in scene.samples[:3]:
        right = scene.send(number, glucose)
        scene.see(replace(right, predicted_mg_dl=None) if number == 3 else right)
    assert scene.missed == [("decision", "D-605", right.predicted_mg_dl, None, 15)]


def test_only_the_first_wrong_field_of_a_decision_is_a_violation():
    scene = Scene()
    scene.see(replace(scene.send(1, 120), action="suspend", reason="low now", glucose_mg_dl=50))
    assert [violation[1] for violation in scene.missed] == ["D-602"]


@pytest.mark.parametrize(("by_mu", "missed"), [(1, 0), (2, 1), (-2, 1)])
def test_insulin_on_board_has_the_tolerance_of_its_rule_and_no_more(by_mu, missed):
    scene = Scene()
    scene.judge.oracle.advance(299)
    right = scene.send(1, 120)
    assert right.iob_mu > 40
    scene.see(replace(right, iob_mu=right.iob_mu + by_mu))
    assert scene.checks.missed("iob") == missed


def test_a_decision_that_does_not_come_is_named_once_the_deadline_is_over():
    scene = Scene()
    scene.send(1, 120)
    scene.judge.overdue(299.5 + DECISION_DEADLINE_S)
    assert scene.missed == []
    scene.judge.overdue(299.5 + DECISION_DEADLINE_S + 0.001)
    assert scene.missed == [("decision-count", "D-615", 1, 0, 5)]
    scene.judge.overdue(400)
    assert len(scene.missed) == 1


def test_a_decision_told_twice_came_without_a_sample_the_second_time():
    scene = Scene()
    right = scene.send(1, 120)
    scene.see(right)
    scene.see(right)
    assert scene.missed == [("decision-count", "D-615", None, 1, 5)]
    assert len(scene.told) == 1


@pytest.mark.parametrize(("after_s", "missed"), [(1.0, []), (1.001, ["decision-deadline"])])
def test_a_decision_must_come_within_a_second_of_the_pumps_time(after_s, missed):
    scene = Scene()
    scene.see(scene.send(1, 120), after_s=after_s)
    assert [check for check, *_ in scene.missed] == missed


@pytest.mark.parametrize("real_time", [False, True])
def test_the_hosts_time_counts_only_where_time_is_real(real_time):
    scene = Scene(real_time=real_time)
    scene.see(scene.send(1, 120), host_after_s=1.001)
    assert [check for check, *_ in scene.missed] == (["decision-deadline-host"] if real_time else [])


def test_samples_under_way_when_the_connection_goes_are_forgotten():
    scene = Scene()
    scene.send(1, 120)
    scene.judge.forget_pending()
    scene.judge.overdue(400)
    assert scene.missed == []
    scene.see(scene.send(2, 112))
    assert scene.missed == []


def test_two_samples_of_one_second_get_their_decisions_in_order():
    scene = Scene()
    first, second = scene.send(1, 120), scene.send(1, 120)
    assert second.reason == "invalid sample"
    scene.see(first)
    scene.see(second)
    assert scene.missed == []
    swapped = Scene()
    first, second = swapped.send(1, 120), swapped.send(1, 120)
    swapped.see(second)
    assert [violation[:2] for violation in swapped.missed] == [("decision", "D-615")]


# --- Suspensions as the oracle gives them ---


def suspended():
    """Low from the second sample on: suspended at 600, resumed at 1500 by a rise."""
    scene = Scene(glucose=(70, 65, 64, 63, 66))
    decisions = [scene.send(number, glucose) for number, glucose in scene.samples]
    assert [decision.action for decision in decisions] == ["keep", "suspend", "keep", "keep", "resume"]
    return scene


@pytest.mark.parametrize(("second", "during"), [(599, False), (600, False), (601, True), (1500, True), (1501, False)])
def test_a_suspension_seals_the_seconds_after_its_beginning_up_to_its_end(second, during):
    assert suspended().judge.suspended_during(second) is during


@pytest.mark.parametrize(("until_s", "seconds"), [(600, 0), (601, 1), (1500, 900), (5000, 900)])
def test_suspended_seconds_are_counted_up_to_any_second(until_s, seconds):
    scene = suspended()
    assert scene.judge.suspensions == 1
    assert scene.judge.suspended_seconds(until_s) == seconds


def test_a_suspension_that_runs_counts_up_to_now():
    scene = Scene(glucose=(70, 65))
    for number, glucose in scene.samples:
        scene.send(number, glucose)
    assert scene.judge.suspended_seconds(1000) == 400
    assert scene.judge.suspended_during(100_000)


def test_a_basal_pulse_within_a_suspension_breaks_two_checks():
    scene = suspended()
    for second in (180 + 9, 360 + 9, 540 + 9, 700):
        scene.judge.pulses.seen(SeenPulse(second, second))
    scene.judge.settle(1500)
    assert [(check, observed) for check, _, _, observed, _ in scene.missed] == [("pulse", 700), ("suspension", 700)]
    assert scene.checks.book.verdict is Verdict.FAIL
