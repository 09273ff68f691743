# machine: what a board's own module offers of UART, pins, ADC, watchdog and reset, over the link to the host.
from umachine import PinBase, Signal  # noqa: F401

import virtual_link as link

PWRON_RESET = 1
HARD_RESET = 2
WDT_RESET = 3
DEEPSLEEP_RESET = 4
SOFT_RESET = 5


class Pin(PinBase):
    IN = 0
    OUT = 1
    OPEN_DRAIN = 2
    PULL_UP = 1
    PULL_DOWN = 2
    IRQ_RISING = 1
    IRQ_FALLING = 2

    def __new__(cls, id, *args, **kwargs):
        pin = link.pins.get(id)
        if pin is None:
            pin = super().__new__(cls)
            pin.id = id
            pin.level = 0
            pin.mode = Pin.IN
            pin.handler = None
            pin.trigger = 0
            link.pins[id] = pin
        return pin

    def __init__(self, id, mode=-1, pull=-1, *, value=None, **kwargs):
        self.init(mode, pull, value=value)

    def init(self, mode=-1, pull=-1, *, value=None, **kwargs):
        if mode >= 0:
            self.mode = mode
        if value is not None:
            self.value(value)
        elif pull == Pin.PULL_UP and self.mode == Pin.IN:
            self.level = 1

    def value(self, level=None):
        if level is None:
            link.drain()
            return self.level
        level = 1 if level else 0
        if level != self.level:
            self.level = level
            link.pin_edge(self.id, level)

    def __call__(self, *args):
        return self.value(*args)

    def on(self):
        self.value(1)

    def off(self):
        self.value(0)

    def toggle(self):
        self.value(1 - self.level)

    def irq(self, handler=None, trigger=IRQ_RISING | IRQ_FALLING, **kwargs):
        self.handler = handler
        self.trigger = trigger

    # The host moves an input. Handlers run where the firmware sleeps or polls, never between two of its steps.
    def drive(self, level):
        if self.mode == Pin.OUT or level == self.level:
            return
        self.level = level
        if self.handler is not None and self.trigger & (Pin.IRQ_RISING if level else Pin.IRQ_FALLING):
            self.handler(self)


class ADC:
    def __init__(self, pin, **kwargs):
        self._pin = pin.id if isinstance(pin, Pin) else pin

    def read_u16(self):
        link.drain()
        return link.analog.get(self._pin, 0)


# A UART keeps at most `rxbuf` octets; more are lost, as in the ring of a chip. Octets that came before it was
# made are lost, too.
class UART:
    def __init__(self, id, baudrate=9600, bits=8, parity=None, stop=1, *, rxbuf=256, **kwargs):
        self.id = id
        self.waiting = 0
        self._start = 0
        self._buffer = bytearray(rxbuf)
        link.uarts[id] = self

    def init(self, baudrate=9600, bits=8, parity=None, stop=1, **kwargs):
        pass

    def deinit(self):
        link.uarts.pop(self.id, None)

    def take(self, source, start, end):
        buffer = self._buffer
        size = len(buffer)
        if self.waiting == 0:
            self._start = 0
        at = self._start + self.waiting
        free = size - self.waiting
        if end - start > free:
            end = start + free
        count = end - start
        if at + count <= size:
            buffer[at : at + count] = source[start:end]
        else:
            for i in range(start, end):
                buffer[(at + i - start) % size] = source[i]
        self.waiting += count

    def any(self):
        link.drain()
        return self.waiting

    def readinto(self, target, count=-1):
        link.drain()
        waiting = self.waiting
        if not waiting:
            return None
        if count < 0 or count > len(target):
            count = len(target)
        if count > waiting:
            count = waiting
        buffer = self._buffer
        size = len(buffer)
        start = self._start
        end = start + count
        if end <= size:
            target[:count] = buffer[start:end]
        else:
            for i in range(count):
                target[i] = buffer[(start + i) % size]
            end -= size
        self._start = end
        self.waiting = waiting - count
        return count

    def read(self, count=-1):
        waiting = self.any()
        if not waiting:
            return None
        target = bytearray(waiting if count < 0 or count > waiting else count)
        self.readinto(target)
        return bytes(target)

    def write(self, data):
        if isinstance(data, str):
            data = data.encode()
        return link.transmit(self.id, data)

    def txdone(self):
        return True

    def flush(self):
        pass


class WDT:
    def __init__(self, id=0, timeout=5000):
        link.watchdog(timeout)

    def feed(self):
        link.feed()


def reset():
    link.clock_us()
    link.reset(HARD_RESET)


def reset_cause():
    return link.reset_cause


def unique_id():
    return b"pumprig0"


def freq(hz=None):
    return 125_000_000


def idle():
    link.drain()
    if link.events:
        link.run_events()


# Handlers of the shim never interrupt, so there is nothing to hold back.
def disable_irq():
    return True


def enable_irq(state=True):
    pass
