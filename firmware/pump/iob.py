# Insulin on board: what the delivered pulses leave (D-701 to D-704).
#
# Pulses are counted per pump minute; a table holds the share that is left at each age, in 1/32768. Building the table
# is the one place of the pump that uses floats.
from array import array
from math import exp

from micropython import const

from pump.scheduled import Scheduled

# The longest duration of insulin action.
_MINUTES_MAX = const(480)
_SHARE_BITS = const(15)
_SHARE_MASK = const(0x7FFF)


# The activity of insulin t minutes after the dose, to a constant factor.
def _activity(t, dia_minutes, per_tau):
    return t * (1 - t / dia_minutes) * exp(-t * per_tau)


# Its area over the minute from t on, by Simpson's rule.
def _area(t, dia_minutes, per_tau):
    middle = _activity(t + 0.5, dia_minutes, per_tau)
    return _activity(t, dia_minutes, per_tau) + 4 * middle + _activity(t + 1, dia_minutes, per_tau)


class Iob:
    def __init__(self, pulse_mu, dia_minutes, peak_minutes):
        self._pulse_mu = pulse_mu
        # The same pulses by the second, netted with what the profile schedules.
        self.scheduled = Scheduled(pulse_mu)
        self._pulses = array("H", bytes(2 * _MINUTES_MAX))
        self._shares = array("H", bytes(2 * _MINUTES_MAX))
        self._minute = 0
        self._dia_minutes = 0
        self._peak_minutes = 0
        self.configure(dia_minutes, peak_minutes)

    # Builds the table by integrating the activity, minute by minute. The closed form of D-701 is the same function, but
    # the later the peak the closer the numbers that it subtracts, and a board computes in single precision.
    def configure(self, dia_minutes, peak_minutes):
        if dia_minutes == self._dia_minutes and peak_minutes == self._peak_minutes:
            return
        self._dia_minutes = dia_minutes
        self._peak_minutes = peak_minutes
        per_tau = (1 - 2 * peak_minutes / dia_minutes) / (peak_minutes * (1 - peak_minutes / dia_minutes))
        # Twice over, as a list of the areas would take a room in the heap that a board may not have.
        used = 0.0
        for t in range(dia_minutes):
            used += _area(t, dia_minutes, per_tau)
        gone = 0.0
        for age in range(_MINUTES_MAX):
            share = 0.0
            if age < dia_minutes:
                share = 1 - gone / used
                gone += _area(age, dia_minutes, per_tau)
            self._shares[age] = int(share * (1 << _SHARE_BITS) + 0.5)

    # Counts a pulse delivered at s.
    def add(self, s):
        self._roll(s // 60)
        self._pulses[self._minute % _MINUTES_MAX] += 1
        self.scheduled.deliver(s)

    # Empties the minutes that have come since the last one seen.
    def _roll(self, minute):
        stale = min(minute - self._minute, _MINUTES_MAX)
        for i in range(stale):
            self._pulses[(minute - i) % _MINUTES_MAX] = 0
        self._minute = minute

    # Insulin on board at s in whole mU, rounded down. Carrying the whole pulses over keeps the sum small.
    def total_mu(self, s):
        self._roll(s // 60)
        pulses = self._pulses
        shares = self._shares
        at = self._minute % _MINUTES_MAX
        whole = 0
        rest = 0
        for age in range(self._dia_minutes):
            count = pulses[at]
            if count:
                rest += count * shares[age]
                whole += rest >> _SHARE_BITS
                rest &= _SHARE_MASK
            at = at - 1 if at else _MINUTES_MAX - 1
        return whole * self._pulse_mu + (rest * self._pulse_mu >> _SHARE_BITS)
