"""The vendor service *emulator*, its radio: what a rig asks and does over the cable, and what became of a write.

The passkey stands here so that a rig that nobody watches can pair; it is told over the serial bearer only.
"""

from __future__ import annotations

from construct import Struct

from pumpwire import database
from pumpwire.att import AttErrorCode
from pumpwire.declare import TO_CLIENT, TO_PUMP, Example, Message
from pumpwire.enums import RadioCommand, RadioFlags, RadioStack, RadioState
from pumpwire.fields import Bits, InRange, Int8ul, Int16ul, Int32ul, Octets, Word

NO_PASSKEY = 0xFFFFFFFF
_ADDRESS_OCTETS = 6
BOARD_NAME_OCTETS_MAX = 16

EMULATOR_RADIO = Message(
    "EmulatorRadio", on=database.EMULATOR_RADIO, direction=TO_CLIENT, clause="vendor service: emulator",
    body=Struct(
        "radio_state" / Word(Int8ul, RadioState),
        "radio_stack" / Word(Int8ul, RadioStack) * "none: this board has no radio, or leaves it off",
        "radio_flags" / Bits(Int8ul, RadioFlags),
        "passkey" / Int32ul * "that the pump shows now, 0 to 999999; 4294967295: none",
        "bonds" / Int8ul * "that the pump keeps",
        "failed_pairings" / Int8ul * "wrong passkeys one after another",
        "locked_s" / Int16ul * "until the pump pairs again",
        "radio_address" / Octets(_ADDRESS_OCTETS) * "of the pump, the high octet first",
        "radio_mtu" / Int16ul * "ATT_MTU of the connection, 0 without one",
    ),
    examples=[
        Example(
            "5a" + "33" + "01" + "40e20100" + "02" + "01" + "0000" + "f0e1d2c3b4a5" + "f700",
            radio_state=RadioState.CONNECTED, radio_stack=RadioStack.NIMBLE,
            radio_flags=RadioFlags.AUTHENTICATED_PAIRING, passkey=123456, bonds=2, failed_pairings=1, locked_s=0,
            radio_address=bytes.fromhex("f0e1d2c3b4a5"), radio_mtu=247,
        ),
        Example(
            "33" + "0f" + "00" + "ffffffff" + "00" + "00" + "0000" + "000000000000" + "0000",
            radio_state=RadioState.OFF, radio_stack=RadioStack.NONE, radio_flags=RadioFlags(0), passkey=NO_PASSKEY,
            bonds=0, failed_pairings=0, locked_s=0, radio_address=bytes(_ADDRESS_OCTETS), radio_mtu=0,
        ),
    ],
)  # fmt: skip
EMULATOR_RADIO_COMMAND = Message(
    "EmulatorRadioCommand", on=database.EMULATOR_RADIO_COMMAND, direction=TO_PUMP, clause="vendor service: emulator",
    body=Struct(
        "radio_command" / Word(Int8ul, RadioCommand),
        "bond_index" / Int8ul * "forget bond: which one, from 0; otherwise ignored",
        "board_name_octets" / InRange(Int8ul, 0, BOARD_NAME_OCTETS_MAX),
        "board_name"
        / Octets(count_field="board_name_octets", high=BOARD_NAME_OCTETS_MAX)
        * "allow lab: the name of this very board in UTF-8; otherwise ignored",
    ),
    examples=[
        Example(
            "33" + "00" + "06" + "7069636f5f77", radio_command=RadioCommand.ALLOW_LAB, bond_index=0,
            board_name_octets=6, board_name=b"pico_w",
        )
    ],
    doc="Lab use lets a peer that is not authenticated command therapy.",
)  # fmt: skip
EMULATOR_WRITE_RESULT = Message(
    "EmulatorWriteResult", on=database.EMULATOR_WRITE_RESULT, direction=TO_CLIENT, clause="vendor service: emulator",
    body=Struct(
        "written_handle" / Int16ul * "of the written value, as on the serial bearer",
        "written_error" / Int8ul * "what the ATT error would be over serial; 0: done",
    ),
    examples=[
        Example("a200" + "00", written_handle=0x00A2, written_error=0),
        Example("5e00" + "ff", written_handle=0x005E, written_error=int(AttErrorCode.OUT_OF_RANGE)),
    ],
    doc="Tells what became of a write of a characteristic that has no answer of its own.",
)  # fmt: skip
