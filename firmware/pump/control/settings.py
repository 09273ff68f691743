# The settings of the controllers, as a client may write them (D-616, DOSING.md section 10).
from micropython import const

# Words of pump/events.py.
_MANUAL = const(0x33)
_OREF = const(0x55)
_OWN = const(0x5A)
_PLGS = const(0x3C)

_GLUCOSE_MG_DL_MAX = const(400)
# Flags of plgs.
_RISING_RESUMES = const(1)
_RISING_HOLDS = const(2)
# The place of the stale limit among the values of the characteristic.
_STALE_AT = const(6)


class ControllerSettings:
    def __init__(self, settings):
        # A basal that cannot be adjusted is for no controller (D-205).
        self._adjustable = settings.BASAL_ADJUSTABLE
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

    # Whether all values are within their bounds, in the order of the characteristic ControllerSettings.
    def judge(self, controller, suspend_predicted_mg_dl, suspend_now_mg_dl, horizon_minutes, suspend_limit_minutes,
              limit_window_minutes, stale_minutes, lockout_minutes, dia_minutes, peak_minutes, near_mg_dl=0,
              resume_mg_dl=0, resume_predicted_mg_dl=0, minimum_minutes=5, plgs_flags=3):  # fmt: skip
        return (
            (controller == _MANUAL or controller in (_PLGS, _OREF, _OWN) and self._adjustable)
            and 60 <= suspend_predicted_mg_dl <= 120
            and 50 <= suspend_now_mg_dl <= 100
            and 10 <= horizon_minutes <= 60
            and 5 <= suspend_limit_minutes <= 240
            and suspend_limit_minutes <= limit_window_minutes <= 480
            and 5 <= stale_minutes <= 60
            and 0 <= lockout_minutes <= 240
            and 180 <= dia_minutes <= 480
            and 35 <= peak_minutes <= 120
            and 5 * peak_minutes <= 2 * dia_minutes
            and 0 <= near_mg_dl <= _GLUCOSE_MG_DL_MAX
            and 0 <= resume_mg_dl <= _GLUCOSE_MG_DL_MAX
            and 0 <= resume_predicted_mg_dl <= _GLUCOSE_MG_DL_MAX
            and 5 <= minimum_minutes <= 60
            and 0 <= plgs_flags <= _RISING_RESUMES | _RISING_HOLDS
        )

    # The stale limit among such values.
    def stale_of(self, *values):
        return values[_STALE_AT]

    # Takes over what was judged.
    def take(self, controller, suspend_predicted_mg_dl, suspend_now_mg_dl, horizon_minutes, suspend_limit_minutes,
             limit_window_minutes, stale_minutes, lockout_minutes, dia_minutes, peak_minutes, near_mg_dl=0,
             resume_mg_dl=0, resume_predicted_mg_dl=0, minimum_minutes=5, plgs_flags=3):  # fmt: skip
        self.controller = controller
        self.suspend_predicted_mg_dl = suspend_predicted_mg_dl
        self.suspend_now_mg_dl = suspend_now_mg_dl
        self.horizon_minutes = horizon_minutes
        self.suspend_limit_minutes = suspend_limit_minutes
        self.limit_window_minutes = limit_window_minutes
        self.stale_minutes = stale_minutes
        self.lockout_minutes = lockout_minutes
        self.dia_minutes = dia_minutes
        self.peak_minutes = peak_minutes
        self.near_mg_dl = near_mg_dl
        self.resume_mg_dl = resume_mg_dl
        self.resume_predicted_mg_dl = resume_predicted_mg_dl
        self.minimum_minutes = minimum_minutes
        self.plgs_flags = plgs_flags

    @property
    def rising_resumes(self):
        return self.plgs_flags & _RISING_RESUMES != 0

    @property
    def rising_holds(self):
        return self.plgs_flags & _RISING_HOLDS != 0
