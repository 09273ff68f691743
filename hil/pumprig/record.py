"""The record of a run: a folder that grows while the run goes on and from which every report is made.

`run.json` says what was run, how it ended and whether it was complete; `events.jsonl` is the append-only log of
everything seen; `doses.jsonl` holds the dose events alone, the same bytes whenever the same scenario gives the same
doses; `dut.log` is what the pump printed, `frames.jsonl` the last octets that crossed the bearer.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO, Any

from pumprig.errors import RigError, UsageError

__all__ = ["RunRecord", "new_run_folder"]

_SYNCED_KINDS = frozenset({"run", "violation", "verdict"})
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, default=str).encode
_encode_sorted = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, sort_keys=True, default=str).encode


def new_run_folder(out: Path, run_id: str) -> Path:
    """Make the folder of a run below `out`.

    Args:
        out: the folder that holds runs; made when missing.
        run_id: name of the run; a number is appended when it is taken.

    Raises:
        UsageError: when the folder cannot be made.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        for number in range(1, 1000):
            folder = out / (run_id if number == 1 else f"{run_id}-{number}")
            try:
                folder.mkdir()
            except FileExistsError:
                continue
            return folder
    except OSError as error:
        raise UsageError(
            f"cannot make a run folder: {error.strerror}", where=str(out), remedy="Name another folder with --out."
        ) from None
    raise UsageError(f"{run_id} is taken a thousand times", where=str(out), remedy="Name another folder with --out.")


class RunRecord:
    """Writes the record of one run.

    Every violation is synced to the disk before the run goes on. When a write fails, the files keep what they held
    and `RigError` names the file and the cause.

    Args:
        folder: an existing, empty folder.
        clock: seconds of host time, monotonic.
    """

    def __init__(self, folder: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.folder = folder
        self._clock = clock
        self._started = clock()
        self._meta: dict[str, Any] = {}
        self._events = self._open("events.jsonl")
        # It says that the run goes on, and goes with this process; where a file system has no locks nobody is told.
        with contextlib.suppress(OSError):
            fcntl.flock(self._events, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._doses = self._open("doses.jsonl")
        self._log = self._open("dut.log")
        self._frames = self._open("frames.jsonl")

    def _open(self, name: str) -> IO[str]:
        return self._guard(name, lambda: open(self.folder / name, "a", encoding="utf-8"))

    def _guard(self, name: str, action: Callable[[], Any]) -> Any:
        try:
            return action()
        except OSError as error:
            remedy = "Free some space or name another folder with --out." if error.errno == errno.ENOSPC else (
                "Name another folder with --out."
            )
            raise RigError(
                f"cannot write the record: {error.strerror}; it is kept up to this moment",
                where=str(self.folder / name),
                remedy=remedy,
            ) from None

    @property
    def host_s(self) -> float:
        """Seconds of host time since the record was opened."""
        return self._clock() - self._started

    def event(self, kind: str, t: float, **fields: Any) -> None:
        """Append one event.

        Args:
            kind: what it is; the kinds are listed in ARCHITECTURE.md.
            t: seconds of the pump's time.
            fields: plain data.
        """
        line = _encode({"t": round(t, 6), "host": round(self.host_s, 6), "kind": kind, **fields}) + "\n"

        def write() -> None:
            self._events.write(line)
            if kind in _SYNCED_KINDS:
                self._events.flush()
                os.fsync(self._events.fileno())

        self._guard("events.jsonl", write)

    def flush(self) -> None:
        """Let readers of the running record see everything written so far."""
        self._guard("events.jsonl", self._events.flush)

    def dose(self, at_s: int, event: str, **fields: Any) -> None:
        """Append one dose event; `at_s` is the pump second relative to the first sample."""
        line = _encode_sorted({"s": at_s, "event": event, **fields}) + "\n"
        self._guard("doses.jsonl", lambda: self._doses.write(line))

    def log(self, line: str) -> None:
        """Append a line that the pump printed."""

        def write() -> None:
            self._log.write(line.rstrip("\n") + "\n")
            self._log.flush()

        self._guard("dut.log", write)

    def frame(self, at_s: float, direction: str, octets: bytes) -> None:
        """Append octets that crossed the bearer at a DUT second; `direction` is `to_board` or `to_host`."""
        line = _encode({"t": round(at_s, 6), "direction": direction, "octets": octets.hex()}) + "\n"
        self._guard("frames.jsonl", lambda: self._frames.write(line))

    def meta(self, **fields: Any) -> None:
        """Merge fields into run.json, replacing the file as a whole so that a reader never sees half of it."""
        self._meta.update(fields)

        def write() -> None:
            path = self.folder / "run.json"
            fresh = path.with_suffix(".json.new")
            fresh.write_text(json.dumps(self._meta, indent=1, ensure_ascii=False, default=str) + "\n", encoding="utf-8")
            fresh.replace(path)

        self._guard("run.json", write)

    def close(self, *, complete: bool = False) -> None:
        """Write what is buffered and close the files: all of them, whatever happens to one.

        Args:
            complete: whether the run came to its orderly end; run.json says so when all else is written.

        Raises:
            RigError: the first that could not be written.
        """
        problems: list[RigError] = []

        def attempt(action: Callable[[], None]) -> None:
            try:
                action()
            except RigError as error:
                problems.append(error)

        for file in (self._doses, self._log, self._frames):
            attempt(partial(self._guard, Path(file.name).name, file.close))
        if not self._events.closed:
            attempt(self.flush)
        if complete and not problems:
            attempt(partial(self.meta, complete=True))
        attempt(partial(self._guard, "events.jsonl", self._events.close))
        if problems:
            raise problems[0]
