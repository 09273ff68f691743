"""What a scenario says of the controller on the pump: which one, its settings, guardrails, and rule sets by name."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from pumprig.oracle import OracleSettings
from pumprig.scenario_values import FieldProblem, Part
from pumprig.toml_lines import Location

if TYPE_CHECKING:
    from pumprig.scenario import Scenario

__all__ = [
    "CONTROLLERS",
    "LOOPS",
    "OWN_SUFFIX",
    "ControllerName",
    "ControllerSettings",
    "GuardrailSettings",
    "OrefSettings",
    "WrittenSettings",
    "controller_problems",
    "rule_sets",
]

CONTROLLERS = ("manual", "plgs", "oref")
"""The pump's own; any other is a file."""
LOOPS = ("oref", "own")
"""Those that need profiles of sensitivity, carbohydrate ratio and target."""
OWN_SUFFIX = ".py"
_OWN = LOOPS[1]
_UNSEEN = (
    "what a controller of your own decides on the samples that the pump fetches afterwards cannot be seen; "
    "let cgm_drop withhold them"
)
_LOW_LIMIT_MG_DL = 70


def _controller(name: str) -> str:
    if name not in CONTROLLERS and not name.endswith(OWN_SUFFIX):
        raise ValueError("must be 'manual', 'plgs' or 'oref', or a file of your own that ends in .py")
    return name


ControllerName = Annotated[str, AfterValidator(_controller)]


@functools.cache
def rule_sets() -> dict[str, dict[str, Any]]:
    """The rule sets of predictive low glucose suspend, by name."""
    text = (Path(__file__).resolve().parent / "data" / "plgs_rule_sets.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def _none_or_at_least(least: int) -> AfterValidator:
    def judged(value: int) -> int:
        if 0 < value < least:
            raise ValueError(f"must be 0 for none, or at least {least}")
        return value

    return AfterValidator(judged)


class WrittenSettings(Part):
    """Controller settings as the wire can carry them: each in its range, whether they agree or not."""

    suspend_predicted_mg_dl: Annotated[int, Field(ge=60, le=120)] = 80
    suspend_now_mg_dl: Annotated[int, Field(ge=50, le=100)] = 70
    horizon_minutes: Annotated[int, Field(ge=10, le=60)] = 30
    suspend_limit_minutes: Annotated[int, Field(ge=5, le=240)] = 120
    limit_window_minutes: Annotated[int, Field(ge=5, le=480)] = 150
    stale_minutes: Annotated[int, Field(ge=5, le=60)] = 15
    lockout_minutes: Annotated[int, Field(ge=0, le=240)] = 30
    dia_minutes: Annotated[int, Field(ge=180, le=480)] = 300
    peak_minutes: Annotated[int, Field(ge=35, le=120)] = 75
    near_mg_dl: Annotated[int, Field(ge=0, le=400)] = 0
    resume_mg_dl: Annotated[int, Field(ge=0, le=400)] = 0
    resume_predicted_mg_dl: Annotated[int, Field(ge=0, le=400)] = 0
    minimum_minutes: Annotated[int, Field(ge=5, le=60)] = 5
    rising_resumes: bool = True
    rising_holds: bool = True

    def written(self) -> dict[str, int]:
        """The values by the wire's names."""
        values: dict[str, int] = self.model_dump(exclude={"rule_set", "low_limit_mg_dl"})
        flags = (values.pop("rising_resumes"), values.pop("rising_holds"))
        return values | {"plgs_flags": sum(1 << bit for bit, is_set in enumerate(flags) if is_set)}


class ControllerSettings(WrittenSettings):
    """Parameters of the on-pump controller: names and ranges of the dosing specification, section 10.

    Attributes:
        rule_set: gives what is not said otherwise (D-618).
        low_limit_mg_dl: the low limit that a rule set counts from.
    """

    rule_set: Literal["basal_iq", "suspend_before_low"] = Field(default="basal_iq", exclude=True)
    low_limit_mg_dl: int | None = Field(default=None, ge=50, le=90, exclude=True)

    @model_validator(mode="before")
    @classmethod
    def _by_rule_set(cls, given: Any) -> Any:
        if not isinstance(given, dict) or not isinstance(given.get("rule_set"), str):
            return given
        rules = rule_sets().get(given["rule_set"], {})
        low_limit, above = given.get("low_limit_mg_dl", _LOW_LIMIT_MG_DL), rules.get("above_low_limit", {})
        named = {name: value for name, value in rules.items() if name != "above_low_limit"}
        if isinstance(low_limit, int):
            named |= {name: low_limit + value for name, value in above.items()}
        return named | given

    @model_validator(mode="after")
    def _judge(self) -> ControllerSettings:
        if self.suspend_limit_minutes > self.limit_window_minutes:
            raise ValueError("suspend_limit_minutes may not exceed limit_window_minutes (D-616)")
        if 5 * self.peak_minutes > 2 * self.dia_minutes:
            raise ValueError("peak_minutes may not exceed two fifths of dia_minutes (D-616)")
        if self.low_limit_mg_dl is not None and "above_low_limit" not in rule_sets()[self.rule_set]:
            raise FieldProblem("low_limit_mg_dl", "belongs to a rule set that counts from it, suspend_before_low")
        return self


class OrefSettings(Part):
    """Settings of controller oref: names, units and ranges of the wire, flags by name (DOSING.md, section 14)."""

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
    flat_cgm: Literal["detected", "ignored"] = "detected"
    max_iob_mu: Annotated[int, Field(ge=0, le=65535)] = 3000
    max_basal_mu_per_h: Annotated[int, Field(ge=0, le=65535)] = 4000
    autosens_thousandths: Annotated[int, Field(ge=0, le=2000), _none_or_at_least(500)] = 0
    autosens_max_thousandths: Annotated[int, Field(ge=1000, le=2000)] = 1200
    temp_target_mg_dl: Annotated[int, Field(ge=0, le=250), _none_or_at_least(60)] = 0
    half_basal_target_mg_dl: Annotated[int, Field(ge=101, le=250)] = 160
    smb_high_bg_mg_dl: Annotated[int, Field(ge=0, le=400), _none_or_at_least(100)] = 110
    smb_basal_minutes: Annotated[int, Field(ge=0, le=120)] = 30
    uam_smb_basal_minutes: Annotated[int, Field(ge=0, le=120)] = 30
    smb_interval_minutes: Annotated[int, Field(ge=1, le=10)] = 3
    max_cob_g: Annotated[int, Field(ge=0, le=250)] = 120
    min_carb_impact_tenths: Annotated[int, Field(ge=0, le=250)] = 80
    remaining_carbs_cap_g: Annotated[int, Field(ge=0, le=90)] = 90
    remaining_carbs_percent: Annotated[int, Field(ge=0, le=100)] = 100
    carbs_required_threshold_g: Annotated[int, Field(ge=1, le=250)] = 1
    delta_share_percent: Annotated[int, Field(ge=1, le=30)] = 20
    noisy_target_percent: Annotated[int, Field(ge=110, le=200)] = 130
    daily_basal_multiplier_tenths: Annotated[int, Field(ge=10, le=100)] = 30
    current_basal_multiplier_tenths: Annotated[int, Field(ge=10, le=100)] = 40

    def written(self) -> dict[str, Any]:
        """The values by the names that the oracle gives them: flags by name."""
        return self.model_dump()


class GuardrailSettings(Part):
    """Guardrails that a client tightens (D-1201), in the units of the wire; what is left out stays as it is."""

    basal_mu_per_h: Annotated[int, Field(ge=0, le=65535)] | None = None
    bolus_mu: Annotated[int, Field(ge=0, le=65535)] | None = None
    iob_mu: Annotated[int, Field(ge=0, le=65535)] | None = None
    hour_mu: Annotated[int, Field(ge=0, le=65535)] | None = None
    day_mu: Annotated[int, Field(ge=0, le=2**32 - 1)] | None = None
    interval_minutes: Annotated[int, Field(ge=0, le=240)] | None = None
    stale_minutes: Annotated[int, Field(ge=5, le=240)] | None = None
    decision_minutes: Annotated[int, Field(ge=5, le=240)] | None = None

    def given(self) -> dict[str, int]:
        """What is given."""
        values: dict[str, int] = self.model_dump(exclude_none=True)
        return values


def controller_problems(scenario: Scenario, pump: OracleSettings) -> Iterator[tuple[Location, str]]:
    """What a loop misses, and which settings a guardrail forbids: field and message of each.

    Args:
        scenario: what is done.
        pump: the pump's parameters.
    """
    if scenario.controller_word in LOOPS:
        for name, what in (("isf", "insulin sensitivity"), ("icho", "carbohydrate ratios"), ("target", "targets")):
            if getattr(scenario.pump, f"{name}_profile") is None:
                yield ("pump", f"{name}_profile"), f"is missing: controller {scenario.controller} needs {what} of a day"
    if scenario.controller_word == _OWN or any(getattr(one, "controller", "") == _OWN for one in scenario.commands):
        for index, fault in enumerate(scenario.faults):
            if fault.kind == "bearer_down":
                yield ("fault", index, "kind"), _UNSEEN
    bounds = pump.guardrails
    rails = replace(bounds, **scenario.guardrails.given())
    refusals = rails.refusals(bounds, pump.pulse_mu, pump.basal_min_mu_per_h)
    for refusal in refusals:
        yield ("guardrails", refusal.split()[0]), f"{refusal} (D-1201)"
    if refusals:
        return
    limits = [("settings", "stale_minutes", rails.stale_minutes, 7)]
    if scenario.controller == "oref":
        limits += [("oref", "max_iob_mu", rails.iob_mu, 3), ("oref", "max_basal_mu_per_h", rails.basal_mu_per_h, 1)]
    for table, name, most, number in limits:
        value = getattr(getattr(scenario, table), name)
        if value > most:
            yield (table, name), f"is {value}, above guardrail {number}, which allows {most}"
