"""The mutation campaign: each mutant against the suite's scenarios until one kills it.

A mutant is killed when a run ends in FAIL: a check missed, a traceback, a reset or a hang. One that passes every
scenario survives, and a survivor must be explained in the committed list.
"""

from __future__ import annotations

import shutil
import tomllib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pumplink.boards import default_firmware
from pumprig.errors import RigError
from pumprig.suite.catalogue import scenario_paths
from pumprig.suite.mutants import Mutant
from pumprig.suite.patching import copy_firmware
from pumprig.suite.slots import Job, Run, run_jobs

__all__ = ["Fate", "Survivors", "load_survivors", "run_campaign"]

SURVIVORS_PATH = Path(__file__).parent / "survivors.toml"
# What kills most comes first; the rest of the order is learned while the campaign runs.
_FIRST = ("therapy", "lows", "reservoir", "boluses", "midnight", "profiles")

Key = tuple[str, str, str, str]


@dataclass(frozen=True)
class Fate:
    """What became of a mutant.

    Args:
        mutant: the mutant.
        killed_by: the scenario that killed it; empty when it survived.
        check: the check that missed first.
        message: what it said.
        error: the rig's own trouble with it, empty without.
        seconds: of host time.
    """

    mutant: Mutant
    killed_by: str = ""
    check: str = ""
    message: str = ""
    error: str = ""
    seconds: float = 0.0

    @property
    def survived(self) -> bool:
        """Whether no scenario saw a difference."""
        return not self.killed_by and not self.error


class Survivors:
    """The survivors that are known, each with its reason.

    Args:
        reasons: by file, function, line before and line after.
    """

    def __init__(self, reasons: dict[Key, str]) -> None:
        self.reasons = reasons

    def why(self, mutant: Mutant) -> str:
        """Why the mutant survives; empty when nobody said so."""
        return self.reasons.get(mutant.key, "")

    def stale(self, mutants: Sequence[Mutant]) -> list[Key]:
        """Entries that no mutant of this firmware is, because the code has changed."""
        there = {mutant.key for mutant in mutants}
        return [key for key in self.reasons if key not in there]


def load_survivors(path: Path = SURVIVORS_PATH) -> Survivors:
    """Read the list of explained survivors.

    Raises:
        RigError: the list is wrong.
    """
    reasons: dict[Key, str] = {}
    try:
        groups = tomllib.loads(path.read_text(encoding="utf-8"))["survivor"]
        for group in groups:
            for function, before, after in group["lines"]:
                reasons[group["file"], function, before, after] = group["why"]
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise RigError(f"the list of survivors cannot be read: {error!r}", where=str(path)) from None
    return Survivors(reasons)


def run_campaign(
    mutants: Sequence[Mutant],
    *,
    work: Path,
    slots: int = 2,
    firmware: Path | None = None,
    on_fate: Callable[[Fate], None] = lambda fate: None,
) -> list[Fate]:
    """Run mutants.

    Args:
        mutants: which.
        work: folder for firmware copies and records; a mutant's are removed when its fate is known.
        slots: how many at a time.
        firmware: what they are mutants of; the installed one when None.
        on_fate: called as each fate is known.

    Returns:
        The fates in the order of the mutants.
    """
    source = firmware or default_firmware()
    paths = scenario_paths()
    kills: Counter[str] = Counter({name: len(_FIRST) - place for place, name in enumerate(_FIRST)})
    waiting = iter(enumerate(mutants))
    fates: dict[int, Fate] = {}

    def next_job() -> Job | None:
        number, mutant = next(waiting, (-1, None))
        if mutant is None:
            return None
        copy = copy_firmware(source, work / str(number) / "firmware", {mutant.file: mutant.text})
        order = sorted(paths, key=lambda name: (-kills[name], name))
        scenarios = tuple(str(paths[name]) for name in order)
        return Job(str(number), scenarios, str(work / str(number) / "records"), str(copy), until_fail=True)

    for job, runs in run_jobs(next_job, slots):
        number = int(job.key)
        fate = _fate(mutants[number], runs)
        if fate.killed_by:
            kills[fate.killed_by] += 1
        shutil.rmtree(work / job.key, ignore_errors=True)
        fates[number] = fate
        on_fate(fate)
    return [fates[number] for number in sorted(fates)]


def _fate(mutant: Mutant, runs: Sequence[Run]) -> Fate:
    last = runs[-1]
    seconds = sum(run.seconds for run in runs)
    if last.verdict == "PASS":
        return Fate(mutant, seconds=seconds)
    worst = next((reason for reason in last.reasons if reason["verdict"] == last.verdict), None)
    message = str(worst["message"]) if worst else last.verdict
    if last.verdict != "FAIL":
        return Fate(mutant, error=f"{last.scenario}: {message}", seconds=seconds)
    return Fate(mutant, last.scenario, str(worst["check"]) if worst else "", message, seconds=seconds)
