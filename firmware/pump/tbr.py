# Temporary basal rate: the one override of the basal profile (D-301 to D-306).
#
# Pure logic: the caller passes s and ends the TBR at end_s. A group of the history is this part's event and the rate
# change that the caller emits right after it.
from pump.events import NEVER, TBR_CHANGED, TBR_ENDED, TBR_STARTED


class Tbr:
    def __init__(self, emit):
        self._emit = emit
        self.active = False
        # Whether a controller set it; a client's TBR of 0 is no suspension.
        self.suspension = False
        self.rate_mu_per_h = 0
        self.duration_minutes = 0
        self.context = 0
        self.start_s = 0
        self.end_s = NEVER

    def start(self, s, rate_mu_per_h, duration_minutes, context, suspension):
        self.active = True
        self.suspension = suspension
        self.start_s = s
        self._program(s, rate_mu_per_h, duration_minutes, context)
        self._emit(TBR_STARTED, s, rate_mu_per_h, duration_minutes, context, 0, 0)

    # The duration counts from the change; the TBR stays the same one, started when it first was.
    def change(self, s, rate_mu_per_h, duration_minutes, context):
        self.suspension = False
        self._program(s, rate_mu_per_h, duration_minutes, context)
        self._emit(TBR_CHANGED, s, rate_mu_per_h, duration_minutes, (s - self.start_s) // 60, 0, 0)

    def _program(self, s, rate_mu_per_h, duration_minutes, context):
        self.rate_mu_per_h = rate_mu_per_h
        self.duration_minutes = duration_minutes
        self.context = context
        self.end_s = s + 60 * duration_minutes

    # The end second itself belongs to the basal profile.
    def end(self, s, reason, annunciation_id):
        self.active = False
        self.suspension = False
        self.end_s = NEVER
        self._emit(TBR_ENDED, s, (s - self.start_s) // 60, reason, annunciation_id, 0, 0)

    # Rounded up, as the wire shows it.
    def remaining_minutes(self, s):
        return (self.end_s - s + 59) // 60 if self.active else 0
