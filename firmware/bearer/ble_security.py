# Who may speak to the pump over the air: pairing with a passkey that the pump shows, bonds, and the lock after wrong
# passkeys. It is also what the serial bearer tells of the radio and does to it (gatt/radio.py has what a board without
# one says).
import os

from micropython import const

from bearer.ble_events import AUTHENTICATED, BONDED, ENCRYPTED
from clock import Timeout

# Words of the wire: states and stacks of the radio, commands, response codes.
OFF = const(0x33)
ADVERTISING_BONDED = const(0x3C)
ADVERTISING = const(0x55)
CONNECTED = const(0x5A)
LINK_ENCRYPTED = const(0x66)
_NIMBLE = const(0x33)
_BTSTACK = const(0x3C)
_ALLOW_LAB = const(0x33)
_FORBID_LAB = const(0x3C)
_FORGET_BOND = const(0x55)
_FORGET_ALL_BONDS = const(0x5A)
_DISCONNECT = const(0x66)
_SUCCESS = const(0x0F)
_OUT_OF_RANGE = const(0x73)

_FLAG_AUTHENTICATED_PAIRING = const(1)
_FLAG_LAB_ONLY = const(2)
_FLAG_LAB_ALLOWED = const(4)
_FLAG_PAIRING_LOCKED = const(8)
_FLAG_PEER_AUTHENTICATED = const(16)
_FLAG_PEER_BONDED = const(32)

_PASSKEYS = const(1000000)
# The greatest multiple of that below 2**24, so that each passkey is as likely as any other.
_DRAWN_BELOW = const(16000000)
_NONE = const(-1)
_FAILED_MAX = const(3)
_LOCK_MS = const(300000)
_U8_MAX = const(255)


class Security:
    # bearer: has disconnect(). passkeys: whether the stack can show one. name: the board's, as octets. say(text): to
    # whoever is at the console.
    def __init__(self, clock, bearer, bonds, passkeys, name, say):
        self.state = OFF
        self.stack = _NIMBLE if passkeys else _BTSTACK
        self.lab_only = not passkeys
        self.lab_allowed = False
        self.passkey = _NONE
        self.failed_pairings = 0
        self.address = bytes(6)
        self.mtu = 0
        # Address type and address of the peer, and what is known of the link to it.
        self.peer = b""
        self.encrypted = False
        self.authenticated = False
        self.bonded = False
        self._bearer = bearer
        self._bonds = bonds
        self._name = name
        self._say = say
        self._lock = Timeout(clock)
        if self.lab_only:
            print("pumprig: lab only, no passkey can be shown on this board")

    # Whether the link is one that the pump speaks on.
    def trusted(self):
        return self.encrypted and (self.authenticated or self.lab_only)

    # Whether therapy commands are refused, because nobody can know who sends them.
    def refuses_therapy(self):
        return self.lab_only and not self.lab_allowed

    # --- The link ------------------------------------------------------------------------------------------------

    def connected(self, peer):
        self.peer = peer
        self._bonds.mark()
        self._forget_link()

    # A passkey that was shown and not proven is a wrong one, also when the peer just goes.
    def disconnected(self):
        if self.passkey != _NONE:
            self._failed()
        if not self.trusted():
            self._bonds.undo()
        self._forget_link()
        self.peer = b""

    # Whether nobody new may pair.
    def locked(self):
        return self._lock.running

    def _forget_link(self):
        self.passkey = _NONE
        self.encrypted = False
        self.authenticated = False
        self.bonded = False

    # The passkey to show, or -1 while no pairing is allowed. Console and serial bearer have it, nothing else.
    def show_passkey(self):
        if self._lock.running:
            return _NONE
        self.passkey = _draw()
        self._say("pumprig: passkey %06d" % self.passkey)
        return self.passkey

    # bits: of ENCRYPTION_UPDATE. Without encryption it says that a pairing, or an encryption with a bond, has failed.
    def update(self, bits):
        if not bits & ENCRYPTED:
            if self.passkey != _NONE:
                self._failed()
            return
        self.encrypted = True
        self.authenticated = bits & AUTHENTICATED != 0
        self.bonded = bits & BONDED != 0
        if self.passkey != _NONE:
            self.passkey = _NONE
            self.failed_pairings = 0
            self._say("pumprig: paired")
        if not self.trusted():
            # A bond that proves nothing about who the peer is would keep it from a better one.
            self._bonds.undo()
            return
        if self.bonded and not self._bonds.knows(self.peer):
            self._bonds.add(self.peer)
        self._bonds.mark()

    def _failed(self):
        self.passkey = _NONE
        self.failed_pairings = min(self.failed_pairings + 1, _U8_MAX)
        self._say("pumprig: pairing failed")
        if self.failed_pairings >= _FAILED_MAX:
            self._lock.start(_LOCK_MS)
            self._say("pumprig: pairing is locked for %d s" % (_LOCK_MS // 1000))

    # To be called after each reading of the clock.
    def run(self):
        if self._lock.over():
            self._lock.stop()
            self.failed_pairings = 0

    # Milliseconds until `run` has something to do, or -1.
    def wait_ms(self):
        return self._lock.left_ms() if self._lock.running else -1

    # --- For the serial bearer -----------------------------------------------------------------------------------

    @property
    def flags(self):
        flags = _FLAG_LAB_ONLY if self.lab_only else _FLAG_AUTHENTICATED_PAIRING
        if self.lab_allowed:
            flags |= _FLAG_LAB_ALLOWED
        if self._lock.running:
            flags |= _FLAG_PAIRING_LOCKED
        if self.authenticated:
            flags |= _FLAG_PEER_AUTHENTICATED
        if self.bonded:
            flags |= _FLAG_PEER_BONDED
        return flags

    @property
    def bonds(self):
        return len(self._bonds.peers)

    # Seconds until the pump pairs again.
    def locked_s(self):
        return -(-self._lock.left_ms() // 1000) if self._lock.running else 0

    # Carries out a command; returns its response code.
    def command(self, s, command, index, name):
        if command == _ALLOW_LAB:
            if not self.lab_only or name != self._name:
                return _OUT_OF_RANGE
            self.lab_allowed = True
            self._say("pumprig: lab use allowed")
        elif command == _FORBID_LAB:
            self.lab_allowed = False
        elif command == _FORGET_BOND:
            if index >= self.bonds:
                return _OUT_OF_RANGE
            mine = self._bonds.peers[index] == self.peer
            self._bonds.forget(index)
            if mine:
                self._bearer.disconnect()
        elif command == _FORGET_ALL_BONDS:
            self._bonds.forget_all()
            self._bearer.disconnect()
        elif command == _DISCONNECT:
            self._bearer.disconnect()
        return _SUCCESS


# A passkey that nobody can guess; not 0, which some stacks take for none.
def _draw():
    drawn = _DRAWN_BELOW
    while drawn >= _DRAWN_BELOW:
        octets = os.urandom(3)
        drawn = octets[0] | octets[1] << 8 | octets[2] << 16
    return drawn % _PASSKEYS or _draw()
