# Bolus templates, which a client sets (D-412).
from array import array

from micropython import const

# Words of pump/events.py.
_NOT_APPLICABLE = const(0x74)
_OUT_OF_RANGE = const(0x73)
_SUCCESS = const(0x0F)
_TEMPLATE_BOLUS = const(0x55)


# Amounts, duration and delay of each.
_NUMBERS = const(4)


class BolusTemplates:
    def __init__(self, templates):
        self._templates = templates
        self._first = templates.first(_TEMPLATE_BOLUS)
        count = templates.count_of(_TEMPLATE_BOLUS)
        # A kind of 0 is a template that is not configured.
        self._kinds = bytearray(count)
        self._flags = bytearray(count)
        self._numbers = array("H", bytes(2 * _NUMBERS * count))

    def kind(self, number):
        return self._kinds[number - self._first]

    # As the wire has them: delay present 1, reasons 2 and 4.
    def flags(self, number):
        return self._flags[number - self._first]

    def fast_mu(self, number):
        return self._numbers[(number - self._first) * _NUMBERS]

    def extended_mu(self, number):
        return self._numbers[(number - self._first) * _NUMBERS + 1]

    def duration_minutes(self, number):
        return self._numbers[(number - self._first) * _NUMBERS + 2]

    def delay_minutes(self, number):
        return self._numbers[(number - self._first) * _NUMBERS + 3]

    # Takes over what was judged; a kind of 0 resets the template.
    def put(self, number, flags, kind, fast_mu, extended_mu, duration_minutes, delay_minutes):
        at = number - self._first
        self._flags[at] = flags
        self._kinds[at] = kind
        at *= _NUMBERS
        self._numbers[at] = fast_mu
        self._numbers[at + 1] = extended_mu
        self._numbers[at + 2] = duration_minutes
        self._numbers[at + 3] = delay_minutes

    def usable(self, number):
        if self._templates.type_of(number) != _TEMPLATE_BOLUS:
            return _OUT_OF_RANGE
        return _SUCCESS if self.kind(number) else _NOT_APPLICABLE
