# Guardrails: what no command and no controller gets past (DOSING.md section 16).
#
# Pure logic on small ints. Whoever asks gets what is allowed, and what was forbidden or limited is told as an event
# before that. A pulse costs no more than two additions: how many may still come is known from the last look at the
# windows, which are looked at again only when there are none left.
from array import array

from micropython import const

# Words of pump/events.py.
_AP_CONTROLLER = const(0x55)
_DEVICE = const(0x33)
_GUARDRAIL = const(0xF00F)
_NEVER = const(0x3FFFFFFF)
_REMOTE_CONTROL = const(0x3C)

# Their numbers.
_BASAL = const(1)
_BOLUS = const(2)
_IOB = const(3)
_HOUR = const(4)
_DAY = const(5)
_INTERVAL = const(6)
_STALE = const(7)
_DURATION = const(8)

_MINUTES = const(60)
_HOURS = const(24)
_HOUR_S = const(3600)


class Guardrails:
    # rates, amounts: the steps of basal rates and of boluses.
    def __init__(self, settings, rates, amounts, emit):
        self._emit = emit
        self._rates = rates
        self._amounts = amounts
        self.bounds = settings
        self._pulse_mu = settings.PULSE_MU
        # The newest minutes and hours with pulses, and how many those had; an hour gets its pulses minute by minute.
        self._minutes = array("i", bytes(4 * _MINUTES))
        self._in_minutes = array("i", bytes(4 * _MINUTES))
        self._hours = array("i", bytes(4 * _HOURS))
        self._in_hours = array("i", bytes(4 * _HOURS))
        self._at_minute = 0
        self._at_hour = 0
        self._next_minute_s = 60
        # The two windows in pulses, as they were when they were looked at, and how many pulses they had room for.
        self._in_hour = 0
        self._in_day = 0
        self._left = 0
        self._last_automatic_s = -_NEVER
        # Of the automatic dose that was judged last: the first guardrail that limited it, 0 for none; and the TBR that
        # is allowed.
        self.limited = 0
        self.tbr_mu_per_h = 0
        self.tbr_minutes = 0
        self.put(
            settings.GUARD_BASAL_MU_PER_H, settings.GUARD_BOLUS_MU, settings.GUARD_IOB_MU, settings.GUARD_HOUR_MU,
            settings.GUARD_DAY_MU, settings.GUARD_INTERVAL_MINUTES, settings.GUARD_STALE_MINUTES,
            settings.GUARD_DECISION_MINUTES,
        )  # fmt: skip

    def put(self, basal_mu_per_h, bolus_mu, iob_mu, hour_mu, day_mu, interval_minutes, stale_minutes,
              decision_minutes):  # fmt: skip
        self.basal_mu_per_h = basal_mu_per_h
        self.bolus_mu = bolus_mu
        self.iob_mu = iob_mu
        self.hour_mu = hour_mu
        self.day_mu = day_mu
        self.interval_minutes = interval_minutes
        self.stale_minutes = stale_minutes
        self.decision_minutes = decision_minutes
        self._hour_limit = hour_mu // self._pulse_mu
        self._day_limit = day_mu // self._pulse_mu
        self._left = 0

    # Of an automatic dose only the first is told.
    def _tell(self, s, number, who, asked, allowed):
        if who == _AP_CONTROLLER:
            if self.limited:
                return
            self.limited = number
        self._emit(_GUARDRAIL, s, number, who, asked, allowed, 0)

    # --- The windows (4, 5): what delivery asks for each pulse ------------------------------------------------------

    # Counts one more pulse at s; False when it is too much.
    def take(self, s):
        if s >= self._next_minute_s:
            self._begin_minute(s)
        if not self._left:
            self._look(s)
            if not self._left:
                return False
        self._in_minutes[self._at_minute] += 1
        self._left -= 1
        return True

    # The pulse that was counted last has not come.
    def give_back(self):
        self._in_minutes[self._at_minute] -= 1
        self._left += 1

    # What the newest place of all is taken from is older than its window.
    def _begin_minute(self, s):
        minute = s // 60
        self._in_hours[self._at_hour] += self._in_minutes[self._at_minute]
        self._at_minute = (self._at_minute + 1) % _MINUTES
        self._minutes[self._at_minute] = minute
        self._in_minutes[self._at_minute] = 0
        self._next_minute_s = 60 * minute + 60
        hour = minute // _MINUTES
        if hour != self._hours[self._at_hour]:
            self._at_hour = (self._at_hour + 1) % _HOURS
            self._hours[self._at_hour] = hour
            self._in_hours[self._at_hour] = 0

    # Sums the windows up as they are at s.
    def _look(self, s):
        if s >= self._next_minute_s:
            self._begin_minute(s)
        after = s // 60 - _MINUTES
        in_hour = 0
        for i in range(_MINUTES):
            if self._minutes[i] > after:
                in_hour += self._in_minutes[i]
        after = s // _HOUR_S - _HOURS
        in_day = self._in_minutes[self._at_minute]
        for i in range(_HOURS):
            if self._hours[i] > after:
                in_day += self._in_hours[i]
        self._in_hour = in_hour
        self._in_day = in_day
        self._left = max(0, min(self._hour_limit - in_hour, self._day_limit - in_day))

    # Tells which window kept a pulse back.
    def tell_full(self, s):
        if self._in_hour >= self._hour_limit:
            self._tell(s, _HOUR, _DEVICE, (self._in_hour + 1) * self._pulse_mu, self.hour_mu)
        else:
            self._tell(s, _DAY, _DEVICE, (self._in_day + 1) * self._pulse_mu, self.day_mu)

    # The window of 24 h begins with pulses of before.
    def begin_with(self, pulses):
        self._in_hours[self._at_hour] = pulses
        self._left = 0

    # --- What a client asks for -------------------------------------------------------------------------------------

    # A basal rate; the sum of a bolus, or the maximum bolus; the stale limit.
    def forbids_rate(self, s, mu_per_h):
        return self._above(s, _BASAL, mu_per_h, self.basal_mu_per_h)

    def forbids_amount(self, s, amount_mu):
        return self._above(s, _BOLUS, amount_mu, self.bolus_mu)

    def forbids_stale(self, s, minutes):
        return self._above(s, _STALE, minutes, self.stale_minutes)

    # A TBR above the profile's rate.
    def forbids_more(self, s, iob_mu):
        return self._above(s, _IOB, iob_mu, self.iob_mu)

    def _above(self, s, number, asked, allowed):
        if asked > allowed:
            self._tell(s, number, _REMOTE_CONTROL, asked, allowed)
            return True
        return False

    # A bolus: coming_mu is its amount and what active boluses have still to deliver.
    def forbids_bolus(self, s, iob_mu, coming_mu):
        return self._forbids_insulin(s, _REMOTE_CONTROL, iob_mu, coming_mu)

    def _forbids_insulin(self, s, who, iob_mu, coming_mu):
        self._look(s)
        hour_mu = self._in_hour * self._pulse_mu + coming_mu
        day_mu = self._in_day * self._pulse_mu + coming_mu
        if iob_mu + coming_mu > self.iob_mu:
            self._tell(s, _IOB, who, iob_mu + coming_mu, self.iob_mu)
        elif hour_mu > self.hour_mu:
            self._tell(s, _HOUR, who, hour_mu, self.hour_mu)
        elif day_mu > self.day_mu:
            self._tell(s, _DAY, who, day_mu, self.day_mu)
        else:
            return False
        return True

    # --- What a controller decides ----------------------------------------------------------------------------------

    # A TBR: what is allowed of it is in tbr_mu_per_h and tbr_minutes; False when none may be set.
    def judge_tbr(self, s, mu_per_h, minutes, profile_mu_per_h, iob_mu):
        self.limited = 0
        self.tbr_mu_per_h = self._rates.cut(min(mu_per_h, self.basal_mu_per_h))
        self.tbr_minutes = min(minutes, self.decision_minutes)
        if mu_per_h > self.basal_mu_per_h:
            self._tell(s, _BASAL, _AP_CONTROLLER, mu_per_h, self.basal_mu_per_h)
        if self.tbr_mu_per_h > profile_mu_per_h and self.stops_tbr(s, iob_mu):
            return False
        if minutes > self.decision_minutes:
            self._tell(s, _DURATION, _AP_CONTROLLER, minutes, self.decision_minutes)
        return True

    # A TBR above the profile's rate.
    def stops_tbr(self, s, iob_mu):
        if iob_mu <= self.iob_mu:
            return False
        self._tell(s, _IOB, _AP_CONTROLLER, iob_mu, self.iob_mu)
        return True

    # A bolus: the amount that is allowed, 0 for none; to be asked when nothing else forbids it. remaining_mu: what
    # active boluses have still to deliver.
    def judge_bolus(self, s, amount_mu, iob_mu, remaining_mu):
        self.limited = 0
        allowed_mu = self._amounts.cut(min(amount_mu, self.bolus_mu))
        while allowed_mu % self._pulse_mu:
            allowed_mu = self._amounts.cut(allowed_mu - 1)
        if amount_mu > self.bolus_mu:
            self._tell(s, _BOLUS, _AP_CONTROLLER, amount_mu, self.bolus_mu)
        if not allowed_mu or self._forbids_insulin(s, _AP_CONTROLLER, iob_mu, remaining_mu + allowed_mu):
            return 0
        since_s = s - self._last_automatic_s
        if since_s < 60 * self.interval_minutes:
            self._tell(s, _INTERVAL, _AP_CONTROLLER, since_s // 60, self.interval_minutes)
            return 0
        return allowed_mu

    # An automatic bolus was accepted.
    def note_automatic_bolus(self, s):
        self._last_automatic_s = s
