"""How far a command with many runs is."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

import click

__all__ = ["progress"]

_LINES = 10


@contextlib.contextmanager
def progress(title: str, total: int, quiet: bool) -> Iterator[Callable[[str], None]]:
    """A bar on standard error where somebody looks at it, else a line for every tenth part.

    Args:
        title: what is done.
        total: how many there are.
        quiet: show nothing.
    """
    if quiet:
        yield lambda name: None
        return
    if not sys.stderr.isatty():
        yield _lines(title, total)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TextColumn("{task.fields[name]}"), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=total, name="")
        yield lambda name: bar.update(task, advance=1, name=name)


def _lines(title: str, total: int) -> Callable[[str], None]:
    done = 0

    def advance(name: str) -> None:
        nonlocal done
        done += 1
        if done * _LINES // total != (done - 1) * _LINES // total:
            click.echo(f"{title}: {done} of {total}, {name}", err=True)

    return advance
