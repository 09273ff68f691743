# The way to the sensor: the pump is client of the CGM service of the peer, on the connection on which the peer is its
# client.
#
# What asks knows the handles of the table; the peer's own ones are discovered when it first asks. One request is under
# way at a time, discovering included; its answer is an ATT PDU as it would come over serial.
from micropython import const

from bearer import ble_events as events
from gatt import att, handles

_CGM_SERVICE = const(0x181F)
_CONFIGURATION = const(0x2902)
# UUID and table handle of each value.
_VALUES = (
    (0x2AA7, handles.CGM_MEASUREMENT), (0x2AA8, handles.CGM_FEATURE), (0x2AA9, handles.CGM_STATUS),
    (0x2AAA, handles.CGM_SESSION_START_TIME), (0x2A52, handles.CGM_RECORD_ACCESS_CONTROL_POINT),
)  # fmt: skip
_CONFIGURED = (handles.CGM_MEASUREMENT, handles.CGM_RECORD_ACCESS_CONTROL_POINT)

_NOT_FOUND = const(0x0A)
_UNLIKELY = const(0x0E)
_WITH_RESPONSE = const(1)
_IDLE = const(0)
_SERVICES = const(1)
_CHARACTERISTICS = const(2)
_DESCRIPTORS = const(3)
_ASKING = const(4)


def _uuid16(octets):
    return octets[0] | octets[1] << 8 if len(octets) == 2 else 0


class SensorPath:
    # uuid: the class bluetooth.UUID. answer(opcode, handle, octets): takes what a request came to; handle and octets as
    # they stand in the PDU. octets is one error code in an ERROR_RESPONSE.
    def __init__(self, ble, uuid, answer):
        self._ble = ble
        self._service = uuid(_CGM_SERVICE)
        self._answer = answer
        self._value = b""
        self.reset()

    # Forgets what belongs to a connection.
    def reset(self):
        self._phase = _IDLE
        self._connection = 0
        # Handles of the peer by those of the table, and where the descriptors of a value end, by its table handle.
        self._peer_handles = {}
        self._ends = {}
        self._first = 0
        self._last = 0
        self._opcode = 0
        self._handle = 0

    # A request of the CGM client: a read, or a write of a value.
    def request(self, connection, opcode, handle, value):
        self._connection = connection
        self._opcode = opcode
        self._handle = handle
        self._value = value
        self._last = 0
        if self._peer_handles:
            self._ask()
        else:
            self._phase = _SERVICES
            self._do(self._ble.gattc_discover_services, connection, self._service)

    # Whether a handle of the peer is one of the table; 0 when it is not.
    def table_handle(self, peer_handle):
        for handle, peers in self._peer_handles.items():
            if peers == peer_handle:
                return handle
        return 0

    def _do(self, call, *arguments):
        try:
            call(*arguments)
        except OSError:
            self._refuse(_UNLIKELY)

    def _refuse(self, error):
        self._phase = _IDLE
        self._answer(att.ERROR_RESPONSE, self._handle, bytes((self._opcode, error)))

    def _ask(self):
        self._phase = _ASKING
        peer_handle = self._peer_handles.get(self._handle, 0)
        if not peer_handle:
            self._refuse(_NOT_FOUND)
        elif self._opcode == att.READ_REQUEST:
            self._value = b""
            self._do(self._ble.gattc_read, self._connection, peer_handle)
        else:
            self._do(self._ble.gattc_write, self._connection, peer_handle, self._value, _WITH_RESPONSE)

    # Takes an event of the GATT client.
    def take(self, event):
        kind = event.kind
        if kind == events.GATTC_SERVICE_RESULT and self._phase == _SERVICES:
            self._first, self._last = event.first, event.second
        elif kind == events.GATTC_SERVICE_DONE and self._phase == _SERVICES:
            self._discover_values()
        elif kind == events.GATTC_CHARACTERISTIC_RESULT and self._phase == _CHARACTERISTICS:
            self._found_value(event)
        elif kind == events.GATTC_CHARACTERISTIC_DONE and self._phase == _CHARACTERISTICS:
            self._discover_configurations()
        elif kind == events.GATTC_DESCRIPTOR_RESULT and self._phase == _DESCRIPTORS:
            self._found_descriptor(event)
        elif kind == events.GATTC_DESCRIPTOR_DONE and self._phase == _DESCRIPTORS:
            self._discover_configurations()
        elif kind == events.GATTC_READ_RESULT and self._phase == _ASKING:
            self._value = event.octets
        elif kind in (events.GATTC_READ_DONE, events.GATTC_WRITE_DONE) and self._phase == _ASKING:
            self._done(event.second)

    # A status is an ATT error code in its low octet, or the stack's own.
    def _done(self, status):
        if status:
            self._refuse(status & 0xFF or _UNLIKELY)
            return
        self._phase = _IDLE
        if self._opcode == att.READ_REQUEST:
            self._answer(att.READ_RESPONSE, self._handle, self._value)
        else:
            self._answer(att.WRITE_RESPONSE, self._handle, b"")

    # --- Discovering ---------------------------------------------------------------------------------------------

    def _discover_values(self):
        if not self._last:
            self._refuse(_NOT_FOUND)
            return
        self._phase = _CHARACTERISTICS
        self._do(self._ble.gattc_discover_characteristics, self._connection, self._first, self._last)

    # The event has the end of the value's descriptors first, then its handle.
    def _found_value(self, event):
        uuid = _uuid16(event.octets)
        for known, handle in _VALUES:
            if known == uuid:
                self._peer_handles[handle] = event.second
                if handle in _CONFIGURED:
                    self._ends[handle] = event.first

    # One value after the other.
    def _discover_configurations(self):
        for handle, end in self._ends.items():
            self._phase = _DESCRIPTORS
            self._first = handle
            del self._ends[handle]
            self._do(self._ble.gattc_discover_descriptors, self._connection, self._peer_handles[handle], end)
            return
        self._ask()

    def _found_descriptor(self, event):
        if _uuid16(event.octets) == _CONFIGURATION:
            self._peer_handles[self._first + 1] = event.first
