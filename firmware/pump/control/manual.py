# Controller manual: the wearer doses, samples are only kept (D-615).
from micropython import const

# Words of pump/events.py.
_ACTION_NONE = const(0x0F)
_REASON_MANUAL = const(0x0F)


class Manual:
    def __init__(self):
        self.reason = _REASON_MANUAL

    def decide(self, s, cgm, settings, suspensions):
        return _ACTION_NONE
