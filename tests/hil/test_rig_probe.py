"""A probe on the motor pin (D-957, D-958).

Goal: where a probe sees the motor, the pump's word is held against it as it is on the virtual board: what the probe saw
gives the same verdict and the same dose events, and a probe that has missed something proves nothing.
Method: the probe's own firmware on a second virtual board whose pin follows the motor pin; pulses put on its pin, or
kept from it, reports that get lost, and a probe that goes away. The same over two serial devices, as on a bench.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hil.rig_bench import PLGS, Run, command, fault, firmware_copy, fit_run, pump
from pumplink.virtual.board import VirtualBoard
from pumplink.virtual.clocks import Scaled
from pumplink.virtual.probe_board import drive, virtual_probe
from pumprig import motor_probe
from pumprig.cli import main
from pumprig.verdict import Verdict

CLOCK = "scaled:20"
SHORT = [(0, 90), (1, 80), (2, 68)]
PARTS = (
    PLGS, pump((1440, 20)), command(30, "set_bolus", amount_iu=1), fault(75, "bearer_down", for_seconds=20),
    command(130, "set_bolus", amount_iu="0.5"),
)  # fmt: skip
# Where one bolus is enough: time passes by itself here, and a test waits for it.
BRIEF = (PLGS, "hours = 0.02", *PARTS[1:3])
Meddle = Callable[[VirtualBoard, int], None]


@pytest.fixture
def meddle(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Meddle], None]:
    """Does something to the virtual probe when the n-th pulse has begun, besides showing it."""

    def arrange(number: int, what: Meddle) -> None:
        def probe_of(pump_board: VirtualBoard) -> VirtualBoard:
            probe, begun = virtual_probe(pump_board), []

            def count(pin: int, level: int, at_us: int, _due_us: int) -> None:
                if pin == pump_board.motor_pin and not level:
                    begun.append(at_us)
                    if len(begun) == number:
                        what(probe, at_us)

            pump_board.on_pin(count)
            return probe

        monkeypatch.setattr(motor_probe, "virtual_probe", probe_of)

    return arrange


def seen_by_probe(bench, *parts: str, **how) -> Run:
    return bench.run(*(parts or BRIEF), readings=SHORT, clock=CLOCK, probe="virtual", **how)


def blind_run(run: Callable[[], Run], told: str) -> Run:
    """A run that ends because the probe is blind, repeated while the machine is too busy to come that far."""
    for _ in range(4):
        ended = run()
        assert ended.verdict is Verdict.INCONCLUSIVE, ended.explain()
        if told in ended.explain():
            return ended
        assert "busy" in ended.explain() or "idle machine" in ended.explain(), ended.explain()
    pytest.skip("this machine is too busy for a run in real time")


def reason_of(run: Run) -> tuple[Verdict, str, str]:
    # A busy machine may have left its own reason before the one that counts.
    reason = next(reason for reason in run.outcome.reasons if reason.verdict is run.verdict)
    return run.verdict, reason.check, reason.rule


def test_pulses_by_a_probe_are_those_of_the_pin(bench):
    by_pins = bench.run(*PARTS, readings=SHORT)
    assert by_pins.verdict is Verdict.PASS, by_pins.explain()
    by_probe = fit_run(lambda: seen_by_probe(bench, *PARTS, report=True))
    assert "seen by a probe on virtual" in (by_probe.folder / "report.html").read_text(encoding="utf-8")
    assert by_probe.verdict is Verdict.PASS, by_probe.explain()
    assert by_probe.dose_text == by_pins.dose_text
    assert len(by_probe.pulses) > 30
    record = json.loads((by_probe.folder / "run.json").read_text(encoding="utf-8"))
    assert record["probe"]["board"] == "virtual"
    assert record["checks"]["pulse-width"]["passed"] == len(by_probe.events("pulse"))


def replayed(run: Run, capsys: pytest.CaptureFixture[str], out: Path, *options: str) -> tuple[int, str]:
    """The exit code of a replay, and what it said; another one while the machine is too busy for it."""
    for _ in range(4):
        with pytest.raises(SystemExit) as left:
            main(["replay", str(run.folder), "--out", str(out), *options])
        said = "".join(capsys.readouterr())
        if left.value.code != 7 and "idle machine" not in said:
            return int(left.value.code or 0), said
    pytest.skip(f"this machine is too busy for a run in real time: {said}")


def record_of(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "run.json").read_text(encoding="utf-8")))


def test_what_the_probe_told_is_recorded_and_a_replay_asks_it_again(bench, capsys, tmp_path):
    run = fit_run(lambda: seen_by_probe(bench))
    assert run.verdict is Verdict.PASS, run.explain()
    told = run.events("probe")
    assert [round(event["t"], 3) for event in told] == [round(event["t"], 3) for event in run.events("pulse")]
    assert all(event["doubt_ms"] <= 250 and event["width_ms"] > 4 and event["released"] for event in told)
    code, said = replayed(run, capsys, tmp_path / "again")
    assert code == 0, said
    again = record_of(max((tmp_path / "again").iterdir()))
    assert again["probe"] == record_of(run.folder)["probe"]
    assert again["checks"]["pulse-width"]["passed"] == len(told)


def test_what_only_a_probe_sees_fails_the_replay_too(bench, capsys, tmp_path):
    rise = "            self._pin.value(1)\n"
    firmware = firmware_copy(tmp_path, motor=(rise, rise + rise.replace("1", "0")))
    # What was proven before a busy machine ended the run stands, and cannot be repeated to its end.
    runs = (fit_run(lambda: seen_by_probe(bench, firmware=firmware)) for _ in range(4))
    run = next((run for run in runs if run.outcome.summary["complete"]), None)
    if run is None:
        pytest.skip("this machine is too busy for a run in real time")
    assert reason_of(run) == (Verdict.FAIL, "pulse-width", "D-958"), run.explain()
    code, said = replayed(run, capsys, tmp_path / "again")
    assert (code, "FAIL: the motor pin was high for" in said) == (0, True), said


def test_a_replay_without_the_probe_or_with_another_build_of_it_is_refused(bench, capsys, tmp_path):
    run = fit_run(lambda: seen_by_probe(bench))
    code, said = replayed(run, capsys, tmp_path / "again", "--clock", "lockstep")
    assert (code, "a probe keeps its own time" in said) == (2, True), said
    meta = record_of(run.folder)
    meta["probe"]["firmware_hash"] = "00" * 8
    (run.folder / "run.json").write_text(json.dumps(meta), encoding="utf-8")
    code, said = replayed(run, capsys, tmp_path / "again")
    assert (code, "the probe runs firmware" in said) == (5, True), said


def test_a_pulse_too_many_fails_the_run(bench, meddle):
    def one_more(probe: VirtualBoard, _at_us: int) -> None:
        # Between two seconds in which pulses fall due.
        drive(probe, probe.motor_pin, 1, probe.now_s + 0.4)
        drive(probe, probe.motor_pin, 0, probe.now_s + 0.405)

    meddle(10, one_more)
    run = fit_run(lambda: seen_by_probe(bench))
    assert reason_of(run) == (Verdict.FAIL, "pulse", "D-102"), run.explain()


def test_a_pulse_that_the_motor_never_made_fails_the_run(bench, tmp_path):
    silent = "            if self._first != 7:\n                self._pin.value(1)\n"
    firmware = firmware_copy(tmp_path, motor=("            self._pin.value(1)\n", silent))
    run = fit_run(lambda: seen_by_probe(bench, firmware=firmware))
    assert (run.verdict, run.outcome.reasons[0].check) == (Verdict.FAIL, "pulse"), run.explain()
    assert "did not come" in run.outcome.reasons[0].message


def test_a_pulse_that_is_too_short_fails_the_run(bench, tmp_path):
    # A pulse that waits for the loop to end it is as long as a busy machine makes it.
    high = "            self._pin.value(1)\n"
    firmware = firmware_copy(tmp_path, motor=(high, high + "            self._pin.value(0)\n"))
    run = fit_run(lambda: seen_by_probe(bench, firmware=firmware))
    assert reason_of(run) == (Verdict.FAIL, "pulse-width", "D-958"), run.explain()


def test_a_probe_that_goes_away_proves_nothing_and_what_it_saw_is_kept(bench, meddle):
    meddle(25, lambda probe, _at_us: probe.kill())
    run = blind_run(lambda: seen_by_probe(bench), "the motor is not seen any more")
    assert len(run.events("pulse")) >= 5


def test_a_report_that_is_lost_proves_nothing(bench, meddle, monkeypatch):
    lost = []

    def lose(probe: VirtualBoard, _at_us: int) -> None:
        lost.clear()
        receive = probe._bearer._receive

        def without_one(until_s: float) -> bytes:
            frame, end, rest = receive(until_s).partition(b"\0")
            if not end or lost:
                return frame + end + rest
            lost.append(frame)
            return rest

        monkeypatch.setattr(probe._bearer, "_receive", without_one)

    meddle(10, lose)
    blind_run(lambda: seen_by_probe(bench), "reports of the probe were lost")
    assert lost


@contextmanager
def bench_of_two_lines() -> Iterator[tuple[str, str]]:
    """A pump and a probe on its motor pin, each on a serial device."""
    with (
        VirtualBoard(clock=Scaled(20)) as board, virtual_probe(board) as probe,
        board.pty() as board_line, probe.pty() as probe_line,
    ):  # fmt: skip
        yield f"port:{board_line.path}", f"port:{probe_line.path}"


def test_a_real_pump_is_held_against_its_motor(bench):
    def run() -> Run:
        with bench_of_two_lines() as (board, probe):
            return bench.run(*PARTS, readings=SHORT, clock=CLOCK, board=board, probe=probe)

    ended = fit_run(run)
    assert ended.verdict is Verdict.PASS, ended.explain()
    checks = ended.outcome.summary["checks"]
    assert checks["pulse"]["judged"] and checks["pulse"]["passed"] > 30
    assert "counted" not in ended.outcome.summary["pulses"]


@pytest.mark.parametrize(
    ("probe", "clock", "code", "message"),
    [
        ("virtual", "lockstep", 2, "a probe keeps its own time"),
        ("port:/dev/ttyNONE", CLOCK, 3, "no such device"),
        ("id:NONE", CLOCK, 3, "no such board is plugged in"),
        ("port:", CLOCK, 2, "names nothing"),
        ("nonsense", CLOCK, 2, "no real board named 'nonsense'"),
    ],
)
def test_a_probe_that_cannot_be_is_refused(tmp_path, capsys, probe, clock, code, message):
    with pytest.raises(SystemExit) as left:
        main(["run", "--probe", probe, "--clock", clock, "--hours", "0.1", "--out", str(tmp_path), "--no-live"])
    said = capsys.readouterr().err
    assert left.value.code == code and message in said and ("--probe" in said or probe in said)
    assert "Traceback" not in said


def test_a_device_that_is_no_probe_is_refused(bench, tmp_path, capsys):
    with VirtualBoard(clock=Scaled(20)) as other, other.pty() as line, pytest.raises(SystemExit) as left:
        main(["run", "--probe", f"port:{line.path}", "--clock", CLOCK, "--hours", "0.1", "--out", str(tmp_path)])
    assert left.value.code == 3
    assert "--role probe" in capsys.readouterr().err
