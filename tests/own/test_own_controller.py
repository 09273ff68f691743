"""Goal: a controller of one's own runs on the virtual board, and one that is none is refused with one clear message.

Method: the example beside this file decides on a trace of glucose and on a patient, and the rig holds what is delivered
against it; bad files go to the two commands.
"""

import io
import json
import sys
from pathlib import Path

import pytest

from pumplink.own_controller import OwnControllerError, own_firmware
from pumprig.bench import write_trace
from pumprig.bench_oref import LOOP_PROFILES
from pumprig.cli import main

EXAMPLE = Path(__file__).parent / "half_or_double.py"
INPUT = {
    "glucose_status": {"glucose": 200, "delta": 1, "short_avgdelta": 1, "long_avgdelta": 1, "date": 1542441600000},
    "currenttemp": {"rate": 0, "duration": 0}, "meal": {}, "now": 1542441600000,
    "iob": [{"iob": 0, "activity": 0, "iobWithZeroTemp": {"activity": 0}}] * 48,
    "profile": {"current_basal": 0.8, "max_basal": 4, "max_daily_basal": 1, "max_iob": 3, "sens": 50,
                "carb_ratio": 10, "min_bg": 100, "max_bg": 110},
}  # fmt: skip


@pytest.fixture
def pumprig(monkeypatch, capsys):
    """Run a command; gives its exit code and what it said."""

    def run(*arguments, text=""):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        with pytest.raises(SystemExit) as ended:
            main([str(one) for one in arguments])
        return ended.value.code, "".join(capsys.readouterr())

    return run


def test_it_decides_on_a_given_input(pumprig):
    _, said = pumprig("decide", "--controller", EXAMPLE, text=json.dumps(INPUT))
    assert json.loads(said) == {"rate": 1.6, "duration": 30, "reason": "own controller"}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("return 1 / 0", "line 2: ZeroDivisionError: divide by zero"),
        ("raise SystemExit", "line 2: SystemExit:"),
        ("import numpy", "line 2: ImportError: no module named 'numpy'"),
        ("decision.set('lots', 30)", "TypeError: decision.rate is 'lots', no number"),
        ("decision.set(66, 30)", "ValueError: 66 U/h for 30 min, small bolus 0 U: no dose"),
        ("decision.set(1, 1441)", "ValueError: 1 U/h for 1441 min, small bolus 0 U: no dose"),
        ("decision.set(-1, 30)", "ValueError: -1 U/h for 30 min, small bolus 0 U: no dose"),
        ("decision.smb = float('nan')", "ValueError: 0 U/h for 0 min, small bolus nan U: no dose"),
    ],
)
def test_one_that_fails_decides_nothing_and_says_where(pumprig, tmp_path, body, reason):
    """D-1112: as on the pump, with the error and its line."""
    bad = tmp_path / "bad.py"
    bad.write_text(f"def decide(inputs, settings, decision):\n    {body}\n")
    code, said = pumprig("decide", "--controller", bad, text=2 * f"{json.dumps(INPUT)}\n")
    assert [json.loads(line) for line in said.splitlines()] == [{"reason": f"D-1112: {reason}"}] * 2
    assert code == 0


def test_one_that_cannot_be_loaded_says_where(pumprig, tmp_path):
    """D-1112."""
    bad = tmp_path / "bad.py"
    bad.write_text("import numpy\ndef decide(inputs, settings, decision):\n    pass\n")
    _, said = pumprig("decide", "--controller", bad, text=json.dumps(INPUT))
    assert json.loads(said) == {"reason": "D-1112: line 1: ImportError: no module named 'numpy'"}


def test_one_that_never_ends_is_given_up(pumprig, tmp_path, monkeypatch):
    """Otherwise the command would hang without a word."""
    monkeypatch.setattr("pumprig.decide.board._PATIENCE_S", 1)
    bad = tmp_path / "bad.py"
    bad.write_text("def decide(inputs, settings, decision):\n    while True:\n        pass\n")
    code, said = pumprig("decide", "--controller", bad, text=json.dumps(INPUT))
    assert (code, "no decision within 1 s" in said) == (2, True)


def test_a_run_says_that_its_controller_fails(pumprig, tmp_path):
    """D-1112: a PASS of the pump, but nobody should take it for one of the controller."""
    bad = tmp_path / "bad.py"
    bad.write_text("def decide(inputs, settings, decision):\n    return 1 / 0\n")
    arguments = ("--patient", "adult#001", "--hours", 1, "--controller", bad, "--out", tmp_path, "--no-live")
    code, said = pumprig("run", *arguments)
    assert code == 0, said
    assert "the controller failed at 12 of 12 decisions, which dosed nothing (D-1112): ZeroDivisionError: " in said
    assert 'File "bad.py", line 2, in decide' in said
    [folder] = [path for path in tmp_path.iterdir() if path.is_dir()]
    [error] = json.loads((folder / "run.json").read_text())["controller_errors"]
    assert error in said
    log = (folder / "dut.log").read_text().splitlines()
    assert [line.startswith("pumprig: the controller failed: ZeroDivisionError") for line in log] == [True]
    assert "ZeroDivisionError" in (folder / "report.html").read_text()


MUTE = "class Mute(Exception):\n    def __str__(self):\n        raise SystemExit\n\n\n"


@pytest.mark.parametrize(
    "body", ["raise SystemExit", "raise Mute", "inputs.cgm.stale = True", "inputs.suspensions.end(0)"]
)
def test_nothing_that_it_does_reaches_the_pump(pumprig, tmp_path, body):
    """D-1112: it is handed numbers of its own, and whatever it raises ends with its decision."""
    bad = tmp_path / "bad.py"
    bad.write_text(f"{MUTE}def decide(inputs, settings, decision):\n    {body}\n")
    arguments = ("--patient", "adult#001", "--hours", 1, "--controller", bad, "--out", tmp_path, "--no-live")
    code, said = pumprig("run", *arguments)
    assert code == 0, said
    assert "the controller failed at 12 of 12 decisions" in said


@pytest.mark.parametrize("fault", ["", '[[fault]]\nat = "00:20:10"\nkind = "power_cut"\nfor_seconds = 30\n'])
def test_one_that_cannot_be_loaded_is_judged_as_the_rules_say(pumprig, tmp_path, fault):
    """D-1112: told when it is chosen and at a restart, and by every decision."""
    bad = tmp_path / "bad.py"
    bad.write_text("import numpy\ndef decide(inputs, settings, decision):\n    pass\n")
    write_trace(tmp_path / "trace.csv", 1)
    (tmp_path / "scenario.toml").write_text('trace = "trace.csv"\n' + LOOP_PROFILES + fault)
    arguments = (tmp_path / "scenario.toml", "--hours", 1, "--controller", bad, "--out", tmp_path, "--no-live")
    code, said = pumprig("run", *arguments)
    assert code == 0, said
    assert "ImportError: no module named 'numpy', File \"bad.py\", line 1" in said


def test_a_run_says_where_its_controller_hangs(pumprig, tmp_path):
    """D-954: in the name of its file, with the line."""
    bad = tmp_path / "bad.py"
    bad.write_text("def decide(inputs, settings, decision):\n    while True:\n        pass\n")
    arguments = ("--patient", "adult#001", "--hours", 1, "--controller", bad, "--out", tmp_path, "--no-live")
    code, said = pumprig("run", *arguments)
    assert code == 1
    assert "FAIL: the virtual board hangs in decide, bad.py line 3: no sign of life" in said
    assert "KeyboardInterrupt" not in said


def test_it_doses_a_patient_and_the_rig_passes_it(pumprig, tmp_path):
    """D-1104: delivery is judged, the decisions are its own."""
    arguments = ("--patient", "adult#001", "--hours", 3, "--controller", EXAMPLE, "--out", tmp_path, "--no-live")
    code, said = pumprig("run", *arguments)
    assert code == 0, said
    assert "PASS" in said


def test_it_doses_on_a_trace(pumprig, tmp_path):
    """D-1104: the profiles of a loop are the scenario's."""
    write_trace(tmp_path / "trace.csv", 1)
    (tmp_path / "scenario.toml").write_text('trace = "trace.csv"\n' + LOOP_PROFILES)
    arguments = (tmp_path / "scenario.toml", "--hours", 3, "--controller", EXAMPLE, "--out", tmp_path, "--no-live")
    code, said = pumprig("run", *arguments)
    assert code == 0, said
    assert "PASS" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def decide(\n", "mine.py:1: is no Python"), ("x = 1\n", "mine.py: has no function decide"),
        ("def decide(inputs):\n    pass\n", "mine.py:1: decide takes 1 arguments"), (None, "mine.py: cannot be read"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_controller_is_refused(pumprig, tmp_path, text, said):
    file = tmp_path / "mine.py"
    if text is not None:
        file.write_text(text)
    with pytest.raises(OwnControllerError, match="mine"), own_firmware(file):
        pass
    arguments = ("--patient", "adult#001", "--hours", 1, "--controller", file, "--out", tmp_path, "--no-live")
    for command in (("decide", "--controller", file), ("run", *arguments)):
        code, answer = pumprig(*command)
        assert (code, said in answer) == (2, True), answer


def test_the_shipped_firmware_keeps_its_own():
    with own_firmware(EXAMPLE) as folder:
        assert (folder / "pump/control/own.py").read_text() == EXAMPLE.read_text()
        assert (folder / "main.py").is_file()
    assert not folder.exists()
