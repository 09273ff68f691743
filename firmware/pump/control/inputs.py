# What every controller decides on: the second, the samples, and what its suspensions have used up.
#
# A controller is one pure function, decide(inputs, settings, decision). What a closed loop needs beyond this is in the
# Inputs of oref/inputs.py, which begin with these.


class Inputs:
    def __init__(self):
        self.s = 0
        self.cgm = None
        self.suspensions = None
