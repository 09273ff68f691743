"""Chapters of the interface document that are told, not tabulated: exchanges, errors, sizes, choices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pumpwire import database
from pumpwire.database import Characteristic
from pumpwire.declare import TO_CLIENT, TO_PUMP, Message, Outcome
from pumpwire.generate.choices import CHOICES
from pumpwire.generate.vectors import extremes, protected
from pumpwire.receiver import reaction
from pumpwire.registry import MESSAGES, messages_of

_MTU_DEFAULT = 23
_SHORT = database.ATT_VALUE_OCTETS_MAX
_PDU_OCTETS = 3
_WIDTH = 104


def _value(name: str, example: int = 0, counter: int = 1, **values: Any) -> str:
    message = MESSAGES[name]
    octets = message.build(**values) if values else message.examples[example].octets
    return f"{name}: {protected(message, octets, counter).hex(' ')}"


def _drawing(left: str, right: str, steps: Sequence[tuple[str, str]]) -> list[str]:
    # A step goes to the right, to the left, or stays on a side and is said there.
    lines = ["```text", f"{left:<{_WIDTH // 2}}{right:>{_WIDTH - _WIDTH // 2}}"]
    for way, said in steps:
        if way == ">":
            lines.append(f"|-- {said} " + "-" * max(1, _WIDTH - len(said) - 7) + ">|")
        elif way == "<":
            lines.append(f"|<- {said} " + "-" * max(1, _WIDTH - len(said) - 6) + "|")
        else:
            lines.append(f"|{said:^{_WIDTH - 2}}|")
    return [*lines, "```", ""]


def exchanges() -> list[str]:
    """How the messages follow one another."""
    lines = ["## Exchanges", ""]
    lines += ["Octets are whole characteristic values, each drawing on a new connection: counters begin at 1.", ""]
    for title, text, drawing in _EXCHANGES:
        lines += [f"### {title}", "", text, "", *_drawing("client", "pump", drawing)]
    lines += ["### The sensor", "", _SENSOR, "", *_drawing("rig (sensor)", "pump", _SENSOR_DRAWING)]
    return lines


_EXCHANGES: Sequence[tuple[str, str, Sequence[tuple[str, str]]]] = (
    (
        "A procedure of a control point",
        "The write is answered at once by ATT; the procedure ends with an indication, which the client confirms. Until "
        "then every control point of the service refuses writes with 0xFE. An answer of its own stands for success; "
        "otherwise the response code message comes.",
        (
            (">", "write to configuration of the control point: 02 00 (indications)"),
            ("<", "write response"),
            (">", f"write {_value('SetBolus')}"),
            ("<", "write response"),
            ("<", f"indication {_value('SetBolusResponse')}"),
            (">", "confirmation"),
            ("=", "the bolus runs; IDD Status Changed is indicated where it is configured"),
        ),
    ),
    (
        "A refused procedure",
        "A value that was understood and cannot be granted is answered by a code; the counter goes on.",
        (
            (">", f"write {_value('SetTbrAdjustment')}"),
            ("<", "write response"),
            ("<", f"indication {_value('CommandResponseCode')}"),
            (">", "confirmation"),
        ),
    ),
    (
        "A procedure with data: reading a profile",
        "Data is notified on IDD Command Data, which must be configured too, or the write gets 0xFD. The indication "
        "comes after the last notification and ends the procedure.",
        (
            (">", f"write {_value('ReadBasalRateTemplate')}"),
            ("<", "write response"),
            ("<", f"notification {_value('BasalRateTemplateData')}"),
            ("=", "as many as the profile needs"),
            ("<", "indication CommandResponseCode: success"),
            (">", "confirmation"),
        ),
    ),
    (
        "A transaction: writing a profile",
        "Blocks come in any order, all with one opcode and one template number. Each write is answered; the one with "
        "*end transaction* is checked as a whole: no gap, 1440 minutes in all. Any failure (0x75), any other procedure "
        "on any control point, and the end of the connection drop everything written so far.",
        (
            (">", f"write {_value('WriteBasalRateTemplate')}"),
            ("<", "write response"),
            ("<", "indication WriteBasalRateTemplateResponse: not completed, first block 1"),
            (">", "confirmation"),
            (">", f"write {_value('WriteBasalRateTemplate', 1, 2)}"),
            ("<", "write response"),
            ("<", f"indication {_value('WriteBasalRateTemplateResponse', 0, 2)}"),
            (">", "confirmation"),
        ),
    ),
    (
        "Fetching the history",
        "Records are copies, oldest first. Abort is the one request that is taken meanwhile. Records that match none "
        "are answered 0x06. A client that has the record of sequence n asks for everything from n + 1.",
        (
            (">", f"write {_value('RacpReportStoredRecords', 1)}"),
            ("<", "write response"),
            ("<", f"notification {_value('HistoryBolusDelivered1')}"),
            ("<", f"notification {_value('HistoryBolusDelivered2')}"),
            ("<", f"indication {_value('RacpResponseCode')}"),
            (">", "confirmation"),
        ),
    ),
    (
        "What has changed",
        "Bits of IDD Status Changed stay set until the client clears them; it reads what they are about first.",
        (
            ("<", f"indication {_value('IddStatusChanged')}"),
            (">", "confirmation"),
            (">", f"write {_value('GetActiveBolusIds')}"),
            ("<", "write response"),
            ("<", f"indication {_value('GetActiveBolusIdsResponse')}"),
            (">", "confirmation"),
            (">", f"write {_value('ResetStatus', 0, 2)}"),
            ("<", "write response, then indication ReaderResponseCode: success"),
            (">", "confirmation"),
        ),
    ),
    (
        "A lost answer to Set Bolus",
        "When the indication does not come within 30 s, or its CRC is wrong, the client does not know whether insulin "
        "flows. It never sends the bolus again before it has asked (IDP 1.0.2, 4.16).",
        (
            (">", "write SetBolus"),
            ("<", "write response"),
            ("=", "30 s without the indication: the client closes the connection and opens another"),
            (">", f"write {_value('GetActiveBolusIds')}"),
            ("<", "indication GetActiveBolusIdsResponse: is there an ID that the client does not know?"),
            ("=", "none: history from the last known sequence number tells whether it ran and ended"),
        ),
    ),
    (
        "A damaged write",
        "Nothing is carried out and nothing indicated. A refused counter is not taken over as the last one.",
        (
            (">", "write with a wrong CRC"),
            ("<", "error response 0x81"),
            (">", "write with a right CRC and the counter of before"),
            ("<", "error response 0x82"),
        ),
    ),
)
_SENSOR = (
    "The pump is the client of the rig's CGM Service on the same link: it reads Feature and Session Start Time, "
    "configures notifications and takes each measurement once, by its time offset. What does not decode, or has a "
    "wrong CRC, is as if it had not come."
)
_SENSOR_DRAWING = (
    ("<", "read CGM Feature"),
    (">", f"read response {_value('CgmFeature')}"),
    ("<", "read CGM Session Start Time"),
    (">", f"read response {_value('CgmSessionStartTime')}"),
    ("<", "write to configuration of CGM Measurement: 01 00 (notifications)"),
    (">", "write response"),
    (">", f"notification {_value('CgmMeasurement')}"),
    ("=", "the controller decides; Controller Decision is notified where it is configured"),
)


def errors() -> list[str]:
    """Who answers what with which error."""
    lines = ["## Errors", "", *_ERRORS.splitlines(), ""]
    lines += ["| Written to | Unknown opcode | Wrong structure | Reserved value | Beyond a limit |"]
    lines += ["|---|---|---|---|---|"]
    for characteristic in database.CHARACTERISTICS.values():
        if "write" in characteristic.properties:
            direction = TO_PUMP if characteristic.handle < database.RIG_HANDLES_FROM else TO_CLIENT
            octets = bytes(characteristic.opcode_octets)
            cells = [_reaction(characteristic, direction, octets, *case) for case in _WRONG]
            if not characteristic.opcode_octets:
                cells[0] = ""
            lines.append(f"| {characteristic.name} | {' | '.join(cells)} |")
    lines += ["", "At the record access control points a reserved operator gets 0x04, a reserved filter 0x09.", ""]
    lines += ["| Procedure | 0x71 invalid operand | 0x73 out of range | 0x74 not applicable | Others |"]
    lines += ["|---|---|---|---|---|"]
    lines += ["| " + " | ".join(row) + " |" for row in _PROCEDURES]
    return [*lines, ""]


_WRONG = (
    (Outcome.RFU, "opcode"), (Outcome.BAD_STRUCTURE, ""), (Outcome.RFU, ""), (Outcome.OUT_OF_RANGE, ""),
)  # fmt: skip


def _reaction(characteristic: Characteristic, direction: str, octets: bytes, outcome: Outcome, field: str) -> str:
    found = reaction(characteristic, direction, octets, outcome, field)
    kind = "ATT error " if found.does == "refuses" else ""
    return "" if found.code is None else f"{kind}0x{int(found.code):02X}"


_ERRORS = """\
A server looks at a write in this order and stops at the first thing that is wrong:

1. longer than 20 octets: ATT error 0x0D
2. CRC wrong or missing: 0x81; then the counter: 0x82
3. too short for an opcode: 0x0D
4. the control point not configured for indications, or the data characteristic that the procedure needs not for
   notifications: 0xFD
5. a procedure is running and this is not its abort: 0xFE
6. an opcode of the prohibited range: taken by ATT, then ignored; nothing is indicated
7. the opcode, the structure and the values of the operand, in this order: a response code
8. whether the procedure can be carried out now: a response code

A procedure ends at the latest 30 s after the indication that nobody confirms. A client waits 30 s from the write
response or the last notification, then drops the connection. Whatever a client cannot decode it drops, and it does not
act on it. A connection that ends takes the counters, the configurations, a running procedure and an open transaction
with it."""
_PROCEDURES = (
    ("Set Therapy Control State", "state undetermined", "",
     "the state cannot be entered, as Run without a reservoir", ""),
    ("Snooze, Confirm Annunciation", "", "", "the ID was never given, or is confirmed", ""),
    ("Read a profile template", "", "template number", "the template is not configured", ""),
    ("Write a profile template", "", "template number, first block below 1, more blocks than the template has",
     "the template is not configurable", "0x75 not plausible as a whole; 0x72 could not be stored"),
    ("Set TBR Adjustment", "type undetermined or not supported; a template without the feature",
     "value, duration, template number",
     "one runs and *change TBR* is clear, none runs and it is set, the template is not configured", ""),
    ("Cancel TBR Adjustment", "", "", "none runs", ""),
    ("Get, Set TBR Template", "type", "number, value, duration", "not configured (get), not configurable (set)", ""),
    ("Set Bolus",
     "type undetermined or not supported; a fast amount with extended; an extended amount or a duration with fast; "
     "delay, template or activation type without the feature", "amounts, duration, delay, template number",
     "the template is not configured", "0x76 no further bolus of this type now"),
    ("Cancel Bolus", "", "", "the ID was never given, or is not active", ""),
    ("Get, Set Bolus Template", "as Set Bolus", "as Set Bolus", "not configured (get), not configurable (set)", ""),
    ("Reset Template Status", "", "",
     "any of them is no template, not configured, not configurable or active: none is reset", ""),
    ("Activate Profile Templates", "", "",
     "any of them is no profile template or not configured: none is activated", ""),
    ("Start Priming, Set Initial Reservoir Fill Level, Set Max Bolus Amount", "", "amount", "", ""),
    ("Stop Priming", "", "", "no priming runs", ""),
    ("Get Active Bolus Delivery", "selection", "", "the ID was never given, or is not active", ""),
    ("Get Active Basal Rate Delivery", "", "", "no basal rate is active", ""),
    ("Get Counter", "type or selection not supported", "", "", ""),
)  # fmt: skip


def sizes() -> list[str]:
    """Octets of every message and what an ATT_MTU has to be for it."""
    lines = ["## Sizes and MTU", ""]
    lines += ["Octets of the message (with its opcode), of the value on the wire (with counter and CRC), and the least"]
    lines += [f"ATT_MTU that carries it, {_PDU_OCTETS} octets more. The default of {_MTU_DEFAULT} carries all but"]
    long = [item.name for item in database.CHARACTERISTICS.values() if item.value_octets_max > _SHORT]
    lines += [", ".join(long) + ". Who reads or writes one of them"]
    lines += ["exchanges an MTU first: of a longer value a read gives only what the MTU carries (ATT_MTU - 1"]
    lines += ["octets), and a write of it is refused (ATT error 0x0D). A greater MTU changes nothing else but how many"]
    lines += ["CGM records fit one notification.", ""]
    lines += ["| Characteristic | Message | Message octets | Value octets | Least MTU |", "|---|---|---|---|---|"]
    for characteristic in database.CHARACTERISTICS.values():
        for message in messages_of(characteristic):
            least, greatest = _least(message), _greatest(message)
            extra = len(protected(message, bytes(greatest))) - greatest
            both = f"{least}" if least == greatest else f"{least} to {greatest}"
            value = f"{least + extra}" if least == greatest else f"{least + extra} to {greatest + extra}"
            lines.append(
                f"| {characteristic.name} | {message.name} | {both} | {value} | {greatest + extra + _PDU_OCTETS} |"
            )
    size = _greatest(MESSAGES["CgmMeasurement"]) + 3
    lines += ["", "| ATT_MTU | Longest CGM records in one notification | Shortest |", "|---|---|---|"]
    for mtu in (_MTU_DEFAULT, 65, 185, 247):
        lines.append(f"| {mtu} | {(mtu - _PDU_OCTETS) // size} | {(mtu - _PDU_OCTETS) // 8} |")
    return [*lines, ""]


def _least(message: Message) -> int:
    return len(message.build(**extremes(message, False))) if _is_free(message) else min(
        len(example.octets) for example in message.examples
    )  # fmt: skip


def _greatest(message: Message) -> int:
    longest = max(len(example.octets) for example in message.examples)
    return max(longest, len(message.build(**extremes(message, True))))


def _is_free(message: Message) -> bool:
    # What depends on an enumeration is shown by the examples, whose values the extremes keep.
    return all(field.condition is None or field.condition.mask for field in message.fields)


def choices() -> list[str]:
    """Where the specifications contradict themselves."""
    lines = ["## Choices", ""]
    lines += ["Where the specifications contradict themselves, this holds here; a test holds each.", ""]
    lines += ["| Subject | Where | What is said | What holds |", "|---|---|---|---|"]
    lines += [f"| {item.name} | {item.where} | {item.contradiction} | {item.chosen} |" for item in CHOICES]
    return [*lines, ""]


__all__ = ["choices", "errors", "exchanges", "sizes"]
