# TBR templates: two that a client sets and one that comes with the pump (D-307).
from array import array

from micropython import const

# Words of pump/events.py.
_NOT_APPLICABLE = const(0x74)
_OUT_OF_RANGE = const(0x73)
_RELATIVE = const(0x3C)
_SUCCESS = const(0x0F)
_TEMPLATE_TBR = const(0x3C)


# The preset is the last one.
_PRESET_FACTOR = const(500)
_PRESET_MINUTES = const(60)


class TbrTemplates:
    def __init__(self, templates):
        self._templates = templates
        self._first = templates.first(_TEMPLATE_TBR)
        count = templates.count_of(_TEMPLATE_TBR)
        self.preset = self._first + count - 1
        # A kind of 0 is a template that is not configured.
        self._kinds = bytearray(count)
        self._values = array("H", bytes(2 * count))
        self._minutes = array("H", bytes(2 * count))
        self.put(self.preset, _RELATIVE, _PRESET_FACTOR, _PRESET_MINUTES)

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

    def usable(self, number):
        if self._templates.type_of(number) != _TEMPLATE_TBR:
            return _OUT_OF_RANGE
        return _SUCCESS if self.kind(number) else _NOT_APPLICABLE
