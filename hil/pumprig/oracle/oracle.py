"""The second reading of DOSING.md: fed with what went into the pump, it says what must have come out.

    oracle = Oracle(OracleSettings())
    oracle.command(10, WriteProfile(1, ((1440, Decimal("1.0")),)))
    oracle.command(11, ActivateProfile(1))
    oracle.command(20, SetTherapyState("run"))
    oracle.advance(3600)
    oracle.take_events()  # the pulses at 200, 380 ... and the history beside them

Inputs come in the order of time, each with the pump second at which it takes effect (D-002). The oracle shares no code
with any firmware.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import date, datetime
from fractions import Fraction
from typing import Any

from pumprig.errors import UsageError
from pumprig.oracle.annunciations import Notice
from pumprig.oracle.answers import answer
from pumprig.oracle.bolus import Bolus
from pumprig.oracle.carrying_out import Wanted
from pumprig.oracle.commands import Command, Expected, SetForce
from pumprig.oracle.decisions import ExpectedDecision, allowance_s, judge_sample
from pumprig.oracle.delivery import Ledger
from pumprig.oracle.detail import ExpectedDetail
from pumprig.oracle.events import Event
from pumprig.oracle.guardrails import Heard
from pumprig.oracle.iob import Iob
from pumprig.oracle.machine import Machine
from pumprig.oracle.oref_settings import OrefSettings
from pumprig.oracle.plgs import Glucose
from pumprig.oracle.power import SOURCES, restart
from pumprig.oracle.settings import ControllerSettings, Guardrails, OracleSettings
from pumprig.oracle.terms import OperationalState, TherapyState

__all__ = ["BolusState", "Counters", "ExpectedDecision", "Oracle", "State", "TbrState"]

_Act = Callable[[Machine], Any]


@dataclass(frozen=True)
class TbrState:
    """The TBR that runs, with its times at the second asked for.

    `value` is mU/h, or thousandths of the factor when relative; `rate_mu_per_h` is what it brings into force;
    `template` 0 is none.
    """

    tbr_type: str
    value: int
    rate_mu_per_h: int
    start_s: int
    end_s: int
    programmed_minutes: int
    effective_minutes: int
    remaining_minutes: int
    context: str
    template: int
    suspension: bool


@dataclass(frozen=True)
class BolusState:
    """A bolus that is active (D-411, D-415); what it was programmed with in the words of SetBolus.

    `delay_minutes` is None without a delay, `template` 0 is none.
    """

    bolus_id: int
    bolus_type: str
    fast_mu: int
    extended_mu: int
    fast_delivered_mu: int
    extended_delivered_mu: int
    duration_minutes: int
    elapsed_minutes: int
    remaining_minutes: int
    delay_minutes: int | None
    remaining_delay_minutes: int
    template: int
    activation: str | None
    reasons: frozenset[str]
    start_s: int

    @property
    def amount_mu(self) -> int:
        """Both parts together."""
        return self.fast_mu + self.extended_mu

    @property
    def delivered_mu(self) -> int:
        """What both parts have delivered."""
        return self.fast_delivered_mu + self.extended_delivered_mu

    @property
    def remaining_mu(self) -> int:
        """What both parts have still to deliver."""
        return self.amount_mu - self.delivered_mu


@dataclass(frozen=True)
class Counters:
    """Pulses since the start, over power cuts, as the emulator service counts them (D-903, D-924)."""

    basal_pulses: int
    bolus_pulses: int
    prime_pulses: int
    reservoir_pulses: int
    pulses_in_doubt: int = 0
    doubt_source: str | None = None


@dataclass(frozen=True)
class State:
    """The pump at a second: rates in mU/h, amounts in mU."""

    at_s: int
    wall: datetime
    therapy: TherapyState
    operational: OperationalState
    battery_percent: int
    rate_in_force_mu_per_h: Fraction
    delivered_rate_mu_per_h: Fraction
    profile_rate_mu_per_h: Fraction
    active_template: int
    tbr: TbrState | None
    boluses: tuple[BolusState, ...]
    max_bolus_mu: int
    remainder_mu: Fraction
    reservoir_attached: bool
    reservoir_pulses: int
    reservoir_mu: int | None
    iob_mu: float
    iob_tolerance_mu: float
    day: date
    day_bolus_mu: int
    day_basal_mu: int
    delivered_bolus_mu: int
    delivered_basal_mu: int
    cgm_stale: bool
    suspended: bool
    allowance_s: int
    annunciations: tuple[Notice, ...]
    shown: Notice | None
    counters: Counters
    controller: ControllerSettings
    guardrails: Guardrails
    oref: OrefSettings
    detail: ExpectedDetail

    @property
    def bolus(self) -> BolusState | None:
        """The active bolus whose delivery starts first (D-411)."""
        return self.boluses[0] if self.boluses else None


class Oracle:
    """What a pump with these settings must do.

    Args:
        settings: the parameters of DOSING.md, section 10.
    """

    def __init__(self, settings: OracleSettings | None = None) -> None:
        self.settings = settings or OracleSettings()
        self._pump = Machine(self.settings)
        # What made this life of the pump, from which any moment of it can be found again.
        self._first: Machine | None = None
        self._inputs: list[tuple[int, _Act]] = []

    @property
    def now_s(self) -> int:
        """The pump second reached."""
        return self._pump.now_s

    @property
    def controller(self) -> str:
        """The controller that runs."""
        return self._pump.controller.controller

    @property
    def detail(self) -> ExpectedDetail:
        """The numbers behind the last decision (D-1110)."""
        return self._pump.detail

    def next_s(self) -> int:
        """The next second in which the pump does something of its own if nothing is sent to it."""
        return self._pump.next_s()

    def advance(self, to_s: int) -> None:
        """Process steps (1) to (7) of every second up to and including `to_s` (D-003).

        Raises:
            UsageError: `to_s` lies before the second reached.
        """
        if to_s < self._pump.now_s:
            raise UsageError(
                f"second {to_s} lies before {self._pump.now_s}", where="oracle", allowed="inputs in the order of time"
            )
        self._pump.advance(to_s)

    def command(self, at_s: int, command: Command, heard: Heard | None = None) -> Expected:
        """Let a command take effect at a pump second, after steps (1) to (7), and say what it is answered.

        Args:
            at_s: the pump second of effect.
            command: the command.
            heard: asked where two answers are right; the pump's is the one then (D-1204).

        Raises:
            UsageError: `at_s` lies before the second reached, the specification has no such command, or a motor force
                comes after the pulse that should have met it.
        """
        to_s = at_s
        if isinstance(command, SetForce):
            to_s = self._before_force(at_s)
        return self._input(to_s, lambda pump: answer(pump, at_s, command), heard)

    def _before_force(self, at_s: int) -> int:
        # D-821: a pulse due at this very second meets the force already.
        if self._pump.force_read_s == at_s:
            raise UsageError(
                f"a motor force for second {at_s} after the pulse of that second",
                where="oracle",
                remedy="Tell the force before advancing to its second.",
            )
        return at_s if at_s <= self.now_s else at_s - 1

    def sample(
        self,
        at_s: int,
        offset_minutes: int,
        glucose_mg_dl: Glucose,
        status_bits: int = 0,
        own: Wanted | None = None,
        heard: Heard | None = None,
    ) -> ExpectedDecision:
        """Let a CGM sample take effect at a pump second and say what is decided (D-602 to D-615, D-1101).

        Args:
            at_s: the pump second of effect.
            offset_minutes: time offset in the session.
            glucose_mg_dl: glucose; None for no measurement.
            status_bits: sensor status annunciation, bit 0 first.
            own: what an own controller decided, as the pump told it; None for nothing to be done.
            heard: asked where two answers are right, as of a command.
        """
        return self._input(
            at_s, lambda pump: judge_sample(pump, at_s, offset_minutes, glucose_mg_dl, status_bits, own), heard
        )

    def _input(self, to_s: int, act: _Act, heard: Heard | None) -> Any:
        self.advance(to_s)
        if heard is not None:
            act = _hearing(act, heard)
        self._inputs.append((to_s, act))
        return act(self._pump)

    def take_events(self) -> list[Event]:
        """Everything that must have been seen since the last call, in order (D-905)."""
        return self._pump.history.take()

    def iob(self, at_s: int | None = None) -> Iob:
        """Insulin on board at a second from the pulses so far; the second reached without one (D-702)."""
        return self._pump.iob.at(self._pump.now_s if at_s is None else at_s)

    def ledger(self) -> Ledger:
        """The accounts at the second reached (D-904)."""
        return self._pump.delivery.ledger()

    def state(self) -> State:
        """The pump at the second reached."""
        pump, delivery = self._pump, self._pump.delivery
        pulse_mu = self.settings.pulse_mu
        rate = _fraction(pump.rate_in_force())
        iob = self.iob()
        return State(
            at_s=pump.now_s,
            wall=pump.clock.wall(pump.now_s),
            therapy=pump.therapy,
            operational=pump.operational,
            battery_percent=pump.battery_percent,
            rate_in_force_mu_per_h=rate,
            delivered_rate_mu_per_h=rate if pump.therapy is TherapyState.RUN else _fraction(0),
            profile_rate_mu_per_h=_fraction(pump.profile_rate_mu_per_h),
            active_template=pump.active_template,
            tbr=_tbr_state(pump),
            boluses=tuple(_bolus_state(bolus, pump.now_s, pulse_mu) for bolus in delivery.active()),
            max_bolus_mu=pump.max_bolus_mu,
            remainder_mu=delivery.remainder_mu,
            reservoir_attached=pump.reservoir_attached,
            reservoir_pulses=pump.reservoir_pulses,
            reservoir_mu=pump.reservoir_pulses * pulse_mu if pump.reservoir_attached else None,
            iob_mu=iob.mu,
            iob_tolerance_mu=iob.tolerance_mu,
            day=pump.clock.day(pump.now_s),
            day_bolus_mu=pump.day_mu["bolus"],
            day_basal_mu=pump.day_mu["basal"],
            delivered_bolus_mu=pump.shown_mu["bolus"],
            delivered_basal_mu=pump.shown_mu["basal"],
            cgm_stale=pump.cgm.stale,
            suspended=pump.tbr is not None and pump.tbr.suspension,
            allowance_s=allowance_s(pump),
            annunciations=pump.annunciations.unconfirmed(),
            shown=pump.annunciations.shown(),
            counters=Counters(
                delivery.basal_pulses,
                delivery.bolus_pulses,
                delivery.prime_pulses,
                pump.reservoir_pulses,
                pump.pulses_in_doubt,
                pump.doubt_source,
            ),
            controller=pump.controller,
            guardrails=pump.guardrails,
            oref=pump.loop.settings,
            detail=pump.detail,
        )

    # --- power cuts ---

    def pulses_given(self) -> tuple[str, ...]:
        """Sources of the pulses since second 0, in their order: basal, bolus, extended or prime."""
        return tuple(pulse.source for pulse in self._pump.given)

    def records_stored(self) -> tuple[tuple[int, int], ...]:
        """First and last sequence number of what stands together in the history, and was not deleted (D-911)."""
        return tuple((first, first + count - 1) for first, count, _ in self._pump.history.groups)

    def power_cut(
        self,
        counted: Mapping[str, int] | None = None,
        *,
        doubt: str | None = None,
        records: int | None = None,
        durable_s: int | None = None,
    ) -> Oracle:
        """The oracle of the pump that comes up after a cut at the second reached, at its second 0 (D-921 to D-928).

        Its first events are the records of second 0; numbers of records and of boluses go on. This oracle stays as it
        is.

        Args:
            counted: pulses since second 0 that count, by source: those that the motor showed, and the one in doubt
                whether it was seen or not (D-924, D-925). None for all that the oracle gave.
            doubt: source of the pulse in doubt, None for none.
            records: sequence number of the first record after the restart; what the oracle recorded from there on was
                not durable and never was (D-926). None for all durable.
            durable_s: the last pump second that was made durable, to which a TBR has run (D-922) and the counters of
                D-514 have counted. None for the second reached.

        Raises:
            UsageError: pulses that this oracle did not give, or a source that is none.
        """
        if doubt is not None and doubt not in SOURCES:
            raise UsageError(f"a pulse in doubt from {doubt!r}", where="power cut", allowed=", ".join(SOURCES))
        given = self._pump.given
        if counted is None:
            counted = {source: sum(pulse.source == source for pulse in given) for source in SOURCES}
        ended_s = self.now_s if durable_s is None else durable_s
        after = Oracle(self.settings)
        after._pump = restart(self._durable(records), given, counted, doubt, ended_s)
        after._first = deepcopy(after._pump)
        return after

    def _durable(self, records: int | None) -> Machine:
        """A copy of the pump as it was before the first record that was not durable."""
        if records is None or records >= self._pump.history.next_sequence:
            return deepcopy(self._pump)
        again, durable = self._beginning(), 0
        for step, _ in enumerate(self._play(again), 1):
            if again.history.next_sequence > records:
                break
            durable = step
        again = self._beginning()
        playing = self._play(again)
        for _ in range(durable):
            next(playing)
        return again

    def _beginning(self) -> Machine:
        return Machine(self.settings) if self._first is None else deepcopy(self._first)

    def _play(self, pump: Machine) -> Iterator[None]:
        """This life of the pump once more, with a halt after each second and each input."""
        for to_s, act in self._inputs:
            yield from pump.seconds(to_s)
            act(pump)
            yield
        yield from pump.seconds(self.now_s)


# A pump has few rates, and is looked at often.
_fraction = functools.lru_cache(maxsize=1024)(Fraction)


def _hearing(act: _Act, heard: Heard) -> _Act:
    """An input judged with what the pump did; it is asked once, however often the input is played."""
    once = functools.cache(heard)

    def hearing(pump: Machine) -> Any:
        pump.heard = once
        try:
            return act(pump)
        finally:
            pump.heard = None

    return hearing


def _bolus_state(bolus: Bolus, at_s: int, pulse_mu: int) -> BolusState:
    plan = bolus.plan
    return BolusState(
        bolus_id=bolus.bolus_id,
        bolus_type=plan.bolus_type,
        fast_mu=plan.fast * pulse_mu,
        extended_mu=plan.extended * pulse_mu,
        fast_delivered_mu=bolus.fast.delivered * pulse_mu,
        extended_delivered_mu=bolus.extended.delivered * pulse_mu,
        duration_minutes=plan.duration_minutes,
        elapsed_minutes=bolus.elapsed_minutes,
        remaining_minutes=bolus.remaining_minutes,
        delay_minutes=plan.delay_minutes,
        remaining_delay_minutes=bolus.remaining_delay_minutes(at_s),
        template=bolus.template,
        activation=bolus.activation,
        reasons=plan.reasons,
        start_s=bolus.start_s,
    )


def _tbr_state(pump: Machine) -> TbrState | None:
    tbr = pump.tbr
    if tbr is None:
        return None
    return TbrState(
        tbr_type=tbr.tbr_type,
        value=tbr.value,
        rate_mu_per_h=pump.tbr_rate_mu_per_h(tbr.tbr_type, tbr.value),
        start_s=tbr.start_s,
        end_s=tbr.end_s,
        programmed_minutes=tbr.programmed_minutes,
        effective_minutes=tbr.effective_minutes(pump.now_s),
        remaining_minutes=tbr.remaining_minutes(pump.now_s),
        context=tbr.context,
        template=tbr.template,
        suspension=tbr.suspension,
    )
