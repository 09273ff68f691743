"""`pumprig accuracy`: what the motor delivers against what was programmed."""

from __future__ import annotations

import json
import time
from decimal import Decimal, InvalidOperation
from pathlib import Path

import click

from pumprig.commands.progress import progress
from pumprig.errors import UsageError

__all__ = ["command"]


def _rates(_context: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> tuple[int, ...]:
    return tuple(map(_mu_per_h, values))


def _mu_per_h(text: str) -> int:
    try:
        rate = Decimal(text.strip()) * 1000
    except InvalidOperation:
        rate = Decimal(-1)
    if not rate.is_finite() or rate <= 0 or rate != int(rate):
        raise UsageError(f"{text} is no basal rate", where="--rate", allowed="U/h in whole thousandths, above 0")
    return int(rate)


@click.command("accuracy")
@click.option("--board", default="virtual", show_default=True, help="The motor must be seen: the virtual board.")
@click.option("--pump", "pump_name", metavar="NAME", help="The kind of pump; `pumprig devices` lists them.")
@click.option("--rate", "rates", multiple=True, callback=_rates, metavar="U/h",
              help="A basal rate; may be given more than once.  [default: least, 1 U/h, greatest]")  # fmt: skip
@click.option("--days", type=click.IntRange(0, 365), default=30, show_default=True,
              help="Length of the drift measurement; 0 for none.")  # fmt: skip
@click.option("--jobs", type=click.IntRange(1, 64), default=2, show_default=True, help="Measurements at a time.")
@click.option("--firmware", type=click.Path(path_type=Path), help="Another firmware folder.")
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("runs"), show_default=True, help="Folder for the records."
)
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON, and nothing else.")
def command(
    board: str, pump_name: str | None, rates: tuple[int, ...], days: int, jobs: int, firmware: Path | None, out: Path,
    as_json: bool,
) -> int:  # fmt: skip
    """Measure the delivery accuracy of a pump by its motor pulses, in lockstep.

    Trumpet curves of basal rates (24 h to settle, 25 h of analysis, every window at every position), 25 boluses at the
    least and at the greatest setting, and weeks of basal with a profile of several blocks. A pump of whole pulses is
    exact in volume: each window must hold the pulses that the rate gives, each bolus its own, and no day may lose one.

    \b
    Examples:
      pumprig accuracy
      pumprig accuracy --pump omnipod_dash
      pumprig accuracy --rate 0.82 --rate 2.05 --days 0 --json
    """
    from pumprig.accuracy.campaign import measure, measurements_for, pump_data
    from pumprig.accuracy.plan import Settings
    from pumprig.accuracy.record import write_record
    from pumprig.accuracy.show import as_dict, show_accuracy
    from pumprig.devices.pump import load_pump
    from pumprig.record import new_run_folder

    if board != "virtual":
        raise UsageError(
            f"the motor of {board} is not seen: there would be nothing but the pump's own word", where="--board",
            allowed="virtual", remedy="`pumprig run --board` proves what that pump says of every dose.",
        )  # fmt: skip
    if firmware is not None and not (firmware / "main.py").is_file():
        raise UsageError("this is no firmware", where=f"--firmware {firmware}", allowed="a folder with main.py")
    began_s = time.monotonic()
    profile = load_pump(pump_name) if pump_name is not None else None
    settings = Settings(rates, days, firmware, profile, jobs)
    pump = pump_data(settings)
    planned = measurements_for(settings, pump)
    folder = new_run_folder(out, f"{time.strftime('%Y%m%d-%H%M%S')}-accuracy{f'-{profile.name}' if profile else ''}")
    with progress("Measuring, hours of the pump", sum(one.hours for one in planned), as_json) as advance:
        accuracy = measure(settings, pump, planned, on_hour=advance)
    accuracy.seconds = time.monotonic() - began_s
    page = write_record(accuracy, folder)
    if as_json:
        click.echo(json.dumps(as_dict(accuracy, str(page)), indent=1))
    else:
        show_accuracy(accuracy, str(page))
    return accuracy.exit_code
