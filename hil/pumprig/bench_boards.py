"""What the benchmark measures of flashing: whole commands, on a board without hardware behind a pty."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pumplink.boards import default_firmware
from pumplink.virtual.usb_board import UsbBoard
from pumprig.bench_figures import BenchError, Figure

__all__ = ["flashing"]

_TIMEOUT_S = 120.0


def _flash_s(board: UsbBoard, firmware: Path) -> float:
    command = [sys.executable, "-m", "pumprig.cli", "flash", "--board", f"port:{board.device}"]
    start = time.perf_counter()
    run = subprocess.run(
        [*command, "--firmware", str(firmware)], capture_output=True, text=True, check=False, timeout=_TIMEOUT_S
    )
    if run.returncode:
        raise BenchError(f"pumprig flash ended with exit code {run.returncode}: {run.stderr.strip()[-300:]}")
    return time.perf_counter() - start


def flashing(rounds: int) -> list[Figure]:
    """`pumprig flash` from its start to the board's word: an empty board, unchanged firmware, one changed module."""
    unchanged, changed = [], []
    with tempfile.TemporaryDirectory(prefix="pumprig-bench-") as name, UsbBoard() as board:
        firmware = Path(name) / "firmware"
        shutil.copytree(default_firmware(), firmware, ignore=shutil.ignore_patterns("__pycache__"))
        whole = _flash_s(board, firmware)
        for number in range(rounds):
            unchanged.append(_flash_s(board, firmware))
            with (firmware / "pump" / "reservoir.py").open("a", encoding="utf-8") as module:
                module.write(f"\n\nROUND_{number} = {number}\n")
            changed.append(_flash_s(board, firmware))
    return [
        Figure("flash_whole_firmware", whole, "s"),
        Figure("flash_unchanged_firmware", statistics.median(unchanged), "s", "at most 2"),
        Figure("flash_one_changed_module", statistics.median(changed), "s", "at most 5"),
    ]
