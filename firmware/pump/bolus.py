# One bolus: what was programmed and what of it was delivered (D-106, D-108, D-401 to D-415).
#
# Pure logic: earn() adds what a stretch of time brings, take() takes a pulse. Whether the pump is in Run, and whether a
# pulse may leave it, is for the caller to know. The attributes stay as they were when the bolus has ended.
from micropython import const

from pump.portion import Portion

# Words of pump/events.py.
_EXTENDED = const(0x3C)
_FAST = const(0x33)
_MULTIWAVE = const(0x55)
_NEVER = const(0x3FFFFFFF)


class Bolus:
    def __init__(self, settings):
        self._pulse_mu = settings.PULSE_MU
        self._speed_mu_per_minute = settings.BOLUS_SPEED_MU_PER_MINUTE
        self.fast = Portion()
        self.extended = Portion()
        self._earned_s = 0
        self.active = False
        self.bolus_id = 0
        self.kind = _FAST
        # As a client programmed it: the flags of the wire's BolusFlags, numbers of which 0 is none.
        self.flags = 0
        self.template = 0
        self.activation = 0
        self.fast_mu = 0
        self.extended_mu = 0
        self.duration_minutes = 0
        self.delay_minutes = 0
        self.programmed_s = 0
        # The second at which delivery starts.
        self.start_s = 0
        # Whether the journal does not hold it as it is.
        self.unsaved = True

    # Takes over what was programmed at s; what is said of it beyond the amounts is set by the caller.
    def program(self, s, fast_mu, extended_mu, duration_minutes, delay_minutes):
        self.kind = _FAST if not extended_mu else _MULTIWAVE if fast_mu else _EXTENDED
        self.fast_mu = fast_mu
        self.extended_mu = extended_mu
        self.duration_minutes = duration_minutes
        self.delay_minutes = delay_minutes
        self.programmed_s = s
        self.start_s = s + 60 * delay_minutes
        self._earned_s = 0
        pulses = extended_mu // self._pulse_mu
        self.fast.begin(fast_mu // self._pulse_mu, self._speed_mu_per_minute, 60 * self._pulse_mu)
        self.extended.begin(pulses, pulses, 60 * duration_minutes)

    # How many pulses it has in all, and how many of them were delivered.
    def pulses(self):
        return self.fast.pulses + self.extended.pulses

    def delivered_pulses(self):
        return self.fast.delivered + self.extended.delivered

    @property
    def fast_delivered_mu(self):
        return self.fast.delivered * self._pulse_mu

    @property
    def extended_delivered_mu(self):
        return self.extended.delivered * self._pulse_mu

    def remaining_mu(self):
        return (self.pulses() - self.delivered_pulses()) * self._pulse_mu

    def complete(self):
        return self.delivered_pulses() == self.pulses()

    # The last seconds before s, of which those after the start of delivery count.
    def earn(self, s, seconds):
        seconds = min(seconds, s - self.start_s)
        if seconds > 0:
            self._earned_s += seconds
            self.fast.earn(seconds)
            self.extended.earn(seconds)

    # Whether a pulse is due now.
    def ready(self):
        return self.fast.ready() or self.extended.ready()

    # Takes one pulse, of the fast part first.
    def take(self):
        if self.fast.ready():
            self.fast.take()
        else:
            self.extended.take()

    # The next second with a pulse, when all has been earned until s.
    def due_s(self, s):
        due_in_s = min(self.fast.due_in_s(), self.extended.due_in_s())
        return _NEVER if due_in_s == _NEVER else max(s, self.start_s) + due_in_s

    # --- As the wire shows it (D-415) -------------------------------------------------------------------------------

    def elapsed_minutes(self):
        return min(self._earned_s // 60, self.duration_minutes)

    def remaining_minutes(self):
        return max(0, self.duration_minutes - self._earned_s // 60)

    def remaining_delay_minutes(self, s):
        return max(0, (self.start_s - s + 59) // 60)

    # From the start of delivery to s, Pause included.
    def effective_minutes(self, s):
        return max(0, (s - self.start_s) // 60) if self.extended_mu else 0
