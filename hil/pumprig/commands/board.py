"""`pumprig board`: a virtual board on a serial device, for other programs."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import click

from pumprig.dut import clock_of, known_boards
from pumprig.errors import BlockedError, RigError, UsageError

__all__ = ["command"]

LOOK_EVERY_S = 0.1


@click.command("board")
@click.option("--clock", default="realtime", show_default=True, metavar="realtime|scaled:N", help="The board's time.")
@click.option("--seconds", type=float, help="End after so many seconds of the board's time.")
@click.option("--usb", is_flag=True, help="An empty board with a REPL on a USB line, to be flashed.")
@click.option(
    "--uf2", type=click.Path(path_type=Path), envvar="PUMPRIG_PICO_UF2", metavar="FILE",
    help="An emulated Raspberry Pi Pico that runs this MicroPython, with the firmware on it.",
)  # fmt: skip
@click.option("--list", "list_boards", is_flag=True, help="List the boards whose data is installed.")
def command(clock: str, seconds: float | None, usb: bool, uf2: Path | None, list_boards: bool) -> int:
    """Start a virtual board whose UART any serial program can open.

    Prints the device and goes on until Ctrl-C. In another terminal:

    \b
      pumprig run --board port:DEVICE --clock realtime --hours 0.2
      pumprig flash --board port:DEVICE              one that was started with --usb
    """
    if list_boards:
        for name in known_boards():
            click.echo(name)
        return 0
    if usb:
        return _usb_board(clock, seconds)
    if uf2 is not None:
        return _emulated_pico(uf2, seconds)
    from pumplink.errors import BearerError
    from pumplink.virtual.board import VirtualBoard
    from pumplink.virtual.clocks import Lockstep

    chosen = clock_of(clock)
    if isinstance(chosen, Lockstep):
        raise UsageError("other programs cannot grant time", where="--clock", allowed="realtime, scaled:N")
    try:
        with VirtualBoard("virtual", None, chosen) as board, board.pty() as pty:
            click.echo(f"virtual board on {pty.path}, clock {chosen}; Ctrl-C ends it")
            sys.stdout.flush()
            ended = threading.Event()
            while pty.error is None and (seconds is None or board.now_s < seconds):
                ended.wait(LOOK_EVERY_S)
            if pty.error is not None:
                raise RigError(str(pty.error))
    except BearerError as error:
        raise BlockedError(str(error)) from None
    return 0


def _usb_board(clock: str, seconds: float | None) -> int:
    from pumplink.errors import BearerError
    from pumplink.virtual.usb_board import UsbBoard

    if clock != "realtime":
        raise UsageError("a board on a USB line has a clock of its own", where="--clock", allowed="realtime")
    try:
        with UsbBoard() as board:
            click.echo(f"empty board on {board.device}; Ctrl-C ends it")
            sys.stdout.flush()
            threading.Event().wait(seconds)
    except BearerError as error:
        raise BlockedError(str(error)) from None
    return 0


def _emulated_pico(uf2: Path, seconds: float | None) -> int:
    from pumplink.errors import BearerError
    from pumplink.virtual.emulated_pico import EmulatedPico

    try:
        with EmulatedPico(uf2) as chip:
            click.echo(f"emulated Pico: REPL on {chip.usb}; the firmware goes onto it, which takes a while")
            sys.stdout.flush()
            identity = chip.install()
            click.echo(f"build {identity.firmware_hash.hex()} answers on {chip.uart}; Ctrl-C ends it")
            sys.stdout.flush()
            threading.Event().wait(seconds)
    except ValueError as error:
        raise UsageError(str(error), where="--uf2") from None
    except BearerError as error:
        raise BlockedError(str(error)) from None
    return 0
