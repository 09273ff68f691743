"""On real MicroPython: a measurement's way from octets to decision, without allocation and fast (D-951, D-954); and
what is loaded late, while there is no room for it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FIRMWARE = HERE.parent.parent / "firmware"


def micropython(script, heap):
    """What a script of this folder says on a heap of that size."""
    found = shutil.which("micropython", path=str(Path(sys.executable).parent))
    if found is None:
        pytest.skip("no MicroPython unix port beside this Python: there is no wheel for this platform")
    run = subprocess.run(
        [found, "-X", f"heapsize={heap}", str(HERE / script)],
        env={"MICROPYPATH": f"{FIRMWARE}:.frozen"}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def test_from_octets_to_decision_nothing_is_allocated():
    said = micropython("gatt_on_board.py", "288K")
    assert "locked ok, 15 decisions" in said
    assert "decisions 60" in said
    # A thousandth of what D-951 allows, on a processor some hundred times as fast as a board's.
    assert int(re.search(r"took (\d+) us", said).group(1)) < 10_000


def test_what_finds_no_room_is_refused_does_not_disturb_delivery_and_works_when_there_is_room():
    """Of a read, a procedure on templates, one on records, one that sets a limit. An hour of 1 IU/h has 20 pulses."""
    said = dict(line.split(" ", 1) for line in micropython("full_board.py", "512K").splitlines())
    read, template, records, limit = (bytes.fromhex(said["full"])[at : at + 8] for at in (0, 8, 16, 24))
    assert read[:5] == bytes((0x01, 0x0A, 0x55, 0x00, 0x11))
    # Response codes "procedure not completed" of each control point.
    assert template == bytes((0x1D, 0x21, 0x00, 0x55, 0x0F, 0x48, 0x12, 0x72))
    assert records[:7] == bytes((0x1D, 0x27, 0x00, 0x0F, 0x0F, 0x55, 0x08))
    assert limit == bytes((0x1D, 0x21, 0x00, 0x55, 0x0F, 0x8D, 0x14, 0x72))
    assert said["pulses"] == "20"
    read, template, records, limit = (bytes.fromhex(said["room"])[at : at + 8] for at in (0, 8, 16, 24))
    assert read[0] == 0x0B
    assert template[:3] == bytes((0x1D, 0x21, 0x00)) and template[3:5] != b"\x55\x0f"
    assert records[:7] == bytes((0x1D, 0x27, 0x00, 0x0F, 0x0F, 0x55, 0xF0))
    assert limit == bytes((0x1D, 0x21, 0x00, 0x55, 0x0F, 0x8D, 0x14, 0x0F))
    assert said["limits"] == "10000 5000"
