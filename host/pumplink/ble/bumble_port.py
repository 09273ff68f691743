"""A radio with a Bluetooth host of our own: both roles on one connection, and raw ATT PDUs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from uuid import UUID

from bumble import att, gatt, hci
from bumble.core import UUID as BumbleUUID
from bumble.core import AdvertisingData, BaseBumbleError, ProtocolError
from bumble.core import TimeoutError as BumbleTimeout
from bumble.device import Advertisement, Connection, Device, Peer
from bumble.keys import KeyStore, MemoryKeyStore, PairingKeys
from bumble.pairing import PairingConfig, PairingDelegate
from bumble.smp import ErrorCode as SmpError

from pumplink.ble.air import Air
from pumplink.ble.finding import INSULIN_DELIVERY, Advertiser, Finder, Wanted
from pumplink.ble.handles import Found, Handles
from pumplink.ble.passkey import Source
from pumplink.ble.port import Port
from pumplink.errors import BearerLost, PairingFailed
from pumpwire import database
from pumpwire.att import MTU_DEFAULT, AttOpcode

__all__ = ["BumblePort", "Keyboard", "Radio"]

CONNECT_S = 10.0
AGAIN_WITHIN_S = 5.0
ENCRYPT_S = 10.0
PAIR_S = 40.0
PASSKEY_S = 28.0
PASSKEY_STEP_S = 0.02
BONDED_ONLY_S = 12.0
"""For so long a pump may take nobody but its bonded peers, after a connection was dropped."""

_AGAIN_S = 1.0
_VALUES = (AttOpcode.NOTIFICATION, AttOpcode.INDICATION)
_REQUESTS = (AttOpcode.READ_REQUEST, AttOpcode.WRITE_REQUEST)
_INSUFFICIENT_AUTHENTICATION = 0x05
_ENDED = {
    hci.HCI_REMOTE_USER_TERMINATED_CONNECTION_ERROR: "the pump closed the connection",
    hci.HCI_CONNECTION_TIMEOUT_ERROR: "the radio link to the pump was lost: nothing was heard of it for some seconds",
}
_BASE = "-0000-1000-8000-00805f9b34fb"
_NO_BOND = (hci.HCI_PIN_OR_KEY_MISSING_ERROR, hci.HCI_AUTHENTICATION_FAILURE_ERROR)

# Its log has keys in it, and what goes wrong is told by errors.
logging.getLogger("bumble").setLevel(logging.CRITICAL + 1)

Radio = Callable[[], Awaitable[Device]]
"""Makes the device, not yet powered on; the radio behind it is there."""


class BumblePort(Port):
    """A radio driven by Bumble.

    Args:
        air: where it runs.
        radio: makes the device.
        wanted: which pump.
        passkey: gives the passkey that the pump shows.
        bonds: where keys are kept; as long as this object when None.
        serve: offer the table's services of the rig to the pump.
        close_radio: called at the end.
        lab: the pump's stack can show no passkey, so a connection that nobody authenticated is taken.
    """

    def __init__(
        self, air: Air, radio: Radio, *, wanted: Wanted, passkey: Source, bonds: KeyStore | None = None,
        serve: bool = True, close_radio: Callable[[], Awaitable[None]] | None = None, lab: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.wanted = wanted
        self.bonds = bonds or MemoryKeyStore()
        self._air = air
        self._radio = radio
        self._close_radio = close_radio
        self._serve = serve
        self._lab = lab
        self._delegate = Keyboard(passkey)
        self._device: Device | None = None
        self._connection: Connection | None = None
        self._peer: hci.Address | None = None
        self._pump: Handles | None = None
        self._pump_address = ""
        self._rig = Handles("rig", ())
        self._ours = False
        self._unplaced: list[bytes] = []
        self._asked_mtu = MTU_DEFAULT

    # --- The connection -----------------------------------------------------------------------------------------

    async def connect(self) -> None:
        """Finds the pump and connects; see `Port.connect`."""
        await self.disconnect()
        try:
            device = self._device = self._device or await self._power_on()
            await self._reach(device)
            await self._know()
        except (BaseBumbleError, hci.HCI_Error, TimeoutError, OSError) as error:
            await self.disconnect()
            raise BearerLost(f"the radio failed while connecting: {_named(error)}") from error
        except (BearerLost, PairingFailed):
            await self.disconnect()
            raise

    async def _power_on(self) -> Device:
        device = await self._radio()
        device.keystore = self.bonds
        device.pairing_config_factory = lambda _connection: PairingConfig(
            sc=True, mitm=True, bonding=True, delegate=self._delegate,
            identity_address_type=PairingConfig.AddressType.RANDOM,
        )  # fmt: skip
        device.l2cap_channel_manager.register_fixed_channel(att.ATT_CID, self._on_att)
        if self._serve:
            self._rig = _serve(device)
        await device.power_on()
        # Powering on makes a key store of its own where it finds none to its liking.
        device.keystore = self.bonds
        return device

    async def _link_up(self, device: Device) -> Connection:
        """Connects to the pump; to one that was connected before without listening to all others first."""
        if self._peer is not None:
            with contextlib.suppress(BumbleTimeout):
                return await device.connect_le(self._peer, timeout=AGAIN_WITHIN_S)
        self._peer = await self._find(device)
        return await device.connect_le(self._peer, timeout=CONNECT_S)

    async def _find(self, device: Device) -> hci.Address:
        finder = Finder(self.wanted)

        def heard(advertisement: Advertisement) -> None:
            finder.heard(_advertiser(advertisement))

        device.on(Device.EVENT_ADVERTISEMENT, heard)
        await device.start_scanning(filter_duplicates=False)
        try:
            found = await finder.listen()
        finally:
            device.remove_listener(Device.EVENT_ADVERTISEMENT, heard)
            await device.stop_scanning()
        assert isinstance(found.handle, hci.Address)
        return found.handle

    async def _reach(self, device: Device) -> None:
        """Connects and secures; again, while the pump takes bonded peers only."""
        until_s = self._air.loop.time() + BONDED_ONLY_S
        while True:
            connection = await self._link_up(device)
            self._begin(connection)
            began_s = time.perf_counter()
            try:
                await self._secure(connection)
            except _Dropped as dropped:
                if self._air.loop.time() >= until_s:
                    raise PairingFailed(str(dropped)) from None
                await asyncio.sleep(_AGAIN_S)
                continue
            self.secured_in_s = time.perf_counter() - began_s
            return

    def _begin(self, connection: Connection) -> None:
        self._connection = connection
        self._ours = False
        self._unplaced.clear()
        self._asked_mtu = MTU_DEFAULT

        def ended(reason: int) -> None:
            if self._connection is not connection:
                return
            self._connection = None
            if not self._ours:
                self.on_lost(_ENDED.get(reason, f"the connection to the pump ended (0x{reason:02X})"))

        connection.on(Connection.EVENT_DISCONNECTION, ended)

    async def _secure(self, connection: Connection) -> None:
        peer = str(connection.peer_address)
        keys = await self.bonds.get(peer)
        try:
            if keys is not None and not await self._encrypted(connection, keys):
                # A stack that shows no passkey may keep no bonds either, and theirs prove nothing.
                await self.bonds.delete(peer)
                keys = None
            if keys is None:
                self._delegate.begin()
                keys = await self._pair(connection)
        except hci.HCI_Error as error:
            if error.error_code in _NO_BOND:
                raise PairingFailed(
                    f"the pump {peer} does not know this host any more: its bonds were erased, or it was flashed anew; "
                    f"forget it here, too, and pair again: pumprig boards --forget {peer.split('/', maxsplit=1)[0]}"
                ) from None
            raise
        except asyncio.CancelledError:
            # Bumble cancels what waits on a connection that ends.
            if self._connection is connection:
                raise
            raise _Dropped(_DROPPED) from None
        if self._connection is not connection:
            raise _Dropped(_DROPPED)
        self.lab_only = keys is None or keys.ltk is None or not keys.ltk.authenticated
        if self.lab_only and not self._lab:
            # Such a bond would keep this host from a better one.
            with contextlib.suppress(KeyError):
                await self.bonds.delete(peer)
            raise PairingFailed(
                f"{peer.split('/', maxsplit=1)[0]} paired without a passkey, so nobody knows whether it is the pump; "
                "such a connection is taken only of a board whose stack can show none, as its data or its cable says"
            )

    async def _encrypted(self, connection: Connection, keys: PairingKeys) -> bool:
        """Encrypts with a bond; False where the pump has lost one that nobody was authenticated for."""
        try:
            await asyncio.wait_for(connection.encrypt(), ENCRYPT_S)
        except hci.HCI_Error as error:
            proven = keys.ltk is None or keys.ltk.authenticated
            if proven or not self._lab or error.error_code not in _NO_BOND:
                raise
            return False
        return True

    async def _pair(self, connection: Connection) -> PairingKeys | None:
        got: list[PairingKeys] = []
        connection.on(Connection.EVENT_PAIRING, got.append)
        try:
            await asyncio.wait_for(connection.pair(), PAIR_S)
        except ProtocolError as error:
            raise PairingFailed(_why(error.error_code, self._delegate)) from None
        return got[-1] if got else None

    async def _know(self) -> None:
        """Finds the handles, once for a pump, and asks for the results of vendor writes."""
        connection = self._connection
        if connection is None:
            raise BearerLost("the pump closed the connection as soon as it was encrypted")
        peer = str(connection.peer_address)
        try:
            if self._pump is None or peer != self._pump_address:
                self._pump = Handles("pump", await _discover(connection))
                self._pump_address = peer
                for pdu in self._unplaced:
                    self._value(connection, pdu)
                self._unplaced.clear()
            await self._ask_for_results(connection, self._pump)
        except asyncio.CancelledError:
            if self._connection is connection:
                raise
            raise BearerLost("the pump closed the connection while its services were looked at") from None

    async def _ask_for_results(self, connection: Connection, pump: Handles) -> None:
        handle = database.EMULATOR_WRITE_RESULT.handle + 1
        self.tells_results = handle in pump
        if self.tells_results:
            request = att.ATT_Write_Request(attribute_handle=pump.peer(handle), attribute_value=b"\x01\x00")
            answer = await connection.gatt_client.send_request(request)
            self.tells_results = answer.op_code == att.Opcode.ATT_WRITE_RESPONSE

    async def disconnect(self) -> None:
        """Ends the connection; see `Port.disconnect`."""
        connection, self._ours = self._connection, True
        if connection is None:
            return
        with contextlib.suppress(BaseBumbleError, hci.HCI_Error, TimeoutError):
            await asyncio.wait_for(connection.disconnect(), CONNECT_S)
        self._connection = None

    async def close(self) -> None:
        """Gives the radio up; see `Port.close`."""
        await self.disconnect()
        device, self._device = self._device, None
        if device is not None:
            with contextlib.suppress(BaseBumbleError, hci.HCI_Error, TimeoutError):
                await device.power_off()
        if self._close_radio is not None:
            await self._close_radio()

    # --- PDUs ---------------------------------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """Whether there is a connection."""
        return self._connection is not None

    def has(self, handle: int) -> bool:
        """Whether the pump has a handle; see `Port.has`."""
        return self._pump is not None and handle in self._pump

    def send(self, pdu: bytes) -> None:
        """Sends a PDU; see `Port.send`."""
        self._air.loop.call_soon(self._send, pdu)

    def _send(self, pdu: bytes) -> None:
        connection = self._connection
        if connection is None or self._pump is None or not pdu:
            return
        if pdu[0] in _VALUES or pdu[0] == AttOpcode.ERROR_RESPONSE:
            pdu = self._rig.to_peer(pdu)
        elif not pdu[0] & 1:
            pdu = self._pump.to_peer(pdu)
        if pdu[0] == AttOpcode.EXCHANGE_MTU_REQUEST and len(pdu) == 3:
            self._asked_mtu = int.from_bytes(pdu[1:], "little")
        connection.send_l2cap_pdu(att.ATT_CID, pdu)

    def _on_att(self, handle: int, pdu: bytes) -> None:
        connection = self._connection
        # What still comes while we disconnect is not of the connection that is next.
        if connection is None or self._ours or connection.handle != handle or not pdu:
            return
        opcode = pdu[0]
        if opcode in _VALUES:
            self._value(connection, pdu)
        elif opcode & 1:
            self._response(connection, pdu)
        elif opcode == AttOpcode.CONFIRMATION:
            self.on_pdu(pdu)
        elif opcode in _REQUESTS and (ours := self._rig.to_table(pdu)) is not None and len(pdu) >= 3:
            self._request(connection, ours)
        else:
            connection.gatt_server.on_gatt_pdu(connection, att.ATT_PDU.from_bytes(pdu))

    def _value(self, connection: Connection, pdu: bytes) -> None:
        if self._pump is None:
            # A pump may tell something before its handles are known here; it has counted it.
            self._unplaced.append(pdu)
            return
        ours = self._pump.to_table(pdu)
        if ours is not None:
            self.on_pdu(ours)
        elif pdu[0] == AttOpcode.INDICATION:
            # A value that is not in the table, such as Service Changed, needs its confirmation all the same.
            connection.send_l2cap_pdu(att.ATT_CID, bytes((AttOpcode.CONFIRMATION,)))

    def _response(self, connection: Connection, pdu: bytes) -> None:
        if connection.gatt_client.pending_request is not None:
            connection.gatt_client.on_gatt_pdu(att.ATT_PDU.from_bytes(pdu))
            return
        if pdu[0] == AttOpcode.EXCHANGE_MTU_RESPONSE and len(pdu) == 3:
            connection.on_att_mtu_update(max(MTU_DEFAULT, min(self._asked_mtu, int.from_bytes(pdu[1:], "little"))))
        ours = self._pump.to_table(pdu) if self._pump is not None else None
        self.on_pdu(pdu[:2] + b"\0\0" + pdu[4:] if ours is None else ours)

    def _request(self, connection: Connection, pdu: bytes) -> None:
        if connection.is_encrypted:
            self.on_pdu(pdu)
            return
        refusal = bytes((AttOpcode.ERROR_RESPONSE, pdu[0])) + pdu[1:3] + bytes((_INSUFFICIENT_AUTHENTICATION,))
        connection.send_l2cap_pdu(att.ATT_CID, self._rig.to_peer(refusal))


class _Dropped(Exception):
    """The pump ended the connection before it was secured."""


_DROPPED = (
    "the pump ended the connection before it was encrypted: after three wrong passkeys it pairs with nobody for 300 s, "
    "and while it is connected it takes nobody else"
)


class Keyboard(PairingDelegate):
    """Types the passkey that the pump shows.

    Args:
        source: gives it, once it is shown.

    Attributes:
        asked, told: whether the pairing needed a passkey, and got one.
    """

    def __init__(self, source: Source) -> None:
        super().__init__(io_capability=PairingDelegate.KEYBOARD_INPUT_ONLY)
        self._source = source
        self.asked = self.told = False

    def begin(self) -> None:
        """A pairing begins."""
        self.asked = self.told = False

    async def get_number(self) -> int | None:
        """The passkey; None when nobody told it in time."""
        self.asked = True
        loop = asyncio.get_running_loop()
        until_s = loop.time() + PASSKEY_S
        while loop.time() < until_s:
            # The pump may show it a moment after it was asked to.
            await asyncio.sleep(PASSKEY_STEP_S)
            passkey = self._source()
            if passkey is not None:
                self.told = True
                return passkey
        return None


def _why(code: int | None, keyboard: Keyboard) -> str:
    if keyboard.asked and not keyboard.told:
        return "the pump shows a passkey, and nobody told it to this host; give it with --passkey"
    if code in (SmpError.CONFIRM_VALUE_FAILED, SmpError.PASSKEY_ENTRY_FAILED, SmpError.DHKEY_CHECK_FAILED):
        return "wrong passkey; three in a row lock the pump's pairing for 300 s"
    if code == SmpError.REPEATED_ATTEMPTS:
        return "the pump takes no pairing now, after too many attempts; wait five minutes"
    name = SmpError(code).name.lower().replace("_", " ") if code in list(SmpError) else f"error {code}"
    return f"the pump refused to pair: {name}"


def _named(error: BaseException) -> str:
    return f"{type(error).__name__} {error}".strip()


def _advertiser(advertisement: Advertisement) -> Advertiser:
    data = advertisement.data
    services = [
        uuid
        for kind in (
            AdvertisingData.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS,
            AdvertisingData.INCOMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS,
        )
        for listed in data.get_all(kind)
        for uuid in listed
    ]
    name = data.get(AdvertisingData.COMPLETE_LOCAL_NAME) or data.get(AdvertisingData.SHORTENED_LOCAL_NAME) or ""
    pump = BumbleUUID(INSULIN_DELIVERY) in services
    return Advertiser(str(advertisement.address).split("/")[0], str(name), pump, advertisement.address)


def _uuid(uuid: BumbleUUID) -> UUID:
    return UUID(bytes=bytes(reversed(uuid.to_bytes(force_128=True))))


# A server shows assigned numbers in 16 bits: who looks for one compares the octets. `from_16_bits` would give the form
# in which a peer named it first.
def _short(uuid: UUID) -> BumbleUUID:
    assigned = str(uuid).endswith(_BASE) and uuid.int >> 112 == 0
    return BumbleUUID(uuid.int >> 96) if assigned else BumbleUUID(str(uuid))


async def _discover(connection: Connection) -> list[Found]:
    peer = Peer(connection)
    found = []
    for service in await peer.discover_services():
        for characteristic in await service.discover_characteristics():
            configuration = None
            if characteristic.properties & _TOLD:
                for descriptor in await characteristic.discover_descriptors():
                    if descriptor.type == gatt.GATT_CLIENT_CHARACTERISTIC_CONFIGURATION_DESCRIPTOR:
                        configuration = descriptor.handle
            found.append(Found(_uuid(service.uuid), _uuid(characteristic.uuid), characteristic.handle, configuration))
    return found


_TOLD = gatt.Characteristic.Properties.NOTIFY | gatt.Characteristic.Properties.INDICATE
_ENCRYPTED = att.Attribute.Permissions.READ_REQUIRES_ENCRYPTION | att.Attribute.Permissions.WRITE_REQUIRES_ENCRYPTION
_PROPERTIES = {
    "read": gatt.Characteristic.Properties.READ,
    "write": gatt.Characteristic.Properties.WRITE,
    "notify": gatt.Characteristic.Properties.NOTIFY,
    "indicate": gatt.Characteristic.Properties.INDICATE,
}


def _serve(device: Device) -> Handles:
    """Puts the rig's services into the device's database. Their values are read and written through `_on_att`."""
    found = []
    for service in database.SERVICES:
        if service.owner != "rig":
            continue
        characteristics: list[gatt.Characteristic[bytes]] = []
        for characteristic in service.characteristics:
            properties = gatt.Characteristic.Properties(0)
            for name in characteristic.properties:
                properties |= _PROPERTIES[name]
            characteristics.append(gatt.Characteristic(_short(characteristic.uuid), properties, _ENCRYPTED))
        offered = gatt.Service(_short(service.uuid), characteristics)
        device.gatt_server.add_service(offered)
        for characteristic, there in zip(service.characteristics, characteristics, strict=True):
            has_configuration = characteristic.configuration_handle is not None
            found.append(
                Found(service.uuid, characteristic.uuid, there.handle, there.handle + 1 if has_configuration else None)
            )
    return Handles("rig", found)
