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

from dataclasses import dataclass
from datetime import date, datetime
from fractions import Fraction
from math import floor

from pumprig.errors import UsageError
from pumprig.oracle.annunciations import Notice
from pumprig.oracle.answers import answer
from pumprig.oracle.commands import Command, Expected, SetForce
from pumprig.oracle.delivery import Ledger
from pumprig.oracle.events import Event
from pumprig.oracle.iob import Iob
from pumprig.oracle.machine import Machine
from pumprig.oracle.plgs import Glucose, Situation, decide, whole_glucose
from pumprig.oracle.profile import Tbr
from pumprig.oracle.settings import ControllerSettings, OracleSettings
from pumprig.oracle.terms import Action, Context, Reason, TherapyState

__all__ = ["BolusState", "Counters", "ExpectedDecision", "Oracle", "State", "TbrState"]


DECISION_IOB_MU_MAX = 32_767.0
"""Most insulin on board that a decision can show (D-704)."""


@dataclass(frozen=True, slots=True)
class ExpectedDecision:
    """The one decision that a sample must get (D-615).

    `sequence` counts from 1. `glucose_mg_dl` is 0 when the sample holds no usable number. `predicted` is exact and
    `predicted_mg_dl` what is displayed of it; both are None without a prediction. IOB is that of `at_s` (D-702, D-703),
    as far as a decision can show it (D-704).
    """

    sequence: int
    offset_minutes: int
    at_s: int
    glucose_mg_dl: int
    predicted: Fraction | None
    predicted_mg_dl: int | None
    iob_mu: float
    iob_tolerance_mu: float
    action: Action
    reason: Reason

    @property
    def iob_displayed_mu(self) -> int:
        """Whole mU, rounded down (D-704)."""
        return floor(self.iob_mu)


@dataclass(frozen=True)
class TbrState:
    """The TBR that runs, with its times at the second asked for."""

    rate_mu_per_h: int
    start_s: int
    end_s: int
    programmed_minutes: int
    effective_minutes: int
    remaining_minutes: int
    context: str
    suspension: bool


@dataclass(frozen=True)
class BolusState:
    """The bolus that is active."""

    bolus_id: int
    amount_mu: int
    delivered_mu: int
    remaining_mu: int


@dataclass(frozen=True)
class Counters:
    """Pulses since the start, as the emulator service counts them (D-903)."""

    basal_pulses: int
    bolus_pulses: int
    prime_pulses: int
    reservoir_pulses: int


@dataclass(frozen=True)
class State:
    """The pump at a second: rates in mU/h, amounts in mU."""

    at_s: int
    wall: datetime
    therapy: TherapyState
    rate_in_force_mu_per_h: Fraction
    delivered_rate_mu_per_h: Fraction
    profile_rate_mu_per_h: Fraction
    active_template: int
    tbr: TbrState | None
    bolus: BolusState | None
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


class Oracle:
    """What a pump with these settings must do.

    Args:
        settings: the parameters of DOSING.md, section 10.
    """

    def __init__(self, settings: OracleSettings | None = None) -> None:
        self.settings = settings or OracleSettings()
        self._pump = Machine(self.settings)
        self._decisions = 0

    @property
    def now_s(self) -> int:
        """The pump second reached."""
        return self._pump.now_s

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

    def command(self, at_s: int, command: Command) -> Expected:
        """Let a command take effect at a pump second, after steps (1) to (7), and say what it is answered.

        Raises:
            UsageError: `at_s` lies before the second reached, the specification has no such command, or a motor force
                comes after the pulse that should have met it.
        """
        if isinstance(command, SetForce):
            return self._set_force(at_s, command)
        self.advance(at_s)
        return answer(self._pump, at_s, command)

    def _set_force(self, at_s: int, command: SetForce) -> Expected:
        # D-821: a pulse due at this very second meets the force already.
        if self._pump.force_read_s == at_s:
            raise UsageError(
                f"a motor force for second {at_s} after the pulse of that second",
                where="oracle",
                remedy="Tell the force before advancing to its second.",
            )
        self.advance(at_s if at_s <= self.now_s else at_s - 1)
        return answer(self._pump, at_s, command)

    def sample(self, at_s: int, offset_minutes: int, glucose_mg_dl: Glucose, status_bits: int = 0) -> ExpectedDecision:
        """Let a CGM sample take effect at a pump second and say what is decided (D-602 to D-615).

        Args:
            at_s: the pump second of effect.
            offset_minutes: time offset in the session.
            glucose_mg_dl: glucose; None for no measurement.
            status_bits: sensor status annunciation, bit 0 first.
        """
        self.advance(at_s)
        pump, settings = self._pump, self._pump.controller
        glucose = whole_glucose(glucose_mg_dl)
        refused = pump.cgm.refusal(at_s, offset_minutes, glucose, status_bits, 60 * settings.stale_minutes)
        prediction = None
        if refused is not None or glucose is None:
            action, reason = Action.NONE, refused or Reason.INVALID_SAMPLE
        else:
            rising = pump.cgm.keep(offset_minutes, glucose)
            prediction = pump.cgm.predict(settings.horizon_minutes)
            situation = Situation(
                running=pump.therapy is TherapyState.RUN,
                glucose=glucose,
                rising=rising,
                prediction=prediction,
                suspended_for_s=at_s - pump.tbr.start_s if pump.tbr is not None and pump.tbr.suspension else None,
                locked_out=at_s < pump.lockout_end_s,
                allowance_s=self._allowance_s(),
            )
            action, reason = decide(settings, situation)
            if action is Action.SUSPEND:
                pump.start_tbr(at_s, 0, situation.allowance_s // 60, Context.AP_CONTROLLER, suspension=True)
            elif action is Action.RESUME:
                pump.end_suspension(at_s, "D-610")
        self._decisions = self._decisions % 65_535 + 1
        iob = pump.iob.at(at_s)
        return ExpectedDecision(
            sequence=self._decisions,
            offset_minutes=offset_minutes,
            at_s=at_s,
            glucose_mg_dl=glucose or 0,
            predicted=None if prediction is None else prediction.exact,
            predicted_mg_dl=None if prediction is None else prediction.displayed,
            iob_mu=min(iob.mu, DECISION_IOB_MU_MAX),
            iob_tolerance_mu=iob.tolerance_mu,
            action=action,
            reason=reason,
        )

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
        rate = Fraction(pump.rate_in_force())
        iob = self.iob()
        return State(
            at_s=pump.now_s,
            wall=pump.clock.wall(pump.now_s),
            therapy=pump.therapy,
            rate_in_force_mu_per_h=rate,
            delivered_rate_mu_per_h=rate if pump.therapy is TherapyState.RUN else Fraction(0),
            profile_rate_mu_per_h=Fraction(pump.profile_rate_mu_per_h),
            active_template=pump.active_template,
            tbr=None if pump.tbr is None else _tbr_state(pump.tbr, pump.now_s),
            bolus=self._bolus_state(),
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
            allowance_s=self._allowance_s(),
            annunciations=pump.annunciations.unconfirmed(),
            shown=pump.annunciations.shown(),
            counters=Counters(delivery.basal_pulses, delivery.bolus_pulses, 0, pump.reservoir_pulses),
            controller=pump.controller,
        )

    def _allowance_s(self) -> int:
        settings = self._pump.controller
        return self._pump.limiter.allowance_s(
            self._pump.now_s, 60 * settings.suspend_limit_minutes, 60 * settings.limit_window_minutes
        )

    def _bolus_state(self) -> BolusState | None:
        bolus, pulse_mu = self._pump.delivery.bolus, self.settings.pulse_mu
        if bolus is None:
            return None
        remaining = bolus.pulses - bolus.delivered
        return BolusState(bolus.bolus_id, bolus.pulses * pulse_mu, bolus.delivered * pulse_mu, remaining * pulse_mu)


def _tbr_state(tbr: Tbr, at_s: int) -> TbrState:
    return TbrState(
        rate_mu_per_h=tbr.rate_mu_per_h,
        start_s=tbr.start_s,
        end_s=tbr.end_s,
        programmed_minutes=tbr.programmed_minutes,
        effective_minutes=tbr.effective_minutes(at_s),
        remaining_minutes=tbr.remaining_minutes(at_s),
        context=tbr.context,
        suspension=tbr.suspension,
    )
