# What a client said of the bolus that runs beyond what the pump needs: its reasons and who decided on it.
#
# The pump emits the start of a bolus while it takes the command, so this is told before; a refused command puts
# back what was said of the bolus that runs.
class BolusOrder:
    def __init__(self):
        self.bolus_flags = 0
        self.activation_type = 0
        self._bolus_flags = 0
        self._activation_type = 0

    def take(self, bolus_flags, activation_type):
        self._bolus_flags = self.bolus_flags
        self._activation_type = self.activation_type
        self.bolus_flags = bolus_flags
        self.activation_type = activation_type

    def restore(self):
        self.bolus_flags = self._bolus_flags
        self.activation_type = self._activation_type
