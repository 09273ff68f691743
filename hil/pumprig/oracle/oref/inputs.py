"""What a decision of section 14 is made on (D-1001). Insulin in U, rates in U/h, glucose in mg/dL."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from pumprig.oracle.oref.numbers import NOTHING, rounded

__all__ = [
    "FlatCgm",
    "GlucoseStatus",
    "Inputs",
    "InsulinPoint",
    "LastTbr",
    "Meal",
    "RunningTbr",
    "Settings",
    "WantedTbr",
]


class FlatCgm(StrEnum):
    """Who says that the CGM is flat (D-1015)."""

    DETECTED = "detected"
    TOLD = "told"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True)
class GlucoseStatus:
    """Glucose and how it moves, in mg/dL in 5 min (D-1011)."""

    mg_dl: float
    delta: float
    short: float
    long: float
    noise: float = NOTHING
    fake: bool = False


@dataclass(frozen=True, slots=True)
class InsulinPoint:
    """Insulin on board at one of the 48 points, and its activity with and without a zero temp (D-1013)."""

    iob: float
    activity: float
    zero_temp_activity: float


@dataclass(frozen=True, slots=True)
class RunningTbr:
    """The TBR in force; 0 minutes left is none."""

    rate: float = 0.0
    minutes: float = 0.0


@dataclass(frozen=True, slots=True)
class LastTbr:
    """The newest TBR of the history (D-1025, D-1026): its age in whole minutes counts from its start."""

    rate: float
    minutes: float
    age_minutes: float


@dataclass(frozen=True, slots=True)
class Meal:
    """Carbs: of the last hours, on board, age of the last, and the slopes of the deviation (D-1001)."""

    carbs: float = NOTHING
    cob: float = NOTHING
    age_minutes: float = NOTHING
    slope_from_max: float = NOTHING
    slope_from_min: float = NOTHING
    bolus_wizard: bool = False


@dataclass(frozen=True)
class WantedTbr:
    """A TBR that is to be set; 0 minutes cancel what runs."""

    rate: float
    minutes: float


@dataclass(frozen=True)
class Settings:
    """The settings, with oref0's defaults.

    Args:
        basal, basal_max, basal_day_max: the profile's rate in force, the limit, the largest rate of the day.
        iob_max: limit of D-1046.
        isf, carb_ratio, low, high: as the profiles have them now.
        temp_target: whether `low` and `high` are one.
        fine_steps, exact: D-1003.
        smb_high_bg: D-1038, nothing when it is not set.
        delta_share: D-1039.
    """

    basal: float
    basal_max: float
    basal_day_max: float
    iob_max: float
    isf: float
    carb_ratio: float
    low: float
    high: float
    temp_target: bool = False
    exercise_mode: bool = False
    high_target_raises_sensitivity: bool = False
    low_target_lowers_sensitivity: bool = False
    sensitivity_raises_target: bool = False
    resistance_lowers_target: bool = False
    half_basal_target: float = 160.0
    autosens_max: float = 1.2
    noisy_target_multiplier: float = 1.3
    daily_basal_multiplier: float = 3.0
    current_basal_multiplier: float = 4.0
    skip_neutral_temps: bool = False
    remaining_carbs_cap: float = 90.0
    remaining_carbs_fraction: float = 1.0
    carbs_required_threshold: float = NOTHING
    uam: bool = False
    smb_always: bool = False
    smb_with_cob: bool = False
    smb_after_carbs: bool = False
    smb_with_low_target: bool = False
    smb_with_high_target: bool = False
    smb_at_high_bg: bool = False
    smb_high_bg: float = NOTHING
    smb_after_bolus_wizard: bool = True
    smb_basal_minutes: float = 30.0
    uam_smb_basal_minutes: float = 30.0
    smb_interval_minutes: float = 3.0
    bolus_increment: float = 0.1
    delta_share: float = 0.2
    flat_cgm: FlatCgm = FlatCgm.DETECTED
    fine_steps: bool = False
    exact: bool = False

    def stepped(self, rate: float) -> float:
        """A rate on the steps of D-1003."""
        if self.exact:
            return rate
        if rate >= 10:
            return rounded(rate * 10) / 10
        steps = 40 if self.fine_steps and rate < 1 else 20
        return rounded(rate * steps) / steps

    @property
    def safe_rate(self) -> float:
        """D-1052."""
        return min(
            self.basal_max,
            self.daily_basal_multiplier * self.basal_day_max,
            self.current_basal_multiplier * self.basal,
        )


@dataclass(frozen=True)
class Inputs:
    """All that a decision is made on (D-1001).

    `now` is insulin on board now, `points` what the lines follow: 48 from now on, or fewer. `age_minutes` is the
    reading's, not rounded; `bolus_age_minutes` that of the last bolus, not rounded. `flat` is what an input says of the
    CGM where D-1015 has it told.
    """

    settings: Settings
    glucose: GlucoseStatus
    now: InsulinPoint
    points: tuple[InsulinPoint, ...]
    tbr: RunningTbr = RunningTbr()
    last_tbr: LastTbr | None = None
    meal: Meal = field(default_factory=Meal)
    autosens: float = NOTHING
    small_boluses: bool = False
    minute: int = 0
    age_minutes: float = 0.0
    bolus_age_minutes: float = NOTHING
    flat: bool = False
