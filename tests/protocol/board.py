"""Runs the firmware's codec on MicroPython for the tests, once for many cases."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ports import Port, micropython
from pumpwire.declare import Message
from pumpwire.generate.files import checkout
from pumpwire.generate.tables import Tables, constant_of, table_of
from pumpwire.layout import Field

__all__ = [
    "Answer", "ask", "body_of", "codec_of", "first_slot", "header_octets", "micropython", "run", "slots_of", "to_slots",
]  # fmt: skip

# All messages, also those that the firmware does not serve: its codec could.
_TABLES = Tables(served_only=False)
_SLOTS = _TABLES.compiler.slots


def slots_of(message: Message) -> list[int]:
    """All slots of a message's body, in the order of its fields."""
    out: list[int] = []
    for field in message.layout:
        first = _SLOTS.of(field.name)
        out += range(first, first + _SLOTS.count(field.name))
    return out


def first_slot(name: str) -> int:
    """The slot by which the codec names a field."""
    return _SLOTS.of(name)


def to_slots(message: Message, values: dict[str, Any]) -> list[Any]:
    """Board values of all slots of a message's body; unused slots of arrays are None."""
    out: list[Any] = []
    for field in message.layout:
        out += _expand(field, values[field.name])
    return out


def _expand(field: Field, value: Any) -> list[Any]:
    count = _SLOTS.count(field.name)
    if value == "ABSENT":
        return ["ABSENT"] * count
    if field.kind in ("u32", "s32"):
        value &= 0xFFFFFFFF
        return [value & 0xFFFF, value >> 16]
    if field.kind == "counted":
        return [len(value), *value, *[None] * (count - 1 - len(value))]
    if field.kind == "octets":
        return [*value, *[None] * (count - len(value))]
    return [value]


@dataclass(frozen=True)
class Answer:
    """What the board made of a case: outcome of decoding, the slots, and the octets that it encoded."""

    status: int
    bad_slot: int
    slots: list[Any]
    end: int
    encoded: bytes
    encode_bad_slot: int
    heap_octets: int


def header_octets(message: Message) -> int:
    """Octets before what the codec reads: opcode and header."""
    return message.on.opcode_octets + sum(field.octets for field in message.header_layout)


def body_of(message: Message, octets: bytes) -> bytes:
    """What the codec reads of a message."""
    return octets[header_octets(message) :]


def codec_of(folder: Path) -> Path:
    """Puts the firmware's codec into a folder, with tables of all messages.

    Args:
        folder: where the codec's package is made.
    """
    (folder / "gatt").mkdir(parents=True, exist_ok=True)
    shutil.copy(checkout() / "firmware" / "gatt" / "codec.py", folder / "gatt")
    (folder / "gatt" / "wire_tables.py").write_text(_TABLES.wire_tables(), encoding="utf-8")
    return folder


def _asked(message: Message, octets: bytes, values: list[Any]) -> str:
    table = table_of(message.on, message.direction)
    where = [constant_of(message), None] if table is None else [table, message.opcode]
    kept = [0 if value is None else value for value in values]
    return json.dumps([*where, slots_of(message), octets.hex(), kept])


def _answer(line: str) -> Answer:
    status, bad_slot, slots, end, text, encode_bad_slot, used = json.loads(line)
    return Answer(status, bad_slot, slots, end, bytes.fromhex(text), encode_bad_slot, used)


def ask(port: Port, message: Message, octets: bytes, values: list[Any]) -> Answer:
    """Decodes the octets (after opcode and header) and encodes the slot values on a port that runs.

    Args:
        port: that serves `codec_board`.
        message: whose program is run.
        octets: to decode.
        values: of the slots, to encode.
    """
    (line,) = port.ask(_asked(message, octets, values))
    return _answer(line)


def run(tmp_path: Path, cases: list[tuple[Message, bytes, list[Any]]]) -> list[Answer]:
    """Decodes the octets (after opcode and header) and encodes the slot values of every case.

    Args:
        tmp_path: a folder for the file of cases.
        cases: message, octets to decode, slot values to encode.
    """
    executable = micropython()
    assert executable is not None
    path = tmp_path / "cases.jsonl"
    path.write_text("".join(_asked(*case) + "\n" for case in cases), encoding="utf-8")
    script = Path(__file__).with_name("codec_board.py")
    firmware = codec_of(tmp_path / "firmware")
    done = subprocess.run(
        [executable, "-X", "heapsize=512K", str(script), str(firmware), str(path)],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    answers = [_answer(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(cases)
    return answers
