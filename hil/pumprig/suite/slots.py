"""Runs many jobs in a few processes at a time; a crash or a hang costs one job."""

from __future__ import annotations

import contextlib
import json
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import IO, Any

__all__ = ["Job", "Run", "run_jobs"]

JOB_SECONDS_MAX = 120.0
_CRASH_LINES = 3
_END_SECONDS_MAX = 5.0


@dataclass(frozen=True)
class Job:
    """Some runs of one firmware.

    Args:
        key: what the caller knows it by.
        scenarios: paths of the scenarios, in their order.
        out: folder for the records.
        firmware: folder of the firmware; None for the installed one.
        without: checks that are switched off.
        until_fail: stop at the first run that is no PASS.
        seconds_max: host seconds after which the job counts as hung; the usual ones when None.
        bearer: the way to the virtual board.
        cgm_bearer: another way for the sensor.
    """

    key: str
    scenarios: tuple[str, ...]
    out: str
    firmware: str | None = None
    without: tuple[str, ...] = ()
    until_fail: bool = False
    seconds_max: float | None = None
    bearer: str = "serial"
    cgm_bearer: str | None = None

    @property
    def limit_s(self) -> float:
        """Host seconds after which the job counts as hung."""
        return JOB_SECONDS_MAX if self.seconds_max is None else self.seconds_max


@dataclass(frozen=True)
class Run:
    """How one run of a job ended.

    Args:
        scenario: its name.
        verdict: as in run.json.
        exit_code: as `pumprig run` would give it.
        reasons: as in run.json.
        seconds: of host time.
        folder: its record.
    """

    scenario: str
    verdict: str
    exit_code: int
    reasons: list[dict[str, Any]]
    seconds: float = 0.0
    folder: str = ""

    @property
    def checks(self) -> list[str]:
        """The checks that were missed, in the order in which they were first."""
        return [reason["check"] for reason in self.reasons if reason["check"]]

    def reason_of(self, check: str) -> dict[str, Any] | None:
        """The first thing that a check had to say."""
        return next((reason for reason in self.reasons if reason["check"] == check), None)


@dataclass
class _Slot:
    errors: IO[str]
    process: subprocess.Popen[str] | None = None
    job: Job | None = None
    until_s: float = 0.0

    def give(self, job: Job) -> None:
        if self.process is None:
            # A session of its own, so that an interruption of the terminal is for the parent alone to hand on.
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pumprig.suite.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=self.errors, text=True, start_new_session=True,
            )  # fmt: skip
        self.job = job
        self.until_s = time.monotonic() + job.limit_s
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(asdict(job)) + "\n")
            self.process.stdin.flush()

    def answer(self) -> list[Run]:
        assert self.process is not None and self.process.stdout is not None and self.job is not None
        line = self.process.stdout.readline()
        if line.endswith("\n"):
            return [Run(**run) for run in json.loads(line)]
        self.end()
        return [self._lost(f"the rig crashed: {self._last_words()}")]

    def overdue(self) -> list[Run]:
        assert self.job is not None
        limit_s = self.job.limit_s
        self.end()
        return [self._lost(f"the run did not end within {limit_s:g} s")]

    def _lost(self, message: str) -> Run:
        reason = {"verdict": "ERROR", "message": message, "rule": "", "check": "", "at_s": None}
        return Run("", "ERROR", 4, [reason])

    def _last_words(self) -> str:
        self.errors.seek(0)
        return " | ".join(line.strip() for line in self.errors.read().splitlines()[-_CRASH_LINES:]) or "no message"

    def end(self) -> None:
        if self.process is not None:
            # Interrupted, a run still ends its virtual board; a slot without a run ends with its input.
            if self.job is not None and self.process.poll() is None:
                self.process.send_signal(signal.SIGINT)
            with contextlib.suppress(BrokenPipeError):
                assert self.process.stdin is not None
                self.process.stdin.close()
            try:
                self.process.wait(timeout=_END_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            for pipe in (self.process.stdin, self.process.stdout):
                if pipe is not None:
                    with contextlib.suppress(BrokenPipeError):
                        pipe.close()
            self.process = None


def run_jobs(next_job: Callable[[], Job | None], slots: int) -> Iterator[tuple[Job, list[Run]]]:
    """Run jobs and yield each with its runs as they end, in any order.

    Args:
        next_job: gives the next job when a slot is free, None when there are no more.
        slots: how many run at a time.
    """
    with contextlib.ExitStack() as stack:
        pool: list[_Slot] = []
        for _ in range(slots):
            pool.append(_Slot(stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8"))))
            stack.callback(pool[-1].end)
        selector = stack.enter_context(selectors.DefaultSelector())
        for slot in pool:
            _hand_out(slot, next_job, selector)
        while selector.get_map():
            yield from _take(pool, next_job, selector)


def _take(
    pool: list[_Slot], next_job: Callable[[], Job | None], selector: selectors.DefaultSelector
) -> Iterator[tuple[Job, list[Run]]]:
    first_s = min(slot.until_s for slot in pool if slot.job is not None)
    ready = [key.data for key, _ in selector.select(max(0.0, first_s - time.monotonic()))]
    late = [slot for slot in pool if slot.job is not None and slot not in ready and time.monotonic() >= slot.until_s]
    for slot in [*ready, *late]:
        assert slot.process is not None and slot.process.stdout is not None
        selector.unregister(slot.process.stdout)
        job = slot.job
        runs = slot.overdue() if slot in late else slot.answer()
        slot.job = None
        # What comes of this job may decide what the next one is.
        yield job, runs
        _hand_out(slot, next_job, selector)


def _hand_out(slot: _Slot, next_job: Callable[[], Job | None], selector: selectors.DefaultSelector) -> None:
    job = next_job()
    if job is None:
        return
    slot.give(job)
    assert slot.process is not None
    selector.register(slot.process.stdout, selectors.EVENT_READ, slot)  # type: ignore[arg-type]
