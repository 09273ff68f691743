# Status Reader Control Point: questions about the pump's state (IDS 1.0.2, 3.6).
from micropython import const

from gatt import handles
from gatt import wire_tables as tables
from gatt.procedures import NOT_APPLICABLE, SUCCESS, ControlPoint

_READER_RESPONSE_CODE = const(0x0303)
_RESET_STATUS = const(0x030C)
_GET_ACTIVE_BOLUS_IDS = const(0x0330)
_GET_ACTIVE_BOLUS_DELIVERY = const(0x0356)
_GET_ACTIVE_BASAL_RATE_DELIVERY = const(0x0365)
_GET_TOTAL_DAILY_INSULIN_STATUS = const(0x0395)
_GET_COUNTER = const(0x03A6)
_GET_DELIVERED_INSULIN = const(0x03C0)
_GET_INSULIN_ON_BOARD = const(0x03F3)

_THERAPY_CONTROL_STATE_STOP = const(0x33)
_BOLUS_VALUE_SELECTION_REMAINING = const(0x33)
_BOLUS_VALUE_SELECTION_DELIVERED = const(0x3C)
_ACTIVE_BASAL_FLAGS_TBR_PRESENT = const(1)
_ACTIVE_BASAL_FLAGS_TBR_TEMPLATE_NUMBER_PRESENT = const(2)
_ACTIVE_BASAL_FLAGS_CONTEXT_PRESENT = const(4)

# The delay of a bolus of which the delivered amounts are asked for.
_NO_DELAY_DELIVERED = const(0xFFFF)


class StatusReader(ControlPoint):
    def __init__(self, procedures, codec, pump, status_changed):
        self._pump = pump
        self._status_changed = status_changed
        self.response_opcode = _READER_RESPONSE_CODE
        self.responses = tables.IDD_STATUS_READER_CONTROL_POINT_RESPONSES
        super().__init__(
            handles.IDD_STATUS_READER_CONTROL_POINT, procedures, codec,
            tables.IDD_STATUS_READER_CONTROL_POINT_REQUESTS, 2, tables.IDD_STATUS_READER_CONTROL_POINT_PROHIBITED,
        )  # fmt: skip

    def execute(self, s, opcode, outcome):
        code = self.code_of(outcome)
        if code == SUCCESS:
            code = self._fill(s, opcode)
        self.finish(opcode, code, tables.IDD_STATUS_READER_CONTROL_POINT_ANSWERS)

    # Fills the fields of the answer; returns the response code.
    def _fill(self, s, opcode):
        if opcode == _RESET_STATUS:
            self._status_changed.clear(self.codec.fields[tables.FLAGS])
        elif opcode == _GET_ACTIVE_BOLUS_IDS:
            self._active_bolus_ids()
        elif opcode == _GET_ACTIVE_BOLUS_DELIVERY:
            return self._active_bolus_delivery(s)
        elif opcode == _GET_ACTIVE_BASAL_RATE_DELIVERY:
            return self._active_basal_rate(s)
        elif opcode == _GET_TOTAL_DAILY_INSULIN_STATUS:
            self._total_daily_insulin()
        elif opcode == _GET_COUNTER:
            self._counter(s)
        elif opcode == _GET_DELIVERED_INSULIN:
            self._delivered_insulin()
        elif opcode == _GET_INSULIN_ON_BOARD:
            self._insulin_on_board(s)
        return SUCCESS

    def _active_bolus_ids(self):
        fields = self.codec.fields
        count = self._pump.bolus_count()
        fields[tables.BOLUS_IDS_COUNT] = count
        for i in range(count):
            fields[tables.BOLUS_IDS + i] = self._pump.active_bolus(i).bolus_id

    # Amounts, duration and delay are what was programmed, what is left of it, or what has come of it.
    def _active_bolus_delivery(self, s):
        fields = self.codec.fields
        bolus = self._pump.find_bolus(fields[tables.BOLUS_ID])
        if bolus is None:
            return NOT_APPLICABLE
        selection = fields[tables.VALUE_SELECTION]
        fast_mu, extended_mu = bolus.fast_mu, bolus.extended_mu
        duration_minutes, delay_minutes = bolus.duration_minutes, bolus.delay_minutes
        if selection == _BOLUS_VALUE_SELECTION_REMAINING:
            fast_mu -= bolus.fast_delivered_mu
            extended_mu -= bolus.extended_delivered_mu
            duration_minutes = bolus.remaining_minutes()
            delay_minutes = bolus.remaining_delay_minutes(s)
        elif selection == _BOLUS_VALUE_SELECTION_DELIVERED:
            fast_mu, extended_mu = bolus.fast_delivered_mu, bolus.extended_delivered_mu
            duration_minutes = bolus.elapsed_minutes()
            delay_minutes = _NO_DELAY_DELIVERED
        fields[tables.FLAGS] = bolus.flags
        fields[tables.BOLUS_TYPE] = bolus.kind
        fields[tables.FAST_AMOUNT_IU] = fast_mu
        fields[tables.EXTENDED_AMOUNT_IU] = extended_mu
        fields[tables.DURATION_MINUTES] = duration_minutes
        fields[tables.DELAY_MINUTES] = delay_minutes
        fields[tables.TEMPLATE_NUMBER] = bolus.template
        fields[tables.ACTIVATION_TYPE] = bolus.activation
        return SUCCESS

    # The configured rate is the profile's, also while a TBR runs. In Stop no basal rate is active.
    def _active_basal_rate(self, s):
        fields = self.codec.fields
        pump = self._pump
        if pump.therapy == _THERAPY_CONTROL_STATE_STOP or pump.basal.template == 0 and not pump.tbr.active:
            return NOT_APPLICABLE
        flags = 0
        fields[tables.PROFILE_TEMPLATE_NUMBER] = pump.basal.template
        fields[tables.CONFIGURED_RATE_IU_PER_H] = pump.basal.rate_mu_per_h
        if pump.tbr.active:
            flags = _ACTIVE_BASAL_FLAGS_TBR_PRESENT | _ACTIVE_BASAL_FLAGS_CONTEXT_PRESENT
            if pump.tbr.template:
                flags |= _ACTIVE_BASAL_FLAGS_TBR_TEMPLATE_NUMBER_PRESENT
            fields[tables.TBR_TYPE] = pump.tbr.kind
            fields[tables.TBR_VALUE] = pump.tbr.value
            fields[tables.TBR_PROGRAMMED_DURATION_MINUTES] = pump.tbr.duration_minutes
            fields[tables.TBR_REMAINING_DURATION_MINUTES] = pump.tbr.remaining_minutes(s)
            fields[tables.TBR_TEMPLATE_NUMBER] = pump.tbr.template
            fields[tables.CONTEXT] = pump.tbr.context
        fields[tables.FLAGS] = flags
        return SUCCESS

    def _total_daily_insulin(self):
        fields = self.codec.fields
        bolus_mu = self._pump.daily.bolus_mu
        basal_mu = self._pump.daily.basal_mu
        fields[tables.BOLUS_DELIVERED_IU] = bolus_mu
        fields[tables.BASAL_DELIVERED_IU] = basal_mu
        fields[tables.TOTAL_DELIVERED_IU] = bolus_mu + basal_mu

    # Type and selection are answered as they were asked. The minutes may be below 0: a complement of two.
    def _counter(self, s):
        fields = self.codec.fields
        minutes = self._pump.counter_minutes(s, fields[tables.COUNTER_TYPE], fields[tables.COUNTER_SELECTION])
        fields[tables.COUNTER_MINUTES_LOW] = minutes & 0xFFFF
        fields[tables.COUNTER_MINUTES_HIGH] = minutes >> 16 & 0xFFFF

    def _delivered_insulin(self):
        fields = self.codec.fields
        fields[tables.BOLUS_DELIVERED_IU] = self._pump.delivery.bolus_mu
        fields[tables.BASAL_DELIVERED_IU] = self._pump.delivery.basal_mu

    def _insulin_on_board(self, s):
        fields = self.codec.fields
        fields[tables.FLAGS] = 0
        fields[tables.INSULIN_ON_BOARD_IU] = self._pump.iob.total_mu(s)
