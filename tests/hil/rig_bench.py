"""What the rig's tests share: a short trace, a scenario as text, one run of it, and what its record holds.

Times of commands and faults, and `s` of dose events, count from the first sample, in seconds.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pumplink.boards import default_firmware
from pumplink.virtual.clocks import parse_clock
from pumprig.bearers import SERIAL, BearerChoice
from pumprig.runs import Outcome, RunOptions, execute, make_plan
from pumprig.scenario import Scenario
from pumprig.verdict import Verdict

MORNING = datetime(2026, 3, 4, 6)
BEFORE_MIDNIGHT = datetime(2026, 3, 4, 23)
# Rules that a busy machine, or a disturbed line, breaks, and not the pump.
_OF_THE_BENCH = {"D-955", "D-956", "D-957"}
MANUAL, PLGS = 'controller = "manual"', 'controller = "plgs"'


def clock(second: int) -> str:
    """A second of the run as scenarios write it."""
    return f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"


def _entry(table: str, at_s: int, kind: str, fields: dict[str, Any]) -> str:
    lines = [f"[[{table}]]", f'at = "{clock(at_s)}"', f'kind = "{kind}"']
    return "\n".join([*lines, *(f"{name} = {toml(value)}" for name, value in fields.items())])


def toml(value: Any) -> str:
    """A value as scenarios write it."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {toml(item)}" for name, item in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, datetime):
        return value.isoformat()
    return json.dumps(value) if isinstance(value, (bool, str)) else str(value)


def command(at_s: int, kind: str, **fields: Any) -> str:
    """A command of a scenario."""
    return _entry("command", at_s, kind, fields)


def fault(at_s: int, kind: str, **fields: Any) -> str:
    """A fault of a scenario."""
    return _entry("fault", at_s, kind, fields)


def profile(*blocks: tuple[int, Any]) -> list[dict[str, Any]]:
    """Blocks of (minutes, IU/h) as scenarios write them."""
    return [{"duration_minutes": minutes, "rate_iu_per_h": rate} for minutes, rate in blocks]


def pump(*blocks: tuple[int, Any], **settings: Any) -> str:
    """The pump of a scenario: its basal profile, 1 IU/h if none is given, and other settings."""
    values = {"basal_profile": profile(*(blocks or ((1440, 1),))), **settings}
    return "\n".join(["[pump]", *(f"{name} = {toml(value)}" for name, value in values.items())])


def trace_csv(readings: Iterable[tuple[int, int]], start: datetime = MORNING) -> str:
    """A plain CSV of (minutes since the start, mg/dL)."""
    lines = (f"{(start + timedelta(minutes=minutes)).isoformat()},{mg_dl}" for minutes, mg_dl in readings)
    return "\n".join(["time,glucose_mg_dl", *lines]) + "\n"


def every_5_minutes(glucose: Sequence[int]) -> list[tuple[int, int]]:
    """Readings five minutes apart."""
    return [(5 * number, mg_dl) for number, mg_dl in enumerate(glucose)]


def flat(minutes: int, mg_dl: int = 120) -> list[tuple[int, int]]:
    """Steady glucose, a reading every five minutes, over so many minutes: the last reading is five before their end."""
    return every_5_minutes([mg_dl] * (minutes // 5))


@dataclass(frozen=True)
class Run:
    """A run that has ended, and its record."""

    outcome: Outcome

    @property
    def folder(self) -> Path:
        return self.outcome.folder

    @property
    def verdict(self) -> Verdict:
        return self.outcome.verdict

    @property
    def dose_text(self) -> str:
        return (self.folder / "doses.jsonl").read_text(encoding="utf-8")

    @property
    def doses(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.dose_text.splitlines()]

    def events(self, kind: str) -> list[dict[str, Any]]:
        text = (self.folder / "events.jsonl").read_text(encoding="utf-8")
        return [event for line in text.splitlines() if (event := json.loads(line))["kind"] == kind]

    @property
    def pulses(self) -> list[int]:
        return [dose["s"] for dose in self.doses if dose["event"] == "pulse"]

    def told(self, *names: str) -> list[tuple[Any, ...]]:
        """Dose events of the names (second, name without History, values of the fields that a test looks at)."""
        wanted = {f"History{name}" for name in names} | set(names)
        return [
            (dose["s"], dose["event"].removeprefix("History"))
            for dose in self.doses
            if dose["event"] in wanted
        ]

    def of(self, name: str, *fields: str) -> list[tuple[Any, ...]]:
        """Dose events of one name: second and the fields asked for."""
        return [
            (dose["s"], *(dose.get(field) for field in fields))
            for dose in self.doses
            if dose["event"] in (name, f"History{name}")
        ]

    def answers(self, kind: str | None = None) -> list[int]:
        """Response codes of the scenario's commands, in order; of one kind, or of all after the bring-up."""
        start_s = self.events("run")[0]["start_s"]
        return [
            event["response"]
            for event in self.events("command")
            if event["at_s"] >= start_s and kind in (None, event["name"])
        ]

    def explain(self) -> str:
        """The reasons of the verdict and the violations, for a failed assertion."""
        reasons = [f"{reason.verdict.name}: {reason.message} ({reason.rule})" for reason in self.outcome.reasons]
        shown = [f"{v['check']} at {v['at_s']}: {v['message']}: {v['expected']} / {v['observed']}"
                 for v in self.events("violation")[:10]]  # fmt: skip
        return "\n".join([str(self.folder), *reasons, *shown])


class Bench:
    """Writes traces and scenarios into a folder and runs them there.

    Args:
        folder: where traces and records go.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def trace(self, readings: Iterable[tuple[int, int]], start: datetime = MORNING) -> Path:
        path = self.folder / "trace.csv"
        path.write_text(trace_csv(readings, start), encoding="utf-8")
        return path

    def scenario(self, *parts: str) -> Scenario:
        """A scenario over the trace written last; single lines come before tables."""
        lines = [part for part in parts if not part.lstrip().startswith("[")]
        tables = [part for part in parts if part.lstrip().startswith("[")]
        text = "\n".join(['trace = "trace.csv"', *lines, *tables]) + "\n"
        (self.folder / "scenario.toml").write_text(text, encoding="utf-8")
        return Scenario.load(self.folder / "scenario.toml")

    def run(
        self,
        *parts: str,
        readings: Iterable[tuple[int, int]] | None = None,
        start: datetime = MORNING,
        clock: str = "lockstep",
        board: str = "virtual",
        firmware: Path | None = None,
        without: frozenset[str] = frozenset(),
        report: bool = False,
        probe: str | None = None,
        bearer: BearerChoice = SERIAL,
    ) -> Run:
        """One run; an hour of steady glucose where no readings are given."""
        self.trace(flat(60) if readings is None else readings, start)
        chosen = parse_clock(clock)
        plan = make_plan(self.scenario(*parts), chosen, without=without)
        options = RunOptions(
            board=board, clock=chosen, out=self.folder / "runs", firmware=firmware, report=report, probe=probe,
            bearer=bearer,
        )
        return Run(execute(plan, options))


def firmware_copy(folder: Path, **replaced: tuple[str, str]) -> Path:
    """A copy of the firmware with lines replaced: module path with dots and `__`, as in `pump__bolus=(old, new)`."""
    source = default_firmware()
    copy = folder / "firmware"
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
    for module, (old, new) in replaced.items():
        path = copy / (module.replace("__", "/") + ".py")
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{path.name} holds {old!r} {text.count(old)} times"
        path.write_text(text.replace(old, new), encoding="utf-8")
    return copy


@contextmanager
def board_on_a_line(clock: str) -> Iterator[subprocess.Popen[str]]:
    """A virtual board in a process of its own, whose first line names its device; it is gone afterwards in any case."""
    program = [sys.executable, "-m", "pumprig.cli", "board", "--clock", clock]
    env = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True, env=env) as board:
        try:
            yield board
        finally:
            # Unlike the interrupt, this request cannot have been switched off by whoever started the tests.
            board.terminate()
            try:
                board.wait(20)
            except subprocess.TimeoutExpired:
                board.kill()


def fit_run(run: Callable[[], Run], attempts: int = 4) -> Run:
    """A run in real time, repeated while the machine is too busy for it; skips the test when it always is.

    Only a run that is INCONCLUSIVE, and for nothing but its bench or its line, is repeated: what failed has failed.
    """
    reasons = ""
    for _attempt in range(attempts):
        ended = run()
        rules = {reason.rule for reason in ended.outcome.reasons}
        if ended.verdict is not Verdict.INCONCLUSIVE or not rules <= _OF_THE_BENCH:
            return ended
        reasons = ended.explain()
    pytest.skip(f"this machine is too busy for a run in real time: {reasons.splitlines()[-1]}")
