"""Goal: what the firmware has in machine code is the same as in Python, allocates nothing, and is never needed (D-954).

Method: both run on MicroPython's unix port, on random octets and doses; where no machine code runs, as on CPython, the
modules load and are what they are in Python.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import octets
from pump.control.oref import ages

HERE = Path(__file__).parent
FIRMWARE = HERE.parent.parent / "firmware"


def test_machine_code_does_what_python_does():
    found = shutil.which("micropython", path=str(Path(sys.executable).parent))
    if found is None:
        pytest.skip("no MicroPython unix port beside this Python: there is no wheel for this platform")
    run = subprocess.run(
        [found, "-X", "heapsize=1M", str(HERE / "native_on_board.py")],
        env={"MICROPYPATH": f"{FIRMWARE}:.frozen"}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.split("\n")[:3] == ["octets 1500", "ages 300", "locked ok"]


def test_without_machine_code_the_firmware_goes_on_in_python():
    assert (octets.crc16.__module__, ages.take.__module__) == ("octets", "pump.control.oref.ages")
    assert octets.crc16(b"123456789", 0, 9) == 0x6F91
