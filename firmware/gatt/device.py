# Device Information: what the pump is (DIS 1.1). Nothing of it is protected.
from binascii import hexlify

from micropython import const

from gatt import att, handles
from gatt.characteristic import READ, Characteristic

_MANUFACTURER_OCTETS = const(5)
_SYSTEM_ID_OCTETS = const(8)


# A value that never changes, and of which a connection knows nothing.
class Shown(Characteristic):
    properties = READ
    protected = False
    sent = 0

    def __init__(self, handle, octets):
        self.handle = handle
        self._octets = octets[: att.VALUE_OCTETS_MAX]

    def reset(self):
        pass

    def encode(self, s, buf, start):
        for octet in self._octets:
            buf[start] = octet
            start += 1
        return start


# The manufacturer's part is the begin of the board's own identifier; no organization has given the other part out.
def _system_id(unique_id):
    own = unique_id[:_MANUFACTURER_OCTETS]
    return own + bytes(_SYSTEM_ID_OCTETS - len(own))


# identity: the board's name and unique_id.
def device_information(settings, identity):
    return (
        Shown(handles.MANUFACTURER_NAME, settings.MANUFACTURER_NAME),
        Shown(handles.MODEL_NUMBER, identity.name.encode()),
        Shown(handles.SERIAL_NUMBER, hexlify(identity.unique_id)),
        Shown(handles.HARDWARE_REVISION, settings.HARDWARE_REVISION),
        Shown(handles.FIRMWARE_REVISION, settings.FIRMWARE_REVISION),
        Shown(handles.SYSTEM_ID, _system_id(identity.unique_id)),
        Shown(handles.PNP_ID, settings.PNP_ID),
    )
