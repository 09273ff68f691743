# Record Access Control Point and History Data (IDS 1.0.2, 3.9 and 3.10): what there is of them before a client asks for
# records. gatt/racp.py has the operations.
from micropython import const

from gatt import handles
from gatt import wire_tables as tables
from gatt.characteristic import NOTIFY, Characteristic
from gatt.procedures import ControlPoint

_RACP_REPORT_STORED_RECORDS = const(0x33)
_RACP_ABORT = const(0x55)
_RACP_RESPONSE_CODE = const(0x0F)
_RACP_OPERATOR_NULL = const(0x0F)
_RACP_RESPONSE_CODE_OPCODE_NOT_SUPPORTED = const(0x02)
_RACP_RESPONSE_CODE_PROCEDURE_NOT_COMPLETED = const(0x08)


# A CRC, but no counter, stands at its end.
class HistoryData(Characteristic):
    def __init__(self):
        # What notifies it.
        self.operations = None
        super().__init__(handles.IDD_HISTORY_DATA, NOTIFY)

    def value(self, s, buf, start):
        return self.operations.put_record(buf, start)


class RecordAccess(ControlPoint):
    not_completed = _RACP_RESPONSE_CODE_PROCEDURE_NOT_COMPLETED

    def __init__(self, procedures, codec, history, server):
        self._history = history
        self._server = server
        self.data = HistoryData()
        super().__init__(
            handles.IDD_RECORD_ACCESS_CONTROL_POINT, procedures, codec,
            tables.IDD_RECORD_ACCESS_CONTROL_POINT_REQUESTS, 1,
        )  # fmt: skip

    def data_of(self, opcode):
        return self.data if opcode == _RACP_REPORT_STORED_RECORDS else None

    def passes(self, opcode):
        return opcode == _RACP_ABORT

    # An operation goes on while an abort that could not be carried out is answered.
    def confirmed(self):
        operations = self.data.operations
        if not self.pending and not (operations and operations.streaming):
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
        if self._has_operations():
            self.data.operations.execute(opcode, outcome)
        else:
            self.respond(opcode, _RACP_RESPONSE_CODE_PROCEDURE_NOT_COMPLETED)

    # Loads them before the first one; False when that fails, as it does where memory is short.
    def _has_operations(self):
        if self.data.operations is None:
            self._server.before_loading()
            try:
                from gatt.racp import Operations

                operations = Operations(self, self._history, self.data, self._server)
                self._server.add_part(operations)
                self._server.add_stream(operations)
            except Exception:  # noqa: BLE001
                return False
            self.data.operations = operations
        return True
