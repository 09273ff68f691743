"""The radio as a rig sees it over the cable: what is told comes back as values, commands say what was asked.

Method: a scripted pump keeps what is written and gives what is read; the real firmware without a radio is beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from host.test_controllers import Keeper
from pumplink import Pump, VirtualBoard, VirtualPump
from pumplink.errors import AttError
from pumplink.results import Radio
from pumpwire import MESSAGES, database
from pumpwire.enums import RadioCommand, RadioFlags, RadioStack, RadioState
from pumpwire.radio import NO_PASSKEY

ADDRESS = bytes.fromhex("f0e1d2c3b4a5")
SHOWN = Radio(
    RadioState.CONNECTED, RadioStack.NIMBLE, RadioFlags.AUTHENTICATED_PAIRING, 123456, 2, 1, 0, ADDRESS, 247
)  # fmt: skip


@pytest.fixture
def keeper() -> Keeper:
    """A scripted pump with a connection open."""
    return Keeper()


@pytest.fixture(scope="module")
def pump() -> Iterator[Pump]:
    """The firmware on a board whose radio is off."""
    with VirtualPump(VirtualBoard().start()) as pump:
        yield pump


def _keep(keeper: Keeper, **changes: Any) -> None:
    keeper.tells("EmulatorRadio", **(MESSAGES["EmulatorRadio"].examples[0].fields | changes))


def test_the_radio_is_told_as_the_worked_example_has_it(keeper: Keeper) -> None:
    _keep(keeper)
    assert keeper.pump.radio() == SHOWN


@pytest.mark.parametrize(("passkey", "said"), [(0, 0), (999999, 999999), (NO_PASSKEY, None)])
def test_a_passkey_of_nought_is_one(keeper: Keeper, passkey: int, said: int | None) -> None:
    _keep(keeper, passkey=passkey)
    assert keeper.pump.radio().passkey == said


def test_a_passkey_is_not_shown_with_the_rest(keeper: Keeper) -> None:
    _keep(keeper)
    assert "123456" not in repr(keeper.pump.radio())


COMMANDS: list[tuple[Callable[[Pump], None], dict[str, Any]]] = [
    (lambda pump: pump.allow_lab("pico_w"), {"radio_command": RadioCommand.ALLOW_LAB, "board_name": b"pico_w"}),
    (lambda pump: pump.allow_lab("x" * 16), {"radio_command": RadioCommand.ALLOW_LAB, "board_name": b"x" * 16}),
    (Pump.forbid_lab, {"radio_command": RadioCommand.FORBID_LAB}),
    (lambda pump: pump.forget_bond(3), {"radio_command": RadioCommand.FORGET_BOND, "bond_index": 3}),
    (Pump.forget_all_bonds, {"radio_command": RadioCommand.FORGET_ALL_BONDS}),
    (Pump.disconnect_radio, {"radio_command": RadioCommand.DISCONNECT}),
]


@pytest.mark.parametrize(("call", "said"), COMMANDS)
def test_each_command_says_what_it_is_about(keeper: Keeper, call: Callable[[Pump], None], said: dict[str, Any]) -> None:
    call(keeper.pump)
    written = MESSAGES["EmulatorRadioCommand"].parse(keeper.kept[database.EMULATOR_RADIO_COMMAND.handle]).fields
    name = said.get("board_name", b"")
    assert written == {"bond_index": 0, "board_name": b"", **said, "board_name_octets": len(name)}


def test_a_name_that_no_board_has_is_refused_before_it_is_sent(keeper: Keeper) -> None:
    with pytest.raises(ValueError, match=r"board_name: .*16 octets"):
        keeper.pump.allow_lab("x" * 17)


def test_a_board_without_a_radio_says_so_and_takes_no_command(pump: Pump) -> None:
    radio = pump.radio()
    assert (radio.state, radio.stack, radio.flags) == (RadioState.OFF, RadioStack.NONE, RadioFlags(0))
    assert (radio.passkey, radio.bonds, radio.locked_s, radio.mtu) == (None, 0, 0, 0)
    for call, _ in COMMANDS:
        with pytest.raises(AttError, match="0xFF"):
            call(pump)


def test_the_result_of_a_write_is_nothing_for_a_cable(pump: Pump) -> None:
    with pytest.raises(AttError, match="0x01"):
        pump.client.subscribe(database.EMULATOR_WRITE_RESULT)
