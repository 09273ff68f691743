"""`pumprig run`: replay a trace or a scenario into a pump and prove every dose."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from pumprig.bearers import SERIAL, BearerChoice, bearer_options
from pumprig.errors import UsageError
from pumprig.patients.plan import NO_MEALS
from pumprig.report.words import count, link_line
from pumprig.rule_titles import GUARDRAIL_TITLES
from pumprig.runs import Outcome, RunOptions, execute, make_plan
from pumprig.scenario import Scenario, demo_scenario_path
from pumprig.scenario_control import OWN_SUFFIX
from pumprig.therapy_profile import load_profile
from pumprig.verdict import Verdict

__all__ = ["command"]


@click.command("run")
@click.argument("source", metavar="[TRACE|SCENARIO]", required=False)
@click.option("--patient", metavar="NAME", help="A virtual patient, such as adult#001, instead of a trace.")
@click.option("--meals", metavar="FILE|none", help="What the patient eats; the pump is not told.  [default: none]")
@click.option("--pump", metavar="NAME", help="The kind of pump; `pumprig devices` lists them.")
@click.option("--cgm", metavar="NAME", help="The kind of sensor: the trace becomes what it would send.")
@click.option(
    "--profile", metavar="FILE.json",
    help="The wearer's basal, ISF, I:CHO and target, which a loop needs beside a trace: a Nightscout or oref0 profile. "
    "DIA and limits are the scenario's.",
)  # fmt: skip
@click.option("--announce-meals", is_flag=True, help="Tell the pump of each meal when the patient eats it.")
@click.option(
    "--controller", metavar="manual|plgs|oref|FILE.py", help="On-pump controller, or one of your own.  [default: plgs]"
)
@click.option(
    "--clock", default="lockstep", show_default=True, metavar="lockstep|realtime|scaled:N",
    help="How the pump's time passes. Lockstep proves logic and order; the others also judge deadlines of speed.",
)  # fmt: skip
@click.option(
    "--board", default="virtual", show_default=True, metavar="virtual|id:SERIAL|port:DEVICE|ble:ADDRESS",
    help="The device under test.",
)  # fmt: skip
@bearer_options
@click.option(
    "--probe", metavar="virtual|id:SERIAL|port:DEVICE",
    help="The board on the motor pin that sees each pulse, where time is real.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Seed of everything random in the run.")
@click.option(
    "--hours", type=float,
    help="Length of the run; the whole trace, or a patient's day, by default. A scenario then loses what lies after "
    "it, and what it expects.",
)  # fmt: skip
@click.option("--start", metavar="H|TIME", help="Begin H hours into the trace, or at a local time.")
@click.option("--date-order", type=click.Choice(["mdy", "dmy"]), help="For traces whose dates can be read in two ways.")
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("runs"), show_default=True, help="Folder that holds runs."
)
@click.option("--firmware", type=click.Path(path_type=Path), help="Another firmware folder, for the virtual board.")
@click.option("--without", multiple=True, metavar="CHECK", help="Switch a check off; may be given more than once.")
@click.option(
    "--capture", type=click.Path(path_type=Path), metavar="FILE.btsnoop",
    help="Keep all ATT PDUs in a file for Wireshark, `pumprig spec decode` and `spec coverage`.",
)  # fmt: skip
@click.option("--live/--no-live", default=None, help="Live view.  [default: when the output is a terminal]")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON, and nothing else.")
def command(
    source: str | None,
    patient: str | None,
    meals: str | None,
    announce_meals: bool,
    profile: str | None,
    pump: str | None,
    cgm: str | None,
    controller: str | None,
    clock: str,
    board: str,
    bearer: BearerChoice | None,
    probe: str | None,
    seed: int | None,
    hours: float | None,
    start: str | None,
    date_order: str | None,
    out: Path,
    firmware: Path | None,
    without: tuple[str, ...],
    capture: Path | None,
    live: bool | None,
    as_json: bool,
) -> int:
    """Replay a CGM trace or a scenario into a pump and prove every dose.

    TRACE is an export of Dexcom Clarity, LibreView, CareLink or Nightscout, or a CSV with the columns
    time,glucose_mg_dl. SCENARIO is a TOML file that adds commands and faults at their times. Without either the
    bundled demo day runs. With --patient glucose is that of a virtual patient who gets what the pump delivers.

    \b
    Examples:
      pumprig run
      pumprig run export.csv --controller plgs --hours 24
      pumprig run scenario.toml --clock scaled:60 --json
      pumprig run export.csv --controller oref --profile profile.json
      pumprig run --patient adult#001 --meals meals.csv --hours 48
      pumprig run --patient adult#001 --meals meals.csv --announce-meals --controller oref
      pumprig run export.csv --pump omnipod_dash --cgm libre3
      pumprig run export.csv --clock realtime --board id:E6614C311B7B5A22 --probe id:E6614C311B3C4D21
    """
    from pumprig.checks import CHECKS
    from pumprig.dut import clock_of

    unknown = sorted(set(without) - set(CHECKS))
    if unknown:
        raise UsageError(f"no check is called {unknown[0]}", where="--without", allowed=", ".join(CHECKS))
    if capture is not None and capture.suffix != ".btsnoop":
        raise UsageError(f"{capture} names no capture", where="--capture", allowed="a name that ends in .btsnoop")
    overrides = {
        "controller": controller, "seed": seed, "hours": hours, "start": start, "date_order": date_order,
        "pump_profile": pump, "cgm_profile": cgm,
    }  # fmt: skip
    given: dict[str, Any] = {key: value for key, value in overrides.items() if value is not None}
    if controller is not None and controller.endswith(OWN_SUFFIX):
        # Paths of a command line begin where it is given, those of a scenario in its folder.
        given["controller"] = str(Path(controller).absolute())
    if patient is None and meals is None and not announce_meals:
        scenario = _scenario(source, given)
    else:
        scenario = _patient_scenario(source, patient, meals, given, announce=announce_meals)
    if profile is not None:
        taken = load_profile(profile)
        scenario = scenario.with_profile(taken)
        if taken.note:
            click.echo(taken.note, err=True)
    run_clock = clock_of(clock)
    plan = make_plan(scenario, run_clock, without=frozenset(without))
    options = RunOptions(
        board=board, clock=run_clock, out=out, firmware=firmware, capture=capture, bearer=bearer or SERIAL,
        probe=probe,
        live=not as_json and (sys.stdout.isatty() if live is None else live),
    )  # fmt: skip
    outcome = execute(plan, options)
    show(outcome, as_json=as_json)
    return outcome.exit_code


def _scenario(source: str | None, overrides: Mapping[str, Any]) -> Scenario:
    if source is None or source.endswith(".toml"):
        return Scenario.load(demo_scenario_path() if source is None else source).changed(**overrides)
    return Scenario.from_trace(source, **overrides)


def _patient_scenario(
    source: str | None, patient: str | None, meals: str | None, overrides: Mapping[str, Any], *, announce: bool
) -> Scenario:
    asked = "--patient" if patient is not None else "--meals" if meals is not None else "--announce-meals"
    if source is None:
        if patient is None:
            raise UsageError("meals need somebody who eats them", where=asked, remedy="Name a --patient, too.")
        return Scenario.from_patient(patient, meals or NO_MEALS, announce=announce, **overrides)
    scenario = Scenario.load(source) if source.endswith(".toml") else None
    if scenario is None or scenario.patient is None:
        raise UsageError(
            f"{source} gives a trace, which has no patient", where=asked,
            allowed="a trace or a patient, not both",
        )  # fmt: skip
    who = {**scenario.patient.model_dump(), **({"name": patient} if patient else {})}
    if meals is not None:
        who["meals"] = meals if meals == NO_MEALS else str(Path(meals).absolute())
    if announce:
        who["announce"] = True
    return scenario.changed(**overrides, patient=who)


def show(outcome: Outcome, *, as_json: bool) -> None:
    """Print how a run ended: one line a fact, or JSON."""
    if as_json:
        summary = {**outcome.summary, "run": str(outcome.folder), "report": str(outcome.folder / "report.html")}
        click.echo(json.dumps(summary, indent=1))
        return
    summary = outcome.summary
    for reason in outcome.reasons[:10]:
        rule = f" ({reason.rule})" if reason.rule else ""
        click.echo(f"{reason.verdict.name}: {reason.message}{rule}", err=True)
    judged = [check for check in summary.get("checks", {}).values() if check["judged"]]
    told = (
        count(summary.get("samples_sent", 0), "sample"),
        count(sum(summary.get("pulses", {}).values()), "pulse"),
        count(summary.get("suspensions", 0), "suspension"),
        count(sum(check["passed"] for check in judged), "judgement"),
        count(summary.get("violations", 0), "violation"),
    )
    verdict = click.style(outcome.verdict.name, bold=True, fg=_COLOURS[outcome.verdict])
    click.echo(f"{verdict}  {', '.join(told)}")
    for line in _notes(summary):
        click.echo(f"  {line}")
    click.echo(f"report {outcome.folder / 'report.html'}")


def _notes(summary: dict[str, Any]) -> Iterator[str]:
    """What a reader of the verdict should know besides."""
    if not summary.get("complete", True):
        yield "the run did not come to its end; `pumprig report` says what was judged until when"
    if summary.get("own_controller"):
        yield (
            f"the decisions are those of {summary['own_controller']} and were not judged; every pulse, step, guardrail "
            "and deadline was"
        )
    if failed := summary.get("decisions_by_rule", {}).get("D-1112"):
        of_all = f"{failed} of {count(sum(summary['decisions'].values()), 'decision')}"
        why = "; ".join(summary.get("controller_errors", [])) or "the board did not tell why"
        yield f"the controller failed at {of_all}, which dosed nothing (D-1112): {why}"
    if summary.get("small_boluses"):
        amount = summary["small_bolus_mu"] / 1000
        yield f"{count(summary['small_boluses'], 'small bolus', 'small boluses')} by the controller, {amount:g} U"
    if summary.get("guardrails_held"):
        held = ", ".join(
            f"{GUARDRAIL_TITLES[int(number)]} {times}" for number, times in summary["guardrails_held"].items()
        )
        yield f"guardrails held something back: {held}"
    if summary.get("commands_refused"):
        yield f"{count(summary['commands_refused'], 'command')} refused by the pump, as the rules have it"
    stopped_s = summary.get("therapy_stopped_s")
    if stopped_s is not None:
        since_s = max(0, stopped_s - summary.get("start_s", 0))
        clock = f"{since_s // 3600:02d}:{since_s // 60 % 60:02d}:{since_s % 60:02d}"
        yield f"therapy stopped at {clock} and did not run again"
    if "counted" in summary.get("pulses", {}):
        yield "the motor was not seen: pulses, and when they left, are those that the pump tells"
    if line := link_line(summary.get("link") or {}):
        yield line
    if summary.get("without"):
        yield f"switched off, and so not proven: {', '.join(summary['without'])}"


_COLOURS = {Verdict.PASS: "green", Verdict.INCONCLUSIVE: "yellow", Verdict.ERROR: "magenta", Verdict.FAIL: "red"}
