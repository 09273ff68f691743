"""The parameters of DOSING.md, section 10, with their defaults and what is allowed."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from datetime import datetime

from pumprig.errors import UsageError
from pumprig.oracle.oref_settings import OrefSettings
from pumprig.oracle.steps import Step
from pumprig.oracle.terms import Controller

__all__ = [
    "LEAST_ALLOWANCE_S",
    "PAUSE_LIMIT_S",
    "PREDICTION_SAMPLES",
    "PREDICTION_WINDOW_MINUTES",
    "REFERENCE_TIME_S",
    "SNOOZE_S",
    "ControllerSettings",
    "Guardrails",
    "OracleSettings",
]

# The parameters that section 10 calls fixed, and the period of D-906.
PAUSE_LIMIT_S = 15 * 60
SNOOZE_S = 30 * 60
LEAST_ALLOWANCE_S = 5 * 60
PREDICTION_WINDOW_MINUTES = 17
PREDICTION_SAMPLES = 3
REFERENCE_TIME_S = 3600

_RISING_RESUMES, _RISING_HOLDS = 1, 2
_BOLUS_END_MU = 25_001

_INTERVAL_MINUTES_MAX = 240
_ALLOWED = {
    "suspend_predicted_mg_dl": (60, 120),
    "suspend_now_mg_dl": (50, 100),
    "horizon_minutes": (10, 60),
    "suspend_limit_minutes": (5, 240),
    "limit_window_minutes": (5, 480),
    "stale_minutes": (5, 60),
    "lockout_minutes": (0, 240),
    "dia_minutes": (180, 480),
    "peak_minutes": (35, 120),
    "near_mg_dl": (0, 400),
    "resume_mg_dl": (0, 400),
    "resume_predicted_mg_dl": (0, 400),
    "minimum_minutes": (5, 60),
    "plgs_flags": (0, 3),
}


@dataclass(frozen=True)
class ControllerSettings:
    """What a client may write about the controller (D-616): glucose in mg/dL, times in minutes.

    A `near_mg_dl`, `resume_mg_dl` or `resume_predicted_mg_dl` of 0 is not asked for. `plgs_flags`: bit 0, rising
    resumes; bit 1, rising holds.
    """

    controller: str = Controller.MANUAL
    suspend_predicted_mg_dl: int = 80
    suspend_now_mg_dl: int = 70
    horizon_minutes: int = 30
    suspend_limit_minutes: int = 120
    limit_window_minutes: int = 150
    stale_minutes: int = 15
    lockout_minutes: int = 30
    dia_minutes: int = 300
    peak_minutes: int = 75
    near_mg_dl: int = 0
    resume_mg_dl: int = 0
    resume_predicted_mg_dl: int = 0
    minimum_minutes: int = 5
    plgs_flags: int = _RISING_RESUMES | _RISING_HOLDS

    @property
    def rising_resumes(self) -> bool:
        """Whether a rising glucose ends a suspension (D-610)."""
        return bool(self.plgs_flags & _RISING_RESUMES)

    @property
    def rising_holds(self) -> bool:
        """Whether a rising glucose keeps one from starting (D-608)."""
        return bool(self.plgs_flags & _RISING_HOLDS)

    def refusal(self) -> str:
        """Say which value D-616 and section 10 refuse, or nothing when all are allowed."""
        if self.controller not in {str(word) for word in Controller}:
            return f"controller is {self.controller!r}; allowed: {', '.join(Controller)}"
        for name, (least, most) in _ALLOWED.items():
            value = getattr(self, name)
            if not least <= value <= most:
                return f"{name} is {value}; allowed: {least} to {most}"
        if self.limit_window_minutes < self.suspend_limit_minutes:
            return f"limit_window_minutes is {self.limit_window_minutes}, below suspend_limit_minutes"
        if 5 * self.peak_minutes > 2 * self.dia_minutes:
            return f"peak_minutes is {self.peak_minutes}; allowed: up to 2/5 of dia_minutes {self.dia_minutes}"
        return ""


@dataclass(frozen=True)
class Guardrails:
    """What nothing passes (D-1201), in the order of the guardrails' numbers from 1."""

    basal_mu_per_h: int = 30_000
    bolus_mu: int = 25_000
    iob_mu: int = 50_000
    hour_mu: int = 60_000
    day_mu: int = 300_000
    interval_minutes: int = 1
    stale_minutes: int = 60
    decision_minutes: int = 240

    def refusals(self, bounds: Guardrails, pulse_mu: int, basal_least_mu_per_h: int) -> list[str]:
        """Say which values a pump of these bounds refuses to a client, a line for each.

        Args:
            bounds: the values that the pump has at first.
            pulse_mu: pulse size P.
            basal_least_mu_per_h: least basal rate beside 0 (D-1202).
        """
        least = {
            "basal_mu_per_h": max(pulse_mu, basal_least_mu_per_h),
            "interval_minutes": bounds.interval_minutes, "stale_minutes": 5, "decision_minutes": 5,
        }  # fmt: skip
        refused = []
        for item in fields(self):
            low, most = least.get(item.name, pulse_mu), getattr(bounds, item.name)
            if item.name == "interval_minutes":
                most = _INTERVAL_MINUTES_MAX
            if not low <= getattr(self, item.name) <= most:
                refused.append(f"{item.name} is {getattr(self, item.name)}; allowed: {low} to {most}")
        return refused


@dataclass(frozen=True)
class OracleSettings:
    """Everything the oracle must know of a pump before it starts.

    Args:
        pulse_mu: pulse size P in mU.
        bolus_speed_mu_per_minute: delivery speed V.
        basal_limit_mu_per_h: highest basal rate (D-801).
        max_bolus_mu: maximum bolus at the start (D-802).
        bolus_limit_mu: the most that it can be set to, and that a priming may be.
        reservoir_pulses: initial fill in pulses; None is the capacity.
        reservoir_capacity_mu: what the reservoir holds when full.
        reservoir_low_mu: low level (D-812).
        occlusion_force: motor force of 65535 at and above which no pulse is delivered (D-821).
        templates: number of basal profile templates, numbered from 1.
        wall_start: local date and time of pump second 0.
        controller: the controller's settings at the start.
        basal_min_mu_per_h: least basal rate beside 0 (D-109).
        basal_steps: steps of rates.
        bolus_min_mu: least bolus amount; None is one pulse.
        bolus_steps: steps of amounts; None is whole pulses up to 25 U.
        tbr_absolute, tbr_relative: which TBR the pump offers.
        tbr_minutes_max, tbr_minutes_step: durations of a TBR.
        tbr_factor_max, tbr_factor_step: factors of a relative one in thousandths.
        basal_adjustable: whether there are basal profiles and TBR at all (D-205).
        basal_fixed_mu_per_h: the rate of a pump where there are none.
        guardrails: the bounds of the guardrails, which hold at the start, too (D-1201).
        oref: the settings of controller oref at the start.
        own_loads: whether controller own can be loaded (D-1112).

    Raises:
        UsageError: a value that no pump can have.
    """

    pulse_mu: int = 50
    bolus_speed_mu_per_minute: int = 1500
    basal_limit_mu_per_h: int = 30_000
    max_bolus_mu: int = 10_000
    bolus_limit_mu: int = 25_000
    reservoir_pulses: int | None = None
    reservoir_capacity_mu: int = 300_000
    reservoir_low_mu: int = 20_000
    occlusion_force: int = 50_000
    templates: int = 3
    wall_start: datetime = datetime(2000, 1, 1)
    controller: ControllerSettings = field(default_factory=ControllerSettings)
    basal_min_mu_per_h: int = 1
    basal_steps: tuple[Step, ...] = ((35_001, 1),)
    bolus_min_mu: int | None = None
    bolus_steps: tuple[Step, ...] | None = None
    tbr_absolute: bool = True
    tbr_relative: bool = True
    tbr_minutes_max: int = 1440
    tbr_minutes_step: int = 1
    tbr_factor_max: int = 2500
    tbr_factor_step: int = 1
    basal_adjustable: bool = True
    basal_fixed_mu_per_h: int = 0
    guardrails: Guardrails = field(default_factory=Guardrails)
    oref: OrefSettings = field(default_factory=OrefSettings)
    own_loads: bool = True

    def __post_init__(self) -> None:
        """Refuse values that would make the arithmetic meaningless."""
        for item in fields(self):
            value = getattr(self, item.name)
            least = 0 if item.name in ("reservoir_pulses", "basal_fixed_mu_per_h") else 1
            if isinstance(value, int) and not isinstance(value, bool) and value < least:
                raise UsageError(f"{item.name} is {value}", where="oracle settings", allowed="whole numbers from 1")
        if self.wall_start.tzinfo is not None or self.wall_start.microsecond:
            raise UsageError(
                f"wall_start is {self.wall_start}", where="oracle settings", allowed="a local time of whole seconds"
            )
        if refused := self.controller.refusal() or self.oref.refusal():
            raise UsageError(refused, where="oracle settings")

    @property
    def initial_pulses(self) -> int:
        """Initial fill of the reservoir in pulses."""
        if self.reservoir_pulses is not None:
            return self.reservoir_pulses
        return self.reservoir_capacity_mu // self.pulse_mu

    @property
    def bolus_least_mu(self) -> int:
        """The least amount of a bolus (D-109)."""
        return self.pulse_mu if self.bolus_min_mu is None else self.bolus_min_mu

    @property
    def bolus_amounts(self) -> tuple[Step, ...]:
        """The steps of bolus amounts (D-109)."""
        return ((_BOLUS_END_MU, self.pulse_mu),) if self.bolus_steps is None else self.bolus_steps

    def with_controller(self, **values: object) -> OracleSettings:
        """Copy with some controller settings replaced."""
        return replace(self, controller=replace(self.controller, **values))  # type: ignore[arg-type]
