"""The line to the pump: whether every frame on it is whole, and of use (D-956)."""

from __future__ import annotations

from pumplink.link import Link
from pumprig.checks import CheckBook

__all__ = ["Line"]


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
