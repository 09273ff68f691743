"""A firmware that tells what its radio does, and a central in the test's hand."""

from __future__ import annotations

import asyncio
from typing import Any

from bumble.core import ProtocolError
from bumble.device import Connection, Device, Peer
from bumble.gatt_client import CharacteristicProxy
from bumble.hci import Address, HCI_Error
from bumble.keys import MemoryKeyStore
from bumble.pairing import PairingConfig, PairingDelegate

from pumplink import VirtualBoard

PASSKEY = 123456
# What a read or a write asks of the link, as flags of `bluetooth`.
READ_ENCRYPTED, READ_AUTHENTICATED, WRITE_ENCRYPTED, WRITE_AUTHENTICATED = 0x200, 0x400, 0x1000, 0x2000

FIRMWARE = """
import io
import bluetooth
from select import poll, POLLIN
FLAGS = {flags}
PASSKEYS = {passkeys}
secrets = {{}}
events = []

class Woken(io.IOBase):
    def ioctl(self, request, arg):
        return arg if request == 3 and events else 0

def secret(event, data):
    if event == 30:
        key = (data[0], bytes(data[1]))
        if data[2] is None:
            print("secret", data[0], "forgotten" if key in secrets else "not there")
            return secrets.pop(key, None) is not None
        print("secret", data[0], len(data[1]), len(data[2]))
        secrets[key] = bytes(data[2])
        return True
    found = [v for (kind, key), v in secrets.items() if kind == data[0] and data[2] in (None, key)]
    return found[data[1]] if data[1] < len(found) else None

def handle(event, data):
    if event in (29, 30):
        return secret(event, data)
    if event == 4:
        print("read", data[1])
        return {refuse}
    data = tuple([bytes(part) if isinstance(part, memoryview) else part for part in data])
    events.append((event, data, ble.gatts_read(data[1]) if event == 3 else b""))

ble = bluetooth.BLE()
ble.irq(handle)
ble.active(True)
ble.config(bond=True, mitm=PASSKEYS, le_secure=True, io=0 if PASSKEYS else 3, mtu=247, gap_name="PUMP")
SERVICES = ((bluetooth.UUID(0x183A), tuple([(bluetooth.UUID(0x2A00 + 7 * i), FLAGS[i]) for i in range(len(FLAGS))])),)
(handles,) = ble.gatts_register_services(SERVICES)
ADVERTISED = b"\\x02\\x01\\x06\\x05\\x09PUMP"
conn = -1

def advertise():
    ble.gap_advertise(100000, ADVERTISED, resp_data=b"\\x03\\x03\\x3a\\x18")

def take(event, data, value):
    global conn
    print(time.ticks_ms(), "irq", event, *data, *([value] if event == 3 else []))
    if event == 1:
        conn = data[0]
    elif event == 2:
        conn = -1
        advertise()
    elif event == 31:
        ble.gap_passkey(data[0], data[1], 123456)

def written(handle, value):
    pass

{lines}

advertise()
poller = poll()
poller.register(Woken(), POLLIN)
while True:
    poller.poll({wait_ms})
    while events:
        event = events.pop(0)
        take(*event)
        if event[0] == 3:
            written(event[1][1], event[2])
"""


def firmware(
    *flags: int, lines: str = "", passkeys: bool = True, refuse: int = 0, wait_ms: int = 60_000
) -> str:
    """Source of a board with one service; `lines` may say what `written(handle, value)` does.

    Args:
        flags: of each characteristic.
        lines: more of the program.
        passkeys: whether a passkey is shown.
        refuse: what the handler of a read answers.
        wait_ms: how long it sleeps at most.
    """
    return FIRMWARE.format(flags=list(flags), passkeys=passkeys, refuse=refuse, lines=lines, wait_ms=wait_ms)


class _Typist(PairingDelegate):
    def __init__(self, typed: int | None) -> None:
        super().__init__(self.NO_OUTPUT_NO_INPUT if typed is None else self.KEYBOARD_INPUT_ONLY)
        self._typed = typed

    async def get_number(self) -> int | None:
        return self._typed


class Hand:
    """A central on the air of a board.

    Args:
        board: started, with a radio.
        typed: the passkey that is typed; None when it has no keys.
        address: its static random address.
    """

    def __init__(self, board: VirtualBoard, typed: int | None = PASSKEY, address: str = "C1:00:00:00:00:01") -> None:
        assert board.radio is not None
        self.board, self.radio = board, board.radio
        self.values: list[bytes] = []
        self.ended: list[int] = []
        self.keys = MemoryKeyStore()
        self.device: Device = self.radio.run(self._made(typed, address))

    async def _made(self, typed: int | None, address: str) -> Device:
        device = await self.radio.attach("hand", address)
        device.pairing_config_factory = lambda _connection: PairingConfig(
            sc=True,
            mitm=typed is not None,
            bonding=True,
            delegate=_Typist(typed),
            identity_address_type=PairingConfig.AddressType.RANDOM,
        )
        await device.power_on()
        device.keystore = self.keys
        return device

    def connect(self) -> Hand:
        """Connects and finds what the board serves."""
        self.radio.run(self._connect())
        self.wait(0.001)
        return self

    async def _connect(self) -> None:
        self.connection: Connection = await self.device.connect(Address(self.radio.address), timeout=8)
        self.ended.clear()
        self.connection.on("disconnection", self.ended.append)
        self.peer = Peer(self.connection)
        await self.peer.discover_services()
        await self.peer.discover_characteristics()
        for service in self.peer.services:
            for found in service.characteristics:
                await found.discover_descriptors()
        (service,) = [service for service in self.peer.services if service.uuid.to_bytes() == b"\x3a\x18"]
        self.served: list[CharacteristicProxy[bytes]] = service.characteristics

    def subscribe(self, at: int) -> None:
        """Asks for what a characteristic tells."""
        self.radio.run(self.served[at].subscribe(self.values.append))

    def read(self, at: int) -> bytes:
        """Reads a characteristic."""
        return bytes(self.radio.run(self.served[at].read_value()))

    def write(self, at: int, value: bytes) -> None:
        """Writes a characteristic and lets the board go on for a moment."""
        self.radio.run(self.served[at].write_value(value, with_response=True))
        self.wait(0.001)

    def refused(self, doing: Any, *parts: Any) -> int:
        """The ATT error of a read or a write, 0 for none."""
        try:
            doing(*parts)
        except ProtocolError as error:
            return error.error_code or 0
        return 0

    def pair(self) -> bool:
        """Pairs; false when it fails."""
        return self._tried(self.connection.pair())

    def encrypt(self) -> bool:
        """Encrypts with a bond; false when it fails."""
        return self._tried(self.connection.encrypt())

    def _tried(self, work: Any) -> bool:
        try:
            self.radio.run(work)
        except (ProtocolError, HCI_Error, asyncio.CancelledError):
            return False
        finally:
            self.wait(0.001)
        return True

    def leave(self) -> None:
        """Disconnects."""
        self.radio.run(self.connection.disconnect())
        self.wait(0.001)

    def wait(self, seconds: float) -> None:
        """Lets DUT time pass."""
        self.board.run_until(self.board.now_s + seconds)

    def told(self, event: int) -> list[str]:
        """What the firmware printed of an event, without its time."""
        lines = [line.partition(" irq ")[2] for line in self.board.output]
        return [line.partition(" ")[2] for line in lines if line.partition(" ")[0] == str(event)]
