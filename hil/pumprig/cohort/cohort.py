"""A cohort: one run for each patient, in processes of their own, and what came of each."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pumprig.bearers import SERIAL, BearerChoice
from pumprig.cohort.findings import Finding
from pumprig.devices.choice import Devices
from pumprig.errors import UsageError
from pumprig.oracle import OracleSettings
from pumprig.patients import patient_names, patient_parameters, read_meals
from pumprig.patients.plan import NO_MEALS
from pumprig.report.metrics import GlucoseMetrics, glucose_metrics
from pumprig.suite.slots import Job, Run, run_jobs

__all__ = ["DAYS_MAX", "Cohort", "PatientOutcome", "Settings", "chosen_patients", "run_cohort"]

DAYS_MAX = 45
"""Whole days that a CGM session can count."""
FRESH_RESERVOIR_DAYS = 3
"""How often a wearer changes the reservoir."""
SECONDS_PER_DAY_MAX = 60.0


@dataclass(frozen=True)
class Settings:
    """What a cohort is run with.

    Attributes:
        patients: their names.
        days: length of each run.
        controllers: on the pump; each patient lives with each of them.
        meals: a file, None for none.
        announced: whether the pump is told of them.
        seed: of every run.
        firmware: another firmware folder.
        devices: the kind of pump and of sensor that all wear.
        bearer: the way to the virtual boards.
    """

    patients: tuple[str, ...]
    days: int
    controllers: tuple[str, ...]
    meals: Path | None = None
    seed: int = 1
    firmware: Path | None = None
    announced: bool = False
    devices: Devices = field(default_factory=Devices)
    bearer: BearerChoice = SERIAL

    @property
    def controller(self) -> str:
        """The controllers in words."""
        return " and ".join(self.controllers)

    @property
    def meals_name(self) -> str:
        """The meals as findings call them."""
        return self.meals.name if self.meals is not None else NO_MEALS


@dataclass(frozen=True)
class PatientOutcome:
    """How a patient fared.

    Attributes:
        name: of the patient.
        controller: of the pump.
        run: of the rig.
        sensor, plasma: outcome metrics; None when the run came to no sample.
        plasma_mg_dl: plasma glucose every five minutes.
        summary: of the run, as run.json has it.
    """

    name: str
    controller: str
    run: Run
    sensor: GlucoseMetrics | None
    plasma: GlucoseMetrics | None
    plasma_mg_dl: tuple[float, ...]
    summary: dict[str, Any]

    @property
    def group(self) -> str:
        """`adolescent`, `adult` or `child`."""
        return self.name.partition("#")[0]

    @property
    def title(self) -> str:
        """Patient and controller."""
        return f"{self.name}, {self.controller}"

    @property
    def violations(self) -> list[dict[str, Any]]:
        """The first miss of each check that a pump failed."""
        return [reason for reason in self.run.reasons if reason["verdict"] == "FAIL"]

    def missed(self, check: str) -> int:
        """How often a check was missed."""
        return int(self.summary.get("checks", {}).get(check, {}).get("missed", 0)) or 1

    def insulin_iu(self, source: str) -> float:
        """What the motor delivered, IU."""
        pulse_mu = self.summary.get("devices", {}).get("pump", {}).get("pulse_mu", OracleSettings().pulse_mu)
        return float(self.summary.get("pulses", {}).get(source, 0) * pulse_mu / 1000)


@dataclass
class Cohort:
    """A cohort that has been run.

    Attributes:
        settings: what it was run with.
        folder: where its records are.
        outcomes: one for each patient and controller, in the order of the settings.
        new: (outcome, violation) that no finding explains.
        known: findings that were there again.
        gone: findings that should have been there.
        seconds: of host time.
    """

    settings: Settings
    folder: Path
    outcomes: list[PatientOutcome]
    new: list[tuple[PatientOutcome, dict[str, Any]]] = field(default_factory=list)
    known: list[Finding] = field(default_factory=list)
    gone: list[Finding] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def exit_code(self) -> int:
        """1 for a violation that is new or a finding that is gone; else that of a run that came to no verdict."""
        if self.new or self.gone:
            return 1
        broken = [outcome.run for outcome in self.outcomes if outcome.run.verdict in ("ERROR", "INCONCLUSIVE")]
        return min((run.exit_code or 4 for run in broken), default=0)

    @property
    def verdict(self) -> str:
        """In the words of a run."""
        return {0: "PASS", 1: "FAIL", 7: "INCONCLUSIVE"}.get(self.exit_code, "ERROR")

    def label(self, outcome: PatientOutcome) -> str:
        """What an outcome is called: the patient, with the controller where there are several."""
        return outcome.title if len(self.settings.controllers) > 1 else outcome.name

    def means(self, outcomes: Sequence[PatientOutcome]) -> list[tuple[str, list[PatientOutcome]]]:
        """Outcomes whose mean is told, by controller, with what is said of it; none of a single one."""
        parts = by_controller(outcomes)
        alone = len(self.settings.controllers) == 1
        return [("" if alone else f", {name}", part) for name, part in parts.items() if len(part) > 1]

    def compare(self, findings: Iterable[Finding]) -> None:
        """Hold the violations against the findings."""
        wanted = self.settings
        due = [
            finding for finding in findings
            if wanted.devices == Devices() and finding.controller in wanted.controllers and finding.belongs_to(
                wanted.patients, wanted.days, wanted.meals_name, wanted.seed, announced=wanted.announced
            )
        ]  # fmt: skip
        known = {(finding.patient, finding.controller, finding.check, finding.rule): finding for finding in due}
        for outcome in self.outcomes:
            for violation in outcome.violations:
                finding = known.get((outcome.name, outcome.controller, violation["check"], violation["rule"]))
                if finding is None:
                    self.new.append((outcome, violation))
                elif finding not in self.known:
                    self.known.append(finding)
        self.gone = [finding for finding in due if finding not in self.known]


def chosen_patients(text: str) -> tuple[str, ...]:
    """The patients that a command line names: `all`, or names with commas between.

    Raises:
        UsageError: one is not there, or twice.
    """
    if text.strip() == "all":
        return patient_names()
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        patient_parameters(name, "--patients")
        if names.count(name) > 1:
            raise UsageError(f"{name} is named twice", where="--patients", allowed="each patient once")
    return names


def run_cohort(
    settings: Settings,
    folder: Path,
    findings: Iterable[Finding],
    *,
    slots: int = 2,
    on_patient: Callable[[PatientOutcome], None] = lambda outcome: None,
) -> Cohort:
    """Run every patient.

    Args:
        settings: who, how long and with what.
        folder: an existing folder for scenarios and records.
        findings: violations that are understood.
        slots: how many run at a time.
        on_patient: called as each ends.

    Raises:
        UsageError: the meals cannot be read; nothing was started.
    """
    if settings.meals is not None:
        read_meals(settings.meals)
    who = [(name, controller) for name in settings.patients for controller in settings.controllers]
    planned = {f"{controller}/{name}": (name, controller) for name, controller in who}
    jobs = iter([_job(settings, key, *planned[key], folder) for key in planned])
    ended: dict[str, PatientOutcome] = {}
    for job, runs in run_jobs(lambda: next(jobs, None), slots):
        ended[job.key] = _outcome(*planned[job.key], runs[0])
        on_patient(ended[job.key])
    cohort = Cohort(settings, folder, [ended[key] for key in planned])
    cohort.compare(findings)
    return cohort


def _job(settings: Settings, key: str, name: str, controller: str, folder: Path) -> Job:
    file_name = name.replace("#", "-") + (f"-{controller}" if len(settings.controllers) > 1 else "")
    path = folder / "scenarios" / f"{file_name}.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(_scenario(settings, name, controller), encoding="utf-8")
    firmware = str(settings.firmware) if settings.firmware is not None else None
    seconds_max = SECONDS_PER_DAY_MAX * (settings.days + 1)
    return Job(
        key, (str(path),), str(folder / "records" / file_name), firmware, seconds_max=seconds_max,
        bearer=str(settings.bearer), cgm_bearer=settings.bearer.cgm,
    )  # fmt: skip


def _scenario(settings: Settings, name: str, controller: str) -> str:
    meals = NO_MEALS if settings.meals is None else str(settings.meals.absolute())
    lines = [
        f'name = "{name}, {settings.days} d, {controller}"', f"seed = {settings.seed}",
        f"hours = {24 * settings.days}", f'controller = "{controller}"', *settings.devices.as_toml(),
        "[patient]", f'name = "{name}"', f"meals = {json.dumps(meals)}", *["announce = true"] * settings.announced,
    ]  # fmt: skip
    full_iu = settings.devices.oracle_settings.reservoir_capacity_mu / 1000
    for day in range(FRESH_RESERVOIR_DAYS, settings.days, FRESH_RESERVOIR_DAYS):
        lines += ["[[fault]]", f'at = "{24 * day}:30:00"', 'kind = "reservoir_level"', f"amount_iu = {full_iu:g}"]
    return "\n".join(lines) + "\n"


def _outcome(name: str, controller: str, run: Run) -> PatientOutcome:
    samples: list[float] = []
    plasma: list[float] = []
    summary: dict[str, Any] = {}
    if run.folder:
        folder = Path(run.folder)
        summary = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        with (folder / "events.jsonl").open(encoding="utf-8") as events:
            for line in events:
                if '"kind":"sample"' in line:
                    samples.append(json.loads(line)["glucose_mg_dl"])
                elif '"kind":"patient"' in line:
                    plasma.append(json.loads(line)["plasma_mg_dl"])
    metrics = glucose_metrics(samples), glucose_metrics(plasma)
    return PatientOutcome(name, controller, run, *metrics, tuple(plasma), summary)


def groups(outcomes: Sequence[PatientOutcome]) -> dict[str, list[PatientOutcome]]:
    """The outcomes by group, in their order."""
    return _by(outcomes, lambda outcome: outcome.group)


def by_controller(outcomes: Sequence[PatientOutcome]) -> dict[str, list[PatientOutcome]]:
    """The outcomes by controller, in their order."""
    return _by(outcomes, lambda outcome: outcome.controller)


def _by(outcomes: Sequence[PatientOutcome], key: Callable[[PatientOutcome], str]) -> dict[str, list[PatientOutcome]]:
    found: dict[str, list[PatientOutcome]] = {}
    for outcome in outcomes:
        found.setdefault(key(outcome), []).append(outcome)
    return found
