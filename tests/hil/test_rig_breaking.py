"""Goal: whatever breaks in a run, it ends with the right verdict, one clear message and its record kept.

Method: firmware that raises, hangs, resets, forgets its watchdog or does not boot; a board that is killed; a line that
is cut; a disk that is full; a user who has had enough. What a signal or a limit of the system decides runs as a
process of its own.
"""

import itertools
import json
import os
import signal

import pytest
import serial

from hil.rig_bench import MANUAL, PLGS, command, firmware_copy, flat, pump
from hil.rig_process import boards_of, busy, ended, folder_in, has_ended, holds, record_of, start, wait_for
from pumplink.link import Link
from pumplink.virtual.board import VirtualBoard
from pumplink.virtual.clocks import Scaled, parse_clock
from pumprig.dut import open_dut
from pumprig.errors import RigError
from pumprig.judge import Judge
from pumprig.oracle import Oracle
from pumprig.pulses import PulseWitness
from pumprig.record import RunRecord
from pumprig.runs import RunOptions, execute, make_plan
from pumprig.story import Story
from pumprig.verdict import Verdict

SECOND = "    def _second(self, s):\n"


def broken(tmp_path, line, at_s=700):
    """Firmware whose dosing core does `line` at the first second from `at_s` on at which anything is due."""
    return firmware_copy(tmp_path, pump__machine=(SECOND, f"{SECOND}        if s >= {at_s}:\n            {line}\n"))


# --- Firmware ---


def test_a_traceback_is_a_fail_and_stands_in_the_log(bench, tmp_path):
    run = bench.run(MANUAL, pump(), firmware=broken(tmp_path, 'raise ValueError("broken on purpose")'), report=True)
    assert run.verdict is Verdict.FAIL
    assert run.outcome.exit_code == 1
    (reason,) = run.outcome.reasons
    assert (reason.check, reason.rule) == ("alive", "D-954")
    assert "broken on purpose" in reason.message
    log = (run.folder / "dut.log").read_text(encoding="utf-8")
    assert log.startswith("Traceback ")
    assert "ValueError: broken on purpose" in log
    frames = [json.loads(line) for line in (run.folder / "frames.jsonl").read_text(encoding="utf-8").splitlines()]
    assert 10 < len(frames) <= 100
    assert {frame["direction"] for frame in frames} == {"to_board", "to_host"}
    assert [second for second in run.pulses if second < 640] == [170, 350, 530]
    for report in ("report.html", "junit.xml", "signals.npz"):
        assert (run.folder / report).stat().st_size > 0


def test_a_traceback_while_a_command_is_under_way_is_a_fail_too(bench, tmp_path):
    copy = firmware_copy(
        tmp_path, pump__core=("        if template:\n            templates = self.bolus_templates\n",
                              "        raise MemoryError()\n        if template:\n"
                              "            templates = self.bolus_templates\n"),
    )  # fmt: skip
    run = bench.run(MANUAL, pump(), command(600, "set_bolus", amount_iu=1), firmware=copy)
    assert run.verdict is Verdict.FAIL
    assert "MemoryError" in (run.folder / "dut.log").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("line", "said"),
    [("import machine; machine.reset()", "reset"), ("import sys; sys.exit(0)", "came to its end")],
)
def test_a_board_that_resets_or_ends_is_a_fail(bench, tmp_path, line, said):
    run = bench.run(MANUAL, pump(), firmware=broken(tmp_path, line))
    assert run.verdict is Verdict.FAIL, run.explain()
    assert run.outcome.reasons[0].rule == "D-954"
    assert said in run.outcome.reasons[0].message


@pytest.mark.parametrize("line", ["while True: pass", "import time\n            while True: time.ticks_ms()"])
def test_a_loop_that_never_sleeps_is_a_hang_and_the_log_says_where(bench, tmp_path, line):
    options = RunOptions(
        board="virtual", clock=parse_clock("lockstep"), out=tmp_path / "runs", report=False, hang_timeout_s=0.5,
        firmware=broken(tmp_path, line),
    )  # fmt: skip
    outcome = execute(_plan(bench), options)
    assert (outcome.verdict, outcome.exit_code) == (Verdict.FAIL, 1)
    assert outcome.reasons[0].rule == "D-954"
    assert "pump/machine.py" in (outcome.folder / "dut.log").read_text(encoding="utf-8")


def _other(tmp_path, line):
    folder = tmp_path / "other"
    folder.mkdir()
    return broken(folder, line)


def _plan(bench):
    bench.trace(flat(60))
    return make_plan(bench.scenario(MANUAL, pump()))


@pytest.mark.parametrize(
    "source", ["raise OSError(5)\n", "def broken(:\n", "import nothing_of_that_name\n", "", "while True: pass\n"]
)
def test_firmware_that_does_not_boot_is_a_fail_with_what_it_printed(bench, tmp_path, source):
    folder = tmp_path / "firmware"
    folder.mkdir()
    (folder / "main.py").write_text(source, encoding="utf-8")
    options = RunOptions(
        board="virtual", clock=parse_clock("lockstep"), out=tmp_path / "runs", report=True, hang_timeout_s=0.5,
        firmware=folder,
    )  # fmt: skip
    outcome = execute(_plan(bench), options)
    assert outcome.verdict is Verdict.FAIL
    assert outcome.exit_code == 1
    if "while" not in source and source:
        assert "Traceback" in (outcome.folder / "dut.log").read_text(encoding="utf-8")
    assert (outcome.folder / "report.html").stat().st_size > 0


def test_firmware_that_speaks_nothing_is_no_pump(bench, tmp_path):
    folder = tmp_path / "firmware"
    folder.mkdir()
    (folder / "main.py").write_text("import time\nwhile True:\n    time.sleep_ms(1000)\n", encoding="utf-8")
    options = RunOptions(
        board="virtual", clock=parse_clock("lockstep"), out=tmp_path / "runs", report=False, firmware=folder
    )
    outcome = execute(_plan(bench), options)
    # No line lies between that could be broken: it is the pump that does not answer.
    assert outcome.verdict is Verdict.FAIL
    assert "is the pump firmware running" in outcome.reasons[0].message


# --- Processes and lines that go away ---


def test_a_board_that_is_killed_is_a_fail(tmp_path):
    process = busy(tmp_path, "--clock", "scaled:10")
    (board,) = boards_of(process.pid)
    os.kill(board, signal.SIGKILL)
    code, _, err = ended(process)
    assert code == 1
    assert "FAIL: " in err
    assert "(D-954)" in err
    meta, events = record_of(folder_in(tmp_path / "runs"))
    assert (meta["verdict"], meta["exit_code"]) == ("FAIL", 1)
    assert events[-1]["kind"] == "verdict"
    assert (folder_in(tmp_path / "runs") / "report.html").is_file()


@pytest.mark.parametrize(
    ("kind", "sent", "signals"),
    [("run", signal.SIGINT, 1), ("run", signal.SIGTERM, 1), ("command", signal.SIGINT, 1),
     ("command", signal.SIGINT, 2)],
)  # fmt: skip
def test_ctrl_c_and_a_request_to_end_leave_with_130_and_a_report_of_what_there_is(tmp_path, kind, sent, signals):
    process = busy(tmp_path, "--clock", "scaled:10", kind=kind)
    (board,) = boards_of(process.pid)
    for _ in range(signals):
        process.send_signal(sent)
    code, _, err = ended(process)
    assert code == 130
    assert "interrupted" in err
    # No board is left behind. A second signal may take the host away before it has waited for the board's end.
    assert has_ended(board) or signals == 2
    wait_for(lambda: has_ended(board))
    folder = folder_in(tmp_path / "runs")
    meta, events = record_of(folder)
    if signals == 1:
        assert events[-1]["kind"] == "verdict"
        assert (meta["verdict"], meta["exit_code"]) == ("INCONCLUSIVE", 130)
        assert "interrupted" in meta["reasons"][-1]["message"]
        assert (folder / "report.html").is_file()


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize(
    ("kind", "name"),
    [(PulseWitness, "seen"), (PulseWitness, "settle"), (Judge, "take"), (Oracle, "command"), (Story, "command"),
     (Link, "request_write"), (RunRecord, "event")],
)  # fmt: skip
def test_an_interruption_between_any_two_steps_blames_nobody(bench, monkeypatch, kind, name, before):
    calls = itertools.count()
    real = getattr(kind, name)

    def interrupted(self, *args, **keywords):
        # Once, and never where the record is brought to its end.
        now = next(calls) == 40
        if now and before:
            raise KeyboardInterrupt
        returned = real(self, *args, **keywords)
        if now:
            raise KeyboardInterrupt
        return returned

    monkeypatch.setattr(kind, name, interrupted)
    commands = [command(at_s, "set_bolus", amount_iu=1) for at_s in range(60, 3600, 60)]
    run = bench.run(PLGS, pump((1440, 6)), *commands)
    assert next(calls) > 40
    assert (run.verdict, run.outcome.exit_code) == (Verdict.INCONCLUSIVE, 130), run.explain()


def _on_pty(clock=10):
    board = VirtualBoard("virtual", None, Scaled(clock))
    board.start()
    return board, board.pty()


def test_a_line_that_is_cut_is_an_error_of_the_rig_and_names_the_device(tmp_path):
    board, pty = _on_pty()
    try:
        process = busy(tmp_path, "--clock", "scaled:10", "--board", f"port:{pty.path}")
        pty.close()
        code, _, err = ended(process)
    finally:
        board.stop()
    assert code == 4
    assert pty.path in err
    meta, events = record_of(folder_in(tmp_path / "runs"))
    assert (meta["verdict"], meta["exit_code"]) == ("ERROR", 4)
    assert events[-1]["kind"] == "verdict"
    assert any(event["kind"] == "command" for event in events)


def test_a_port_that_somebody_else_has_is_blocked(tmp_path):
    board, pty = _on_pty(1)
    try:
        with serial.Serial(pty.path, exclusive=True):
            process = start(tmp_path, "--clock", "realtime", "--board", f"port:{pty.path}")
            code, _, err = ended(process)
    finally:
        pty.close()
        board.stop()
    assert code == 3
    assert pty.path in err
    assert len(err.strip().splitlines()) == 1


def test_a_pump_that_has_been_used_is_refused_before_anything_is_done_to_it(tmp_path):
    board, pty = _on_pty()
    try:
        process = start(tmp_path, "--clock", "scaled:10", "--board", f"port:{pty.path}")
        path = folder_in(tmp_path / "runs") / "events.jsonl"
        wait_for(lambda: process.poll() is not None or holds(path, "command"))
        process.send_signal(signal.SIGINT)
        # A run that a busy machine has broken off has used the pump as well.
        assert ended(process)[0] in (130, 7)
        assert holds(path, "command")
        code, _, err = ended(start(tmp_path, "--clock", "scaled:10", "--board", f"port:{pty.path}"))
    finally:
        pty.close()
        board.stop()
    assert code == 3
    assert "pumprig reset --board" in err
    assert pty.path in err


# --- A full disk ---


def test_a_full_disk_ends_the_run_with_one_message_and_keeps_the_record(tmp_path):
    # The flash of the board is a file of 229376 octets, which has to fit.
    process = start(tmp_path, "--clock", "lockstep", limit_octets=240_000, minutes=4320)
    code, _, err = ended(process)
    assert code == 4
    folder = folder_in(tmp_path / "runs")
    (line,) = err.strip().splitlines()
    assert str(folder) in line
    assert "it is kept up to this moment" in line
    events = (folder / "events.jsonl").read_text(encoding="utf-8")
    assert 220_000 < len(events) <= 240_000
    assert json.loads(events.splitlines()[0])["kind"] == "run"
    meta, _ = record_of(folder)
    assert (meta["verdict"], meta["exit_code"]) == ("ERROR", 4)
    assert "cannot write the record" in meta["reasons"][0]["message"]


@pytest.mark.parametrize("limit_octets", [0, 500, 5000, 8000])
def test_wherever_the_disk_is_full_there_is_one_message_and_no_traceback(tmp_path, limit_octets):
    process = start(tmp_path, "--clock", "lockstep", limit_octets=limit_octets)
    code, _, err = ended(process)
    assert code == 4
    assert len(err.strip().splitlines()) == 1, err
    assert str(tmp_path / "runs") in err


def test_no_room_for_the_report_is_told_and_the_verdict_stands_in_the_record(tmp_path):
    process = start(tmp_path, "--clock", "lockstep", limit_octets=1_000_000)
    code, _, err = ended(process)
    assert code == 4
    assert "report" in err
    meta, events = record_of(folder_in(tmp_path / "runs"))
    assert meta["verdict"] == "PASS"
    assert events[-1]["verdict"] == "PASS"


def test_a_record_that_cannot_be_written_leaves_no_board_behind(bench, tmp_path, monkeypatch):
    opened = []
    real = open_dut
    monkeypatch.setattr("pumprig.runs.open_dut", lambda *args, **kw: opened.append(real(*args, **kw)) or opened[-1])

    def full(self, line):
        raise RigError("cannot write the record: No space left on device", where="dut.log")

    monkeypatch.setattr(RunRecord, "log", full)
    run = bench.run(MANUAL, pump(), firmware=broken(tmp_path, "print(1)\n            raise ValueError()"))
    # The FAIL was proven before.
    assert run.verdict is Verdict.FAIL
    assert not opened[0].board.running
    slow = "import sys; print(1)"
    with pytest.raises(RigError, match=r"dut\.log"):
        bench.run(MANUAL, pump(), firmware=_other(tmp_path, slow))
    assert not opened[1].board.running


def test_a_lone_sample_and_a_scenario_of_nothing_are_runs_too(bench):
    run = bench.run(PLGS, pump(), readings=[(0, 100)])
    assert run.verdict is Verdict.PASS, run.explain()
    assert run.outcome.summary["samples_sent"] == 1
