"""The vendor service *controller*: the controllers on the pump, what bounds them, and what they decide."""

from __future__ import annotations

from construct import Struct

from pumpwire import database
from pumpwire.declare import BOTH, TO_CLIENT, TO_PUMP, Example, Message
from pumpwire.enums import Controller, ControllerAction, DecisionReason, FlatCgm, OrefFlags, PlgsFlags
from pumpwire.fields import Bits, InRange, Int8ul, Int16sl, Int16ul, Int32ul, Word

NO_GLUCOSE = 0
NO_PREDICTION = 0x7FFF
# What a number of a controller's detail says when the rule that decided did not reach it.
NONE_S16 = 0x7FFF
NONE_U16 = 0xFFFF

CONTROLLER_SETTINGS = Message(
    "ControllerSettings", on=database.CONTROLLER_SETTINGS, direction=BOTH, clause="vendor service: controller",
    changes_delivery=True,
    body=Struct(
        "controller" / Word(Int8ul, Controller),
        "suspend_predicted_mg_dl" / InRange(Int16ul, 60, 120),
        "suspend_now_mg_dl" / InRange(Int16ul, 50, 100),
        "horizon_minutes" / InRange(Int8ul, 10, 60),
        "suspend_limit_minutes" / InRange(Int16ul, 5, 240),
        "limit_window_minutes" / InRange(Int16ul, 5, 480),
        "stale_minutes" / InRange(Int8ul, 5, 60),
        "lockout_minutes" / InRange(Int8ul, 0, 240),
        "dia_minutes" / InRange(Int16ul, 180, 480) * "duration of insulin action",
        "peak_minutes" / InRange(Int8ul, 35, 120) * "time of the peak of insulin action",
        "near_mg_dl" / InRange(Int16ul, 0, 400) * "suspends only at or below it, 0: at any glucose",
        "resume_mg_dl" / InRange(Int16ul, 0, 400) * "resumes at or above it, 0: at any glucose",
        "resume_predicted_mg_dl" / InRange(Int16ul, 0, 400) * "and predicted at or above it, 0: at any",
        "minimum_minutes" / InRange(Int8ul, 5, 60) * "that a suspension lasts at least",
        "plgs_flags" / Bits(Int8ul, PlgsFlags),
    ),
    examples=[
        Example(
            "3c" + "5000" + "4600" + "1e" + "7800" + "9600" + "0f" + "1e" + "2c01" + "4b" + "0000" * 3 + "05" + "03",
            controller=Controller.PLGS, suspend_predicted_mg_dl=80, suspend_now_mg_dl=70, horizon_minutes=30,
            suspend_limit_minutes=120, limit_window_minutes=150, stale_minutes=15, lockout_minutes=30,
            dia_minutes=300, peak_minutes=75, near_mg_dl=0, resume_mg_dl=0, resume_predicted_mg_dl=0,
            minimum_minutes=5, plgs_flags=PlgsFlags.RISING_RESUMES | PlgsFlags.RISING_HOLDS,
        ),
        Example(
            "3c" + "5b00" + "4700" + "1e" + "7800" + "9600" + "0f" + "1e" + "2c01" + "4b" + "8c00" + "5a00" + "6e00"
            + "1e" + "00",
            controller=Controller.PLGS, suspend_predicted_mg_dl=91, suspend_now_mg_dl=71, horizon_minutes=30,
            suspend_limit_minutes=120, limit_window_minutes=150, stale_minutes=15, lockout_minutes=30,
            dia_minutes=300, peak_minutes=75, near_mg_dl=140, resume_mg_dl=90, resume_predicted_mg_dl=110,
            minimum_minutes=30, plgs_flags=PlgsFlags(0),
        ),
    ],
)  # fmt: skip
CONTROLLER_DECISION = Message(
    "ControllerDecision", on=database.CONTROLLER_DECISION, direction=TO_CLIENT, clause="vendor service: controller",
    body=Struct(
        "decision_sequence" / Int16ul * "one more for each decision",
        "time_offset_minutes" / Int16ul * "of the sample decided on",
        "at_s" / Int32ul * "pump second at which the decision took effect",
        "glucose_mg_dl" / Int16ul * "0 when there is none",
        "predicted_mg_dl" / Int16sl * "32767 when there is no prediction",
        "iob_mu" / Int16sl * "insulin on board, milliunits",
        "action" / Word(Int8ul, ControllerAction),
        "reason" / Word(Int8ul, DecisionReason),
    ),
    examples=[
        Example(
            "0300" + "0f00" + "85030000" + "5f00" + "4e00" + "c504" + "3c" + "3c", decision_sequence=3,
            time_offset_minutes=15, at_s=901, glucose_mg_dl=95, predicted_mg_dl=78, iob_mu=1221,
            action=ControllerAction.SUSPEND, reason=DecisionReason.PREDICTED_LOW,
        )
    ],
    doc="Read: the last decision. Notified once for every decision.",
)  # fmt: skip
OREF_SETTINGS = Message(
    "OrefSettings", on=database.OREF_SETTINGS, direction=BOTH, clause="vendor service: controller",
    changes_delivery=True,
    body=Struct(
        "oref_flags" / Bits(Int16ul, OrefFlags),
        "flat_cgm" / Word(Int8ul, FlatCgm) * "what a glucose that does not change means",
        "max_iob_mu" / Int16ul * "no more insulin above it; oref0's own default is 0, this pump's 3000",
        "max_basal_mu_per_h" / Int16ul * "greatest rate it sets",
        "autosens_thousandths" / InRange(Int16ul, 500, 2000, also=0) * "sensitivity ratio, 0: none",
        "autosens_max_thousandths" / InRange(Int16ul, 1000, 2000) * "greatest ratio that a target can give",
        "temp_target_mg_dl" / InRange(Int16ul, 60, 250, also=0) * "both ends of the target range, 0: none",
        "half_basal_target_mg_dl" / InRange(Int16ul, 101, 250) * "target that halves the basal rate",
        "smb_high_bg_mg_dl" / InRange(Int16ul, 100, 400, also=0) * "small boluses at or above it, 0: not set",
        "smb_basal_minutes" / InRange(Int8ul, 0, 120) * "of basal insulin, greatest small bolus",
        "uam_smb_basal_minutes" / InRange(Int8ul, 0, 120) * "the same with unannounced meals",
        "smb_interval_minutes" / InRange(Int8ul, 1, 10) * "between small boluses",
        "max_cob_g" / InRange(Int8ul, 0, 250) * "greatest carbs on board",
        "min_carb_impact_tenths" / InRange(Int8ul, 0, 250) * "mg/dL in 5 minutes",
        "remaining_carbs_cap_g" / InRange(Int8ul, 0, 90),
        "remaining_carbs_percent" / InRange(Int8ul, 0, 100),
        "carbs_required_threshold_g" / InRange(Int8ul, 1, 250) * "told from it on",
        "delta_share_percent" / InRange(Int8ul, 1, 30) * "of glucose; a greater change allows no small bolus",
        "noisy_target_percent" / InRange(Int8ul, 110, 200) * "of the target, with a noisy sensor",
        "daily_basal_multiplier_tenths" / InRange(Int8ul, 10, 100) * "of the day's greatest rate",
        "current_basal_multiplier_tenths" / InRange(Int8ul, 10, 100) * "of the rate in force",
    ),
    examples=[
        Example(
            "8008" + "33" + "b80b" + "a00f" + "0000" + "b004" + "0000" + "a000" + "6e00" + "1e" + "1e" + "03" + "78"
            + "50" + "5a" + "64" + "01" + "14" + "82" + "1e" + "28",
            oref_flags=OrefFlags.UAM | OrefFlags.SENSITIVITY_RAISES_TARGET,
            flat_cgm=FlatCgm.DETECTED, max_iob_mu=3000, max_basal_mu_per_h=4000, autosens_thousandths=0,
            autosens_max_thousandths=1200, temp_target_mg_dl=0, half_basal_target_mg_dl=160, smb_high_bg_mg_dl=110,
            smb_basal_minutes=30, uam_smb_basal_minutes=30, smb_interval_minutes=3, max_cob_g=120,
            min_carb_impact_tenths=80, remaining_carbs_cap_g=90, remaining_carbs_percent=100,
            carbs_required_threshold_g=1, delta_share_percent=20, noisy_target_percent=130,
            daily_basal_multiplier_tenths=30, current_basal_multiplier_tenths=40,
        )
    ],
    doc="Settings of the controller oref. Needs an ATT_MTU of 35.",
)  # fmt: skip
CARB_ANNOUNCEMENT = Message(
    "CarbAnnouncement", on=database.CARB_ANNOUNCEMENT, direction=TO_PUMP, clause="vendor service: controller",
    changes_delivery=True,
    body=Struct(
        "carbs_g" / InRange(Int16ul, 1, 250),
        "minutes_ago" / InRange(Int16ul, 0, 360) * "eaten so many minutes before it takes effect",
    ),
    examples=[Example("2d00" + "0f00", carbs_g=45, minutes_ago=15)],
    doc="Tells a controller of carbs. No insulin moves by itself.",
)  # fmt: skip
CONTROLLER_GUARDRAILS = Message(
    "ControllerGuardrails", on=database.CONTROLLER_GUARDRAILS, direction=BOTH, clause="vendor service: controller",
    changes_delivery=True,
    body=Struct(
        "guard_basal_mu_per_h" / Int16ul * "1: greatest basal rate",
        "guard_bolus_mu" / Int16ul * "2: greatest bolus",
        "guard_iob_mu" / Int16ul * "3: greatest insulin on board",
        "guard_hour_mu" / Int16ul * "4: most insulin in 60 minutes",
        "guard_day_mu" / Int32ul * "5: most insulin in 24 hours",
        "guard_interval_minutes" / InRange(Int8ul, 0, 240) * "6: least time between automatic boluses",
        "guard_stale_minutes" / InRange(Int8ul, 5, 240) * "7: greatest age of a sample that a controller can allow",
        "guard_decision_minutes" / InRange(Int8ul, 5, 240) * "8: longest that an automatic decision holds",
    ),
    examples=[
        Example(
            "3075" + "a861" + "50c3" + "60ea" + "e0930400" + "01" + "3c" + "f0", guard_basal_mu_per_h=30000,
            guard_bolus_mu=25000, guard_iob_mu=50000, guard_hour_mu=60000, guard_day_mu=300000,
            guard_interval_minutes=1, guard_stale_minutes=60, guard_decision_minutes=240,
        )
    ],
    doc="What neither a controller nor a client exceeds; writing can only make it tighter than the pump's own bounds.",
)  # fmt: skip
CONTROLLER_DETAIL = Message(
    "ControllerDetail", on=database.CONTROLLER_DETAIL, direction=TO_CLIENT, clause="vendor service: controller",
    body=Struct(
        "decision_sequence" / Int16ul * "of the decision that this is about",
        "rule" / Int16ul * "number of the rule of DOSING.md that decided, without its D; 0 for none",
        "target_mg_dl" / Int16ul * "65535 for none",
        "threshold_mg_dl" / Int16sl * "32767 for none, as all that are s16",
        "eventual_mg_dl" / Int16sl,
        "guard_mg_dl" / Int16sl * "least predicted glucose that guards",
        "pred_mg_dl" / Int16sl * "least predicted glucose",
        "bgi_hundredths" / Int16sl * "effect of insulin on glucose, mg/dL in 5 minutes",
        "deviation_mg_dl" / Int16sl,
        "insulin_required_mu" / Int16sl,
        "net_iob_mu" / Int16sl,
        "cob_tenths" / Int16ul * "carbs on board, g; 65535 for none",
        "carbs_required_g" / Int16sl,
        "decided_mu_per_h" / Int16ul * "before steps and guardrails, 65535 for none",
        "decided_minutes" / Int16ul * "before guardrails, 65535 for none",
        "small_bolus_mu" / Int16ul * "before steps and guardrails, 0 for none",
        "guardrail" / InRange(Int8ul, 0, 8) * "that limited it, 0 for none",
    ),
    examples=[
        Example(
            "0300" + "1904" + "6e00" + "4e00" + "a200" + "7d00" + "8200" + "a2ff" + "1600" + "7803" + "ecff" + "ffff"
            + "ff7f" + "a406" + "1e00" + "0000" + "01", decision_sequence=3, rule=1049, target_mg_dl=110,
            threshold_mg_dl=78, eventual_mg_dl=162, guard_mg_dl=125, pred_mg_dl=130, bgi_hundredths=-94,
            deviation_mg_dl=22, insulin_required_mu=888, net_iob_mu=-20, cob_tenths=NONE_U16, carbs_required_g=NONE_S16,
            decided_mu_per_h=1700, decided_minutes=30, small_bolus_mu=0, guardrail=1,
        )
    ],
    doc="Numbers behind the last decision. What the deciding rule did not reach is none. Needs an ATT_MTU of 39.",
)  # fmt: skip
