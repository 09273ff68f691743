# Runs the firmware's codec on MicroPython over a file of cases, with the heap locked, and prints what came out.
#
# Usage: micropython codec_board.py FIRMWARE_DIR CASES. A case is a JSON line [table, opcode or null, slots, hex,
# values]: hex is decoded, and the values of the slots are encoded. The answer is a JSON line [status, bad_slot,
# values, end, hex, bad_slot, octets of heap].
import gc
import json
import sys

import micropython

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


def main():
    codec = codec_module.Codec()
    out = bytearray(64)
    decode = codec.decode
    encode = codec.encode
    with open(sys.argv[2]) as cases:
        for line in cases:
            table, opcode, slots, octets, values = json.loads(line)
            program = getattr(wire_tables, table)
            if opcode is not None:
                program = program[opcode]
            buf = b"\xaa\xaa\xaa" + bytes(int(octets[i : i + 2], 16) for i in range(0, len(octets), 2))
            end = len(buf)
            before = gc.mem_alloc()
            micropython.heap_lock()
            try:
                status = decode(program, buf, 3, end)
            finally:
                micropython.heap_unlock()
            used = gc.mem_alloc() - before
            decoded = [NAMES.get(codec.fields[slot], codec.fields[slot]) for slot in slots]
            bad_slot = codec.bad_slot
            for index in range(len(slots)):
                codec.fields[slots[index]] = SENTINELS.get(values[index], values[index])
            before = gc.mem_alloc()
            micropython.heap_lock()
            try:
                encoded = encode(program, out, 3)
            finally:
                micropython.heap_unlock()
            used += gc.mem_alloc() - before
            text = "".join(f"{out[i]:02x}" for i in range(3, encoded))
            print(json.dumps([status, bad_slot, decoded, encoded, text, codec.bad_slot, used]))


main()
