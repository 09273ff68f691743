# The machine behind the pump: holds its parts, does what falls on each second in the order of DOSING.md D-003, and ends
# what runs. The commands are in pump/core.py.
from array import array

from micropython import const

from pump.annunciations import Annunciations
from pump.basal import Basal
from pump.boluses import Boluses
from pump.control.control import Control
from pump.counters import Counters
from pump.daily import Daily
from pump.delivery import LIMITED, NOTHING, OCCLUDED, Delivery
from pump.guardrails import Guardrails
from pump.iob import Iob
from pump.priming import Priming
from pump.reservoir import Reservoir
from pump.steps import Steps
from pump.tbr import Tbr
from pump.templates import Templates
from pump.wall import Wall

# Words of pump/events.py.
_AMOUNT_REACHED = const(0x3C)
_BASAL_CHANGED = const(0x0099)
_CANCELED = const(0x3C)
_CGM_STALE = const(0xF00F)
_COMPLETE = const(0x33)
_DATE_TIME_LOSS = const(0x55)
_DEVICE = const(0x33)
_ERROR_ABORT = const(0x55)
_MAX_DELIVERY = const(0x0356)
_NEVER = const(0x3FFFFFFF)
_OCCLUSION_DETECTED = const(0x003C)
_PAUSE = const(0x3C)
_PAUSE_OVER = const(0xF033)
_PERIODIC = const(0x3C)
_PRIMING = const(0x5A)
_READY = const(0x96)
_REFERENCE_TIME = const(0x000F)
_RESERVOIR_EMPTY = const(0x005A)
_RUN = const(0x55)
_STOP = const(0x33)
_SYSTEM_ISSUE = const(0x000F)
_THERAPY = const(0x0303)

_CALCULATED = const(8)
_PULSE_MASK = const(0xFFFF)


class Machine:
    # settings: the module settings or an object like it. emit(event, s, a, b, c, d, e): see pump/events.py.
    # motor: ready(s) is False when the line is occluded; pulse(s) queues one pulse due at second s.
    # store: keeps what survives a power cut, see pump/volatile.py.
    def __init__(self, settings, emit, motor, store):
        self.settings = settings
        self.store = store
        self.emit = emit
        self.now_s = -1
        self.therapy = _STOP
        self.battery_percent = 100
        self.max_bolus_mu = settings.BOLUS_MAX_MU
        self.wall = Wall()
        self.rates = Steps(settings.BASAL_MIN_MU_PER_H, settings.BASAL_STEPS)
        self.templates = Templates(settings, self.rates)
        self.basal = Basal(self.templates, self.wall, 0 if settings.BASAL_ADJUSTABLE else settings.BASAL_FIXED_MU_PER_H)
        self.tbr_templates = self.templates.tbr
        self.bolus_templates = self.templates.bolus
        self.tbr = Tbr(settings, self.rates, emit)
        self.orders = Boluses(settings, emit)
        # The fast bolus, and the one that is extended or multiwave.
        self.boluses = self.orders.places
        self.priming = Priming(settings, emit)
        self.counters = Counters()
        # What the bolus calculator was last told: recommended, then confirmed, in mU.
        self.calculated = array("H", bytes(2 * _CALCULATED))
        self.annunciations = Annunciations(settings, emit)
        self.reservoir = Reservoir(settings, emit, self.annunciations)
        self.daily = Daily(emit, self.wall)
        self.guardrails = Guardrails(settings, self.rates, self.orders.amounts, emit)
        self.control = Control(settings, self.guardrails)
        self.decision = self.control.decision
        self.iob = Iob(settings.PULSE_MU, settings.DIA_MINUTES, settings.PEAK_MINUTES)
        self.delivery = Delivery(
            settings, motor, self.boluses, self.priming, self.reservoir, self.iob, self.daily, self.guardrails,
            self.store,
        )  # fmt: skip
        # The number, in 16 bits, of the last pulse that was counted before the reservoir was last filled.
        self.filled_at_pulse = 0
        # Whether it goes on after a power cut.
        self.resumed = False
        # The delivered rate that was told last.
        self.reported_mu_per_h = 0
        self.midnight_s = self.wall.midnight_s(0)
        self._pause_over_s = _NEVER
        self._reference_s = 0
        # The day that total daily insulin belongs to, when a power cut took the clock; -1 when the clock tells it.
        self.day_kept = -1

    # The next second at which advance() will do something.
    def due_s(self):
        due_s = min(self.delivery.due_s(), self.midnight_s, self._reference_s, self._pause_over_s)
        due_s = min(due_s, self.basal.boundary_s, self.tbr.end_s, self.annunciations.due_s, self.control.stale_s())
        return max(due_s, self.now_s + 1)

    # Does all that is due up to and including second s, in one jump from each due second to the next.
    def advance(self, s):
        while self.now_s < s:
            due_s = self.due_s()
            if due_s > s:
                self.delivery.integrate(s)
                self.now_s = s
                return
            self._second(due_s)
            self.now_s = due_s

    # What falls on second s, in the order of D-003.
    def _second(self, s):
        if s >= self._reference_s:
            self.record_reference(s, _PERIODIC if s else _DATE_TIME_LOSS)
        found = self.delivery.integrate(s)
        if found != NOTHING:
            self.stop_for(s, self._told_of(s, found))
        self.end_complete(s)
        if s == self.midnight_s:
            self.close_day(s, self.wall.day(s) - 1, 0)
            self.midnight_s = self.wall.midnight_s(s)
        if s == self.basal.boundary_s:
            self.follow_profile(s)
        if s == self.tbr.end_s:
            self.end_tbr(s, _COMPLETE, 0)
        if s == self._pause_over_s:
            self.annunciations.announce(s, _PAUSE_OVER)
            self.stop(s, _CANCELED, 0)
        if s == self.annunciations.due_s:
            self.annunciations.advance(s)
        if s >= self.control.stale_s():
            self._turn_stale(s)

    # The annunciation of what delivery came upon.
    def _told_of(self, s, found):
        if found == LIMITED:
            self.guardrails.tell_full(s)
            return _MAX_DELIVERY
        return _OCCLUSION_DETECTED if found == OCCLUDED else _RESERVOIR_EMPTY

    # What delivered its last pulse at s.
    def end_complete(self, s):
        first = self.orders.nth(0)
        second = self.orders.nth(1)
        if first.active and first.complete():
            self.orders.end(s, first, _COMPLETE, 0)
        if second.active and second.complete():
            self.orders.end(s, second, _COMPLETE, 0)
        if self.priming.active and self.priming.complete():
            self.priming.end(s, _AMOUNT_REACHED, 0)

    def record_reference(self, s, reason):
        self._reference_s = s + self.settings.REFERENCE_TIME_S
        self.emit(_REFERENCE_TIME, s, reason, 0, 0, 0, 0)

    # The number of the day that total daily insulin belongs to.
    def day(self, s):
        return self.wall.day(s) if self.day_kept < 0 else self.day_kept

    def close_day(self, s, day, date_changed):
        if self.day_kept >= 0:
            day = self.day_kept
            self.day_kept = -1
        self.daily.close(s, day, date_changed)

    def _turn_stale(self, s):
        self.control.cgm.stale = True
        self.annunciations.announce(s, _CGM_STALE)
        if self.tbr.suspension or self.tbr.automatic:
            self.end_tbr(s, _CANCELED, 0)

    # A fault that the wearer must know stops therapy.
    def stop_for(self, s, kind):
        self.stop(s, _ERROR_ABORT, self.annunciations.announce(s, kind))

    # A bolus or a priming whose last pulse came at this very second is complete, and ends as such in its own step. What
    # is asked to stop is not priming: only a fault comes here then.
    def stop(self, s, reason, annunciation_id):
        first = self.orders.nth(0)
        second = self.orders.nth(1)
        if first.active and not first.complete():
            self.orders.end(s, first, reason, annunciation_id)
        if second.active and not second.complete():
            self.orders.end(s, second, reason, annunciation_id)
        if self.tbr.active:
            self.end_tbr(s, reason, annunciation_id)
        self.delivery.drop()
        self._turn_therapy(s, _STOP)
        if self.priming.active and not self.priming.complete():
            self.priming.end(s, _ERROR_ABORT, annunciation_id)

    def _turn_therapy(self, s, state):
        if state != self.therapy:
            old = self.therapy
            self.therapy = state
            self.delivery.therapy = state
            self._pause_over_s = s + self.settings.PAUSE_LIMIT_S if state == _PAUSE else _NEVER
            self.emit(_THERAPY, s, old, state, 0, 0, 0)
            self.rate_changed(s)

    # The reservoir has been filled; the pulses counted by now came from what was there before.
    def fill(self, s, pulses):
        self.filled_at_pulse = self.delivery.pulses() & _PULSE_MASK
        self.reservoir.fill(s, pulses)

    # Ready, or priming.
    @property
    def operational(self):
        return _PRIMING if self.priming.active else _READY

    # Whether pulses may fall due now or after a Pause.
    def moving(self):
        return self.therapy != _STOP or self.priming.active

    # Whether insulin of before a power cut, which works for so long, may still work (D-1109).
    def iob_unknown(self, s, minutes):
        return self.resumed and s < 60 * minutes

    def last_fast_bolus_s(self):
        return self.orders.last_fast_s

    # The rate that leaves the pump: 0 outside Run.
    def delivered_rate_mu_per_h(self):
        return self.delivery.rate_mu_per_h if self.therapy == _RUN else 0

    # Puts TBR or profile in force, and tells a change of the delivered rate.
    def rate_changed(self, s):
        old = self.reported_mu_per_h
        self._apply_rate()
        if old != self.reported_mu_per_h:
            self.emit(_BASAL_CHANGED, s, old, self.reported_mu_per_h, _DEVICE, 0, 0)

    # The second half of a TBR's group: told even when the delivered rate stays the same.
    def _rate_changed_by_tbr(self, s, context):
        old = self.reported_mu_per_h
        self._apply_rate()
        self.emit(_BASAL_CHANGED, s, old, self.reported_mu_per_h, context, 0, 0)

    # A controller that cannot be loaded is told at once, not with the next sample (D-1112).
    def prepare_controller(self, s):
        if not self.control.prepare(self):
            self.annunciations.announce(s, _SYSTEM_ISSUE)

    # Whatever is in force keeps to guardrail 1 (D-1202).
    def _apply_rate(self):
        rate_mu_per_h = self.basal.rate_mu_per_h
        if self.tbr.active:
            rate_mu_per_h = self.tbr.rate_over(rate_mu_per_h)
        if rate_mu_per_h > self.guardrails.basal_mu_per_h:
            rate_mu_per_h = self.rates.cut(self.guardrails.basal_mu_per_h)
        self.delivery.rate_mu_per_h = rate_mu_per_h
        self.reported_mu_per_h = self.delivered_rate_mu_per_h()

    def end_tbr(self, s, reason, annunciation_id):
        if self.tbr.suspension:
            self.control.suspensions.end(s)
        self.tbr.end(s, reason, annunciation_id)
        self._rate_changed_by_tbr(s, _DEVICE)

    # Puts the block of the basal profile in force that s falls into.
    def follow_profile(self, s):
        self.basal.refresh(s)
        self.iob.scheduled.follow(s, self.basal.rate_mu_per_h)
        self.rate_changed(s)
