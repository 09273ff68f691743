# The pump: holds its parts, keeps the order of DOSING.md D-003, and is the one thing the outside talks to.
#
# advance(s) first, then the commands that take effect at s, in their order of arrival. A command returns an IDS
# response code. The parts may be read; only commands change them.
from pump.annunciations import Annunciations
from pump.basal import Basal
from pump.bolus import Bolus
from pump.control.control import Control
from pump.daily import Daily
from pump.delivery import NOTHING, OCCLUDED, Delivery
from pump.events import (
    ACTION_RESUME,
    ACTION_SUSPEND,
    AP_CONTROLLER,
    BASAL_CHANGED,
    BLOCK_CHANGED,
    CANCELED,
    CGM_STALE,
    COMPLETE,
    CONTROLLER_SETTINGS,
    DATE_TIME_LOSS,
    DECISION,
    DEVICE,
    ERROR_ABORT,
    FAULT_OCCLUSION,
    FAULT_RESERVOIR_DETACHED,
    FAULT_RESERVOIR_LEVEL,
    INVALID_OPERAND,
    MAX_BOLUS,
    NEVER,
    NO_MORE_BOLUSES,
    NOT_APPLICABLE,
    NOT_COMPLETED,
    OCCLUSION_DETECTED,
    OUT_OF_RANGE,
    PAUSE,
    PAUSE_OVER,
    PERIODIC,
    PLGS,
    PROFILE_ACTIVATED,
    READY,
    REFERENCE_TIME,
    RESERVOIR_EMPTY,
    RUN,
    SET_DATE_TIME,
    STOP,
    SUCCESS,
    SYSTEM_ISSUE,
    TEMPLATES_RESET,
    THERAPY,
)
from pump.iob import Iob
from pump.reservoir import Reservoir
from pump.tbr import Tbr
from pump.templates import Templates
from pump.volatile import Volatile
from pump.wall import Wall


class Pump:
    # settings: the module settings or an object like it. emit(event, s, a, b, c, d, e): see pump/events.py.
    # motor: ready(s) is False when the line is occluded; pulse(s) queues one pulse due at second s.
    # store: keeps what survives a power cut, see pump/volatile.py; None for a pump that keeps nothing.
    def __init__(self, settings, emit, motor, store=None):
        self.settings = settings
        self.store = store or Volatile()
        self._emit = emit
        self.now_s = -1
        self.therapy = STOP
        # Nothing prepares or primes the drive.
        self.operational = READY
        self.max_bolus_mu = settings.BOLUS_MAX_MU
        self.wall = Wall()
        self.templates = Templates(settings)
        self.basal = Basal(self.templates, self.wall)
        self.tbr = Tbr(emit)
        self.bolus = Bolus(settings, emit)
        self.annunciations = Annunciations(settings, emit)
        self.reservoir = Reservoir(settings, emit, self.annunciations)
        self.daily = Daily(emit, self.wall)
        self.control = Control(settings)
        self.decision = self.control.decision
        self.iob = Iob(settings.PULSE_MU, settings.DIA_MINUTES, settings.PEAK_MINUTES)
        self.delivery = Delivery(settings, motor, self.bolus, self.reservoir, self.iob, self.daily, self.store)
        # The delivered rate that was told last.
        self.reported_mu_per_h = 0
        self._midnight_s = self.wall.midnight_s(0)
        self._pause_over_s = NEVER
        self._reference_s = 0
        # The day that total daily insulin belongs to, when a power cut took the clock; -1 when the clock tells it.
        self.day_kept = -1

    # The next second at which advance() will do something.
    def due_s(self):
        due_s = min(self.delivery.due_s(), self._midnight_s, self._reference_s, self._pause_over_s)
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
            self._record_reference(s, PERIODIC if s else DATE_TIME_LOSS)
        found = self.delivery.integrate(s)
        if found != NOTHING:
            self._stop_for(s, OCCLUSION_DETECTED if found == OCCLUDED else RESERVOIR_EMPTY)
        if self.bolus.active and self.bolus.complete():
            self.bolus.end(s, COMPLETE, 0)
        if s == self._midnight_s:
            self._close_day(s, self.wall.day(s) - 1, 0)
            self._midnight_s = self.wall.midnight_s(s)
        if s == self.basal.boundary_s:
            self.basal.refresh(s)
            self._rate_changed(s)
        if s == self.tbr.end_s:
            self._end_tbr(s, COMPLETE, 0)
        if s == self._pause_over_s:
            self.annunciations.announce(s, PAUSE_OVER)
            self._stop(s, CANCELED, 0)
        if s == self.annunciations.due_s:
            self.annunciations.advance(s)
        if s >= self.control.stale_s():
            self._turn_stale(s)

    def _record_reference(self, s, reason):
        self._reference_s = s + self.settings.REFERENCE_TIME_S
        self._emit(REFERENCE_TIME, s, reason, 0, 0, 0, 0)

    # The number of the day that total daily insulin belongs to.
    def day(self, s):
        return self.wall.day(s) if self.day_kept < 0 else self.day_kept

    def _close_day(self, s, day, date_changed):
        if self.day_kept >= 0:
            day = self.day_kept
            self.day_kept = -1
        self.daily.close(s, day, date_changed)

    def _turn_stale(self, s):
        self.control.cgm.stale = True
        self.annunciations.announce(s, CGM_STALE)
        if self.tbr.suspension:
            self._end_tbr(s, CANCELED, 0)

    # A fault that the wearer must know stops therapy.
    def _stop_for(self, s, kind):
        self._stop(s, ERROR_ABORT, self.annunciations.announce(s, kind))

    # A bolus whose last pulse came at this very second is complete, and ends as such in its own step.
    def _stop(self, s, reason, annunciation_id):
        if self.bolus.active and not self.bolus.complete():
            self.bolus.end(s, reason, annunciation_id)
        if self.tbr.active:
            self._end_tbr(s, reason, annunciation_id)
        self.delivery.drop()
        self._turn_therapy(s, STOP)

    def _turn_therapy(self, s, state):
        if state != self.therapy:
            old = self.therapy
            self.therapy = state
            self.delivery.therapy = state
            self._pause_over_s = s + self.settings.PAUSE_LIMIT_S if state == PAUSE else NEVER
            self._emit(THERAPY, s, old, state, 0, 0, 0)
            self._rate_changed(s)

    # Second 0 after a power cut, with all that survived in its place: what ran has ended (D-922). The pulses are those
    # that the counters do not know of (below 0: know of too much). in_doubt: the last of them may not have left.
    def restart(self, basal_pulses, bolus_pulses, in_doubt):
        self.advance(0)
        self.delivery.settle(0, basal_pulses, bolus_pulses)
        annunciation_id = 0
        if in_doubt:
            annunciation_id = self.annunciations.announce(0, SYSTEM_ISSUE)
        if self.therapy != STOP and not self.reservoir.remaining_pulses:
            annunciation_id = self.annunciations.announce(0, RESERVOIR_EMPTY)
        self.annunciations.wake_all(0)
        self._stop(0, ERROR_ABORT, annunciation_id)
        if self.bolus.active:
            self.bolus.end(0, COMPLETE, 0)

    # Controller settings as the journal holds them.
    def restore_settings(self, *values):
        control = self.control.settings
        if control.write(*values):
            self.iob.configure(control.dia_minutes, control.peak_minutes)

    # The rate that leaves the pump: 0 outside Run.
    def delivered_rate_mu_per_h(self):
        return self.delivery.rate_mu_per_h if self.therapy == RUN else 0

    # Puts TBR or profile in force, and tells a change of the delivered rate.
    def _rate_changed(self, s):
        old = self.reported_mu_per_h
        self._apply_rate()
        if old != self.reported_mu_per_h:
            self._emit(BASAL_CHANGED, s, old, self.reported_mu_per_h, DEVICE, 0, 0)

    # The second half of a TBR's group: told even when the delivered rate stays the same.
    def _rate_changed_by_tbr(self, s, context):
        old = self.reported_mu_per_h
        self._apply_rate()
        self._emit(BASAL_CHANGED, s, old, self.reported_mu_per_h, context, 0, 0)

    def _apply_rate(self):
        self.delivery.rate_mu_per_h = self.tbr.rate_mu_per_h if self.tbr.active else self.basal.rate_mu_per_h
        self.reported_mu_per_h = self.delivered_rate_mu_per_h()

    def _end_tbr(self, s, reason, annunciation_id):
        if self.tbr.suspension:
            self.control.suspensions.end(s)
        self.tbr.end(s, reason, annunciation_id)
        self._rate_changed_by_tbr(s, DEVICE)

    def set_therapy_state(self, s, state):
        if state not in (STOP, PAUSE, RUN):
            return INVALID_OPERAND
        if state == self.therapy:
            return SUCCESS
        if (state == PAUSE and self.therapy == STOP) or (state == RUN and not self.reservoir.usable()):
            return NOT_APPLICABLE
        if state == STOP:
            self._stop(s, CANCELED, 0)
        else:
            self._turn_therapy(s, state)
        return SUCCESS

    def set_tbr(self, s, rate_mu_per_h, duration_minutes, change, context):
        tbr = self.tbr
        if not 0 <= rate_mu_per_h <= self.settings.BASAL_LIMIT_MU_PER_H:
            return OUT_OF_RANGE
        if not 1 <= duration_minutes <= self.settings.TBR_MINUTES_MAX:
            return OUT_OF_RANGE
        if self.therapy != RUN or bool(change) != tbr.active:
            return NOT_APPLICABLE
        if not change:
            tbr.start(s, rate_mu_per_h, duration_minutes, context, False)
        else:
            self._refuse_suspensions(s)
            tbr.change(s, rate_mu_per_h, duration_minutes, context)
        self._rate_changed_by_tbr(s, context)
        return SUCCESS

    # A client takes a running suspension away: none starts for the lockout time.
    def _refuse_suspensions(self, s):
        if self.tbr.suspension:
            self.control.suspensions.refuse(s, self.control.settings.lockout_minutes)
            self.control.suspensions.end(s)
            self.tbr.suspension = False

    def cancel_tbr(self, s):
        if not self.tbr.active:
            return NOT_APPLICABLE
        self._refuse_suspensions(s)
        self._end_tbr(s, CANCELED, 0)
        return SUCCESS

    def set_bolus(self, s, amount_mu):
        if not 0 < amount_mu <= self.max_bolus_mu or amount_mu % self.settings.PULSE_MU:
            return OUT_OF_RANGE
        if self.therapy != RUN:
            return NOT_APPLICABLE
        if self.bolus.active:
            return NO_MORE_BOLUSES
        if amount_mu > self.reservoir.remaining_mu:
            return NOT_COMPLETED
        self.bolus.start(s, amount_mu)
        return SUCCESS

    def cancel_bolus(self, s, bolus_id):
        if not self.bolus.active or bolus_id != self.bolus.bolus_id:
            return NOT_APPLICABLE
        self.bolus.end(s, CANCELED, 0)
        return SUCCESS

    def set_max_bolus(self, s, amount_mu):
        if not 0 < amount_mu <= self.settings.BOLUS_LIMIT_MU or amount_mu % self.settings.PULSE_MU:
            return OUT_OF_RANGE
        if amount_mu != self.max_bolus_mu:
            self._emit(MAX_BOLUS, s, self.max_bolus_mu, amount_mu, 0, 0, 0)
            self.max_bolus_mu = amount_mu
        return SUCCESS

    def confirm(self, s, annunciation_id):
        return self.annunciations.confirm(s, annunciation_id)

    def snooze(self, s, annunciation_id):
        return self.annunciations.snooze(s, annunciation_id)

    # One block of a write transaction (index from 1); any code but success has dropped the transaction.
    def write_block(self, s, template, index, duration_minutes, rate_mu_per_h):
        return self.templates.write(template, index, duration_minutes, rate_mu_per_h)

    # The record with the end flag, after its blocks: checks the whole and puts it in force.
    def complete_profile(self, s, template):
        code = self.templates.complete(template)
        if code == SUCCESS:
            for block in range(self.templates.count(template)):
                minutes = self.templates.duration_minutes(template, block)
                rate_mu_per_h = self.templates.rate_mu_per_h(template, block)
                self._emit(BLOCK_CHANGED, s, template, block + 1, minutes, rate_mu_per_h, 0)
            if template == self.basal.template:
                self.basal.refresh(s)
                self._rate_changed(s)
        return code

    # Any other control point procedure ends a write transaction without effect.
    def drop_profile(self):
        self.templates.drop()

    # numbers[first:first + count] are template numbers: all of them or none. Of several, the last stays activated;
    # activating the activated one again is recorded, too.
    def activate(self, s, numbers, first, count):
        for i in range(first, first + count):
            if not self.templates.configured(numbers[i]):
                return NOT_APPLICABLE
        for i in range(first, first + count):
            self._emit(PROFILE_ACTIVATED, s, self.basal.template, numbers[i], 0, 0, 0)
            self.basal.template = numbers[i]
        self.basal.refresh(s)
        self._rate_changed(s)
        return SUCCESS

    def reset_templates(self, s, numbers, first, count):
        code = self.templates.reset(numbers, first, count, self.basal.template)
        self.store.touch(TEMPLATES_RESET)
        return code

    def set_clock(self, s, year, month, day, hour, minute, second, zone, dst):
        wall = self.wall
        if not wall.valid(year, month, day, hour, minute, second):
            return OUT_OF_RANGE
        old_day = self.day(s)
        wall.set(s, year, month, day, hour, minute, second, zone, dst)
        if wall.day(s) != old_day:
            self._close_day(s, old_day, 1)
        self.day_kept = -1
        self._midnight_s = wall.midnight_s(s)
        self._record_reference(s, SET_DATE_TIME)
        self.basal.refresh(s)
        self._rate_changed(s)
        return SUCCESS

    # The controller settings, in the order of the characteristic ControllerSettings.
    def configure(self, s, *values):
        control = self.control.settings
        if not control.write(*values):
            return OUT_OF_RANGE
        self.store.touch(CONTROLLER_SETTINGS)
        self.iob.configure(control.dia_minutes, control.peak_minutes)
        if control.controller != PLGS and self.tbr.suspension:
            self._end_tbr(s, CANCELED, 0)
        return SUCCESS

    # An injected fault: kind and value of the characteristic EmulatorFault.
    def inject(self, s, kind, value):
        reservoir = self.reservoir
        if kind == FAULT_OCCLUSION and 0 <= value <= 1:
            self.delivery.occluded = value == 1
        elif kind == FAULT_RESERVOIR_DETACHED and 0 <= value <= 1:
            reservoir.attach(s, value == 0)
            if value and self.therapy != STOP:
                self._stop(s, ERROR_ABORT, 0)
        elif kind == FAULT_RESERVOIR_LEVEL and 0 <= value <= reservoir.capacity_pulses:
            reservoir.fill(s, value)
            if not value and self.therapy != STOP:
                self._stop_for(s, RESERVOIR_EMPTY)
        else:
            return OUT_OF_RANGE
        return SUCCESS

    # A CGM session: the pump second of its time offset 0. The same session again changes nothing.
    def cgm_session(self, s, session_start_s):
        self.control.cgm.session(session_start_s)

    # glucose_mg_dl is -1 when there is none; status: the three status octets, the first lowest.
    def cgm_sample(self, s, offset_minutes, glucose_mg_dl, status):
        control = self.control
        iob_mu = self.iob.total_mu(s)
        action = control.sample(s, offset_minutes, glucose_mg_dl, status, self.therapy, iob_mu)
        if action == ACTION_SUSPEND:
            minutes = control.suspension_minutes(s)
            if self.tbr.active:
                self._end_tbr(s, CANCELED, 0)
            control.suspensions.begin(s)
            self.tbr.start(s, 0, minutes, AP_CONTROLLER, True)
            self._rate_changed_by_tbr(s, AP_CONTROLLER)
        elif action == ACTION_RESUME:
            self._end_tbr(s, CANCELED, 0)
        self._emit(DECISION, s, 0, 0, 0, 0, 0)
