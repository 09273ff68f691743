"""`pumprig fuzz`: throw damaged and hostile octets at the pump, and see that it stays safe."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pumprig.errors import UsageError

if TYPE_CHECKING:
    from pumprig.fuzz.campaign import Failure, Outcome
    from pumprig.fuzz.steps import Step

__all__ = ["command"]

FAILED = 1


@click.command("fuzz")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="The same seed gives the same cases.  [default: any]")
@click.option("--cases", type=click.IntRange(1), default=10_000, show_default=True, help="How many cases.")
@click.option("--replay", "script", metavar="STEPS", help="Repeat the steps that a failing case was shrunk to.")
@click.option("--bearer", type=click.Choice(("serial", "ble")), default="serial", show_default=True,
              help="By the cable, or by the radio.")  # fmt: skip
@click.option("--firmware", type=click.Path(path_type=Path), help="Another firmware folder.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON, and nothing else.")
def command(
    seed: int | None, cases: int, script: str | None, bearer: str, firmware: Path | None, as_json: bool
) -> int:
    """Throw damaged, hostile and misplaced octets at a virtual pump.

    Valid frames are mutated: bits, lengths, delimiters, counters, CRCs right and wrong, opcodes in every state. After
    every case the pump must answer a health request, must not have restarted or lost memory, and must not have moved
    insulin that no valid command asked for. Over the air PDUs take the place of frames, and a control point that was
    written wrongly must end the connection. A failing case is shrunk and printed as the command that repeats it.
    """
    from pumplink.boards import default_firmware
    from pumprig.fuzz.campaign import fuzz
    from pumprig.fuzz.steps import parse

    if firmware is not None and not (firmware / "main.py").is_file():
        raise UsageError("there is no main.py", where=f"--firmware {firmware}", allowed=f"such as {default_firmware()}")
    if script is not None:
        return _replay(parse(script), bearer, firmware, as_json=as_json)
    seed = secrets.randbits(32) if seed is None else seed

    def tell(outcome: Outcome) -> None:
        if not as_json and outcome.cases % 10_000 == 0:
            click.echo(f"{outcome.cases} cases", err=True)

    if not as_json:
        click.echo(f"pumprig fuzz --seed {seed} --cases {cases}{_suffix(bearer, None)}")
    outcome = fuzz(seed, cases, firmware, tell, over_air=bearer == "ble")
    _show(outcome, _suffix(bearer, firmware), as_json=as_json)
    return FAILED if outcome.failure else 0


def _suffix(bearer: str, firmware: Path | None) -> str:
    way = f" --bearer {bearer}" if bearer != "serial" else ""
    return way if firmware is None else f"{way} --firmware {firmware}"


def _show(outcome: Outcome, suffix: str, *, as_json: bool) -> None:
    failure = outcome.failure
    again = ""
    if failure is not None:
        again = _again(outcome.seed, failure, suffix)
    if as_json:
        shown = {
            "seed": outcome.seed, "cases": outcome.cases, "requests": outcome.requests, "pulses": outcome.pulses,
            "seconds": round(outcome.seconds, 3), "free_heap_octets_min": outcome.free_heap_octets_min,
            "failure": None if failure is None else {"case": failure.case, "message": failure.message, "replay": again},
        }  # fmt: skip
        click.echo(json.dumps(shown, indent=1))
        return
    if failure is not None:
        click.echo(f"FAIL: case {failure.case}: {failure.message}", err=True)
        click.echo(again)
    rate = outcome.cases / max(outcome.seconds, 1e-9)
    click.echo(
        f"{outcome.cases} cases in {outcome.seconds:.1f} s ({rate:.0f}/s),"
        f" {outcome.requests} requests, {outcome.pulses} pulses"
    )


def _again(seed: int, failure: Failure, suffix: str) -> str:
    from pumprig.fuzz.steps import text

    if not failure.reproducible:
        return f"pumprig fuzz --seed {seed} --cases {failure.case + 1}{suffix}"
    return f"pumprig fuzz --replay '{text(failure.steps)}'{suffix}"


def _replay(steps: list[Step], bearer: str, firmware: Path | None, *, as_json: bool) -> int:
    from pumprig.fuzz.campaign import replay

    said = replay(steps, firmware, over_air=bearer == "ble")
    if as_json:
        click.echo(json.dumps({"steps": len(steps), "failure": said}, indent=1))
    elif said:
        click.echo(f"FAIL: {said}", err=True)
    else:
        click.echo(f"{len(steps)} steps, nothing wrong")
    return FAILED if said else 0
