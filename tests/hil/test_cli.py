"""Goal: the command line does what its help says: exit codes, JSON, one message for a mistake, never a traceback.

Method: the commands are called as the console script calls them, most of them in this process; what needs a process of
its own, a board beside a run, gets one. Files with mistakes are written here, each with one mistake.
"""

import contextlib
import errno
import hashlib
import importlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import click
import numpy
import pytest

from hil.rig_bench import PLGS, board_on_a_line, command, every_5_minutes, firmware_copy, flat, pump, trace_csv
from hil.view_fixture import being_written
from pumplink.boards import default_firmware, firmware_hash
from pumprig import cli

COMMANDS = tuple(cli._COMMANDS)
LOW = every_5_minutes([100, 90, 80, 70, 65, 64, 70, 90])
FRAGILE = "Traceback"


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """Calls a command in a folder of its own and returns exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        with pytest.raises(SystemExit) as left:
            cli.main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert FRAGILE not in err
        return left.value.code, out, err

    return run


@pytest.fixture
def trace(tmp_path):
    path = tmp_path / "low.csv"
    path.write_text(trace_csv(LOW), encoding="utf-8")
    return path


def only_run(tmp_path, name="runs"):
    (folder,) = (tmp_path / name).iterdir()
    return folder


# --- run ---


def test_a_trace_runs_and_leaves_its_record(call, trace, tmp_path):
    code, out, err = call("run", trace, "--no-live")
    assert (code, err) == (0, "")
    folder = only_run(tmp_path)
    first, second, third = out.splitlines()
    assert first.startswith("PASS  8 samples, ")
    assert re.fullmatch(r"  link over serial: response \S+ ms \(99 %: \S+\), command \S+ ms .* of host time", second)
    assert third == f"report {folder.relative_to(tmp_path) / 'report.html'}"
    assert {path.name for path in folder.iterdir()} == {
        "run.json", "events.jsonl", "doses.jsonl", "dut.log", "frames.jsonl", "junit.xml", "report.html", "signals.npz",
    }  # fmt: skip


def test_json_is_json_and_nothing_else(call, trace):
    code, out, err = call("run", trace, "--json")
    summary = json.loads(out)
    assert (code, err) == (0, "")
    assert (summary["verdict"], summary["exit_code"], summary["reasons"]) == ("PASS", 0, [])
    assert summary["suspensions"] == 1
    assert re.fullmatch("[0-9a-f]{64}", summary["doses_sha256"])


@pytest.mark.parametrize(
    ("arguments", "exit_code", "what"),
    [
        (["run", "missing.csv", "--json"], 2, "missing.csv"),
        (["run", "--hours", "many", "--json"], 2, "many"),
        (["replay", "nowhere", "--json"], 2, "nowhere"),
    ],
)
def test_a_refusal_is_json_for_who_asked_for_json(call, arguments, exit_code, what):
    code, out, err = call(*arguments)
    refusal = json.loads(out)
    assert (code, refusal["exit_code"]) == (exit_code, exit_code)
    assert what in refusal["error"]
    assert what in err


def test_json_of_a_fail_has_its_reasons_and_its_exit_code(call, trace, tmp_path):
    copy = firmware_copy(tmp_path, settings=("const(1500)", "const(1000)"))
    code, out, err = call("run", trace, "--json", "--firmware", copy)
    summary = json.loads(out)
    assert (code, summary["exit_code"], summary["verdict"]) == (1, 1, "FAIL")
    assert summary["reasons"][0]["check"] == "pump-data"
    assert err == ""


def test_options_decide_controller_seed_length_start_and_checks(call, trace, tmp_path):
    code, out, _ = call(
        "run", trace, "--controller", "manual", "--seed", 77, "--hours", 0.25, "--start", 0.25, "--without", "iob",
        "--without", "history", "--out", "elsewhere", "--json",
    )  # fmt: skip
    assert code == 0
    summary = json.loads(out)
    assert summary["samples_sent"] == 3
    assert summary["suspensions"] == 0
    meta = json.loads((only_run(tmp_path, "elsewhere") / "run.json").read_text(encoding="utf-8"))
    assert (meta["seed"], meta["controller"], meta["without"]) == (77, "manual", ["history", "iob"])
    assert meta["scenario"]["hours"] == 0.25
    judged = {name for name, check in meta["checks"].items() if check["judged"]}
    assert {"iob", "history"} & judged == set()


def test_a_scenario_runs_and_options_go_before_it(call, trace, tmp_path):
    scenario = tmp_path / "scenario.toml"
    scenario.write_text(
        "\n".join(['trace = "low.csv"', PLGS, pump(), command(600, "set_bolus", amount_iu=1)]), encoding="utf-8"
    )
    code, out, _ = call("run", scenario, "--json")
    assert code == 0
    assert json.loads(out)["pulses"]["bolus"] == 20
    code, out, _ = call("run", scenario, "--json", "--controller", "manual", "--hours", "0.15")
    # The bolus lies after the end that was asked for.
    assert (code, json.loads(out)["boluses"]) == (0, 0)


def test_what_was_given_to_a_run_stands_in_its_record(call, trace, tmp_path):
    assert call("run", trace, "--no-live")[0] == 0
    meta = json.loads((only_run(tmp_path) / "run.json").read_text(encoding="utf-8"))
    assert meta["trace_sha256"] == hashlib.sha256(trace.read_bytes()).hexdigest()
    assert meta["scenario"]["trace"] == str(trace)
    assert {"pumprig", "python", "platform", "seed", "controller", "board", "clock", "firmware_hash", "wire_version",
            "verdict", "reasons", "exit_code", "checks", "proves"} <= set(meta)  # fmt: skip
    assert meta["proves"] == "logic and order"


# --- Bad input ---

BAD_TRACES = {
    "no export": ("hello,world\n1,2\n", "", "no CGM export"),
    "nothing": ("", "", "the file is empty"),
    "a unit nobody knows": ("time,glucose_furlong\n2026-03-04T06:00:00,100\n", ":1", "unknown glucose unit"),
    "two values for one time": (trace_csv([(0, 100), (5, 100), (5, 140)]), ":4", "100 mg/dL on line 3, 140"),
    "a day that is none": (trace_csv([(0, 100)]) + "2026-02-30T06:00:00,100\n", ":3", "impossible time"),
    "a time to come": (trace_csv([(0, 100)]) + "2199-01-01T06:00:00,100\n", ":3", "impossible time"),
    "less than nothing": (trace_csv([(0, 100), (5, -5)]), ":3", "impossible glucose -5"),
    "more than anything": (trace_csv([(0, 100), (5, 9999)]), ":3", "impossible glucose 9999"),
    "a word for a number": (trace_csv([(0, 100)]) + "2026-03-04T06:05:00,abc\n", ":3", "no number"),
    "cut off": (trace_csv([(0, 100), (5, 104)])[:-2], ":3", "truncated file"),
    "a header alone": ("time,glucose_mg_dl\n", "", "no CGM reading"),
    "saved again by a spreadsheet": (
        "Glucose Data,Generated on,3/4/26 9:00,Generated by,X\n"
        "Device,Serial Number,Device Timestamp,Record Type,Historic Glucose mg/dL,Scan Glucose mg/dL\n"
        "FreeStyle,abc,3/4/26 6:00,0,100,\nFreeStyle,abc,3/4/26 6:15,0,100,\n",
        ":3", "--date-order",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD_TRACES)
def test_a_trace_that_cannot_be_used_is_named_with_its_line_and_the_remedy(call, tmp_path, kind):
    text, line, said = BAD_TRACES[kind]
    path = tmp_path / "bad.csv"
    path.write_text(text, encoding="utf-8")
    code, out, err = call("run", path)
    assert (code, out) == (2, "")
    (message,) = err.splitlines()
    assert message.startswith(f"pumprig: {path}{line}: ")
    assert said in message
    assert not (tmp_path / "runs").exists()


def test_a_trace_of_noise_is_refused_too(call, tmp_path):
    (tmp_path / "noise.csv").write_bytes(bytes(range(256)) * 20)
    code, _, err = call("run", "noise.csv")
    assert code == 2
    assert len(err.splitlines()) == 1


def test_a_date_order_makes_a_spreadsheets_file_readable(call, tmp_path):
    (tmp_path / "saved.csv").write_text("time,glucose_mg_dl\n3/4/26 6:00,100\n3/4/26 6:05,100\n", encoding="utf-8")
    assert call("run", "saved.csv", "--json")[0] == 2
    code, out, _ = call("run", "saved.csv", "--date-order", "mdy", "--json")
    assert (code, json.loads(out)["samples_sent"]) == (0, 2)


BAD_OPTIONS = [
    (["missing.csv"], 2, "missing.csv: there is no such file"),
    (["missing.toml"], 2, "missing.toml: the scenario cannot be read"),
    (["."], 2, "cannot be read"),
    (["low.csv", "--clock", "warp"], 2, "lockstep, realtime and scaled:N"),
    (["low.csv", "--clock", "scaled:0"], 2, "1 to 3600"),
    (["low.csv", "--board", "nothing"], 2, "virtual, id:SERIAL, port:DEVICE"),
    (["low.csv", "--board", "port:", "--clock", "realtime"], 2, "port:DEVICE"),
    (["low.csv", "--board", "id:", "--clock", "realtime"], 2, "id:SERIAL"),
    (["low.csv", "--board", "port:/dev/nothing"], 2, "lockstep needs the virtual board"),
    (["low.csv", "--board", "port:/dev/nothing", "--clock", "realtime"], 3, "/dev/nothing: no such device"),
    (["low.csv", "--board", "port:low.csv", "--clock", "realtime"], 3, "low.csv: cannot be opened"),
    (["low.csv", "--board", "id:0815", "--clock", "realtime"], 3, "id:0815: no such board is plugged in"),
    (["low.csv", "--board", "port:/dev/nothing", "--clock", "realtime", "--firmware", "."], 2, "--firmware"),
    (["low.csv", "--firmware", "."], 2, "no main.py; name the folder of a firmware"),
    (["low.csv", "--firmware", "missing"], 2, "no main.py"),
    (["low.csv", "--hours", "0"], 2, "hours"),
    (["low.csv", "--hours", "nan"], 2, "hours"),
    (["low.csv", "--start", "yesterday"], 2, "start"),
    (["low.csv", "--start", "99"], 2, "no reading from"),
    (["low.csv", "--without", "thinking"], 2, "no check is called thinking"),
    (["low.csv", "--out", "low.csv"], 2, "--out"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "exit_code", "said"), BAD_OPTIONS, ids=[" ".join(b[0]) for b in BAD_OPTIONS])
def test_what_cannot_be_done_is_said_in_one_line(call, trace, arguments, exit_code, said):
    code, out, err = call("run", *arguments, "--no-live")
    assert (code, out) == (exit_code, "")
    lines = [line for line in err.splitlines() if line != "Check the path."]
    assert len(lines) == 1
    assert lines[0].startswith("pumprig: ")
    assert said in lines[0]


@pytest.mark.parametrize("option", [["--seed", "-1"], ["--hours", "many"], ["--wings"]])
def test_an_option_that_click_refuses_is_usage(call, trace, option):
    code, _, err = call("run", trace, *option)
    assert code == 2
    assert err.startswith("Usage: pumprig run")


def test_every_mistake_of_a_scenario_is_named_with_its_line(call, tmp_path, trace):
    (tmp_path / "bad.toml").write_text(
        'trace = "low.csv"\ncontroler = "plgs"\n\n[[command]]\nat = "soon"\nkind = "set_bolus"\namount_iu = -1\n',
        encoding="utf-8",
    )
    code, _, err = call("run", "bad.toml")
    assert code == 2
    assert [line.split(" ")[0 if number else 1] for number, line in enumerate(err.splitlines()[:3])] == [
        "bad.toml:2:", "bad.toml:5:", "bad.toml:7:",
    ]  # fmt: skip


# --- replay ---


@pytest.fixture
def recorded(call, trace, tmp_path):
    """A run that has ended, below `first`."""
    assert call("run", trace, "--no-live", "--out", "first")[0] == 0
    return only_run(tmp_path, "first")


def test_a_run_is_repeated_from_its_record(call, recorded, tmp_path):
    code, out, err = call("replay", recorded)
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == f"the dose events are those of {recorded}"
    again = only_run(tmp_path)
    assert (again / "doses.jsonl").read_bytes() == (recorded / "doses.jsonl").read_bytes()
    code, out, err = call("replay", recorded / "run.json", "--json", "--out", "third")
    assert (code, json.loads(out)["verdict"], err) == (0, "PASS", "")


def test_a_trace_that_has_changed_since_is_refused(call, recorded, trace):
    trace.write_text(trace.read_text(encoding="utf-8").replace(",64", ",63"), encoding="utf-8")
    code, _, err = call("replay", recorded)
    assert code == 2
    assert f"{trace}: the trace has changed since the run" in err
    trace.unlink()
    code, _, err = call("replay", recorded)
    assert code == 2
    assert "there is no such file" in err


def test_firmware_that_has_changed_since_is_another_build(call, trace, tmp_path):
    copy = firmware_copy(tmp_path)
    assert call("run", trace, "--no-live", "--out", "first", "--firmware", copy)[0] == 0
    folder = only_run(tmp_path, "first")
    assert call("replay", folder)[0] == 0
    settings = copy / "settings.py"
    settings.write_text(settings.read_text(encoding="utf-8") + "\n# A word more.\n", encoding="utf-8")
    code, _, err = call("replay", folder)
    assert code == 5
    assert "--any-firmware" in err
    assert len(err.splitlines()) == 1
    assert call("replay", folder, "--any-firmware")[0] == 0
    shutil.rmtree(copy)
    code, _, err = call("replay", folder)
    assert code == 2
    assert str(copy) in err


def test_a_fail_is_repeated_as_the_fail_it_was(call, trace, tmp_path):
    rate = "self.rate_mu_per_h = "
    copy = firmware_copy(tmp_path, pump__basal=(f"{rate}templates", f"{rate}50 + templates"))
    assert call("run", trace, "--no-live", "--out", "first", "--firmware", copy)[0] == 1
    code, out, _ = call("replay", only_run(tmp_path, "first"))
    assert code == 0
    assert "FAIL" in out


def test_doses_that_differ_are_shown_where_they_begin_to(call, recorded):
    doses = recorded / "doses.jsonl"
    lines = doses.read_text(encoding="utf-8").splitlines(keepends=True)
    doses.write_text("".join([*lines[:3], *lines[4:]]), encoding="utf-8")
    code, _, err = call("replay", recorded)
    assert code == 1
    assert err.startswith("the dose events differ: line 4 was ")


def test_a_verdict_that_differs_is_told(call, recorded):
    meta = json.loads((recorded / "run.json").read_text(encoding="utf-8"))
    (recorded / "run.json").write_text(json.dumps(meta | {"verdict": "FAIL"}), encoding="utf-8")
    code, _, err = call("replay", recorded)
    assert code == 1
    assert "FAIL" in err
    assert "PASS" in err


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("run.json", "", "cannot be read"), ("run.json", "[]", "lacks"), ("run.json", "{}", "lacks"),
        ("run.json", "3", "lacks"), ("run.json", None, "cannot be read"), ("doses.jsonl", None, "doses.jsonl"),
        ("events.jsonl", None, "no record of a run"),
    ],
)  # fmt: skip
def test_a_damaged_record_is_refused(call, recorded, name, text, said):
    if text is None:
        (recorded / name).unlink()
    else:
        (recorded / name).write_text(text, encoding="utf-8")
    code, _, err = call("replay", recorded)
    assert code == 2
    assert len(err.splitlines()) == 1
    assert said in err


@pytest.mark.parametrize("key", ["clock", "board", "without", "scenario", "firmware_folder"])
def test_a_record_with_nonsense_in_it_is_refused(call, recorded, key):
    meta = json.loads((recorded / "run.json").read_text(encoding="utf-8"))
    (recorded / "run.json").write_text(json.dumps(meta | {key: 5}), encoding="utf-8")
    code, _, err = call("replay", recorded)
    assert code == 2
    assert "run.json" in err or "recorded scenario" in err


# --- report, doctor, board, help ---


def test_a_report_of_a_run_that_is_still_going_on(call, recorded):
    events = recorded / "events.jsonl"
    lines = events.read_text(encoding="utf-8").splitlines(keepends=True)
    events.write_text("".join(lines[:25]) + lines[25][:20], encoding="utf-8")
    meta = json.loads((recorded / "run.json").read_text(encoding="utf-8"))
    (recorded / "run.json").write_text(json.dumps(meta | {"verdict": None, "complete": False}), encoding="utf-8")
    for report in ("report.html", "junit.xml", "signals.npz"):
        (recorded / report).unlink()
    with being_written(recorded):
        code, out, err = call("report", recorded)
    assert (code, err) == (0, "")
    assert out == f"report {recorded / 'report.html'}\n"
    assert (recorded / "report.html").stat().st_size > 1_000_000
    assert "errors=\"1\"" in (recorded / "junit.xml").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["report", "replay"])
def test_a_folder_that_is_no_run_is_refused(call, tmp_path, name):
    for path in (tmp_path, tmp_path / "missing"):
        code, _, err = call(name, path)
        assert code == 2
        assert "no record of a run" in err


def test_doctor_says_what_there_is(call):
    code, out, _ = call("doctor", "--json")
    findings = {finding["name"]: finding for finding in json.loads(out)}
    assert code == 0
    assert findings["Python"]["ok"]
    assert findings["Virtual board"]["ok"]
    assert findings["Virtual board"]["needed"]
    assert not any(finding["needed"] for name, finding in findings.items() if "ort" in name)
    code, out, _ = call("doctor")
    assert code == 0
    assert all(name in out for name in findings)


def test_doctor_calls_what_no_run_needs_optional(call, monkeypatch):
    monkeypatch.setenv("PUMPRIG_SAMPLES", "nowhere")
    code, out, _ = call("doctor")
    assert code == 0
    assert "optional Recorded samples: none" in out and "missing" not in out


def test_doctor_without_a_micropython_is_blocked_and_names_the_remedy(call, monkeypatch):
    monkeypatch.setenv("PUMPRIG_MICROPYTHON", "/nothing/micropython")
    code, out, _ = call("doctor", "--json")
    finding = next(item for item in json.loads(out) if item["name"] == "MicroPython")
    assert code == 3
    assert not finding["ok"]
    assert "PUMPRIG_MICROPYTHON" in finding["remedy"]


def test_a_run_without_a_micropython_is_blocked(call, trace, monkeypatch):
    monkeypatch.setenv("PUMPRIG_MICROPYTHON", "/nothing/micropython")
    code, _, err = call("run", trace, "--no-live")
    assert code == 3
    assert len(err.splitlines()) == 1
    assert "PUMPRIG_MICROPYTHON" in err


def test_board_lists_boards_and_refuses_lockstep(call):
    code, out, err = call("board", "--list")
    assert (code, err) == (0, "") and {"pico_w", "virtual"} <= set(out.split())
    code, _, err = call("board", "--clock", "lockstep")
    assert code == 2
    assert "realtime, scaled:N" in err


def test_a_run_over_a_line_has_the_history_of_lockstep_and_passes(tmp_path, trace):
    # Two processes that know nothing of each other; at this speed the board has run for most of a minute when the run
    # begins, so that its first sample comes later than in lockstep, by whole minutes.
    arguments = ["--hours", "0.02", "--json", "--no-live"]
    program = [sys.executable, "-m", "pumprig.cli"]
    for _ in range(4):
        with board_on_a_line("scaled:60") as board:
            assert board.stdout is not None
            device = re.match(r"virtual board on (\S+), clock scaled:60;", board.stdout.readline())
            assert device
            run = subprocess.run(
                [*program, "run", str(trace), "--board", f"port:{device[1]}", "--clock", "scaled:60", *arguments],
                cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
            )  # fmt: skip
            board.send_signal(signal.SIGINT)
            assert board.wait(20) == 130
        # Over a line a late host cannot be told from a late pump.
        if run.returncode == 0:
            break
    if run.returncode == 7:
        pytest.skip(f"this machine is too busy: {run.stdout[:300]}")
    assert run.returncode == 0, run.stderr + run.stdout
    summary = json.loads(run.stdout)
    assert summary["verdict"] == "PASS"
    assert summary["checks"]["pulse"]["passed"] == 0
    begun = json.loads((tmp_path / summary["run"] / "events.jsonl").read_text(encoding="utf-8").partition("\n")[0])
    assert begun["start_s"] > 60
    assert begun["start_s"] % 60 == 0
    assert summary["checks"]["ledger"]["passed"] > 4
    lockstep = subprocess.run(
        [*program, "run", str(trace), *arguments, "--out", "lockstep"], cwd=tmp_path, capture_output=True, text=True,
        timeout=60, check=True,
    )  # fmt: skip
    told = [
        [line for line in (tmp_path / folder / "doses.jsonl").read_text().splitlines() if '"pulse"' not in line]
        for folder in (summary["run"], json.loads(lockstep.stdout)["run"])
    ]
    assert told[0] == told[1]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_names_every_argument_and_explains_every_option(call, name):
    code, out, _ = call(name, "--help")
    assert code == 0
    made = importlib.import_module(f"pumprig.commands.{name.replace('-', '_')}").command
    body = out.partition("\n")[2]
    for parameter in made.params:
        if isinstance(parameter, click.Argument):
            for word in re.findall(r"[A-Z]{2,}", parameter.make_metavar(click.Context(made))):
                assert re.search(rf"\b{word}\b", body), word
        else:
            assert parameter.opts[0] in body
            assert parameter.help, parameter.opts


def test_help_of_all_lists_the_commands_and_the_exit_codes(call):
    code, out, _ = call("--help")
    assert code == 0
    for name in COMMANDS:
        assert re.search(rf"^  {name} ", out, re.MULTILINE)
    for number in ("0 pass", "1 fail", "2 usage", "3 blocked", "4 rig error", "7 inconclusive", "130 interrupted"):
        assert number in out
    assert call("--version")[1].startswith("pumprig ")
    assert call("fly")[0] == 2


def test_a_disk_that_is_full_is_no_defect_of_pumprig(call, monkeypatch):
    def full(path, *arguments, **options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_text", full)
    code, _, err = call("cohort", "--patients", "adult#001", "--days", 1)
    assert code == 4
    assert "defect" not in err
    assert err.startswith("pumprig: No space left on device. Make room ")


def test_an_interruption_that_breaks_what_is_half_written_is_still_one(call, monkeypatch, tmp_path, trace):
    """The archive of signals cannot be closed while one of its members is open."""

    def cut(*_arguments, **_arrays):
        try:
            raise KeyboardInterrupt
        finally:
            raise ValueError("there is an open writing handle on it")

    monkeypatch.setattr(numpy, "savez_compressed", cut)
    code, _, err = call("run", trace, "--no-live", "--out", tmp_path / "runs")
    assert code == 130
    assert err.splitlines()[-1].startswith("pumprig: interrupted, so that what was being written may")


def test_a_reader_that_leaves_early_is_no_error(tmp_path, trace):
    with subprocess.Popen(
        [sys.executable, "-m", "pumprig.cli", "run", str(trace), "--json", "--out", str(tmp_path / "runs")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as run:  # fmt: skip
        assert run.stdout is not None
        run.stdout.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            run.wait(30)
        assert run.stderr is not None
        assert b"Traceback" not in run.stderr.read()


def test_the_firmware_that_runs_is_the_checkouts(call, trace):
    out = call("run", trace, "--json")[1]
    meta = json.loads((Path(json.loads(out)["run"]) / "run.json").read_text(encoding="utf-8"))
    assert meta["firmware_hash"] == firmware_hash(default_firmware()).hex()


def test_flat_traces_may_be_any_length(call, tmp_path):
    (tmp_path / "flat.csv").write_text(trace_csv(flat(20)), encoding="utf-8")
    assert call("run", "flat.csv", "--json")[0] == 0
