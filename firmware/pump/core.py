# The pump: the one thing the outside talks to.
#
# advance(s) first, then the commands that take effect at s, in their order of arrival. A command returns an IDS
# response code. The parts may be read; only commands change them. Those that a client seldom gives are functions of
# modules that are loaded with the first of them: seldom.py, preparing.py, template_commands.py.
from micropython import const

from pump.automatic import Automatic

# Words of pump/events.py.
_ABSOLUTE = const(0x33)
_ACTION_RESUME = const(0x55)
_ACTION_SUSPEND = const(0x3C)
_AP_CONTROLLER = const(0x55)
_CANCELED = const(0x3C)
_DECISION = const(0x0000)
_INVALID_OPERAND = const(0x71)
_NO_MORE_BOLUSES = const(0x76)
_NOT_APPLICABLE = const(0x74)
_NOT_COMPLETED = const(0x72)
_OUT_OF_RANGE = const(0x73)
_PAUSE = const(0x3C)
_REASON_CONTROLLER_RULE = const(0xCC)
_RUN = const(0x55)
_STOP = const(0x33)
_STOPPED_BY_USER = const(0x33)
_SUCCESS = const(0x0F)

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
            self.stop(s, _CANCELED, 0)
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
        if code == _SUCCESS and self.forbids_rate(s, kind, value):
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
    def forbids_rate(self, s, kind, value):
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
        self.end_tbr(s, _CANCELED, 0)
        return _SUCCESS

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
        orders = self.orders
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
        return self.therapy == _RUN and not self.boluses[self.orders.place(kind)].active

    # The active boluses, in the order in which they are listed.
    def bolus_count(self):
        return self.orders.count()

    def active_bolus(self, index):
        return self.orders.nth(index)

    def find_bolus(self, bolus_id):
        return self.orders.find(bolus_id)

    @property
    def last_bolus_id(self):
        return self.orders.last_id

    def cancel_bolus(self, s, bolus_id):
        bolus = self.orders.find(bolus_id)
        if bolus is None:
            return _NOT_APPLICABLE
        self.orders.end(s, bolus, _CANCELED, 0)
        return _SUCCESS

    def confirm(self, s, annunciation_id):
        return self.annunciations.confirm(s, annunciation_id)

    def snooze(self, s, annunciation_id):
        return self.annunciations.snooze(s, annunciation_id)

    # Any other control point procedure ends a write transaction without effect.
    def drop_profile(self):
        self.templates.drop()

    # The number that is activated of a type, 0 for none.
    def activated(self, kind):
        return self.templates.activated(kind)

    # --- Reservoir, priming and battery -----------------------------------------------------------------------------

    def stop_priming(self, s):
        if not self.priming.active:
            return _NOT_APPLICABLE
        self.priming.end(s, _STOPPED_BY_USER, 0)
        return _SUCCESS

    def counter_minutes(self, s, kind, selection):
        return self.counters.minutes(s, kind, selection)

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
                self.end_tbr(s, _CANCELED, 0)
            control.suspensions.begin(s)
            self.tbr.start(s, _ABSOLUTE, 0, self.guardrails.tbr_minutes, _AP_CONTROLLER, 0)
            self.tbr.suspension = True
            self._rate_changed_by_tbr(s, _AP_CONTROLLER)
        elif action == _ACTION_RESUME:
            self.end_tbr(s, _CANCELED, 0)
        elif self.decision.reason == _REASON_CONTROLLER_RULE:
            self._carry_out(s)
        self.emit(_DECISION, s, 0, 0, 0, 0, 0)
