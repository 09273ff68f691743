"""The vendor service *emulator*: what only an emulator has, and the version of the wire."""

from __future__ import annotations

from decimal import Decimal

from construct import Struct

from pumpwire import database
from pumpwire.declare import TO_CLIENT, TO_PUMP, Example, Message
from pumpwire.enums import FaultKind, PulseSource, ResetCause, TbrKindsFlags
from pumpwire.fields import Bits, InRange, Int8ul, Int16ul, Int32ul, Octets, Word
from pumpwire.reader import AMOUNT_IU

WIRE_VERSION = 3

EMULATOR_IDENTITY = Message(
    "EmulatorIdentity", on=database.EMULATOR_IDENTITY, direction=TO_CLIENT, clause="vendor service: emulator",
    body=Struct(
        "wire_version" / Int16ul,
        "firmware_hash" / Octets(8) * "first octets of SHA-256 over the firmware's files",
    ),
    examples=[Example("0300" + "0123456789abcdef", wire_version=3, firmware_hash=bytes.fromhex("0123456789abcdef"))],
)  # fmt: skip
EMULATOR_PUMP_DATA = Message(
    "EmulatorPumpData", on=database.EMULATOR_PUMP_DATA, direction=TO_CLIENT, clause="vendor service: emulator",
    body=Struct(
        "pulse_mu" / Int16ul * "insulin of one motor pulse, milliunits",
        "bolus_speed_mu_per_minute" / Int16ul,
        "reservoir_capacity_mu" / Int32ul,
        "basal_rate_limit_mu_per_h" / Int16ul,
        "bolus_limit_mu" / Int16ul,
        "motor_pulse_ms" / Int8ul * "width of a pulse on the motor pin",
        "basal_min_mu_per_h" / Int16ul * "least basal rate that is not 0",
        "bolus_min_mu" / Int16ul * "least bolus",
        "basal_adjustable" / InRange(Int8ul, 0, 1) * "0: no command changes the basal rate",
        "basal_fixed_mu_per_h" / Int16ul * "the rate for ever where it is not adjustable, 0 for none",
        "tbr_kinds" / Bits(Int8ul, TbrKindsFlags) * "that a client can set",
    ),
    examples=[
        Example(
            "3200" + "dc05" + "e0930400" + "b888" + "a861" + "05" + "0100" + "3200" + "01" + "0000" + "03", pulse_mu=50,
            bolus_speed_mu_per_minute=1500, reservoir_capacity_mu=300000, basal_rate_limit_mu_per_h=35000,
            bolus_limit_mu=25000, motor_pulse_ms=5, basal_min_mu_per_h=1, bolus_min_mu=50, basal_adjustable=1,
            basal_fixed_mu_per_h=0, tbr_kinds=TbrKindsFlags.ABSOLUTE | TbrKindsFlags.RELATIVE,
        )
    ],
)  # fmt: skip
EMULATOR_HEALTH = Message(
    "EmulatorHealth", on=database.EMULATOR_HEALTH, direction=TO_CLIENT, clause="vendor service: emulator",
    body=Struct(
        "reset_cause" / Word(Int8ul, ResetCause),
        "uptime_s" / Int32ul * "pump second",
        "uptime_ms" / InRange(Int16ul, 0, 999) * "milliseconds of that second",
        "free_heap_octets" / Int32ul,
        "dropped_frames" / Int16ul * "serial frames that were damaged",
        "e2e_failures" / Int16ul * "values refused for CRC or counter",
        "pulses_in_doubt" / Int8ul * "counted, but a power cut left open whether they left the motor; 255 stays 255",
        "doubt_source" / Word(Int8ul, PulseSource) * "of the last of them, the last that its counter then held",
    ),
    examples=[
        Example(
            "33" + "100e0000" + "f401" + "00f40100" + "0200" + "0000" + "01" + "33", reset_cause=ResetCause.POWER_ON,
            uptime_s=3600, uptime_ms=500, free_heap_octets=128000, dropped_frames=2, e2e_failures=0, pulses_in_doubt=1,
            doubt_source=PulseSource.BASAL,
        )
    ],
)  # fmt: skip
EMULATOR_COUNTERS = Message(
    "EmulatorCounters", on=database.EMULATOR_COUNTERS, direction=TO_CLIENT, clause="vendor service: emulator",
    body=Struct(
        "basal_pulses" / Int32ul * "since the pump first started",
        "bolus_pulses" / Int32ul * "since the pump first started",
        "prime_pulses" / Int32ul * "since the pump first started",
        "reservoir_pulses" / Int32ul * "that the reservoir still holds",
    ),
    examples=[
        Example(
            "11000000" + "32000000" + "00000000" + "3d0f0000", basal_pulses=17, bolus_pulses=50, prime_pulses=0,
            reservoir_pulses=3901,
        )
    ],
)  # fmt: skip
EMULATOR_FAULT = Message(
    "EmulatorFault", on=database.EMULATOR_FAULT, direction=TO_PUMP, clause="vendor service: emulator",
    changes_delivery=True,
    body=Struct(
        "fault_kind" / Word(Int8ul, FaultKind),
        "fault_value"
        / Int32ul
        * "occlusion, detached: 1 on, 0 off; reservoir level: pulses; battery level: percent; annunciation: its type",
    ),
    examples=[
        Example("3c" + "64000000", fault_kind=FaultKind.RESERVOIR_LEVEL, fault_value=100),
        Example("66" + "ff000000", fault_kind=FaultKind.ANNUNCIATION, fault_value=0x00FF),
    ],
)  # fmt: skip
EMULATOR_BOLUS_CALCULATION = Message(
    "EmulatorBolusCalculation", on=database.EMULATOR_BOLUS_CALCULATION, direction=TO_PUMP,
    clause="vendor service: emulator",
    body=Struct(
        "fast_meal_amount_iu" / AMOUNT_IU * "recommended, as the three that follow",
        "fast_correction_amount_iu" / AMOUNT_IU,
        "extended_meal_amount_iu" / AMOUNT_IU,
        "extended_correction_amount_iu" / AMOUNT_IU,
        "confirmed_fast_meal_amount_iu" / AMOUNT_IU,
        "confirmed_fast_correction_amount_iu" / AMOUNT_IU,
        "confirmed_extended_meal_amount_iu" / AMOUNT_IU,
        "confirmed_extended_correction_amount_iu" / AMOUNT_IU,
    ),
    examples=[
        Example(
            "0200" + "0000" + "0000" + "0000" + "0ff0" + "0000" + "0000" + "0000", fast_meal_amount_iu=Decimal(2),
            fast_correction_amount_iu=Decimal(0), extended_meal_amount_iu=Decimal(0),
            extended_correction_amount_iu=Decimal(0), confirmed_fast_meal_amount_iu=Decimal("1.5"),
            confirmed_fast_correction_amount_iu=Decimal(0), confirmed_extended_meal_amount_iu=Decimal(0),
            confirmed_extended_correction_amount_iu=Decimal(0),
        )
    ],
    doc="What a bolus calculator recommended and what was confirmed: recorded, and no insulin moves.",
)  # fmt: skip
