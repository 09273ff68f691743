"""The pump as DOSING.md describes it: its state, the steps of a second, and what may be done to it.

Time jumps from one second in which something happens to the next (`next_s`), so a quiet hour costs nothing. Every
method that takes `at_s` acts at that second, which `advance` has reached before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from pumprig.oracle.annunciations import Annunciations
from pumprig.oracle.bolus import Bolus, BolusPlan, Part
from pumprig.oracle.delivery import NEVER, Delivery
from pumprig.oracle.detail import ExpectedDetail
from pumprig.oracle.events import (
    BasalChanged,
    BolusEnded,
    BolusStarted,
    DailyInsulin,
    History,
    OperationalChanged,
    PrimingDone,
    PrimingStarted,
    Pulse,
    ReservoirChanged,
    TbrChanged,
    TbrEnded,
    TbrStarted,
    TherapyChanged,
)
from pumprig.oracle.guardrails import Heard, Windows, automatic_tbr, pulse_held
from pumprig.oracle.iob import InsulinOnBoard
from pumprig.oracle.loop import Loop
from pumprig.oracle.plgs import Cgm, Limiter
from pumprig.oracle.profile import Tbr, WallClock
from pumprig.oracle.settings import PAUSE_LIMIT_S, ControllerSettings, Guardrails, OracleSettings
from pumprig.oracle.steps import cut_down
from pumprig.oracle.templates import TbrPlan, Templates
from pumprig.oracle.terms import (
    LOOPED,
    AnnunciationType,
    BolusType,
    Context,
    Controller,
    EndReason,
    OperationalState,
    PrimingReason,
    TbrType,
    TemplateKind,
    TherapyState,
    TimeReason,
)

__all__ = ["Given", "Machine"]

_RESERVOIR_STEP_MU = 10_000
_ROLLOVER_MU = 80_000_000
_ID_MAX = 65_535
_BATTERY_LOW_PERCENT = 20


@dataclass(frozen=True, slots=True)
class Given:
    """A pulse that left: its place from 0, its source, and for a bolus its ID and whether it was spread."""

    number: int
    source: str
    bolus_id: int | None = None
    spread: bool = False


class Machine:
    """State and behaviour of the pump, one input or one second at a time.

    Args:
        settings: the parameters of section 10.
        wall: local date and time of second 0; that of the settings without one.
        next_sequence: number of the first history record.
    """

    def __init__(self, settings: OracleSettings, wall: datetime | None = None, next_sequence: int = 0) -> None:
        self.settings = settings
        self.controller: ControllerSettings = settings.controller
        self.guardrails: Guardrails = settings.guardrails
        self.windows = Windows()
        self.last_automatic_bolus_s: int | None = None
        self.now_s = 0
        self.clock = WallClock(wall or settings.wall_start)
        self.history = History(next_sequence)
        self.annunciations = Annunciations(self.history)
        self.delivery = Delivery(settings.pulse_mu, settings.bolus_speed_mu_per_minute)
        self.iob = InsulinOnBoard(settings.pulse_mu, self.controller.dia_minutes, self.controller.peak_minutes)
        self.therapy = TherapyState.STOP
        self.pause_end_s = NEVER
        self.templates = Templates(settings.templates, adjustable=settings.basal_adjustable)
        self.profile_rate_mu_per_h = settings.basal_fixed_mu_per_h
        self.block_end_s = NEVER
        self.tbr: Tbr | None = None
        self.max_bolus_mu = settings.max_bolus_mu
        self.last_bolus_id = 0
        self.reservoir_pulses = settings.initial_pulses
        self.reservoir_attached = True
        self.battery_percent = 100
        self.force = 0
        self.force_read_s = -1
        # What the pump did, while an input is judged (D-1204).
        self.heard: Heard | None = None
        self.occluded = False
        self.day = self.clock.day(0)
        self.day_mu = {"basal": 0, "bolus": 0}
        self.shown_mu = {"basal": 0, "bolus": 0}
        self.midnight_s = self.clock.midnight_after(0)
        self.cgm = Cgm()
        self.loop = Loop(settings.pulse_mu, settings.oref)
        self.limiter = Limiter()
        self.lockout_end_s = 0
        self.decisions = 0
        self.detail = ExpectedDetail(0)
        self.delivered_mu_per_h = 0
        # D-514: what earlier lives of the pump counted, in seconds.
        self.elapsed_before_s = 0
        self.operation_before_s = 0
        self.pulses_in_doubt = 0
        self.doubt_source: str | None = None
        self.given: list[Given] = []
        if self.controller.controller in LOOPED:
            self.loop.choose(self, 0)
        self.history.reference(0, self.clock.wall(0), TimeReason.LOST)

    # --- time ---

    def next_s(self) -> int:
        """The next second in which something happens of its own."""
        return max(
            self.now_s + 1,
            min(
                self.delivery.next_s(),
                self.history.reference_due_s,
                self.midnight_s,
                self.block_end_s,
                NEVER if self.tbr is None else self.tbr.end_s,
                self.pause_end_s,
                self.annunciations.due_s(),
                self.cgm.stale_due_s(self.stale_s),
            ),
        )

    def advance(self, to_s: int) -> None:
        """Process steps (1) to (7) of every second up to and including `to_s` (D-003)."""
        for _ in self.seconds(to_s):
            pass

    def seconds(self, to_s: int) -> Iterator[None]:
        """Do as `advance` does, with a halt after each second in which something happened."""
        while (due_s := self.next_s()) <= to_s:
            self._second(due_s)
            yield
        self.delivery.integrate(to_s)
        self.now_s = to_s

    def _second(self, at_s: int) -> None:
        self.now_s = at_s
        # D-003 (0), D-906
        if at_s >= self.history.reference_due_s:
            self.history.reference(at_s, self.clock.wall(at_s), TimeReason.PERIODIC)
        # D-003 (1): what was in force up to this second is earned before anything changes.
        self.delivery.integrate(at_s)
        self._deliver(at_s)
        # D-003 (2)
        for bolus in self.delivery.active():
            if bolus.complete:
                self.end_bolus(at_s, bolus, EndReason.DELIVERED, "D-106")
        if self.delivery.priming is not None and self.delivery.priming.complete:
            self.end_priming(at_s, PrimingReason.REACHED, "D-511")
        # D-003 (3)
        if at_s >= self.midnight_s:
            self.close_day(at_s, clock_changed=False)
            self.midnight_s = self.clock.midnight_after(at_s)
        # D-003 (4)
        if at_s >= self.block_end_s:
            self.apply_profile(at_s, "D-202")
        # D-003 (5)
        if self.tbr is not None and at_s >= self.tbr.end_s:
            self.end_tbr(at_s, EndReason.DURATION_OVER, "D-611" if self.tbr.suspension else "D-302")
        # D-003 (6)
        if at_s >= self.pause_end_s:
            self.annunciations.raise_one(AnnunciationType.PAUSE_OVER, at_s, "D-504")
            self.stop(at_s, EndReason.CANCELED, "D-504")
        if at_s >= self.annunciations.due_s():
            self.annunciations.wake(at_s)
        # D-003 (7)
        if at_s >= self.cgm.stale_due_s(self.stale_s):
            self.cgm.stale = True
            self.annunciations.raise_one(AnnunciationType.STALE_CGM, at_s, "D-603")
            self.end_automatic_tbr(at_s, "D-603")

    # --- delivery ---

    def _deliver(self, at_s: int) -> None:
        # D-003 (1): in this order; whatever leads to Stop, or ends a priming by a fault, withholds the rest.
        delivery = self.delivery
        if self.therapy is TherapyState.RUN:
            for bolus in (delivery.fast, delivery.other):
                if bolus is not None and not self._deliver_bolus(at_s, bolus):
                    return
            if delivery.basal_due():
                self._pulse(at_s, "D-102", "basal")
        while delivery.priming is not None and delivery.priming.due:
            if not self._pulse(at_s, "D-511", "prime"):
                return

    def _deliver_bolus(self, at_s: int, bolus: Bolus) -> bool:
        for part, rule in ((bolus.fast, "D-106"), (bolus.extended, "D-108")):
            while part.due:
                if not self._pulse(at_s, rule, bolus.source, bolus.bolus_id, part):
                    return False
        return True

    def _pulse(self, at_s: int, rule: str, source: str, bolus_id: int | None = None, part: Part | None = None) -> bool:
        """Deliver one pulse; False when nothing more comes.

        A full window or an occlusion withholds it, an empty reservoir withholds what follows it.
        """
        if source != "prime" and pulse_held(self, at_s):
            self.abort(at_s, AnnunciationType.MAX_DELIVERY, "D-1205")
            return False
        self.force_read_s = at_s
        if self.occluded or self.force >= self.settings.occlusion_force:
            self.abort(at_s, AnnunciationType.OCCLUSION, "D-821")
            return False
        if part is not None:
            self.delivery.take_bolus_pulse(part)
        elif source == "basal":
            self.delivery.take_basal_pulse()
        else:
            self.delivery.take_prime_pulse()
        self.history.add(Pulse, at_s, rule, source=source, bolus_id=bolus_id)
        self.given.append(Given(len(self.given), source, bolus_id, part is not None and part.spread))
        if source != "prime":
            self.iob.add(at_s)
            self.windows.add(at_s)
            self.loop.delivered(at_s)
            self.count_insulin("basal" if source == "basal" else "bolus", self.settings.pulse_mu)
        return self._draw(at_s)

    def count_insulin(self, kind: str, amount_mu: int) -> None:
        """Add to the sums of the day and since the start; above 80,000 IU the latter is 0 again (D-901, D-902).

        What is taken back again (D-925) takes no sum below 0.
        """
        self.day_mu[kind] = max(0, self.day_mu[kind] + amount_mu)
        shown_mu = max(0, self.shown_mu[kind] + amount_mu)
        self.shown_mu[kind] = shown_mu if shown_mu <= _ROLLOVER_MU else 0

    def _draw(self, at_s: int) -> bool:
        """Take a pulse out of the reservoir; False when it is empty now (D-811 to D-814)."""
        self.delivery.reservoir_pulses_used += 1
        step_mu, low = self.take_from_reservoir()
        if step_mu is not None:
            self.history.add(ReservoirChanged, at_s, "D-814", remaining_mu=step_mu)
        if low:
            self.annunciations.raise_one(AnnunciationType.RESERVOIR_LOW, at_s, "D-812")
        if self.reservoir_pulses == 0:
            self.abort(at_s, AnnunciationType.RESERVOIR_EMPTY, "D-813")
            return False
        return True

    def take_from_reservoir(self) -> tuple[int | None, bool]:
        """Take a pulse out; say which multiple of 10 U is reached, if any, and whether the low level is (D-812)."""
        before_mu = self.reservoir_pulses * self.settings.pulse_mu
        self.reservoir_pulses -= 1
        after_mu = before_mu - self.settings.pulse_mu
        step_mu = None if after_mu % _RESERVOIR_STEP_MU else after_mu
        return step_mu, after_mu <= self.settings.reservoir_low_mu < before_mu

    def abort(self, at_s: int, kind: AnnunciationType, rule: str) -> None:
        """Raise an annunciation that lets nothing go on; what ends names it (D-512, D-813, D-821, D-841)."""
        self._fail(at_s, rule, self.annunciations.raise_one(kind, at_s, rule))

    def _fail(self, at_s: int, rule: str, annunciation_id: int | None = None) -> None:
        if self.therapy is not TherapyState.STOP:
            self.stop(at_s, EndReason.ERROR_ABORT, rule, annunciation_id)
        # As a bolus, a priming that this very second completed ends in its own step.
        if self.delivery.priming is not None and not self.delivery.priming.complete:
            self.end_priming(at_s, PrimingReason.ERROR_ABORT, rule, annunciation_id)

    def set_reservoir(self, at_s: int, pulses: int, attached: bool) -> None:
        """Set the fill level or attach or detach the reservoir; without insulin nothing goes on (D-512, D-814)."""
        self.reservoir_pulses, self.reservoir_attached = pulses, attached
        remaining_mu = pulses * self.settings.pulse_mu if attached else None
        self.history.add(ReservoirChanged, at_s, "D-814", remaining_mu=remaining_mu)
        idle = self.therapy is TherapyState.STOP and self.delivery.priming is None
        if idle or (attached and pulses):
            return
        if attached:
            self.abort(at_s, AnnunciationType.RESERVOIR_EMPTY, "D-813")
        else:
            self._fail(at_s, "D-814")

    def set_battery(self, at_s: int, percent: int) -> None:
        """Set what the battery shows (D-841)."""
        before, self.battery_percent = self.battery_percent, percent
        if percent == 0:
            self.abort(at_s, AnnunciationType.BATTERY_EMPTY, "D-841")
        elif percent <= _BATTERY_LOW_PERCENT < before:
            self.annunciations.raise_one(AnnunciationType.BATTERY_LOW, at_s, "D-841")

    # --- priming ---

    @property
    def operational(self) -> OperationalState:
        """Priming while it lasts, Ready else (D-511)."""
        return OperationalState.READY if self.delivery.priming is None else OperationalState.PRIMING

    def start_priming(self, at_s: int, pulses: int) -> None:
        """Start a priming (D-511)."""
        self.delivery.start_priming(pulses)
        self.history.add(PrimingStarted, at_s, "D-511", amount_mu=pulses * self.settings.pulse_mu)
        old, new = OperationalState.READY, OperationalState.PRIMING
        self.history.add(OperationalChanged, at_s, "D-511", old=old, new=new)

    def end_priming(self, at_s: int, reason: PrimingReason, rule: str, annunciation_id: int | None = None) -> None:
        """End the priming with what it has delivered (D-511, D-512)."""
        delivered_mu = self.delivery.end_priming() * self.settings.pulse_mu
        self.history.add(
            PrimingDone, at_s, rule, delivered_mu=delivered_mu, reason=reason, annunciation_id=annunciation_id
        )
        old, new = OperationalState.PRIMING, OperationalState.READY
        self.history.add(OperationalChanged, at_s, rule, old=old, new=new)

    # --- rates ---

    @property
    def active_template(self) -> int:
        """Number of the basal profile template that is activated, 0 for none."""
        return self.templates.activated.get(TemplateKind.BASAL, 0)

    def rate_in_force(self) -> int:
        """What the basal earns: nothing in Stop, the TBR's rate while one runs, else the profile's (D-102, D-308)."""
        if self.therapy is TherapyState.STOP:
            return 0
        if self.tbr is None:
            return self.within_limits(self.profile_rate_mu_per_h)
        return self.tbr_rate_mu_per_h(self.tbr.tbr_type, self.tbr.value)

    def tbr_rate_mu_per_h(self, tbr_type: TbrType, value: int) -> int:
        """What a TBR brings into force over the profile's rate: mU/h, or thousandths of the factor (D-308, D-1202)."""
        if tbr_type is TbrType.ABSOLUTE:
            return self.within_limits(value)
        rate = self.profile_rate_mu_per_h * value // 1000
        return self._on_step(min(rate, self.settings.basal_limit_mu_per_h, self.guardrails.basal_mu_per_h))

    def within_limits(self, rate_mu_per_h: int) -> int:
        """A rate as the basal limit and its guardrail leave it (D-801, D-1202)."""
        limit = min(self.settings.basal_limit_mu_per_h, self.guardrails.basal_mu_per_h)
        return rate_mu_per_h if rate_mu_per_h <= limit else self._on_step(limit)

    def _on_step(self, rate_mu_per_h: int) -> int:
        return cut_down(rate_mu_per_h, self.settings.basal_min_mu_per_h, self.settings.basal_steps)

    def guard(self, at_s: int, guardrails: Guardrails) -> None:
        """Take other guardrails; the rate in force keeps within them (D-1201, D-1202)."""
        self.guardrails = guardrails
        self._rate_changed(at_s, "D-1202")

    @property
    def stale_s(self) -> int:
        """Age at which CGM is not yet stale, in seconds: that of the settings, or of its guardrail (D-603, D-1207)."""
        return 60 * min(self.controller.stale_minutes, self.guardrails.stale_minutes)

    def _rate_changed(self, at_s: int, rule: str, context: str = Context.DEVICE, *, group: bool = False) -> None:
        """Bring the rate into force; record the delivered one when it changed, in a TBR group always (D-905)."""
        running = self.therapy is TherapyState.RUN
        self.delivery.running = running
        self.delivery.rate_mu_per_h = self.rate_in_force()
        old, new = self.delivered_mu_per_h, self.delivery.rate_mu_per_h if running else 0
        self.delivered_mu_per_h = new
        if group or old != new:
            self.history.add(BasalChanged, at_s, rule, old_mu_per_h=old, new_mu_per_h=new, context=context)
        if group:
            self.history.join()

    def load_block(self, at_s: int) -> None:
        """Look up the block of the local time (D-202)."""
        profile = self.templates.activated_profile(TemplateKind.BASAL)
        if profile is None:
            self.profile_rate_mu_per_h, self.block_end_s = self.settings.basal_fixed_mu_per_h, NEVER
        else:
            rate, left_s = profile.at(self.clock.second_of_day(at_s))
            self.profile_rate_mu_per_h, self.block_end_s = rate, at_s + left_s
            self.loop.scheduled_from(at_s, rate)

    def apply_profile(self, at_s: int, rule: str) -> None:
        """Bring the block of the local time into force (D-202, D-203, D-204)."""
        self.load_block(at_s)
        self._rate_changed(at_s, rule)

    def start_tbr(
        self,
        at_s: int,
        plan: TbrPlan,
        context: str,
        template: int = 0,
        *,
        suspension: bool = False,
        automatic: bool = False,
    ) -> None:
        """Start a TBR; one that runs is canceled first (D-302, D-306, D-1104)."""
        rule = "D-306" if suspension else "D-1104" if automatic else "D-302"
        if self.tbr is not None:
            self.end_tbr(at_s, EndReason.CANCELED, rule)
        minutes = plan.duration_minutes
        end_s = at_s + 60 * minutes
        self.tbr = Tbr(plan.tbr_type, plan.value, at_s, end_s, minutes, context, template, suspension, automatic)
        if suspension:
            self.limiter.start(at_s)
        self.history.add(
            TbrStarted,
            at_s,
            rule,
            tbr_type=plan.tbr_type,
            value=plan.value,
            duration_minutes=minutes,
            context=context,
            template=template,
        )
        self._rate_changed(at_s, rule, context, group=True)

    def suspend(self, at_s: int, minutes: int) -> None:
        """Start a suspension, no longer than a decision may last (D-306, D-608, D-1208)."""
        minutes = automatic_tbr(self, at_s, 0, minutes).minutes
        plan = TbrPlan(TbrType.ABSOLUTE, 0, minutes)
        self.start_tbr(at_s, plan, Context.AP_CONTROLLER, suspension=True, automatic=True)

    def change_tbr(
        self, at_s: int, plan: TbrPlan, context: str, template: int = 0, *, automatic: bool = False
    ) -> None:
        """Change the running TBR: same start, other rate and end; it is whose word it was (D-303, D-1107)."""
        tbr = self.tbr
        assert tbr is not None
        if tbr.suspension:
            # D-306, D-614: what a client has set is no suspension any more.
            self.limiter.end(at_s)
            self._lock_out(at_s)
            tbr.suspension = False
        tbr.automatic = automatic
        tbr.tbr_type, tbr.value, tbr.template = plan.tbr_type, plan.value, template
        tbr.end_s = at_s + 60 * plan.duration_minutes
        tbr.programmed_minutes, tbr.context = plan.duration_minutes, context
        self.history.add(
            TbrChanged,
            at_s,
            "D-303",
            tbr_type=plan.tbr_type,
            value=plan.value,
            duration_minutes=plan.duration_minutes,
            elapsed_minutes=tbr.effective_minutes(at_s),
            context=context,
            template=template,
        )
        self._rate_changed(at_s, "D-303", context, group=True)

    def cancel_tbr(self, at_s: int) -> None:
        """End the running TBR on a client's word; after a suspension the lockout begins (D-304, D-614)."""
        assert self.tbr is not None
        if self.tbr.suspension:
            self._lock_out(at_s)
        self.end_tbr(at_s, EndReason.CANCELED, "D-304")

    def end_tbr(self, at_s: int, reason: EndReason, rule: str, annunciation_id: int | None = None) -> None:
        """End the running TBR; from this second the profile is in force (D-302, D-304)."""
        tbr = self.tbr
        assert tbr is not None
        self.tbr = None
        if tbr.suspension:
            self.limiter.end(at_s)
        self.history.add(
            TbrEnded,
            at_s,
            rule,
            tbr_type=tbr.tbr_type,
            reason=reason,
            effective_minutes=tbr.effective_minutes(at_s),
            template=tbr.template,
            annunciation_id=annunciation_id,
        )
        self._rate_changed(at_s, rule, group=True)

    def end_automatic_tbr(self, at_s: int, rule: str) -> bool:
        """End a controller's TBR if one runs, on the pump's own account (D-603, D-610, D-616, D-1106)."""
        if self.tbr is None or not self.tbr.automatic:
            return False
        self.end_tbr(at_s, EndReason.CANCELED, rule)
        return True

    def tell_unloaded(self, at_s: int) -> None:
        """Raise *system issue* when the controller that is chosen cannot be loaded (D-1112)."""
        if self.controller.controller == Controller.OWN and not self.settings.own_loads:
            self.annunciations.raise_one(AnnunciationType.SYSTEM_ISSUE, at_s, "D-1112")

    def _lock_out(self, at_s: int) -> None:
        self.lockout_end_s = at_s + 60 * self.controller.lockout_minutes

    # --- bolus and therapy ---

    def start_bolus(self, at_s: int, plan: BolusPlan, template: int = 0, activation: str | None = None) -> int:
        """Take a bolus in under the next ID (D-402)."""
        self.last_bolus_id = self.last_bolus_id % _ID_MAX + 1
        if plan.bolus_type is not BolusType.EXTENDED:
            self.loop.last_bolus_s = at_s
        self.delivery.start_bolus(self.last_bolus_id, at_s, plan, template, activation)
        pulse_mu = self.settings.pulse_mu
        self.history.add(
            BolusStarted,
            at_s,
            "D-402",
            bolus_id=self.last_bolus_id,
            bolus_type=plan.bolus_type,
            fast_mu=plan.fast * pulse_mu,
            extended_mu=plan.extended * pulse_mu,
            duration_minutes=plan.duration_minutes,
            delay_minutes=plan.delay_minutes,
            template=template,
            activation=activation,
            reasons=plan.reasons,
        )
        return self.last_bolus_id

    def end_bolus(
        self, at_s: int, bolus: Bolus, reason: EndReason, rule: str, annunciation_id: int | None = None
    ) -> None:
        """End an active bolus with what it has delivered (D-106, D-108, D-404, D-415)."""
        self.delivery.end_bolus(bolus)
        if rule == "D-106" and bolus.plan.bolus_type is not BolusType.FAST:
            rule = "D-108"
        self.history.add(
            BolusEnded,
            at_s,
            rule,
            bolus_id=bolus.bolus_id,
            bolus_type=bolus.plan.bolus_type,
            fast_mu=bolus.fast.delivered * self.settings.pulse_mu,
            extended_mu=bolus.extended.delivered * self.settings.pulse_mu,
            effective_minutes=bolus.effective_minutes(at_s),
            start_offset_s=bolus.start_offset_s(at_s),
            activation=bolus.activation,
            reason=reason,
            annunciation_id=annunciation_id,
        )

    def set_therapy(self, at_s: int, state: TherapyState, rule: str = "D-501") -> None:
        """Enter another therapy state, with the delivered rate that belongs to it (D-501, D-907)."""
        old, self.therapy = self.therapy, state
        self.pause_end_s = at_s + PAUSE_LIMIT_S if state is TherapyState.PAUSE else NEVER
        self.history.add(TherapyChanged, at_s, rule, old=old, new=state)
        self._rate_changed(at_s, "D-907")

    def stop(self, at_s: int, reason: EndReason, rule: str, annunciation_id: int | None = None) -> None:
        """Enter Stop: the boluses end, then the TBR, then the remainder is dropped (D-105, D-502)."""
        for bolus in self.delivery.active():
            # A bolus that this very second completed is delivered, and ends in its own step.
            if not bolus.complete:
                self.end_bolus(at_s, bolus, reason, rule, annunciation_id)
        if self.tbr is not None:
            self.end_tbr(at_s, reason, rule, annunciation_id)
        self.delivery.drop_remainder()
        self.set_therapy(at_s, TherapyState.STOP, rule)

    # --- the day and the clock ---

    def close_day(self, at_s: int, *, clock_changed: bool) -> None:
        """Record the day that the sums belong to and begin them anew (D-901, D-928)."""
        self.history.add(
            DailyInsulin,
            at_s,
            "D-901",
            day=self.day,
            bolus_mu=self.day_mu["bolus"],
            basal_mu=self.day_mu["basal"],
            clock_changed=clock_changed,
        )
        self.day_mu = {"basal": 0, "bolus": 0}
        self.day = self.clock.day(at_s)

    def set_clock(self, at_s: int, clock: WallClock) -> None:
        """Change the local time: day, reference time and block follow, nothing that runs does (D-001, D-203, D-901)."""
        self.clock = clock
        if clock.day(at_s) != self.day:
            self.close_day(at_s, clock_changed=True)
        self.midnight_s = clock.midnight_after(at_s)
        self.history.reference(at_s, clock.wall(at_s), TimeReason.SET)
        self.apply_profile(at_s, "D-203")
