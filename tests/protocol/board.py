"""Runs the firmware's codec on MicroPython for the tests, once for many cases."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pumpwire.declare import Message
from pumpwire.generate.files import checkout
from pumpwire.generate.tables import Tables, constant_of, table_of
from pumpwire.layout import Field

# All messages, also those that the firmware does not serve: its codec could.
_TABLES = Tables(served_only=False)
_SLOTS = _TABLES.compiler.slots


def micropython() -> str | None:
    """The MicroPython unix port, or None where it is not installed."""
    candidates = [os.environ.get("PUMPRIG_MICROPYTHON"), str(Path(sys.executable).parent / "micropython")]
    return next((path for path in candidates if path and Path(path).is_file()), None)


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


def run(tmp_path: Path, cases: list[tuple[Message, bytes, list[Any]]]) -> list[Answer]:
    """Decodes the octets (after opcode and header) and encodes the slot values of every case.

    Args:
        tmp_path: a folder for the file of cases.
        cases: message, octets to decode, slot values to encode.
    """
    executable = micropython()
    assert executable is not None
    lines = []
    for message, octets, values in cases:
        table = table_of(message.on, message.direction)
        where = [constant_of(message), None] if table is None else [table, message.opcode]
        kept = [0 if value is None else value for value in values]
        lines.append(json.dumps([*where, slots_of(message), octets.hex(), kept]))
    path = tmp_path / "cases.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    script = Path(__file__).with_name("codec_board.py")
    firmware = tmp_path / "firmware"
    (firmware / "gatt").mkdir(parents=True, exist_ok=True)
    shutil.copy(checkout() / "firmware" / "gatt" / "codec.py", firmware / "gatt")
    (firmware / "gatt" / "wire_tables.py").write_text(_TABLES.wire_tables(), encoding="utf-8")
    done = subprocess.run(
        [executable, "-X", "heapsize=512K", str(script), str(firmware), str(path)],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(cases)
    return [
        Answer(status, bad_slot, slots, end, bytes.fromhex(text), encode_bad_slot, used)
        for status, bad_slot, slots, end, text, encode_bad_slot, used in answers
    ]
