# The pump: the one thing the outside talks to.
#
# advance(s) first, then the commands that take effect at s, in their order of arrival. A command returns an IDS
# response code. The parts may be read; only commands change them.
from micropython import const

from pump.automatic import Automatic
from pump.control.oref_settings import MAX_BASAL_MU_PER_H, MAX_IOB_MU

# Words of pump/events.py.
_ABSOLUTE = const(0x33)
_ACTION_RESUME = const(0x55)
_ACTION_SUSPEND = const(0x3C)
_AP_CONTROLLER = const(0x55)
_BATTERY_EMPTY = const(0x00AA)
_BATTERY_LEVEL = const(0x5A)
_BATTERY_LOW = const(0x00C3)
_BLOCK_CHANGED = const(0x00F0)
_BOLUS_CALCULATED = const(0x003C)
_BOLUS_TEMPLATE_CHANGED = const(0x03C0)
_CANCELED = const(0x3C)
_CARBS = const(0xF033)
_DECISION = const(0x0000)
_ERROR_ABORT = const(0x55)
_FAULT_OCCLUSION = const(0x33)
_FAULT_RESERVOIR_DETACHED = const(0x55)
_FAULT_RESERVOIR_LEVEL = const(0x3C)
_ICHO_BLOCK_CHANGED = const(0x0365)
_INJECTED_ANNUNCIATION = const(0x66)
_INVALID_OPERAND = const(0x71)
_ISF_BLOCK_CHANGED = const(0x0359)
_MAX_BOLUS = const(0x03FC)
_NO_MORE_BOLUSES = const(0x76)
_NOT_APPLICABLE = const(0x74)
_NOT_COMPLETED = const(0x72)
_OPERATION_TIME_RESET = const(0x0002)
_OUT_OF_RANGE = const(0x73)
_PAUSE = const(0x3C)
_PLGS = const(0x3C)
_POINTER = const(0x03A9)
_PROFILE_ACTIVATED = const(0x00CC)
_REASON_CONTROLLER_RULE = const(0xCC)
_RESERVOIR_EMPTY = const(0x005A)
_RUN = const(0x55)
_SET_DATE_TIME = const(0x33)
_STOP = const(0x33)
_STOPPED_BY_USER = const(0x33)
_SUCCESS = const(0x0F)
_TARGET_BLOCK_CHANGED = const(0x036A)
_TBR_TEMPLATE_CHANGED = const(0x03F3)
_TEMPLATE_BASAL = const(0x33)
_TEMPLATE_ICHO = const(0x66)
_TEMPLATE_ISF = const(0x5A)
_TEMPLATES_RESET = const(0x0001)

_BATTERY_LOW_PERCENT = const(20)
_CARBS_G_MAX = const(250)
_CARBS_MINUTES_MAX = const(360)
# Flags of a bolus that a client says beside a template, and the reasons of a template by their places in a bolus.
_FLAGS_BESIDE_TEMPLATE = const(6)
_TEMPLATE_DELAY = const(1)
_TEMPLATE_REASONS = const(6)
_REASONS_SHIFT = const(2)


class Pump(Automatic):
    def set_therapy_state(self, s, state):
        if state not in (_STOP, _PAUSE, _RUN):
            return _INVALID_OPERAND
        if state == self.therapy:
            return _SUCCESS
        if state == _PAUSE and self.therapy == _STOP:
            return _NOT_APPLICABLE
        if state == _RUN and (self.priming.active or not self.reservoir.usable()):
            return _NOT_APPLICABLE
        if state == _STOP:
            self._stop(s, _CANCELED, 0)
        else:
            self._turn_therapy(s, state)
        return _SUCCESS

    # template: a number whose type, value and duration stand in for those given here, 0 for none.
    def set_tbr(self, s, kind, value, duration_minutes, change, context, template):
        tbr = self.tbr
        if template:
            templates = self.tbr_templates
            code = templates.usable(template)
            if code != _SUCCESS:
                return code
            kind = templates.kind(template)
            value = templates.value(template)
            duration_minutes = templates.duration_minutes(template)
        code = tbr.judge(kind, value, duration_minutes)
        if code == _SUCCESS and self._forbids_rate(s, kind, value):
            code = _OUT_OF_RANGE
        if code != _SUCCESS:
            return code
        if self.therapy != _RUN or bool(change) != tbr.active:
            return _NOT_APPLICABLE
        if self._forbids_more(s, kind, value):
            return _NOT_COMPLETED
        if not change:
            tbr.start(s, kind, value, duration_minutes, context, template)
        else:
            self._refuse_suspensions(s)
            tbr.change(s, kind, value, duration_minutes, context, template)
        self._rate_changed_by_tbr(s, context)
        return _SUCCESS

    # Guardrails 1 and 3 for a client's TBR: the rate of an absolute one, and more than the profile's rate of any.
    def _forbids_rate(self, s, kind, value):
        return kind == _ABSOLUTE and self.guardrails.forbids_rate(s, value)

    def _forbids_more(self, s, kind, value):
        profile_mu_per_h = self.basal.rate_mu_per_h
        rate_mu_per_h = min(self.tbr.rate_of(kind, value, profile_mu_per_h), self.guardrails.basal_mu_per_h)
        return rate_mu_per_h > profile_mu_per_h and self.guardrails.forbids_more(s, self.iob.total_mu(s))

    # A client takes a running suspension away: none starts for the lockout time.
    def _refuse_suspensions(self, s):
        if self.tbr.suspension:
            self.control.suspensions.refuse(s, self.control.settings.lockout_minutes)
            self.control.suspensions.end(s)
            self.tbr.suspension = False
        self.tbr.automatic = False

    def cancel_tbr(self, s):
        if not self.tbr.active:
            return _NOT_APPLICABLE
        self._refuse_suspensions(s)
        self._end_tbr(s, _CANCELED, 0)
        return _SUCCESS

    def set_tbr_template(self, s, template, kind, value, duration_minutes):
        code = self.tbr.judge(kind, value, duration_minutes)
        if code == _SUCCESS:
            code = self.tbr_templates.settable(template)
            if code != _OUT_OF_RANGE and self._forbids_rate(s, kind, value):
                return _OUT_OF_RANGE
        if code == _SUCCESS:
            self.tbr_templates.put(template, kind, value, duration_minutes)
            self._emit(_TBR_TEMPLATE_CHANGED, s, template, 0, 0, 0, 0)
        return code

    # template: a number whose type, amounts, duration, delay and reasons stand in for those given here, 0 for none.
    # flags, activation: as the client said them, for the wire.
    def set_bolus(self, s, kind, fast_mu, extended_mu, duration_minutes, delay_minutes, template, activation, flags):
        if template:
            templates = self.bolus_templates
            code = templates.usable(template)
            if code != _SUCCESS:
                return code
            kind = templates.kind(template)
            fast_mu = templates.fast_mu(template)
            extended_mu = templates.extended_mu(template)
            duration_minutes = templates.duration_minutes(template)
            delay_minutes = templates.delay_minutes(template)
            own = templates.flags(template)
            flags = flags & _FLAGS_BESIDE_TEMPLATE | own & _TEMPLATE_DELAY | (own & _TEMPLATE_REASONS) << _REASONS_SHIFT
        orders = self._orders
        code = orders.judge(kind, fast_mu, extended_mu, duration_minutes, delay_minutes, self.max_bolus_mu)
        if code == _SUCCESS and self.guardrails.forbids_amount(s, fast_mu + extended_mu):
            code = _OUT_OF_RANGE
        if code != _SUCCESS:
            return code
        if self.therapy != _RUN:
            return _NOT_APPLICABLE
        if not self.bolus_available(kind):
            return _NO_MORE_BOLUSES
        coming_mu = fast_mu + extended_mu + orders.remaining_mu()
        if coming_mu > self.reservoir.remaining_mu or self.guardrails.forbids_bolus(s, self.iob.total_mu(s), coming_mu):
            return _NOT_COMPLETED
        orders.start(s, kind, fast_mu, extended_mu, duration_minutes, delay_minutes, template, activation, flags)
        return _SUCCESS

    # Whether a bolus of a kind could start now.
    def bolus_available(self, kind):
        return self.therapy == _RUN and not self.boluses[self._orders.place(kind)].active

    def set_bolus_template(self, s, template, flags, kind, fast_mu, extended_mu, duration_minutes, delay_minutes):
        code = self._orders.judge(kind, fast_mu, extended_mu, duration_minutes, delay_minutes, self.max_bolus_mu)
        if code == _SUCCESS:
            code = self.bolus_templates.settable(template)
        if code == _SUCCESS and self.guardrails.forbids_amount(s, fast_mu + extended_mu):
            code = _OUT_OF_RANGE
        if code == _SUCCESS:
            self.bolus_templates.put(template, flags, kind, fast_mu, extended_mu, duration_minutes, delay_minutes)
            self._emit(_BOLUS_TEMPLATE_CHANGED, s, template, 0, 0, 0, 0)
        return code

    # The active boluses, in the order in which they are listed.
    def bolus_count(self):
        return self._orders.count()

    def active_bolus(self, index):
        return self._orders.nth(index)

    def find_bolus(self, bolus_id):
        return self._orders.find(bolus_id)

    @property
    def last_bolus_id(self):
        return self._orders.last_id

    def cancel_bolus(self, s, bolus_id):
        bolus = self._orders.find(bolus_id)
        if bolus is None:
            return _NOT_APPLICABLE
        self._orders.end(s, bolus, _CANCELED, 0)
        return _SUCCESS

    # The word of the bolus calculator: eight amounts, of fast meal, fast correction, extended meal and extended
    # correction as recommended, and as confirmed.
    def bolus_calculated(self, s, *amounts_mu):
        for amount_mu in amounts_mu:
            if amount_mu and not self._orders.whole(amount_mu, self.settings.BOLUS_LIMIT_MU):
                return _OUT_OF_RANGE
        for i in range(len(self.calculated)):
            self.calculated[i] = amounts_mu[i]
        self._emit(_BOLUS_CALCULATED, s, 0, 0, 0, 0, 0)
        return _SUCCESS

    def set_max_bolus(self, s, amount_mu):
        whole = self._orders.whole(amount_mu, self.settings.BOLUS_LIMIT_MU)
        if not whole or self.guardrails.forbids_amount(s, amount_mu):
            return _OUT_OF_RANGE
        if amount_mu != self.max_bolus_mu:
            self._emit(_MAX_BOLUS, s, self.max_bolus_mu, amount_mu, 0, 0, 0)
            self.max_bolus_mu = amount_mu
        return _SUCCESS

    def confirm(self, s, annunciation_id):
        return self.annunciations.confirm(s, annunciation_id)

    def snooze(self, s, annunciation_id):
        return self.annunciations.snooze(s, annunciation_id)

    # One block of a write transaction (index from 1); any code but success has dropped the transaction. kind: the type
    # of template. high: the upper end of a target range, else 0.
    def write_block(self, s, kind, template, index, duration_minutes, value, high):
        code = self.templates.write(kind, template, index, duration_minutes, value, high)
        if code == _SUCCESS and kind == _TEMPLATE_BASAL and self.guardrails.forbids_rate(s, value):
            self.templates.drop()
            return _OUT_OF_RANGE
        return code

    # The record with the end flag, after its blocks: checks the whole and puts it in force.
    def complete_profile(self, s, kind, template):
        templates = self.templates
        code = templates.complete(kind, template)
        if code == _SUCCESS:
            event = _TARGET_BLOCK_CHANGED
            if kind == _TEMPLATE_BASAL:
                event = _BLOCK_CHANGED
            elif kind == _TEMPLATE_ISF:
                event = _ISF_BLOCK_CHANGED
            elif kind == _TEMPLATE_ICHO:
                event = _ICHO_BLOCK_CHANGED
            for block in range(templates.count(template)):
                minutes = templates.duration_minutes(template, block)
                value = templates.value(template, block)
                self._emit(event, s, template, block + 1, minutes, value, templates.high(template, block))
            if template == self.basal.template:
                self._follow_profile(s)
        return code

    # Any other control point procedure ends a write transaction without effect.
    def drop_profile(self):
        self.templates.drop()

    # The number that is activated of a type, 0 for none.
    def activated(self, kind):
        return self.templates.activated(kind)

    # numbers[first:first + count] are template numbers, one of a type at most: all of them or none. Activating the
    # activated one again is recorded, too.
    def activate(self, s, numbers, first, count):
        templates = self.templates
        for i in range(first, first + count):
            if not templates.activatable(numbers[i]):
                return _NOT_APPLICABLE
            for j in range(first, i):
                if templates.type_of(numbers[j]) == templates.type_of(numbers[i]):
                    return _NOT_APPLICABLE
        for i in range(first, first + count):
            kind = templates.type_of(numbers[i])
            self._emit(_PROFILE_ACTIVATED, s, kind, templates.activated(kind), numbers[i], 0, 0)
            templates.activate(numbers[i])
        self._follow_profile(s)
        return _SUCCESS

    def reset_templates(self, s, numbers, first, count):
        if not self.templates.reset(numbers, first, count):
            return _NOT_APPLICABLE
        self.store.touch(_TEMPLATES_RESET)
        return _SUCCESS

    def set_clock(self, s, year, month, day, hour, minute, second, zone, dst):
        wall = self.wall
        if not wall.valid(year, month, day, hour, minute, second):
            return _OUT_OF_RANGE
        old_day = self.day(s)
        wall.set(s, year, month, day, hour, minute, second, zone, dst)
        if wall.day(s) != old_day:
            self._close_day(s, old_day, 1)
        self.day_kept = -1
        self._midnight_s = wall.midnight_s(s)
        self._record_reference(s, _SET_DATE_TIME)
        self._follow_profile(s)
        return _SUCCESS

    # The controller settings, in the order of the characteristic ControllerSettings.
    def configure(self, s, *values):
        control = self.control.settings
        if not control.judge(*values) or self.guardrails.forbids_stale(s, control.stale_of(*values)):
            return _OUT_OF_RANGE
        controller = control.controller
        control.take(*values)
        self._emit(_POINTER, s, 0, 0, 0, 0, 0)
        self.iob.configure(control.dia_minutes, control.peak_minutes)
        if control.controller != _PLGS and self.tbr.suspension:
            self._end_tbr(s, _CANCELED, 0)
        if self.tbr.automatic and control.controller != controller:
            self._end_tbr(s, _CANCELED, 0)
        self._prepare_controller(s)
        return _SUCCESS

    # The settings of controller oref, in the order of the characteristic OrefSettings.
    def configure_oref(self, s, *values):
        oref = self.control.oref
        if not oref.judge(*values):
            return _OUT_OF_RANGE
        guardrails = self.guardrails
        if guardrails.forbids_rate(s, values[MAX_BASAL_MU_PER_H]) or guardrails.forbids_more(s, values[MAX_IOB_MU]):
            return _OUT_OF_RANGE
        oref.take(*values)
        self._emit(_POINTER, s, 0, 0, 0, 0, 0)
        return _SUCCESS

    # Carbs for a closed loop, eaten some minutes ago.
    def announce_carbs(self, s, carbs_g, minutes_ago):
        if not (1 <= carbs_g <= _CARBS_G_MAX and 0 <= minutes_ago <= _CARBS_MINUTES_MAX):
            return _OUT_OF_RANGE
        try:
            announced = self.control.loop(self).announced
        except MemoryError:
            return _NOT_COMPLETED
        if not announced.add(s, s - 60 * minutes_ago, carbs_g):
            return _OUT_OF_RANGE
        self._emit(_CARBS, s, carbs_g, minutes_ago, 0, 0, 0)
        return _SUCCESS

    # The guardrails, in the order of the characteristic ControllerGuardrails.
    def guard(self, s, *values):
        if not self.guardrails.write(*values):
            return _OUT_OF_RANGE
        self._emit(_POINTER, s, 0, 0, 0, 0, 0)
        self._rate_changed(s)
        return _SUCCESS

    # --- Reservoir, priming and battery -----------------------------------------------------------------------------

    def start_priming(self, s, amount_mu):
        if not self._orders.whole(amount_mu, self.settings.BOLUS_LIMIT_MU):
            return _OUT_OF_RANGE
        if self._moving() or not self.reservoir.usable():
            return _NOT_APPLICABLE
        if amount_mu > self.reservoir.remaining_mu:
            return _NOT_COMPLETED
        self.priming.start(s, amount_mu)
        return _SUCCESS

    def stop_priming(self, s):
        if not self.priming.active:
            return _NOT_APPLICABLE
        self.priming.end(s, _STOPPED_BY_USER, 0)
        return _SUCCESS

    def set_fill_level(self, s, amount_mu):
        if not 0 <= amount_mu <= self.settings.RESERVOIR_CAPACITY_MU or amount_mu % self.settings.PULSE_MU:
            return _OUT_OF_RANGE
        if self._moving() or not self.reservoir.attached:
            return _NOT_APPLICABLE
        self._fill(s, amount_mu // self.settings.PULSE_MU)
        return _SUCCESS

    def reset_operation_time(self, s):
        self.counters.reset_operation_time(s)
        self.store.touch(_OPERATION_TIME_RESET)
        return _SUCCESS

    def counter_minutes(self, s, kind, selection):
        return self.counters.minutes(s, kind, selection)

    # What the emulator service injects: kind and value of the characteristic EmulatorFault.
    def inject(self, s, kind, value):
        reservoir = self.reservoir
        if kind == _FAULT_OCCLUSION and 0 <= value <= 1:
            self.delivery.occluded = value == 1
        elif kind == _FAULT_RESERVOIR_DETACHED and 0 <= value <= 1:
            reservoir.attach(s, value == 0)
            if value and self._moving():
                self._stop(s, _ERROR_ABORT, 0)
        elif kind == _FAULT_RESERVOIR_LEVEL and 0 <= value <= reservoir.capacity_pulses:
            self._fill(s, value)
            if not value and self._moving():
                self._stop_for(s, _RESERVOIR_EMPTY)
        elif kind == _BATTERY_LEVEL and 0 <= value <= 100:
            self._drain(s, value)
        elif kind == _INJECTED_ANNUNCIATION and self.annunciations.knows(value):
            self.annunciations.announce(s, value)
        else:
            return _OUT_OF_RANGE
        return _SUCCESS

    def _drain(self, s, percent):
        old_percent = self.battery_percent
        self.battery_percent = percent
        if not percent:
            self._stop_for(s, _BATTERY_EMPTY)
        elif percent <= _BATTERY_LOW_PERCENT < old_percent:
            self.annunciations.announce(s, _BATTERY_LOW)

    # A CGM session: the pump second of its time offset 0. The same session again changes nothing.
    def cgm_session(self, s, session_start_s):
        self.control.cgm.session(session_start_s)

    # glucose_mg_dl is -1 when there is none; status: the three status octets, the first lowest.
    def cgm_sample(self, s, offset_minutes, glucose_mg_dl, status):
        control = self.control
        action = control.sample(s, offset_minutes, glucose_mg_dl, status, self)
        if action == _ACTION_SUSPEND:
            self.guardrails.judge_tbr(s, 0, control.suspension_minutes(s), 0, 0)
            if self.tbr.active:
                self._end_tbr(s, _CANCELED, 0)
            control.suspensions.begin(s)
            self.tbr.start(s, _ABSOLUTE, 0, self.guardrails.tbr_minutes, _AP_CONTROLLER, 0)
            self.tbr.suspension = True
            self._rate_changed_by_tbr(s, _AP_CONTROLLER)
        elif action == _ACTION_RESUME:
            self._end_tbr(s, _CANCELED, 0)
        elif self.decision.reason == _REASON_CONTROLLER_RULE:
            self._carry_out(s)
        self._emit(_DECISION, s, 0, 0, 0, 0, 0)
