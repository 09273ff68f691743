"""`pumprig conformance`: hold a live Insulin Delivery Service against the standard, case by case."""

from __future__ import annotations

import json
import math
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from pumprig.bearers import SERIAL, BearerChoice, bearer_options
from pumprig.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pumprig.conformance.bench import Bench
    from pumprig.conformance.model import Case
    from pumprig.conformance.runner import Result

__all__ = ["command"]

_FORMATS = ("text", "json", "junit", "markdown")
_NOT_FOR_PROVE = {
    "board": "--board", "bearer": "--bearer", "clock": "--clock", "patience": "--patience",
    "known_failures": "--known-failures", "as_list": "--list",
}  # fmt: skip


def _seconds(_context: click.Context, _option: click.Parameter, value: float) -> float:
    if not 0 <= value < math.inf:
        raise UsageError(f"{value:g} is no time that a case may take", where="--patience", allowed="seconds from 0 on")
    return value


@click.command("conformance")
@click.option("--board", default="virtual", show_default=True, help="virtual, id:SERIAL, port:DEVICE or ble:ADDRESS.")
@bearer_options
@click.option("--clock", help="lockstep, scaled:N or realtime.  [default: lockstep on a virtual board, else realtime]")
@click.option("--include", multiple=True, metavar="PATTERN", help="Only these cases; may be given more than once.")
@click.option("--exclude", multiple=True, metavar="PATTERN", help="Not these cases; may be given more than once.")
@click.option("--list", "as_list", is_flag=True, help="Name the cases, and run none.")
@click.option("--known-failures", type=click.Path(path_type=Path), metavar="FILE", help="Failures that are known.")
@click.option("--patience", type=float, callback=_seconds, default=10.0, show_default=True, metavar="SECONDS",
              help="How long a case may take where time is real.")  # fmt: skip
@click.option("--format", "form", type=click.Choice(_FORMATS), default="text", show_default=True,
              help="markdown is for --list.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("--output", type=click.Path(path_type=Path), metavar="FILE", help="Write the outcome here.")
@click.option("--firmware", type=click.Path(path_type=Path), help="Another firmware folder for the virtual board.")
@click.option("--prove", is_flag=True, help="Show that the cases fail servers that are wrong on purpose.")
@click.option("--only", multiple=True, metavar="NAME", help="With --prove: only this wrong server.")
@click.option("--jobs", type=click.IntRange(1, 64), default=2, show_default=True,
              help="With --prove: how many at a time.")  # fmt: skip
def command(
    board: str, bearer: BearerChoice | None, clock: str | None, include: tuple[str, ...], exclude: tuple[str, ...],
    as_list: bool, known_failures: Path | None, patience: float, form: str, as_json: bool, output: Path | None,
    firmware: Path | None, prove: bool, only: tuple[str, ...], jobs: int,
) -> int:  # fmt: skip
    """Hold a live Insulin Delivery Service against the standard.

    Every case names the clause that it checks and ends with PASS, FAIL (expected, seen, and the last PDUs),
    NOT_POSSIBLE (here, or in this state) or NOT_ADVERTISED (the server does not say that it has it). ERROR is a case
    that broke in itself, and says nothing of the server. The server writes templates, doses and stops: it must be on a
    bench. No therapy runs when the command has ended.

    On the virtual board time costs nothing, and a pump that failed a case is replaced. Over a port, cases that take
    longer than --patience are NOT_POSSIBLE. Over the air so are those that a board's Bluetooth stack leaves no room
    for: its data lists them, and the reason is told.

    \b
    --known-failures: a case's id in each line, behind a # the reason. A case that is listed may fail. When it passes,
    the run fails, so that the list stays true.

    --prove runs all cases against servers that are wrong on purpose (patches on a copy of the firmware). Each must fail
    the cases that are named for it, and no others.

    \b
    Examples:
      pumprig conformance
      pumprig conformance --include 'racp.*' --exclude racp.thousands
      pumprig conformance --bearer ble
      pumprig conformance --board port:/dev/ttyACM0 --patience 60 --format junit --output junit.xml

    \b
    Exit codes:
      0 no case failed   1 a case failed, or a known failure passes   3 no server   4 a case broke in itself
      7 no case passed, so nothing is shown   130 interrupted: --output has the cases up to then
    """
    from pumprig.conformance.model import chosen_cases
    from pumprig.conformance.show import list_of

    form = "json" if as_json else form
    cases = chosen_cases(include, exclude)
    _try_output(output)
    if prove:
        _refuse_beside_prove()
        return _prove(cases, only, jobs, form, output, firmware)
    if as_list:
        if form == "junit":
            raise UsageError("a list has no outcome", where="--format junit", allowed="text, json, markdown")
        _write(list_of(cases, form), output)
        return 0
    if form == "markdown":
        raise UsageError("this is for --list", where="--format markdown", allowed="text, json, junit")
    return _run(board, bearer or SERIAL, clock, cases, known_failures, patience, form, output, firmware)


def _run(
    board: str, bearer: BearerChoice, clock: str | None, cases: Sequence[Case], known_failures: Path | None,
    patience: float, form: str, output: Path | None, firmware: Path | None,
) -> int:  # fmt: skip
    from pumprig.conformance.bench import Bench
    from pumprig.conformance.runner import exit_code_of, load_known, run_cases
    from pumprig.conformance.show import line_of
    from pumprig.dut import clock_of

    known = load_known(known_failures)
    real = board.startswith(("port:", "id:", "ble:"))
    bench = Bench(
        board, clock_of(clock or ("realtime" if real else "lockstep")), firmware=firmware, patience_s=patience,
        bearer=bearer,
    )  # fmt: skip
    began_s = time.monotonic()
    shown = form == "text" and output is None
    results: list[Result] = []

    def tell(result: Result) -> None:
        results.append(result)
        if shown:
            click.echo(line_of(result))
        elif sys.stderr.isatty():
            click.echo(f"\r\x1b[K{len(results)} of {len(cases)}  {result.case.id}", err=True, nl=False)

    interrupted = True
    try:
        run_cases(bench, cases, known=known, on_result=tell)
        interrupted = False
    except KeyboardInterrupt:
        # On standard output the refusal stands alone; a file keeps what there is.
        if output is None:
            raise
    if not shown and sys.stderr.isatty():
        click.echo("\r\x1b[K", err=True, nl=False)
    _write(_outcome(form, results, bench, time.monotonic() - began_s, shown=shown, interrupted=interrupted), output)
    if interrupted:
        raise KeyboardInterrupt
    return exit_code_of(results)


def _refuse_beside_prove() -> None:
    context = click.get_current_context()
    for name, option in _NOT_FOR_PROVE.items():
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise UsageError(
                "this is not for --prove, which runs patched firmware on virtual boards in lockstep", where=option,
                remedy="Leave it out.",
            )  # fmt: skip


def _prove(
    cases: Sequence[Case], only: tuple[str, ...], jobs: int, form: str, output: Path | None, firmware: Path | None
) -> int:
    from pumprig.conformance.prove import exit_code_of, load_servers, prove, table
    from pumprig.suite.catalogue import chosen

    if form not in ("text", "json"):
        raise UsageError("this is not for --prove", where=f"--format {form}", allowed="text, json")
    servers = chosen(load_servers(), only, "wrong server")
    with tempfile.TemporaryDirectory(prefix="pumprig-conformance-") as work:
        proofs = prove(
            servers, work=Path(work), jobs=jobs, firmware=firmware, cases=cases,
            on_proof=lambda proof: click.echo(f"{proof.name}: {proof.problem or 'ok'}", err=True),
        )  # fmt: skip
    shown = {"exit_code": exit_code_of(proofs), "servers": [proof.as_dict() for proof in proofs]}
    _write(json.dumps(shown, indent=1) if form == "json" else table(proofs), output)
    return exit_code_of(proofs)


def _outcome(
    form: str, results: Sequence[Result], bench: Bench, seconds: float, *, shown: bool, interrupted: bool
) -> str:
    from pumprig.conformance.show import as_json, as_junit, as_text, line_of

    if form == "json":
        return as_json(results, bench.board, bench.features, seconds, interrupted=interrupted)
    if form == "junit":
        return as_junit(results, bench.board, seconds, interrupted=interrupted)
    lines = [] if shown else [line_of(result) for result in results]
    return "\n".join([*lines, as_text(results, seconds, interrupted=interrupted)])


def _try_output(output: Path | None) -> None:
    # A file that cannot be written is told before the first case, and left as it was.
    if output is None:
        return
    there = output.exists()
    try:
        output.open("a", encoding="utf-8").close()
    except OSError as error:
        raise _unwritable(output, error) from None
    if not there:
        output.unlink()


def _unwritable(output: Path, error: OSError) -> UsageError:
    return UsageError(f"the file cannot be written ({error.strerror})", where=f"--output {output}")


def _write(text: str, output: Path | None) -> None:
    if output is None:
        click.echo(text)
        return
    try:
        output.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise _unwritable(output, error) from None
