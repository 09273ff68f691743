"""Device Information and Battery services: what the pump is (DIS 1.1; BAS 1.0)."""

from __future__ import annotations

from typing import Any

from construct import Struct

from pumpwire import database
from pumpwire.declare import TO_CLIENT, Example, Message
from pumpwire.enums import VendorIdSource
from pumpwire.fields import InRange, Int8ul, Int16ul, Octets, Text, Word


def _shown(name: str, on: Any, body: Any, **details: Any) -> Message:
    return Message(name, on=on, direction=TO_CLIENT, body=body, clause=on.clause, **details)


def _text(name: str, on: Any, example: str) -> Message:
    return _shown(
        name, on, Struct("text" / Text(database.ATT_VALUE_OCTETS_MAX)),
        examples=[Example(example.encode().hex(), text=example)],
    )  # fmt: skip


MANUFACTURER_NAME = _text("ManufacturerName", database.MANUFACTURER_NAME, "pumprig")
MODEL_NUMBER = _text("ModelNumber", database.MODEL_NUMBER, "virtual")
SERIAL_NUMBER = _text("SerialNumber", database.SERIAL_NUMBER, "000001")
HARDWARE_REVISION = _text("HardwareRevision", database.HARDWARE_REVISION, "1")
FIRMWARE_REVISION = _text("FirmwareRevision", database.FIRMWARE_REVISION, "0.1.0")
SYSTEM_ID = _shown(
    "SystemId", database.SYSTEM_ID,
    Struct(
        "manufacturer_identifier" / Octets(5) * "of the manufacturer's choice, low octet first",
        "organizationally_unique_identifier" / Octets(3) * "low octet first",
    ),
    examples=[
        Example(
            "0100000000" + "000000", manufacturer_identifier=bytes.fromhex("0100000000"),
            organizationally_unique_identifier=bytes(3),
        )
    ],
)  # fmt: skip
PNP_ID = _shown(
    "PnpId", database.PNP_ID,
    Struct(
        "vendor_id_source" / Word(Int8ul, VendorIdSource),
        "vendor_id" / Int16ul * "65535 for none assigned",
        "product_id" / Int16ul,
        "product_version" / Int16ul * "0xJJMN for version JJ.M.N",
    ),
    examples=[
        Example(
            "01" + "ffff" + "0100" + "1000", vendor_id_source=VendorIdSource.BLUETOOTH_SIG, vendor_id=0xFFFF,
            product_id=1, product_version=0x0010,
        )
    ],
)  # fmt: skip
BATTERY_LEVEL = _shown(
    "BatteryLevel", database.BATTERY_LEVEL, Struct("battery_percent" / InRange(Int8ul, 0, 100)),
    examples=[Example("64", battery_percent=100)],
)  # fmt: skip
