# Delivery: rates and amounts become motor pulses, exactly (D-101 to D-108, D-511).
#
# Pure logic: integrate(s) earns over the seconds since the last call and delivers what falls due at s; the caller never
# jumps over due_s(). Basal insulin is held as whole pulses owed and a rest in mU/h x s below one pulse, so that no sum
# comes near 2**30. This is the path that must not allocate.
from micropython import const

# Words of pump/events.py.
_NEVER = const(0x3FFFFFFF)
_NO_SOURCE = const(0x0F)
_PAUSE = const(0x3C)
_RUN = const(0x55)
_SOURCE_BASAL = const(0x33)
_SOURCE_BOLUS = const(0x3C)
_SOURCE_EXTENDED = const(0x55)
_SOURCE_PRIME = const(0x5A)
_STOP = const(0x33)


# What integrate() came upon.
NOTHING = const(0)
OCCLUDED = const(1)
EMPTY = const(2)
LIMITED = const(3)


class Delivery:
    # boluses: the two places. guardrails: is asked before each pulse but of priming. store: is told of each pulse that
    # is queued for the motor.
    def __init__(self, settings, motor, boluses, priming, reservoir, iob, daily, guardrails, store):
        self._motor = motor
        self._guardrails = guardrails
        self._store = store
        self._fast, self._other = boluses
        self._priming = priming
        self._reservoir = reservoir
        self._iob = iob
        self._daily = daily
        self._pulse_mu = settings.PULSE_MU
        self._rollover_mu = settings.DELIVERED_ROLLOVER_MU
        self._full = 3600 * settings.PULSE_MU
        self._at_s = 0
        self._owed_pulses = 0
        self._rest = 0
        # Run, Pause or Stop, and the basal rate in force; set only after integrate() has reached the same second.
        self.therapy = _STOP
        self.rate_mu_per_h = 0
        # An injected occlusion, beside what the motor's force says.
        self.occluded = False
        # Since the start: pulses, those of all boluses and of the other one alone, and the two sums that roll over.
        self.basal_pulses = 0
        self.bolus_pulses = 0
        self.extended_pulses = 0
        self.prime_pulses = 0
        self.basal_mu = 0
        self.bolus_mu = 0
        # Pulses that power cuts left in doubt, and the source of the last of them. They are counted above.
        self.pulses_in_doubt = 0
        self.doubt_source = _NO_SOURCE
        # What every Stop together dropped, as pulses and a rest below one.
        self.dropped_pulses = 0
        self.dropped_rest = 0

    def due_s(self):
        if self.therapy != _RUN:
            return self._at_s + self._priming.portion.due_in_s() if self._priming.active else _NEVER
        due_s = _NEVER
        if self._owed_pulses:
            due_s = self._at_s + 1
        elif self.rate_mu_per_h:
            due_s = self._at_s + (self._full - self._rest + self.rate_mu_per_h - 1) // self.rate_mu_per_h
        if self._fast.active:
            due_s = min(due_s, self._fast.due_s(self._at_s))
        if self._other.active:
            due_s = min(due_s, self._other.due_s(self._at_s))
        return due_s

    def integrate(self, s):
        seconds = s - self._at_s
        if seconds <= 0:
            return NOTHING
        self._at_s = s
        if self.therapy == _STOP:
            return self._deliver_prime(s, seconds) if self._priming.active else NOTHING
        rest = self._rest + self.rate_mu_per_h * seconds
        if rest >= self._full:
            self._owed_pulses += rest // self._full
            rest %= self._full
        self._rest = rest
        if self.therapy == _PAUSE:
            return NOTHING
        outcome = NOTHING
        if self._fast.active:
            outcome = self._deliver_bolus(s, seconds, self._fast, _SOURCE_BOLUS)
        if self._other.active and outcome == NOTHING:
            outcome = self._deliver_bolus(s, seconds, self._other, _SOURCE_EXTENDED)
        if self._owed_pulses and outcome == NOTHING:
            outcome = self._deliver_basal(s)
        return outcome

    def _deliver_bolus(self, s, seconds, bolus, source):
        bolus.earn(s, seconds)
        while bolus.ready():
            if not self._guardrails.take(s):
                return LIMITED
            if not self._pulse(s, source):
                self._guardrails.give_back()
                return OCCLUDED
            bolus.take()
            self._iob.add(s)
            self._daily.bolus_mu += self._pulse_mu
            self.bolus_pulses += 1
            if source == _SOURCE_EXTENDED:
                self.extended_pulses += 1
            self.bolus_mu += self._pulse_mu
            if self.bolus_mu > self._rollover_mu:
                self.bolus_mu = 0
            if not self._reservoir.remaining_pulses:
                return EMPTY
        return NOTHING

    def _deliver_prime(self, s, seconds):
        portion = self._priming.portion
        portion.earn(seconds)
        while portion.ready():
            if not self._pulse(s, _SOURCE_PRIME):
                return OCCLUDED
            portion.take()
            self.prime_pulses += 1
            if not self._reservoir.remaining_pulses:
                return EMPTY
        return NOTHING

    def _deliver_basal(self, s):
        if not self._guardrails.take(s):
            return LIMITED
        if not self._pulse(s, _SOURCE_BASAL):
            self._guardrails.give_back()
            return OCCLUDED
        self._owed_pulses -= 1
        self._iob.add(s)
        self._daily.basal_mu += self._pulse_mu
        self.basal_pulses += 1
        self.basal_mu += self._pulse_mu
        if self.basal_mu > self._rollover_mu:
            self.basal_mu = 0
        return NOTHING if self._reservoir.remaining_pulses else EMPTY

    # One pulse behind the occlusion check; False when it was held back.
    def _pulse(self, s, source):
        if self.occluded or not self._motor.ready(s):
            return False
        self._motor.pulse(s)
        self._store.queue(source)
        self._reservoir.take(s)
        return True

    # The number of the last pulse, of all sources.
    def pulses(self):
        return self.basal_pulses + self.bolus_pulses + self.prime_pulses

    # Stop drops what was earned and not delivered.
    def drop(self):
        rest = self.dropped_rest + self._rest
        self.dropped_pulses += self._owed_pulses + rest // self._full
        self.dropped_rest = rest % self._full
        self._owed_pulses = 0
        self._rest = 0

    # What is earned and not delivered: whole pulses, and mU/h x s of the next one.
    def owed_pulses(self):
        return self._owed_pulses

    def rest(self):
        return self._rest
