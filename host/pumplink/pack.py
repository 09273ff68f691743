"""Packs the firmware as a board gets it: few files with short names, constants written in where they are used.

MicroPython's `const` takes a constant's name out of its own module; for another module that imports it, the name stays
in a dictionary on the heap. Every .mpy file has a table of all names that it uses, which live on the heap, too. So the
modules that are loaded together are merged into one file (`packing/merge.py`), and what only the firmware names gets a
short name. `Told` says what each name and line was, so that whoever reads a traceback reads the sources' own.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import platform
import sys
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

from pumplink.boards import firmware_sources
from pumplink.packing.compiled import CompilerFailed, compiler_version
from pumplink.packing.compiled import tried as compile_file
from pumplink.packing.merge import Merged, merged
from pumplink.packing.mpy import NotUnderstood
from pumplink.packing.plain import Plain
from pumplink.packing.relink import Relinked, relinked
from pumplink.packing.scopes import NotFollowed
from pumplink.packing.sources import module_name
from pumplink.packing.store import Kept, all_kept, kept
from pumplink.packing.told import Told, written
from pumplink.pump_data import SETTINGS_MODULE, PumpData, with_pump_data
from pumplink.syntax import parsed

__all__ = ["Packed", "PackedFirmware", "in_memory", "pack", "packed", "retold", "sources_of", "this_machine"]

_BOARD_FOLDER = "/firmware"
_ENTRY = "main"
_COMPILERS = 2
_NAMES = "names.json"
_OWN_CONTROLLER = "pump/control/own.py"
_HERE = {"x86_64": "x64", "AMD64": "x64"}


def sources_of(firmware: Path, pump_data: PumpData | None = None) -> dict[str, str]:
    """The sources of a firmware by their paths.

    Args:
        firmware: the folder with `main.py`.
        pump_data: constants of the module `settings` with other values than the firmware's own.
    Raises:
        ValueError: the firmware has no such constant.
    """
    paths = firmware_sources(firmware)
    sources = {path.relative_to(firmware).as_posix(): path.read_text(encoding="utf-8") for path in paths}
    if pump_data:
        sources[SETTINGS_MODULE] = with_pump_data(sources.get(SETTINGS_MODULE, ""), pump_data)
    return sources


def this_machine() -> str:
    """The machine code that MicroPython takes here, in the words of mpy-cross; empty for none."""
    return _HERE.get(platform.machine(), "")


def pack(
    firmware: Path, target: Path, *, compiled: bool = True, pump_data: PumpData | None = None, arch: str = ""
) -> Packed:
    """Writes the firmware as a board gets it.

    Args:
        firmware: the folder with `main.py`.
        target: a folder that is made.
        compiled: merged, as .mpy files, where mpy-cross is installed; otherwise as sources, one file each.
        pump_data: constants of the module `settings` with other values than the firmware's own.
        arch: whose machine code files may hold, in the words of mpy-cross; such files are left out when it is empty.
    Returns:
        What was made, and why it was not merged when it was not.
    Raises:
        ValueError: the firmware has no such constant.
    """
    made = in_memory(sources_of(firmware, pump_data), compiled=compiled, arch=arch)
    _write(made, target)
    return made


def _write(made: Packed, target: Path) -> None:
    for path, octets in made.files.items():
        place = target / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(octets)


class Packed:
    """What packing made.

    Attributes:
        files: content by path.
        merged: the files that modules were merged into; None when each module is a file of its own.
        relinked: of files of bytecode, by their names: what takes the room in them.
        reason: why nothing was merged; empty when it was.
        lasting: whether packing the same again makes the same; not when the compiler failed.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.merged: Merged | None = None
        self.relinked: dict[str, Relinked] = {}
        self.reason = ""
        self.lasting = True

    def names(self) -> str | None:
        """What names and lines were, for `Told`; None when all are the sources'."""
        if self.merged is None:
            return None
        return written(self.merged, {name: made.numbers for name, made in self.relinked.items()})


def in_memory(sources: dict[str, str], *, compiled: bool = True, arch: str = "") -> Packed:
    """Packs sources.

    Args:
        sources: texts by path.
        compiled: as `pack` has it.
        arch: as `pack` has it.
    """
    made = Packed()
    try:
        if not compiled:
            made.reason = "it is for a MicroPython that compiles it itself"
        elif not compiler_version():
            made.reason = "mpy-cross is not installed"
        elif _does_something(sources.get(_OWN_CONTROLLER, "")):
            # Somebody else's work, which may come to the pump's values by any of their names.
            made.reason = f"{_OWN_CONTROLLER} is an own controller, which finds every name as it is written"
        else:
            _merge(made, sources, arch)
        if made.merged is None:
            made.files = _plain(sources, compiled)
    except CompilerFailed as error:
        made.reason, made.lasting = str(error), False
        made.files = _plain(sources, False)
    except SyntaxError as error:
        # What is no Python is the board's to refuse.
        made.reason = f"a module is no Python: {error}"
        made.files = {path: text.encode() for path, text in sources.items()}
    return made


def _does_something(controller: str) -> bool:
    """Whether a controller is more than the one that keeps what runs."""
    for statement in parsed(controller).body:
        if not isinstance(statement, ast.FunctionDef) or [type(each) for each in statement.body] != [ast.Pass]:
            return True
    return False


def _merge(made: Packed, sources: dict[str, str], arch: str) -> None:
    try:
        result = merged(sources, _ENTRY)
    except NotFollowed as error:
        made.reason = str(error)
        return
    files: dict[str, bytes] = {}
    compiled = [file for file in result.files if file.name != _ENTRY and (arch or not file.native)]
    # The compiler is a program of its own, so that one file is gone through here while another is compiled.
    with ThreadPoolExecutor(_COMPILERS) as pool:
        done = pool.map(lambda file: _file(file.text, f"{file.name}:{file.tag}", arch if file.native else ""), compiled)
        for file, (octets, smaller) in zip(compiled, done, strict=True):
            if octets is None:
                made.reason = f"mpy-cross does not take {', '.join(file.paths)}"
                return
            if smaller is not None:
                made.relinked[file.name] = smaller
            files[f"{file.name}.mpy"] = octets
    files |= {f"{_ENTRY}.py": file.text.encode() for file in result.files if file.name == _ENTRY}
    made.merged, made.files = result, files


# A change of one module leaves most files as they are.
@lru_cache(maxsize=32)
def _file(text: str, shown: str, arch: str) -> tuple[bytes | None, Relinked | None]:
    octets = compile_file(text, shown, arch)
    if octets is not None:
        with contextlib.suppress(NotUnderstood):
            smaller = relinked(octets)
            return smaller.octets, smaller
    return octets, None


def _plain(sources: dict[str, str], compiled: bool) -> dict[str, bytes]:
    packer = Plain({module_name(path): text for path, text in sources.items()})
    files: dict[str, bytes] = {}
    for path in sources:
        text = packer.text(module_name(path))
        octets = _compiled(path, text) if compiled and module_name(path) != _ENTRY else None
        if octets is None:
            files[path] = text.encode()
        else:
            files[path.removesuffix(".py") + ".mpy"] = octets
    return files


@lru_cache(maxsize=4096)
def _compiled(path: str, text: str) -> bytes | None:
    return compile_file(text, f"{_BOARD_FOLDER}/{path}")


class PackedFirmware(NamedTuple):
    """A folder with packed firmware. It may go when this does: a board loads modules for as long as it runs.

    Attributes:
        path: the folder.
        told: what its names and lines were.
        held: what keeps it.
    """

    path: Path
    told: Told
    held: Kept


@cache
def _packer() -> str:
    """Changes with whatever makes packed firmware another."""
    folder = Path(__file__).parent
    own = [Path(__file__), folder / "pump_data.py", *sorted((folder / "packing").iterdir())]
    octets = b"\0".join(path.read_bytes() for path in own if path.suffix in (".py", ".names"))
    return f"{hashlib.sha256(octets).hexdigest()} {compiler_version()} {sys.version_info[:2]}"


# Kept folders that this process held last: whoever packs the same again is given the same.
_held: OrderedDict[str, Kept] = OrderedDict()
_HELD_MAX = 16


def packed(
    firmware: Path, *, compiled: bool = True, pump_data: PumpData | None = None, arch: str = ""
) -> PackedFirmware:
    """The packed firmware in a folder, made once for each state of its sources and kept for the next process.

    Args:
        firmware: the folder with `main.py`.
        compiled: as `pack` has it; False for a MicroPython of which it is not known which .mpy files it takes.
        pump_data: as `pack` has it.
        arch: as `pack` has it.
    Raises:
        ValueError: the firmware has no such constant.
        OSError: there is no room for it, or no right to write.
    """
    sources = sources_of(firmware, pump_data)
    known = (_packer(), sorted(sources.items()), compiled, arch)
    key = hashlib.sha256(repr(known).encode()).hexdigest()[:40]

    lasting = True

    def fill(folder: Path) -> bool:
        nonlocal lasting
        made = in_memory(sources, compiled=compiled, arch=arch)
        _write(made, folder / "firmware")
        names = made.names()
        if names is not None:
            (folder / _NAMES).write_text(names, encoding="utf-8")
        lasting = made.lasting
        return lasting

    held = _held.get(key) or kept(key, fill)
    if lasting:
        _held[key] = held
        _held.move_to_end(key)
    while len(_held) > _HELD_MAX:
        _held.popitem(last=False)
    return PackedFirmware(held.path / "firmware", Told(held.path / _NAMES), held)


def retold(lines: Iterable[str], firmware: Path) -> Iterator[str]:
    """What a board prints, with the names and lines of the sources; of builds that were packed here before, too.

    Args:
        lines: as the board printed them.
        firmware: what is probably on it.
    """
    known = [packed(firmware).told]
    strange: set[str] = set()
    for line in lines:
        file = known[0].unknown(line)
        if file and file not in strange:
            found = next((told for told in map(_told_of, all_kept()) if not told.unknown(line)), None)
            if found is not None:
                known.insert(0, found)
            else:
                strange.add(file)
                yield (
                    f"({file} is of a build that was not packed on this machine: its names and lines are those of the "
                    "packed file. `--firmware` names its sources.)"
                )
        yield known[0].line(line)


def _told_of(folder: Path) -> Told:
    return Told(folder / _NAMES)
