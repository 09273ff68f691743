"""`pumprig verify-suite`: show that the rig catches pumps that are wrong on purpose."""

from __future__ import annotations

import contextlib
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import click

from pumprig.commands.progress import progress
from pumprig.errors import UsageError

__all__ = ["command"]


class _Teaching(click.Command):
    """A command whose help lists the wrong firmwares."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from pumprig.suite.catalogue import load_wrong

        with formatter.section("Wrong firmwares"):
            formatter.write_dl(
                [(wrong.name, f"{wrong.about} Breaks {wrong.rule}, caught by {wrong.check}.") for wrong in load_wrong()]
            )


@click.command("verify-suite", cls=_Teaching)
@click.option("--only", multiple=True, metavar="NAME", help="Only this wrong firmware; may be given more than once.")
@click.option("--mutants", type=click.IntRange(1), metavar="N", help="Run N mutants of the dosing core instead.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=1, show_default=True, help="Which mutants.")
@click.option("--unexplained", is_flag=True, help="Of the mutants, leave out those whose survival is explained.")
@click.option("--jobs", type=click.IntRange(1, 64), default=2, show_default=True, help="Runs at a time.")
@click.option("--bearer", type=click.Choice(("serial", "ble")), default="serial", show_default=True,
              help="By the cable, or by the radio.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Keep records and firmwares here.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON, and nothing else.")
def command(
    only: tuple[str, ...], mutants: int | None, seed: int, unexplained: bool, jobs: int, bearer: str,
    out: Path | None, as_json: bool,
) -> int:  # fmt: skip
    """Show that the rig catches pumps that are wrong on purpose.

    The correct firmware must pass every scenario of the suite. Each wrong firmware is a patch on a copy of it. It names
    the rule that it breaks and the check that must catch it before it runs. It counts as caught when that check fails
    for the right reason. Then it runs again with the check switched off: it must survive, or be caught by the second
    check that it names. A patch that does not apply is an error.

    With --mutants, small seeded changes of the dosing core (operators, bounds, constants) run instead. Each must be
    killed by a scenario, or be explained in hil/pumprig/suite/survivors.toml.

    \b
    Examples:
      pumprig verify-suite
      pumprig verify-suite --bearer ble --only pulse-lost
      pumprig verify-suite --only pulse-lost --only hang
      pumprig verify-suite --mutants 200 --seed 7 --unexplained

    \b
    Exit codes:
      0 all caught   1 something is not caught, or not for the right reason   4 a patch does not apply, or the rig broke
    """
    if mutants is not None and only:
        raise UsageError("mutants have no names", where="--only", remedy="Leave out --only or --mutants.")
    if mutants is not None and bearer != "serial":
        raise UsageError("mutants of the dosing core run by the cable", where="--bearer", allowed="serial")
    if unexplained and mutants is None:
        raise UsageError("wrong firmwares have no explanations", where="--unexplained", remedy="Add --mutants N.")
    with _workplace(out) as work:
        if mutants is not None:
            return _run_mutants(mutants, seed, unexplained, jobs, work, as_json)
        return _run_suite(only, jobs, bearer, work, as_json)


def _run_suite(only: tuple[str, ...], jobs: int, bearer: str, work: Path, as_json: bool) -> int:
    from pumprig.suite.catalogue import chosen, load_wrong, over_air, scenario_paths
    from pumprig.suite.show import exit_code_of, show_rows, suite_console
    from pumprig.suite.verify import verify

    known = load_wrong() if bearer == "serial" else over_air(load_wrong())
    wrong = chosen(known, only)
    scenarios = sorted({entry.scenario for entry in wrong}) if only else list(scenario_paths())
    began_s = time.monotonic()
    with progress("Running the suite", len(scenarios) + len(wrong), as_json) as advance:
        rows = verify(scenarios, wrong, work=work, slots=jobs, on_row=lambda row: advance(row.name),
                      bearer=bearer)  # fmt: skip
    code = exit_code_of(rows)
    if as_json:
        click.echo(json.dumps({"exit_code": code, "rows": [row.as_dict() for row in rows]}, indent=1))
    else:
        show_rows(suite_console(), rows, time.monotonic() - began_s)
    return code


def _run_mutants(count: int, seed: int, unexplained: bool, jobs: int, work: Path, as_json: bool) -> int:
    from pumplink.boards import default_firmware
    from pumprig.suite.campaign import load_survivors, run_campaign
    from pumprig.suite.catalogue import scenario_paths
    from pumprig.suite.mutants import all_mutants, pick
    from pumprig.suite.show import exit_code_of, mutants_as_dict, show_mutants, show_rows, suite_console
    from pumprig.suite.verify import verify

    survivors = load_survivors()
    candidates = all_mutants(default_firmware())
    picked = pick(candidates, count, seed)
    if unexplained:
        picked = [mutant for mutant in picked if not survivors.why(mutant)]
    scenarios = list(scenario_paths())
    console = suite_console()
    began_s = time.monotonic()
    if not as_json:
        console.print(f"{len(picked)} of {len(candidates)} mutants, seed {seed}; {len(scenarios)} scenarios")
    with progress("Running mutants", len(scenarios) + len(picked), as_json) as advance:
        # A mutant is only killed when the correct firmware lives.
        rows = verify(scenarios, (), work=work, slots=jobs, on_row=lambda row: advance(row.name))
        if code := exit_code_of(rows):
            if as_json:
                click.echo(json.dumps({"exit_code": code, "rows": [row.as_dict() for row in rows]}, indent=1))
            else:
                show_rows(console, rows, time.monotonic() - began_s)
            return code
        fates = run_campaign(picked, work=work, slots=jobs, on_fate=lambda fate: advance(fate.mutant.place))
    if any(fate.error for fate in fates):
        code = 4
    elif any(fate.survived and not survivors.why(fate.mutant) for fate in fates):
        code = 1
    if as_json:
        click.echo(json.dumps({"exit_code": code, "seed": seed, **mutants_as_dict(fates, survivors)}, indent=1))
    else:
        show_mutants(console, fates, survivors, time.monotonic() - began_s)
    return code


@contextlib.contextmanager
def _workplace(out: Path | None) -> Iterator[Path]:
    if out is None:
        with tempfile.TemporaryDirectory(prefix="pumprig-suite-") as passing:
            yield Path(passing)
        return
    folder = out / time.strftime("%Y%m%d-%H%M%S-suite")
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise UsageError(
            f"cannot make the folder: {error.strerror}", where=str(folder), remedy="Name another one with --out."
        ) from None
    yield folder
    click.echo(f"records {folder}", err=True)
