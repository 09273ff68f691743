"""Connections that end when they should not, on the virtual radio: delivery goes on, the next connection begins anew
(DOSING.md section 19).

Method: the real firmware; a central in the test's hand that vanishes, falls silent, or comes back after the board did.
"""

import shutil
from pathlib import Path

import pytest

from pumplink import VirtualBoard, VirtualPump
from pumplink.boards import default_firmware
from pumpwire import database
from pumpwire.enums import RadioState
from radio.central import NEEDS_RADIO, Central

pytestmark = NEEDS_RADIO

COMMAND, RECORDS, HISTORY = (
    database.COMMAND_CONTROL_POINT, database.RECORD_ACCESS_CONTROL_POINT, database.HISTORY_DATA,
)  # fmt: skip
BONDED_S, SUPERVISION_S, SILENCE_S = 10, 10, 30
ROUNDS = 4


def running(ble):
    """A board whose pump runs at 2 U/h, its cable, and the seconds of its pulses."""
    board = VirtualBoard(ble=ble).start()
    pulses = []
    board.on_pulse(lambda at_us, due_us: pulses.append(round(due_us / 1_000_000)))
    cable = VirtualPump(board).__enter__()
    cable.write_basal_profile([(1440, 2)])
    cable.activate(1)
    cable.start()
    return board, cable, pulses


@pytest.fixture
def board():
    """A board with a radio and nobody on its cable."""
    board = VirtualBoard(ble=True).start()
    yield board
    board.stop()


def test_pulses_fall_as_they_do_without_a_radio(board):
    """D-1517, D-1518: links vanish in the middle of records and of a bolus, again and again."""
    calm, calm_cable, expected = running(ble=False)
    wild, wild_cable, pulses = running(ble=True)
    central = Central(wild).secured()
    for _ in range(ROUNDS):
        central.subscribe(COMMAND, RECORDS, HISTORY)
        central.tell("RacpReportStoredRecords", operator=0x33)
        wild.radio.vanish(central.device)
        central.wait(SUPERVISION_S + 1)
        central = Central(wild, address=f"C4:00:00:00:00:{wild.radio.passkeys[-1] % 97:02X}")
        central.wait(BONDED_S)
        central.secured()
    until_s = wild.now_s + 300
    wild.run_until(until_s)
    calm.run_until(until_s)
    assert wild_cable.pulse_counters() == calm_cable.pulse_counters()
    last_s = min(expected[-1], pulses[-1])
    assert [s for s in pulses if s <= last_s] == [s for s in expected if s <= last_s]
    assert len(pulses) > 2
    for each in (calm, wild):
        each.stop()


def test_a_peer_encrypts_again_after_the_board_has_restarted_under_it(board):
    """D-1506, D-1509: counters begin anew, and nothing is asked of the person."""
    central = Central(board).secured()
    assert central.read(database.FEATURES)[3] == 1
    shown = len(board.radio.passkeys)
    board.kill()
    board.start()
    assert not central.connected
    central.connect()
    assert central.encrypt()
    central.discover()
    assert central.read(database.FEATURES)[3] == 1
    assert len(board.radio.passkeys) == shown


def test_an_indication_that_is_not_confirmed_ends_what_is_told_on_the_connection(board):
    """D-1517: after 30 s, and the next connection hears again."""
    central = Central(board).secured()
    central.wait(1)
    central.subscribe(COMMAND)
    central.confirming = False
    assert central.ask("GetAvailableBoluses")
    central.wait(SILENCE_S)
    if central.connected:
        central.confirming = True
        central.send(b"\x1e")
        assert central.ask("GetMaxBolusAmount") == {}
        central.disconnect()
    central.wait(1)
    central.confirming = True
    central.connect()
    assert central.encrypt()
    assert central.ask("GetMaxBolusAmount")


def test_a_pump_whose_radio_does_not_start_goes_on_without_it(tmp_path):
    """A board whose MicroPython has no wireless firmware: its stack raises as it is switched on."""
    firmware = Path(shutil.copytree(default_firmware(), tmp_path / "firmware"))
    bearer = firmware / "bearer" / "ble.py"
    bearer.write_text(bearer.read_text().replace("ble.active(True)", "raise OSError(110)"))
    board = VirtualBoard(ble=True, firmware_dir=firmware).start()
    cable = VirtualPump(board).__enter__()
    assert any("the radio does not start" in line for line in board.output)
    assert cable.radio().state is RadioState.OFF
    cable.write_basal_profile([(1440, 2)])
    cable.activate(1)
    cable.start()
    cable.run_for(600)
    assert cable.pulse_counters().basal > 0
    board.stop()
