"""`pumprig flash`: the firmware onto a board."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

import click

from pumprig.errors import BlockedError, BuildMismatch, UsageError

__all__ = ["command"]

_LOOK_EVERY_S = 0.5
wait = time.sleep


@click.command("flash")
@click.option("--board", required=True, metavar="NAME|id:SERIAL|port:DEVICE", help="The board.")
@click.option("--as", "kind", metavar="NAME", help="Take this board's data, whatever the board says that it is.")
@click.option(
    "--firmware", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="FOLDER",
    help="Another firmware than that of this installation.",
)  # fmt: skip
@click.option(
    "--role", type=click.Choice(["pump", "probe"]), default="pump", show_default=True,
    help="What the board becomes: the pump, or the probe on a pump's motor pin.",
)  # fmt: skip
@click.option("--watch", is_flag=True, help="Flash again whenever the firmware changes, until Ctrl-C.")
@click.option("--dry-run", is_flag=True, help="Only say what would be copied; the board starts again afterwards.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON, a line for each time.")
def command(
    board: str, kind: str | None, firmware: Path | None, role: str, watch: bool, dry_run: bool, as_json: bool
) -> int:  # fmt: skip
    """Put the firmware onto a board, and let the board prove that it runs this very build.

    Compiles every module for the board's MicroPython, copies what is new, writes the board's data as its module
    `board`, resets it and asks for its build over the wire. Ends with 5 when the board runs another one.

    \b
    Examples:
      pumprig flash --board pico_w
      pumprig flash --board id:E6614C311B7B5A22 --watch
      pumprig flash --board port:/dev/ttyACM0 --dry-run
      pumprig flash --board id:E6614C311B3C4D21 --role probe
    """
    from pumplink.boards import PROBE_FOLDER, default_firmware, firmware_hash

    folder = firmware or default_firmware()
    if role == "probe":
        folder /= PROBE_FOLDER
    if not (folder / "main.py").is_file():
        raise UsageError(f"{folder} has no main.py", where="--firmware", allowed="the folder of a firmware")
    if watch and dry_run:
        raise UsageError("watching copies what changes", where="--dry-run", remedy="Leave one of the two away.")
    _once(board, kind, folder, role, dry_run, as_json)
    while watch:
        seen = firmware_hash(folder)
        if not as_json:
            click.echo(f"watching {folder}; Ctrl-C ends it")
        while firmware_hash(folder) == seen:
            wait(_LOOK_EVERY_S)
        try:
            _once(board, kind, folder, role, dry_run, as_json)
        except (BlockedError, BuildMismatch) as error:
            # What is mended in the next minute is why one watches.
            click.echo(f"pumprig: {error.message}", err=True)
    return 0


@contextmanager
def _spelt(folder: Path) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise UsageError(str(error), where=str(folder)) from None


@contextmanager
def _packing_ahead(folder: Path, name: str) -> Iterator[Callable[[], None]]:
    """Compiles while the board takes its time to give its REPL; what is wrong with the firmware is said later."""
    from pumplink.pack import packed
    from pumplink.plugged.hardware import real_boards

    def pack() -> None:
        with suppress(ValueError, OSError):
            # One that was named by its line alone has to say first whose machine code it takes.
            boards = real_boards()
            packed(folder, arch=boards[name].arch if name in boards else "")

    packing = Thread(target=pack, daemon=True)
    packing.start()
    try:
        yield packing.join
    finally:
        packing.join()


def _once(board: str, kind: str | None, folder: Path, role: str, dry_run: bool, as_json: bool) -> None:
    from pumplink.plugged.flash import checked, flash, identity_at, image_of, probe_at
    from pumprig.plugged import in_repl

    start = time.monotonic()
    with _packing_ahead(folder, kind or board) as packed_ahead, in_repl(board, kind) as (repl, hardware):
        checked(repl.system(), hardware, repl.device)
        packed_ahead()
        with _spelt(folder):
            image = image_of(hardware, folder)
        tell = (lambda line: None) if as_json else (lambda line: click.echo(f"  {line}"))
        copied, removed = flash(repl, image, left_alone=dry_run, tell=tell)
        device = repl.device
        if not dry_run:
            repl.start()
            repl.close()
            ask = probe_at if role == "probe" else identity_at
            runs = ask(device, baud=int(hardware.data.firmware["BAUD"])).firmware_hash
            if runs != image.firmware_hash:
                raise BuildMismatch(
                    f"the board runs build {runs.hex()}, and this is {image.firmware_hash.hex()}", where=device,
                    remedy="Flash it again.",
                )  # fmt: skip
        else:
            repl.reset()
    outcome = {
        "board": hardware.name, "role": role, "device": device, "build": image.firmware_hash.hex(), "copied": copied,
        "removed": removed, "octets": sum(len(image.files[path]) for path in copied), "written": not dry_run,
        "seconds": round(time.monotonic() - start, 3),
    }  # fmt: skip
    if as_json:
        click.echo(json.dumps(outcome))
        return
    done, build = ("would copy", "this is build") if dry_run else ("copied", "runs build")
    click.echo(
        f"{hardware.name} on {device}, {role}: {done} {len(copied)} files, {outcome['octets']} octets; "
        f"removed {len(removed)}; {build} {outcome['build']} ({outcome['seconds']:.1f} s)"
    )
