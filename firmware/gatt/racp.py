# The operations of the Record Access Control Point: the history, as the client asks for it (IDS 1.0.2, 3.9 and 3.10).
# They are loaded with the first of them.
#
# A request names an operation and the records that it is for. Whatever it is, it is carried out piece by piece, one
# number of the history in each, so that it keeps neither a pulse nor the watchdog waiting.
from micropython import const

from gatt import e2e
from gatt import wire_tables as tables
from gatt.groups import together
from gatt.procedures import DECODED

_RACP_REPORT_STORED_RECORDS = const(0x33)
_RACP_DELETE_STORED_RECORDS = const(0x3C)
_RACP_ABORT = const(0x55)
_RACP_REPORT_NUMBER_OF_STORED_RECORDS = const(0x5A)
_RACP_NUMBER_OF_STORED_RECORDS_RESPONSE = const(0x66)

_RACP_OPERATOR_NULL = const(0x0F)
_RACP_OPERATOR_ALL = const(0x33)
_RACP_OPERATOR_FIRST = const(0x66)
_RACP_OPERATOR_LAST = const(0x69)
_RACP_OPERATOR_LESS_THAN_OR_EQUAL = const(0x3C)
_RACP_OPERATOR_GREATER_THAN_OR_EQUAL = const(0x55)
_RACP_OPERATOR_WITHIN_RANGE = const(0x5A)
_RACP_FILTER_SEQUENCE_NUMBER = const(0x0F)
_RACP_FILTER_SEQUENCE_NUMBER_REFERENCE_TIME_EVENTS = const(0x33)

_RACP_RESPONSE_CODE_INVALID_OPERATOR = const(0x03)
_RACP_RESPONSE_CODE_OPERATOR_NOT_SUPPORTED = const(0x04)
_RACP_RESPONSE_CODE_INVALID_OPERAND = const(0x05)
_RACP_RESPONSE_CODE_NO_RECORDS_FOUND = const(0x06)
_RACP_RESPONSE_CODE_ABORT_UNSUCCESSFUL = const(0x07)
_RACP_RESPONSE_CODE_PROCEDURE_NOT_COMPLETED = const(0x08)
_RACP_RESPONSE_CODE_OPERAND_NOT_SUPPORTED = const(0x09)
_RACP_RESPONSE_CODE_PROCEDURE_NOT_APPLICABLE = const(0x0A)
_RACP_RESPONSE_CODE_SUCCESS = const(0xF0)


class Operations:
    # control_point: answers. data: History Data, which the server notifies.
    def __init__(self, control_point, history, data, server):
        self._control_point = control_point
        self._codec = control_point.codec
        self._history = history
        self._data = data
        self._server = server
        # What is under way, and the records that it is for: from the first to the last, those that the filter means.
        self._operation = _RACP_REPORT_STORED_RECORDS
        self._operator = _RACP_OPERATOR_ALL
        self._first = 0
        self._next = 0
        self._last = -1
        self._filter = _RACP_FILTER_SEQUENCE_NUMBER
        self._found = 0
        self._erasing = False
        self.streaming = False

    def reset(self):
        self.streaming = False

    # Puts the record that the history has loaded into a buffer; returns its end.
    def put_record(self, buf, start):
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

    # Begins an operation, given how its operand decoded, or answers at once.
    def execute(self, opcode, outcome):
        respond = self._control_point.respond
        operator = self._codec.fields[tables.OPERATOR]
        if outcome != DECODED:
            respond(opcode, self._refusal())
        elif (operator == _RACP_OPERATOR_NULL) != (opcode == _RACP_ABORT):
            respond(opcode, _RACP_RESPONSE_CODE_INVALID_OPERATOR)
        elif opcode == _RACP_ABORT:
            self._abort()
        elif self._select(operator):
            self._operation = opcode
            self._next = self._first
            self._found = 0
            self._erasing = False
            self.streaming = True
        else:
            respond(opcode, _RACP_RESPONSE_CODE_INVALID_OPERAND)

    def _refusal(self):
        if self._codec.bad_slot == tables.OPERATOR:
            return _RACP_RESPONSE_CODE_OPERATOR_NOT_SUPPORTED
        if self._codec.bad_slot == tables.FILTER:
            return _RACP_RESPONSE_CODE_OPERAND_NOT_SUPPORTED
        return _RACP_RESPONSE_CODE_INVALID_OPERAND

    # After an abort nothing is under way: so one that finds nothing to stop has succeeded. Only records that are
    # already being deleted cannot be had back.
    def _abort(self):
        if self.streaming and self._erasing:
            self._control_point.respond(_RACP_ABORT, _RACP_RESPONSE_CODE_ABORT_UNSUCCESSFUL)
        else:
            self.streaming = False
            self._control_point.respond(_RACP_ABORT, _RACP_RESPONSE_CODE_SUCCESS)

    # Sets the bounds of what is asked for, both included, among the records that there are now. False when they
    # contradict one another.
    def _select(self, operator):
        fields = self._codec.fields
        newest = self._history.next_sequence - 1
        self._operator = operator
        self._first = 0
        self._last = newest
        self._filter = _RACP_FILTER_SEQUENCE_NUMBER
        if operator in (_RACP_OPERATOR_ALL, _RACP_OPERATOR_FIRST, _RACP_OPERATOR_LAST):
            return True
        self._filter = fields[tables.FILTER]
        if operator != _RACP_OPERATOR_LESS_THAN_OR_EQUAL:
            self._first = fields[tables.MINIMUM_SEQUENCE_LOW] | fields[tables.MINIMUM_SEQUENCE_HIGH] << 16
        if operator != _RACP_OPERATOR_GREATER_THAN_OR_EQUAL:
            last = fields[tables.MAXIMUM_SEQUENCE_LOW] | fields[tables.MAXIMUM_SEQUENCE_HIGH] << 16
            if operator == _RACP_OPERATOR_WITHIN_RANGE and last < self._first:
                return False
            self._last = min(last, newest)
        return True

    # --- Piece by piece -------------------------------------------------------------------------------------------

    # Does one piece of what is under way; False when the rest has to wait. An answer that waits to leave must not be
    # overwritten, and what a delete takes away is gone when it has been taken away from flash.
    def send_next(self, s):
        if self._control_point.pending or self._history.deleting():
            return False
        if self._operator in (_RACP_OPERATOR_FIRST, _RACP_OPERATOR_LAST):
            self._narrow()
        elif self._operation == _RACP_REPORT_STORED_RECORDS:
            self._report(s)
        elif self._operation == _RACP_DELETE_STORED_RECORDS:
            self._delete()
        else:
            self._count()
        return True

    # Looks at the oldest or the newest number that is left: when a record stands there, it is the one asked for.
    def _narrow(self):
        history = self._history
        oldest = history.scan(self._next)
        at = oldest if self._operator == _RACP_OPERATOR_FIRST else self._last
        if oldest > self._last:
            self._operator = _RACP_OPERATOR_ALL
        elif history.load(at):
            self._first = self._next = self._last = at
            self._operator = _RACP_OPERATOR_ALL
        elif at == oldest:
            self._next = at + 1
        else:
            self._last = at - 1

    def _over(self):
        return self._history.scan(self._next) > self._last

    # Loads the next number; False when there is no record, or none that is meant.
    def _load(self):
        history = self._history
        sequence = history.scan(self._next)
        self._next = sequence + 1
        return history.load(sequence) and history.matches(self._filter)

    def _end(self, code):
        self.streaming = False
        self._control_point.respond(self._operation, code)

    # Without the client's configuration no record gets through any more.
    def _report(self, s):
        if not self._data.notifies():
            self._end(_RACP_RESPONSE_CODE_PROCEDURE_NOT_COMPLETED)
        elif self._over():
            self._end(_RACP_RESPONSE_CODE_SUCCESS if self._found else _RACP_RESPONSE_CODE_NO_RECORDS_FOUND)
        elif self._load():
            self._found += 1
            self._server.notify(s, self._data)

    def _count(self):
        known = -1
        if self._filter == _RACP_FILTER_SEQUENCE_NUMBER:
            known = self._history.number_of(self._next, self._last)
        if known < 0 and not self._over():
            self._found += self._load()
            return
        count = self._found + max(known, 0)
        fields = self._codec.fields
        fields[tables.OPERATOR] = _RACP_OPERATOR_NULL
        fields[tables.RECORD_COUNT_LOW] = count & 0xFFFF
        fields[tables.RECORD_COUNT_HIGH] = count >> 16
        self.streaming = False
        program = tables.RACP_NUMBER_OF_STORED_RECORDS_RESPONSE
        self._control_point.answer(_RACP_NUMBER_OF_STORED_RECORDS_RESPONSE, program)

    # Looks for the first record that is meant; when there is one and no group would lose a part, all of them go.
    # Reference times are in no group, so that only the first and the last record can be a part of one.
    def _delete(self):
        history = self._history
        if self._erasing:
            self._end(_RACP_RESPONSE_CODE_SUCCESS)
        elif self._over():
            self._end(_RACP_RESPONSE_CODE_NO_RECORDS_FOUND)
        elif self._load():
            first = self._next - 1
            grouped = self._filter != _RACP_FILTER_SEQUENCE_NUMBER_REFERENCE_TIME_EVENTS
            if grouped and (together(history, first - 1) or together(history, self._last)):
                self._end(_RACP_RESPONSE_CODE_PROCEDURE_NOT_APPLICABLE)
            else:
                self._erasing = True
                history.delete(self._first, self._last, self._filter)
