"""The judge of a run: holds what the pump said and did against what the oracle gives, as it happens."""

from __future__ import annotations

import bisect
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from pumplink.results import Decision
from pumprig.checks import CheckBook
from pumprig.history import HistoryWitness, Record
from pumprig.lives import Lives, NextLife
from pumprig.oracle import ExpectedDecision
from pumprig.oracle import events as expected
from pumprig.pulses import DuePulse, PulseWitness, SeenPulse
from pumprig.status_changed import StatusWitness
from pumprig.suspended import SuspendedTime
from pumpwire.enums import ControllerAction, DecisionReason

__all__ = ["Judge", "SeenDecision"]

DECISION_DEADLINE_S = 1.0

_ACTIONS = {ControllerAction.SET_TBR: "set TBR", ControllerAction.CANCEL_TBR: "cancel TBR"}
_REASONS = {
    DecisionReason.MANUAL: "manual",
    DecisionReason.NO_PREDICTION_KEEP: "no prediction",
    DecisionReason.PREDICTED_LOW: "predicted low",
    DecisionReason.LOW_NOW: "low now",
    DecisionReason.RISING: "rising",
    DecisionReason.NOT_LOW: "not low",
    DecisionReason.LIMIT_REACHED: "limit reached",
    DecisionReason.LOCKOUT: "lockout",
    DecisionReason.STALE: "stale",
    DecisionReason.MINIMUM_TIME: "minimum time",
    DecisionReason.THERAPY_STOPPED: "therapy not running",
    DecisionReason.INVALID_SAMPLE: "invalid sample",
    DecisionReason.CONTROLLER_RULE: "controller rule",
    DecisionReason.NOT_CONFIGURED: "not configured",
    DecisionReason.IOB_UNKNOWN: "IOB unknown",
}


@dataclass(frozen=True)
class SeenDecision:
    """A decision as the pump told it, in the words of DOSING.md.

    Args:
        sequence: its number.
        offset_minutes: time offset of the sample decided on.
        at_s: pump second of effect.
        glucose_mg_dl: 0 when there was none.
        predicted_mg_dl: rounded, or None without a prediction.
        iob_mu: insulin on board.
        action, reason: the words of D-615.
        detail: the numbers behind it by the wire's names, None where nobody asked for them (D-1110).
    """

    sequence: int
    offset_minutes: int
    at_s: int
    glucose_mg_dl: int
    predicted_mg_dl: int | None
    iob_mu: int
    action: str
    reason: str
    detail: dict[str, Any] | None = None

    @classmethod
    def of(cls, told: Decision, epoch_s: int) -> SeenDecision:
        """What the pump told, in these words; `epoch_s` is the second of the run that is the pump's second 0."""
        return cls(
            told.sequence, told.offset_minutes, told.at_s + epoch_s, told.glucose_mg_dl or 0, told.predicted_mg_dl,
            told.iob_mu, _ACTIONS.get(told.action, told.action.name.lower()), _REASONS[told.reason],
        )  # fmt: skip


@dataclass
class _Pending:
    wanted: ExpectedDecision
    sent_s: float
    sent_host_s: float


class Judge:
    """Compares, second by second.

    Args:
        oracle: gives what must happen.
        checks: where each judgement goes.
        on_pulse: called for each seen pulse with its source.
        on_record: called for each history record read with its pump second.
        on_event: called for each expected event except pulses.
        on_decision: called for each decision with its latencies in DUT ms and host ms.
        basal_pulses_per_hour_max: what the basal limit allows (D-801).
        status: judges Status Changed; as in lockstep over the cable by default.
    """

    def __init__(
        self,
        oracle: Lives,
        checks: CheckBook,
        *,
        on_pulse: Callable[[SeenPulse, str], None],
        on_record: Callable[[Record, int], None],
        on_event: Callable[[expected.Event], None],
        on_decision: Callable[[SeenDecision, float, float], None],
        basal_pulses_per_hour_max: int,
        status: StatusWitness | None = None,
    ) -> None:
        self.oracle = oracle
        self.checks = checks
        self.pulses = PulseWitness(checks, on_pulse=on_pulse, basal_pulses_per_hour_max=basal_pulses_per_hour_max)
        self.suspended = SuspendedTime(checks)
        self.status = status or StatusWitness(checks)
        self.history = HistoryWitness(checks, self._record_read, self.suspended.read)
        self._on_record = on_record
        self._on_event = on_event
        self._on_decision = on_decision
        self._pending: deque[_Pending] = deque()
        self._details: dict[int, dict[str, Any]] = {}
        self._suspended_from: list[int] = []
        self._suspended_to: list[int] = []
        self.suspensions = 0

    def _record_read(self, record: Record, at_s: int) -> None:
        self.suspended.read(record, at_s)
        self._on_record(record, at_s)

    # --- The oracle's side --------------------------------------------------------------------------------------

    def advance(self, to_s: int) -> None:
        """Let the oracle run to a pump second and take what it expects."""
        self.oracle.advance(to_s)
        self.take()

    def take(self) -> None:
        """Take what the oracle has come to expect since the last call."""
        for event in self.oracle.take_events():
            if isinstance(event, expected.Pulse):
                self.pulses.due(DuePulse(event.at_s, event.source, event.rule))
                continue
            self.history.due(event)
            self.status.due(event)
            if isinstance(event, expected.TbrStarted) and event.rule == "D-306":
                self._suspended_from.append(event.at_s)
                self.suspensions += 1
            elif isinstance(event, (expected.TbrEnded, expected.TbrChanged)) and self._suspension_open:
                self._suspended_to.append(event.at_s)
                # Pulses within it would have been told apart already; this counts that the suspension was watched.
                self.checks.expect("suspension", True, event.at_s)
            self._on_event(event)

    def restarted(self, life: NextLife, epoch_s: int, doubtful_s: int, first: int | None) -> None:
        """The pump has started again after a power cut.

        Args:
            life: what the rules give from then on.
            epoch_s: the second of the run that is its second 0.
            doubtful_s: how many seconds before the cut need not have been durable.
            first: sequence number of its first record.
        """
        self.oracle.go_on(life, epoch_s, doubtful_s)
        if first is not None:
            self.history.restarted(first, epoch_s)
        self.take()

    @property
    def _suspension_open(self) -> bool:
        return len(self._suspended_from) > len(self._suspended_to)

    def suspended_during(self, second: int) -> bool:
        """Whether a suspension was in force throughout the second that ends at `second`."""
        index = bisect.bisect_left(self._suspended_from, second) - 1
        if index < 0:
            return False
        return index >= len(self._suspended_to) or second <= self._suspended_to[index]

    def suspended_seconds(self, until_s: int) -> int:
        """Seconds of suspension up to a pump second."""
        ends = [*self._suspended_to, *([until_s] if self._suspension_open else [])]
        return sum(max(0, min(end, until_s) - start) for start, end in zip(self._suspended_from, ends, strict=True))

    # --- The pump's side ----------------------------------------------------------------------------------------

    def detail_told(self, sequence: int, detail: dict[str, Any]) -> None:
        """The pump has told the numbers behind a decision, which is judged when its time comes (D-1110)."""
        self._details = {sequence: detail}

    def sample_sent(self, wanted: ExpectedDecision, sent_s: float, sent_host_s: float) -> None:
        """A sample has gone to the pump; `wanted` is the decision it must give."""
        self._pending.append(_Pending(wanted, sent_s, sent_host_s))

    def pending_s(self) -> int | None:
        """Pump second at which the oldest sample without a decision took effect, None when none is awaited."""
        return self._pending[0].wanted.at_s if self._pending else None

    def forget_pending(self) -> None:
        """Samples under way are lost with the connection."""
        self._pending.clear()

    def decision_seen(self, seen: SeenDecision, at_s: float, at_host_s: float) -> None:
        """A decision has come from the pump.

        Args:
            seen: the decision.
            at_s: pump time of its arrival.
            at_host_s: host time of its arrival.
        """
        seen = replace(seen, detail=self._details.pop(seen.sequence, None))
        if not self._pending:
            self.checks.expect(
                "decision-count", False, at_s, message=f"decision {seen.sequence} came without a sample",
                expected=None, observed=seen.sequence, offset_minutes=seen.offset_minutes,
            )  # fmt: skip
            return
        pending = self._pending.popleft()
        self.checks.expect("decision-count", True, at_s)
        latency_s, host_s = at_s - pending.sent_s, at_host_s - pending.sent_host_s
        for check, value in (("decision-deadline-host", host_s), ("decision-deadline", latency_s)):
            self.checks.expect(
                check, value <= DECISION_DEADLINE_S, at_s, message=f"the decision took {value * 1000:.0f} ms",
                expected="<= 1000 ms", observed=round(value * 1000, 1), offset_minutes=pending.wanted.offset_minutes,
            )  # fmt: skip
        self._compare_decision(pending.wanted, seen, at_s)
        self._on_decision(seen, latency_s * 1000, host_s * 1000)

    def overdue(self, now_s: float) -> None:
        """Judge samples whose decision should have come by now."""
        while self._pending and now_s > self._pending[0].sent_s + DECISION_DEADLINE_S:
            pending = self._pending.popleft()
            self.checks.expect(
                "decision-count", False, now_s,
                message=f"the sample at {pending.wanted.offset_minutes} min got no decision within a second",
                expected=1, observed=0, offset_minutes=pending.wanted.offset_minutes,
            )  # fmt: skip

    def _compare_decision(self, wanted: ExpectedDecision, seen: SeenDecision, at_s: float) -> None:
        offset = wanted.offset_minutes
        pairs: list[tuple[str, Any, Any, str]] = [
            ("number", wanted.sequence, seen.sequence, "D-615"),
            ("sample", wanted.offset_minutes, seen.offset_minutes, "D-601"),
            ("second", wanted.at_s, seen.at_s, "D-002"),
            ("glucose", wanted.glucose_mg_dl, seen.glucose_mg_dl, "D-602"),
            ("prediction", wanted.predicted_mg_dl, seen.predicted_mg_dl, "D-605"),
            ("action", str(wanted.action), seen.action, "D-615"),
            ("reason", str(wanted.reason), seen.reason, "D-615"),
        ]
        for name, right, got, rule in pairs:
            if right != got:
                self.checks.expect(
                    "decision", False, at_s, message=f"{name} of the decision on the sample at {offset} min is wrong",
                    expected=right, observed=got, rule=rule, offset_minutes=offset,
                )  # fmt: skip
                break
        else:
            self.checks.expect("decision", True, at_s)
        self.check_iob(wanted.iob_mu, seen.iob_mu, wanted.iob_tolerance_mu, at_s, offset)

    def check_iob(
        self, wanted_mu: float, seen_mu: float, tolerance_mu: float, at_s: float, offset_minutes: int | None = None
    ) -> None:
        """Judge insulin on board: mU, with the tolerance of D-703."""
        self.checks.expect(
            "iob", math.isclose(wanted_mu, seen_mu, rel_tol=0, abs_tol=tolerance_mu + 1e-9), at_s,
            message=f"insulin on board is {seen_mu:g} mU, due {wanted_mu:.2f} mU within {tolerance_mu:.2f} mU",
            expected=round(wanted_mu, 3), observed=seen_mu, rule="D-702", offset_minutes=offset_minutes,
        )  # fmt: skip

    def settle(self, seen_until_s: int) -> None:
        """Judge all pulses up to a pump second; everything up to it has been seen."""
        self.pulses.settle(seen_until_s, self.suspended_during)
