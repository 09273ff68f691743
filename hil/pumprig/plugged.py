"""Boards that are plugged in, as the commands use them: found by name, held while used, errors with their exit code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pumplink.errors import (
    BearerBusy,
    BearerError,
    BoardFull,
    BoardRefused,
    BoardSilent,
    ProbeError,
    PumpLinkError,
    WireMismatch,
)
from pumplink.plugged.hardware import Hardware, real_boards
from pumplink.plugged.lock import BoardLock, foreign_holders
from pumplink.plugged.ports import Port, choose
from pumprig.errors import BlockedError, BuildMismatch, UsageError

if TYPE_CHECKING:
    from pumplink.plugged.repl import Repl

__all__ = ["ALLOWED", "build_at", "build_of", "held", "in_repl", "port_of", "told"]

STARTS_WITHIN_S = 6
ALLOWED = "virtual, id:SERIAL, port:DEVICE, the name of a board that is plugged in"


@contextmanager
def told() -> Iterator[None]:
    """Errors of a board as those of a command: 5 when its firmware does not start, or speaks another wire; 3 for all
    that keeps it away."""
    try:
        yield
    except (BoardSilent, WireMismatch) as error:
        raise BuildMismatch(str(error)) from None
    except (BearerError, BoardFull, BoardRefused) as error:
        raise BlockedError(str(error)) from None


def port_of(name: str, option: str = "--board") -> Port:
    """The device that a name of the command line means.

    Args:
        name: as given.
        option: where it was given.

    Raises:
        UsageError: it names nothing.
        BlockedError: no device fits, or several do; they are listed.
    """
    if name in ("port:", "id:"):
        raise UsageError(f"{name} names nothing", where=option, allowed=ALLOWED)
    with told():
        try:
            return choose(name, _says)
        except ValueError as error:
            raise UsageError(str(error), where=option, allowed=ALLOWED) from None


def _says(port: Port) -> str | None:
    """Which board a device says it is, where several have the same USB id; None when it does not answer, or is held."""
    from pumplink.plugged.flash import name_of
    from pumplink.plugged.repl import Repl

    try:
        with BoardLock(port.device), Repl(port.device) as repl:
            repl.interrupt()
            name = name_of(repl.system(), port.device).name
            repl.reset()
            return name
    except (PumpLinkError, ValueError):
        return None


@contextmanager
def held(device: str) -> Iterator[None]:
    """Holds a device for a command.

    Raises:
        BlockedError: another command holds it, or another program; the message says which, with its process.
    """
    with told():
        lock = BoardLock(device)
    try:
        yield
    except BearerBusy as error:
        others = "; ".join(str(holder) for holder in foreign_holders(device)) or "a program of another user"
        raise BlockedError(f"{error} (it is {others})") from None
    finally:
        lock.release()


@contextmanager
def in_repl(name: str, kind: str | None = None) -> Iterator[tuple[Repl, Hardware]]:
    """The REPL of the board that `--board` means, held meanwhile, and the data of that board.

    Args:
        name: as given on the command line.
        kind: name of the board whose data is taken, whatever the board says; None for what it says.
    Raises:
        UsageError: there is no such board.
        BlockedError: the board is not there, is held, or is another one.
        BuildMismatch: it gives no REPL.
    """
    from pumplink.plugged.flash import name_of
    from pumplink.plugged.repl import Repl

    try:
        boards = real_boards()
    except ValueError as error:
        raise UsageError(str(error)) from None
    if kind is not None and kind not in boards:
        raise UsageError(f"no real board named {kind!r}", where="--as", allowed=", ".join(boards))
    port = port_of(name)
    with told(), held(port.device), Repl(port.device) as repl:
        repl.interrupt()
        hardware = boards[kind] if kind is not None else name_of(repl.system(), port.device)
        if name in boards and hardware.name != name:
            raise BoardRefused(f"{port.device}: this is {hardware.data.title}, named {hardware.name}, and not {name}")
        yield repl, hardware


def build_of(port: Port) -> str:
    """Which build a board runs, in words: its hash, or why it does not say. It goes on running.

    A board that has just started, as some do when their port is opened, gets the time that it takes for it.
    """
    try:
        with BoardLock(port.device):
            return build_at(port.device)
    except WireMismatch as error:
        return str(error)
    except BearerBusy:
        return "not asked: it is held"
    except PumpLinkError:
        return "none that speaks this wire"


def build_at(device: str, baud: int = 115200) -> str:
    """Which build a board that is held runs: its hash, after the word `probe` where it is one.

    Raises:
        PumpLinkError: it does not say.
    """
    from pumplink.plugged.flash import identity_at, probe_at

    try:
        return identity_at(device, baud=baud, attempts=STARTS_WITHIN_S).firmware_hash.hex()
    except WireMismatch:
        raise
    except BearerError as error:
        try:
            return f"probe {probe_at(device, baud=baud, attempts=1).firmware_hash.hex()}"
        except ProbeError:
            raise error from None
