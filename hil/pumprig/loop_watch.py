"""What a loop decides, and the numbers behind it: asked of the pump right after each live sample (D-1110).

The oracle decides for itself what oref must do. What a controller of one's own decides is taken from the pump, and what
comes of it is judged: pulses, steps, guardrails, records and deadlines.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from functools import cache
from typing import Any

from pumplink.pump import Pump
from pumplink.results import ControllerDetail
from pumprig.checks import CheckBook
from pumprig.judge import Judge
from pumprig.oracle.carrying_out import Wanted
from pumprig.oracle.detail import ExpectedDetail
from pumprig.oracle.guardrails import Heard, Held
from pumprig.oracle.terms import Controller
from pumprig.pace import Pace
from pumpwire.enums import BolusType, ControllerAction

__all__ = ["LoopWatch", "compare_detail", "told_detail"]

# What an own controller tells that could not decide (D-1112).
_FAILED = 1112
_NUMBERS = [field.name for field in fields(ExpectedDetail)]
_TOLD = [field.name for field in fields(ControllerDetail)]
# How far the numbers of a board with single-precision floats may be off, in the units of the wire (D-1111).
_SINGLE_OFF = {
    "target_mg_dl": 1, "threshold_mg_dl": 1, "eventual_mg_dl": 1, "guard_mg_dl": 1, "pred_mg_dl": 1,
    "bgi_hundredths": 1, "deviation_mg_dl": 1, "insulin_required_mu": 10, "net_iob_mu": 1, "cob_tenths": 10,
    "carbs_required_g": 1,
}  # fmt: skip
_Tell = Callable[[Wanted | None, Heard | None], None]


class LoopWatch:
    """Stands between the sensor and the oracle where a loop runs on the pump.

    Args:
        pump: the pump.
        judge: holds the oracle.
        checks: where the numbers are judged.
        pace: pump time.
        real_time: whether computing takes time.
        single: whether the board's floats are of single precision (D-1111).
    """

    def __init__(
        self, pump: Pump, judge: Judge, checks: CheckBook, pace: Pace, *, real_time: bool, single: bool = False
    ) -> None:
        self._real_time, self._single = real_time, single
        self._pump, self._judge, self._checks, self._pace = pump, judge, checks, pace
        self._waiting: list[_Tell] | None = None
        self._unread = False

    def sample_left(self, tell: _Tell) -> None:
        """A sample has left; `tell` lets the oracle know, with what the pump decided where that must be asked."""
        if self._waiting is not None:
            self._waiting.append(tell)
        else:
            tell(None, None)
            self._unread = True

    def forget(self) -> None:
        """The pump has lost its power, and its last decision with it."""
        self._unread = False

    def catch_up(self, at_s: int) -> None:
        """Ask for the numbers behind the last decision, when nobody has: of stored samples the last one's can be read.

        Args:
            at_s: the pump second of the question.
        """
        if self._unread:
            self._unread = False
            seen = self._pump.controller_detail()
            self._pace.in_time(at_s)
            compare_detail(self._checks, at_s, self._judge.oracle.detail, seen, single=self._single)

    def decide(self, at_s: int, send: Callable[[], bool]) -> bool:
        """Send a sample, and ask for the numbers behind the decision on it.

        Args:
            at_s: the pump second at which it takes effect.
            send: sends it; false when the pump does not want it.
        """
        self._waiting = []
        # What the pump notifies is looked at after the answers to requests: the decision itself comes last.
        try:
            sent = send()
        finally:
            waiting, self._waiting = self._waiting, None
        if not sent:
            for tell in waiting:
                tell(None, None)
            return False
        answer = cache(self._pump.begin_controller_detail())
        # In lockstep rig and pump decide at the same time, unless the rules go on with what the pump decided.
        own = None
        if self._real_time or self._single or self._judge.oracle.controller == Controller.OWN:
            own = replace(_decided(answer()), single=self._single)

        def held(what: Held) -> bool:
            answer()
            return self._held(what)

        for tell in waiting:
            tell(own, held)
        seen = answer()
        self._pace.in_time(at_s)
        self._judge.detail_told(seen.sequence, told_detail(seen))
        compare_detail(self._checks, at_s, self._judge.oracle.detail, seen, single=self._single)
        return True

    def _held(self, held: Held) -> bool:
        """Whether guardrail 3 held TBR, running TBR or bolus of the last decision, both being right (D-1204)."""
        if held is Held.TBR:
            return self._pump.decision().action is not ControllerAction.SET_TBR
        if held is Held.RUNNING_TBR:
            basal = self._pump.active_basal()
            return basal is None or basal.tbr is None
        # The fast place was free, or nobody would ask: a bolus that is there is that of the decision.
        return not any(
            self._pump.active_bolus(number).type is BolusType.FAST for number in self._pump.active_bolus_ids()
        )


def _decided(seen: ControllerDetail) -> Wanted:
    """What a controller of one's own decided."""
    if seen.rule == _FAILED:
        return Wanted(failed=True)
    small_bolus_mu, rule = seen.small_bolus_mu or 0, seen.rule or 0
    if seen.decided_mu_per_h is None:
        return Wanted(small_bolus_mu=small_bolus_mu, rule=rule)
    return Wanted(seen.decided_mu_per_h, seen.decided_minutes or 0, small_bolus_mu, rule)


def told_detail(seen: ControllerDetail) -> dict[str, Any]:
    """The numbers that a pump has told, by the names of the wire, without those that are none."""
    values = {name: getattr(seen, name) for name in _TOLD}
    values["decision_sequence"] = values.pop("sequence")
    return {name: value for name, value in values.items() if value is not None}


def compare_detail(
    checks: CheckBook, at_s: int, due: ExpectedDetail, seen: ControllerDetail, *, single: bool = False
) -> None:
    """Judge the numbers behind the last decision (D-1110).

    Args:
        checks: where each judgement goes.
        at_s: the pump second.
        due: what the rules give.
        seen: what the pump tells.
        single: whether the board's floats are of single precision, so that some may be a little off (D-1111).
    """
    got = told_detail(seen)
    # What tells of nothing by a 0 is not there.
    right = {name: value for name in _NUMBERS if (value := getattr(due, name)) is not None}
    for number in ("rule", "guardrail", "small_bolus_mu"):
        for values in (right, got):
            values.setdefault(number, 0)
    wrong = [name for name in sorted(right | got) if not _same(name, right.get(name), got.get(name), single)]
    checks.expect(
        "reasons", not wrong, at_s,
        message=f"the numbers behind decision {due.decision_sequence}: {', '.join(wrong)} wrong",
        expected=" ".join(f"{name}={right.get(name, 'none')}" for name in wrong) or right,
        observed=" ".join(f"{name}={got.get(name, 'none')}" for name in wrong) or got,
        rule=f"D-{due.rule}" if due.rule and "rule" not in wrong else "D-1110",
    )  # fmt: skip


def _same(name: str, right: Any, got: Any, single: bool) -> bool:
    if not single or right is None or got is None:
        return bool(right == got)
    return bool(abs(right - got) <= _SINGLE_OFF.get(name, 0))
