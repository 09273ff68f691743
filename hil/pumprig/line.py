"""The line to the pump: whether every frame on it is whole, and of use (D-956), and how quick it is."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pumplink.ble.bearer import BleBearer
from pumplink.ble.split import SplitBearer
from pumplink.boards import has_single_floats, load_board
from pumplink.errors import AttError, BearerMissing, PairingFailed, WireMismatch
from pumplink.link import OPEN_ATTEMPTS, Link
from pumplink.meter import LinkFigures
from pumplink.pump import Pump
from pumplink.results import Identity
from pumplink.serial_bearer import SerialBearer
from pumprig.checks import CheckBook
from pumprig.dut import Dut
from pumprig.errors import BlockedError, BuildMismatch
from pumpwire.att import AttErrorCode
from pumpwire.vendor import WIRE_VERSION

__all__ = ["Line", "identify", "link_summary", "open_first"]

BOOT_ATTEMPTS = 12


class Line:
    """Counts what comes damaged while a connection is open.

    What comes before the answer to an open is not counted: a board boots there, or still speaks of the connection
    before.

    Args:
        link: the connection.
        checks: where the count is judged.
        disturbed: whether the line is a wire, on which noise looks like a pump's mistake: the bench is unfit then.
    """

    def __init__(self, link: Link, checks: CheckBook, *, disturbed: bool) -> None:
        self._link = link
        self._checks = checks
        self._check, self._whose = ("bench-fitness", "on the line") if disturbed else ("frames", "from the pump")
        self._counted = link.dropped_frames
        link.on_open(self._begin)

    def _begin(self) -> None:
        self._counted = self._link.dropped_frames

    def judge(self, at_s: float) -> None:
        """Judge what has come since the last time.

        Args:
            at_s: pump second.
        """
        if not self._link.is_open:
            return
        dropped = self._link.dropped_frames - self._counted
        self._counted += dropped
        frames = "frame" if dropped == 1 else "frames"
        self._checks.expect(
            self._check, not dropped, at_s, message=f"{dropped} damaged or unasked {frames} {self._whose}", expected=0,
            observed=dropped, rule="D-956",
        )  # fmt: skip


def open_first(dut: Dut, link: Link) -> None:
    """Open the first connection.

    Args:
        dut: the board.
        link: to it.

    Raises:
        BlockedError: there is no such pump, or it and this host do not trust each other: nothing can be said of it.
        BuildMismatch: it speaks another wire version.
        BearerError: it does not answer. A virtual pump that cannot be found in the air is at fault itself.
    """
    try:
        # A board that has just been reset waits for Ctrl-C first, and then takes some seconds to load its firmware.
        link.open(attempts=BOOT_ATTEMPTS if isinstance(dut.bearer, SerialBearer) else OPEN_ATTEMPTS)
    except WireMismatch as error:
        raise BuildMismatch(str(error), where=dut.name) from None
    except PairingFailed as error:
        raise BlockedError(str(error), where=dut.name) from None
    except BearerMissing as error:
        if dut.board is not None:
            raise
        raise BlockedError(str(error), where=dut.name) from None


def identify(dut: Dut, pump: Pump, wanted: bytes | None) -> Identity:
    """Which build the board runs; one that was named by its line alone also tells by its model which floats it has.

    Args:
        dut: the board.
        pump: the pump on it.
        wanted: hash that it must report, None to accept any.

    Raises:
        BuildMismatch: it runs another build, or speaks another wire version: over the air that is not told before.
        BlockedError: its stack has no room for the vendor services, so nothing of it can be proven over the air.
    """
    try:
        identity = pump.identity()
    except AttError as error:
        if error.code != AttErrorCode.INVALID_HANDLE or not dut.choice.radio:
            raise
        raise BlockedError(
            f"over {dut.choice} this pump has the standard's services alone, and a run needs the vendor's, too",
            where=dut.name, remedy="Use --bearer serial; `pumprig conformance` needs no more.",
        ) from None
    if wanted not in (None, identity.firmware_hash):
        raise BuildMismatch(
            f"the board runs firmware {identity.firmware_hash.hex()}", where=dut.name,
            allowed=wanted.hex() if wanted else "", remedy="Flash this build, or run without a fixed build.",
        )  # fmt: skip
    if identity.wire_version != WIRE_VERSION:
        raise BuildMismatch(
            f"the board speaks wire version {identity.wire_version}", where=dut.name, allowed=str(WIRE_VERSION),
            remedy="Flash the firmware of this pumprig.",
        )  # fmt: skip
    if dut.name.startswith(("port:", "id:", "ble:")):
        dut.single = _tells_single(pump)
    return identity


def _tells_single(pump: Pump) -> bool:
    """Whether the data of the board that a pump says it is has single-precision floats; not so where it is unknown."""
    try:
        return has_single_floats(load_board(str(pump.client.read("ModelNumber")["text"])))
    except (AttError, ValueError):
        return False


def link_summary(dut: Dut, figures: LinkFigures) -> dict[str, Any]:
    """How quick the link was, as plain data for run.json: milliseconds of host time.

    Args:
        dut: the board.
        figures: what was measured.
    """
    radio = dut.bearer.ids if isinstance(dut.bearer, SplitBearer) else dut.bearer
    secured_s = radio.port.secured_in_s if isinstance(radio, BleBearer) else 0.0
    return {
        "bearer": str(dut.choice), "cgm_bearer": dut.choice.cgm or str(dut.choice), "time": "host",
        "connection_interval_ms": dut.choice.interval_ms or None,
        "response_ms": asdict(figures.response) if figures.response is not None else None,
        "command_ms": asdict(figures.command) if figures.command is not None else None,
        "octets_per_s": figures.octets_per_s,
        "secured_ms": round(secured_s * 1000, 3) if secured_s else None,
    }  # fmt: skip
