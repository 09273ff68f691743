"""The wearer of a run: a virtual patient who lives on what the motor delivers, and whose glucose the sensor tells.

A minute of the patient takes the pulses that were due up to two seconds before its end: those are known, and the same,
on every clock when the sample at its end is sent. A later one is of the next minute, so none is lost. What primes goes
into no body. Where the motor is not seen the patient gets what the pump counts, asked at the end of each minute.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime

from pumprig.patients import Patient, SensorNoise
from pumprig.patients.plan import INTERVAL_MINUTES, PatientPlan
from pumprig.scenario_parts import CgmSample
from pumprig.story import Story
from pumprig.trace import Sample
from pumprig.trace.model import GLUCOSE_MG_DL_MAX, GLUCOSE_MG_DL_MIN, OutOfRange

__all__ = ["KNOWN_BEFORE_S", "Wearer"]

KNOWN_BEFORE_S = 2
"""Pulses due so many seconds before an input are known when it is sent, on every clock."""
_LOW_MG_DL, _HIGH_MG_DL = 39, 401


class Wearer:
    """Who wears the pump: a patient, or nobody where a trace is replayed.

    Args:
        plan: the patient; None for nobody.
        start: local time of the first sample.
        story: what the record is told.
        told: a reading as the sensor tells it; None for one with the range of most.
    """

    def __init__(
        self, plan: PatientPlan | None, start: datetime, story: Story, told: Callable[[Sample], Sample] | None = None
    ) -> None:
        self.is_there = plan is not None
        self._story = story
        self._told = told
        self._start_s, self._pulse_iu = 0, 0.0
        self._pulses: deque[int] = deque()
        self._counted = 0
        if plan is not None:
            self._meals = plan.meals
            self._patient = Patient(plan.parameters)
            self._noise = SensorNoise(plan.seed)
            self._first_minute = 60 * start.hour + start.minute
            self._glucose_mg_dl = [self._patient.glucose_mg_dl]

    def begin(self, start_s: int, pulse_mu: int) -> None:
        """Life begins at rest.

        Args:
            start_s: pump second of the first sample.
            pulse_mu: what a pulse holds.
        """
        self._start_s, self._pulse_iu = start_s, pulse_mu / 1000
        if self.is_there:
            self._tell()

    def pulse(self, due_s: int, source: str) -> None:
        """A pulse has left the motor."""
        if self.is_there and source != "prime":
            self._pulses.append(due_s)

    def counted(self, at_s: int, pulses: int) -> None:
        """The pump counts so many pulses since its start, asked so that the answer is of pump second `at_s`."""
        self._pulses.extend([at_s - 1] * (pulses - self._counted))
        self._counted = pulses

    def measured(self, sample: Sample) -> Sample:
        """A sample as the sensor takes it at its minute; that of a trace as it is."""
        if not self.is_there:
            return sample
        minute = sample.offset_minutes
        self.live(self._start_s + 60 * minute)
        glucose = self._glucose_mg_dl[minute]
        if self._told is not None:
            reading = self._noise.reading_mg_dl(minute, glucose, GLUCOSE_MG_DL_MIN, GLUCOSE_MG_DL_MAX)
            return self._told(replace(sample, glucose_mg_dl=reading))
        reading = self._noise.reading_mg_dl(minute, glucose, _LOW_MG_DL, _HIGH_MG_DL)
        flag: OutOfRange = "low" if reading == _LOW_MG_DL else "high" if reading == _HIGH_MG_DL else ""
        return replace(sample, glucose_mg_dl=reading, flag=flag)

    def sent(self, sample: Sample | CgmSample) -> Sample | CgmSample:
        """What the sensor sends: a sample that the scenario gives stays as it is."""
        return self.measured(sample) if isinstance(sample, Sample) else sample

    def all_measured(self, samples: Iterable[Sample]) -> list[Sample]:
        """Each sample as the sensor took it."""
        return [self.measured(sample) for sample in samples]

    def live(self, until_s: int) -> None:
        """Live all whole minutes up to a pump second."""
        while self.is_there and self._start_s + 60 * (self._patient.minute + 1) <= until_s:
            self._live_a_minute()

    def _live_a_minute(self) -> None:
        patient = self._patient
        for meal in self._meals:
            if meal.falls_on(self._first_minute + patient.minute):
                patient.eat(meal.carbohydrate_g)
                self._story.meal(self._start_s + 60 * patient.minute, meal.carbohydrate_g)
        end_s = self._start_s + 60 * (patient.minute + 1)
        pulses = 0
        while self._pulses and self._pulses[0] <= end_s - KNOWN_BEFORE_S:
            self._pulses.popleft()
            pulses += 1
        self._glucose_mg_dl.append(patient.step(pulses * self._pulse_iu))
        if patient.minute % INTERVAL_MINUTES == 0:
            self._tell()

    def _tell(self) -> None:
        patient = self._patient
        at_s = self._start_s + 60 * patient.minute
        self._story.patient(at_s, patient.plasma_glucose_mg_dl, patient.glucose_mg_dl)
