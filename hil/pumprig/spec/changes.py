"""Descriptions of the wire from files and commits, and their changes as text, JSON, JUnit and for GitHub."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from pumprig.errors import UsageError
from pumpwire.tools.lock import Change, Level

__all__ = ["FORMATS", "committed", "load", "now", "render"]

FORMATS = ("text", "json", "junit", "github")
LOCK = "protocol/wire.lock.json"
_GIT_S = 20


def now() -> dict[str, Any]:
    """The wire as it is declared in the running package."""
    from pumpwire import describe
    from pumpwire.generate.enumerations import enumerations
    from pumpwire.registry import MESSAGES

    return describe.wire(MESSAGES, enumerations())


def load(name: str) -> dict[str, Any]:
    """The wire of a lock file, of a commit as `git:REVISION`, or as declared now, which is called `now`.

    Raises:
        UsageError: it cannot be read, or is none.
    """
    if name == "now":
        return now()
    if name.startswith("git:"):
        return committed(name.removeprefix("git:"))
    try:
        text = Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"cannot be read: {getattr(error, 'strerror', None) or error}", where=name,
            allowed="a wire.lock.json, git:REVISION, or now",
        ) from None  # fmt: skip
    return _parsed(text, name)


def committed(revision: str) -> dict[str, Any]:
    """The lock file of a commit of the checkout that the package stands in.

    Raises:
        UsageError: there is no such commit, or no checkout.
    """
    root = Path(__file__).resolve().parents[3]
    command = ["git", "-C", str(root), "show", f"{revision}:{LOCK}"]
    try:
        run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_GIT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError(f"git cannot be asked: {error}", remedy="Name a file with --against.") from None
    if run.returncode:
        said = run.stderr.strip().splitlines()[-1:] or ["no answer"]
        raise UsageError(
            f"git has no {LOCK} of {revision}: {said[0]}", allowed="a wire.lock.json, or git:REVISION in a checkout",
            remedy="Name a file with --against.",
        )  # fmt: skip
    return _parsed(run.stdout, f"git:{revision}")


def _parsed(text: str, name: str) -> dict[str, Any]:
    try:
        wire = json.loads(text)
    except json.JSONDecodeError as error:
        raise UsageError(f"no JSON: {error.msg} in line {error.lineno}", where=name) from None
    if not isinstance(wire, dict):
        raise UsageError("no description of a wire", where=name, allowed="a wire.lock.json")
    return wire


def render(changes: list[Change], form: str, *, verdict: Mapping[str, Any]) -> str:
    """The changes in one of `FORMATS`.

    Args:
        changes: as `compare` gives them.
        form: of `FORMATS`.
        verdict: facts for JSON, such as which wire versions were compared and whether it broke.
    """
    if form == "json":
        shown = [
            {"level": item.level.name.lower(), "breaking": item.breaking, "where": item.where, "text": item.text}
            for item in changes
        ]
        return json.dumps({**verdict, "changes": shown}, indent=1)
    if form == "junit":
        return _junit(changes)
    if form == "github":
        return "\n".join(_github(change) for change in changes)
    return "\n".join(map(str, changes)) or "no change"


def _github(change: Change) -> str:
    kind = "error" if change.breaking and change.level is Level.WIRE else "warning" if change.breaking else "notice"
    text = change.text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    title = f"{change.level.name.lower()}%3A {change.where}".replace(",", "%2C")
    return f"::{kind} file={LOCK},title={title}::{text}"


def _junit(changes: list[Change]) -> str:
    suite = ElementTree.Element("testsuite", name="wire")
    failures = 0
    for change in changes:
        case = ElementTree.SubElement(suite, "testcase", classname=change.level.name.lower(), name=change.where)
        if change.breaking:
            failures += 1
            ElementTree.SubElement(case, "failure", message=change.text).text = str(change)
        else:
            ElementTree.SubElement(case, "system-out").text = change.text
    if not changes:
        ElementTree.SubElement(suite, "testcase", classname="wire", name="no change")
    suite.set("tests", str(max(1, len(changes))))
    suite.set("failures", str(failures))
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True)
