"""A controller of the firmware on MicroPython, in a process that answers one input after the other.

Numbers cross as doubles, not as text, so that none of them changes on the way.
"""

from __future__ import annotations

import select
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path

from pumplink.boards import default_firmware
from pumplink.errors import BoardUnavailable
from pumplink.virtual.launch import micropython_command
from pumprig.errors import BlockedError, RigError, UsageError

__all__ = ["Answer", "OrefBoard"]

POINTS = 48
HEAP = "1M"
LINES = ("iob", "zt", "cob", "uam")
# What every answer begins with: a traceback, which comes the same way, does not.
_MARK = 20181117.5

# What the board answers with beside the four lines.
OUTPUTS = (
    "decision.rule", "decision.acts", "decision.rate", "decision.minutes", "decision.smb", "decision.eventual",
    "decision.insulin_required", "decision.carbs_required", "decision.bgi", "decision.deviation", "decision.smb_jump",
    "targets.ratio", "targets.basal", "targets.isf", "targets.target", "targets.min_bg", "targets.max_bg",
    "targets.threshold", "forecast.min_guard", "forecast.min_pred", "forecast.cob_shown", "forecast.uam_shown",
)  # fmt: skip

_SERVE = """
import io
import sys
from array import array
sys.path[:] = [{firmware!r}, ".frozen"]
from pump.control.oref.controller import Oref
from pump.control.oref.decision import Decision
from pump.control.oref.inputs import Inputs, Settings

inputs, settings, oref, decision = Inputs(), Settings(), Oref(), Decision()
holders = {{"inputs": inputs, "settings": settings, "decision": decision, "targets": oref.targets,
           "forecast": oref.forecast}}
decide = oref.decide
broken = None
if {own!r}:
    try:
        from pump.control.own import decide
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        broken = error
def refuse_no_dose():
    for name in ("rate", "minutes", "smb"):
        if not isinstance(getattr(decision, name), (int, float)):
            raise TypeError("decision.%s is %r, no number" % (name, getattr(decision, name)))
    told = "%s U/h for %s min, small bolus %s U" % (decision.rate, decision.minutes, decision.smb)
    tbr_fits = 0 <= decision.rate <= {rate_most} and 0 <= decision.minutes <= {minutes_most}
    if not (0 <= decision.smb <= {bolus_most} and (tbr_fits or not decision.acts)):
        raise ValueError(told + ": no dose")
for part in ("glucose", "temp", "iob", "meal"):
    holders[part] = getattr(inputs, part)
def slots(names):
    return [(holders[name.split(".")[0]], name.split(".")[1]) for name in names]
taken, told = slots({inputs!r}), slots({outputs!r})
lines = [getattr(oref.forecast, name) for name in {lines!r}]
points = {points}
frame = array("d", bytes(8 * (len(taken) + 1 + 2 * points)))
answer = array("d", bytes(8 * (2 + len(told) + len(lines) * (points + 1))))
while sys.stdin.buffer.readinto(frame):
    for i, (holder, name) in enumerate(taken):
        setattr(holder, name, frame[i])
    first = len(taken) + 1
    inputs.iob.count = int(frame[first - 1])
    for i in range(points):
        inputs.iob.activities[i] = frame[first + i]
        inputs.iob.zero_temp_activities[i] = frame[first + points + i]
    decision.clear()
    said = b""
    try:
        if broken:
            raise broken
        decide(inputs, settings, decision)
        if {own!r}:
            refuse_no_dose()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        if not {own!r}:
            raise
        decision.clear()
        decision.rule = 1112
        trace = io.StringIO()
        sys.print_exception(error, trace)
        said = trace.getvalue().encode()
    answer[0] = {mark!r}
    answer[-1] = len(said)
    for i, (holder, name) in enumerate(told):
        answer[1 + i] = getattr(holder, name)
    at = 1 + len(told)
    oref.forecast.show(oref.targets.target)
    for line in lines:
        answer[at] = line.count
        for i in range(points):
            answer[at + 1 + i] = line.points[i]
        at += points + 1
    sys.stdout.buffer.write(answer)
    sys.stdout.buffer.write(said)
"""

# D-1112: what is a dose.
_RATE_MOST, _MINUTES_MOST, _BOLUS_MOST = 65, 1440, 65
# Far longer than any decision takes on a busy machine.
_PATIENCE_S = 30


class Answer:
    """What the controller said: its numbers by name, and the points of its lines.

    Args:
        numbers: as they came, the mark left out.
        error: what MicroPython said of a controller that failed; empty when it did not.
    """

    def __init__(self, numbers: Sequence[float], error: str = "") -> None:
        self.error = error
        self.of = dict(zip(OUTPUTS, numbers, strict=False))
        self.lines: dict[str, list[float]] = {}
        at = len(OUTPUTS)
        for name in LINES:
            self.lines[name] = list(numbers[at + 1 : at + 1 + int(numbers[at])])
            at += POINTS + 1


class OrefBoard:
    """MicroPython with controller oref.

    Args:
        names: of the inputs that `decide` gets, as `holder.attribute`.
        firmware: the folder with the firmware; the installed one when None.
        own: controller own decides, not oref.
    Raises:
        BlockedError: there is no MicroPython for this machine.
    """

    def __init__(self, names: Sequence[str], firmware: Path | None = None, own: bool = False) -> None:
        self._request = struct.Struct(f"<{len(names) + 1 + 2 * POINTS}d")
        self._answer = struct.Struct(f"<{2 + len(OUTPUTS) + len(LINES) * (POINTS + 1)}d")
        serve = _SERVE.format(
            firmware=str(firmware or default_firmware()), inputs=list(names), outputs=list(OUTPUTS), lines=LINES,
            points=POINTS, mark=_MARK, own=own, rate_most=_RATE_MOST, minutes_most=_MINUTES_MOST,
            bolus_most=_BOLUS_MOST,
        )  # fmt: skip
        try:
            command = [*micropython_command(), "-X", f"heapsize={HEAP}", "-c", serve]
        except BoardUnavailable as error:
            raise BlockedError(str(error)) from None
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)

    def decide(self, numbers: Sequence[float], activities: Sequence[float], zero_temp: Sequence[float]) -> Answer:
        """The decision on one input.

        Args:
            numbers: in the order of the names.
            activities: of the insulin on board, U/min, every 5 min; at most 48.
            zero_temp: the same after a zero temp from now on.
        Raises:
            RigError: the process ended; the message has what it said.
            UsageError: there is no decision after a long time.
        """
        count = len(activities)
        empty = [0.0] * (POINTS - count)
        request = self._request.pack(*numbers, count, *activities, *empty, *zero_temp, *empty)
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            stdin.write(request)
            data = self._read(self._answer.size)
        except BrokenPipeError:
            data = stdout.read() or b""
        if len(data) < self._answer.size or self._answer.unpack(data)[0] != _MARK:
            said = (data + (stdout.read() or b"")).decode(errors="replace").strip()
            raise RigError(f"the controller ended on MicroPython: {said[-2000:]}")
        *numbers, length = self._answer.unpack(data)[1:]
        return Answer(numbers, self._read(int(length)).decode(errors="replace"))

    def _read(self, size: int) -> bytes:
        stdout, data = self._process.stdout, b""
        assert stdout is not None
        while len(data) < size:
            if not select.select([stdout], [], [], _PATIENCE_S)[0]:
                raise UsageError(
                    f"no decision within {_PATIENCE_S} s", where="--controller",
                    remedy="Look for a loop that does not end.",
                )  # fmt: skip
            if not (part := stdout.read(size - len(data))):
                break
            data += part
        return data

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()

    def __enter__(self) -> OrefBoard:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
