"""The GATT client that the firmware has on the connection of its central."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, TypeVar

from bumble import att
from bumble.core import UUID, ProtocolError, TimeoutError
from bumble.device import Connection
from bumble.gatt_client import Client

from pumplink.virtual.radio.frames import Errno, Irq, Stack

__all__ = ["BoardClient"]

_LAST_HANDLE = 0xFFFF
_PRIMARY, _CHARACTERISTIC = UUID.from_16_bits(0x2800), UUID.from_16_bits(0x2803)
_NIMBLE_ATT_BASE = 0x100
_NIMBLE_TIMEOUT = 13
_WITHOUT_RESPONSE = 0

Tell = Callable[[Irq, bytes], None]
_Found = TypeVar("_Found", bound=tuple[int, *tuple[object, ...]])


class BoardClient(Client):
    """Runs the procedures of `gattc_*`, and tells the board what comes of them, as its stack does.

    Args:
        connection: whose other end serves.
        stack: how results and errors are told.
        tell: tells the board of an event; its octets are those behind the connection handle.
    """

    def __init__(self, connection: Connection, stack: Stack, tell: Tell) -> None:
        super().__init__(connection)
        self._stack = stack
        self._tell = tell
        self._discovering = False
        self.pending = False

    def on_att_handle_value_notification(self, notification: att.ATT_Handle_Value_Notification) -> None:
        """Tells the board of a notification, whatever it has subscribed to."""
        self._value(Irq.GATTC_NOTIFY, notification.attribute_handle, notification.attribute_value)

    def on_att_handle_value_indication(self, indication: att.ATT_Handle_Value_Indication) -> None:
        """Confirms an indication and tells the board of it."""
        self.send_confirmation(att.ATT_Handle_Value_Confirmation())
        self._value(Irq.GATTC_INDICATE, indication.attribute_handle, indication.attribute_value)

    def begin(self, discovery: bool) -> Errno:
        """Whether the stack takes another procedure now.

        Args:
            discovery: it discovers characteristics, of which NimBLE runs one at a time.
        """
        if self._stack is Stack.BTSTACK:
            if self.pending:
                return Errno.EALREADY
            self.pending = not discovery
        elif discovery:
            if self._discovering:
                return Errno.EBUSY
            self._discovering = True
        return Errno.OK

    # --- Discovery -----------------------------------------------------------------------------------------------

    async def discover_primary(self, uuid: bytes) -> None:
        """Finds primary services: all, or those of a UUID."""
        status = 0
        try:
            async for start, end, found in self._services(uuid):
                self._tell(Irq.GATTC_SERVICE_RESULT, struct.pack("<HH", start, end) + found)
        except (ProtocolError, TimeoutError) as error:
            status = self._status(error)
        self._tell(Irq.GATTC_SERVICE_DONE, struct.pack("<H", status))

    async def discover_values(self, start: int, end: int, uuid: bytes) -> None:
        """Finds characteristics between two handles: all, or those of a UUID."""
        status = 0
        found: tuple[int, int, bytes] | None = None
        try:
            async for handle, data in self._by_type(start, end):
                if found is not None:
                    self._characteristic(found, handle - 1)
                properties, value_handle = struct.unpack_from("<BH", data)
                found = (value_handle, properties, data[3:]) if not uuid or data[3:] == uuid else None
        except (ProtocolError, TimeoutError) as error:
            status = self._status(error)
        if found is not None:
            self._characteristic(found, end)
        self._discovering = False
        self._tell(Irq.GATTC_CHARACTERISTIC_DONE, struct.pack("<H", status))

    async def discover_details(self, start: int, end: int) -> None:
        """Finds descriptors behind a value's handle."""
        status = 0
        at = start + 1
        try:
            while at <= end:
                request = att.ATT_Find_Information_Request(starting_handle=at, ending_handle=end)
                for handle, uuid in _onward(at, (await self._asked(request)).information):
                    self._tell(Irq.GATTC_DESCRIPTOR_RESULT, struct.pack("<H", handle) + bytes(uuid))
                    at = handle + 1
        except (ProtocolError, TimeoutError) as error:
            status = self._status(error)
        self._tell(Irq.GATTC_DESCRIPTOR_DONE, struct.pack("<H", status))

    def _characteristic(self, found: tuple[int, int, bytes], end: int) -> None:
        handle, properties, uuid = found
        self._tell(Irq.GATTC_CHARACTERISTIC_RESULT, struct.pack("<HHB", end, handle, properties) + uuid)

    async def _services(self, uuid: bytes) -> AsyncIterator[tuple[int, int, bytes]]:
        at = 1
        while at <= _LAST_HANDLE:
            if uuid:
                by_value = att.ATT_Find_By_Type_Value_Request(
                    starting_handle=at, ending_handle=_LAST_HANDLE, attribute_type=_PRIMARY, attribute_value=uuid
                )
                response = await self._asked(by_value)
                ranges = [(start, end, uuid) for start, end in response.handles_information]
            else:
                request = att.ATT_Read_By_Group_Type_Request(
                    starting_handle=at, ending_handle=_LAST_HANDLE, attribute_group_type=_PRIMARY
                )
                response = await self._asked(request)
                ranges = response.attributes
            for start, end, found in _onward(at, ranges):
                yield start, end, bytes(found)
                at = end + 1

    async def _by_type(self, start: int, end: int) -> AsyncIterator[tuple[int, bytes]]:
        at = start
        while at <= end:
            request = att.ATT_Read_By_Type_Request(
                starting_handle=at, ending_handle=end, attribute_type=_CHARACTERISTIC
            )
            for handle, data in _onward(at, (await self._asked(request)).attributes):
                yield handle, bytes(data)
                at = handle + 1

    # --- Values --------------------------------------------------------------------------------------------------

    async def read(self, handle: int) -> None:
        """Reads a value."""
        status = 0
        try:
            response = await self._asked(att.ATT_Read_Request(attribute_handle=handle))
            self.pending = False
            self._value(Irq.GATTC_READ_RESULT, handle, response.attribute_value)
        except (ProtocolError, TimeoutError) as error:
            status = self._status(error)
        self.pending = False
        self._tell(Irq.GATTC_READ_DONE, struct.pack("<HH", handle, status))

    async def write(self, handle: int, value: bytes, mode: int) -> None:
        """Writes a value; without a response nobody is told anything."""
        if mode == _WITHOUT_RESPONSE:
            self.pending = False
            command = att.ATT_Write_Command(attribute_handle=handle, attribute_value=value)
            await self.send_command(command)
            return
        status = 0
        try:
            await self._asked(att.ATT_Write_Request(attribute_handle=handle, attribute_value=value))
        except (ProtocolError, TimeoutError) as error:
            status = self._status(error)
        self.pending = False
        self._tell(Irq.GATTC_WRITE_DONE, struct.pack("<HH", handle, status))

    def _value(self, irq: Irq, handle: int, value: bytes) -> None:
        self._tell(irq, struct.pack("<H", handle) + bytes(value))

    async def _asked(self, request: att.ATT_PDU) -> Any:
        response = await self.send_request(request)
        if response.op_code == att.Opcode.ATT_ERROR_RESPONSE:
            raise ProtocolError(response.error_code, "att", "", response)
        return response

    # The end of a discovery is an attribute that is not found.
    def _status(self, error: ProtocolError | TimeoutError) -> int:
        if isinstance(error, TimeoutError):
            return _NIMBLE_TIMEOUT
        if error.error_code == att.ErrorCode.ATTRIBUTE_NOT_FOUND:
            return 0
        return (error.error_code or 0) + (_NIMBLE_ATT_BASE if self._stack is Stack.NIMBLE else 0)


# A server that answers with what was not asked for would be asked for ever.
def _onward(at: int, found: Sequence[_Found]) -> Sequence[_Found]:
    if not found or found[0][0] < at:
        raise ProtocolError(att.ErrorCode.UNLIKELY_ERROR, "att")
    return found
