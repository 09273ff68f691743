"""What a virtual board prints."""

from __future__ import annotations

import os
import select
import subprocess
import threading
from collections import deque

from pumplink.packing.told import Told
from pumplink.virtual.launch import SHIMS

__all__ = ["BoardOutput"]

_LINES_KEPT = 4000
_READ_OCTETS = 1 << 16
_TRACEBACK = b"Traceback (most recent"


class BoardOutput:
    """The last lines of a board over all its starts, read in a thread of its own, and whenever anybody looks."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=_LINES_KEPT)
        self._tracebacks = 0
        self._begun = b""
        self._pipe: int | None = None
        self._told: Told | None = None
        self._taking = threading.Lock()
        self._reader: threading.Thread | None = None

    @property
    def lines(self) -> list[str]:
        """The last of them, up to what was printed just now, tracebacks included."""
        self._take()
        return list(self._lines)

    @property
    def tracebacks(self) -> int:
        """How many tracebacks there have been."""
        self._take()
        return self._tracebacks

    def read(self, process: subprocess.Popen[bytes], told: Told) -> None:
        """Reads what a process prints, until its end.

        Args:
            process: the board's.
            told: what the names and lines of its packed firmware were.
        """
        assert process.stdout is not None
        self._pipe = process.stdout.fileno()
        self._told = told
        os.set_blocking(self._pipe, False)
        self._reader = threading.Thread(target=self._run, args=(process,), daemon=True)
        self._reader.start()

    def join(self) -> None:
        """Waits for the last line of a process that has ended."""
        if self._reader is not None:
            self._reader.join(timeout=2)
            self._reader = None

    def _run(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        while select.select([process.stdout], [], [])[0] and self._take():
            pass
        with self._taking:
            self._pipe = None
            process.stdout.close()

    # What is there now; false when nothing will come any more.
    def _take(self) -> bool:
        with self._taking:
            while self._pipe is not None:
                try:
                    octets = os.read(self._pipe, _READ_OCTETS)
                except BlockingIOError:
                    return True
                *lines, self._begun = (self._begun + octets).split(b"\n")
                if not octets:
                    lines, self._begun = ([self._begun] if self._begun else []), b""
                for line in lines:
                    self._line(line)
                if not octets:
                    return False
            return False

    def _line(self, line: bytes) -> None:
        assert self._told is not None
        self._lines.append(self._told.line(_text(line)))
        if _TRACEBACK in line:
            self._tracebacks += 1


# Without folders of this machine: a traceback goes into reports.
def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "replace").rstrip("\r\n").replace(str(SHIMS), "/shims")
