# What kind of pump this is: plain data. DOSING.md section 10 has the meaning and the bounds.
from micropython import const

PULSE_MU = const(50)
BOLUS_SPEED_MU_PER_MINUTE = const(1500)
BASAL_LIMIT_MU_PER_H = const(30000)
# Steps of rates and of amounts: the least, and pairs of (below, step) as pump/steps.py has them.
BASAL_MIN_MU_PER_H = const(1)
BASAL_STEPS = ((35001, 1),)
BOLUS_MIN_MU = const(50)
BOLUS_STEPS = ((25001, 50),)
# A pump whose basal cannot be adjusted has this rate for ever, 0 for none.
BASAL_ADJUSTABLE = const(1)
BASAL_FIXED_MU_PER_H = const(0)
# Types of TBR that a client can set: bit 0 absolute, bit 1 relative. A factor is in thousandths.
TBR_KINDS = const(3)
TBR_MINUTES_STEP = const(1)
TBR_MINUTES_MAX = const(1440)
TBR_FACTOR_STEP = const(1)
TBR_FACTOR_MAX = const(2500)
BOLUS_MAX_MU = const(10000)
BOLUS_LIMIT_MU = const(25000)
RESERVOIR_CAPACITY_MU = const(300000)
RESERVOIR_LOW_MU = const(20000)
RESERVOIR_RECORD_STEP_MU = const(10000)
# Each of the two sums of Get Delivered Insulin starts again above this.
DELIVERED_ROLLOVER_MU = const(80000000)
CONCENTRATION_IU_PER_ML = const(100)

# The type of each template number, from 0, which is none: basal, TBR, bolus, ISF, I:CHO ratio, target range.
TEMPLATE_TYPES = b"\x00\x33\x33\x33\x3c\x3c\x3c\x55\x55\x55\x5a\x5a\x66\x66\x96\x96"
BLOCKS_MAX = const(24)

PAUSE_LIMIT_S = const(900)
SNOOZE_S = const(1800)
REFERENCE_TIME_S = const(3600)

# Guardrails of a new pump, and their bounds: a client may only write tighter ones (DOSING.md section 16).
GUARD_BASAL_MU_PER_H = const(30000)
GUARD_BOLUS_MU = const(25000)
GUARD_IOB_MU = const(50000)
GUARD_HOUR_MU = const(60000)
GUARD_DAY_MU = const(300000)
GUARD_INTERVAL_MINUTES = const(1)
GUARD_STALE_MINUTES = const(60)
GUARD_DECISION_MINUTES = const(240)

# Controller settings after a reset.
SUSPEND_PREDICTED_MG_DL = const(80)
SUSPEND_NOW_MG_DL = const(70)
HORIZON_MINUTES = const(30)
SUSPEND_LIMIT_MINUTES = const(120)
LIMIT_WINDOW_MINUTES = const(150)
STALE_MINUTES = const(15)
LOCKOUT_MINUTES = const(30)
DIA_MINUTES = const(300)
PEAK_MINUTES = const(75)
NEAR_MG_DL = const(0)
RESUME_MG_DL = const(0)
RESUME_PREDICTED_MG_DL = const(0)
MINIMUM_MINUTES = const(5)
# Bit 0: rising resumes; bit 1: rising holds.
PLGS_FLAGS = const(3)

# Of controller oref, in the order of the characteristic OrefSettings: oref0's own, but that the greatest IOB, which is
# 0 there, lets it dose.
OREF_SETTINGS = (
    0x0880, 0x33, 3000, 4000, 0, 1200, 0, 160, 110, 30, 30, 3, 120, 80, 90, 100, 1, 20, 130, 30, 40
)  # fmt: skip

# What Device Information says beside the board's own name and number. PnP ID: a vendor without a number of the
# Bluetooth SIG, product 1, version 0.1.0.
MANUFACTURER_NAME = b"pumprig"
HARDWARE_REVISION = b"1"
FIRMWARE_REVISION = b"0.1.0"
PNP_ID = b"\x01\xff\xff\x01\x00\x10\x00"
