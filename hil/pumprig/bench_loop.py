"""What the benchmark measures of controller oref in the firmware: a decision's time and heap, and memory on 32 bits."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import tempfile
from pathlib import Path

from pumplink.boards import default_firmware
from pumplink.virtual import VirtualBoard
from pumprig.bench_figures import BenchError, Figure, on_micropython

__all__ = ["oref_inside", "oref_memory"]

_TIMEOUT_S = 120.0
_PORT = Path(".node/node_modules/@micropython/micropython-webassembly-pyscript/micropython.mjs")

# Runs on MicroPython: a pump under oref, and a day of samples for it. `sample` lets one take effect.
_PUMP = """
import gc
import time
import settings
from pump.core import Pump
from pump.seldom import announce_carbs, configure
from pump.template_commands import activate, complete_profile, write_block
from pump.volatile import Volatile
from pump.events import OREF, RUN

class Motor:
    def ready(self, s):
        return True
    def pulse(self, s):
        pass

def emit(event, s, a=0, b=0, c=0, d=0, e=0):
    pass

def made():
    pump = Pump(settings, emit, Motor(), Volatile())
    pump.advance(0)
    profiles = ((1, 0x33, 1000, 0), (10, 0x5A, 450, 0), (12, 0x66, 100, 0), (14, 0x96, 1000, 1100))
    for number, kind, value, high in profiles:
        write_block(pump, 0, kind, number, 1, 1440, value, high)
        complete_profile(pump, 0, kind, number)
        activate(pump, 0, bytes((number,)), 0, 1)
    pump.set_therapy_state(0, RUN)
    pump.cgm_session(0, 0)
    return pump

def choose(pump):
    code = configure(pump, 0, OREF, 80, 70, 30, 120, 150, 15, 30, 300, 75, 0, 0, 0, 5, 3)
    if code != 0x0F:
        raise RuntimeError("the pump does not take oref: " + str(code))

# late: by how many seconds the samples differ in when they come.
def second(number, late=0):
    return 300 * number + 20 + (number * 7 % (late + 1))

def sample(pump, number, late=0):
    pump.cgm_sample(second(number, late), 5 * number, 120 + number * 37 % 23 + number % 90, 0)
"""

# Prints the microseconds of each decision from the sixth hour on, and what each leaves on the heap.
_INSIDE = (
    _PUMP
    + """
def measure(carbs, late, counted):
    pump = made()
    choose(pump)
    out = []
    for number in range({decisions}):
        pump.advance(second(number, late))
        if carbs and number % 36 == 0:
            announce_carbs(pump, second(number, late), 60, 0)
        gc.collect()
        if counted:
            gc.disable()
            before = gc.mem_alloc()
            sample(pump, number, late)
            out.append(gc.mem_alloc() - before)
            gc.enable()
        else:
            start = time.ticks_us()
            sample(pump, number, late)
            out.append(time.ticks_diff(time.ticks_us(), start))
    if pump.decision.detail[0] < 1041:
        raise RuntimeError("the pump did not decide: rule " + str(pump.decision.detail[0]))
    print(*out[{before}:])

measure({carbs}, {late}, {counted})
"""
)
_BEFORE, _DECISIONS = 72, 132

# Beside these on MicroPython's 32-bit port, which collects between two lines only: a step, then what is on the heap.
_STEPS = """
class Kept:
    pass

def answer(step):
    if step == "boot":
        Kept.pump = made()
    elif step == "choose":
        choose(Kept.pump)
    elif step == "day":
        for number in range(289):
            Kept.pump.advance(300 * number + 20)
            if number % 72 == 36:
                announce_carbs(Kept.pump, 300 * number + 20, 40, 0)
            sample(Kept.pump, number)
    used = gc.mem_alloc()
    gc.collect()
    return str(used)
"""
_STEP_LINES = ("none", "none", "boot", "none", "choose", "none", "day", "none")


def oref_inside(rounds: int) -> list[Figure]:
    """A decision of oref inside the pump on the unix port, with the heap of the virtual board, 48 points included.

    Of each decision the quickest of the rounds counts, so that a busy machine does little: the median of these.
    Unsteady samples come a few seconds sooner or later: the 48 points cannot build on those of the decision before.
    """
    figures = []
    for name, carbs, late, goal in (
        ("without_carbs", False, 0, 4), ("with_carbs", True, 0, 8), ("with_carbs_unsteady", True, 4, 16),
    ):  # fmt: skip
        rows = [_numbers(carbs, late, counted=False) for _ in range(max(3, rounds))]
        ms = statistics.median(min(times) for times in zip(*rows, strict=True)) / 1000
        octets = statistics.median(_numbers(carbs, late, counted=True))
        figures.append(Figure(f"oref_decision_inside_{name}", round(ms, 2), "ms", f"at most {goal}"))
        figures.append(Figure(f"oref_decision_heap_{name}", octets, "octets"))
    return figures


def _numbers(carbs: bool, late: int, counted: bool) -> list[int]:
    path = f"import sys\nsys.path.insert(0, {str(default_firmware())!r})\n"
    program = _INSIDE.format(decisions=_DECISIONS, before=_BEFORE, carbs=carbs, late=late, counted=counted)
    heap = 4 << 20 if counted else VirtualBoard().heap_bytes
    return [int(number) for number in on_micropython(path + program, "a decision of oref", heap).split()]


def oref_memory(_rounds: int) -> list[Figure]:
    """What oref takes of the heap on MicroPython's 32-bit port, whose floats are doubles: compiled modules and all.

    The pump alone, without its Bluetooth side. The floats of a board are smaller, of single precision.
    """
    with tempfile.TemporaryDirectory(prefix="pumprig-bench-") as name:
        (Path(name) / "measured.py").write_text(_PUMP + _STEPS, encoding="utf-8")
        said = _on_32_bits("measured", [default_firmware(), Path(name)], _STEP_LINES)
    pump, chosen, day = (int(said[at]) for at in (3, 5, 7))
    return [
        Figure("ram_32_bit_pump", pump, "octets"),
        Figure("ram_32_bit_oref_loaded", chosen - pump, "octets"),
        Figure("ram_32_bit_oref_after_a_day", day - pump, "octets"),
    ]


def _on_32_bits(module: str, folders: list[Path], lines: tuple[str, ...]) -> list[str]:
    root = default_firmware().parent
    node, package = shutil.which("node"), root / _PORT
    if node is None or not package.is_file():
        raise BenchError("MicroPython's 32-bit port is not installed: `make wasm`, which needs Node.js with npm")
    command = [node, str(root / "tests/wasm/port.mjs"), str(package), module, *map(str, folders)]
    asked = "".join(f"{line}\n" for line in lines)
    run = subprocess.run(command, input=asked, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S)
    answers = run.stdout.split()
    if len(answers) != len(lines):
        raise BenchError(f"the 32-bit port did not answer: {run.stderr.strip()[-300:]}")
    return answers
