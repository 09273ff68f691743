"""The firmware's BLE bearer and services on CPython, between a scripted stack and a pump: for what a radio does in ways
that a real peer never would, and for every moment at which it can."""

from types import SimpleNamespace

import bluetooth
import settings as product
from bearer import ble
from firmware.journal_bench import BLOCK_BYTES, HISTORY_BLOCKS, STATE_BLOCKS, Device
from firmware.whole_pump import Pump
from flash import Flash
from gatt import vendor
from gatt.air import AirPeripheral
from gatt.recorder import Recorder
from journal.history import History
from journal.ring import Ring
from journal.store import Store
from pumpwire import database, e2e
from pumpwire.declare import TO_CLIENT
from pumpwire.registry import MESSAGES, decode

CONNECT, DISCONNECT, WRITE, READ_REQUEST = 1, 2, 3, 4
INDICATE_DONE, MTU, ENCRYPTION, PASSKEY_ACTION = 20, 21, 28, 31
PEER = bytes.fromhex("01d0aabbccddee")
STRANGER = bytes.fromhex("01d0112233445566")[:7]
NAME = "bench"
CONNECTION = 3
# A collection of CPython's whole heap takes as long as a test.
vendor.gc = SimpleNamespace(collect=lambda: 0, mem_free=lambda: 100000)
_BY_HANDLE = {c.handle: c for c in database.CHARACTERISTICS.values()}


class Clock:
    """Milliseconds that the test sets."""

    def __init__(self):
        self.ticks_ms = 0

    def read(self):
        """Nothing: the test lets time pass."""

    @property
    def s(self):
        """Whole seconds."""
        return self.ticks_ms // 1000

    @property
    def ms(self):
        """Milliseconds of the second."""
        return self.ticks_ms % 1000

    def effect_s(self):
        """When what arrives now takes effect."""
        return self.s + 1

    def ms_until_s(self, s):
        """Until a second begins."""
        return max(0, 1000 * s - self.ticks_ms)


class Motor:
    """Counts pulses."""

    def __init__(self, store):
        self.pulses = []
        self.left = 0
        self._store = store

    def ready(self, s):
        """Never occluded."""
        return True

    def pulse(self, s):
        """One pulse, which leaves at once."""
        self.pulses.append(s)

    def run(self):
        """They leave."""
        while self.left < len(self.pulses):
            self._store.intend()
            self._store.done()
            self.left += 1


class Identity:
    """What the services say of the board."""

    firmware_hash = bytes(8)
    reset_cause = 0x33
    motor_pulse_ms = 5
    name = NAME
    unique_id = b"bench000"


class AirBench:
    """A pump with a radio. Events are told by `tell` and handled at once; `sent` is what came out, decoded."""

    def __init__(self, folder, stack="nimble", queue_max=1000):
        bluetooth.BLE.stack = stack
        bluetooth.BLE.queue_max = queue_max
        self.folder = folder
        self.counters = {}
        self.said = []
        self.clock = Clock()
        self.bearer = ble.BleBearer(self.clock, NAME, stack == "nimble", self.said.append, f"{folder}/")
        self.stack = bluetooth.BLE.now
        flash = Flash(Device(), STATE_BLOCKS + HISTORY_BLOCKS, BLOCK_BYTES, 16)
        store = Store(Ring(flash, 0, STATE_BLOCKS))
        history = History(Ring(flash, STATE_BLOCKS, HISTORY_BLOCKS), store)
        self.recorder = Recorder(history)
        self.motor = Motor(store)
        self.pump = Pump(product, self.recorder.emit, self.motor, store)
        store.connect(self.pump, history)
        self.security = self.bearer.security
        peripheral = AirPeripheral(
            self.clock, self.bearer, self.pump, history, self.recorder, product, Identity(), ble.MTU_MAX, self.security
        )
        self.server, self.client = peripheral.server, peripheral.client
        store.restart()
        self.bearer.start()
        self.run()

    # --- Time ---------------------------------------------------------------------------------------------------

    def step(self):
        """What the firmware's loop does for the radio."""
        self.pump.advance(self.clock.s)
        self.bearer.run()
        self.client.run()
        self.bearer.receive()
        self.server.run()
        self.bearer.tend()
        self.motor.run()
        self.pump.store.commit()
        self.pump.store.tend()

    def _wait_ms(self):
        waits = [part.wait_ms() for part in (self.bearer, self.server, self.client)]
        waits = [wait for wait in waits if wait >= 0]
        return min(waits, default=1000)

    def run(self, for_ms=0):
        """Let time pass, from one moment at which something is due to the next."""
        until_ms = self.clock.ticks_ms + for_ms
        turns = 0
        while True:
            self.step()
            wait_ms = self._wait_ms()
            turns = 0 if wait_ms else turns + 1
            assert turns < 1000, "the firmware never sleeps"
            if wait_ms == 0:
                continue
            if self.clock.ticks_ms + wait_ms > until_ms:
                break
            self.clock.ticks_ms += wait_ms
        self.clock.ticks_ms = until_ms

    # --- The stack's side ---------------------------------------------------------------------------------------

    def interrupt(self, event, *data):
        """Tell the handler, and nothing else: the loop has not come round yet."""
        return self.stack.handler(event, data)

    def tell(self, event, *data):
        """Tell of an event and let the firmware handle it."""
        self.interrupt(event, *data)
        self.run()

    def connect(self, peer=PEER, connection=CONNECTION):
        """A central connects; its stack has ended the advertising."""
        self.stack.advertised = None
        self.tell(CONNECT, connection, peer[0], memoryview(peer[1:7]))

    def drop(self, connection=CONNECTION):
        """A connection has ended."""
        self.counters = {}
        self.tell(DISCONNECT, connection, 0xFF, memoryview(bytes(6)))

    def pair(self, peer=PEER, bonded=True, connection=CONNECTION):
        """Pair a connected peer: the passkey that was shown, and the secrets that the stack keeps."""
        if self.stack.stack == "nimble":
            self.tell(PASSKEY_ACTION, connection, 3, 0)
        if bonded:
            self.keep_secrets(peer)
        self.tell(ENCRYPTION, connection, True, self.stack.stack == "nimble", bonded, 16)

    def keep_secrets(self, peer=PEER):
        """What NimBLE keeps of a peer: two secrets under its address."""
        key = peer[:1] + peer[6:0:-1]
        for kind in (1, 2):
            value = key + bytes((kind,)) * 70
            assert self.interrupt(30, kind, memoryview(key), memoryview(value)) is True

    def encrypt(self, connection=CONNECTION, authenticated=True, bonded=True):
        """The link is encrypted by an old key."""
        self.tell(ENCRYPTION, connection, True, authenticated, bonded, 16)

    def secure(self, peer=PEER):
        """A connected and paired peer."""
        self.connect(peer)
        self.pair(peer)
        return self

    def fail(self, connection=CONNECTION):
        """The passkey was wrong."""
        self.tell(PASSKEY_ACTION, connection, 3, 0)
        self.tell(ENCRYPTION, connection, False, False, False, 0)

    # --- The peer's side ----------------------------------------------------------------------------------------

    def handle(self, characteristic):
        """The stack's handle."""
        return self.bearer.stack_handles[characteristic.handle]

    def write_octets(self, characteristic, octets, connection=CONNECTION):
        """A write as the stack takes it: cut where its buffer ends."""
        handle = self.handle(characteristic)
        self.stack.values[handle] = bytes(octets)[: self.stack.buffers[handle]]
        self.tell(WRITE, connection, handle)

    def protected(self, message, **fields):
        """A message with its next counter."""
        counter = self.counters.setdefault(message.on, e2e.E2ECounter())
        return e2e.protect(message.build(**fields), counter.next(), message.on.protection)

    def write(self, name, **fields):
        """A message with its counter."""
        self.write_octets(MESSAGES[name].on, self.protected(MESSAGES[name], **fields))

    def read(self, characteristic):
        """A value as the stack gives it out; it tells of it if it is one that does."""
        handle = self.handle(characteristic)
        value = self.stack.values[handle]
        if self.stack.stack == "nimble":
            assert self.interrupt(READ_REQUEST, CONNECTION, handle) == 0
        self.run()
        return value

    def fields(self, name):
        """A message that is read: its fields, and the counter that it had."""
        on = MESSAGES[name].on
        payload, counter = e2e.check(self.read(on), on.protection)
        message, decoded = decode(on, payload, TO_CLIENT)
        assert message.name == name
        return decoded.fields, counter

    def taken(self):
        """What the pump has sent since: (kind, message name, fields), and it is taken away from the queue."""
        out = []
        while self.stack.sent:
            kind, handle, value = self.stack.sent.pop(0)
            self.stack.queued -= 1
            characteristic = _BY_HANDLE[self.bearer.table_handles[handle]]
            payload, _ = e2e.check(value, characteristic.protection)
            message, decoded = decode(characteristic, payload, TO_CLIENT)
            out.append((kind, message.name, decoded.fields))
        return out

    def confirm(self, status=0, connection=CONNECTION):
        """The stack has a confirmation, or gave up waiting."""
        self.tell(INDICATE_DONE, connection, 0, status)

    def exchange(self, name, **fields):
        """A procedure to its confirmed answer; whatever was told besides is confirmed and left out."""
        self.write(name, **fields)
        on = MESSAGES[name].on
        for _ in range(50):
            for kind, told, values in self.taken():
                if kind == "indicate":
                    self.confirm()
                    if MESSAGES[told].on is on:
                        return told, values
            self.run(10)
        raise AssertionError(f"{name} was not answered")

    def restart(self):
        """The board starts again with the same flash."""
        return AirBench(self.folder, self.stack.stack, self.stack.queue_max)
