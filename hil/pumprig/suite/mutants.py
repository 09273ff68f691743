"""Mutants of the pump's dosing core: one operator, bound, constant or word changed at its place in the source.

Every candidate is known by file, function and the line before and after, so that a list of explained survivors stays
good while code moves. Lines keep their numbers.
"""

from __future__ import annotations

import ast
import random
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

__all__ = ["FOLDER", "LEFT_OUT", "Mutant", "all_mutants", "mutants_of", "pick"]

FOLDER = "pump"
LEFT_OUT = ("pump/__init__.py", "pump/events.py", "pump/history.py")
"""A package's mark; the words of the wire, of which any change is seen at once; the history in memory, which no board
loads: its history is the journal's."""
_HELD_BY_OREF0 = "pump/control/oref/"
"""Left out for their number: a campaign would take many times as long. tests/oref0 and the suite's loops hold it."""

_COMPARE = {"<": ("<=", ">="), "<=": ("<", ">"), ">": (">=", "<="), ">=": (">", "<"), "==": ("!=",), "!=": ("==",)}
_ARITHMETIC = {
    "+": ("-",), "-": ("+",), "*": ("//",), "//": ("*",), "%": ("//",), "+=": ("-=",), "-=": ("+=",), "%=": ("//=",),
    ">>": ("<<",), "<<": (">>",), "&": ("|",), "|": ("&",), "|=": ("&=",), "&=": ("|=",), "/": ("*",),
}  # fmt: skip
_BEFORE_A_SIGN = ("return", "and", "or", "not", "if", "else", "in")
_WORDS = {"and": ("or",), "or": ("and",), "True": ("False",), "False": ("True",)}


@dataclass(frozen=True)
class Mutant:
    """One change.

    Args:
        file: path below the firmware's folder.
        line: number of the line.
        function: qualified name of the function, empty at the module's level.
        column: where in the line.
        kind: `comparison`, `arithmetic`, `constant`, `logic` or `return`.
        before, after: the line without its indentation.
        text: the whole file after the change.
    """

    file: str
    line: int
    function: str
    column: int
    kind: str
    before: str
    after: str
    text: str

    @property
    def key(self) -> tuple[str, str, str, str]:
        """By what a list of survivors knows it."""
        return self.file, self.function, self.before, self.after

    @property
    def place(self) -> str:
        """Where it is, for a person."""
        return f"{self.file}:{self.line}" + (f" {self.function}" if self.function else "")


@dataclass(frozen=True)
class _Change:
    line: int
    start: int
    end: int
    new: str
    kind: str


def mutants_of(file: str, source: str) -> list[Mutant]:
    """All mutants of one file, in the order of their places.

    Args:
        file: its path below the firmware's folder.
        source: its text.
    """
    tree = ast.parse(source, file)
    lines = source.splitlines(keepends=True)
    functions = _functions(tree)
    found: list[Mutant] = []
    changes = {(change.line, change.start, change.new): change for change in _changes(source, tree)}
    for change in sorted(changes.values(), key=lambda change: (change.line, change.start, change.new)):
        old_line = lines[change.line - 1]
        new_line = old_line[: change.start] + change.new + old_line[change.end :]
        text = "".join([*lines[: change.line - 1], new_line, *lines[change.line :]])
        try:
            ast.parse(text, file)
        except SyntaxError:
            continue
        name = functions.get(change.line, "")
        found.append(
            Mutant(file, change.line, name, change.start, change.kind, old_line.strip(), new_line.strip(), text)
        )
    return found


def all_mutants(firmware: Path) -> list[Mutant]:
    """All mutants of the dosing core of a firmware, in the order of file and place."""
    files = sorted(path.relative_to(firmware).as_posix() for path in (firmware / FOLDER).rglob("*.py"))
    return [
        mutant
        for file in files
        if file not in LEFT_OUT and not file.endswith("/__init__.py") and not file.startswith(_HELD_BY_OREF0)
        for mutant in mutants_of(file, (firmware / file).read_text(encoding="utf-8"))
    ]


def pick(mutants: list[Mutant], count: int, seed: int) -> list[Mutant]:
    """`count` of the mutants, the same for the same seed and firmware; all when there are no more."""
    chosen = random.Random(seed).sample(range(len(mutants)), min(count, len(mutants)))
    return [mutants[index] for index in sorted(chosen)]


def _functions(tree: ast.Module) -> dict[int, str]:
    names: dict[int, str] = {}

    def visit(node: ast.AST, prefix: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef | ast.FunctionDef):
                name = f"{prefix}{child.name}"
                assert child.end_lineno is not None
                for line in range(child.lineno, child.end_lineno + 1):
                    names[line] = name
                visit(child, f"{name}.")
            else:
                visit(child, prefix)

    visit(tree, "")
    return names


# What `const` gives a name is a constant like any other.
def _changes(source: str, tree: ast.Module) -> Iterator[_Change]:
    padding = set(_padding(tree))
    tokens = list(tokenize.generate_tokens(StringIO(source).readline))
    for index, token in enumerate(tokens):
        if token.start in padding:
            continue
        for new, kind in _replacements(tokens, index):
            yield _Change(token.start[0], token.start[1], token.end[1], new, kind)
    yield from _returns(tree)


# An event has five values; a literal 0 stands for one that its kind does not have, and that nobody reads.
def _padding(tree: ast.Module) -> Iterator[tuple[int, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("_emit", "emit"):
            for value in node.args:
                if isinstance(value, ast.Constant) and value.value == 0:
                    yield value.lineno, value.col_offset


def _replacements(tokens: list[tokenize.TokenInfo], index: int) -> Iterator[tuple[str, str]]:
    token = tokens[index]
    text = token.string
    if token.type == tokenize.NUMBER and not any(mark in text for mark in ".eExX"):
        yield str(int(text) + 1), "constant"
        if int(text) > 0:
            yield str(int(text) - 1), "constant"
    elif token.type == tokenize.OP:
        if text in _COMPARE:
            yield from ((new, "comparison") for new in _COMPARE[text])
        elif text in _ARITHMETIC and _binary(tokens[index - 1], text):
            yield from ((new, "arithmetic") for new in _ARITHMETIC[text])
    elif token.type == tokenize.NAME:
        if text in _WORDS:
            yield from ((new, "logic") for new in _WORDS[text])
        elif text == "not" and tokens[index + 1].string != "in" and tokens[index - 1].string != "is":
            yield "bool" if tokens[index + 1].string == "(" else "", "logic"


# A star or a minus after a name, a number or a closing bracket stands between two values.
def _binary(before: tokenize.TokenInfo, text: str) -> bool:
    if text.endswith("="):
        return True
    if before.type in (tokenize.NAME, tokenize.NUMBER):
        return before.string not in _BEFORE_A_SIGN
    return before.string in (")", "]")


# Each named constant that a function returns becomes the next of those that the file returns.
def _returns(tree: ast.Module) -> Iterator[_Change]:
    returned = [
        value
        for node in ast.walk(tree)
        if isinstance(node, ast.Return) and node.value is not None
        for value in ([node.value.body, node.value.orelse] if isinstance(node.value, ast.IfExp) else [node.value])
        if isinstance(value, ast.Name) and value.id.isupper()
    ]
    names = sorted({value.id for value in returned})
    for value in returned:
        if len(names) > 1:
            other = names[(names.index(value.id) + 1) % len(names)]
            yield _Change(value.lineno, value.col_offset, value.col_offset + len(value.id), other, "return")
