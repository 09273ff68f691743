# Commands that a client seldom gives, but for those on templates and those that prepare a pump: clock, settings,
# guardrails, carbs, and what the emulator injects. They are loaded with the first of them.
from micropython import const

from pump.bounds import oref_within, settings_within, take_guardrails, take_settings
from pump.control.oref_settings import MAX_BASAL_MU_PER_H, MAX_IOB_MU
from pump.wall import day_number

# Words of pump/events.py.
_BATTERY_EMPTY = const(0x00AA)
_BATTERY_LEVEL = const(0x5A)
_BATTERY_LOW = const(0x00C3)
_BOLUS_CALCULATED = const(0x003C)
_CANCELED = const(0x3C)
_CARBS = const(0xF033)
_ERROR_ABORT = const(0x55)
_FAULT_OCCLUSION = const(0x33)
_FAULT_RESERVOIR_DETACHED = const(0x55)
_FAULT_RESERVOIR_LEVEL = const(0x3C)
_INJECTED_ANNUNCIATION = const(0x66)
_NOT_COMPLETED = const(0x72)
_OUT_OF_RANGE = const(0x73)
_PLGS = const(0x3C)
_POINTER = const(0x03A9)
_RESERVOIR_EMPTY = const(0x005A)
_SET_DATE_TIME = const(0x33)
_SUCCESS = const(0x0F)

_BATTERY_LOW_PERCENT = const(20)
_CARBS_G_MAX = const(250)
_CARBS_MINUTES_MAX = const(360)
# The years that a CGMS or IDS date can have in the Gregorian calendar.
_YEAR_MIN = const(1583)
_YEAR_MAX = const(9999)
# The place of the stale limit among the values of the characteristic.
_STALE_AT = const(6)


# The word of the bolus calculator: eight amounts, of fast meal, fast correction, extended meal and extended
# correction as recommended, and as confirmed.
def bolus_calculated(pump, s, *amounts_mu):
    for amount_mu in amounts_mu:
        if amount_mu and not pump.orders.whole(amount_mu, pump.settings.BOLUS_LIMIT_MU):
            return _OUT_OF_RANGE
    for i in range(len(pump.calculated)):
        pump.calculated[i] = amounts_mu[i]
    pump.emit(_BOLUS_CALCULATED, s, 0, 0, 0, 0, 0)
    return _SUCCESS


def set_clock(pump, s, year, month, day, hour, minute, second, zone, dst):
    wall = pump.wall
    if not _valid(wall, year, month, day, hour, minute, second):
        return _OUT_OF_RANGE
    old_day = pump.day(s)
    wall.set(s, year, month, day, hour, minute, second, zone, dst)
    if wall.day(s) != old_day:
        pump.close_day(s, old_day, 1)
    pump.day_kept = -1
    pump.midnight_s = wall.midnight_s(s)
    pump.record_reference(s, _SET_DATE_TIME)
    pump.follow_profile(s)
    return _SUCCESS


# Whether such a date and time exists.
def _valid(wall, year, month, day_of_month, hour, minute, second):
    if not (_YEAR_MIN <= year <= _YEAR_MAX and 1 <= month <= 12 and 1 <= day_of_month <= 31):
        return False
    if not (0 <= hour <= 23 and 0 <= minute <= 59 and 0 <= second <= 59):
        return False
    wall.date(day_number(year, month, day_of_month))
    return wall.day_of_month == day_of_month


# The controller settings, in the order of the characteristic ControllerSettings.
def configure(pump, s, *values):
    control = pump.control.settings
    if not settings_within(control, *values) or pump.guardrails.forbids_stale(s, values[_STALE_AT]):
        return _OUT_OF_RANGE
    controller = control.controller
    take_settings(control, *values)
    pump.emit(_POINTER, s, 0, 0, 0, 0, 0)
    pump.iob.configure(control.dia_minutes, control.peak_minutes)
    if control.controller != _PLGS and pump.tbr.suspension:
        pump.end_tbr(s, _CANCELED, 0)
    if pump.tbr.automatic and control.controller != controller:
        pump.end_tbr(s, _CANCELED, 0)
    pump.prepare_controller(s)
    return _SUCCESS


# The settings of controller oref, in the order of the characteristic OrefSettings.
def configure_oref(pump, s, *values):
    oref = pump.control.oref
    if not oref_within(*values):
        return _OUT_OF_RANGE
    guardrails = pump.guardrails
    if guardrails.forbids_rate(s, values[MAX_BASAL_MU_PER_H]) or guardrails.forbids_more(s, values[MAX_IOB_MU]):
        return _OUT_OF_RANGE
    for i in range(len(oref.values)):
        oref.values[i] = values[i]
    pump.emit(_POINTER, s, 0, 0, 0, 0, 0)
    return _SUCCESS


# Carbs for a closed loop, eaten some minutes ago.
def announce_carbs(pump, s, carbs_g, minutes_ago):
    if not (1 <= carbs_g <= _CARBS_G_MAX and 0 <= minutes_ago <= _CARBS_MINUTES_MAX):
        return _OUT_OF_RANGE
    try:
        announced = pump.control.loop(pump).announced
    except MemoryError:
        return _NOT_COMPLETED
    if not announced.add(s, s - 60 * minutes_ago, carbs_g):
        return _OUT_OF_RANGE
    pump.emit(_CARBS, s, carbs_g, minutes_ago, 0, 0, 0)
    return _SUCCESS


# The guardrails, in the order of the characteristic ControllerGuardrails.
def guard(pump, s, *values):
    if not take_guardrails(pump.guardrails, *values):
        return _OUT_OF_RANGE
    pump.emit(_POINTER, s, 0, 0, 0, 0, 0)
    pump.rate_changed(s)
    return _SUCCESS


# What the emulator service injects: kind and value of the characteristic EmulatorFault.
def inject(pump, s, kind, value):
    reservoir = pump.reservoir
    if kind == _FAULT_OCCLUSION and 0 <= value <= 1:
        pump.delivery.occluded = value == 1
    elif kind == _FAULT_RESERVOIR_DETACHED and 0 <= value <= 1:
        reservoir.attach(s, value == 0)
        if value and pump.moving():
            pump.stop(s, _ERROR_ABORT, 0)
    elif kind == _FAULT_RESERVOIR_LEVEL and 0 <= value <= reservoir.capacity_pulses:
        pump.fill(s, value)
        if not value and pump.moving():
            pump.stop_for(s, _RESERVOIR_EMPTY)
    elif kind == _BATTERY_LEVEL and 0 <= value <= 100:
        _drain(pump, s, value)
    elif kind == _INJECTED_ANNUNCIATION and pump.annunciations.knows(value):
        pump.annunciations.announce(s, value)
    else:
        return _OUT_OF_RANGE
    return _SUCCESS


def _drain(pump, s, percent):
    old_percent = pump.battery_percent
    pump.battery_percent = percent
    if not percent:
        pump.stop_for(s, _BATTERY_EMPTY)
    elif percent <= _BATTERY_LOW_PERCENT < old_percent:
        pump.annunciations.announce(s, _BATTERY_LOW)
