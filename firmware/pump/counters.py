# Counters: how long the pump and its reservoir have been in use, over power cuts (D-514).
#
# Pure logic: the lifetime goes on from where the journal last knew of it.
from micropython import const

# Words of pump/events.py.
_COUNTER_ELAPSED = const(0x33)
_COUNTER_LOANER = const(0x3C)
_COUNTER_OPERATION = const(0x55)


_LIFETIME_MINUTES = const(2102400)
_LOANER_MINUTES = const(259200)
_OPERATION_MINUTES = const(10080)


class Counters:
    def __init__(self):
        # The lifetime before this start, and the one at which the insulin operation time was reset.
        self.before_s = 0
        self.operation_start_s = 0

    def reset_operation_time(self, s):
        self.operation_start_s = self.before_s + s

    # Warranty lasts as long as the pump.
    def minutes(self, s, kind, selection):
        elapsed_s = self.before_s + s
        total = _LIFETIME_MINUTES
        if kind == _COUNTER_OPERATION:
            elapsed_s -= self.operation_start_s
            total = _OPERATION_MINUTES
        elif kind == _COUNTER_LOANER:
            total = _LOANER_MINUTES
        return elapsed_s // 60 if selection == _COUNTER_ELAPSED else total - elapsed_s // 60
