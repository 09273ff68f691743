# Runs the firmware's codec on MicroPython over cases, with the heap locked, and says what came out.
#
# A case is a JSON line [table, opcode or null, slots, hex, values]: hex is decoded, and the values of the slots are
# encoded. The answer is a JSON line [status, bad_slot, values, end, hex, bad_slot, octets of heap].
#
# Usage: micropython codec_board.py FIRMWARE_DIR CASES, or `answer` for a case of another program's.
import gc
import json
import sys

import micropython

if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
from gatt import codec as codec_module
from gatt import wire_tables

SENTINELS = {
    "ABSENT": codec_module.ABSENT,
    "NAN": codec_module.NAN,
    "NRES": codec_module.NRES,
    "PINF": codec_module.PINF,
    "NINF": codec_module.NINF,
}
NAMES = {value: name for name, value in SENTINELS.items()}


CODEC = codec_module.Codec()
OUT = bytearray(64)
# The outcome of decode, or the end of encode, that asked for heap.
TOOK_HEAP = -2


# The answer to a case.
def answer(line):
    table, opcode, slots, octets, values = json.loads(line)
    program = getattr(wire_tables, table)
    if opcode is not None:
        program = codec_module.find(program, opcode)
    buf = b"\xaa\xaa\xaa" + bytes(int(octets[i : i + 2], 16) for i in range(0, len(octets), 2))
    end = len(buf)
    fields = CODEC.fields
    before = gc.mem_alloc()
    micropython.heap_lock()
    try:
        status = CODEC.decode(program, buf, 3, end)
    except MemoryError:
        status = TOOK_HEAP
    finally:
        micropython.heap_unlock()
    used = gc.mem_alloc() - before
    decoded = [NAMES.get(fields[slot], fields[slot]) for slot in slots]
    bad_slot = CODEC.bad_slot
    for index in range(len(slots)):
        fields[slots[index]] = SENTINELS.get(values[index], values[index])
    before = gc.mem_alloc()
    micropython.heap_lock()
    try:
        encoded = CODEC.encode(program, OUT, 3)
    except MemoryError:
        encoded = TOOK_HEAP
    finally:
        micropython.heap_unlock()
    used += gc.mem_alloc() - before
    text = "".join(f"{OUT[i]:02x}" for i in range(3, encoded))
    return json.dumps([status, bad_slot, decoded, encoded, text, CODEC.bad_slot, used])


if __name__ == "__main__":
    with open(sys.argv[2]) as cases:
        for case in cases:
            print(answer(case))
