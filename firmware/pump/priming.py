# Priming: pulses that fill the line before therapy runs (D-511, D-512).
#
# Pure logic: whether the pump may prime, and whether a pulse may leave it, is for the caller to know.
from micropython import const

from pump.portion import Portion

# Words of pump/events.py.
_OPERATIONAL = const(0x030C)
_PRIMING = const(0x5A)
_PRIMING_DONE = const(0x039A)
_PRIMING_STARTED = const(0x0395)
_READY = const(0x96)


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
        self._emit(_PRIMING_STARTED, s, amount_mu, 0, 0, 0, 0)
        self._emit(_OPERATIONAL, s, _READY, _PRIMING, 0, 0, 0)

    def end(self, s, reason, annunciation_id):
        self.active = False
        self._emit(_PRIMING_DONE, s, self.portion.delivered * self._pulse_mu, reason, annunciation_id, 0, 0)
        self._emit(_OPERATIONAL, s, _PRIMING, _READY, 0, 0, 0)

    def complete(self):
        return self.portion.delivered == self.portion.pulses
