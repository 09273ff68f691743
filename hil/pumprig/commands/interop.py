"""`pumprig interop`: every sensor with every pump, each a run of the real firmware."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click

from pumprig.commands.progress import progress
from pumprig.errors import UsageError

__all__ = ["command"]


@click.command("interop")
@click.option(
    "--trace", type=click.Path(path_type=Path), metavar="FILE",
    help="Another trace; it has no expected results.  [default: a synthetic one of six hours]",
)  # fmt: skip
@click.option(
    "--controller", type=click.Choice(["manual", "plgs", "oref"]), default="plgs", show_default=True,
    help="On every pump that it can act on, beside every sensor that it may dose on.",
)  # fmt: skip
@click.option("--pump", "pumps", multiple=True, metavar="NAME", help="Only this pump; may be given more than once.")
@click.option("--cgm", "sensors", multiple=True, metavar="NAME", help="Only this sensor; may be given more than once.")
@click.option("--jobs", type=click.IntRange(1, 64), default=2, show_default=True, help="Runs at a time.")
@click.option("--firmware", type=click.Path(path_type=Path), help="Another firmware folder.")
@click.option("--accept", is_flag=True, help="Write the expected results anew from these.")
@click.option("--report", type=click.Path(path_type=Path), metavar="DIR", help="Folder for page and JSON, too.")
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("runs"), show_default=True, help="Folder for the records."
)
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON, and nothing else.")
def command(
    trace: Path | None, controller: str, pumps: tuple[str, ...], sensors: tuple[str, ...], jobs: int,
    firmware: Path | None, accept: bool, report: Path | None, out: Path, as_json: bool,
) -> int:  # fmt: skip
    """Run every sensor with every pump on one trace, and tell what each pair gives and why.

    Each cell is a run of the real firmware in lockstep, with every dose proven as in `pumprig run`. On the trace that
    comes with pumprig the cells of plgs are held against the committed results: one that changed fails.

    \b
    Examples:
      pumprig interop
      pumprig interop --pump omnipod_dash --pump v_go_20 --report site
      pumprig interop --trace export.csv --controller manual --json
    """
    from pumprig.interop.expected import accept as write_expected
    from pumprig.interop.expected import compare, load_expected
    from pumprig.interop.matrix import Settings, check_devices, run_matrix
    from pumprig.interop.page import write_page
    from pumprig.interop.show import as_dict, show_matrix
    from pumprig.record import new_run_folder

    settings = Settings.of(pumps, sensors, controller=controller, trace=trace, firmware=firmware)
    check_devices(settings)
    if firmware is not None and not (firmware / "main.py").is_file():
        raise UsageError("this is no firmware", where=f"--firmware {firmware}", allowed="a folder with main.py")
    if accept and trace is not None:
        raise UsageError("only the trace that comes with pumprig has expected results", where="--accept")
    expected = load_expected()
    folder = new_run_folder(out, f"{time.strftime('%Y%m%d-%H%M%S')}-interop-{controller}")
    began_s = time.monotonic()
    with progress("Pairing", len(settings.pumps) * len(settings.sensors), as_json) as advance:
        matrix = run_matrix(settings, folder, slots=jobs, on_cell=advance)
    matrix.seconds = time.monotonic() - began_s
    if accept:
        write_expected(matrix)
    else:
        compare(matrix, expected)
    page = write_page(matrix, report or folder)
    told = json.dumps(as_dict(matrix, str(page)), indent=1)
    page.with_suffix(".json").write_text(told + "\n", encoding="utf-8")
    if as_json:
        click.echo(told)
    else:
        show_matrix(matrix, str(page))
    return matrix.exit_code
