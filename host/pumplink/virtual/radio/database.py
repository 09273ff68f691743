"""The GATT database that a board has registered, as its stack builds and guards it."""

from __future__ import annotations

import struct
from collections.abc import Awaitable, Callable
from typing import Protocol

from bumble import att
from bumble.core import UUID
from bumble.device import Connection, Device
from bumble.gatt import Characteristic, Descriptor, Service

from pumplink.virtual.radio.frames import Errno, Stack, uuid_and_rest

__all__ = ["Database", "Guard", "Refused"]

READ, WRITE_NO_RESPONSE, WRITE, NOTIFY, INDICATE = 0x02, 0x04, 0x08, 0x10, 0x20
_READ_ENCRYPTED, _READ_AUTHENTICATED = 0x0200, 0x0400
_SUBSCRIBE_ENCRYPTED = 0x8000
_WRITE_ENCRYPTED, _WRITE_AUTHENTICATED = 0x1000, 0x2000
_PROPERTIES = 0x7F

_ERROR_RESPONSE, _READ_REQUEST, _READ_RESPONSE = 0x01, 0x0A, 0x0B
_WRITE_REQUEST, _WRITE_RESPONSE, _WRITE_COMMAND = 0x12, 0x13, 0x52
_ACCESS_OCTETS = 3

_CCCD = UUID(0x2902)
_SERVICES_MAX = 8
_BTSTACK_OCTETS = 512
_OPEN = att.Attribute.Permissions.READABLE | att.Attribute.Permissions.WRITEABLE


class Refused(Exception):
    """The stack refuses what the board asks of it.

    Args:
        errno: of MicroPython.
    """

    def __init__(self, errno: Errno) -> None:
        super().__init__(errno.name)
        self.errno = errno


class Guard(Protocol):
    """Who answers accesses to the attributes of the database."""

    stack: Stack

    def read_value(self, connection: Connection, handle: int) -> Awaitable[bytes]:
        """The value of an attribute, from the board."""

    def write_value(self, connection: Connection, handle: int, value: bytes) -> Awaitable[None]:
        """Gives a written value to the board."""

    def read_now(self, connection: Connection, handle: int, answered: Callable[[bytes], None]) -> None:
        """Tells the board at once that a value is read; `answered` gets the ATT error, then the value."""

    def write_now(self, connection: Connection, handle: int, value: bytes, answered: Callable[[bytes], None]) -> None:
        """Gives a written value to the board at once; `answered` is called when it has taken it."""

    def fits(self, connection: Connection, encrypted: bool, authenticated: bool) -> bool:
        """Whether the connection is what an attribute asks for."""

    def cccd_written(self, handle: int, value: bytes) -> None:
        """A client configuration was written."""

    def check(self, connection: Connection, encrypted: bool, authenticated: bool) -> Awaitable[None]:
        """Raises `ATT_Error` where the connection is not what an attribute asks for."""


class _Value(att.AttributeValueV2[bytes]):
    def __init__(self, guard: Guard, flags: int) -> None:
        super().__init__(self._get, self._put)
        self._guard = guard
        self._flags = flags
        self.handle = 0

    def may_read(self, connection: Connection) -> bool:
        """Whether a read is answered with the value."""
        encrypted, authenticated = bool(self._flags & _READ_ENCRYPTED), bool(self._flags & _READ_AUTHENTICATED)
        return bool(self._flags & READ) and self._guard.fits(connection, encrypted, authenticated)

    def may_write(self, connection: Connection) -> bool:
        """Whether a write is taken."""
        encrypted, authenticated = bool(self._flags & _WRITE_ENCRYPTED), bool(self._flags & _WRITE_AUTHENTICATED)
        writable = bool(self._flags & (WRITE | WRITE_NO_RESPONSE))
        return writable and self._guard.fits(connection, encrypted, authenticated)

    async def _get(self, bearer: att.Bearer) -> bytes:
        assert isinstance(bearer, Connection)
        flags = self._flags
        if not flags & READ:
            raise att.ATT_Error(att.ErrorCode.READ_NOT_PERMITTED)
        await self._guard.check(bearer, bool(flags & _READ_ENCRYPTED), bool(flags & _READ_AUTHENTICATED))
        return await self._guard.read_value(bearer, self.handle)

    async def _put(self, bearer: att.Bearer, value: bytes) -> None:
        assert isinstance(bearer, Connection)
        flags = self._flags
        if not flags & (WRITE | WRITE_NO_RESPONSE):
            raise att.ATT_Error(att.ErrorCode.WRITE_NOT_PERMITTED)
        await self._guard.check(bearer, bool(flags & _WRITE_ENCRYPTED), bool(flags & _WRITE_AUTHENTICATED))
        await self._guard.write_value(bearer, self.handle, bytes(value))


class Database:
    """What a board serves.

    Args:
        device: whose GATT server it is.
        guard: who answers accesses.
    """

    def __init__(self, device: Device, guard: Guard) -> None:
        self._server = device.gatt_server
        self._guard = guard
        self._name = b""
        self._left_octets = 0
        self._configurations: dict[int, bytes] = {}
        self._characteristics: dict[int, Characteristic[bytes]] = {}
        self.clear()

    def clear(self) -> None:
        """Leaves the services that the stack itself has: generic access and generic attribute."""
        server = self._server
        server.attributes.clear()
        server.attributes_by_handle.clear()
        server.services.clear()
        server.subscribers.clear()
        self._characteristics.clear()
        self._configurations.clear()
        nimble = self._guard.stack is Stack.NIMBLE
        # The end of BTstack's fixed table takes two octets.
        self._left_octets = _BTSTACK_OCTETS - 3
        named = att.AttributeValueV2[bytes](lambda _bearer: self._name)
        name = Characteristic[bytes](UUID(0x2A00), Characteristic.Properties.READ, _OPEN, named)  # type: ignore[arg-type]
        appearance = Characteristic[bytes](UUID(0x2A01), Characteristic.Properties.READ, _OPEN, bytes(2))
        changed_on = Characteristic.Properties.INDICATE if nimble else Characteristic.Properties.READ
        changed = Characteristic[bytes](UUID(0x2A05), changed_on, _OPEN, bytes(4) if nimble else b"")
        server.add_service(Service(UUID(0x1800), [name, appearance] if nimble else [name]))
        server.add_service(Service(UUID(0x1801), [changed]))
        if not nimble:
            for characteristic in (name, changed):
                self._takes(_octets(characteristic, 0))
            self._takes(2 * 10)

    def rename(self, name: bytes) -> None:
        """Sets the device name that generic access shows."""
        self._name = name

    def register(self, data: bytes) -> bytes:
        """Puts the board's services in the place of those before.

        Args:
            data: as `gatts_register_services` of the shim packs them.
        Returns:
            The handles of all values and descriptors, in their order, two octets each.
        Raises:
            Refused: the stack takes no more.
        """
        self.clear()
        handles: list[int] = []
        if data[0] > _SERVICES_MAX and self._guard.stack is Stack.NIMBLE:
            raise Refused(Errno.E2BIG)
        count, rest = data[0], data[1:]
        for _ in range(count):
            uuid, rest = uuid_and_rest(rest)
            entries, rest = self._parse(rest[1:], rest[0])
            if self._guard.stack is Stack.BTSTACK:
                entries = self._what_fits(uuid, entries)
            service = Service(_uuid(uuid), [characteristic for characteristic, _ in entries])
            self._server.add_service(service)
            for characteristic, own in entries:
                self._characteristics[characteristic.handle] = characteristic
                for attribute in (characteristic, *own):
                    assert isinstance(attribute.value, _Value)
                    attribute.value.handle = attribute.handle
                    handles.append(attribute.handle)
        return struct.pack(f"<{len(handles)}H", *handles)

    # --- Accesses -----------------------------------------------------------------------------------------------

    def access(self, connection: Connection, pdu: bytes) -> bool:
        """Tells the board of a plain access that is allowed, and answers it later; false for everything else.

        Args:
            connection: over which it came.
            pdu: of ATT.
        """
        opcode = pdu[0] if len(pdu) >= _ACCESS_OCTETS else 0
        if opcode not in (_READ_REQUEST, _WRITE_REQUEST, _WRITE_COMMAND):
            return False
        value = self._value(pdu[1] | pdu[2] << 8)
        if value is None:
            return False
        if opcode == _READ_REQUEST:
            if len(pdu) != _ACCESS_OCTETS or not value.may_read(connection):
                return False

            def readable(octets: bytes) -> None:
                error = bytes([_ERROR_RESPONSE]) + pdu + octets[:1]
                response = error if octets[0] else bytes([_READ_RESPONSE]) + octets[1:]
                connection.send_l2cap_pdu(att.ATT_CID, response[: connection.att_mtu])

            self._guard.read_now(connection, value.handle, readable)
        elif value.may_write(connection):

            def written(_octets: bytes) -> None:
                if opcode == _WRITE_REQUEST:
                    connection.send_l2cap_pdu(att.ATT_CID, bytes([_WRITE_RESPONSE]))

            self._guard.write_now(connection, value.handle, pdu[_ACCESS_OCTETS:], written)
        else:
            return False
        return True

    def _value(self, handle: int) -> _Value | None:
        attribute = self._server.get_attribute(handle)
        value = None if attribute is None else attribute.value
        return value if isinstance(value, _Value) else None

    def subscription(self, connection: Connection, handle: int) -> int:
        """What a client configuration says: 1 notify, 2 indicate, 0 neither."""
        value = self._server.subscribers.get(connection, {}).get(handle, b"")
        return value[0] if value else 0

    def __contains__(self, handle: int) -> bool:
        return handle in self._characteristics

    def _parse(self, data: bytes, count: int) -> tuple[list[tuple[Characteristic[bytes], list[Descriptor]]], bytes]:
        entries = []
        for _ in range(count):
            uuid, data = uuid_and_rest(data)
            flags, descriptors = struct.unpack_from("<HB", data)
            data = data[3:]
            own = []
            for _ in range(descriptors):
                descriptor_uuid, data = uuid_and_rest(data)
                (descriptor_flags,) = struct.unpack_from("<H", data)
                data = data[2:]
                # NimBLE guards no descriptors.
                if self._guard.stack is Stack.NIMBLE:
                    descriptor_flags &= READ | WRITE | WRITE_NO_RESPONSE
                value = _Value(self._guard, descriptor_flags)
                own.append(Descriptor(_uuid(descriptor_uuid), _OPEN, value))
            entries.append((self._characteristic(_uuid(uuid), flags, own), own))
        return entries, data

    # Both stacks put the client configuration right behind the value. NimBLE guards it by a flag of its own, BTstack as
    # it guards writing the value, and keeps one for all connections.
    def _characteristic(self, uuid: UUID, flags: int, own: list[Descriptor]) -> Characteristic[bytes]:
        properties = Characteristic.Properties(flags & _PROPERTIES)
        value = _Value(self._guard, flags)
        characteristic = Characteristic[bytes](uuid, properties, _OPEN, value, own)  # type: ignore[arg-type]
        if flags & (NOTIFY | INDICATE):
            characteristic.descriptors = [Descriptor(_CCCD, _OPEN, self._cccd(characteristic, flags)), *own]
        return characteristic

    def _cccd(self, characteristic: Characteristic[bytes], flags: int) -> att.AttributeValueV2[bytes]:
        server, guard = self._server, self._guard
        btstack = guard.stack is Stack.BTSTACK
        encrypted = bool(flags & (_WRITE_ENCRYPTED if btstack else _SUBSCRIBE_ENCRYPTED))
        authenticated = btstack and bool(flags & _WRITE_AUTHENTICATED)

        def read(bearer: att.Bearer) -> bytes:
            kept = self._configurations.get(characteristic.handle) if btstack else None
            return server.read_cccd(bearer, characteristic) if kept is None else kept

        async def write(bearer: att.Bearer, value: bytes) -> None:
            assert isinstance(bearer, Connection)
            await guard.check(bearer, encrypted, authenticated)
            server.write_cccd(bearer, characteristic, value)
            self._configurations[characteristic.handle] = bytes(value)
            guard.cccd_written(characteristic.handle, bytes(value))

        return att.AttributeValueV2(read, write)

    def _what_fits(
        self, uuid: bytes, entries: list[tuple[Characteristic[bytes], list[Descriptor]]]
    ) -> list[tuple[Characteristic[bytes], list[Descriptor]]]:
        if not self._takes(8 + len(uuid)):
            return []
        return [entry for entry in entries if self._takes(_octets(entry[0], len(entry[0].descriptors)))]

    def _takes(self, octets: int) -> bool:
        if octets > self._left_octets:
            return False
        self._left_octets -= octets
        return True


# `UUID.from_bytes` gives the form in which anybody in this process named a UUID first; the board has a form of its own,
# which counts in the room of its table and is seen on the air.
def _uuid(octets: bytes) -> UUID:
    return UUID(octets[::-1].hex())


# What BTstack's table takes: the declaration, the value and each descriptor, with their own heads.
def _octets(characteristic: Characteristic[bytes], descriptors: int) -> int:
    width = len(characteristic.uuid.to_bytes())
    return 8 + 3 + width + 6 + width + 10 * descriptors
