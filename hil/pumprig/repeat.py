"""A frame that comes twice: the newest control point write, sent again octet for octet.

That is what a link layer or a relay may do to a command. The counter of its end-to-end protection was used already, so
the pump must refuse it and do nothing (D-405). Where the stack has acknowledged it, ending the connection is how it
refuses (D-1510).
"""

from __future__ import annotations

from pumplink.errors import AttError, BearerLost
from pumplink.link import Link
from pumprig.checks import CheckBook
from pumprig.errors import ScenarioError
from pumpwire import att, database
from pumpwire.att import AttErrorCode, AttOpcode
from pumpwire.declare import TO_PUMP
from pumpwire.registry import messages_of

__all__ = ["DROPPED", "Repeater"]

DROPPED = -1
DROPPED_WITHIN_S = 0.2

# How a bearer says that the pump itself ended the connection, or that it cannot know who did.
_BY_PUMP = frozenset({"the pump closed the connection", "the connection to the pump ended"})

# What only asks, and moves nothing when it comes twice: the rig's own audits.
_QUESTIONS = frozenset(
    message.opcode.to_bytes(2, "little")
    for message in messages_of(database.COMMAND_CONTROL_POINT, TO_PUMP)
    if message.opcode is not None and message.name.startswith(("Get", "Read"))
)


class Repeater:
    """Remembers what was written to the command control point, and writes it again.

    Args:
        link: the connection.
        checks: where the pump's answer is judged.
    """

    def __init__(self, link: Link, checks: CheckBook) -> None:
        self._link = link
        self._checks = checks
        self._newest: att.Pdu | None = None
        link.watch(self._seen)
        link.on_open(self._forget)

    def repeat(self, at_s: int) -> int:
        """Write the newest command of this connection again and judge the answer.

        Args:
            at_s: the pump second at which it takes effect.

        Returns:
            The ATT error code, 0 when the pump accepted it, `DROPPED` when it ended the connection over it.

        Raises:
            ScenarioError: nothing was written on this connection.
            BearerLost: the connection was lost, and not ended by the pump.
        """
        newest = self._newest
        if newest is None or not self._link.is_open:
            raise ScenarioError(["repeat_command: there is no command on this connection to repeat"])
        code = 0
        acknowledged = self._link.bearer.prepares_values
        wanted = DROPPED if acknowledged else int(AttErrorCode.INVALID_COUNTER)
        try:
            self._link.request_write(newest.handle, newest.value)
            if acknowledged:
                self._link.run_until(self._link.now_s + DROPPED_WITHIN_S)
        except AttError as error:
            code = int(error.code)
        except BearerLost:
            # A radio link that is lost in that moment proves nothing of the pump.
            if not acknowledged or self._link.bearer.why_closed not in _BY_PUMP:
                raise
            code = DROPPED
        self._checks.expect(
            "response", code == wanted, at_s,
            message=f"a repeated command was answered: {_answer(code)}", expected=_answer(wanted),
            observed=_answer(code), rule="D-405",
        )  # fmt: skip
        return code

    def _seen(self, direction: str, data: bytes) -> None:
        if direction != "to_pump" or data[0] != AttOpcode.WRITE_REQUEST:
            return
        pdu = att.parse(data)
        if pdu.handle == database.COMMAND_CONTROL_POINT.handle and pdu.value[:2] not in _QUESTIONS:
            self._newest = pdu

    def _forget(self) -> None:
        self._newest = None


def _answer(code: int) -> str:
    return {0: "accepted", DROPPED: "connection ended"}.get(code, f"ATT error 0x{code:02X}")
