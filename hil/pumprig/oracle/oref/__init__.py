"""The second reading of DOSING.md, section 14: what controller oref decides, in doubles, one function a rule.

Nothing here knows a pump: `decide` takes all that D-1001 names and says what is wanted. The loop on the pump (section
15) is `pumprig.oracle.loop`.
"""

from pumprig.oracle.oref.decide import Decision, decide
from pumprig.oracle.oref.inputs import (
    GlucoseStatus,
    Inputs,
    InsulinPoint,
    LastTbr,
    Meal,
    RunningTbr,
    Settings,
    WantedTbr,
)
from pumprig.oracle.oref.single import decide_beside

__all__ = [
    "Decision",
    "GlucoseStatus",
    "Inputs",
    "InsulinPoint",
    "LastTbr",
    "Meal",
    "RunningTbr",
    "Settings",
    "WantedTbr",
    "decide",
    "decide_beside",
]
