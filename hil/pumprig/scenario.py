"""Scenarios: everything that decides a run, in one TOML file.

    trace = "night.csv"          # or "bundled"
    controller = "plgs"
    seed = 7

    [settings]
    suspend_predicted_mg_dl = 85

    [pump]
    max_bolus_iu = 6
    basal_profile = [{ duration_minutes = 1440, rate_iu_per_h = 0.8 }]

    [[command]]
    at = "01:00:00"              # since the first sample took effect
    kind = "set_tbr"
    rate_iu_per_h = 0.3
    duration_minutes = 30

    [[fault]]
    at = "02:00:00"
    kind = "cgm_drop"
    for_minutes = 20

    [expect]
    verdict = "PASS"

All mistakes of a file are reported at once, each as `file.toml:LINE: field: message`.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PrivateAttr, ValidationError, ValidationInfo, field_validator

from pumprig.devices.cgm import load_cgm
from pumprig.devices.facts import Device
from pumprig.devices.pump import load_pump
from pumprig.errors import ScenarioError, UsageError
from pumprig.oracle import OracleSettings
from pumprig.patients.plan import NO_MEALS, PatientPlan, patient_trace
from pumprig.scenario_control import (
    CONTROLLERS,
    LOOPS,
    ControllerName,
    GuardrailSettings,
    OrefSettings,
    controller_problems,
)
from pumprig.scenario_parts import (
    BearerDown,
    CgmDrop,
    CgmDuplicate,
    CgmLate,
    Command,
    ControllerSettings,
    Expect,
    Fault,
    Hours,
    Occlusion,
    Part,
    PowerCut,
    PumpSettings,
    ReservoirLevel,
    Start,
    clock_text,
)
from pumprig.scenario_patient import PatientSettings, loop_profiles, resting_profile
from pumprig.scenario_problems import ARGUMENTS, line_of, problems_of, toml_problem
from pumprig.therapy_profile import PROFILE_FORMATS, TherapyProfile
from pumprig.toml_lines import Location, TomlLines
from pumprig.trace import Trace, bundled_trace_path, load_trace

BUNDLED = "bundled"
POWER_BACK_S = 10
"""Seconds from the return of the power until the pump knows the time again and its sensor."""
SEED_MAX = 2**63 - 1
_REMEDY = "Correct these lines; hil/SCENARIOS.md names every field and kind, with an example."


def demo_scenario_path() -> Path:
    """The scenario of the demonstration, which comes with pumprig."""
    return Path(__file__).resolve().parent / "data" / "demo.toml"


class Scenario(Part):
    """One run: the trace or patient, the pump and its controller, commands and faults, and what must come out.

    Attributes:
        name: what the reports call it.
        seed: seed of everything random in the run.
        patient: a virtual patient instead of a trace.
        trace: file of the trace, relative to the scenario's folder, or `bundled`; None with a patient.
        date_order: for traces that write the year last.
        start: where in the trace to begin: hours after its first reading, or a local time.
        hours: how long; None for the whole trace, or a day of a patient.
        pump_profile: the kind of pump, None for the firmware's own.
        cgm_profile: the kind of sensor, None for the trace as it is.
        cgm_age_minutes: how long its session has run at the first sample; None when its warm-up has just ended.
        controller: the on-pump controller: one of the pump's own, or a file.
        settings: its settings.
        oref: settings of controller oref.
        guardrails: those that a client tightens.
        pump: the pump's settings.
        commands: in TOML `[[command]]`.
        faults: in TOML `[[fault]]`.
        expect: what must come out.
    """

    name: Annotated[str, Field(max_length=200)] = ""
    seed: Annotated[int, Field(ge=0, le=SEED_MAX)] = 1
    patient: PatientSettings | None = None
    trace: Annotated[str, Field(min_length=1)] | None = Field(default=None, validate_default=True)
    date_order: Literal["mdy", "dmy"] | None = None
    start: Start | None = None
    hours: Hours | None = None
    pump_profile: Annotated[str, AfterValidator(lambda name: _known_device(load_pump, name))] | None = None
    cgm_profile: Annotated[str, AfterValidator(lambda name: _known_device(load_cgm, name))] | None = None
    cgm_age_minutes: Annotated[int, Field(ge=0, le=527_040)] | None = None
    controller: ControllerName = "plgs"
    settings: ControllerSettings = ControllerSettings()
    oref: OrefSettings = OrefSettings()
    guardrails: GuardrailSettings = GuardrailSettings()
    pump: PumpSettings = PumpSettings()
    commands: list[Command] = Field(default=[], alias="command")
    faults: list[Fault] = Field(default=[], alias="fault")
    expect: Expect = Expect()

    _file: str = PrivateAttr(default="scenario")
    _lines: TomlLines | None = PrivateAttr(default=None)
    _folder: Path | None = PrivateAttr(default=None)
    _profile: TherapyProfile | None = PrivateAttr(default=None)

    @field_validator("trace")
    @classmethod
    def _trace_or_patient(cls, trace: str | None, info: ValidationInfo) -> str | None:
        # A patient that is wrong in itself is not there, and has its own message.
        if trace is None and info.data.get("patient", ...) is None:
            raise ValueError("is missing")
        if trace is not None and info.data.get("patient") is not None:
            raise ValueError("a run has a trace or a patient, not both")
        return trace

    @classmethod
    def load(cls, path: str | Path) -> Scenario:
        """Reads a scenario file.

        Raises:
            ScenarioError: with one line for every mistake.
        """
        path = Path(path)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no UTF-8 text"
            raise ScenarioError([f"{path}: the scenario cannot be read: {reason}."], remedy="Check the path.") from None
        return cls.from_toml(text, file=str(path), folder=path.parent)

    @classmethod
    def from_toml(cls, text: str, file: str = "scenario.toml", folder: Path | None = None) -> Scenario:
        """Reads a scenario text.

        Args:
            text: the TOML.
            file: name for messages.
            folder: where a relative trace path begins.

        Raises:
            ScenarioError: with one line for every mistake.
        """
        try:
            raw = tomllib.loads(text, parse_float=Decimal)
        except tomllib.TOMLDecodeError as error:
            raise ScenarioError([toml_problem(file, str(error), text)], remedy=_REMEDY) from None
        lines = TomlLines(text)
        try:
            scenario = cls.model_validate(raw)
        except ValidationError as error:
            raise ScenarioError(problems_of(error, raw, file, lines, cls), remedy=_REMEDY) from None
        scenario._file, scenario._lines, scenario._folder = file, lines, folder
        scenario._judge_times()
        return scenario

    @classmethod
    def from_trace(
        cls,
        trace: str | Path,
        *,
        controller: str = "plgs",
        start: float | str | datetime | None = None,
        hours: float | None = None,
        seed: int = 1,
        date_order: Literal["mdy", "dmy"] | None = None,
        settings: ControllerSettings | None = None,
        pump: PumpSettings | None = None,
        pump_profile: str | None = None,
        cgm_profile: str | None = None,
    ) -> Scenario:
        """The plain scenario of a trace: default profile, no commands, no faults.

        Raises:
            ScenarioError: a value is out of its range.
        """
        if isinstance(start, str) and start.replace(".", "", 1).isdigit():
            start = float(start)
        values = {
            "trace": str(trace), "controller": controller, "start": start, "hours": hours, "seed": seed,
            "date_order": date_order, "settings": settings or ControllerSettings(), "pump": pump or PumpSettings(),
            "pump_profile": pump_profile, "cgm_profile": cgm_profile,
        }  # fmt: skip
        try:
            scenario = cls.model_validate(values)
        except ValidationError as error:
            raise ScenarioError(problems_of(error, values, ARGUMENTS, None, cls)) from None
        scenario._folder = Path.cwd()
        return scenario

    @classmethod
    def from_patient(cls, name: str, meals: str = NO_MEALS, *, announce: bool = False, **values: Any) -> Scenario:
        """The plain scenario of a virtual patient: resting basal rate, no commands, no faults.

        Args:
            name: of the patient.
            meals: a file, or `none`.
            announce: whether the pump is told of them.
            values: other fields of the scenario.

        Raises:
            ScenarioError: a value is out of its range, or there is no such patient.
        """
        values["patient"] = {"name": name, "meals": meals, "announce": announce}
        try:
            scenario = cls.model_validate(_start_of(values))
        except ValidationError as error:
            raise ScenarioError(problems_of(error, values, ARGUMENTS, None, cls)) from None
        scenario._folder = Path.cwd()
        return scenario

    @classmethod
    def from_json(cls, text: str) -> Scenario:
        """A scenario from its record.

        Raises:
            ScenarioError: the record is damaged.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise ScenarioError(problems_of(error, {}, "recorded scenario", None, cls)) from None

    def to_json(self) -> str:
        """The scenario for a record, with whole paths, so that the run can be repeated from anywhere."""
        whole: dict[str, Any] = {}
        if self.meals_path is not None and self.patient is not None:
            whole["patient"] = self.patient.model_copy(update={"meals": os.path.abspath(self.meals_path)})
        if self.trace not in (None, BUNDLED):
            whole["trace"] = os.path.abspath(self.trace_path)
        if self.own_controller is not None:
            whole["controller"] = os.path.abspath(self.own_controller)
        return self.model_copy(update=whole).model_dump_json(by_alias=True, exclude_none=True)

    def changed(self, **values: Any) -> Scenario:
        """A copy with some fields replaced, as options of a command line do.

        A run made shorter leaves out what lies after its end, and what was expected of the whole.

        Raises:
            ScenarioError: a value is out of its range.
        """
        if not values:
            return self
        raw = {name: getattr(self, name) for name in type(self).model_fields} | values
        hours = values.get("hours")
        if isinstance(hours, float):
            raw["commands"] = [command for command in self.commands if command.at < hours * 3600]
            raw["faults"] = [fault for fault in self.faults if fault.at < hours * 3600]
            raw["expect"] = Expect()
        raw = _start_of(raw)
        try:
            scenario = type(self).model_validate(raw)
        except ValidationError as error:
            raise ScenarioError(problems_of(error, raw, ARGUMENTS, None, type(self))) from None
        scenario._file, scenario._lines, scenario._folder = self._file, self._lines, self._folder
        scenario._profile = self._profile
        scenario._judge_times()
        return scenario

    def with_profile(self, profile: TherapyProfile) -> Scenario:
        """A copy with the basal, sensitivity, carbohydrate ratio and target of a wearer.

        Raises:
            ScenarioError: a value is out of its range.
        """
        given = {name: getattr(self.pump, name) for name in self.pump.model_fields_set}
        scenario = self.changed(pump=PumpSettings.model_validate(given | profile.pump))
        scenario._profile = profile
        return scenario

    @property
    def trace_path(self) -> Path:
        """The trace's file; the file of the meals for a patient."""
        if self.trace == BUNDLED:
            return bundled_trace_path()
        if self.trace is None:
            return self.meals_path or Path(NO_MEALS)
        return (self._folder or Path()) / Path(self.trace).expanduser()

    @property
    def controller_word(self) -> str:
        """What the wire calls the controller: `own` for one from a file."""
        return self.controller if self.own_controller is None else "own"

    @property
    def own_controller(self) -> Path | None:
        """The file of a controller of one's own; None for one of the pump's."""
        return None if self.controller in CONTROLLERS else (self._folder or Path()) / Path(self.controller).expanduser()

    @property
    def meals_path(self) -> Path | None:
        """The file of the patient's meals, None without any."""
        if self.patient is None or self.patient.meals == NO_MEALS:
            return None
        return (self._folder or Path()) / Path(self.patient.meals).expanduser()

    def patient_plan(self) -> PatientPlan | None:
        """The patient with the meals that are read, None for a trace.

        Raises:
            ScenarioError: the file of meals that the scenario names cannot be used.
            UsageError: that of a command line cannot be used.
        """
        if self.patient is None:
            return None
        seed = self.seed if self.patient.seed is None else self.patient.seed
        try:
            return PatientPlan.of(self.patient.name, self.meals_path, seed)
        except UsageError as error:
            if self._lines is None:
                raise
            problem = self.problem(("patient", "meals"), error.message)
            raise ScenarioError([problem], remedy="Correct the path; it begins in the scenario's folder.") from None

    def settled(self) -> Scenario:
        """The scenario with the profiles of a patient where it gives none, those of a loop for one alone."""
        if self.patient is None:
            return self
        parameters = PatientPlan.of(self.patient.name, None, 0).parameters
        own: dict[str, Any] = {"basal_profile": resting_profile(parameters)}
        if self.controller_word in LOOPS:
            own |= loop_profiles(parameters)
        left_open = {name: value for name, value in own.items() if name not in self.pump.model_fields_set}
        return self.model_copy(update={"pump": self.pump.model_copy(update=left_open)})

    def refuse_controller(self, pump: OracleSettings) -> None:
        """Refuses a loop without its profiles, and settings that a guardrail forbids.

        Args:
            pump: the pump's parameters.

        Raises:
            ScenarioError: with one line for each.
        """
        found = [self.problem(place, message) for place, message in controller_problems(self, pump)]
        lacks_profiles = self.controller_word in LOOPS and None in (
            self.pump.isf_profile, self.pump.icho_profile, self.pump.target_profile
        )  # fmt: skip
        if lacks_profiles and self._lines is None:
            raise UsageError(
                f"controller {self.controller} needs the wearer's insulin sensitivity, carbohydrate ratio and target, "
                "and a trace tells none",
                where="--controller", allowed=f"beside a trace also --profile FILE, {PROFILE_FORMATS}",
                remedy="Or write [pump] in a scenario; hil/SCENARIOS.md has its fields.",
            )  # fmt: skip
        if found:
            also = f" --profile FILE gives them, too: {PROFILE_FORMATS}." if lacks_profiles else ""
            raise ScenarioError(found, remedy=_REMEDY + also)

    def load_trace(self) -> Trace:
        """The part of the trace that the run replays; of a patient, when the samples will be taken.

        Raises:
            ScenarioError: the file that the scenario names is not there.
            TraceError: the file cannot be used.
            UsageError: start or hours do not fit it.
        """
        if (patient := self.patient_plan()) is not None:
            return patient_trace(patient, self.start, self.hours)
        if self._lines is not None and not self.trace_path.exists():
            problem = self.problem(("trace",), f"there is no file {self.trace_path}")
            raise ScenarioError([problem], remedy="Correct the path; it begins in the scenario's folder.")
        return load_trace(self.trace_path, self.start, self.hours, date_order=self.date_order)

    def problem(self, location: Location, message: str) -> str:
        """One line `file:line: field: message` for a mistake that shows only later."""
        profile = self._profile
        if profile is not None and location[0] == "pump" and location[1] in profile.pump:
            return line_of(profile.file, profile, location[1:], message)
        return line_of(self._file, self._lines, location, message)

    def refuse_after(self, duration_s: int) -> None:
        """Refuses commands and faults that lie after the end of the run.

        Raises:
            ScenarioError: with one line for each.
        """
        end = clock_text(duration_s)
        problems = [
            self.problem((table, index, "at"), f"{clock_text(item.at)} lies after the run, which ends at {end}")
            for table, items in (("command", self.commands), ("fault", self.faults))
            for index, item in enumerate(items)
            if item.at >= duration_s
        ]
        if problems:
            raise ScenarioError(problems, remedy=_REMEDY)

    def refuse_levels(self, pulse_mu: int, capacity_mu: int) -> None:
        """Refuses reservoir levels that the pump cannot hold.

        Args:
            pulse_mu: the pump's pulse; a level is a whole number of them.
            capacity_mu: what its reservoir holds.

        Raises:
            ScenarioError: with one line for each.
        """
        levels: list[tuple[Location, Decimal]] = [(("pump", "reservoir_iu"), self.pump.reservoir_iu)]
        levels += [
            (("fault", index, "amount_iu"), fault.amount_iu)
            for index, fault in enumerate(self.faults)
            if isinstance(fault, ReservoirLevel)
        ]
        allowed = f"whole pulses of {pulse_mu} mU up to {capacity_mu / 1000:g} IU"
        problems = [
            self.problem(location, f"the reservoir cannot hold {amount} IU; allowed: {allowed}")
            for location, amount in levels
            if amount * 1000 % pulse_mu or amount * 1000 > capacity_mu
        ]
        if problems:
            raise ScenarioError(problems, remedy=_REMEDY)

    def _judge_times(self) -> None:
        if self.hours is not None:
            self.refuse_after(int(self.hours * 3600))
        problems: list[str] = []
        downs = [(i, fault) for i, fault in enumerate(self.faults) if isinstance(fault, BearerDown | PowerCut)]
        for index, down in downs:
            up_s = down.at + down.for_seconds
            message = f"the bearer is down then, until {clock_text(up_s)}"
            without: tuple[type[Part], ...] = _WITHOUT_BEARER
            if isinstance(down, PowerCut):
                up_s += POWER_BACK_S
                message = f"the power is away then, and the pump not ready until {clock_text(up_s)}"
                without = _WITHOUT_POWER
            for table, items in (("command", self.commands), ("fault", self.faults)):
                problems += [
                    self.problem((table, i, "at"), message)
                    for i, item in enumerate(items)
                    if down.at < item.at < up_s and not isinstance(item, without)
                ]
            for i, other in downs:
                if i != index and down.at <= other.at <= up_s and (other.at, i) > (down.at, index):
                    problems.append(self.problem(("fault", i, "at"), "the bearer is down already"))
        if problems:
            raise ScenarioError(problems, remedy=_REMEDY)


# What needs no connection, or has a message of its own while there is none.
_WITHOUT_POWER = (BearerDown, PowerCut, CgmDrop, CgmDuplicate, CgmLate)
_WITHOUT_BEARER = (*_WITHOUT_POWER, Occlusion)


# The name as the device's file has it.
def _known_device(load: Callable[[str], Device], name: str) -> str:
    try:
        return load(name).name
    except UsageError as error:
        raise ValueError(". ".join(filter(None, (f"{error.what}; allowed: {error.allowed}", error.remedy)))) from None


# Hours as a command line gives them.
def _start_of(values: dict[str, Any]) -> dict[str, Any]:
    start = values.get("start")
    is_hours = isinstance(start, str) and start.replace(".", "", 1).isdigit()
    return {**values, "start": float(str(start))} if is_hours else values
