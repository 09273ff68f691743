"""What the bearer needs of a radio: one connection to a pump, and ATT PDUs over it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

__all__ = ["Port"]

Taker = Callable[[bytes], None]
Ender = Callable[[str], None]


def _nobody(_said: object) -> None:
    pass


class Port(ABC):
    """A radio that speaks to one pump at a time. PDUs have the handles of the table of `pumpwire.database`.

    Attributes:
        on_pdu: called with each PDU from the pump.
        on_lost: called once when the pump, or the air, ended the connection: why, in words.
        tells_results: whether the connection tells the results of vendor writes (`EmulatorWriteResult`).
        lab_only: whether the connection is encrypted, but nobody is sure with whom.
        secured_in_s: host seconds from link-up to an encrypted link, the last time; 0.0 before.
    """

    can_serve = True
    """Whether the pump can be the client of a service of ours."""
    hears_all = True
    """Whether what the pump sends unasked gets here."""

    def __init__(self) -> None:
        self.on_pdu: Taker = _nobody
        self.on_lost: Ender = _nobody
        self.tells_results = False
        self.lab_only = False
        self.secured_in_s = 0.0

    @abstractmethod
    async def connect(self) -> None:
        """Finds the pump, connects, pairs or encrypts, and finds its values.

        Raises:
            BearerMissing: no radio, or no pump, or more than one.
            PairingFailed: this host and the pump do not trust each other.
            BearerLost: the connection broke on the way.
        """

    @property
    @abstractmethod
    def connected(self) -> bool:
        """Whether there is a connection."""

    @abstractmethod
    def has(self, handle: int) -> bool:
        """Whether the pump was found to have a handle of the table."""

    @abstractmethod
    def send(self, pdu: bytes) -> None:
        """Sends a PDU; without a connection it is lost. It may leave when time passes next."""

    @abstractmethod
    async def disconnect(self) -> None:
        """Ends the connection; without one nothing happens."""

    @abstractmethod
    async def close(self) -> None:
        """Gives the radio up."""
