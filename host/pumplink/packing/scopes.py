"""What every name in a module of the firmware refers to: a global, an attribute, or something local to a function."""

from __future__ import annotations

import ast
import re
import sys
from typing import NamedTuple

__all__ = ["NotFollowed", "Place", "Scope", "Scopes", "Use"]

_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_NOT_FOLLOWED = (ast.NamedExpr, ast.Nonlocal, ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith, ast.Await, ast.Match)
_BY_NAME = ("__import__", "compile", "delattr", "dir", "eval", "exec", "globals", "locals", "setattr", "vars")


_MISSING = "AttributeError"
_READ_BY_NAME = ("getattr", "hasattr")
_ANSWERS_BY_NAME = ("__getattr__", "__setattr__", "__delattr__")


class NotFollowed(Exception):
    """The firmware does something with its names that is not followed here; the message says what and where."""


class Place(NamedTuple):
    """Where something stands in a source: lines from 1, columns in octets."""

    line: int
    column: int
    end_line: int
    end_column: int


class Scope:
    """A module, a class or a function, and the names that are bound in it.

    Attributes:
        node: what makes it.
        parent: the scope around it, None for a module.
        bound: how often each name is bound.
        arguments: names of the arguments, in their order.
        globals: names that are declared global.
        inside: every name that stands in it, or in a scope in it.
    """

    def __init__(self, node: ast.AST, parent: Scope | None) -> None:
        self.node = node
        self.parent = parent
        self.bound: dict[str, int] = {}
        self.arguments: list[str] = []
        self.globals: set[str] = set()
        self.inside: set[str] = set()

    def bind(self, name: str) -> None:
        """Notes that a name is bound here, or in the module when it is declared global."""
        scope = self
        if name in self.globals:
            while scope.parent is not None:
                scope = scope.parent
        scope.bound[name] = scope.bound.get(name, 0) + 1

    def contains(self, name: str) -> None:
        """Notes that a name stands here."""
        scope: Scope | None = self
        while scope is not None:
            scope.inside.add(name)
            scope = scope.parent

    def owner(self, name: str) -> Scope:
        """The scope that a name belongs to when it is met in this one; the module for one that nothing binds."""
        scope: Scope = self
        while scope.parent is not None:
            if name in scope.globals:
                return scope.module()
            if name in scope.bound and (scope is self or not isinstance(scope.node, ast.ClassDef)):
                return scope
            scope = scope.parent
        return scope

    def module(self) -> Scope:
        """The scope of the module."""
        scope: Scope = self
        while scope.parent is not None:
            scope = scope.parent
        return scope


class Use(NamedTuple):
    """A name that stands somewhere. `scope` is the one that it is met in; the owner says what it refers to."""

    name: str
    place: Place
    scope: Scope
    stored: bool


class Scopes(ast.NodeVisitor):
    """Walks a module once.

    Args:
        path: of the file, for messages.
        text: its source.
        tree: the same, parsed.
    Raises:
        NotFollowed: it does what is not followed here.
    """

    def __init__(self, path: str, text: str, tree: ast.Module) -> None:
        self.path = path
        self.module = Scope(tree, None)
        self.scopes: list[Scope] = [self.module]
        self.uses: list[Use] = []
        self.loads: list[tuple[ast.Name, Scope]] = []
        self.attributes: list[tuple[ast.Attribute, Scope]] = []
        self.imports: list[tuple[ast.Import | ast.ImportFrom, Scope, bool]] = []
        # Reads of an attribute whose name is found out only when it runs.
        self.computed: list[tuple[ast.Call, Scope]] = []
        # Attributes that are added to, and those that may be missing where they are read.
        self.added: set[int] = set()
        self.ventured: set[str] = set()
        self.keywords: set[str] = set()
        self.strings: set[str] = set()
        self.native = False
        # Lines of texts over several lines: in these, nothing is a comment.
        self.text_lines: set[int] = set()
        self._lines = text.encode().split(b"\n")
        self._has_globals = "global" in text
        self._scope = self.module
        self._conditional = 0
        self._called: set[int] = set()
        self._caught: set[int] = set()
        for node in tree.body:
            self.visit(node)
        self._follow_classes()

    def _refuse(self, node: ast.AST, what: str) -> NotFollowed:
        return NotFollowed(f"{self.path}:{getattr(node, 'lineno', 0)}: {what}")

    # --- Statements -------------------------------------------------------------------------------------------------

    def generic_visit(self, node: ast.AST) -> None:
        if isinstance(node, _NOT_FOLLOWED):
            raise self._refuse(node, f"{type(node).__name__} is not followed")
        super().generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> None:
        # A text that nothing is done with is documentation.
        if isinstance(node.value, ast.Constant):
            self._over_lines(node.value)
        else:
            self.visit(node.value)

    def visit_Try(self, node: ast.Try) -> None:
        caught = [part for handler in node.handlers if handler.type is not None for part in ast.walk(handler.type)]
        missing = {id(part) for part in caught if isinstance(part, ast.Name) and part.id == _MISSING}
        if missing:
            self._caught |= missing
            inside = (part for statement in node.body for part in ast.walk(statement))
            self.ventured.update(part.attr for part in inside if isinstance(part, ast.Attribute))
        self._inside(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.added.add(id(node.target))
        self.generic_visit(node)

    def visit_If(self, node: ast.If) -> None:
        self._inside(node)

    def visit_For(self, node: ast.For) -> None:
        self._inside(node)

    def visit_While(self, node: ast.While) -> None:
        self._inside(node)

    def visit_With(self, node: ast.With) -> None:
        self._inside(node)

    def _follow_classes(self) -> None:
        """`limit = limit` in a class reads another name than it binds."""
        for use in self.uses:
            outer = use.scope.parent
            own = isinstance(use.scope.node, ast.ClassDef) and use.name in use.scope.bound and not use.stored
            if own and outer is not None and use.name in outer.owner(use.name).bound:
                where = f"{self.path}:{use.place.line}"
                raise NotFollowed(f"{where}: {use.name} stands for a name of the class and for one around it")

    def _inside(self, node: ast.AST) -> None:
        self._conditional += 1
        self.generic_visit(node)
        self._conditional -= 1

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        for decorator in node.decorator_list:
            name = decorator.attr if isinstance(decorator, ast.Attribute) else getattr(decorator, "id", "")
            self.native = self.native or name in ("native", "viper", "asm_thumb", "asm_xtensa")
            self.visit(decorator)
        if node.name in _ANSWERS_BY_NAME:
            raise self._refuse(node, f"{node.name} answers to names that nobody sees")
        self._bind(node.name, self._after(node, rb"def\s+", node.name))
        self._function(node, node.args, node.body)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._function(node, node.args, [node.body])

    def _function(self, node: ast.AST, arguments: ast.arguments, body: list[ast.stmt] | list[ast.expr]) -> None:
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        every += [extra for extra in (arguments.vararg, arguments.kwarg) if extra is not None]
        for default in [*arguments.defaults, *arguments.kw_defaults]:
            if default is not None:
                self.visit(default)
        with_types = [argument.annotation for argument in every if argument.annotation is not None]
        for annotation in [*with_types, *([node.returns] if getattr(node, "returns", None) else [])]:  # type: ignore[attr-defined]
            self.visit(annotation)
        outer, self._scope = self._scope, Scope(node, self._scope)
        self.scopes.append(self._scope)
        for argument in every:
            self._scope.arguments.append(argument.arg)
            place = Place(argument.lineno, argument.col_offset, argument.lineno,
                          argument.col_offset + len(argument.arg.encode()))  # fmt: skip
            self._bind(argument.arg, place)
        # `global` stands before what it speaks of, but not always before what is walked first.
        for statement in body if self._has_globals else ():
            for inner in ast.walk(statement):
                if isinstance(inner, ast.Global):
                    self._scope.globals.update(inner.names)
        for statement in body:
            self.visit(statement)
        self._scope = outer

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for part in [*node.decorator_list, *node.bases, *node.keywords]:
            self.visit(part)
        self._bind(node.name, self._after(node, rb"class\s+", node.name))
        outer, self._scope = self._scope, Scope(node, self._scope)
        self.scopes.append(self._scope)
        for statement in node.body:
            self.visit(statement)
        self._scope = outer

    def visit_Global(self, node: ast.Global) -> None:
        line = self._lines[node.lineno - 1]
        for name in node.names:
            found = re.compile(rb"\b" + name.encode() + rb"\b").search(line, node.col_offset + len("global"))
            if found is None:
                raise self._refuse(node, "a `global` over several lines is not followed")
            place = Place(node.lineno, found.start(), node.lineno, found.end())
            self._use(name, place, False)
            self._scope.module().bind(name)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.type is not None:
            self.visit(node.type)
        if node.name:
            assert node.type is not None and node.type.end_lineno is not None and node.type.end_col_offset is not None
            at = self._find(rb"\bas\s+", node.type.end_lineno, node.type.end_col_offset, node)
            self._bind(node.name, Place(node.type.end_lineno, at, node.type.end_lineno, at + len(node.name.encode())))
        for statement in node.body:
            self.visit(statement)

    def visit_Import(self, node: ast.Import) -> None:
        self._import(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if node.level or node.names[0].name == "*":
            raise self._refuse(node, "an import of everything, or by place, is not followed")
        self._import(node)

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        if isinstance(self._scope.node, ast.ClassDef):
            raise self._refuse(node, "an import in a class is not followed")
        for alias in node.names:
            if isinstance(node, ast.Import) and "." in alias.name and alias.asname is None:
                raise self._refuse(node, "an import of a dotted name without `as` is not followed")
            self._scope.bind(alias.asname or alias.name)
            self._scope.contains(alias.asname or alias.name)
        self.imports.append((node, self._scope, bool(self._conditional) or self._scope.parent is not None))

    # --- Expressions ------------------------------------------------------------------------------------------------

    def visit_Name(self, node: ast.Name) -> None:
        if node.id in _BY_NAME:
            raise self._refuse(node, f"{node.id} reaches what nobody sees it reach")
        if node.id in _READ_BY_NAME and id(node) not in self._called:
            raise self._refuse(node, f"{node.id} is followed only where it is called")
        if node.id == _MISSING and id(node) not in self._caught:
            raise self._refuse(node, f"{_MISSING} is followed only where it is caught")
        stored = not isinstance(node.ctx, ast.Load)
        place = Place(node.lineno, node.col_offset, node.lineno, node.col_offset + len(node.id.encode()))
        if stored:
            self._bind(node.id, place)
        else:
            self._use(node.id, place, False)
            self.loads.append((node, self._scope))

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if node.attr == "__name__":
            raise self._refuse(node, "__name__ says a name as it is written")
        self.attributes.append((node, self._scope))
        self.visit(node.value)

    def visit_Call(self, node: ast.Call) -> None:
        if any(keyword.arg is None for keyword in node.keywords):
            raise self._refuse(node, "a call with ** names arguments that nobody sees")
        self.keywords.update(keyword.arg for keyword in node.keywords if keyword.arg)
        self._called.add(id(node.func))
        if getattr(node.func, "attr", getattr(node.func, "id", "")) == "namedtuple":
            texts = [part.value for part in node.args if isinstance(part, ast.Constant) and isinstance(part.value, str)]
            self.strings.update(word for text in texts for word in text.replace(",", " ").split())
        if isinstance(node.func, ast.Name) and node.func.id in _READ_BY_NAME and not _says_its_name(node):
            self.computed.append((node, self._scope))
        self.generic_visit(node)

    def visit_FormattedValue(self, node: ast.FormattedValue) -> None:
        # Before Python 3.12 nobody knows where in the source it stands.
        if sys.version_info < (3, 12):
            raise self._refuse(node, "an f-string is not followed by this Python; 3.12 and later do")
        self.generic_visit(node)

    def _over_lines(self, node: ast.Constant) -> None:
        if isinstance(node.value, (str, bytes)) and node.end_lineno is not None and node.end_lineno > node.lineno:
            self.text_lines.update(range(node.lineno, node.end_lineno + 1))

    def visit_Constant(self, node: ast.Constant) -> None:
        self._over_lines(node)
        if isinstance(node.value, str):
            self.strings.add(node.value)

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> None:
        self.visit(node.generators[0].iter)
        outer, self._scope = self._scope, Scope(node, self._scope)
        self.scopes.append(self._scope)
        for number, generator in enumerate(node.generators):
            self.visit(generator.target)
            for part in [*([generator.iter] if number else []), *generator.ifs]:
                self.visit(part)
        for part in (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,):
            self.visit(part)
        self._scope = outer

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension

    # --- Places -----------------------------------------------------------------------------------------------------

    def _bind(self, name: str, place: Place) -> None:
        self._scope.bind(name)
        self._use(name, place, True)

    def _use(self, name: str, place: Place, stored: bool) -> None:
        self._scope.contains(name)
        self.uses.append(Use(name, place, self._scope, stored))

    def _find(self, before: bytes, line: int, column: int, node: ast.AST) -> int:
        found = re.compile(before).search(self._lines[line - 1], column)
        if found is None:
            raise self._refuse(node, "a name on a line of its own is not followed")
        return found.end()

    def _after(self, node: ast.FunctionDef | ast.ClassDef, before: bytes, name: str) -> Place:
        at = self._find(before, node.lineno, node.col_offset, node)
        return Place(node.lineno, at, node.lineno, at + len(name.encode()))


def _says_its_name(call: ast.Call) -> bool:
    """Whether a call of getattr or hasattr has the name of the attribute in it."""
    return len(call.args) > 1 and isinstance(call.args[1], ast.Constant) and isinstance(call.args[1].value, str)
