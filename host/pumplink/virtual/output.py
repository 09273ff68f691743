"""What a virtual board prints."""

from __future__ import annotations

import subprocess
import threading
from collections import deque

from pumplink.packing.told import Told
from pumplink.virtual.launch import SHIMS

__all__ = ["BoardOutput"]

_LINES_KEPT = 4000
_TRACEBACK = b"Traceback (most recent"


class BoardOutput:
    """The last lines of a board over all its starts, read in a thread of its own.

    Attributes:
        lines: the last of them, tracebacks included.
        tracebacks: how many tracebacks there have been.
    """

    def __init__(self) -> None:
        self.lines: deque[str] = deque(maxlen=_LINES_KEPT)
        self.tracebacks = 0
        self._reader: threading.Thread | None = None

    def read(self, process: subprocess.Popen[bytes], told: Told) -> None:
        """Reads what a process prints, until its end.

        Args:
            process: the board's.
            told: what the names and lines of its packed firmware were.
        """
        self._reader = threading.Thread(target=self._run, args=(process, told), daemon=True)
        self._reader.start()

    def join(self) -> None:
        """Waits for the last line of a process that has ended."""
        if self._reader is not None:
            self._reader.join(timeout=2)
            self._reader = None

    def _run(self, process: subprocess.Popen[bytes], told: Told) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.lines.append(told.line(_line(line)))
            if _TRACEBACK in line:
                self.tracebacks += 1
        process.stdout.close()


# Without folders of this machine: a traceback goes into reports.
def _line(octets: bytes) -> str:
    return octets.decode("utf-8", "replace").rstrip("\r\n").replace(str(SHIMS), "/shims")
