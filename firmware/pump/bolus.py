# Fast bolus: one at a time, on an accumulator of its own (D-106, D-401 to D-404).
#
# Pure logic: earn() adds delivery speed, take() takes a pulse off the accumulator. Whether the pump is in Run, and
# whether a pulse may leave it, is for the caller to know.
from micropython import const

from pump.events import BOLUS_ENDED, BOLUS_STARTED

_ID_MAX = const(65535)


class Bolus:
    def __init__(self, settings, emit):
        self._emit = emit
        self._pulse_mu = settings.PULSE_MU
        self._speed_mu_per_minute = settings.BOLUS_SPEED_MU_PER_MINUTE
        # Held in mU/min x s.
        self._full = 60 * settings.PULSE_MU
        self._held = 0
        self.active = False
        self.bolus_id = 0
        self.start_s = 0
        self.amount_pulses = 0
        self.delivered_pulses = 0
        self.amount_mu = 0
        self.delivered_mu = 0

    def start(self, s, amount_mu):
        self.active = True
        self.bolus_id = self.bolus_id % _ID_MAX + 1
        self.start_s = s
        self.amount_mu = amount_mu
        self.amount_pulses = amount_mu // self._pulse_mu
        self.delivered_pulses = 0
        self.delivered_mu = 0
        self._held = 0
        self._emit(BOLUS_STARTED, s, self.bolus_id, amount_mu, 0, 0, 0)

    # As it was before a power cut, by what the journal says.
    def restore(self, active, bolus_id, amount_pulses):
        self.active = active
        self.bolus_id = bolus_id
        self.amount_pulses = amount_pulses
        self.amount_mu = amount_pulses * self._pulse_mu

    # What it has delivered, counted anew.
    def redeliver(self, pulses):
        self.delivered_pulses = max(0, min(pulses, self.amount_pulses))
        self.delivered_mu = self.delivered_pulses * self._pulse_mu

    def end(self, s, reason, annunciation_id):
        self.active = False
        self._emit(BOLUS_ENDED, s, self.bolus_id, self.delivered_mu, reason, annunciation_id, self.start_s)

    def complete(self):
        return self.delivered_pulses == self.amount_pulses

    def earn(self, seconds):
        self._held += self._speed_mu_per_minute * seconds

    # Whether a pulse is due now.
    def ready(self):
        return self._held >= self._full and self.delivered_pulses < self.amount_pulses

    def take(self):
        self._held -= self._full
        self.delivered_pulses += 1
        self.delivered_mu += self._pulse_mu

    # Seconds until the next pulse, at least one.
    def due_in_s(self):
        lacking = self._full - self._held
        return (lacking + self._speed_mu_per_minute - 1) // self._speed_mu_per_minute if lacking > 0 else 1
