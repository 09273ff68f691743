"""oref0 in Node, as the tests ask it; skips where it is not installed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

__all__ = ["Reference"]

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGE = ROOT / ".oref0/node_modules/oref0"


class Reference:
    """A process of Node with oref0. Skips the test where one of them is missing."""

    def __init__(self) -> None:
        node = shutil.which("node")
        if node is None:
            pytest.skip("no Node.js, in which oref0 runs: install nodejs and npm, then `make test-oref0`")
        if not PACKAGE.is_dir():
            pytest.skip("oref0 is not installed: `make test-oref0`")
        driver = Path(__file__).parent / "driver.cjs"
        environment = {**os.environ, "TZ": "UTC"}
        command = [node, str(driver), str(PACKAGE)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)

    def ask(self, call: str, **asked: Any) -> Any:
        """What oref0 says to a call of the driver."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps({"call": call, **asked}).encode() + b"\n")
        stdin.flush()
        return json.loads(stdout.readline())

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()
