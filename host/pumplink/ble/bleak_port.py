"""A radio through the operating system's Bluetooth: a client only, and what the system does, it does by itself.

It pairs, asks its user for the passkey, exchanges the MTU, confirms indications, and keeps the bonds.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Coroutine
from typing import Any, NamedTuple
from uuid import UUID

from bleak import BleakClient, BleakScanner
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData, BaseBleakScanner
from bleak.exc import BleakBluetoothNotAvailableError, BleakDBusError, BleakError, BleakGATTProtocolError

from pumplink.ble.air import Air
from pumplink.ble.finding import INSULIN_DELIVERY, Advertiser, Finder, Wanted
from pumplink.ble.port import Port
from pumplink.errors import BearerLost, BearerMissing, PairingFailed
from pumpwire import att, database
from pumpwire.att import AttErrorCode, AttOpcode, Pdu
from pumpwire.errors import PduError

__all__ = ["Backend", "BleakPort"]

CONNECT_S = 30.0
PAIR_S = 60.0
_OFF = b"\x00\x00"
_SERVICE = str(UUID(f"0000{INSULIN_DELIVERY:04x}-0000-1000-8000-00805f9b34fb"))
_NO_ADAPTER = "no Bluetooth adapter can be used"
_REMEDY = "is one plugged in, and is Bluetooth on? A dongle of its own is used by --bearer ble+hci:usb:0"


class Backend(NamedTuple):
    """What bleak works with; the operating system's own where none is given."""

    client: type[BaseBleakClient] | None = None
    scanner: type[BaseBleakScanner] | None = None


class BleakPort(Port):
    """A radio driven by bleak.

    Args:
        air: where it runs.
        wanted: which pump.
        backend: for tests.
    """

    can_serve = False
    hears_all = False

    def __init__(self, air: Air, *, wanted: Wanted, backend: Backend | None = None) -> None:
        super().__init__()
        self.wanted = wanted
        self._air = air
        self._backend = backend or Backend()
        self._client: BleakClient | None = None
        self._known: dict[int, BleakGATTCharacteristic] = {}
        self._heard: set[int] = set()
        self._ours = False
        self._tasks: set[asyncio.Task[None]] = set()

    # --- The connection -----------------------------------------------------------------------------------------

    async def connect(self) -> None:
        """Finds the pump and connects; see `Port.connect`."""
        await self.disconnect()
        try:
            device = await self._find()
            client = BleakClient(device, self._ended, timeout=CONNECT_S, backend=self._backend.client)
            self._client, self._ours = client, False
            self._heard.clear()
            await client.connect()
            await self._secure(client)
            self._know(client)
            self.tells_results = database.EMULATOR_WRITE_RESULT.handle in self._known
            if self.tells_results:
                await self._hear(client)
        except (BleakBluetoothNotAvailableError, FileNotFoundError) as error:
            raise BearerMissing(f"{_NO_ADAPTER} ({error}); {_REMEDY}") from None
        except (BleakError, TimeoutError, OSError) as error:
            await self.disconnect()
            raise BearerLost(f"the radio failed while connecting: {_named(error)}") from error
        except PairingFailed:
            await self.disconnect()
            raise

    async def _find(self) -> BLEDevice:
        finder = Finder(self.wanted)

        def heard(device: BLEDevice, told: AdvertisementData) -> None:
            name = told.local_name or device.name or ""
            finder.heard(Advertiser(device.address, name, _SERVICE in told.service_uuids, device))

        scanner = BleakScanner(heard, backend=self._backend.scanner)
        try:
            await scanner.start()
        except (BleakDBusError, BleakError, OSError) as error:
            raise BearerMissing(f"{_NO_ADAPTER} ({error}); {_REMEDY}") from None
        try:
            found = await finder.listen()
        finally:
            await scanner.stop()
        assert isinstance(found.handle, BLEDevice)
        return found.handle

    async def _secure(self, client: BleakClient) -> None:
        began_s = time.perf_counter()
        try:
            # macOS pairs by itself, as soon as a value asks for it.
            with contextlib.suppress(NotImplementedError):
                await asyncio.wait_for(client.pair(), PAIR_S)
        except TimeoutError:
            raise PairingFailed("the operating system asked for the passkey, and nobody gave it") from None
        except BleakError as error:
            raise PairingFailed(
                f"the operating system could not pair with the pump ({error}): a wrong passkey, or a bond that one "
                "side has lost; remove the pump from the system's Bluetooth devices, and pair again"
            ) from None
        self.secured_in_s = time.perf_counter() - began_s

    def _know(self, client: BleakClient) -> None:
        there = {
            (UUID(service.uuid), UUID(one.uuid)): one for service in client.services for one in service.characteristics
        }
        self._known = {
            characteristic.handle: there[service.uuid, characteristic.uuid]
            for service in database.SERVICES
            for characteristic in service.characteristics
            if service.owner == "pump" and (service.uuid, characteristic.uuid) in there
        }

    # A pump whose stack keeps the configurations to itself tells everything from the moment on at which it trusts the
    # link, and the system drops what nobody asked for: so all of it is asked for at once, what comes unasked first.
    async def _hear(self, client: BleakClient) -> None:
        needed = database.EMULATOR_WRITE_RESULT.handle
        for handle in sorted(self._known):
            if _told(handle + 1) and handle != needed:
                with contextlib.suppress(BleakGATTProtocolError):
                    await self._subscribe(client, handle)
        await self._subscribe(client, needed)

    def _ended(self, client: BleakClient) -> None:
        if client is self._client:
            self._client = None
            if not self._ours:
                self.on_lost("the connection to the pump ended")

    async def disconnect(self) -> None:
        """Ends the connection; see `Port.disconnect`."""
        client, self._ours = self._client, True
        self._client = None
        if client is not None:
            with contextlib.suppress(BleakError, TimeoutError, OSError):
                await asyncio.wait_for(client.disconnect(), CONNECT_S)

    async def close(self) -> None:
        """Gives the radio up; see `Port.close`."""
        await self.disconnect()

    # --- PDUs ---------------------------------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """Whether there is a connection."""
        return self._client is not None and self._client.is_connected

    def has(self, handle: int) -> bool:
        """Whether the pump has a handle; see `Port.has`."""
        return handle in self._known or (_told(handle) and handle - 1 in self._known)

    def send(self, pdu: bytes) -> None:
        """Sends a PDU; see `Port.send`. What no client of an operating system can send is lost."""
        try:
            asked = att.parse(pdu)
        except PduError:
            return
        work: Coroutine[Any, Any, None] | None = None
        if asked.opcode is AttOpcode.READ_REQUEST:
            work = self._answer(asked, self._read(asked.handle))
        elif asked.opcode is AttOpcode.WRITE_REQUEST:
            work = self._answer(asked, self._write(asked.handle, asked.value))
        elif asked.opcode is AttOpcode.EXCHANGE_MTU_REQUEST and self._client is not None:
            self.on_pdu(att.build(Pdu(AttOpcode.EXCHANGE_MTU_RESPONSE, mtu=self._client.mtu_size)))
        if work is not None:
            task = self._air.loop.create_task(work)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _answer(self, asked: Pdu, work: Coroutine[Any, Any, Pdu]) -> None:
        try:
            answer = await work
        except BleakGATTProtocolError as error:
            answer = _refusal(asked, int(error.code))
        except BleakError:
            if self._client is None or not self._client.is_connected:
                return
            answer = _refusal(asked, AttErrorCode.UNLIKELY_ERROR)
        self.on_pdu(att.build(answer))

    async def _read(self, handle: int) -> Pdu:
        client = self._there()
        if handle not in self._known:
            raise BleakGATTProtocolError(AttErrorCode.READ_NOT_PERMITTED)
        return Pdu(AttOpcode.READ_RESPONSE, value=bytes(await client.read_gatt_char(self._known[handle])))

    async def _write(self, handle: int, value: bytes) -> Pdu:
        client = self._there()
        if handle in self._known:
            await client.write_gatt_char(self._known[handle], value, response=True)
        elif value == _OFF:
            self._heard.discard(handle - 1)
            await client.stop_notify(self._known[handle - 1])
        else:
            await self._subscribe(client, handle - 1)
        return Pdu(AttOpcode.WRITE_RESPONSE)

    async def _subscribe(self, client: BleakClient, handle: int) -> None:
        if handle in self._heard:
            return
        kind = AttOpcode.INDICATION if "indicate" in _BY_HANDLE[handle].properties else AttOpcode.NOTIFICATION

        def take(_characteristic: BleakGATTCharacteristic, value: bytearray) -> None:
            self.on_pdu(att.build(Pdu(kind, handle, bytes(value))))

        with contextlib.suppress(BleakError):
            await client.stop_notify(self._known[handle])
        await client.start_notify(self._known[handle], take)
        self._heard.add(handle)

    def _there(self) -> BleakClient:
        if self._client is None:
            raise BleakError("not connected")
        return self._client


_BY_HANDLE = {characteristic.handle: characteristic for characteristic in database.CHARACTERISTICS.values()}


def _told(handle: int) -> bool:
    before = _BY_HANDLE.get(handle - 1)
    return before is not None and before.configuration_handle == handle


def _refusal(asked: Pdu, code: int) -> Pdu:
    return Pdu(AttOpcode.ERROR_RESPONSE, asked.handle, request_opcode=asked.opcode, error=code)


def _named(error: BaseException) -> str:
    return f"{type(error).__name__} {error}".strip()
