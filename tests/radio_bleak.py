"""bleak on a radio of the tests: what an operating system does, done by Bumble on any radio link."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient
from bleak.backends.descriptor import BleakGATTDescriptor
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData, BaseBleakScanner
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection
from bleak.exc import BleakError, BleakGATTProtocolError
from bumble.att import ATT_Error
from bumble.core import UUID as BumbleUUID
from bumble.core import AdvertisingData, BaseBumbleError, ProtocolError
from bumble.device import Advertisement, Connection, Device, Peer
from bumble.keys import MemoryKeyStore
from bumble.pairing import PairingConfig

from pumplink.ble.bleak_port import Backend
from pumplink.ble.bumble_port import Keyboard

_PROPERTIES = {2: "read", 8: "write", 16: "notify", 32: "indicate"}


def _text(uuid: BumbleUUID) -> str:
    return str(UUID(bytes=bytes(reversed(uuid.to_bytes(force_128=True)))))


class _Radio:
    """The adapter: powered on when it is first used."""

    def __init__(self, make: Callable[[], Awaitable[Device]], passkey: Callable[[], int | None]) -> None:
        self._make = make
        self._passkey = passkey
        self._device: Device | None = None

    async def device(self) -> Device:
        if self._device is None:
            device = self._device = await self._make()
            device.pairing_config_factory = lambda _connection: PairingConfig(
                delegate=Keyboard(self._passkey), identity_address_type=PairingConfig.AddressType.RANDOM
            )
            await device.power_on()
            device.keystore = MemoryKeyStore()
        return self._device


class _Scanner(BaseBleakScanner):
    radio: _Radio

    def __init__(self, detection_callback: Any, service_uuids: Any, scanning_mode: Any, **_others: Any) -> None:
        super().__init__(detection_callback, service_uuids)

    async def start(self) -> None:
        self.seen_devices = {}
        device = await self.radio.device()
        device.on(Device.EVENT_ADVERTISEMENT, self._heard)
        await device.start_scanning(filter_duplicates=False)

    async def stop(self) -> None:
        device = await self.radio.device()
        device.remove_listener(Device.EVENT_ADVERTISEMENT, self._heard)
        await device.stop_scanning()

    def _heard(self, advertisement: Advertisement) -> None:
        kind = AdvertisingData.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS
        uuids = [_text(uuid) for listed in advertisement.data.get_all(kind) for uuid in listed]
        name = advertisement.data.get(AdvertisingData.COMPLETE_LOCAL_NAME)
        told = AdvertisementData(str(name) if name else None, {}, {}, uuids, None, advertisement.rssi, ())
        address = str(advertisement.address).partition("/")[0]
        known = self.create_or_update_device(address, address, told.local_name, advertisement.address, told)
        self.call_detection_callbacks(known, told)


class _Client(BaseBleakClient):
    radio: _Radio

    def __init__(self, address_or_ble_device: Any, **others: Any) -> None:
        super().__init__(address_or_ble_device, **others)
        assert isinstance(address_or_ble_device, BLEDevice)
        self._there = address_or_ble_device.details
        self._connection: Connection | None = None
        self._callbacks: dict[int, Callable[[bytes], None]] = {}

    @property
    def name(self) -> str:
        return self.address

    @property
    def mtu_size(self) -> int:
        assert self._connection is not None
        return self._connection.att_mtu

    @property
    def is_connected(self) -> bool:
        return self._connection is not None

    async def connect(self, pair: bool, **_others: Any) -> None:
        device = await self.radio.device()
        connection = self._connection = await device.connect_le(self._there, timeout=self._timeout)
        connection.on(Connection.EVENT_DISCONNECTION, self._gone)
        peer = Peer(connection)
        await peer.request_mtu(247)
        self.services = BleakGATTServiceCollection()
        for service in await peer.discover_services():
            shown = BleakGATTService(service, service.handle, _text(service.uuid))
            self.services.add_service(shown)
            for one in await service.discover_characteristics():
                await one.discover_descriptors()
                names = [name for bit, name in _PROPERTIES.items() if int(one.properties) & bit]
                self.services.add_characteristic(
                    BleakGATTCharacteristic(one, one.handle, _text(one.uuid), names, lambda: 20, shown)
                )

    def _gone(self, _reason: int) -> None:
        self._connection = None
        if self._disconnected_callback is not None:
            self._disconnected_callback()

    async def disconnect(self) -> None:
        if self._connection is not None:
            await self._connection.disconnect()

    async def pair(self, *_arguments: Any, **_others: Any) -> None:
        assert self._connection is not None
        device = await self.radio.device()
        assert device.keystore is not None
        try:
            if await device.keystore.get(str(self._connection.peer_address)):
                await self._connection.encrypt()
            else:
                await self._connection.pair()
        except ProtocolError as error:
            raise BleakError(f"AuthenticationFailed {error.error_name}") from None

    async def unpair(self) -> None:
        raise NotImplementedError

    async def _done(self, work: Awaitable[Any]) -> Any:
        if self._connection is None:
            raise BleakError("Not connected")
        try:
            return await self._connection.cancel_on_disconnection(work)
        except ATT_Error as error:
            raise BleakGATTProtocolError(error.error_code) from None
        except (BaseBumbleError, asyncio.CancelledError):
            raise BleakError("disconnected") from None

    async def read_gatt_char(self, characteristic: BleakGATTCharacteristic, **_others: Any) -> bytearray:
        return bytearray(await self._done(characteristic.obj.read_value()))

    async def read_gatt_descriptor(self, descriptor: BleakGATTDescriptor, **_others: Any) -> bytearray:
        raise NotImplementedError

    async def write_gatt_char(self, characteristic: BleakGATTCharacteristic, data: Any, response: bool) -> None:
        await self._done(characteristic.obj.write_value(bytes(data), with_response=response))

    async def write_gatt_descriptor(self, descriptor: BleakGATTDescriptor, data: Any) -> None:
        raise NotImplementedError

    async def start_notify(
        self, characteristic: BleakGATTCharacteristic, callback: Callable[[bytearray], None], **_others: Any
    ) -> None:
        def take(value: bytes) -> None:
            callback(bytearray(value))

        self._callbacks[characteristic.handle] = take
        await self._done(characteristic.obj.subscribe(take, prefer_notify=False))

    async def stop_notify(self, characteristic: BleakGATTCharacteristic) -> None:
        if characteristic.handle not in self._callbacks:
            raise BleakError("not notifying")
        await self._done(characteristic.obj.unsubscribe(self._callbacks.pop(characteristic.handle)))


def bleak_on(make: Callable[[], Awaitable[Device]], passkey: Callable[[], int | None]) -> Backend:
    """What bleak is given instead of an operating system.

    Args:
        make: makes a device that is not yet powered on.
        passkey: that the system's user types.
    """
    adapter = _Radio(make, passkey)
    client: Any = type("Client", (_Client,), {"radio": adapter})
    scanner: Any = type("Scanner", (_Scanner,), {"radio": adapter})
    return Backend(client, scanner)
