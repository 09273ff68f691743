"""One connection of the board's stack, and what it knows of it."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from bumble import att
from bumble.core import BaseBumbleError
from bumble.device import Connection

from pumplink.virtual.radio.client import BoardClient
from pumplink.virtual.radio.frames import Irq

__all__ = ["ATT_CID", "NOT_CONNECTED", "Config", "Indications", "Peer", "quietly"]

ATT_CID = 4
NOT_CONNECTED = 7
_TIMED_OUT, _DONE = 13, 0
_TRANSACTION_S = 30.0


@dataclass
class Config:
    """What the firmware has set by `config`."""

    mtu: int = 256
    bond: bool = False
    mitm: bool = False
    le_secure: bool = False
    io: int = 3


@dataclass
class Peer:
    """A connection, and what the stack knows of its security. `address` is type and octets, the high one first."""

    connection: Connection
    client: BoardClient
    address: bytes
    indications: Indications
    encrypted: bool = False
    authenticated: bool = False
    bonded: bool = False
    pairing: bool = False
    passkey: asyncio.Future[int] | None = None


class Indications:
    """Sends indications one after another, and tells the board of each confirmation as it comes.

    Args:
        connection: over which.
        loop: for the time that a confirmation may take.
        tell: tells the board of an event.
        spawn: goes on with something later.
    """

    def __init__(
        self,
        connection: Connection,
        loop: asyncio.AbstractEventLoop,
        tell: Callable[[Irq, bytes], None],
        spawn: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._connection = connection
        self._loop = loop
        self._tell = tell
        self._spawn = spawn
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._late: asyncio.TimerHandle | None = None

    def add(self, attribute: int, value: bytes) -> None:
        """Sends an indication behind those that wait."""
        self._waiting.append((attribute, value))
        if len(self._waiting) == 1:
            self._send()

    def confirmed(self) -> None:
        """The peer has confirmed the one that is under way."""
        if self._waiting:
            self._told(_DONE)
            if self._waiting:
                self._send()

    def disconnected(self) -> None:
        """Nothing will be confirmed any more."""
        while self._waiting:
            self._told(NOT_CONNECTED)

    def _send(self) -> None:
        attribute, value = self._waiting[0]
        room = self._connection.att_mtu - 3
        pdu = att.ATT_Handle_Value_Indication(attribute_handle=attribute, attribute_value=value[:room])
        self._connection.send_l2cap_pdu(ATT_CID, bytes(pdu))
        self._late = self._loop.call_later(_TRANSACTION_S, self._unconfirmed)

    # An ATT bearer on which a transaction timed out is dead.
    def _unconfirmed(self) -> None:
        self._told(_TIMED_OUT)
        self._spawn(quietly(self._connection.disconnect()))

    def _told(self, status: int) -> None:
        if self._late is not None:
            self._late.cancel()
        attribute, _ = self._waiting.popleft()
        self._tell(Irq.GATTS_INDICATE_DONE, struct.pack("<HHB", self._connection.handle, attribute, status))


async def quietly(work: Coroutine[Any, Any, object]) -> None:
    """Runs what may end early, as its connection is gone or its peer makes no sense: the board is told elsewhere."""
    with contextlib.suppress(TimeoutError, BaseBumbleError):
        await work
