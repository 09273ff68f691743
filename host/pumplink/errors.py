"""Everything that pumplink raises on purpose.

    PumpLinkError
      BearerError            the way to the board
        BearerLost             it broke, or was closed
          WireMismatch           the pump speaks another version of the wire
        BearerBusy             somebody else holds it
        BearerMissing          there is no such device or host
        PairingFailed          this host and the pump do not trust each other
        BoardFull              its file system has no room for the firmware
        BoardRefused           it does not do what flashing needs, or is not the board it should be
        BoardSilent            it gives no REPL, or its firmware does not start
        BoardUnavailable       no virtual board can be started here
        BoardDied              the board's program ended or crashed
          BoardReset             it reset itself, or its watchdog did
        BoardHung              the board stopped answering
        PowerCut               the power went, where the test wanted it to
      ProbeError             the probe on the motor pin
        ProbeBlind             it has missed something: what the motor did is not known
        ProbeSilent            it does not answer, or is none
      AttError               the other end refused an ATT request
      AttTimeout             the other end did not answer an ATT request
      ProcedureError         a control point answered with a response code other than success
      ProcedureTimeout       a control point did not answer
      E2EError               counter or CRC of a received value is wrong
      WireError              a received value does not have the structure of its message

Bad arguments are `ValueError`, as everywhere in Python.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pumpwire.att import AttErrorCode

__all__ = [
    "AttError",
    "AttTimeout",
    "BearerBusy",
    "BearerError",
    "BearerLost",
    "BearerMissing",
    "BoardDied",
    "BoardFull",
    "BoardHung",
    "BoardRefused",
    "BoardReset",
    "BoardSilent",
    "BoardUnavailable",
    "E2EError",
    "PairingFailed",
    "PowerCut",
    "ProbeBlind",
    "ProbeError",
    "ProbeSilent",
    "ProcedureError",
    "ProcedureTimeout",
    "PumpLinkError",
    "WireError",
    "WireMismatch",
]

RESET_CAUSES = {1: "power on", 2: "reset by the firmware", 3: "watchdog", 4: "deep sleep", 5: "soft reset"}
_SHOWN_LINES = 12
# A line of a traceback.
_PLACE = re.compile(r'File "([^"]+)", line (\d+), in (\S+)')


class PumpLinkError(Exception):
    """Root of the tree."""


class BearerError(PumpLinkError):
    """The way to the board."""


class BearerLost(BearerError):
    """The bearer broke or was closed; what the board does now is not known."""


class WireMismatch(BearerLost):
    """The pump speaks another version of the wire than this host."""


class BearerBusy(BearerError):
    """Another program, or another part of this one, holds the bearer."""


class BearerMissing(BearerError):
    """No such device or host."""


class PairingFailed(BearerError):
    """This host and the pump do not trust each other: a wrong passkey, a refusal, or a bond that one side has lost."""


class BoardFull(BearerError):
    """The file system of a board has no room for the firmware."""


class BoardRefused(BearerError):
    """A board does not do what flashing needs of it, or is not the board that it should be."""


class BoardSilent(BearerError):
    """A board gives no REPL, or its firmware does not start."""


class BoardUnavailable(BearerError):
    """No virtual board can be started on this machine."""


class BoardDied(BearerError):
    """The program on the virtual board ended.

    Attributes:
        reason: what happened, in words.
        output: the last lines that the board printed.
        traceback: the part of the output from the last `Traceback` on, empty when there is none.
        at_s: DUT seconds, as far as known.
    """

    def __init__(self, reason: str, output: Sequence[str] = (), at_s: float | None = None) -> None:
        self.reason = reason
        self.output = list(output)
        self.at_s = at_s
        self.traceback = _last_traceback(self.output)
        shown = self.traceback[-_SHOWN_LINES:] or self.output[-_SHOWN_LINES:]
        when = "" if at_s is None else f" at {at_s:.6f} s"
        tail = "\nThe board's last output:\n  " + "\n  ".join(shown) if shown else "\nThe board printed nothing."
        super().__init__(f"the virtual board died{when}: {reason}{tail}")


class BoardReset(BoardDied):
    """The board reset: by `machine.reset()` or by its watchdog.

    Attributes:
        cause: what `machine.reset_cause()` says after it (3 is the watchdog).
    """

    def __init__(self, cause: int, output: Sequence[str] = (), at_s: float | None = None) -> None:
        self.cause = cause
        super().__init__(f"reset, cause {cause} ({RESET_CAUSES.get(cause, 'unknown')})", output, at_s)


class BoardHung(BearerError):
    """The board neither went idle nor said anything.

    Attributes:
        output: the last lines that the board printed, those about the interrupt included that shows where it hangs.
        where: the function, file and line in which it was interrupted, empty when it did not say.
    """

    def __init__(self, reason: str, output: Sequence[str] = ()) -> None:
        self.output = list(output)
        shown = self.output
        self.where = ""
        if shown and shown[-1].startswith("KeyboardInterrupt"):
            shown = shown[:-1]
            places = _PLACE.findall("\n".join(_last_traceback(shown)))
            # What stands in for the hardware is called from where it hangs.
            if own := [place for place in places if not place[0].startswith("/shims/")] or places:
                self.where = "in {2}, {0} line {1}".format(*own[-1])
        tail = "\nThe board's last output:\n  " + "\n  ".join(shown[-_SHOWN_LINES:]) if shown else ""
        place = f" {self.where}" if self.where else ""
        super().__init__(f"the virtual board hangs{place}: {reason}{tail}")


class PowerCut(BearerError):
    """The virtual board's power went in an operation of its flash that the test chose.

    Attributes:
        operation: number of that operation since the start of the board.
        at_s: DUT seconds.
    """

    def __init__(self, operation: int, at_s: float) -> None:
        self.operation = operation
        self.at_s = at_s
        super().__init__(
            f"the power went at {at_s:.6f} s, in operation {operation} of the flash, as was asked for; start the board "
            "again to see what it remembers"
        )


class ProbeError(PumpLinkError):
    """The probe on the motor pin."""


class ProbeBlind(ProbeError):
    """The probe has missed something, so that what the motor did is not known."""


class ProbeSilent(ProbeError):
    """The probe does not answer, or is none."""


class AttError(PumpLinkError):
    """The other end answered a request with an ATT error response.

    Attributes:
        code: the ATT error code.
        handle: the handle the request was for.
    """

    def __init__(self, code: int, handle: int, request: str = "request", remedy: str = "") -> None:
        self.code = code
        self.handle = handle
        known = code in AttErrorCode.__members__.values()
        name = AttErrorCode(code).name.lower().replace("_", " ") if known else "unknown error"
        told = f"the {request} of handle 0x{handle:04X} was refused: 0x{code:02X} ({name})"
        super().__init__(f"{told}; {remedy}" if remedy else told)


class AttTimeout(PumpLinkError):
    """No answer to an ATT request within its time."""


class ProcedureError(PumpLinkError):
    """A control point answered a procedure with a response code other than success.

    Attributes:
        procedure: the request's message name.
        code: the response code.
    """

    def __init__(self, procedure: str, code: int, meaning: str) -> None:
        self.procedure = procedure
        self.code = code
        super().__init__(f"{procedure} was refused: response code 0x{code:02X} ({meaning})")


class ProcedureTimeout(PumpLinkError):
    """A control point did not answer a procedure within its time."""


class E2EError(PumpLinkError):
    """The E2E counter or CRC of a received value is wrong (IDS 1.0.2, 3.1)."""


class WireError(PumpLinkError):
    """A received value does not have the structure of its message."""


def _last_traceback(output: Sequence[str]) -> list[str]:
    for index in range(len(output) - 1, -1, -1):
        if output[index].startswith("Traceback"):
            return list(output[index:])
    return []
