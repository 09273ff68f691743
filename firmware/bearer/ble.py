# The BLE bearer: a connection over the air, and the ATT PDUs on it, as the serial bearer has them.
#
# The radio's stack is the ATT server that the peer meets: it gives out values that stand ready, and acknowledges every
# write by itself. What it tells of becomes PDUs with the handles of the table; of the PDUs that come back,
# notifications, indications and requests to the sensor go to the stack, and answers that it has already given nowhere.
#
# The link is `connected` once it is secure: before, nothing is said and nothing is taken.

from micropython import const

import bluetooth
from bearer import ble_events as events
from bearer import ble_security as security
from bearer.ble_advertising import Advertising
from bearer.ble_bonds import Bonds
from bearer.ble_events import Events
from bearer.ble_security import Security
from bearer.ble_sensor import SensorPath
from clock import Timeout
from gatt import att
from gatt.characteristic import WRITE

MTU_MAX = 247
_MTU_DEFAULT = const(23)
_VALUE_AT = const(3)  # In a PDU, after opcode and handle.
_BUFFER_OCTETS = const(256)

# IO capabilities and passkey actions of `bluetooth`.
_DISPLAY_ONLY = const(0)
_NO_INPUT_OUTPUT = const(3)
_SHOW = const(3)
# Of a characteristic: its configuration wants encryption. NimBLE knows the bit, though `bluetooth` has no name for it.
_CONFIGURATION_ENCRYPTED = const(0x8000)
_NOTIFY_OR_INDICATE = const(0x30)

_RETRY_MS = const(5)
# How many notifications may wait because the stack's queue is full; more would be a fault of this program.
_KEPT_MAX = const(64)
_SECURE_MS = const(30000)
_SAVE_AGAIN_MS = const(60000)
_FLIGHT_MS = const(10000)
# Where the stack does not tell that its queue is full: notifications that may go ahead, and how many a connection event
# carries away at least.
_AHEAD = const(8)
_PER_EVENT = const(4)
_INTERVAL_MS = const(50)
_U16_MAX = const(0xFFFF)


class BleBearer:
    over_air = True

    # name: the board's. passkeys: whether its stack can show one. say(text): to whoever is at the console. folder: see
    # Bonds.
    def __init__(self, clock, name, passkeys, say, folder=""):
        self.link = None
        self.pdu = bytearray(_BUFFER_OCTETS)
        self.pdu_start = 0
        self.connected = False
        self.dropped_frames = 0
        self._clock = clock
        self.bonds = Bonds(folder)
        self.security = Security(clock, self, self.bonds, passkeys, name.encode(), say)
        self._passkeys = passkeys
        self._ble = bluetooth.BLE()
        self._events = Events(self._ble, self.bonds, not passkeys)
        self.stream = self._events.stream
        # Handles of the stack by those of the table, and the other way round.
        self.stack_handles = {}
        self.table_handles = {}
        self._start_stack(name)
        self._sensor = SensorPath(self._ble, bluetooth.UUID, self._answer)
        self._in = bytearray(_BUFFER_OCTETS)
        self._views = {}
        self.linked = False
        self._connection = 0
        # This side has ended the connection, and waits for the stack to say so.
        self._ending = False
        # A connection that nobody wanted, until it has ended.
        self._unwanted = -1
        # Notifications and indications that the stack had no room for: (opcode, handle of the stack, octets).
        self._kept = []
        self._retry = Timeout(clock)
        self._secure = Timeout(clock)
        self._flight = Timeout(clock)
        self._save_again = Timeout(clock)
        self._say = say
        self._save_failed = False
        # What was notified and has not yet been carried away, and when that was reckoned.
        self._ahead = 0
        self._interval_ms = _INTERVAL_MS
        self._carried = Timeout(clock)

    # --- The stack -----------------------------------------------------------------------------------------------

    def _start_stack(self, name):
        ble = self._ble
        # It asks for its own secret while it starts.
        ble.irq(self._events.handle)
        ble.active(True)
        ble.config(mtu=MTU_MAX)
        ble.config(
            bond=True, mitm=self._passkeys, le_secure=True, io=_DISPLAY_ONLY if self._passkeys else _NO_INPUT_OUTPUT
        )
        address = bytes(ble.config("mac")[1])
        self.security.address = address
        device_name = b"pumprig %02X%02X" % (address[4], address[5])
        ble.config(gap_name=device_name)
        self._advertising = Advertising(self._clock, ble, device_name)
        self._register()

    def _register(self):
        from gatt.ble_database import forget, services, table_handles

        protected = []
        for service, characteristics in services(bluetooth.UUID, self._passkeys):
            protected.append((service, tuple([_with_configuration(row, self._passkeys) for row in characteristics])))
        found = self._ble.gatts_register_services(tuple(protected))
        of_table = table_handles(self._passkeys)
        at = 0
        for handles in found:
            for handle in handles:
                self.stack_handles[of_table[at]] = handle
                self.table_handles[handle] = of_table[at]
                at += 1
        # Nothing of it is needed any more, and it is large.
        forget()

    # Whether a characteristic is served here: not every stack has room for all of them.
    def has(self, characteristic):
        return characteristic.handle in self.stack_handles

    # A characteristic is served: what is written to it must be seen whole, and be seen to be too long.
    def expect(self, characteristic):
        if characteristic.properties & WRITE:
            self._ble.gatts_set_buffer(self.stack_handles[characteristic.handle], characteristic.octets_max + 1)

    # Gives the stack the value that stands in `pdu` up to `end`, for reads.
    def prepare(self, handle, end):
        self._ble.gatts_write(self.stack_handles[handle], self._value(end))

    # The configuration of a characteristic, -1 where the stack does not tell.
    def configuration(self, handle):
        if self._passkeys:
            return -1
        octets = self._ble.gatts_read(self.stack_handles[handle] + 1)
        return octets[0] | octets[1] << 8

    # What a client has configured ends with its connection; a stack that tells of it keeps it.
    def unconfigure(self, handle):
        if not self._passkeys:
            self._ble.gatts_write(self.stack_handles[handle] + 1, b"\0\0")

    # --- The connection ------------------------------------------------------------------------------------------

    # The pump can be found from now on.
    def start(self):
        self._advertise()

    def _advertise(self):
        self._advertising.start(len(self.bonds.peers) > 0)
        self._tell_advertising()

    def _tell_advertising(self):
        bonded_first = self._advertising.bonded_first
        self.security.state = security.ADVERTISING_BONDED if bonded_first else security.ADVERTISING

    def _begin(self, connection, peer):
        self._events.begin_reads()
        stranger = not self.bonds.knows(peer)
        if self.linked or stranger and (self._advertising.bonded_first or self.security.locked()):
            self._unwanted = connection
            self._hang_up(connection)
            return
        self._advertising.stop()
        self.linked = True
        self._connection = connection
        self._ending = False
        self._interval_ms = _INTERVAL_MS
        self._ahead = 0
        self._secure.start(_SECURE_MS)
        self.security.mtu = _MTU_DEFAULT
        self.security.state = security.CONNECTED
        self.security.connected(peer)
        self.link.approached()

    def _hang_up(self, connection):
        try:
            self._ble.gap_disconnect(connection)
        except OSError:
            # The peer was faster.
            pass

    def _ended(self, connection):
        if connection == self._unwanted:
            self._unwanted = -1
            if not self.linked:
                self._advertising.again()
            return
        if not self.linked or connection != self._connection:
            return
        self._end_link()
        self.linked = False
        self._secure.stop()
        self.link.left()
        self.security.mtu = 0
        self.security.disconnected()
        if self._flight.running:
            self.security.state = security.OFF
        else:
            self._advertise()

    # What belongs to the connection is over, for this side.
    def _end_link(self):
        self._kept = []
        self._retry.stop()
        self._sensor.reset()
        if self.connected:
            self.connected = False
            self.link.disconnected()

    # Ends the connection from this side; what still comes on it is not looked at.
    def disconnect(self):
        if self.linked:
            self._ending = True
            self._end_link()
            self._hang_up(self._connection)

    # Flight mode. Nobody stands at the pump to end it: it ends by itself.
    def quiet(self):
        self._flight.start(_FLIGHT_MS)
        self.disconnect()

    # To be called after each reading of the clock.
    def run(self):
        self.security.run()
        if self._retry.over():
            self._retry.stop()
            self._send_kept()
        if self._secure.over():
            self._secure.stop()
            self.disconnect()
        if self._flight.over():
            self._flight.stop()
            if not self.linked:
                self._advertise()
        if self._advertising.run():
            self._tell_advertising()

    # Writes bonds that have changed; to be called while nothing is urgent. A pump whose flash fails there goes on
    # without, and tries again.
    def tend(self):
        if self._save_again.running and not self._save_again.over():
            return
        self._save_again.stop()
        if self.bonds.save():
            return
        self._save_again.start(_SAVE_AGAIN_MS)
        if not self._save_failed:
            self._save_failed = True
            self._say("pumprig: the bonds cannot be saved")

    # Milliseconds until `run` has something to do, or -1.
    def wait_ms(self):
        if self._events.waiting():
            return 0
        wait_ms = self.security.wait_ms()
        for part in (self._retry, self._secure, self._flight, self._advertising.phase, self._advertising.retry):
            if part.running and (wait_ms < 0 or part.left_ms() < wait_ms):
                wait_ms = part.left_ms()
        return wait_ms

    # --- Receiving -----------------------------------------------------------------------------------------------

    # Counts what the stack has given out; to be called before a value that can be read is sent, too.
    def count_reads(self):
        handle = self._events.take_read()
        while handle:
            self.link.was_read(self.table_handles.get(handle, 0))
            handle = self._events.take_read()

    # Takes what the stack has told of.
    def receive(self):
        event = self._events
        if event.lost:
            self._overrun()
        while event.take():
            kind = event.kind
            if kind == events.CENTRAL_CONNECT:
                self._begin(event.connection, bytes((event.first,)) + event.octets)
            elif kind == events.CENTRAL_DISCONNECT:
                self._ended(event.connection)
            elif self.linked and event.connection == self._connection and not self._ending:
                self._take(event)
        self.count_reads()

    # More came than could be kept: what was lost nobody knows.
    def _overrun(self):
        self.dropped_frames = min(self.dropped_frames + 1, _U16_MAX)
        self._events.lost = False
        self.disconnect()

    def _take(self, event):
        kind = event.kind
        if kind == events.ENCRYPTION_UPDATE:
            self._encryption(event.first)
        elif kind == events.PASSKEY_ACTION:
            self._passkey(event.first)
        elif kind == events.MTU_EXCHANGED:
            self.security.mtu = max(_MTU_DEFAULT, min(event.first, MTU_MAX))
        elif kind == events.CONNECTION_UPDATE:
            self._interval_ms = max(1, event.first * 5 // 4)
        elif not self.connected:
            return
        elif kind == events.GATTS_WRITE:
            self._receive(att.WRITE_REQUEST, self.table_handles.get(event.first, 0), event.octets)
        elif kind == events.GATTS_INDICATE_DONE:
            if event.second == 0:
                self._in[0] = att.CONFIRMATION
                self.link.receive(self._in, 0, 1)
        elif kind == events.GATTC_NOTIFY or kind == events.GATTC_INDICATE:
            handle = self._sensor.table_handle(event.first)
            if handle:
                self._receive(att.NOTIFICATION if kind == events.GATTC_NOTIFY else att.INDICATION, handle, event.octets)
        else:
            self._sensor.take(event)

    def _encryption(self, bits):
        self.security.update(bits)
        if self.security.trusted() and not self.connected:
            self._secure.stop()
            self.security.state = security.LINK_ENCRYPTED
            self.connected = True
            self.link.connected()
        elif self.connected and not self.security.trusted():
            # Who has just paired anew on it has proven nothing.
            self.disconnect()

    def _passkey(self, action):
        passkey = self.security.show_passkey() if action == _SHOW else -1
        if passkey < 0:
            self.disconnect()
            return
        try:
            self._ble.gap_passkey(self._connection, action, passkey)
        except OSError:
            # The peer has gone; the stack tells of it.
            pass

    # Hands on a PDU with a handle and octets.
    def _receive(self, opcode, handle, octets):
        buf = self._in
        end = _VALUE_AT + min(len(octets), _BUFFER_OCTETS - _VALUE_AT)
        buf[0] = opcode
        buf[1] = handle & 0xFF
        buf[2] = handle >> 8
        for at in range(_VALUE_AT, end):
            buf[at] = octets[at - _VALUE_AT]
        self.link.receive(buf, 0, end)

    # What the sensor answers. An ERROR_RESPONSE has the request before the handle.
    def _answer(self, opcode, handle, octets):
        buf = self._in
        if opcode == att.ERROR_RESPONSE:
            buf[0] = opcode
            buf[1] = octets[0]
            buf[2] = handle & 0xFF
            buf[3] = handle >> 8
            buf[4] = octets[1]
            self.link.receive(buf, 0, 5)
            return
        end = 1 + len(octets)
        buf[0] = opcode
        for at in range(1, end):
            buf[at] = octets[at - 1]
        self.link.receive(buf, 0, end)

    # --- Sending -------------------------------------------------------------------------------------------------

    # One view per length ever sent, kept, so that sending takes nothing from the heap.
    def _value(self, end):
        view = self._views.get(end)
        if view is None:
            view = memoryview(self.pdu)[_VALUE_AT:end]
            self._views[end] = view
        return view

    # Sends the PDU that stands in `pdu` up to `end`; what the stack has answered by itself goes nowhere.
    def send(self, end):
        opcode = self.pdu[0]
        if opcode == att.NOTIFICATION or opcode == att.INDICATION:
            handle = self.stack_handles[self.pdu[1] | self.pdu[2] << 8]
            if self._kept or not self._tell(opcode, handle, self._value(end)):
                self._keep(opcode, handle, bytes(self._value(end)))
        elif opcode == att.READ_REQUEST or opcode == att.WRITE_REQUEST:
            handle = self.pdu[1] | self.pdu[2] << 8
            self._sensor.request(self._connection, opcode, handle, bytes(self._value(end)))

    # False when the stack has no room.
    def _tell(self, opcode, handle, octets):
        try:
            if opcode == att.NOTIFICATION:
                self._ble.gatts_notify(self._connection, handle, octets)
            else:
                self._ble.gatts_indicate(self._connection, handle, octets)
        except OSError:
            return False
        self._count_ahead()
        return True

    # Nothing is lost: what comes after it waits behind it, and who streams asks drain_ms() before.
    def _keep(self, opcode, handle, octets):
        if len(self._kept) >= _KEPT_MAX:
            self._overrun()
            return
        self._kept.append((opcode, handle, octets))
        if not self._retry.running:
            self._retry.start(_RETRY_MS)

    def _send_kept(self):
        while self._kept:
            opcode, handle, octets = self._kept[0]
            if not self._tell(opcode, handle, octets):
                self._retry.start(_RETRY_MS)
                return
            del self._kept[0]

    # Milliseconds until there may be room for more.
    def drain_ms(self):
        if self._kept:
            return self._retry.left_ms() + 1
        if self._passkeys:
            return 0
        self._drain()
        return self._carried.left_ms() + 1 if self._ahead >= _AHEAD else 0

    # A stack that takes everything keeps it on the heap: what it carries away is reckoned from the connection interval.
    def _count_ahead(self):
        if not self._passkeys:
            self._drain()
            self._ahead += 1

    def _drain(self):
        if not self._carried.running:
            self._carried.start(self._interval_ms)
        elif self._carried.over():
            self._ahead = max(0, self._ahead - _PER_EVENT)
            self._carried.start(self._interval_ms)


# A row of the database, its client configuration protected where the stack can do so.
def _with_configuration(row, passkeys):
    uuid, flags = row
    if passkeys and flags & _NOTIFY_OR_INDICATE:
        flags |= _CONFIGURATION_ENCRYPTED
    return (uuid, flags)
