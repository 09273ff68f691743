"""The firmware's codec says what construct says.

Goal: on MicroPython, with the heap locked, every message decodes to the same outcome and the same values as its
declaration, and encodes to the same octets.
Method: thousands of seeded values for each message, all truncations, and damaged octets go through the declaration
here and through the codec there; both answers are compared.
"""

from __future__ import annotations

import random
from typing import Any

import pytest
from pumpwire import MESSAGES, Outcome
from pumpwire.declare import Message

from . import board, cases

SEED = 20240183
ROUNDS = 40
DAMAGED_ROUNDS = 40

needs_micropython = pytest.mark.skipif(board.micropython() is None, reason="no MicroPython unix port installed")

CODEC_MESSAGES = list(MESSAGES.values())


def _header_octets(message: Message) -> int:
    return message.on.opcode_octets + sum(field.octets for field in message.header_layout)


def _body(message: Message, octets: bytes) -> bytes:
    return octets[_header_octets(message) :]


def _matches(expected: list[Any], actual: list[Any]) -> bool:
    return all(want is None or want == got for want, got in zip(expected, actual, strict=True))


def _judge(message: Message, octets: bytes, answer: board.Answer) -> str:
    decoded = message.parse(octets)
    if answer.status != decoded.outcome:
        return f"outcome {answer.status} where construct has {decoded.outcome!r} ({decoded.detail})"
    if decoded.field and answer.bad_slot != board.first_slot(decoded.field):
        return f"bad slot {answer.bad_slot} where construct has {decoded.field}"
    if decoded.ok:
        expected = board.to_slots(message, cases.board_values(message, decoded.fields))
        if not _matches(expected, answer.slots):
            return f"values {answer.slots} where construct has {expected}"
    if answer.heap_octets:
        return f"{answer.heap_octets} octets allocated"
    return ""


@needs_micropython
def test_every_message_decodes_and_encodes_as_declared(tmp_path):
    source = random.Random(SEED)
    given = []
    for message in CODEC_MESSAGES:
        for number in range(ROUNDS if message.layout else 1):
            values = message.examples[0].fields if number == 0 else cases.values_of(message, source)
            octets = message.build(**values)
            given.append((message, octets, board.to_slots(message, cases.board_values(message, values))))
    assert len(given) > 2000
    answers = board.run(tmp_path, [(message, _body(message, octets), slots) for message, octets, slots in given])
    for (message, octets, _), answer in zip(given, answers, strict=True):
        wrong = _judge(message, octets, answer)
        assert not wrong, f"{message.name} {octets.hex()}: {wrong}"
        if not any(field.rounding.value for field in message.layout):
            assert answer.encoded == _body(message, octets), f"{message.name} {octets.hex()}"


@needs_micropython
def test_every_truncation_is_refused_unless_the_prefix_is_a_message_itself(tmp_path):
    source = random.Random(SEED + 1)
    given = []
    for message in CODEC_MESSAGES:
        for _ in range(6):
            octets = message.build(**cases.values_of(message, source))
            given += [(message, octets[:end]) for end in range(_header_octets(message), len(octets))]
    filler = {message.name: [0] * len(board.slots_of(message)) for message in CODEC_MESSAGES}
    answers = board.run(
        tmp_path, [(message, _body(message, octets), filler[message.name]) for message, octets in given]
    )
    refused = 0
    for (message, octets), answer in zip(given, answers, strict=True):
        wrong = _judge(message, octets, answer)
        assert not wrong, f"{message.name} {octets.hex()}: {wrong}"
        refused += answer.status == Outcome.BAD_STRUCTURE
        assert answer.status in (Outcome.BAD_STRUCTURE, Outcome.RFU) or _is_whole(message, octets)
    assert refused > 0.95 * len(given)


def _is_whole(message: Message, octets: bytes) -> bool:
    decoded = message.parse(octets)
    return decoded.ok and message.build(**decoded.fields) == octets


@needs_micropython
def test_damaged_octets_get_the_outcome_of_the_declaration(tmp_path):
    source = random.Random(SEED + 2)
    given = []
    for message in CODEC_MESSAGES:
        for _ in range(DAMAGED_ROUNDS):
            octets = message.build(**cases.values_of(message, source))
            header = octets[: _header_octets(message)]
            given.append((message, header + cases.damaged(_body(message, octets), source)))
    filler = {message.name: [0] * len(board.slots_of(message)) for message in CODEC_MESSAGES}
    answers = board.run(
        tmp_path, [(message, _body(message, octets), filler[message.name]) for message, octets in given]
    )
    seen = set()
    for (message, octets), answer in zip(given, answers, strict=True):
        wrong = _judge(message, octets, answer)
        assert not wrong, f"{message.name} {octets.hex()}: {wrong}"
        seen.add(answer.status)
    assert seen == {Outcome.OK, Outcome.BAD_STRUCTURE, Outcome.RFU, Outcome.OUT_OF_RANGE}
