"""The checks that a measurement of accuracy is judged by."""

from __future__ import annotations

from pumprig.checks import Check, declare

__all__ = ["ACCURACY_CHECKS"]

ACCURACY_CHECKS: dict[str, Check] = declare(
    Check("window", "Every window, at every position, holds the pulses that its rate gives", ("D-1402",), motor=True),
    Check("bolus-amount", "Every bolus brings its amount to the pulse", ("D-1403",), motor=True),
    Check("bolus-speed", "Every pulse of a bolus falls at the second at which it is due", ("D-106",), motor=True),
    Check("drift", "At the end of every day the pulses are those of the profile since the start", ("D-1404",),
          motor=True),
    Check("counters", "The pump counts the pulses that leave its motor", ("D-903",), motor=True),
    Check("pulse-timing", "A pulse leaves the motor within its second", ("D-953",), motor=True),
    Check("command", "The pump takes the commands of the measurement", (
        "D-201", "D-204", "D-401", "D-501", "D-513", "D-802")),
    Check("alive", "The pump neither resets, hangs nor prints a traceback", ("D-954",)),
)  # fmt: skip
