# Commands on templates and profiles (D-307, D-412, D-910): they are loaded with the first of them.
#
# A profile is written block by block, in any order. Blocks gather in row 0, apart from the profiles, and replace one
# only when the record with the end flag finds them whole; any failure drops them all.
from micropython import const

# Words of pump/events.py.
_BLOCK_CHANGED = const(0x00F0)
_BOLUS_TEMPLATE_CHANGED = const(0x03C0)
_ICHO_BLOCK_CHANGED = const(0x0365)
_ISF_BLOCK_CHANGED = const(0x0359)
_NOT_APPLICABLE = const(0x74)
_NOT_PLAUSIBLE = const(0x75)
_OUT_OF_RANGE = const(0x73)
_PROFILE_ACTIVATED = const(0x00CC)
_SUCCESS = const(0x0F)
_TARGET_BLOCK_CHANGED = const(0x036A)
_TBR_TEMPLATE_CHANGED = const(0x03F3)
_TEMPLATES_RESET = const(0x0001)
_TEMPLATE_BASAL = const(0x33)
_TEMPLATE_BOLUS = const(0x55)
_TEMPLATE_ICHO = const(0x66)
_TEMPLATE_ISF = const(0x5A)
_TEMPLATE_TARGET = const(0x96)
_TEMPLATE_TBR = const(0x3C)

_DAY_MINUTES = const(1440)
# In tenths of the wire's units.
_ISF_MIN = const(10)
_ISF_MAX = const(10000)
_ICHO_MIN = const(10)
_ICHO_MAX = const(3000)
_TARGET_MIN = const(400)
_TARGET_MAX = const(4000)


def set_tbr_template(pump, s, template, kind, value, duration_minutes):
    code = pump.tbr.judge(kind, value, duration_minutes)
    if code == _SUCCESS:
        code = _tbr_settable(pump.templates, template)
        if code != _OUT_OF_RANGE and pump.forbids_rate(s, kind, value):
            return _OUT_OF_RANGE
    if code == _SUCCESS:
        pump.tbr_templates.put(template, kind, value, duration_minutes)
        pump.emit(_TBR_TEMPLATE_CHANGED, s, template, 0, 0, 0, 0)
    return code


def _tbr_settable(templates, number):
    if templates.type_of(number) != _TEMPLATE_TBR:
        return _OUT_OF_RANGE
    return _NOT_APPLICABLE if number == templates.tbr.preset else _SUCCESS


def set_bolus_template(pump, s, template, flags, kind, fast_mu, extended_mu, duration_minutes, delay_minutes):
    code = pump.orders.judge(kind, fast_mu, extended_mu, duration_minutes, delay_minutes, pump.max_bolus_mu)
    if code == _SUCCESS:
        code = _SUCCESS if pump.templates.type_of(template) == _TEMPLATE_BOLUS else _OUT_OF_RANGE
    if code == _SUCCESS and pump.guardrails.forbids_amount(s, fast_mu + extended_mu):
        code = _OUT_OF_RANGE
    if code == _SUCCESS:
        pump.bolus_templates.put(template, flags, kind, fast_mu, extended_mu, duration_minutes, delay_minutes)
        pump.emit(_BOLUS_TEMPLATE_CHANGED, s, template, 0, 0, 0, 0)
    return code


# One block of a write transaction (index from 1); any code but success has dropped the transaction. kind: the type
# of template. high: the upper end of a target range, else 0.
def write_block(pump, s, kind, template, index, duration_minutes, value, high):
    code = _write(pump.templates, kind, template, index, duration_minutes, value, high)
    if code == _SUCCESS and kind == _TEMPLATE_BASAL and pump.guardrails.forbids_rate(s, value):
        pump.templates.drop()
        return _OUT_OF_RANGE
    return code


# The record with the end flag, after its blocks: checks the whole and puts it in force.
def complete_profile(pump, s, kind, template):
    templates = pump.templates
    code = _complete(templates, kind, template)
    if code == _SUCCESS:
        event = _TARGET_BLOCK_CHANGED
        if kind == _TEMPLATE_BASAL:
            event = _BLOCK_CHANGED
        elif kind == _TEMPLATE_ISF:
            event = _ISF_BLOCK_CHANGED
        elif kind == _TEMPLATE_ICHO:
            event = _ICHO_BLOCK_CHANGED
        for block in range(templates.count(template)):
            minutes = templates.duration_minutes(template, block)
            value = templates.value(template, block)
            pump.emit(event, s, template, block + 1, minutes, value, templates.high(template, block))
        if template == pump.basal.template:
            pump.follow_profile(s)
    return code


# numbers[first:first + count] are template numbers, one of a type at most: all of them or none. Activating the
# activated one again is recorded, too.
def activate(pump, s, numbers, first, count):
    templates = pump.templates
    for i in range(first, first + count):
        if not _activatable(templates, numbers[i]):
            return _NOT_APPLICABLE
        for j in range(first, i):
            if templates.type_of(numbers[j]) == templates.type_of(numbers[i]):
                return _NOT_APPLICABLE
    for i in range(first, first + count):
        kind = templates.type_of(numbers[i])
        pump.emit(_PROFILE_ACTIVATED, s, kind, templates.activated(kind), numbers[i], 0, 0)
        templates.activate(numbers[i])
    pump.follow_profile(s)
    return _SUCCESS


def reset_templates(pump, s, numbers, first, count):
    if not _reset(pump.templates, numbers, first, count):
        return _NOT_APPLICABLE
    pump.store.touch(_TEMPLATES_RESET)
    return _SUCCESS


def _write(templates, kind, number, index, duration_minutes, value, high):
    if not _is_profile(templates, kind, number):
        templates.drop()
        return _OUT_OF_RANGE
    return _take(templates, number, kind, index, duration_minutes, value, high)


def _complete(templates, kind, number):
    if not _is_profile(templates, kind, number):
        templates.drop()
        return _OUT_OF_RANGE
    return _finish(templates, number, templates.row_of[number])


def _is_profile(templates, kind, number):
    return templates.exists(number) and templates.type_of(number) == kind and templates.row_of[number] > 0


# Whether a number can be activated.
def _activatable(templates, number):
    return templates.configured(number) and templates.row_of[number] > 0


# Resets all the listed templates or none: each must be configured, none come with the pump or be activated.
def _reset(templates, numbers, first, count):
    for i in range(first, first + count):
        number = numbers[i]
        if not templates.configured(number) or not templates.configurable(number):
            return False
        if templates.row_of[number] and templates.activated(templates.types[number]) == number:
            return False
    for i in range(first, first + count):
        kind = templates.types[numbers[i]]
        if kind == _TEMPLATE_TBR:
            templates.tbr.put(numbers[i], 0, 0, 0)
        elif kind == _TEMPLATE_BOLUS:
            templates.bolus.put(numbers[i], 0, 0, 0, 0, 0, 0)
        else:
            templates.counts[templates.row_of[numbers[i]]] = 0
    return True


# Takes one block into the transaction; index counts from 1.
def _take(templates, number, kind, index, duration_minutes, value, high):
    code = _judge(templates, number, kind, index, duration_minutes, value, high)
    if code != _SUCCESS:
        templates.drop()
        return code
    templates.writing = number
    templates.durations[index - 1] = duration_minutes
    templates.values[index - 1] = value
    templates.highs[index - 1] = high
    return _SUCCESS


def _judge(templates, number, kind, index, duration_minutes, value, high):
    if not (1 <= index <= templates.blocks_max and 1 <= duration_minutes <= _DAY_MINUTES):
        return _OUT_OF_RANGE
    if not _within(templates, kind, value) or (kind == _TEMPLATE_TARGET and not _within(templates, kind, high)):
        return _OUT_OF_RANGE
    if kind == _TEMPLATE_TARGET and value > high:
        return _NOT_PLAUSIBLE
    if templates.writing not in (0, number) or templates.durations[index - 1]:
        return _NOT_PLAUSIBLE
    return _SUCCESS


def _within(templates, kind, value):
    if kind == _TEMPLATE_BASAL:
        return value == 0 or 0 < value <= templates.rate_mu_per_h_max and templates.rates.on(value)
    if kind == _TEMPLATE_ISF:
        return _ISF_MIN <= value <= _ISF_MAX
    if kind == _TEMPLATE_ICHO:
        return _ICHO_MIN <= value <= _ICHO_MAX
    return _TARGET_MIN <= value <= _TARGET_MAX


# Ends the transaction: the row is replaced, or nothing is.
def _finish(templates, number, row):
    count = 0
    while count < templates.blocks_max and templates.durations[count]:
        count += 1
    minutes = 0
    for block in range(count):
        minutes += templates.durations[block]
    beyond_gap = 0
    for block in range(count, templates.blocks_max):
        beyond_gap += templates.durations[block]
    if templates.writing != number or minutes != _DAY_MINUTES or beyond_gap:
        templates.drop()
        return _NOT_PLAUSIBLE
    cell = row * templates.blocks_max
    for block in range(templates.blocks_max):
        templates.durations[cell + block] = templates.durations[block]
        templates.values[cell + block] = templates.values[block]
        templates.highs[cell + block] = templates.highs[block]
    templates.counts[row] = count
    templates.unsaved |= 1 << row
    templates.drop()
    return _SUCCESS
