# What tests/ports.py has a port of MicroPython do with the packed firmware: it starts it as a board does, up to the
# moment in which the loop begins.
#
# A line is "heap", which is answered by the octets of the heap that are taken, or the folder of the packed firmware.
import gc
import sys


class Ready(Exception):
    pass


# What a board has below the firmware, without anything behind it.
class Machine:
    PWRON_RESET = 1

    class Pin:
        OUT = 1

        def __init__(self, *args):
            pass

        def __call__(self, level=0):
            pass

        on = off = value = __call__

    class ADC:
        def __init__(self, pin):
            pass

        def read_u16(self):
            return 0

    class UART:
        def __init__(self, *args, rxbuf=0):
            self.received = bytearray(rxbuf)

    # The last thing before the loop.
    class WDT:
        def __init__(self, timeout):
            raise Ready

    @staticmethod
    def reset_cause():
        return 1

    @staticmethod
    def unique_id():
        return b"12345678"


class Poll:
    def register(self, stream, flags):
        pass


class Select:
    POLLIN = 1
    poll = Poll


# A flash of which only what was programmed takes room, so that it can be taken away again.
class Flash:
    octets = {}

    def readblocks(self, block, buf, offset):
        for i in range(len(buf)):
            buf[i] = self.octets.get((block, offset + i), 0xFF)

    def writeblocks(self, block, buf, offset):
        for i in range(len(buf)):
            self.octets[block, offset + i] = buf[i]

    def ioctl(self, operation, argument):
        for place in list(self.octets):
            if place[0] == argument:
                del self.octets[place]


class Esp32:
    class Partition:
        TYPE_DATA = 1

        @staticmethod
        def find(kind, label):
            return [Flash()]


# What main.py leaves behind: the firmware is among it.
left = {"__name__": "__main__"}


def boot(folder):
    sys.path.insert(0, folder)
    sys.modules.update({"machine": Machine, "select": Select, "esp32": Esp32})
    with open(folder + "/main.py") as file:
        code = compile(file.read(), "main.py", "exec")
    before = heap()
    try:
        exec(code, left)
    except Ready:
        Flash.octets.clear()
        return before
    raise AssertionError("the firmware ended before its loop")


# The port in Node collects between two lines only.
def heap():
    gc.collect()
    return gc.mem_alloc()


def answer(line):
    line = line.strip()
    return str(heap() if line == "heap" else boot(line))
