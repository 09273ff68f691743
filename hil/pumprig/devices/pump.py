"""Pumps as data: what each can deliver, in which steps, and how the firmware and the oracle are told."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from pumplink.pump_data import PumpValue
from pumprig.devices.facts import Device, Fact, device_names, read_device
from pumprig.oracle import Guardrails, OracleSettings

__all__ = ["PUMPS", "PumpProfile", "load_pump", "pump_names"]

PUMPS = Path(__file__).with_name("pumps")
MAX_BOLUS_MU = 10_000
"""The maximum bolus that a pump is made with, where it is able to."""

Pair = Annotated[list[Annotated[int, Field(gt=0)]], Field(min_length=2, max_length=2)]
Steps = Annotated[list[Pair], Field(min_length=1)]
TbrKind = Literal["absolute", "relative"]
Amount = Annotated[int, Field(gt=0)]


class PumpProfile(Device):
    """A pump. Rates in mU/h, amounts in mU, factors in thousandths.

    Steps are pairs (below, step), rising: the step of a value is that of the first pair whose `below` exceeds it.

    Attributes:
        pulse_mu: insulin of one motor pulse.
        delivery_speed_mu_per_minute: of a bolus.
        basal_adjustable: false for an injector whose basal is fixed, or which has none.
        basal_fixed_mu_per_h: the rate of such a one.
        basal_least_mu_per_h, basal_most_mu_per_h, basal_steps_mu_per_h: rates beside 0.
        bolus_least_mu, bolus_most_mu, bolus_steps_mu: amounts.
        tbr_kinds: what a TBR may be given as.
        tbr_step_minutes, tbr_most_minutes: its durations.
        tbr_factor_step_thousandths, tbr_factor_most_thousandths: of a relative one.
        reservoir_mu: what it holds.
        reservoir_low_mu: the level at which it says so.
    """

    pulse_mu: Fact[Annotated[int, Field(ge=1, le=10_000)]]
    delivery_speed_mu_per_minute: Fact[Annotated[int, Field(ge=1, le=65_535)]]
    basal_adjustable: Fact[bool]
    basal_fixed_mu_per_h: Fact[Annotated[int, Field(ge=0, le=65_535)]] | None = None
    basal_least_mu_per_h: Fact[Amount] | None = None
    basal_most_mu_per_h: Fact[Annotated[int, Field(gt=0, le=65_535)]] | None = None
    basal_steps_mu_per_h: Fact[Steps] | None = None
    bolus_least_mu: Fact[Amount]
    bolus_most_mu: Fact[Annotated[int, Field(gt=0, le=65_535)]]
    bolus_steps_mu: Fact[Steps]
    tbr_kinds: Fact[list[TbrKind]]
    tbr_step_minutes: Fact[Annotated[int, Field(ge=1, le=120)]] | None = None
    tbr_most_minutes: Fact[Annotated[int, Field(ge=1, le=1440)]] | None = None
    tbr_factor_step_thousandths: Fact[Amount] | None = None
    tbr_factor_most_thousandths: Fact[Amount] | None = None
    reservoir_mu: Fact[Annotated[int, Field(gt=0, le=10_000_000)]]
    reservoir_low_mu: Fact[Amount]

    def misfit(self) -> tuple[str, str] | None:
        """(field, message) of values that do not go together; None when all do."""
        basal = ("basal_least_mu_per_h", "basal_most_mu_per_h", "basal_steps_mu_per_h")
        tbr = ("tbr_step_minutes", "tbr_most_minutes")
        factor = ("tbr_factor_step_thousandths", "tbr_factor_most_thousandths")
        needed = {
            "basal_adjustable": (basal, self.basal_adjustable.value),
            "tbr_kinds": ((*tbr,), bool(self.tbr_kinds.value)),
        }
        needed["relative TBRs"] = (factor, "relative" in self.tbr_kinds.value)
        for why, (names, due) in needed.items():
            for name in names:
                if (getattr(self, name) is not None) != due:
                    return name, f"{'is missing' if due else 'must not be there'}, as {why} has it"
        if (self.basal_fixed_mu_per_h is None) != self.basal_adjustable.value:
            return "basal_adjustable", "a basal is either adjustable or has basal_fixed_mu_per_h"
        if self.tbr_kinds.value and not self.basal_adjustable.value:
            return "tbr_kinds", "must be empty where basal is not adjustable"
        return self._misfit_of_steps()

    def _misfit_of_steps(self) -> tuple[str, str] | None:
        ranges = [("bolus_steps_mu", self.bolus_steps, self.bolus_least_mu.value, self.bolus_most_mu.value)]
        if self.basal_most_mu_per_h is not None and self.basal_least_mu_per_h is not None:
            least, most = self.basal_least_mu_per_h.value, self.basal_most_mu_per_h.value
            ranges.append(("basal_steps_mu_per_h", self.basal_steps, least, most))
        for name, steps, least, most in ranges:
            if [below for below, _ in steps] != sorted({below for below, _ in steps}):
                return name, "the first number of each pair must be above that of the one before"
            if steps[-1][0] <= most:
                return name, f"the last pair must reach beyond {most}"
            if least > most:
                return name, f"the least, {least}, is above the most, {most}"
            for value in (least, most):
                if value % step_of(steps, value):
                    return name, f"{value} is not on a step of {step_of(steps, value)}"
        pulse = self.pulse_mu.value
        if any(step % pulse for _, step in self.bolus_steps) or self.reservoir_mu.value % pulse:
            return "pulse_mu", "steps of a bolus and the reservoir must be whole pulses"
        return None

    @property
    def bolus_steps(self) -> tuple[tuple[int, int], ...]:
        """Pairs (below, step) of amounts in mU."""
        return tuple((below, step) for below, step in self.bolus_steps_mu.value)

    @property
    def basal_steps(self) -> tuple[tuple[int, int], ...]:
        """Pairs (below, step) of rates in mU/h; empty where basal is not adjustable."""
        steps = self.basal_steps_mu_per_h
        return tuple((below, step) for below, step in steps.value) if steps is not None else ()

    @property
    def basal_limit_mu_per_h(self) -> int:
        """The highest rate there can be, at least 1."""
        if self.basal_most_mu_per_h is not None:
            return self.basal_most_mu_per_h.value
        return max(1, self.basal_fixed_mu_per_h.value if self.basal_fixed_mu_per_h is not None else 0)

    @property
    def max_bolus_mu(self) -> int:
        """The maximum bolus that it is made with."""
        most = min(MAX_BOLUS_MU, self.bolus_most_mu.value)
        return most - most % step_of(self.bolus_steps, most)

    def basal_cut(self, rate_mu_per_h: int) -> int:
        """A rate cut down to a step; 0 below the least one."""
        if self.basal_least_mu_per_h is None or rate_mu_per_h < self.basal_least_mu_per_h.value:
            return 0
        rate = min(rate_mu_per_h, self.basal_limit_mu_per_h)
        return rate - rate % step_of(self.basal_steps, rate)

    def basal_problem(self, rate_iu_per_h: Decimal) -> str:
        """Why a rate cannot be given; empty when it can."""
        rate = rate_iu_per_h * 1000
        if self.basal_least_mu_per_h is None:
            return f"{self.title} has no basal that can be adjusted"
        least, most = self.basal_least_mu_per_h.value, self.basal_limit_mu_per_h
        if rate and (not least <= rate <= most or rate % step_of(self.basal_steps, int(rate))):
            allowed = _ladder(least, most, self.basal_steps)
            return f"{rate_iu_per_h} IU/h is no rate of {self.title}; allowed: 0, {allowed} IU/h"
        return ""

    def bolus_problem(self, amount_iu: Decimal) -> str:
        """Why an amount cannot be given; empty when it can."""
        amount, least, most = amount_iu * 1000, self.bolus_least_mu.value, self.bolus_most_mu.value
        if not least <= amount <= most or amount % step_of(self.bolus_steps, int(amount)):
            return f"{amount_iu} IU is no amount of {self.title}; allowed: {_ladder(least, most, self.bolus_steps)} IU"
        return ""

    def pump_data(self) -> dict[str, PumpValue]:
        """The constants of the firmware's module `settings` that make it this pump."""
        kinds = self.tbr_kinds.value
        fixed, least = self.basal_fixed_mu_per_h, self.basal_least_mu_per_h
        values: dict[str, PumpValue] = {
            "PULSE_MU": self.pulse_mu.value,
            "BOLUS_SPEED_MU_PER_MINUTE": self.delivery_speed_mu_per_minute.value,
            "BASAL_LIMIT_MU_PER_H": self.basal_limit_mu_per_h,
            "BASAL_ADJUSTABLE": int(self.basal_adjustable.value),
            "BASAL_FIXED_MU_PER_H": fixed.value if fixed is not None else 0,
            "BASAL_MIN_MU_PER_H": least.value if least is not None else 1,
            "BASAL_STEPS": self.basal_steps or ((self.basal_limit_mu_per_h + 1, 1),),
            "BOLUS_MIN_MU": self.bolus_least_mu.value,
            "BOLUS_STEPS": self.bolus_steps,
            "BOLUS_MAX_MU": self.max_bolus_mu,
            "BOLUS_LIMIT_MU": self.bolus_most_mu.value,
            "TBR_KINDS": sum(bit for kind, bit in (("absolute", 1), ("relative", 2)) if kind in kinds),
            "RESERVOIR_CAPACITY_MU": self.reservoir_mu.value,
            "RESERVOIR_LOW_MU": self.reservoir_low_mu.value,
        }
        if self.tbr_step_minutes is not None and self.tbr_most_minutes is not None:
            values |= {"TBR_MINUTES_STEP": self.tbr_step_minutes.value, "TBR_MINUTES_MAX": self.tbr_most_minutes.value}
        step, most = self.tbr_factor_step_thousandths, self.tbr_factor_most_thousandths
        if step is not None and most is not None:
            values |= {"TBR_FACTOR_STEP": step.value, "TBR_FACTOR_MAX": most.value}
        bounds = self.guardrails
        return values | {"GUARD_BASAL_MU_PER_H": bounds.basal_mu_per_h, "GUARD_BOLUS_MU": bounds.bolus_mu}

    @property
    def guardrails(self) -> Guardrails:
        """Bounds of the guardrails (D-1201): what the pump can deliver at most, and the usual ones."""
        usual = Guardrails()
        basal = self.basal_limit_mu_per_h if self.basal_adjustable.value else usual.basal_mu_per_h
        return replace(usual, basal_mu_per_h=basal, bolus_mu=self.bolus_most_mu.value)

    def oracle_settings(self) -> OracleSettings:
        """The same for the oracle."""
        data = self.pump_data()
        own = {
            name: data[constant]
            for name, constant in (
                ("tbr_minutes_step", "TBR_MINUTES_STEP"), ("tbr_minutes_max", "TBR_MINUTES_MAX"),
                ("tbr_factor_step", "TBR_FACTOR_STEP"), ("tbr_factor_max", "TBR_FACTOR_MAX"),
            )
            if constant in data
        }  # fmt: skip
        return OracleSettings(
            pulse_mu=self.pulse_mu.value,
            bolus_speed_mu_per_minute=self.delivery_speed_mu_per_minute.value,
            basal_limit_mu_per_h=self.basal_limit_mu_per_h,
            max_bolus_mu=self.max_bolus_mu,
            bolus_limit_mu=self.bolus_most_mu.value,
            reservoir_capacity_mu=self.reservoir_mu.value,
            reservoir_low_mu=self.reservoir_low_mu.value,
            basal_min_mu_per_h=self.basal_least_mu_per_h.value if self.basal_least_mu_per_h is not None else 1,
            basal_steps=self.basal_steps or ((self.basal_limit_mu_per_h + 1, 1),),
            bolus_min_mu=self.bolus_least_mu.value,
            bolus_steps=self.bolus_steps,
            tbr_absolute="absolute" in self.tbr_kinds.value,
            tbr_relative="relative" in self.tbr_kinds.value,
            basal_adjustable=self.basal_adjustable.value,
            basal_fixed_mu_per_h=self.basal_fixed_mu_per_h.value if self.basal_fixed_mu_per_h is not None else 0,
            guardrails=self.guardrails,
            **own,  # type: ignore[arg-type]
        )


def step_of(steps: tuple[tuple[int, int], ...], value: int) -> int:
    """The step at a value, by pairs (below, step)."""
    return next((step for below, step in steps if value < below), steps[-1][1])


def _ladder(least: int, most: int, steps: tuple[tuple[int, int], ...]) -> str:
    parts = [f"{least / 1000:g} to {most / 1000:g} in steps of {steps[0][1] / 1000:g}"]
    parts += [f"{step / 1000:g} from {below / 1000:g}" for (below, _), (_, step) in pairwise(steps)]
    return ", ".join(parts)


def pump_names() -> tuple[str, ...]:
    """Names of all pumps, sorted."""
    return device_names(PUMPS)


def load_pump(name: str, option: str = "--pump") -> PumpProfile:
    """A pump by name.

    Args:
        name: case, hyphens and blanks do not matter.
        option: who asks, for the message.

    Raises:
        UsageError: there is none of this name, or its file is wrong.
    """
    return read_device(PumpProfile, PUMPS, name, option)
