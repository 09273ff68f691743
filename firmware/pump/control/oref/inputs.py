# What controller oref decides on (D-1001): insulin in U, rates in U/h, glucose in mg/dL, a delta in mg/dL in 5 min.
from array import array

from pump.control.inputs import Inputs as Common
from pump.control.oref.numbers import NOTHING, nearest

POINTS = 48
# As wide as the port's own floats.
FLOAT = "d" if 1.0 + 1e-9 != 1.0 else "f"

# Who says that the CGM is flat.
FLAT_DETECTED = 0
FLAT_TOLD = 1
FLAT_IGNORED = 2


# The newest reading and how it moves. age_ms may be NaN: then nothing is too old.
class Glucose:
    def __init__(self):
        self.mg_dl = NOTHING
        self.delta = NOTHING
        self.short_delta = NOTHING
        self.long_delta = NOTHING
        self.noise = NOTHING
        self.age_ms = NOTHING
        self.flat = False
        self.simulated = False


# The TBR in force; of 0 min when there is none.
class RunningTemp:
    def __init__(self):
        self.rate = 0.0
        self.minutes = 0


# Insulin on board now, and its activity (U/min) now and at each 5 min on: as delivery goes on, and after a zero temp
# from now on. count says how many points there are.
class Iob:
    def __init__(self):
        self.iob = NOTHING
        self.activity = NOTHING
        self.count = 0
        self.activities = array(FLOAT, (0 for _ in range(POINTS)))
        self.zero_temp_activities = array(FLOAT, (0 for _ in range(POINTS)))
        self.last_bolus_age_ms = NOTHING
        self.last_temp = False
        self.last_temp_rate = NOTHING
        self.last_temp_minutes = NOTHING
        self.last_temp_age_ms = NOTHING


# Carbs of the last hours and what is left of them (g), and how the deviations of the last hour run.
class Meal:
    def __init__(self):
        self.carbs = NOTHING
        self.cob = NOTHING
        self.last_carb_age_ms = NOTHING
        self.slope_from_max = NOTHING
        self.slope_from_min = NOTHING
        self.bolus_wizard = False


class Inputs(Common):
    def __init__(self):
        super().__init__()
        self.glucose = Glucose()
        self.temp = RunningTemp()
        self.iob = Iob()
        self.meal = Meal()
        self.autosens_ratio = NOTHING
        self.micro_bolus_allowed = False
        self.minute_of_hour = 0


# The wearer's settings. What is NaN here is not set, and the rules say what holds then.
class Settings:
    def __init__(self):
        self.current_basal = NOTHING
        self.max_basal = NOTHING
        self.max_daily_basal = NOTHING
        self.max_iob = NOTHING
        self.isf = NOTHING
        self.carb_ratio = NOTHING
        self.min_bg = NOTHING
        self.max_bg = NOTHING
        self.temp_target = False
        self.exercise_mode = False
        self.high_target_raises_sensitivity = False
        self.low_target_lowers_sensitivity = False
        self.sensitivity_raises_target = False
        self.resistance_lowers_target = False
        self.half_basal_target = NOTHING
        self.autosens_ratio_max = NOTHING
        self.noisy_target_multiplier = NOTHING
        self.daily_basal_multiplier = NOTHING
        self.current_basal_multiplier = NOTHING
        self.skip_neutral_temps = False
        self.remaining_carbs_cap = NOTHING
        self.remaining_carbs_fraction = NOTHING
        self.carbs_required_threshold = NOTHING
        self.min_carb_impact = NOTHING
        self.max_cob = NOTHING
        self.uam = False
        self.smb_always = False
        self.smb_with_cob = False
        self.smb_after_carbs = False
        self.smb_with_low_target = False
        self.smb_with_high_target = False
        self.smb_at_high_bg = False
        self.smb_high_bg = NOTHING
        self.smb_after_bolus_wizard = True
        self.smb_basal_minutes = NOTHING
        self.uam_smb_basal_minutes = NOTHING
        self.smb_interval_minutes = NOTHING
        self.bolus_increment = NOTHING
        self.delta_share_max = NOTHING
        self.fine_steps = False
        self.exact = False
        self.flat_cgm = FLAT_DETECTED

    # A rate on the pump's steps (D-1003).
    def stepped(self, rate):
        if self.exact:
            return rate
        if rate < 1 and self.fine_steps:
            return nearest(rate * 40) / 40
        if rate < 10:
            return nearest(rate * 20) / 20
        return nearest(rate * 10) / 10
