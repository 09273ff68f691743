"""The modules of a firmware as the packer knows them: what they import, and which of their names are numbers."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from pumplink.packing.scopes import NotFollowed, Scope, Scopes
from pumplink.syntax import parsed

__all__ = ["Alias", "Firmware", "Source", "module_name", "number_of"]


# Those that make ints of ints.
_OPERATORS: dict[type[ast.operator | ast.unaryop], Callable[..., Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod, ast.Pow: operator.pow, ast.LShift: operator.lshift, ast.RShift: operator.rshift,
    ast.BitOr: operator.or_, ast.BitXor: operator.xor, ast.BitAnd: operator.and_,
    ast.USub: operator.neg, ast.UAdd: operator.pos, ast.Invert: operator.invert,
}  # fmt: skip


class Alias(NamedTuple):
    """What an imported name stands for: a module of the firmware (`name` is empty), or a name in one.

    Attributes:
        module: dotted name.
        name: what of it; empty for the module itself.
        later: whether the import is carried out when its function runs.
    """

    module: str
    name: str
    later: bool


def module_name(path: str) -> str:
    """The dotted name of the module in a file of a firmware."""
    return path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")


_LEAVING = "del sys.modules[__name__]"


class Source:
    """One module.

    Attributes:
        name: dotted.
        path: in the firmware, with slashes.
        definitions: its constants, each with the statement that makes it.
        code_lines: numbers of the lines that hold code.
        has_code: whether it does anything.
        leaves: whether it takes itself out of what is loaded (`del sys.modules[__name__]`).
    """

    def __init__(self, name: str, path: str, text: str) -> None:
        self.name = name
        self.path = path
        self.text = text
        self.tree = parsed(text)
        self.scopes = Scopes(path, text, self.tree)
        self.definitions: dict[str, ast.Assign] = {}
        for statement in self.tree.body:
            if (
                isinstance(statement, ast.Assign)
                and isinstance(statement.targets[0], ast.Name)
                and isinstance(statement.value, ast.Call)
                and isinstance(statement.value.func, ast.Name)
                and statement.value.func.id == "const"
                and self.scopes.module.bound[statement.targets[0].id] == 1
            ):
                self.definitions[statement.targets[0].id] = statement
        self.code_lines = self.scopes.text_lines | {
            number for number, line in enumerate(text.split("\n"), 1) if line.strip() and line.lstrip()[0] != "#"
        }
        self._functions: dict[int, str] = {}
        # A function comes before those in it.
        for scope in self.scopes.scopes:
            if isinstance(scope.node, ast.FunctionDef) and scope.node.end_lineno is not None:
                lines = range(scope.node.lineno, scope.node.end_lineno + 1)
                self._functions.update(dict.fromkeys(lines, scope.node.name))
        self.has_code = any(not isinstance(statement, ast.Expr) for statement in self.tree.body)
        self.leaves = any(
            isinstance(node, ast.Delete) and ast.unparse(node) == _LEAVING for node in ast.walk(self.tree)
        )


    def function_at(self, line: int) -> str:
        """The innermost function that a line is in; empty for none."""
        return self._functions.get(line, "")


@lru_cache(maxsize=2048)
def _source(name: str, path: str, text: str) -> Source:
    return Source(name, path, text)


class Firmware:
    """All modules that `main` can come to.

    Args:
        files: texts by path.
        entry: the module that starts.
    Raises:
        NotFollowed: a module does what is not followed here.
        SyntaxError: one is no Python.
    """

    def __init__(self, files: dict[str, str], entry: str) -> None:
        self.entry = entry
        self._files = {module_name(path): path for path in files}
        self._texts = files
        self.sources: dict[str, Source] = {}
        self.aliases: dict[Scope, dict[str, Alias]] = {}
        self.externals: dict[Scope, dict[str, str]] = {}
        if entry not in self._files:
            raise NotFollowed(f"there is no {entry}.py")
        waiting = [entry]
        while waiting:
            name = waiting.pop()
            if name not in self.sources:
                path = self._files[name]
                self.sources[name] = source = _source(name, path, files[path])
                waiting += self._read_imports(source)
        for source in self.sources.values():
            self._follow_computed_names(source)
            self._follow_bindings(source)
            self._follow_order(source)
        self.values: dict[tuple[str, str], int] = {}
        self._find_numbers()

    def targets(self, node: ast.Import | ast.ImportFrom) -> list[tuple[str, str, str]]:
        """What an import binds: its own name, the module, and what of the module (empty for the module itself).

        The module is the empty string when it is none of the firmware.
        """
        found = []
        for alias in node.names:
            own = alias.asname or alias.name
            if isinstance(node, ast.Import):
                found.append((own, alias.name if alias.name in self._files else "", ""))
            elif f"{node.module}.{alias.name}" in self._files:
                found.append((own, f"{node.module}.{alias.name}", ""))
            else:
                known = node.module in self._files
                found.append((own, str(node.module) if known else "", alias.name))
        return found

    def needed(self, source: Source, *, later: bool) -> list[str]:
        """Modules that a module imports: as it begins, or later and under conditions."""
        found: list[str] = []
        for node, _, conditional in source.scopes.imports:
            for _, module, _ in self.targets(node):
                if module and conditional == later:
                    found += [*self._packages(module), module]
        return [name for name in dict.fromkeys(found) if name != source.name]

    def _packages(self, module: str) -> list[str]:
        """Packages around a module that do something when they are imported."""
        parts = module.split(".")
        names = [".".join(parts[:count]) for count in range(1, len(parts))]
        return [name for name in names if name in self._files and _source(
            name, self._files[name], self._texts[self._files[name]]).has_code]  # fmt: skip

    def _read_imports(self, source: Source) -> list[str]:
        for node, scope, conditional in source.scopes.imports:
            for (own, module, name), alias in zip(self.targets(node), node.names, strict=True):
                once = scope.bound[own] == 1 and (not conditional or scope.parent is not None)
                if once and module:
                    self.aliases.setdefault(scope, {})[own] = Alias(module, name, scope.parent is not None)
                elif once and scope.parent is None:
                    origin = alias.name if isinstance(node, ast.Import) else f"{node.module} {alias.name}"
                    self.externals.setdefault(scope, {})[own] = origin
        return [*self.needed(source, later=False), *self.needed(source, later=True)]

    def _follow_computed_names(self, source: Source) -> None:
        """A name that is found out only when it runs may be any one, but for those of a module of MicroPython."""
        for call, scope in source.scopes.computed:
            base = call.args[0] if call.args else None
            if isinstance(base, ast.Name):
                origin = self.externals.get(scope.owner(base.id), {}).get(base.id, " ")
                if " " not in origin:
                    continue
            raise NotFollowed(f"{source.path}:{call.lineno}: the name of the attribute is found out only when it runs")

    def _follow_order(self, source: Source) -> None:
        """Merged, what a module imports has begun before anything of it: nobody may see that."""
        acted = False
        for statement in source.tree.body:
            acted = acted or _acts(statement)
            if acted and isinstance(statement, (ast.Import, ast.ImportFrom)) and source.name != self.entry:
                modules = [module for _, module, _ in self.targets(statement) if module]
                if any(_acts(each) for module in modules for each in self.sources[module].tree.body):
                    raise NotFollowed(f"{source.path}:{statement.lineno}: an import comes after what is done before it")

    def staying(self) -> list[str]:
        """Modules that a module which leaves again has imported: they stay, and so they belong to the start.

        Raises:
            NotFollowed: one of them does something when it begins, which it then would too early.
        """
        found: list[str] = []
        for source in self.sources.values():
            for name in self.needed(source, later=False) if source.leaves else []:
                if any(_acts(each) for each in self.sources[name].tree.body):
                    raise NotFollowed(f"{source.path}: {name} does something when it begins, and is not let go of")
                found.append(name)
        return found

    def _follow_bindings(self, source: Source) -> None:
        """What is imported by its name stays what it was then, and a constant is one for everybody."""
        for node, _, _ in source.scopes.imports:
            for _, module, name in self.targets(node):
                if module and name and name in self._bound_again:
                    raise NotFollowed(f"{source.path}:{node.lineno}: {name} is bound again where it comes from")
        for attribute, _ in source.scopes.attributes:
            if not isinstance(attribute.ctx, ast.Load) and attribute.attr in self._constants:
                where = f"{source.path}:{attribute.lineno}"
                raise NotFollowed(f"{where}: {attribute.attr} is a constant, and is given a value")

    @cached_property
    def _constants(self) -> set[str]:
        return {name for source in self.sources.values() for name in source.definitions}

    @cached_property
    def _bound_again(self) -> set[str]:
        """Names of modules that a function, or another module, gives another value."""
        found: set[str] = set()
        for source in self.sources.values():
            found.update(name for scope in source.scopes.scopes for name in scope.globals)
            for node, scope in source.scopes.attributes:
                if not isinstance(node.ctx, ast.Load) and isinstance(node.value, ast.Name):
                    alias = self.alias(scope, node.value.id)
                    found |= {node.attr} if alias is not None and not alias.name else set()
        return found

    def alias(self, scope: Scope, name: str) -> Alias | None:
        """What a name stands for that was imported, None when that is not known."""
        return self.aliases.get(scope.owner(name), {}).get(name)

    def symbol(self, module: str, name: str) -> tuple[str, str]:
        """Where a name of a module comes from: it may have been imported there from another.

        Raises:
            NotFollowed: the module has no such name, or has it from elsewhere.
        """
        source = self.sources[module]
        handed_on = self.aliases.get(source.scopes.module, {}).get(name)
        if handed_on is not None and handed_on.name:
            return self.symbol(handed_on.module, handed_on.name)
        external = name in self.externals.get(source.scopes.module, {})
        if handed_on is not None or external or name not in source.scopes.module.bound:
            raise NotFollowed(f"{source.path}: its name {name} is taken from it by another module, and not its own")
        return module, name

    def number(self, scope: Scope, module: str, node: ast.expr) -> int | None:
        """The number that a name, or a name of a module, stands for."""
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            alias = self.alias(scope, node.value.id)
            return self._constant(alias.module, node.attr) if alias and not alias.name else None
        return self.number_named(scope.owner(node.id), module, node.id) if isinstance(node, ast.Name) else None

    def number_named(self, owner: Scope, module: str, name: str) -> int | None:
        """The number that a name stands for which belongs to a scope."""
        if owner.parent is None and name in self.sources[module].definitions:
            return self.values.get((module, name))
        alias = self.aliases.get(owner, {}).get(name)
        return self._constant(alias.module, alias.name) if alias and alias.name else None

    def _constant(self, module: str, name: str) -> int | None:
        alias = self.aliases.get(self.sources[module].scopes.module, {}).get(name)
        if alias is not None and alias.name:
            return self._constant(alias.module, alias.name)
        return self.values.get((module, name))

    def _find_numbers(self) -> None:
        # A constant may be made of others: once more for each step of such a chain.
        count = -1
        while count != len(self.values):
            count = len(self.values)
            for source in self.sources.values():
                self._evaluate(source)

    def _evaluate(self, source: Source) -> None:
        scope = source.scopes.module
        for name, statement in source.definitions.items():
            if (source.name, name) not in self.values and isinstance(statement.value, ast.Call):
                (argument,) = statement.value.args
                value = number_of(argument, lambda node: self.number(scope, source.name, node))
                if value is not None:
                    self.values[source.name, name] = value

    def handed_on(self) -> set[str]:
        """Modules that somebody uses as a value, as the settings are: all their names stay."""
        found: set[str] = set()
        for source in self.sources.values():
            bases = {id(node.value) for node, _ in source.scopes.attributes}
            stored = {id(node.value) for node, _ in source.scopes.attributes if not isinstance(node.ctx, ast.Load)}
            for use, scope in source.scopes.loads:
                alias = self.alias(scope, use.id)
                if alias is not None and not alias.name and (id(use) not in bases or id(use) in stored):
                    found.add(alias.module)
            for node, scope, conditional in source.scopes.imports:
                for own, module, name in self.targets(node):
                    if module and not name and (scope.bound[own] > 1 or (conditional and scope.parent is None)):
                        found.add(module)
        return found


def _acts(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and not isinstance(statement.value, ast.Constant)


def number_of(node: ast.expr, value_of: Callable[[ast.expr], int | None]) -> int | None:
    """The int that an expression of literals and constants makes; None for anything else."""
    if isinstance(node, ast.Constant):
        return node.value if type(node.value) is int else None
    if isinstance(node, (ast.Name, ast.Attribute)):
        return value_of(node)
    parts = [part for part in ast.iter_child_nodes(node) if isinstance(part, ast.expr)]
    if not isinstance(node, (ast.BinOp, ast.UnaryOp)):
        return None
    numbers = [number_of(part, value_of) for part in parts]
    if None in numbers:
        return None
    # Not by Python itself: that would make a tree anew, at a time when another thread may be making one.
    try:
        made = _OPERATORS[type(node.op)](*numbers)
    except (KeyError, ArithmeticError, ValueError):
        return None
    return made if type(made) is int else None
