"""Captures as readable transcripts, and what they covered of the wire."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pumplink.btsnoop import CaptureError, pdus
from pumprig.errors import UsageError
from pumpwire.tools.coverage import Coverage
from pumpwire.tools.exchange import Exchange, Step, lines

__all__ = ["coverage_of", "steps", "transcript"]

# Times of a capture of our own are DUT seconds; later than this they are somebody's clock and are told from its start.
_CLOCK_S = 10**9


def steps(path: Path) -> Iterator[tuple[float, Step | None]]:
    """The exchange in a capture: time and meaning of each PDU, None where a connection begins.

    Raises:
        UsageError: it cannot be read.
    """
    exchange = Exchange()
    start_s: float | None = None
    try:
        for pdu in pdus(path):
            if start_s is None:
                start_s = pdu.at_s if pdu.at_s > _CLOCK_S else 0.0
            if pdu.octets is None:
                exchange.connected()
                yield pdu.at_s - start_s, None
            else:
                yield pdu.at_s - start_s, exchange.take(pdu.direction, pdu.octets)
    except CaptureError as error:
        raise UsageError(str(error), remedy="`pumprig run --capture FILE.btsnoop` writes one.") from None
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", where=str(path)) from None


def transcript(path: Path, *, as_json: bool = False) -> Iterator[str]:
    """The lines of a transcript: time, arrow, PDU, characteristic; below it messages, fields, protection and faults.

    Args:
        path: a btsnoop file.
        as_json: one JSON object for each PDU instead.

    Raises:
        UsageError: it cannot be read.
    """
    for at_s, step in steps(path):
        if as_json:
            yield json.dumps(_as_json(at_s, step))
        elif step is None:
            yield f"{at_s:13.6f}  === connection ==="
        else:
            yield from lines(step, at_s)


def _as_json(at_s: float, step: Step | None) -> dict[str, Any]:
    if step is None:
        return {"at_s": at_s, "kind": "connection"}
    return {
        "at_s": at_s,
        "kind": "pdu",
        "direction": step.direction,
        "said": step.said,
        "characteristic": None if step.characteristic is None else step.characteristic.name,
        "octets": step.octets.hex(),
        "error": step.error,
        "values": [value.as_json() for value in step.values],
        "notes": list(step.notes),
    }


def coverage_of(paths: Iterable[Path]) -> tuple[Coverage, list[Path]]:
    """What captures and runs exercised, together, and the captures that were read.

    Args:
        paths: captures, folders of runs, or folders that hold such folders.

    Raises:
        UsageError: there is no capture in one of them.
    """
    coverage = Coverage()
    captures: list[Path] = []
    for path in paths:
        found = _captures_of(path) if path.is_dir() else [path]
        if not found:
            raise UsageError(
                "no capture was kept here", where=str(path), allowed="a run made with --capture, or a .btsnoop file",
                remedy="Make the run again with `pumprig run --capture FILE.btsnoop`.",
            )  # fmt: skip
        captures += [capture for capture in found if capture not in captures]
    for capture in captures:
        coverage.add(step for _, step in steps(capture) if step is not None)
    return coverage, captures


# The folder of a run names its capture in run.json; a folder of runs holds several.
def _captures_of(folder: Path) -> list[Path]:
    found = sorted(folder.rglob("*.btsnoop"))
    for meta in sorted(folder.rglob("run.json")):
        try:
            kept = json.loads(meta.read_text(encoding="utf-8")).get("capture")
        except (OSError, ValueError):
            raise UsageError("the record cannot be read", where=str(meta)) from None
        if kept is not None:
            found.append(Path(kept))
    return found
