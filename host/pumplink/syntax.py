"""Python's syntax tree, also where two threads want one at the same time."""

from __future__ import annotations

import ast
from threading import Lock
from typing import Any

__all__ = ["literal", "parsed"]

_one_at_a_time = Lock()


def parsed(text: str) -> ast.Module:
    """The syntax tree of a source.

    CPython counts how deep it is in a tree for all threads together: two that make one at the same time end in a
    SystemError of its own (CPython issue 106905).

    Args:
        text: Python.
    Raises:
        SyntaxError: it is none.
        ValueError: it holds an octet of zero.
    """
    with _one_at_a_time:
        return ast.parse(text)


def literal(text: str) -> Any:
    """The value of a Python literal, as `ast.literal_eval` has it, which makes a tree of it first.

    Args:
        text: the literal.
    Raises:
        SyntaxError: it is no Python.
        ValueError: it is more than a literal.
    """
    with _one_at_a_time:
        return ast.literal_eval(text)
