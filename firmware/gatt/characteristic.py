# A characteristic of the pump: its value, who may do what with it, and what a connection knows of it.
from micropython import const

from gatt import att, e2e

READ = const(1)
WRITE = const(2)
NOTIFY = const(4)
INDICATE = const(8)

CCCD_NOTIFY = const(1)
CCCD_INDICATE = const(2)


class Characteristic:
    # Whether the value ends with a counter and a CRC.
    protected = True
    # Octets that a written value has at most, protection included.
    octets_max = att.VALUE_OCTETS_MAX
    # Most have none, and then need no room for the number.
    e2e_failures = 0

    def __init__(self, handle, properties):
        self.handle = handle
        self.properties = properties
        self.reset()

    # Forgets what belongs to a connection; called when one begins and when it ends.
    def reset(self):
        self.cccd = 0
        self.pending = False
        self.sent = 0
        self._received = e2e.NONE_RECEIVED

    def allowed_cccd(self):
        bits = 0
        if self.properties & NOTIFY:
            bits |= CCCD_NOTIFY
        if self.properties & INDICATE:
            bits |= CCCD_INDICATE
        return bits

    def notifies(self):
        return self.cccd & CCCD_NOTIFY != 0

    def indicates(self):
        return self.cccd & CCCD_INDICATE != 0

    # Asks for an indication of the value; it is made when the link can carry it, of the value as it is then.
    def changed(self):
        if self.indicates():
            self.pending = True

    # Writes the value into a buffer, protection included; returns its end. Each call counts as one sending.
    def value(self, s, buf, start):
        end = self.encode(s, buf, start)
        if not self.protected:
            return end
        buf[end] = self.next_counter()
        return e2e.append_crc(buf, start, end + 1)

    def next_counter(self):
        self.sent = e2e.following(self.sent)
        return self.sent

    # Writes the value without its protection.
    def encode(self, s, buf, start):
        return start

    # Takes a write; returns an ATT error code. `s` is the pump second at which it takes effect.
    def write(self, s, buf, start, end):
        return att.WRITE_NOT_PERMITTED

    # The client has confirmed the indication of the value.
    def confirmed(self):
        pass

    # Checks length and protection of a written value; a wrong CRC leaves the counter as it was (D-405).
    def check(self, buf, start, end):
        if end - start > self.octets_max:
            return att.INVALID_LENGTH
        error = att.OK
        if end - start <= e2e.TRAILER_OCTETS or not e2e.crc_matches(buf, start, end):
            error = att.INVALID_CRC
        elif buf[end - e2e.TRAILER_OCTETS] - self._received % 255 != 1:
            error = att.INVALID_COUNTER
        if error:
            self.e2e_failures += 1
        else:
            self._received = buf[end - e2e.TRAILER_OCTETS]
        return error
