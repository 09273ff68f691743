# Priming: pulses that fill the line before therapy runs (D-511, D-512).
#
# Pure logic: whether the pump may prime, and whether a pulse may leave it, is for the caller to know.
from pump.events import OPERATIONAL, PRIMING, PRIMING_DONE, PRIMING_STARTED, READY
from pump.portion import Portion


class Priming:
    def __init__(self, settings, emit):
        self._emit = emit
        self._pulse_mu = settings.PULSE_MU
        self._speed_mu_per_minute = settings.BOLUS_SPEED_MU_PER_MINUTE
        self.portion = Portion()
        self.active = False

    def program(self, pulses):
        self.portion.begin(pulses, self._speed_mu_per_minute, 60 * self._pulse_mu)

    def start(self, s, amount_mu):
        self.active = True
        self.program(amount_mu // self._pulse_mu)
        self._emit(PRIMING_STARTED, s, amount_mu, 0, 0, 0, 0)
        self._emit(OPERATIONAL, s, READY, PRIMING, 0, 0, 0)

    def end(self, s, reason, annunciation_id):
        self.active = False
        self._emit(PRIMING_DONE, s, self.portion.delivered * self._pulse_mu, reason, annunciation_id, 0, 0)
        self._emit(OPERATIONAL, s, PRIMING, READY, 0, 0, 0)

    def complete(self):
        return self.portion.delivered == self.portion.pulses

    # What it has delivered, counted anew.
    def redeliver(self, pulses):
        self.portion.delivered = max(0, min(pulses, self.portion.pulses))
