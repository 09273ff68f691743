"""Goal: the book of checks counts everything, keeps the first misses, and judges only what a run can judge.

Method: each property is shown on declared checks: one plain, one of speed, one of the bench's fitness.
"""

import re

import pytest

from pumplink.boards import default_firmware
from pumprig.checks import CHECKS, VIOLATIONS_KEPT_PER_CHECK, CheckBook
from pumprig.verdict import Verdict, VerdictBook

SPEED = [check.id for check in CHECKS.values() if check.speed]
DOSING = default_firmware().parent / "DOSING.md"


def book(*, real_time=False, without=()):
    kept = []
    return CheckBook(VerdictBook(), real_time=real_time, without=without, on_violation=kept.append), kept


def miss(checks, check_id, at_s=10.0, **more):
    return checks.expect(check_id, False, at_s, message="wrong", expected=1, observed=2, **more)


def test_a_judgement_that_holds_is_counted_and_changes_nothing():
    checks, kept = book()
    assert checks.expect("pulse", True, 5) is True
    assert checks.counts()["pulse"] == {
        "passed": 1, "missed": 0, "judged": True, "why_not": "", "rules": list(CHECKS["pulse"].rules),
        "title": CHECKS["pulse"].title,
    }  # fmt: skip
    assert checks.book.verdict is Verdict.PASS
    assert kept == []


def test_a_miss_names_second_rule_and_both_numbers_and_fails_the_run():
    checks, kept = book()
    assert miss(checks, "decision", 70.5, rule="D-605", offset_minutes=5) is False
    (violation,) = kept
    assert (violation.at_s, violation.check, violation.rule, violation.offset_minutes) == (70.5, "decision", "D-605", 5)
    assert (violation.expected, violation.observed) == (1, 2)
    (reason,) = checks.book.reasons
    assert (reason.verdict, reason.rule, reason.check, reason.at_s) == (Verdict.FAIL, "D-605", "decision", 70.5)
    assert checks.violations == kept


@pytest.mark.parametrize("check_id", [check for check in CHECKS if check not in SPEED])
def test_a_miss_without_a_rule_cites_the_first_of_its_check(check_id):
    checks, (kept) = book()
    miss(checks, check_id)
    rules = CHECKS[check_id].rules
    assert kept[0].rule == (rules[0] if rules else "")


def test_a_miss_of_the_bench_is_inconclusive_and_of_the_pump_a_fail():
    checks, _ = book()
    miss(checks, "bench-fitness")
    assert checks.book.verdict is Verdict.INCONCLUSIVE
    miss(checks, "pulse")
    assert checks.book.verdict is Verdict.FAIL


def test_the_first_miss_of_a_check_is_the_reason_and_only_the_first_ones_are_kept():
    checks, kept = book()
    for number in range(VIOLATIONS_KEPT_PER_CHECK + 3):
        miss(checks, "pulse", number)
    miss(checks, "iob", 99)
    assert checks.missed("pulse") == VIOLATIONS_KEPT_PER_CHECK + 3
    assert [violation.at_s for violation in kept] == [*range(VIOLATIONS_KEPT_PER_CHECK), 99]
    assert [(reason.check, reason.at_s) for reason in checks.book.reasons] == [("pulse", 0), ("iob", 99)]


def test_a_check_that_is_switched_off_neither_counts_nor_fails():
    checks, kept = book(without={"pulse"})
    assert miss(checks, "pulse") is False
    assert checks.expect("pulse", True, 1) is True
    assert checks.counts()["pulse"] | {"rules": [], "title": ""} == {
        "passed": 0, "missed": 0, "judged": False, "why_not": "it was switched off", "rules": [], "title": "",
    }  # fmt: skip
    assert checks.book.verdict is Verdict.PASS
    assert kept == []


def test_speed_is_judged_only_where_time_is_real():
    assert SPEED == ["decision-deadline-host", "response-deadline"]
    for check_id in SPEED:
        lockstep, _ = book(real_time=False)
        miss(lockstep, check_id)
        assert (lockstep.judged(check_id), lockstep.book.verdict) == (False, Verdict.PASS)
        realtime, _ = book(real_time=True)
        miss(realtime, check_id)
        assert (realtime.judged(check_id), realtime.book.verdict) == (True, Verdict.FAIL)


def test_faster_than_real_time_the_deadlines_are_not_judged_and_the_record_says_so():
    checks = CheckBook(VerdictBook(), real_time=True, scaled=True)
    for check_id in ("decision-deadline", "response-deadline"):
        miss(checks, check_id)
        assert checks.counts()[check_id]["judged"] is False
    assert checks.book.verdict is Verdict.PASS


def test_where_the_host_may_hold_the_pump_up_its_own_doing_is_not_judged_and_the_record_says_why():
    checks = CheckBook(VerdictBook(), real_time=True, own_time=False)
    for check in CHECKS.values():
        if check.own_time:
            miss(checks, check.id)
            told = checks.counts()[check.id]
            assert not told["judged"]
            assert told["why_not"] == "the pump's time is the host's, which may hold the pump up"
    assert checks.book.verdict is Verdict.PASS


def test_a_check_that_is_not_declared_is_a_mistake_of_the_rig():
    checks, _ = book()
    with pytest.raises(KeyError):
        checks.expect("puls", True, 1)


def test_every_check_has_a_title_and_cites_rules_that_exist():
    rules = set(re.findall(r"^\*\*(D-\d{3,4}) ", DOSING.read_text(encoding="utf-8"), re.MULTILINE))
    for check in CHECKS.values():
        assert check.title
        assert set(check.rules) <= rules, check.id
        # The scenario's own expectations are the one check that no rule stands behind.
        assert check.rules or check.id == "expectation"
