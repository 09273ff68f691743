"""A synthetic run's record for tests of the views: plausible numbers, every kind of event, any length.

It imitates a record, not a pump: rates, pulses and decisions fit each other well enough to be drawn and summed, and
nothing is proven by them. `python tests/hil/view_fixture.py FOLDER` writes one to look at.
"""

import fcntl
import json
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pumprig.checks import CHECKS

Event = dict[str, Any]

PULSE_MU = 50
SESSION_START_S = 60
SAMPLE_S = 300
GAP_OFFSETS_MINUTES = range(905, 985)
RESERVOIR_IU = 300.0

OVERDOSE: Event = {
    "check": "pulse", "rule": "D-104", "message": "A pulse more than the rate earned.",
    "expected": "16 pulses", "observed": "17 pulses", "offset_minutes": 515,
}  # fmt: skip
LATE: Event = {
    "check": "decision-deadline", "rule": "D-951", "message": "No decision within a second of the sample.",
    "expected": "at most 1000 ms", "observed": "1412 ms", "offset_minutes": 1090,
}  # fmt: skip


def glucose_at(offset_minutes: int) -> int:
    """A day with a night low, a breakfast high and a compression dip."""
    hour = offset_minutes / 60
    value = 118 + 26 * math.sin(hour * 2 * math.pi / 24 + 0.6) + 9 * math.sin(hour * 2.1)
    value += 128 * math.exp(-(((hour % 24) - 9.2) ** 2) / 1.6) - 96 * math.exp(-(((hour % 24) - 3.4) ** 2) / 1.1)
    if 22.2 < hour % 24 < 22.7:
        value -= 72
    return min(401, max(39, round(value)))


class SyntheticRun:
    """One run, event by event.

    Args:
        hours: length of the replay.
        verdict: of the run's end; None for a run that is still going on.
        violations: violations to record, each with its `offset_minutes`.
    """

    def __init__(self, hours: int = 24, verdict: str | None = "PASS", violations: tuple[Event, ...] = ()) -> None:
        self.hours = hours
        self.verdict = verdict
        self.violations = {event["offset_minutes"]: event for event in violations}
        self.remainder = 0.0
        self.rate = 0.8
        self.suspended = False
        self.doses: list[tuple[int, float]] = []
        self.pulses = {"basal": 0, "bolus": 0}
        self.previous = 0

    def run_event(self) -> Event:
        return {
            "kind": "run", "t": 0.0, "id": "20240301-070000-plgs", "scenario": "trace", "seed": 7,
            "controller": "plgs", "clock": "lockstep", "wall_start": "2024-03-01T00:01:00", "start_s": SESSION_START_S,
            "hours": self.hours, "samples": self.hours * 12,
        }  # fmt: skip

    def iob_iu(self, now_s: int) -> float:
        self.doses = [(at_s, amount) for at_s, amount in self.doses if now_s - at_s < 18000]
        return round(sum(amount * (1 - (now_s - at_s) / 18000) ** 2 for at_s, amount in self.doses), 3)

    def reservoir_iu(self) -> float:
        return round(RESERVOIR_IU - sum(self.pulses.values()) * PULSE_MU / 1000, 2)

    def pulse(self, due_s: int, source: str) -> Event:
        self.pulses[source] += 1
        self.doses.append((due_s, PULSE_MU / 1000))
        return {"kind": "pulse", "t": due_s + 0.000004, "due_s": due_s, "source": source}

    def basal(self, from_s: int, to_s: int) -> Iterator[Event]:
        self.remainder += self.rate * 1000 * (to_s - from_s) / 3600
        while self.remainder >= PULSE_MU:
            self.remainder -= PULSE_MU
            yield self.pulse(to_s - round(self.remainder * 3600 / max(self.rate, 0.1) / 1000), "basal")

    def rate_event(self, at_s: int, rate: float, tbr: bool, context: str) -> Event:
        self.rate = rate
        return {"kind": "rate", "t": at_s, "at_s": at_s, "rate_iu_per_h": rate, "tbr": tbr, "context": context}

    def bolus(self, at_s: int, number: int, amount_iu: float) -> Iterator[Event]:
        command = {"amount_iu": str(amount_iu)}
        yield {"kind": "command", "t": at_s - 0.5, "at_s": at_s, "name": "set_bolus", "fields": command,
               "response": 15, "latency_ms": 0.1}  # fmt: skip
        pulses = round(amount_iu * 1000 / PULSE_MU)
        end_s = at_s + 2 * pulses
        amounts = {"id": number, "programmed_iu": amount_iu}
        yield {"kind": "bolus", "t": at_s, "at_s": at_s, "phase": "start", "delivered_iu": 0, **amounts}
        for index in range(pulses):
            yield self.pulse(at_s + 2 * (index + 1), "bolus")
        yield {"kind": "bolus", "t": end_s, "at_s": end_s, "phase": "end", "delivered_iu": amount_iu, **amounts}

    def decision(self, at_s: int, offset: int, glucose: int, sequence: int) -> Iterator[Event]:
        predicted = round(glucose + 6 * (glucose - self.previous))
        low, rising = glucose < 70 or predicted < 80, glucose > self.previous
        action, reason = "keep", "not_low"
        if self.suspended and (rising or not low):
            action, reason = "resume", "rising" if rising else "not_low"
        elif self.suspended:
            reason = "low_now" if glucose < 70 else "predicted_low"
        elif low and not rising:
            action, reason = "suspend", "low_now" if glucose < 70 else "predicted_low"
        elif low:
            reason = "rising"
        yield {
            "kind": "decision", "t": at_s, "sequence": sequence, "offset_minutes": offset, "glucose_mg_dl": glucose,
            "predicted_mg_dl": predicted, "iob_iu": self.iob_iu(at_s), "action": action, "reason": reason,
            "at_s": at_s, "latency_dut_ms": round(0.012 + (offset % 7) / 1000, 3),
            "latency_host_ms": round(0.2 + (offset % 35) / 60, 3),
        }  # fmt: skip
        if action == "suspend":
            self.suspended = True
            yield self.rate_event(at_s, 0.0, True, "AP controller")
        elif action == "resume":
            self.suspended = False
            yield self.rate_event(at_s, 0.8, False, "device")

    def sample(self, offset: int, sequence: int) -> Iterator[Event]:
        at_s, glucose = SESSION_START_S + 60 * offset, glucose_at(offset)
        yield from self.basal(at_s - SAMPLE_S, at_s)
        sample = {"offset_minutes": offset, "glucose_mg_dl": glucose, "at_s": at_s}
        yield {"kind": "sample", "t": at_s - 0.5, **sample}
        self.previous = self.previous or glucose
        yield from self.decision(at_s, offset, glucose, sequence)
        self.previous = glucose
        minute_of_day = offset % 1440
        if minute_of_day in (480, 750, 1140):
            yield from self.bolus(at_s + 60, sequence, {480: 5.5, 750: 4.2, 1140: 6.05}[minute_of_day])
        if minute_of_day == 1200:
            yield {"kind": "annunciation", "t": at_s, "at_s": at_s, "id": 1 + offset // 1440,
                   "type": "reservoir_low", "status": "pending"}  # fmt: skip
        if offset == 620:
            yield {"kind": "fault", "t": at_s, "at_s": at_s, "name": "bearer_down", "fields": {"for_s": 900}}
        if offset in self.violations:
            yield {"kind": "violation", "t": at_s, "at_s": at_s, **self.violations[offset]}
        yield {
            "kind": "progress", "t": at_s, "at_s": at_s, "share": min(1.0, offset / 60 / self.hours),
            "iob_iu": self.iob_iu(at_s), "rate_iu_per_h": self.rate,
            "profile_rate_iu_per_h": 0.8, "suspended": self.suspended, "reservoir_iu": self.reservoir_iu(),
            "verdict": "FAIL" if any(offset >= at for at in self.violations) else "PASS",
        }  # fmt: skip

    def events(self) -> Iterator[Event]:
        """The events in order, with the host's seconds added."""
        host = 0.0
        for event in self._events():
            host += 0.0005
            yield {"host": round(host, 4), **event}

    def _events(self) -> Iterator[Event]:
        yield self.run_event()
        yield {"kind": "state", "t": 1, "at_s": 1, "therapy": "run", "reservoir_iu": RESERVOIR_IU}
        yield self.rate_event(1, 0.8, False, "device")
        for sequence, offset in enumerate(range(5, self.hours * 60 + 1, 5)):
            if offset in GAP_OFFSETS_MINUTES:
                yield {"kind": "gap", "t": SESSION_START_S + 60 * offset, "offset_minutes": offset}
                yield from self.basal(SESSION_START_S + 60 * offset - SAMPLE_S, SESSION_START_S + 60 * offset)
            else:
                yield from self.sample(offset, sequence)
        end_s = SESSION_START_S + self.hours * 3600
        if self.verdict:
            yield {"kind": "verdict", "t": end_s, **self.verdict_fields()}

    def verdict_fields(self) -> Event:
        """The last event: the verdict with its reasons and what each check saw."""
        reasons: list[Event] = [
            {"verdict": "FAIL", "message": event["message"], "rule": event["rule"], "check": event["check"], "at_s": 1}
            for event in self.violations.values()
        ]
        if self.verdict in ("ERROR", "INCONCLUSIVE"):
            lateness = "the rig was 700 ms late"
            reasons.append({"verdict": self.verdict, "message": lateness, "rule": "", "check": "", "at_s": None})
        missed = [event["check"] for event in self.violations.values()]
        checks = {
            name: {"passed": self.hours * 12, "missed": missed.count(name), "judged": not check.speed,
                   "rules": list(check.rules), "title": check.title}
            for name, check in CHECKS.items()
        }  # fmt: skip
        return {"verdict": self.verdict, "reasons": reasons, "checks": checks}

    def summary(self) -> Event:
        """What run.json holds beside the inputs once the run has ended."""
        basal, bolus = (self.pulses[name] * PULSE_MU for name in ("basal", "bolus"))
        remaining = self.remainder
        ledger = {
            "basal": {"commanded": basal + remaining, "delivered": basal, "remaining": remaining, "dropped": 0.0},
            "bolus": {"commanded": bolus, "delivered": bolus, "remaining": 0.0, "dropped": 0.0},
        }
        return {
            **self.verdict_fields(), "ledger_mu": ledger, "lateness_ms_max": 0.001, "pulse_lateness_ms_max": 0.047,
            "host_seconds": 0.957, "free_heap_octets": 76992, "complete": True,
        }  # fmt: skip


def run_json(run: SyntheticRun) -> Event:
    """run.json of a synthetic run."""
    scenario = {
        "name": "", "trace": "folder/synthetic <day> & \"night\".csv", "controller": "plgs",
        "pump": {"basal_profile": [{"duration_minutes": 1440, "rate_iu_per_h": "0.8"}], "reservoir_iu": "300"},
    }  # fmt: skip
    inputs = {
        "pumprig": "0.1.0", "scenario": scenario, "seed": 7, "controller": "plgs", "board": "virtual",
        "clock": "lockstep", "trace_sha256": "9f2c" * 16, "firmware_hash": "1a2b3c4d5e6f7081", "wire_version": 1,
        "pulse_mu": PULSE_MU,
    }  # fmt: skip
    return {**inputs, **run.summary()} if run.verdict else {**inputs, "verdict": None, "complete": False}


def write_run(folder: Path, **arguments: Any) -> Path:
    """Write the record of a synthetic run into a folder and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    run = SyntheticRun(**arguments)
    with (folder / "events.jsonl").open("w", encoding="utf-8") as out:
        for event in run.events():
            out.write(json.dumps(event) + "\n")
    (folder / "run.json").write_text(json.dumps(run_json(run), indent=1), encoding="utf-8")
    return folder


@contextmanager
def being_written(folder: Path) -> Iterator[Path]:
    """A record whose writer is still there, as `RunRecord` is."""
    with (folder / "events.jsonl").open("a", encoding="utf-8") as log:
        fcntl.flock(log, fcntl.LOCK_EX)
        yield folder


if __name__ == "__main__":
    print(write_run(Path(sys.argv[1]), hours=int(sys.argv[2]) if len(sys.argv) > 2 else 24, verdict="FAIL",
                    violations=(OVERDOSE, LATE)))  # fmt: skip
