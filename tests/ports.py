"""MicroPython's ports for the tests: a process that answers line after line, because starting one for each is slow.

`Port.unix` is the 64-bit port that is the virtual board; `Port.wasm` is the 32-bit port in Node, whose small ints are
as those of a board. Both run the same module with a function `answer(line) -> line`.
"""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / ".node/node_modules/@micropython/micropython-webassembly-pyscript/micropython.mjs"
ANSWER_TIMEOUT_S = 120.0
NAMES = ("unix", "wasm")

_SERVE = """
import sys
sys.path[:] = {path!r} + [".frozen"]
from {module} import answer
for line in sys.stdin:
    print(answer(line))
"""


def micropython() -> str | None:
    """The MicroPython unix port, or None where it is not installed."""
    candidates = [os.environ.get("PUMPRIG_MICROPYTHON"), str(Path(sys.executable).parent / "micropython")]
    return next((path for path in candidates if path and Path(path).is_file()), None)


class Port:
    """A process of MicroPython that answers.

    Args:
        command: to start it.
    """

    def __init__(self, command: list[str]) -> None:
        # A file, not a pipe: what it says wrong is never in the way of its answers.
        self._said = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said, bufsize=0
        )
        self._held = b""

    @classmethod
    def of(cls, name: str, module: str, folders: list[Path]) -> Port:
        """The port of that name, with the modules of these folders; skips the test where it is not installed.

        Args:
            name: one of `NAMES`.
            module: whose `answer` gets the lines.
            folders: the path of modules.
        """
        if name == "unix":
            found = micropython()
            if found is None:
                pytest.skip("no MicroPython unix port beside this Python: there is no wheel for this platform")
            serve = _SERVE.format(path=[str(folder) for folder in folders], module=module)
            return cls([found, "-X", "heapsize=4M", "-c", serve])
        node = shutil.which("node")
        if node is None:
            pytest.skip("no Node.js, in which MicroPython's 32-bit port runs: install nodejs and npm, then `make wasm`")
        if not PACKAGE.is_file():
            pytest.skip("MicroPython's 32-bit port is not installed: `make wasm`")
        return cls([node, str(ROOT / "tests/wasm/port.mjs"), str(PACKAGE), module, *map(str, folders)])

    def ask(self, *lines: str) -> list[str]:
        """The answers to lines, in their order. Few at a time: what is asked must fit into a pipe."""
        assert self._process.stdin is not None
        self._process.stdin.write("".join(f"{line}\n" for line in lines).encode())
        return [self._line() for _ in lines]

    def _line(self) -> str:
        assert self._process.stdout is not None
        while b"\n" not in self._held:
            ready, _, _ = select.select([self._process.stdout], [], [], ANSWER_TIMEOUT_S)
            data = os.read(self._process.stdout.fileno(), 1 << 16) if ready else b""
            if not data:
                self.close()
                self._said.seek(0)
                said = self._held + self._said.read()
                raise AssertionError(f"MicroPython gave no answer: {said.decode(errors='replace')[-2000:]}")
            self._held += data
        line, _, self._held = self._held.partition(b"\n")
        return line.decode()

    def close(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.communicate()

    def __enter__(self) -> Port:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self._said.close()
