"""The conformance cases, their verdicts, and what is printed of them.

Goal: the firmware passes every case; a case ends with the verdict, the octets and the exit code that its result asks
for; known failures hold both ways; the document lists the cases that there are. Method: the command on the virtual
board, and cases made up here.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest

from pumplink.virtual.clocks import Lockstep, Realtime
from pumprig.cli import main
from pumprig.conformance.bench import Bench
from pumprig.conformance.model import Case, Failed, NotAdvertised, NotPossible, Verdict, all_cases, case, chosen_cases
from pumprig.conformance.octets import Bolus, request, sf, u8, u16
from pumprig.conformance.runner import Result, exit_code_of, load_known, run_cases
from pumprig.conformance.session import CCP, SRCP
from pumprig.conformance.show import as_junit, as_text, document, line_of
from pumprig.conformance.steps import run_therapy, set_bolus
from pumprig.errors import UsageError
from pumpwire import database
from pumpwire.enums import BolusType, IddFeatureFlags, RacpResponseCode, ResponseCode
from pumpwire.numbers import Special

DOCUMENT = Path(__file__).resolve().parents[2] / "hil" / "CONFORMANCE.md"
QUICK = ("features.*", "srcp.opcode.*", "e2e.write.srcp.*", "racp.operator.*", "history.clock-set", "run.*")
# The cases that the virtual board leaves no room for, each with how its reason begins. A case that comes to this list
# has stopped to try its clause.
NOT_POSSIBLE = {
    "bolus.activation-without-feature": "the server advertises it",
    "bolus.delay-without-feature": "the server advertises it",
    "bolus.template-without-feature": "the server advertises it",
    "bolus.unsupported-type": "the server has all bolus types",
    "ccp.opcode.not-advertised": "the server advertises a feature for each command",
    "e2e.none": "the server has E2E-Protection",
    "features.no-protection": "the server has E2E-Protection",
    "profile.basal.not-configurable": "all templates are configurable",
    "profile.icho.not-configurable": "all templates are configurable",
    "profile.isf.not-configurable": "all templates are configurable",
    "profile.target.not-configurable": "all templates are configurable",
    "profile.target.third-without-second": "a write holds two blocks at most",
    "radio.collision.ccp": "a write can be refused by an ATT error here",
    "radio.collision.racp": "a write can be refused by an ATT error here",
    "radio.collision.set-bolus": "a write can be refused by an ATT error here",
    "radio.collision.srcp": "a write can be refused by an ATT error here",
    "radio.write.ccp.bad-counter": "a write can be refused by an ATT error here",
    "radio.write.ccp.bad-crc": "a write can be refused by an ATT error here",
    "radio.write.ccp.missing": "a write can be refused by an ATT error here",
    "radio.write.does-nothing": "a write can be refused by an ATT error here",
    "radio.write.no-doubling": "a write can be refused by an ATT error here",
    "radio.write.racp.bad-counter": "a write can be refused by an ATT error here",
    "radio.write.racp.bad-crc": "a write can be refused by an ATT error here",
    "radio.write.racp.missing": "a write can be refused by an ATT error here",
    "radio.write.srcp.bad-counter": "a write can be refused by an ATT error here",
    "radio.write.srcp.bad-crc": "a write can be refused by an ATT error here",
    "radio.write.srcp.missing": "a write can be refused by an ATT error here",
    "srcp.get-active-basal-rate-delivery.not-supported": "the server has a basal rate",
    "srcp.get-active-bolus-ids.not-supported": "the server has boluses",
    "tbr.template-without-feature": "the server has TBR templates",
    "tbr.unsupported-type": "the server has both TBR types",
}


def run(*arguments: str) -> int:
    """The exit code of the command."""
    with pytest.raises(SystemExit) as left:
        main(["conformance", *arguments])
    return int(left.value.code or 0)


def made_up(act=lambda s: None, **changes: object) -> Case:
    """A case that is not in the list."""
    values = {
        "id": "made.up", "clause": "IDS 1.0.2, 0", "about": "Nothing.", "run": act, "needs": IddFeatureFlags(0),
        "command": False, "history": False, "seconds": 0.0, "last": False, "fresh": False,
    }  # fmt: skip
    return Case(**(values | changes))


def stumble(s) -> None:
    """A case that a server fails."""
    raise Failed("a", "b")


def fails() -> Result:
    """A case that the server failed."""
    return Result(made_up(), Verdict.FAIL)


def result_of(act=lambda s: None, *, known: str | None = None, **changes: object) -> Result:
    """How a made-up case ends on the virtual board."""
    [result] = run_cases(Bench("virtual", Lockstep()), [made_up(act, **changes)])
    result.known = known
    return result


# --- The list ---


def test_every_case_has_a_name_a_clause_and_a_sentence():
    for one in all_cases():
        assert one.id == one.id.lower() and "." in one.id and " " not in one.id
        assert one.clause.startswith(("IDS 1.0.2, ", "IDP 1.0.2, ", "CTS 1.1, ", "Bluetooth Core 5.4, "))
        assert one.about.endswith(".") and not one.about[0].islower()


def test_the_document_lists_the_cases_that_there_are():
    assert DOCUMENT.read_text(encoding="utf-8") == document(all_cases()) + "\n"


def test_a_name_is_given_once():
    with pytest.raises(ValueError, match=r"two cases are called features\.format"):
        case("features.format", "3.5", "Again.")(lambda s: None)


def test_patterns_choose_cases_and_unknown_ones_are_refused():
    assert {one.id for one in chosen_cases(["run.*"], ["run.e2e"])} == {"run.format", "run.size", "run.pdus"}
    for wrong in ({"include": ["no.such"]}, {"exclude": ["no.such"]}, {"include": ["run.e2e"], "exclude": ["run.*"]}):
        with pytest.raises(UsageError):
            chosen_cases(**wrong)


def test_a_server_is_listed_with_what_it_needs(capsys):
    assert run("--list", "--json", "--include", "bolus-template.used") == 0
    [shown] = json.loads(capsys.readouterr().out)
    assert shown["needs"] == ["BOLUS_TEMPLATE", "COMMAND_CONTROL_POINT"]


# --- Verdicts ---


def test_what_a_case_raises_is_its_verdict():
    def fails(s):
        s.read(database.FEATURES)
        raise Failed("a", "b")

    def cannot(s):
        raise NotPossible("no")

    def need_not(s):
        raise NotAdvertised("none")

    assert result_of().verdict is Verdict.PASS
    failed = result_of(fails)
    assert (failed.verdict, failed.expected, failed.seen) == (Verdict.FAIL, "a", "b")
    assert failed.pdus[-2] == "> 0a 1b 00"
    assert result_of(cannot).verdict is Verdict.NOT_POSSIBLE
    assert result_of(need_not).verdict is Verdict.NOT_ADVERTISED


@pytest.mark.parametrize(
    "defect", [IndexError("x"), KeyError("x"), TypeError("x"), ValueError("x"), StopIteration(), AssertionError("x"),
               AttributeError("x"), ZeroDivisionError("x")], ids=repr,
)  # fmt: skip
def test_a_case_that_breaks_in_itself_is_an_error_of_the_tool_and_no_failure_of_the_server(defect):
    def breaks(s):
        s.read(database.FEATURES)
        raise defect

    result = result_of(breaks)
    assert result.verdict is Verdict.ERROR and not result.unexpected
    assert result.reason.startswith(f"the case is at fault: {type(defect).__name__}")
    assert "test_conformance.py:" in result.reason and result.pdus[-2] == "> 0a 1b 00"
    assert exit_code_of([result_of(), result]) == 4 and exit_code_of([fails(), result]) == 1
    assert "ERROR" in line_of(result) and result.pdus[-2] in line_of(result)
    assert "1 broken in themselves" in as_text([result], 1.0)


def test_what_a_server_leaves_out_fails_the_case_that_looks_for_it():
    def octet(s):
        s.read(database.FEATURES)[200]

    def name(s):
        s.fields(database.FEATURES)["no_such_field"]

    missing, unnamed = result_of(octet), result_of(name)
    assert (missing.verdict, missing.expected) == (Verdict.FAIL, "an octet 200")
    assert (unnamed.verdict, unnamed.expected) == (Verdict.FAIL, "a message with the field no_such_field")


class Silent:
    """A session with a server that has a history, and nothing in it."""

    def __init__(self) -> None:
        self.bench = SimpleNamespace(has=lambda _: False)

    def ask(self, on, message):
        return SimpleNamespace(code=RacpResponseCode.NO_RECORDS_FOUND, data=[])

    def has_code(self, answer, *codes):
        assert answer.code in codes
        return answer


@pytest.mark.parametrize("name", ["history.powers", "history.first-is-reference", "racp.first", "racp.delete.le"])
def test_an_empty_history_breaks_no_case(name):
    [one] = chosen_cases([name], ())
    with pytest.raises(NotPossible):
        one.run(Silent())


def test_features_that_are_missing_are_not_asked_for():
    bench = Bench("virtual", Lockstep())
    bench.features &= ~IddFeatureFlags.BASAL_RATE
    [result] = run_cases(bench, [made_up(needs=IddFeatureFlags.BASAL_RATE)])
    assert result.verdict is Verdict.NOT_ADVERTISED and "BASAL_RATE" in result.reason


@pytest.mark.parametrize(("patience_s", "verdict"), [(29.0, Verdict.NOT_POSSIBLE), (30.0, Verdict.PASS)])
def test_where_time_is_real_a_long_case_needs_patience(patience_s, verdict):
    bench = Bench("virtual", Realtime(), patience_s=patience_s)
    [result] = run_cases(bench, [made_up(seconds=30.0)])
    assert result.verdict is verdict


def test_a_wrong_answer_is_told_with_its_octets():
    result = result_of(lambda s: s.code(SRCP, request(0x0505), 0x0F))
    assert "response code 0x0F" in result.expected
    assert "03 03 05 05 70" in result.seen and "OPCODE_NOT_SUPPORTED" in result.seen


class Refusing:
    """A session with a server that refuses Run and tells a status."""

    def __init__(self, flags: int, remaining_iu: object) -> None:
        self.bench = SimpleNamespace(features=IddFeatureFlags(0))
        self._status = {"flags": flags, "reservoir_remaining_iu": remaining_iu}

    def ask(self, on, message):
        return SimpleNamespace(code=ResponseCode.PROCEDURE_NOT_APPLICABLE)

    def fields(self, characteristic):
        return self._status

    def holds(self, condition, expected, seen):
        if not condition:
            raise Failed(expected, str(seen))


@pytest.mark.parametrize(
    ("flags", "remaining_iu", "end"),
    [(0, Special.NAN, NotPossible), (1, 0.0, NotPossible), (1, 0.1, Failed), (1, Special.NAN, Failed)],
)
def test_run_is_refused_for_the_reservoir_that_the_status_tells_of_alone(flags, remaining_iu, end):
    with pytest.raises(end):
        run_therapy(Refusing(flags, remaining_iu))


def test_a_run_in_which_no_case_passed_shows_nothing():
    def cannot(s):
        raise NotPossible("no")

    none, failing = result_of(cannot), result_of(stumble, known="why")
    assert exit_code_of([none]) == 7 and exit_code_of([failing]) == 7 and exit_code_of([]) == 7
    assert exit_code_of([none, result_of()]) == 0 and exit_code_of([none, result_of(stumble)]) == 1
    assert "INCONCLUSIVE: 1 cases" in as_text([none], 1.0) and "PASS: " not in as_text([none], 1.0)


def test_therapy_does_not_run_when_a_case_has_ended():
    states = []

    def doses(s):
        run_therapy(s)
        set_bolus(s, BolusType.FAST)

    def looks(s):
        states.append(s.fields(database.STATUS)["therapy_control_state"].name)

    run_cases(Bench("virtual", Lockstep()), [made_up(doses), made_up(looks)])
    assert states == ["STOP"]


def test_values_that_are_wrong_are_noted_whatever_the_case_is_about():
    def hears(s):
        for octets in (b"\x33\x96\x2c\x01\x03", b"\x01\x96\x2c\x01\x01", bytes(18)):
            s._note(database.STATUS, s.protected(database.STATUS, octets, 1), False)
        s._note(database.STATUS, bytes(8), False)

    bench = Bench("virtual", Lockstep())
    run_cases(bench, [made_up(hears)])
    kinds = [noted.kind for noted in bench.noted]
    assert kinds == ["format", "e2e", "format", "e2e", "size", "format", "e2e", "format"]


def test_octets_are_those_of_the_standard():
    bolus = Bolus(BolusType.MULTIWAVE, "1", "2.5", 60, delay=5, activation=0x33)
    assert bolus.request() == bytes.fromhex("4b11 05 55 0100 19f0 3c00 0500 33".replace(" ", ""))
    assert request("CancelBolus", u16(7)) + u8(1) + sf("0.5") == bytes.fromhex("7811 0700 01 05f0".replace(" ", ""))
    assert CCP.opcode_octets == 2


# --- Known failures ---


def test_a_known_failure_may_fail_and_must_not_pass():
    failing, passing = result_of(stumble, known="why"), result_of(known="why")
    assert exit_code_of([failing, result_of()]) == 0 and exit_code_of([passing]) == 1
    assert "FAIL (known)" in line_of(failing)
    assert "made.up is listed as a known failure and passes" in as_text([passing], 1.0)


def test_the_file_of_known_failures_names_cases_that_exist(tmp_path):
    path = tmp_path / "known"
    path.write_text("# all of them\n\nrun.e2e # the counter\nrun.size\n", encoding="utf-8")
    assert load_known(path) == {"run.e2e": "the counter", "run.size": "known"}
    path.write_text("no.such\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"known:1.*no\.such"):
        load_known(path)
    with pytest.raises(UsageError):
        load_known(tmp_path / "missing")


# --- What is printed ---


def test_junit_has_a_failure_for_what_fails_the_run_alone():
    def breaks(s):
        raise IndexError

    results = [
        result_of(),
        result_of(stumble),
        result_of(stumble, known="why"),
        result_of(known="why"),
        result_of(breaks),
    ]
    suite = ElementTree.fromstring(as_junit(results, "virtual", 1.0))
    assert {name: suite.get(name) for name in ("tests", "failures", "skipped", "errors")} == {
        "tests": "5", "failures": "2", "skipped": "1", "errors": "1"
    }  # fmt: skip


def test_an_interrupted_run_keeps_what_it_has_and_says_so(tmp_path, monkeypatch, capsys):
    def some(bench, cases, *, known, on_result):
        on_result(Result(made_up()))
        raise KeyboardInterrupt

    monkeypatch.setattr("pumprig.conformance.runner.run_cases", some)
    path = tmp_path / "out"
    assert run("--json", "--output", str(path)) == 130
    shown = json.loads(path.read_text(encoding="utf-8"))
    assert shown["interrupted"] and shown["exit_code"] == 130 and [one["id"] for one in shown["cases"]] == ["made.up"]
    assert run("--format", "junit", "--output", str(path)) == 130
    suite = ElementTree.fromstring(path.read_text(encoding="utf-8"))
    assert (suite.get("tests"), suite.get("errors"), suite.find("testcase/error") is None) == ("2", "1", False)
    assert run("--output", str(path)) == 130
    assert "INTERRUPTED: 1 cases" in path.read_text(encoding="utf-8")
    capsys.readouterr()


@pytest.mark.parametrize(
    ("arguments", "where"),
    [
        (["--patience", "nan"], "--patience"), (["--patience", "inf"], "--patience"),
        (["--patience", "-1"], "--patience"), (["--prove", "--board", "virtual"], "--board"),
        (["--prove", "--clock", "lockstep"], "--clock"), (["--prove", "--patience", "10"], "--patience"),
        (["--prove", "--known-failures", "none"], "--known-failures"), (["--prove", "--list"], "--list"),
        (["--known-failures", "none"], "--known-failures none"),
        (["--list", "--format", "junit"], "--format junit"), (["--format", "markdown"], "--format markdown"),
        (["--output", "/"], "--output /"), (["--output", "/no/such/folder"], "--output /no/such/folder"),
    ],
)  # fmt: skip
def test_options_that_cannot_be_are_refused_before_the_first_case(arguments, where, monkeypatch, capsys):
    monkeypatch.setattr("pumprig.conformance.bench.Bench.session", None)
    assert run(*arguments) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"pumprig: {where}: ")


def test_looking_whether_the_output_can_be_written_leaves_it_as_it_was(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_text("kept", encoding="utf-8")
    for path in (old, new):
        assert run("--output", str(path), "--format", "markdown") == 2
    assert old.read_text(encoding="utf-8") == "kept" and not new.exists()


def test_the_firmware_passes_cases_of_each_procedure(tmp_path, capsys):
    path = tmp_path / "out.json"
    patterns = [part for pattern in QUICK for part in ("--include", pattern)]
    assert run(*patterns, "--json", "--output", str(path)) == 0
    shown = json.loads(path.read_text(encoding="utf-8"))
    assert shown["exit_code"] == 0 and shown["counts"]["FAIL"] == 0 and shown["counts"]["PASS"] > 30
    assert capsys.readouterr().out == ""


def test_a_board_without_a_server_is_blocked(tmp_path, capsys):
    (tmp_path / "main.py").write_text("import time\nwhile True:\n    time.sleep(60)\n", encoding="utf-8")
    assert run("--firmware", str(tmp_path), "--include", "features.*") == 3
    assert "pumprig: virtual" in capsys.readouterr().err


def not_possible(cases: list[dict[str, str]]) -> dict[str, str]:
    """The cases that could not be tried; of a reason as much as the list holds."""
    reasons = {one["id"]: one["reason"] for one in cases if one["verdict"] == "NOT_POSSIBLE"}
    return {name: reason[: len(NOT_POSSIBLE.get(name, reason))] for name, reason in reasons.items()}


def test_every_tbr_case_is_tried_but_those_that_cannot_be(capsys):
    assert run("--json", "--include", "tbr.*") == 0
    wanted = {name: reason for name, reason in NOT_POSSIBLE.items() if name.startswith("tbr.")}
    assert not_possible(json.loads(capsys.readouterr().out)["cases"]) == wanted


@pytest.mark.slow
def test_the_firmware_passes_every_case(capsys):
    assert run("--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["counts"]["FAIL"] == 0 and shown["counts"]["PASS"] > 500
    assert not_possible(shown["cases"]) == NOT_POSSIBLE
