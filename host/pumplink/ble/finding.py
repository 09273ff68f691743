"""Which pump is meant: what advertises, and the choice among it."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

from pumplink.errors import BearerMissing

__all__ = ["INSULIN_DELIVERY", "Advertiser", "Finder", "Wanted"]

INSULIN_DELIVERY = 0x183A
"""The service that a pump advertises (IDP 1.0, 3.1)."""

SCAN_S = 10.0
"""How long nothing may be heard until that is told."""

LISTEN_S = 3.0
"""How long to listen for a second pump, where any would do."""


@dataclass(frozen=True)
class Advertiser:
    """Somebody who advertises.

    Args:
        address: as the radio names it.
        name: the device name; empty when it tells none.
        pump: whether it offers Insulin Delivery.
        handle: what the radio wants to connect to it.
    """

    address: str
    name: str
    pump: bool
    handle: object = None

    def __str__(self) -> str:
        return f"{self.address} ({self.name or 'without a name'})"


@dataclass(frozen=True)
class Wanted:
    """Which pump.

    Args:
        address: of its radio; None for any.
        name: its device name; None for any.
    """

    address: str | None = None
    name: str | None = None

    @property
    def exact(self) -> bool:
        """Whether at most one can be meant."""
        return self.address is not None

    def __str__(self) -> str:
        parts = [f"with the address {self.address}" if self.address else "", f"named {self.name}" if self.name else ""]
        return " ".join(["a pump", *filter(None, parts)])

    def fits(self, advertiser: Advertiser) -> bool:
        """Whether this one may be meant."""
        address = self.address is None or advertiser.address.upper().split("/")[0] == self.address.upper()
        return advertiser.pump and address and self.name in (None, advertiser.name)


class Finder:
    """Collects what advertises.

    Args:
        wanted: which pump is looked for.
    """

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self._heard: dict[str, Advertiser] = {}
        self._news = asyncio.Event()

    def heard(self, advertiser: Advertiser) -> None:
        """Takes an advertisement; a later one may tell more, such as the name that comes in a scan response."""
        before = self._heard.get(advertiser.address)
        if before is not None:
            advertiser = Advertiser(
                advertiser.address, advertiser.name or before.name, advertiser.pump or before.pump, advertiser.handle
            )
        self._heard[advertiser.address] = advertiser
        self._news.set()

    @property
    def fitting(self) -> list[Advertiser]:
        """Those that may be meant, by address."""
        return sorted(filter(self.wanted.fits, self._heard.values()), key=lambda one: one.address)

    @property
    def certain(self) -> bool:
        """Whether listening on could change nothing."""
        return self.wanted.exact and bool(self.fitting)

    def chosen(self) -> Advertiser:
        """The one pump that is meant.

        Raises:
            BearerMissing: there is none, or more than one; the message lists what was heard.
        """
        fitting = self.fitting
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            listed = ", ".join(map(str, fitting))
            raise BearerMissing(f"{len(fitting)} pumps advertise: {listed}; name one: --board ble:ADDRESS")
        others = [one for one in self._heard.values() if one.pump]
        told = f"; heard: {', '.join(map(str, others))}" if others else ""
        raise BearerMissing(
            f"{self.wanted} does not advertise{told}; is it on, near, and not connected to somebody else?"
        )

    async def listen(self) -> Advertiser:
        """Waits until it is clear which pump is meant; advertisements come through `heard` meanwhile.

        Raises:
            BearerMissing: as `chosen`.
        """
        loop = asyncio.get_running_loop()
        until_s = loop.time() + SCAN_S
        found = False
        while not self.certain:
            if self.fitting and not found:
                found = True
                until_s = loop.time() + LISTEN_S
            left_s = until_s - loop.time()
            if left_s <= 0:
                break
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), left_s)
        return self.chosen()
