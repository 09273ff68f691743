"""What a conformance case is, what it needs, and how it can end."""

from __future__ import annotations

import enum
import importlib
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from pumprig.errors import UsageError
from pumpwire.enums import IddFeatureFlags

if TYPE_CHECKING:
    from pumprig.conformance.session import Session

__all__ = [
    "Case",
    "CaseEnd",
    "Failed",
    "NotAdvertised",
    "NotPossible",
    "Verdict",
    "all_cases",
    "case",
    "chosen_cases",
]


class Verdict(enum.Enum):
    """How a case ended; ERROR when the case itself broke, which says nothing of the server."""

    PASS = "PASS"
    FAIL = "FAIL"
    NOT_POSSIBLE = "NOT_POSSIBLE"
    NOT_ADVERTISED = "NOT_ADVERTISED"
    ERROR = "ERROR"


class CaseEnd(Exception):
    """A case that ends otherwise than with PASS."""

    verdict = Verdict.FAIL


class Failed(CaseEnd):
    """The server does not do what the clause says.

    Args:
        expected: what the clause asks for.
        seen: what came instead, with its octets.
    """

    def __init__(self, expected: str, seen: str) -> None:
        self.expected = expected
        self.seen = seen
        super().__init__(f"expected {expected}, seen {seen}")


class NotPossible(CaseEnd):
    """The case cannot be tried on this bench, or in the state that this server is in; the message says why."""

    verdict = Verdict.NOT_POSSIBLE


class NotAdvertised(CaseEnd):
    """The server does not say that it has what the case is about; the message says what that is."""

    verdict = Verdict.NOT_ADVERTISED


@dataclass(frozen=True)
class Case:
    """One thing that a server must do.

    Args:
        id: its name, from the general to the particular.
        clause: specification and clause.
        about: what it checks, in one sentence.
        run: does it; returns for PASS.
        needs: features without which the standard does not ask for it.
        command: whether it needs the Command Control Point.
        history: whether it needs the Record Access Control Point.
        seconds: of the server's time that it takes, beyond the exchange itself.
        last: whether it judges what all cases before it have seen.
        fresh: whether it wants a server of its own where there can be one: it needs one that nobody has used, or leaves
            one that nobody should use.
        stack: what a Bluetooth stack must be able to do for it, by the keys of `pumplink.stacks`.
    """

    id: str
    clause: str
    about: str
    run: Callable[[Session], None]
    needs: IddFeatureFlags
    command: bool
    history: bool
    seconds: float
    last: bool
    fresh: bool
    stack: tuple[str, ...] = ()


_CASES: dict[str, Case] = {}
_NOTHING = IddFeatureFlags(0)


def case(
    name: str,
    clause: str,
    about: str,
    *,
    needs: IddFeatureFlags = _NOTHING,
    command: bool = False,
    history: bool = False,
    seconds: float = 0.0,
    last: bool = False,
    fresh: bool = False,
    stack: tuple[str, ...] = (),
) -> Callable[[Callable[[Session], None]], Callable[[Session], None]]:
    """Registers a function as a case.

    Args:
        name: its id.
        clause: of IDS 1.0.2, or with the name of another specification.
        about: what it checks, in one sentence.
        needs, command, history, seconds, last, fresh, stack: see `Case`.

    Raises:
        ValueError: another case has this id.
    """
    clause = clause if clause[0].isalpha() else f"IDS 1.0.2, {clause}"

    def register(run: Callable[[Session], None]) -> Callable[[Session], None]:
        if name in _CASES:
            raise ValueError(f"two cases are called {name}")
        _CASES[name] = Case(name, clause, about, run, needs, command, history, seconds, last, fresh, stack)
        return run

    return register


def all_cases() -> tuple[Case, ...]:
    """Every case, in the order of their files; those that judge the whole run come last."""
    package = importlib.import_module("pumprig.conformance")
    for module in pkgutil.iter_modules(package.__path__):
        if module.name.startswith("cases_"):
            importlib.import_module(f"pumprig.conformance.{module.name}")
    return tuple(sorted(_CASES.values(), key=lambda one: (one.last, one.run.__module__)))


def chosen_cases(include: Iterable[str] = (), exclude: Iterable[str] = ()) -> tuple[Case, ...]:
    """The cases whose id matches one of the patterns of `include` (all without one) and none of `exclude`.

    Raises:
        UsageError: a pattern that no case matches, or nothing is left.
    """
    cases = all_cases()
    for option, patterns in (("--include", include), ("--exclude", exclude)):
        for pattern in patterns:
            if not any(fnmatchcase(one.id, pattern) for one in cases):
                raise UsageError(
                    f"no case is called {pattern}", where=option, allowed="ids and patterns such as srcp.*",
                    remedy="`pumprig conformance --list` names them.",
                )  # fmt: skip
    wanted, unwanted = tuple(include), tuple(exclude)
    chosen = tuple(
        one
        for one in cases
        if (not wanted or any(fnmatchcase(one.id, pattern) for pattern in wanted))
        and not any(fnmatchcase(one.id, pattern) for pattern in unwanted)
    )
    if not chosen:
        raise UsageError("no case is left", where="--exclude")
    return chosen
