"""The firmware's codec says what construct says.

Goal: on MicroPython, with the heap locked, every message decodes to the same outcome and the same values as its
declaration, and encodes to the same octets.
Method: thousands of seeded values for each message, all truncations, and damaged octets go through the declaration
here and through the codec there; both answers are compared.
"""

from __future__ import annotations

import random
import subprocess
from decimal import Decimal
from typing import Any

import pytest

from pumpwire import MESSAGES, Outcome, numbers
from pumpwire.declare import Message
from pumpwire.generate.files import checkout

from . import board, cases

SEED = 20240183
ROUNDS = 40
DAMAGED_ROUNDS = 40

needs_micropython = pytest.mark.skipif(board.micropython() is None, reason="no MicroPython unix port installed")

# Text has no program: the firmware would send it as it stands.
CODEC_MESSAGES = [
    message for message in MESSAGES.values() if all(field.kind != "text" for field in message.fields)
]


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
        if answer.bad_slot != -1:
            return f"bad slot {answer.bad_slot} of a good message"
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
def test_counts_at_and_beyond_their_bounds_are_told_apart(tmp_path):
    given = []
    for message in CODEC_MESSAGES:
        for field in message.layout:
            if field.kind == "counted":
                head = message.build(**message.examples[0].fields)[: _header_octets(message)]
                for count in range(field.count_high + 3):
                    body = bytes([count]) + bytes(field.octets * count)
                    given += [(message, head + body), (message, head + body + b"\0")]
    head = bytes.fromhex("1212" + "3301")
    status = MESSAGES["TemplateStatusData"]
    given += [(status, head + bytes([count, 24]) + bytes(n)) for count in (0, 1, 4, 5, 44, 45, 48) for n in range(14)]
    answers = board.run(
        tmp_path, [(message, _body(message, octets), [0] * len(board.slots_of(message))) for message, octets in given]
    )
    for (message, octets), answer in zip(given, answers, strict=True):
        wrong = _judge(message, octets, answer)
        assert not wrong, f"{message.name} {octets.hex()}: {wrong}"
    assert sum(answer.status == Outcome.OK for answer in answers) > 60


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


def _amounts() -> list[int]:
    source = random.Random(SEED + 3)
    edges = [0, 1, 9, 10, 50, 2045, 2046, 2047, 2048, 20450, 20470, 20482, 204_700, 2_045_000, 2_046_000, 2_050_000]
    return [*edges, 500_000_000, *(source.randrange(10 ** source.randint(1, 8)) for _ in range(400))]


@needs_micropython
def test_amounts_that_do_not_fit_are_sent_without_their_last_digits(tmp_path):
    message = MESSAGES["GetMaxBolusAmountResponse"]
    amounts = _amounts()
    answers = board.run(tmp_path, [(message, b"\0\0", [amount]) for amount in amounts])
    for amount, answer in zip(amounts, answers, strict=True):
        expected = numbers.encode(numbers.SFLOAT, numbers.toward_zero(Decimal(amount) / 1000))
        assert answer.encoded == expected.to_bytes(2, "little"), amount


@needs_micropython
def test_negative_amounts_are_cut_toward_zero_too(tmp_path):
    message = MESSAGES["GetInsulinOnBoardResponse"]
    amounts = [-amount for amount in _amounts()]
    answers = board.run(tmp_path, [(message, b"\0\0\0", [0, amount, "ABSENT"]) for amount in amounts])
    for amount, answer in zip(amounts, answers, strict=True):
        expected = numbers.encode(numbers.SFLOAT, numbers.toward_zero(Decimal(amount) / 1000))
        assert answer.encoded == b"\0" + expected.to_bytes(2, "little"), amount


@needs_micropython
def test_every_sfloat_word_decodes_as_on_the_host(tmp_path):
    given = [
        (message, message.build(**message.examples[0].fields)[: -len(tail)] + word.to_bytes(2, "little") + tail[2:])
        for message, tail in (
            (MESSAGES["SetMaxBolusAmount"], b"\0\0"),
            (MESSAGES["IddStatus"], b"\0\0\1"),
            (MESSAGES["CgmMeasurement"], b"\0\0\5\0"),
        )
        for word in (*range(0x7F0, 0x810), *range(0, 0x10000, 11))
    ]
    filler = {message.name: [0] * len(board.slots_of(message)) for message, _ in given}
    answers = board.run(
        tmp_path, [(message, _body(message, octets), filler[message.name]) for message, octets in given]
    )
    for (message, octets), answer in zip(given, answers, strict=True):
        wrong = _judge(message, octets, answer)
        assert not wrong, f"{message.name} {octets.hex()}: {wrong}"


# Message, slots, the field that cannot be said.
UNSAYABLE = [
    ("SetBolusResponse", [-1], "bolus_id"),
    ("SetBolusResponse", [0x10000], "bolus_id"),
    ("SetBolusResponse", ["ABSENT"], "bolus_id"),
    ("CommandResponseCode", [0x114B, 0x10], "response_code"),
    ("CommandResponseCode", [0x114B, "ABSENT"], "response_code"),
    ("GetMaxBolusAmountResponse", ["NAN"], "max_bolus_iu"),
    ("GetMaxBolusAmountResponse", [-1], "max_bolus_iu"),
    ("GetMaxBolusAmountResponse", [500_000_001], "max_bolus_iu"),
    ("IddStatus", [0x33, 0x66, "ABSENT", 0], "reservoir_remaining_iu"),
    ("IddStatus", [0x33, 0x66, "NAN", 2], "flags"),
    ("IddAnnunciationStatus", [0x02, *["ABSENT"] * 8], "flags"),
    ("IddAnnunciationStatus", [0x01, *["ABSENT"] * 8], "annunciation_id"),
    ("GetActiveBolusIdsResponse", [8, *[1] * 7], "bolus_ids"),
    ("EmulatorCounters", [0, 0x10000, 0, 0, 0, 0, 0, 0], "basal_pulses"),
    ("TemplateStatusData", [0x33, 1, 45, 24, *[0] * 11], "template_states"),
]


@needs_micropython
def test_the_pump_is_told_which_field_it_cannot_say(tmp_path):
    given = [(MESSAGES[name], slots) for name, slots, _ in UNSAYABLE]
    answers = board.run(tmp_path, [(message, b"", slots) for message, slots in given])
    for (name, slots, field), answer in zip(UNSAYABLE, answers, strict=True):
        assert answer.end == -1, f"{name} {slots}"
        assert answer.heap_octets == 0
        assert answer.encode_bad_slot == board.first_slot(field), f"{name} {slots}"


CHECKS = r"""
import sys
sys.path.insert(0, sys.argv[1])
import octets
from gatt import codec, wire_tables as tables
assert octets.crc16(b"xx123456789y", 2, 11) == 0x6F91
assert octets.crc16(b"", 0, 0) == 0xFFFF
def check(name, known, others):
    for opcode in known:
        assert codec.find(getattr(tables, name), opcode) >= 0, (name, opcode)
    for opcode in others:
        assert codec.find(getattr(tables, name), opcode) == -1, (name, opcode)
check("IDD_STATUS_READER_CONTROL_POINT_REQUESTS", (0x030C, 0x0330, 0x03F3), (0, 0x0303, 0x033F, 0x03FC, 0x3003, 0xFFFF))
check("IDD_COMMAND_CONTROL_POINT_REQUESTS", (0x0F5A, 0x114B, 0x144E), (0x0F55, 0x1177, 0x148E, 0x4B11))
check("IDD_RECORD_ACCESS_CONTROL_POINT_REQUESTS", (0x33, 0x55), (0x0F, 0x66))
assert codec.find(tables.IDD_COMMAND_CONTROL_POINT_ANSWERS, 0x114B) == 0x1177
assert codec.find(tables.IDD_COMMAND_CONTROL_POINT_ANSWERS, 0x0FFF) == -1
whole = codec.Codec()
set_bolus = codec.find(tables.IDD_COMMAND_CONTROL_POINT_REQUESTS, 0x114B)
# What cannot be read exactly is no number near the one that was meant: 0.0001 IU is not 0.
operand = b"\x02\x33" + b"\x01\xc0" + b"\xff\x07" + b"\x00\x00" + b"\x07"
assert whole.decode(set_bolus, operand, 0, len(operand)) == codec.OUT_OF_RANGE
assert whole.bad_slot == tables.FAST_AMOUNT_IU and whole.fields[tables.FAST_AMOUNT_IU] == codec.INEXACT < -(1 << 29)
assert whole.fields[tables.EXTENDED_AMOUNT_IU] == codec.NAN and whole.fields[tables.TEMPLATE_NUMBER] == 7
whole.fields[tables.EXTENDED_AMOUNT_IU] = 0
assert whole.encode(set_bolus, bytearray(20), 0) == -1 and whole.bad_slot == tables.FAST_AMOUNT_IU
"""


@needs_micropython
def test_crc_and_opcodes_of_the_firmware(tmp_path):
    script = tmp_path / "checks.py"
    script.write_text(CHECKS, encoding="utf-8")
    command = [str(board.micropython()), str(script), str(checkout() / "firmware")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
