"""What every way to a pump offers: bytes, and the time on the pump's side.

Time is in DUT seconds, counted from the moment the bearer (on the virtual board: the board) started. In lockstep
it passes only inside `receive` and `wait_until`; elsewhere it passes by itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from pumplink.errors import BearerLost

__all__ = ["Bearer", "WrappedBearer"]


class Bearer(ABC):
    """A byte stream to a pump, and its clock.

    Attributes:
        open_within_s: DUT seconds that an answer to an `open` may take on this bearer.
        prepares_values: whether values that are read were written down at the pump's last whole second, not when they
            are read: a Bluetooth stack answers reads by itself.
        why_closed: what ended the last connection, as far as more is known than that the other end did.
        misses_first_values: whether what the pump sends before it was asked for can be lost: an operating system hands
            on only what was subscribed to.
        approach_s: DUT seconds before an `open` at which `approach` is best called; 0.0 where there is nothing to do.
    """

    open_within_s = 1.0
    approach_s = 0.0
    misses_first_values = False
    prepares_values = False
    why_closed = ""

    def __init__(self) -> None:
        self._kept = bytearray()

    @property
    @abstractmethod
    def now_s(self) -> float:
        """DUT seconds."""

    @property
    def received_at_s(self) -> float:
        """DUT second at which the octets last returned by `receive` left the board, as well as this bearer knows."""
        return self.now_s

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Sends octets.

        Raises:
            BearerLost: the bearer broke or is closed.
        """

    @abstractmethod
    def _receive(self, until_s: float) -> bytes: ...

    @abstractmethod
    def close(self) -> None:
        """Gives the bearer up; a second call does nothing."""

    def approach(self) -> None:  # noqa: B027 - most bearers have nothing to do
        """Begins what the next `open` needs time for, so that it takes none; what the pump says waits for it."""

    def receive(self, until_s: float) -> bytes:
        """Lets DUT time pass until octets come, at most until `until_s`.

        Returns:
            The octets that came; none when `until_s` was reached.
        Raises:
            BearerLost: the bearer broke or is closed.
        """
        if self._kept:
            data = bytes(self._kept)
            self._kept.clear()
            return data
        return self._receive(until_s)

    def go_on(self, until_s: float) -> None:
        """Lets the other end begin with what it was sent; the next call must be a `receive` with the same `until_s`.

        Where DUT time passes by itself it has begun already. In lockstep caller and board then work at the same time.

        Raises:
            BearerLost: the bearer broke or is closed.
        """
        if not self._kept:
            self._go_on(until_s)

    def _go_on(self, until_s: float) -> None:
        # Where time passes by itself there is nothing to do.
        return

    def wait_until(self, at_s: float) -> float:
        """Lets DUT time pass until `at_s`; octets that come meanwhile wait for the next `receive`.

        Returns:
            How late the caller is told, in DUT seconds; 0.0 when in time.
        Raises:
            BearerLost: the bearer broke or is closed.
        """
        while data := self._receive(at_s):
            self._kept += data
        return max(0.0, self.now_s - at_s)

    def __enter__(self) -> Bearer:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    @staticmethod
    def _closed() -> BearerLost:
        return BearerLost("the bearer is closed; open another one")


class WrappedBearer(Bearer):
    """A bearer around another one; what it does not change is as the inner one has it.

    Args:
        inner: the bearer to wrap; closed with this one.
    """

    def __init__(self, inner: Bearer) -> None:
        super().__init__()
        self.inner = inner
        self.open_within_s = inner.open_within_s
        self.prepares_values = inner.prepares_values
        self.approach_s = inner.approach_s
        self.misses_first_values = inner.misses_first_values

    def approach(self) -> None:
        """As the wrapped bearer does."""
        self.inner.approach()

    @property
    def why_closed(self) -> str:  # type: ignore[override]
        """As the wrapped bearer says."""
        return self.inner.why_closed

    @property
    def now_s(self) -> float:
        """DUT seconds of the wrapped bearer."""
        return self.inner.now_s

    @property
    def received_at_s(self) -> float:
        """As the wrapped bearer says."""
        return self.inner.received_at_s

    def write(self, data: bytes) -> None:
        """Sends octets; see `Bearer.write`."""
        self.inner.write(data)

    def _receive(self, until_s: float) -> bytes:
        return self.inner.receive(until_s)

    def close(self) -> None:
        """Closes the wrapped bearer."""
        self.inner.close()
