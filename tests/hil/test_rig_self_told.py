"""Goal: what a pump tells of itself is held against what it did, also where only its word is there (D-903, D-923,
D-954).

Method: firmware that tells something else, on a virtual board, and over a device, where the motor is not seen; a host
that has slept; a device behind which another build runs than the record names.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path

import pytest

from hil.rig_bench import MANUAL, firmware_copy, fit_run, pump
from pumplink.virtual.board import VirtualBoard
from pumplink.virtual.clocks import Scaled
from pumprig import pace
from pumprig.cli import main
from pumprig.verdict import Verdict

SCALE = 20
PARTS = (MANUAL, "hours = 0.02", pump((1440, 20)))


@contextmanager
def device(firmware: Path | None = None) -> Iterator[str]:
    """The device of a board with some firmware."""
    with ExitStack() as stack:
        board = stack.enter_context(VirtualBoard("virtual", firmware, Scaled(SCALE)))
        yield stack.enter_context(board.pty()).path


def over_device(bench, firmware: Path | None = None):
    with device(firmware) as path:
        return bench.run(*PARTS, clock=f"scaled:{SCALE}", board=f"port:{path}")


@pytest.mark.parametrize(
    ("old", "new", "check", "rule"),
    [
        ("fields[tables.RESET_CAUSE] = self._reset_cause", "fields[tables.RESET_CAUSE] = 0x55", "alive", "D-954"),
        ("min(self._delivery.pulses_in_doubt, _U8_MAX)", "7", "ledger", "D-923"),
    ],
    ids=["watchdog", "in doubt"],
)
def test_a_pump_that_tells_of_trouble_that_nobody_made_is_a_failure(bench, tmp_path, old, new, check, rule):
    run = bench.run(*PARTS, firmware=firmware_copy(tmp_path, gatt__vendor=(old, new)))
    (reason,) = run.outcome.reasons
    assert (run.verdict, reason.check, reason.rule) == (Verdict.FAIL, check, rule), run.explain()


def test_over_a_device_pulses_that_are_counted_for_a_moment_alone_are_a_failure(bench, tmp_path):
    """It counts right whenever the rest of the audit is asked."""
    counted = "delivery.basal_pulses)"
    burst = "delivery.basal_pulses + (200 if s % 60 == 59 else 0))"
    firmware = firmware_copy(tmp_path, gatt__vendor=(counted, burst))
    run = fit_run(lambda: over_device(bench, firmware))
    assert run.verdict is Verdict.FAIL, run.explain()
    assert {(reason.check, reason.rule) for reason in run.outcome.reasons} == {("ledger", "D-903")}, run.explain()


def test_a_host_that_has_slept_knows_nothing_of_the_pumps_clock(bench, monkeypatch):
    slept: Callable[[], int] = count(0, 2).__next__
    monkeypatch.setattr(pace, "asleep_s", lambda: float(slept()))
    run = fit_run(lambda: over_device(bench))
    assert run.verdict is Verdict.INCONCLUSIVE, run.explain()
    assert [reason.rule for reason in run.outcome.reasons] == ["D-959"], run.explain()
    assert "this host slept" in run.explain()


def test_a_run_over_a_device_is_repeated_on_its_own_build_alone(bench, tmp_path, capsys):
    line = tmp_path / "pump"
    with device() as path:
        line.symlink_to(path)
        run = bench.run(*PARTS, clock=f"scaled:{SCALE}", board=f"port:{line}")
    other = firmware_copy(tmp_path, gatt__vendor=("_U8_MAX = const(0xFF)", "_U8_MAX = const(0xFE)"))
    with device(other) as path:
        line.unlink()
        line.symlink_to(path)
        with pytest.raises(SystemExit) as left:
            main(["replay", str(run.folder), "--out", str(tmp_path / "again")])
    assert left.value.code == 5
    assert "the board runs firmware" in capsys.readouterr().err
