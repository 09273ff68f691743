# The Command Control Point's procedures on templates (IDS 1.0.2, 3.7.2). They are loaded with the first of them, and
# with them all others that a client seldom asks for (gatt/preparing.py).
#
# The four kinds of profile are read and written alike: what differs stands in a row of _PROFILES.
from micropython import const

from gatt import wire_tables as tables
from gatt.preparing import PREPARING, prepare
from gatt.procedures import NOT_APPLICABLE, PARAMETER_OUT_OF_RANGE, SUCCESS
from gatt.seldom_records import record
from pump.template_commands import (
    activate,
    complete_profile,
    reset_templates,
    set_bolus_template,
    set_tbr_template,
    write_block,
)

_GET_TBR_TEMPLATE = const(0x111E)
_SET_TBR_TEMPLATE = const(0x112D)
_GET_BOLUS_TEMPLATE = const(0x11BB)
_SET_BOLUS_TEMPLATE = const(0x11DD)
_GET_TEMPLATE_STATUS_AND_DETAILS = const(0x11EE)
_RESET_TEMPLATE_STATUS = const(0x121D)
_GET_ACTIVATED_PROFILE_TEMPLATES = const(0x1248)
_TEMPLATE_STATUS_DATA = const(0x1212)

_READ_BASAL_RATE_TEMPLATE = const(0x0FAA)
_WRITE_BASAL_RATE_TEMPLATE = const(0x0FCC)
_BASAL_RATE_TEMPLATE_DATA = const(0x0FC3)
_READ_ISF_TEMPLATE = const(0x12B8)
_WRITE_ISF_TEMPLATE = const(0x12DE)
_ISF_TEMPLATE_DATA = const(0x12D1)
_READ_ICHO_RATIO_TEMPLATE = const(0x12ED)
_WRITE_ICHO_RATIO_TEMPLATE = const(0x141B)
_ICHO_RATIO_TEMPLATE_DATA = const(0x1414)
_READ_TARGET_GLUCOSE_RANGE_TEMPLATE = const(0x1428)
_WRITE_TARGET_GLUCOSE_RANGE_TEMPLATE = const(0x144E)
_TARGET_GLUCOSE_RANGE_TEMPLATE_DATA = const(0x1441)

_TEMPLATE_TYPE_BASAL_RATE_PROFILE = const(0x33)
_TEMPLATE_TYPE_TBR = const(0x3C)
_TEMPLATE_TYPE_BOLUS = const(0x55)
_TEMPLATE_TYPE_ISF_PROFILE = const(0x5A)
_TEMPLATE_TYPE_ICHO_RATIO_PROFILE = const(0x66)
_TEMPLATE_TYPE_TARGET_GLUCOSE_RANGE_PROFILE = const(0x96)
_PROFILE_WRITE_FLAGS_END_TRANSACTION = const(1)
_PROFILE_WRITE_RESPONSE_FLAGS_TRANSACTION_COMPLETED = const(1)
_BOLUS_TEMPLATE_FLAGS_DELAY_PRESENT = const(1)
_CONFIGURABLE = const(1)
_CONFIGURED = const(2)
_TEMPLATES_PER_OCTET = const(4)

# Of each kind of profile: template type; opcodes that read it, bring its data, write it; the slot of the first value,
# the slots from the value of one block to that of the next, blocks in a message. Two values to a block: a range.
_TYPE = const(0)
_READ = const(1)
_DATA = const(2)
_WRITE = const(3)
_VALUE = const(4)
_STRIDE = const(5)
_BLOCKS = const(6)
_PROFILES = (
    (
        _TEMPLATE_TYPE_BASAL_RATE_PROFILE, _READ_BASAL_RATE_TEMPLATE, _BASAL_RATE_TEMPLATE_DATA,
        _WRITE_BASAL_RATE_TEMPLATE, tables.RATE_IU_PER_H_1, tables.RATE_IU_PER_H_2 - tables.RATE_IU_PER_H_1, 3,
    ),
    (
        _TEMPLATE_TYPE_ISF_PROFILE, _READ_ISF_TEMPLATE, _ISF_TEMPLATE_DATA, _WRITE_ISF_TEMPLATE,
        tables.ISF_MG_DL_PER_IU_1, tables.ISF_MG_DL_PER_IU_2 - tables.ISF_MG_DL_PER_IU_1, 3,
    ),
    (
        _TEMPLATE_TYPE_ICHO_RATIO_PROFILE, _READ_ICHO_RATIO_TEMPLATE, _ICHO_RATIO_TEMPLATE_DATA,
        _WRITE_ICHO_RATIO_TEMPLATE, tables.ICHO_RATIO_G_PER_IU_1,
        tables.ICHO_RATIO_G_PER_IU_2 - tables.ICHO_RATIO_G_PER_IU_1, 3,
    ),
    (
        _TEMPLATE_TYPE_TARGET_GLUCOSE_RANGE_PROFILE, _READ_TARGET_GLUCOSE_RANGE_TEMPLATE,
        _TARGET_GLUCOSE_RANGE_TEMPLATE_DATA, _WRITE_TARGET_GLUCOSE_RANGE_TEMPLATE, tables.TARGET_LOW_MG_DL_1,
        tables.TARGET_LOW_MG_DL_2 - tables.TARGET_LOW_MG_DL_1, 2,
    ),
)  # fmt: skip
_DURATIONS = (tables.DURATION_MINUTES_1, tables.DURATION_MINUTES_2, tables.DURATION_MINUTES_3)
# In the order in which their status is told.
_TYPES = b"\x33\x3c\x55\x5a\x66\x96"


# The row whose column `at` holds a value, or None.
def _row(at, value):
    for row in _PROFILES:
        if row[at] == value:
            return row
    return None


class TemplateProcedures:
    def __init__(self, control_point, data, server, codec, pump, recorder):
        recorder.seldom = record
        self._control_point = control_point
        self._data = data
        self._server = server
        self._codec = codec
        self._pump = pump
        # What is read: opcode, row of the profile, its template; block or kind that is next.
        self._opcode = 0
        self._profile = None
        self._template = 0
        self._next = 0
        self.streaming = False

    def reset(self):
        self.streaming = False

    # Does one of the procedures that gatt/command.py leaves to this class. What sets a template takes what is out of
    # range, for the pump to judge it in its order.
    def execute(self, s, opcode, code):
        end = self._control_point.end
        if opcode == _SET_TBR_TEMPLATE:
            end(opcode, self._set_tbr_template(s))
        elif opcode == _SET_BOLUS_TEMPLATE:
            end(opcode, self._set_bolus_template(s))
        elif _row(_WRITE, opcode):
            end(opcode, self._write(s, _row(_WRITE, opcode), code))
        elif code != SUCCESS:
            end(opcode, code)
        elif opcode in PREPARING:
            end(opcode, prepare(self._pump, s, opcode, self._codec.fields))
        elif opcode == _GET_TEMPLATE_STATUS_AND_DETAILS or _row(_READ, opcode):
            self._read(opcode)
        elif opcode == _GET_TBR_TEMPLATE:
            end(opcode, self._get_tbr_template())
        elif opcode == _GET_BOLUS_TEMPLATE:
            end(opcode, self._get_bolus_template())
        elif opcode == _GET_ACTIVATED_PROFILE_TEMPLATES:
            end(opcode, self._activated())
        else:
            end(opcode, self._choose(s, opcode))

    # --- TBR and bolus templates ------------------------------------------------------------------------------------

    # Whether a template can be read.
    def _readable(self, kind, template):
        templates = self._pump.templates
        if templates.type_of(template) != kind:
            return PARAMETER_OUT_OF_RANGE
        return SUCCESS if templates.configured(template) else NOT_APPLICABLE

    def _get_tbr_template(self):
        fields = self._codec.fields
        template = fields[tables.TEMPLATE_NUMBER]
        code = self._readable(_TEMPLATE_TYPE_TBR, template)
        if code == SUCCESS:
            templates = self._pump.tbr_templates
            fields[tables.TBR_TYPE] = templates.kind(template)
            fields[tables.VALUE] = templates.value(template)
            fields[tables.DURATION_MINUTES] = templates.duration_minutes(template)
        return code

    def _set_tbr_template(self, s):
        fields = self._codec.fields
        return set_tbr_template(
            self._pump, s, fields[tables.TEMPLATE_NUMBER], fields[tables.TBR_TYPE], fields[tables.VALUE],
            fields[tables.DURATION_MINUTES],
        )  # fmt: skip

    def _get_bolus_template(self):
        fields = self._codec.fields
        template = fields[tables.TEMPLATE_NUMBER]
        code = self._readable(_TEMPLATE_TYPE_BOLUS, template)
        if code == SUCCESS:
            templates = self._pump.bolus_templates
            fields[tables.FLAGS] = templates.flags(template)
            fields[tables.BOLUS_TYPE] = templates.kind(template)
            fields[tables.FAST_AMOUNT_IU] = templates.fast_mu(template)
            fields[tables.EXTENDED_AMOUNT_IU] = templates.extended_mu(template)
            fields[tables.DURATION_MINUTES] = templates.duration_minutes(template)
            fields[tables.DELAY_MINUTES] = templates.delay_minutes(template)
        return code

    def _set_bolus_template(self, s):
        fields = self._codec.fields
        delayed = fields[tables.FLAGS] & _BOLUS_TEMPLATE_FLAGS_DELAY_PRESENT
        return set_bolus_template(
            self._pump, s, fields[tables.TEMPLATE_NUMBER], fields[tables.FLAGS], fields[tables.BOLUS_TYPE],
            fields[tables.FAST_AMOUNT_IU], fields[tables.EXTENDED_AMOUNT_IU], fields[tables.DURATION_MINUTES],
            fields[tables.DELAY_MINUTES] if delayed else 0,
        )  # fmt: skip

    # --- Profiles ---------------------------------------------------------------------------------------------------

    # The answer repeats template and first block; every failure drops the transaction.
    def _write(self, s, row, code):
        fields = self._codec.fields
        template = fields[tables.TEMPLATE_NUMBER]
        flags = fields[tables.FLAGS]
        block = 0
        while code == SUCCESS and block < row[_BLOCKS] and (block == 0 or flags >> block & 1):
            value = row[_VALUE] + block * row[_STRIDE]
            code = write_block(
                self._pump, s, row[_TYPE], template, fields[tables.FIRST_BLOCK_NUMBER] + block,
                fields[_DURATIONS[block]],
                fields[value], fields[value + 1] if row[_TYPE] == _TEMPLATE_TYPE_TARGET_GLUCOSE_RANGE_PROFILE else 0,
            )  # fmt: skip
            block += 1
        completed = flags & _PROFILE_WRITE_FLAGS_END_TRANSACTION
        if code == SUCCESS and completed:
            code = complete_profile(self._pump, s, row[_TYPE], template)
        if code != SUCCESS:
            self._pump.drop_profile()
        fields[tables.FLAGS] = _PROFILE_WRITE_RESPONSE_FLAGS_TRANSACTION_COMPLETED if completed else 0
        return code

    # Resets or activates the listed templates, all or none; the answer repeats the list.
    def _choose(self, s, opcode):
        fields = self._codec.fields
        choose = reset_templates if opcode == _RESET_TEMPLATE_STATUS else activate
        return choose(self._pump, s, fields, tables.TEMPLATE_NUMBERS, fields[tables.TEMPLATE_NUMBERS_COUNT])

    def _activated(self):
        fields = self._codec.fields
        count = 0
        for row in _PROFILES:
            template = self._pump.activated(row[_TYPE])
            if template:
                fields[tables.TEMPLATE_NUMBERS + count] = template
                count += 1
        fields[tables.TEMPLATE_NUMBERS_COUNT] = count
        return SUCCESS

    # --- Command Data -----------------------------------------------------------------------------------------------

    # Reads a profile, or what there is of templates when the opcode reads none.
    def _read(self, opcode):
        self._profile = _row(_READ, opcode)
        code = SUCCESS
        if self._profile:
            self._template = self._codec.fields[tables.TEMPLATE_NUMBER]
            code = self._readable(self._profile[_TYPE], self._template)
        if code == SUCCESS:
            self._opcode = opcode
            self._next = 0
            if self._profile is None:
                self._pass_types()
            self.streaming = True
        else:
            self._control_point.respond(opcode, code)

    # Notifies one message; after the last the control point answers.
    def send_next(self, s):
        if self._profile:
            self._fill_blocks(self._profile)
        else:
            self._fill_status(_TYPES[self._next])
        self._server.notify(s, self._data)
        if not self.streaming:
            self._control_point.respond(self._opcode, SUCCESS)

    def _fill_blocks(self, row):
        fields = self._codec.fields
        templates = self._pump.templates
        template = self._template
        left = templates.count(template) - self._next
        count = min(left, row[_BLOCKS])
        # Bits 0 and 1 announce the second and third block; in a write it is bits 1 and 2.
        fields[tables.FLAGS] = (1 << count - 1) - 1
        fields[tables.TEMPLATE_NUMBER] = template
        fields[tables.FIRST_BLOCK_NUMBER] = self._next + 1
        for i in range(count):
            value = row[_VALUE] + i * row[_STRIDE]
            fields[_DURATIONS[i]] = templates.duration_minutes(template, self._next + i)
            fields[value] = templates.value(template, self._next + i)
            if row[_TYPE] == _TEMPLATE_TYPE_TARGET_GLUCOSE_RANGE_PROFILE:
                fields[value + 1] = templates.high(template, self._next + i)
        self._next += count
        self.streaming = left > count
        self._data.opcode = row[_DATA]

    def _fill_status(self, kind):
        fields = self._codec.fields
        templates = self._pump.templates
        first = templates.first(kind)
        count = templates.count_of(kind)
        fields[tables.TEMPLATE_TYPE] = kind
        fields[tables.FIRST_TEMPLATE_NUMBER] = first
        fields[tables.TEMPLATE_COUNT] = count
        fields[tables.MAX_BLOCKS] = templates.blocks_max if _row(_TYPE, kind) else 0
        for i in range(-(-count // _TEMPLATES_PER_OCTET)):
            fields[tables.TEMPLATE_STATES + i] = 0
        for i in range(count):
            state = _CONFIGURABLE if templates.configurable(first + i) else 0
            if templates.configured(first + i):
                state |= _CONFIGURED
            fields[tables.TEMPLATE_STATES + i // _TEMPLATES_PER_OCTET] |= state << 2 * (i % _TEMPLATES_PER_OCTET)
        self._next += 1
        self._pass_types()
        self.streaming = self._next < len(_TYPES)
        self._data.opcode = _TEMPLATE_STATUS_DATA

    # Goes on to the next type that the pump has templates of.
    def _pass_types(self):
        while self._next < len(_TYPES) and not self._pump.templates.offers(_TYPES[self._next]):
            self._next += 1
