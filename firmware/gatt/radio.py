# What the vendor service *emulator* has of the radio: its state and commands, over the serial bearer alone.
from micropython import const

from gatt import att, handles
from gatt import wire_tables as tables
from gatt.characteristic import READ, WRITE, Characteristic
from gatt.encode import encode
from gatt.procedures import NOT_APPLICABLE
from gatt.vendor import Setting, put_u32

_OFF = const(0x33)
_NONE = const(0x0F)
_ADDRESS_OCTETS = const(6)


# What a radio tells and does; a board that has none has this one. `passkey` is -1 while none is shown.
class NoRadio:
    state = _OFF
    stack = _NONE
    flags = 0
    passkey = -1
    bonds = 0
    failed_pairings = 0
    address = bytes(_ADDRESS_OCTETS)
    mtu = 0

    # Seconds until the pump pairs again.
    def locked_s(self):
        return 0

    # Carries out a command and returns its response code. index: of a bond. name: octets, of the board that is meant.
    def command(self, s, command, index, name):
        return NOT_APPLICABLE


class EmulatorRadio(Characteristic):
    def __init__(self, codec, radio):
        self._codec = codec
        self._radio = radio
        super().__init__(handles.EMULATOR_RADIO, READ)

    def encode(self, s, buf, start):
        fields = self._codec.fields
        radio = self._radio
        fields[tables.RADIO_STATE] = radio.state
        fields[tables.RADIO_STACK] = radio.stack
        fields[tables.RADIO_FLAGS] = radio.flags
        # The complement of two makes 0xFFFFFFFF of -1.
        put_u32(fields, tables.PASSKEY_LOW, radio.passkey)
        fields[tables.BONDS] = radio.bonds
        fields[tables.FAILED_PAIRINGS] = radio.failed_pairings
        fields[tables.LOCKED_S] = radio.locked_s()
        for i in range(_ADDRESS_OCTETS):
            fields[tables.RADIO_ADDRESS + i] = radio.address[i]
        fields[tables.RADIO_MTU] = radio.mtu
        return encode(self._codec, tables.EMULATOR_RADIO, buf, start)


class EmulatorRadioCommand(Setting):
    octets_max = att.LONG_VALUE_OCTETS_MAX

    def __init__(self, codec, pump, radio):
        self._radio = radio
        super().__init__(handles.EMULATOR_RADIO_COMMAND, WRITE, codec, tables.EMULATOR_RADIO_COMMAND, pump)

    def take(self, s):
        fields = self._codec.fields
        end = tables.BOARD_NAME + fields[tables.BOARD_NAME_OCTETS]
        name = bytes([octet for octet in fields[tables.BOARD_NAME : end]])
        return self._radio.command(s, fields[tables.RADIO_COMMAND], fields[tables.BOND_INDEX], name)
