# Edges of the pin by a state machine of the RP2: the time of each to the microsecond, whatever the processor does.
#
# The state machine counts x down once in two of its steps, a microsecond, on every way through the program. On an edge
# it gives the lower 31 bits of x, and the new level below them.
# ruff: noqa: F821
# mypy: disable-error-code="name-defined, attr-defined"
import rp2

import machine

KIND = 1
# Eight edges wait in the state machine: more than a motor makes meanwhile.
LOOK_MS = 5

_STEPS_PER_S = 2000000
_SPAN = 1 << 31
_FDEBUG = 0x50200008
_DROPPED = 1


@rp2.asm_pio(in_shiftdir=rp2.PIO.SHIFT_LEFT, fifo_join=rp2.PIO.JOIN_RX)
def count_and_tell():
    wrap_target()
    label("low")
    jmp(x_dec, "is_low")
    label("is_low")
    jmp(pin, "rose")
    wrap()
    # Three steps tell of the edge, three more make up for what x has missed.
    label("rose")
    in_(x, 31)
    in_(y, 1)
    push(noblock)
    jmp(x_dec, "rose_1")
    label("rose_1")
    jmp(x_dec, "rose_2")
    label("rose_2")
    jmp(x_dec, "high")
    label("high")
    jmp(x_dec, "is_high")
    label("is_high")
    jmp(pin, "high")
    in_(x, 31)
    in_(null, 1)
    push(noblock)
    jmp(x_dec, "fell_1")
    label("fell_1")
    jmp(x_dec, "fell_2")
    label("fell_2")
    jmp(x_dec, "low")
    # Where x has just passed zero.
    jmp("low")


class Edges:
    def __init__(self, pin_id, clock):
        self._clock = clock
        self._pin = machine.Pin(pin_id, machine.Pin.IN, machine.Pin.PULL_DOWN)
        self.overflows = 0
        self._machine = rp2.StateMachine(0, count_and_tell, freq=_STEPS_PER_S, jmp_pin=self._pin)
        self._machine.exec("set(x, 0)")
        self._machine.exec("set(y, 1)")
        self._machine.active(1)
        clock.read()
        # What the clock said when x was 0.
        self._zero_us = clock.s * 1000000 + clock.us

    def level(self):
        return self._pin.value()

    # Edges since the last call, as (second, microsecond, level).
    def take(self):
        found = []
        while self._machine.rx_fifo():
            word = self._machine.get()
            noted_us = -(word >> 1) % _SPAN
            now_us = self._clock.s * 1000000 + self._clock.us - self._zero_us
            ago_us = (now_us - noted_us) % _SPAN
            # One that came after the last reading of the clock.
            if ago_us >= _SPAN // 2:
                ago_us -= _SPAN
            second, us = self._clock.ago(ago_us)
            found.append((second, us, word & 1))
        if machine.mem32[_FDEBUG] & _DROPPED:
            # Written back, the bit is cleared.
            machine.mem32[_FDEBUG] = _DROPPED
            self.overflows += 1
        return found
