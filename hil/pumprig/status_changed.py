"""Status Changed: whether the pump tells its client of every change, once and in time (D-908)."""

from __future__ import annotations

from collections import deque

from pumprig.checks import CheckBook
from pumprig.oracle import events
from pumpwire.enums import StatusChangedFlags as Flags

__all__ = ["StatusWitness"]

INDICATED_WITHIN_S = 2.0

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


class StatusWitness:
    """Follows the bits that must be set, and the indications that must tell of them.

    Nothing is judged before the first `reset` of all bits: what was set before the rig came is not known.

    Args:
        checks: where each judgement goes.
    """

    def __init__(self, checks: CheckBook) -> None:
        self._checks = checks
        self._known = False
        self._connected = False
        self._set = Flags(0)
        self._due: deque[tuple[int, Flags]] = deque()
        self._told: deque[tuple[float, Flags]] = deque()

    def due(self, event: events.Event) -> None:
        """Something that the rules give; events come in the order of their seconds."""
        bits = _BITS.get(type(event), Flags(0)) | Flags.HISTORY_EVENT_RECORDED
        fresh = bits & ~self._set
        if self._known and fresh:
            self._set |= fresh
            if self._connected:
                self._due.append((event.at_s, fresh))

    def indicated(self, flags: Flags, at_s: float) -> None:
        """The pump has indicated Status Changed."""
        self._told.append((at_s, flags))

    def reset(self, flags: Flags | None = None) -> None:
        """Bits were reset; all of them when None."""
        self._set = Flags(0) if flags is None else self._set & ~flags
        if flags is None:
            self._known = True

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
        """Judge every change that must have been told by now."""
        while self._due and self._due[0][0] + INDICATED_WITHIN_S < now_s:
            at_s, bits = self._due.popleft()
            # An input is answered up to a second before it takes effect.
            while self._told and self._told[0][0] < at_s - 1:
                self._told.popleft()
            told = Flags(0)
            for _, flags in self._told:
                told |= flags
            missing = bits & ~told
            self._checks.expect(
                "status-changed", not missing, at_s,
                message=f"Status Changed was not indicated: {missing.name or 'nothing'} of second {at_s}",
                expected=bits.name, observed=told.name,
            )  # fmt: skip

    def read(self, flags: Flags, at_s: int) -> None:
        """Status Changed was read at a pump second up to which all events are known."""
        if self._known:
            self._checks.expect(
                "status-changed", flags == self._set, at_s, message="the bits of Status Changed are wrong",
                expected=self._set.name, observed=flags.name,
            )  # fmt: skip
