"""Which files are generated, and their text."""

from __future__ import annotations

from pathlib import Path

from pumpwire.generate.host import host_codec
from pumpwire.generate.spec import specification
from pumpwire.generate.tables import Tables, handles
from pumpwire.registry import MESSAGES


def checkout() -> Path:
    """The root of the checkout that this package stands in."""
    return Path(__file__).resolve().parents[3]


def generated() -> dict[str, str]:
    """Path from the checkout's root -> text, for every generated file."""
    tables = Tables()
    return {
        "firmware/gatt/wire_tables.py": tables.wire_tables(),
        "firmware/gatt/handles.py": handles(),
        "protocol/SPEC.md": specification(),
        "protocol/pumpwire/_host_codec.py": host_codec(MESSAGES),
    }
