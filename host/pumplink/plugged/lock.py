"""Who holds a board: one command at a time, seen by the others, and free again as soon as its holder is dead.

The lock is that of the kernel on a file, which goes with the process however it ends; what stands in the file only says
who it is.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shlex
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from pumplink.errors import BearerBusy

__all__ = ["BoardLock", "Holder", "foreign_holders", "holder_of"]

_ALL_MAY = 0o666
_FOLDER = "pumprig-locks"
_ATTEMPTS = 5
_BETWEEN_S = 0.02


class Holder(NamedTuple):
    """Who holds a board: process, since when (UTC, ISO 8601), and its command."""

    pid: int
    since: str
    command: str

    def __str__(self) -> str:
        since = f" since {self.since}" if self.since else ""
        return f"process {self.pid}{since}: {self.command}"


def _file_of(device: str) -> Path:
    place = device if "://" in device else os.path.realpath(device)
    return Path(tempfile.gettempdir()) / _FOLDER / (re.sub(r"[^A-Za-z0-9.-]+", "_", place).strip("_") + ".json")


def _open(path: Path) -> int:
    if not path.parent.is_dir():
        path.parent.mkdir(exist_ok=True)
        # For all users of the machine, each of whom can only remove what is theirs.
        path.parent.chmod(0o1777)
    # A file of another user is opened, never made again: the kernel refuses that in a folder for all.
    for flags in (os.O_RDWR, os.O_RDWR | os.O_CREAT):
        try:
            descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, _ALL_MAY)
        except FileNotFoundError:
            continue
        with contextlib.suppress(PermissionError):
            os.fchmod(descriptor, _ALL_MAY)
        return descriptor
    raise FileNotFoundError(path)


def _read(descriptor: int) -> Holder:
    try:
        told = json.loads(os.pread(descriptor, 4096, 0))
        return Holder(int(told["pid"]), str(told["since"]), str(told["command"]))
    except (ValueError, KeyError, TypeError):
        # It has the lock, and has not yet written who it is.
        return Holder(0, "", "not said")


def _take(descriptor: int) -> None:
    """Takes the lock. Who only looks has it for an instant, so it is asked for more than once."""
    for _ in range(_ATTEMPTS - 1):
        with contextlib.suppress(BlockingIOError):
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        time.sleep(_BETWEEN_S)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


class BoardLock:
    """The right to a board, from its making to `release`.

    Args:
        device: the serial device of the board; all names of one device are the same board.
    Raises:
        BearerBusy: another command holds it; the message says which.
    """

    def __init__(self, device: str) -> None:
        self._descriptor: int | None = None
        descriptor = _open(_file_of(device))
        try:
            _take(descriptor)
        except BlockingIOError:
            holder = _read(descriptor)
            os.close(descriptor)
            raise BearerBusy(f"{device}: the board is held by {holder}; wait for it, or end it") from None
        command = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
        since = datetime.now(UTC).isoformat(timespec="seconds")
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps({"pid": os.getpid(), "since": since, "command": command}).encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Gives the board free. A second call does nothing."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            # Closing alone does not while a program that this one has just started still has a copy of it.
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> BoardLock:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.release()


def holder_of(device: str) -> Holder | None:
    """Which command of pumprig holds a board now; None for none."""
    try:
        descriptor = os.open(_file_of(device), os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(descriptor)
    finally:
        os.close(descriptor)
    return None


def foreign_holders(device: str) -> list[Holder]:
    """Which processes have a serial device open, as far as this user may see (Linux only)."""
    place = os.path.realpath(device)
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if any(os.readlink(link) == place for link in (folder / "fd").iterdir()):
                words = (folder / "cmdline").read_bytes().decode("utf-8", "replace").rstrip("\0").split("\0")
                found.append(Holder(int(folder.name), "", shlex.join(words)))
        except OSError:
            # Another user's, or gone meanwhile.
            continue
    return sorted(found)
