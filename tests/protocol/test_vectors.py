"""The vectors are true: what is valid decodes to its fields, what is wrong is wrong in the way that it says.

Goal: an implementer can test against protocol/vectors alone.
Method: the committed files are read as a stranger would read them and put to the declarations; what the receiver must
do is compared with the rules of the specification, written out here once more.
"""

from __future__ import annotations

import json

import pytest

from pumpwire import CHARACTERISTICS, MESSAGES, Outcome, decode, e2e
from pumpwire.cgms import check_feature, parse_notification
from pumpwire.database import Protection
from pumpwire.declare import plain
from pumpwire.errors import E2EError
from pumpwire.generate.files import checkout

FOLDER = checkout() / "protocol" / "vectors"
FILES = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))}
VALID = [(name, case) for name, file in FILES.items() for case in file["valid"]]
WRONG = [(name, case) for name, file in FILES.items() for case in file["wrong"]]


def _directions(case):
    return ("to_pump", "to_client") if case["direction"] == "both" else (case["direction"],)


def _unprotected(characteristic, value):
    """The message in a value, and its counter."""
    if characteristic.constant == "CGM_FEATURE":
        return check_feature(value), None
    if characteristic.protection is Protection.RECORD:
        parse_notification(value)
        return value[1:-2], None
    checked = e2e.check(value, characteristic.protection)
    return checked.payload, checked.counter


def test_every_message_has_vectors_and_every_request_has_wrong_ones():
    assert set(FILES) == {name.lower() for name in CHARACTERISTICS}
    assert {case["message"] for _, case in VALID} == set(MESSAGES)
    with_fields = {name for name, message in MESSAGES.items() if message.fields and message.fields[0].kind != "text"}
    assert {case["message"] for _, case in WRONG} - {""} >= with_fields - {"BatteryLevel"}


def test_what_is_valid_decodes_to_its_fields_in_every_direction():
    for name, case in VALID:
        characteristic = CHARACTERISTICS[name.upper()]
        octets, counter = _unprotected(characteristic, bytes.fromhex(case["value"]))
        assert octets.hex() == case["octets"]
        assert counter in (None, 1)
        for direction in _directions(case):
            message, decoded = decode(characteristic, octets, direction)
            assert message is MESSAGES[case["message"]]
            assert decoded.ok, (case, decoded.detail)
            said = {field: plain(value) for field, value in decoded.fields.items() if value is not None}
            assert said == case["fields"]
            assert message.served == case["served"]


def test_what_is_wrong_is_wrong_as_it_says():
    for name, case in WRONG:
        characteristic = CHARACTERISTICS[name.upper()]
        value = bytes.fromhex(case["value"])
        if case["outcome"] == "INVALID_CRC":
            with pytest.raises(E2EError):
                _unprotected(characteristic, value)
        elif case["outcome"] == "INVALID_COUNTER":
            assert not e2e.counter_follows(255, _unprotected(characteristic, value)[1])
        else:
            _, decoded = decode(characteristic, bytes.fromhex(case["octets"]), case["direction"])
            assert (decoded.outcome.name, decoded.field) == (case["outcome"], case["field"]), case
            assert decoded.outcome is not Outcome.OK


def _of(characteristic, name):
    return [case["receiver"] for case in FILES[characteristic]["wrong"] if case["name"] == name]


@pytest.mark.parametrize(("characteristic", "name", "receiver"), [
    ("idd_command_control_point", "first prohibited opcode", {"does": "ignores"}),
    ("idd_command_control_point", "opcode 0", ("CommandResponseCode", 0x70)),
    ("idd_command_control_point", "one octet too many", ("CommandResponseCode", 0x71)),
    ("idd_command_control_point", "tbr_type: reserved value 0x00", ("CommandResponseCode", 0x71)),
    ("idd_command_control_point", "duration_minutes: one above its limit", ("CommandResponseCode", 0x73)),
    ("idd_command_control_point", "CRC wrong by one bit", {"does": "drops"}),
    ("idd_status_reader_control_point", "counter_type: reserved value 0x00", ("ReaderResponseCode", 0x71)),
    ("idd_record_access_control_point", "operator: reserved value 0x00", ("RacpResponseCode", 0x04)),
    ("idd_record_access_control_point", "filter: reserved value 0x00", ("RacpResponseCode", 0x09)),
    ("idd_record_access_control_point", "one octet too few", ("RacpResponseCode", 0x05)),
    ("cgm_record_access_control_point", "filter: reserved value 0x02", ("CgmRacpResponseCode", 0x09)),
    ("cgm_specific_ops_control_point", "opcode 0", ("CgmResponseCode", 0x02)),
    ("controller_settings", "CRC wrong by one bit", {"does": "refuses", "code": 0x81, "code_name": "INVALID_CRC"}),
    ("controller_settings", "counter 0", {"does": "refuses", "code": 0x82, "code_name": "INVALID_COUNTER"}),
    ("current_time", "month: one above its limit", {"does": "refuses", "code": 0xFF, "code_name": "OUT_OF_RANGE"}),
    ("idd_status", "one octet too few", {"does": "drops"}),
])  # fmt: skip
def test_each_way_to_be_wrong_is_answered_as_the_specification_says(characteristic, name, receiver):
    found = _of(characteristic, name)
    if isinstance(receiver, tuple):
        assert receiver in [(case.get("answer"), case.get("code")) for case in found]
    else:
        assert receiver in found
