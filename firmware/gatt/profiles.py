# The Command Control Point's procedures on basal rate templates, and Command Data (IDS 1.0.2, 3.7.2.6 and 3.8).
from micropython import const

from gatt import handles
from gatt import wire_tables as tables
from gatt.characteristic import NOTIFY, Characteristic
from gatt.encode import encode
from gatt.procedures import NOT_APPLICABLE, PARAMETER_OUT_OF_RANGE, SUCCESS

_READ_BASAL_RATE_TEMPLATE = const(0x0FAA)
_WRITE_BASAL_RATE_TEMPLATE = const(0x0FCC)
_WRITE_BASAL_RATE_TEMPLATE_RESPONSE = const(0x0FF0)
_GET_TEMPLATE_STATUS_AND_DETAILS = const(0x11EE)
_RESET_TEMPLATE_STATUS = const(0x121D)
_RESET_TEMPLATE_STATUS_RESPONSE = const(0x1221)
_ACTIVATE_PROFILE_TEMPLATES = const(0x122E)
_ACTIVATE_PROFILE_TEMPLATES_RESPONSE = const(0x1247)
_GET_ACTIVATED_PROFILE_TEMPLATES = const(0x1248)
_GET_ACTIVATED_PROFILE_TEMPLATES_RESPONSE = const(0x1274)
_BASAL_RATE_TEMPLATE_DATA = const(0x0FC3)
_TEMPLATE_STATUS_DATA = const(0x1212)

PROFILE_PROCEDURES = (
    _READ_BASAL_RATE_TEMPLATE, _WRITE_BASAL_RATE_TEMPLATE, _GET_TEMPLATE_STATUS_AND_DETAILS, _RESET_TEMPLATE_STATUS,
    _ACTIVATE_PROFILE_TEMPLATES, _GET_ACTIVATED_PROFILE_TEMPLATES,
)  # fmt: skip

_BLOCKS_PER_MESSAGE = const(3)
_TEMPLATE_TYPE_BASAL_RATE_PROFILE = const(0x33)
_PROFILE_WRITE_FLAGS_END_TRANSACTION = const(1)
_PROFILE_WRITE_RESPONSE_FLAGS_TRANSACTION_COMPLETED = const(1)
_CONFIGURABLE = const(1)
_CONFIGURED = const(2)
_TEMPLATES_PER_OCTET = const(4)

_DURATIONS = (tables.DURATION_MINUTES_1, tables.DURATION_MINUTES_2, tables.DURATION_MINUTES_3)
_RATES = (tables.RATE_IU_PER_H_1, tables.RATE_IU_PER_H_2, tables.RATE_IU_PER_H_3)


class CommandData(Characteristic):
    def __init__(self, codec):
        self._codec = codec
        self.opcode = 0
        self.program = None
        super().__init__(handles.IDD_COMMAND_DATA, NOTIFY)

    def encode(self, s, buf, start):
        buf[start] = self.opcode & 0xFF
        buf[start + 1] = self.opcode >> 8
        return encode(self._codec, self.program, buf, start + 2)


class TemplateProcedures:
    def __init__(self, control_point, data, server, codec, pump):
        self._control_point = control_point
        self._data = data
        self._server = server
        self._codec = codec
        self._pump = pump
        self._opcode = 0
        self._template = 0
        self._block = 0
        self.streaming = False

    def reset(self):
        self.streaming = False

    def data_of(self, opcode):
        return self._data if opcode in (_READ_BASAL_RATE_TEMPLATE, _GET_TEMPLATE_STATUS_AND_DETAILS) else None

    def continues_write(self, opcode):
        return opcode == _WRITE_BASAL_RATE_TEMPLATE

    # False when the procedure is not one of these.
    def execute(self, s, opcode, outcome):
        if opcode not in PROFILE_PROCEDURES:
            return False
        code = self._control_point.code_of(outcome)
        if opcode == _WRITE_BASAL_RATE_TEMPLATE:
            self._write(s, opcode, code)
        elif code != SUCCESS:
            self._control_point.respond(opcode, code)
        elif opcode == _READ_BASAL_RATE_TEMPLATE:
            self._read(opcode)
        elif opcode == _GET_TEMPLATE_STATUS_AND_DETAILS:
            self._stream(opcode)
        elif opcode == _GET_ACTIVATED_PROFILE_TEMPLATES:
            self._activated()
        else:
            self._choose(s, opcode)
        return True

    def _write(self, s, opcode, code):
        fields = self._codec.fields
        template = fields[tables.TEMPLATE_NUMBER]
        first = fields[tables.FIRST_BLOCK_NUMBER]
        flags = fields[tables.FLAGS]
        block = 0
        while code == SUCCESS and block < _BLOCKS_PER_MESSAGE and (block == 0 or flags >> block & 1):
            code = self._pump.write_block(
                s, template, first + block, fields[_DURATIONS[block]], fields[_RATES[block]]
            )
            block += 1
        completed = flags & _PROFILE_WRITE_FLAGS_END_TRANSACTION
        if code == SUCCESS and completed:
            code = self._pump.complete_profile(s, template)
        if code == SUCCESS:
            fields[tables.FLAGS] = _PROFILE_WRITE_RESPONSE_FLAGS_TRANSACTION_COMPLETED if completed else 0
            fields[tables.TEMPLATE_NUMBER] = template
            fields[tables.FIRST_BLOCK_NUMBER] = first
            self._control_point.answer(_WRITE_BASAL_RATE_TEMPLATE_RESPONSE, tables.WRITE_BASAL_RATE_TEMPLATE_RESPONSE)
        else:
            self._pump.drop_profile()
            self._control_point.respond(opcode, code)

    def _read(self, opcode):
        template = self._codec.fields[tables.TEMPLATE_NUMBER]
        if not self._pump.templates.exists(template):
            self._control_point.respond(opcode, PARAMETER_OUT_OF_RANGE)
        elif not self._pump.templates.configured(template):
            self._control_point.respond(opcode, NOT_APPLICABLE)
        else:
            self._template = template
            self._stream(opcode)

    # Resets or activates the listed templates, all or none; the answer repeats the list.
    def _choose(self, s, opcode):
        fields = self._codec.fields
        count = fields[tables.TEMPLATE_NUMBERS_COUNT]
        if opcode == _RESET_TEMPLATE_STATUS:
            code = self._pump.reset_templates(s, fields, tables.TEMPLATE_NUMBERS, count)
            response, program = _RESET_TEMPLATE_STATUS_RESPONSE, tables.RESET_TEMPLATE_STATUS_RESPONSE
        else:
            code = self._pump.activate(s, fields, tables.TEMPLATE_NUMBERS, count)
            response, program = _ACTIVATE_PROFILE_TEMPLATES_RESPONSE, tables.ACTIVATE_PROFILE_TEMPLATES_RESPONSE
        if code == SUCCESS:
            self._control_point.answer(response, program)
        else:
            self._control_point.respond(opcode, code)

    def _activated(self):
        fields = self._codec.fields
        fields[tables.TEMPLATE_NUMBERS_COUNT] = 1 if self._pump.basal.template else 0
        fields[tables.TEMPLATE_NUMBERS] = self._pump.basal.template
        self._control_point.answer(
            _GET_ACTIVATED_PROFILE_TEMPLATES_RESPONSE, tables.GET_ACTIVATED_PROFILE_TEMPLATES_RESPONSE
        )

    # --- Command Data -----------------------------------------------------------------------------------------------

    def _stream(self, opcode):
        self._opcode = opcode
        self._block = 0
        self.streaming = True

    # Notifies one message; after the last the control point answers.
    def send_next(self, s):
        if self._opcode == _READ_BASAL_RATE_TEMPLATE:
            self._fill_blocks()
        else:
            self._fill_status()
        self._server.notify(s, self._data)
        if not self.streaming:
            self._control_point.respond(self._opcode, SUCCESS)

    def _fill_blocks(self):
        fields = self._codec.fields
        templates = self._pump.templates
        left = templates.count(self._template) - self._block
        count = min(left, _BLOCKS_PER_MESSAGE)
        # Bits 0 and 1 announce the second and third block; in a write it is bits 1 and 2.
        fields[tables.FLAGS] = (1 << count - 1) - 1
        fields[tables.TEMPLATE_NUMBER] = self._template
        fields[tables.FIRST_BLOCK_NUMBER] = self._block + 1
        for i in range(count):
            fields[_DURATIONS[i]] = templates.duration_minutes(self._template, self._block + i)
            fields[_RATES[i]] = templates.rate_mu_per_h(self._template, self._block + i)
        self._block += count
        self.streaming = left > count
        self._data.opcode = _BASAL_RATE_TEMPLATE_DATA
        self._data.program = tables.BASAL_RATE_TEMPLATE_DATA

    def _fill_status(self):
        fields = self._codec.fields
        templates = self._pump.templates
        fields[tables.TEMPLATE_TYPE] = _TEMPLATE_TYPE_BASAL_RATE_PROFILE
        fields[tables.FIRST_TEMPLATE_NUMBER] = 1
        fields[tables.TEMPLATE_COUNT] = templates.number_max
        fields[tables.MAX_BLOCKS] = templates.blocks_max
        for i in range(-(-templates.number_max // _TEMPLATES_PER_OCTET)):
            fields[tables.TEMPLATE_STATES + i] = 0
        for i in range(templates.number_max):
            state = _CONFIGURABLE | (_CONFIGURED if templates.configured(i + 1) else 0)
            fields[tables.TEMPLATE_STATES + i // _TEMPLATES_PER_OCTET] |= state << 2 * (i % _TEMPLATES_PER_OCTET)
        self.streaming = False
        self._data.opcode = _TEMPLATE_STATUS_DATA
        self._data.program = tables.TEMPLATE_STATUS_DATA
