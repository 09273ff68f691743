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
from pumpwire.cgms import parse_notification
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


def _whole():
    uuids = {f"{item.uuid}"[4:8].upper(): item for item in CHARACTERISTICS.values()}
    for sample in _samples():
        characteristic = uuids.get(sample["characteristic"])
        listed = sample["scope"] == "full" and sample["crc"] == "none" and "fields" in sample["decoded"]
        if characteristic is not None and listed and characteristic.name != "CGM Measurement":
            yield sample, characteristic


def test_whole_values_decode_as_published():
    understood = unknown = 0
    for sample, characteristic in _whole():
        octets = bytes.fromhex(sample["hex"])
        for direction in ("to_pump", "to_client"):
            message, decoded = decode(characteristic, octets, direction)
            if message is None:
                continue
            assert decoded.ok, f"{sample['name']}: {decoded.detail}"
            assert _said(decoded.fields) == _expected(sample, 1 if message.opcode else 0), sample["name"]
            understood += 1
            break
        else:
            unknown += 1
    assert understood >= 11
    # Get Counter, initial reservoir fill, ISF and I:CHO profiles, and deleting records are not declared.
    assert unknown <= 6


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


def test_the_published_measurement_decodes_and_its_bad_crc_is_seen():
    by_name = {sample["name"]: bytes.fromhex(sample["hex"]) for sample in _samples()}
    # The exponent is 1 and the mantissa 12 in this encoding of 120 mg/dL.
    (small,) = parse_notification(by_name["measurement small"], with_crc=False)
    assert small.outcome is Outcome.OK
    assert small.fields["glucose_mg_dl"] == 120
    assert small.fields["time_offset_minutes"] == 6
    with pytest.raises(E2EError):
        parse_notification(by_name["measurement bad CRC"])
