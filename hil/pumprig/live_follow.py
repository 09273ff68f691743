"""Follows the record of a run while it grows: frames in a terminal, lines elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console
from rich.live import Live

from pumprig.live_view import Frame, LiveState, decision_line, violation_line
from pumprig.report.reading import run_title
from pumprig.report.summary import of_the_bench
from pumprig.report.words import count

FRAME_S = 0.28
READ_OCTETS = 1 << 20


class Tail:
    """Reads a growing file of JSON lines; a line without its end stays for the next time.

    Args:
        path: the file, which need not be there yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._offset = 0
        self._rest = b""

    def read(self) -> Iterator[dict[str, Any]]:
        """The events that were added since the last call."""
        try:
            with self.path.open("rb") as file:
                file.seek(self._offset)
                while block := file.read(READ_OCTETS):
                    self._offset += len(block)
                    *lines, self._rest = (self._rest + block).split(b"\n")
                    yield from self._events(lines)
        except FileNotFoundError:
            return

    def _events(self, lines: list[bytes]) -> Iterator[dict[str, Any]]:
        for line in lines:
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict):
                yield event


def plain_line(state: LiveState) -> str:
    """How the run stands, in one line for a log."""
    value = next((point[1] for point in reversed(state.glucose) if point is not None), None)
    parts = [
        f"{state.clock(state.now_s):%Y-%m-%d %H:%M}",
        f"{100 * state.share:3.0f} %",
        "glucose –" if value is None else f"glucose {value:.0f} mg/dL",
    ]
    if state.rates:
        _, rate, tbr, suspended = state.rates[-1]
        parts.append(f"basal {rate:.3g} U/h" + (" suspended" if suspended else " TBR" if tbr else ""))
    if state.iob_iu is not None:
        parts.append(f"IOB {state.iob_iu:.2f} U")
    if state.reservoir_iu is not None:
        parts.append(f"reservoir {state.reservoir_iu:.2f} U")
    return "  ".join([*parts, f"{state.verdict} so far"])


# What follows the last frame, the run's outcome and the prompt, must not push its first line off the terminal.
SUMMARY_LINES = 6


class PlainView:
    """Lines for where there is no terminal.

    Args:
        out: where they go.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._hour = -1

    def take(self, state: LiveState, event: dict[str, Any]) -> None:
        """Say what an event changes, if it is worth a line."""
        kind = event.get("kind")
        if kind == "violation":
            word = "UNFIT" if of_the_bench(event.get("check")) else "VIOLATION"
            self._say(f"{word}  {violation_line(state, event)}")
        elif kind == "verdict":
            self._say("  ".join([f"{state.verdict}  {count(state.pulses, 'pulse')}", *state.reasons]))
        elif kind == "progress":
            hour = int((state.now_s - state.start_s) // 3600)
            if hour > self._hour:
                self._hour = hour
                self._say(plain_line(state))

    def gone(self, state: LiveState) -> None:
        """The writer is gone without a verdict."""
        self._say(f"the run ended without a verdict; last decision {decision_line(state)}")

    def _say(self, line: str) -> None:
        self._out.write(line + "\n")
        self._out.flush()


def _title(events: Path) -> str:
    try:
        info = json.loads((events.parent / "run.json").read_bytes())
    except (OSError, ValueError):
        info = {}
    return run_title(info) if isinstance(info, dict) else ""


def follow_plain(tail: Tail, out: TextIO, alive: Callable[[], bool], pause: Callable[[float], None]) -> LiveState:
    """Follow a record with lines until its verdict, or until the writer is gone.

    Args:
        tail: the record.
        out: where lines go.
        alive: whether the writer is still there.
        pause: waits for so many seconds.
    """
    state, view = LiveState(), PlainView(out)
    while True:
        # Asked before reading: what the writer wrote last is then read in any case.
        there = alive()
        for event in tail.read():
            state.apply(event)
            view.take(state, event)
        if state.ended:
            return state
        if not there:
            view.gone(state)
            return state
        pause(FRAME_S)


def follow_frames(tail: Tail, console: Console, alive: Callable[[], bool], pause: Callable[[float], None]) -> LiveState:
    """Follow a record with frames on the alternate screen; the last frame stays on the normal one.

    Args:
        tail: the record.
        console: a terminal.
        alive: whether the writer is still there.
        pause: waits for so many seconds.
    """
    state = LiveState(title=_title(tail.path))
    ascii_only = not (console.encoding or "").lower().startswith("utf")

    def frame(kept_lines: int = 0) -> Any:
        return Frame(console.width, console.height - kept_lines, ascii_only).draw(state)

    try:
        with Live(console=console, screen=True, auto_refresh=False, transient=True) as live:
            while True:
                there = alive()
                for event in tail.read():
                    state.apply(event)
                live.update(frame(), refresh=True)
                if state.ended or not there:
                    break
                pause(FRAME_S)
    finally:
        if state.run:
            console.print(frame(SUMMARY_LINES))
    return state
