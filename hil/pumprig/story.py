"""The story of a run as its record tells it: what was sent, seen, decided and judged, with the totals of it all."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from math import isfinite
from typing import Any

from pumprig.checks import Violation
from pumprig.dut import Dut
from pumprig.history import Record
from pumprig.judge import SeenDecision
from pumprig.oracle import State
from pumprig.oracle import events as expected
from pumprig.plan import RunPlan
from pumprig.pulses import SeenPulse
from pumprig.record import RunRecord
from pumprig.rule_titles import RULE_TITLES
from pumprig.scenario_control import LOOPS
from pumprig.scenario_parts import CgmSample
from pumprig.trace import Sample
from pumprig.verdict import Verdict

__all__ = ["Story", "Totals"]

# How a command point and a plain write say yes.
SUCCESS = 0x0F
ATT_OK = 0x00

_DOSE_RECORDS = (
    "HistoryBolus", "HistoryTbr", "HistoryTherapy", "HistoryDeliveredBasal", "HistoryTotalDaily", "HistoryReservoir",
)  # fmt: skip

_NO_DOSE = ("none", "keep")
_AUTOMATIC = "commanded"
_GUARDRAIL = "HistoryGuardrailEvent"


@dataclass
class Totals:
    """Counts of a run."""

    samples: int = 0
    boluses: int = 0
    last_bolus_id: int = 0
    refused: int = 0
    stopped_s: int | None = None
    decisions: dict[str, int] = field(default_factory=dict)
    rules: dict[str, int] = field(default_factory=dict)
    guardrails: dict[str, int] = field(default_factory=dict)
    small_boluses: int = 0
    small_bolus_mu: int = 0
    pulses: dict[str, int] = field(default_factory=dict)
    latency_dut_ms_max: float = 0.0
    latency_host_ms_max: float = 0.0

    def counts(self) -> dict[str, Any]:
        """What run.json says of them."""
        return {
            "samples_sent": self.samples,
            "decisions": self.decisions,
            "decisions_by_rule": dict(sorted(self.rules.items())),
            "pulses": self.pulses,
            "boluses": self.boluses,
            "small_boluses": self.small_boluses,
            "small_bolus_mu": self.small_bolus_mu,
            "guardrails_held": dict(sorted(self.guardrails.items())),
            "commands_refused": self.refused,
            "therapy_stopped_s": self.stopped_s,
        }


class Story:
    """Writes events and dose events.

    Args:
        record: where they go.
    """

    def __init__(self, record: RunRecord) -> None:
        self.record = record
        self.totals = Totals()
        self._start_s = 0
        self._end_s = 0
        self._tbr_active = self._suspended = False
        self._decides = False
        self._last: dict[str, Any] = {}

    def begin(self, now_s: float, plan: RunPlan, dut: Dut, pulse_mu: int) -> None:
        """What runs, and the gaps of its trace."""
        scenario, trace = plan.scenario, plan.trace
        self._start_s, self._end_s = plan.schedule.start_s, plan.schedule.end_s
        self._decides = scenario.controller_word in LOOPS
        self.record.event(
            "run", now_s, id=self.record.folder.name, scenario=scenario.name or "trace", seed=scenario.seed,
            controller=scenario.controller_word, clock=str(dut.clock), board=dut.name,
            wall_start=trace.start.isoformat(), start_s=self._start_s, end_s=self._end_s,
            hours=round((self._end_s - self._start_s) / 3600, 3),
            samples=len(trace.samples), interval_minutes=trace.interval_minutes, pulse_mu=pulse_mu,
            basal_profile=[[b.duration_minutes, str(b.rate_iu_per_h)] for b in scenario.pump.basal_profile],
            sees_pulses=dut.sees_pulses, patient=scenario.patient.name if scenario.patient else None,
        )  # fmt: skip
        for fault in scenario.faults:
            if fault.kind.startswith("cgm_"):
                at_s = self._start_s + fault.at
                fields = fault.model_dump(mode="json", exclude={"at", "kind"})
                self.record.event("fault", now_s, at_s=at_s, name=fault.kind, fields=fields)
        for gap in trace.gaps:
            self.record.event(
                "gap", now_s, at_s=self._start_s + 60 * gap.from_offset_minutes,
                until_s=self._start_s + 60 * gap.to_offset_minutes, minutes=gap.minutes,
            )  # fmt: skip

    def violation(self, violation: Violation) -> None:
        """A check was missed."""
        self.record.event(
            "violation", violation.at_s, at_s=violation.at_s, check=violation.check, rule=violation.rule,
            message=violation.message, expected=violation.expected, observed=violation.observed,
            offset_minutes=violation.offset_minutes,
        )  # fmt: skip

    def sample(self, sent_s: float, at_s: int, sample: Sample | CgmSample) -> None:
        """A sample was sent; its glucose is null when it held none."""
        glucose = sample.glucose_mg_dl
        self.record.event(
            "sample", sent_s, offset_minutes=sample.offset_minutes, at_s=at_s,
            glucose_mg_dl=float(glucose) if isinstance(glucose, Decimal) else glucose,
            flag=sample.flag if isinstance(sample, Sample) else " ".join(sample.status),
        )  # fmt: skip

    def patient(self, at_s: int, plasma_mg_dl: float, glucose_mg_dl: float) -> None:
        """How a virtual patient is: plasma glucose, and that beneath the skin, which a sensor sees."""
        plasma_mg_dl, glucose_mg_dl = round(plasma_mg_dl, 2), round(glucose_mg_dl, 2)
        self.record.event("patient", at_s, at_s=at_s, plasma_mg_dl=plasma_mg_dl, glucose_mg_dl=glucose_mg_dl)

    def meal(self, at_s: int, carbohydrate_g: float) -> None:
        """A virtual patient begins to eat."""
        self.record.event("meal", at_s, at_s=at_s, carbohydrate_g=carbohydrate_g)

    def command(
        self, sent_s: float, at_s: int, name: str, fields: dict[str, Any], response: int, latency_ms: float
    ) -> None:
        """A command was given and answered."""
        self.totals.refused += response not in (ATT_OK, SUCCESS)
        self.record.event(
            "command", sent_s, at_s=at_s, name=name, fields=fields, response=response, latency_ms=round(latency_ms, 3)
        )

    def fault(self, now_s: float, at_s: int, name: str, fields: dict[str, Any]) -> None:
        """A fault was done to the pump or to its connection."""
        self.record.event("fault", now_s, at_s=at_s, name=name, fields=fields)

    def progress(self, now_s: float, at_s: int, state: State, verdict: Verdict) -> None:
        """How far the run is and how the pump stands."""
        share = (at_s - self._start_s) / max(1, self._end_s - self._start_s)
        self._last = {
            "at_s": at_s,
            "share": round(share, 5),
            "iob_iu": round(state.iob_mu / 1000, 3),
            "rate_iu_per_h": float(state.delivered_rate_mu_per_h) / 1000,
            "profile_rate_iu_per_h": float(state.profile_rate_mu_per_h) / 1000,
            "reservoir_iu": None if state.reservoir_mu is None else state.reservoir_mu / 1000,
            "suspended": state.suspended,
            "verdict": verdict.name,
        }
        self.record.event("progress", now_s, **self._last)

    def waiting(self, now_s: float) -> None:
        """Time passes between two inputs."""
        if self._last and now_s > self._start_s:
            share = (now_s - self._start_s) / max(1, self._end_s - self._start_s)
            self.record.event("progress", now_s, **{**self._last, "at_s": int(now_s), "share": round(share, 5)})

    def pulse(self, pulse: SeenPulse, source: str) -> None:
        """A motor pulse was judged."""
        self.totals.pulses[source] = self.totals.pulses.get(source, 0) + 1
        self.record.event("pulse", pulse.at_s, due_s=pulse.due_s, source=source)
        self.record.dose(pulse.due_s - self._start_s, "pulse")

    def probe(self, at_s: float, doubt_s: float, width_s: float | None) -> None:
        """The probe told of a pulse, before anybody judged it; null is what it did not know."""
        self.record.event(
            "probe", at_s, doubt_ms=round(doubt_s * 1000, 3) if isfinite(doubt_s) else None,
            width_ms=round(width_s * 1000, 3) if width_s is not None and isfinite(width_s) else None,
            released=width_s is None or isfinite(width_s),
        )  # fmt: skip

    def history(self, now_s: float, record: Record, at_s: int) -> None:
        """A history record was read; `at_s` is the pump second it speaks of."""
        fields = {key: plain(value) for key, value in record.fields.items() if value is not None}
        self.record.event("history", now_s, sequence=record.sequence, at_s=at_s, event=record.name, fields=fields)
        if record.name == _GUARDRAIL:
            number = str(record.fields["guardrail"])
            self.totals.guardrails[number] = self.totals.guardrails.get(number, 0) + 1
        if at_s >= self._start_s - 10 and record.name.startswith(_DOSE_RECORDS):
            self.record.dose(at_s - self._start_s, record.name, **fields)

    def expected(self, event: expected.Event) -> None:
        """Something the rules give, for pictures that cannot wait for the next reading of the history."""
        at_s = event.at_s
        match event:
            case expected.TherapyChanged():
                self.totals.stopped_s = at_s if event.new == "stop" else None
            case expected.TbrStarted() | expected.TbrChanged():
                self._tbr_active = True
                self._suspended = event.rule == "D-306"
            case expected.TbrEnded():
                self._tbr_active = self._suspended = False
            case expected.BasalChanged():
                self.record.event(
                    "rate", at_s, at_s=at_s, rate_iu_per_h=event.new_mu_per_h / 1000, tbr=self._tbr_active,
                    suspended=self._suspended, context=str(event.context),
                )  # fmt: skip
            case expected.BolusStarted():
                automatic = self._decides and event.activation == _AUTOMATIC
                if automatic:
                    self.totals.small_boluses += 1
                    self.totals.small_bolus_mu += event.amount_mu
                self.record.event(
                    "bolus", at_s, at_s=at_s, phase="start", id=event.bolus_id, programmed_iu=event.amount_mu / 1000,
                    automatic=automatic,
                )  # fmt: skip
            case expected.CarbsAnnounced():
                self.record.event(
                    "carbs", at_s, at_s=at_s, carbs_g=event.carbs_g, eaten_s=at_s - 60 * event.minutes_ago
                )
            case expected.BolusEnded():
                self.record.event(
                    "bolus", at_s, at_s=at_s, phase="end", id=event.bolus_id, delivered_iu=event.delivered_mu / 1000,
                    reason=str(event.reason),
                )  # fmt: skip
            case expected.Annunciation():
                self.record.event(
                    "annunciation", at_s, at_s=at_s, id=event.annunciation_id, type=str(event.type),
                    status=str(event.status),
                )  # fmt: skip

    def decision(self, seen: SeenDecision, latency_dut_ms: float, latency_host_ms: float) -> None:
        """A decision was judged."""
        totals = self.totals
        totals.decisions[seen.reason] = totals.decisions.get(seen.reason, 0) + 1
        totals.latency_dut_ms_max = max(totals.latency_dut_ms_max, latency_dut_ms)
        totals.latency_host_ms_max = max(totals.latency_host_ms_max, latency_host_ms)
        self.record.event(
            "decision", seen.at_s, sequence=seen.sequence, offset_minutes=seen.offset_minutes,
            glucose_mg_dl=seen.glucose_mg_dl, predicted_mg_dl=seen.predicted_mg_dl, iob_iu=seen.iob_mu / 1000,
            action=seen.action, reason=seen.reason, at_s=seen.at_s, latency_dut_ms=round(latency_dut_ms, 3),
            latency_host_ms=round(latency_host_ms, 3), detail=self._detail(seen),
        )  # fmt: skip
        if seen.action not in _NO_DOSE:
            self.record.dose(seen.at_s - self._start_s, seen.action, reason=seen.reason)

    def _detail(self, seen: SeenDecision) -> dict[str, Any] | None:
        """The numbers behind a decision, with the title of their rule."""
        if seen.detail is None:
            return None
        rule = seen.detail.get("rule", 0)
        if rule:
            self.totals.rules[f"D-{rule}"] = self.totals.rules.get(f"D-{rule}", 0) + 1
        return {**seen.detail, "title": RULE_TITLES.get(rule, "")}


def plain(value: Any) -> Any:
    """A value of the wire as plain data: enumerations by name, exact numbers as text."""
    if isinstance(value, (bool, str)):
        return value
    name = getattr(value, "name", None)
    if name is not None:
        return name
    return int(value) if isinstance(value, int) else str(value)
