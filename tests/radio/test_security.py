"""Nobody reads, writes or configures a value of the pump on a link that is not as D-1502 wants it.

Goal: each characteristic on the air refuses, with the right ATT error, a stranger, a bonded peer before encryption, and
a peer that paired without a passkey; the pump tells nothing before (D-1503), and what is not for the air is not on it
(D-1501).
Method: raw ATT from a central that discovers the handles by itself, on one link for each way of not being trusted.
"""

import pytest

from pumplink import VirtualBoard
from pumpwire import database, e2e
from pumpwire.registry import MESSAGES
from radio.central import (
    INSUFFICIENT_AUTHENTICATION,
    INSUFFICIENT_ENCRYPTION,
    KEYBOARD,
    NEEDS_RADIO,
    NOTHING,
    ON_AIR,
    Central,
)

pytestmark = NEEDS_RADIO

READABLE = [item for item in ON_AIR if "read" in item.properties]
WRITABLE = [item for item in ON_AIR if "write" in item.properties]
TOLD = [item for item in ON_AIR if item.configuration_handle]
STRANGER, BONDED, UNSURE, TRUSTED = "a stranger", "bonded, not encrypted", "encrypted, not authenticated", "trusted"
ERROR = {
    STRANGER: INSUFFICIENT_AUTHENTICATION, BONDED: INSUFFICIENT_ENCRYPTION, UNSURE: INSUFFICIENT_AUTHENTICATION,
    TRUSTED: 0,
}  # fmt: skip


def name(item):
    return item.constant


@pytest.fixture(scope="module", params=[STRANGER, BONDED, UNSURE])
def link(request):
    """A central that is connected, and not to be trusted; with the error that it gets."""
    board = VirtualBoard(ble=True).start()
    central = Central(board, io=NOTHING if request.param == UNSURE else KEYBOARD)
    if request.param == BONDED:
        central.secured()
        central.disconnect()
    central.connect()
    if request.param == UNSURE:
        central.pair()
    if central.connected:
        central.discover()
    yield central, ERROR[request.param]
    board.stop()


@pytest.mark.parametrize("item", READABLE, ids=name)
def test_no_value_is_read(link, item):
    """D-1502, a test for each characteristic."""
    central, error = link
    assert central.read_error(central.values[item]) == error


@pytest.mark.parametrize("item", WRITABLE, ids=name)
def test_no_value_is_written(link, item):
    """D-1502, with a message that would be taken, counter and CRC right."""
    central, error = link
    message = next(one for one in MESSAGES.values() if one.on is item and one.direction != "to_client")
    value = message.examples[0].octets
    if item.protection is not database.Protection.NONE:
        value = e2e.protect(value, 1, item.protection)
    assert central.write_error(central.values[item], value[:20]) == error


@pytest.mark.parametrize("item", TOLD, ids=name)
def test_no_value_is_asked_for(link, item):
    """D-1502: a client configuration wants encryption at least; where that is all that the stack asks, D-1503 holds."""
    central, error = link
    bits = b"\x02\x00" if "indicate" in item.properties else b"\x01\x00"
    got = central.write_error(central.values[item] + 1, bits)
    assert got == error or (central.connection.is_encrypted and got == 0)


def test_nothing_is_told_before(link):
    """D-1503: whatever happens to the pump, and whoever serves glucose."""
    central, _ = link
    central.board.set_analog(26, 65535)
    central.wait(5)
    assert central.pdus == []


def test_what_is_for_the_cable_alone_is_not_on_the_air(link):
    """D-1501: the whole database is what the declaration says, and nothing has the UUID of the radio's own values."""
    central, _ = link
    assert set(central.values) == set(ON_AIR)
    assert database.EMULATOR_RADIO not in central.values and database.EMULATOR_RADIO_COMMAND not in central.values


def test_who_typed_the_passkey_reads_everything():
    """The same requests as above, so that a refusal there says something."""
    board = VirtualBoard(ble=True).start()
    central = Central(board).secured()
    for item in READABLE:
        assert central.read(item)[:1] == b"\x0b", item
    board.stop()
