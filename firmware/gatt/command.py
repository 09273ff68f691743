# Command Control Point: what changes the pump (IDS 1.0.2, 3.7), basal rate templates apart.
from micropython import const

from gatt import handles
from gatt import wire_tables as tables
from gatt.procedures import INVALID_OPERAND, SUCCESS, ControlPoint
from gatt.profiles import PROFILE_PROCEDURES

_COMMAND_RESPONSE_CODE = const(0x0F55)
_SET_THERAPY_CONTROL_STATE = const(0x0F5A)
_SET_FLIGHT_MODE = const(0x0F66)
_SNOOZE_ANNUNCIATION = const(0x0F69)
_SNOOZE_ANNUNCIATION_RESPONSE = const(0x0F96)
_CONFIRM_ANNUNCIATION = const(0x0F99)
_CONFIRM_ANNUNCIATION_RESPONSE = const(0x0FA5)
_SET_TBR_ADJUSTMENT = const(0x0FFF)
_CANCEL_TBR_ADJUSTMENT = const(0x1111)
_SET_BOLUS = const(0x114B)
_SET_BOLUS_RESPONSE = const(0x1177)
_CANCEL_BOLUS = const(0x1178)
_CANCEL_BOLUS_RESPONSE = const(0x1187)
_GET_AVAILABLE_BOLUSES = const(0x1188)
_GET_AVAILABLE_BOLUSES_RESPONSE = const(0x11B4)
_GET_MAX_BOLUS_AMOUNT = const(0x147D)
_GET_MAX_BOLUS_AMOUNT_RESPONSE = const(0x1482)
_SET_MAX_BOLUS_AMOUNT = const(0x148D)

_THERAPY_CONTROL_STATE_UNDETERMINED = const(0x0F)
_THERAPY_CONTROL_STATE_RUN = const(0x55)
_TBR_TYPE_ABSOLUTE = const(0x33)
_DELIVERY_CONTEXT_REMOTE_CONTROL = const(0x3C)
_BOLUS_TYPE_FAST = const(0x33)
_AVAILABLE_BOLUSES_FLAGS_FAST_AVAILABLE = const(1)

# Flags of Set TBR Adjustment.
_TBR_FLAGS_TEMPLATE_NUMBER_PRESENT = const(1)
_TBR_FLAGS_CONTEXT_PRESENT = const(2)
_TBR_FLAGS_CHANGE_TBR = const(4)

# Flags of Set Bolus.
_BOLUS_FLAGS_DELAY_PRESENT = const(1)
_BOLUS_FLAGS_TEMPLATE_NUMBER_PRESENT = const(2)
_BOLUS_FLAGS_ACTIVATION_TYPE_PRESENT = const(4)

_SUPPORTED = (
    _SET_THERAPY_CONTROL_STATE, _SET_FLIGHT_MODE, _SNOOZE_ANNUNCIATION, _CONFIRM_ANNUNCIATION, _SET_TBR_ADJUSTMENT,
    _CANCEL_TBR_ADJUSTMENT, _SET_BOLUS, _CANCEL_BOLUS, _GET_AVAILABLE_BOLUSES, _GET_MAX_BOLUS_AMOUNT,
    _SET_MAX_BOLUS_AMOUNT,
)  # fmt: skip


class CommandControlPoint(ControlPoint):
    # order: remembers what a client said of a bolus beyond what the pump needs. templates: the procedures on basal
    # rate templates, see gatt/profiles.py. bearer: has quiet(), for flight mode.
    def __init__(self, procedures, codec, pump, order, bearer):
        self._pump = pump
        self._order = order
        self._bearer = bearer
        self._flight_mode = False
        self.templates = None
        self.response_opcode = _COMMAND_RESPONSE_CODE
        self.response_program = tables.COMMAND_RESPONSE_CODE
        super().__init__(
            handles.IDD_COMMAND_CONTROL_POINT, procedures, codec, tables.IDD_COMMAND_CONTROL_POINT_REQUESTS,
            _SUPPORTED + PROFILE_PROCEDURES, 2, tables.IDD_COMMAND_CONTROL_POINT_PROHIBITED,
        )  # fmt: skip

    def reset(self):
        super().reset()
        self._flight_mode = False

    def data_of(self, opcode):
        return self.templates.data_of(opcode)

    def continues_write(self, opcode):
        return self.templates.continues_write(opcode)

    def execute(self, s, opcode, outcome):
        if self.templates.execute(s, opcode, outcome):
            return
        if opcode == _SET_BOLUS:
            self._set_bolus(s, opcode, outcome)
        elif opcode == _SET_TBR_ADJUSTMENT:
            self.respond(opcode, self._set_tbr(s, outcome))
        elif self.code_of(outcome) != SUCCESS:
            self.respond(opcode, self.code_of(outcome))
        elif opcode == _CANCEL_TBR_ADJUSTMENT:
            self.respond(opcode, self._pump.cancel_tbr(s))
        elif opcode == _CANCEL_BOLUS:
            bolus_id = self.codec.fields[tables.BOLUS_ID]
            code = self._pump.cancel_bolus(s, bolus_id)
            self._echo(opcode, code, _CANCEL_BOLUS_RESPONSE, tables.CANCEL_BOLUS_RESPONSE, tables.BOLUS_ID, bolus_id)
        else:
            self._execute_other(s, opcode)

    def _execute_other(self, s, opcode):
        fields = self.codec.fields
        pump = self._pump
        if opcode == _SET_THERAPY_CONTROL_STATE:
            self.respond(opcode, self._set_therapy_control_state(s, fields[tables.THERAPY_CONTROL_STATE]))
        elif opcode == _SNOOZE_ANNUNCIATION:
            number = fields[tables.ANNUNCIATION_ID]
            self._echo(opcode, pump.snooze(s, number), _SNOOZE_ANNUNCIATION_RESPONSE,
                       tables.SNOOZE_ANNUNCIATION_RESPONSE, tables.ANNUNCIATION_ID, number)  # fmt: skip
        elif opcode == _CONFIRM_ANNUNCIATION:
            number = fields[tables.ANNUNCIATION_ID]
            self._echo(opcode, pump.confirm(s, number), _CONFIRM_ANNUNCIATION_RESPONSE,
                       tables.CONFIRM_ANNUNCIATION_RESPONSE, tables.ANNUNCIATION_ID, number)  # fmt: skip
        elif opcode == _GET_AVAILABLE_BOLUSES:
            possible = pump.therapy == _THERAPY_CONTROL_STATE_RUN and not pump.bolus.active
            fields[tables.FLAGS] = _AVAILABLE_BOLUSES_FLAGS_FAST_AVAILABLE if possible else 0
            self.answer(_GET_AVAILABLE_BOLUSES_RESPONSE, tables.GET_AVAILABLE_BOLUSES_RESPONSE)
        elif opcode == _GET_MAX_BOLUS_AMOUNT:
            fields[tables.MAX_BOLUS_IU] = pump.max_bolus_mu
            self.answer(_GET_MAX_BOLUS_AMOUNT_RESPONSE, tables.GET_MAX_BOLUS_AMOUNT_RESPONSE)
        elif opcode == _SET_MAX_BOLUS_AMOUNT:
            self.respond(opcode, pump.set_max_bolus(s, fields[tables.MAX_BOLUS_IU]))
        elif opcode == _SET_FLIGHT_MODE:
            self._flight_mode = True
            self.respond(opcode, SUCCESS)

    # Answers with a response of one field, or with the code of the failure.
    def _echo(self, opcode, code, response, program, slot, value):
        if code == SUCCESS:
            self.codec.fields[slot] = value
            self.answer(response, program)
        else:
            self.respond(opcode, code)

    def _set_therapy_control_state(self, s, state):
        if state == _THERAPY_CONTROL_STATE_UNDETERMINED:
            return INVALID_OPERAND
        return self._pump.set_therapy_state(s, state)

    # What the pump does not support comes before what is out of range (D-301).
    def _set_tbr(self, s, outcome):
        fields = self.codec.fields
        code = self.code_of(outcome)
        if code == INVALID_OPERAND:
            return code
        flags = fields[tables.FLAGS]
        if flags & _TBR_FLAGS_TEMPLATE_NUMBER_PRESENT or fields[tables.TBR_TYPE] != _TBR_TYPE_ABSOLUTE:
            return INVALID_OPERAND
        if code != SUCCESS:
            return code
        context = fields[tables.CONTEXT] if flags & _TBR_FLAGS_CONTEXT_PRESENT else _DELIVERY_CONTEXT_REMOTE_CONTROL
        return self._pump.set_tbr(
            s, fields[tables.VALUE], fields[tables.DURATION_MINUTES], flags & _TBR_FLAGS_CHANGE_TBR != 0, context
        )

    # As with a TBR (D-401).
    def _set_bolus(self, s, opcode, outcome):
        fields = self.codec.fields
        code = self.code_of(outcome)
        if code != INVALID_OPERAND and not self._bolus_supported():
            code = INVALID_OPERAND
        if code == SUCCESS:
            self._order.take(
                fields[tables.FLAGS],
                fields[tables.ACTIVATION_TYPE] if fields[tables.FLAGS] & _BOLUS_FLAGS_ACTIVATION_TYPE_PRESENT else 0,
            )
            code = self._pump.set_bolus(s, fields[tables.FAST_AMOUNT_IU])
            if code != SUCCESS:
                self._order.restore()
        self._echo(
            opcode, code, _SET_BOLUS_RESPONSE, tables.SET_BOLUS_RESPONSE, tables.BOLUS_ID, self._pump.bolus.bolus_id
        )

    def _bolus_supported(self):
        fields = self.codec.fields
        return (
            fields[tables.BOLUS_TYPE] == _BOLUS_TYPE_FAST
            and not fields[tables.FLAGS] & (_BOLUS_FLAGS_DELAY_PRESENT | _BOLUS_FLAGS_TEMPLATE_NUMBER_PRESENT)
            and fields[tables.EXTENDED_AMOUNT_IU] == 0
            and fields[tables.DURATION_MINUTES] == 0
        )

    # Flight mode begins when its answer has arrived.
    def confirmed(self):
        super().confirmed()
        if self._flight_mode and not self.pending:
            self._flight_mode = False
            self._bearer.quiet()
