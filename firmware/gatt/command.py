# Command Control Point: what changes the pump (IDS 1.0.2, 3.7), without what a client seldom asks for; and Command
# Data (3.8).
#
# A procedure is done by a method of the pump; its answer repeats fields of the request, or has fields filled here.
from micropython import const

from gatt import handles
from gatt import wire_tables as tables
from gatt.characteristic import NOTIFY, Characteristic
from gatt.codec import find
from gatt.encode import encode
from gatt.procedures import INVALID_OPERAND, NOT_COMPLETED, SUCCESS, ControlPoint

_COMMAND_RESPONSE_CODE = const(0x0F55)
_SET_THERAPY_CONTROL_STATE = const(0x0F5A)
_SET_FLIGHT_MODE = const(0x0F66)
_SNOOZE_ANNUNCIATION = const(0x0F69)
_CONFIRM_ANNUNCIATION = const(0x0F99)
_READ_BASAL_RATE_TEMPLATE = const(0x0FAA)
_WRITE_BASAL_RATE_TEMPLATE = const(0x0FCC)
_SET_TBR_ADJUSTMENT = const(0x0FFF)
_CANCEL_TBR_ADJUSTMENT = const(0x1111)
_GET_TBR_TEMPLATE = const(0x111E)
_SET_TBR_TEMPLATE = const(0x112D)
_SET_BOLUS = const(0x114B)
_CANCEL_BOLUS = const(0x1178)
_STOP_PRIMING = const(0x1284)
_GET_MAX_BOLUS_AMOUNT = const(0x147D)

_DELIVERY_CONTEXT_REMOTE_CONTROL = const(0x3C)

# Flags of Set TBR Adjustment.
_TBR_FLAGS_TEMPLATE_NUMBER_PRESENT = const(1)
_TBR_FLAGS_CONTEXT_PRESENT = const(2)
_TBR_FLAGS_CHANGE_TBR = const(4)

# Flags of Set Bolus.
_BOLUS_FLAGS_DELAY_PRESENT = const(1)
_BOLUS_FLAGS_TEMPLATE_NUMBER_PRESENT = const(2)
_BOLUS_FLAGS_ACTIVATION_TYPE_PRESENT = const(4)

# What a basal that cannot be adjusted does without (D-205).
_BASAL_PROCEDURES = (
    _READ_BASAL_RATE_TEMPLATE, _WRITE_BASAL_RATE_TEMPLATE, _SET_TBR_ADJUSTMENT, _CANCEL_TBR_ADJUSTMENT,
    _GET_TBR_TEMPLATE, _SET_TBR_TEMPLATE,
)  # fmt: skip

# Procedures that a client seldom asks for, most of them on templates: those whose answer comes after Command Data, and
# the others.
_SELDOM_TOLD = (0x0FAA, 0x11EE, 0x12B8, 0x12ED, 0x1428)
_SELDOM_ELSE = (
    0x0FCC, 0x111E, 0x112D, 0x1188, 0x11BB, 0x11DD, 0x121D, 0x122E, 0x1248, 0x127B, 0x128B, 0x12B7, 0x12DE, 0x141B,
    0x144E, 0x148D,
)  # fmt: skip

# What stands for the template number 0, which the pump takes for none: no template has this one either.
_NO_SUCH_TEMPLATE = const(255)


class CommandData(Characteristic):
    def __init__(self, codec):
        self._codec = codec
        self.opcode = 0
        super().__init__(handles.IDD_COMMAND_DATA, NOTIFY)

    def encode(self, s, buf, start):
        buf[start] = self.opcode & 0xFF
        buf[start + 1] = self.opcode >> 8
        return encode(self._codec, find(tables.IDD_COMMAND_DATA_MESSAGES, self.opcode), buf, start + 2)


class CommandControlPoint(ControlPoint):
    # recorder: records what a procedure changes. server: notifies Command Data. bearer: has quiet(), for flight mode.
    def __init__(self, procedures, codec, pump, bearer, server, recorder):
        self._pump = pump
        self._recorder = recorder
        self._bearer = bearer
        self._server = server
        self._flight_mode = False
        self.data = CommandData(codec)
        # The procedures that a client seldom asks for, from the first of them on.
        self._seldom = None
        # The procedure before this one, by which a transaction is seen to go on.
        self._before = 0
        self.response_opcode = _COMMAND_RESPONSE_CODE
        self.responses = tables.IDD_COMMAND_CONTROL_POINT_RESPONSES
        super().__init__(
            handles.IDD_COMMAND_CONTROL_POINT, procedures, codec, tables.IDD_COMMAND_CONTROL_POINT_REQUESTS, 2,
            tables.IDD_COMMAND_CONTROL_POINT_PROHIBITED,
        )  # fmt: skip

    def reset(self):
        super().reset()
        self._flight_mode = False

    def offers(self, opcode):
        return self._pump.settings.BASAL_ADJUSTABLE or opcode not in _BASAL_PROCEDURES

    def data_of(self, opcode):
        return self.data if opcode in _SELDOM_TOLD and self.offers(opcode) else None

    # A transaction goes on with the opcode that it began with; what is no write begins none.
    def continues_write(self, opcode):
        before = self._before
        self._before = opcode
        return opcode == before

    def execute(self, s, opcode, outcome):
        code = self.code_of(outcome)
        if code == INVALID_OPERAND:
            self.procedures.drop_write()
            self.respond(opcode, code)
        elif opcode == _SET_TBR_ADJUSTMENT:
            self.respond(opcode, self._set_tbr(s))
        elif opcode == _SET_BOLUS:
            self.end(opcode, self._set_bolus(s))
        elif opcode not in _SELDOM_TOLD and opcode not in _SELDOM_ELSE:
            self.end(opcode, self._change(s, opcode) if code == SUCCESS else code)
        elif self._has_seldom():
            self._seldom.execute(s, opcode, code)
        else:
            self.respond(opcode, NOT_COMPLETED)

    # Loads them before the first procedure; False when that fails, as it does where memory is short.
    def _has_seldom(self):
        if self._seldom is None:
            self._server.before_loading()
            try:
                from gatt.templates import TemplateProcedures

                templates = TemplateProcedures(
                    self, self.data, self._server, self.codec, self._pump, self._recorder
                )  # fmt: skip
                self._server.add_part(templates)
                self._server.add_stream(templates)
            except Exception:  # noqa: BLE001
                return False
            self._seldom = templates
        return True

    # Ends a procedure that has a code.
    def end(self, opcode, code):
        self.finish(opcode, code, tables.IDD_COMMAND_CONTROL_POINT_ANSWERS)

    def _change(self, s, opcode):
        fields = self.codec.fields
        pump = self._pump
        if opcode == _SET_THERAPY_CONTROL_STATE:
            return pump.set_therapy_state(s, fields[tables.THERAPY_CONTROL_STATE])
        if opcode == _CANCEL_TBR_ADJUSTMENT:
            return pump.cancel_tbr(s)
        if opcode == _CANCEL_BOLUS:
            return pump.cancel_bolus(s, fields[tables.BOLUS_ID])
        if opcode == _SNOOZE_ANNUNCIATION:
            return pump.snooze(s, fields[tables.ANNUNCIATION_ID])
        if opcode == _CONFIRM_ANNUNCIATION:
            return pump.confirm(s, fields[tables.ANNUNCIATION_ID])
        if opcode == _STOP_PRIMING:
            return pump.stop_priming(s)
        if opcode == _GET_MAX_BOLUS_AMOUNT:
            fields[tables.MAX_BOLUS_IU] = pump.max_bolus_mu
        elif opcode == _SET_FLIGHT_MODE:
            self._flight_mode = True
        return SUCCESS

    # What a template replaces must not be judged, and what the pump does not support comes before what is out of range
    # (D-301, D-401): the pump gets the operand as it came, beyond its limits or not.
    def _set_tbr(self, s):
        fields = self.codec.fields
        flags = fields[tables.FLAGS]
        context = fields[tables.CONTEXT] if flags & _TBR_FLAGS_CONTEXT_PRESENT else _DELIVERY_CONTEXT_REMOTE_CONTROL
        return self._pump.set_tbr(
            s, fields[tables.TBR_TYPE], fields[tables.VALUE], fields[tables.DURATION_MINUTES],
            flags & _TBR_FLAGS_CHANGE_TBR != 0, context, self._template(flags & _TBR_FLAGS_TEMPLATE_NUMBER_PRESENT),
        )  # fmt: skip

    def _set_bolus(self, s):
        fields = self.codec.fields
        flags = fields[tables.FLAGS]
        code = self._pump.set_bolus(
            s, fields[tables.BOLUS_TYPE], fields[tables.FAST_AMOUNT_IU], fields[tables.EXTENDED_AMOUNT_IU],
            fields[tables.DURATION_MINUTES], fields[tables.DELAY_MINUTES] if flags & _BOLUS_FLAGS_DELAY_PRESENT else 0,
            self._template(flags & _BOLUS_FLAGS_TEMPLATE_NUMBER_PRESENT),
            fields[tables.ACTIVATION_TYPE] if flags & _BOLUS_FLAGS_ACTIVATION_TYPE_PRESENT else 0, flags,
        )  # fmt: skip
        fields[tables.BOLUS_ID] = self._pump.last_bolus_id
        return code

    def _template(self, present):
        return (self.codec.fields[tables.TEMPLATE_NUMBER] or _NO_SUCH_TEMPLATE) if present else 0

    # Flight mode begins when its answer has arrived.
    def confirmed(self):
        super().confirmed()
        if self._flight_mode and not self.pending:
            self._flight_mode = False
            self._bearer.quiet()
