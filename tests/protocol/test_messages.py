"""Messages are strict where construct is lenient.

Goal: what cannot be said is refused by name, what cannot be understood gets the outcome that IDS answers, and every
worked example is true.
Method: all declarations are walked; the edges of fields, flags, counts and opcodes are put to build and parse.
"""

from __future__ import annotations

from decimal import Decimal

import pytest

from pumpwire import MESSAGES, Outcome, Special, database, decode
from pumpwire.command import template_states, unpack_template_states
from pumpwire.database import CHARACTERISTICS
from pumpwire.declare import TO_CLIENT, TO_PUMP
from pumpwire.enums import (
    BolusFlags,
    BolusType,
    DeliveryContext,
    IddFeatureFlags,
    RacpOperator,
    StatusFlags,
    TbrFlags,
    TbrType,
    TherapyControlState,
)
from pumpwire.errors import FieldError

TBR = MESSAGES["SetTbrAdjustment"]
TBR_FIELDS = {"flags": TbrFlags(0), "tbr_type": TbrType.ABSOLUTE, "value": Decimal("0.5"), "duration_minutes": 30}
EXAMPLES = [(name, example) for name, message in MESSAGES.items() for example in message.examples]


@pytest.mark.parametrize(("name", "example"), EXAMPLES)
def test_worked_examples_are_true_both_ways(name, example):
    message = MESSAGES[name]
    assert message.build(**example.fields) == example.octets
    decoded = message.parse(example.octets)
    assert decoded.ok, decoded.detail
    assert decoded.fields == {field: example.fields.get(field) for field in message.names}


@pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES)
def test_every_declaration_is_complete_and_fits_its_characteristic(message):
    assert message.clause
    assert message.direction in ("to_pump", "to_client", "both")
    longest = message.on.opcode_octets + sum(
        field.octets * field.count_high + 1 if field.kind == "counted" else field.octets for field in message.fields
    )
    # Seven bolus IDs and fourteen templates are as many as the standard has room for.
    assert longest <= message.on.operand_octets_max + (1 if message.on is database.CGM_MEASUREMENT else 0)


def test_what_the_standards_have_fits_the_smallest_mtu():
    long = {c.constant for c in CHARACTERISTICS.values() if c.value_octets_max > database.ATT_VALUE_OCTETS_MAX}
    assert long == {
        "CONTROLLER_SETTINGS", "OREF_SETTINGS", "CONTROLLER_DETAIL", "EMULATOR_PUMP_DATA", "EMULATOR_RADIO",
        "EMULATOR_RADIO_COMMAND",
    }  # fmt: skip
    assert all(CHARACTERISTICS[name].clause.startswith("vendor service") for name in long)


def test_what_changes_delivery_says_so():
    assert [name for name, message in MESSAGES.items() if message.changes_delivery] == [
        "SetTherapyControlState", "WriteBasalRateTemplate", "SetTbrAdjustment", "CancelTbrAdjustment", "SetBolus",
        "CancelBolus", "ActivateProfileTemplates", "StartPriming", "StopPriming", "CurrentTime",
        "ControllerSettings", "OrefSettings", "CarbAnnouncement", "ControllerGuardrails", "EmulatorFault",
    ]  # fmt: skip


@pytest.mark.parametrize(("change", "field", "words"), [
    ({"colour": 1}, "colour", "only flags"),
    ({"duration_minutes": None}, "duration_minutes", "1 to 1440"),
    ({"duration_minutes": 0}, "duration_minutes", "1 to 1440"),
    ({"duration_minutes": 1441}, "duration_minutes", "1 to 1440"),
    ({"duration_minutes": 30.0}, "duration_minutes", "1 to 1440"),
    ({"duration_minutes": True}, "duration_minutes", "1 to 1440"),
    ({"value": 0.5}, "value", "0 to 500000"),
    ({"value": Decimal("0.0005")}, "value", "0.001"),
    ({"value": Decimal("2.075")}, "value", "toward_zero"),
    ({"value": Decimal("-0.1")}, "value", "0 to 500000"),
    ({"value": Special.NAN}, "value", "0.001"),
    ({"value": Decimal("NaN")}, "value", "0 to 500000"),
    ({"tbr_type": 0x34}, "tbr_type", "ABSOLUTE"),
    ({"tbr_type": "ABSOLUTE"}, "tbr_type", "ABSOLUTE"),
    ({"flags": 0x80}, "flags", "CHANGE_TBR"),
    ({"context": DeliveryContext.DEVICE}, "context", "flags denies it"),
    ({"flags": TbrFlags.CONTEXT_PRESENT}, "context", "DEVICE"),
])  # fmt: skip
def test_building_refuses_and_names_message_field_value_and_what_is_allowed(change, field, words):
    with pytest.raises(FieldError) as caught:
        TBR.build(**{**TBR_FIELDS, **change})
    assert caught.value.field == field
    assert words in caught.value.allowed
    assert f"SetTbrAdjustment.{field}" in str(caught.value)
    if field != "colour" and change.get(field) is not None and field != "context":
        assert caught.value.offset == {"flags": 2, "tbr_type": 3, "value": 4, "duration_minutes": 6}[field]


@pytest.mark.parametrize(("operand", "outcome", "field"), [
    ("003305f01e00", Outcome.OK, ""),
    ("003305001e0000", Outcome.BAD_STRUCTURE, ""),
    ("003305001e", Outcome.BAD_STRUCTURE, ""),
    ("", Outcome.BAD_STRUCTURE, ""),
    ("023305001e00", Outcome.BAD_STRUCTURE, ""),
    ("003405001e00", Outcome.RFU, "tbr_type"),
    ("023305001e0034", Outcome.RFU, "context"),
    ("003305000000", Outcome.OUT_OF_RANGE, "duration_minutes"),
    ("00330500a105", Outcome.OUT_OF_RANGE, "duration_minutes"),
    ("00330100a005", Outcome.OK, ""),
    ("003301c01e00", Outcome.OUT_OF_RANGE, "value"),
    ("0033ff071e00", Outcome.OUT_OF_RANGE, "value"),
    ("0033ff0f1e00", Outcome.OUT_OF_RANGE, "value"),
    ("0033ff7f1e00", Outcome.OUT_OF_RANGE, "value"),
    ("003301080000", Outcome.RFU, "value"),
    ("0033ff070000", Outcome.OUT_OF_RANGE, "value"),
    ("0033ff0700", Outcome.BAD_STRUCTURE, ""),
])  # fmt: skip
def test_each_way_to_be_wrong_has_its_outcome(operand, outcome, field):
    decoded = TBR.parse(bytes.fromhex("ff0f" + operand))
    assert (decoded.outcome, decoded.field) == (outcome, field)
    assert decoded.ok or "SetTbrAdjustment" in decoded.detail


def test_undeclared_flag_bits_are_ignored_on_receipt():
    decoded = MESSAGES["IddStatus"].parse(bytes.fromhex("5596c3f7ff"))
    assert decoded.ok
    assert decoded.fields["flags"] == StatusFlags.RESERVOIR_ATTACHED
    assert MESSAGES["IddFeatures"].parse(bytes.fromhex("64000000ff")[:5]).fields["flags"] == (
        IddFeatureFlags.FEATURE_EXTENSION
    )


def test_a_limit_does_not_keep_the_other_fields_from_being_read():
    decoded = TBR.parse(bytes.fromhex("ff0f003305f00000"))
    assert decoded.outcome is Outcome.OUT_OF_RANGE
    assert decoded.fields["value"] == Decimal("0.5")
    assert decoded.detail == "SetTbrAdjustment.duration_minutes at octet 6: 0 is out of range; allowed: 1 to 1440"


@pytest.mark.parametrize("hexadecimal", ["0f0f", "0f0f00", "f0ff", "a50f0700"])
def test_another_messages_opcode_is_a_bad_structure_for_this_message(hexadecimal):
    assert TBR.parse(bytes.fromhex(hexadecimal)).outcome is Outcome.BAD_STRUCTURE


@pytest.mark.parametrize(("characteristic", "opcode", "outcome"), [
    ("IDD_STATUS_READER_CONTROL_POINT", 0x03FC, Outcome.RFU),
    ("IDD_STATUS_READER_CONTROL_POINT", 0x03FD, Outcome.PROHIBITED),
    ("IDD_STATUS_READER_CONTROL_POINT", 0x0504, Outcome.PROHIBITED),
    ("IDD_STATUS_READER_CONTROL_POINT", 0x0505, Outcome.RFU),
    ("IDD_STATUS_READER_CONTROL_POINT", 0x114B, Outcome.RFU),
    ("IDD_COMMAND_CONTROL_POINT", 0x148E, Outcome.PROHIBITED),
    ("IDD_COMMAND_CONTROL_POINT", 0x14B0, Outcome.PROHIBITED),
    ("IDD_COMMAND_CONTROL_POINT", 0x14B1, Outcome.RFU),
    ("IDD_COMMAND_CONTROL_POINT", 0x0000, Outcome.RFU),
    ("IDD_COMMAND_CONTROL_POINT", 0x127A, Outcome.RFU),
])  # fmt: skip
def test_unknown_and_prohibited_opcodes_are_told_apart(characteristic, opcode, outcome):
    message, decoded = decode(CHARACTERISTICS[characteristic], opcode.to_bytes(2, "little"), TO_PUMP)
    assert message is None
    assert (decoded.outcome, decoded.field) == (outcome, "opcode")


def test_a_response_is_no_request():
    response = MESSAGES["SetBolusResponse"].build(bolus_id=5)
    assert decode(database.COMMAND_CONTROL_POINT, response, TO_CLIENT)[0] is MESSAGES["SetBolusResponse"]
    message, decoded = decode(database.COMMAND_CONTROL_POINT, response, TO_PUMP)
    assert message is None
    assert decoded.outcome is Outcome.RFU


@pytest.mark.parametrize("octets", [b"", b"\xff"])
def test_too_few_octets_for_an_opcode_are_a_bad_structure(octets):
    message, decoded = decode(database.COMMAND_CONTROL_POINT, octets, TO_PUMP)
    assert message is None
    assert decoded.outcome is Outcome.BAD_STRUCTURE


def test_flags_that_contradict_one_another_are_a_bad_structure():
    profile = MESSAGES["WriteBasalRateTemplate"]
    third_without_second = bytes.fromhex("cc0f" + "04" + "0101" + "b4000100" + "b4000100")
    assert profile.parse(third_without_second).outcome is Outcome.BAD_STRUCTURE
    with pytest.raises(FieldError, match="SECOND_BLOCK_PRESENT"):
        profile.build(flags=4, template_number=1, first_block_number=1, duration_minutes_1=1, rate_iu_per_h_1=1,
                      duration_minutes_3=1, rate_iu_per_h_3=1)  # fmt: skip


@pytest.mark.parametrize(("operand", "outcome"), [
    ("00", Outcome.BAD_STRUCTURE), ("0101", Outcome.OK), ("0102030405", Outcome.BAD_STRUCTURE),
    ("0e" + "01" * 14, Outcome.OK), ("0f" + "01" * 15, Outcome.BAD_STRUCTURE), ("0301", Outcome.BAD_STRUCTURE),
])  # fmt: skip
def test_a_count_that_does_not_agree_with_what_follows_is_a_bad_structure(operand, outcome):
    assert MESSAGES["ResetTemplateStatus"].parse(bytes.fromhex("1d12" + operand)).outcome is outcome


@pytest.mark.parametrize("numbers", [[], [1] * 15, [256], "12", 3, [True]])
def test_building_refuses_lists_that_cannot_be(numbers):
    with pytest.raises(FieldError, match="template_numbers"):
        MESSAGES["ResetTemplateStatus"].build(template_numbers=numbers)


@pytest.mark.parametrize(("operator", "octets"), [
    (RacpOperator.ALL, 2), (RacpOperator.FIRST, 2), (RacpOperator.LAST, 2), (RacpOperator.NULL, 2),
    (RacpOperator.LESS_THAN_OR_EQUAL, 7), (RacpOperator.GREATER_THAN_OR_EQUAL, 7), (RacpOperator.WITHIN_RANGE, 11),
])  # fmt: skip
def test_each_racp_operator_has_its_operand(operator, octets):
    for name in ("RacpReportStoredRecords", "RacpReportNumberOfStoredRecords"):
        message = MESSAGES[name]
        data = bytes([message.opcode, operator]) + bytes.fromhex("0f0000000000000000")
        for length in range(2, 12):
            expected = Outcome.OK if length == octets else Outcome.BAD_STRUCTURE
            assert message.parse(data[:length]).outcome is expected


def test_a_reserved_racp_operator_is_told_from_a_reserved_filter():
    message = MESSAGES["RacpReportStoredRecords"]
    assert message.parse(bytes.fromhex("3334")).field == "operator"
    assert message.parse(bytes.fromhex("33340f")).field == "operator"
    assert message.parse(bytes.fromhex("33550e00000000")).field == "filter"


def test_template_states_pack_as_the_standard_shows():
    basal = [(True, False), (False, True), (True, True)]
    assert template_states(basal) == bytes([0b00111001])
    assert unpack_template_states(bytes([0b00111001]), 3) == basal
    assert template_states([(True, False), (True, False)]) == bytes([0b00000101])
    assert template_states([(True, True)] * 5) == bytes([0xFF, 0x03])


def test_amounts_are_exact_decimals_and_never_floats():
    message = MESSAGES["SetBolus"]
    fields = dict(flags=BolusFlags(0), bolus_type=BolusType.FAST, extended_amount_iu=0, duration_minutes=0)
    octets = message.build(fast_amount_iu=Decimal("0.05"), **fields)
    assert message.parse(octets).fields["fast_amount_iu"] == Decimal("0.05")
    for amount in (0.05, "0.05", Decimal("20.55")):
        with pytest.raises(FieldError, match="fast_amount_iu"):
            message.build(fast_amount_iu=amount, **fields)


def test_enumerations_come_back_as_members():
    decoded = MESSAGES["SetTherapyControlState"].parse(bytes.fromhex("5a0f3c"))
    assert decoded.fields["therapy_control_state"] is TherapyControlState.PAUSE
