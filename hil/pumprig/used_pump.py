"""A pump on a line that was used before: runs begin with the values of a new one, so it is refused by what it holds.

It would be judged by wrong values otherwise: a right pump would fail, or what it kept of another run would pass.
"""

from __future__ import annotations

from collections.abc import Iterator

from pumplink.pump import Pump
from pumplink.results import HistoryRecord
from pumprig import read_back
from pumprig.asking import iu
from pumprig.errors import BlockedError
from pumprig.oracle import Oracle, OracleSettings, State
from pumprig.oracle.questions import GetTemplateStatus
from pumpwire.enums import RecordingReason
from pumpwire.registry import MESSAGES

__all__ = ["refuse_used", "traces_of_use"]

REMEDY = (
    "Make it new with `pumprig reset --board {board} --factory`; a virtual one (`pumprig board`) is new when it is "
    "started anew"
)


def refuse_used(pump: Pump, settings: OracleSettings, where: str) -> None:
    """Refuse a pump that holds anything that a new one does not.

    Args:
        pump: on a line, whose past nobody knows.
        settings: what kind of pump it must be.
        where: the board's name.

    Raises:
        BlockedError: it was used; the message says all that it holds.
    """
    found = list(traces_of_use(pump, settings))
    if found:
        # A name in the air is none that has a REPL.
        board = "BOARD" if where.startswith("ble:") else where
        raise BlockedError(
            f"the pump was used before: {', '.join(found)}", where=where, remedy=REMEDY.format(board=board)
        )


def traces_of_use(pump: Pump, settings: OracleSettings) -> Iterator[str]:
    """All that a pump holds that a new one does not, in words.

    Args:
        pump: with its subscriptions.
        settings: what kind of pump it must be.
    Raises:
        PumpLinkError: it does not answer, or not as a pump does.
    """
    oracle = Oracle(settings)
    state = oracle.state()
    counters = pump.pulse_counters()
    if delivered := counters.basal + counters.bolus + counters.prime:
        yield f"{delivered} pulses delivered"
    if counters.reservoir != state.reservoir_pulses:
        yield f"{iu(counters.reservoir * settings.pulse_mu)} IU in its reservoir"
    yield from _of_history(pump.history())
    status = pump.status()
    if status.therapy.name.lower() != state.therapy:
        yield f"therapy in {status.therapy.name.lower()}"
    if pump.annunciation() is not None:
        yield "an annunciation that nobody has confirmed"
    if pump.max_bolus() != iu(state.max_bolus_mu):
        yield f"a maximum bolus of {pump.max_bolus()} IU"
    kept = {number for kind in pump.templates() for number in kind.configured}
    new = {
        number
        for kind in oracle.command(0, GetTemplateStatus()).fields["types"]
        for number, (_, configured) in enumerate(kind.flags, kind.first)
        if configured
    }
    if kept != new:
        yield f"templates {', '.join(map(str, sorted(kept ^ new)))}"
    yield from _of_settings(pump, state)


def _of_settings(pump: Pump, state: State) -> Iterator[str]:
    pairs = [("controller", read_back.controller_settings)]
    if MESSAGES["OrefSettings"].served:
        pairs.append(("oref", read_back.oref_settings))
    if MESSAGES["ControllerGuardrails"].served:
        pairs.append(("guardrails", read_back.guardrails))
    for title, read in pairs:
        due, told = read(state, pump)
        if other := [f"{name} = {told[name]}" for name, value in due.items() if told[name] != value]:
            yield f"settings of {title} ({', '.join(map(str, other))})"


def _of_history(records: list[HistoryRecord]) -> Iterator[str]:
    if not all(map(_of_idle_pump, records)):
        yield f"{len(records)} history records"
        return
    if records and records[0].sequence:
        yield f"a history without its first {records[0].sequence} records"
    starts = sum(record.fields.get("recording_reason") == RecordingReason.DATE_TIME_LOSS for record in records)
    if starts > 1:
        yield f"{starts} starts in its history"


# What a pump records that nobody has used since its start.
def _of_idle_pump(record: HistoryRecord) -> bool:
    if record.event == "HistoryReferenceTime":
        return bool(record.fields["recording_reason"] != RecordingReason.SET_DATE_TIME)
    return record.event == "HistoryTotalDailyInsulin"
