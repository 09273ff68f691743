"""A measurement's way from octets to decision on real MicroPython: no allocation, and fast (D-951, D-954)."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FIRMWARE = HERE.parent.parent / "firmware"


def test_from_octets_to_decision_nothing_is_allocated():
    found = shutil.which("micropython", path=str(Path(sys.executable).parent))
    if found is None:
        pytest.skip("no MicroPython unix port beside this Python: there is no wheel for this platform")
    run = subprocess.run(
        [found, "-X", "heapsize=288K", str(HERE / "gatt_on_board.py")],
        env={"MICROPYPATH": f"{FIRMWARE}:.frozen"}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    assert "locked ok, 15 decisions" in run.stdout
    assert "decisions 60" in run.stdout
    # A thousandth of what D-951 allows, on a processor some hundred times as fast as a board's.
    assert int(re.search(r"took (\d+) us", run.stdout).group(1)) < 10_000
