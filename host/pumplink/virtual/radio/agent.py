"""The board's Bluetooth stack: a peripheral of Bumble's that does what the firmware asks through `bluetooth`."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from bumble import att, hci, smp
from bumble.core import BaseBumbleError
from bumble.device import AdvertisingType, Connection, Device
from bumble.keys import PairingKeys
from bumble.pairing import PairingConfig

from pumplink.virtual.radio.air import BoardController, RadioLink
from pumplink.virtual.radio.bonds import PEER_SECRET, BoardKeys, Delegate, address_key, unpacked
from pumplink.virtual.radio.client import BoardClient
from pumplink.virtual.radio.database import Database, Refused
from pumplink.virtual.radio.frames import Errno, Event, Irq, Request, Stack, uuid_and_rest
from pumplink.virtual.radio.peer import ATT_CID, NOT_CONNECTED, Config, Indications, Peer, quietly
from pumplink.virtual.radio.quick import QuickHost
from pumplink.virtual.radio.secrets import BoardSecrets

if TYPE_CHECKING:
    from bumble.controller import Controller

__all__ = ["Agent"]

_NO_ADDRESS = struct.pack("<B6s", 0xFF, bytes(6))
_STOP_ADVERTISING = 0xFFFFFFFF
_ADVERTISING_UNIT_US = 625
_ADVERTISING_UNITS = range(0x20, 0x4001)
_ADVERTISING_OCTETS_MAX = 31
_NAME_OCTETS_MAX = 31
_CONFIRMATION = bytes([att.Opcode.ATT_HANDLE_VALUE_CONFIRMATION])
_NOTIFICATION = struct.pack("<HB", ATT_CID, att.Opcode.ATT_HANDLE_VALUE_NOTIFICATION)
_KEY_OCTETS = 16


class Agent:
    """Serves one life of a board, from its start to its end.

    Args:
        link: the air.
        stack: whose limits it has.
        address: the board's own, static random.
        send: gives a frame's octets to the board with the next grant.
        reply: gives them to the board at once; it waits for them.
        passkeys: where the passkeys that the board was to show are noted.
    """

    def __init__(
        self,
        link: RadioLink,
        stack: Stack,
        address: str,
        send: Callable[[bytes], None],
        reply: Callable[[bytes], None],
        passkeys: list[int],
    ) -> None:
        self.stack = stack
        self._link = link
        self._loop = link.loop
        self._address = hci.Address(address, hci.Address.RANDOM_DEVICE_ADDRESS)
        self._send = send
        self._reply = reply
        self._passkeys = passkeys
        self._config = Config()
        self._controller: BoardController | None = None
        self._device: Device | None = None
        self._database: Database | None = None
        self._peers: dict[int, Peer] = {}
        self._questions: dict[int, Callable[[bytes], None]] = {}
        self._answers: set[asyncio.Future[bytes]] = set()
        self._question = 0
        self._name = b""
        self._advertising: tuple[bytes, bytes] = (b"", b"")
        self._alive = True
        self._tasks: set[asyncio.Task[None]] = set()
        self.secrets = BoardSecrets(stack, self.ask)

    # --- The board's side ----------------------------------------------------------------------------------------

    def take(self, frame: bytes) -> bool:
        """Takes a frame of the board's; true when the board waits for the reply."""
        request, data = Request(frame[0]), frame[1:]
        if request is Request.ANSWERED:
            (number,) = struct.unpack_from("<H", data)
            question = self._questions.pop(number, None)
            if question is not None:
                question(data[2:])
            return False
        if request < Request.NOTIFY:
            self.spawn(self._serve(request, data))
            return True
        if request is Request.PASSKEY:
            self._passkey(*struct.unpack("<HBI", data))
        elif self._device is not None:
            handle, attribute = struct.unpack_from("<HH", data)
            if request is Request.UPDATED:
                self._updated(attribute, data[4:])
            elif request is Request.NOTIFY:
                self._notify(handle, attribute, data[4:])
            else:
                self._indicate(handle, attribute, data[4:])
        return False

    def tell(self, event: Irq | Event, data: bytes) -> None:
        """Tells the board of an event."""
        if self._alive:
            self._send(bytes([event]) + data)

    def ask(self, event: Irq | Event, data: bytes) -> asyncio.Future[bytes]:
        """Tells the board of an event at once; what its handler makes of it comes later."""
        answer: asyncio.Future[bytes] = self._loop.create_future()
        self._answers.add(answer)
        answer.add_done_callback(self._answers.discard)
        self._ask(event, data, lambda octets: None if answer.done() else answer.set_result(octets))
        return answer

    def _ask(self, event: Irq | Event, data: bytes, answered: Callable[[bytes], None]) -> None:
        self._question = self._question % 0xFFFF + 1
        self._questions[self._question] = answered
        self.tell(event, struct.pack("<H", self._question) + data)

    def end(self) -> None:
        """The board has lost its power, or begins again: it goes off the air without a word."""
        self._alive = False
        for task in self._tasks:
            task.cancel()
        for answer in list(self._answers):
            answer.cancel()
        if self._controller is not None:
            self._link.lose(self._controller)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Goes on with something until the board ends."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, request: Request, data: bytes) -> None:
        errno, answer = Errno.OK, b""
        try:
            answer = await self._SERVICES[request](self, data)
        except Refused as refused:
            errno = refused.errno
        except (TimeoutError, BaseBumbleError):
            errno = Errno.EIO
        if self._alive:
            self._reply(bytes([Event.REPLY, errno]) + answer)

    # --- On and off, advertising, services -----------------------------------------------------------------------

    async def _active(self, data: bytes) -> bytes:
        if self._device is not None:
            await self._off()
        if data[0]:
            await self._on(data[1:])
        return bytes([1]) + bytes(self._address)[::-1]

    async def _on(self, settings: bytes) -> None:
        irk, config = settings[:_KEY_OCTETS], settings[_KEY_OCTETS:]
        self.secrets.forget()
        controller = self._controller = BoardController(self._link)
        device = Device(address=self._address, host=QuickHost(controller, self._loop))
        device.irk = irk
        device.smp_manager.pairing_config_factory = self._pairing
        await device.power_on()
        device.keystore = BoardKeys(self.secrets, self._wanted, irk, self.spawn)
        device.on(device.EVENT_CONNECTION, self._connected)
        self._database = Database(device, self)
        device.l2cap_channel_manager.register_fixed_channel(ATT_CID, self._att)
        self._device = device
        await self._configure(config)

    async def _off(self) -> None:
        device, controller = self._device, self._controller
        assert device is not None and controller is not None
        self._device = self._database = self._controller = None
        await device.stop_advertising()
        for peer in list(self._peers.values()):
            await peer.connection.disconnect()
        self._peers.clear()
        await device.power_off()
        # What it said last is still on its way.
        self._loop.call_later(self._link.interval_s * 2, self._link.remove_controller, controller)

    async def _configure(self, data: bytes) -> bytes:
        mtu, bond, mitm, le_secure, io = struct.unpack_from("<HBBBB", data)
        self._config = Config(mtu, bool(bond), bool(mitm), bool(le_secure), io)
        self._name = data[6:]
        if self._device is not None and self._database is not None:
            self._device.gatt_server.max_mtu = mtu
            self._device.name = self._name.decode("utf-8", "replace")
            self._database.rename(self._name)
        return b""

    async def _advertise(self, data: bytes) -> bytes:
        device = self._on_air()
        interval_us, connectable, count = struct.unpack_from("<IBB", data)
        if device.legacy_advertiser is not None:
            await device.stop_advertising()
        if interval_us == _STOP_ADVERTISING:
            return b""
        texts = data[6:]
        has, advertised, answered = count, texts[: count & 0x7F], texts[count & 0x7F :]
        kept = self._advertising
        # What is not given stays as it was.
        self._advertising = (kept[0] if has & 0x80 else advertised, answered if answered else kept[1])
        units = interval_us // _ADVERTISING_UNIT_US
        if max(map(len, self._advertising)) > _ADVERTISING_OCTETS_MAX or units not in _ADVERTISING_UNITS:
            self._advertising = kept
            raise Refused(Errno.EINVAL)
        await device.start_advertising(
            AdvertisingType.UNDIRECTED_CONNECTABLE_SCANNABLE if connectable else AdvertisingType.UNDIRECTED,
            advertising_data=self._advertising[0],
            scan_response_data=self._advertising[1],
            advertising_interval_min=interval_us / 1000,
            advertising_interval_max=interval_us / 1000,
        )
        return b""

    async def _register(self, data: bytes) -> bytes:
        device = self._on_air()
        if self.stack is Stack.NIMBLE and (device.legacy_advertiser is not None or self._peers):
            raise Refused(Errno.EBUSY)
        assert self._database is not None
        return self._database.register(data)

    def _on_air(self) -> Device:
        if self._device is None:
            raise Refused(Errno.ENODEV)
        return self._device

    # --- Connections ---------------------------------------------------------------------------------------------

    def _connected(self, connection: Connection) -> None:
        handle = connection.handle
        client = BoardClient(connection, self.stack, lambda irq, data: self.tell(irq, _u16(handle) + data))
        connection.gatt_client = client
        address = connection.peer_address
        known = struct.pack("<B6s", not address.is_public, bytes(address)[::-1])
        peer = Peer(connection, client, known, Indications(connection, self._loop, self.tell, self.spawn))
        self._peers[handle] = peer
        connection.on(connection.EVENT_DISCONNECTION, lambda _reason: self._disconnected(handle))
        connection.on(connection.EVENT_CONNECTION_ATT_MTU_UPDATE, lambda: self._mtu(peer))
        connection.on(connection.EVENT_CONNECTION_PARAMETERS_UPDATE, lambda: self._parameters(peer))
        connection.on(connection.EVENT_PAIRING, lambda keys: self._paired(peer, keys))
        connection.on(connection.EVENT_PAIRING_FAILURE, lambda _reason: self._pairing_failed(peer))
        connection.on(
            connection.EVENT_CONNECTION_ENCRYPTION_CHANGE, lambda: self.spawn(self._encryption_changed(peer))
        )
        self.tell(Irq.CENTRAL_CONNECT, _u16(handle) + peer.address)

    def _disconnected(self, handle: int) -> None:
        peer = self._peers.pop(handle, None)
        if peer is None or self._device is None:
            return
        if peer.passkey is not None and not peer.passkey.done():
            peer.passkey.cancel()
        peer.indications.disconnected()
        address = peer.address if self.stack is Stack.NIMBLE else _NO_ADDRESS
        self.tell(Irq.CENTRAL_DISCONNECT, _u16(handle) + address)

    def _mtu(self, peer: Peer) -> None:
        self.tell(Irq.MTU_EXCHANGED, struct.pack("<HH", peer.connection.handle, peer.connection.att_mtu))

    def _parameters(self, peer: Peer) -> None:
        parameters = peer.connection.parameters
        interval = round(parameters.connection_interval / 1.25)
        timeout = round(parameters.supervision_timeout / 10)
        latency = parameters.peripheral_latency
        self.tell(
            Irq.CONNECTION_UPDATE, struct.pack("<HHHHH", peer.connection.handle, interval, latency, timeout, 0)
        )

    async def _disconnect(self, data: bytes) -> bytes:
        self._on_air()
        peer = self._peers.get(struct.unpack("<H", data)[0])
        if peer is None:
            if self.stack is Stack.NIMBLE:
                raise Refused(Errno.ENOTCONN)
            return b""
        self.spawn(quietly(peer.connection.disconnect()))
        return b""

    # --- Security ------------------------------------------------------------------------------------------------

    async def _pair(self, data: bytes) -> bytes:
        self._on_air()
        peer = self._peers.get(struct.unpack("<H", data)[0])
        if peer is not None:
            peer.connection.request_pairing()
        elif self.stack is Stack.NIMBLE:
            raise Refused(Errno.ENOTCONN)
        return b""

    def _pairing(self, connection: Connection) -> PairingConfig:
        config = self._config
        delegate = Delegate(_Asker(self, connection.handle), config.io)
        return PairingConfig(
            sc=config.le_secure,
            mitm=config.mitm,
            bonding=config.bond,
            delegate=delegate,
            identity_address_type=PairingConfig.AddressType.RANDOM,
        )

    def _wanted(self, address: hci.Address) -> bool:
        del address
        sessions = self._device.smp_manager.sessions if self._device is not None else {}
        return self._config.bond and any(session.bonding for session in sessions.values())

    async def pairing_asked(self, handle: int) -> None:
        """A peer asks for a pairing. One that is known has lost its bond: NimBLE forgets its own first."""
        peer = self._peers.get(handle)
        if peer is None:
            return
        peer.pairing = True
        key = address_key(peer.connection.peer_address)
        if self.stack is Stack.NIMBLE and unpacked(await self.secrets.get(PEER_SECRET, key)) is not None:
            for kind in (1, PEER_SECRET):
                await self.secrets.delete(kind, key)

    def _paired(self, peer: Peer, keys: PairingKeys) -> None:
        del keys
        session = self._session(peer)
        peer.pairing = False
        peer.bonded = self._config.bond and session is not None and session.bonding
        self._tell_security(peer)

    def _pairing_failed(self, peer: Peer) -> None:
        peer.pairing = False
        if peer.passkey is not None and not peer.passkey.done():
            peer.passkey.cancel()
        # The next attempt is a session of its own.
        if self._device is not None:
            self._device.smp_manager.sessions.pop(peer.connection.handle, None)
        self._tell_security(peer)

    async def _encryption_changed(self, peer: Peer) -> None:
        encrypted = bool(peer.connection.encryption)
        if peer.pairing and encrypted:
            session = self._session(peer)
            peer.encrypted = True
            peer.authenticated = session is not None and session.pairing_method is not smp.PairingMethod.JUST_WORKS
            if self.stack is Stack.BTSTACK:
                self._tell_security(peer)
            return
        peer.encrypted = encrypted
        if encrypted:
            found = unpacked(self.secrets.last(1, address_key(peer.connection.peer_address)))
            peer.authenticated = found is not None and found[1]
            peer.bonded = found is not None
        self._tell_security(peer)

    def _tell_security(self, peer: Peer) -> None:
        if peer.connection.handle in self._peers:
            size = _KEY_OCTETS if peer.encrypted else 0
            state = (peer.encrypted, peer.authenticated, peer.bonded, size)
            self.tell(Irq.ENCRYPTION_UPDATE, struct.pack("<HBBBB", peer.connection.handle, *state))

    def _session(self, peer: Peer) -> smp.Session | None:
        if self._device is None:
            return None
        return self._device.smp_manager.sessions.get(peer.connection.handle)

    async def asked_passkey(self, handle: int, action: int, number: int) -> int | None:
        """What the firmware answers a passkey action with; None when the connection or the pairing ends before."""
        peer = self._peers.get(handle)
        if peer is None or self.stack is Stack.BTSTACK:
            return None
        peer.passkey = self._loop.create_future()
        self.tell(Irq.PASSKEY_ACTION, struct.pack("<HBI", handle, action, number))
        return await peer.passkey

    def _passkey(self, handle: int, action: int, passkey: int) -> None:
        peer = self._peers.get(handle)
        if peer is not None and peer.passkey is not None and not peer.passkey.done():
            self._passkeys.append(passkey)
            peer.passkey.set_result(passkey)

    # --- Values --------------------------------------------------------------------------------------------------

    def fits(self, connection: Connection, encrypted: bool, authenticated: bool) -> bool:
        """Whether the connection is what an attribute asks for."""
        peer = self._peers.get(connection.handle)
        if peer is None:
            return False
        if self.stack is Stack.BTSTACK and encrypted:
            # MicroPython asks BTstack for the one or the other, encryption first.
            return peer.encrypted
        return (peer.encrypted or not encrypted) and (peer.authenticated or not authenticated)

    async def check(self, connection: Connection, encrypted: bool, authenticated: bool) -> None:
        """Raises `ATT_Error` where the connection is not what an attribute asks for, as the stack does."""
        peer = self._peers.get(connection.handle)
        if peer is None or self.fits(connection, encrypted, authenticated):
            return
        if self.stack is Stack.BTSTACK and encrypted:
            raise att.ATT_Error(att.ErrorCode.INSUFFICIENT_ENCRYPTION)
        if self.stack is Stack.NIMBLE and not peer.encrypted:
            kept = unpacked(await self.secrets.get(PEER_SECRET, address_key(connection.peer_address)))
            if kept is not None:
                raise att.ATT_Error(att.ErrorCode.INSUFFICIENT_ENCRYPTION)
        raise att.ATT_Error(att.ErrorCode.INSUFFICIENT_AUTHENTICATION)

    async def read_value(self, connection: Connection, handle: int) -> bytes:
        """The value of an attribute, after the firmware was told that it is read."""
        octets = await self.ask(Irq.GATTS_READ_REQUEST, struct.pack("<HH", connection.handle, handle))
        if octets[0]:
            raise att.ATT_Error(octets[0])
        return octets[1:]

    async def write_value(self, connection: Connection, handle: int, value: bytes) -> None:
        """Gives a written value to the board, and waits until its handler is through with it."""
        await self.ask(Irq.GATTS_WRITE, struct.pack("<HH", connection.handle, handle) + value)

    def read_now(self, connection: Connection, handle: int, answered: Callable[[bytes], None]) -> None:
        """The same, with the order of the board's own PDUs kept: `answered` gets the ATT error, then the value."""
        self._ask(Irq.GATTS_READ_REQUEST, struct.pack("<HH", connection.handle, handle), answered)

    def write_now(self, connection: Connection, handle: int, value: bytes, answered: Callable[[bytes], None]) -> None:
        """The same for a written value."""
        self._ask(Irq.GATTS_WRITE, struct.pack("<HH", connection.handle, handle) + value, answered)

    def cccd_written(self, handle: int, value: bytes) -> None:
        """Lets a board with BTstack look at a client configuration; NimBLE keeps it to itself."""
        if self.stack is Stack.BTSTACK:
            self.tell(Event.CCCD, _u16(handle + 1) + value[:2])

    def _notify(self, handle: int, attribute: int, value: bytes) -> None:
        peer = self._peers.get(handle)
        if peer is None:
            self.tell(Event.SENT, _u16(1))
            return
        room = peer.connection.att_mtu - 3
        pdu = att.ATT_Handle_Value_Notification(attribute_handle=attribute, attribute_value=value[:room])
        peer.connection.send_l2cap_pdu(ATT_CID, bytes(pdu))

    def arrived(self, sender: Controller, packet: bytes) -> None:
        """A packet has left: a notification's place in the stack's queue is free again."""
        if sender is self._controller and packet[2:5] == _NOTIFICATION:
            self.tell(Event.SENT, _u16(1))

    def _indicate(self, handle: int, attribute: int, value: bytes) -> None:
        peer = self._peers.get(handle)
        if peer is None:
            self.tell(Irq.GATTS_INDICATE_DONE, struct.pack("<HHB", handle, attribute, NOT_CONNECTED))
        else:
            peer.indications.add(attribute, value)

    # Accesses in the order of their PDUs: Bumble starts a task for each.
    def _att(self, handle: int, pdu: bytes) -> None:
        peer, device, database = self._peers.get(handle), self._device, self._database
        if peer is None or device is None or database is None:
            return
        if pdu[:1] == _CONFIRMATION:
            peer.indications.confirmed()
        elif not database.access(peer.connection, pdu):
            device.on_gatt_pdu(handle, pdu)

    def _updated(self, attribute: int, value: bytes) -> None:
        assert self._database is not None
        for handle, peer in self._peers.items():
            subscribed = self._database.subscription(peer.connection, attribute)
            if subscribed & 1:
                self._notify(handle, attribute, value)
            if subscribed & 2:
                self._indicate(handle, attribute, value)

    # --- The client ----------------------------------------------------------------------------------------------

    def _client(self, data: bytes, discovery: bool = False) -> tuple[BoardClient, bytes]:
        self._on_air()
        peer = self._peers.get(struct.unpack_from("<H", data)[0])
        if peer is None:
            raise Refused(Errno.ENOTCONN)
        errno = peer.client.begin(discovery)
        if errno:
            raise Refused(errno)
        return peer.client, data[2:]

    async def _discover_services(self, data: bytes) -> bytes:
        self._on_air()
        peer = self._peers.get(struct.unpack_from("<H", data)[0])
        if peer is None:
            raise Refused(Errno.ENOTCONN)
        self.spawn(quietly(peer.client.discover_primary(uuid_and_rest(data[2:])[0])))
        return b""

    async def _discover_characteristics(self, data: bytes) -> bytes:
        client, data = self._client(data, discovery=True)
        start, end = struct.unpack_from("<HH", data)
        self.spawn(quietly(client.discover_values(start, end, uuid_and_rest(data[4:])[0])))
        return b""

    async def _discover_descriptors(self, data: bytes) -> bytes:
        self._on_air()
        handle, start, end = struct.unpack("<HHH", data)
        peer = self._peers.get(handle)
        if peer is None:
            raise Refused(Errno.ENOTCONN)
        self.spawn(quietly(peer.client.discover_details(start, end)))
        return b""

    async def _client_read(self, data: bytes) -> bytes:
        client, data = self._client(data)
        self.spawn(quietly(client.read(struct.unpack("<H", data)[0])))
        return b""

    async def _client_write(self, data: bytes) -> bytes:
        client, data = self._client(data)
        handle, mode = struct.unpack_from("<HB", data)
        if mode > 1:
            client.pending = False
            raise Refused(Errno.EINVAL)
        self.spawn(quietly(client.write(handle, data[3:], mode)))
        return b""

    async def _client_mtu(self, data: bytes) -> bytes:
        self._on_air()
        peer = self._peers.get(struct.unpack("<H", data)[0])
        if peer is None:
            raise Refused(Errno.ENOTCONN)
        if peer.client.mtu_exchange_done:
            raise Refused(Errno.EALREADY)
        self.spawn(quietly(peer.client.request_mtu(self._config.mtu)))
        return b""

    _SERVICES: ClassVar[dict[Request, Callable[[Agent, bytes], Awaitable[bytes]]]] = {
        Request.ACTIVE: _active,
        Request.CONFIG: _configure,
        Request.ADVERTISE: _advertise,
        Request.REGISTER: _register,
        Request.DISCONNECT: _disconnect,
        Request.PAIR: _pair,
        Request.DISCOVER_SERVICES: _discover_services,
        Request.DISCOVER_CHARACTERISTICS: _discover_characteristics,
        Request.DISCOVER_DESCRIPTORS: _discover_descriptors,
        Request.CLIENT_READ: _client_read,
        Request.CLIENT_WRITE: _client_write,
        Request.CLIENT_MTU: _client_mtu,
    }


@dataclass
class _Asker:
    agent: Agent
    handle: int

    async def pairing_asked(self) -> None:
        """A peer asks for a pairing."""
        await self.agent.pairing_asked(self.handle)

    async def passkey(self, action: int, number: int) -> int | None:
        """What the firmware answers."""
        return await self.agent.asked_passkey(self.handle, action, number)


def _u16(value: int) -> bytes:
    return struct.pack("<H", value)
