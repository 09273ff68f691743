"""Asks the firmware on a board for a factory reset, which its next start carries out (firmware/factory.py)."""

from __future__ import annotations

from pumplink.errors import BoardRefused
from pumplink.plugged.repl import Repl

__all__ = ["MARK", "MODULES", "ask_for_factory_reset"]

MARK = "factory_reset"
"""The file that asks for it."""
MODULES = ("factory.mpy", "factory.py")
"""Files of which a firmware has one when it knows a factory reset."""

# The mark is all that is written from here: where the journal lies, and how it is erased, the firmware knows itself.
_ASK = f"""
import os
_there=os.listdir()
if "main.py" not in _there or "board.py" not in _there:
    print("none")
elif not any(name in _there for name in {MODULES!r}):
    print("unknown")
else:
    open({MARK!r},"w").close()
    if hasattr(os,"sync"): os.sync()
    print("asked")
"""
_REFUSALS = {
    "none": "there is no pump on it",
    "unknown": "what runs on it knows no factory reset: it is a probe, or an older firmware",
}


def ask_for_factory_reset(repl: Repl) -> None:
    """Leaves the mark with which the pump's next start deletes all that it keeps of its past, and is new.

    A board that goes away before the mark is durable starts as it was. From then on each start begins the reset anew
    until one has carried it out.

    Args:
        repl: the board's, with nothing running; `Repl.start` comes next.
    Raises:
        BoardRefused: its firmware has no factory reset; it starts again as it was.
        BoardFull: there is no room for the mark.
        BearerLost: the board went away.
    """
    answer = repl.run(_ASK).strip()
    if answer != "asked":
        repl.reset()
        why = _REFUSALS.get(answer, f"it answered {answer!r}")
        raise BoardRefused(f"{repl.device}: {why}; nothing was deleted. Flash it first: `pumprig flash`")
