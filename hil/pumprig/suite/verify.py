"""Runs the suite: the correct firmware on every scenario, every wrong firmware against the check that must catch it.

A wrong firmware passes the suite when its check misses for the right reason (the message and the rule that the
catalogue names), and when with that check switched off it survives, or the second check that the catalogue names
catches it.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pumplink.boards import default_firmware
from pumprig.runs import BROKE_OFF
from pumprig.suite.catalogue import WrongFirmware, scenario_path
from pumprig.suite.patching import PatchError, copy_firmware, patched
from pumprig.suite.slots import Job, Run, run_jobs

__all__ = ["CORRECT", "Outcome", "Row", "verify"]

CORRECT = "correct firmware"


class Outcome(enum.Enum):
    """What the suite makes of a row."""

    OK = "ok"
    WRONG = "not as named"
    ERROR = "error"


@dataclass
class Row:
    """One line of the suite: a scenario of the correct firmware, or a wrong firmware.

    Args:
        name: the scenario or the wrong firmware.
        wrong: the catalogue's entry; None for the correct firmware.
        outcome: whether all is as the catalogue says.
        problem: what is not.
        caught_by: the checks that missed, in their order.
        reason: what the expected check said.
        without: what became of it with the check switched off.
        runs: how the runs ended.
        exit_code: of an error that is not the suite's own.
    """

    name: str
    wrong: WrongFirmware | None = None
    outcome: Outcome = Outcome.OK
    problem: str = ""
    caught_by: list[str] = field(default_factory=list)
    reason: str = ""
    without: str = ""
    runs: list[Run] = field(default_factory=list)
    exit_code: int = 0

    def fail(self, outcome: Outcome, problem: str, exit_code: int = 1) -> None:
        """Note what is not as it must be; the first problem stands."""
        if self.outcome is Outcome.OK:
            self.outcome, self.problem, self.exit_code = outcome, problem, exit_code

    def as_dict(self) -> dict[str, Any]:
        """The row as plain data."""
        values: dict[str, Any] = {"name": self.name, "outcome": self.outcome.value, "problem": self.problem}
        if self.wrong is not None:
            values |= {
                "about": self.wrong.about, "rule": self.wrong.rule, "scenario": self.wrong.scenario,
                "check": self.wrong.check, "second": self.wrong.second or None, "caught_by": self.caught_by,
                "reason": self.reason, "without": self.without,
            }  # fmt: skip
        return values | {"seconds": round(sum(run.seconds for run in self.runs), 3)}


def verify(
    scenarios: Sequence[str],
    wrong: Sequence[WrongFirmware],
    *,
    work: Path,
    slots: int = 2,
    firmware: Path | None = None,
    on_row: Callable[[Row], None] = lambda row: None,
    bearer: str = "serial",
) -> list[Row]:
    """Run the suite.

    Args:
        scenarios: names of the scenarios that the correct firmware must pass.
        wrong: the firmwares that must be caught.
        work: folder for firmware copies and records.
        slots: how many runs at a time.
        firmware: the correct firmware; the installed one when None.
        on_row: called with each row when it is complete.
        bearer: the way to the boards, `serial` or `ble`.

    Returns:
        A row for each scenario and then for each wrong firmware, in the order given.
    """
    source = firmware or default_firmware()
    rows = {f"{CORRECT}: {name}": Row(name) for name in scenarios}
    rows |= {entry.name: Row(entry.name, entry) for entry in wrong}
    jobs: dict[str, list[Job]] = {}
    for key, row in rows.items():
        made = _jobs_of(key, row, source, work, str(firmware) if firmware else None)
        jobs[key] = [replace(job, bearer=bearer) for job in made]
        if not jobs[key]:
            on_row(row)
    ended: dict[Job, Run] = {}
    queue = iter([job for made in jobs.values() for job in made])
    for job, runs in run_jobs(lambda: next(queue, None), slots):
        ended[job] = runs[0]
        made, row = jobs[job.key], rows[job.key]
        if all(other in ended for other in made):
            for other in made:
                row.runs.append(ended[other])
                _judge(row, other, ended[other])
            on_row(row)
    return list(rows.values())


def _jobs_of(key: str, row: Row, source: Path, work: Path, correct: str | None) -> list[Job]:
    out = work / "records" / row.name
    if row.wrong is None:
        return [Job(key, (str(scenario_path(row.name)),), str(out), correct)]
    try:
        texts = patched(source, row.wrong.edits, row.name)
    except PatchError as error:
        row.fail(Outcome.ERROR, error.message, error.exit_code)
        return []
    copy = str(copy_firmware(source, work / "firmware" / row.name, texts))
    scenario = (str(scenario_path(row.wrong.scenario)),)
    return [
        Job(key, scenario, str(out / "all-checks"), copy),
        Job(key, scenario, str(out / f"without-{row.wrong.check}"), copy, (row.wrong.check,)),
    ]


def _judge(row: Row, job: Job, run: Run) -> None:
    if run.verdict in ("ERROR", "INCONCLUSIVE") and not (job.without and _only_broke_off(run)):
        row.fail(Outcome.ERROR, run.reasons[0]["message"] if run.reasons else run.verdict, run.exit_code)
    elif row.wrong is None:
        if run.verdict != "PASS":
            row.fail(Outcome.WRONG, f"the correct firmware fails: {run.reasons[0]['message']}")
    elif job.without:
        _judge_without(row, row.wrong, run)
    else:
        _judge_caught(row, row.wrong, run)


def _judge_caught(row: Row, wrong: WrongFirmware, run: Run) -> None:
    row.caught_by = run.checks
    reason = run.reason_of(wrong.check)
    if reason is None:
        row.fail(Outcome.WRONG, f"{wrong.check} does not catch it" if run.checks else "nothing catches it")
        return
    row.reason = str(reason["message"])
    if wrong.says not in row.reason:
        row.fail(Outcome.WRONG, f"{wrong.check} does not say {wrong.says!r}")
    elif reason["rule"] != (wrong.cites or wrong.rule):
        row.fail(Outcome.WRONG, f"{wrong.check} cites {reason['rule']}, not {wrong.cites or wrong.rule}")


# A run that broke off is no PASS, whichever check is switched off; nothing caught it all the same.
def _only_broke_off(run: Run) -> bool:
    return [reason["message"] for reason in run.reasons] == [BROKE_OFF]


def _judge_without(row: Row, wrong: WrongFirmware, run: Run) -> None:
    row.without = f"caught by {', '.join(run.checks)}" if run.checks else "survives"
    if _only_broke_off(run):
        row.without = "survives, but no run ends"
    if wrong.second and wrong.second not in run.checks:
        row.fail(Outcome.WRONG, f"without {wrong.check}, {wrong.second} does not catch it")
    elif not wrong.second and run.checks:
        row.fail(Outcome.WRONG, f"without {wrong.check} it is {row.without}, and no second check is named")
