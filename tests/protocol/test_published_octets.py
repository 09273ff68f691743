"""Octets from public code of others say here what they say there.

Goal: messages that independent implementations test with mean the same to these declarations.
Method: the samples are decoded and their values compared in wire order; numbers by value, since one value has many
encodings. PUMPRIG_SAMPLES names the folder that holds vectors/ids_cgms.json; without it the tests are skipped.
"""

from __future__ import annotations

import json
import os
from decimal import Decimal
from pathlib import Path

import pytest

from pumpwire import CHARACTERISTICS, MESSAGES, Outcome, decode, e2e
from pumpwire.cgms import check_feature, parse_notification
from pumpwire.errors import E2EError
from pumpwire.generate.files import checkout

SAMPLES = Path(os.environ.get("PUMPRIG_SAMPLES") or checkout().parent / "shared") / "vectors" / "ids_cgms.json"
pytestmark = pytest.mark.skipif(
    not SAMPLES.is_file(), reason=f"no published samples at {SAMPLES}; PUMPRIG_SAMPLES names their folder"
)

# Fragments of messages: name of the sample -> message and the octets that stand before the fragment.
HEADER = "00000000" + "0000"
FRAGMENTS = {
    "IddHistoryDataParserTest.parseMethodWhiteBoxTest": ("HistoryReferenceTime", ""),
    "BolusProgrammedPart2EventParserTest.parseEvent": ("HistoryBolusProgrammed2", "6600" + HEADER),
    "ProfileTemplateActivatedEventParserTest.parseEvent": ("HistoryProfileTemplateActivated", "cc00" + HEADER),
    "AnnunciationStatusChangedPart2ParserTest.parseEventTest": ("HistoryAnnunciationStatusChanged2", "5603" + HEADER),
    "TherapyControlStateChangedEventParserTest.parseEventTest": (
        "HistoryTherapyControlStateChanged", "0303" + HEADER,
    ),
    "ReferenceTimeEventParserTest.readEventDataTest": ("HistoryReferenceTime", "0f00" + HEADER),
    "SetBolusComposerTest.composeTest": ("SetBolus", "4b11"),
    "WriteProfileTemplateOperandComposerTest.composeOperandTest": ("WriteBasalRateTemplate", "cc0f"),
    "SimpleResponseParserTest.readGeneralResponseTest": ("CommandResponseCode", "550f"),
    "SimpleResponseParserTest.readGetAvailableBolusesResponse": ("GetAvailableBolusesResponse", "b411"),
    "SimpleResponseParserTest.readSetBolusResponse": ("SetBolusResponse", "7711"),
    "SimpleResponseParserTest.readGetActivatedProfileTemplateResponseTest": (
        "GetActivatedProfileTemplatesResponse", "7412",
    ),
    "IddStatusReaderControlPointParserTest.readActiveBolusIdsResponse": ("GetActiveBolusIdsResponse", "3f03"),
    "RacpParserTest.readGetRecordNumberResponseSanityCheck": ("RacpNumberOfStoredRecordsResponse", "66"),
    "CommandControlOperandComposerTest.composeTherapyControlStateOperandTest": ("SetTherapyControlState", "5a0f"),
    "CgmFeatureParserTest.parseTestNoFlags": ("CgmFeature", ""),
}  # fmt: skip


def _samples():
    return json.loads(SAMPLES.read_text(encoding="utf-8")) if SAMPLES.is_file() else []


def _said(fields):
    """The values of a message in wire order, as numbers."""
    out = []
    for value in fields.values():
        if isinstance(value, list):
            out += [len(value), *value]
        elif isinstance(value, bytes):
            out += list(value)
        elif value is not None:
            out.append(Decimal(value))
    return out


def _expected(sample, left_out):
    return [Decimal(str(field[1])) for field in sample["decoded"]["fields"]][left_out:]


def _octet_by_octet(sample):
    """The published fields in the widths of these declarations: a 24-bit status is three octets here."""
    kind = [field[0] for field in sample["decoded"]["fields"]]
    values = _expected(sample, 0)
    if sample["characteristic"] == "2AA9" and kind == ["uint16", "uint24"]:
        return [values[0], values[1] % 256, values[1] // 256 % 256, values[1] // 65536]
    return values


# Samples of whole values that are not decoded to what they say, and why.
NOT_UNDERSTOOD = {
    "RACP number of records u8": "CGMS 1.0.2, 3.6 has a count of two octets",
    "RACP number of records u32": "CGMS 1.0.2, 3.6 has a count of two octets",
}


def _whole():
    uuids = {f"{item.uuid}"[4:8].upper(): item for item in CHARACTERISTICS.values()}
    for sample in _samples():
        characteristic = uuids.get(sample["characteristic"])
        listed = sample["scope"] == "full" and sample["crc"] == "none" and "fields" in sample["decoded"]
        if characteristic is not None and listed and characteristic.name != "CGM Measurement":
            yield sample, characteristic


def test_whole_values_decode_as_published():
    understood, unknown = 0, []
    for sample, characteristic in _whole():
        octets = bytes.fromhex(sample["hex"])
        for direction in ("to_pump", "to_client"):
            message, decoded = decode(characteristic, octets, direction)
            if message is None:
                continue
            assert decoded.ok, f"{sample['name']}: {decoded.detail}"
            expected = _octet_by_octet(sample)[1 if message.opcode else 0 :]
            assert _said(decoded.fields) == expected, sample["name"]
            understood += 1
            break
        else:
            unknown.append(sample["name"])
    assert understood >= 20
    assert [name for name in unknown if name not in NOT_UNDERSTOOD] == []


@pytest.mark.parametrize("name", FRAGMENTS)
def test_fragments_decode_as_published(name):
    message_name, prefix = FRAGMENTS[name]
    message = MESSAGES[message_name]
    samples = [sample for sample in _samples() if sample["name"] == name]
    assert samples
    for sample in samples:
        decoded = message.parse(bytes.fromhex(prefix + sample["hex"]))
        assert decoded.ok, decoded.detail
        expected = _expected(sample, 0)
        assert _said(decoded.fields)[-len(expected) :] == expected[-len(_said(decoded.fields)) :]


def test_published_crcs_pass_and_damaged_ones_fail():
    checked = 0
    for sample in _samples():
        octets = bytes.fromhex(sample["hex"])
        if sample["crc"] == "mcrf4xx" and sample["characteristic"] != "any":
            assert e2e.crc16(octets[:-2]) == int.from_bytes(octets[-2:], "little"), sample["name"]
            checked += 1
        elif sample["crc"] == "mcrf4xx-bad":
            assert e2e.crc16(octets[:-2]) != int.from_bytes(octets[-2:], "little"), sample["name"]
            checked += 1
    assert checked >= 12


FLAGS_OF_FEATURE = {"flags": 0x18E6E, "type_and_location": 0x16}
START = {"year": 2018, "month": 4, "day": 24, "hour": 13, "minute": 8, "second": 24, "time_zone_quarter_hours": 8,
         "dst_offset": 4}  # fmt: skip
CALIBRATION = {"calibration_glucose_mg_dl": 100, "calibration_time_minutes": 10, "type_and_location": 0x32,
               "next_calibration_minutes": 20, "calibration_record_number": 1, "calibration_status": 4}  # fmt: skip
LITERAL = {
    "status all flags with CRC": ("CgmStatus", {
        "time_offset_minutes": 5, "sensor_status": 63, "sensor_calibration_temperature": 63, "sensor_warning": 255,
    }),
    "SOCP response success": ("CgmResponseCode", {"request_opcode": 2, "response_code": 1}),
    "SOCP response success CRC": ("CgmResponseCode", {"request_opcode": 2, "response_code": 1}),
    "SOCP calibration response CRC": ("CgmGetCalibrationResponse", CALIBRATION),
    "SOCP patient low alert response CRC": (
        "CgmGetPatientLowResponse", {"patient_low_mg_dl": Decimal("0.0011")},
    ),
    "SOCP hyper alert response": ("CgmGetHyperResponse", {"hyper_mg_dl": 1000}),
    "SOCP rate increase alert response": (
        "CgmGetRateOfIncreaseResponse", {"rate_of_increase_mg_dl_per_minute": 100000},
    ),
    "SOCP comm interval response (u8) CRC": (
        "CgmGetCommunicationIntervalResponse", {"communication_interval_minutes": 10},
    ),
    "run time CRC": ("CgmSessionRunTime", {"session_run_time_hours": 2}),
    "start time CRC": ("CgmSessionStartTime", START),
    "RACP response success": ("CgmRacpResponseCode", {"operator": 0, "request_opcode": 1, "response_code": 1}),
    "RACP response invalid operator": ("CgmRacpResponseCode", {"operator": 0, "request_opcode": 1, "response_code": 3}),
    "RACP response invalid operand": ("CgmRacpResponseCode", {"operator": 0, "request_opcode": 1, "response_code": 5}),
    "RACP response abort unsuccessful": (
        "CgmRacpResponseCode", {"operator": 0, "request_opcode": 3, "response_code": 7},
    ),
    "RACP response operand not supported": (
        "CgmRacpResponseCode", {"operator": 0, "request_opcode": 2, "response_code": 9},
    ),
    # Date Time, Time Zone and DST Offset are parts of Session Start Time; the rest of it is put around them.
    "date time, date unknown": ("CgmSessionStartTime", START | {"year": 0, "month": 0, "day": 0, "hour": 18,
                                                               "minute": 26, "second": 32}),
    "time zone +15 min": ("CgmSessionStartTime", START | {"time_zone_quarter_hours": 1}),
    "DST +30": ("CgmSessionStartTime", START | {"dst_offset": 2}),
    "DST +120": ("CgmSessionStartTime", START | {"dst_offset": 8}),
}  # fmt: skip
REFUSED = {
    "RACP number of records u8": ("CgmRacpNumberOfStoredRecordsResponse", Outcome.BAD_STRUCTURE),
    "RACP number of records u32": ("CgmRacpNumberOfStoredRecordsResponse", Outcome.BAD_STRUCTURE),
    "RACP too short (reject)": ("CgmRacpResponseCode", Outcome.BAD_STRUCTURE),
    "time zone invalid (reject)": ("CgmSessionStartTime", Outcome.OUT_OF_RANGE),
    "DST invalid (reject)": ("CgmSessionStartTime", Outcome.RFU),
}
DATE_TIME, ZONE, DST = "e20704180d0818", "08", "04"
AROUND = {"2A08": ("", ZONE + DST), "2A0E": (DATE_TIME, DST), "2A0D": (DATE_TIME + ZONE, "")}
CHECKED_ELSEWHERE = {"measurement small", "measurement bad CRC", "feature without E2E", "E2E-CRC published sample",
                     "feature without E2E but CRC field not FFFF (reject)"}  # fmt: skip


def _payload(sample):
    before, after = AROUND.get(sample["characteristic"], ("", ""))
    octets = bytes.fromhex(before + sample["hex"] + after)
    return octets[:-2] if sample["crc"] == "mcrf4xx" else octets


def _literal(name):
    (sample,) = (sample for sample in _samples() if sample["name"] == name)
    return sample


@pytest.mark.parametrize("name", LITERAL)
def test_literal_values_decode_as_published(name):
    message_name, expected = LITERAL[name]
    decoded = MESSAGES[message_name].parse(_payload(_literal(name)))
    assert decoded.ok, decoded.detail
    assert decoded.fields == expected


@pytest.mark.parametrize("name", REFUSED)
def test_literal_values_that_are_to_be_refused_are_refused(name):
    message_name, outcome = REFUSED[name]
    assert MESSAGES[message_name].parse(_payload(_literal(name))).outcome is outcome


def test_a_feature_value_without_protection_says_so_in_its_crc():
    good = bytes.fromhex(_literal("feature without E2E")["hex"])
    assert MESSAGES["CgmFeature"].parse(check_feature(good)).fields == FLAGS_OF_FEATURE
    for value in (_literal("feature without E2E but CRC field not FFFF (reject)")["hex"], good.hex()[:-2]):
        with pytest.raises(E2EError):
            check_feature(bytes.fromhex(value))
    protected = bytes.fromhex("00100059") + e2e.crc16(bytes.fromhex("00100059")).to_bytes(2, "little")
    assert check_feature(protected) == protected[:4]
    with pytest.raises(E2EError):
        check_feature(protected[:4] + b"\xff\xff")


def test_every_sample_of_a_whole_value_is_judged_here():
    listed = {sample["name"] for sample, _ in _whole()} | set(LITERAL) | set(REFUSED) | CHECKED_ELSEWHERE
    for sample in _samples():
        if sample["scope"] == "full" and sample["conformant"] and not sample["crc"].endswith("-bad"):
            assert sample["name"] in listed, sample["name"]


def test_the_published_measurement_decodes_and_its_bad_crc_is_seen():
    by_name = {sample["name"]: bytes.fromhex(sample["hex"]) for sample in _samples()}
    # The exponent is 1 and the mantissa 12 in this encoding of 120 mg/dL.
    (small,) = parse_notification(by_name["measurement small"], with_crc=False)
    assert small.outcome is Outcome.OK
    assert small.fields["glucose_mg_dl"] == 120
    assert small.fields["time_offset_minutes"] == 6
    with pytest.raises(E2EError):
        parse_notification(by_name["measurement bad CRC"])
