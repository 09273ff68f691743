"""The tools of the protocol engineer.

Goal: octets are explained as the declarations mean them, a wrong octet is named with message, field, offset, value and
what was allowed, and the rules of the declarations fail a declaration that deserves it.
Method: every worked example of every message, damaged ones of each kind, and declarations wrong on purpose.
"""

import enum
import random

import pytest
from construct import Int8ul, Int16ul, Struct

from pumpwire import MESSAGES, database
from pumpwire.declare import Example, Message, Outcome, plain
from pumpwire.e2e import protect
from pumpwire.enums import BolusType, ResponseCode
from pumpwire.fields import Bits, InRange, Octets, Sfloat, Word
from pumpwire.registry import decode
from pumpwire.tools import lookup, show
from pumpwire.tools.compose import compose, protected, values_of
from pumpwire.tools.coverage import Coverage
from pumpwire.tools.exchange import Exchange, lines
from pumpwire.tools.explain import explain, explain_value
from pumpwire.tools.lint import RULES, lint
from pumpwire.tools.lookup import InputError

COMMAND = database.COMMAND_CONTROL_POINT
READER = database.STATUS_READER_CONTROL_POINT
EXAMPLES = [(message, example) for message in MESSAGES.values() for example in message.examples]
BOLUS = bytes.fromhex("4b110033190000000000")


def json_of(values):
    return {
        name: [plain(item) for item in value] if isinstance(value, list) else plain(value)
        for name, value in values.items()
        if value is not None
    }


# --- Names ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["IDD_COMMAND_CONTROL_POINT", "IDD Command Control Point", "command control point", "0x2B25", "2b25",
     "00002b25-0000-1000-8000-00805f9b34fb", f"handle:0x{COMMAND.handle:04X}"],
)  # fmt: skip
def test_a_characteristic_has_many_names(text):
    assert lookup.characteristic_called(text) is COMMAND


@pytest.mark.parametrize("characteristic", database.CHARACTERISTICS.values(), ids=lambda item: item.constant)
def test_every_characteristic_is_found_by_its_name_constant_uuid_and_handle(characteristic):
    for text in (characteristic.name, characteristic.constant, str(characteristic.uuid),
                 lookup.short_uuid(characteristic), f"handle:{characteristic.handle:x}"):  # fmt: skip
        assert lookup.characteristic_called(text) is characteristic


def test_a_name_of_several_or_none_is_refused_with_what_was_allowed():
    with pytest.raises(InputError) as several:
        lookup.characteristic_called("control point")
    assert COMMAND.name in several.value.allowed and READER.name in several.value.allowed
    with pytest.raises(InputError) as none:
        lookup.characteristic_called("IDD Comand Control Point")
    assert COMMAND.name in none.value.allowed
    with pytest.raises(InputError, match="no handle"):
        lookup.characteristic_called("handle:pump")
    with pytest.raises(InputError, match="no characteristic"):
        lookup.characteristic_called("handle:0x0FFF")


def test_messages_go_by_name_in_any_case_or_by_their_opcode():
    assert lookup.message_called("set_bolus") is MESSAGES["SetBolus"]
    assert lookup.message_called("0x114B") is MESSAGES["SetBolus"]
    with pytest.raises(InputError) as error:
        lookup.message_called("SetBollus")
    assert "SetBolus" in error.value.allowed


@pytest.mark.parametrize("text", ["4b11 0033", "4B:11:00:33", "0x4b 0x11 0x00 0x33", "4b-11_00,33"])
def test_hexadecimal_text_in_the_forms_tools_print(text):
    assert lookup.octets_of(text) == bytes.fromhex("4b110033")


@pytest.mark.parametrize(("text", "named"), [("4b1", "middle of an octet"), ("4bxx", "'x' at digit 2")])
def test_what_is_not_hexadecimal_is_named(text, named):
    with pytest.raises(InputError, match=named):
        lookup.octets_of(text)


# --- Explaining -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("message", "example"), EXAMPLES, ids=lambda item: getattr(item, "name", ""))
def test_examples_are_explained_octet_by_octet(message, example):
    direction = "to_pump" if message.direction != "to_client" else "to_client"
    explained = explain(message.on, example.octets, direction)
    assert explained.ok and explained.message is message
    assert {name: value for name, value in explained.fields.items() if value is not None} == example.fields
    # The parts follow one another without a gap and are the whole message.
    assert b"".join(part.octets for part in explained.parts) == example.octets
    offset = 0
    for part in explained.parts:
        assert part.offset == offset
        offset += len(part.octets)


def test_the_explanation_of_damaged_octets_agrees_with_the_codec():
    dice = random.Random(20)
    for message, example in EXAMPLES * 10:
        octets = bytearray(example.octets)
        for _ in range(dice.randint(1, 3)):
            if octets and dice.random() < 0.7:
                octets[dice.randrange(len(octets))] = dice.randrange(256)
            elif dice.random() < 0.5:
                del octets[-1:]
            else:
                octets.append(dice.randrange(256))
        for direction in ("to_pump", "to_client"):
            known, decoded = decode(message.on, bytes(octets), direction)
            explained = explain(message.on, bytes(octets), direction)
            assert (explained.message, explained.outcome) == (known, decoded.outcome), octets.hex()
            assert (explained.wrong is None) == decoded.ok, octets.hex()
            if explained.wrong is not None:
                assert 0 <= explained.wrong.offset <= len(octets)
                assert explained.wrong.what and explained.wrong.allowed


@pytest.mark.parametrize(
    ("octets", "field", "offset", "value", "allowed"),
    [
        ("4b110034190000000000", "bolus_type", 3, "0x34", "FAST 0x33"),
        ("4b110033ff0700000000", "fast_amount_iu", 4, "NAN", "0.001"),
        ("4b11003319d100000000", "fast_amount_iu", 4, "0.025", None),
        ("4b110433190000000000", "activation_type", 10, "", "1 octets for u8"),
        ("4b1100331900000000", "duration_minutes", 8, "00", "2 octets for u16"),
        ("4b110033190000000000ff", "", 10, "ff", "10 octets in all"),
        ("4b", "opcode", 0, "4b", "0x114B SetBolus"),
        ("9999", "opcode", 0, "0x9999", "0x114B SetBolus"),
    ],
)
def test_a_wrong_octet_is_named(octets, field, offset, value, allowed):
    explained = explain(COMMAND, bytes.fromhex(octets))
    if allowed is None:
        assert explained.ok, "1/1000 IU is within the scale"
        return
    assert explained.wrong is not None
    found = explained.wrong
    assert (found.field, found.offset, found.value) == (field, offset, value)
    assert allowed in found.allowed


def test_an_opcode_with_its_octets_in_the_wrong_order_is_recognised():
    explained = explain(COMMAND, bytes.fromhex("0f55") + b"\x4b\x11\x0f")
    assert explained.wrong is not None and "0x0F55 is" in explained.wrong.what


def test_prohibited_opcodes_are_no_reserved_ones():
    explained = explain(COMMAND, bytes.fromhex("8e14"))
    assert explained.outcome is Outcome.PROHIBITED
    assert explained.wrong is not None and "prohibited" in explained.wrong.what


@pytest.mark.parametrize(("message", "example"), EXAMPLES, ids=lambda item: getattr(item, "name", ""))
def test_a_whole_value_is_explained_with_its_protection(message, example):
    value = protected(message, example.octets, 7)
    (explained,) = explain_value(message.on, value)
    assert explained.ok and explained.octets == example.octets
    if explained.e2e is not None:
        damaged = value[:-1] + bytes([value[-1] ^ 1])
        assert not explain_value(message.on, damaged)[0].ok


def test_the_counter_that_is_due_can_be_asked_for():
    value = protect(BOLUS, 7)
    assert explain_value(COMMAND, value, counter=7)[0].ok
    (late,) = explain_value(COMMAND, value, counter=6)
    assert late.wrong is None and late.e2e is not None and not late.e2e.ok
    assert "counter 7 where 6 is due" in late.e2e.text


def test_several_measurements_in_one_notification_are_each_explained():
    from pumpwire.cgms import CGM_MEASUREMENT, build_notification

    octets = [example.octets for example in CGM_MEASUREMENT.examples]
    value = build_notification(octets)
    assert [one.octets for one in explain_value(database.CGM_MEASUREMENT, value)] == octets
    cut = explain_value(database.CGM_MEASUREMENT, value[:-1])
    assert [one.ok for one in cut] == [True] * (len(octets) - 1) + [False]
    assert cut[-1].wrong is not None and cut[-1].wrong.field == "size"
    assert not explain_value(database.CGM_MEASUREMENT, b"")[0].ok


# --- Composing --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("message", "example"), EXAMPLES, ids=lambda item: getattr(item, "name", ""))
def test_what_decode_prints_encode_takes(message, example):
    assert compose(message, json_of(example.fields)) == example.octets


def test_flags_that_only_say_that_a_field_is_there_are_set_by_themselves():
    message = MESSAGES["SetTbrAdjustment"]
    values = {"tbr_type": "absolute", "value": "0.85", "duration_minutes": 30, "context": "remote control"}
    assert compose(message, values).hex() == "ff0f" + "02" + "33" + "55e0" + "1e00" + "3c"


def test_json_numbers_stay_exact():
    values = values_of('{"fast_amount_iu": 0.1}')
    values |= {"bolus_type": 0x33, "extended_amount_iu": 0, "duration_minutes": 0, "flags": []}
    assert compose(MESSAGES["SetBolus"], values).hex() == "4b110033" + "01f0" + "00000000"


@pytest.mark.parametrize(
    ("values", "where", "allowed"),
    [
        ({"amount": 1}, "SetBolus.amount", "fast_amount_iu"),
        ({"bolus_type": "QUICK"}, "SetBolus.bolus_type", "FAST 0x33"),
        ({"bolus_type": 1}, "SetBolus.bolus_type at octet 3", "FAST"),
        ({"flags": ["MEAL"]}, "SetBolus.flags", "REASON_MEAL"),
        ({"fast_amount_iu": "much"}, "SetBolus.fast_amount_iu", "decimal"),
        ({"fast_amount_iu": "2.0501"}, "SetBolus.fast_amount_iu at octet 4", "0.001"),
        ({"fast_amount_iu": None}, "SetBolus.fast_amount_iu at octet 4", "0 to 500000"),
        ({"delay_minutes": 5, "flags": 0}, "SetBolus.delay_minutes", "denies"),
        ({"duration_minutes": 65536}, "SetBolus.duration_minutes at octet 8", "65535"),
    ],
)
def test_a_value_that_cannot_be_sent_is_named(values, where, allowed):
    good = {"bolus_type": "FAST", "fast_amount_iu": 1, "extended_amount_iu": 0, "duration_minutes": 0}
    with pytest.raises(InputError) as error:
        compose(MESSAGES["SetBolus"], good | values)
    assert error.value.where == where
    assert allowed in error.value.allowed


@pytest.mark.parametrize("text", ["{", "[1]", "", "12"])
def test_values_are_a_json_object(text):
    with pytest.raises(InputError):
        values_of(text)


# --- Showing ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("message", MESSAGES.values(), ids=lambda item: item.name)
def test_a_page_names_every_field_and_the_clause(message):
    text = "\n".join(show.page(message))
    assert message.clause in text and message.on.name in text
    assert all(field.name in text for field in message.fields)
    assert show.as_json(message)["octets_max"] >= max(len(example.octets) for example in message.examples)


def test_the_list_has_every_message_once_and_can_be_narrowed():
    whole = "\n".join(show.listing())
    assert all(f"  {name}" in whole for name in MESSAGES)
    few = "\n".join(show.listing("bolus"))
    assert "SetBolus" in few and "SetTbrAdjustment" not in few
    assert show.listing("no such thing") == []


# --- Lint -------------------------------------------------------------------------------------------------------


def test_all_declarations_keep_the_rules():
    assert [str(finding) for finding in lint()] == []


class NotWords(enum.IntEnum):
    """No code words."""

    NONE = 0
    SOME = 1


class TwoBits(enum.IntFlag):
    """Not one bit each."""

    BOTH = 3


def message_of(body, example="5b0f", name="SetThing", opcode=0x0F5A, on=COMMAND, **details):
    """A message with what a test wants wrong; the example may be wrong, too."""
    octets = opcode.to_bytes(2, "little").hex() + example
    details = {"clause": "IDS 1.0.2, 3.7", "answer": "CommandResponseCode"} | details
    fields = details.pop("fields", {})
    return Message(
        name, on=on, direction=details.pop("direction", "to_pump"), body=body, opcode=opcode,
        examples=[Example(octets, **fields)], **details,
    )  # fmt: skip


ONE = Struct("annunciation_id" / Int8ul)
GOOD = dict(body=ONE, example="01", fields={"annunciation_id": 1})
WRONG = {
    "message-names": GOOD | {"name": "setThing"},
    "field-names": dict(body=Struct("duration_min" / Int8ul), example="01", fields={"duration_min": 1}),
    "units": dict(body=Struct("amount" / Sfloat(10)), example="0100", fields={"amount": 1}),
    "limits": dict(body=Struct("annunciation_id" / InRange(Int8ul, 1, 256)), example="01",
                   fields={"annunciation_id": 1}),
    "examples": GOOD | {"fields": {"annunciation_id": 2}},
    "examples-reach-every-field": dict(body=Struct("annunciation_id" / Int8ul), example="", fields={}),
    "opcodes": GOOD | {"opcode": 0x0F5B},
    "words": dict(body=Struct("kind" / Word(Int8ul, NotWords)), example="01", fields={"kind": 1}),
    "flags": dict(body=Struct("flags" / Bits(Int8ul, TwoBits)), example="03", fields={"flags": 3}),
    "length": dict(body=Struct("text" / Octets(16)), example="00" * 16, fields={"text": bytes(16)}),
    "answers": GOOD | {"answer": None},
    "clause": GOOD | {"clause": "somewhere"},
}  # fmt: skip


def test_a_good_message_passes_and_each_rule_has_a_message_it_fails():
    assert lint([message_of(**GOOD)]) == []
    assert set(WRONG) == set(RULES)


@pytest.mark.parametrize("rule", WRONG)
def test_a_declaration_that_deserves_it_fails(rule):
    findings = lint([message_of(**WRONG[rule])])
    assert rule in {finding.rule for finding in findings}, findings
    assert all(finding.where.startswith(WRONG[rule].get("name", "SetThing")) for finding in findings)


def test_more_ways_to_break_a_rule():
    prohibited = message_of(**GOOD | {"opcode": 0x148E})
    assert any("prohibited" in finding.text for finding in lint([prohibited]))
    turned = message_of(Struct("annunciation_id" / InRange(Int8ul, 9, 1)), "05", fields={"annunciation_id": 5})
    assert any("allows nothing" in finding.text for finding in lint([turned]))
    stretched = message_of(Struct("delay" / Int16ul), "0100", fields={"delay": 1})
    assert any("time without its unit" in finding.text for finding in lint([stretched]))
    answered = message_of(**GOOD | {"answer": "ReaderResponseCode"})
    assert any("not indicated" in finding.text for finding in lint([answered]))


# --- Exchanges --------------------------------------------------------------------------------------------------


def write(characteristic, value):
    return b"\x12" + characteristic.handle.to_bytes(2, "little") + value


def indication(characteristic, value):
    return b"\x1d" + characteristic.handle.to_bytes(2, "little") + value


def test_an_exchange_is_followed_with_its_counters():
    exchange = Exchange()
    exchange.connected()
    first = exchange.take("to_pump", write(COMMAND, protect(BOLUS, 1)))
    assert first.ok and first.values[0].fields["bolus_type"] is BolusType.FAST
    assert exchange.take("to_client", b"\x13").ok
    answer = MESSAGES["SetBolusResponse"].examples[0].octets
    assert exchange.take("to_client", indication(COMMAND, protect(answer, 1))).ok
    assert exchange.take("to_pump", b"\x1e").characteristic is COMMAND
    # A counter that comes again is seen; a refused one did not count.
    again = exchange.take("to_pump", write(COMMAND, protect(BOLUS, 1)))
    assert not again.ok and "counter 1 where 2 is due" in "".join(lines(again))
    error = exchange.take("to_client", b"\x01\x12" + COMMAND.handle.to_bytes(2, "little") + b"\x82")
    assert error.error == 0x82 and error.ok and "invalid counter" in error.said
    assert exchange.take("to_pump", write(COMMAND, protect(BOLUS, 2))).ok
    # On another connection it starts at 1.
    exchange.connected()
    assert exchange.take("to_pump", write(COMMAND, protect(BOLUS, 1))).ok


def test_a_read_response_is_understood_by_its_request():
    exchange = Exchange()
    exchange.connected()
    exchange.take("to_pump", b"\x0a" + database.STATUS.handle.to_bytes(2, "little"))
    octets = MESSAGES["IddStatus"].examples[0].octets
    step = exchange.take("to_client", b"\x0b" + protect(octets, 1))
    assert step.values[0].message is MESSAGES["IddStatus"]
    assert exchange.take("to_client", b"\x0b" + octets).notes == ("nothing was asked",)


@pytest.mark.parametrize(
    ("pdus", "note"),
    [
        ([("to_pump", b"\xff")], "begins no ATT PDU"),
        ([("to_pump", b"")], "begins no ATT PDU"),
        ([("to_pump", b"\x0a\x34\x12")], "handle 0x1234"),
        ([("to_pump", b"\x0a\x12\x00"), ("to_pump", b"\x0a\x12\x00")], "not answered yet"),
        ([("to_client", b"\x1d\x12\x00"), ("to_client", b"\x1d\x12\x00")], "not confirmed yet"),
    ],
)
def test_what_is_odd_is_noted(pdus, note):
    exchange = Exchange()
    exchange.connected()
    last = [exchange.take(direction, pdu) for direction, pdu in pdus][-1]
    assert not last.ok and note in "\n".join(lines(last, 1.5))


def test_no_octets_break_an_exchange():
    dice = random.Random(4)
    exchange = Exchange()
    for _ in range(3000):
        pdu = bytes(dice.randrange(256) for _ in range(dice.randrange(24)))
        if dice.random() < 0.8:
            handle = dice.choice([item.handle for item in database.CHARACTERISTICS.values()]) + dice.choice((0, 0, 1))
            pdu = bytes([dice.choice((0x0A, 0x12, 0x1B, 0x1D, 0x0B))]) + handle.to_bytes(2, "little") + pdu[3:]
        assert lines(exchange.take(dice.choice(("to_pump", "to_client")), pdu))


def test_coverage_counts_messages_values_fields_and_errors():
    exchange = Exchange()
    exchange.connected()
    steps = [
        exchange.take("to_pump", write(COMMAND, protect(BOLUS, 1))),
        exchange.take("to_client", b"\x01\x12" + COMMAND.handle.to_bytes(2, "little") + b"\xfe"),
        exchange.take("to_client", indication(COMMAND, protect(bytes.fromhex("550f4b1175"), 1))),
    ]
    coverage = Coverage().add(steps)
    assert coverage.pdus == 3
    assert coverage.messages().seen == {"SetBolus": 1, "CommandResponseCode": 1}
    assert coverage.messages().count == len(MESSAGES)
    assert coverage.values().seen["SetBolus.bolus_type=FAST"] == 1
    code = f"CommandResponseCode.response_code={ResponseCode.PLAUSIBILITY_CHECK_FAILED.name}"
    assert coverage.values().seen[code] == 1
    assert "SetBolus.delay_minutes" in coverage.optional_fields().missing
    assert coverage.errors().seen == {"PROCEDURE_ALREADY_IN_PROGRESS": 1}
    assert coverage.as_json()["messages"]["declared"] == len(MESSAGES)
