# select: poll over the board's own streams; what it waits for is the board's time and the board's input.
import io

import virtual_link as link

POLLIN = 1
POLLOUT = 4
POLLERR = 8
POLLHUP = 16

_NOT_A_STREAM = 22
_STREAM_POLL = 3


# A stream written in Python: it is asked whenever a poll looks, as on a board.
class _Asked:
    def __init__(self, stream, eventmask):
        self.stream = stream
        self.eventmask = eventmask

    @property
    def waiting(self):
        return self.stream.ioctl(_STREAM_POLL, self.eventmask)


class _Poll:
    def __init__(self):
        self._streams = []
        self._flags = []
        self._answers = []
        self._ready = []

    def register(self, stream, eventmask=POLLIN | POLLOUT):
        at = self._find(stream)
        if at >= 0:
            self.modify(stream, eventmask)
            return
        self._answers.append(((stream, 0), (stream, POLLIN), 0, 0, (stream, POLLOUT), (stream, POLLIN | POLLOUT)))
        if not hasattr(stream, "take"):
            if not isinstance(stream, io.IOBase):
                self._answers.pop()
                raise OSError(_NOT_A_STREAM)
            stream = _Asked(stream, eventmask)
            eventmask = POLLIN
        self._streams.append(stream)
        self._flags.append(eventmask)

    def unregister(self, stream):
        at = self._at(stream)
        del self._streams[at]
        del self._flags[at]
        del self._answers[at]

    def modify(self, stream, eventmask):
        at = self._at(stream)
        if isinstance(self._streams[at], _Asked):
            self._streams[at].eventmask = eventmask
        else:
            self._flags[at] = eventmask

    def _find(self, stream):
        for at in range(len(self._streams)):
            if self._answers[at][0][0] is stream:
                return at
        return -1

    def _at(self, stream):
        at = self._find(stream)
        if at < 0:
            raise OSError(2)
        return at

    # The shim of a stream that can always be written to answers POLLOUT at once.
    def has_input(self):
        at = 0
        for stream in self._streams:
            flags = self._flags[at]
            if flags & POLLOUT or (flags & POLLIN and stream.waiting):
                return True
            at += 1
        return False

    def _collect(self):
        ready = self._ready
        ready.clear()
        at = 0
        for stream in self._streams:
            events = self._flags[at] & POLLOUT
            waiting = stream.waiting
            if waiting:
                events |= waiting if isinstance(stream, _Asked) else self._flags[at] & POLLIN
            if events:
                ready.append(self._answers[at][events])
            at += 1
        return ready

    def _wait(self, timeout_ms):
        link.drain()
        if link.events:
            link.run_events()
        start_us = link.clock_us()
        if timeout_ms == 0 or self.has_input():
            link.due_us = start_us
        else:
            link.sleep_until(link.NEVER if timeout_ms < 0 else start_us + timeout_ms * 1000, self)

    def poll(self, timeout=-1, flags=0):
        self._wait(timeout)
        return list(self._collect())

    # As on a board, the answer is good until the next call.
    def ipoll(self, timeout=-1, flags=0):
        self._wait(timeout)
        return iter(self._collect())


def poll():
    return _Poll()
