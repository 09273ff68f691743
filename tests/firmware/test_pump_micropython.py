"""The pump on real MicroPython: the same walk as on CPython, no allocation while it delivers, two weeks in a moment.

Method: the unix port, with a small heap, runs the walk and the proof as scripts of their own.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from firmware.pump_bench import Bench
from firmware.pump_walk import fingerprint, walk

HERE = Path(__file__).parent
FIRMWARE = HERE.parent.parent / "firmware"


def micropython(*arguments, heap="256K"):
    """What a script says on MicroPython with the heap of a board."""
    found = shutil.which("micropython", path=str(Path(sys.executable).parent))
    if found is None:
        pytest.skip("no MicroPython unix port beside this Python: there is no wheel for this platform")
    run = subprocess.run(
        [found, "-X", f"heapsize={heap}", *arguments],
        env={"MICROPYPATH": f"{FIRMWARE}:{HERE}:.frozen"},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


@pytest.mark.parametrize("seed", [1, 20261121])
def test_micropython_walks_as_cpython_does(seed):
    """D-001 to D-907 on the target: the same events, pulses and response codes."""
    bench = Bench()
    codes = walk(bench, seed, 300, bench.run)
    # What the walk keeps of its story comes on top of the pump.
    said = micropython(str(HERE / "pump_walk.py"), str(seed), "300", heap="1M")
    assert said.strip() == str(fingerprint(bench, codes))


def test_delivery_allocates_nothing_and_two_weeks_pass():
    """D-954: no garbage, so that no collection ever delays a pulse."""
    said = micropython(str(HERE / "pump_on_board.py"))
    assert "locked ok True" in said, said
    assert "leak 0 bytes" in said, said
    assert re.search(r"(\d+) pulses", said).group(1) == str(14 * 48 * 20)
