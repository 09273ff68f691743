"""Reads the record of a run: run.json and the append-only events.jsonl.

A record can be read while the run goes on. A last line without its end is one that is still being written: it is left
out and said. A line in the middle that is no JSON object is damage: it is left out too, with its number.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from pumprig.broken_off import Ending, ending_of, is_written, judged_until, verdict_of
from pumprig.errors import UsageError

Event = dict[str, Any]

EVENTS = "events.jsonl"
RUN = "run.json"
DEFAULT_PULSE_MU = 50
DAY_S = 86400
UNTOLD = (
    "Whether this run was complete is unknown: its record was made before that was told. It holds the last audit, and "
    "is taken as it stands."
)


@dataclass
class Record:
    """One run as its record tells it.

    Attributes:
        folder: the run's folder.
        info: run.json, with what the first event adds.
        kinds: the events by kind, each list in the order of the record.
        notes: what could not be read, one sentence each.
        ending: whether the run came to its end, as far as the record says.
    """

    folder: Path
    info: Event
    kinds: dict[str, list[Event]]
    notes: list[str] = field(default_factory=list)
    ending: Ending = Ending.COMPLETE

    def of(self, kind: str) -> list[Event]:
        """The events of one kind."""
        return self.kinds.get(kind, [])

    def text(self, *names: str, default: str = "") -> str:
        """The first of the named entries of run.json that is there, as text."""
        for name in names:
            value = self.info.get(name)
            if value not in (None, "", {}, []):
                return str(value)
        return default

    @property
    def verdict_event(self) -> Event:
        """The verdict, or an empty event while there is none."""
        events = self.of("verdict")
        return events[-1] if events else {}

    @property
    def verdict(self) -> str:
        """PASS, INCONCLUSIVE, ERROR or FAIL, and never PASS for a run that broke off; RUNNING while it goes on."""
        return verdict_of(self.info, self.kinds, self.ending)

    @property
    def broken_off(self) -> str:
        """What was judged of a run that broke off, and until when, as one sentence; empty for any other."""
        return judged_until(self.info, self.kinds) if self.ending is Ending.BROKEN_OFF else ""

    @property
    def verdict_so_far(self) -> str:
        """The verdict, or what it would be if the run ended now."""
        if self.verdict_event:
            return self.verdict
        progress = self.of("progress")
        return str(progress[-1].get("verdict", "PASS")).upper() if progress else "PASS"

    @property
    def reasons(self) -> list[str]:
        """Why the verdict is what it is."""
        told = [reason_text(reason) for reason in self.verdict_event.get("reasons") or []]
        return [*told, self.broken_off] if self.broken_off else told

    @property
    def pulse_mu(self) -> int:
        """Size of a pulse in mU."""
        return int(number(self.info.get("pulse_mu")) or DEFAULT_PULSE_MU)

    @property
    def wall_start(self) -> datetime:
        """Local time at which the pump's second `start_s` fell, without a zone."""
        try:
            return datetime.fromisoformat(str(self.info.get("wall_start"))).replace(tzinfo=None)
        except ValueError:
            return datetime(2000, 1, 1)

    @property
    def start_s(self) -> float:
        """Pump second at which the replay began."""
        return number(self.info.get("start_s")) or 0.0

    @property
    def begun(self) -> bool:
        """Whether the pump was brought up, so that there is something to draw."""
        return bool(self.of("run"))

    @property
    def first_s(self) -> float:
        """Pump second from which on there is something to look at: the replay's, or that of a violation before it."""
        found = [number(event.get("at_s", event.get("t"))) for event in self.of("violation")]
        return min([self.start_s, *(at_s for at_s in found if at_s is not None)])

    @property
    def end_s(self) -> float:
        """Pump second of the last event."""
        return max((number(events[-1].get("t")) or 0.0 for events in self.kinds.values()), default=self.start_s)

    @property
    def host_s(self) -> float:
        """Host seconds from the start of the record to the last event."""
        return max((number(events[-1].get("host")) or 0.0 for events in self.kinds.values()), default=0.0)


def run_title(info: Event) -> str:
    """What a run is called: its scenario's name, its patient, or its trace's kind and hash; empty when unknown.

    Never the name of the trace's file: vendors put the wearer's name into it.

    Args:
        info: run.json, or what is known of it.
    """
    scenario = info.get("scenario")
    if isinstance(scenario, dict):
        if isinstance(patient := scenario.get("patient"), dict):
            meals = "no meals" if patient.get("meals") in (None, "none") else "with meals"
            return str(scenario.get("name") or f"{patient.get('name')}, {meals}")
        trace = f"{info.get('trace_format') or ''} trace {str(info.get('trace_sha256') or '')[:8]}"
        return str(scenario.get("name") or trace.strip())
    return str(scenario or "")


def number(value: object) -> float | None:
    """A number of the record, which writes exact decimals as text; None for anything else."""
    if isinstance(value, int | float):
        return value
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return None
    return None


def reason_text(reason: object) -> str:
    """A reason as one sentence, whether the record holds a sentence or an object."""
    if isinstance(reason, dict):
        named = " ".join(str(reason[key]) for key in ("rule", "check") if reason.get(key))
        said = str(reason.get("message") or json.dumps(reason))
        return f"{named}: {said}" if named else said
    return str(reason)


def _no_number(_name: str) -> None:
    """NaN and infinities are no JSON, and no chart can show them."""


def _parse_each(lines: list[bytes]) -> tuple[list[Event], list[int]]:
    """The events that can be read, and the numbers of the lines that cannot."""
    events, damaged = [], []
    for number, line in enumerate(lines, 1):
        try:
            event = json.loads(line, parse_constant=_no_number)
        except ValueError:
            event = None
        if isinstance(event, dict):
            events.append(event)
        else:
            damaged.append(number)
    return events, damaged


def parse_events(data: bytes) -> tuple[list[Event], list[str]]:
    """The events of an events.jsonl, and a sentence for everything that could not be read.

    Args:
        data: the file's bytes; the last line may be torn.
    """
    *lines, tail = data.split(b"\n")
    notes: list[str] = []
    lines = [line for line in lines if line.strip()]
    if tail.strip():
        complete, _ = _parse_each([tail])
        if complete:
            lines.append(tail)
        else:
            notes.append(f"The last line of {EVENTS} is torn and was left out: the run goes on, or was cut off.")
    try:
        events = json.loads(b"[" + b",".join(lines) + b"]", parse_constant=_no_number)
        damaged = [number for number, event in enumerate(events, 1) if not isinstance(event, dict)]
    except ValueError:
        events, damaged = _parse_each(lines)
    else:
        events = [event for event in events if isinstance(event, dict)] if damaged else events
    if damaged:
        shown = ", ".join(map(str, damaged[:5])) + (" …" if len(damaged) > 5 else "")
        notes.append(f"{EVENTS}: {len(damaged)} damaged lines were left out (line {shown}).")
    return events, notes


def read_record(run_dir: Path) -> Record:
    """Read the record of a run.

    Args:
        run_dir: a run's folder.

    Raises:
        UsageError: the folder holds no record.
    """
    written = is_written(run_dir / EVENTS)
    try:
        data = (run_dir / EVENTS).read_bytes()
    except OSError as error:
        raise UsageError(
            f"there is no {EVENTS} to read ({error.strerror})", where=str(run_dir), allowed="the folder of a run",
            remedy="Name a folder below runs/, or make one with: pumprig run TRACE",
        ) from error  # fmt: skip
    events, notes = parse_events(data)
    info: Event = {}
    try:
        loaded = json.loads((run_dir / RUN).read_bytes())
        info = loaded if isinstance(loaded, dict) else {}
    except FileNotFoundError:
        notes.append(f"There is no {RUN} yet: hashes and versions are unknown.")
    except (OSError, ValueError):
        notes.append(f"{RUN} could not be read: hashes and versions are unknown.")
    kinds: dict[str, list[Event]] = {}
    for event in events:
        kinds.setdefault(str(event.get("kind")), []).append(event)
    for event in kinds.get("run", [])[:1]:
        info = {**{key: value for key, value in event.items() if key not in ("kind", "t", "host")}, **info}
    ending = ending_of(info, kinds, written=written, torn=bool(data) and not data.endswith(b"\n"))
    if ending is Ending.UNTOLD:
        notes.append(UNTOLD)
    return Record(run_dir, info, kinds, notes, ending)
