# Controller manual: the wearer doses, samples are only kept (D-615).
from pump.events import ACTION_NONE, REASON_MANUAL


class Manual:
    def __init__(self):
        self.reason = REASON_MANUAL

    def decide(self, s, cgm, settings, suspensions):
        return ACTION_NONE
