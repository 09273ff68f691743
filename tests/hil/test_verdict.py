"""Goal: a verdict only worsens, keeps every reason, and has the exit code that the documents promise.

Method: every order of the three bad verdicts is put into the book; the codes are held against the table of the errors.
"""

import itertools

import pytest

from pumprig import errors
from pumprig.verdict import EXIT_CODES, INTERRUPTED_EXIT_CODE, Reason, Verdict, VerdictBook

BAD = (Verdict.INCONCLUSIVE, Verdict.ERROR, Verdict.FAIL)


def test_a_run_without_a_reason_is_a_pass():
    assert VerdictBook().verdict is Verdict.PASS
    assert VerdictBook().reasons == ()


@pytest.mark.parametrize("order", list(itertools.product(BAD, repeat=3)))
def test_the_worst_reason_decides_whatever_the_order_and_no_step_is_better_than_the_one_before(order):
    book = VerdictBook()
    steps = [book.verdict]
    for number, verdict in enumerate(order):
        book.add(Reason(verdict, f"reason {number}"))
        steps.append(book.verdict)
    assert steps == sorted(steps)
    assert book.verdict is max(order)
    assert [reason.message for reason in book.reasons] == ["reason 0", "reason 1", "reason 2"]


def test_a_cable_pulled_after_an_overdose_changes_nothing():
    book = VerdictBook()
    overdose = Reason(Verdict.FAIL, "a pulse too many", "D-102", "pulse", 700)
    book.add(overdose)
    book.add(Reason(Verdict.ERROR, "the link was lost", at_s=701.5))
    assert book.verdict is Verdict.FAIL
    assert book.reasons[0] is overdose


def test_pass_is_no_reason():
    with pytest.raises(ValueError, match="PASS"):
        VerdictBook().add(Reason(Verdict.PASS, "all is well"))


def test_a_reason_is_plain_data_in_the_record():
    reason = Reason(Verdict.FAIL, "a pulse too many", "D-102", "pulse", 700.5)
    assert reason.as_dict() == {
        "verdict": "FAIL", "message": "a pulse too many", "rule": "D-102", "check": "pulse", "at_s": 700.5,
    }  # fmt: skip


def test_every_verdict_and_every_error_has_the_exit_code_of_the_documents():
    assert {verdict.name: EXIT_CODES[verdict] for verdict in Verdict} == {
        "PASS": 0, "FAIL": 1, "ERROR": 4, "INCONCLUSIVE": 7,
    }  # fmt: skip
    assert INTERRUPTED_EXIT_CODE == 130
    codes = {name: getattr(errors, name).exit_code for name in errors.__all__}
    assert codes == {
        "UsageError": 2, "TraceError": 2, "ScenarioError": 2, "BlockedError": 3, "PumprigError": 4, "RigError": 4,
        "BuildMismatch": 5, "WireBreak": 6,
    }  # fmt: skip


def test_an_error_says_where_what_was_allowed_and_what_to_do():
    error = errors.UsageError("no such unit", where="a.csv:3", allowed="mg/dL, mmol/L", remedy="Name the unit")
    assert error.message == "a.csv:3: no such unit; allowed: mg/dL, mmol/L. Name the unit."
    assert errors.RigError("it broke!").message == "it broke!"
