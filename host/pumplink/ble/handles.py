"""Handles of the table, and those that a pump was found to have: matched by UUID."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from pumpwire import database
from pumpwire.att import AttOpcode

__all__ = ["Found", "Handles"]

_AFTER_OPCODE = frozenset(
    (AttOpcode.READ_REQUEST, AttOpcode.WRITE_REQUEST, AttOpcode.NOTIFICATION, AttOpcode.INDICATION)
)


@dataclass(frozen=True)
class Found:
    """A characteristic as it was found.

    Args:
        service, uuid: which it is.
        handle: of its value.
        configuration: handle of its client configuration; None without one.
    """

    service: UUID
    uuid: UUID
    handle: int
    configuration: int | None = None


class Handles:
    """Translates handles in PDUs.

    Args:
        owner: whose services of the table are meant: "pump" or "rig".
        found: what was found.
    """

    def __init__(self, owner: str, found: Iterable[Found]) -> None:
        there = {(one.service, one.uuid): one for one in found}
        self._to_peer: dict[int, int] = {}
        for service in database.SERVICES:
            if service.owner != owner:
                continue
            for characteristic in service.characteristics:
                one = there.get((service.uuid, characteristic.uuid))
                if one is not None:
                    self._add(characteristic, one)
        self._to_table = {peer: table for table, peer in self._to_peer.items()}

    def _add(self, characteristic: database.Characteristic, found: Found) -> None:
        self._to_peer[characteristic.handle - 1] = found.handle - 1
        self._to_peer[characteristic.handle] = found.handle
        if found.configuration is not None:
            self._to_peer[characteristic.handle + 1] = found.configuration

    def __contains__(self, table: object) -> bool:
        return table in self._to_peer

    def peer(self, table: int) -> int:
        """The handle at the other end.

        Raises:
            KeyError: it was not found there.
        """
        return self._to_peer[table]

    def to_peer(self, pdu: bytes) -> bytes:
        """A PDU with the handles of the other end.

        What has no handle, is too short for one, or has one that was not found, stays as it is.
        """
        at = _handle_at(pdu)
        return pdu if at is None else _put(pdu, at, self._to_peer.get(_at(pdu, at), _at(pdu, at)))

    def to_table(self, pdu: bytes) -> bytes | None:
        """A PDU with the handles of the table; None when its handle is not in it."""
        at = _handle_at(pdu)
        if at is None:
            return pdu
        table = self._to_table.get(_at(pdu, at))
        return None if table is None else _put(pdu, at, table)


def _handle_at(pdu: bytes) -> int | None:
    at = 1 if pdu[:1] and pdu[0] in _AFTER_OPCODE else 2 if pdu[:1] == bytes((AttOpcode.ERROR_RESPONSE,)) else None
    return at if at is not None and len(pdu) >= at + 2 else None


def _at(pdu: bytes, at: int) -> int:
    return pdu[at] | pdu[at + 1] << 8


def _put(pdu: bytes, at: int, handle: int) -> bytes:
    return pdu[:at] + handle.to_bytes(2, "little") + pdu[at + 2 :]
