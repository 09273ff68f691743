# Bonds: the secrets that the radio's stack keeps for its peers, and which peers these are.
#
# What a secret is only the stack knows: it has a type, a key and a value. A peer is known by its address, which stands
# in its secrets. All of it is one file, written anew as a whole when anything changes: there are two of them, each with
# a number and a CRC, and the older one is written over. So a power cut leaves what was there before, or what is there
# now. It is written by the main loop while the motor rests.
import struct

from micropython import const

from octets import crc16

PEERS_MAX = const(4)
# Stacks keep two secrets for a peer, and some of their own.
_SECRETS_MAX = const(12)
_ADDRESS_OCTETS = const(7)
_HEAD = "<4sIHBB"
_HEAD_OCTETS = const(12)
_MARK = b"bond"
_CRC_OCTETS = const(2)
_NAMES = ("bonds_0", "bonds_1")


class Bonds:
    # folder: path of the folder of the two files, with a / at its end, or "" for where the board starts.
    def __init__(self, folder):
        self._paths = tuple([folder + name for name in _NAMES])
        # (type, key, value), the oldest first; address type and address of each peer, the oldest first.
        self._secrets = []
        self.peers = []
        self._number = 0
        self.unsaved = False
        # What stood when the connection was last one to trust, or began.
        self._kept_secrets = self._kept_peers = None
        self._load()

    # --- What the stack asks, in its interrupt -------------------------------------------------------------------

    # The secret with this key, or, without a key, the index-th one of its type; None when there is none.
    def get(self, kind, index, key):
        if key is not None:
            key = bytes(key)
        for secret in self._secrets:
            if secret[0] == kind and (key is None or secret[1] == key):
                if key is not None or index == 0:
                    return secret[2]
                index -= 1
        return None

    # Puts a secret, or takes it away when its value is None; False when that is not possible. A stack that has no room
    # left makes some.
    def set(self, kind, key, value):
        key = bytes(key)
        at = self._find(kind, key)
        if value is None:
            if at < 0:
                return False
            del self._secrets[at]
            # Who has no secret left is no peer any more.
            self.peers = [peer for peer in self.peers if self._has_secret(peer)]
        elif at >= 0:
            self._secrets[at] = (kind, key, bytes(value))
        elif len(self._secrets) < _SECRETS_MAX:
            self._secrets.append((kind, key, bytes(value)))
        else:
            return False
        self.unsaved = True
        return True

    def _find(self, kind, key):
        for at in range(len(self._secrets)):
            if self._secrets[at][0] == kind and self._secrets[at][1] == key:
                return at
        return -1

    # --- Peers ---------------------------------------------------------------------------------------------------

    # peer: address type and the six octets of the address, high one first.
    def knows(self, peer):
        return peer in self.peers

    # A peer has bonded. The oldest bond makes room, the stack's secrets of it, too.
    def add(self, peer):
        if peer in self.peers:
            self.peers.remove(peer)
        elif len(self.peers) >= PEERS_MAX:
            self.forget(0)
        self.peers.append(peer)
        self.unsaved = True

    def forget(self, index):
        peer = self.peers.pop(index)
        self._secrets = [secret for secret in self._secrets if not _of(peer, secret)]
        if self._kept_secrets is not None:
            self._kept_secrets = [secret for secret in self._kept_secrets if not _of(peer, secret)]
            self._kept_peers = [kept for kept in self._kept_peers if kept != peer]
        self.unsaved = True

    # What stands now is good: a connection begins, or its peer has proven who it is.
    def mark(self):
        self._kept_secrets = list(self._secrets)
        self._kept_peers = list(self.peers)

    # Takes back what a peer brought about that has proven nothing: it may have the address of one with a bond, whose
    # secrets the stack has then thrown away.
    def undo(self):
        if self._kept_secrets is not None and (self._secrets != self._kept_secrets or self.peers != self._kept_peers):
            self._secrets = list(self._kept_secrets)
            self.peers = list(self._kept_peers)
            self.unsaved = True

    # All peers, and all that the stack keeps but what is its own: that one has no address in it.
    def forget_all(self):
        while self.peers:
            self.forget(0)

    def _has_secret(self, peer):
        for secret in self._secrets:
            if _of(peer, secret):
                return True
        return False

    # --- Flash ---------------------------------------------------------------------------------------------------

    # Writes what has changed; to be called while nothing is urgent. False when the flash failed: it is still unsaved.
    def save(self):
        if not self.unsaved:
            return True
        self.unsaved = False
        try:
            self._write(self._number + 1)
        except OSError:
            self.unsaved = True
            return False
        self._number += 1
        return True

    def _write(self, number):
        # The stack may come in between.
        peers = list(self.peers)
        secrets = list(self._secrets)
        body = b"".join(peers)
        for kind, key, value in secrets:
            body += struct.pack("<BBH", kind, len(key), len(value)) + key + value
        head = struct.pack(_HEAD, _MARK, number, len(body), len(peers), len(secrets))
        octets = head + body
        octets += struct.pack("<H", crc16(octets, 0, len(octets)))
        with open(self._paths[number % 2], "wb") as file:
            file.write(octets)

    def _load(self):
        newest = b""
        for path in self._paths:
            octets = _whole(path)
            if octets and struct.unpack_from(_HEAD, octets, 0)[1] > self._number:
                newest = octets
                self._number = struct.unpack_from(_HEAD, octets, 0)[1]
        if not newest:
            return
        _, _, _, peers, secrets = struct.unpack_from(_HEAD, newest, 0)
        at = _HEAD_OCTETS
        for _ in range(peers):
            self.peers.append(newest[at : at + _ADDRESS_OCTETS])
            at += _ADDRESS_OCTETS
        for _ in range(secrets):
            kind, key_octets, value_octets = struct.unpack_from("<BBH", newest, at)
            at += 4
            end = at + key_octets + value_octets
            self._secrets.append((kind, newest[at : at + key_octets], newest[at + key_octets : end]))
            at = end


# Whether a secret is one of a peer's: its address stands in it, in one order of octets or the other.
def _of(peer, secret):
    address = peer[1:]
    turned = bytes(reversed(address))
    return address in secret[1] or turned in secret[1] or address in secret[2] or turned in secret[2]


# The octets of a file that is whole, b"" of any other.
def _whole(path):
    try:
        with open(path, "rb") as file:
            octets = file.read()
    except OSError:
        return b""
    if len(octets) < _HEAD_OCTETS + _CRC_OCTETS or octets[:4] != _MARK:
        return b""
    length = struct.unpack_from(_HEAD, octets, 0)[2]
    end = _HEAD_OCTETS + length
    if len(octets) != end + _CRC_OCTETS or crc16(octets, 0, end) != octets[end] | octets[end + 1] << 8:
        return b""
    return octets
