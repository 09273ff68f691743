# Control: what the pump makes of a CGM sample.
#
# Pure logic: sample() fills `decision`; to do what it says is for the caller. All controllers share one seam,
# decide(inputs, settings, decision); those that close the loop are put together in loop.py.
from array import array

from micropython import const

from pump.cgm import GLUCOSE_MG_DL_MAX, TOO_OLD, USABLE, Cgm
from pump.control import manual, plgs
from pump.control.inputs import Inputs
from pump.control.oref_settings import OrefSettings
from pump.control.settings import ControllerSettings
from pump.control.suspensions import Suspensions

# Words of pump/events.py.
_ACTION_NONE = const(0x0F)
_MANUAL = const(0x33)
_NO_PREDICTION_MG_DL = const(0x7FFF)
_PLGS = const(0x3C)
_REASON_CONTROLLER_RULE = const(0xCC)
_REASON_INVALID_SAMPLE = const(0xC3)
_REASON_IOB_UNKNOWN = const(0xFF)
_REASON_MANUAL = const(0x0F)
_REASON_NOT_CONFIGURED = const(0xF0)
_REASON_NOT_RUNNING = const(0xAA)
_REASON_STALE = const(0x99)
_RUN = const(0x55)

_SEQUENCE_MAX = const(65535)
# What a decision has room for (D-704).
_IOB_SHOWN_MU_MAX = const(32767)

# The numbers of ControllerDetail after its sequence, and what stands there when there is none.
DETAIL_NONE = (
    0, 65535, 32767, 32767, 32767, 32767, 32767, 32767, 32767, 32767, 65535, 32767, 65535, 65535, 0, 0
)  # fmt: skip
DETAIL_GUARDRAIL = const(15)
# The rule of a controller that failed.
_RULE_FAILED = const(1112)


# The last decision, as the characteristics ControllerDecision and ControllerDetail show it; sequence 0 is none yet.
class Decision:
    def __init__(self):
        self.sequence = 0
        self.offset_minutes = 0
        self.at_s = 0
        self.glucose_mg_dl = 0
        self.predicted_mg_dl = _NO_PREDICTION_MG_DL
        self.iob_mu = 0
        self.detail = array("i", DETAIL_NONE)
        self.act(_ACTION_NONE, _REASON_MANUAL)

    def act(self, action, reason):
        self.action = action
        self.reason = reason

    # Forgets the numbers of the decision before.
    def begin(self):
        for i in range(len(self.detail)):
            self.detail[i] = DETAIL_NONE[i]


class Control:
    # guardrails: one of them holds the stale limit down.
    def __init__(self, settings, guardrails):
        self.settings = ControllerSettings(settings)
        self.oref = OrefSettings(settings)
        self._guardrails = guardrails
        self.cgm = Cgm()
        self.suspensions = Suspensions()
        self.decision = Decision()
        self._inputs = Inputs()
        self._inputs.cgm = self.cgm
        self._inputs.suspensions = self.suspensions
        # What closes the loop, from the first time on that a controller needs it or that carbs are announced.
        self._loop = None
        # Whether the controller failed on the last sample, and what it wants: a TBR with its minutes (0 ends what runs,
        # below 0 leaves it), and a small bolus.
        self.failed = False
        self.wanted_mu_per_h = 0
        self.wanted_minutes = -1
        self.wanted_bolus_mu = 0
        # What it raised last, for whoever tells it; None when there is nothing to tell.
        self.trouble = None

    # The second at which CGM becomes stale.
    def stale_s(self):
        return self.cgm.stale_s(self.stale_minutes())

    # The stale limit in force (D-1207).
    def stale_minutes(self):
        return min(self.settings.stale_minutes, self._guardrails.stale_minutes)

    def closes_loop(self):
        return self.settings.controller not in (_MANUAL, _PLGS)

    # Whatever closes the loop, loaded when it is first asked for.
    def loop(self, pump):
        if self._loop is None:
            from pump.control.loop import Loop

            self._loop = Loop(pump)
        return self._loop

    # Loads what the controller needs before the first sample asks for it; False when that fails, as it then will on the
    # sample, too.
    def prepare(self, pump):
        if self.closes_loop():
            try:
                self.loop(pump).prepare(self.settings.controller)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001
                self.trouble = error
                return False
        return True

    # Decides on a sample.
    def sample(self, s, offset_minutes, glucose_mg_dl, status, pump):
        usable = self.cgm.accept(s, offset_minutes, glucose_mg_dl, status, self.stale_minutes())
        decision = self.decision
        decision.begin()
        decision.sequence = decision.sequence % _SEQUENCE_MAX + 1
        decision.offset_minutes = offset_minutes
        decision.at_s = s
        decision.glucose_mg_dl = glucose_mg_dl if 1 <= glucose_mg_dl <= GLUCOSE_MG_DL_MAX else 0
        decision.predicted_mg_dl = _NO_PREDICTION_MG_DL
        decision.iob_mu = min(pump.iob.total_mu(s), _IOB_SHOWN_MU_MAX)
        self.failed = False
        self.wanted_minutes = -1
        self.wanted_bolus_mu = 0
        if usable == USABLE:
            self.cgm.predict(self.settings.horizon_minutes)
            decision.predicted_mg_dl = self.cgm.predicted_mg_dl()
            if self._loop is not None:
                self._loop.take(s)
            self._decide(s, pump)
        else:
            decision.act(_ACTION_NONE, _REASON_STALE if usable == TOO_OLD else _REASON_INVALID_SAMPLE)
        return decision.action

    def _decide(self, s, pump):
        inputs, settings, decision = self._inputs, self.settings, self.decision
        inputs.s = s
        if settings.controller == _MANUAL:
            manual.decide(inputs, settings, decision)
        elif pump.therapy != _RUN:
            decision.act(_ACTION_NONE, _REASON_NOT_RUNNING)
        elif settings.controller == _PLGS:
            plgs.decide(inputs, settings, decision)
        else:
            self._close_loop(s, pump)

    # The action follows when what is wanted is carried out. A controller that raises or decides what is no number doses
    # nothing: whatever it raises ends here, but for the interrupt key.
    def _close_loop(self, s, pump):
        decision = self.decision
        decision.act(_ACTION_NONE, _REASON_CONTROLLER_RULE)
        try:
            loop = self.loop(pump)
            if not loop.configured():
                decision.act(_ACTION_NONE, _REASON_NOT_CONFIGURED)
            elif pump.iob_unknown(s, loop.insulin_minutes()):
                decision.act(_ACTION_NONE, _REASON_IOB_UNKNOWN)
            else:
                loop.decide(s, self.settings.controller)
                loop.tell(decision.detail, self.settings.controller)
                self.wanted_mu_per_h, self.wanted_minutes, self.wanted_bolus_mu = loop.wanted()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001
            self.failed = True
            self.trouble = error
            self.wanted_minutes = -1
            self.wanted_bolus_mu = 0
            decision.begin()
            decision.detail[0] = _RULE_FAILED

    # Whole minutes that a suspension which starts at s may last.
    def suspension_minutes(self, s):
        settings = self.settings
        return self.suspensions.allowance_s(s, settings.suspend_limit_minutes, settings.limit_window_minutes) // 60
