"""A firmware with a controller of one's own: a file takes the place of `pump/control/own.py`."""

from __future__ import annotations

import ast
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pumplink.boards import default_firmware
from pumplink.syntax import parsed
from pumplink.virtual.launch import micropython_command

__all__ = ["OwnControllerError", "can_be_loaded", "own_firmware"]

# Far longer than any module takes.
_LOADING_SECONDS_MAX = 10.0
_PLACE = Path("pump/control/own.py")
_ARGUMENTS = ("inputs", "settings", "decision")


class OwnControllerError(ValueError):
    """A file that is no controller.

    Args:
        what: what is wrong.
        where: the file, with the line where there is one.
        allowed: what would have been accepted.
    """

    def __init__(self, what: str, where: str, allowed: str = "") -> None:
        self.what, self.where, self.allowed = what, where, allowed
        super().__init__(f"{where}: {what}")


@contextmanager
def own_firmware(file: Path, firmware: Path | None = None) -> Iterator[Path]:
    """A copy of a firmware whose controller *own* is a file; it goes when the block ends.

    Args:
        file: a module with `decide(inputs, settings, decision)`.
        firmware: the folder with `main.py`; the installed one when None.
    Raises:
        OwnControllerError: the file cannot be read, is no Python, or has no such function.
    """
    text = _checked(file)
    with tempfile.TemporaryDirectory(prefix="pumprig-own-") as folder:
        copy = Path(folder) / "firmware"
        shutil.copytree(firmware or default_firmware(), copy, ignore=shutil.ignore_patterns("__pycache__"))
        (copy / _PLACE).write_text(text, encoding="utf-8")
        yield copy


def can_be_loaded(firmware: Path) -> bool:
    """Whether MicroPython can load controller own of a firmware; one that does not come to an end counts as loaded.

    Args:
        firmware: the folder with `main.py`.
    Raises:
        BoardUnavailable: there is no MicroPython for this machine.
    """
    load = f"import sys; sys.path[:] = [{str(firmware)!r}, '.frozen']; from pump.control.own import decide"
    try:
        done = subprocess.run(
            [*micropython_command(), "-c", load], stdin=subprocess.DEVNULL, capture_output=True, check=False,
            timeout=_LOADING_SECONDS_MAX,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return True
    return done.returncode == 0


def _checked(file: Path) -> str:
    signature = f"def decide({', '.join(_ARGUMENTS)})"
    try:
        text = file.read_text(encoding="utf-8")
        tree = parsed(text)
    except OSError as error:
        raise OwnControllerError(f"cannot be read: {error.strerror}", str(file), f"a file with {signature}") from None
    except UnicodeDecodeError:
        raise OwnControllerError("is no UTF-8", str(file), f"a file with {signature}") from None
    except ValueError as error:
        raise OwnControllerError(f"is no Python: {error}", str(file), f"a file with {signature}") from None
    except SyntaxError as error:
        raise OwnControllerError(f"is no Python: {error.msg}", f"{file}:{error.lineno or 1}") from None
    found = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "decide"]
    if not found:
        raise OwnControllerError("has no function decide", str(file), signature)
    arguments = found[-1].args
    count = len(arguments.posonlyargs) + len(arguments.args)
    if not count - len(arguments.defaults) <= len(_ARGUMENTS) <= count and arguments.vararg is None:
        where = f"{file}:{found[-1].lineno}"
        raise OwnControllerError(f"decide takes {count} arguments", where, signature)
    return text
