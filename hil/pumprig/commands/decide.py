"""`pumprig decide`: what a controller of the firmware decides on given inputs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import click

from pumplink.own_controller import OwnControllerError, own_firmware
from pumprig.errors import UsageError

__all__ = ["command"]


@click.command("decide")
@click.argument("source", metavar="[FILE]", type=click.File(encoding="utf-8"), default="-")
@click.option("--controller", metavar="oref|FILE.py", required=True, help="The controller that decides, or your own.")
@click.option("--exact", is_flag=True, help="Leave rates as they come, not on the pump's steps.")
@click.option("--flat-cgm", type=click.Choice(["detect", "told", "ignore"]), default="detect", show_default=True,
              help="Who says that the CGM is flat: oref0's rule, the key flatBGsDetected, or nobody.")  # fmt: skip
def command(source: TextIO, controller: str, exact: bool, flat_cgm: str) -> int:
    """Say what a controller of the firmware decides: JSON lines in, one decision a line out.

    The firmware's own code decides, on MicroPython. Each line of FILE or of standard input is one JSON object with the
    keys that oref0's determine-basal takes; insulin in U, rates in U/h, glucose in mg/dL, times in milliseconds since
    1970 or as text:

    \b
      glucose_status     glucose, delta, short_avgdelta, long_avgdelta, date [noise, device]
      currenttemp        rate, duration (min left; 0 when none runs)
      iob                48 objects, one every 5 min: iob, activity, iobWithZeroTemp.activity;
                         the first one also lastBolusTime, lastTemp {date, rate, duration}
      profile            current_basal, max_basal, max_daily_basal, max_iob, sens, carb_ratio, min_bg, max_bg
                         and any other of oref0's settings
      meal               {} or carbs, mealCOB, lastCarbTime, slopeFromMaxDeviation, slopeFromMinDeviation
      autosens           [ratio]
      microBolusAllowed  [true or false]
      reservoir          [handed on]
      now                the moment of the decision

    An answer has oref0's keys: rate and duration for a TBR (none: leave all as it is; duration 0: cancel), units for a
    small bolus, eventualBG, insulinReq, predBGs with IOB, ZT, COB, UAM. `reason` begins with the rule of DOSING.md
    that decided. A line that cannot be decided on ends the command with its number and key, and exit code 2.

    \b
    Try:
      pumprig decide --controller oref < inputs.jsonl > decisions.jsonl
      pumprig decide --controller oref --exact --flat-cgm told inputs.jsonl
      pumprig decide --controller mine.py inputs.jsonl
    """
    with _firmware(controller) as own:
        _decide(source, exact, flat_cgm, own)
    return 0


@contextmanager
def _firmware(controller: str) -> Iterator[Path | None]:
    if controller == "oref":
        yield None
        return
    if not controller.endswith(".py"):
        allowed = "oref, or a file that ends in .py"
        raise UsageError(f"no controller {controller}", where="--controller", allowed=allowed)
    try:
        with own_firmware(Path(controller)) as firmware:
            yield firmware
    except OwnControllerError as error:
        raise UsageError(error.what, where=error.where, allowed=error.allowed) from None


def _decide(source: TextIO, exact: bool, flat_cgm: str, own: Path | None) -> None:
    from pumprig.decide.oref import OrefDecider

    number = 0
    with OrefDecider(exact=exact, flat_cgm=flat_cgm, own=own) as decider:
        try:
            for number, line in enumerate(source, 1):
                if line.strip():
                    click.echo(json.dumps(decider.decide(line, number)))
        except UnicodeDecodeError:
            raise UsageError("is no UTF-8", where=f"after line {number}", allowed="one JSON object a line") from None
