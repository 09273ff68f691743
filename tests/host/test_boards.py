"""A board is a folder of data: what is wrong in it is named with file and key, and its firmware is identified."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pumplink import errors
from pumplink.boards import board_module, board_names, firmware_hash, load_board
from pumplink.stacks import CANNOT, STACKS, limits_of, stack_of
from pumplink.virtual import Lockstep, Realtime, Scaled, parse_clock

GOOD = """
name = "mine"
title = "My board"
kind = "rp2"
[firmware]
UART_ID = 1
LABEL = "x"
[usb]
vendor = 0x2E8A
"""


def write_board(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "board.toml").write_text(text, encoding="utf-8")
    return folder


def test_the_virtual_board_comes_with_the_package() -> None:
    board = load_board("virtual")
    assert "virtual" in board_names()
    assert board.kind == "virtual"
    assert board.firmware["WATCHDOG_MS"] == 60_000


def test_boards_of_ones_own_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_board(tmp_path / "a" / "mine", GOOD)
    monkeypatch.setenv("PUMPRIG_BOARDS", str(tmp_path / "a"))
    board = load_board("mine")
    assert board.sections == {"usb": {"vendor": 0x2E8A}}
    assert "mine" in board_names()


def test_an_unknown_board_names_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"no board named 'nope'; known are: .*virtual.*PUMPRIG_BOARDS"):
        load_board("nope")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = 1", "name: a text is needed"),
        (GOOD.replace("[firmware]", "[other]"), r"\[firmware\]"),
        (GOOD.replace("UART_ID", "uart_id"), "firmware.uart_id"),
        (GOOD.replace("UART_ID", "NAME"), "firmware.NAME"),
        (GOOD.replace("UART_ID = 1", "UART_ID = 1.5"), "firmware.UART_ID: is 1.5"),
        (GOOD.replace("UART_ID = 1", "UART_ID = true"), "firmware.UART_ID: is True"),
        ("name = ", "board.toml: "),
    ],
)
def test_wrong_data_is_named_with_file_and_key(tmp_path: Path, text: str, message: str) -> None:
    folder = write_board(tmp_path / "bad", text)
    with pytest.raises(ValueError, match=message) as caught:
        load_board(folder)
    assert str(folder / "board.toml") in str(caught.value)


def test_boards_with_the_same_stack_have_the_same_limits_each_with_its_reason() -> None:
    seen: dict[str, set[str]] = {}
    for name in board_names():
        board = load_board(name)
        limits = limits_of(board)
        assert limits == {key: CANNOT[key] for key in limits}
        assert seen.setdefault(stack_of(board), set(limits)) == set(limits), name
    assert set(seen) == set(STACKS)
    assert seen["none"] == set() and "passkey" in seen["btstack"] - seen["nimble"]


@pytest.mark.parametrize(("text", "message"), [
    ('ble_stack = "NimBLE"', "ble_stack: is 'NimBLE'; allowed are none, nimble, btstack"),
    ('ble_cannot = ["no passkey"]', "ble_cannot: is 'no passkey'; allowed are write_error, "),
    ('ble_cannot = "passkey"', "ble_cannot: is 'passkey'; allowed are write_error, "),
])  # fmt: skip
def test_a_stack_or_a_limit_that_is_none_is_named(tmp_path: Path, text: str, message: str) -> None:
    board = load_board(write_board(tmp_path / "bad", f"{GOOD}[limits]\n{text}\n"))
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        stack_of(board)
        limits_of(board)
    assert str(board.folder / "board.toml") in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"board.toml: cannot be read"):
        load_board(tmp_path)


def test_the_hash_changes_with_names_and_contents_and_nothing_else(tmp_path: Path) -> None:
    for name in ("a.py", "pump/b.py"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x = 1\n")
    first = firmware_hash(tmp_path)
    assert len(first) == 8
    (tmp_path / "notes.txt").write_text("no module")
    assert firmware_hash(tmp_path) == first
    (tmp_path / "a.py").write_text("x = 2\n")
    changed = firmware_hash(tmp_path)
    assert changed != first
    (tmp_path / "a.py").rename(tmp_path / "c.py")
    assert firmware_hash(tmp_path) not in (first, changed)


def test_the_module_for_the_firmware_is_plain_constants(tmp_path: Path) -> None:
    board = load_board(write_board(tmp_path / "b", GOOD))
    names: dict[str, object] = {}
    exec(board_module(board, tmp_path), names)
    assert {name: names[name] for name in ("NAME", "UART_ID", "LABEL", "FIRMWARE_HASH")} == {
        "NAME": "mine",
        "UART_ID": 1,
        "LABEL": "x",
        "FIRMWARE_HASH": firmware_hash(tmp_path),
    }


@pytest.mark.parametrize(
    ("text", "clock"),
    [("lockstep", Lockstep()), ("realtime", Realtime()), ("scaled:1", Scaled(1)), ("scaled:3600", Scaled(3600))],
)
def test_clocks_are_named_as_they_print(text: str, clock: object) -> None:
    assert parse_clock(text) == clock
    assert str(clock) == text


@pytest.mark.parametrize("text", ["", "scaled", "scaled:", "scaled:0", "scaled:3601", "scaled:1.5", "Lockstep", "x:2"])
def test_other_clocks_are_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(ValueError, match="1 to 3600"):
        parse_clock(text)


def test_the_error_tree_is_whole_and_drawn() -> None:
    assert errors.__doc__ is not None
    for name in errors.__all__:
        kind = getattr(errors, name)
        assert issubclass(kind, errors.PumpLinkError)
        assert name in errors.__doc__
    assert sorted(errors.__all__) == errors.__all__


def test_constants_that_the_firmware_asks_for_in_vain_are_named(tmp_path: Path) -> None:
    board = load_board(write_board(tmp_path / "b", GOOD))
    firmware = tmp_path / "firmware"
    firmware.mkdir()
    (firmware / "main.py").write_text("import board\nprint(board.UART_ID, board.NAME, board.BAUD, board.MOTOR_PIN)\n")
    with pytest.raises(ValueError, match=r"board.toml: \[firmware\] lacks BAUD, MOTOR_PIN; copy them"):
        board_module(board, firmware)
