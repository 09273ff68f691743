"""oref0 in Node, for each test that asks it; and MicroPython's own module for pure firmware modules on CPython."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from oref0.reference import Reference

sys.path.insert(0, str(Path(__file__).parents[1] / "firmware" / "stubs"))


@pytest.fixture
def reference() -> Iterator[Reference]:
    process = Reference()
    yield process
    process.close()
