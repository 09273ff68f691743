"""A slot of the suite: a process that takes jobs as lines of JSON, runs each, and says how it ended.

The slot's parent is `pumprig.suite.slots`. A job that takes the process down costs that job and nothing else.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from pumplink.virtual.clocks import Lockstep
from pumprig.bearers import BearerChoice
from pumprig.errors import PumprigError
from pumprig.runs import RunOptions, execute, make_plan
from pumprig.scenario import Scenario

__all__ = ["main", "run_job"]

HANG_TIMEOUT_S = 5.0


def run_job(job: dict[str, Any]) -> list[dict[str, Any]]:
    """Run the scenarios of a job, one after another.

    Args:
        job: `scenarios` (paths), `firmware` (folder or None for the installed one), `without` (checks), `out` (folder
            for the records), `until_fail` (stop at the first run that is no PASS), `bearer`.

    Returns:
        For each run: scenario, verdict, reasons, exit_code, seconds, folder.
    """
    runs: list[dict[str, Any]] = []
    for path in job["scenarios"]:
        began_s = time.monotonic()
        run: dict[str, Any] = {"scenario": Path(path).stem}
        try:
            plan = make_plan(Scenario.load(path), without=frozenset(job["without"]))
            options = RunOptions(
                board="virtual", clock=Lockstep(), out=Path(job["out"]),
                report=False, hang_timeout_s=HANG_TIMEOUT_S,
                firmware=Path(job["firmware"]) if job["firmware"] else None,
                bearer=BearerChoice.of(job["bearer"], job["cgm_bearer"]),
            )  # fmt: skip
            outcome = execute(plan, options)
            run |= {
                "verdict": outcome.verdict.name, "exit_code": outcome.exit_code, "folder": str(outcome.folder),
                "reasons": [reason.as_dict() for reason in outcome.reasons],
            }  # fmt: skip
        except PumprigError as error:
            reason = {"verdict": "ERROR", "message": error.message, "rule": "", "check": "", "at_s": None}
            run |= {"verdict": "ERROR", "exit_code": error.exit_code, "folder": "", "reasons": [reason]}
        run["seconds"] = round(time.monotonic() - began_s, 3)
        runs.append(run)
        if job["until_fail"] and run["verdict"] != "PASS":
            break
    return runs


def main() -> int:
    """Take jobs from the standard input until it ends."""
    # The answers have a descriptor of their own: whatever a run prints cannot get between them.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for line in sys.stdin:
        answers.write(json.dumps(run_job(json.loads(line))) + "\n")
        answers.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
