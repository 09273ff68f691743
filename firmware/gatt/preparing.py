# Procedures of the Command Control Point that prepare a pump for its wearer, or its next bolus (IDS 1.0.2, 3.7.2).
from micropython import const

from gatt import wire_tables as tables
from gatt.procedures import SUCCESS
from pump.preparing import reset_operation_time, set_fill_level, set_max_bolus, start_priming

_GET_AVAILABLE_BOLUSES = const(0x1188)
_START_PRIMING = const(0x127B)
_SET_INITIAL_RESERVOIR_FILL_LEVEL = const(0x128B)
_RESET_RESERVOIR_INSULIN_OPERATION_TIME = const(0x12B7)
_SET_MAX_BOLUS_AMOUNT = const(0x148D)
PREPARING = (0x1188, 0x127B, 0x128B, 0x12B7, 0x148D)

_BOLUS_TYPE_FAST = const(0x33)
_BOLUS_TYPE_EXTENDED = const(0x3C)
_BOLUS_TYPE_MULTIWAVE = const(0x55)
_AVAILABLE_BOLUSES_FLAGS_FAST_AVAILABLE = const(1)
_AVAILABLE_BOLUSES_FLAGS_EXTENDED_AVAILABLE = const(2)
_AVAILABLE_BOLUSES_FLAGS_MULTIWAVE_AVAILABLE = const(4)


# Does one of them; returns its response code.
def prepare(pump, s, opcode, fields):
    if opcode == _SET_MAX_BOLUS_AMOUNT:
        return set_max_bolus(pump, s, fields[tables.MAX_BOLUS_IU])
    if opcode == _START_PRIMING:
        return start_priming(pump, s, fields[tables.PRIMING_AMOUNT_IU])
    if opcode == _SET_INITIAL_RESERVOIR_FILL_LEVEL:
        return set_fill_level(pump, s, fields[tables.RESERVOIR_FILL_LEVEL_IU])
    if opcode == _RESET_RESERVOIR_INSULIN_OPERATION_TIME:
        return reset_operation_time(pump, s)
    fields[tables.FLAGS] = _available_boluses(pump)
    return SUCCESS


def _available_boluses(pump):
    available = pump.bolus_available
    flags = _AVAILABLE_BOLUSES_FLAGS_FAST_AVAILABLE if available(_BOLUS_TYPE_FAST) else 0
    if available(_BOLUS_TYPE_EXTENDED):
        flags |= _AVAILABLE_BOLUSES_FLAGS_EXTENDED_AVAILABLE
    if available(_BOLUS_TYPE_MULTIWAVE):
        flags |= _AVAILABLE_BOLUSES_FLAGS_MULTIWAVE_AVAILABLE
    return flags
