"""Which pump the radio of this machine looks for, and whom it takes.

Method: real_radio with a cable whose answers the test chooses; nothing is sent.
"""

from __future__ import annotations

import pytest

from pumplink.boards import load_board
from pumplink.results import Radio
from pumprig.bearers import BearerChoice, Cable, real_radio
from pumprig.errors import BlockedError
from pumpwire.enums import RadioFlags, RadioStack, RadioState

CHOICE = BearerChoice("ble+hci", "usb:0")
ADDRESS = bytes.fromhex("f0e1d2c3b4a5")


def told(address=ADDRESS, flags=RadioFlags.AUTHENTICATED_PAIRING):
    return Radio(RadioState.ADVERTISING, RadioStack.NIMBLE, RadioFlags(flags), None, 0, 0, 0, address, 0)


@pytest.fixture
def radio_of(monkeypatch):
    """What the HCI bearer is made with, for a cable that tells this of the radio."""

    def make(radio, data=None):
        made = {}
        monkeypatch.setattr(Cable, "radio", lambda _: radio)
        monkeypatch.setattr("pumplink.ble.radios.hci_bearer", lambda _, **options: made.update(options))
        real_radio("port:/dev/x", CHOICE, object(), data)
        return made

    return make


def test_the_radio_that_the_cable_names_is_the_only_one_that_is_wanted(radio_of):
    assert radio_of(told())["wanted"].address == "F0:E1:D2:C3:B4:A5"


@pytest.mark.parametrize(
    ("radio", "why"), [(None, "nobody answers on the cable"), (told(bytes(6)), "its radio has no address")]
)
def test_a_board_whose_radio_nobody_can_name_is_not_looked_for(radio_of, radio, why):
    with pytest.raises(BlockedError, match=why):
        radio_of(radio)


@pytest.mark.parametrize(
    ("board", "flags", "lab"),
    [
        ("pico_w", RadioFlags.LAB_ONLY, True),
        ("esp32", RadioFlags.LAB_ONLY, False),
        (None, RadioFlags.LAB_ONLY, True),
        (None, RadioFlags.AUTHENTICATED_PAIRING, False),
    ],
)
def test_nobody_is_taken_without_a_passkey_but_a_board_that_can_show_none(radio_of, board, flags, lab):
    assert radio_of(told(flags=flags), board and load_board(board))["lab"] is lab


def test_a_pump_without_a_cable_has_to_show_a_passkey(monkeypatch):
    made = {}
    monkeypatch.setattr("pumplink.ble.radios.hci_bearer", lambda _, **options: made.update(options))
    real_radio("ble:F0:E1:D2:C3:B4:A5", CHOICE, None)
    assert made["lab"] is False
