# Reservoir: counted in pulses (D-811 to D-814).
#
# Pure logic: take() counts one pulse out. What an empty reservoir stops is for the caller to do.
from micropython import const

# Words of pump/events.py.
_RESERVOIR = const(0x0330)
_RESERVOIR_LOW = const(0x0066)


class Reservoir:
    def __init__(self, settings, emit, annunciations):
        self._emit = emit
        self._annunciations = annunciations
        self._pulse_mu = settings.PULSE_MU
        self._record_step_mu = settings.RESERVOIR_RECORD_STEP_MU
        self._low_pulses = settings.RESERVOIR_LOW_MU // settings.PULSE_MU
        self.capacity_pulses = settings.RESERVOIR_CAPACITY_MU // settings.PULSE_MU
        self.remaining_pulses = self.capacity_pulses
        self.remaining_mu = self.remaining_pulses * self._pulse_mu
        self.attached = True

    # Whether Run may be entered.
    def usable(self):
        return self.attached and self.remaining_pulses > 0

    def take(self, s):
        self.remaining_pulses -= 1
        self.remaining_mu -= self._pulse_mu
        if self.remaining_mu % self._record_step_mu == 0:
            self._record(s)
        if self.remaining_pulses == self._low_pulses:
            self._annunciations.announce(s, _RESERVOIR_LOW)

    def fill(self, s, pulses):
        self.remaining_pulses = pulses
        self.remaining_mu = pulses * self._pulse_mu
        self._record(s)

    def attach(self, s, attached):
        if attached != self.attached:
            self.attached = attached
            self._record(s)

    def _record(self, s):
        self._emit(_RESERVOIR, s, self.remaining_mu, 0, 0, 0, 0)
