"""Where the specifications contradict themselves or one another, and what is chosen here; a test holds each choice."""

from __future__ import annotations

from typing import Final, NamedTuple


class Choice(NamedTuple):
    """One choice.

    Args:
        name: by which a test names it.
        where: the clauses.
        contradiction: what they say.
        chosen: what holds here.
    """

    name: str
    where: str
    contradiction: str
    chosen: str


CHOICES: Final = (
    Choice(
        "zero sums", "IDS 1.0.2, 3.6.2 and 3.10",
        "The daily total names the conditions under which a sum is 0 the wrong way round in the history event.",
        "As for the status reader: the bolus sum is 0 on a pump without boluses, the basal sum on one without basal.",
    ),
    Choice(
        "success", "IDS 1.0.2, 3.6.2, 3.7.2 and 3.9", "A remark at the status reader's codes names 0xF0 as success.",
        "Success is 0x0F at status reader and command control point, 0xF0 at the record access control point.",
    ),
    Choice(
        "template types", "IDS 1.0.2, 3.8 and 3.10", "Kinds of template have other numbers in the history event.",
        "Both hold, each in its place: 0x3C is TBR in TemplateStatusData, ISF in HistoryProfileTemplateActivated.",
    ),
    Choice(
        "block bits", "IDS 1.0.2, 3.7.2 and 3.8",
        "The second block has bit 1 when a profile is written, bit 0 when read.",
        "Both hold: a write has the end of the transaction in bit 0, what is read does not.",
    ),
    Choice(
        "replaced by a template", "IDS 1.0.2, 1.8 and 3.7.2",
        "What a template holds is ignored in Set Bolus and Set TBR Adjustment, yet reserved values are to be refused.",
        "A value beyond its limits is ignored there; reserved words and a bad structure are refused all the same.",
    ),
    Choice(
        "busy and not configured", "IDS 1.0.2, 1.8; IDP 1.0.2, 4",
        "The profile lets a missing configuration and a running procedure be indicated, the service makes them errors.",
        "They are ATT errors, 0xFD and 0xFE; no response code exists for them.",
    ),
    Choice(
        "no records found", "IDS 1.0.2, 3.9", "The code is described with the opcodes of the generic control point.",
        "It answers reports and deletions without a match; the number of records is then 0, no error.",
    ),
    Choice(
        "filters", "IDS 1.0.2, 3.9",
        "The text gives every operator but Null a filter, the table only those with bounds.",
        "The table holds: All, First and Last have neither filter nor bounds.",
    ),
    Choice(
        "target blocks", "IDS 1.0.2, 3.7.2 and 3.8",
        "The text has up to three blocks of a target range, the table two.",
        "Two: a third would not fit.",
    ),
    Choice(
        "counter 0", "IDS 1.0.2, 3.12", "`current - (last mod 255) = 1` says nothing of 0, which is never sent.",
        "255 is followed by 1. A received 0 follows nothing; a new connection begins as if 255 had come.",
    ),
    Choice(
        "counter failure", "IDS 1.0.2, 1.8 and 3.12", "One clause speaks of a response code for a wrong counter.",
        "It is the ATT error 0x82, and nothing is indicated.",
    ),
    Choice(
        "effective duration", "IDS 1.0.2, Appendix D",
        "The example's text and its numbers differ by the time before a change.",
        "The effective duration of a TBR counts from its start, changes included.",
    ),
    Choice(
        "communication interval", "CGMS 1.0.2, 3.7; GATT Specification Supplement",
        "The supplement prints the interval in the answer with two octets, the service with one.",
        "One octet, as in the request.",
    ),
)  # fmt: skip
