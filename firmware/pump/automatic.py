# What becomes of a closed loop's decision: a TBR and a small bolus, behind the guardrails (D-1104 to D-1107).
from micropython import const

from pump.control.control import DETAIL_GUARDRAIL
from pump.machine import Machine

# Words of pump/events.py.
_ABSOLUTE = const(0x33)
_ACTION_CANCEL_TBR = const(0x66)
_ACTION_KEEP = const(0x33)
_ACTION_SET_TBR = const(0x5A)
_AP_CONTROLLER = const(0x55)
_CANCELED = const(0x3C)
_FAST = const(0x33)
_SUCCESS = const(0x0F)
_SYSTEM_ISSUE = const(0x000F)

# The activation type "commanded" of IDS 1.0.2, and the flag that it is there.
_COMMANDED = const(0x5A)
_FLAG_ACTIVATION_TYPE = const(4)


class Automatic(Machine):
    # Does what the control wants after a sample.
    def _carry_out(self, s):
        control, decision = self.control, self.decision
        guardrails = self.guardrails
        guardrails.limited = 0
        if control.failed:
            self.annunciations.announce(s, _SYSTEM_ISSUE)
            self._end_forbidden_tbr(s)
        else:
            decision.action = self._carry_out_tbr(s)
        limited = guardrails.limited
        if control.wanted_bolus_mu:
            guardrails.limited = 0
            self._give_automatic_bolus(s, control.wanted_bolus_mu)
            limited = limited or guardrails.limited
        decision.detail[DETAIL_GUARDRAIL] = limited

    # What becomes of the TBR, as the word of the decision.
    def _carry_out_tbr(self, s):
        control = self.control
        if control.wanted_minutes < 0:
            return _ACTION_CANCEL_TBR if self._end_forbidden_tbr(s) else _ACTION_KEEP
        if control.wanted_minutes:
            if self.guardrails.judge_tbr(
                s, control.wanted_mu_per_h, control.wanted_minutes, self.basal.rate_mu_per_h, self.iob.total_mu(s)
            ):
                self._set_automatic_tbr(s)
                return _ACTION_SET_TBR
            ends = self.tbr.automatic
        else:
            ends = self.tbr.active
        if ends:
            self.end_tbr(s, _CANCELED, 0)
            return _ACTION_CANCEL_TBR
        return _ACTION_KEEP

    # Its own TBR above the profile's rate does not go on when guardrail 3 would not let it start (D-1204).
    def _end_forbidden_tbr(self, s):
        if (
            not self.tbr.automatic
            or self.delivery.rate_mu_per_h <= self.basal.rate_mu_per_h
            or not self.guardrails.stops_tbr(s, self.iob.total_mu(s))
        ):
            return False
        self.end_tbr(s, _CANCELED, 0)
        return True

    # Its own TBR is changed, a client's ends.
    def _set_automatic_tbr(self, s):
        tbr, guardrails = self.tbr, self.guardrails
        if tbr.active and tbr.automatic:
            tbr.change(s, _ABSOLUTE, guardrails.tbr_mu_per_h, guardrails.tbr_minutes, _AP_CONTROLLER, 0)
        else:
            if tbr.active:
                self.end_tbr(s, _CANCELED, 0)
            tbr.start(s, _ABSOLUTE, guardrails.tbr_mu_per_h, guardrails.tbr_minutes, _AP_CONTROLLER, 0)
            tbr.automatic = True
        self._rate_changed_by_tbr(s, _AP_CONTROLLER)

    # On a step and in whole pulses, or not at all.
    def _give_automatic_bolus(self, s, amount_mu):
        orders = self.orders
        whole_mu = orders.cut(amount_mu)
        remaining_mu = orders.remaining_mu()
        if (
            self.boluses[0].active
            or orders.judge(_FAST, whole_mu, 0, 0, 0, self.max_bolus_mu) != _SUCCESS
            or whole_mu > self.reservoir.remaining_mu - remaining_mu
        ):
            return
        allowed_mu = self.guardrails.judge_bolus(s, whole_mu, self.iob.total_mu(s), remaining_mu)
        if allowed_mu:
            self.guardrails.note_automatic_bolus(s)
            orders.start(s, _FAST, allowed_mu, 0, 0, 0, 0, _COMMANDED, _FLAG_ACTIVATION_TYPE)
