"""Goal: a run that breaks off is never a PASS: not by itself, not in its report, not by being replayed.

Method: real runs by the public command, ended at exact moments by a real signal, a file that may not grow, a defect of
the rig or the death of the board; then `report` and `replay` of what they left. Old and damaged records are made from
a whole one.
"""

import json
import os
import re
import signal
import subprocess
import sys

import pytest

from hil.rig_bench import firmware_copy, flat, trace_csv
from hil.rig_process import boards_of, busy, ended, folder_in, record_of, start
from pumprig.cli import main

# Does `sys.argv[3]` to this process when its record is told of the n-th event of a kind, and goes on with the command.
AT_AN_EVENT = """
import os, sys
from pumprig.cli import main
from pumprig.record import RunRecord

kind, left, what = sys.argv[1], int(sys.argv[2]), sys.argv[3]
write = RunRecord.event

def event(self, told, t, **fields):
    global left
    write(self, told, t, **fields)
    left -= told == kind
    if told == kind and not left:
        self.flush()
        if what == "break":
            raise ValueError("a defect of ours")
        os.kill(os.getpid(), int(what))

RunRecord.event = event
main(sys.argv[4:])
"""


@pytest.fixture
def call(capsys):
    """`pumprig` with arguments: exit code, standard output, standard error."""

    def told(*arguments):
        with pytest.raises(SystemExit) as left:
            main([str(argument) for argument in arguments])
        shown = capsys.readouterr()
        assert "Traceback" not in shown.err
        return left.value.code, shown.out, shown.err

    return told


@pytest.fixture
def run_until(tmp_path):
    """A run of an hour to which something happens at an event; its folder, and its exit code."""

    def run(kind, count, what, *arguments):
        (tmp_path / "trace.csv").write_text(trace_csv(flat(60)), encoding="utf-8")
        ended = subprocess.run(
            [sys.executable, "-c", AT_AN_EVENT, kind, str(count), str(what), "run", str(tmp_path / "trace.csv"),
             "--out", str(tmp_path / "runs"), "--no-live", *map(str, arguments)],
            capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False,
        )  # fmt: skip
        assert "Traceback" not in ended.stderr
        return folder_in(tmp_path / "runs"), ended.returncode

    return run


@pytest.fixture
def whole(call, tmp_path):
    """The record of a run that came to its end."""
    (tmp_path / "trace.csv").write_text(trace_csv(flat(60)), encoding="utf-8")
    assert call("run", tmp_path / "trace.csv", "--no-live", "--out", tmp_path / "runs")[0] == 0
    return folder_in(tmp_path / "runs")


def meta_of(folder):
    return json.loads((folder / "run.json").read_text(encoding="utf-8"))


def write_meta(folder, **fields):
    meta = {key: value for key, value in (meta_of(folder) | fields).items() if value is not ...}
    (folder / "run.json").write_text(json.dumps(meta), encoding="utf-8")


def shown_in(folder):
    """The verdict on the report's page, and that of junit.xml."""
    page = (folder / "report.html").read_text(encoding="utf-8")
    junit = (folder / "junit.xml").read_text(encoding="utf-8")
    return re.findall(r'<header class="head" data-verdict="(\w+)"', page), re.findall(r'message="([A-Z]+): ', junit)


def assert_broke_off(call, folder, verdict, code, said, doses="Its dose events are those of this run so far"):
    told = call("report", folder)
    assert told[0] == code
    assert re.search(f"^{verdict}: The run broke off .*{said}", told[2], re.MULTILINE), told[2]
    pages, cases = shown_in(folder)
    assert pages == [verdict]
    assert verdict in cases
    told = call("replay", folder, "--out", folder.parent.parent / "again")
    assert told[0] == code
    assert doses in told[2]
    assert "the dose events are those of" not in told[1]


def test_a_run_that_came_to_its_end_says_so(call, whole):
    assert meta_of(whole)["complete"] is True
    assert call("report", whole)[::2] == (0, "")
    assert shown_in(whole) == (["PASS"], [])


# --- The moments ---


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.parametrize(
    ("kind", "count", "said"),
    [
        ("run", 1, "before the first sample: nothing but its bring-up was judged"),
        ("command", 4, "before the first sample"),
        ("sample", 6, r"at 00:24:\d\d of 01:00:00: .* until 00:2\d:\d\d, .* its history not at all"),
        ("state", 1, r"at 01:00:\d\d, before its last audit was through: .*history not at all"),
        ("audit", 1, r"until the audit that ended at 01:00:\d\d"),
    ],
)
def test_whenever_a_run_is_ended_it_is_no_pass(call, run_until, kind, count, sent, said):
    folder, code = run_until(kind, count, int(sent))
    assert code == (-signal.SIGKILL if sent is signal.SIGKILL else 130)
    assert meta_of(folder)["complete"] is False
    assert_broke_off(call, folder, "INCONCLUSIVE", 7, said)


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT])
def test_a_pass_that_nobody_could_finish_writing_is_none(call, run_until, sent):
    folder, _ = run_until("verdict", 1, int(sent))
    assert record_of(folder)[1][-1]["verdict"] == "PASS"
    assert meta_of(folder)["complete"] is False
    assert_broke_off(call, folder, "INCONCLUSIVE", 7, "until the audit that ended at")


def test_what_was_proven_wrong_before_is_a_fail(call, run_until, tmp_path):
    rate = "self.rate_mu_per_h = "
    wrong = firmware_copy(tmp_path, pump__basal=(f"{rate}templates", f"{rate}50 + templates"))
    folder, _ = run_until("violation", 1, int(signal.SIGKILL), "--firmware", wrong)
    assert meta_of(folder)["verdict"] is None
    assert_broke_off(call, folder, "FAIL", 1, "")


def test_a_defect_of_ours_is_an_error_and_its_record_broken_off(call, run_until):
    folder, code = run_until("sample", 6, "break")
    assert (code, meta_of(folder)["complete"], meta_of(folder)["verdict"]) == (4, False, "ERROR")
    assert_broke_off(call, folder, "ERROR", 4, r"at 00:24:\d\d")


def test_a_board_that_is_killed_leaves_a_fail_that_is_broken_off(call, tmp_path):
    process = busy(tmp_path, "--clock", "scaled:10", kind="sample")
    [board] = boards_of(process.pid)
    os.kill(board, signal.SIGKILL)
    assert ended(process)[0] == 1
    folder = folder_in(tmp_path / "runs")
    assert meta_of(folder)["complete"] is False
    code, _, err = call("report", folder)
    assert code == 1
    assert err.startswith("FAIL: The run broke off at 00:0")


def test_what_ends_a_run_may_be_switched_off_and_it_is_no_pass_all_the_same(call, tmp_path):
    second = "    def _second(self, s):\n"
    dies = f"{second}        if s > 700:\n            raise ValueError\n"
    wrong = firmware_copy(tmp_path, pump__machine=(second, dies))
    (tmp_path / "trace.csv").write_text(trace_csv(flat(60)), encoding="utf-8")
    options = ("--no-live", "--out", tmp_path / "runs", "--firmware", wrong, "--without", "alive")
    code, out, err = call("run", tmp_path / "trace.csv", *options)
    assert (code, err) == (7, "INCONCLUSIVE: the run did not come to its end\n")
    assert "the run did not come to its end" in out
    assert_broke_off(call, folder_in(tmp_path / "runs"), "INCONCLUSIVE", 7, "at 00:")


# --- A full disk ---


@pytest.mark.parametrize("less", [100_000, 1500])
def test_a_disk_that_is_full_before_the_verdict_is_whole_leaves_no_pass(call, tmp_path, less):
    """The last octets of events.jsonl are the verdict's, which is longer than 1500."""
    assert ended(start(tmp_path, "--clock", "lockstep", minutes=5760))[0] == 0
    room = (folder_in(tmp_path / "runs") / "events.jsonl").stat().st_size - less
    # The flash of the board is a file, which has to fit.
    assert room > 240_000
    (tmp_path / "full").mkdir()
    process = start(tmp_path / "full", "--clock", "lockstep", minutes=5760, limit_octets=room)
    assert ended(process)[0] == 4
    folder = folder_in(tmp_path / "full" / "runs")
    assert meta_of(folder)["complete"] is False
    assert_broke_off(call, folder, "ERROR", 4, r"at \d\d:")


# --- Runs that go on, old records, damaged ones ---


def test_a_run_that_goes_on_is_neither_broken_off_nor_replayed(call, tmp_path):
    process = busy(tmp_path, "--clock", "scaled:10")
    try:
        folder = folder_in(tmp_path / "runs")
        code, _, err = call("report", folder)
        assert (code, err) == (0, "")
        assert shown_in(folder) == (["RUNNING"], ["RUNNING"])
        code, _, err = call("replay", folder)
        assert (code, "the run goes on" in err) == (2, True)
    finally:
        process.send_signal(signal.SIGINT)
        ended(process)
    assert call("report", folder)[0] == 7


def test_an_old_record_counts_as_what_it_shows_and_says_that_its_end_is_unknown(call, whole, tmp_path):
    write_meta(whole, complete=...)
    assert call("report", whole)[0] == 0
    assert shown_in(whole) == (["PASS"], [])
    assert "Whether this run was complete is unknown" in (whole / "report.html").read_text(encoding="utf-8")
    code, _, err = call("replay", whole, "--out", tmp_path / "again")
    assert (code, "Whether this run was complete is unknown" in err) == (0, True)


def test_an_old_record_without_its_last_audit_is_broken_off(call, whole):
    write_meta(whole, complete=..., free_heap_octets=...)
    events = whole / "events.jsonl"
    lines = events.read_text(encoding="utf-8").splitlines(keepends=True)
    events.write_text("".join(line for line in lines if '"kind":"state"' not in line), encoding="utf-8")
    assert_broke_off(call, whole, "INCONCLUSIVE", 7, "at 0")


@pytest.mark.parametrize("cut", [1, 300, 20_000])
def test_a_record_that_lost_its_end_afterwards_is_broken_off(call, whole, cut):
    events = (whole / "events.jsonl").read_bytes()
    (whole / "events.jsonl").write_bytes(events[:-cut])
    assert_broke_off(call, whole, "INCONCLUSIVE", 7, "")


def test_doses_that_differ_before_a_run_broke_off_are_shown(call, run_until):
    folder, _ = run_until("audit", 1, int(signal.SIGINT))
    doses = folder / "doses.jsonl"
    lines = doses.read_text(encoding="utf-8").splitlines(keepends=True)
    doses.write_text("".join([*lines[:3], *lines[4:]]), encoding="utf-8")
    code, _, err = call("replay", folder)
    assert code == 1
    assert "the dose events differ: line 4 was " in err
