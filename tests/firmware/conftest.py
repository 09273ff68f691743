"""Lets the pure firmware modules run on CPython: they import MicroPython's own module `micropython`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "stubs"))
