# Advertising as the Insulin Delivery Profile has it: who has bonded comes first, then the pump can be found by anybody
# (IDP 1.0.2, 5.1).
#
# No accept list can be had here: while only bonded peers are wanted the pump does not say that it can be discovered,
# and a peer without a bond that connects all the same is dropped.
from micropython import const

from clock import Timeout

_FLAGS = const(0x01)
_NO_BR_EDR = const(0x04)
_GENERAL_DISCOVERABLE = const(0x02)
_SERVICES_16 = const(0x03)
_NAME = const(0x09)
_APPEARANCE = const(0x19)
_INSULIN_DELIVERY = b"\x3a\x18"
_INSULIN_PUMP = b"\x40\x0d"
_NAME_OCTETS_MAX = const(29)

_BONDED_FIRST_MS = const(10000)
_FAST_MS = const(30000)
_FAST_US = const(30000)
_SLOW_US = const(1000000)
_AGAIN_MS = const(100)


def _structure(kind, octets):
    return bytes((len(octets) + 1, kind)) + octets


class Advertising:
    # name: the device name, as octets.
    def __init__(self, clock, ble, name):
        self._ble = ble
        rest = _structure(_SERVICES_16, _INSULIN_DELIVERY) + _structure(_APPEARANCE, _INSULIN_PUMP)
        self._for_bonded = _structure(_FLAGS, bytes((_NO_BR_EDR,))) + rest
        self._for_all = _structure(_FLAGS, bytes((_NO_BR_EDR | _GENERAL_DISCOVERABLE,))) + rest
        self._name = _structure(_NAME, name[:_NAME_OCTETS_MAX])
        # Runs until another phase begins.
        self.phase = Timeout(clock)
        self.retry = Timeout(clock)
        self.bonded_first = False

    # bonds: whether there is anybody to wait for.
    def start(self, bonds):
        self.bonded_first = bonds
        self.phase.start(_BONDED_FIRST_MS if bonds else _FAST_MS)
        self._advertise(_FAST_US)

    def stop(self):
        self.phase.stop()
        self.retry.stop()
        self._ble.gap_advertise(None)

    # The same once more: a connection has ended it.
    def again(self):
        self._advertise(_FAST_US)

    # A stack that is busy is asked again.
    def _advertise(self, interval_us):
        data = self._for_bonded if self.bonded_first else self._for_all
        try:
            self._ble.gap_advertise(interval_us, data, resp_data=self._name)
            self.retry.stop()
        except OSError:
            self.retry.start(_AGAIN_MS)

    # Goes on to the next phase; True when the pump can be discovered from now on.
    def run(self):
        if self.retry.over():
            self.again()
        if not self.phase.over():
            return False
        self.phase.stop()
        if self.bonded_first:
            self.start(False)
            return True
        self._advertise(_SLOW_US)
        return False
