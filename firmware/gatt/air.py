# The attribute server over the air (DOSING.md section 19). The radio's stack answers reads and acknowledges writes by
# itself: values stand ready for it, and what becomes of a write is told in other ways.
#
# A control point that was written wrongly ends the connection; what came too early, or without the configuration that
# it needs, is answered by the control point; any other write is answered by Emulator Write Result.
from micropython import const

from gatt import att, e2e, handles, seldom
from gatt import wire_tables as tables
from gatt.characteristic import CCCD_INDICATE, NOTIFY, READ, WRITE, Characteristic
from gatt.codec import find
from gatt.encode import encode
from gatt.peripheral import Peripheral
from gatt.procedures import Procedures
from gatt.server import Server

_CONTROL_POINTS = (
    handles.IDD_STATUS_READER_CONTROL_POINT, handles.IDD_COMMAND_CONTROL_POINT,
    handles.IDD_RECORD_ACCESS_CONTROL_POINT,
)  # fmt: skip
# Values that change each second; all others but these two kinds change when something happens to the pump.
_TICKING = (handles.CURRENT_TIME, handles.EMULATOR_HEALTH)
_STEADY = (
    handles.IDD_FEATURES, handles.EMULATOR_IDENTITY, handles.EMULATOR_PUMP_DATA, handles.MANUFACTURER_NAME,
    handles.MODEL_NUMBER, handles.SERIAL_NUMBER, handles.HARDWARE_REVISION, handles.FIRMWARE_REVISION,
    handles.SYSTEM_ID, handles.PNP_ID,
)  # fmt: skip

# Commands that only look: the others are therapy.
_LOOKS = (
    0x0FAA, 0x111E, 0x1188, 0x11BB, 0x11EE, 0x1248, 0x12B8, 0x12ED, 0x1428, 0x147D,
)  # fmt: skip
_RACP_RESPONSE_CODE = const(0x0F)
_TURN_MS = const(3)
_RACP_OPERATOR_NULL = const(0x0F)
_RACP_DELETE_STORED_RECORDS = const(0x3C)


# Procedures of a client that may be refused therapy.
class AirProcedures(Procedures):
    def __init__(self, pump, security, beside):
        self._security = security
        super().__init__(pump, beside)

    def allows(self, control_point, opcode):
        if not self._security.refuses_therapy():
            return True
        if control_point.handle == handles.IDD_COMMAND_CONTROL_POINT:
            return opcode in _LOOKS
        return control_point.handle != handles.IDD_RECORD_ACCESS_CONTROL_POINT or opcode != _RACP_DELETE_STORED_RECORDS


# The answer to a write that came too early: not completed. It leaves after the answer of what runs on its control
# point, and takes part in no procedure.
class _Refusal:
    def __init__(self, control_point):
        self.handle = control_point.handle
        self.control_point = control_point
        # What is refused, -1 for nothing.
        self.opcode = -1
        self.pending = False

    def value(self, s, buf, start):
        control_point = self.control_point
        codec = control_point.codec
        codec.fields[tables.REQUEST_OPCODE] = self.opcode
        codec.fields[tables.RESPONSE_CODE] = control_point.not_completed
        if self.handle == handles.IDD_RECORD_ACCESS_CONTROL_POINT:
            codec.fields[tables.OPERATOR] = _RACP_OPERATOR_NULL
            buf[start] = _RACP_RESPONSE_CODE
            end = encode(codec, tables.RACP_RESPONSE_CODE, buf, start + 1)
        else:
            opcode = control_point.response_opcode
            buf[start] = opcode & 0xFF
            buf[start + 1] = opcode >> 8
            end = encode(codec, find(control_point.responses, opcode), buf, start + 2)
        self.opcode = -1
        buf[end] = control_point.next_counter()
        return e2e.append_crc(buf, start, end + 1)

    def confirmed(self):
        pass


# What became of a write: the stack had acknowledged it before anybody looked at it.
class EmulatorWriteResult(Characteristic):
    def __init__(self, codec):
        self._codec = codec
        self._handle = 0
        self._error = 0
        super().__init__(handles.EMULATOR_WRITE_RESULT, NOTIFY)

    # What the next notification tells; the caller asks the server for it. error: an ATT error code, or 0.
    def tell(self, handle, error):
        self._handle = handle
        self._error = error

    def encode(self, s, buf, start):
        fields = self._codec.fields
        fields[tables.WRITTEN_HANDLE] = self._handle
        fields[tables.WRITTEN_ERROR] = self._error
        return encode(self._codec, tables.EMULATOR_WRITE_RESULT, buf, start)


class AirServer(Server):
    # security: has refuses_therapy().
    def __init__(self, clock, bearer, pump, mtu_max, security):
        self._security = security
        # Emulator Write Result, and Status Changed with its flags; set when they are there.
        self.result = None
        self.status_changed = None
        # How much the servers on the other bearers had received when that was last looked at.
        self._inputs_seen = 0
        self._refusals = []
        # What can be read, and bits for each of it: not as it should be, changing with the pump, or with each second.
        self._shown = []
        self._stale = 0
        self._changing = 0
        self._ticking = 0
        self._second = -1
        # Whether the sensor has been asked for anything on this connection.
        self._asking = False
        super().__init__(clock, bearer, pump, mtu_max)

    def add(self, characteristic):
        handle = characteristic.handle
        if not self._bearer.has(characteristic):
            return
        super().add(characteristic)
        self._bearer.expect(characteristic)
        if characteristic.properties & READ:
            bit = 1 << len(self._shown)
            self._shown.append(characteristic)
            self._stale |= bit
            if handle not in _STEADY:
                self._changing |= bit
            if handle in _TICKING:
                self._ticking |= bit
        if handle in _CONTROL_POINTS:
            refusal = _Refusal(characteristic)
            self._refusals.append(refusal)
            self._indicators.append(refusal)

    # --- The bearer's side ---------------------------------------------------------------------------------------

    # A central has come: as soon as the link is secure it may read.
    def approached(self):
        self._reset()
        self._second = -1

    # It has gone.
    def left(self):
        for characteristic in self._configurations.values():
            self._bearer.unconfigure(characteristic.handle)

    # All that belongs to the connection is as it was when the central came.
    def connected(self):
        self._look_at_configurations()
        self._ask_sensor()

    def _reset(self):
        super()._reset()
        # A write is as long as it came: the stack puts its parts together.
        self.mtu = self._mtu_max
        self._asking = False
        for refusal in self._refusals:
            refusal.opcode = -1
            refusal.pending = False
        self._stale = (1 << len(self._shown)) - 1

    # What the client has configured. Where the stack does not tell, everything counts as configured: a client confirms
    # whatever is indicated. What Status Changed has latched is indicated as soon as it can be.
    def _look_at_configurations(self):
        for characteristic in self._configurations.values():
            bits = self._bearer.configuration(characteristic.handle) & characteristic.allowed_cccd()
            if characteristic is self.status_changed and characteristic.flags():
                if bits & ~characteristic.cccd & CCCD_INDICATE:
                    characteristic.pending = True
            characteristic.cccd = bits

    # A peer that nobody knows feeds no controller.
    def _ask_sensor(self):
        if not self._asking and not self._security.refuses_therapy():
            self._asking = True
            self._client.opened()

    def receive(self, buf, start, end):
        super().receive(buf, start, end)
        self._stale |= self._changing

    def _from_server(self, s, opcode, buf, start, end):
        if not self._security.refuses_therapy():
            super()._from_server(s, opcode, buf, start, end)

    def _write(self, s, buf, start, end):
        handle = buf[start + 1] | buf[start + 2] << 8
        characteristic = self._values.get(handle)
        if characteristic is None or not characteristic.properties & WRITE:
            return
        self._look_at_configurations()
        if handle in _CONTROL_POINTS:
            self._write_control_point(s, characteristic, buf, start + 3, end)
            return
        error = att.INSUFFICIENT_AUTHORIZATION
        if not self._security.refuses_therapy():
            error = characteristic.write(s, buf, start + 3, end)
            self._pump.store.commit()
        if self._bearer.has(self.result):
            self.result.tell(handle, error)
            self.notify(s, self.result)

    def _write_control_point(self, s, control_point, buf, start, end):
        error = control_point.write(s, buf, start, end)
        self._pump.store.commit()
        if error == att.CONFIGURATION_IMPROPER or error == att.PROCEDURE_IN_PROGRESS:
            for refusal in self._refusals:
                if refusal.control_point is control_point and refusal.opcode < 0 and control_point.indicates():
                    refusal.opcode = control_point.opcode_of(buf, start)
        elif error:
            # A wrong length counts like a wrong CRC: nobody else gets to know of it.
            if error == att.INVALID_LENGTH:
                control_point.e2e_failures += 1
            self._bearer.disconnect()

    # --- Values --------------------------------------------------------------------------------------------------

    # The stack has given out a value: the next one has the next counter.
    def was_read(self, handle):
        for at in range(len(self._shown)):
            characteristic = self._shown[at]
            if characteristic.handle == handle and characteristic.protected:
                characteristic.next_counter()
                self._stale |= 1 << at

    # What was told has taken a counter.
    def _send_value(self, s, opcode, characteristic):
        shown = characteristic in self._shown
        if shown:
            self._bearer.count_reads()
        super()._send_value(s, opcode, characteristic)
        if shown:
            self._stale |= 1 << self._shown.index(characteristic)

    # Brings the pump to the second that is about to come when something falls on it, so that a read shows it.
    def _look_ahead(self):
        s = self._clock.effect_s()
        if self._pump.due_s() <= s:
            self._advance()
            self._stale |= self._changing
        if s != self._second:
            self._second = s
            self._stale |= self._ticking
            if self._bearer.connected:
                self._look_at_configurations()
                self._ask_sensor()
        inputs = 0
        for other in self.others:
            inputs += other.inputs
        if inputs != self._inputs_seen:
            self._inputs_seen = inputs
            self._stale |= self._changing

    # Makes values anew, as many as there is time for before the pump has its turn.
    def _show(self):
        self._turn.start(_TURN_MS)
        while self._stale and not self._turn.over():
            self._show_next()
            self._clock.read()

    # Makes one anew. It is not sent yet, and so does not count.
    def _show_next(self):
        at = 0
        while not self._stale >> at & 1:
            at += 1
        self._stale &= ~(1 << at)
        characteristic = self._shown[at]
        bearer = self._bearer
        sent = characteristic.sent
        end = characteristic.value(self._clock.effect_s(), bearer.pdu, bearer.pdu_start + 3)
        if characteristic.protected:
            characteristic.sent = sent
        bearer.prepare(characteristic.handle, end)

    def run(self):
        bearer = self._bearer
        if bearer.linked:
            self._look_ahead()
        if bearer.connected:
            for refusal in self._refusals:
                control_point = refusal.control_point
                refusal.pending = refusal.opcode >= 0 and not control_point.busy()
            super().run()
        if self._stale:
            self._show()

    def wait_ms(self):
        if self._stale:
            return 0
        if not self._bearer.linked:
            return -1
        wait_ms = self._clock.ms_until_s(self._clock.effect_s())
        own_ms = super().wait_ms()
        return own_ms if 0 <= own_ms < wait_ms else wait_ms


# The pump's services over the air.
class AirPeripheral(Peripheral):
    def new_server(self, clock, bearer, pump, mtu_max):
        return AirServer(clock, bearer, pump, mtu_max, self.radio)

    def new_procedures(self, pump, beside):
        return AirProcedures(pump, self.radio, beside)

    # The stack asks for nothing: all that can be read stands ready for it from the start.
    def add_seldom_asked(self):
        self.server.result = EmulatorWriteResult(self.codec)
        self.server.status_changed = self.status_changed
        self.server.add(self.server.result)
        for characteristic in seldom.characteristics(self):
            self.server.add(characteristic)
