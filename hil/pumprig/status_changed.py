"""Status Changed: whether the pump tells its client of every change, in time and once (D-908)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from pumprig.checks import CheckBook
from pumprig.dut import Dut
from pumprig.oracle import events
from pumpwire.enums import StatusChangedFlags as Flags

__all__ = ["StatusWitness", "status_witness"]

AWAITED_S = 2.0
# A host that sleeps for so long loses inputs, too.
HOST_ASLEEP_S = 2
# One carries an indication or its confirmation, and others may wait before it.
INTERVALS_MAX = 10
# An input is answered up to a second before it takes effect, and a clock may be wrong by a quarter.
_EARLY_S = 1.25
_NONE = Flags(0)

_BITS: dict[type[events.Event], Flags] = {
    events.TherapyChanged: Flags.THERAPY_CONTROL_STATE_CHANGED,
    events.OperationalChanged: Flags.OPERATIONAL_STATE_CHANGED,
    events.ReservoirChanged: Flags.RESERVOIR_STATUS_CHANGED,
    events.Annunciation: Flags.ANNUNCIATION_STATUS_CHANGED,
    events.DailyInsulin: Flags.TOTAL_DAILY_INSULIN_STATUS_CHANGED,
    events.BasalChanged: Flags.ACTIVE_BASAL_RATE_STATUS_CHANGED | Flags.TOTAL_DAILY_INSULIN_STATUS_CHANGED,
    events.TbrStarted: Flags.ACTIVE_BASAL_RATE_STATUS_CHANGED,
    events.TbrChanged: Flags.ACTIVE_BASAL_RATE_STATUS_CHANGED,
    events.TbrEnded: Flags.ACTIVE_BASAL_RATE_STATUS_CHANGED,
    events.ProfileActivated: Flags.ACTIVE_BASAL_RATE_STATUS_CHANGED,
    events.BolusStarted: Flags.ACTIVE_BOLUS_STATUS_CHANGED,
    events.BolusEnded: Flags.ACTIVE_BOLUS_STATUS_CHANGED | Flags.TOTAL_DAILY_INSULIN_STATUS_CHANGED,
}


@dataclass
class _Due:
    at_s: int
    bits: Flags
    told: Flags = _NONE
    told_s: float = 0.0


class StatusWitness:
    """Follows the bits that must be set, and the indications that must tell of them.

    Nothing is judged before the first `reset` of all bits: what was set before the rig came is not known.

    Args:
        checks: where each judgement goes.
        within_s: how long after its second a change must have been indicated.
        awaited_s: how long after its second an indication is waited for, at least `within_s`: what has not come by
            then was not made, or a busy host was asleep.
    """

    def __init__(self, checks: CheckBook, within_s: float = 1.0, awaited_s: float = AWAITED_S) -> None:
        self._checks = checks
        self._within_s = within_s
        self._awaited_s = max(within_s, awaited_s)
        self._known = False
        self._connected = False
        self._set = Flags(0)
        self._due: deque[_Due] = deque()
        self._told: deque[tuple[float, Flags]] = deque()

    def due(self, event: events.Event) -> None:
        """Something that the rules give; events come in the order of their seconds."""
        bits = _BITS.get(type(event), Flags(0)) | Flags.HISTORY_EVENT_RECORDED
        fresh = bits & ~self._set
        if self._known and fresh:
            self._set |= fresh
            if self._connected:
                self._due.append(_Due(event.at_s, fresh))

    def indicated(self, flags: Flags, at_s: float) -> None:
        """The pump has indicated Status Changed."""
        self._told.append((at_s, flags))

    def reset(self, flags: Flags | None = None) -> None:
        """Bits were reset; all of them when None."""
        self._set = Flags(0) if flags is None else self._set & ~flags
        if flags is None and not self._known:
            self._known = True
            self._due.clear()
            self._told.clear()

    def connection(self, up: bool) -> None:
        """The connection came or went. Without one nothing is indicated; what is set stays set."""
        self._connected = up
        self._due.clear()
        self._told.clear()

    def power_lost(self) -> None:
        """The pump has lost its power: what is set afterwards is not known until all bits are reset."""
        self.connection(up=False)
        self._known = False

    def settle(self, now_s: float) -> None:
        """Judge every indication, and every change that must have been told by now.

        Args:
            now_s: all that is due up to this second is known, and all that was indicated by then has come.
        """
        while self._told and self._told[0][0] + _EARLY_S <= now_s:
            self._match(*self._told.popleft())
        while self._due:
            due = self._due[0]
            missing = due.bits & ~due.told
            if missing and due.at_s + self._awaited_s + _EARLY_S >= now_s:
                return
            self._due.popleft()
            self._judge(due, missing)

    # An indication has the bits that are set by then, and tells of those that were not told before.
    def _match(self, at_s: float, flags: Flags) -> None:
        news = Flags(0)
        for due in self._due:
            if due.at_s - _EARLY_S > at_s:
                break
            fresh = due.bits & flags & ~due.told
            if fresh:
                due.told, due.told_s = due.told | fresh, at_s
                news |= fresh
        if self._known:
            self._checks.expect(
                "status-changed-once", bool(news), at_s,
                message=f"Status Changed was indicated at {at_s:.3f} s, though nothing has changed",
                expected="nothing", observed=flags.name,
            )  # fmt: skip

    def _judge(self, due: _Due, missing: Flags) -> None:
        self._checks.expect(
            "status-changed", not missing, due.at_s,
            message=f"Status Changed was not indicated: {missing.name or 'nothing'} of second {due.at_s}",
            expected=due.bits.name, observed=due.told.name,
        )  # fmt: skip
        if missing:
            return
        late_s = due.told_s - due.at_s
        self._checks.expect(
            "status-changed-in-time", late_s < self._within_s, due.at_s,
            message=f"Status Changed was indicated {late_s:.3f} s late: {due.bits.name} of second {due.at_s}",
            expected=f"< {self._within_s:g} s", observed=round(late_s, 3),
        )  # fmt: skip

    def read(self, flags: Flags, at_s: int) -> None:
        """Status Changed was read at a pump second up to which all events are known."""
        if self._known:
            self._checks.expect(
                "status-changed", flags == self._set, at_s, message="the bits of Status Changed are wrong",
                expected=self._set.name, observed=flags.name,
            )  # fmt: skip


def status_witness(dut: Dut, checks: CheckBook) -> StatusWitness:
    """A witness for a run.

    Args:
        dut: the board, whose clock and bearer say how late an indication may come.
        checks: where each judgement goes.
    """
    if dut.real_time:
        late_s = AWAITED_S + HOST_ASLEEP_S * dut.clock.scale
        return StatusWitness(checks, late_s, late_s)
    held_s = INTERVALS_MAX * dut.choice.interval_ms / 1000
    return StatusWitness(checks, 1 + held_s, AWAITED_S + held_s)
