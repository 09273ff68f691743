# The virtual board's only way out: one stream to the host for clock, UART, pins, analog inputs, watchdog and radio.
#
# Every frame is `type u8 | length u16le | payload`. Frames are buffered and leave in one write when the board
# goes idle, so that their order is total and a pulse costs no system call of its own.
#
# Lockstep: the host grants time up to `until_us`; the clock jumps from one sleep's deadline to the next.
# Free running: the clock is the host's monotonic clock, multiplied, from the moment the firmware first reads it.
import struct
import sys

import uctypes
import uselect
import utime

NEVER = 1 << 60  # Still a small int on the 64-bit port, and past any run.
WATCHDOG_BITES = 3
LINK_LOST_EXIT = 3
RESET_EXIT = 0xA5
_ALL_ONES = 0xFFFFFFFFFFFFFFFF
_OUT_BYTES = 8192
_IN_BYTES = 4096
_PART_BYTES = 1024

# The radio: `bluetooth` sets what takes its events, which run where the firmware sleeps or polls. Stacks as in
# radio/frames.py; 0 for a board without a radio.
ble_stack = 0
notify_queue = 0
events = []
take_event = None
_reply = None
_in_event = False

# What the host sets for the firmware to find.
analog = {}  # ADC pin -> u16
uarts = {}  # UART id -> machine.UART
pins = {}  # pin id -> machine.Pin
reset_cause = 1
ticks_start_us = 0

# The clock. `due_us` is what the firmware last woke for: a deadline of its own, or input.
now_us = 0
due_us = 0
scale = 0  # 0: lockstep; N: free running, N times the host's clock.
_until_us = 0
_transmitted = False
_zero_us = -1
_told_idle = False
_edge_us = -1  # While the handler of an edge runs: when the edge was.
_handling = False
_shim_heap_bytes = 0

_bite_us = NEVER
_watchdog_us = 0
_next_report_us = 0

_stream = None
_poll = None
_out = bytearray(_OUT_BYTES)
_used = 0
_head = bytearray(3)
_in = bytearray(_IN_BYTES)
_grant = uctypes.struct(uctypes.addressof(_in), {"until_us": uctypes.UINT64 | 0}, uctypes.LITTLE_ENDIAN)
_edge = uctypes.struct(uctypes.addressof(_in), {"at_us": uctypes.UINT64 | 2}, uctypes.LITTLE_ENDIAN)


# Connects the board; nothing is sent before the firmware first touches clock or hardware, so that the time an
# import takes on the host's processor is no time of the board's.
def connect(fd, scale_n, ticks_start_ms, cause, shim_heap_bytes, stack, queue):
    global _stream, _poll, scale, ticks_start_us, reset_cause, _shim_heap_bytes, ble_stack, notify_queue
    _stream = open(fd, "r+b")
    _poll = uselect.poll()
    _poll.register(_stream, uselect.POLLIN)
    scale = scale_n
    ticks_start_us = ticks_start_ms * 1000
    reset_cause = cause
    _shim_heap_bytes = shim_heap_bytes
    ble_stack = stack
    notify_queue = queue
    if not scale:
        _start_clock()


def _start_clock():
    global _zero_us
    _zero_us = utime.ticks_us()
    struct.pack_into("<BHQI", _out, _reserve(15), 0x48, 12, _zero_us, _shim_heap_bytes)
    flush()


# Microseconds since the start of the board. In lockstep a look at the clock costs one of them, so that a loop
# that waits by looking at it gets on, slowly, instead of stopping the world.
def clock_us():
    global now_us
    if scale:
        if _zero_us < 0:
            # What telling the host takes is not yet the board's time: the first look at the clock finds 0.
            _start_clock()
            return now_us
        if _edge_us >= 0:
            return _edge_us
        now_us = (utime.ticks_us() - _zero_us) * scale
    else:
        now_us += 1
    if now_us >= _bite_us:
        reset(WATCHDOG_BITES)
    return now_us


def _reserve(count):
    global _used
    if _used + count > _OUT_BYTES:
        flush()
    at = _used
    _used += count
    return at


def flush():
    global _used
    if _used:
        _stream.write(_out, _used)
        _used = 0


# --- What the firmware does to its hardware -------------------------------------------------------------------


def transmit(uart_id, data):
    global _transmitted
    count = len(data)
    at = 0
    stamp = clock_us()
    while at < count:
        part = count - at
        if part > _PART_BYTES:
            part = _PART_BYTES
        start = _reserve(12 + part)
        struct.pack_into("<BHQB", _out, start, 0x55, 9 + part, stamp, uart_id)
        _out[start + 12 : start + 12 + part] = data if part == count else data[at : at + part]
        at += part
    _transmitted = True
    if scale:
        flush()
    return count


def pin_edge(pin_id, level):
    stamp = clock_us()
    struct.pack_into("<BHQQBB", _out, _reserve(21), 0x50, 18, stamp, due_us, pin_id, level)


def watchdog(timeout_ms):
    global _watchdog_us
    _watchdog_us = timeout_ms * 1000
    feed()


# The host hears of a feed at most every quarter of the period; in lockstep only of the start, because there the
# watchdog bites in here, by the board's own time.
def feed():
    global _bite_us, _next_report_us
    stamp = clock_us() if scale else now_us
    _bite_us = stamp + _watchdog_us
    if stamp >= _next_report_us:
        struct.pack_into("<BHQI", _out, _reserve(15), 0x57, 12, stamp, _watchdog_us // 1000)
        _next_report_us = stamp + _watchdog_us // 4 if scale else NEVER
        if scale:
            flush()


# A reset runs no `finally` of the firmware: the host ends the process while it waits here.
def reset(cause):
    struct.pack_into("<BHQB", _out, _reserve(12), 0x52, 9, now_us, cause)
    flush()
    while _stream.readinto(_head, 1):
        pass
    sys.exit(RESET_EXIT)


# The power goes: nothing of the firmware runs any more, and the host ends the process while it waits here.
def power_cut(operation):
    struct.pack_into("<BHQI", _out, _reserve(15), 0x43, 12, now_us, operation)
    flush()
    while _stream.readinto(_head, 1):
        pass
    sys.exit(LINK_LOST_EXIT)


# Says something to the radio; whoever listens can answer at this same instant.
def radio_post(head, data=b""):
    global _transmitted
    count = len(head) + len(data)
    stamp = clock_us()
    start = _reserve(11 + count)
    struct.pack_into("<BHQ", _out, start, 0x42, 8 + count, stamp)
    start += 11
    _out[start : start + len(head)] = head
    _out[start + len(head) : start + count] = data
    _transmitted = True
    if scale:
        flush()


# Asks the radio and waits for its reply, which takes no time. Events that come before it run at the next sleep.
def radio_request(head, data=b""):
    global _reply
    radio_post(head, data)
    flush()
    while _reply is None:
        _take_frame()
    reply, _reply = _reply, None
    if reply[1]:
        raise OSError(reply[1])
    return reply[2:]


# A handler runs to its end before the next event.
def run_events():
    global _in_event
    if _in_event or take_event is None:
        return
    _in_event = True
    try:
        while events:
            take_event(events.pop(0))
    finally:
        _in_event = False


# --- What the host does to the board --------------------------------------------------------------------------


# A handler runs late here, when the firmware sleeps; the clock that it sees is that of the edge, as on a chip.
def _drive(pin, count):
    global _edge_us, _handling
    if count > 2:
        _edge_us = _edge.at_us
    _handling = True
    try:
        pin.drive(_in[1])
    finally:
        _handling = False
        _edge_us = -1


# Takes one frame; true when it was a grant.
def _take_frame():
    global _until_us, _reply
    if _stream.readinto(_head) != 3:
        sys.exit(LINK_LOST_EXIT)
    count = _head[1] | _head[2] << 8
    if count and _stream.readinto(_in, count) != count:
        sys.exit(LINK_LOST_EXIT)
    kind = _head[0]
    if kind == 0x47:
        _until_us = _grant.until_us
        return True
    if kind == 0x55:
        uart = uarts.get(_in[0])
        if uart is not None:
            uart.take(_in, 1, count)
    elif kind == 0x42:
        data = bytes(memoryview(_in)[:count])
        if data[0] == 0x80:
            _reply = data
        else:
            events.append(data)
    elif kind == 0x41:
        analog[_in[0]] = _in[1] | _in[2] << 8
    elif kind == 0x4C:
        pin = pins.get(_in[0])
        if pin is not None:
            _drive(pin, count)
    return False


# Takes whatever has come in meanwhile, but never in a handler, which nothing interrupts. In lockstep nothing can: input
# travels with the grant.
def drain():
    if scale and not _handling:
        for _ in _poll.ipoll(0):
            _take_frame()


# Sleeps until `deadline_us`, or until `poller` has input, whichever comes first.
def sleep_until(deadline_us, poller):
    if scale:
        _sleep_free(deadline_us, poller)
    else:
        _sleep_lockstep(deadline_us, poller)


def _tell_idle(target_us):
    struct.pack_into("<BHQQ", _out, _reserve(19), 0x49, 16, now_us, _ALL_ONES if target_us >= NEVER else target_us)
    flush()


def _sleep_lockstep(deadline_us, poller):
    global now_us, due_us, _transmitted
    while True:
        if events:
            run_events()
            if poller is not None and poller.has_input():
                due_us = now_us
                return
        target_us = deadline_us if deadline_us < _bite_us else _bite_us
        if target_us <= now_us or not _transmitted and target_us <= _until_us:
            if target_us > now_us:
                now_us = target_us
            if now_us >= _bite_us:
                reset(WATCHDOG_BITES)
            due_us = deadline_us
            return
        if not _transmitted and _until_us > now_us:
            now_us = _until_us
        _tell_idle(target_us)
        _transmitted = False
        while not _take_frame():
            pass
        if not events and poller is not None and poller.has_input():
            due_us = now_us
            return


def _sleep_free(deadline_us, poller):
    global due_us, _told_idle
    clock_us()
    if not _told_idle:
        _told_idle = True
        _tell_idle(deadline_us)
    flush()
    while True:
        if events:
            run_events()
            clock_us()
            if poller is not None and poller.has_input():
                due_us = now_us
                return
        target_us = deadline_us if deadline_us < _bite_us else _bite_us
        left_us = (target_us - now_us) // scale
        if left_us <= 0:
            due_us = deadline_us
            return
        if left_us >= 1000:
            came = _poll.poll(-1 if target_us >= NEVER else left_us // 1000)
        else:
            utime.sleep_us(left_us)
            came = _poll.poll(0)
        clock_us()
        if came:
            _take_frame()
            if not events and poller is not None and poller.has_input():
                due_us = now_us
                return
