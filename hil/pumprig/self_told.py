"""What the pump tells of itself apart from its insulin: watchdog, resets, pulses in doubt."""

from __future__ import annotations

from pumplink.results import Health
from pumprig.checks import CheckBook
from pumprig.dut import Dut
from pumpwire.enums import ResetCause

__all__ = ["judge_health", "judge_watchdog"]


def judge_watchdog(dut: Dut, checks: CheckBook, at_s: float) -> None:
    """Judge the period of the watchdog, which a virtual board shows (D-954).

    Args:
        dut: the board.
        checks: where it is judged.
        at_s: pump second that the judgement is recorded at.
    """
    board = dut.board
    if board is not None:
        due_ms = int(board.data.firmware["WATCHDOG_MS"])
        checks.expect(
            "alive", board.watchdog_ms == due_ms, at_s,
            message=f"the pump's watchdog is set to {board.watchdog_ms} ms, due {due_ms} ms", expected=due_ms,
            observed=board.watchdog_ms,
        )  # fmt: skip


def judge_health(dut: Dut, checks: CheckBook, before: Health, now: Health, at_s: float) -> None:
    """Judge what the pump tells at the end of a run.

    A real board may have been used before; the last reset of some chips looks like the watchdog's for ever after.

    Args:
        dut: the board.
        checks: where it is judged.
        before: what it told at the start.
        now: what it tells at the end.
        at_s: pump second that the judgements are recorded at.
    """
    own = dut.board is not None
    cause = ResetCause.POWER_ON if own else before.reset_cause
    checks.expect(
        "alive", now.reset_cause == cause, at_s, message=f"the pump says that it started by {now.reset_cause.name}",
        expected=cause.name, observed=now.reset_cause.name,
    )  # fmt: skip
    doubt = 0 if own else before.pulses_in_doubt
    checks.expect(
        "ledger", now.pulses_in_doubt == doubt, at_s,
        message=f"{now.pulses_in_doubt} pulses are in doubt, though none was under way when the power went",
        expected=doubt, observed=now.pulses_in_doubt, rule="D-923",
    )  # fmt: skip
