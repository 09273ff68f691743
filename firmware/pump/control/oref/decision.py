# What a closed loop decided: a TBR in U/h, a small bolus in U, and the numbers that the rules reached on their way.
from pump.control.oref.numbers import NOTHING


class Decision:
    def __init__(self):
        self.clear()

    def clear(self):
        self.rule = 0
        self.acts = False
        self.rate = 0
        self.minutes = 0
        self.smb = 0
        self.eventual = NOTHING
        self.insulin_required = 0
        self.carbs_required = NOTHING
        self.bgi = NOTHING
        self.deviation = NOTHING
        self.smb_jump = False

    # A TBR; of 0 min cancels the one that runs.
    def set(self, rate, minutes):
        self.acts = True
        self.rate = rate
        self.minutes = minutes
