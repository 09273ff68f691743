# Status Reader Control Point: questions about the pump's state (IDS 1.0.2, 3.6).
from micropython import const

from gatt import handles
from gatt import wire_tables as tables
from gatt.procedures import NOT_APPLICABLE, SUCCESS, ControlPoint

_READER_RESPONSE_CODE = const(0x0303)
_RESET_STATUS = const(0x030C)
_GET_ACTIVE_BOLUS_IDS = const(0x0330)
_GET_ACTIVE_BOLUS_IDS_RESPONSE = const(0x033F)
_GET_ACTIVE_BOLUS_DELIVERY = const(0x0356)
_GET_ACTIVE_BOLUS_DELIVERY_RESPONSE = const(0x0359)
_GET_ACTIVE_BASAL_RATE_DELIVERY = const(0x0365)
_GET_ACTIVE_BASAL_RATE_DELIVERY_RESPONSE = const(0x036A)
_GET_TOTAL_DAILY_INSULIN_STATUS = const(0x0395)
_GET_TOTAL_DAILY_INSULIN_STATUS_RESPONSE = const(0x039A)
_GET_DELIVERED_INSULIN = const(0x03C0)
_GET_DELIVERED_INSULIN_RESPONSE = const(0x03CF)
_GET_INSULIN_ON_BOARD = const(0x03F3)
_GET_INSULIN_ON_BOARD_RESPONSE = const(0x03FC)

_THERAPY_CONTROL_STATE_STOP = const(0x33)
_BOLUS_VALUE_SELECTION_REMAINING = const(0x33)
_BOLUS_VALUE_SELECTION_DELIVERED = const(0x3C)
_BOLUS_TYPE_FAST = const(0x33)
_TBR_TYPE_ABSOLUTE = const(0x33)
_ACTIVE_BASAL_FLAGS_TBR_PRESENT = const(1)
_ACTIVE_BASAL_FLAGS_CONTEXT_PRESENT = const(4)

_SUPPORTED = (
    _RESET_STATUS, _GET_ACTIVE_BOLUS_IDS, _GET_ACTIVE_BOLUS_DELIVERY, _GET_ACTIVE_BASAL_RATE_DELIVERY,
    _GET_TOTAL_DAILY_INSULIN_STATUS, _GET_DELIVERED_INSULIN, _GET_INSULIN_ON_BOARD,
)  # fmt: skip


class StatusReader(ControlPoint):
    # order: what the command control point keeps of the bolus beyond what the pump needs (flags, activation).
    def __init__(self, procedures, codec, pump, status_changed, order):
        self._pump = pump
        self._status_changed = status_changed
        self._order = order
        self.response_opcode = _READER_RESPONSE_CODE
        self.response_program = tables.READER_RESPONSE_CODE
        super().__init__(
            handles.IDD_STATUS_READER_CONTROL_POINT, procedures, codec,
            tables.IDD_STATUS_READER_CONTROL_POINT_REQUESTS, _SUPPORTED, 2,
            tables.IDD_STATUS_READER_CONTROL_POINT_PROHIBITED,
        )  # fmt: skip

    def execute(self, s, opcode, outcome):
        code = self.code_of(outcome)
        if code != SUCCESS:
            self.respond(opcode, code)
        elif opcode == _RESET_STATUS:
            self._status_changed.clear(self.codec.fields[tables.FLAGS])
            self.respond(opcode, SUCCESS)
        elif opcode == _GET_ACTIVE_BOLUS_IDS:
            self._active_bolus_ids()
        elif opcode == _GET_ACTIVE_BOLUS_DELIVERY:
            self._active_bolus_delivery(opcode)
        elif opcode == _GET_ACTIVE_BASAL_RATE_DELIVERY:
            self._active_basal_rate(s, opcode)
        elif opcode == _GET_TOTAL_DAILY_INSULIN_STATUS:
            self._total_daily_insulin()
        elif opcode == _GET_DELIVERED_INSULIN:
            self._delivered_insulin()
        elif opcode == _GET_INSULIN_ON_BOARD:
            self._insulin_on_board(s)

    def _active_bolus_ids(self):
        fields = self.codec.fields
        bolus = self._pump.bolus
        fields[tables.BOLUS_IDS_COUNT] = 1 if bolus.active else 0
        fields[tables.BOLUS_IDS] = bolus.bolus_id
        self.answer(_GET_ACTIVE_BOLUS_IDS_RESPONSE, tables.GET_ACTIVE_BOLUS_IDS_RESPONSE)

    def _active_bolus_delivery(self, opcode):
        fields = self.codec.fields
        bolus = self._pump.bolus
        if not bolus.active or fields[tables.BOLUS_ID] != bolus.bolus_id:
            self.respond(opcode, NOT_APPLICABLE)
            return
        selection = fields[tables.VALUE_SELECTION]
        amount_mu = bolus.amount_mu
        if selection == _BOLUS_VALUE_SELECTION_REMAINING:
            amount_mu -= bolus.delivered_mu
        elif selection == _BOLUS_VALUE_SELECTION_DELIVERED:
            amount_mu = bolus.delivered_mu
        fields[tables.FLAGS] = self._order.bolus_flags
        fields[tables.BOLUS_TYPE] = _BOLUS_TYPE_FAST
        fields[tables.FAST_AMOUNT_IU] = amount_mu
        fields[tables.EXTENDED_AMOUNT_IU] = 0
        fields[tables.DURATION_MINUTES] = 0
        fields[tables.ACTIVATION_TYPE] = self._order.activation_type
        self.answer(_GET_ACTIVE_BOLUS_DELIVERY_RESPONSE, tables.GET_ACTIVE_BOLUS_DELIVERY_RESPONSE)

    # The configured rate is the profile's, also while a TBR runs. In Stop no basal rate is active.
    def _active_basal_rate(self, s, opcode):
        fields = self.codec.fields
        pump = self._pump
        if pump.therapy == _THERAPY_CONTROL_STATE_STOP or pump.basal.template == 0 and not pump.tbr.active:
            self.respond(opcode, NOT_APPLICABLE)
            return
        fields[tables.FLAGS] = 0
        fields[tables.PROFILE_TEMPLATE_NUMBER] = pump.basal.template
        fields[tables.CONFIGURED_RATE_IU_PER_H] = pump.basal.rate_mu_per_h
        if pump.tbr.active:
            fields[tables.FLAGS] = _ACTIVE_BASAL_FLAGS_TBR_PRESENT | _ACTIVE_BASAL_FLAGS_CONTEXT_PRESENT
            fields[tables.TBR_TYPE] = _TBR_TYPE_ABSOLUTE
            fields[tables.TBR_VALUE] = pump.tbr.rate_mu_per_h
            fields[tables.TBR_PROGRAMMED_DURATION_MINUTES] = pump.tbr.duration_minutes
            fields[tables.TBR_REMAINING_DURATION_MINUTES] = pump.tbr.remaining_minutes(s)
            fields[tables.CONTEXT] = pump.tbr.context
        self.answer(_GET_ACTIVE_BASAL_RATE_DELIVERY_RESPONSE, tables.GET_ACTIVE_BASAL_RATE_DELIVERY_RESPONSE)

    def _total_daily_insulin(self):
        fields = self.codec.fields
        bolus_mu = self._pump.daily.bolus_mu
        basal_mu = self._pump.daily.basal_mu
        fields[tables.BOLUS_DELIVERED_IU] = bolus_mu
        fields[tables.BASAL_DELIVERED_IU] = basal_mu
        fields[tables.TOTAL_DELIVERED_IU] = bolus_mu + basal_mu
        self.answer(_GET_TOTAL_DAILY_INSULIN_STATUS_RESPONSE, tables.GET_TOTAL_DAILY_INSULIN_STATUS_RESPONSE)

    def _delivered_insulin(self):
        fields = self.codec.fields
        fields[tables.BOLUS_DELIVERED_IU] = self._pump.delivery.bolus_mu
        fields[tables.BASAL_DELIVERED_IU] = self._pump.delivery.basal_mu
        self.answer(_GET_DELIVERED_INSULIN_RESPONSE, tables.GET_DELIVERED_INSULIN_RESPONSE)

    def _insulin_on_board(self, s):
        fields = self.codec.fields
        fields[tables.FLAGS] = 0
        fields[tables.INSULIN_ON_BOARD_IU] = self._pump.iob.total_mu(s)
        self.answer(_GET_INSULIN_ON_BOARD_RESPONSE, tables.GET_INSULIN_ON_BOARD_RESPONSE)
