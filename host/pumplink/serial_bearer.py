"""A serial port, or one at the other end of a network, as a bearer."""

from __future__ import annotations

import contextlib
import errno
import io
import select
import time

import serial

from pumplink.bearer import Bearer
from pumplink.errors import BearerBusy, BearerLost, BearerMissing

__all__ = ["SerialBearer", "explain_port", "give_free"]

_READ_OCTETS = 4096
_POLL_S = 0.02
_PREFIX = "port:"


class SerialBearer(Bearer):
    """A serial port.

    Args:
        port: a device (`/dev/ttyACM0`, also `port:/dev/ttyACM0`), or `socket://HOST:PORT`, or `rfc2217://HOST:PORT`.
        baud: octets go at this rate where there is a wire.
        scale: how many DUT seconds pass in a second of the host; other than 1 only behind the pty of a scaled board.
    Raises:
        BearerBusy: another program holds the port.
        BearerMissing: no such device or host, or no permission; the message says what to do.
    """

    def __init__(self, port: str, baud: int = 115200, *, scale: int = 1) -> None:
        super().__init__()
        self.port = port.removeprefix(_PREFIX)
        self.scale = scale
        # A second of the host, which has its share in every answer.
        self.open_within_s = float(scale)
        url = "://" in self.port
        try:
            self._serial = serial.serial_for_url(
                self.port, baudrate=baud, timeout=0, write_timeout=5, exclusive=None if url else True
            )
        except (serial.SerialException, OSError, ValueError) as error:
            raise explain_port(self.port, error) from error
        self._fd: int | None = None
        with contextlib.suppress(AttributeError, io.UnsupportedOperation):
            self._fd = self._serial.fileno()
        if self._fd is None:
            self._serial.timeout = _POLL_S
        self._zero = time.monotonic()
        self._open = True

    @property
    def now_s(self) -> float:
        """Seconds since the port was opened, times `scale`."""
        return (time.monotonic() - self._zero) * self.scale

    def write(self, data: bytes) -> None:
        """Sends octets; see `Bearer.write`."""
        if not self._open:
            raise self._closed()
        try:
            self._serial.write(data)
        except (serial.SerialException, OSError) as error:
            raise self._lost(error) from error

    def _receive(self, until_s: float) -> bytes:
        if not self._open:
            raise self._closed()
        while True:
            left_s = max(0.0, (until_s - self.now_s) / self.scale)
            try:
                data = self._read_within(left_s)
            except (serial.SerialException, OSError, ValueError) as error:
                raise self._lost(error) from error
            if data or self.now_s >= until_s:
                return data

    def _read_within(self, left_s: float) -> bytes:
        if self._fd is None:
            return bytes(self._serial.read(max(1, self._serial.in_waiting)))
        if not select.select([self._fd], [], [], left_s)[0]:
            return b""
        data = bytes(self._serial.read(_READ_OCTETS))
        if not data:
            raise OSError(errno.EIO, "readable, but nothing to read")
        return data

    def close(self) -> None:
        """Gives the port free; a second call does nothing."""
        if self._open:
            self._open = False
            give_free(self._serial)
            self._serial.close()

    def _lost(self, error: Exception) -> BearerLost:
        self.close()
        return BearerLost(f"{self.port}: the port went away ({_reason(error)}); plug the board in and open it again")


def give_free(port: serial.SerialBase) -> None:
    """Gives up the right to a port that is closed next.

    Closing alone does not where a program that this one has just started still has a copy of it.
    """
    # A port that went away cannot be told, and one at the other end of a network has no such right.
    with contextlib.suppress(OSError, ValueError):
        port.exclusive = False


def _reason(error: Exception) -> str:
    number = getattr(error, "errno", None)
    return errno.errorcode.get(number, str(error)) if isinstance(number, int) else str(error)


def explain_port(port: str, error: Exception) -> BearerBusy | BearerMissing:
    """What it means that a port cannot be opened, and what to do.

    Args:
        port: as it was named.
        error: what opening it raised.
    """
    number = getattr(error, "errno", None)
    if number in (errno.EBUSY, errno.EAGAIN, errno.EWOULDBLOCK):
        return BearerBusy(f"{port}: another program holds the port; close it (a terminal, mpremote, another run)")
    if number in (errno.EACCES, errno.EPERM):
        return BearerMissing(f"{port}: no permission to open the port; on Linux join the group dialout, log in again")
    if number in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        return BearerMissing(f"{port}: no such device; is the board plugged in? `pumprig doctor` lists the ports")
    return BearerMissing(f"{port}: cannot be opened ({error}); is it a serial port, or is the host reachable?")
