"""Suspended time in the rolling window, by the pump's own history (D-611).

The oracle knows when a suspension must run. Whether the pump kept to its limit is for the pump's records to say.
"""

from __future__ import annotations

from typing import Any

from pumprig.checks import CheckBook
from pumprig.history import Record
from pumpwire.enums import DeliveryContext, RecordingReason

__all__ = ["SuspendedTime"]


class SuspendedTime:
    """Gathers the suspensions that a pump records and judges their time.

    Args:
        checks: where each judgement goes.
    """

    def __init__(self, checks: CheckBook) -> None:
        self._checks = checks
        self._limits: list[tuple[int, int, int]] = []
        self._not_plgs: list[tuple[int, bool]] = []
        self._spans: list[tuple[int, int]] = []
        self._since_s: int | None = None

    def settings(self, at_s: int, limit_minutes: int, window_minutes: int, *, plgs: bool = True) -> None:
        """From a pump second on these are the suspend limit and its window, and plgs is the controller or not."""
        self._limits.append((at_s, 60 * limit_minutes, 60 * window_minutes))
        self._not_plgs.append((at_s, not plgs))

    def _is_of_another(self, at_s: int) -> bool:
        """Whether what a controller did at a second was none of plgs."""
        before = [others for since_s, others in self._not_plgs if since_s < at_s] or [False]
        return before[-1]

    def read(self, record: Record, at_s: int) -> None:
        """A history record, and the pump second that it speaks of. Records come in their order."""
        if record.fields.get("recording_reason") == RecordingReason.DATE_TIME_LOSS:
            # A pump that lost its power suspends no more, and does not know what it suspended before (D-921).
            self._since_s = None
            self._spans.clear()
        elif record.name in ("HistoryTbrEnded", "HistoryTbrChanged"):
            self._end(at_s)
        elif record.name == "HistoryDeliveredBasalRateChanged" and self._since_s is None:
            fields: dict[str, Any] = dict(record.fields)
            if fields.get("context") == DeliveryContext.AP_CONTROLLER and not self._is_of_another(at_s):
                self._since_s = at_s

    def finish(self, at_s: int) -> None:
        """Judge a suspension that still runs at the end."""
        self._end(at_s)

    def _end(self, at_s: int) -> None:
        if self._since_s is None:
            return
        since_s, self._since_s = self._since_s, None
        self._spans.append((since_s, at_s))
        # Settings written at the second of its beginning came after the sample that began it. Those of the beginning
        # hold to its end: a change leaves a running suspension as it is (D-616).
        in_force = [limits for limits in self._limits if limits[0] < since_s] or self._limits[:1]
        if not in_force:
            return
        _, limit_s, window_s = in_force[-1]
        seconds = sum(max(0, end_s - max(start_s, at_s - window_s)) for start_s, end_s in self._spans)
        self._checks.expect(
            "suspension-limit", seconds <= limit_s, at_s,
            message=f"{seconds} s were suspended within {window_s} s", expected=f"<= {limit_s} s", observed=seconds,
            rule="D-611",
        )  # fmt: skip
