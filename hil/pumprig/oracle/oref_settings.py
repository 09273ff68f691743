"""What a client may write about controller oref, as it stands on the wire, and what section 14 makes of it (D-1102)."""

from __future__ import annotations

from dataclasses import dataclass

from pumprig.oracle.oref.inputs import FlatCgm

__all__ = ["FLAGS", "OrefSettings"]

FLAGS = (
    "skip_neutral_temps",
    "smb",
    "smb_always",
    "smb_with_cob",
    "smb_after_carbs",
    "smb_with_low_target",
    "smb_with_high_target",
    "uam",
    "exercise_mode",
    "high_target_raises_sensitivity",
    "low_target_lowers_sensitivity",
    "sensitivity_raises_target",
    "resistance_lowers_target",
    "bilinear_curve",
    "smb_at_high_bg",
)
"""The flags in the order of their bits."""

_ALLOWED = {
    "max_iob_mu": (0, 65_535),
    "max_basal_mu_per_h": (0, 65_535),
    "autosens_thousandths": (500, 2000),
    "autosens_max_thousandths": (1000, 2000),
    "temp_target_mg_dl": (60, 250),
    "half_basal_target_mg_dl": (101, 250),
    "smb_high_bg_mg_dl": (100, 400),
    "smb_basal_minutes": (0, 120),
    "uam_smb_basal_minutes": (0, 120),
    "smb_interval_minutes": (1, 10),
    "max_cob_g": (0, 250),
    "min_carb_impact_tenths": (0, 250),
    "remaining_carbs_cap_g": (0, 90),
    "remaining_carbs_percent": (0, 100),
    "carbs_required_threshold_g": (1, 250),
    "delta_share_percent": (1, 30),
    "noisy_target_percent": (110, 200),
    "daily_basal_multiplier_tenths": (10, 100),
    "current_basal_multiplier_tenths": (10, 100),
}
# Where a zero says that there is none.
_OR_ZERO = {"autosens_thousandths", "temp_target_mg_dl", "smb_high_bg_mg_dl"}


@dataclass(frozen=True)
class OrefSettings:
    """The settings of controller oref, each as the wire names and counts it."""

    skip_neutral_temps: bool = False
    smb: bool = False
    smb_always: bool = False
    smb_with_cob: bool = False
    smb_after_carbs: bool = False
    smb_with_low_target: bool = False
    smb_with_high_target: bool = False
    uam: bool = True
    exercise_mode: bool = False
    high_target_raises_sensitivity: bool = False
    low_target_lowers_sensitivity: bool = False
    sensitivity_raises_target: bool = True
    resistance_lowers_target: bool = False
    bilinear_curve: bool = False
    smb_at_high_bg: bool = False
    flat_cgm: str = FlatCgm.DETECTED
    max_iob_mu: int = 3000
    max_basal_mu_per_h: int = 4000
    autosens_thousandths: int = 0
    autosens_max_thousandths: int = 1200
    temp_target_mg_dl: int = 0
    half_basal_target_mg_dl: int = 160
    smb_high_bg_mg_dl: int = 110
    smb_basal_minutes: int = 30
    uam_smb_basal_minutes: int = 30
    smb_interval_minutes: int = 3
    max_cob_g: int = 120
    min_carb_impact_tenths: int = 80
    remaining_carbs_cap_g: int = 90
    remaining_carbs_percent: int = 100
    carbs_required_threshold_g: int = 1
    delta_share_percent: int = 20
    noisy_target_percent: int = 130
    daily_basal_multiplier_tenths: int = 30
    current_basal_multiplier_tenths: int = 40

    @property
    def oref_flags(self) -> int:
        """The flags as the bits of the wire."""
        return sum(1 << bit for bit, name in enumerate(FLAGS) if getattr(self, name))

    def refusal(self) -> str:
        """Say which value the wire refuses, or nothing when all are allowed."""
        if self.flat_cgm not in (FlatCgm.DETECTED, FlatCgm.IGNORED):
            return f"flat_cgm is {self.flat_cgm!r}; allowed: detected, ignored"
        for name, (least, most) in _ALLOWED.items():
            value = getattr(self, name)
            if not least <= value <= most and not (value == 0 and name in _OR_ZERO):
                return f"{name} is {value}; allowed: {least} to {most}"
        return ""
