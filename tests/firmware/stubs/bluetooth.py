"""MicroPython's module `bluetooth` for runs on CPython: a board's stack, and the peer as the test wants it.

What the two stacks do differently is as their sources have it: NimBLE tells of reads, shows passkeys and refuses what
its queue cannot hold; BTstack lets the firmware read client configurations, and does none of the rest.
"""

from collections import deque

FLAG_READ, FLAG_WRITE, FLAG_NOTIFY, FLAG_INDICATE = 0x02, 0x08, 0x10, 0x20
READ_AUTHENTICATED, WRITE_AUTHENTICATED, READ_ENCRYPTED, WRITE_ENCRYPTED = 0x400, 0x2000, 0x200, 0x1000
ENOMEM, EINVAL, ENOTCONN = 12, 22, 107
BUFFER_OCTETS = 20


class UUID:
    """A UUID of 16 or 128 bits, low octet first inside."""

    def __init__(self, value):
        self.octets = value.to_bytes(2, "little") if isinstance(value, int) else bytes(value)
        assert len(self.octets) in (2, 16)

    def __bytes__(self):
        return self.octets


class BLE:
    """The stack. `stack` and `queue_max` are set by the test before the firmware starts."""

    stack = "nimble"
    queue_max = 12
    now = None

    def __init__(self):
        type(self).now = self
        self.handler = None
        self.events = deque()
        self.values = {}
        self.buffers = {}
        self.flags = {}
        self.uuids = {}
        self.settings = {}
        self.advertised = None
        self.passkeys = []
        self.hung_up = []
        self.sent = []
        self.queued = 0
        self.requests = []
        self.broken = False

    # --- What the firmware calls --------------------------------------------------------------------------------

    def irq(self, handler):
        """The interrupt handler."""
        self.handler = handler

    def active(self, on):
        """Switch the radio on; NimBLE asks for its own secret meanwhile."""
        assert self.handler is not None
        if self.stack == "nimble" and self.handler(29, (10, 0, memoryview(b"irk"))) is None:
            assert self.handler(30, (10, memoryview(b"irk"), memoryview(bytes(range(16)))))
        return on

    def config(self, name=None, **settings):
        """Set or get settings."""
        self.settings.update(settings)
        return (1, b"\xc0\x11\x22\x33\x44\x55") if name == "mac" else None

    def gap_advertise(self, interval_us, adv_data=None, *, resp_data=None, connectable=True):
        """Begin or end advertising."""
        self.advertised = None if interval_us is None else (interval_us, bytes(adv_data), bytes(resp_data))

    def gap_disconnect(self, connection):
        """End a connection; the event follows."""
        self.hung_up.append(connection)

    def gap_passkey(self, connection, action, passkey):
        """Show a passkey."""
        if self.stack == "btstack":
            raise OSError(95)
        assert action == 3
        self.passkeys.append(passkey)

    def gatts_register_services(self, services):
        """Every characteristic has a handle for its declaration, its value and its configuration."""
        out, handle = [], 10
        for _, characteristics in services:
            handle += 1
            values = []
            for uuid, flags in characteristics:
                handle += 2
                values.append(handle)
                self.values[handle] = b""
                self.buffers[handle] = BUFFER_OCTETS
                self.flags[handle] = flags
                self.uuids[handle] = bytes(uuid)
                if flags & (FLAG_NOTIFY | FLAG_INDICATE):
                    if self.stack == "btstack":
                        self.values[handle + 1] = b"\0\0"
                    handle += 1
            out.append(tuple(values))
        return tuple(out)

    def gatts_set_buffer(self, handle, octets, append=False):
        """Room for what is written."""
        self.buffers[handle] = octets

    def gatts_read(self, handle):
        """A value as it is."""
        if handle not in self.values:
            raise OSError(EINVAL)
        return self.values[handle]

    def gatts_write(self, handle, data, send_update=False):
        """A value for reads."""
        self.values[handle] = bytes(data)
        self.buffers[handle] = max(self.buffers.get(handle, 0), len(data))

    def _send(self, kind, handle, data):
        if self.broken:
            raise OSError(ENOTCONN)
        if self.stack == "nimble" and self.queued >= self.queue_max:
            raise OSError(ENOMEM)
        self.queued += 1
        self.sent.append((kind, handle, bytes(data)))

    def gatts_notify(self, connection, handle, data):
        """A notification."""
        self._send("notify", handle, data)

    def gatts_indicate(self, connection, handle, data):
        """An indication."""
        self._send("indicate", handle, data)

    def gattc_discover_services(self, connection, uuid):
        """Look for the sensor."""
        self.requests.append(("services", bytes(uuid)))

    def gattc_discover_characteristics(self, connection, start, end):
        """Look for its values."""
        self.requests.append(("characteristics", start, end))

    def gattc_discover_descriptors(self, connection, start, end):
        """Look for a configuration."""
        self.requests.append(("descriptors", start, end))

    def gattc_read(self, connection, handle):
        """Read one of its values."""
        self.requests.append(("read", handle))

    def gattc_write(self, connection, handle, data, mode=0):
        """Write one."""
        assert mode == 1
        self.requests.append(("write", handle, bytes(data)))
