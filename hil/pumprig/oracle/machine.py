"""The pump as DOSING.md describes it: its state, the steps of a second, and what may be done to it.

Time jumps from one second in which something happens to the next (`next_s`), so a quiet hour costs nothing. Every
method that takes `at_s` acts at that second, which `advance` has reached before.
"""

from __future__ import annotations

from pumprig.oracle.annunciations import Annunciations
from pumprig.oracle.delivery import NEVER, Delivery
from pumprig.oracle.events import (
    BasalChanged,
    BolusEnded,
    BolusStarted,
    DailyInsulin,
    History,
    Pulse,
    ReservoirChanged,
    TbrChanged,
    TbrEnded,
    TbrStarted,
    TherapyChanged,
)
from pumprig.oracle.iob import InsulinOnBoard
from pumprig.oracle.plgs import Cgm, Limiter
from pumprig.oracle.profile import Profile, Tbr, WallClock
from pumprig.oracle.settings import PAUSE_LIMIT_S, ControllerSettings, OracleSettings
from pumprig.oracle.terms import AnnunciationType, Context, EndReason, TherapyState, TimeReason

__all__ = ["Machine"]

_RESERVOIR_STEP_MU = 10_000
_ROLLOVER_MU = 80_000_000
_ID_MAX = 65_535


class Machine:
    """State and behaviour of the pump, one input or one second at a time.

    Args:
        settings: the parameters of section 10.
    """

    def __init__(self, settings: OracleSettings) -> None:
        self.settings = settings
        self.controller: ControllerSettings = settings.controller
        self.now_s = 0
        self.clock = WallClock(settings.wall_start)
        self.history = History()
        self.annunciations = Annunciations(self.history)
        self.delivery = Delivery(settings.pulse_mu, settings.bolus_speed_mu_per_minute)
        self.iob = InsulinOnBoard(settings.pulse_mu, self.controller.dia_minutes, self.controller.peak_minutes)
        self.therapy = TherapyState.STOP
        self.pause_end_s = NEVER
        self.profiles: dict[int, Profile] = {}
        self.active_template = 0
        self.profile_rate_mu_per_h = 0
        self.block_end_s = NEVER
        self.tbr: Tbr | None = None
        self.max_bolus_mu = settings.max_bolus_mu
        self.last_bolus_id = 0
        self.reservoir_pulses = settings.initial_pulses
        self.reservoir_attached = True
        self.force = 0
        self.force_read_s = -1
        self.occluded = False
        self.day_mu = {"basal": 0, "bolus": 0}
        self.shown_mu = {"basal": 0, "bolus": 0}
        self.midnight_s = self.clock.midnight_after(0)
        self.cgm = Cgm()
        self.limiter = Limiter()
        self.lockout_end_s = 0
        self._delivered_mu_per_h = 0
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
                self.cgm.stale_due_s(60 * self.controller.stale_minutes),
            ),
        )

    def advance(self, to_s: int) -> None:
        """Process steps (1) to (7) of every second up to and including `to_s` (D-003)."""
        while (due_s := self.next_s()) <= to_s:
            self._second(due_s)
        self.delivery.integrate(to_s)
        self.now_s = to_s

    def _second(self, at_s: int) -> None:
        self.now_s = at_s
        # D-003 (0), D-906
        if at_s >= self.history.reference_due_s:
            self.history.reference(at_s, self.clock.wall(at_s), TimeReason.PERIODIC)
        # D-003 (1): what was in force up to this second is earned before anything changes.
        self.delivery.integrate(at_s)
        if self.therapy is TherapyState.RUN:
            self._deliver(at_s)
        # D-003 (2)
        if self.delivery.bolus is not None and self.delivery.bolus.complete:
            self.end_bolus(at_s, EndReason.DELIVERED, "D-106")
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
        if at_s >= self.cgm.stale_due_s(60 * self.controller.stale_minutes):
            self.cgm.stale = True
            self.annunciations.raise_one(AnnunciationType.STALE_CGM, at_s, "D-603")
            self.end_suspension(at_s, "D-603")

    # --- delivery ---

    def _deliver(self, at_s: int) -> None:
        # D-003 (1): bolus pulses before the basal pulse; whatever leads to Stop withholds the rest.
        while self.delivery.bolus_due():
            if not self._pulse(at_s, "bolus"):
                return
        if self.delivery.basal_due():
            self._pulse(at_s, "basal")

    def _pulse(self, at_s: int, source: str) -> bool:
        """Deliver one pulse; False when therapy has stopped, by occlusion before it or an empty reservoir after it."""
        self.force_read_s = at_s
        if self.occluded or self.force >= self.settings.occlusion_force:
            self._abort(at_s, AnnunciationType.OCCLUSION, "D-821")
            return False
        if source == "bolus":
            self.history.add(Pulse, at_s, "D-106", source=source, bolus_id=self.delivery.take_bolus_pulse())
        else:
            self.delivery.take_basal_pulse()
            self.history.add(Pulse, at_s, "D-102", source=source)
        self.iob.add(at_s)
        pulse_mu = self.settings.pulse_mu
        self.day_mu[source] += pulse_mu
        # D-902: above 80,000 IU the sum is 0 again.
        shown_mu = self.shown_mu[source] + pulse_mu
        self.shown_mu[source] = shown_mu if shown_mu <= _ROLLOVER_MU else 0
        return self._draw(at_s)

    def _draw(self, at_s: int) -> bool:
        """Take a pulse out of the reservoir; False when it is empty now (D-811 to D-814)."""
        low_mu = self.settings.reservoir_low_mu
        before_mu = self.reservoir_pulses * self.settings.pulse_mu
        self.reservoir_pulses -= 1
        self.delivery.reservoir_pulses_used += 1
        after_mu = before_mu - self.settings.pulse_mu
        if after_mu % _RESERVOIR_STEP_MU == 0:
            self.history.add(ReservoirChanged, at_s, "D-814", remaining_mu=after_mu)
        if after_mu <= low_mu < before_mu:
            self.annunciations.raise_one(AnnunciationType.RESERVOIR_LOW, at_s, "D-812")
        if self.reservoir_pulses == 0:
            self._abort(at_s, AnnunciationType.RESERVOIR_EMPTY, "D-813")
            return False
        return True

    def _abort(self, at_s: int, kind: AnnunciationType, rule: str) -> None:
        self.stop(at_s, EndReason.ERROR_ABORT, rule, self.annunciations.raise_one(kind, at_s, rule))

    def set_reservoir(self, at_s: int, pulses: int, attached: bool) -> None:
        """Set the fill level or attach or detach the reservoir; without insulin therapy stops (D-814)."""
        self.reservoir_pulses, self.reservoir_attached = pulses, attached
        remaining_mu = pulses * self.settings.pulse_mu if attached else None
        self.history.add(ReservoirChanged, at_s, "D-814", remaining_mu=remaining_mu)
        if self.therapy is TherapyState.STOP or (attached and pulses):
            return
        if attached:
            self._abort(at_s, AnnunciationType.RESERVOIR_EMPTY, "D-813")
        else:
            self.stop(at_s, EndReason.ERROR_ABORT, "D-814")

    # --- rates ---

    def rate_in_force(self) -> int:
        """What the basal earns: nothing in Stop, the TBR's rate while one runs, else the profile's (D-102)."""
        if self.therapy is TherapyState.STOP:
            return 0
        return self.profile_rate_mu_per_h if self.tbr is None else self.tbr.rate_mu_per_h

    def _rate_changed(self, at_s: int, rule: str, context: str = Context.DEVICE, *, group: bool = False) -> None:
        """Bring the rate into force; record the delivered one when it changed, in a TBR group always (D-905)."""
        running = self.therapy is TherapyState.RUN
        self.delivery.running = running
        self.delivery.rate_mu_per_h = self.rate_in_force()
        old, new = self._delivered_mu_per_h, self.delivery.rate_mu_per_h if running else 0
        self._delivered_mu_per_h = new
        if group or old != new:
            self.history.add(BasalChanged, at_s, rule, old_mu_per_h=old, new_mu_per_h=new, context=context)

    def apply_profile(self, at_s: int, rule: str) -> None:
        """Bring the block of the local time into force (D-202, D-203, D-204)."""
        profile = self.profiles.get(self.active_template)
        if profile is None:
            self.profile_rate_mu_per_h, self.block_end_s = 0, NEVER
        else:
            rate, left_s = profile.at(self.clock.second_of_day(at_s))
            self.profile_rate_mu_per_h, self.block_end_s = rate, at_s + left_s
        self._rate_changed(at_s, rule)

    def start_tbr(self, at_s: int, rate_mu_per_h: int, minutes: int, context: str, *, suspension: bool = False) -> None:
        """Start a TBR; one that runs is canceled first (D-302, D-306)."""
        rule = "D-306" if suspension else "D-302"
        if self.tbr is not None:
            self.end_tbr(at_s, EndReason.CANCELED, rule)
        self.tbr = Tbr(rate_mu_per_h, at_s, at_s + 60 * minutes, minutes, context, suspension)
        if suspension:
            self.limiter.start(at_s)
        self.history.add(TbrStarted, at_s, rule, value=rate_mu_per_h, duration_minutes=minutes, context=context)
        self._rate_changed(at_s, rule, context, group=True)

    def change_tbr(self, at_s: int, rate_mu_per_h: int, minutes: int, context: str) -> None:
        """Change the running TBR on a client's word: same start, other rate and end (D-303)."""
        tbr = self.tbr
        assert tbr is not None
        if tbr.suspension:
            # D-306, D-614: what a client has set is no suspension any more.
            self.limiter.end(at_s)
            self._lock_out(at_s)
            tbr.suspension = False
        tbr.rate_mu_per_h, tbr.end_s = rate_mu_per_h, at_s + 60 * minutes
        tbr.programmed_minutes, tbr.context = minutes, context
        self.history.add(
            TbrChanged,
            at_s,
            "D-303",
            value=rate_mu_per_h,
            duration_minutes=minutes,
            elapsed_minutes=tbr.effective_minutes(at_s),
            context=context,
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
            reason=reason,
            effective_minutes=tbr.effective_minutes(at_s),
            annunciation_id=annunciation_id,
        )
        self._rate_changed(at_s, rule, group=True)

    def end_suspension(self, at_s: int, rule: str) -> None:
        """End a suspension if one runs, on the pump's own account (D-603, D-610, D-616)."""
        if self.tbr is not None and self.tbr.suspension:
            self.end_tbr(at_s, EndReason.CANCELED, rule)

    def _lock_out(self, at_s: int) -> None:
        self.lockout_end_s = at_s + 60 * self.controller.lockout_minutes

    # --- bolus and therapy ---

    def start_bolus(self, at_s: int, pulses: int) -> int:
        """Start a bolus under the next ID (D-402)."""
        self.last_bolus_id = self.last_bolus_id % _ID_MAX + 1
        self.delivery.start_bolus(self.last_bolus_id, pulses)
        amount_mu = pulses * self.settings.pulse_mu
        self.history.add(BolusStarted, at_s, "D-402", bolus_id=self.last_bolus_id, fast_mu=amount_mu)
        return self.last_bolus_id

    def end_bolus(self, at_s: int, reason: EndReason, rule: str, annunciation_id: int | None = None) -> None:
        """End the active bolus with what it has delivered (D-106, D-404)."""
        bolus = self.delivery.end_bolus()
        self.history.add(
            BolusEnded,
            at_s,
            rule,
            bolus_id=bolus.bolus_id,
            fast_mu=bolus.delivered * self.settings.pulse_mu,
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
        """Enter Stop: the bolus ends, then the TBR, then the remainder is dropped (D-105, D-502)."""
        bolus = self.delivery.bolus
        # A bolus that this very second completed is delivered, and ends in its own step.
        if bolus is not None and not bolus.complete:
            self.end_bolus(at_s, reason, rule, annunciation_id)
        if self.tbr is not None:
            self.end_tbr(at_s, reason, rule, annunciation_id)
        self.delivery.drop_remainder()
        self.set_therapy(at_s, TherapyState.STOP, rule)

    # --- the day and the clock ---

    def close_day(self, at_s: int, *, clock_changed: bool) -> None:
        """Record the day that ends before this second and begin the sums anew (D-901)."""
        # At midnight the clock shows the next day already; at a clock change it still shows the old one.
        day = self.clock.day(at_s if clock_changed else at_s - 1)
        self.history.add(
            DailyInsulin,
            at_s,
            "D-901",
            day=day,
            bolus_mu=self.day_mu["bolus"],
            basal_mu=self.day_mu["basal"],
            clock_changed=clock_changed,
        )
        self.day_mu = {"basal": 0, "bolus": 0}

    def set_clock(self, at_s: int, clock: WallClock) -> None:
        """Change the local time: day, reference time and block follow, nothing that runs does (D-001, D-203, D-901)."""
        if clock.day(at_s) != self.clock.day(at_s):
            self.close_day(at_s, clock_changed=True)
        self.clock = clock
        self.midnight_s = clock.midnight_after(at_s)
        self.history.reference(at_s, clock.wall(at_s), TimeReason.SET)
        self.apply_profile(at_s, "D-203")
