"""Which files are generated, and their text."""

from __future__ import annotations

import json
from pathlib import Path

from pumpwire import describe
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


def generated() -> dict[str, str]:
    """Path from the checkout's root -> text, for every generated file."""
    tables = Tables()
    lock = json.dumps(describe.wire(MESSAGES, enumerations()), indent=1) + "\n"
    return {
        "firmware/gatt/wire_tables.py": tables.wire_tables(),
        "firmware/gatt/handles.py": handles(),
        "protocol/SPEC.md": specification(),
        "protocol/pumpwire/_host_codec.py": host_codec(MESSAGES),
        "protocol/wire.lock.json": lock,
        "protocol/pumprig.lua": dissector(),
        "protocol/pumprig.ksy": kaitai(),
        **vectors(),
    }
