"""Boards that are plugged in: which one a name means, and who holds it.

Goal: a name means one board or none, and a board has one holder, who is seen, and whose death frees it.
Method: USB descriptors as pyserial gives them; locks of processes that are killed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from pumplink.boards import load_board
from pumplink.errors import BearerBusy, BearerMissing
from pumplink.plugged import flash
from pumplink.plugged.hardware import hardware_of, real_boards
from pumplink.plugged.lock import BoardLock, foreign_holders, holder_of
from pumplink.plugged.ports import choose, plugged_in
from pumplink.plugged.repl import System

PICO, ESP = (0x2E8A, 0x0005), (0x10C4, 0xEA60)

HOLD = """
import sys
from pumplink.plugged.lock import BoardLock
lock = BoardLock(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


def port(device: str, usb: tuple[int, int] | None, serial_number: str | None) -> SimpleNamespace:
    vid, pid = usb or (None, None)
    return Port(device=device, vid=vid, pid=pid, serial_number=serial_number, description="n/a")


class Port(SimpleNamespace):
    def __lt__(self, other: SimpleNamespace) -> bool:
        return str(self.device) < str(other.device)


@pytest.fixture
def ports(monkeypatch: pytest.MonkeyPatch) -> list[SimpleNamespace]:
    """What is plugged in, to be filled."""
    found: list[SimpleNamespace] = []
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: found)
    return found


@pytest.mark.parametrize("name", sorted(real_boards()))
def test_every_board_says_what_flashing_and_wiring_need(name):
    board = real_boards()[name]
    assert board.page.startswith("https://") and board.install and board.machine
    assert board.micropython == "1.29.0"
    assert all(len(usb_id) == 9 and usb_id[4] == ":" for usb_id in board.usb_ids)
    keys = {f"{section}.{key}" for section, table in board.data.sections.items() for key in table}
    assert set(board.unverified) <= keys
    limit = board.data.sections["limits"].get("watchdog_ms_max", 1 << 30)
    assert int(board.data.firmware["WATCHDOG_MS"]) <= int(str(limit))
    assert board.data.sections["bearers"]["ble"] is bool(board.data.firmware["BLE"])
    wired = {"motor", "force", "ground"} <= set(board.data.sections["wiring"])
    assert wired or board.name in ("virtual_usb", "pico_emulated")


@pytest.mark.parametrize(
    ("machine", "name"),
    [
        ("Raspberry Pi Pico W with RP2040", "pico_w"),
        ("Raspberry Pi Pico 2 W with RP2350", "pico2_w"),
        ("Generic ESP32 module with ESP32", "esp32"),
        ("Generic ESP32S3 module with ESP32S3", "esp32_s3"),
        ("NUCLEO-WB55 with STM32WB55RGV6", "nucleo_wb55"),
    ],
)
def test_boards_that_share_a_usb_id_are_told_apart_by_what_they_call_themselves(machine, name):
    assert flash.name_of(System("micropython", (1, 29, 0), machine, 6, False), "port").name == name


def test_a_board_folder_of_ones_own_is_known_everywhere(tmp_path, monkeypatch, ports, capsys):
    from pumprig.cli import main

    folder = tmp_path / "mine"
    folder.mkdir()
    text = (load_board("pico_w").folder / "board.toml").read_text(encoding="utf-8")
    text = text.replace('"pico_w"', '"mine"').replace("2e8a:0005", "1234:ABCD").replace("Pico W with", "Mine with")
    (folder / "board.toml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("PUMPRIG_BOARDS", str(tmp_path))
    ports.append(port("/dev/ttyACM7", (0x1234, 0xABCD), "E1"))
    assert choose("mine").device == "/dev/ttyACM7"
    system = System("micropython", (1, 29, 0), "Raspberry Pi Mine with RP2040", 6, False)
    assert flash.name_of(system, "port").name == "mine"
    for words in (["board", "--list"], ["boards", "--known"], ["boards", "--no-ask"]):
        with pytest.raises(SystemExit) as left:
            main(words)
        assert left.value.code == 0
        assert "mine" in capsys.readouterr().out, words


def test_wrong_data_is_named_with_file_and_key(tmp_path):
    folder = tmp_path / "half"
    folder.mkdir()
    text = (load_board("pico_w").folder / "board.toml").read_text(encoding="utf-8")
    (folder / "board.toml").write_text(text.replace("page = ", "side = "), encoding="utf-8")
    with pytest.raises(ValueError, match=r"half/board.toml: micropython.page: a text is needed"):
        hardware_of(load_board(folder))


def test_a_serial_number_is_one_board_whatever_its_port(ports):
    ports += [port("/dev/ttyACM1", PICO, "E66A"), port("/dev/ttyACM0", PICO, "E66B"), port("/dev/ttyS0", None, None)]
    assert choose("id:E66A").device == "/dev/ttyACM1"
    assert [found.device for found in plugged_in()] == ["/dev/ttyACM0", "/dev/ttyACM1", "/dev/ttyS0"]
    assert plugged_in()[0].candidates == ("pico2_w", "pico_w")
    assert str(plugged_in()[0]) == "port:/dev/ttyACM0 (id:E66B)"
    assert choose("port:/dev/ttyUSB9").device == "/dev/ttyUSB9"


def test_two_that_fit_are_refused_and_listed(ports):
    ports += [port("/dev/ttyUSB0", ESP, "0001"), port("/dev/ttyUSB1", ESP, "0001")]
    for name in ("esp32", "id:0001"):
        with pytest.raises(BearerMissing, match=r"fits several devices.*ttyUSB0.*ttyUSB1"):
            choose(name)


def test_boards_with_the_same_usb_id_are_asked_which_they_are(ports):
    ports += [port("/dev/ttyACM0", PICO, "A"), port("/dev/ttyACM1", PICO, "B")]
    says = {"/dev/ttyACM0": "pico2_w", "/dev/ttyACM1": "pico_w"}
    assert choose("pico_w", lambda found: says[found.device]).serial_number == "B"
    # One that does not say may be it.
    with pytest.raises(BearerMissing, match="fits several devices"):
        choose("pico_w", lambda found: None)


@pytest.mark.parametrize("name", ["id:", "id:none", "pico_w"])
def test_what_is_not_there_lists_what_is(ports, name):
    ports += [port("/dev/ttyUSB0", ESP, "0001"), port("/dev/ttyS0", None, None)]
    with pytest.raises(BearerMissing, match=r"ttyUSB0 \(id:0001\)"):
        choose(name)


def test_no_board_of_that_name_is_an_error_of_the_caller(ports):
    with pytest.raises(ValueError, match=r"known are: esp32, "):
        choose("pico_x")


def test_a_board_has_one_holder_who_is_seen_and_whose_death_frees_it(tmp_path):
    device = tmp_path / "tty"
    device.touch()
    other_name = tmp_path / "by-id"
    other_name.symlink_to(device)
    assert holder_of(str(device)) is None
    command = [sys.executable, "-c", HOLD, str(other_name)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        holder = holder_of(str(device))
        assert holder.pid == process.pid and holder.since and str(other_name) in holder.command
        with pytest.raises(BearerBusy, match=f"held by process {process.pid}"):
            BoardLock(str(device))
        process.kill()
    assert holder_of(str(device)) is None
    with BoardLock(str(device)):
        assert holder_of(str(device)) is not None
    assert holder_of(str(device)) is None


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="who has a device open is seen on Linux only")
def test_a_program_that_is_not_ours_is_seen_by_the_device_it_has_open(tmp_path):
    device = tmp_path / "tty"
    device.touch()
    assert foreign_holders(str(device)) == []
    with device.open():
        (holder,) = foreign_holders(str(device))
        assert holder.pid == os.getpid() and "python" in holder.command
