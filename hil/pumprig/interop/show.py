"""What a matrix prints: a table for a person, plain data for a program."""

from __future__ import annotations

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from pumprig.interop.matrix import Cell, Matrix
from pumprig.report.words import count
from pumprig.suite.show import suite_console

__all__ = ["as_dict", "cell_words", "show_matrix"]

_STYLES = {"PASS": "green", "FAIL": "red", "ERROR": "magenta", "INCONCLUSIVE": "yellow"}
CHANGES_SHOWN = 20


def cell_words(cell: Cell) -> tuple[str, str]:
    """What a cell says in short: what was decided, and what was delivered."""
    numbers = cell.numbers
    if "insulin_iu" not in numbers:
        return cell.verdict, ""
    if not cell.cgm.dosing.value:
        return "watched only", "0 U"
    insulin = f"{float(numbers['insulin_iu']):g} U"
    if numbers["controller"] == "manual":
        return "no automation", insulin
    if numbers["controller"] == "oref":
        return count(numbers["small_boluses"], "small bolus", "small boluses"), insulin
    suspensions = numbers["suspensions"]
    if not suspensions:
        return "never suspended", insulin
    minutes = f"{numbers['suspended_s'] // 60} min"
    return f"{minutes} suspended" if suspensions == 1 else f"{suspensions} suspensions, {minutes}", insulin


def show_matrix(matrix: Matrix, page: str, console: Console | None = None) -> None:
    """Print the table, then what changed."""
    console = console or suite_console()
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("Pump", no_wrap=True)
    for cgm in matrix.settings.sensors:
        table.add_column(cgm.title)
    changed = {(pump, cgm) for pump, cgm, _ in matrix.changes or ()}
    for pump in matrix.settings.pumps:
        row = []
        for cgm in matrix.settings.sensors:
            cell = matrix.cell(pump.name, cgm.name)
            mark = " [bold red]changed[/]" if cell.key in changed else ""
            decided, delivered = cell_words(cell)
            row.append(f"[{_STYLES.get(cell.verdict, '')}]{cell.verdict}[/]{mark} {decided}, {delivered}")
        table.add_row(f"[bold]{pump.title}[/]", *row)
    console.print(table)
    for pump_name, cgm_name, what in (matrix.changes or ())[:CHANGES_SHOWN]:
        console.print(f"CHANGED: {pump_name} with {cgm_name}: {what}", style="red", markup=False)
    if len(matrix.changes or ()) > CHANGES_SHOWN:
        console.print(f"and {len(matrix.changes or ()) - CHANGES_SHOWN} more")
    if matrix.changes:
        console.print("When this is as it should be: pumprig interop --accept", markup=False)
    for cell in matrix.cells:
        if cell.verdict != "PASS" and cell.run.reasons:
            reason = cell.run.reasons[0]["message"]
            console.print(f"{cell.verdict}: {cell.pump.name} with {cell.cgm.name}: {reason}", markup=False)
    held = "not held against expected results" if matrix.changes is None else count(len(matrix.changes), "change")
    told = (count(len(matrix.settings.pumps), "pump"), count(len(matrix.settings.sensors), "sensor"), held)
    console.print(f"[bold {_STYLES[matrix.verdict]}]{matrix.verdict}[/]  {', '.join(told)}  {matrix.seconds:.0f} s")
    console.print(f"page {page}", markup=False, soft_wrap=True)


def as_dict(matrix: Matrix, page: str) -> dict[str, Any]:
    """The matrix as plain data."""
    settings = matrix.settings
    return {
        "exit_code": matrix.exit_code, "verdict": matrix.verdict, "controller": settings.controller,
        "trace": "bundled" if settings.trace is None else settings.trace.name, "seconds": round(matrix.seconds, 1),
        "page": page,
        "cells": [
            {
                "pump": cell.pump.name, "cgm": cell.cgm.name, **cell.numbers, "why": cell.why,
                "run": cell.run.folder, "reasons": cell.run.reasons,
            }
            for cell in matrix.cells
        ],
        "changes": None if matrix.changes is None else [
            {"pump": pump, "cgm": cgm, "what": what} for pump, cgm, what in matrix.changes
        ],
    }  # fmt: skip
