"""Pairing on the board's side: what its firmware shows, and where its stack keeps the keys."""

from __future__ import annotations

import struct
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

from bumble.hci import Address
from bumble.keys import KeyStore, PairingKeys
from bumble.pairing import PairingDelegate

__all__ = ["OUR_SECRET", "PEER_SECRET", "Asker", "BoardKeys", "Delegate", "Secrets", "address_key", "unpacked"]

OUR_SECRET, PEER_SECRET = 1, 2
_INPUT, _DISPLAY, _COMPARE = 2, 3, 4
# NimBLE's record of a bond: address, key size, ediv, rand, long term key, identity key, signing key; each key has a
# flag behind it, and the last flag's octet the other flags.
_RECORD = struct.Struct("<7sBH6xQ16s?16s?16sB5x")
_AUTHENTICATED, _SECURE_CONNECTIONS = 2, 4
_KEY_OCTETS = 16
_ADDRESS_KEY_OCTETS = 7


def address_key(address: Address) -> bytes:
    """An address as NimBLE names it in its store: type, then the octets, the lowest first."""
    return bytes([0 if address.is_public else 1]) + bytes(address)


class Secrets(Protocol):
    """Where a stack keeps bonds: the firmware (NimBLE), or its own memory (BTstack)."""

    def get(self, kind: int, key: bytes) -> Awaitable[bytes | None]:
        """A secret, or None."""

    def put(self, kind: int, key: bytes, value: bytes) -> Awaitable[bool]:
        """Tells at once of a secret to be kept; False when it could not be."""

    def first(self, kind: int) -> Awaitable[bytes | None]:
        """The first secret of a kind, whoever it is about."""

    def delete(self, kind: int, key: bytes) -> Awaitable[None]:
        """Forgets a secret."""


class Asker(Protocol):
    """Who asks the firmware for a passkey, and for a yes or no."""

    def pairing_asked(self) -> Awaitable[None]:
        """A peer asks for a pairing."""

    def passkey(self, action: int, number: int) -> Awaitable[int | None]:
        """What the firmware answers, or None when it does not."""


class BoardKeys(KeyStore):
    """The bonds of a board.

    Args:
        secrets: where they are kept.
        wanted: whether the pairing with that address is to be kept.
        irk: the board's own identity key.
        spawn: goes on with something later.
    """

    def __init__(
        self,
        secrets: Secrets,
        wanted: Callable[[Address], bool],
        irk: bytes,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._secrets = secrets
        self._wanted = wanted
        self._irk = irk
        self._spawn = spawn

    async def get(self, name: str) -> PairingKeys | None:
        """The keys to encrypt a link with that peer again."""
        record = await self._secrets.get(OUR_SECRET, address_key(Address(name)))
        found = unpacked(record)
        return None if found is None else PairingKeys(ltk=PairingKeys.Key(found[0], authenticated=found[1]))

    async def update(self, name: str, keys: PairingKeys) -> None:
        """Keeps the keys of a pairing that has just succeeded.

        The firmware is told at once, as by a stack: a link that drops right now takes nothing of it away.
        """
        address = Address(name, keys.address_type or Address.RANDOM_DEVICE_ADDRESS)
        if not self._wanted(address):
            return
        ours = keys.ltk or keys.ltk_central
        theirs = keys.ltk or keys.ltk_peripheral
        key = address_key(address)
        for kind, ltk, irk in (
            (OUR_SECRET, ours, self._irk),
            (PEER_SECRET, theirs, keys.irk.value if keys.irk is not None else b""),
        ):
            if ltk is not None:
                record = _packed(key, ltk, irk, keys.ltk is not None)
                self._spawn(self._keep(kind, key, record, self._secrets.put(kind, key, record)))

    # A firmware that has no room is asked to forget its first peer, as often as it takes.
    async def _keep(self, kind: int, key: bytes, record: bytes, kept: Awaitable[bool]) -> None:
        while not await kept:
            oldest = await self._secrets.first(PEER_SECRET)
            if oldest is None:
                return
            for old in (OUR_SECRET, PEER_SECRET):
                await self._secrets.delete(old, oldest[:_ADDRESS_KEY_OCTETS])
            kept = self._secrets.put(kind, key, record)

    async def delete(self, name: str) -> None:
        """Forgets a peer."""
        for kind in (OUR_SECRET, PEER_SECRET):
            await self._secrets.delete(kind, address_key(Address(name)))


def _packed(key: bytes, ltk: PairingKeys.Key, irk: bytes, secure_connections: bool) -> bytes:
    rand = int.from_bytes(ltk.rand or b"", "little")
    flags = _AUTHENTICATED * ltk.authenticated | _SECURE_CONNECTIONS * secure_connections
    return _RECORD.pack(key, _KEY_OCTETS, ltk.ediv or 0, rand, ltk.value, True, irk, bool(irk), b"", flags)


def unpacked(record: bytes | None) -> tuple[bytes, bool] | None:
    """Long term key of a kept bond, and whether it was made authenticated; None when the record is none."""
    if record is None or len(record) != _RECORD.size:
        return None
    fields = _RECORD.unpack(record)
    return fields[4], bool(fields[9] & _AUTHENTICATED)


class Delegate(PairingDelegate):
    """Asks the firmware what a pairing needs to know.

    Args:
        asker: who asks it.
        io: the input and output that the firmware says the board has, as `config(io=...)` counts them.
    """

    def __init__(self, asker: Asker, io: int) -> None:
        keys = PairingDelegate.KeyDistribution
        distribution = keys.DISTRIBUTE_ENCRYPTION_KEY | keys.DISTRIBUTE_IDENTITY_KEY
        super().__init__(PairingDelegate.IoCapability(io), distribution, distribution)
        self._asker = asker

    async def accept(self) -> bool:
        """Takes every pairing that is asked for."""
        await self._asker.pairing_asked()
        return True

    async def generate_passkey(self) -> int:
        """The passkey that the firmware shows."""
        passkey = await self._asker.passkey(_DISPLAY, 0)
        # Nobody can enter what was never shown.
        return 1 if passkey is None else passkey

    async def get_number(self) -> int | None:
        """The passkey that somebody has entered at the board."""
        return await self._asker.passkey(_INPUT, 0)

    async def compare_numbers(self, number: int, digits: int) -> bool:
        """Whether somebody at the board says that both show the same number."""
        return bool(await self._asker.passkey(_COMPARE, number))
