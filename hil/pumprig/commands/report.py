"""`pumprig report`: make the reports of a run again from its record."""

from __future__ import annotations

from pathlib import Path

import click

from pumprig.errors import UsageError
from pumprig.verdict import EXIT_CODES, Verdict

__all__ = ["command"]


def run_folder(path: Path) -> Path:
    """The folder of a run, or a message that says what was expected.

    Raises:
        UsageError: when `path` holds no record of a run.
    """
    if path.name in {"run.json", "events.jsonl", "report.html"}:
        path = path.parent
    if not (path / "events.jsonl").is_file():
        raise UsageError(
            "this is no record of a run", where=str(path),
            allowed="a folder with run.json and events.jsonl, as `pumprig run` makes them under runs/",
        )
    return path


@click.command("report")
@click.argument("run", type=click.Path(path_type=Path))
def command(run: Path) -> int:
    """Make report.html, junit.xml and signals.npz of RUN again.

    RUN is the folder of a run. It may still be going on: the report then shows what has been recorded so far. Ends with
    0 when they are made, and for a run that broke off with the exit code of what it proves, which is never PASS.
    """
    from pumprig.report import read_record, write_junit, write_report, write_signals

    folder = run_folder(run)
    record = read_record(folder)
    write_signals(folder, record)
    write_junit(folder, record)
    click.echo(f"report {write_report(folder, record)}")
    if not record.broken_off:
        return 0
    click.echo(f"{record.verdict}: {record.broken_off}", err=True)
    return EXIT_CODES[Verdict[record.verdict]]
