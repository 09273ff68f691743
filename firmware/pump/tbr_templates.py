# TBR templates: two that a client sets and one that comes with the pump (D-307).
from array import array

from micropython import const

from pump.events import NOT_APPLICABLE, OUT_OF_RANGE, RELATIVE, SUCCESS, TEMPLATE_TBR

# The preset is the last one.
_PRESET_FACTOR = const(500)
_PRESET_MINUTES = const(60)


class TbrTemplates:
    def __init__(self, templates):
        self._templates = templates
        self._first = templates.first(TEMPLATE_TBR)
        count = templates.count_of(TEMPLATE_TBR)
        self.preset = self._first + count - 1
        # A kind of 0 is a template that is not configured.
        self._kinds = bytearray(count)
        self._values = array("H", bytes(2 * count))
        self._minutes = array("H", bytes(2 * count))
        self.put(self.preset, RELATIVE, _PRESET_FACTOR, _PRESET_MINUTES)

    def kind(self, number):
        return self._kinds[number - self._first]

    def value(self, number):
        return self._values[number - self._first]

    def duration_minutes(self, number):
        return self._minutes[number - self._first]

    # Takes over what was judged; a kind of 0 resets the template.
    def put(self, number, kind, value, duration_minutes):
        at = number - self._first
        self._kinds[at] = kind
        self._values[at] = value
        self._minutes[at] = duration_minutes

    # Whether a template can be set, and be used.
    def settable(self, number):
        if self._templates.type_of(number) != TEMPLATE_TBR:
            return OUT_OF_RANGE
        return NOT_APPLICABLE if number == self.preset else SUCCESS

    def usable(self, number):
        if self._templates.type_of(number) != TEMPLATE_TBR:
            return OUT_OF_RANGE
        return SUCCESS if self.kind(number) else NOT_APPLICABLE
