"""Scenarios made of chance: legal and refused commands, faults and short traces, all of it decided by a seed.

    PYTHONPATH=tests python -m hil.random_scenarios 0 100     runs the seeds from 0 to 99 and prints what is no PASS

Times cluster on purpose: on whole minutes, where samples fall, on the same second, and a second apart.
"""

from __future__ import annotations

import itertools
import random
import shutil
import sys
import tempfile
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from hil.rig_bench import Bench, Run, command, fault, pump, toml
from pumprig.errors import PumprigError
from pumprig.scenario import POWER_BACK_S
from pumprig.verdict import Verdict

START = datetime(2026, 3, 4)
_RATES_MU_PER_H = (0, 50, 100, 300, 450, 825, 1000, 1700, 2040, 3000, 9000, 15000, 30000, 30100, 40000)
_AMOUNTS_MU = (0, 50, 70, 100, 200, 550, 1000, 1950, 2000, 5000, 10000, 10050, 12000, 25000, 26000)
RATES = tuple(Decimal(rate) / 1000 for rate in _RATES_MU_PER_H)
AMOUNTS = tuple(Decimal(amount) / 1000 for amount in _AMOUNTS_MU)
STATUS = (
    "session_stopped", "device_battery_low", "sensor_type_incorrect", "sensor_malfunction", "device_specific_alert",
    "general_device_fault",
)  # fmt: skip
PERIODS_MINUTES = (1, 1, 2, 4, 5, 10, 15, 29, 30, 45, 60, 90, 119, 1440)
FACTORS = tuple(map(Decimal, ("0", "0.001", "0.333", "0.5", "0.9", "1", "1.1", "1.5", "2", "2.5", "2.51", "9")))
EXTENDED_MINUTES = (0, 1, 1, 2, 3, 4, 5, 7, 10, 20, 30, 59, 60, 90, 240, 720, 721)
DELAYS_MINUTES = (0, 1, 1, 2, 5, 10, 30, 60, 720, 721)
REASONS = ([], [], ["meal"], ["correction"], ["meal", "correction"])
ACTIVATIONS = ("manual", "recommended", "manually_changed_recommended", "commanded", "none")
ANNUNCIATIONS = (
    "system_issue", "occlusion_detected", "reservoir_low", "reservoir_empty", "battery_low", "battery_empty",
    "temperature_out_of_range", "max_delivery", "cgm_stale", "pause_over", "tbr_over", "bolus_canceled",
)  # fmt: skip
LOOPED_FROM = 10_000
"""Seeds from here on have controller oref, carbs and guardrails in them."""
CARBS_AGO_MINUTES = (0, 0, 0, 1, 5, 30, 119, 240, 359, 360)
GUARDRAILS = {
    "basal_mu_per_h": (49, 500, 1000, 2040, 4000, 30000, 30001), "bolus_mu": (50, 200, 550, 2000, 25000, 25001),
    "iob_mu": (50, 500, 1500, 3000, 6000, 50000), "hour_mu": (50, 1000, 3000, 60000),
    "day_mu": (50, 3000, 10000, 300000), "interval_minutes": (0, 1, 3, 10, 11, 15), "stale_minutes": (5, 10, 15, 60),
    "decision_minutes": (5, 12, 30, 60, 240),
}  # fmt: skip
PROFILE_VALUES = {
    "isf": ("0.9", "1", "20.5", "45.1", "50", "120", "1000", "1001"),
    "icho": ("0.9", "1", "7.5", "10", "12.5", "300", "301"),
    "target": ("39.9", "40", "80", "90.5", "100", "110", "400", "401"),
}


UNUSUAL = {Decimal(values[place]) for values in PROFILE_VALUES.values() for place in (0, -1)}


class Maker:
    """Makes the parts of one scenario.

    Args:
        seed: decides everything.
    """

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.seed = seed
        self.hours = self.chance.choice((3, 3, 4, 5, 6))
        self.minutes = 60 * self.hours
        self.start = START + timedelta(minutes=self.chance.choice((0, 360, 719, 1260, 1320, 1380, 1439)))
        self.times: list[int] = []
        # The closed loop's seeds are its own; the others stay as they are.
        self.looped = seed >= LOOPED_FROM
        self.more = ("set_guardrails", "set_oref", "announce_carbs", "announce_carbs") if self.looped else ()

    def pick(self, options: Any) -> Any:
        return self.chance.choice(options)

    def maybe(self, share: float) -> bool:
        return self.chance.random() < share

    def at_s(self) -> int:
        """A second of the run, often near another one."""
        kind = self.chance.random()
        if kind < 0.35 and self.times:
            at_s = self.pick(self.times) + self.pick((0, 0, 1, 1, 2, 5, 59, 60, 61, 120, 299, 300, 301, 900))
        elif kind < 0.7:
            at_s = 60 * self.chance.randrange(self.minutes)
        else:
            at_s = self.chance.randrange(60 * self.minutes)
        at_s = min(at_s, 60 * self.minutes - 1)
        self.times.append(at_s)
        return at_s

    # --- trace ---

    def readings(self) -> list[tuple[int, int]]:
        """A walk of glucose with lows, at one of the usual intervals, with gaps."""
        step = self.pick((1, 5, 5, 5, 15))
        lean = self.chance.choice((-2.0, -0.8, -0.3, 0.0, 0.4))
        found, value, speed, minute = [], self.chance.uniform(60, 140), 0.0, 0
        while minute < self.minutes:
            found.append((minute, max(39, min(401, round(value)))))
            speed = 0.85 * speed + self.chance.gauss(lean * 0.15, 0.5) + (0.3 if value < 55 else 0)
            if self.maybe(0.02):
                speed += self.chance.choice((-4, 6))
            value = max(30.0, min(420.0, value + speed * step))
            jitter = self.pick((-1, 1)) if step > 1 and self.maybe(0.1) else 0
            minute += step + jitter
            if self.maybe(0.02):
                minute += self.pick((9, 10, 11, 15, 16, 17, 18, 25, 45))
        return [*found, (self.minutes, 100)]

    # --- settings ---

    def settings(self, *, strange: bool) -> dict[str, Any]:
        """Controller settings; the defaults, or anything allowed."""
        if not strange:
            return {}
        limit = self.chance.randint(5, 120)
        dia = self.chance.randint(180, 480)
        return {
            "suspend_predicted_mg_dl": self.chance.randint(60, 120),
            "suspend_now_mg_dl": self.chance.randint(50, 100),
            "horizon_minutes": self.chance.randint(10, 60),
            "suspend_limit_minutes": limit,
            "limit_window_minutes": self.chance.randint(limit, 240),
            "stale_minutes": self.chance.randint(5, 60),
            "lockout_minutes": self.pick((0, 1, 5, 30, 60)),
            "dia_minutes": dia,
            "peak_minutes": self.chance.randint(35, min(120, 2 * dia // 5)),
        }

    def oref(self) -> dict[str, Any]:
        """Settings of controller oref, mostly with small boluses."""
        flags = (
            "skip_neutral_temps", "smb_always", "smb_with_cob", "smb_after_carbs", "smb_with_low_target",
            "smb_with_high_target", "uam", "exercise_mode", "high_target_raises_sensitivity",
            "low_target_lowers_sensitivity", "sensitivity_raises_target", "resistance_lowers_target",
            "bilinear_curve", "smb_at_high_bg",
        )  # fmt: skip
        settings: dict[str, Any] = {name: self.maybe(0.5) for name in self.chance.sample(flags, self.pick((0, 2, 6)))}
        settings["smb"] = self.maybe(0.8)
        numbers = {
            "max_iob_mu": (0, 500, 3000, 6000, 12000), "max_basal_mu_per_h": (500, 2000, 4000, 10000),
            "autosens_thousandths": (0, 500, 800, 1200, 2000), "temp_target_mg_dl": (0, 60, 80, 120, 160),
            "smb_basal_minutes": (0, 30, 120), "uam_smb_basal_minutes": (0, 30, 120),
            "smb_interval_minutes": (1, 3, 10), "max_cob_g": (0, 20, 120, 250), "min_carb_impact_tenths": (0, 80, 250),
            "remaining_carbs_cap_g": (0, 45, 90), "remaining_carbs_percent": (0, 50, 100),
            "carbs_required_threshold_g": (1, 20, 250), "delta_share_percent": (1, 20, 30),
            "current_basal_multiplier_tenths": (10, 40, 100), "daily_basal_multiplier_tenths": (10, 30, 100),
            "flat_cgm": ("detected", "ignored"),
        }  # fmt: skip
        for name in self.chance.sample(sorted(numbers), self.pick((0, 1, 3, 8))):
            settings[name] = self.pick(numbers[name])
        return settings

    def guardrails(self) -> dict[str, int]:
        """Guardrails that somebody tightens, loosens, or writes out of their bounds."""
        names = self.chance.sample(sorted(GUARDRAILS), self.pick((1, 1, 2)))
        return {name: self.pick(GUARDRAILS[name]) for name in names}

    def beside(self) -> dict[str, Any]:
        """The profiles that a loop needs."""
        made = {}
        for kind in PROFILE_VALUES:
            while True:
                blocks = self.day_profile(kind)[f"{kind}_profile"]
                in_order = all(block.get("low_mg_dl", 0) <= block.get("high_mg_dl", 0) for block in blocks)
                usual = all(Decimal(str(value)) not in UNUSUAL for block in blocks for value in block.values())
                if in_order and usual and sum(block["duration_minutes"] for block in blocks) == 1440:
                    break
            made[f"{kind}_profile"] = blocks
        return made

    def profile(self, rates: Sequence[Decimal] = RATES[:12]) -> list[tuple[int, Decimal]]:
        """Blocks of whole minutes that fill the day."""
        count = self.pick((1, 1, 2, 3, 5, 24))
        cuts = sorted(self.chance.sample(range(1, 1440), count - 1))
        # Some boundaries within the run.
        if count > 1:
            first = self.start.hour * 60 + self.start.minute
            cuts[0] = (first + self.chance.randint(1, self.minutes)) % 1440 or 1
            cuts = sorted(set(cuts))
        edges = [0, *cuts, 1440]
        return [(end - begin, self.pick(rates)) for begin, end in itertools.pairwise(edges)]

    # --- commands and faults ---

    def command(self) -> str:
        """One command."""
        kind = self.pick((
            "set_tbr", "set_tbr", "set_tbr", "cancel_tbr", "set_bolus", "set_bolus", "set_bolus", "cancel_bolus",
            "set_therapy_state", "set_therapy_state", "set_max_bolus", "set_clock", "confirm_annunciation",
            "snooze_annunciation", "write_basal_profile", "activate_basal_profile", "set_controller", "template",
            "template", "template", "priming", "priming", "records", *self.more,
        ))  # fmt: skip
        fields: dict[str, Any] = {}
        match kind:
            case "set_guardrails":
                fields = {"guardrails": self.guardrails()}
            case "set_oref":
                fields = {"oref": self.oref()}
            case "announce_carbs":
                fields = {"carbs_g": self.pick((1, 5, 20, 40, 75, 250)), "minutes_ago": self.pick(CARBS_AGO_MINUTES)}
            case "template":
                kind, fields = self.template()
            case "priming":
                kind, fields = self.priming()
            case "records":
                kind, fields = self.records()
            case "set_tbr":
                fields = self.tbr()
            case "set_bolus":
                fields = self.bolus()
                if self.maybe(0.2):
                    fields["template_number"] = self.pick((7, 7, 8, 8, 9, 6, 10))
                fields["activation"] = self.pick(ACTIVATIONS)
            case "set_max_bolus":
                fields = {"amount_iu": self.pick(AMOUNTS)}
            case "cancel_bolus":
                fields = {"bolus_id": self.pick((0, 1, 2, 7))} if self.maybe(0.3) else {}
            case "set_therapy_state":
                fields = {"state": self.pick(("run", "run", "run", "pause", "pause", "stop"))}
            case "set_clock":
                shift_s = self.pick((-86400, -7200, -601, -1, 0, 1, 59, 3600, 40000, 86400, 31 * 86400))
                fields = {"to": self.start + timedelta(seconds=shift_s + (self.times[-1] if self.times else 0))}
            case "confirm_annunciation" | "snooze_annunciation":
                fields = {"annunciation_id": self.pick((0, 1, 2, 9))} if self.maybe(0.3) else {}
            case "write_basal_profile":
                blocks = self.profile((*RATES[:13], Decimal("30.1")) if self.maybe(0.2) else RATES[:12])
                fields = {
                    "template_number": self.pick((1, 1, 1, 2, 3, 4)),
                    "basal_profile": [
                        {"duration_minutes": minutes, "rate_iu_per_h": rate} for minutes, rate in blocks
                    ],
                }
            case "activate_basal_profile":
                fields = {"template_number": self.pick((1, 1, 2, 3, 4))}
            case "set_controller":
                fields = {"controller": self.pick(("manual", "plgs", "plgs", *(4 * ["oref"] if self.looped else [])))}
                if self.maybe(0.7):
                    fields["settings"] = self.settings(strange=True)
                    if self.maybe(0.1):
                        fields["settings"] |= {"suspend_limit_minutes": 100, "limit_window_minutes": 99}
        return command(self.at_s(), kind, **fields)

    def tbr(self) -> dict[str, Any]:
        """What a TBR or its template is set to: a rate, a factor, or a template's number."""
        fields: dict[str, Any] = {"change": True} if self.maybe(0.35) else {}
        if self.maybe(0.2):
            return fields | {"template_number": self.pick((4, 4, 5, 6, 6, 3, 7))}
        value = {"factor": self.pick(FACTORS)} if self.maybe(0.45) else {"rate_iu_per_h": self.pick(RATES)}
        return fields | value | {"duration_minutes": self.pick(PERIODS_MINUTES)}

    def bolus(self) -> dict[str, Any]:
        """What a bolus or its template is set to: of any type, mostly one that the pump takes."""
        fields: dict[str, Any] = {}
        kind = self.pick(("fast", "fast", "fast", "extended", "extended", "multiwave", "multiwave"))
        amounts = AMOUNTS if self.maybe(0.3) else AMOUNTS[3:9]
        if kind != "extended":
            fields["amount_iu"] = self.pick(amounts)
        if kind != "fast":
            fields |= {"extended_iu": self.pick(amounts), "duration_minutes": self.pick(EXTENDED_MINUTES)}
        if self.maybe(0.3):
            fields["delay_minutes"] = self.pick(DELAYS_MINUTES)
        if self.maybe(0.06):
            fields["type"] = self.pick(("fast", "extended", "multiwave", "undetermined"))
        return fields | {"reasons": self.pick(REASONS)}

    def template(self) -> tuple[str, dict[str, Any]]:
        """A command about templates."""
        kind = self.pick((
            "set_tbr_template", "set_bolus_template", "set_bolus_template", "write_isf_profile", "write_icho_profile",
            "write_target_profile", "activate_templates", "activate_templates", "reset_templates", "bolus_calculated",
        ))  # fmt: skip
        match kind:
            case "set_tbr_template":
                value = {"factor": self.pick(FACTORS)} if self.maybe(0.5) else {"rate_iu_per_h": self.pick(RATES)}
                fields = value | {"template_number": self.pick((4, 4, 5, 5, 6, 7))}
                return kind, fields | {"duration_minutes": self.pick(PERIODS_MINUTES)}
            case "set_bolus_template":
                return kind, self.bolus() | {"template_number": self.pick((7, 7, 8, 8, 9, 6, 10))}
            case "activate_templates" | "reset_templates":
                # Mostly one of a type; two of one are refused.
                types = ((1, 1, 2, 3), (4, 5, 6), (7, 8), (10, 10, 11), (12, 13), (14, 15), (16,))
                numbers = [self.pick(of_type) for of_type in self.chance.sample(types, self.pick((1, 1, 2, 3)))]
                if kind == "activate_templates" and self.maybe(0.1):
                    numbers.append(numbers[0])
                return kind, {"template_numbers": numbers}
            case "bolus_calculated":
                names = ("fast_meal_iu", "fast_correction_iu", "extended_meal_iu", "extended_correction_iu")
                amounts = AMOUNTS if self.maybe(0.3) else AMOUNTS[3:9]
                return kind, {
                    part: {name: self.pick(amounts) for name in self.chance.sample(names, 2)}
                    for part in ("recommended", "confirmed")
                }
            case _:
                return kind, self.day_profile(kind.split("_")[1])

    def day_profile(self, kind: str) -> dict[str, Any]:
        """A profile beside the basal one: sometimes no day, out of range, or of another type's number."""
        values = PROFILE_VALUES[kind] if self.maybe(0.2) else PROFILE_VALUES[kind][1:-1]
        blocks = []
        for minutes, _ in self.profile():
            picked = [self.pick(values) for _ in range(2)]
            low, high = picked if self.maybe(0.1) else sorted(picked, key=Decimal)
            named = {
                "isf": {"isf_mg_dl_per_iu": low}, "icho": {"icho_ratio_g_per_iu": low},
                "target": {"low_mg_dl": low, "high_mg_dl": high},
            }[kind]  # fmt: skip
            blocks.append({"duration_minutes": minutes} | {name: Decimal(value) for name, value in named.items()})
        if len(blocks) > 1 and self.maybe(0.1):
            blocks.pop()
        number = {"isf": 10, "icho": 12, "target": 14}[kind] + self.pick((0, 0, 1, 1, 2))
        return {"template_number": number, f"{kind}_profile": blocks}

    def priming(self) -> tuple[str, dict[str, Any]]:
        """A command about priming and the reservoir."""
        kind = self.pick(("start_priming", "start_priming", "stop_priming", "set_fill_level", "reset_operation_time"))
        if kind == "start_priming":
            return kind, {"amount_iu": self.pick(AMOUNTS)}
        if kind == "set_fill_level":
            return kind, {"amount_iu": Decimal(self.pick(("0", "0.05", "0.07", "5", "20", "100", "300", "301")))}
        return kind, {}

    def records(self) -> tuple[str, dict[str, Any]]:
        """A deletion of records."""
        operator = self.pick(("all", "at_most", "at_least", "within", "first", "last"))
        fields: dict[str, Any] = {"operator": operator}
        low = self.chance.randrange(80)
        if operator in ("at_least", "within"):
            fields["minimum_sequence"] = low
        if operator in ("at_most", "within"):
            fields["maximum_sequence"] = low + self.pick((0, 1, 2, 5, 40))
        if operator in ("at_most", "at_least", "within"):
            fields["which"] = self.pick(("all", "all", "reference_times", "others"))
        return "delete_records", fields

    def fault(self) -> str:
        """One fault."""
        kind = self.pick((
            "occlusion", "reservoir_level", "reservoir_detached", "cgm_late", "cgm_late", "cgm_drop", "cgm_duplicate",
            "cgm_duplicate", "cgm_sample", "cgm_sample", "battery_level", "battery_level", "annunciation",
        ))  # fmt: skip
        fields: dict[str, Any] = {}
        match kind:
            case "occlusion" | "reservoir_detached":
                fields = {"on": self.maybe(0.5)}
            case "reservoir_level":
                fields = {"amount_iu": Decimal(self.pick(("0", "0.05", "0.1", "0.5", "2", "10.05", "20.1", "300")))}
            case "cgm_late":
                fields = {"by_minutes": self.pick((1, 1, 2, 4, 5, 6, 14, 15, 16, 20))}
            case "cgm_sample":
                at_s = self.at_s()
                return fault(at_s, kind, **self.sample(at_s))
            case "cgm_drop":
                fields = {"for_minutes": self.pick((1, 5, 10, 20, 40))}
            case "battery_level":
                fields = {"percent": self.pick((0, 1, 20, 20, 21, 50, 100, 100))}
            case "annunciation":
                fields = {"type": self.pick(ANNUNCIATIONS)}
        return fault(self.at_s(), kind, **fields)

    def episode(self) -> list[str]:
        """A few entries that belong together, at the edges where one meets the other."""
        at_s, near = self.at_s(), self.pick((-1, 0, 0, 1))
        kind = self.pick((
            "bolus", "bolus", "tbr", "tbr", "pause", "suspension", "occlusion", "repeat", "snooze", "extended",
            "extended", "relative", "delay", "priming", "priming",
        ))  # fmt: skip
        after: list[tuple[int, str, dict[str, Any]]] = []
        match kind:
            case "bolus":
                pulses = self.chance.randint(1, 40)
                amount = {"amount_iu": Decimal(pulses) / 20}
                end_s = 2 * self.chance.randint(0, pulses) + near
                then = self.pick(("cancel_bolus", "cancel_bolus", "set_bolus", "set_therapy_state"))
                rest = {"set_bolus": amount, "set_therapy_state": {"state": self.pick(("pause", "stop"))}}.get(then, {})
                after = [(0, "set_bolus", amount), (end_s, then, rest)]
            case "tbr":
                minutes = self.pick((1, 2, 5, 10))
                fields = {"rate_iu_per_h": self.pick(RATES[:13]), "duration_minutes": minutes}
                change = {"rate_iu_per_h": self.pick(RATES[:13]), "duration_minutes": self.pick((1, 2, 30))}
                then = self.pick(("cancel_tbr", "set_tbr", "set_tbr"))
                if then == "set_tbr":
                    change["change"] = self.maybe(0.6)
                after = [(0, "set_tbr", fields), (60 * minutes + near, then, change if then == "set_tbr" else {})]
            case "pause":
                for_s = self.pick((1, 60, 600, 899, 900, 901))
                after = [(0, "set_therapy_state", {"state": "pause"}), (for_s, "set_therapy_state", {"state": "run"})]
            case "suspension":
                after = [(self.pick((1, 299, 300, 600)), "cancel_tbr", {}), (602, "set_bolus", {"amount_iu": 1})]
            case "occlusion":
                for_s = self.pick((1, 60, 240, 1200))
                after = [(for_s + 1, "set_therapy_state", {"state": "run"})]
                on, off = fault(at_s, "occlusion", on=True), fault(self.later(at_s, for_s), "occlusion", on=False)
                return [on, off, *(command(self.later(at_s, dt), name, **rest) for dt, name, rest in after)]
            case "repeat":
                name, fields = self.pick((("set_bolus", {"amount_iu": 1}), ("cancel_tbr", {}), (
                    "set_tbr", {"rate_iu_per_h": 3, "duration_minutes": 5})))  # fmt: skip
                again_s = self.later(at_s, self.pick((0, 1, 5)))
                return [command(at_s, name, **fields), fault(again_s, "repeat_command")]
            case "extended" | "delay" | "relative" | "priming":
                after = self.spread(kind, at_s, near)
            case "snooze":
                again_s = self.pick((60, 1799, 1800, 1801))
                after = [(0, "snooze_annunciation", {}), (again_s, self.pick(("snooze_annunciation",
                         "confirm_annunciation")), {})]  # fmt: skip
        return [command(self.later(at_s, dt), name, **rest) for dt, name, rest in after]

    def spread(self, kind: str, at_s: int, near: int) -> list[tuple[int, str, dict[str, Any]]]:
        """What belongs to a bolus that takes its time, a relative TBR or a priming: seconds after, command, fields."""
        match kind:
            case "extended":
                minutes, pulses = self.pick((1, 2, 3, 10, 31)), self.chance.randint(1, 20)
                fields = {"extended_iu": Decimal(pulses) / 20, "duration_minutes": minutes}
                if self.maybe(0.5):
                    fields["amount_iu"] = Decimal(self.chance.randint(1, 40)) / 20
                end_s = 60 * minutes * self.chance.randint(0, pulses) // pulses + near
                then = self.pick(("cancel_bolus", "set_bolus", "set_therapy_state", "set_therapy_state"))
                rest = {"set_bolus": fields, "set_therapy_state": {"state": self.pick(("pause", "stop"))}}.get(then, {})
                beside = {"amount_iu": Decimal(self.chance.randint(1, 40)) / 20}
                return [(0, "set_bolus", fields), (self.pick((0, 1, end_s)), "set_bolus", beside),
                         (end_s, then, rest), (end_s + 45, "set_therapy_state", {"state": "run"})]  # fmt: skip
            case "delay":
                minutes = self.pick((0, 1, 5))
                fields = {"amount_iu": Decimal(self.chance.randint(1, 40)) / 20, "delay_minutes": minutes}
                then = self.pick(("cancel_bolus", "set_therapy_state"))
                rest = {"state": self.pick(("pause", "stop"))} if then == "set_therapy_state" else {}
                end_s = 60 * minutes + self.pick((-1, 0, 0, 1, 2, 30))
                return [(0, "set_bolus", fields), (end_s, then, rest)]
            case "relative":
                return [(0, "set_tbr", {"factor": self.pick(FACTORS), "duration_minutes": 30}),
                         (self.pick((1, 60)), "write_basal_profile", {"basal_profile": [
                             {"duration_minutes": minutes, "rate_iu_per_h": rate} for minutes, rate in self.profile()
                         ]}),
                         (self.pick((61, 600)), "set_clock", {"to": self.start + timedelta(seconds=at_s)})]  # fmt: skip
            case "priming":
                pulses = self.chance.randint(1, 40)
                end_s = 2 * self.chance.randint(0, pulses) + near
                then = self.pick(("stop_priming", "start_priming", "set_therapy_state", "set_fill_level"))
                amount = {"amount_iu": Decimal(pulses) / 20}
                rest = {"start_priming": amount, "set_therapy_state": {"state": "run"}, "set_fill_level": {
                    "amount_iu": self.pick((5, 300))}}.get(then, {})  # fmt: skip
                return [(0, "set_therapy_state", {"state": "stop"}), (1, "start_priming", amount),
                         (1 + end_s, then, rest), (200, "set_therapy_state", {"state": "run"})]  # fmt: skip
        return []

    def sample(self, at_s: int) -> dict[str, Any]:
        """A sample beside the trace's: early, old, without glucose, or of a sensor that is not well."""
        fields: dict[str, Any] = {"offset_minutes": max(0, at_s // 60 + self.pick((-18, -17, -16, -5, -1, 0, 0, 1, 2)))}
        if self.maybe(0.9):
            fields["glucose_mg_dl"] = self.pick((0, 1, 39, 54, 69, 70, 71, 79, 80, 120, 401, 1000, Decimal("69.5")))
        if self.maybe(0.3):
            fields["status"] = [self.pick(STATUS)]
        return fields

    def later(self, at_s: int, by_s: int) -> int:
        """A second after another one, within the run."""
        return max(0, min(at_s + by_s, 60 * self.minutes - 1))

    def downs(self) -> list[tuple[int, int, str]]:
        """Times at which the bearer is down or the power away: from, for how long, and which of them."""
        made: list[tuple[int, int, str]] = []
        from_s = 0
        for _ in range(self.pick((0, 0, 1, 2))):
            at_s = from_s + self.chance.randrange(60, 3600)
            for_s = self.pick((1, 2, 30, 60, 61, 300, 1200, 4000))
            kind = self.pick(("bearer_down", "bearer_down", "power_cut"))
            if at_s + for_s + POWER_BACK_S < 60 * self.minutes:
                made.append((at_s, for_s, kind))
                from_s = at_s + for_s + POWER_BACK_S + 1
        return made

    def parts(self) -> list[str]:
        """The text of the scenario without its trace."""
        controllers = ("oref", "oref", "oref", "plgs") if self.looped else ("plgs", "plgs", "plgs", "manual")
        head = [f"seed = {self.seed}", f'controller = "{self.pick(controllers)}"']
        settings = self.settings(strange=self.maybe(0.4))
        if self.looped and self.maybe(0.3):
            settings = {"rule_set": self.pick(("basal_iq", "suspend_before_low"))}
        reservoir = Decimal(self.pick(("300", "300", "300", "200", "25", "20.1", "5", "0.5")))
        tables = [_table("settings", settings)]
        beside = {}
        if self.looped:
            beside = self.beside()
            tables += [_table("oref", self.oref())]
        most = Decimal(self.pick(("10", "2", "25")))
        tables.append(pump(*self.profile(), **beside, max_bolus_iu=most, reservoir_iu=reservoir))
        downs = self.downs()
        tables += [fault(at_s, kind, for_seconds=for_s) for at_s, for_s, kind in downs]
        # Near where the connection goes and comes, and where the rig puts its own questions.
        self.times += [second for at_s, for_s, _ in downs for second in (at_s, at_s + for_s)]
        self.times += [3600 * self.chance.randint(1, self.hours - 1) + self.chance.randint(95, 108)]
        entries = [self.command() for _ in range(self.chance.randrange(0, 45))]
        for _ in range(self.pick((0, 2, 6, 12))):
            entries += self.episode()
        entries += [self.fault() for _ in range(self.pick((0, 1, 2, 4, 8)))]
        # A pump that has stopped shows little: most are sent back to Run now and then.
        entries += [command(self.at_s(), "set_therapy_state", state="run") for _ in range(self.pick((0, 2, 6)))]
        entries = [entry for entry in entries if not _unreachable(entry, downs)]
        return head + tables + _apart(entries)


def _table(name: str, fields: dict[str, Any]) -> str:
    return "\n".join([f"[{name}]", *(f"{field} = {toml(value)}" for field, value in fields.items())])


def _apart(entries: list[str]) -> list[str]:
    """Entries without those that come while a deletion may be under way, which can take longer than its second."""
    busy: set[int] = set()
    kept = []
    for entry in sorted(entries, key=lambda entry: '"delete_records"' not in entry):
        at_s = _at_s(entry)
        if at_s in busy:
            continue
        if '"delete_records"' in entry:
            busy |= set(range(at_s, at_s + 3))
        kept.append(entry)
    return [entry for entry in entries if entry in kept]


def _at_s(entry: str) -> int:
    """The second of an entry."""
    hours, minutes, seconds = entry.split('"')[1].split(":")
    return 3600 * int(hours) + 60 * int(minutes) + int(seconds)


def _unreachable(entry: str, downs: list[tuple[int, int, str]]) -> bool:
    """Whether an entry needs the connection while it is down, or the pump while it has no power."""
    at_s = _at_s(entry)
    cuts = [(cut_s, cut_s + for_s + POWER_BACK_S) for cut_s, for_s, kind in downs if kind == "power_cut"]
    if any(kind in entry for kind in ('"cgm_late"', '"cgm_drop"', '"cgm_duplicate"')):
        return False
    if any(cut_s < at_s < back_s for cut_s, back_s in cuts):
        return True
    if '"occlusion"' in entry:
        return False
    if '"repeat_command"' in entry:
        # A connection that begins has no command yet that could be repeated.
        return any(down_s < at_s for down_s, _, _ in downs)
    return any(down_s < at_s < down_s + for_s for down_s, for_s, _ in downs)


def run_seed(seed: int, folder: Path) -> Run:
    """Run the scenario of a seed in lockstep, its record below `folder`."""
    maker = Maker(seed)
    readings, parts = maker.readings(), maker.parts()
    return Bench(folder).run(*parts, readings=readings, start=maker.start)


def main() -> int:
    """Run a range of seeds; 1 when one is no PASS."""
    first, end = int(sys.argv[1]), int(sys.argv[2])
    failed = 0
    for seed in range(first, end):
        folder = Path(tempfile.mkdtemp(prefix=f"seed-{seed}-"))
        try:
            run = run_seed(seed, folder)
        except PumprigError as error:
            failed += 1
            print(f"seed {seed}: {error}\n{folder}", flush=True)
            continue
        if run.verdict is Verdict.PASS:
            shutil.rmtree(folder)
        else:
            failed += 1
            print(f"seed {seed}: {run.explain()}", flush=True)
    print(f"{end - first} seeds, {failed} no PASS")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
