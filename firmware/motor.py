# The motor: one pulse on a pin for each pulse of insulin, and the force that pushes back.
#
# The pump queues a pulse for the second at which it is due, possibly before that second has begun; it leaves when
# the clock has reached it. Pulses of the same second follow one another with a pause of a pulse's length.
from array import array
from time import sleep_ms

from clock import Timeout

_QUEUE = 64


class MotorOverrun(RuntimeError):
    pass


# Stands in for the sensor where the board has no ADC: an occlusion is felt by nobody.
class NoForce:
    def read_u16(self):
        return 0


class Motor:
    # store: intend() and done() come before and after each pulse, see pump/volatile.py.
    def __init__(self, clock, pin, force, pulse_ms, force_limit_u16, store):
        self._store = store
        self._clock = clock
        self._pin = pin
        self._force = force
        self._pulse_ms = pulse_ms
        self._force_limit_u16 = force_limit_u16
        self._due_s = array("i", [0] * _QUEUE)
        self._first = 0
        self._waiting = 0
        self._high = False
        self._edge = Timeout(clock)
        self.off()

    # False when the force says that insulin cannot get out. The pump asks before each pulse.
    def ready(self, s):
        return self._force.read_u16() < self._force_limit_u16

    def pulse(self, s):
        if self._waiting == _QUEUE:
            raise MotorOverrun("pulses fall due faster than the motor turns")
        self._due_s[(self._first + self._waiting) % _QUEUE] = s
        self._waiting += 1

    def off(self):
        self._pin.value(0)
        self._high = False

    # Moves the pin when it is time; to be called after each reading of the clock.
    def run(self):
        if self._edge.running:
            if not self._edge.over():
                return
            self._edge.stop()
            if self._high:
                self.off()
                self._store.done()
                if self._waiting:
                    self._edge.start(self._pulse_ms)
                    return
        if self._waiting and self._due_s[self._first] <= self._clock.s:
            self._first = (self._first + 1) % _QUEUE
            self._waiting -= 1
            self._store.intend()
            self._pin.value(1)
            self._high = True
            # The pulse is as long as the motor needs it, however long its intent took to write.
            self._clock.read()
            self._edge.start(self._pulse_ms)

    # Waits for the end of a pulse that has begun: what comes next may take longer than that.
    def finish(self):
        while self._high:
            sleep_ms(self._edge.left_ms())
            self._clock.read()
            self.run()

    def busy(self):
        return self._waiting > 0 or self._edge.running

    # Milliseconds until `run` has something to do, or -1.
    def wait_ms(self):
        if self._edge.running:
            return self._edge.left_ms()
        if self._waiting:
            return self._clock.ms_until_s(self._due_s[self._first])
        return -1
