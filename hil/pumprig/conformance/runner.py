"""Runs cases, one after another, and holds what came out against the failures that are known."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pumplink.errors import BearerError, BoardDied, BoardHung
from pumprig.conformance.bench import Bench
from pumprig.conformance.model import Case, CaseEnd, Failed, NotAdvertised, NotPossible, Verdict, all_cases
from pumprig.conformance.octets import hex_of
from pumprig.conformance.session import CCP, RACP
from pumprig.errors import BlockedError, UsageError
from pumprig.verdict import EXIT_CODES
from pumprig.verdict import Verdict as RunVerdict

__all__ = ["Result", "exit_code_of", "load_known", "run_cases"]

_SHOWN_PDUS = 12
# What a case raises when it stumbles over itself. What a server says is read by ways that fail the case instead.
_DEFECTS = (ArithmeticError, AssertionError, AttributeError, LookupError, StopIteration, TypeError, ValueError)


@dataclass
class Result:
    """How a case ended.

    Args:
        case: which.
        verdict: how.
        reason: why it is neither PASS nor FAIL; of an ERROR, what broke in the case, and where.
        expected, seen: of a FAIL.
        pdus: the last PDUs of a FAIL or an ERROR, ">" to the server and "<" from it.
        seconds: of host time.
        known: why its failure is known, None when it is not.
    """

    case: Case
    verdict: Verdict = Verdict.PASS
    reason: str = ""
    expected: str = ""
    seen: str = ""
    pdus: list[str] = field(default_factory=list)
    seconds: float = 0.0
    known: str | None = None

    @property
    def unexpected(self) -> bool:
        """Whether the run fails for it: a failure nobody knows of, or a known one that is gone."""
        if self.known is None:
            return self.verdict is Verdict.FAIL
        return self.verdict is Verdict.PASS

    @property
    def text(self) -> str:
        """Why it did not pass, in one line."""
        if self.verdict is Verdict.FAIL:
            return f"expected {self.expected}; seen {self.seen}"
        return self.reason

    def as_dict(self) -> dict[str, Any]:
        """The result as plain data."""
        return {
            "id": self.case.id, "clause": self.case.clause, "about": self.case.about, "verdict": self.verdict.value,
            "reason": self.reason or None, "expected": self.expected or None, "seen": self.seen or None,
            "pdus": self.pdus, "known_failure": self.known, "seconds": round(self.seconds, 3),
        }  # fmt: skip


def load_known(path: Path | None) -> dict[str, str]:
    """The failures that are known: a line for each with the case's id, and behind a # the reason.

    Raises:
        UsageError: the file cannot be read, or names a case that does not exist.
    """
    if path is None:
        return {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise UsageError(
            f"the file cannot be read: {reason}", where=f"--known-failures {path}", remedy="Name a readable file."
        ) from None
    ids = {one.id for one in all_cases()}
    known: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        name, _, reason = (part.strip() for part in line.partition("#"))
        if name and name not in ids:
            raise UsageError(
                f"no case is called {name}", where=f"{path}:{number}", allowed="an id, and behind a # the reason",
                remedy="`pumprig conformance --list` names them.",
            )  # fmt: skip
        if name:
            known[name] = reason or "known"
    return known


def exit_code_of(results: Sequence[Result]) -> int:
    """The exit code of a whole run.

    0 with a case that passed and none against the expectation; 1 when a case failed that was not known to, or a known
    failure passed; 4 when a case itself broke; 7 when no case passed, as nothing is shown then.
    """
    if any(result.unexpected for result in results):
        return EXIT_CODES[RunVerdict.FAIL]
    if any(result.verdict is Verdict.ERROR for result in results):
        return EXIT_CODES[RunVerdict.ERROR]
    shown = any(result.verdict is Verdict.PASS for result in results)
    return EXIT_CODES[RunVerdict.PASS if shown else RunVerdict.INCONCLUSIVE]


def run_cases(
    bench: Bench,
    cases: Sequence[Case],
    *,
    known: Mapping[str, str] | None = None,
    on_result: Callable[[Result], None] = lambda result: None,
) -> list[Result]:
    """Runs cases.

    Args:
        bench: where the server stands; it is given up at the end.
        cases: in their order.
        known: failures that are known, with their reasons.
        on_result: called with each result.

    Raises:
        BlockedError: the way to the server broke.
    """
    results: list[Result] = []
    try:
        for one in cases:
            began_s = time.monotonic()
            result = _run(bench, one)
            result.seconds = time.monotonic() - began_s
            result.known = (known or {}).get(one.id)
            results.append(result)
            on_result(result)
    finally:
        bench.close()
    return results


def _run(bench: Bench, one: Case) -> Result:
    bench.case = one.id
    result = Result(one)
    session = None
    try:
        _gate(bench, one)
        session = bench.session(fresh=one.fresh)
        one.run(session)
    except Failed as failed:
        result.verdict, result.expected, result.seen = failed.verdict, failed.expected, failed.seen
    except CaseEnd as end:
        result.verdict, result.reason = end.verdict, str(end)
    except _DEFECTS as error:
        what = f"{type(error).__name__}: {error}".removesuffix(": ")
        result.verdict, result.reason = Verdict.ERROR, f"the case is at fault: {what}{_at(error)}"
    except (BoardDied, BoardHung) as error:
        result.verdict, result.expected = Verdict.FAIL, "the server goes on"
        result.seen = str(error).replace("\n", " | ")
    except BearerError as error:
        raise BlockedError(f"during {one.id}: {error}", where=bench.board) from None
    if session is not None:
        if result.verdict in (Verdict.FAIL, Verdict.ERROR):
            result.pdus = [f"{way} {hex_of(octets)}" for way, octets in list(session.channel.log)[-_SHOWN_PDUS:]]
        try:
            bench.end_case(session, spent=one.fresh or result.verdict is not Verdict.PASS)
        except BearerError as error:
            raise BlockedError(f"after {one.id}: {error}", where=bench.board) from None
    return result


# The line that broke, as the last of the traceback names it.
def _at(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f" ({Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno})"


def _gate(bench: Bench, one: Case) -> None:
    missing = one.needs & ~bench.features
    if missing:
        raise NotAdvertised(f"IDD Features lacks {', '.join(flag.name or '' for flag in missing)}")
    if one.command and not bench.has(CCP):
        raise NotAdvertised("the server has no Command Control Point")
    if one.history and not bench.has(RACP):
        raise NotAdvertised("the server has no IDD Record Access Control Point")
    for key in one.stack:
        if key in bench.limits:
            raise NotPossible(bench.limits[key])
    takes_s = bench.host_seconds(one.seconds)
    if takes_s > bench.patience_s:
        raise NotPossible(f"it takes {takes_s:.0f} s here; allow that with --patience {takes_s:.0f}")
