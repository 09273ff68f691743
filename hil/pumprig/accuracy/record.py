"""The record of a measurement: every pulse, the outcome as data, JUnit, and the page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from pumprig.accuracy.campaign import Accuracy
from pumprig.accuracy.page import page_of
from pumprig.accuracy.show import as_dict, as_junit
from pumprig.report.html import write_whole

__all__ = ["write_record"]


def write_record(accuracy: Accuracy, folder: Path) -> Path:
    """Write `pulses.csv` (all that the motor did), `accuracy.json`, `junit.xml` and `accuracy.html`.

    Args:
        accuracy: what was measured.
        folder: an existing folder.

    Returns:
        The path of the page.

    Raises:
        RigError: a file cannot be written.
    """
    page = folder / "accuracy.html"
    for path, text in (
        (folder / "pulses.csv", "".join(_pulse_lines(accuracy))),
        (folder / "accuracy.json", json.dumps(as_dict(accuracy), indent=1) + "\n"),
        (folder / "junit.xml", as_junit(accuracy, folder.name)),
        (page, page_of(accuracy, folder.name)),
    ):
        write_whole(path, text)
    return page


def _pulse_lines(accuracy: Accuracy) -> Iterator[str]:
    yield "measurement,due_s,left_s\n"
    for outcome in accuracy.outcomes:
        for pulse in outcome.pulses:
            yield f"{outcome.name},{pulse.due_s},{pulse.due_s + pulse.late_s:.6f}\n"
