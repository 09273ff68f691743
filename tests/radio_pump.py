"""A pump in the air without firmware: a Bluetooth peripheral with the table's database, on a radio link of the test."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from bumble import att, gatt, hci
from bumble.controller import Controller
from bumble.core import UUID, AdvertisingData
from bumble.device import AdvertisingType, Connection, Device
from bumble.host import Host
from bumble.keys import MemoryKeyStore
from bumble.link import LocalLink
from bumble.pairing import PairingConfig, PairingDelegate
from bumble.transport.common import AsyncPipeSink

from pumplink.ble.air import HostAir
from pumplink.ble.bearer import BleBearer
from pumplink.ble.bumble_port import BumblePort
from pumplink.ble.finding import Wanted
from pumplink.link import Link
from pumpwire import database, e2e
from pumpwire.radio import EMULATOR_WRITE_RESULT

PUMP_ADDRESS = "F0:F1:F2:F3:F4:F5"
HOST_ADDRESS = "F0:00:00:00:00:01"
_PERMISSIONS = att.Attribute.Permissions
_PROPERTIES = gatt.Characteristic.Properties


async def on_air(link: LocalLink, name: str, address: str) -> Device:
    """A device with a controller of its own on the link, not yet powered on."""
    controller = Controller(name, link=link)
    return Device(name=name, address=hci.Address(address), host=Host(controller, AsyncPipeSink(controller)))


class RadioPump:
    """A peripheral that serves the table and shows a passkey.

    Args:
        link: the air.
        address: of its radio.
        name: that it advertises.
        passkey: that it shows; None for a pump that can show none.

    Attributes:
        values: by constant: what is read.
        written: (constant, octets), in order.
        refusals: by constant: the ATT error that a write of it has as its result.
        shown: passkeys that were shown.
    """

    def __init__(
        self, link: LocalLink, address: str = PUMP_ADDRESS, name: str = "pump", passkey: int | None = 123456
    ) -> None:
        self.link, self.address, self.name, self.passkey = link, address, name, passkey
        self.values: dict[str, bytes] = {}
        self.written: list[tuple[str, bytes]] = []
        self.refusals: dict[str, int] = {}
        self.shown: list[int] = []
        self.device: Device = None  # type: ignore[assignment]
        self.connection: Connection | None = None
        self._characteristics: dict[str, gatt.Characteristic[bytes]] = {}
        self._results = 0

    async def start(self) -> None:
        device = self.device = await on_air(self.link, self.name, self.address)
        device.keystore = MemoryKeyStore()
        device.pairing_config_factory = lambda _connection: PairingConfig(
            sc=True, mitm=self.passkey is not None, bonding=True, delegate=_Shows(self),
            identity_address_type=PairingConfig.AddressType.RANDOM,
        )  # fmt: skip
        for service in database.SERVICES:
            if service.owner == "pump":
                device.add_service(self._service(service))
        device.on("connection", self._connected)
        keystore = device.keystore
        await device.power_on()
        device.keystore = keystore
        await self.advertise()

    async def stop(self) -> None:
        await self.device.power_off()

    async def advertise(self) -> None:
        told = AdvertisingData(
            [
                (AdvertisingData.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS, bytes(UUID.from_16_bits(0x183A))),
                (AdvertisingData.COMPLETE_LOCAL_NAME, self.name.encode()),
            ]
        )
        self.device.advertising_data = bytes(told)
        self.device.advertising_interval_min = self.device.advertising_interval_max = 20
        await self.device.start_advertising(
            advertising_type=AdvertisingType.UNDIRECTED_CONNECTABLE_SCANNABLE, auto_restart=True
        )

    async def notify(self, constant: str, value: bytes) -> None:
        assert self.connection is not None
        await self.device.gatt_server.notify_subscriber(
            self.connection, self._characteristics[constant], value, force=True
        )

    async def indicate(self, constant: str, value: bytes) -> None:
        assert self.connection is not None
        await self.device.gatt_server.indicate_subscriber(
            self.connection, self._characteristics[constant], value, force=True
        )

    def forget_bonds(self) -> None:
        self.device.keystore = MemoryKeyStore()

    def _connected(self, connection: Connection) -> None:
        self.connection = connection

    def _service(self, service: database.Service) -> gatt.Service:
        offered = []
        for characteristic in service.characteristics:
            if database.BLE not in characteristic.bearers:
                continue
            properties = _PROPERTIES(0)
            for name in characteristic.properties:
                properties |= _PROPERTIES[name.upper()]
            permissions = _PERMISSIONS(0)
            if "read" in characteristic.properties:
                permissions |= _PERMISSIONS.READABLE | _PERMISSIONS.READ_REQUIRES_ENCRYPTION
            if "write" in characteristic.properties:
                permissions |= _PERMISSIONS.WRITEABLE | _PERMISSIONS.WRITE_REQUIRES_ENCRYPTION
            value = gatt.CharacteristicValue(self._reader(characteristic), self._writer(characteristic))
            made = gatt.Characteristic(str(characteristic.uuid), properties, permissions, value)
            self._characteristics[characteristic.constant] = made
            offered.append(made)
        return gatt.Service(str(service.uuid), offered)

    def _reader(self, characteristic: database.Characteristic) -> Callable[[Connection], bytes]:
        return lambda _connection: self.values.get(characteristic.constant, b"")

    def _writer(self, characteristic: database.Characteristic) -> Callable[[Connection, bytes], None]:
        def write(_connection: Connection, value: bytes) -> None:
            self.written.append((characteristic.constant, bytes(value)))
            if not characteristic.opcode_octets:
                asyncio.get_running_loop().create_task(self._tell_result(characteristic))

        return write

    async def _tell_result(self, characteristic: database.Characteristic) -> None:
        self._results = self._results % 255 + 1
        told = EMULATOR_WRITE_RESULT.build(
            written_handle=characteristic.handle, written_error=self.refusals.get(characteristic.constant, 0)
        )
        protection = database.EMULATOR_WRITE_RESULT.protection
        await self.notify("EMULATOR_WRITE_RESULT", e2e.protect(told, self._results, protection))


class _Shows(PairingDelegate):
    def __init__(self, pump: RadioPump) -> None:
        shows = pump.passkey is not None
        super().__init__(PairingDelegate.DISPLAY_OUTPUT_ONLY if shows else PairingDelegate.NO_OUTPUT_NO_INPUT)
        self._pump = pump

    async def generate_passkey(self) -> int:
        assert self._pump.passkey is not None
        return self._pump.passkey

    async def display_number(self, number: int, digits: int) -> None:
        self._pump.shown.append(number)


def serve_until(link: Link, done: Callable[[], bool], within_s: float = 20.0) -> None:
    """Serves a connection until something has come about, however busy the machine is."""
    until_s = link.now_s + within_s
    while not done():
        assert link.now_s < until_s, f"not within {within_s:g} s"
        link.run_until(link.now_s + 0.02)


class Bench:
    """A pump in the air and a bearer to it, on one loop of this machine."""

    def __init__(self, passkey: int | None = 123456) -> None:
        self.air = HostAir()
        self.link = LocalLink()
        self.pump = RadioPump(self.link, passkey=passkey)
        self.run(self.pump.start())

    def run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self.air.loop.run_until_complete(coroutine)

    def settle(self) -> None:
        """Lets what is under way come to its end."""
        self.air.run_until(self.air.now_s + 0.05, lambda: False)

    def close(self) -> None:
        self.air.end(self.pump.stop())

    def port(
        self, *, wanted: Wanted | None = None, passkey: Callable[[], int | None] | None = None, **options: Any
    ) -> BumblePort:
        def shown() -> int | None:
            return self.pump.shown[-1] if self.pump.shown else None

        return BumblePort(
            self.air, lambda: on_air(self.link, "host", HOST_ADDRESS), wanted=wanted or Wanted(PUMP_ADDRESS),
            passkey=passkey or shown, **options,
        )  # fmt: skip

    def bearer(self, **options: Any) -> BleBearer:
        return BleBearer(self.port(**options), self.air)
