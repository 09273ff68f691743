"""The parameters of DOSING.md, section 10, with their defaults and what is allowed."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from datetime import datetime

from pumprig.errors import UsageError
from pumprig.oracle.terms import Controller

__all__ = [
    "MINIMUM_SUSPENSION_S",
    "PAUSE_LIMIT_S",
    "PREDICTION_SAMPLES",
    "PREDICTION_WINDOW_MINUTES",
    "REFERENCE_TIME_S",
    "SNOOZE_S",
    "ControllerSettings",
    "OracleSettings",
]

# The parameters that section 10 calls fixed, and the period of D-906.
PAUSE_LIMIT_S = 15 * 60
SNOOZE_S = 30 * 60
MINIMUM_SUSPENSION_S = 5 * 60
PREDICTION_WINDOW_MINUTES = 17
PREDICTION_SAMPLES = 3
REFERENCE_TIME_S = 3600

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
}


@dataclass(frozen=True)
class ControllerSettings:
    """What a client may write about the controller (D-616): glucose in mg/dL, times in minutes."""

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

    def refusal(self) -> str:
        """Say which value D-616 and section 10 refuse, or nothing when all are allowed."""
        if self.controller not in (Controller.MANUAL, Controller.PLGS):
            return f"controller is {self.controller!r}; allowed: manual, plgs"
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
class OracleSettings:
    """Everything the oracle must know of a pump before it starts.

    Args:
        pulse_mu: pulse size P in mU.
        bolus_speed_mu_per_minute: delivery speed V.
        basal_limit_mu_per_h: highest basal rate (D-801).
        max_bolus_mu: maximum bolus at the start (D-802).
        reservoir_pulses: initial fill in pulses; None is the capacity.
        reservoir_capacity_mu: what the reservoir holds when full.
        reservoir_low_mu: low level (D-812).
        occlusion_force: motor force of 65535 at and above which no pulse is delivered (D-821).
        templates: number of basal profile templates, numbered from 1.
        wall_start: local date and time of pump second 0.
        controller: the controller's settings at the start.

    Raises:
        UsageError: a value that no pump can have.
    """

    pulse_mu: int = 50
    bolus_speed_mu_per_minute: int = 1500
    basal_limit_mu_per_h: int = 30_000
    max_bolus_mu: int = 10_000
    reservoir_pulses: int | None = None
    reservoir_capacity_mu: int = 300_000
    reservoir_low_mu: int = 20_000
    occlusion_force: int = 50_000
    templates: int = 3
    wall_start: datetime = datetime(2000, 1, 1)
    controller: ControllerSettings = field(default_factory=ControllerSettings)

    def __post_init__(self) -> None:
        """Refuse values that would make the arithmetic meaningless."""
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, int) and value < (1 if item.name != "reservoir_pulses" else 0):
                raise UsageError(f"{item.name} is {value}", where="oracle settings", allowed="whole numbers from 1")
        if self.wall_start.tzinfo is not None or self.wall_start.microsecond:
            raise UsageError(
                f"wall_start is {self.wall_start}", where="oracle settings", allowed="a local time of whole seconds"
            )
        if refused := self.controller.refusal():
            raise UsageError(refused, where="oracle settings")

    @property
    def initial_pulses(self) -> int:
        """Initial fill of the reservoir in pulses."""
        if self.reservoir_pulses is not None:
            return self.reservoir_pulses
        return self.reservoir_capacity_mu // self.pulse_mu

    def with_controller(self, **values: object) -> OracleSettings:
        """Copy with some controller settings replaced."""
        return replace(self, controller=replace(self.controller, **values))  # type: ignore[arg-type]
