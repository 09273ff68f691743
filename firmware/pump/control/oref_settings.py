# The settings of controller oref, as a client may write them (DOSING.md section 10), in the order of the characteristic
# OrefSettings. They stay small ints here: a board that does not run oref needs no more of them.
from array import array

from micropython import const

# Words of pump/events.py.

# Places of the values.
FLAGS = const(0)
FLAT_CGM = const(1)
MAX_IOB_MU = const(2)
MAX_BASAL_MU_PER_H = const(3)
AUTOSENS_THOUSANDTHS = const(4)
AUTOSENS_MAX_THOUSANDTHS = const(5)
TEMP_TARGET_MG_DL = const(6)
HALF_BASAL_TARGET_MG_DL = const(7)
SMB_HIGH_BG_MG_DL = const(8)
SMB_BASAL_MINUTES = const(9)
UAM_SMB_BASAL_MINUTES = const(10)
SMB_INTERVAL_MINUTES = const(11)
MAX_COB_G = const(12)
MIN_CARB_IMPACT_TENTHS = const(13)
REMAINING_CARBS_CAP_G = const(14)
REMAINING_CARBS_PERCENT = const(15)
CARBS_REQUIRED_THRESHOLD_G = const(16)
DELTA_SHARE_PERCENT = const(17)
NOISY_TARGET_PERCENT = const(18)
DAILY_BASAL_MULTIPLIER_TENTHS = const(19)
CURRENT_BASAL_MULTIPLIER_TENTHS = const(20)
COUNT = const(21)

FLAG_SKIP_NEUTRAL_TEMPS = const(1)
FLAG_SMB = const(2)
FLAG_SMB_ALWAYS = const(4)
FLAG_SMB_WITH_COB = const(8)
FLAG_SMB_AFTER_CARBS = const(16)
FLAG_SMB_WITH_LOW_TARGET = const(32)
FLAG_SMB_WITH_HIGH_TARGET = const(64)
FLAG_UAM = const(128)
FLAG_EXERCISE_MODE = const(256)
FLAG_HIGH_TARGET_RAISES_SENSITIVITY = const(512)
FLAG_LOW_TARGET_LOWERS_SENSITIVITY = const(1024)
FLAG_SENSITIVITY_RAISES_TARGET = const(2048)
FLAG_RESISTANCE_LOWERS_TARGET = const(4096)
FLAG_BILINEAR_CURVE = const(8192)
FLAG_SMB_AT_HIGH_BG = const(16384)


class OrefSettings:
    def __init__(self, settings):
        self.values = array("H", settings.OREF_SETTINGS)

    def has(self, flag):
        return self.values[FLAGS] & flag != 0
