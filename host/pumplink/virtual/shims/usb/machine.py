# machine: what the firmware needs of it, on a board whose pins lead nowhere and whose watchdog never bites.
import sys

PWRON_RESET = 1
HARD_RESET = 2
WDT_RESET = 3
DEEPSLEEP_RESET = 4
SOFT_RESET = 5

control = None
cause = PWRON_RESET


class Pin:
    IN = 0
    OUT = 1
    PULL_DOWN = 2
    IRQ_RISING = 1
    IRQ_FALLING = 2

    def __init__(self, id, mode=-1, pull=-1, *, value=None, **kwargs):
        self._level = 1 if value else 0

    def value(self, level=None):
        if level is None:
            return self._level
        self._level = 1 if level else 0

    def irq(self, handler=None, trigger=IRQ_RISING | IRQ_FALLING, **kwargs):
        pass


class ADC:
    def __init__(self, pin, **kwargs):
        pass

    def read_u16(self):
        return 0


class UART:
    def __init__(self, id, baudrate=9600, **kwargs):
        raise ValueError("this board has no UART: its firmware speaks on the USB line")


class WDT:
    def __init__(self, id=0, timeout=5000):
        pass

    def feed(self):
        pass


# The supervisor ends the process while it waits here, so that no `finally` of the firmware runs.
def reset():
    control.write(b"R")
    while control.readinto(bytearray(1)):
        pass
    sys.exit(HARD_RESET)


def reset_cause():
    return cause


def unique_id():
    return b"pumprig1"
