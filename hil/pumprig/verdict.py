"""The verdict of a run: it only worsens, and every reason is kept."""

from __future__ import annotations

import enum
from dataclasses import dataclass

__all__ = ["EXIT_CODES", "INTERRUPTED_EXIT_CODE", "Reason", "Verdict", "VerdictBook"]


class Verdict(enum.IntEnum):
    """The four verdicts, from best to worst. The order is the algebra: the worst one wins."""

    PASS = 0
    INCONCLUSIVE = 1
    ERROR = 2
    FAIL = 3


EXIT_CODES = {Verdict.PASS: 0, Verdict.FAIL: 1, Verdict.ERROR: 4, Verdict.INCONCLUSIVE: 7}
INTERRUPTED_EXIT_CODE = 130


@dataclass(frozen=True)
class Reason:
    """Why a verdict worsened.

    Args:
        verdict: what this reason makes of a run that was fine before.
        message: one sentence for a person.
        rule: the dosing rule behind it, or "" where none is.
        check: the check that said it, or "" where the rig itself did.
        at_s: the pump second, or None before the pump answered.
    """

    verdict: Verdict
    message: str
    rule: str = ""
    check: str = ""
    at_s: float | None = None

    def as_dict(self) -> dict[str, object]:
        """The reason as plain data for a record."""
        return {
            "verdict": self.verdict.name,
            "message": self.message,
            "rule": self.rule,
            "check": self.check,
            "at_s": self.at_s,
        }


class VerdictBook:
    """Collects reasons. A proven FAIL is final; nothing that follows makes it better or hides it."""

    def __init__(self) -> None:
        self._reasons: list[Reason] = []

    @property
    def verdict(self) -> Verdict:
        """The worst of all reasons so far, PASS without any."""
        return max((reason.verdict for reason in self._reasons), default=Verdict.PASS)

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Every reason so far, in the order they came."""
        return tuple(self._reasons)

    def add(self, reason: Reason) -> None:
        """Keep a reason. PASS is no reason.

        Raises:
            ValueError: for a reason that would make nothing worse.
        """
        if reason.verdict is Verdict.PASS:
            raise ValueError("a reason states why a run is not a PASS")
        self._reasons.append(reason)
