# Commands that prepare a pump for its wearer: they are loaded with the first of them.
from micropython import const

# Words of pump/events.py.
_MAX_BOLUS = const(0x03FC)
_NOT_APPLICABLE = const(0x74)
_NOT_COMPLETED = const(0x72)
_OPERATION_TIME_RESET = const(0x0002)
_OUT_OF_RANGE = const(0x73)
_SUCCESS = const(0x0F)


def set_max_bolus(pump, s, amount_mu):
    whole = pump.orders.whole(amount_mu, pump.settings.BOLUS_LIMIT_MU)
    if not whole or pump.guardrails.forbids_amount(s, amount_mu):
        return _OUT_OF_RANGE
    if amount_mu != pump.max_bolus_mu:
        pump.emit(_MAX_BOLUS, s, pump.max_bolus_mu, amount_mu, 0, 0, 0)
        pump.max_bolus_mu = amount_mu
    return _SUCCESS


def start_priming(pump, s, amount_mu):
    if not pump.orders.whole(amount_mu, pump.settings.BOLUS_LIMIT_MU):
        return _OUT_OF_RANGE
    if pump.moving() or not pump.reservoir.usable():
        return _NOT_APPLICABLE
    if amount_mu > pump.reservoir.remaining_mu:
        return _NOT_COMPLETED
    pump.priming.start(s, amount_mu)
    return _SUCCESS


def set_fill_level(pump, s, amount_mu):
    if not 0 <= amount_mu <= pump.settings.RESERVOIR_CAPACITY_MU or amount_mu % pump.settings.PULSE_MU:
        return _OUT_OF_RANGE
    if pump.moving() or not pump.reservoir.attached:
        return _NOT_APPLICABLE
    pump.fill(s, amount_mu // pump.settings.PULSE_MU)
    return _SUCCESS


def reset_operation_time(pump, s):
    pump.counters.reset_operation_time(s)
    pump.store.touch(_OPERATION_TIME_RESET)
    return _SUCCESS
