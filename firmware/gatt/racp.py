# Record Access Control Point and History Data: the history, as the client asks for it (IDS 1.0.2, 3.9 and 3.10).
from micropython import const

from gatt import e2e, handles
from gatt import wire_tables as tables
from gatt.characteristic import NOTIFY, Characteristic
from gatt.procedures import DECODED, ControlPoint

_REPORT = const(0x33)
_ABORT = const(0x55)
_REPORT_NUMBER = const(0x5A)
_NUMBER = const(0x66)
_RESPONSE = const(0x0F)

_OPERATOR_NULL = const(0x0F)
_OPERATOR_FIRST = const(0x66)
_OPERATOR_LAST = const(0x69)
_OPERATOR_UP_TO = const(0x3C)
_OPERATOR_FROM = const(0x55)
_OPERATOR_RANGE = const(0x5A)
_FILTER_ANY = const(0x0F)
_FILTER_REFERENCE_TIME = const(0x33)

_OPCODE_NOT_SUPPORTED = const(0x02)
_INVALID_OPERATOR = const(0x03)
_OPERATOR_NOT_SUPPORTED = const(0x04)
_INVALID_OPERAND = const(0x05)
_NO_RECORDS_FOUND = const(0x06)
_OPERAND_NOT_SUPPORTED = const(0x09)
_SUCCESS = const(0xF0)

_REFERENCE_TIME = const(0x000F)
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
        self._filter = _FILTER_ANY
        self.streaming = False
        super().__init__(
            handles.IDD_RECORD_ACCESS_CONTROL_POINT, procedures, codec,
            tables.IDD_RECORD_ACCESS_CONTROL_POINT_REQUESTS, 1,
        )  # fmt: skip

    def reset(self):
        super().reset()
        self.streaming = False

    def data_of(self, opcode):
        return self._data if opcode == _REPORT else None

    def passes(self, opcode):
        return opcode == _ABORT

    # A report goes on while an abort that could not be understood is answered.
    def confirmed(self):
        if not self.streaming and not self.pending:
            super().confirmed()

    def unsupported(self, opcode):
        self.respond(opcode, _OPCODE_NOT_SUPPORTED)

    def respond(self, opcode, code):
        fields = self.codec.fields
        fields[tables.OPERATOR] = _OPERATOR_NULL
        fields[tables.REQUEST_OPCODE] = opcode
        fields[tables.RESPONSE_CODE] = code
        self.answer(_RESPONSE, tables.RACP_RESPONSE_CODE)

    def execute(self, s, opcode, outcome):
        operator = self.codec.fields[tables.OPERATOR]
        if outcome != DECODED:
            self.respond(opcode, self._refusal())
        elif (operator == _OPERATOR_NULL) != (opcode == _ABORT):
            self.respond(opcode, _INVALID_OPERATOR)
        elif opcode == _ABORT:
            self.streaming = False
            self.respond(opcode, _SUCCESS)
        elif not self._select(operator):
            self.respond(opcode, _INVALID_OPERAND)
        elif opcode == _REPORT:
            self.streaming = self._find()
            if not self.streaming:
                self.respond(opcode, _NO_RECORDS_FOUND)
        else:
            self._number()

    def _refusal(self):
        if self.codec.bad_slot == tables.OPERATOR:
            return _OPERATOR_NOT_SUPPORTED
        if self.codec.bad_slot == tables.FILTER:
            return _OPERAND_NOT_SUPPORTED
        return _INVALID_OPERAND

    # Sets the bounds of what is asked for, both included, among the records that there are now. False when they
    # contradict one another.
    def _select(self, operator):
        fields = self.codec.fields
        newest = self._history.next_sequence - 1
        self._next = 0
        self._last = newest
        self._filter = _FILTER_ANY
        if operator == _OPERATOR_FIRST:
            self._last = self._history.scan(0)
        elif operator == _OPERATOR_LAST:
            self._next = newest
        elif operator in (_OPERATOR_UP_TO, _OPERATOR_FROM, _OPERATOR_RANGE):
            self._filter = fields[tables.FILTER]
            if operator != _OPERATOR_UP_TO:
                self._next = fields[tables.MINIMUM_SEQUENCE_LOW] | fields[tables.MINIMUM_SEQUENCE_HIGH] << 16
            if operator != _OPERATOR_FROM:
                last = fields[tables.MAXIMUM_SEQUENCE_LOW] | fields[tables.MAXIMUM_SEQUENCE_HIGH] << 16
                if operator == _OPERATOR_RANGE and last < self._next:
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
            if self._filter == _FILTER_ANY:
                return True
            is_reference = history.event in (_REFERENCE_TIME, _REFERENCE_TIME_BASE_OFFSET)
            if is_reference == (self._filter == _FILTER_REFERENCE_TIME):
                return True

    def _number(self):
        count = 0
        while self._find():
            count += 1
        fields = self.codec.fields
        fields[tables.OPERATOR] = _OPERATOR_NULL
        fields[tables.RECORD_COUNT_LOW] = count & 0xFFFF
        fields[tables.RECORD_COUNT_HIGH] = count >> 16
        self.answer(_NUMBER, tables.RACP_NUMBER_OF_STORED_RECORDS_RESPONSE)

    # Notifies the record that is loaded; after the last one the control point answers.
    def send_next(self, s):
        self._server.notify(s, self._data)
        self.streaming = self._find()
        if not self.streaming:
            self.respond(_REPORT, _SUCCESS)
