# bluetooth: what MicroPython's own module offers of a peripheral with a GATT client, on NimBLE or BTstack, and no more.
#
# The radio behind it is in the host (radio/frames.py has the numbers). Handlers run where the firmware sleeps or polls.
# An attribute's value lives here, as in the database of the real module.
import os
import struct
import sys

import virtual_link as link

if not link.ble_stack:
    raise ImportError("no module named 'bluetooth'")

FLAG_READ = 0x02
FLAG_WRITE_NO_RESPONSE = 0x04
FLAG_WRITE = 0x08
FLAG_NOTIFY = 0x10
FLAG_INDICATE = 0x20

_NIMBLE = 1
_ENOENT = 2
_ENOMEM = 12
_ENODEV = 19
_EINVAL = 22
_EOPNOTSUPP = 95
_ENOTCONN = 107

_ACTIVE = 1
_CONFIG = 2
_ADVERTISE = 3
_REGISTER = 4
_DISCONNECT = 5
_PAIR = 6
_DISCOVER_SERVICES = 7
_DISCOVER_CHARACTERISTICS = 8
_DISCOVER_DESCRIPTORS = 9
_CLIENT_READ = 10
_CLIENT_WRITE = 11
_CLIENT_MTU = 12
_NOTIFY = 32
_INDICATE = 33
_UPDATED = 34
_PASSKEY = 35
_ANSWERED = 36
_SENT = 129
_CCCD = 130
_SECRET_DELETE = 131

_IRQ_CENTRAL_CONNECT = 1
_IRQ_CENTRAL_DISCONNECT = 2
_IRQ_GATTS_WRITE = 3
_IRQ_GATTS_READ_REQUEST = 4
_IRQ_SERVICE_RESULT = 9
_IRQ_CHARACTERISTIC_RESULT = 11
_IRQ_DESCRIPTOR_RESULT = 13
_IRQ_READ_RESULT = 15
_IRQ_NOTIFY = 18
_IRQ_INDICATE = 19
_IRQ_GET_SECRET = 29
_IRQ_SET_SECRET = 30
_IRQ_PASSKEY_ACTION = 31

# Events whose data are numbers alone.
_NUMBERS = {
    10: "<HH", 12: "<HH", 14: "<HH", 16: "<HHH", 17: "<HHH",
    20: "<HHB", 21: "<HH", 27: "<HHHHH", 28: "<HBBBB", 31: "<HBI",
}  # fmt: skip

_ATTRIBUTE_OCTETS = 20
_SECRET_IRK = 10
_SECRET_PEER = 2
_IRK_OCTETS = 16
_NO_CONNECTION = 0xFFFF


class UUID:
    def __init__(self, value):
        if isinstance(value, int):
            if not 0 <= value <= 0xFFFF:
                raise ValueError("invalid UUID")
            octets = struct.pack("<H", value)
        elif isinstance(value, str):
            digits = value.replace("-", "")
            if len(digits) != 32:
                raise ValueError("invalid UUID")
            octets = bytes(reversed(bytes.fromhex(digits)))
        else:
            octets = bytes(value)
            if len(octets) not in (2, 4, 16):
                raise ValueError("invalid UUID")
        self._octets = octets

    def __iter__(self):
        return iter(self._octets)

    def __len__(self):
        return len(self._octets)

    def __eq__(self, other):
        return isinstance(other, UUID) and other._octets == self._octets

    def __hash__(self):
        return hash(self._octets)

    def __repr__(self):
        digits = bytes(reversed(self._octets)).hex()
        if len(digits) < 32:
            return "UUID(0x" + digits + ")"
        parts = (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
        return "UUID('" + "-".join(parts) + "')"


# A value with the room it has. Longer values are cut off when they are written from afar.
class _Attribute:
    def __init__(self, octets):
        self.value = b""
        self.room = octets
        self.append = False


def _octets(data):
    return data.encode() if isinstance(data, str) else bytes(data)


def _packed_uuid(uuid):
    if uuid is None:
        return b"\x00"
    if not isinstance(uuid, UUID):
        raise TypeError("UUID")
    return bytes([len(uuid)]) + bytes(uuid)


class BLE:
    _only = None

    def __new__(cls):
        if cls._only is None:
            ble = cls._only = super().__new__(cls)
            ble._irq = None
            ble._on = False
            ble._name = b"MPY NIMBLE" if link.ble_stack == _NIMBLE else b"MPY BTSTACK"
            ble._mtu = 256 if link.ble_stack == _NIMBLE else 1017
            ble._bond = ble._mitm = ble._secure = 0
            ble._io = 3
            ble._address = bytes(7)
            ble._attributes = {}
            ble._connected = set()
            ble._queued = 0
            ble._asked = None
            link.take_event = ble._event
        return cls._only

    def __init__(self):
        pass

    # --- The radio ---------------------------------------------------------------------------------------------

    def active(self, on=None):
        if on is not None and bool(on) != self._on:
            self._on = False
            self._attributes.clear()
            self._connected.clear()
            self._queued = 0
            self._asked = None
            irk = self._own_irk() if on and link.ble_stack == _NIMBLE else bytes(_IRK_OCTETS)
            settings = irk + self._settings() if on else b""
            self._address = link.radio_request(bytes([_ACTIVE, 1 if on else 0]), settings)
            self._on = bool(on)
        return self._on

    # NimBLE looks for its identity key when it starts, keeps a new one if there is none, then loads its peers'.
    def _own_irk(self):
        irk = self._call(_IRQ_GET_SECRET, (_SECRET_IRK, 0, memoryview(b"irk")))
        if irk is None or len(irk) != _IRK_OCTETS:
            irk = os.urandom(_IRK_OCTETS)
            self._call(_IRQ_SET_SECRET, (_SECRET_IRK, memoryview(b"irk"), memoryview(irk)))
        index = 0
        while self._call(_IRQ_GET_SECRET, (_SECRET_PEER, index, None)) is not None:
            index += 1
        return bytes(irk)

    def _settings(self):
        head = struct.pack("<HBBBB", self._mtu, self._bond, self._mitm, self._secure, self._io)
        return head + self._name

    def config(self, *names, **values):
        if values:
            if names:
                raise TypeError("can't specify pos and kw args")
            for name, value in values.items():
                self._set(name, value)
            if self._on:
                link.radio_request(bytes([_CONFIG]), self._settings())
            return None
        if len(names) != 1:
            raise TypeError("must query one param")
        if names[0] == "gap_name":
            return self._name
        if names[0] == "mac":
            self._need()
            return (self._address[0], bytes(self._address[1:]))
        if names[0] == "mtu":
            self._need()
            return self._mtu
        raise ValueError("unknown config param")

    def _set(self, name, value):
        if name == "gap_name":
            value = _octets(value)
            if len(value) > 31 and link.ble_stack == _NIMBLE:
                raise OSError(_EINVAL)
            self._name = value
        elif name == "mtu":
            self._need()
            if not 23 <= value <= (527 if link.ble_stack == _NIMBLE else 1017):
                raise OSError(_EINVAL)
            self._mtu = value
        elif name == "addr_mode":
            self._need()
            # The board has no public address, and its random one is all it has.
            if value != 1:
                raise OSError(_EINVAL)
        elif name == "bond":
            self._bond = 1 if value else 0
        elif name == "mitm":
            self._mitm = 1 if value else 0
        elif name == "le_secure":
            self._secure = 1 if value else 0
        elif name == "io":
            self._io = value
        else:
            raise ValueError("unknown config param")

    def irq(self, handler):
        if handler is not None and not callable(handler):
            raise ValueError("invalid handler")
        self._irq = handler

    def _need(self):
        if not self._on:
            raise OSError(_ENODEV)

    # --- GAP ---------------------------------------------------------------------------------------------------

    def gap_advertise(self, interval_us=500000, adv_data=None, *, resp_data=None, connectable=True):
        self._need() if interval_us is not None else None
        if not self._on:
            return
        if interval_us is None:
            link.radio_request(struct.pack("<BIBB", _ADVERTISE, 0xFFFFFFFF, 0, 0))
            return
        advertised = b"" if adv_data is None else _octets(adv_data)
        answered = b"" if resp_data is None else _octets(resp_data)
        if len(advertised) > 31 or len(answered) > 31:
            raise OSError(_EINVAL)
        count = 0x80 if adv_data is None else len(advertised)
        head = struct.pack("<BIBB", _ADVERTISE, interval_us, 1 if connectable else 0, count)
        link.radio_request(head, advertised + answered)

    def gap_disconnect(self, conn_handle):
        self._need()
        try:
            link.radio_request(struct.pack("<BH", _DISCONNECT, conn_handle))
        except OSError as error:
            if error.errno != _ENOTCONN:
                raise
            return False
        return True

    def gap_pair(self, conn_handle):
        self._need()
        link.radio_request(struct.pack("<BH", _PAIR, conn_handle))

    def gap_passkey(self, conn_handle, action, passkey):
        if link.ble_stack != _NIMBLE:
            raise OSError(_EOPNOTSUPP)
        if action not in (2, 3, 4):
            raise OSError(_EINVAL)
        if self._asked is None or self._asked[0] != conn_handle:
            raise OSError(_ENOENT)
        if self._asked[1] != action:
            raise OSError(_EINVAL)
        self._asked = None
        link.radio_post(struct.pack("<BHBI", _PASSKEY, conn_handle, action, int(passkey)))

    # Advertising and connecting as a central belong to other boards.
    def gap_scan(self, *args):
        raise OSError(_EOPNOTSUPP)

    gap_connect = gap_scan

    # --- GATT server -------------------------------------------------------------------------------------------

    def gatts_register_services(self, services):
        self._need()
        packed = bytearray([len(services)])
        has_cccd = []
        for uuid, characteristics in services:
            packed += _packed_uuid(uuid)
            packed.append(len(characteristics))
            for characteristic in characteristics:
                descriptors = characteristic[2] if len(characteristic) > 2 else ()
                packed += _packed_uuid(characteristic[0])
                packed += struct.pack("<HB", characteristic[1], len(descriptors))
                has_cccd.append(characteristic[1] & (FLAG_NOTIFY | FLAG_INDICATE))
                for descriptor in descriptors:
                    packed += _packed_uuid(descriptor[0]) + struct.pack("<H", descriptor[1])
                    has_cccd.append(0)
        octets = link.radio_request(bytes([_REGISTER]), packed)
        handles = struct.unpack("<" + "H" * (len(octets) // 2), octets)
        self._attributes.clear()
        for at in range(len(handles)):
            self._attributes[handles[at]] = _Attribute(_ATTRIBUTE_OCTETS)
            # BTstack keeps a client configuration where it can be read, behind its value.
            if has_cccd[at] and link.ble_stack != _NIMBLE:
                self._attributes[handles[at] + 1] = _Attribute(2)
                self._attributes[handles[at] + 1].value = bytes(2)
        return self._nested(services, handles)

    @staticmethod
    def _nested(services, handles):
        result = []
        at = 0
        for _, characteristics in services:
            count = 0
            for characteristic in characteristics:
                count += 1 + (len(characteristic[2]) if len(characteristic) > 2 else 0)
            # What found no room in BTstack's table has no handle.
            result.append(tuple(handles[at : at + count]))
            at += count
        return tuple(result)

    def _attribute(self, value_handle):
        self._need()
        attribute = self._attributes.get(value_handle)
        if attribute is None:
            raise OSError(_EINVAL)
        return attribute

    def gatts_read(self, value_handle):
        attribute = self._attribute(value_handle)
        value = attribute.value
        if attribute.append:
            attribute.value = b""
        return value

    def gatts_write(self, value_handle, data, send_update=False):
        attribute = self._attribute(value_handle)
        data = _octets(data)
        attribute.value = data
        if len(data) > attribute.room:
            attribute.room = len(data)
        if send_update:
            link.radio_post(struct.pack("<BHH", _UPDATED, _NO_CONNECTION, value_handle), data)
        return len(data)

    def gatts_notify(self, conn_handle, value_handle, data=None):
        self._send(_NOTIFY, conn_handle, value_handle, data)

    def gatts_indicate(self, conn_handle, value_handle, data=None):
        self._send(_INDICATE, conn_handle, value_handle, data)

    def _send(self, kind, conn_handle, value_handle, data):
        self._need()
        nimble = link.ble_stack == _NIMBLE
        if conn_handle not in self._connected:
            raise OSError(_ENOTCONN if nimble else _EINVAL)
        if data is None:
            if nimble:
                self._call(_IRQ_GATTS_READ_REQUEST, (_NO_CONNECTION, value_handle))
            data = self._attribute(value_handle).value
        # A message waits in the stack until the air has taken it.
        if kind == _NOTIFY and nimble:
            if self._queued >= link.notify_queue:
                raise OSError(_ENOMEM)
            self._queued += 1
        link.radio_post(struct.pack("<BHH", kind, conn_handle, value_handle), _octets(data))

    def gatts_set_buffer(self, value_handle, length, append=False):
        attribute = self._attribute(value_handle)
        attribute.value = b""
        attribute.room = length
        attribute.append = append

    # --- GATT client -------------------------------------------------------------------------------------------

    def gattc_discover_services(self, conn_handle, uuid=None):
        self._need()
        link.radio_request(struct.pack("<BH", _DISCOVER_SERVICES, conn_handle), _packed_uuid(uuid))

    def gattc_discover_characteristics(self, conn_handle, start_handle, end_handle, uuid=None):
        self._need()
        head = struct.pack("<BHHH", _DISCOVER_CHARACTERISTICS, conn_handle, start_handle, end_handle)
        link.radio_request(head, _packed_uuid(uuid))

    def gattc_discover_descriptors(self, conn_handle, start_handle, end_handle):
        self._need()
        link.radio_request(struct.pack("<BHHH", _DISCOVER_DESCRIPTORS, conn_handle, start_handle, end_handle))

    def gattc_read(self, conn_handle, value_handle):
        self._need()
        link.radio_request(struct.pack("<BHH", _CLIENT_READ, conn_handle, value_handle))

    def gattc_write(self, conn_handle, value_handle, data, mode=0):
        self._need()
        link.radio_request(struct.pack("<BHHB", _CLIENT_WRITE, conn_handle, value_handle, mode), _octets(data))

    def gattc_exchange_mtu(self, conn_handle):
        self._need()
        link.radio_request(struct.pack("<BH", _CLIENT_MTU, conn_handle))

    # --- Events ------------------------------------------------------------------------------------------------

    # A handler that raises is told of and called no more.
    def _call(self, irq, data):
        if self._irq is None:
            return None
        try:
            return self._irq(irq, data)
        except Exception as error:  # noqa: BLE001
            print("Unhandled exception in IRQ callback handler")
            sys.print_exception(error)
            self._irq = None
            return None

    def _event(self, frame):
        irq = frame[0]
        numbers = _NUMBERS.get(irq)
        if numbers is not None:
            data = struct.unpack(numbers, frame[1:])
            if irq == _IRQ_PASSKEY_ACTION:
                self._asked = data
            self._call(irq, data)
        elif irq in (_IRQ_CENTRAL_CONNECT, _IRQ_CENTRAL_DISCONNECT):
            handle, kind = struct.unpack_from("<HB", frame, 1)
            if irq == _IRQ_CENTRAL_CONNECT:
                self._connected.add(handle)
            else:
                self._connected.discard(handle)
                self._asked = None
            self._call(irq, (handle, kind, memoryview(frame)[4:10]))
        elif irq == _IRQ_GATTS_WRITE:
            self._written(frame)
        elif irq == _IRQ_GATTS_READ_REQUEST:
            self._read(frame)
        elif irq in (_IRQ_READ_RESULT, _IRQ_NOTIFY, _IRQ_INDICATE):
            handle, value_handle = struct.unpack_from("<HH", frame, 1)
            self._call(irq, (handle, value_handle, memoryview(frame)[5:]))
        elif irq == _IRQ_SERVICE_RESULT:
            self._call(irq, struct.unpack_from("<HHH", frame, 1) + (UUID(frame[7:]),))
        elif irq == _IRQ_CHARACTERISTIC_RESULT:
            self._call(irq, struct.unpack_from("<HHHB", frame, 1) + (UUID(frame[8:]),))
        elif irq == _IRQ_DESCRIPTOR_RESULT:
            self._call(irq, struct.unpack_from("<HH", frame, 1) + (UUID(frame[5:]),))
        elif irq == _SENT:
            self._queued -= frame[1]
        elif irq == _CCCD:
            attribute = self._attributes.get(frame[1] | frame[2] << 8)
            if attribute is not None:
                attribute.value = frame[3:]
        else:
            self._secret(irq, frame)

    def _written(self, frame):
        question, handle, value_handle = struct.unpack_from("<HHH", frame, 1)
        attribute = self._attributes.get(value_handle)
        if attribute is not None:
            value = attribute.value + frame[7:] if attribute.append else frame[7:]
            attribute.value = value[: attribute.room]
            self._call(_IRQ_GATTS_WRITE, (handle, value_handle))
        link.radio_post(struct.pack("<BH", _ANSWERED, question))

    # NimBLE asks the handler, whose number is an ATT error; BTstack gives what there is.
    def _read(self, frame):
        question, handle, value_handle = struct.unpack_from("<HHH", frame, 1)
        error = 0
        if link.ble_stack == _NIMBLE:
            error = self._call(_IRQ_GATTS_READ_REQUEST, (handle, value_handle))
        attribute = self._attributes.get(value_handle)
        error = error & 0xFF if isinstance(error, int) else 0
        value = b"" if attribute is None else attribute.value
        link.radio_post(struct.pack("<BHB", _ANSWERED, question, error), value)

    def _secret(self, event, frame):
        question, kind = struct.unpack_from("<HB", frame, 1)
        if event == _IRQ_GET_SECRET:
            key = memoryview(frame)[6 : 6 + frame[5]] if frame[5] else None
            value = self._call(event, (kind, frame[4], key))
            answer = b"\x00" if value is None else b"\x01" + bytes(value)
        else:
            key = memoryview(frame)[5 : 5 + frame[4]]
            if event == _SECRET_DELETE:
                # NimBLE deletes until nothing is left to be deleted.
                while self._call(_IRQ_SET_SECRET, (kind, key, None)):
                    link.clock_us()
                answer = b"\x01"
            else:
                kept = self._call(event, (kind, key, memoryview(frame)[5 + frame[4] :]))
                answer = b"\x01" if kept else b"\x00"
        link.radio_post(struct.pack("<BH", _ANSWERED, question), answer)
