# What kind of pump this is: plain data. DOSING.md section 10 has the meaning and the bounds.
from micropython import const

PULSE_MU = const(50)
BOLUS_SPEED_MU_PER_MINUTE = const(1500)
BASAL_LIMIT_MU_PER_H = const(30000)
TBR_MINUTES_MAX = const(1440)
BOLUS_MAX_MU = const(10000)
BOLUS_LIMIT_MU = const(25000)
RESERVOIR_CAPACITY_MU = const(300000)
RESERVOIR_LOW_MU = const(20000)
RESERVOIR_RECORD_STEP_MU = const(10000)
# Each of the two sums of Get Delivered Insulin starts again above this.
DELIVERED_ROLLOVER_MU = const(80000000)
CONCENTRATION_IU_PER_ML = const(100)

BASAL_TEMPLATES = const(3)
BLOCKS_MAX = const(24)

PAUSE_LIMIT_S = const(900)
SNOOZE_S = const(1800)
REFERENCE_TIME_S = const(3600)

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
