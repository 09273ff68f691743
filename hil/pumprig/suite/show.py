"""What the suite prints: tables for a person, plain data for a program."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from pumprig.suite.campaign import Fate, Survivors
from pumprig.suite.verify import Outcome, Row

__all__ = ["exit_code_of", "mutants_as_dict", "show_mutants", "show_rows", "suite_console"]

_STYLES = {Outcome.OK: "green", Outcome.WRONG: "red", Outcome.ERROR: "magenta"}
_WIDTH_OF_FILES = 170


def suite_console() -> Console:
    """The console of the standard output; wide where nobody looks at it."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDTH_OF_FILES
    return console


def exit_code_of(rows: Sequence[Row]) -> int:
    """0 when all is as named, the error's code when something broke, else 1."""
    errors = [row.exit_code for row in rows if row.outcome is Outcome.ERROR]
    if errors:
        return min(errors)
    return 1 if any(row.outcome is Outcome.WRONG for row in rows) else 0


def show_rows(console: Console, rows: Sequence[Row], seconds: float) -> None:
    """Print the correct firmware's scenarios in a line and the wrong firmwares as a table."""
    scenarios = [row for row in rows if row.wrong is None]
    wrong = [row for row in rows if row.wrong is not None]
    if wrong:
        console.print(_table(wrong))
    if scenarios:
        passed = sum(row.outcome is Outcome.OK for row in scenarios)
        console.print(f"The correct firmware passes {passed} of {len(scenarios)} scenarios.")
    caught = sum(row.outcome is Outcome.OK for row in wrong)
    if wrong:
        console.print(f"{caught} of {len(wrong)} wrong firmwares are caught for the right reason.  {seconds:.0f} s")
    for row in rows:
        if row.outcome is not Outcome.OK:
            console.print(f"{row.outcome.name}: {row.name}: {row.problem}", style=_STYLES[row.outcome], markup=False)


def _table(rows: Sequence[Row]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("Wrong firmware", min_width=16, overflow="fold")
    table.add_column("Breaks", no_wrap=True)
    table.add_column("Must be caught by", overflow="fold")
    table.add_column("Caught by", overflow="fold")
    table.add_column("Reason shown", ratio=1)
    table.add_column("Without that check", overflow="fold")
    table.add_column("Suite", no_wrap=True)
    for row in rows:
        assert row.wrong is not None
        others = len(row.caught_by) - (row.wrong.check in row.caught_by)
        caught = row.wrong.check if row.wrong.check in row.caught_by else "-"
        table.add_row(
            row.name, row.wrong.rule, row.wrong.check, caught + (f" and {others} more" if others else ""),
            short(row.reason), _without(row), f"[{_STYLES[row.outcome]}]{row.outcome.value}[/]",
        )  # fmt: skip
    return table


def _without(row: Row) -> str:
    assert row.wrong is not None
    if row.wrong.second and row.wrong.second in row.without:
        return f"caught by {row.wrong.second}"
    return row.without


def short(message: str) -> str:
    """The first line of a message, and the last where it ends in a traceback."""
    lines = [line.strip() for line in message.strip().splitlines()]
    if len(lines) > 1 and "Error" in lines[-1]:
        return f"{lines[0]} {lines[-1]}"
    return lines[0] if lines else ""


def mutants_as_dict(fates: Sequence[Fate], survivors: Survivors) -> dict[str, Any]:
    """The campaign as plain data."""
    return {
        "mutants": len(fates),
        "killed": sum(bool(fate.killed_by) for fate in fates),
        "survivors": [
            {**_place(fate), "why": survivors.why(fate.mutant) or None} for fate in fates if fate.survived
        ],
        "errors": [{**_place(fate), "error": fate.error} for fate in fates if fate.error],
        "killed_by_scenario": dict(Counter(fate.killed_by for fate in fates if fate.killed_by).most_common()),
        "killed_by_check": dict(Counter(fate.check for fate in fates if fate.check).most_common()),
    }


def _place(fate: Fate) -> dict[str, Any]:
    mutant = fate.mutant
    return {
        "file": mutant.file, "line": mutant.line, "function": mutant.function, "before": mutant.before,
        "after": mutant.after,
    }  # fmt: skip


def show_mutants(console: Console, fates: Sequence[Fate], survivors: Survivors, seconds: float) -> None:
    """Print the kill rate, every survivor with its reason, and what is not explained."""
    lived = [fate for fate in fates if fate.survived]
    told = [fate for fate in lived if survivors.why(fate.mutant)]
    reasons: dict[str, list[Fate]] = {}
    for fate in told:
        reasons.setdefault(survivors.why(fate.mutant), []).append(fate)
    for why, group in reasons.items():
        console.print(f"\nSurvive: {why}", style="yellow", markup=False)
        _list(console, group)
    unknown = [fate for fate in lived if fate not in told]
    if unknown:
        console.print(
            "\nSurvive without an explanation: add a scenario that kills them, or explain them in survivors.toml",
            style="red",
        )
        _list(console, unknown)
    for fate in fates:
        if fate.error:
            console.print(f"\nERROR: {fate.mutant.place}: {short(fate.error)}", style="magenta", markup=False)
            _list(console, [fate])
    killed = sum(bool(fate.killed_by) for fate in fates)
    rate = 100 * killed / len(fates) if fates else 0.0
    checks = Counter(fate.check for fate in fates if fate.check).most_common()
    console.print("\nKilled by " + ", ".join(f"{check} {count}" for check, count in checks), markup=False)
    console.print(
        f"{killed} of {len(fates)} mutants killed ({rate:.1f} %), {len(told)} explained survivors, "
        f"{len(unknown)} without an explanation.  {seconds:.0f} s"
    )


def _list(console: Console, fates: Sequence[Fate]) -> None:
    for fate in fates:
        mutant = fate.mutant
        console.print(f"  {mutant.place}", markup=False)
        console.print(f"    - {mutant.before}\n    + {mutant.after}", style="dim", markup=False)
