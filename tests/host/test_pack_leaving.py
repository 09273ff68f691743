"""Packing of a module that is used once and leaves memory again.

Goal: what it imports stays, and is where everything is that a start loads. Method: small firmwares, run as sources and
packed.
"""

import subprocess

import pytest

from host.test_pack import pack_tree
from ports import micropython
from pumplink.pack import pack
from pumplink_tools import write_firmware

LEAVING = {
    "main.py": "from work import run\n\nrun()\n",
    "work.py": """import sys


def run():
    import start

    shape = start.shape()
    start.forget()
    print(shape.area(), "start" in sys.modules)
""",
    "start.py": """import sys

from shapes import Square


def forget():
    del sys.modules[__name__]


def shape():
    return Square(3)
""",
    "shapes.py": "class Square:\n    def __init__(self, side):\n        self.side = side\n\n"
    "    def area(self):\n        return self.side * self.side\n",
}


def test_what_a_module_that_leaves_memory_again_has_imported_stays_in_the_file_of_the_start(tmp_path):
    found = micropython()
    if found is None:
        pytest.skip("no MicroPython unix port beside this Python: there is no wheel for this platform")
    pack_tree(tmp_path, LEAVING, compiled=True)
    assert {path.name for path in (tmp_path / "packed").iterdir()} == {"main.py", "work.mpy", "start.mpy"}
    for folder in ("source", "packed"):
        run = subprocess.run(
            [found, "main.py"], cwd=tmp_path / folder, capture_output=True, text=True, check=False
        )  # fmt: skip
        assert run.stdout == "9 False\n", run.stderr


def test_what_stays_and_does_something_when_it_begins_is_not_merged(tmp_path):
    source = write_firmware(tmp_path / "source", "")
    for name, text in LEAVING.items():
        (source / name).write_text(text + ("\nprint(1)\n" if name == "shapes.py" else ""), encoding="utf-8")
    made = pack(source, tmp_path / "packed")
    assert made.merged is None and made.reason.startswith("start.py: shapes does something when it begins")
