"""The committed list of true findings: violations of a cohort that are understood, each with its explanation."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from pumprig.errors import UsageError
from pumprig.scenario_values import Part

__all__ = ["FINDINGS_PATH", "Finding", "load_findings"]

FINDINGS_PATH = Path(__file__).with_name("findings.toml")

_Text = Annotated[str, Field(min_length=1)]


class Finding(Part):
    """A violation that is known.

    Attributes:
        patient, controller, meals, announced, seed: the run that shows it.
        days: a run of at least so many days shows it.
        check, rule: what is missed.
        why: its explanation.
    """

    patient: _Text
    controller: _Text
    days: Annotated[int, Field(ge=1)]
    meals: _Text = "none"
    announced: bool = False
    seed: int = 1
    check: _Text
    rule: _Text
    why: _Text

    def belongs_to(self, patients: Sequence[str], days: int, meals: str, seed: int, *, announced: bool) -> bool:
        """Whether a cohort with its controller must show it."""
        same = (self.meals, self.announced, self.seed) == (meals, announced, seed)
        return same and self.patient in patients and days >= self.days


class _Findings(Part):
    finding: Annotated[list[Finding], Field(default_factory=list)]


def load_findings(path: Path = FINDINGS_PATH) -> tuple[Finding, ...]:
    """Read a list of findings.

    Raises:
        UsageError: it cannot be read, or an entry is incomplete.
    """
    try:
        return tuple(_Findings.model_validate(tomllib.loads(path.read_text(encoding="utf-8"))).finding)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part + 1 if isinstance(part, int) else part) for part in first["loc"])
        raise UsageError(f"{place}: {first['msg']}", where=str(path), allowed=", ".join(Finding.model_fields)) from None
    except (OSError, ValueError) as error:
        raise UsageError(f"the findings cannot be read: {error}", where=str(path)) from None
