"""What the parts of the benchmark share: a figure, and a way to run a script on MicroPython."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

from pumplink.virtual.launch import micropython_command

__all__ = ["BenchError", "Figure", "on_micropython"]

_SCRIPT_TIMEOUT_S = 300.0


class Figure(NamedTuple):
    """One line of the benchmark.

    Args:
        name: what was measured.
        value: in `unit`.
        unit: one word or two.
        goal: what it should be, for people; a figure that misses it fails nothing.
    """

    name: str
    value: float
    unit: str
    goal: str = ""

    def __str__(self) -> str:
        value = f"{self.value:.3f}" if self.unit == "s" else f"{self.value:.10g}"
        return f"{self.name} {value} {self.unit}" + (f"  # goal: {self.goal}" if self.goal else "")


class BenchError(RuntimeError):
    """What is measured did not work, so there is no figure."""


def on_micropython(program: str, what: str, heap_bytes: int = 2 << 20) -> str:
    """What a program prints on MicroPython's unix port, which is one of 64 bits.

    Args:
        program: its source.
        what: that it measures, for the message.
        heap_bytes: of the port.

    Raises:
        BenchError: it ended with an exception.
    """
    with tempfile.TemporaryDirectory(prefix="pumprig-bench-") as folder:
        script = Path(folder) / "measure.py"
        script.write_text(program, encoding="utf-8")
        command = [*micropython_command(), "-X", f"heapsize={heap_bytes}", str(script)]
        run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_SCRIPT_TIMEOUT_S)
    if run.returncode:
        raise BenchError(f"{what} did not run: {run.stdout.strip()[-500:]}")
    return run.stdout
