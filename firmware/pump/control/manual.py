# Controller manual: the wearer doses, samples are only kept (D-615).
from micropython import const

# Words of pump/events.py.
_ACTION_NONE = const(0x0F)
_REASON_MANUAL = const(0x0F)


def decide(inputs, settings, decision):
    decision.act(_ACTION_NONE, _REASON_MANUAL)
