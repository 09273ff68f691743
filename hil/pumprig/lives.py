"""The oracle over power cuts: seconds of the run, whatever the pump's own second is since it started last.

A pump that lost its power counts its seconds from 0 again, and the oracle with it. The run goes on counting.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pumprig.oracle import ExpectedDecision, Ledger, Oracle, OracleSettings, State
from pumprig.oracle.carrying_out import Wanted
from pumprig.oracle.commands import Command, Expected
from pumprig.oracle.detail import ExpectedDetail
from pumprig.oracle.events import Event
from pumprig.oracle.guardrails import Heard
from pumprig.oracle.plgs import Glucose
from pumprig.oracle.power import SOURCES

__all__ = ["Lives", "NextLife"]


@dataclass(frozen=True)
class NextLife:
    """The oracle of a pump that has started again, and what its second 0 records."""

    oracle: Oracle
    events: list[Event]


class Lives:
    """An oracle, and after each power cut the one that goes on. All seconds are those of the run.

    Args:
        settings: the pump's parameters.

    Attributes:
        doubtful_s: how many seconds before all cuts may or may not have been made durable (D-514, D-922).
    """

    def __init__(self, settings: OracleSettings | None = None) -> None:
        self._oracle = Oracle(settings)
        self._epoch_s = 0
        self._events: list[Event] = []
        self.doubtful_s = 0

    @property
    def settings(self) -> OracleSettings:
        """The pump's parameters."""
        return self._oracle.settings

    @property
    def epoch_s(self) -> int:
        """The run's second that is the pump's second 0."""
        return self._epoch_s

    @property
    def now_s(self) -> int:
        """The second reached."""
        return self._oracle.now_s + self._epoch_s

    def advance(self, to_s: int) -> None:
        """See `Oracle.advance`."""
        self._oracle.advance(to_s - self._epoch_s)

    def command(self, at_s: int, command: Command, heard: Heard | None = None) -> Expected:
        """See `Oracle.command`."""
        return self._oracle.command(at_s - self._epoch_s, command, heard)

    @property
    def controller(self) -> str:
        """The controller that runs."""
        return self._oracle.controller

    def sample(
        self,
        at_s: int,
        offset_minutes: int,
        glucose_mg_dl: Glucose,
        status_bits: int = 0,
        own: Wanted | None = None,
        heard: Heard | None = None,
    ) -> ExpectedDecision:
        """See `Oracle.sample`."""
        decision = self._oracle.sample(at_s - self._epoch_s, offset_minutes, glucose_mg_dl, status_bits, own, heard)
        return replace(decision, at_s=at_s) if self._epoch_s else decision

    def take_events(self) -> list[Event]:
        """See `Oracle.take_events`."""
        events, self._events = [*self._events, *self._oracle.take_events()], []
        if not self._epoch_s:
            return events
        return [replace(event, at_s=event.at_s + self._epoch_s) for event in events]

    def state(self) -> State:
        """See `Oracle.state`; its own seconds are those of the pump."""
        return self._oracle.state()

    @property
    def detail(self) -> ExpectedDetail:
        """See `Oracle.detail`."""
        return self._oracle.detail

    def ledger(self) -> Ledger:
        """See `Oracle.ledger`."""
        return self._oracle.ledger()

    def after_cut(self, pulses: int, *, records: int | None, durable_s: int) -> NextLife:
        """What would go on after a cut at the second reached: see `Oracle.power_cut`.

        Args:
            pulses: how many of this life the motor has shown.
            records: sequence number of the first record after the restart.
            durable_s: the last second of the run that was made durable.
        """
        shown = self._oracle.pulses_given()[:pulses]
        counted = {source: shown.count(source) for source in SOURCES}
        oracle = self._oracle.power_cut(counted, records=records, durable_s=durable_s - self._epoch_s)
        return NextLife(oracle, oracle.take_events())

    def go_on(self, life: NextLife, epoch_s: int, doubtful_s: int) -> None:
        """The pump has started again.

        Args:
            life: what `after_cut` gave.
            epoch_s: the run's second that is its second 0.
            doubtful_s: how many seconds more are doubtful.
        """
        self._oracle, self._events = life.oracle, life.events
        self._epoch_s = epoch_s
        self.doubtful_s += doubtful_s
