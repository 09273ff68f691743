"""Which files are generated, and their text."""

from __future__ import annotations

import json
from pathlib import Path

from pumpwire import describe
from pumpwire.errors import FieldError
from pumpwire.generate.ble import ble_database
from pumpwire.generate.dissector import dissector
from pumpwire.generate.enumerations import enumerations
from pumpwire.generate.host import host_codec
from pumpwire.generate.kaitai import kaitai
from pumpwire.generate.spec import specification
from pumpwire.generate.tables import Tables, handles
from pumpwire.generate.vectors import vectors
from pumpwire.registry import MESSAGES


def checkout() -> Path:
    """The root of the checkout that this package stands in."""
    return Path(__file__).resolve().parents[3]


def wrong_examples() -> list[str]:
    """What is wrong with worked examples: one line for each that does not say its octets, or lacks a field."""
    out = []
    for message in MESSAGES.values():
        for number, example in enumerate(message.examples, 1):
            try:
                octets = message.build_declared(**example.fields)
            except FieldError as error:
                out.append(f"{message.name}, example {number}: {error}; give the example this field and its octets")
                continue
            if octets != example.octets:
                said, due = example.octets.hex(), octets.hex()
                out.append(f"{message.name}, example {number}: says {said}, its fields make {due}; correct one of them")
    return out


def generated() -> dict[str, str]:
    """Path from the checkout's root -> text, for every generated file."""
    tables = Tables()
    lock = json.dumps(describe.wire(MESSAGES, enumerations()), indent=1) + "\n"
    return {
        "firmware/gatt/wire_tables.py": tables.wire_tables(),
        "firmware/gatt/handles.py": handles(),
        "firmware/gatt/ble_database.py": ble_database(),
        "protocol/SPEC.md": specification(),
        "protocol/pumpwire/_host_codec.py": host_codec(MESSAGES),
        "protocol/wire.lock.json": lock,
        "protocol/pumprig.lua": dissector(),
        "protocol/pumprig.ksy": kaitai(),
        **vectors(),
    }
