"""Annunciations and which of them is shown (D-831)."""

from __future__ import annotations

from dataclasses import dataclass

from pumprig.oracle.delivery import NEVER
from pumprig.oracle.events import Annunciation, History
from pumprig.oracle.settings import SNOOZE_S
from pumprig.oracle.terms import AnnunciationStatus, AnnunciationType

__all__ = ["Annunciations", "Notice"]


@dataclass
class Notice:
    """One annunciation that is not confirmed."""

    annunciation_id: int
    type: AnnunciationType
    status: AnnunciationStatus = AnnunciationStatus.PENDING
    snoozed_until_s: int = NEVER


class Annunciations:
    """All annunciations that are not confirmed, oldest first.

    Args:
        history: where every change of status is recorded (D-905).
    """

    def __init__(self, history: History) -> None:
        self._history = history
        self._open: dict[int, Notice] = {}
        self._last_id = 0

    def raise_one(self, kind: AnnunciationType, at_s: int, rule: str) -> int:
        """Raise an annunciation unless one of its type is not confirmed; return the ID of the one that stands."""
        for notice in self._open.values():
            if notice.type == kind:
                return notice.annunciation_id
        self._last_id += 1
        notice = self._open[self._last_id] = Notice(self._last_id, kind)
        self._record(notice, at_s, rule)
        return notice.annunciation_id

    def confirm(self, annunciation_id: int, at_s: int) -> bool:
        """Remove an annunciation; False when there is none of that ID."""
        notice = self._open.pop(annunciation_id, None)
        if notice is None:
            return False
        notice.status = AnnunciationStatus.CONFIRMED
        self._record(notice, at_s, "D-831")
        return True

    def snooze(self, annunciation_id: int, at_s: int) -> bool:
        """Snooze an annunciation from now on; False when there is none of that ID."""
        notice = self._open.get(annunciation_id)
        if notice is None:
            return False
        notice.snoozed_until_s = at_s + SNOOZE_S
        if notice.status is not AnnunciationStatus.SNOOZED:
            notice.status = AnnunciationStatus.SNOOZED
            self._record(notice, at_s, "D-831")
        return True

    def due_s(self) -> int:
        """The second at which the first snooze ends."""
        return min((notice.snoozed_until_s for notice in self._open.values()), default=NEVER)

    def wake(self, at_s: int) -> None:
        """End the snoozes that are over, oldest annunciation first."""
        for notice in self._open.values():
            if notice.snoozed_until_s <= at_s:
                notice.snoozed_until_s = NEVER
                notice.status = AnnunciationStatus.PENDING
                self._record(notice, at_s, "D-831")

    def wake_all(self, at_s: int, rule: str) -> None:
        """Let every snoozed one be pending again (D-922)."""
        for notice in self._open.values():
            if notice.status is AnnunciationStatus.SNOOZED:
                notice.snoozed_until_s = NEVER
                notice.status = AnnunciationStatus.PENDING
                self._record(notice, at_s, rule)

    def take_over(self, earlier: Annunciations) -> None:
        """Go on with what is not confirmed, and with the numbering of all (D-921)."""
        self._open, self._last_id = earlier._open, earlier._last_id

    def unconfirmed(self) -> tuple[Notice, ...]:
        """Copies of what is not confirmed, oldest first."""
        return tuple(Notice(n.annunciation_id, n.type, n.status, n.snoozed_until_s) for n in self._open.values())

    def shown(self) -> Notice | None:
        """The oldest pending one, else the oldest snoozed one."""
        notices = self.unconfirmed()
        pending = [notice for notice in notices if notice.status is AnnunciationStatus.PENDING]
        return next(iter(pending or notices), None)

    def _record(self, notice: Notice, at_s: int, rule: str) -> None:
        self._history.add(
            Annunciation, at_s, rule, annunciation_id=notice.annunciation_id, type=notice.type, status=notice.status
        )
