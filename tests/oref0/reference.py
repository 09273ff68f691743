"""oref0 in Node, as the tests ask it; skips where it is not installed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from oref0.cases import case

__all__ = ["Reference", "rules_without_difference"]

# Gives the rule that decided, and the answer with oref0's keys.
Decide = Callable[[dict[str, Any]], tuple[Any, dict[str, Any]]]

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


def rules_without_difference(reference: Reference, seeds: Sequence[int], decide: Decide, exact: bool) -> set[Any]:
    """The rules that decided on random inputs; fails with the first differences and their number.

    Args:
        reference: what the answers are held against, in every key but the text of the reason.
        seeds: of the inputs.
        decide: what is held against it.
        exact: rates are not rounded to the pump's steps.
    """
    differences, rules = [], set()
    for seed in seeds:
        asked = case(seed)
        there = reference.ask("determine", exact=exact, **asked)
        there.pop("reason")
        if there.get("reservoir", 0) is None:
            del there["reservoir"]
        rule, here = decide(asked)
        rules.add(rule)
        if here != there:
            keys = sorted(key for key in here | there if here.get(key) != there.get(key))
            differences.append((seed, {key: (here.get(key), there.get(key)) for key in keys}))
    print(f"{len(seeds)} inputs, {len(differences)} differences")
    assert not differences, f"{len(differences)} of {len(seeds)} differ; the first: {differences[:3]}"
    return rules
