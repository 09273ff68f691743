"""How much of a long campaign runs.

`make slow` runs as much of each as fits into the hour of `.ci/run` on a busy machine; with PUMPRIG_CAMPAIGN=whole in
its environment it runs all of it.
"""

import os
from collections.abc import Sequence
from typing import TypeVar

Items = TypeVar("Items", bound=Sequence)

_WHOLE = os.environ.get("PUMPRIG_CAMPAIGN", "") == "whole"


def size(usual: int, whole: int) -> int:
    """A number of a campaign: what it usually is, and in the whole of it."""
    return whole if _WHOLE else usual


def share(items: Items, every: int) -> Items:
    """What a campaign goes through: every so many of the items, or all of them."""
    return items if _WHOLE else items[::every]
