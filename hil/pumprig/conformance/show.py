"""What the conformance run prints: lines and a table for a person, JSON for a program, JUnit for a CI."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from xml.etree import ElementTree

from pumprig.conformance.model import Case, Verdict
from pumprig.conformance.runner import Result, exit_code_of
from pumprig.verdict import EXIT_CODES, INTERRUPTED_EXIT_CODE
from pumprig.verdict import Verdict as RunVerdict
from pumpwire.enums import IddFeatureFlags

__all__ = ["as_json", "as_junit", "as_text", "document", "line_of", "list_of"]

_INCONCLUSIVE = EXIT_CODES[RunVerdict.INCONCLUSIVE]
_ENDS = {code: verdict.name for verdict, code in EXIT_CODES.items()}
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_COUNTED = (
    ("tests", "testcase"), ("failures", "testcase/failure"), ("skipped", "testcase/skipped"),
    ("errors", "testcase/error"),
)  # fmt: skip
_HEADING = """\
# Conformance cases

Cases against a live Insulin Delivery Service, this pump's or another one's:
`pumprig conformance --board virtual`. Each is judged by the clause it names (IDS is the Insulin Delivery Service, IDP
its profile, DIS Device Information, CTS Current Time). What a server does not advertise is not asked of it.

Made by `pumprig conformance --list --format markdown`; do not edit.
"""


def line_of(result: Result) -> str:
    """A result in a line or, when it failed, in a few."""
    word = result.verdict.value
    if result.known is not None:
        word += " (known)" if result.verdict is Verdict.FAIL else " (was known to fail)"
    reason = f"  {result.reason}" if result.reason else ""
    lines = [f"{word:15} {result.case.id}  [{result.case.clause}]{reason}"]
    if result.verdict is Verdict.FAIL:
        lines += [f"    checks    {result.case.about}", f"    expected  {result.expected}"]
        lines += [f"    seen      {result.seen}"]
    lines += [f"    {pdu}" for pdu in result.pdus]
    return "\n".join(lines)


def as_text(results: Sequence[Result], seconds: float, *, interrupted: bool = False) -> str:
    """The table over all groups, and what ends with another exit code than 0."""
    groups: dict[str, Counter[Verdict]] = {}
    for result in results:
        groups.setdefault(result.case.id.partition(".")[0], Counter())[result.verdict] += 1
    groups["all"] = sum(groups.values(), Counter())
    width = max(map(len, groups))
    heads = [verdict.value for verdict in Verdict]
    lines = ["", f"{'':{width}}  " + "  ".join(heads)]
    for name, counts in groups.items():
        lines.append(f"{name:{width}}  " + "  ".join(f"{counts[v] or '-':>{len(v.value)}}" for v in Verdict))
    for result in results:
        if result.known is not None and result.verdict is Verdict.PASS:
            lines.append(f"{result.case.id} is listed as a known failure and passes: take it out of the list")
    failed = sum(result.unexpected and result.known is None for result in results)
    known = sum(result.known is not None and result.verdict is Verdict.FAIL for result in results)
    code = exit_code_of(results)
    end = "INTERRUPTED" if interrupted else _ENDS[code]
    none = "" if code != _INCONCLUSIVE or interrupted else " No case passed, so this shows nothing of the server."
    broken = sum(result.verdict is Verdict.ERROR for result in results)
    failures = f"{failed} failed, {broken} broken in themselves" if broken else f"{failed} failed"
    lines.append(f"{end}: {len(results)} cases, {failures}, {known} known failures.  {seconds:.0f} s{none}")
    return "\n".join(lines)


def as_json(
    results: Sequence[Result], board: str, features: IddFeatureFlags, seconds: float, *, interrupted: bool = False
) -> str:
    """The run as JSON."""
    counts = Counter(result.verdict for result in results)
    shown = {
        "board": board,
        "features": f"0x{int(features):06X}",
        "exit_code": INTERRUPTED_EXIT_CODE if interrupted else exit_code_of(results),
        "interrupted": interrupted,
        "seconds": round(seconds, 3),
        "counts": {verdict.value: counts[verdict] for verdict in Verdict},
        "cases": [result.as_dict() for result in results],
    }
    return json.dumps(shown, indent=1)


def _clean(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)


def as_junit(results: Sequence[Result], board: str, seconds: float, *, interrupted: bool = False) -> str:
    """The run as JUnit XML; a known failure is skipped, one that is gone is a failure, an interruption an error."""
    suite = ElementTree.Element("testsuite", {"name": f"pumprig conformance {board}", "time": f"{seconds:.3f}"})
    for result in results:
        group, _, _ = result.case.id.partition(".")
        attributes = {"classname": f"conformance.{group}", "name": result.case.id, "time": f"{result.seconds:.3f}"}
        element = ElementTree.SubElement(suite, "testcase", attributes)
        if result.unexpected:
            text = result.text or "listed as a known failure, and passes: take it out of the list"
            found = ElementTree.SubElement(element, "failure", {"message": _clean(text), "type": result.case.clause})
            found.text = _clean("\n".join([result.case.about, *result.pdus]))
        elif result.verdict is Verdict.ERROR:
            found = ElementTree.SubElement(element, "error", {"message": _clean(result.text)})
            found.text = _clean("\n".join([result.case.about, *result.pdus]))
        elif result.verdict is not Verdict.PASS:
            known = "" if result.known is None else f" (known: {result.known})"
            message = f"{result.verdict.value}: {result.text}{known}"
            ElementTree.SubElement(element, "skipped", {"message": _clean(message)})
    if interrupted:
        element = ElementTree.SubElement(suite, "testcase", {"classname": "conformance", "name": "interrupted"})
        ElementTree.SubElement(element, "error", {"message": f"interrupted after {len(results)} cases"})
    for name, path in _COUNTED:
        suite.set(name, str(len(suite.findall(path))))
    ElementTree.indent(suite)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(suite, encoding="unicode")


def list_of(cases: Sequence[Case], form: str) -> str:
    """The cases themselves."""
    if form == "json":
        shown = [
            {"id": one.id, "clause": one.clause, "about": one.about, "needs": _needs(one), "seconds": one.seconds}
            for one in cases
        ]
        return json.dumps(shown, indent=1)
    if form == "markdown":
        return document(cases)
    return "\n".join(f"{one.id}  [{one.clause}]  {one.about}" for one in cases)


def _needs(one: Case) -> list[str]:
    names = [flag.name or "" for flag in one.needs]
    names += ["COMMAND_CONTROL_POINT"] * one.command + ["RECORD_ACCESS_CONTROL_POINT"] * one.history
    return names


def document(cases: Sequence[Case]) -> str:
    """The list of the cases as a document."""
    lines = [_HEADING]
    group = ""
    for one in cases:
        head, _, _ = one.id.partition(".")
        if head != group:
            group = head
            lines += [f"\n## {group}\n", "| case | clause | what it checks |", "|---|---|---|"]
        lines.append(f"| `{one.id}` | {one.clause} | {one.about.replace('|', chr(92) + '|')} |")
    return "\n".join(lines).replace("\n\n\n", "\n\n")
