"""The generated host codec says what construct says, only sooner.

Goal: whatever is parsed or built, right or wrong, the answer with the generated codec is the answer without it, to
the type of every value and the word of every error.
Method: seeded values, damaged octets, values of wrong types, and hypothesis go both ways.
"""

from __future__ import annotations

import random
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pumpwire import MESSAGES, Special, describe
from pumpwire._host_codec import CODEC
from pumpwire.declare import Message
from pumpwire.enums import BolusType, TbrFlags, TbrType
from pumpwire.errors import FieldError
from pumpwire.registry import generated_codec
from pumpwire.strategies import damaged_octets_of, messages, octets_of, values_of

from . import cases

SEED = 20261121
ROUNDS = 30
QUIET = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def _said(message, octets, declared):
    decoded = message.parse_declared(octets) if declared else message.parse(octets)
    return decoded, [(name, type(value), str(value)) for name, value in decoded.fields.items()]


def _built(message, values, declared):
    try:
        return message.build_declared(**values) if declared else message.build(**values)
    except FieldError as error:
        return str(error)


def alone(message):
    """The generated builder, with nothing to fall back on."""
    return CODEC[message.name][2](lambda **_: None)


def _same(message, octets):
    assert _said(message, octets, False) == _said(message, octets, True), f"{message.name} {octets.hex()}"


def test_the_codec_was_generated_from_these_declarations():
    assert set(CODEC) == set(MESSAGES)
    for name, message in MESSAGES.items():
        assert CODEC[name][0] == describe.digest(message), name


def test_thousands_of_values_and_damaged_octets_get_the_same_answer():
    source = random.Random(SEED)
    count = 0
    for message in MESSAGES.values():
        fast = 0
        for _ in range(ROUNDS):
            values = cases.values_of(message, source)
            octets = _built(message, values, False)
            assert octets == _built(message, values, True), (message.name, values)
            _same(message, octets)
            fast += CODEC[message.name][1](octets) is not None and alone(message)(**values) == octets
            for _ in range(2):
                _same(message, cases.damaged(octets, source))
            count += 3
        assert fast == ROUNDS, f"{message.name}: the generated codec gave {ROUNDS - fast} good messages back"
    assert count > 10_000


@pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES)
def test_every_prefix_of_every_example_gets_the_same_answer(message):
    for example in message.examples:
        for length in range(len(example.octets) + 1):
            _same(message, example.octets[:length])
        _same(message, example.octets + b"\0")


# What looks equal to a good value, is of another type, or is just beyond a limit.
ODD = [
    None, True, False, 0.5, 1.0, 30.0, "30", b"\x01", [], [1], [True], 0, 1, -1, 255, 256, 65535, 65536, 1 << 40,
    Decimal("0.50"), Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"), Decimal("-0"), Decimal("1E+3"),
    Decimal("0.0005"), BolusType.FAST, TbrType.ABSOLUTE, TbrFlags.CONTEXT_PRESENT, Special.NAN, Special.RESERVED,
    "x" * 21, "\ud800", bytes(8), bytearray(8),
]  # fmt: skip


@pytest.mark.parametrize("name", [
    "SetTbrAdjustment", "ResetTemplateStatus", "TemplateStatusData", "CgmMeasurement", "HistoryReferenceTime",
    "GetDeliveredInsulinResponse", "EmulatorIdentity", "ManufacturerName", "IddFeatures", "RacpReportStoredRecords",
    "GetCounterResponse", "ControllerDecision", "CgmGetCalibrationResponse",
])  # fmt: skip
def test_odd_values_are_taken_or_refused_alike(name):
    message = MESSAGES[name]
    for example in message.examples:
        for field in message.names:
            for odd in ODD:
                values = {**example.fields, field: odd}
                # Twice: a table that remembers must not remember a wrong type.
                for _ in range(2):
                    assert _built(message, values, False) == _built(message, values, True), (field, odd)
        assert _built(message, {**example.fields, "colour": 1}, False) == _built(
            message, {**example.fields, "colour": 1}, True
        )


def test_code_from_another_declaration_is_left_alone(monkeypatch):
    def wrong(*_, **__):
        raise AssertionError("code of another declaration ran")

    message = MESSAGES["SetBolusResponse"]
    fresh = Message(message.name, on=message.on, direction=message.direction, body=message.body, clause="none",
                    opcode=message.opcode, examples=message.examples)  # fmt: skip
    monkeypatch.setitem(CODEC, message.name, ("another", wrong, wrong))
    fresh.speed_up(generated_codec)
    assert fresh.parse(fresh.build(bolus_id=5)).fields == {"bolus_id": 5}


@QUIET
@given(st.data())
def test_hypothesis_finds_no_difference_in_good_messages(data):
    message = data.draw(messages())
    values = data.draw(values_of(message))
    octets = message.build(**values)
    assert octets == message.build_declared(**values)
    assert message.parse(octets).ok
    _same(message, octets)


@QUIET
@given(st.data())
def test_hypothesis_finds_no_difference_in_damaged_messages(data):
    message = data.draw(messages())
    _same(message, data.draw(damaged_octets_of(message)))


@QUIET
@given(st.data())
def test_what_is_parsed_builds_to_octets_that_mean_the_same(data):
    message = data.draw(messages())
    fields = message.parse(data.draw(octets_of(message))).fields
    assert message.parse(message.build(**fields)).fields == fields
