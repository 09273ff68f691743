"""Pump data: the constants of the firmware's module `settings` that say what kind of pump it is, given by the host.

    VirtualBoard(pump_data={"PULSE_MU": 25, "BASAL_LIMIT_MU_PER_H": 35000})

The firmware stays the same, and so does its hash: pump data is data of the board, as `board.toml` is.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path

from pumplink.syntax import parsed

__all__ = ["SETTINGS_MODULE", "PumpData", "PumpValue", "known_pump_data", "settings_names", "with_pump_data"]

SETTINGS_MODULE = "settings.py"
"""Path of the module in the firmware's folder."""

PumpValue = int | bytes | tuple[tuple[int, int], ...]
PumpData = Mapping[str, PumpValue]


def settings_names(firmware: Path) -> frozenset[str]:
    """Names of the constants that a firmware's pump data has.

    Args:
        firmware: the folder with `main.py`; one without the module has none.
    """
    path = firmware / SETTINGS_MODULE
    return frozenset(_constants(path.read_text(encoding="utf-8"))) if path.is_file() else frozenset()


def known_pump_data(data: PumpData | None, firmware: Path) -> dict[str, PumpValue]:
    """Pump data that a firmware knows, as a dictionary of its own.

    Raises:
        ValueError: the firmware has no constant of this name.
    """
    unknown = sorted(set(data) - settings_names(firmware)) if data else []
    if unknown:
        raise ValueError(f"pump data {', '.join(unknown)}: the settings of {firmware} have no such constant")
    return dict(data or {})


def with_pump_data(text: str, data: PumpData) -> str:
    """The source of `settings` with other values; lines keep their numbers.

    Args:
        text: the firmware's own.
        data: names of constants there, with their values.

    Raises:
        ValueError: the firmware has no constant of this name.
    """
    constants = _constants(text)
    if unknown := sorted(set(data) - set(constants)):
        raise ValueError(f"pump data {', '.join(unknown)}: the firmware's settings have no such constant")
    lines = text.splitlines(keepends=True)
    for name, value in data.items():
        statement = constants[name]
        first, last = statement.lineno - 1, (statement.end_lineno or statement.lineno) - 1
        made = f"const({value!r})" if isinstance(statement.value, ast.Call) else repr(value)
        lines[first : last + 1] = [f"{name} = {made}\n", *["\n"] * (last - first)]
    return "".join(lines)


def _constants(text: str) -> dict[str, ast.Assign]:
    return {
        statement.targets[0].id: statement
        for statement in parsed(text).body
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name)
    }
