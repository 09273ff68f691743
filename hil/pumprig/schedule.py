"""The schedule: every stimulus of a run at the pump second at which it takes effect.

The rig sends each stimulus half a second before, so that it takes effect at that second in every clock mode
(D-002). Faults of the CGM are resolved here: what is late, dropped, duplicated or lost with the connection.

Order of stimuli that take effect at one second, which is the order in which they are sent:

1. the motor force, then the connection comes back
2. other faults of the hardware, in the order of the scenario
3. CGM samples, earlier measured first, a duplicate after its original
4. commands, in the order of the scenario
5. a repeated command
6. the connection goes
7. the power goes

So a command is judged by a pump that already knows the sample of its second, and what is sent at the second at
which the connection goes is still sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from pumprig.errors import UsageError
from pumprig.patients.plan import PatientPlan
from pumprig.scenario import POWER_BACK_S, Scenario
from pumprig.scenario_parts import (
    Annunciation,
    BatteryLevel,
    BearerDown,
    CgmDrop,
    CgmDuplicate,
    CgmLate,
    CgmSample,
    Command,
    Occlusion,
    PowerCut,
    RepeatCommand,
    ReservoirDetached,
    ReservoirLevel,
)
from pumprig.scenario_patient import announcements
from pumprig.trace import Sample, Trace

OFFSET_MINUTES_MAX = 65535
SEND_BEFORE_EFFECT_S = 0.5
DUPLICATE_AFTER_S = 1

HardwareFault = Occlusion | ReservoirLevel | ReservoirDetached | BatteryLevel | Annunciation
Payload = Sample | CgmSample | Command | HardwareFault | RepeatCommand | BearerDown | PowerCut
Kind = Literal["bearer_up", "fault", "sample", "command", "repeat", "bearer_down", "power_cut"]
_RANK: dict[Kind, int] = {
    "bearer_up": 0, "fault": 1, "sample": 2, "command": 3, "repeat": 4, "bearer_down": 5, "power_cut": 6,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stimulus:
    """One thing that the rig does to the pump.

    Attributes:
        at_s: pump second at which it takes effect.
        kind: what it is; decides the type of `payload`.
        payload: the sample, the command or the fault; for `bearer_up` the fault that took the connection down.
        seq: place in the total order, from 0.
    """

    at_s: int
    kind: Kind
    payload: Payload
    seq: int

    @property
    def send_at_s(self) -> float:
        """Pump time at which the rig sends it."""
        return self.at_s - SEND_BEFORE_EFFECT_S


@dataclass(frozen=True, slots=True)
class Withheld:
    """A sample of the trace that does not come at its time, and why.

    What came while the bearer was down stays with the sensor, which the pump may ask for it (D-617).

    Attributes:
        sample: the sample.
        reason: why.
        at_s: pump second at which it would have taken effect.
    """

    sample: Sample
    reason: Literal["dropped", "bearer down", "power cut", "after the end"]
    at_s: int


@dataclass(frozen=True, slots=True)
class Schedule:
    """All stimuli of a run in their total order.

    Attributes:
        stimuli: ordered by `seq`, which never lets `at_s` fall.
        start_s: pump second at which the first sample of the trace was measured; commands count from it.
        end_s: pump second at which the run ends.
        withheld: samples that do not come at their time.
    """

    stimuli: tuple[Stimulus, ...]
    start_s: int
    end_s: int
    withheld: tuple[Withheld, ...]

    def later(self, by_s: int) -> Schedule:
        """The same schedule, all of it so many pump seconds later."""
        stimuli = tuple(replace(stimulus, at_s=stimulus.at_s + by_s) for stimulus in self.stimuli)
        withheld = tuple(replace(item, at_s=item.at_s + by_s) for item in self.withheld)
        return replace(self, stimuli=stimuli, start_s=self.start_s + by_s, end_s=self.end_s + by_s, withheld=withheld)

    def missed(self, until_s: int) -> list[Sample]:
        """The samples that came before a pump second while the bearer was down, in the order of their coming."""
        missed = [item for item in self.withheld if item.reason == "bearer down" and item.at_s < until_s]
        return [item.sample for item in sorted(missed, key=lambda item: item.at_s)]

    def of_kind(self, kind: Kind) -> list[Stimulus]:
        """The stimuli of one kind, in order."""
        return [stimulus for stimulus in self.stimuli if stimulus.kind == kind]


class _Delivery:
    """A sample on its way to the pump."""

    def __init__(self, sample: Sample, measured_s: int, latency_s: int) -> None:
        self.sample = sample
        self.measured_s = measured_s
        self.arrivals_s = [measured_s + latency_s]


def run_seconds(scenario: Scenario, trace_minutes: int) -> int:
    """Length of the run: the hours of the scenario, or of the trace where it ends sooner or no hours are given."""
    trace_s = 60 * trace_minutes
    return trace_s if scenario.hours is None else min(trace_s, int(scenario.hours * 3600))


def announced(scenario: Scenario, patient: PatientPlan | None, trace: Trace) -> Scenario:
    """The scenario with an announcement of each meal at the second at which it is eaten, where that is asked.

    Args:
        scenario: what is done.
        patient: who eats; None for a trace.
        trace: when the run begins, and how long it is.
    """
    if patient is None or scenario.patient is None or not scenario.patient.announce:
        return scenario
    commands = announcements(patient.meals, trace.start, run_seconds(scenario, trace.duration_minutes))
    return scenario.model_copy(update={"commands": [*scenario.commands, *commands]})


def make_schedule(
    scenario: Scenario, trace: Trace, start_s: int, latency_s: int = 0, trace_minutes: int | None = None
) -> Schedule:
    """The schedule of a scenario over its trace.

    Args:
        scenario: commands and faults, their times counted from `start_s`.
        trace: the part of the trace that `scenario.load_trace` gave.
        start_s: pump second at which the first sample is measured.
        latency_s: from a measurement to its arrival.
        trace_minutes: how long the trace is, where a sensor's last reading does not tell it; None where it does.

    Raises:
        UsageError: the trace is longer than a CGM session can count.
        ScenarioError: a command or fault lies after the end of the run.
    """
    last = trace.samples[-1]
    if last.offset_minutes > OFFSET_MINUTES_MAX:
        raise UsageError(
            f"the trace lasts {last.offset_minutes} minutes, more than one CGM session can count",
            where=str(scenario.trace_path),
            allowed=f"{OFFSET_MINUTES_MAX} minutes (1092 hours) in one run",
            remedy="Choose a part of it with --start and --hours, or with start and hours of a scenario.",
        )
    duration_s = run_seconds(scenario, trace.duration_minutes if trace_minutes is None else trace_minutes)
    scenario.refuse_after(duration_s)
    end_s = start_s + duration_s
    downs = [
        (start_s + fault.at, start_s + fault.at + fault.for_seconds, fault)
        for fault in scenario.faults
        if isinstance(fault, BearerDown)
    ]
    cuts = [
        (start_s + fault.at, start_s + fault.at + fault.for_seconds + POWER_BACK_S, fault)
        for fault in scenario.faults
        if isinstance(fault, PowerCut)
    ]
    withheld: list[Withheld] = []
    unordered: list[tuple[int, Kind, tuple[int, int], Payload]] = []
    for at_s, place, sample in _arrivals(scenario, trace, start_s, latency_s, withheld):
        if any(down_s < at_s < up_s for down_s, up_s, _ in downs):
            withheld.append(Withheld(sample, "bearer down", at_s))
        elif any(cut_s < at_s < back_s for cut_s, back_s, _ in cuts):
            withheld.append(Withheld(sample, "power cut", at_s))
        elif at_s >= end_s:
            withheld.append(Withheld(sample, "after the end", at_s))
        else:
            unordered.append((at_s, "sample", place, sample))
    for number, command in enumerate(scenario.commands):
        unordered.append((start_s + command.at, "command", (number, 0), command))
    for number, fault in enumerate(scenario.faults):
        if isinstance(fault, HardwareFault):
            unordered.append((start_s + fault.at, "fault", (number, 0), fault))
        elif isinstance(fault, CgmSample):
            # After the trace's own samples of that second.
            unordered.append((start_s + fault.at, "sample", (OFFSET_MINUTES_MAX + 1, number), fault))
        elif isinstance(fault, RepeatCommand):
            unordered.append((start_s + fault.at, "repeat", (number, 0), fault))
    for number, (down_s, up_s, fault) in enumerate(downs):
        unordered.append((down_s, "bearer_down", (number, 0), fault))
        if up_s < end_s:
            unordered.append((up_s, "bearer_up", (number, 0), fault))
    for number, (cut_s, _, cut) in enumerate(cuts):
        unordered.append((cut_s, "power_cut", (number, 0), cut))
    # The motor force is a level that a pulse of its very second meets, so it goes before any message.
    unordered.sort(key=lambda item: (item[0], not isinstance(item[3], Occlusion), _RANK[item[1]], item[2]))
    stimuli = (Stimulus(at_s, kind, payload, seq) for seq, (at_s, kind, _, payload) in enumerate(unordered))
    return Schedule(tuple(stimuli), start_s, end_s, tuple(withheld))


# (second of arrival, place among the samples of one second, sample), with the CGM's faults applied: first what is
# dropped, then what is late, then what comes twice.
def _arrivals(
    scenario: Scenario, trace: Trace, start_s: int, latency_s: int, withheld: list[Withheld]
) -> Iterator[tuple[int, tuple[int, int], Sample]]:
    on_their_way: list[_Delivery] = []
    drops = [(start_s + f.at, start_s + f.at + 60 * f.for_minutes) for f in scenario.faults if isinstance(f, CgmDrop)]
    for sample in trace.samples:
        delivery = _Delivery(sample, start_s + 60 * sample.offset_minutes, latency_s)
        if any(begin <= delivery.measured_s < end for begin, end in drops):
            withheld.append(Withheld(sample, "dropped", delivery.measured_s))
        else:
            on_their_way.append(delivery)
    for fault in scenario.faults:
        if isinstance(fault, CgmLate) and (late := _next(on_their_way, start_s + fault.at)):
            late.arrivals_s = [at_s + 60 * fault.by_minutes for at_s in late.arrivals_s]
    for fault in scenario.faults:
        if isinstance(fault, CgmDuplicate) and (twice := _next(on_their_way, start_s + fault.at)):
            twice.arrivals_s.append(twice.arrivals_s[-1] + DUPLICATE_AFTER_S)
    for delivery in on_their_way:
        for copy, at_s in enumerate(delivery.arrivals_s):
            yield at_s, (delivery.sample.offset_minutes, copy), delivery.sample


def _next(deliveries: list[_Delivery], from_s: int) -> _Delivery | None:
    return next((delivery for delivery in deliveries if delivery.measured_s >= from_s), None)
