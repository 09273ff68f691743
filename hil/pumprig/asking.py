"""How a question is put to pump and oracle, and its two answers compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, TypeVar

from pumplink.errors import ProcedureError
from pumplink.pump import Pump
from pumprig.checks import CheckBook
from pumprig.judge import Judge
from pumprig.oracle import State
from pumprig.oracle.commands import Command, Expected
from pumpwire.enums import ResponseCode
from pumpwire.numbers import toward_zero

__all__ = ["Asker", "Question", "iu", "tenths", "word"]

Question = Callable[[int, State], None]
_Answer = TypeVar("_Answer")


def iu(milliunits: int) -> Decimal:
    """Milliunits as the wire shows them: IU, or a factor from thousandths."""
    return toward_zero(Decimal(milliunits) / 1000)


def tenths(value: int) -> Decimal:
    """Tenths as the wire shows them."""
    return toward_zero(Decimal(value) / 10)


def word(text: str) -> str:
    """The wire's name for a word of the oracle."""
    return text.upper().replace(" ", "_")


class Asker:
    """Puts questions. An answer is that of the pump second at which its question is put.

    Args:
        pump: the pump.
        judge: holds the oracle, advanced to the second of a question.
        checks: where each judgement goes.
        in_time: called with the second of a question when its answer has come, before that is judged; raises when
            the bench was too slow for it.
    """

    def __init__(self, pump: Pump, judge: Judge, checks: CheckBook, in_time: Callable[[int], None]) -> None:
        self.pump, self.judge, self.checks = pump, judge, checks
        self._in_time = in_time

    def heard(self, at_s: int, answer: _Answer) -> _Answer:
        """An answer, when it came in time to belong to its second."""
        self._in_time(at_s)
        return answer

    def wanted(self, at_s: int, question: Command) -> Expected:
        """What the rules answer."""
        return self.judge.oracle.command(at_s, question)

    def expect(self, check: str, ok: bool, at_s: int, what: str, right: object, got: object, rule: str = "") -> bool:
        """Judge one answer."""
        return self.checks.expect(
            check, ok, at_s, message="" if ok else f"{what}: due {right}, the pump says {got}",
            expected=_plain(right), observed=_plain(got), rule=rule,
        )  # fmt: skip

    def compare(
        self,
        check: str,
        at_s: int,
        what: str,
        question: Command,
        due: Callable[[Mapping[str, Any]], object],
        ask: Callable[[Pump], object],
        rule: str = "",
    ) -> bool:
        """Put a question that may be refused, and compare code and answer.

        Args:
            check: which check judges it.
            at_s: the pump second.
            what: what is asked, for a message.
            question: the question as the oracle knows it.
            due: turns the fields of the oracle's answer into what `ask` returns.
            ask: asks the pump.
            rule: the rule that decides here.
        """
        wanted = self.wanted(at_s, question)
        try:
            got: object = ask(self.pump)
            code = int(ResponseCode.SUCCESS)
        except ProcedureError as error:
            got, code = None, error.code
        self._in_time(at_s)
        right = due(wanted.fields) if ResponseCode.SUCCESS in wanted.codes else None
        codes = " or ".join(f"0x{expected:02X}" for expected in sorted(wanted.codes))
        if code not in wanted.codes:
            return self.expect(check, False, at_s, f"{what}, response code", codes, f"0x{code:02X}", rule)
        return self.expect(check, right == got, at_s, what, right, got, rule)


def _plain(value: object) -> object:
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
