# Records of what a client seldom changes: profiles, templates, settings, the bolus calculator's word, carbs. Whatever
# makes such a change has loaded them before (gatt/seldom.py, gatt/templates.py).
from micropython import const

from gatt import status
from gatt import wire_tables as tables

# Words of pump/events.py.
_BOLUS_CALCULATED = const(0x003C)
_PROFILE_ACTIVATED = const(0x00CC)
_BLOCK_CHANGED = const(0x00F0)
_ISF_BLOCK_CHANGED = const(0x0359)
_ICHO_BLOCK_CHANGED = const(0x0365)
_TARGET_BLOCK_CHANGED = const(0x036A)
_BOLUS_TEMPLATE_CHANGED = const(0x03C0)
_TBR_TEMPLATE_CHANGED = const(0x03F3)
_MAX_BOLUS = const(0x03FC)
_CARBS = const(0xF033)
_TEMPLATE_BASAL = const(0x33)
_TEMPLATE_ISF = const(0x5A)
_TEMPLATE_ICHO = const(0x66)
_TEMPLATE_TARGET = const(0x96)

_HISTORY_BOLUS_CALCULATED_2 = const(0x0055)
_HISTORY_BOLUS_TEMPLATE_CHANGED_2 = const(0x03CF)

# The slot of a block's value; that of a second value follows it.
_BLOCK_VALUES = {
    _BLOCK_CHANGED: tables.RATE_IU_PER_H,
    _ISF_BLOCK_CHANGED: tables.ISF_MG_DL_PER_IU,
    _ICHO_BLOCK_CHANGED: tables.ICHO_RATIO_G_PER_IU,
    _TARGET_BLOCK_CHANGED: tables.TARGET_LOW_MG_DL,
}
# The history has other words for the types of profiles than the template status has.
_PROFILE_TEMPLATE_TYPES = {
    _TEMPLATE_BASAL: 0x33,
    _TEMPLATE_ISF: 0x3C,
    _TEMPLATE_ICHO: 0x55,
    _TEMPLATE_TARGET: 0x5A,
}
# The amounts of a calculated bolus, in the order of pump.calculated.
_CALCULATED = (
    tables.FAST_MEAL_AMOUNT_IU, tables.FAST_CORRECTION_AMOUNT_IU, tables.EXTENDED_MEAL_AMOUNT_IU,
    tables.EXTENDED_CORRECTION_AMOUNT_IU,
)  # fmt: skip


# Records an event of the pump for a recorder; returns the bits of Status Changed. What has no fields is told, too.
def record(recorder, event, s, a, b, c, d, e):
    fields = recorder.codec.fields
    bits = 0
    if event in _BLOCK_VALUES:
        fields[tables.TEMPLATE_NUMBER] = a
        fields[tables.BLOCK_NUMBER] = b
        fields[tables.DURATION_MINUTES] = c
        fields[_BLOCK_VALUES[event]] = d
        if event == _TARGET_BLOCK_CHANGED:
            fields[tables.TARGET_HIGH_MG_DL] = e
    elif event == _PROFILE_ACTIVATED:
        fields[tables.PROFILE_TEMPLATE_TYPE] = _PROFILE_TEMPLATE_TYPES[a]
        fields[tables.OLD_TEMPLATE_NUMBER] = b
        fields[tables.NEW_TEMPLATE_NUMBER] = c
        bits = status.ACTIVE_BASAL_RATE
    elif event == _MAX_BOLUS:
        fields[tables.OLD_MAX_BOLUS_IU] = a
        fields[tables.NEW_MAX_BOLUS_IU] = b
    elif event == _TBR_TEMPLATE_CHANGED:
        templates = recorder.pump.tbr_templates
        fields[tables.TEMPLATE_NUMBER] = a
        fields[tables.TBR_TYPE] = templates.kind(a)
        fields[tables.VALUE] = templates.value(a)
        fields[tables.DURATION_MINUTES] = templates.duration_minutes(a)
    elif event == _CARBS:
        fields[tables.CARBS_G] = a
        fields[tables.MINUTES_AGO] = b
    elif event == _BOLUS_CALCULATED:
        _fill_amounts(recorder, 0)
        recorder.append(event, s)
        _fill_amounts(recorder, len(_CALCULATED))
        event = _HISTORY_BOLUS_CALCULATED_2
    elif event == _BOLUS_TEMPLATE_CHANGED:
        templates = recorder.pump.bolus_templates
        fields[tables.TEMPLATE_NUMBER] = a
        fields[tables.BOLUS_TYPE] = templates.kind(a)
        fields[tables.FAST_AMOUNT_IU] = templates.fast_mu(a)
        fields[tables.EXTENDED_AMOUNT_IU] = templates.extended_mu(a)
        fields[tables.DURATION_MINUTES] = templates.duration_minutes(a)
        recorder.append(event, s)
        fields[tables.FLAGS] = templates.flags(a)
        fields[tables.DELAY_MINUTES] = templates.delay_minutes(a)
        event = _HISTORY_BOLUS_TEMPLATE_CHANGED_2
    recorder.append(event, s)
    return bits


def _fill_amounts(recorder, first):
    for i in range(len(_CALCULATED)):
        recorder.codec.fields[_CALCULATED[i]] = recorder.pump.calculated[first + i]
