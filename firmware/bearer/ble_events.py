# What the radio's stack says, between its interrupt handler and the main loop.
#
# The handler only stores: a row of places that stand ready, one for each event, and the octets that come with it. What
# does not fit is never lost silently: `lost` is set, and who reads it ends the connection. Reads have a row of their
# own: whoever is about to send a value has to know first that the stack has given it out.
import io
from array import array

from micropython import const

# Events of `bluetooth`.
CENTRAL_CONNECT = const(1)
CENTRAL_DISCONNECT = const(2)
GATTS_WRITE = const(3)
_GATTS_READ_REQUEST = const(4)
GATTC_SERVICE_RESULT = const(9)
GATTC_SERVICE_DONE = const(10)
GATTC_CHARACTERISTIC_RESULT = const(11)
GATTC_CHARACTERISTIC_DONE = const(12)
GATTC_DESCRIPTOR_RESULT = const(13)
GATTC_DESCRIPTOR_DONE = const(14)
GATTC_READ_RESULT = const(15)
GATTC_READ_DONE = const(16)
GATTC_WRITE_DONE = const(17)
GATTC_NOTIFY = const(18)
GATTC_INDICATE = const(19)
GATTS_INDICATE_DONE = const(20)
MTU_EXCHANGED = const(21)
CONNECTION_UPDATE = const(27)
ENCRYPTION_UPDATE = const(28)
_GET_SECRET = const(29)
_SET_SECRET = const(30)
PASSKEY_ACTION = const(31)

# Bits of the second number of ENCRYPTION_UPDATE.
ENCRYPTED = const(1)
AUTHENTICATED = const(2)
BONDED = const(4)

_PLACES = const(128)
_READS = const(32)
# Places that only the beginning and the end of a connection may take.
_SPARE = const(4)
_STREAM_POLL = const(3)
_POLL_IN = const(1)
_NO_CONNECTION = const(0xFFFF)
# Octets that may wait at one time.
_OCTETS_MAX = const(8192)
_COUNT_MASK = const(0x3FFFFFFF)

_WITH_OCTETS = (GATTC_READ_RESULT, GATTC_NOTIFY, GATTC_INDICATE)
_WITH_UUID = (GATTC_SERVICE_RESULT, GATTC_CHARACTERISTIC_RESULT, GATTC_DESCRIPTOR_RESULT)


# Ready to be read while an event waits, so that a poll of the main loop ends.
class _Woken(io.IOBase):
    def __init__(self, events):
        self._events = events

    def ioctl(self, request, arg):
        return arg & _POLL_IN if request == _STREAM_POLL and self._events.waiting() else 0


class Events:
    # ble: the stack. bonds: answers for its secrets, at once, as the stack waits for them. lab_only: the stack can
    # authenticate nobody.
    def __init__(self, ble, bonds, lab_only):
        self._ble = ble
        self._bonds = bonds
        self._trusted = ENCRYPTED if lab_only else ENCRYPTED | AUTHENTICATED
        # The connection whose values are kept: it is secure.
        self._secured = _NO_CONNECTION
        self._kinds = bytearray(_PLACES)
        self._connections = array("H", bytes(2 * _PLACES))
        self._firsts = array("H", bytes(2 * _PLACES))
        self._seconds = array("H", bytes(2 * _PLACES))
        self._octets = [b""] * _PLACES
        # Written by the handler alone, and by the main loop alone.
        self._put_at = 0
        self._taken_at = 0
        # Octets that ever came, and that were taken, each written by one side alone, too.
        self._octets_put = 0
        self._octets_taken = 0
        self._reads = array("H", bytes(2 * _READS))
        self._read_put_at = 0
        self._read_taken_at = 0
        self.lost = False
        self.stream = _Woken(self)
        # The event that was taken last.
        self.kind = 0
        self.connection = 0
        self.first = 0
        self.second = 0
        self.octets = b""

    def waiting(self):
        return self._put_at != self._taken_at or self._read_waits()

    def _read_waits(self):
        at = self._read_taken_at
        return at != self._read_put_at and self._reads[at] != _NO_CONNECTION

    # Takes the handle of the next value that was read; 0 when there is none on the connection that has been taken.
    def take_read(self):
        if not self._read_waits():
            return 0
        at = self._read_taken_at
        self._read_taken_at = (at + 1) % _READS
        return self._reads[at]

    # A connection has been taken: what was read before is over.
    def begin_reads(self):
        handle = 0
        while handle != _NO_CONNECTION and self._read_taken_at != self._read_put_at:
            handle = self._reads[self._read_taken_at]
            self._read_taken_at = (self._read_taken_at + 1) % _READS

    def _put_read(self, handle):
        at = self._read_put_at
        following = (at + 1) % _READS
        if following == self._read_taken_at:
            self.lost = True
            return
        self._reads[at] = handle
        self._read_put_at = following

    # Takes the next event; False when there is none.
    def take(self):
        at = self._taken_at
        if at == self._put_at:
            return False
        self.kind = self._kinds[at]
        self.connection = self._connections[at]
        self.first = self._firsts[at]
        self.second = self._seconds[at]
        self.octets = self._octets[at]
        self._octets[at] = b""
        self._octets_taken = (self._octets_taken + len(self.octets)) & _COUNT_MASK
        self._taken_at = (at + 1) % _PLACES
        return True

    def _put(self, kind, connection, first, second, octets):
        at = self._put_at
        left = (self._taken_at - at - 1) % _PLACES
        held = (self._octets_put - self._octets_taken) & _COUNT_MASK
        full = left <= _SPARE or held + len(octets) > _OCTETS_MAX
        if left == 0 or full and kind > CENTRAL_DISCONNECT:
            self.lost = True
            return
        self._octets_put = (self._octets_put + len(octets)) & _COUNT_MASK
        self._kinds[at] = kind
        self._connections[at] = connection
        self._firsts[at] = first & 0xFFFF
        self._seconds[at] = second & 0xFFFF
        self._octets[at] = octets
        self._put_at = (at + 1) % _PLACES

    # The interrupt handler. What `data` holds is only good until it returns.
    def handle(self, event, data):
        try:
            return self._handle(event, data)
        except MemoryError:
            self.lost = True
            return None

    def _handle(self, event, data):
        if event == _GET_SECRET:
            return self._bonds.get(data[0], data[1], data[2])
        if event == _SET_SECRET:
            # Wakes the main loop, which writes it to flash.
            self._put(event, _NO_CONNECTION, 0, 0, b"")
            return self._bonds.set(data[0], data[1], data[2])
        if event == GATTS_WRITE:
            self._put(event, data[0], data[1], 0, self._ble.gatts_read(data[1]))
        elif event == _GATTS_READ_REQUEST:
            if data[0] != _NO_CONNECTION:
                self._put_read(data[1])
            return 0
        elif event == CENTRAL_CONNECT or event == CENTRAL_DISCONNECT:
            if event == CENTRAL_CONNECT:
                self._put_read(_NO_CONNECTION)
            self._put(event, data[0], data[1], 0, bytes(data[2]))
            if event == CENTRAL_DISCONNECT and data[0] == self._secured:
                self._secured = _NO_CONNECTION
        elif event in _WITH_OCTETS:
            # Anybody can send values; those of a peer that has proven nothing take no room.
            if data[0] == self._secured:
                self._put(event, data[0], data[1], 0, bytes(data[2]))
        elif event in _WITH_UUID:
            self._put(event, data[0], data[1], data[2] if len(data) > 3 else 0, bytes(data[len(data) - 1]))
        elif event == ENCRYPTION_UPDATE:
            state = (ENCRYPTED if data[1] else 0) | (AUTHENTICATED if data[2] else 0) | (BONDED if data[3] else 0)
            self._put(event, data[0], state, 0, b"")
            self._secure(data[0], state)
        elif CENTRAL_DISCONNECT < event <= PASSKEY_ACTION and len(data) >= 2:
            self._put(event, data[0], data[1], data[2] if len(data) > 2 else 0, b"")
        return None

    def _secure(self, connection, state):
        if state & self._trusted == self._trusted:
            if self._secured == _NO_CONNECTION:
                self._secured = connection
        elif state & ENCRYPTED and connection == self._secured:
            self._secured = _NO_CONNECTION
