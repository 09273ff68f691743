"""Writes junit.xml: one test case for each check of the run, and one for the verdict itself.

A missed check is a failure. ERROR and INCONCLUSIVE are errors, never skips: a run that proved nothing must not look
like one that was left out. Only a check that this kind of run does not judge is skipped, with that reason.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from xml.etree import ElementTree

from pumprig.errors import RigError
from pumprig.report.reading import Event, Record, read_record, run_title
from pumprig.report.summary import CheckRow, checks, time_of
from pumprig.report.words import compact

JUNIT = "junit.xml"
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _text(value: object) -> str:
    """Text that XML can hold: whatever a pump prints, the file can be parsed."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", str(value))


def _add(case: ElementTree.Element, kind: str, message: object, body: str = "") -> None:
    found = ElementTree.SubElement(case, kind, {"message": _text(message), "type": kind})
    found.text = _text(body) if body else None


def _line(event: Event) -> str:
    sample = event.get("offset_minutes")
    where = f"pump second {time_of(event):g}" + ("" if sample is None else f", sample at {sample} min")
    numbers = f"expected {compact(event.get('expected'))}, observed {compact(event.get('observed'))}"
    return f"{event.get('rule') or '-'} at {where}: {event.get('message', '')} ({numbers})"


def _check_case(case: ElementTree.Element, row: CheckRow, record: Record) -> None:
    if not row.judged:
        clock = record.text("clock", default="unknown")
        _add(case, "skipped", f"not judged: {row.why_not}" if row.why_not else f"not judged at clock {clock}")
        return
    if not row.missed:
        if not row.passed:
            _add(case, "skipped", "no occasion in this run")
        return
    found = [event for event in record.of("violation") if event.get("check") == row.id]
    unfit = any(
        isinstance(reason, dict) and reason.get("check") == row.id and reason.get("verdict") == "INCONCLUSIVE"
        for reason in record.verdict_event.get("reasons") or []
    )
    first = str(found[0].get("message")) if found else "missed"
    message = f"{first} ({row.missed} of {row.missed + row.passed} missed)"
    _add(case, "error" if unfit else "failure", message, "\n".join(map(_line, found)))


def _verdict_case(case: ElementTree.Element, record: Record) -> None:
    if record.verdict == "PASS":
        return
    reasons = record.reasons
    if record.verdict == "RUNNING":
        reasons = ["the run goes on: there is no verdict yet", *record.notes]
    kind = "failure" if record.verdict == "FAIL" else "error"
    _add(case, kind, f"{record.verdict}: {reasons[0] if reasons else 'no reason recorded'}", "\n".join(reasons))


def write_junit(run_dir: Path, record: Record | None = None) -> Path:
    """Write junit.xml of a run, finished or not.

    Args:
        run_dir: the run's folder.
        record: what it holds, when that has been read already.

    Returns:
        The path of junit.xml.

    Raises:
        UsageError: the folder holds no record.
        RigError: the file cannot be written.
    """
    record = record or read_record(run_dir)
    name = record.text("id", default=run_dir.absolute().name)
    suite = ElementTree.Element("testsuite", {"name": _text(name), "time": f"{record.host_s:.3f}"})
    properties = ElementTree.SubElement(suite, "properties")
    names = ("controller", "clock", "board", "seed", "hours", "trace_sha256", "firmware_hash", "wire_version")
    for key, value in (("scenario", run_title(record.info)), *((name, record.text(name)) for name in names)):
        if value:
            ElementTree.SubElement(properties, "property", {"name": key, "value": _text(value)})
    for row in checks(record):
        label = f"{row.id}: {row.title}" + (f" ({', '.join(row.rules)})" if row.rules else "")
        _check_case(_case(suite, name, label), row, record)
    _verdict_case(_case(suite, name, "verdict"), record)
    counts = {
        "tests": "testcase",
        "failures": "testcase/failure",
        "errors": "testcase/error",
        "skipped": "testcase/skipped",
    }
    suite.attrib.update({key: str(len(suite.findall(path))) for key, path in counts.items()})
    path = run_dir / JUNIT
    unfinished = run_dir / (JUNIT + ".part")
    try:
        ElementTree.indent(suite)
        ElementTree.ElementTree(suite).write(unfinished, encoding="utf-8", xml_declaration=True)
        os.replace(unfinished, path)
    except OSError as error:
        raise RigError(
            f"the file cannot be written ({error.strerror})",
            where=str(path),
            remedy="Make room, then: pumprig report RUN.",
        ) from error
    return path


def _case(suite: ElementTree.Element, name: str, label: str) -> ElementTree.Element:
    return ElementTree.SubElement(suite, "testcase", {"classname": _text(f"pumprig.{name}"), "name": _text(label)})
