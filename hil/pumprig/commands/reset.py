"""`pumprig reset`: starts a board's firmware again, on request as a new pump."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING

import click

from pumprig.errors import BlockedError, UsageError

if TYPE_CHECKING:
    from pumplink.plugged.hardware import Hardware
    from pumplink.plugged.repl import Repl

__all__ = ["command"]

DELETED = ("history", "counters", "reservoir level", "settings", "templates", "therapy and insulin on board")
KEPT = ("the firmware", "board.py", "BLE bonds", "files of yours")


@click.command("reset")
@click.option("--board", required=True, metavar="NAME|id:SERIAL|port:DEVICE", help="The board.")
@click.option("--as", "kind", metavar="NAME", help="Take the board for this one, whatever it says that it is.")
@click.option("--factory", is_flag=True, help="Delete all that the pump keeps of its past: it starts as a new one.")
@click.option("--yes", is_flag=True, help="Delete without asking; needed where no terminal can be asked.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON, and nothing else.")
def command(board: str, kind: str | None, factory: bool, yes: bool, as_json: bool) -> int:
    """Reset a board and wait until its firmware has started; ends with 5 when it does not.

    With --factory the pump's journal is deleted at this start, and the pump then says over the wire that it is new;
    ends with 3 when it still holds anything. The firmware, board.py and BLE bonds stay. A board that is pulled out
    meanwhile is the old pump or a new one.

    \b
    Examples:
      pumprig reset --board pico_w
      pumprig reset --board pico_w --factory
      pumprig reset --board port:/dev/ttyACM0 --factory --yes --json
    """
    from pumplink.plugged.factory import ask_for_factory_reset
    from pumprig.plugged import build_at, in_repl

    if yes and not factory:
        raise UsageError("a reset deletes nothing", where="--yes", remedy="Give --factory too, or leave it away.")
    if factory:
        _confirmed(board, yes, as_json)
    start = time.monotonic()
    with in_repl(board, kind) as (repl, hardware):
        if factory:
            ask_for_factory_reset(repl)
        repl.start()
        repl.close()
        build = build_at(repl.device, _baud(hardware))
        left = _held_by_the_pump(repl, hardware) if factory else []
    if left:
        raise BlockedError(
            f"the pump was reset, and still holds: {', '.join(left)}", where=repl.device,
            remedy="Is its firmware this one? `pumprig flash` it and reset it again.",
        )  # fmt: skip
    outcome = {
        "board": hardware.name, "device": repl.device, "build": build, "factory": factory,
        "deleted": list(DELETED if factory else ()), "kept": list(KEPT if factory else ()),
        "seconds": round(time.monotonic() - start, 3),
    }  # fmt: skip
    if as_json:
        click.echo(json.dumps(outcome))
        return 0
    new = " as a new pump" if factory else ""
    click.echo(f"{hardware.name} on {repl.device} runs build {build}{new}")
    return 0


def _baud(hardware: Hardware) -> int:
    return int(hardware.data.firmware["BAUD"])


def _confirmed(board: str, yes: bool, as_json: bool) -> None:
    told = f"{board}: deletes what its pump keeps of its past ({', '.join(DELETED)}); what stays: {', '.join(KEPT)}"
    if not as_json or not yes:
        click.echo(told, err=True)
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError("nobody has confirmed it", where="--factory", remedy="Confirm it with --yes.")
    if not click.confirm("Delete it?", err=True):
        raise UsageError("nothing was deleted, as you did not confirm it", where="--factory")


def _held_by_the_pump(repl: Repl, hardware: Hardware) -> list[str]:
    """What the pump, asked over the wire, still holds of its past."""
    from pumplink.errors import BearerError, PumpLinkError
    from pumplink.link import Link
    from pumplink.pump import Pump
    from pumplink.serial_bearer import SerialBearer
    from pumprig.oracle import OracleSettings
    from pumprig.plugged import STARTS_WITHIN_S
    from pumprig.used_pump import traces_of_use

    try:
        with SerialBearer(repl.device, _baud(hardware)) as bearer:
            link = Link(bearer)
            link.open(attempts=STARTS_WITHIN_S)
            pump = Pump(link)
            pump.subscribe()
            left = list(traces_of_use(pump, OracleSettings()))
            link.close()
            return left
    except BearerError:
        raise
    except PumpLinkError as error:
        raise BlockedError(
            f"the pump was reset, but does not say what it holds: {error}", where=repl.device,
            remedy="Do this again.",
        ) from None  # fmt: skip
