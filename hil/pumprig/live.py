"""The live view of a run: `python -m pumprig.live RUN_DIR`.

A process of its own that reads the record as it grows, so that drawing never delays the rig. In a terminal it draws
three to four frames a second; elsewhere it writes a line for each simulated hour, each violation and the verdict. It
ends with the verdict, or when whoever writes the record is gone.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

APPEAR_S = 20.0
NICENESS = 10
INTERRUPTED_EXIT_CODE = 130


def process_runs(pid: int) -> bool:
    """Whether a process is there; one of somebody else's counts."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def writer_watch(pid: int | None) -> Callable[[], bool]:
    """A question that is answered with no once the writer is gone.

    Args:
        pid: of the writer; None for whoever started this process.
    """
    if pid is not None:
        return lambda: process_runs(pid)
    parent = os.getppid()
    return lambda: os.getppid() == parent


def _wait_for(
    path: Path, alive: Callable[[], bool], clock: Callable[[], float], pause: Callable[[float], None]
) -> bool:
    until = clock() + APPEAR_S
    while not path.exists():
        if clock() > until or not alive():
            return False
        pause(0.05)
    return True


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


def main(arguments: list[str] | None = None) -> int:
    """Show a run until it ends. Returns 0, 2 when there is no record, or 130 when interrupted."""
    parser = argparse.ArgumentParser(prog="python -m pumprig.live", description="Show a run while it goes on.")
    parser.add_argument("run_dir", type=Path, help="the folder of the run")
    parser.add_argument("--writer", type=int, metavar="PID", help="end when this process ends (default: the parent)")
    parser.add_argument("--plain", action="store_true", help="write lines, as where there is no terminal")
    chosen = parser.parse_args(arguments)
    # The rig has deadlines and the view has none: from here on, and so before anything large is loaded.
    os.nice(NICENESS)
    # A polite request to end must leave the terminal as it was.
    signal.signal(signal.SIGTERM, _stop)
    alive = writer_watch(chosen.writer)
    path = chosen.run_dir / "events.jsonl"
    try:
        if not _wait_for(path, alive, time.monotonic, time.sleep):
            sys.stderr.write(
                f"pumprig: {chosen.run_dir}: there is no events.jsonl to follow. Name the folder of a run.\n"
            )
            return 2
        from rich.console import Console

        from pumprig.live_follow import Tail, follow_frames, follow_plain

        console = Console()
        if chosen.plain or not console.is_terminal or console.is_dumb_terminal:
            follow_plain(Tail(path), sys.stdout, alive, time.sleep)
        else:
            follow_frames(Tail(path), console, alive, time.sleep)
    except KeyboardInterrupt:
        return INTERRUPTED_EXIT_CODE
    except BrokenPipeError:
        # The reader of the lines has left; without this, Python would complain once more when it closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main())
