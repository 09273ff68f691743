"""A probe on the motor pin of the board under test: which one, and over which line."""

from __future__ import annotations

from collections.abc import Callable

from pumplink.errors import BearerBusy, BearerError, BearerMissing, PumpLinkError
from pumplink.plugged.lock import BoardLock
from pumplink.probe import Probe
from pumplink.serial_bearer import SerialBearer
from pumplink.virtual.board import VirtualBoard
from pumplink.virtual.clocks import Clock, Lockstep
from pumplink.virtual.probe_board import virtual_probe
from pumprig.errors import BlockedError, BuildMismatch, UsageError
from pumprig.plugged import port_of, told

__all__ = ["MotorProbe", "open_probe"]

_VIRTUAL = "virtual"


class MotorProbe:
    """An opened probe.

    Args:
        name: as given on the command line.
        probe: its client.
        board: the virtual board that it runs on, None for a real one.
        lock: that of a real board's device.
    """

    def __init__(
        self, name: str, probe: Probe, board: VirtualBoard | None = None, lock: BoardLock | None = None
    ) -> None:
        self.name, self.probe, self.board, self._lock = name, probe, board, lock

    def record(self) -> dict[str, str]:
        """Who it is, as plain data for run.json."""
        identity = self.probe.identity
        assert identity is not None
        return {
            "name": self.name, "board": identity.board, "capture": identity.capture,
            "firmware_hash": identity.firmware_hash.hex(),
        }  # fmt: skip

    def refuse_other(self, wanted: bytes | None) -> None:
        """Hold its build against the one that it must run.

        Args:
            wanted: hash of that build, None for any.

        Raises:
            BuildMismatch: it runs another.
        """
        identity = self.probe.identity
        assert identity is not None
        if wanted not in (None, identity.firmware_hash):
            raise BuildMismatch(
                f"the probe runs firmware {identity.firmware_hash.hex()}, the run had {wanted.hex() if wanted else ''}",
                where=f"--probe {self.name}", remedy="Flash that build, or use --any-firmware.",
            )  # fmt: skip

    def close(self) -> None:
        """Give it up: a virtual one ends."""
        self.probe.close()
        if self.board is not None:
            self.board.stop()
        if self._lock is not None:
            self._lock.release()


def open_probe(name: str, clock: Clock, now_s: Callable[[], float], pump: VirtualBoard | None) -> MotorProbe:
    """Open the probe named on a command line.

    Args:
        name: `virtual`, `id:SERIAL` or `port:DEVICE`.
        clock: by what the pump's time passes.
        now_s: the clock of the pump's bearer.
        pump: the virtual board that the pump runs on, None for a real one.

    Raises:
        UsageError: a name or clock that cannot be.
        BlockedError: no such board, it is busy, or it is no probe.
    """
    if isinstance(clock, Lockstep):
        raise UsageError("a probe keeps its own time", where="--probe", allowed="--clock realtime, --clock scaled:N")
    if name == _VIRTUAL:
        opened = _open_virtual(clock, now_s, pump)
    else:
        opened = _open_plugged(name, now_s, clock.scale)
    try:
        opened.probe.open()
    except PumpLinkError as error:
        opened.close()
        raise BlockedError(str(error), where=f"--probe {name}") from None
    return opened


def _open_virtual(clock: Clock, now_s: Callable[[], float], pump: VirtualBoard | None) -> MotorProbe:
    if pump is None:
        raise UsageError(
            "a virtual probe sees the pin of a virtual board alone", where="--probe virtual",
            allowed="id:SERIAL, port:DEVICE",
        )  # fmt: skip
    try:
        board = virtual_probe(pump)
    except BearerError as error:
        raise BlockedError(str(error), where="--probe virtual") from None
    return MotorProbe(_VIRTUAL, Probe(board.bearer(), now_s, clock.scale), board)


def _open_plugged(name: str, now_s: Callable[[], float], scale: int) -> MotorProbe:
    device = port_of(name, "--probe").device
    with told():
        lock = BoardLock(device)
    try:
        return MotorProbe(name, Probe(SerialBearer(device, scale=scale), now_s, scale), lock=lock)
    except (BearerBusy, BearerMissing) as error:
        lock.release()
        raise BlockedError(str(error), where=f"--probe {name}") from None
