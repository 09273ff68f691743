"""The emulated RP2040, and the UF2 files that it is given.

Goal: a file that is none for this chip is refused with what is wrong with it; what is one runs, and its UART is a
device that serial programs open; with MicroPython for the Pico the pump boots and answers there.
Method: small files made here, one of which holds a program of ten instructions that sends back what it gets. The pump
itself needs the user's file, which PUMPRIG_PICO_UF2 names.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from pumplink.boards import default_firmware, firmware_hash
from pumplink.errors import BoardUnavailable
from pumplink.serial_bearer import SerialBearer
from pumplink.uf2 import RP2040_FAMILY, check_uf2
from pumplink.virtual import emulated_pico
from pumplink.virtual.emulated_pico import EmulatedPico, uf2_named
from pumprig.cli import main

FLASH = 0x10000000
# ldr r0, UART0; wait: ldr r1, [r0, FR]; movs r2, RXFE; tst r1, r2; bne wait; ldr r1, [r0]; str r1, [r0]; b wait
ECHO = struct.pack("<8HI", 0x4803, 0x6981, 0x2210, 0x4211, 0xD1FB, 0x6801, 0x6001, 0xE7F8, 0x40034000)


def block(number: int, count: int, payload: bytes, family: int = RP2040_FAMILY, flags: int = 0x2000) -> bytes:
    head = struct.pack("<8I", 0x0A324655, 0x9E5D5157, flags, FLASH + 256 * number, 256, number, count, family)
    return head + payload.ljust(476, b"\0") + struct.pack("<I", 0x0AB16F30)


def uf2(tmp_path: Path, *blocks: bytes) -> Path:
    path = tmp_path / "firmware.uf2"
    path.write_bytes(b"".join(blocks))
    return path


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    return uf2(tmp_path, block(0, 2, ECHO), block(1, 2, b""))


def test_a_whole_file_for_this_chip_is_taken(whole):
    assert check_uf2(whole) == 512


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: [], "this is no UF2 file; the download page has the one whose name ends in .uf2"),
        (lambda: [b"\x7fELF" + bytes(508)], "this is no UF2 file"),
        (lambda: [block(0, 2, ECHO), block(1, 2, b"")[:100]], "the file is cut short in its block 1"),
        (lambda: [block(0, 2, ECHO)], "it has 1 of 2 blocks; download it again"),
        (lambda: [block(1, 2, ECHO), block(0, 2, b"")], "block 1 stands where 0 should"),
        (lambda: [block(0, 2, ECHO), bytes(512)], "block 1 is damaged"),
        (lambda: [block(0, 1, ECHO, 0xE48BFF59)], "this file is for RP2350, and RP2040 is needed"),
        (lambda: [block(0, 1, ECHO, 0x12345678)], "this file is for family 0x12345678, and RP2040 is needed"),
        (lambda: [block(0, 1, ECHO, flags=0)], "this file is for no chip by name"),
        (lambda: [block(1 << 20, 1, ECHO)], "it has|stands where|flash"),
    ],
)  # fmt: skip
def test_a_file_that_is_none_for_this_chip_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], made: Callable[[], list[bytes]], message: str
) -> None:
    path = uf2(tmp_path, *made())
    with pytest.raises(ValueError, match=message):
        check_uf2(path)
    with pytest.raises(SystemExit) as left:
        main(["board", "--uf2", str(path)])
    said = capsys.readouterr().err
    assert left.value.code == 2 and str(path) in said and "--uf2" in said and "Traceback" not in said


def test_a_file_that_is_not_there_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit) as left:
        main(["board", "--uf2", str(tmp_path / "none.uf2")])
    assert left.value.code == 2 and "cannot be read" in capsys.readouterr().err


def test_without_an_emulator_the_message_says_how_to_get_one(whole, capsys, monkeypatch):
    monkeypatch.setattr(emulated_pico.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BoardUnavailable, match=r" -m pip install .*\[emulator\]"):
        EmulatedPico(whole)
    with pytest.raises(SystemExit) as left:
        main(["board", "--uf2", str(whole)])
    assert left.value.code == 3 and "[emulator]" in capsys.readouterr().err


def test_what_runs_on_the_chip_is_heard_on_its_uart(whole):
    pytest.importorskip("rp2040py", reason="the extra `emulator` is not installed")
    with EmulatedPico(whole) as chip, SerialBearer(chip.uart) as line:
        heard = bytearray()
        line.write(bytes(range(100)))
        while len(heard) < 100 and (data := line.receive(line.now_s + 20)):
            heard += data
        assert heard == bytes(range(100))


@pytest.mark.slow
def test_the_pump_boots_on_an_emulated_chip_and_answers_over_its_uart():
    file = uf2_named()
    if file is None:
        pytest.skip("PUMPRIG_PICO_UF2 names no UF2 file: no package ships MicroPython for the Pico")
    pytest.importorskip("rp2040py", reason="the extra `emulator` is not installed")
    with EmulatedPico(file) as chip:
        assert chip.install().firmware_hash == firmware_hash(default_firmware())
