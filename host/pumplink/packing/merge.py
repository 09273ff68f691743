"""Merges the modules of a firmware into few files with short names, and knows what each line and name of them was.

A .mpy file begins with a table of the names that it uses, and every one of them lives on the board's heap: in one file
each name stands once, and a name that only the firmware uses need not be long. Modules that `main` comes to at its
start are one file; what is imported later, in a function, is a file of its own with what only it needs. A module that
leaves memory again is alone in its file: what it imports stays, and so is in the file of the start.
"""

from __future__ import annotations

import ast
import hashlib
from collections import Counter
from dataclasses import dataclass, field

from pumplink.packing.edits import Edit, applied, place_of
from pumplink.packing.names import Namer
from pumplink.packing.scopes import NotFollowed, Place, Scope
from pumplink.packing.sources import Alias, Firmware, Source

__all__ = ["Merged", "PackedFile", "merged"]

_TAG_DIGITS = 4


@dataclass
class PackedFile:
    """A file as a board gets it.

    Attributes:
        name: of the module that it is on the board.
        modules: whose sources it holds.
        paths: of the same, in the firmware.
        text: its source.
        lines: for each line the number of the module and the line there; a line of no module has 0, 0.
        functions: for each of these places the innermost function there.
        names: for each line what the short names in it were.
        native: whether it holds machine code.
        tag: digits that change with the file; a traceback names them.
    """

    name: str
    modules: list[str]
    paths: list[str]
    text: str = ""
    lines: list[tuple[int, int]] = field(default_factory=list)
    functions: dict[tuple[int, int], str] = field(default_factory=dict)
    names: list[dict[str, str]] = field(default_factory=list)
    native: bool = False
    tag: str = ""


@dataclass(frozen=True)
class Merged:
    """A firmware as a board gets it.

    Attributes:
        files: its files, `main` first.
        names: what each short name was that stands for one only.
        classes: that belong together: what their short names were, and those of their attributes.
    """

    files: list[PackedFile]
    names: dict[str, str]
    classes: list[tuple[dict[str, str], dict[str, str]]]


def merged(files: dict[str, str], entry: str) -> Merged:
    """Merges and shortens.

    Args:
        files: the sources, by path.
        entry: the module that starts; it stays a file of its own, with its lines.
    Raises:
        NotFollowed: a module does what is not followed here; the message says where.
        SyntaxError: one is no Python.
    """
    return _Merger(Firmware(files, entry)).result()


class _Merger:
    def __init__(self, firmware: Firmware) -> None:
        self.firmware = firmware
        self.open = firmware.handed_on() | {firmware.entry}
        self.open |= {name for name, source in firmware.sources.items() if source.scopes.native}
        self.file_of: dict[str, PackedFile] = {}
        self._start = -1
        self._first: list[PackedFile] = []
        self.files = self._divide()
        self.namer = Namer(firmware, self.open)
        # File -> the files that it needs names of, and which.
        self._heads: dict[str, dict[str, dict[str, None]]] = {}
        self._external_names = self._externals()

    # --- Which module goes where --------------------------------------------------------------------------------

    def _reach(self, roots: list[str]) -> list[str]:
        """The modules that are imported with others, in the order in which they begin."""
        done: list[str] = []
        on_the_way: set[str] = set()

        def visit(name: str) -> None:
            if name in done or name in on_the_way:
                return
            on_the_way.add(name)
            for needed in self.firmware.needed(self.firmware.sources[name], later=False):
                visit(needed)
            done.append(name)

        for root in roots:
            visit(root)
        return done

    def _divide(self) -> list[PackedFile]:
        """At the start is one file, and what one late import or several of them bring along are others."""
        first = self._reach([*self.firmware.staying(), self.firmware.entry])
        late = dict.fromkeys(
            name
            for source in self.firmware.sources.values()
            for name in self.firmware.needed(source, later=True)
            if name not in first
        )
        reached = {root: self._reach([root]) for root in late}
        groups: dict[frozenset[str], list[str]] = {}
        for root in late:
            for name in reached[root]:
                if name not in first:
                    found = groups.setdefault(frozenset(other for other in late if name in reached[other]), [])
                    found += [] if name in found else [name]
        files: list[PackedFile] = []
        for modules in [first, *groups.values()]:
            apart = [name for name in modules if name in self.open]
            together = [name for name in modules if name not in self.open and self._has_body(name)]
            files += [self._file([name]) for name in reversed(apart)]
            if modules is first:
                self._start = len(files)
            if together:
                files.append(self._file(together))
            if modules is first:
                self._first = [*files]
        return files

    def _has_body(self, name: str) -> bool:
        return self.firmware.sources[name].has_code

    def _file(self, modules: list[str]) -> PackedFile:
        # The last is the one that the others were needed for.
        last = modules[-1]
        name = last if last == self.firmware.entry else self._file_name(last)
        sources = [self.firmware.sources[each] for each in modules]
        made = PackedFile(name, modules, [source.path for source in sources])
        made.native = any(source.scopes.native for source in sources)
        self.file_of.update(dict.fromkeys(modules, made))
        return made

    def _file_name(self, module: str) -> str:
        """A module that stands in no package, and has the name of no other one."""
        short = module.rpartition(".")[2]
        taken = {file.name for file in self.file_of.values()} | {
            origin.split(" ")[0] for names in self.firmware.externals.values() for origin in names.values()
        }
        return short if short not in taken else module.replace(".", "_")

    def _externals(self) -> dict[str, str]:
        """What of MicroPython is imported -> its name in every file."""
        owns: dict[str, set[str]] = {}
        for names in self.firmware.externals.values():
            for own, origin in names.items():
                owns.setdefault(origin, set()).add(own)
        used = Counter(own for several in owns.values() for own in several)
        found = {}
        for origin, several in owns.items():
            own = min(several)
            alone = len(several) == 1 and used[own] == 1
            found[origin] = own if alone else self.namer.fresh(origin.rpartition(" ")[2])
        return found

    # --- One module ---------------------------------------------------------------------------------------------

    def _wants(self, file: PackedFile, symbol: tuple[str, str], scope: Scope) -> str:
        """The name of a symbol in a file, which is imported there when it is another's."""
        module, name = symbol
        other = self.file_of[module]
        new = self.namer.symbol(module, name, file.name, other.name, *_class_body(scope))
        if other is not file:
            if name in self.namer.rebound(module):
                path = self.firmware.sources[module].path
                raise NotFollowed(f"{path}: {name} is bound again, and another file has it")
            self._heads.setdefault(file.name, {}).setdefault(other.name, {})[new] = None
        return new

    def _edits(self, source: Source, file: PackedFile, seen: set[str]) -> list[Edit]:
        edits: list[Edit] = []
        # Names, by where they begin, and attributes that stand in what is replaced as a whole.
        gone: set[tuple[int, int]] = set()
        inside: set[int] = set()
        if source.name not in self.open:
            for name, statement in source.definitions.items():
                if (source.name, name) in self.firmware.values:
                    edits.append(Edit(place_of(statement), ""))
                    for node in ast.walk(statement):
                        inside.add(id(node))
                        if isinstance(node, ast.Name):
                            gone.add((node.lineno, node.col_offset))
        self._attributes(source, file, edits, inside, gone)
        for use in source.scopes.uses:
            if use.place[:2] not in gone:
                new = self._use(source, file, use.name, use.scope, use.place)
                if new != use.name:
                    edits.append(Edit(use.place, new))
        for node, scope, _ in source.scopes.imports:
            edits.append(Edit(place_of(node), self._import(source, file, node, scope, seen)))
        return edits

    def _attributes(
        self, source: Source, file: PackedFile, edits: list[Edit], inside: set[int], gone: set[tuple[int, int]]
    ) -> None:
        for node, scope in source.scopes.attributes:
            if id(node) in inside:
                continue
            base = node.value
            alias = self.firmware.alias(scope, base.id) if isinstance(base, ast.Name) else None
            value = self.firmware.number(scope, source.name, node) if isinstance(node.ctx, ast.Load) else None
            if value is not None:
                edits.append(Edit(place_of(node), _written(value)))
                gone.add((base.lineno, base.col_offset))
            elif alias is not None and not alias.name and alias.module not in self.open:
                symbol = self.firmware.symbol(alias.module, node.attr)
                if self._stays(source, file, alias):
                    edits.append(_last(node, self.namer.symbol(*symbol)))
                else:
                    edits.append(Edit(place_of(node), self._wants(file, symbol, scope)))
                    gone.add((base.lineno, base.col_offset))
            elif self.namer.attribute(node.attr) != node.attr:
                edits.append(_last(node, self.namer.attribute(node.attr)))

    def _stays(self, source: Source, file: PackedFile, alias: Alias) -> bool:
        """Whether what an alias stands for is imported where and when the source says."""
        if source.name in self.open:
            return True
        other = self.file_of.get(alias.module)
        return alias.later and other is not None and other is not file and self.files.index(other) != self._start

    def _use(self, source: Source, file: PackedFile, name: str, scope: Scope, place: Place) -> str:
        owner = scope.owner(name)
        value = self.firmware.number_named(owner, source.name, name)
        if value is not None and not (source.name in self.open and self._defines(source, name, place)):
            return _written(value)
        alias = self.firmware.aliases.get(owner, {}).get(name)
        if alias is not None:
            return self._imported(source, file, name, alias, scope)
        if isinstance(owner.node, ast.ClassDef):
            self.namer.beside(owner, name)
            return self.namer.attribute(name)
        if owner.parent is None:
            origin = self.firmware.externals.get(owner, {}).get(name)
            if origin is not None:
                return self._external_names[origin] if source.name not in self.open else name
            if name not in owner.bound:
                return name
            return self.namer.symbol(source.name, name, file.name, *_class_body(scope))
        return self.namer.local(source, owner, name)

    def _imported(self, source: Source, file: PackedFile, own: str, alias: Alias, scope: Scope) -> str:
        """The name in a file of what is imported from another module of the firmware."""
        if self._stays(source, file, alias):
            return own
        if alias.name:
            return self._wants(file, self.firmware.symbol(alias.module, alias.name), scope)
        other = self.file_of.get(alias.module)
        return other.name if other is not None and alias.module in self.open else own

    @staticmethod
    def _defines(source: Source, name: str, place: Place) -> bool:
        statement = source.definitions.get(name)
        return statement is not None and (statement.lineno, statement.col_offset) == (place.line, place.column)

    # --- Imports ------------------------------------------------------------------------------------------------

    def _import(
        self, source: Source, file: PackedFile, node: ast.Import | ast.ImportFrom, scope: Scope, seen: set[str]
    ) -> str:
        parts = []
        for (own, module, name), alias in zip(self.firmware.targets(node), node.names, strict=True):
            if module:
                part = self._own_import(source, file, scope, own, module, name)
            elif isinstance(node, ast.ImportFrom) and (node.module, alias.name) == ("micropython", "const"):
                # The compiler knows it without.
                continue
            else:
                part = _statement("" if isinstance(node, ast.Import) else str(node.module), alias.name,
                                  self._bound_name(source, scope, own))  # fmt: skip
            shared = own in self.firmware.externals.get(scope, {}) or module in self.open
            if part and not (shared and part in seen):
                parts.append(part)
            if scope.parent is None and source.name not in self.open:
                seen.add(part)
        return "; ".join(parts) or "pass"

    def _bound_name(self, source: Source, scope: Scope, own: str) -> str:
        if scope.parent is not None:
            return own
        origin = self.firmware.externals.get(scope, {}).get(own)
        if origin is not None and source.name not in self.open:
            return self._external_names[origin]
        return self.namer.symbol(source.name, own, self.file_of[source.name].name)

    def _own_import(
        self, source: Source, file: PackedFile, scope: Scope, own: str, module: str, name: str
    ) -> str:
        other = self.file_of.get(module)
        alias = self.firmware.aliases.get(scope, {}).get(own)
        if name:
            symbol = self.firmware.symbol(module, name)
            if other is None or (symbol in self.firmware.values and alias is not None):
                return ""
            other = self.file_of[symbol[0]]
            new = self.namer.symbol(*symbol, other.name)
            if alias is None and symbol in self.firmware.values:
                raise NotFollowed(f"{source.path}: {own} is a constant of {module} only at times")
            if alias is None:
                # Bound more than once: an import under conditions.
                bound = self._bound_name(source, scope, own)
                return f"{bound} = {new}" if other is file else _statement(other.name, new, bound)
            return _statement(other.name, new, own) if self._stays(source, file, alias) else ""
        if other is None:
            return ""
        if alias is None:
            return _statement("", other.name, self._bound_name(source, scope, own))
        if self._stays(source, file, alias):
            return _statement("", other.name, own)
        return _statement("", other.name, other.name) if module in self.open else ""

    # --- Files --------------------------------------------------------------------------------------------------

    def result(self) -> Merged:
        """All files."""
        for file in self.files:
            if file.modules == [self.firmware.entry]:
                self._entry(file)
            else:
                self._body(file)
        rest = [file.text for file in self.files if file not in self._first]
        self.namer.settle("\n".join(file.text for file in self._first), "\n".join(rest))
        for file in self.files:
            file.names = [self.namer.was_in(line) for line in file.text.split("\n")]
            file.text = self.namer.named(file.text)
            if file.modules != [self.firmware.entry]:
                file.tag = hashlib.sha256(f"{file.lines}{file.text}".encode()).hexdigest()[:_TAG_DIGITS]
        return Merged(self.files, self.namer.was(), self.namer.classes())

    def _entry(self, file: PackedFile) -> None:
        source = self.firmware.sources[self.firmware.entry]
        file.text = applied(source.text, self._edits(source, file, set()))
        file.lines = [(0, number) for number in range(1, file.text.count("\n") + 2)]

    def _body(self, file: PackedFile) -> None:
        seen: set[str] = set()
        lines = []
        for number, name in enumerate(file.modules):
            source = self.firmware.sources[name]
            for line, code in enumerate(applied(source.text, self._edits(source, file, seen)).split("\n"), 1):
                # In a text an empty line is one, too.
                in_text = line in source.scopes.text_lines
                if in_text or (line in source.code_lines and code.strip() and code.rstrip() != "pass"):
                    lines.append(code)
                    file.lines.append((number, line))
                    file.functions[number, line] = source.function_at(line)
        head = [_statement(other, ", ".join(names)) for other, names in self._heads.get(file.name, {}).items()]
        file.lines[:0] = [(0, 0)] * len(head)
        file.text = "\n".join([*head, *lines, ""])


def _class_body(scope: Scope) -> list[Scope]:
    """The scope of a class that sees a name as its own if it has one of that name."""
    return [scope] if isinstance(scope.node, ast.ClassDef) else []


def _statement(module: str, name: str, bound: str = "") -> str:
    called = name if bound in ("", name) else f"{name} as {bound}"
    return f"from {module} import {called}" if module else f"import {called}"


def _written(value: int) -> str:
    return str(value) if value >= 0 else f"({value})"


def _last(node: ast.Attribute, new: str) -> Edit:
    _, _, line, column = place_of(node)
    return Edit(Place(line, column - len(node.attr.encode()), line, column), new)
