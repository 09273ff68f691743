"""The GATT database: services, characteristics, their protection and their handles.

Handles are given out in the order of the declarations, three to a characteristic (declaration, value, client
configuration), so that they are the same on every build. The pump owns 0x0001 to 0x00FF, the rig the rest.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from construct import Int16ul, Int32ul

__all__ = [
    "ATT_LONG_VALUE_OCTETS_MAX",
    "ATT_VALUE_OCTETS_MAX",
    "BLE",
    "CHARACTERISTICS",
    "RIG_HANDLES_FROM",
    "SERIAL",
    "SERVICES",
    "Characteristic",
    "Protection",
    "Service",
]

# Every message of a standard fits the smallest ATT_MTU of 23, less the three octets of the PDU's own header.
ATT_VALUE_OCTETS_MAX = 20
# What is written as a whole, so that it takes effect as a whole, needs an ATT_MTU that was exchanged before.
ATT_LONG_VALUE_OCTETS_MAX = 62
# The bearers on which a characteristic can exist; a USB line is a serial one.
SERIAL = "serial"
BLE = "ble"
# Handles below are the pump's.
RIG_HANDLES_FROM = 0x0100

_BASE_UUID = "0000{:04x}-0000-1000-8000-00805f9b34fb"


class Protection(enum.Enum):
    """Where the end-to-end counter and CRC stand in a characteristic's value."""

    NONE = "none"
    TRAILER = "counter and CRC at the end"
    LEADING = "CRC and counter at the start"
    CRC = "CRC at the end"
    RECORD = "a size octet before and a CRC after each record"


@dataclass(frozen=True, eq=False)
class Characteristic:
    """A characteristic of the database.

    Args:
        name: name as the specification titles it.
        constant: name in generated tables, upper case.
        uuid: 16-bit number or 128-bit UUID.
        properties: of "read", "write", "notify", "indicate".
        protection: where counter and CRC stand.
        clause: specification and clause.
        opcode_octets: 0 when the value is one message without opcode.
        header: fields between opcode and operand, as (name, construct) pairs.
        prohibited: opcode range that is neither processed nor answered.
        value_octets_max: octets that a value has at most, protection included.
        bearers: on which it exists, of SERIAL and BLE. Its handle is its own on both.
    """

    name: str
    constant: str
    uuid: UUID
    properties: tuple[str, ...]
    protection: Protection
    clause: str
    opcode_octets: int = 0
    header: tuple[Any, ...] = ()
    prohibited: tuple[int, int] | None = None
    value_octets_max: int = ATT_VALUE_OCTETS_MAX
    bearers: tuple[str, ...] = (SERIAL, BLE)

    @property
    def handle(self) -> int:
        """Handle of the value."""
        return _HANDLES[self]

    @property
    def configuration_handle(self) -> int | None:
        """Handle of the client characteristic configuration descriptor, when there is one."""
        if "notify" in self.properties or "indicate" in self.properties:
            return _HANDLES[self] + 1
        return None

    @property
    def operand_octets_max(self) -> int:
        """Octets that a message of this characteristic can have, opcode included."""
        trailer = {Protection.NONE: 0, Protection.CRC: 2}.get(self.protection, 3)
        return self.value_octets_max - trailer

    def __repr__(self) -> str:
        return f"<{self.constant}>"


@dataclass(frozen=True)
class Service:
    """A primary service.

    Args:
        name: name as the specification titles it.
        uuid: of the service.
        owner: "pump" or "rig".
        first_handle: handle of the service declaration.
        characteristics: in the order of their handles.
    """

    name: str
    uuid: UUID
    owner: str
    first_handle: int
    characteristics: tuple[Characteristic, ...] = field(default_factory=tuple)


def _assigned(number: int) -> UUID:
    return UUID(_BASE_UUID.format(number))


STATUS_CHANGED = Characteristic(
    "IDD Status Changed", "IDD_STATUS_CHANGED", _assigned(0x2B20), ("read", "indicate"), Protection.TRAILER,
    "IDS 1.0.2, 3.2",
)  # fmt: skip
STATUS = Characteristic(
    "IDD Status", "IDD_STATUS", _assigned(0x2B21), ("read", "indicate"), Protection.TRAILER, "IDS 1.0.2, 3.3"
)
ANNUNCIATION_STATUS = Characteristic(
    "IDD Annunciation Status", "IDD_ANNUNCIATION_STATUS", _assigned(0x2B22), ("read", "indicate"),
    Protection.TRAILER, "IDS 1.0.2, 3.4",
)  # fmt: skip
FEATURES = Characteristic(
    "IDD Features", "IDD_FEATURES", _assigned(0x2B23), ("read",), Protection.LEADING, "IDS 1.0.2, 3.5"
)
STATUS_READER_CONTROL_POINT = Characteristic(
    "IDD Status Reader Control Point", "IDD_STATUS_READER_CONTROL_POINT", _assigned(0x2B24), ("write", "indicate"),
    Protection.TRAILER, "IDS 1.0.2, 3.6", opcode_octets=2, prohibited=(0x03FD, 0x0504),
)  # fmt: skip
COMMAND_CONTROL_POINT = Characteristic(
    "IDD Command Control Point", "IDD_COMMAND_CONTROL_POINT", _assigned(0x2B25), ("write", "indicate"),
    Protection.TRAILER, "IDS 1.0.2, 3.7", opcode_octets=2, prohibited=(0x148E, 0x14B0),
)  # fmt: skip
COMMAND_DATA = Characteristic(
    "IDD Command Data", "IDD_COMMAND_DATA", _assigned(0x2B26), ("notify",), Protection.TRAILER, "IDS 1.0.2, 3.8",
    opcode_octets=2,
)  # fmt: skip
RECORD_ACCESS_CONTROL_POINT = Characteristic(
    "IDD Record Access Control Point", "IDD_RECORD_ACCESS_CONTROL_POINT", _assigned(0x2B27), ("write", "indicate"),
    Protection.TRAILER, "IDS 1.0.2, 3.9", opcode_octets=1,
)  # fmt: skip
HISTORY_DATA = Characteristic(
    "IDD History Data", "IDD_HISTORY_DATA", _assigned(0x2B28), ("notify",), Protection.CRC, "IDS 1.0.2, 3.10",
    opcode_octets=2,
    header=(
        "sequence" / Int32ul * "starts at 0, one more for each record",
        "relative_offset_s" / Int16ul * "since the last reference time",
    ),
)  # fmt: skip

CURRENT_TIME = Characteristic(
    "Current Time", "CURRENT_TIME", _assigned(0x2A2B), ("read", "write"), Protection.NONE, "CTS 1.1, 3.1"
)

CONTROLLER_SETTINGS = Characteristic(
    "Controller Settings", "CONTROLLER_SETTINGS", UUID("cb832e7b-e359-4722-8d33-fda21e566266"), ("read", "write"),
    Protection.TRAILER, "vendor service: controller", value_octets_max=ATT_LONG_VALUE_OCTETS_MAX,
)  # fmt: skip
CONTROLLER_DECISION = Characteristic(
    "Controller Decision", "CONTROLLER_DECISION", UUID("cb832e7c-e359-4722-8d33-fda21e566266"), ("read", "notify"),
    Protection.TRAILER, "vendor service: controller",
)  # fmt: skip
OREF_SETTINGS = Characteristic(
    "Oref Settings", "OREF_SETTINGS", UUID("cb832e7d-e359-4722-8d33-fda21e566266"), ("read", "write"),
    Protection.TRAILER, "vendor service: controller", value_octets_max=ATT_LONG_VALUE_OCTETS_MAX,
)  # fmt: skip
CARB_ANNOUNCEMENT = Characteristic(
    "Carb Announcement", "CARB_ANNOUNCEMENT", UUID("cb832e7e-e359-4722-8d33-fda21e566266"), ("write",),
    Protection.TRAILER, "vendor service: controller",
)  # fmt: skip
CONTROLLER_GUARDRAILS = Characteristic(
    "Controller Guardrails", "CONTROLLER_GUARDRAILS", UUID("cb832e7f-e359-4722-8d33-fda21e566266"),
    ("read", "write"), Protection.TRAILER, "vendor service: controller",
)  # fmt: skip
CONTROLLER_DETAIL = Characteristic(
    "Controller Detail", "CONTROLLER_DETAIL", UUID("cb832e80-e359-4722-8d33-fda21e566266"), ("read",),
    Protection.TRAILER, "vendor service: controller", value_octets_max=ATT_LONG_VALUE_OCTETS_MAX,
)  # fmt: skip

EMULATOR_IDENTITY = Characteristic(
    "Emulator Identity", "EMULATOR_IDENTITY", UUID("965f345c-7177-4483-a1d5-88c0f621085e"), ("read",),
    Protection.TRAILER, "vendor service: emulator",
)  # fmt: skip
EMULATOR_PUMP_DATA = Characteristic(
    "Emulator Pump Data", "EMULATOR_PUMP_DATA", UUID("965f345d-7177-4483-a1d5-88c0f621085e"), ("read",),
    Protection.TRAILER, "vendor service: emulator", value_octets_max=ATT_LONG_VALUE_OCTETS_MAX,
)  # fmt: skip
EMULATOR_HEALTH = Characteristic(
    "Emulator Health", "EMULATOR_HEALTH", UUID("965f345e-7177-4483-a1d5-88c0f621085e"), ("read",),
    Protection.TRAILER, "vendor service: emulator",
)  # fmt: skip
EMULATOR_COUNTERS = Characteristic(
    "Emulator Counters", "EMULATOR_COUNTERS", UUID("965f345f-7177-4483-a1d5-88c0f621085e"), ("read",),
    Protection.TRAILER, "vendor service: emulator",
)  # fmt: skip
EMULATOR_FAULT = Characteristic(
    "Emulator Fault", "EMULATOR_FAULT", UUID("965f3460-7177-4483-a1d5-88c0f621085e"), ("write",),
    Protection.TRAILER, "vendor service: emulator",
)  # fmt: skip
EMULATOR_BOLUS_CALCULATION = Characteristic(
    "Emulator Bolus Calculation", "EMULATOR_BOLUS_CALCULATION", UUID("965f3461-7177-4483-a1d5-88c0f621085e"),
    ("write",), Protection.TRAILER, "vendor service: emulator",
)  # fmt: skip
# What a rig learns of the radio and does to it goes by the cable that it holds, never over the air.
EMULATOR_RADIO = Characteristic(
    "Emulator Radio", "EMULATOR_RADIO", UUID("965f3462-7177-4483-a1d5-88c0f621085e"), ("read",),
    Protection.TRAILER, "vendor service: emulator", value_octets_max=ATT_LONG_VALUE_OCTETS_MAX, bearers=(SERIAL,),
)  # fmt: skip
EMULATOR_RADIO_COMMAND = Characteristic(
    "Emulator Radio Command", "EMULATOR_RADIO_COMMAND", UUID("965f3463-7177-4483-a1d5-88c0f621085e"), ("write",),
    Protection.TRAILER, "vendor service: emulator", value_octets_max=ATT_LONG_VALUE_OCTETS_MAX, bearers=(SERIAL,),
)  # fmt: skip
# Over the air a board's stack takes every write by itself; over serial the write is answered.
EMULATOR_WRITE_RESULT = Characteristic(
    "Emulator Write Result", "EMULATOR_WRITE_RESULT", UUID("965f3464-7177-4483-a1d5-88c0f621085e"), ("notify",),
    Protection.TRAILER, "vendor service: emulator", bearers=(BLE,),
)  # fmt: skip

CGM_MEASUREMENT = Characteristic(
    "CGM Measurement", "CGM_MEASUREMENT", _assigned(0x2AA7), ("notify",), Protection.RECORD, "CGMS 1.0.2, 3.1"
)
CGM_FEATURE = Characteristic(
    "CGM Feature", "CGM_FEATURE", _assigned(0x2AA8), ("read",), Protection.CRC, "CGMS 1.0.2, 3.2"
)
CGM_SESSION_START_TIME = Characteristic(
    "CGM Session Start Time", "CGM_SESSION_START_TIME", _assigned(0x2AAA), ("read", "write"), Protection.CRC,
    "CGMS 1.0.2, 3.4",
)  # fmt: skip

CGM_STATUS = Characteristic(
    "CGM Status", "CGM_STATUS", _assigned(0x2AA9), ("read",), Protection.CRC, "CGMS 1.0.2, 3.3"
)
CGM_SESSION_RUN_TIME = Characteristic(
    "CGM Session Run Time", "CGM_SESSION_RUN_TIME", _assigned(0x2AAB), ("read",), Protection.CRC, "CGMS 1.0.2, 3.5"
)
CGM_RECORD_ACCESS_CONTROL_POINT = Characteristic(
    "Record Access Control Point", "CGM_RECORD_ACCESS_CONTROL_POINT", _assigned(0x2A52), ("write", "indicate"),
    Protection.NONE, "CGMS 1.0.2, 3.6", opcode_octets=1,
)  # fmt: skip
CGM_SPECIFIC_OPS_CONTROL_POINT = Characteristic(
    "CGM Specific Ops Control Point", "CGM_SPECIFIC_OPS_CONTROL_POINT", _assigned(0x2AAC), ("write", "indicate"),
    Protection.CRC, "CGMS 1.0.2, 3.7", opcode_octets=1,
)  # fmt: skip

MANUFACTURER_NAME = Characteristic(
    "Manufacturer Name String", "MANUFACTURER_NAME", _assigned(0x2A29), ("read",), Protection.NONE, "DIS 1.1, 3.1"
)
MODEL_NUMBER = Characteristic(
    "Model Number String", "MODEL_NUMBER", _assigned(0x2A24), ("read",), Protection.NONE, "DIS 1.1, 3.2"
)
SERIAL_NUMBER = Characteristic(
    "Serial Number String", "SERIAL_NUMBER", _assigned(0x2A25), ("read",), Protection.NONE, "DIS 1.1, 3.3"
)
HARDWARE_REVISION = Characteristic(
    "Hardware Revision String", "HARDWARE_REVISION", _assigned(0x2A27), ("read",), Protection.NONE, "DIS 1.1, 3.4"
)
FIRMWARE_REVISION = Characteristic(
    "Firmware Revision String", "FIRMWARE_REVISION", _assigned(0x2A26), ("read",), Protection.NONE, "DIS 1.1, 3.5"
)
SYSTEM_ID = Characteristic("System ID", "SYSTEM_ID", _assigned(0x2A23), ("read",), Protection.NONE, "DIS 1.1, 3.7")
PNP_ID = Characteristic("PnP ID", "PNP_ID", _assigned(0x2A50), ("read",), Protection.NONE, "DIS 1.1, 3.9")

BATTERY_LEVEL = Characteristic(
    "Battery Level", "BATTERY_LEVEL", _assigned(0x2A19), ("read", "notify"), Protection.NONE, "BAS 1.0, 3.1"
)

SERVICES: tuple[Service, ...] = (
    Service(
        "Insulin Delivery", _assigned(0x183A), "pump", 0x0010,
        (
            STATUS_CHANGED, STATUS, ANNUNCIATION_STATUS, FEATURES, STATUS_READER_CONTROL_POINT,
            COMMAND_CONTROL_POINT, COMMAND_DATA, RECORD_ACCESS_CONTROL_POINT, HISTORY_DATA,
        ),
    ),
    Service("Current Time", _assigned(0x1805), "pump", 0x0030, (CURRENT_TIME,)),
    Service(
        "Controller", UUID("cb832e7a-e359-4722-8d33-fda21e566266"), "pump", 0x00A0,
        (
            CONTROLLER_SETTINGS, CONTROLLER_DECISION, OREF_SETTINGS, CARB_ANNOUNCEMENT, CONTROLLER_GUARDRAILS,
            CONTROLLER_DETAIL,
        ),
    ),
    Service(
        "Emulator", UUID("965f345b-7177-4483-a1d5-88c0f621085e"), "pump", 0x0050,
        (
            EMULATOR_IDENTITY, EMULATOR_PUMP_DATA, EMULATOR_HEALTH, EMULATOR_COUNTERS, EMULATOR_FAULT,
            EMULATOR_BOLUS_CALCULATION, EMULATOR_RADIO, EMULATOR_RADIO_COMMAND, EMULATOR_WRITE_RESULT,
        ),
    ),
    Service(
        "Device Information", _assigned(0x180A), "pump", 0x0070,
        (
            MANUFACTURER_NAME, MODEL_NUMBER, SERIAL_NUMBER, HARDWARE_REVISION, FIRMWARE_REVISION, SYSTEM_ID, PNP_ID,
        ),
    ),
    Service("Battery", _assigned(0x180F), "pump", 0x0090, (BATTERY_LEVEL,)),
    Service(
        "Continuous Glucose Monitoring", _assigned(0x181F), "rig", 0x0100,
        # Handles follow this order: what is added comes last, so that no handle moves.
        (
            CGM_MEASUREMENT, CGM_FEATURE, CGM_SESSION_START_TIME, CGM_STATUS, CGM_SESSION_RUN_TIME,
            CGM_RECORD_ACCESS_CONTROL_POINT, CGM_SPECIFIC_OPS_CONTROL_POINT,
        ),
    ),
)  # fmt: skip

_HANDLES: dict[Characteristic, int] = {
    characteristic: service.first_handle + 2 + 3 * index
    for service in SERVICES
    for index, characteristic in enumerate(service.characteristics)
}

CHARACTERISTICS: dict[str, Characteristic] = {
    characteristic.constant: characteristic for service in SERVICES for characteristic in service.characteristics
}
