"""`pumprig replay`: repeat a run from its record and compare the doses."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from types import NoneType
from typing import Any

import click

from pumprig.bearers import BearerChoice, bearer_options
from pumprig.broken_off import Ending
from pumprig.commands.report import run_folder
from pumprig.commands.run import show
from pumprig.dut import clock_of
from pumprig.errors import BuildMismatch, UsageError
from pumprig.report.reading import UNTOLD, Record, read_record
from pumprig.runs import Outcome, RunOptions, execute, make_plan
from pumprig.scenario import Scenario
from pumprig.verdict import EXIT_CODES, Verdict

__all__ = ["command"]

DIFFERENT_DOSES = 1


@click.command("replay")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("runs"), show_default=True, help="Folder that holds runs."
)
@click.option("--clock", metavar="lockstep|realtime|scaled:N", help="Another clock than the run had.")
@bearer_options
@click.option("--any-firmware", is_flag=True, help="Repeat it although the firmware has changed since.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON, and nothing else.")
def command(
    run: Path, out: Path, clock: str | None, bearer: BearerChoice | None, any_firmware: bool, as_json: bool
) -> int:
    """Repeat RUN from its record and compare the dose events.

    RUN is the folder of a run. Scenario, trace, seed and switched-off checks are those of the record; the trace and
    the firmware must be the same, octet for octet. A patient lives again, with the same meals; a motor that a probe saw
    is seen by that probe again. Ends with 0 when verdict and doses are the same again. A run that broke off is held
    against as much as its record has, and never ends with 0.
    """
    folder = run_folder(run)
    meta = _meta(folder)
    record = _read(folder)
    scenario = Scenario.from_json(json.dumps(meta["scenario"]))
    run_clock = clock_of(clock or meta["clock"])
    # A board that is plugged in has to tell this build; what a virtual one runs is looked at before it starts, too.
    fixed = bytes.fromhex(meta["firmware_hash"] or "") or None
    plan = make_plan(scenario, run_clock, without=frozenset(meta["without"]), fixed=None if any_firmware else fixed)
    if plan.trace.source_sha256 != meta["trace_sha256"]:
        raise UsageError(
            f"the {'meals have' if scenario.patient else 'trace has'} changed since the run",
            where=str(scenario.trace_path), allowed=f"what had the SHA-256 {meta['trace_sha256']} then",
        )  # fmt: skip
    if plan.devices.record() != (then := meta.get("devices", {})):
        raise UsageError(
            "a device's numbers have changed since the run", where="hil/pumprig/devices",
            allowed=", ".join(f"{device['name']} with the SHA-256 {device['sha256']}" for device in then.values()),
            remedy="Run the scenario anew.",
        )  # fmt: skip
    firmware = Path(meta["firmware_folder"]) if meta["firmware_folder"] else None
    probe, probe_build = _probe_of(meta)
    options = RunOptions(
        board=meta["board"], clock=run_clock, out=out, firmware=firmware, bearer=bearer or _bearer_of(meta),
        probe=probe, probe_firmware=None if any_firmware else probe_build,
    )  # fmt: skip
    _refuse_other_firmware(meta, options, any_firmware)
    outcome = execute(plan, options)
    show(outcome, as_json=as_json)
    return _compared(record, outcome, as_json=as_json)


def _compared(record: Record, outcome: Outcome, *, as_json: bool) -> int:
    difference = _first_difference(record, outcome)
    if difference is not None:
        click.echo(f"the dose events differ: {difference}", err=True)
        return outcome.exit_code or DIFFERENT_DOSES
    then, now = record.verdict, outcome.verdict.name
    if record.broken_off:
        click.echo(f"{then}: {record.broken_off} Its dose events are those of this run so far.", err=True)
        worst = max(Verdict[then], outcome.verdict)
        return outcome.exit_code if worst is outcome.verdict and outcome.exit_code else EXIT_CODES[worst]
    if then != now:
        click.echo(f"the verdict was {then}, is {now}", err=True)
        return outcome.exit_code or DIFFERENT_DOSES
    if not outcome.summary["complete"]:
        return outcome.exit_code
    if lost := _not_judged_again(record, outcome):
        click.echo(f"judged then, and not at this clock: {', '.join(lost)}", err=True)
    if record.ending is Ending.UNTOLD:
        click.echo(UNTOLD, err=True)
    if not as_json:
        click.echo(f"the dose events are those of {record.folder}")
    return 0


def _read(folder: Path) -> Record:
    record = read_record(folder)
    if record.ending is Ending.GOES_ON:
        raise UsageError("the run goes on", where=str(folder), remedy="Wait for its end.")
    return record


# Records of before there was a radio name no bearer.
def _bearer_of(meta: dict[str, Any]) -> BearerChoice:
    return BearerChoice.of(
        str(meta.get("bearer", "serial")), meta.get("cgm_bearer"), None, meta.get("allow_lab"),
        meta.get("connection_interval_ms"),
    )  # fmt: skip


# Records of before there was a probe name none.
def _probe_of(meta: dict[str, Any]) -> tuple[str | None, bytes | None]:
    probe = meta.get("probe")
    if not isinstance(probe, dict):
        return None, None
    return probe.get("name"), bytes.fromhex(probe.get("firmware_hash") or "") or None


def _not_judged_again(record: Record, outcome: Outcome) -> list[str]:
    then, now = record.info.get("checks") or {}, outcome.summary["checks"]
    return [name for name, check in now.items() if then.get(name, {}).get("judged") and not check["judged"]]


def _meta(folder: Path) -> dict[str, Any]:
    path = folder / "run.json"
    remedy = "Run the scenario anew."
    try:
        meta = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"the record cannot be read: {error}", where=str(path), remedy=remedy) from None
    # A run that was broken off has no verdict; firmware has a folder only where the run was given one.
    kinds: dict[str, tuple[type, ...]] = {
        "scenario": (dict,), "without": (list,), "trace_sha256": (str,), "board": (str,), "clock": (str,),
        "verdict": (str, NoneType), "firmware_folder": (str, NoneType), "firmware_hash": (str, NoneType),
    }  # fmt: skip
    known = meta if isinstance(meta, dict) else {}
    wrong = [name for name, kind in kinds.items() if name not in known or not isinstance(known[name], kind)]
    if wrong:
        raise UsageError(f"the record lacks {', '.join(wrong)}", where=str(path), remedy=remedy)
    if not (folder / "doses.jsonl").is_file():
        raise UsageError("the record lacks its dose events", where=str(folder / "doses.jsonl"), remedy=remedy)
    return known


def _refuse_other_firmware(meta: dict[str, Any], options: RunOptions, any_firmware: bool) -> None:
    from pumplink.boards import default_firmware, firmware_hash

    recorded = meta["firmware_hash"]
    if any_firmware or recorded is None or options.board.startswith(("port:", "id:", "ble:")):
        return
    folder = options.firmware or default_firmware()
    if not folder.is_dir():
        raise UsageError("the run's firmware folder is gone", where=str(folder), remedy="Use --any-firmware.")
    found = firmware_hash(folder).hex()
    if found != recorded:
        raise BuildMismatch(
            f"the firmware is {found}, the run had {recorded}", where=str(folder),
            remedy="Check out the firmware of the run, or use --any-firmware.",
        )  # fmt: skip


def _first_difference(record: Record, outcome: Outcome) -> str | None:
    old = (record.folder / "doses.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    new = (outcome.folder / "doses.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    if record.broken_off:
        # What came after, and the half of a line that was being written, is not there to be compared.
        old = [line for line in old if line.endswith("\n")]
        new = new[: len(old)]
    for number, (was, now) in enumerate(itertools.zip_longest(old, new), 1):
        if was != now:
            return f"line {number} was {(was or 'not there').strip()}, is {(now or 'not there').strip()}"
    return None
