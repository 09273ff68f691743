# The settings of controller oref, as a client may write them (DOSING.md section 10), in the order of the characteristic
# OrefSettings. They stay small ints here: a board that does not run oref needs no more of them.
from array import array

from micropython import const

# Words of pump/events.py.
_FLAT_CGM_DETECTED = const(0x33)
_FLAT_CGM_IGNORED = const(0x3C)

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
_FLAGS_MAX = const(32767)


class OrefSettings:
    def __init__(self, settings):
        self.values = array("H", settings.OREF_SETTINGS)

    def judge(self, *values):
        (
            flags, flat_cgm, _, _, autosens, autosens_max, temp_target, half_basal_target, smb_high_bg, smb_basal,
            uam_smb_basal, smb_interval, max_cob, min_carb_impact, remaining_cap, remaining_percent, carbs_required,
            delta_share, noisy_target, daily_multiplier, current_multiplier,
        ) = values  # fmt: skip
        return (
            0 <= flags <= _FLAGS_MAX
            and flat_cgm in (_FLAT_CGM_DETECTED, _FLAT_CGM_IGNORED)
            and (not autosens or 500 <= autosens <= 2000)
            and 1000 <= autosens_max <= 2000
            and (not temp_target or 60 <= temp_target <= 250)
            and 101 <= half_basal_target <= 250
            and (not smb_high_bg or 100 <= smb_high_bg <= 400)
            and 0 <= smb_basal <= 120
            and 0 <= uam_smb_basal <= 120
            and 1 <= smb_interval <= 10
            and 0 <= max_cob <= 250
            and 0 <= min_carb_impact <= 250
            and 0 <= remaining_cap <= 90
            and 0 <= remaining_percent <= 100
            and 1 <= carbs_required <= 250
            and 1 <= delta_share <= 30
            and 110 <= noisy_target <= 200
            and 10 <= daily_multiplier <= 100
            and 10 <= current_multiplier <= 100
        )

    def take(self, *values):
        for i in range(COUNT):
            self.values[i] = values[i]

    def has(self, flag):
        return self.values[FLAGS] & flag != 0
