"""The committed results that a matrix is held against: any cell that changed fails it until somebody accepts it."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pumprig.errors import RigError, UsageError
from pumprig.interop.matrix import Matrix

__all__ = ["EXPECTED_PATH", "accept", "compare", "load_expected"]

EXPECTED_PATH = Path(__file__).with_name("expected.toml")
_HEAD = """\
# What each sensor gives with each pump on the trace that comes with pumprig: `pumprig interop` fails when one changes.
# Written by `pumprig interop --accept`; the diff of this file is what somebody has to agree with.
"""

Cells = Mapping[str, Mapping[str, Any]]


def load_expected(path: Path = EXPECTED_PATH) -> dict[str, Cells]:
    """The expected cells by controller, then by `pump/sensor`.

    Raises:
        UsageError: the file cannot be read.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except (OSError, ValueError) as error:
        raise UsageError(f"the expected results cannot be read: {error}", where=str(path)) from None


def compare(matrix: Matrix, expected: Mapping[str, Cells]) -> None:
    """Hold the cells against the expected ones; another trace has none, nor has a controller that nobody accepted."""
    known = expected.get(matrix.settings.controller)
    if matrix.settings.trace is not None or known is None:
        return
    matrix.changes = []
    for cell in matrix.cells:
        due = known.get("/".join(cell.key))
        if due is None:
            matrix.changes.append((*cell.key, "is not among the expected results"))
            continue
        now = {**cell.numbers, "why": cell.why}
        for name in due.keys() | now.keys():
            if due.get(name) != now.get(name):
                matrix.changes.append((*cell.key, f"{name} was {due.get(name)}, is {now.get(name)}"))
    matrix.changes.sort()


def accept(matrix: Matrix, path: Path = EXPECTED_PATH) -> None:
    """Write the cells of a matrix as the expected ones; those of other controllers and devices stay.

    Raises:
        UsageError: the matrix was of another trace, or did not pass.
        RigError: the file cannot be written.
    """
    if matrix.settings.trace is not None:
        raise UsageError("only the trace that comes with pumprig has expected results", where="--accept")
    broken = [f"{cell.pump.name} with {cell.cgm.name}" for cell in matrix.cells if cell.verdict != "PASS"]
    if broken:
        raise UsageError(
            f"a cell that did not pass cannot be expected: {', '.join(broken)}", where="--accept",
            remedy="See its report first.",
        )  # fmt: skip
    expected: dict[str, dict[str, Any]] = {name: dict(cells) for name, cells in load_expected(path).items()}
    own = expected.setdefault(matrix.settings.controller, {})
    own |= {"/".join(cell.key): {**cell.numbers, "why": cell.why} for cell in matrix.cells}
    lines = [_HEAD]
    for controller in sorted(expected):
        for key, values in sorted(expected[controller].items()):
            told = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in values.items()]
            lines += [f'[{controller}."{key}"]', *told, ""]
    try:
        path.write_text("\n".join(lines), encoding="utf-8")
    except OSError as error:
        raise RigError(f"the expected results cannot be written ({error.strerror})", where=str(path)) from error
    matrix.changes = []
