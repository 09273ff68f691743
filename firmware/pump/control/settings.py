# The settings of the controllers, as a client may write them (D-616, DOSING.md section 10).
from micropython import const

# Words of pump/events.py.
_MANUAL = const(0x33)

# Flags of plgs.
_RISING_RESUMES = const(1)
_RISING_HOLDS = const(2)


class ControllerSettings:
    def __init__(self, settings):
        # A basal that cannot be adjusted is for no controller (D-205).
        self.adjustable = settings.BASAL_ADJUSTABLE
        self.controller = _MANUAL
        self.suspend_predicted_mg_dl = settings.SUSPEND_PREDICTED_MG_DL
        self.suspend_now_mg_dl = settings.SUSPEND_NOW_MG_DL
        self.horizon_minutes = settings.HORIZON_MINUTES
        self.suspend_limit_minutes = settings.SUSPEND_LIMIT_MINUTES
        self.limit_window_minutes = settings.LIMIT_WINDOW_MINUTES
        self.stale_minutes = settings.STALE_MINUTES
        self.lockout_minutes = settings.LOCKOUT_MINUTES
        self.dia_minutes = settings.DIA_MINUTES
        self.peak_minutes = settings.PEAK_MINUTES
        self.near_mg_dl = settings.NEAR_MG_DL
        self.resume_mg_dl = settings.RESUME_MG_DL
        self.resume_predicted_mg_dl = settings.RESUME_PREDICTED_MG_DL
        self.minimum_minutes = settings.MINIMUM_MINUTES
        self.plgs_flags = settings.PLGS_FLAGS

    @property
    def rising_resumes(self):
        return self.plgs_flags & _RISING_RESUMES != 0

    @property
    def rising_holds(self):
        return self.plgs_flags & _RISING_HOLDS != 0
