# The attribute server of the pump, and the requests it makes of the sensor, over one bearer.
#
# A request is answered at once. Indications leave one at a time, each after the confirmation of the one before it;
# when a confirmation stays away for 30 s the connection gets no further indications and notifications (IDS 1.0.2,
# 3.11).
from clock import Timeout
from gatt import att
from gatt.characteristic import CCCD_INDICATE, READ, WRITE

_CONFIRMATION_MS = 30000
# How long streams may go on before the pump has its turn.
_TURN_MS = 3
# What is seldom asked for has handles of one octet.
_SELDOM_MAX = 255


class Server:
    # pump: has now_s and advance(s); it is brought to the second of effect before a PDU is looked at.
    def __init__(self, clock, bearer, pump, mtu_max):
        self.mtu = att.MTU_DEFAULT
        self._clock = clock
        self._bearer = bearer
        self._pump = pump
        self._mtu_max = mtu_max
        self._values = {}
        self._configurations = {}
        self._indicators = []
        self._streams = []
        self._parts = []
        self._client = None
        # Servers of the same pump on other bearers.
        self.others = []
        # Handles whose characteristics are added by the first request for one of them, and what adds them.
        self.seldom_asked = b""
        self.add_late = None
        self._indicated = None
        self._silent = False
        # How many PDUs have been received.
        self.inputs = 0
        self._confirmation = Timeout(clock)
        self._turn = Timeout(clock)

    # Indications that wait at the same time leave in the order in which their characteristics were added.
    def add(self, characteristic):
        self._values[characteristic.handle] = characteristic
        bits = characteristic.allowed_cccd()
        if bits:
            self._configurations[characteristic.handle + 1] = characteristic
        if bits & CCCD_INDICATE:
            self._indicators.append(characteristic)
        self._parts.append(characteristic)

    # How many writes were refused for their counter or CRC.
    def e2e_failures(self):
        failures = 0
        for characteristic in self._values.values():
            failures += characteristic.e2e_failures
        return failures

    # Called before code is loaded, which may take longer than a pulse: whoever has a motor puts something in its place.
    def before_loading(self):
        pass

    # A stream has `streaming` and send_next(s), which does one piece of much: it notifies one record, or looks at one.
    # True when the next piece can follow at once.
    def add_stream(self, stream):
        self._streams.append(stream)

    # A part is reset() when a connection begins and when it ends, as every characteristic is.
    def add_part(self, part):
        self._parts.append(part)

    # The client gets opened(), response(s, ...), refused(s, error) and notified(s, handle, ...).
    def set_client(self, client):
        self._client = client
        self._parts.append(client)

    # --- The bearer's side ----------------------------------------------------------------------------------------

    def connected(self):
        self._reset()
        if self._client is not None:
            self._client.opened()

    def disconnected(self):
        self._reset()

    def _reset(self):
        self.mtu = att.MTU_DEFAULT
        self._indicated = None
        self._silent = False
        self._confirmation.stop()
        for part in self._parts:
            part.reset()

    def _advance(self):
        self._clock.read()
        s = self._clock.effect_s()
        self._pump.advance(s)
        self._pump.store.commit()
        return s

    # Takes one PDU. What arrives takes effect, and is answered, at the next whole second (D-002).
    def receive(self, buf, start, end):
        self.inputs = (self.inputs + 1) & 0xFFFF
        s = self._advance()
        opcode = buf[start]
        if opcode == att.WRITE_REQUEST and end - start >= 3:
            self._write(s, buf, start, end)
        elif opcode == att.READ_REQUEST and end - start == 3:
            self._read(s, buf[start + 1] | buf[start + 2] << 8)
        elif opcode == att.CONFIRMATION and end - start == 1:
            self._confirmed()
        elif opcode == att.EXCHANGE_MTU_REQUEST and end - start == 3:
            self._exchange_mtu(buf[start + 1] | buf[start + 2] << 8)
        elif opcode & 1:
            self._from_server(s, opcode, buf, start, end)
        elif not opcode & att.COMMAND_FLAG and opcode != att.CONFIRMATION:
            known = opcode in (att.WRITE_REQUEST, att.READ_REQUEST, att.EXCHANGE_MTU_REQUEST)
            self._error(opcode, 0, att.INVALID_PDU if known else att.REQUEST_NOT_SUPPORTED)

    # What the other side sends as a server has an odd opcode.
    def _from_server(self, s, opcode, buf, start, end):
        if opcode == att.INDICATION:
            self._pdu(att.CONFIRMATION)
            self._bearer.send(self._bearer.pdu_start + 1)
        client = self._client
        if client is None:
            return
        if (opcode == att.NOTIFICATION or opcode == att.INDICATION) and end - start >= 3:
            client.notified(s, buf[start + 1] | buf[start + 2] << 8, buf, start + 3, end)
        elif opcode in (att.READ_RESPONSE, att.WRITE_RESPONSE):
            client.response(s, opcode, buf, start + 1, end)
        elif opcode == att.ERROR_RESPONSE and end - start == 5:
            client.refused(s, buf[start + 4])

    # --- Answers --------------------------------------------------------------------------------------------------

    def _pdu(self, opcode):
        self._bearer.pdu[self._bearer.pdu_start] = opcode

    def _handle(self, at, handle):
        pdu = self._bearer.pdu
        at += self._bearer.pdu_start
        pdu[at] = handle & 0xFF
        pdu[at + 1] = handle >> 8

    def _error(self, request, handle, error):
        pdu = self._bearer.pdu
        start = self._bearer.pdu_start
        pdu[start] = att.ERROR_RESPONSE
        pdu[start + 1] = request
        self._handle(2, handle)
        pdu[start + 4] = error
        self._bearer.send(start + 5)

    def _exchange_mtu(self, wanted):
        self._pdu(att.EXCHANGE_MTU_RESPONSE)
        self._handle(1, self._mtu_max)
        self._bearer.send(self._bearer.pdu_start + 3)
        self.mtu = max(att.MTU_DEFAULT, min(wanted, self._mtu_max))

    # Whether there is room for what a handle is of; nothing has been done when there is not.
    def _has_room(self, handle):
        if handle > _SELDOM_MAX or handle not in self.seldom_asked:
            return True
        if not self.add_late():
            return False
        self.seldom_asked = b""
        return True

    def _read(self, s, handle):
        start = self._bearer.pdu_start
        if not self._has_room(handle):
            self._error(att.READ_REQUEST, handle, att.INSUFFICIENT_RESOURCES)
            return
        characteristic = self._values.get(handle)
        if characteristic is not None:
            if not characteristic.properties & READ:
                self._error(att.READ_REQUEST, handle, att.READ_NOT_PERMITTED)
                return
            # What the MTU does not carry is left away: a client that wants all of it exchanges another one.
            end = min(characteristic.value(s, self._bearer.pdu, start + 1), start + self.mtu)
        else:
            characteristic = self._configurations.get(handle)
            if characteristic is None:
                self._error(att.READ_REQUEST, handle, att.INVALID_HANDLE)
                return
            self._handle(1, characteristic.cccd)
            end = start + 3
        self._pdu(att.READ_RESPONSE)
        self._bearer.send(end)

    def _write(self, s, buf, start, end):
        handle = buf[start + 1] | buf[start + 2] << 8
        if not self._has_room(handle):
            self._error(att.WRITE_REQUEST, handle, att.INSUFFICIENT_RESOURCES)
            return
        characteristic = self._values.get(handle)
        if characteristic is None:
            error = self._configure(self._configurations.get(handle), buf, start + 3, end)
        elif not characteristic.properties & WRITE:
            error = att.WRITE_NOT_PERMITTED
        elif end - start > self.mtu:
            error = att.INVALID_LENGTH
        else:
            error = characteristic.write(s, buf, start + 3, end)
            self._pump.store.commit()
        if error:
            self._error(att.WRITE_REQUEST, handle, error)
        else:
            self._pdu(att.WRITE_RESPONSE)
            self._bearer.send(self._bearer.pdu_start + 1)

    def _configure(self, characteristic, buf, start, end):
        if characteristic is None:
            return att.INVALID_HANDLE
        if end - start != 2:
            return att.INVALID_LENGTH
        bits = buf[start] | buf[start + 1] << 8
        if bits & ~characteristic.allowed_cccd():
            return att.VALUE_NOT_ALLOWED
        characteristic.cccd = bits
        return att.OK

    # --- Indications and notifications ----------------------------------------------------------------------------

    def _confirmed(self):
        characteristic = self._indicated
        if characteristic is not None and not self._silent:
            self._indicated = None
            self._confirmation.stop()
            characteristic.confirmed()

    # Notifies the value of a characteristic now, when the client has asked for it.
    def notify(self, s, characteristic):
        if characteristic.notifies() and not self._silent:
            self._send_value(s, att.NOTIFICATION, characteristic)

    # What is told is durable before (DOSING.md section 12).
    def _send_value(self, s, opcode, characteristic):
        self._pump.store.commit()
        end = characteristic.value(s, self._bearer.pdu, self._bearer.pdu_start + 3)
        self._pdu(opcode)
        self._handle(1, characteristic.handle)
        self._bearer.send(end)

    # Sends what can be sent; to be called after each reading of the clock and after input.
    def run(self):
        if not self._bearer.connected:
            return
        if self._confirmation.over():
            self._confirmation.stop()
            self._silent = True
        if self._silent:
            return
        for stream in self._streams:
            if stream.streaming:
                self._run_stream(stream)
        if self._indicated is None:
            for characteristic in self._indicators:
                if characteristic.pending:
                    self._indicate(characteristic)
                    break

    def _run_stream(self, stream):
        self._turn.start(_TURN_MS)
        more = True
        while more and stream.streaming and not self._bearer.drain_ms() and not self._turn.over():
            more = stream.send_next(self._pump.now_s)
            self._clock.read()

    def _indicate(self, characteristic):
        characteristic.pending = False
        self._indicated = characteristic
        self._confirmation.start(_CONFIRMATION_MS)
        self._send_value(self._pump.now_s, att.INDICATION, characteristic)

    # Milliseconds until `run` has something to do, or -1.
    def wait_ms(self):
        if not self._bearer.connected or self._silent:
            return -1
        wait_ms = -1
        for stream in self._streams:
            if stream.streaming:
                wait_ms = max(1, self._bearer.drain_ms())
        if self._confirmation.running:
            left_ms = self._confirmation.left_ms()
            if wait_ms < 0 or left_ms < wait_ms:
                wait_ms = left_ms
        return wait_ms

    # --- Requests to the sensor -----------------------------------------------------------------------------------

    def request_read(self, handle):
        self._pdu(att.READ_REQUEST)
        self._handle(1, handle)
        self._bearer.send(self._bearer.pdu_start + 3)

    def request_write(self, handle, value):
        self._pdu(att.WRITE_REQUEST)
        self._handle(1, handle)
        pdu = self._bearer.pdu
        end = self._bearer.pdu_start + 3
        for octet in value:
            pdu[end] = octet
            end += 1
        self._bearer.send(end)
