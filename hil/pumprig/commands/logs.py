"""`pumprig logs`: what a board prints."""

from __future__ import annotations

import sys
from pathlib import Path

import click

__all__ = ["command"]


@click.command("logs")
@click.option("--board", required=True, metavar="NAME|id:SERIAL|port:DEVICE", help="The board.")
@click.option("--seconds", type=click.FloatRange(min=0), help="End after so many seconds.  [default: on Ctrl-C]")
@click.option(
    "--firmware", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="FOLDER",
    help="What runs on the board, when it is not the firmware of this installation.",
)  # fmt: skip
def command(board: str, seconds: float | None, firmware: Path | None) -> int:
    """Show what a board prints, tracebacks above all; its firmware goes on running.

    Frames of the wire are left out, and a traceback has the names and lines of the firmware's sources, not those of the
    packed files that the board has. The board is held meanwhile.
    """
    from pumplink.boards import default_firmware
    from pumplink.pack import retold
    from pumplink.plugged.logs import printed
    from pumplink.serial_bearer import SerialBearer
    from pumprig.plugged import held, port_of, told

    device = port_of(board).device
    with told(), held(device), SerialBearer(device) as bearer:
        for line in retold(printed(bearer, seconds), firmware or default_firmware()):
            click.echo(line)
            sys.stdout.flush()
    return 0
