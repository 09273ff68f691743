"""Questions that fell due while the connection was away: asked when it is back, and judged by what is due then."""

from __future__ import annotations

from collections.abc import Callable

from pumprig.asking import Question

__all__ = ["MissedQuestions"]

# The samples that were missed go before, and the pump may take some seconds over them (D-617).
ASKED_AFTER_S = 10


class MissedQuestions:
    """Keeps each question once, however often it fell due, in the order in which they first did.

    Args:
        ask_at: puts a question at a pump second.
        taken: pump seconds at which another question is put already; those that are given out here are added.
    """

    def __init__(self, ask_at: Callable[[int, Question], None], taken: set[int]) -> None:
        self._ask_at = ask_at
        self._taken = taken
        self._missed: dict[Question, None] = {}

    def add(self, question: Question) -> None:
        """A question fell due, and nobody could be asked."""
        self._missed[question] = None

    def connected(self, at_s: int) -> None:
        """The connection is back.

        Args:
            at_s: the pump second of that.
        """
        second = at_s + ASKED_AFTER_S
        for question in self._missed:
            while second in self._taken:
                second += 1
            self._taken.add(second)
            self._ask_at(second, question)
        self._missed.clear()
