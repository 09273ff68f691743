"""Motor pulses seen by the rig against the pulses that the rules give, one by one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

from pumprig.checks import CheckBook

__all__ = ["DuePulse", "PulseWitness", "SeenPulse"]

_SECONDS_PER_HOUR = 3600
_ARTICLES = {"extended": "an"}


@dataclass(frozen=True)
class DuePulse:
    """A pulse that the rules give: pump second, source (basal, bolus, extended, prime), the rule that makes it due."""

    due_s: int
    source: str
    rule: str


@dataclass(frozen=True)
class SeenPulse:
    """A pulse seen at the motor: the pump second it was due by the pump's own timing, and when it came."""

    due_s: int
    at_s: float


class PulseWitness:
    """Matches pulses seen with pulses due, with zero tolerance, and watches what no controller may do.

    Args:
        checks: where each judgement goes.
        on_pulse: called for each seen pulse in order with (pulse, source); the source is "unexpected" for one that
            no rule gives, "unjudged" for one that came when the bench was no longer fit or the run already over.
        basal_pulses_per_hour_max: most basal pulses in any 3600 s that the basal limit allows.
    """

    def __init__(
        self,
        checks: CheckBook,
        *,
        on_pulse: Callable[[SeenPulse, str], None],
        basal_pulses_per_hour_max: int,
    ) -> None:
        self._checks = checks
        self._on_pulse = on_pulse
        self._limit = basal_pulses_per_hour_max
        self._due: deque[DuePulse] = deque()
        self._seen: deque[SeenPulse] = deque()
        self._basal_hour: deque[int] = deque()
        self.seen_count = 0
        self._seen_before_cuts = 0
        self.lateness_s_max = 0.0

    def due(self, pulse: DuePulse) -> None:
        """A pulse that the rules give. Pulses come in the order of their seconds."""
        self._due.append(pulse)

    def seen(self, pulse: SeenPulse, *, timed: bool = True) -> None:
        """A pulse at the motor. Pulses come in the order they were seen.

        Args:
            pulse: the pulse.
            timed: whether the bench was fit to say when it came.
        """
        self._seen.append(pulse)
        self.seen_count += 1
        lateness_s = pulse.at_s - pulse.due_s
        self.lateness_s_max = max(self.lateness_s_max, lateness_s)
        if not timed:
            return
        self._checks.expect(
            "pulse-timing",
            lateness_s < 1.0,
            pulse.at_s,
            message=f"the pulse due at {pulse.due_s} s left the motor {lateness_s:.3f} s later",
            expected="< 1 s",
            observed=round(lateness_s, 3),
        )

    def settle(self, until_s: int, sealed: Callable[[int], bool]) -> None:
        """Judge everything due or seen up to and including `until_s`.

        Args:
            until_s: both sides are complete up to this pump second.
            sealed: tells whether a suspension was in force during the second that ends at the given one.
        """
        due, seen = self._due, self._seen
        while True:
            due_s = due[0].due_s if due else None
            seen_s = seen[0].due_s if seen else None
            first_s = min((s for s in (due_s, seen_s) if s is not None), default=None)
            if first_s is None or first_s > until_s:
                return
            if due_s == seen_s:
                self._match(due.popleft(), seen.popleft(), sealed)
            elif seen_s == first_s:
                self._unexpected(seen.popleft(), sealed)
            else:
                self._missing(due.popleft())

    def power_lost(self, at_s: int) -> int:
        """The pump has lost its power: what has not left the motor never will (D-925).

        Args:
            at_s: pulses due before this second had left.

        Returns:
            How many pulses have left it since the pump started.
        """
        shown, self._seen_before_cuts = self.seen_count - self._seen_before_cuts, self.seen_count
        while len(self._due) > len(self._seen) and self._due[-1].due_s >= at_s:
            self._due.pop()
        return shown

    def leave(self) -> None:
        """The run is over: pulses seen that can be judged no more are told as such."""
        while self._seen:
            self._on_pulse(self._seen.popleft(), "unjudged")

    def _match(self, due: DuePulse, seen: SeenPulse, sealed: Callable[[int], bool]) -> None:
        self._checks.expect("pulse", True, seen.at_s)
        self._watch_limits(seen, due.source)
        if sealed(seen.due_s):
            # What a Pause withheld may fall due while a suspension runs (D-103); the rules themselves made it due.
            self._checks.expect("suspension", True, seen.at_s)
        self._on_pulse(seen, due.source)

    def _missing(self, due: DuePulse) -> None:
        self._checks.expect(
            "pulse",
            False,
            due.due_s,
            message=f"{_ARTICLES.get(due.source, 'a')} {due.source} pulse was due at {due.due_s} s and did not come",
            expected=due.due_s,
            observed=next((pulse.due_s for pulse in islice(self._seen, 1)), None),
            rule=due.rule,
        )

    def _unexpected(self, seen: SeenPulse, sealed: Callable[[int], bool]) -> None:
        self._checks.expect(
            "pulse",
            False,
            seen.at_s,
            message=f"a pulse came at {seen.due_s} s that no rule gives",
            expected=next((pulse.due_s for pulse in islice(self._due, 1)), None),
            observed=seen.due_s,
            rule="D-102",
        )
        self._watch_limits(seen, "basal")
        self._checks.expect(
            "suspension",
            not sealed(seen.due_s),
            seen.at_s,
            message=f"a basal pulse came at {seen.due_s} s although basal was suspended",
            expected="no basal pulse",
            observed=seen.due_s,
            rule="D-306",
        )
        self._on_pulse(seen, "unexpected")

    def _watch_limits(self, seen: SeenPulse, source: str) -> None:
        if source != "basal":
            return
        hour = self._basal_hour
        hour.append(seen.due_s)
        while hour[0] <= seen.due_s - _SECONDS_PER_HOUR:
            hour.popleft()
        self._checks.expect(
            "rate-limit",
            len(hour) <= self._limit,
            seen.at_s,
            message=f"{len(hour)} basal pulses within an hour at {seen.due_s} s",
            expected=f"<= {self._limit}",
            observed=len(hour),
        )
