"""A pump with its journal on a bench: flash in memory that can be cut at any operation, a motor that notes its pulses.

`Flash.operations` records every programming and erasing; `image_after_cut` builds what stands in the flash when the
power goes in one of them. `JournalBench` is a pump on such a flash: `boot` starts it, `wake` lets time pass as the main
loop does, `do` is a command of a client. Runs on CPython.
"""

import random
import struct

import settings as product
from firmware.whole_pump import Pump
from flash import Flash
from journal.history import History
from journal.ring import Ring
from journal.store import Store
from pump import events

BLOCK_BYTES = 4096
STATE_BLOCKS = 4
HISTORY_BLOCKS = 4
PULSE_MU = product.PULSE_MU
KINDS = ("lost", "half", "garbage")
GROUPS = (
    events.BOLUS_STARTED, events.BOLUS_ENDED, events.ANNUNCIATION, events.BOLUS_CALCULATED,
    events.BOLUS_TEMPLATE_CHANGED,
)  # fmt: skip
"""Events of two records."""


class Device:
    """A block device in memory, as esp32.Partition or rp2.Flash offers it; programming clears bits only."""

    def __init__(self, image=None, blocks=STATE_BLOCKS + HISTORY_BLOCKS, program_bytes=16):
        self.image = bytearray(b"\xff" * BLOCK_BYTES * blocks) if image is None else image
        self.program_bytes = program_bytes
        self.operations = []
        self.erased = [0] * blocks

    def readblocks(self, block, buf, offset=0):
        """Fill buf."""
        at = block * BLOCK_BYTES + offset
        buf[:] = self.image[at : at + len(buf)]

    def writeblocks(self, block, buf, offset):
        """Program without erasing."""
        assert offset % self.program_bytes == 0
        assert len(buf) % self.program_bytes == 0
        at = block * BLOCK_BYTES + offset
        self.operations.append((at, bytes(buf)))
        program(self.image, at, buf)

    def ioctl(self, operation, block):
        """Erase a block."""
        assert operation == 6
        self.operations.append((block * BLOCK_BYTES, None))
        self.erased[block] += 1
        erase(self.image, block * BLOCK_BYTES)


def program(image, at, octets):
    """Clear bits."""
    for i, octet in enumerate(octets):
        image[at + i] &= octet


def erase(image, at, count=BLOCK_BYTES):
    """Set all bits."""
    image[at : at + count] = b"\xff" * count


def apply(image, operation):
    """One whole operation."""
    at, octets = operation
    if octets is None:
        erase(image, at)
    else:
        program(image, at, octets)


def image_after_cut(image, operation, kind, seed):
    """A copy of what stands in the flash when the power goes in an operation on an image."""
    cut = bytearray(image)
    at, octets = operation
    noise = random.Random(seed)
    if kind == "half" and octets is None:
        erase(cut, at, BLOCK_BYTES // 2)
    elif kind == "half":
        program(cut, at, octets[: len(octets) // 2])
    elif kind == "garbage" and octets is None:
        cut[at : at + BLOCK_BYTES] = noise.randbytes(BLOCK_BYTES)
    elif kind == "garbage":
        program(cut, at, noise.randbytes(len(octets)))
    return cut


class Settings:
    """The product's settings, with some replaced."""

    def __init__(self, replaced):
        for name in dir(product):
            if name[0].isupper():
                setattr(self, name, replaced.get(name, getattr(product, name)))


class JournalBench:
    """A pump whose state is in a flash.

    `left` lists (operations before it, source) of the motor's pulses; `told` (operations, records so far) of what a
    client was answered; `commits` the numbers of records after which all was durable; `events` what was recorded: of
    the start of a bolus ID, amounts, duration and delay, of its end ID, delivered amounts, reason and annunciation.
    """

    def __init__(self, device=None, blocks=STATE_BLOCKS + HISTORY_BLOCKS, state_blocks=STATE_BLOCKS, **replaced):
        self.device = device or Device(blocks=blocks)
        self.replaced = replaced
        self.left = []
        self.told = []
        self.commits = set()
        self.events = []
        self.occluded = False
        flash = Flash(self.device, blocks, BLOCK_BYTES, self.device.program_bytes)
        self.store = Store(Ring(flash, 0, state_blocks))
        self.history = History(Ring(flash, state_blocks, blocks - state_blocks), self.store)
        self.pump = Pump(Settings(replaced), self._emit, self, self.store)
        self._queued = 0
        self.s = 0

    def boot(self):
        """Power on: everything that survived is in its place, second 0 has been told."""
        self.store.connect(self.pump, self.history)
        self.durable = self.history.next_sequence
        self.store.restart()
        self._committed()
        return self

    # --- The pump's and the motor's side ------------------------------------------------------------------------

    def _emit(self, event, s, *values):
        if event == events.DECISION:
            return
        if event in (events.BOLUS_STARTED, events.BOLUS_ENDED):
            bolus = self.pump.boluses[values[0]]
            values = (
                (bolus.bolus_id, bolus.fast_mu, bolus.extended_mu, bolus.duration_minutes, bolus.delay_minutes)
                if event == events.BOLUS_STARTED
                else (bolus.bolus_id, bolus.fast_delivered_mu, bolus.extended_delivered_mu, values[1], values[2])
            )
        data = struct.pack("<" + "H" * 5, *(value & 0xFFFF for value in values))
        parts = 2 if event in GROUPS else 1
        for part in range(parts):
            self.history.append(event + part, s, data, 10)
            self.events.append((event + part, *values))

    def ready(self, s):
        """No occlusion but an injected one."""
        return not self.occluded

    def pulse(self, s):
        """One pulse waits."""
        self._queued += 1

    def _turn(self):
        while self._queued:
            self._queued -= 1
            source = self.store._sources[self.store._first]
            self.store.intend()
            self.left.append((len(self.device.operations), source))
            self.store.done()

    def _committed(self):
        self.store.commit()
        self.commits.add(self.history.next_sequence)

    # --- Time and commands --------------------------------------------------------------------------------------

    def wake(self, s):
        """As the main loop does: pulses first, what they bring about is made durable after them."""
        while self.s < s:
            self.s = min(max(self.pump.due_s(), self.s + 1), s)
            self.pump.advance(self.s)
            self._turn()
            self._committed()
            self.store.tend()
        return self.pump

    def do(self, s, command, *operands):
        """A command in the middle of the second before s: answered before the pulses of s leave the motor."""
        self.wake(s - 1)
        self.pump.advance(s)
        self._committed()
        code = getattr(self.pump, command)(s, *operands)
        self._committed()
        self.told.append((len(self.device.operations), self.history.next_sequence))
        self.s = s
        self._turn()
        self._committed()
        self.store.tend()
        return code

    def write(self, s, template, *blocks):
        """Write (duration, value[, high]) blocks and complete the profile."""
        kind = self.pump.templates.type_of(template)
        for index, block in enumerate(blocks, 1):
            self.do(s, "write_block", kind, template, index, block[0], block[1], block[2] if len(block) > 2 else 0)
        assert self.do(s, "complete_profile", kind, template) == events.SUCCESS

    def tbr(self, s, rate, minutes, change=False):
        """Set an absolute TBR."""
        return self.do(s, "set_tbr", events.ABSOLUTE, rate, minutes, change, events.REMOTE_CONTROL, 0)

    def bolus(self, s, fast_mu=0, extended_mu=0, minutes=0, delay=0):
        """Set a bolus of the type that its amounts make."""
        kind = events.MULTIWAVE if fast_mu and extended_mu else events.EXTENDED if extended_mu else events.FAST
        return self.do(s, "set_bolus", kind, fast_mu, extended_mu, minutes, delay, 0, 0x33, 4)

    def records(self):
        """All stored records: sequence -> (event, offset, data); they are whole and follow one another."""
        found = {}
        sequence = self.history.scan(0)
        while sequence < self.history.next_sequence:
            assert self.history.load(sequence), f"record {sequence} cannot be read"
            data = bytes(self.history.data[: self.history.length])
            found[sequence] = (self.history.event, self.history.offset_s, data)
            sequence += 1
        return found


def day(bench, hours=24):
    """A day's dosing: priming, boluses of all types, TBRs, suspensions, samples, templates, annunciations."""
    bench.do(1, "start_priming", 500)
    bench.wake(30)
    bench.write(31, 1, (360, 800), (600, 1250), (480, 1000))
    bench.write(32, 14, (720, 900, 1100), (720, 800, 1200))
    bench.do(33, "activate", [1, 14], 0, 2)
    bench.do(34, "set_tbr_template", 4, events.RELATIVE, 1500, 20)
    bench.do(35, "set_bolus_template", 8, 4, events.MULTIWAVE, 200, 600, 30, 0)
    bench.do(36, "set_clock", 2024, 5, 2, 6, 0, 0, 0, 0)
    bench.do(36, "cgm_session", 0)
    bench.do(37, "configure", events.PLGS, 80, 70, 30, 120, 150, 15, 30, 300, 75, 0, 0, 0, 5, 3)
    bench.do(37, "set_max_bolus", 12000)
    bench.do(38, "set_therapy_state", events.RUN)
    for hour in range(hours):
        _hour(bench, hour)
    bench.wake(3600 * hours)
    return bench


def _hour(bench, hour):
    s = 3600 * hour
    bench.do(s + 100, "cgm_sample", 60 * hour + 1, 60 if hour % 4 == 1 else 130, 0)
    if hour % 5 == 4:
        bench.do(s + 300, "set_bolus", events.FAST, 0, 0, 0, 0, 8, 0, 2)
    elif hour % 5 == 2:
        bench.bolus(s + 300, 0, 400, 25, 2)
    if hour % 4 == 3:
        bench.do(s + 400, "set_tbr", events.ABSOLUTE, 0, 0, False, events.REMOTE_CONTROL, 4)
    else:
        bench.tbr(s + 400, 2000 + 10 * hour, 20)
    if hour % 3 == 0:
        bench.bolus(s + 500, 1000 + 100 * hour)
    if hour % 6 == 3:
        bench.do(s + 512, "cancel_bolus", bench.pump.boluses[0].bolus_id)
    if hour % 8 == 2:
        bench.do(s + 2000, "set_therapy_state", events.PAUSE)
        bench.do(s + 2300, "set_therapy_state", events.RUN)
    if hour % 12 == 7:
        bench.do(s + 2400, "set_therapy_state", events.STOP)
        bench.do(s + 2401, "start_priming", 300)
        bench.do(s + 2406 + 12 * (hour % 24 // 12), "stop_priming")
        bench.do(s + 2430, "set_therapy_state", events.RUN)
    shown = bench.pump.annunciations.shown()
    if shown >= 0:
        command = "snooze" if hour % 2 else "confirm"
        bench.do(s + 3000, command, bench.pump.annunciations.ids[shown])
