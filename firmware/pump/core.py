# The pump: puts its parts in the order that DOSING.md D-003 gives, and is the one thing the outside talks to.
#
# advance(s) first, then a command at s; a command returns an IDS response code. Skeleton: names hold, bodies follow.
from pump.events import MANUAL, READY, STOP, SUCCESS


class Pump:
    # settings: the module settings or an object like it. emit(event, s, a, b, c, d, e): see pump/events.py.
    # motor: ready(s) is False when the line is occluded; pulse(s) queues one pulse due at second s.
    def __init__(self, settings, emit, motor):
        self.settings = settings
        self.now_s = -1
        self.therapy = STOP
        self.operational = READY
        self.max_bolus_mu = settings.BOLUS_MAX_MU
        # Parts that may be read: wall (date_at(s) -> year, month, day_of_month, hour, minute, second; zone, dst),
        # templates (configured(n), count(n), duration_minutes(n, i), rate_mu_per_h(n, i)), basal (template, rate_mu_per_h),
        # tbr (active, rate_mu_per_h, duration_minutes, context, suspension, remaining_minutes(s)),
        # bolus (active, bolus_id, amount_mu, delivered_mu, start_s), reservoir (attached, remaining_pulses, remaining_mu),
        # delivery (basal_pulses, bolus_pulses, prime_pulses, basal_mu, bolus_mu), daily (basal_mu, bolus_mu), iob.total_mu(s),
        # annunciations (shown() -> index or -1; ids[i], types[i], statuses[i]), control (settings: the controller settings),
        # decision (sequence, offset_minutes, at_s, glucose_mg_dl, predicted_mg_dl, iob_mu, action, reason).

    # The next second at which advance() will do something.
    def due_s(self): ...

    # Does all that is due up to and including second s.
    def advance(self, s): ...

    # The rate that leaves the pump: 0 outside Run.
    def delivered_rate_mu_per_h(self): ...

    def set_therapy_state(self, s, state): return SUCCESS
    def set_tbr(self, s, rate_mu_per_h, duration_minutes, change, context): return SUCCESS
    def cancel_tbr(self, s): return SUCCESS
    def set_bolus(self, s, amount_mu): return SUCCESS
    def cancel_bolus(self, s, bolus_id): return SUCCESS
    def set_max_bolus(self, s, amount_mu): return SUCCESS
    def confirm(self, s, annunciation_id): return SUCCESS
    def snooze(self, s, annunciation_id): return SUCCESS

    # One block of a write transaction (index from 1); any code but SUCCESS has dropped the transaction.
    def write_block(self, s, template, index, duration_minutes, rate_mu_per_h): return SUCCESS
    # The record with the end flag, after its blocks: checks the whole and puts it in force.
    def complete_profile(self, s, template): return SUCCESS
    # Any other control point procedure drops a running transaction.
    def drop_profile(self): ...
    # numbers[first:first + count] are template numbers; all or nothing.
    def activate(self, s, numbers, first, count): return SUCCESS
    def reset_templates(self, s, numbers, first, count): return SUCCESS

    def set_clock(self, s, year, month, day, hour, minute, second, zone, dst): return SUCCESS
    # The controller settings, in the order of the characteristic ControllerSettings.
    def configure(self, s, controller, suspend_predicted_mg_dl, suspend_now_mg_dl, horizon_minutes,
                  suspend_limit_minutes, limit_window_minutes, stale_minutes, lockout_minutes, dia_minutes, peak_minutes):
        return SUCCESS
    # An injected fault: kind and value of the characteristic EmulatorFault.
    def inject(self, s, kind, value): return SUCCESS
    # A CGM session: the pump second of its time offset 0. The same session again changes nothing.
    def cgm_session(self, s, session_start_s): ...
    # glucose_mg_dl is -1 when there is none; status: the three status octets, the first lowest. Fills decision, emits DECISION.
    def cgm_sample(self, s, offset_minutes, glucose_mg_dl, status): ...
