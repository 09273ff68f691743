"""Bearers over the radios that there are: a virtual board's, an HCI transport, and the operating system's."""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pumplink.ble.air import BoardAir, HostAir
from pumplink.ble.bearer import BleBearer
from pumplink.ble.finding import Wanted
from pumplink.ble.passkey import Console, Source
from pumplink.errors import BearerMissing
from pumplink.extras import install_command

if TYPE_CHECKING:
    from bumble.device import Device
    from bumble.transport.common import Transport

    from pumplink.virtual.board import VirtualBoard

__all__ = ["hci_bearer", "need_radio", "system_bearer", "virtual_bearer"]

_HOST_ADDRESS = "C4:50:55:4D:50:01"
_CONSOLE_S = 0.1
_CONSOLE_STEP_S = 0.001
_COMMAND_S = 5.0


def need_radio(package: str = "bumble") -> None:
    """Makes sure that what a radio needs is installed.

    Args:
        package: `bumble` or `bleak`.
    Raises:
        BearerMissing: it is not; the message has the command.
    """
    if importlib.util.find_spec(package) is None:
        raise BearerMissing(
            f"the radio needs the package {package}, which is not installed: {install_command('ble')}"
        )


def virtual_bearer(board: VirtualBoard, *, passkey: Source | None = None, serve: bool = True) -> BleBearer:
    """The radio of a virtual board. Bonds of this host last as long as the bearer.

    Args:
        board: started, with a radio.
        passkey: where it comes from; the board's console when None.
        serve: offer the sensor to the pump.
    Raises:
        BearerMissing: the extra is not installed.
    """
    need_radio()
    from pumplink.ble.bumble_port import BumblePort
    from pumplink.virtual.radio.frames import Stack

    air = BoardAir(board)
    radio = air.radio
    port = BumblePort(
        air, lambda: radio.attach("host", _HOST_ADDRESS), wanted=Wanted(radio.address),
        passkey=passkey or _patient(Console(lambda: board.output)), serve=serve, lab=board.ble_stack is Stack.BTSTACK,
    )  # fmt: skip
    return BleBearer(port, air)


# The board's console is read by a thread, which may be a moment behind the board: in lockstep the moment at which the
# passkey is seen must not depend on it.
def _patient(console: Console) -> Source:
    def ask() -> int | None:
        until_s = time.monotonic() + _CONSOLE_S
        while (passkey := console()) is None and time.monotonic() < until_s:
            time.sleep(_CONSOLE_STEP_S)
        return passkey

    return ask


def hci_bearer(
    transport: str, *, wanted: Wanted, passkey: Source, bonds: Path | None = None, serve: bool = True, lab: bool = False
) -> BleBearer:
    """A Bluetooth controller on an HCI transport: a dongle, or a board with HCI firmware.

    Args:
        transport: as Bumble names it: `usb:0`, `serial:/dev/ttyACM0`, `tcp-client:HOST:PORT`.
        wanted: which pump.
        passkey: where it comes from.
        bonds: file of the bonds; this user's when None.
        serve: offer the sensor to the pump.
        lab: the pump's stack can show no passkey, so a connection that nobody authenticated is taken.
    Raises:
        BearerMissing: the extra or the controller is not there, or the file of the bonds cannot be used.
    """
    need_radio()
    from pumplink.ble.bonds import BondFile
    from pumplink.ble.bumble_port import BumblePort

    kept = BondFile(bonds)
    air = HostAir()
    hci = _Hci(transport, kept.own_address)
    port = BumblePort(
        air, hci.device, wanted=wanted, passkey=passkey, bonds=kept, serve=serve, close_radio=hci.close, lab=lab
    )
    return BleBearer(port, air)


class _Hci:
    def __init__(self, name: str, address: str) -> None:
        self._name = name
        self._address = address
        self._transport: Transport | None = None

    async def device(self) -> Device:
        from bumble.device import Device
        from bumble.hci import Address
        from bumble.transport import open_transport

        try:
            transport = self._transport = await open_transport(self._name)
        except Exception as error:  # noqa: BLE001 - the driver of each transport has errors of its own
            told = str(error) or type(error).__name__
            raise BearerMissing(
                f"no Bluetooth controller at {self._name} ({told}); allowed are such as usb:0 and serial:/dev/ttyACM0"
            ) from None
        device = Device.with_hci("pumprig", Address(self._address), transport.source, transport.sink)
        device.command_timeout = _COMMAND_S
        return device

    async def close(self) -> None:
        if self._transport is not None:
            await self._transport.close()
            self._transport = None


def system_bearer(*, wanted: Wanted) -> BleBearer:
    """The operating system's adapter, which can be a client only.

    Args:
        wanted: which pump.
    Raises:
        BearerMissing: the extra is not installed.
    """
    need_radio("bleak")
    from pumplink.ble.bleak_port import BleakPort

    air = HostAir()
    return BleBearer(BleakPort(air, wanted=wanted), air)
