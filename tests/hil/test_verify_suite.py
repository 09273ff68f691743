"""The suite that shows that the rig can fail.

Goal: each check fails a pump that deserves it and for the right reason, the correct firmware passes, and the suite
itself notices when one of this is not so. Method: the whole suite on the virtual board; then the suite with entries
that are wrong themselves: patches that do not apply, other checks, other reasons, slots that crash.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from campaign import size
from pumplink.boards import default_firmware
from pumprig.checks import CHECKS
from pumprig.cli import main
from pumprig.errors import RigError, UsageError
from pumprig.suite import slots, traces
from pumprig.suite.campaign import load_survivors, run_campaign
from pumprig.suite.catalogue import WrongFirmware, chosen, load_wrong, over_air, scenario_path, scenario_paths
from pumprig.suite.mutants import LEFT_OUT, Mutant, all_mutants, mutants_of, pick
from pumprig.suite.patching import Edit, PatchError, copy_firmware, patched
from pumprig.suite.show import exit_code_of, short
from pumprig.suite.verify import Outcome, Row, verify

# The whole takes minutes: in parts each stays well below the limit of a test.
PARTS = 4
# The bench's own fitness, what a scenario expects, and what only shows where time is real.
NEEDS_NO_WRONG_FIRMWARE = {"bench-fitness", "expectation"} | {name for name, check in CHECKS.items() if check.speed}


def entry(name: str = "iob-too-fast", **changes: object) -> WrongFirmware:
    """An entry of the catalogue, changed."""
    return replace(chosen(load_wrong(), (name,))[0], **changes)


def run_one(wrong: WrongFirmware, tmp_path: Path) -> Row:
    """The row of one wrong firmware."""
    [row] = verify((), (wrong,), work=tmp_path)
    return row


# --- The whole ---


@pytest.mark.parametrize("part", range(PARTS))
def test_the_correct_firmware_passes_and_every_wrong_one_is_caught_for_the_right_reason(part, tmp_path):
    rows = verify(tuple(scenario_paths())[part::PARTS], load_wrong()[part::PARTS], work=tmp_path)
    assert {row.name: row.problem for row in rows if row.outcome is not Outcome.OK} == {}
    assert exit_code_of(rows) == 0


OVER_AIR = ("pulse-lost", "tbr-change-unrecorded", "bolus-limit-ignored", "cgm-too-old-used")


@pytest.mark.slow
def test_wrong_firmwares_are_caught_over_the_air_for_the_same_reasons(tmp_path):
    """D-1518: a share of the suite, one each of delivery, records, limits and the loop."""
    pytest.importorskip("bumble", reason="the virtual radio needs the extra `ble`")
    wrong = chosen(over_air(load_wrong()), OVER_AIR)
    rows = verify(("rates", "boluses"), wrong, work=tmp_path, bearer="ble")
    assert {row.name: row.problem for row in rows if row.outcome is not Outcome.OK} == {}


def test_a_fault_of_the_cable_is_none_over_the_air(capsys):
    left_out = {one.name for one in load_wrong()} - {one.name for one in over_air(load_wrong())}
    assert left_out == {one.name for one in load_wrong() if one.check in ("frames", "status-changed-once")}
    for arguments in (["--bearer", "ble", "--mutants", "3"], ["--bearer", "ble", "--only", min(left_out)]):
        with pytest.raises(SystemExit) as ended:
            main(["verify-suite", *arguments])
        assert ended.value.code == 2 and len(capsys.readouterr().err.splitlines()) == 1


def test_every_check_that_lockstep_judges_has_a_firmware_that_it_fails():
    assert set(CHECKS) - {wrong.check for wrong in load_wrong()} == NEEDS_NO_WRONG_FIRMWARE


def test_traces_are_those_that_their_program_writes():
    for name in traces.TRACES:
        written = (traces.FOLDER / f"{name}.csv").read_text(encoding="utf-8")
        assert written.splitlines() == list(traces.as_csv(name)), name


# --- One firmware ---


def test_a_firmware_is_caught_and_survives_without_the_check(tmp_path):
    row = run_one(entry(), tmp_path)
    assert (row.outcome, row.caught_by, row.without) == (Outcome.OK, ["iob"], "survives")
    assert row.reason.startswith("insulin on board is")
    assert [(run.verdict, run.exit_code) for run in row.runs] == [("FAIL", 1), ("PASS", 0)]


@pytest.mark.parametrize(
    ("name", "changes", "problem"),
    [
        ("iob-too-fast", {"check": "ledger", "says": ""}, "ledger does not catch it"),
        ("iob-too-fast", {"says": "another reason"}, "iob does not say 'another reason'"),
        ("iob-too-fast", {"rule": "D-703"}, "iob cites D-702, not D-703"),
        ("iob-too-fast", {"second": "pulse"}, "without iob, pulse does not catch it"),
        ("iob-too-fast", {"scenario": "overrate", "edits": ()}, "nothing catches it"),
        ("pulse-lost", {"second": ""}, "without pulse it is caught by ledger, and no second check is named"),
    ],
)
def test_what_is_not_as_the_catalogue_says_fails_the_suite(tmp_path, name, changes, problem):
    row = run_one(entry(name, **changes), tmp_path)
    assert (row.outcome, row.problem, exit_code_of([row])) == (Outcome.WRONG, problem, 1)


def test_a_correct_firmware_that_fails_a_scenario_fails_the_suite(tmp_path):
    texts = patched(default_firmware(), entry("reference-time-missing").edits, "broken")
    broken = copy_firmware(default_firmware(), tmp_path / "broken", texts)
    [row] = verify(("boluses",), (), work=tmp_path, firmware=broken)
    assert row.outcome is Outcome.WRONG
    assert row.problem.startswith("the correct firmware fails: ")


# --- Patches ---


@pytest.mark.parametrize(
    ("edit", "problem"),
    [
        (Edit("pump/tbr.py", "self.no_such_name", ""), "stands there 0 times"),
        (Edit("pump/tbr.py", "self.active", ""), "times; allowed: exactly once"),
        (Edit("pump/no_such_file.py", "x", ""), "the file cannot be read"),
    ],
)
def test_a_patch_that_does_not_apply_is_an_error(tmp_path, edit, problem):
    row = run_one(entry(edits=(edit,)), tmp_path)
    assert (row.outcome, row.exit_code, row.runs) == (Outcome.ERROR, 4, [])
    assert problem in row.problem and "iob-too-fast" in row.problem


def test_an_error_outweighs_what_is_not_caught():
    wrong, error = Row("a"), Row("b")
    wrong.fail(Outcome.WRONG, "not caught")
    error.fail(Outcome.ERROR, "broken", 4)
    assert exit_code_of([wrong, error]) == 4


def test_edits_of_one_file_follow_each_other_and_the_source_stays_as_it_is(tmp_path):
    (tmp_path / "a.py").write_text("one two")
    texts = patched(tmp_path, (Edit("a.py", "one", "three"), Edit("a.py", "three two", "four")), "x")
    assert texts == {"a.py": "four"}
    copy = copy_firmware(tmp_path, tmp_path / "copy", texts)
    assert (copy / "a.py").read_text() == "four"
    assert (tmp_path / "a.py").read_text() == "one two"


def test_every_patch_of_the_catalogue_applies():
    for wrong in load_wrong():
        patched(default_firmware(), wrong.edits, wrong.name)


# --- The catalogue ---


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("rule = ", "rules = "), "unknown: ['rules'], missing: ['rule']"),
        (('rule = "D-102"', 'rule = "D-9999"'), "rule 'D-9999' does not exist"),
        (('check = "pulse"', 'check = "pulses"'), "check 'pulses' does not exist"),
        (('scenario = "rates"', 'scenario = "none"'), "scenario 'none' does not exist"),
    ],
)
def test_a_wrong_catalogue_is_refused_with_its_entry(tmp_path, change, problem):
    text = scenario_path("rates").parent.parent.joinpath("wrong.toml").read_text(encoding="utf-8")
    path = tmp_path / "wrong.toml"
    path.write_text(text.replace(*change, 1), encoding="utf-8")
    with pytest.raises(RigError, match="pulse-too-many") as refused:
        load_wrong(path)
    assert problem in refused.value.message


def test_an_unknown_name_is_refused_with_those_there_are():
    with pytest.raises(UsageError, match="pulse-lost"):
        chosen(load_wrong(), ("pulse-gone",))


# --- Slots ---


def jobs_of(*jobs: slots.Job) -> Callable[[], slots.Job | None]:
    queue = iter(jobs)
    return lambda: next(queue, None)


def test_a_crash_of_the_rig_costs_one_job(tmp_path):
    crash = slots.Job("crash", (None,), str(tmp_path))  # type: ignore[arg-type]
    sound = slots.Job("sound", (str(scenario_path("overrate")),), str(tmp_path))
    runs = {job.key: found for job, found in slots.run_jobs(jobs_of(crash, sound), 1)}
    [lost] = runs["crash"]
    assert (lost.verdict, lost.exit_code) == ("ERROR", 4)
    assert "the rig crashed" in lost.reasons[0]["message"] and "TypeError" in lost.reasons[0]["message"]
    assert [run.verdict for run in runs["sound"]] == ["PASS"]


def test_a_run_that_does_not_end_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(slots, "JOB_SECONDS_MAX", 0.0)
    job = slots.Job("late", (str(scenario_path("overrate")),), str(tmp_path))
    [(_, [run])] = slots.run_jobs(jobs_of(job), 1)
    assert run.verdict == "ERROR"
    assert "did not end within" in run.reasons[0]["message"]


def test_a_scenario_that_cannot_be_read_is_an_error_of_its_run(tmp_path):
    job = slots.Job("gone", (str(tmp_path / "none.toml"), str(scenario_path("overrate"))), str(tmp_path))
    [(_, runs)] = slots.run_jobs(jobs_of(job), 1)
    assert [(run.verdict, run.exit_code) for run in runs] == [("ERROR", 2), ("PASS", 0)]


# --- The command ---


def test_the_command_prints_what_it_found_as_json(capsys):
    with pytest.raises(SystemExit) as left:
        main(["verify-suite", "--only", "iob-too-fast", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert (left.value.code, told["exit_code"]) == (0, 0)
    assert [row["name"] for row in told["rows"]] == ["iob", "iob-too-fast"]
    wrong = told["rows"][1]
    assert (wrong["outcome"], wrong["rule"], wrong["check"], wrong["without"]) == ("ok", "D-702", "iob", "survives")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--only", "gone"], "no wrong firmware is called gone"),
        (["--only", "bolus-double"], "allowed: names such as bolus-doubled"),
        (["--only", "hang", "--mutants", "3"], "no names"),
        (["--unexplained"], "no explanations"),
    ],
)
def test_wrong_arguments_get_one_message(capsys, arguments, problem):
    with pytest.raises(SystemExit) as left:
        main(["verify-suite", *arguments])
    assert left.value.code == 2
    assert problem in capsys.readouterr().err


def test_the_help_lists_every_wrong_firmware(capsys):
    with pytest.raises(SystemExit):
        main(["verify-suite", "--help"])
    told = capsys.readouterr().out
    assert all(wrong.name in told for wrong in load_wrong())


def test_a_long_reason_is_shown_by_its_ends():
    assert short("died at 3 s\n  Traceback\n  IndexError: x") == "died at 3 s IndexError: x"
    assert short("hangs\n  somewhere") == "hangs"
    assert short("") == ""


# --- Mutants ---

SOURCE = '''from pump.events import RUN, STOP  # 1 < 2

LIMIT = const(3)


class Part:
    def judge(self, s, *more):
        if not self.on and s >= LIMIT:
            return RUN
        self._emit(RUN, s, 0, 1)
        return STOP if s - 1 > -2 else RUN
'''


def test_each_operator_bound_constant_and_word_is_changed_at_its_place():
    changed = {}
    for mutant in mutants_of("pump/part.py", SOURCE):
        changed.setdefault((mutant.line, mutant.function, mutant.before), set()).add(mutant.after)
    assert changed == {
        (3, "", "LIMIT = const(3)"): {"LIMIT = const(4)", "LIMIT = const(2)"},
        (8, "Part.judge", "if not self.on and s >= LIMIT:"): {
            "if  self.on and s >= LIMIT:",
            "if not self.on or s >= LIMIT:",
            "if not self.on and s > LIMIT:",
            "if not self.on and s < LIMIT:",
        },
        (9, "Part.judge", "return RUN"): {"return STOP"},
        (10, "Part.judge", "self._emit(RUN, s, 0, 1)"): {"self._emit(RUN, s, 0, 2)", "self._emit(RUN, s, 0, 0)"},
        (11, "Part.judge", "return STOP if s - 1 > -2 else RUN"): {
            "return RUN if s - 1 > -2 else RUN",
            "return STOP if s - 1 > -2 else STOP",
            "return STOP if s + 1 > -2 else RUN",
            "return STOP if s - 2 > -2 else RUN",
            "return STOP if s - 0 > -2 else RUN",
            "return STOP if s - 1 >= -2 else RUN",
            "return STOP if s - 1 <= -2 else RUN",
            "return STOP if s - 1 > -3 else RUN",
            "return STOP if s - 1 > -1 else RUN",
        },
    }


def test_a_mutant_differs_in_one_line_and_keeps_the_others_in_their_places():
    for mutant in mutants_of("pump/part.py", SOURCE):
        pairs = zip(SOURCE.splitlines(), mutant.text.splitlines(), strict=True)
        assert [number for number, (old, new) in enumerate(pairs, 1) if old != new] == [mutant.line]


def test_mutants_are_the_same_for_the_same_seed():
    mutants = all_mutants(default_firmware())
    assert pick(mutants, 200, 3) == pick(mutants, 200, 3) != pick(mutants, 200, 4)
    assert len({id(mutant) for mutant in pick(mutants, 200, 3)}) == 200
    assert pick(mutants[:5], 200, 3) == mutants[:5]
    assert not {mutant.file for mutant in mutants} & set(LEFT_OUT)


def test_each_explained_survivor_is_a_mutant_of_this_firmware():
    survivors = load_survivors()
    assert survivors.stale(all_mutants(default_firmware())) == []
    assert all(why.strip() for why in survivors.reasons.values())


def mutant_of(file: str, before: str, after: str) -> Mutant:
    source = (default_firmware() / file).read_text(encoding="utf-8")
    assert source.count(before) == 1
    return Mutant(file, 1, "", 0, "constant", before, after, source.replace(before, after))


def test_a_mutant_is_killed_by_the_first_scenario_that_sees_it(tmp_path):
    killed = mutant_of("pump/tbr.py", "60 * duration_minutes", "61 * duration_minutes")
    broken = mutant_of("pump/tbr.py", "self.active = True", "self.active = Nothing")
    fates = run_campaign([killed, broken], work=tmp_path)
    assert [(fate.survived, bool(fate.killed_by)) for fate in fates] == [(False, True), (False, True)]
    assert fates[1].check == "alive"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_mutant_that_no_scenario_sees_survives(tmp_path):
    [fate] = run_campaign([mutant_of("pump/tbr.py", "class Tbr:", "class Tbr:  # ")], work=tmp_path)
    assert (fate.survived, fate.killed_by) == (True, "")
    assert list(tmp_path.iterdir()) == []


def test_a_pump_whose_clock_shows_no_date_that_there_is_fails_and_breaks_nothing(tmp_path):
    source = (default_firmware() / "pump/wall.py").read_text(encoding="utf-8")
    before, after = "day // 1460 + day // 36524", "day // 1460 - day // 36524"
    assert source.count(before) == 1
    copy = copy_firmware(default_firmware(), tmp_path / "wrong", {"pump/wall.py": source.replace(before, after)})
    job = slots.Job("date", (str(scenario_path("midnight")),), str(tmp_path / "runs"), str(copy))
    [(_, [run])] = slots.run_jobs(jobs_of(job), 1)
    assert run.verdict == "FAIL"


@pytest.mark.slow
def test_mutants_are_killed_or_explained(capsys):
    mutants = size(80, whole=200)
    with pytest.raises(SystemExit) as left:
        main(["verify-suite", "--mutants", str(mutants), "--seed", "1", "--unexplained", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert told["mutants"] > mutants // 2
    assert told["survivors"] == []
    assert told["errors"] == []
    assert left.value.code == 0


def test_a_patch_error_is_the_rigs():
    assert PatchError("x").exit_code == 4
