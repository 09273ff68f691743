# Record Access Control Point and History Data: the history, as the client asks for it (IDS 1.0.2, 3.9 and 3.10).
from micropython import const

from gatt import e2e, handles
from gatt import wire_tables as tables
from gatt.characteristic import NOTIFY, Characteristic
from gatt.procedures import DECODED, ControlPoint

_RACP_REPORT_STORED_RECORDS = const(0x33)
_RACP_ABORT = const(0x55)
_RACP_REPORT_NUMBER_OF_STORED_RECORDS = const(0x5A)
_RACP_NUMBER_OF_STORED_RECORDS_RESPONSE = const(0x66)
_RACP_RESPONSE_CODE = const(0x0F)

_RACP_OPERATOR_NULL = const(0x0F)
_RACP_OPERATOR_ALL = const(0x33)
_RACP_OPERATOR_FIRST = const(0x66)
_RACP_OPERATOR_LAST = const(0x69)
_RACP_OPERATOR_LESS_THAN_OR_EQUAL = const(0x3C)
_RACP_OPERATOR_GREATER_THAN_OR_EQUAL = const(0x55)
_RACP_OPERATOR_WITHIN_RANGE = const(0x5A)
_RACP_FILTER_SEQUENCE_NUMBER = const(0x0F)
_RACP_FILTER_SEQUENCE_NUMBER_REFERENCE_TIME_EVENTS = const(0x33)

_RACP_RESPONSE_CODE_OPCODE_NOT_SUPPORTED = const(0x02)
_RACP_RESPONSE_CODE_INVALID_OPERATOR = const(0x03)
_RACP_RESPONSE_CODE_OPERATOR_NOT_SUPPORTED = const(0x04)
_RACP_RESPONSE_CODE_INVALID_OPERAND = const(0x05)
_RACP_RESPONSE_CODE_NO_RECORDS_FOUND = const(0x06)
_RACP_RESPONSE_CODE_OPERAND_NOT_SUPPORTED = const(0x09)
_RACP_RESPONSE_CODE_SUCCESS = const(0xF0)

_HISTORY_REFERENCE_TIME = const(0x000F)
_REFERENCE_TIME_BASE_OFFSET = const(0x0033)


# A CRC, but no counter, stands at its end.
class HistoryData(Characteristic):
    def __init__(self, history):
        self._history = history
        super().__init__(handles.IDD_HISTORY_DATA, NOTIFY)

    # The record that the history has loaded.
    def value(self, s, buf, start):
        history = self._history
        sequence = history.sequence
        buf[start] = history.event & 0xFF
        buf[start + 1] = history.event >> 8
        for at in range(start + 2, start + 6):
            buf[at] = sequence & 0xFF
            sequence >>= 8
        buf[start + 6] = history.offset_s & 0xFF
        buf[start + 7] = history.offset_s >> 8
        end = start + 8
        for at in range(history.length):
            buf[end + at] = history.data[at]
        return e2e.append_crc(buf, start, end + history.length)


class RecordAccess(ControlPoint):
    def __init__(self, procedures, codec, history, data, server):
        self._history = history
        self._data = data
        self._server = server
        self._next = 0
        self._last = -1
        self._filter = _RACP_FILTER_SEQUENCE_NUMBER
        self.streaming = False
        super().__init__(
            handles.IDD_RECORD_ACCESS_CONTROL_POINT, procedures, codec,
            tables.IDD_RECORD_ACCESS_CONTROL_POINT_REQUESTS, 1,
        )  # fmt: skip

    def reset(self):
        super().reset()
        self.streaming = False

    def data_of(self, opcode):
        return self._data if opcode == _RACP_REPORT_STORED_RECORDS else None

    def passes(self, opcode):
        return opcode == _RACP_ABORT

    # A report goes on while an abort that could not be understood is answered.
    def confirmed(self):
        if not self.streaming and not self.pending:
            super().confirmed()

    def unsupported(self, opcode):
        self.respond(opcode, _RACP_RESPONSE_CODE_OPCODE_NOT_SUPPORTED)

    def respond(self, opcode, code):
        fields = self.codec.fields
        fields[tables.OPERATOR] = _RACP_OPERATOR_NULL
        fields[tables.REQUEST_OPCODE] = opcode
        fields[tables.RESPONSE_CODE] = code
        self.answer(_RACP_RESPONSE_CODE, tables.RACP_RESPONSE_CODE)

    def execute(self, s, opcode, outcome):
        operator = self.codec.fields[tables.OPERATOR]
        if outcome != DECODED:
            self.respond(opcode, self._refusal())
        elif (operator == _RACP_OPERATOR_NULL) != (opcode == _RACP_ABORT):
            self.respond(opcode, _RACP_RESPONSE_CODE_INVALID_OPERATOR)
        elif opcode == _RACP_ABORT:
            self.streaming = False
            self.respond(opcode, _RACP_RESPONSE_CODE_SUCCESS)
        elif not self._select(operator):
            self.respond(opcode, _RACP_RESPONSE_CODE_INVALID_OPERAND)
        elif opcode == _RACP_REPORT_STORED_RECORDS:
            self.streaming = self._find()
            if not self.streaming:
                self.respond(opcode, _RACP_RESPONSE_CODE_NO_RECORDS_FOUND)
        else:
            self._number()

    def _refusal(self):
        if self.codec.bad_slot == tables.OPERATOR:
            return _RACP_RESPONSE_CODE_OPERATOR_NOT_SUPPORTED
        if self.codec.bad_slot == tables.FILTER:
            return _RACP_RESPONSE_CODE_OPERAND_NOT_SUPPORTED
        return _RACP_RESPONSE_CODE_INVALID_OPERAND

    # Sets the bounds of what is asked for, both included, among the records that there are now. False when they
    # contradict one another.
    def _select(self, operator):
        fields = self.codec.fields
        newest = self._history.next_sequence - 1
        self._next = 0
        self._last = newest
        self._filter = _RACP_FILTER_SEQUENCE_NUMBER
        if operator == _RACP_OPERATOR_FIRST:
            self._last = self._history.scan(0)
        elif operator == _RACP_OPERATOR_LAST:
            self._next = newest
        elif operator != _RACP_OPERATOR_ALL:
            self._filter = fields[tables.FILTER]
            if operator != _RACP_OPERATOR_LESS_THAN_OR_EQUAL:
                self._next = fields[tables.MINIMUM_SEQUENCE_LOW] | fields[tables.MINIMUM_SEQUENCE_HIGH] << 16
            if operator != _RACP_OPERATOR_GREATER_THAN_OR_EQUAL:
                last = fields[tables.MAXIMUM_SEQUENCE_LOW] | fields[tables.MAXIMUM_SEQUENCE_HIGH] << 16
                if operator == _RACP_OPERATOR_WITHIN_RANGE and last < self._next:
                    return False
                self._last = min(last, newest)
        return True

    # Loads the next record that is asked for; False when there is none.
    def _find(self):
        history = self._history
        while True:
            sequence = history.scan(self._next)
            if sequence > self._last or not history.load(sequence):
                return False
            self._next = sequence + 1
            if self._filter == _RACP_FILTER_SEQUENCE_NUMBER:
                return True
            is_reference = history.event in (_HISTORY_REFERENCE_TIME, _REFERENCE_TIME_BASE_OFFSET)
            if is_reference == (self._filter == _RACP_FILTER_SEQUENCE_NUMBER_REFERENCE_TIME_EVENTS):
                return True

    def _number(self):
        count = 0
        while self._find():
            count += 1
        fields = self.codec.fields
        fields[tables.OPERATOR] = _RACP_OPERATOR_NULL
        fields[tables.RECORD_COUNT_LOW] = count & 0xFFFF
        fields[tables.RECORD_COUNT_HIGH] = count >> 16
        self.answer(_RACP_NUMBER_OF_STORED_RECORDS_RESPONSE, tables.RACP_NUMBER_OF_STORED_RECORDS_RESPONSE)

    # Notifies the record that is loaded; after the last one the control point answers.
    def send_next(self, s):
        self._server.notify(s, self._data)
        self.streaming = self._find()
        if not self.streaming:
            self.respond(_RACP_REPORT_STORED_RECORDS, _RACP_RESPONSE_CODE_SUCCESS)
