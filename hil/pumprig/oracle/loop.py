"""The closed loop on the pump: what it keeps for section 14, and what a decision is made on (D-1102, D-1103, D-1108).

A `Loop` belongs to a machine, which tells it of pulses, blocks and samples. It never changes the pump: that is
`pumprig.oracle.carrying_out`.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from pumprig.oracle.oref import GlucoseStatus, Inputs, InsulinPoint, Meal, RunningTbr, Settings
from pumprig.oracle.oref.glucose import Reading, status_of
from pumprig.oracle.oref.inputs import FlatCgm
from pumprig.oracle.oref.insulin import Curve, Doses, activity_of, bilinear, exponential, points_of
from pumprig.oracle.oref.meal import Buckets, Carbs, MealSettings, meal_of
from pumprig.oracle.oref.numbers import NOTHING
from pumprig.oracle.oref_settings import OrefSettings
from pumprig.oracle.terms import TemplateKind

if TYPE_CHECKING:
    from pumprig.oracle.machine import Machine

__all__ = ["CARBS_MOST", "Loop"]

CARBS_MOST = 24
"""Announcements of carbs that are kept (D-1108)."""

_KEPT_S = 45 * 60
_CARBS_KEPT_S = 6 * 3600
_ZERO_TEMP_S = 240 * 60
_HOUR_S = 3600


class Schedule:
    """The pulses that the basal profile schedules, whatever is delivered (D-1103).

    Args:
        pulse_mu: pulse size P in mU.
    """

    def __init__(self, pulse_mu: int) -> None:
        self._price = _HOUR_S * pulse_mu
        self.now_s = 0
        self.rate_mu_per_h = 0
        self._earned = 0

    def due(self, to_s: int) -> list[int]:
        """The seconds with a scheduled pulse up to one, at the rate in force."""
        rate, seconds = self.rate_mu_per_h, []
        while rate:
            due_s = self.now_s + max(1, -((self._earned - self._price) // rate))
            if due_s > to_s:
                break
            self._earned += rate * (due_s - self.now_s) - self._price
            self.now_s = due_s
            seconds.append(due_s)
        self._earned += rate * (to_s - self.now_s)
        self.now_s = to_s
        return seconds

    def copy(self) -> Schedule:
        """Another one that goes on from here."""
        other = Schedule(0)
        other.__dict__.update(self.__dict__)
        return other


class Loop:
    """What the closed loop keeps.

    Args:
        pulse_mu: pulse size P in mU.
        settings: the settings of controller oref at the start.
    """

    def __init__(self, pulse_mu: int, settings: OrefSettings) -> None:
        self.settings = settings
        self.restarted = False
        self.last_bolus_s: int | None = None
        self._pulse_mu = pulse_mu
        self._schedule = Schedule(pulse_mu)
        self._doses = Doses(0)
        # Pulses and scheduled ones since the last look, (second, mU); they become doses in the order of time.
        self._new: list[tuple[int, int]] = []
        self._readings: list[tuple[int, int]] = []
        self._buckets: Buckets | None = None
        self._carbs: list[Carbs] = []

    # --- what the machine tells ---

    def delivered(self, at_s: int) -> None:
        """Count a pulse of basal or bolus (D-1013)."""
        self._new.append((at_s, self._pulse_mu))

    def scheduled_from(self, at_s: int, rate_mu_per_h: int) -> None:
        """Take another rate of the activated profile from a second on (D-1103)."""
        self._schedule_to(at_s)
        self._schedule.rate_mu_per_h = rate_mu_per_h

    def _schedule_to(self, at_s: int) -> None:
        self._new.extend((due_s, -self._pulse_mu) for due_s in self._schedule.due(at_s))

    def begin_session(self) -> None:
        """Another CGM session: no readings yet."""
        self._readings.clear()
        if self._buckets is not None:
            self._buckets.clear()

    def choose(self, pump: Machine, at_s: int) -> None:
        """From now on samples count for meals, and those that are kept (D-1102)."""
        if self._buckets is None:
            self._buckets = Buckets()
            for measured_s, mg_dl in self._readings:
                self._bucket(pump, at_s, measured_s, mg_dl)

    def keep(self, pump: Machine, at_s: int, measured_s: int, mg_dl: int) -> None:
        """Take in a usable sample (D-1102)."""
        self._readings = [one for one in self._readings if measured_s - one[0] <= _KEPT_S]
        self._readings.append((measured_s, mg_dl))
        self._bucket(pump, at_s, measured_s, mg_dl)

    def _bucket(self, pump: Machine, at_s: int, measured_s: int, mg_dl: int) -> None:
        if self._buckets is not None:
            curve = self._take_in(pump, at_s)
            self._buckets.add(measured_s, mg_dl, lambda second: activity_of(self._doses.entries, second, curve))
            self._buckets.forget(at_s - _CARBS_KEPT_S)

    def announce(self, pump: Machine, at_s: int, grams: int, minutes_ago: int) -> bool:
        """Keep announced carbs; False when there is no room (D-1108)."""
        self.choose(pump, at_s)
        self._carbs = [one for one in self._carbs if at_s - one.eaten_s < _CARBS_KEPT_S]
        if len(self._carbs) == CARBS_MOST:
            return False
        self._carbs.append(Carbs(at_s - 60 * minutes_ago, grams))
        return True

    # --- what a decision is made on ---

    def curve(self, pump: Machine) -> Curve:
        """How a dose works, with the settings of now (D-1012)."""
        settings = pump.controller
        if self.settings.bilinear_curve:
            return bilinear(settings.dia_minutes)
        return exponential(settings.dia_minutes, settings.peak_minutes)

    def iob_known(self, pump: Machine, at_s: int) -> bool:
        """Whether nothing of before the last restart works any more (D-1109)."""
        return not self.restarted or at_s >= 60 * self.curve(pump).minutes

    def configured(self, pump: Machine) -> bool:
        """Whether all four profiles are activated (D-1101)."""
        kinds = (TemplateKind.BASAL, TemplateKind.ISF, TemplateKind.ICHO, TemplateKind.TARGET)
        return all(pump.templates.activated_profile(kind) is not None for kind in kinds)

    def _take_in(self, pump: Machine, at_s: int) -> Curve:
        """Make doses of the pulses up to a second that the machine has reached (D-1103)."""
        curve = self.curve(pump)
        self._schedule_to(at_s)
        self._doses.dia_minutes = curve.minutes
        for dose_s, mu in sorted(self._new, key=lambda one: one[0]):
            self._doses.forget(dose_s)
            self._doses.add(dose_s, mu)
        self._new.clear()
        self._doses.forget(at_s)
        return curve

    def _points(self, pump: Machine, at_s: int) -> tuple[InsulinPoint, ...]:
        """D-1013 at a second that the machine has reached."""
        curve = self._take_in(pump, at_s)
        return points_of(self._doses.entries, self._to_come(pump, at_s), at_s, curve)

    def _to_come(self, pump: Machine, at_s: int) -> list[tuple[int, int]]:
        """What the profile schedules in the next 240 min (D-1103)."""
        profile = pump.templates.activated_profile(TemplateKind.BASAL)
        assert profile is not None
        schedule, end_s, seconds = self._schedule.copy(), at_s + _ZERO_TEMP_S, []
        while schedule.now_s < end_s:
            rate, left_s = profile.at(pump.clock.second_of_day(schedule.now_s))
            schedule.rate_mu_per_h = rate
            seconds += schedule.due(min(end_s, schedule.now_s + left_s))
        return [(due_s, -self._pulse_mu) for due_s in seconds]

    def _glucose(self, at_s: int) -> tuple[GlucoseStatus, float]:
        """D-1011, and the age of what is now in minutes."""
        newest, *older = (Reading(1000.0 * measured_s, mg_dl) for measured_s, mg_dl in reversed(self._readings))
        status = status_of(newest, older)
        return status.glucose, (1000.0 * at_s - status.at_ms) / 60_000

    def _meal(self, pump: Machine, at_s: int) -> Meal:
        """D-1061 to D-1066."""
        assert self._buckets is not None
        judged_by = MealSettings(
            carb_ratio=_block(pump, TemplateKind.ICHO, at_s)[0] / 10,
            isf_at=lambda second: _block(pump, TemplateKind.ISF, second)[0] / 10,
            least_impact=self.settings.min_carb_impact_tenths / 10,
            cob_max=float(self.settings.max_cob_g),
        )
        return meal_of(self._buckets, self._carbs, at_s, judged_by)

    def inputs(self, pump: Machine, at_s: int) -> Inputs:
        """All that a decision of section 14 is made on (D-1102).

        Args:
            pump: the machine, in Run and configured, advanced to `at_s`.
            at_s: the second at which the sample, which is kept already, takes effect.
        """
        points = self._points(pump, at_s)
        glucose, age_minutes = self._glucose(at_s)
        tbr = pump.tbr
        running = RunningTbr()
        if tbr is not None:
            rate = pump.tbr_rate_mu_per_h(tbr.tbr_type, tbr.value)
            running = RunningTbr(rate / 1000, tbr.remaining_minutes(at_s))
        return Inputs(
            settings=_settings(pump, self.settings, at_s),
            glucose=glucose,
            now=points[0],
            points=points,
            tbr=running,
            meal=self._meal(pump, at_s),
            autosens=self.settings.autosens_thousandths / 1000 if self.settings.autosens_thousandths else NOTHING,
            small_boluses=self.settings.smb,
            minute=pump.clock.second_of_day(at_s) % _HOUR_S // 60,
            age_minutes=age_minutes,
            bolus_age_minutes=inf if self.last_bolus_s is None else (at_s - self.last_bolus_s) / 60,
        )

    def restart(self, durable: Loop) -> None:
        """Begin after a power cut: the settings stay, what works from before is not known (D-1109)."""
        self.settings, self.restarted = durable.settings, True


def _block(pump: Machine, kind: TemplateKind, at_s: int) -> tuple[int, ...]:
    """The values of the block in force of the activated template of a kind (D-202)."""
    profile = pump.templates.activated_profile(kind)
    assert profile is not None
    return profile.values_at(pump.clock.second_of_day(at_s))


def _settings(pump: Machine, oref: OrefSettings, at_s: int) -> Settings:
    """The settings of section 14 at a second (D-1102)."""
    rails = pump.guardrails
    basal = pump.templates.activated_profile(TemplateKind.BASAL)
    assert basal is not None
    low, high = (value / 10 for value in _block(pump, TemplateKind.TARGET, at_s))
    target = oref.temp_target_mg_dl
    return Settings(
        basal=_block(pump, TemplateKind.BASAL, at_s)[0] / 1000,
        basal_max=min(oref.max_basal_mu_per_h, rails.basal_mu_per_h) / 1000,
        basal_day_max=max(block[1] for block in basal.blocks) / 1000,
        iob_max=min(oref.max_iob_mu, rails.iob_mu) / 1000,
        isf=_block(pump, TemplateKind.ISF, at_s)[0] / 10,
        carb_ratio=_block(pump, TemplateKind.ICHO, at_s)[0] / 10,
        low=float(target) if target else low,
        high=float(target) if target else high,
        temp_target=bool(target),
        exercise_mode=oref.exercise_mode,
        high_target_raises_sensitivity=oref.high_target_raises_sensitivity,
        low_target_lowers_sensitivity=oref.low_target_lowers_sensitivity,
        sensitivity_raises_target=oref.sensitivity_raises_target,
        resistance_lowers_target=oref.resistance_lowers_target,
        half_basal_target=float(oref.half_basal_target_mg_dl),
        autosens_max=oref.autosens_max_thousandths / 1000,
        noisy_target_multiplier=oref.noisy_target_percent / 100,
        daily_basal_multiplier=oref.daily_basal_multiplier_tenths / 10,
        current_basal_multiplier=oref.current_basal_multiplier_tenths / 10,
        skip_neutral_temps=oref.skip_neutral_temps,
        remaining_carbs_cap=oref.remaining_carbs_cap_g or 90.0,
        remaining_carbs_fraction=(oref.remaining_carbs_percent or 100) / 100,
        carbs_required_threshold=float(oref.carbs_required_threshold_g),
        uam=oref.uam,
        smb_always=oref.smb_always,
        smb_with_cob=oref.smb_with_cob,
        smb_after_carbs=oref.smb_after_carbs,
        smb_with_low_target=oref.smb_with_low_target,
        smb_with_high_target=oref.smb_with_high_target,
        smb_at_high_bg=oref.smb_at_high_bg,
        smb_high_bg=float(oref.smb_high_bg_mg_dl) if oref.smb_high_bg_mg_dl else NOTHING,
        smb_basal_minutes=float(oref.smb_basal_minutes),
        uam_smb_basal_minutes=oref.uam_smb_basal_minutes or 30.0,
        smb_interval_minutes=float(oref.smb_interval_minutes),
        bolus_increment=max(pump.settings.pulse_mu, min(step for _, step in pump.settings.bolus_amounts)) / 1000,
        delta_share=oref.delta_share_percent / 100,
        flat_cgm=FlatCgm(oref.flat_cgm),
    )
