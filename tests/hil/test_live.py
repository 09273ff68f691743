"""The live view: what it says of a run, how it follows a record that grows, and how it ends.

Frames are drawn into a recording console, so a test reads them as text. Following is tested with a pause that lets the
record grow instead of waiting. The process itself runs in a pseudo-terminal, to see it restore what it changed, and
once without one.
"""

import contextlib
import io
import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from hil.view_fixture import LATE, OVERDOSE, SyntheticRun, write_run
from pumprig.live import main, process_runs
from pumprig.live_chart import column_chart, line_chart
from pumprig.live_follow import PlainView, Tail, follow_frames, follow_plain
from pumprig.live_view import Frame, LiveState
from pumprig.report.words import proven
from pumpwire.enums import ControllerAction, DecisionReason

SIZES = [(80, 24), (81, 25), (100, 30), (200, 60), (40, 12)]


def state_after(share: float, **arguments) -> LiveState:
    state = LiveState(title="day.csv")
    for event in SyntheticRun(**arguments).events():
        state.apply(event)
        if state.share >= share and event["kind"] == "progress" and share < 1:
            break
    return state


def drawn(state: LiveState, width: int, height: int, ascii_only: bool = False) -> list[str]:
    console = Console(width=width, height=height, file=io.StringIO(), force_terminal=True, color_system=None)
    console.print(Frame(width, height, ascii_only).draw(state))
    return console.file.getvalue().splitlines()


# --- frames ---


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_a_frame_fits_the_terminal_with_a_line_to_spare(width, height, share):
    lines = drawn(state_after(share, hours=24, verdict="FAIL", violations=(OVERDOSE, LATE)), width, height)
    assert len(lines) < height
    assert all(len(line) <= width for line in lines)


def test_a_frame_of_80_by_24_shows_everything_that_matters():
    text = "\n".join(drawn(state_after(0.5, hours=24, violations=(OVERDOSE,)), 80, 24))
    for part in (
        "day.csv", "plgs · lockstep", "FAIL so far", "mg/dL", "U/h profile", "IOB", "reservoir", "▼5.5",
        "Keep going: not low, predicted", "broken 1", "D-104 A pulse more than the rate earned.", "50 %",
        "12 h of 24 h",
    ):  # fmt: skip
        assert part in text, part


def test_an_amount_that_has_no_room_is_left_out():
    """Half of it would be read as another one; the last bolus of a close row has room."""
    state = state_after(0.5, hours=24)
    state.boluses.clear()
    state.boluses.extend((at_s, 0.15, True) for at_s in (7200, 7500, 7800, 8100))
    (row,) = (line for line in drawn(state, 80, 24) if line.lstrip().startswith("bolus"))
    assert row.count("0.15") == 1 and row.rstrip().endswith("▽0.15")
    assert set(row.replace("bolus", "").replace("0.15", "")) <= {"▽", " "}


def test_a_patients_plasma_and_last_meal_stand_beside_the_sensor():
    state = state_after(0.5, hours=24)
    for at_s in range(60, 9000, 300):
        state.apply({"kind": "patient", "t": at_s, "at_s": at_s, "plasma_mg_dl": 217.4, "glucose_mg_dl": 210.0})
    state.apply({"kind": "meal", "t": 3660, "at_s": 3660, "carbohydrate_g": 45.0})
    lines = drawn(state, 80, 24)
    assert "plasma 217  ate 45 g at 01:01" in "\n".join(lines)
    assert len(lines) < 24


def test_a_suspension_is_named_with_its_reason():
    state = LiveState()
    for event in SyntheticRun(hours=24).events():
        state.apply(event)
        if event["kind"] == "rate" and event["tbr"]:
            break
    text = "\n".join(drawn(state, 80, 24))
    assert "0 U/h suspended" in text
    assert "Suspend basal: predicted low" in text


@pytest.mark.parametrize("verdict", ["PASS", "FAIL", "ERROR", "INCONCLUSIVE"])
def test_the_last_frame_shows_the_verdict_with_its_reasons(verdict):
    faults = (OVERDOSE,) if verdict == "FAIL" else ()
    text = "\n".join(drawn(state_after(1, hours=24, verdict=verdict, violations=faults), 100, 30))
    assert verdict in text and "so far" not in text
    reasons = {"PASS": "Proved logic and order", "FAIL": "A pulse more than", "ERROR": "late", "INCONCLUSIVE": "late"}
    assert reasons[verdict] in text


def test_ascii_frames_hold_nothing_else():
    lines = drawn(state_after(1, hours=24), 80, 24, ascii_only=True)
    chart = lines[2:10]
    assert all(ord(sign) < 128 for line in chart for sign in line)
    assert any("*" in line for line in chart)


def test_an_unfit_bench_does_not_read_as_a_failed_pump():
    state = LiveState()
    state.apply({"kind": "violation", "t": 1, "at_s": 1, "check": "bench-fitness", "rule": "D-955", "message": "late"})
    assert state.verdict == "INCONCLUSIVE"
    state.apply({"kind": "violation", "t": 2, "at_s": 2, "check": "pulse", "rule": "D-101", "message": "lost"})
    assert state.verdict == "FAIL"


def test_an_unfit_bench_is_told_apart_from_violations():
    state = LiveState()
    unfit = {"kind": "violation", "at_s": 1, "check": "bench-fitness", "rule": "D-955", "message": "late"}
    state.apply({**unfit, "t": 1})
    state.apply({**unfit, "t": 2})
    text = "\n".join(drawn(state, 80, 24))
    assert "unfit 2" in text and "broken" not in text
    state.apply({"kind": "violation", "t": 3, "at_s": 3, "check": "pulse", "rule": "D-101", "message": "lost"})
    state.apply({**unfit, "t": 4})
    text = "\n".join(drawn(state, 80, 24))
    assert "broken 1" in text and "D-101 lost" in text and "unfit" not in text


@pytest.mark.parametrize("clock", ["lockstep", "scaled:3600", "realtime"])
@pytest.mark.parametrize("sees_pulses", [True, False])
def test_what_a_pass_proves_is_whole_on_80_by_24(clock, sees_pulses):
    state = LiveState()
    state.apply({"kind": "run", "t": 0, "clock": clock, "sees_pulses": sees_pulses})
    state.apply({"kind": "verdict", "t": 1, "verdict": "PASS", "reasons": []})
    text = "\n".join(drawn(state, 80, 24))
    for sentence in proven(clock, sees_pulses):
        assert sentence in text
    assert ("motor was not seen" in text) is not sees_pulses


@pytest.mark.parametrize("reason", DecisionReason.__members__)
@pytest.mark.parametrize("action", ControllerAction.__members__)
def test_a_decision_is_whole_on_80_by_24(action, reason):
    state = LiveState()
    state.apply({"kind": "decision", "t": 1, "at_s": 1, "action": action, "reason": reason, "predicted_mg_dl": 100})
    assert "predicted 100 mg/dL" in "\n".join(drawn(state, 80, 24))


def test_a_long_reason_goes_on_in_the_next_line():
    message = "the pump printed a traceback: " + "one word and another " * 3
    state = LiveState()
    state.apply({"kind": "verdict", "t": 1, "verdict": "FAIL", "reasons": [message + "end"]})
    assert any(line.rstrip().endswith("end") for line in drawn(state, 80, 24))


def test_one_pulse_is_no_pulses():
    state = LiveState()
    state.apply({"kind": "pulse", "t": 1})
    assert "no violation in 1 pulse\n" in "\n".join(drawn(state, 80, 24))


def test_odd_events_are_passed_over():
    state = LiveState()
    for event in (
        {},
        {"kind": None},
        {"kind": "unheard of"},
        {"kind": "sample"},
        {"kind": "apply"},
        {"kind": "progress"},
    ):
        state.apply(event)
    assert drawn(state, 80, 24)


# --- charts ---


def test_a_line_chart_breaks_at_a_gap_and_clips_what_is_outside():
    points = [(0.0, 50.0), (10.0, 50.0), None, (90.0, 500.0), (100.0, -5.0)]
    rows = [line.plain for line in line_chart(points, (0, 100), (0, 100), (20, 5), style=lambda y: "")]
    assert [len(row) for row in rows] == [20] * 5
    assert all(row[5:17].strip() == "" for row in rows)
    assert rows[0][18] != " " and rows[4][19] != " "


@pytest.mark.parametrize(
    ("value", "column"), [(0, "  "), (0.01, " ▁"), (0.5, " █"), (0.75, "▄█"), (1, "██"), (9, "██")]
)
def test_columns_grow_in_eighths_and_a_little_is_never_nothing(value, column):
    assert "".join(row.plain for row in column_chart([value], 1, 2, [""])) == column


# --- following ---


class Growing:
    """A pause that lets the record grow by some lines each time."""

    def __init__(self, folder: Path, lines: list[bytes], step: int) -> None:
        self.path, self.lines, self.step = folder / "events.jsonl", lines, step
        self.pauses = 0
        self.path.write_bytes(b"")

    def __call__(self, seconds: float) -> None:
        assert 0 < seconds <= 0.34, "three frames a second at least"
        self.pauses += 1
        with self.path.open("ab") as out:
            out.write(b"".join(self.lines[: self.step]))
        self.lines = self.lines[self.step :]


def lines_of(**arguments) -> list[bytes]:
    return [json.dumps(event).encode() + b"\n" for event in SyntheticRun(**arguments).events()]


def test_lines_come_once_an_hour_with_each_violation_and_the_verdict(tmp_path):
    out = io.StringIO()
    pause = Growing(tmp_path, lines_of(hours=24, verdict="FAIL", violations=(OVERDOSE, LATE)), 100)
    state = follow_plain(Tail(tmp_path / "events.jsonl"), out, lambda: True, pause)
    lines = out.getvalue().splitlines()
    assert state.ended
    assert sum(line.startswith("VIOLATION") for line in lines) == 2
    assert 22 <= sum("so far" in line for line in lines) <= 25
    assert lines[-1].startswith("FAIL") and "A pulse more than the rate earned." in lines[-1]


def test_a_line_that_is_still_being_written_is_taken_once_when_it_is_whole(tmp_path):
    path = tmp_path / "events.jsonl"
    tail = Tail(path)
    assert list(tail.read()) == []
    seen = []
    for part in (b'{"kind":"a"}\n{"ki', b'nd":"b"', b"}\n", b"\x00\n", b'{"kind":"c"}\n'):
        with path.open("ab") as out:
            out.write(part)
        seen += [event["kind"] for event in tail.read()]
    assert seen == ["a", "b", "c"]


def test_it_ends_when_the_writer_is_gone_and_shows_what_came_last(tmp_path):
    folder = write_run(tmp_path, hours=2, verdict=None)
    out = io.StringIO()
    state = follow_plain(Tail(folder / "events.jsonl"), out, lambda: False, lambda seconds: None)
    assert len(state.glucose) == 24
    assert "ended without a verdict" in out.getvalue()


def test_frames_follow_to_the_verdict_and_the_last_one_stays(tmp_path):
    console = Console(width=80, height=24, file=io.StringIO(), force_terminal=True, color_system=None)
    pause = Growing(tmp_path, lines_of(hours=24), 300)
    state = follow_frames(Tail(tmp_path / "events.jsonl"), console, lambda: True, pause)
    written = console.file.getvalue()
    assert state.ended and pause.pauses >= 5
    left = written.rindex("\x1b[?1049l")
    assert "PASS" in written[left:] and "so far" not in written[left:]
    assert "\x1b[2J" not in written.partition("\x1b[?1049h")[2], "clearing the screen for each frame flickers"


def test_a_writer_is_known_by_its_process():
    assert process_runs(os.getpid())
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert not process_runs(ended.pid)


def test_a_verdict_with_a_reason_that_is_plain_text_is_shown():
    out = io.StringIO()
    state, event = LiveState(), {"kind": "verdict", "verdict": "ERROR", "reasons": ["the cable was pulled"]}
    state.apply(event)
    PlainView(out).take(state, event)
    assert "the cable was pulled" in out.getvalue()


# --- the process ---


def test_without_a_terminal_it_writes_lines(tmp_path):
    folder = write_run(tmp_path, hours=3)
    run = [sys.executable, "-m", "pumprig.live", str(folder)]
    done = subprocess.run(run, capture_output=True, text=True, timeout=60, check=True)
    assert "\x1b" not in done.stdout
    assert done.stdout.splitlines()[-1].startswith("PASS")


def test_a_folder_without_a_record_is_refused_once_the_writer_is_gone(tmp_path, capsys):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert main([str(tmp_path), "--writer", str(ended.pid)]) == 2
    assert "no events.jsonl" in capsys.readouterr().err


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_an_interrupted_view_restores_the_terminal(tmp_path, sent, code):
    folder = write_run(tmp_path, hours=2, verdict=None)
    leader, follower = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"}
    run = [sys.executable, "-m", "pumprig.live", str(folder)]
    view = subprocess.Popen(run, stdin=follower, stdout=follower, stderr=follower, env=environment)
    os.close(follower)
    seen = b""
    while b"reservoir" not in seen:
        seen += os.read(leader, 65536)
    view.send_signal(sent)
    with contextlib.suppress(OSError):
        while part := os.read(leader, 65536):
            seen += part
    os.close(leader)
    assert view.wait(timeout=30) == code
    assert seen.count(b"\x1b[?1049h") == seen.count(b"\x1b[?1049l") == 1
    assert seen.rindex(b"\x1b[?25h") > seen.rindex(b"\x1b[?25l")
    assert b"Traceback" not in seen
