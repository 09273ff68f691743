"""A central that need not be honest: raw ATT over the virtual radio, and pairing as a test wants it.

What the host's own bearer would put right, such as handles, is left as it is on the air: handles are those that were
discovered. Everything waits in DUT time.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import pytest

from pumplink import VirtualBoard
from pumpwire import database, e2e
from pumpwire.database import Characteristic
from pumpwire.declare import TO_CLIENT, Decoded
from pumpwire.registry import MESSAGES, decode

bumble = pytest.importorskip("bumble", reason="the virtual radio needs the extra `ble`")

from bumble import att, hci  # noqa: E402
from bumble.core import ProtocolError  # noqa: E402
from bumble.keys import MemoryKeyStore  # noqa: E402
from bumble.pairing import PairingConfig, PairingDelegate  # noqa: E402

NEEDS_RADIO = pytest.mark.skipif(
    "ble" not in inspect.signature(VirtualBoard).parameters, reason="the virtual board has no radio"
)
KEYBOARD = PairingDelegate.KEYBOARD_INPUT_ONLY
NOTHING = PairingDelegate.NO_OUTPUT_NO_INPUT

INVALID_HANDLE, INSUFFICIENT_AUTHENTICATION, INSUFFICIENT_ENCRYPTION = 0x01, 0x05, 0x0F
ON_AIR = [
    item
    for service in database.SERVICES
    if service.owner == "pump"
    for item in service.characteristics
    if database.BLE in item.bearers
]
_CCCD = b"\x02\x29"
_DECLARATION = b"\x03\x28"
_ANSWER_S = 5.0
# The pump keeps its bond, and has its values ready, a moment after the pairing.
SETTLED_S = 0.5
LATER = -1


async def _dut_time(seconds: float) -> None:
    loop = asyncio.get_running_loop()
    over = loop.create_future()
    loop.call_later(seconds, over.set_result, None)
    await over


class Typist(PairingDelegate):
    """Types what `passkey()` gives; None refuses, -1 is asked again."""

    def __init__(self, io: Any, passkey: Callable[[], int | None]) -> None:
        super().__init__(io_capability=io)
        self._passkey = passkey

    async def get_number(self) -> int | None:
        # The pump shows it a moment later.
        await _dut_time(0.5)
        while (passkey := self._passkey()) == LATER:
            await _dut_time(0.1)
        return passkey


class Central:
    """One central on the link of a board.

    Args:
        board: started, with a radio.
        name: of the central.
        address: static random.
        io: what it can type or show.

    Attributes:
        pdus: what came without being asked for, oldest first.
        confirming: whether indications are confirmed as they come.
        ended: the reason of the last disconnection; None while connected.
        passkey: gives what is typed; the right one by default.
    """

    def __init__(
        self, board: VirtualBoard, name: str = "rig", address: str = "C4:00:00:00:00:01", io: Any = KEYBOARD
    ) -> None:
        self.board = board
        self.radio = board.radio
        self.pdus: list[bytes] = []
        self.confirming = True
        self.ended: int | None = 0
        self.connection: Any = None
        self.passkey: Callable[[], int | None] = lambda: self.radio.passkeys[-1]
        self.values: dict[Characteristic, int] = {}
        self._sent: dict[Characteristic, int] = {}
        self._answers: list[bytes] = []
        self.device = self.radio.run(self.radio.attach(name, address))
        self.device.keystore = self.keys = MemoryKeyStore()
        self.device.pairing_config_factory = lambda _connection: PairingConfig(
            sc=True, mitm=io is not NOTHING, bonding=True, delegate=Typist(io, self._typed),
            identity_address_type=PairingConfig.AddressType.RANDOM,
        )  # fmt: skip
        self.device.l2cap_channel_manager.register_fixed_channel(att.ATT_CID, self._take)
        self.radio.run(self.device.power_on())
        self.device.keystore = self.keys

    # --- The connection -----------------------------------------------------------------------------------------

    def connect(self, within_s: float = 10.0) -> Central:
        """Connects, and finds what is there."""
        self.pdus.clear()
        self._sent.clear()
        self.ended = None
        self.connection = self.radio.run(
            self.device.connect_le(hci.Address(self.radio.address), timeout=within_s), within_s=within_s
        )
        self.connection.on("disconnection", self._lost)
        self.wait(SETTLED_S)
        return self

    def _typed(self) -> int | None:
        return self.passkey()

    def _lost(self, reason: int) -> None:
        self.ended = reason

    def disconnect(self) -> None:
        """Ends the connection, as a client does that is done."""
        if self.ended is None:
            self.radio.run(self.connection.disconnect())
        self.wait(SETTLED_S)

    def pair(self) -> bool:
        """Pairs; False when that failed."""
        done = self._tried(self.connection.pair())
        self.wait(SETTLED_S)
        return done and self.connected

    def encrypt(self) -> bool:
        """Encrypts with the key of the bond; False when that failed."""
        done = self._tried(self.connection.encrypt())
        self.wait(SETTLED_S)
        return done and self.connected

    def _tried(self, coroutine: Any) -> bool:
        try:
            self.radio.run(coroutine, within_s=40.0)
        except (ProtocolError, hci.HCI_Error, asyncio.CancelledError, TimeoutError):
            return False
        return self.ended is None

    def secured(self) -> Central:
        """Connects, pairs with the right passkey, and finds what is there."""
        self.connect()
        assert self.pair()
        self.discover()
        return self

    def wait(self, seconds: float) -> None:
        """Lets DUT time pass."""
        self.board.run_until(self.board.now_s + seconds)

    @property
    def connected(self) -> bool:
        """Whether the connection still stands."""
        return self.ended is None

    # --- ATT ----------------------------------------------------------------------------------------------------

    def _take(self, _handle: int, pdu: bytes) -> None:
        if pdu[0] in (0x1B, 0x1D):
            self.pdus.append(pdu)
            if pdu[0] == 0x1D and self.confirming:
                self.send(b"\x1e")
        elif pdu[0] & 1:
            self._answers.append(pdu)
        else:
            self.pdus.append(pdu)

    def send(self, pdu: bytes) -> None:
        """Sends a PDU, right or wrong."""
        self.connection.send_l2cap_pdu(att.ATT_CID, pdu)

    def request(self, pdu: bytes, within_s: float = _ANSWER_S) -> bytes:
        """Sends a request; gives its response, nothing when none came."""
        self._answers.clear()
        self.send(pdu)
        self.board.run_until(self.board.now_s + within_s, lambda: bool(self._answers) or not self.connected)
        return self._answers[0] if self._answers else b""

    def error(self, pdu: bytes) -> int:
        """The ATT error that a request gets, 0 for none."""
        answer = self.request(pdu)
        assert answer, f"no answer to {pdu.hex()}"
        return answer[4] if answer[0] == 0x01 else 0

    def discover(self) -> dict[Characteristic, int]:
        """Finds the handles of all values by their UUIDs; nothing but `attribute not found` ends that."""
        by_uuid = {item.uuid.bytes: item for item in ON_AIR}
        base = database.FEATURES.uuid.bytes
        at = 1
        while at <= 0xFFFF:
            asked = b"\x08" + at.to_bytes(2, "little") + b"\xff\xff" + _DECLARATION
            answer = self.request(asked)
            if answer == b"\x01\x08" + asked[1:3] + b"\x0a":
                break
            assert answer[:1] == b"\x09", f"{asked.hex()} was answered with {answer.hex() or 'nothing'}"
            size = answer[1]
            for start in range(2, len(answer), size):
                entry = answer[start : start + size]
                short = entry[5:]
                uuid = base[:2] + short[::-1] + base[4:] if len(short) == 2 else short[::-1]
                if uuid in by_uuid:
                    self.values[by_uuid[uuid]] = int.from_bytes(entry[3:5], "little")
                at = int.from_bytes(entry[:2], "little") + 1
        return self.values

    def read(self, item: Characteristic) -> bytes:
        """Reads a value; gives the whole response."""
        return self.request(b"\x0a" + self.values[item].to_bytes(2, "little"))

    def read_error(self, handle: int) -> int:
        """The ATT error of a read."""
        return self.error(b"\x0a" + handle.to_bytes(2, "little"))

    def write_error(self, handle: int, value: bytes) -> int:
        """The ATT error of a write."""
        return self.error(b"\x12" + handle.to_bytes(2, "little") + value)

    # --- Messages -----------------------------------------------------------------------------------------------

    def tell(self, name: str, *, counter: int | None = None, **values: Any) -> int:
        """Writes a message with its protection; gives the ATT error of the write, which the stack answers."""
        message = MESSAGES[name]
        octets = message.build(**values)
        if message.on.protection is not database.Protection.NONE:
            self._sent[message.on] = self._sent.get(message.on, 0) % 255 + 1
            octets = e2e.protect(octets, self._sent[message.on] if counter is None else counter, message.on.protection)
        return self.write_error(self.values[message.on], octets)

    def subscribe(self, *items: Characteristic) -> None:
        """Asks for what these tell."""
        for item in items:
            bits = b"\x02\x00" if "indicate" in item.properties else b"\x01\x00"
            assert self.write_error(self.values[item] + 1, bits) == 0, item

    def told(self, item: Characteristic, within_s: float = _ANSWER_S) -> Decoded | None:
        """The next notified or indicated message of a characteristic, None when none comes in time."""
        handle = self.values[item].to_bytes(2, "little")

        def there() -> list[bytes]:
            return [pdu for pdu in self.pdus if pdu[1:3] == handle]

        self.board.run_until(self.board.now_s + within_s, lambda: bool(there()) or not self.connected)
        if not there():
            return None
        pdu = there()[0]
        self.pdus.remove(pdu)
        return decode(item, e2e.check(pdu[3:], item.protection)[0], TO_CLIENT)[1]

    def ask(self, name: str, **values: Any) -> dict[str, Any]:
        """Writes a message to a control point and gives the fields of what is indicated; nothing when nothing is."""
        assert self.tell(name, **values) == 0
        told = self.told(MESSAGES[name].on)
        return {} if told is None else told.fields

    def result(self) -> tuple[int, int] | None:
        """What the pump tells of a write: handle of the table, and ATT error."""
        told = self.told(database.EMULATOR_WRITE_RESULT)
        return None if told is None else (told.fields["written_handle"], told.fields["written_error"])

    def heard(self, seconds: float) -> list[Any]:
        """Advertisements of the board in some DUT seconds."""
        found: list[Any] = []

        def take(advertisement: Any) -> None:
            if str(advertisement.address).split("/")[0] == self.radio.address:
                found.append(advertisement)

        self.device.on("advertisement", take)
        self.radio.run(self.device.start_scanning(filter_duplicates=False))
        self.wait(seconds)
        self.radio.run(self.device.stop_scanning())
        self.device.remove_listener("advertisement", take)
        return found
