"""`pumprig cohort`: virtual patients through real firmware, with outcomes and every violation."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click

from pumprig.bearers import SERIAL, BearerChoice, bearer_options
from pumprig.commands.progress import progress
from pumprig.errors import UsageError

__all__ = ["command"]


CONTROLLERS = ("manual", "plgs", "oref")


def _controllers(_context: click.Context, _option: click.Parameter, text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if name not in CONTROLLERS or names.count(name) > 1:
            raise UsageError(
                f"{name} is {'named twice' if name in CONTROLLERS else 'no controller'}", where="--controller",
                allowed=f"{', '.join(CONTROLLERS)}; several with commas between",
            )  # fmt: skip
    return names


@click.command("cohort")
@click.option("--patients", default="all", show_default=True, metavar="all|NAME,...", help="Who wears the pump.")
@click.option("--days", type=click.IntRange(1, 45), default=7, show_default=True, help="Length of each run.")
@click.option("--controller", default="plgs", show_default=True, metavar="manual|plgs|oref,...", callback=_controllers,
              help="On-pump controller; several with commas between, to compare them.")  # fmt: skip
@click.option("--pump", metavar="NAME", help="The kind of pump; `pumprig devices` lists them.")
@click.option("--cgm", metavar="NAME", help="The kind of sensor.")
@click.option("--meals", default="none", show_default=True, metavar="FILE|none", help="What they eat.")
@click.option("--announce-meals", is_flag=True, help="Tell the pump of each meal when it is eaten.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=1, show_default=True, help="Of sensors and rig.")
@click.option("--jobs", type=click.IntRange(1, 64), default=2, show_default=True, help="Runs at a time.")
@click.option(
    "--findings", type=click.Path(path_type=Path, dir_okay=False),
    help="Another list of violations that are understood.  [default: the one that comes with pumprig]",
)  # fmt: skip
@bearer_options
@click.option("--firmware", type=click.Path(path_type=Path), help="Another firmware folder.")
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("runs"), show_default=True, help="Folder for the records."
)
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON, and nothing else.")
def command(
    patients: str, days: int, controller: tuple[str, ...], pump: str | None, cgm: str | None, meals: str,
    announce_meals: bool, seed: int, jobs: int,
    findings: Path | None, bearer: BearerChoice | None, firmware: Path | None, out: Path, as_json: bool,
) -> int:  # fmt: skip
    """Run virtual patients through the real firmware in lockstep, and tell how each fared.

    Each patient wears a pump of its own that gives the resting basal rate, with a sensor and a fresh reservoir every
    three days. Every dose is proven as in `pumprig run`. A violation must stand in the list of true findings, with its
    explanation; a new one fails, and a listed one that is gone fails, too.

    A loop gets sensitivity, carbohydrate ratio and target of each patient, by the clinic's rules of 1800 and 500.

    \b
    Examples:
      pumprig cohort --days 7 --controller plgs
      pumprig cohort --controller plgs,oref --meals meals.csv --announce-meals
      pumprig cohort --patients adult#001,child#004 --days 2 --meals meals.csv --json
    """
    from pumprig.cohort.cohort import Settings, chosen_patients, run_cohort
    from pumprig.cohort.findings import FINDINGS_PATH, load_findings
    from pumprig.cohort.page import write_page
    from pumprig.cohort.show import as_dict, show_cohort
    from pumprig.devices.choice import Devices
    from pumprig.patients import read_meals
    from pumprig.patients.plan import NO_MEALS
    from pumprig.record import new_run_folder
    from pumprig.report import write_report

    names = chosen_patients(patients)
    devices = Devices.named(pump, cgm)
    for word in controller:
        devices.refuse_controller(word)
    known = load_findings(findings or FINDINGS_PATH)
    eaten = None if meals == NO_MEALS else Path(meals)
    if eaten is not None:
        read_meals(eaten)
    if firmware is not None and not (firmware / "main.py").is_file():
        raise UsageError("this is no firmware", where=f"--firmware {firmware}", allowed="a folder with main.py")
    if announce_meals and eaten is None:
        raise UsageError("there are no meals to tell of", where="--announce-meals", remedy="Name some with --meals.")
    way = bearer or SERIAL
    if way.kind not in ("serial", "ble") or way != BearerChoice(way.kind, cgm=way.cgm):
        raise UsageError("a cohort wears virtual boards", where="--bearer", allowed="serial, ble, and --cgm-bearer")
    settings = Settings(names, days, controller, eaten, seed, firmware, announce_meals, devices, way)
    folder = new_run_folder(out, f"{time.strftime('%Y%m%d-%H%M%S')}-cohort-{'-'.join(controller)}")
    began_s = time.monotonic()
    with progress("Living", len(names) * len(controller), as_json) as advance:
        cohort = run_cohort(settings, folder, known, slots=jobs, on_patient=lambda outcome: advance(outcome.title))
    cohort.seconds = time.monotonic() - began_s
    for outcome in cohort.outcomes:
        if outcome.run.verdict != "PASS" and outcome.run.folder:
            write_report(Path(outcome.run.folder))
    page = write_page(cohort)
    if as_json:
        click.echo(json.dumps(as_dict(cohort, str(page)), indent=1))
    else:
        show_cohort(cohort, str(page))
    return cohort.exit_code
