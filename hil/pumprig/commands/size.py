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
from typing import Any

import click

from pumprig.errors import BlockedError, UsageError

__all__ = ["command"]

_BLOCK_OCTETS = 4096
_OVER_BUDGET = 1


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

    Flash is that of the compiled file. Heap is measured on the 64-bit unix port and halved, which a board of 32 bits
    comes near to; modules that `main` does not load take none.

    \b
    Examples:
      pumprig size --board pico_w
      pumprig size --against HEAD~1
    """
    from pumplink.boards import default_firmware, load_board

    try:
        budget = load_board(board).sections.get("budget", {})
    except ValueError as error:
        raise UsageError(str(error), where="--board") from None
    folder = firmware or default_firmware()
    now = _sizes(folder, board)
    before: dict[str, dict[str, int]] | None = None
    if against is not None:
        with _firmware_of(against, folder) as old:
            before = _sizes(old, board)
    told = _told(now, before, {key: int(str(value)) for key, value in budget.items()})
    if as_json:
        click.echo(json.dumps({"board": board, **told}, indent=1))
    else:
        _show(board, told, against)
    return _OVER_BUDGET if told["over_budget"] else 0


def _sizes(firmware: Path, board: str) -> dict[str, dict[str, int]]:
    from pumprig.bench_figures import BenchError
    from pumprig.bench_firmware import module_sizes

    try:
        sizes = module_sizes(firmware, board)
    except BenchError as error:
        raise BlockedError(str(error)) from None
    except ValueError as error:
        raise UsageError(str(error), where="--board") from None
    halved = {name: (octets + 1) // 2 for name, octets in sizes.heap.items()}
    return {name: {"flash": octets, "ram": halved.get(name, 0)} for name, octets in sorted(sizes.octets.items())}


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


def _told(
    now: dict[str, dict[str, int]], before: dict[str, dict[str, int]] | None, budget: dict[str, int]
) -> dict[str, Any]:
    totals = {
        "flash": sum(row["flash"] for row in now.values()),
        # A file takes whole blocks of a board's file system.
        "flash_in_blocks": sum(-(-row["flash"] // _BLOCK_OCTETS) * _BLOCK_OCTETS for row in now.values()),
        "ram": sum(row["ram"] for row in now.values()),
    }
    told: dict[str, Any] = {"modules": now, "totals": totals, "budget": budget}
    told["over_budget"] = [
        key
        for key, taken in (("flash_bytes", totals["flash_in_blocks"]), ("ram_bytes", totals["ram"]))
        if taken > budget.get(key, taken)
    ]
    if before is not None:
        nothing = {"flash": 0, "ram": 0}
        told["changed"] = {
            name: {key: now.get(name, nothing)[key] - before.get(name, nothing)[key] for key in nothing}
            for name in sorted({*now, *before})
            if now.get(name) != before.get(name)
        }
    return told


def _show(board: str, told: dict[str, Any], against: str | None) -> None:
    click.echo(f"{'module':32}{'flash':>8}{'heap':>8}")
    rows = told["modules"] if against is None else told["changed"]
    sign = "" if against is None else "+"
    for name, row in rows.items():
        click.echo(f"{name:32}{row['flash']:>{sign}8}{row['ram']:>{sign}8}")
    totals, budget = told["totals"], told["budget"]
    if against is not None:
        click.echo(f"{len(rows)} modules changed since {against}" if rows else f"no module changed since {against}")
    click.echo(f"flash {totals['flash']} octets, {totals['flash_in_blocks']} in whole blocks; {board} has room for "
               f"{budget.get('flash_bytes', 'no stated number')}")  # fmt: skip
    click.echo(f"heap  {totals['ram']} octets; {board} has room for {budget.get('ram_bytes', 'no stated number')}")
    for key in told["over_budget"]:
        click.echo(f"over budget: {key}", err=True)
