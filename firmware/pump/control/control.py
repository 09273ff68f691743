# Control: what the pump makes of a CGM sample.
#
# Pure logic: sample() fills `decision` and returns the action; to suspend and to resume is for the caller to do.
from micropython import const

from pump.cgm import GLUCOSE_MG_DL_MAX, TOO_OLD, USABLE, Cgm
from pump.control.manual import Manual
from pump.control.plgs import Plgs
from pump.control.settings import ControllerSettings
from pump.control.suspensions import Suspensions

# Words of pump/events.py.
_ACTION_NONE = const(0x0F)
_NO_PREDICTION_MG_DL = const(0x7FFF)
_PLGS = const(0x3C)
_REASON_INVALID_SAMPLE = const(0xC3)
_REASON_MANUAL = const(0x0F)
_REASON_NOT_RUNNING = const(0xAA)
_REASON_STALE = const(0x99)
_RUN = const(0x55)

_SEQUENCE_MAX = const(65535)
# What a decision has room for (D-704).
_IOB_SHOWN_MU_MAX = const(32767)


# The last decision, as the characteristic ControllerDecision shows it; sequence 0 is none yet.
class Decision:
    def __init__(self):
        self.sequence = 0
        self.offset_minutes = 0
        self.at_s = 0
        self.glucose_mg_dl = 0
        self.predicted_mg_dl = _NO_PREDICTION_MG_DL
        self.iob_mu = 0
        self.action = _ACTION_NONE
        self.reason = _REASON_MANUAL


class Control:
    # guardrails: one of them holds the stale limit down.
    def __init__(self, settings, guardrails):
        self.settings = ControllerSettings(settings)
        self._guardrails = guardrails
        self.cgm = Cgm()
        self.suspensions = Suspensions()
        self.decision = Decision()
        self._manual = Manual()
        self._plgs = Plgs()

    # The second at which CGM becomes stale.
    def stale_s(self):
        return self.cgm.stale_s(self.stale_minutes())

    # The stale limit in force (D-1207).
    def stale_minutes(self):
        return min(self.settings.stale_minutes, self._guardrails.stale_minutes)

    # Decides on a sample; therapy is the therapy control state.
    def sample(self, s, offset_minutes, glucose_mg_dl, status, therapy, iob_mu):
        usable = self.cgm.accept(s, offset_minutes, glucose_mg_dl, status, self.stale_minutes())
        decision = self.decision
        decision.sequence = decision.sequence % _SEQUENCE_MAX + 1
        decision.offset_minutes = offset_minutes
        decision.at_s = s
        decision.glucose_mg_dl = glucose_mg_dl if 1 <= glucose_mg_dl <= GLUCOSE_MG_DL_MAX else 0
        decision.predicted_mg_dl = _NO_PREDICTION_MG_DL
        decision.iob_mu = min(iob_mu, _IOB_SHOWN_MU_MAX)
        decision.action = _ACTION_NONE
        if usable == USABLE:
            self.cgm.predict(self.settings.horizon_minutes)
            decision.predicted_mg_dl = self.cgm.predicted_mg_dl()
            self._decide(s, therapy)
        else:
            decision.reason = _REASON_STALE if usable == TOO_OLD else _REASON_INVALID_SAMPLE
        return decision.action

    def _decide(self, s, therapy):
        controller = self._plgs if self.settings.controller == _PLGS else self._manual
        if controller is self._plgs and therapy != _RUN:
            self.decision.reason = _REASON_NOT_RUNNING
            return
        self.decision.action = controller.decide(s, self.cgm, self.settings, self.suspensions)
        self.decision.reason = controller.reason

    # Whole minutes that a suspension which starts at s may last.
    def suspension_minutes(self, s):
        settings = self.settings
        return self.suspensions.allowance_s(s, settings.suspend_limit_minutes, settings.limit_window_minutes) // 60
