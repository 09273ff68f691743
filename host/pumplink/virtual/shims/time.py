# time: the board's clock, with the tick period of the 32-bit ports, so that what wraps on a chip wraps here.
import utime
from utime import mktime  # noqa: F401

import virtual_link as link

_PERIOD = 1 << 30
_MASK = _PERIOD - 1
_HALF = _PERIOD >> 1
_EPOCH_S = 1_609_459_200  # A board without a battery for its clock wakes on 2021-01-01.


def ticks_us():
    return (link.clock_us() + link.ticks_start_us) & _MASK


def ticks_ms():
    return (link.clock_us() + link.ticks_start_us) // 1000 & _MASK


def ticks_add(ticks, delta):
    return (ticks + delta) & _MASK


def ticks_diff(end, start):
    return ((end - start + _HALF) & _MASK) - _HALF


ticks_cpu = ticks_us


def time():
    return _EPOCH_S + link.clock_us() // 1_000_000


def time_ns():
    return _EPOCH_S * 1_000_000_000 + link.clock_us() * 1000


def localtime(seconds=None):
    return utime.localtime(time() if seconds is None else seconds)


def gmtime(seconds=None):
    return utime.gmtime(time() if seconds is None else seconds)


def sleep_us(us):
    if us > 0:
        link.sleep_until(link.clock_us() + us, None)


def sleep_ms(ms):
    sleep_us(ms * 1000)


def sleep(seconds):
    sleep_us(int(seconds * 1_000_000))
