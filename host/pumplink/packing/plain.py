"""Packs a firmware module by module: constants are written in where they are used, everything else stays.

It is for a MicroPython that compiles the firmware itself, and for a firmware that does more with its names than the
merging follows.
"""

from __future__ import annotations

import ast
from collections.abc import Collection
from functools import lru_cache
from typing import NamedTuple

from pumplink.packing.sources import number_of
from pumplink.syntax import parsed

__all__ = ["Plain"]


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
        self.tree = parsed(text)
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


class Plain:
    """A firmware with its modules and names as they are, and its constants written in where they are used.

    Args:
        sources: texts by dotted name.
    Raises:
        SyntaxError: one is no Python.
    """

    def __init__(self, sources: dict[str, str]) -> None:
        self.modules = {name: _module(name, text) for name, text in sources.items()}
        self.imports = {name: module.imports(self.modules) for name, module in self.modules.items()}
        # What is given a value as an attribute may be a constant of a module, which then has that value for others.
        self._given = {
            node.attr
            for module in self.modules.values()
            for node in module.nodes
            if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load)
        }
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
            known = (module.name, name) in self.values or name in self._given
            if not known and isinstance(statement.value, ast.Call):
                (argument,) = statement.value.args
                value = number_of(argument, lambda node: self._value(module, node))
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
        bases = {id(node.value) for node in module.nodes if isinstance(node, ast.Attribute)}
        for node in module.nodes:
            if isinstance(node, (ast.Attribute, ast.Name)) and isinstance(node.ctx, ast.Load) and id(node) not in gone:
                value = self._value(module, node)
                if value is not None:
                    edits.append(_edit(node, f"({value})" if value < 0 or id(node) in bases else str(value)))
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
