"""What the benchmark measures of the firmware alone: its codec, its heap, and the room that it takes on a board."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from pumplink.boards import default_firmware, load_board
from pumplink.pack import sources_of
from pumplink.packing.compiled import compiled
from pumprig.bench_figures import Figure, on_micropython
from pumprig.sizes import firmware_sizes
from pumpwire import e2e
from pumpwire.declare import Message
from pumpwire.generate.tables import constant_of, has_program, table_of
from pumpwire.generate.vectors import extremes
from pumpwire.registry import MESSAGES

__all__ = ["allocation", "firmware_codec", "modules"]

PULSES = 2000
VALUE_OCTETS = 20
"""Of an attribute value with its counter and CRC: what an ATT PDU of the smallest MTU can carry."""
# The quickest of short parts: what else the machine does comes on top of the others.
_CODEC_PARTS = 40
_CODEC_CALLS = 50

# Runs on MicroPython: what the dosing core leaves on the heap while it delivers basal insulin.
_ALLOCATION = """
import gc
import sys
sys.path.insert(0, {firmware!r})
import settings
from pump.core import Pump
from pump.template_commands import activate, complete_profile, write_block
from pump.volatile import Volatile
from pump.events import RUN, TEMPLATE_BASAL as BASAL

class Motor:
    def __init__(self):
        self.pulses = 0
    def ready(self, s):
        return True
    def pulse(self, s):
        self.pulses += 1

def emit(event, s, a=0, b=0, c=0, d=0, e=0):
    pass

def main():
    motor = Motor()
    pump = Pump(settings, emit, motor, Volatile())
    pump.advance(1)
    codes = [
        write_block(pump, 1, BASAL, 1, 1, 1440, 2000, 0),
        complete_profile(pump, 1, BASAL, 1),
        activate(pump, 1, bytes((1,)), 0, 1),
        pump.set_therapy_state(1, RUN),
    ]
    pump.advance(3600)
    if not motor.pulses:
        raise RuntimeError("no pulse in the first hour; the commands answered " + str(codes))
    gc.collect()
    gc.disable()
    wanted = motor.pulses + {pulses}
    before = gc.mem_alloc()
    while motor.pulses < wanted:
        pump.advance(pump.due_s())
    print(gc.mem_alloc() - before)

main()
"""

# Runs on MicroPython: decodes octets and encodes what came out, for each message.
_CODEC = """
import gc
import sys
import time
sys.path.insert(0, {firmware!r})
from gatt import codec as module
from gatt import wire_tables

def measure(codec, program, buf, out, parts, calls):
    end = len(buf)
    if codec.decode(program, buf, 0, end) != module.OK or codec.encode(program, out, 0) != end:
        raise RuntimeError("the codec does not take " + str(buf))
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    least = 1 << 29
    while parts:
        start = time.ticks_us()
        left = calls
        while left:
            codec.decode(program, buf, 0, end)
            codec.encode(program, out, 0)
            left -= 1
        taken = time.ticks_diff(time.ticks_us(), start)
        if taken < least:
            least = taken
        parts -= 1
    octets = gc.mem_alloc() - before
    print(least / calls, octets)
    gc.enable()

def main():
    codec = module.Codec()
    out = bytearray(32)
    for table, opcode, octets in {cases!r}:
        program = getattr(wire_tables, table)
        measure(codec, program if opcode is None else module.find(program, opcode), octets, out, {parts}, {calls})

main()
"""

def allocation(_rounds: int) -> list[Figure]:
    """What the dosing core allocates for a pulse, with the garbage collector off."""
    program = _ALLOCATION.format(firmware=str(default_firmware()), pulses=PULSES)
    return [Figure("allocation_per_pulse", int(on_micropython(program, "the dosing core")) / PULSES, "octets", "0")]


# --- Codec ------------------------------------------------------------------------------------------------------


def _full_messages() -> Iterator[tuple[Message, bytes]]:
    """Served messages that fill a value of 20 octets, and what the codec reads of them."""
    for message in MESSAGES.values():
        if message.served and has_program(message) and all(field.kind != "text" for field in message.fields):
            octets = message.build(**extremes(message, greatest=True))
            header = message.on.opcode_octets + sum(field.octets for field in message.header_layout)
            if len(e2e.protect(octets, 1, message.on.protection)) == VALUE_OCTETS:
                yield message, octets[header:]


def firmware_codec(rounds: int) -> list[Figure]:
    """Decoding and encoding on the unix port, by the firmware's codec, of the messages that fill 20 octets."""
    cases = []
    for message, body in _full_messages():
        table = table_of(message.on, message.direction)
        cases.append((constant_of(message), None, body) if table is None else (table, message.opcode, body))
    program = _CODEC.format(firmware=str(default_firmware()), cases=cases, parts=_CODEC_PARTS, calls=_CODEC_CALLS)
    rows = []
    octets = 0
    for _ in range(rounds):
        lines = [line.split() for line in on_micropython(program, "the firmware's codec").splitlines()]
        rows.append([float(us) for us, _ in lines])
        octets = max(octets, *(int(garbage) for _, garbage in lines))
    medians = [statistics.median(times) for times in zip(*rows, strict=True)]
    return [
        Figure("firmware_codec_decode_encode", round(statistics.median(medians), 2), "us", "at most 10"),
        Figure("firmware_codec_slowest_message", round(max(medians), 2), "us"),
        Figure("firmware_codec_allocation", octets, "octets", "0"),
    ]


# --- Modules ----------------------------------------------------------------------------------------------------


def modules(_rounds: int) -> list[Figure]:
    """Octets of each module of the packed firmware in its .mpy file, and about the heap that it takes of 32 bits.

    `sources` are the modules compiled one by one, as they are.
    """
    sizes = firmware_sizes(default_firmware(), load_board("pico_w"))
    sources = sources_of(default_firmware())
    unpacked = sum(len(compiled(text, path, sizes.arch) or b"") for path, text in sources.items())
    rows = {name.replace(" ", "_"): row for name, row in sizes.modules.items()}
    figures = [Figure(f"mpy_{name}", row.flash, "octets") for name, row in rows.items()]
    figures += [Figure(f"heap_of_{name}", row.ram, "octets") for name, row in rows.items() if row.ram]
    figures += [
        Figure(f"mpy_loaded_{each.name.replace('+', '_')}", each.mpy, "octets", "at most 61440")
        for each in sizes.configurations
    ]
    return [
        *figures,
        Figure("mpy_all", sizes.mpy, "octets", "at most 112640"),
        Figure("mpy_all_of_sources", unpacked, "octets"),
    ]
