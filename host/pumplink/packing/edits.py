"""Changes of a source text at places, so that everything else stays where it is."""

from __future__ import annotations

import ast
from typing import NamedTuple

from pumplink.packing.scopes import Place

__all__ = ["Edit", "applied", "place_of"]


class Edit(NamedTuple):
    """A text that takes the place of another."""

    place: Place
    text: str


def place_of(node: ast.expr | ast.stmt) -> Place:
    """Where a node stands."""
    assert node.end_lineno is not None and node.end_col_offset is not None
    return Place(node.lineno, node.col_offset, node.end_lineno, node.end_col_offset)


def applied(text: str, edits: list[Edit]) -> str:
    """The text with edits that do not overlap; all that is left keeps its line."""
    octets = text.encode()
    starts = [0]
    for line in octets.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    parts = []
    done = 0
    for place, new in sorted(edits):
        lines = "\n" * (place.end_line - place.line)
        parts += [octets[done : starts[place.line - 1] + place.column], f"{new}{lines}".encode()]
        done = starts[place.end_line - 1] + place.end_column
    return b"".join([*parts, octets[done:]]).decode()
