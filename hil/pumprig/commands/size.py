"""`pumprig size`: what the firmware takes of a board's flash and heap."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pumprig.errors import BlockedError, UsageError

if TYPE_CHECKING:
    from pumplink.boards import BoardData
    from pumprig.sizes import FirmwareSizes

__all__ = ["command"]

_BLOCK_OCTETS = 4096
_OVER_BUDGET = 1
_BUDGETS = ("flash_bytes", "ram_bytes", "mpy_loaded_bytes", "mpy_all_bytes")


@click.command("size")
@click.option("--board", default="pico_w", show_default=True, metavar="NAME", help="Whose budget it is held against.")
@click.option(
    "--firmware", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="FOLDER",
    help="Another firmware than that of this installation.",
)  # fmt: skip
@click.option("--against", metavar="REV", help="Show what has changed since this revision of the checkout.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def command(board: str, firmware: Path | None, against: str | None, as_json: bool) -> int:
    """Show what every module of the firmware takes of a board's flash and heap; ends with 1 when over its budget.

    Modules that are loaded together are one .mpy file, whose names take room of their own. A configuration is a pump
    with one bearer and one controller: what it has loaded when it has started, and what only some requests of a client
    bring along; its heap is that of both. Heap is worked out from what the 64-bit unix port needs; where that cannot
    load a file, it is told as 0.

    \b
    Examples:
      pumprig size --board pico_w
      pumprig size --against HEAD~1
    """
    from pumplink.boards import default_firmware, load_board

    try:
        data = load_board(board)
    except ValueError as error:
        raise UsageError(str(error), where="--board") from None
    folder = firmware or default_firmware()
    now = _sizes(folder, data)
    before: FirmwareSizes | None = None
    if against is not None:
        with _firmware_of(against, folder) as old:
            before = _sizes(old, data)
    told = _told(now, before, {key: int(str(value)) for key, value in data.sections.get("budget", {}).items()})
    if as_json:
        click.echo(json.dumps({"board": board, **told}, indent=1))
    else:
        _show(board, told, against)
    return _OVER_BUDGET if told["over_budget"] else 0


def _sizes(firmware: Path, board: BoardData) -> FirmwareSizes:
    from pumplink.errors import BearerError
    from pumprig.bench_figures import BenchError
    from pumprig.sizes import firmware_sizes

    try:
        return firmware_sizes(firmware, board)
    except (BenchError, BearerError) as error:
        raise BlockedError(str(error)) from None
    except ValueError as error:
        raise UsageError(str(error), where="--board") from None


def _git(folder: Path, *words: str) -> bytes:
    try:
        run = subprocess.run(["git", *words], cwd=folder, capture_output=True, check=False)
    except FileNotFoundError:
        raise UsageError("there is no git here", where="--against", remedy="Install it.") from None
    if run.returncode:
        said = run.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or ["git says nothing"]
        raise UsageError(said[0], where="--against", allowed="a revision of the checkout that the firmware is in")
    return run.stdout


@contextmanager
def _firmware_of(revision: str, firmware: Path) -> Iterator[Path]:
    """The firmware as it was at a revision, in a folder that goes afterwards."""
    prefix = _git(firmware, "rev-parse", "--show-prefix").decode().strip()
    root = _git(firmware, "rev-parse", "--show-toplevel").decode().strip()
    tree = _git(Path(root), "archive", "--format=tar", f"{revision}:{prefix}")
    with tempfile.TemporaryDirectory(prefix="pumprig-size-") as name:
        with tarfile.open(fileobj=io.BytesIO(tree)) as archive:
            archive.extractall(name, filter="data")
        yield Path(name)


def _rows(sizes: FirmwareSizes) -> dict[str, dict[str, Any]]:
    rows = {name: {"file": row.file, "flash": row.flash, "ram": row.ram} for name, row in sizes.modules.items()}
    rows["board"] = {"file": "board", "flash": sizes.files["board"], "ram": 0}
    return dict(sorted(rows.items()))


def _totals(sizes: FirmwareSizes) -> dict[str, int]:
    return {
        "flash": sum(sizes.files.values()),
        # A file takes whole blocks of a board's file system.
        "flash_in_blocks": sum(-(-size // _BLOCK_OCTETS) * _BLOCK_OCTETS for size in sizes.files.values()),
        "mpy": sizes.mpy,
        "ram": max([each.ram for each in sizes.configurations], default=sum(row.ram for row in sizes.modules.values())),
    }


def _told(now: FirmwareSizes, before: FirmwareSizes | None, budget: dict[str, int]) -> dict[str, Any]:
    totals = _totals(now)
    told: dict[str, Any] = {
        "modules": _rows(now),
        "files": dict(now.files),
        "configurations": {
            each.name: {
                "files": each.files, "mpy": each.mpy, "asked": each.asked, "mpy_asked": each.mpy_asked, "ram": each.ram,
            }
            for each in now.configurations
        },
        "totals": totals,
        "budget": budget,
        "not_merged": now.reason,
    }
    taken = [("flash_bytes", "", totals["flash_in_blocks"]), ("ram_bytes", "", totals["ram"])]
    taken += [("mpy_all_bytes", "", totals["mpy"])]
    # One configuration has to fit. The others say whether they do.
    least = min(now.configurations, key=lambda each: each.mpy, default=None)
    if least is not None:
        taken += [("mpy_loaded_bytes", least.name, least.mpy)]
    told["over_budget"] = [
        {"budget": key, "configuration": name, "taken": octets, "allowed": budget[key]}
        for key, name, octets in taken
        if octets > budget.get(key, octets)
    ]
    if before is not None:
        told["changed"] = _changed(_rows(now), _rows(before))
        old = _totals(before)
        told["change"] = {key: totals[key] - old[key] for key in totals}
    return told


def _changed(now: dict[str, dict[str, Any]], before: dict[str, dict[str, Any]]) -> dict[str, dict[str, int]]:
    nothing = {"flash": 0, "ram": 0}
    changes = {
        name: {key: now.get(name, nothing)[key] - before.get(name, nothing)[key] for key in nothing}
        for name in sorted({*now, *before})
    }
    # The heap of a file is divided among its modules: of one that did not change a few octets may come and go.
    return {name: row for name, row in changes.items() if row["flash"]}


def _show(board: str, told: dict[str, Any], against: str | None) -> None:
    click.echo(f"{'module':32}{'flash':>8}{'heap':>8}")
    rows = told["modules"] if against is None else told["changed"]
    sign = "" if against is None else "+"
    for name, row in rows.items():
        click.echo(f"{name:32}{row['flash']:>{sign}8}{row['ram']:>{sign}8}")
    if against is not None:
        click.echo(f"{len(rows)} modules changed since {against}" if rows else f"no module changed since {against}")
        click.echo("together " + ", ".join(f"{key} {change:+}" for key, change in told["change"].items()))
    for name, row in told["configurations"].items():
        later = f"; {row['mpy_asked']} more when asked for: {' '.join(row['asked'])}" if row["asked"] else ""
        click.echo(f"{name:32}{row['mpy']:>8}{row['ram']:>8}  loaded: {' '.join(row['files'])}{later}")
    totals, budget = told["totals"], told["budget"]
    allowed = {key: budget.get(key, "no stated number") for key in _BUDGETS}
    fit = [name for name, row in told["configurations"].items() if row["mpy"] <= budget.get("mpy_loaded_bytes", 0)]
    click.echo(f"loaded by one configuration: {board} has room for {allowed['mpy_loaded_bytes']} octets of .mpy"
               + (f"; within it: {' '.join(fit)}" if fit else ""))  # fmt: skip
    click.echo(f"mpy   {totals['mpy']} octets in all; {board} has room for {allowed['mpy_all_bytes']}")
    click.echo(f"flash {totals['flash']} octets, {totals['flash_in_blocks']} in whole blocks; {board} has room for "
               f"{allowed['flash_bytes']}")  # fmt: skip
    click.echo(f"heap  {totals['ram']} octets at most; {board} has room for {allowed['ram_bytes']}")
    if told["not_merged"]:
        click.echo(f"each module is a file of its own: {told['not_merged']}")
    for over in told["over_budget"]:
        what = f" of {over['configuration']}" if over["configuration"] else ""
        click.echo(f"over budget: {over['budget']}{what}: {over['taken']} octets, allowed {over['allowed']}", err=True)
