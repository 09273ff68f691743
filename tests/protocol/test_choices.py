"""Where the specifications contradict themselves, the declarations hold what SPEC.md says.

Goal: each choice of SPEC.md is one that octets can show, and nobody undoes it unseen.
Method: one test for each choice, found by its name; a choice without a test fails.
"""

from __future__ import annotations

from decimal import Decimal

import pytest

from pumpwire import MESSAGES, Outcome, database, e2e, enums
from pumpwire.generate.choices import CHOICES
from pumpwire.generate.files import checkout
from pumpwire.receiver import is_server, reaction_to_protection


def _outcome(name, hexadecimal):
    return MESSAGES[name].parse(bytes.fromhex(hexadecimal))


def zero_sums():
    header = "ff00" + "0a000000" + "980d"
    fields = _outcome("HistoryTotalDailyInsulin", header + "00" + "0000" + "c9f0" + "e7070601").fields
    assert (fields["bolus_delivered_iu"], fields["basal_delivered_iu"]) == (0, Decimal("20.1"))
    assert _outcome("GetTotalDailyInsulinStatusResponse", "9a03" + "0000" + "0000" + "0000").ok


def success():
    assert enums.ResponseCode.SUCCESS == 0x0F
    assert enums.RacpResponseCode.SUCCESS == 0xF0
    assert _outcome("ReaderResponseCode", "03030c03f0").outcome is Outcome.RFU
    assert _outcome("CommandResponseCode", "550fff0ff0").outcome is Outcome.RFU
    assert _outcome("RacpResponseCode", "0f0f330f").outcome is Outcome.RFU


def template_types():
    status = _outcome("TemplateStatusData", "12123c0101001" + "1").fields
    event = _outcome("HistoryProfileTemplateActivated", "cc00" + "0a000000980d" + "3c0001").fields
    assert status["template_type"] is enums.TemplateType.TBR
    assert event["profile_template_type"] is enums.ProfileTemplateType.ISF


def block_bits():
    blocks = "b4000100" + "4a010100"
    written = _outcome("WriteBasalRateTemplate", "cc0f" + "02" + "0101" + blocks)
    read = _outcome("BasalRateTemplateData", "c30f" + "01" + "0101" + blocks)
    assert written.ok and read.ok
    assert written.fields["duration_minutes_2"] == read.fields["duration_minutes_2"] == 330
    assert _outcome("WriteBasalRateTemplate", "cc0f" + "01" + "0101" + blocks).outcome is Outcome.BAD_STRUCTURE


def replaced_by_a_template():
    """The number of the template is read behind what it replaces."""
    beyond = _outcome("SetBolus", "4b11" + "02" + "0f" + "ff07" + "ffff" + "ffff" + "07")
    assert (beyond.outcome, beyond.fields["template_number"]) == (Outcome.OUT_OF_RANGE, 7)
    beyond = _outcome("SetTbrAdjustment", "ff0f" + "01" + "0f" + "ff07" + "0000" + "06")
    assert (beyond.outcome, beyond.fields["template_number"]) == (Outcome.OUT_OF_RANGE, 6)
    assert _outcome("SetBolus", "4b11" + "02" + "34" + "0000" + "0000" + "0000" + "07").outcome is Outcome.RFU
    assert _outcome("SetTbrAdjustment", "ff0f" + "01" + "34" + "0000" + "1e00" + "06").outcome is Outcome.RFU


def busy_and_not_configured():
    from pumpwire.att import AttErrorCode

    assert AttErrorCode.CCCD_IMPROPERLY_CONFIGURED == 0xFD
    assert AttErrorCode.PROCEDURE_ALREADY_IN_PROGRESS == 0xFE
    for codes in (enums.ResponseCode, enums.RacpResponseCode, enums.CgmResponseCode):
        assert not {0xFD, 0xFE} & {int(code) for code in codes}


def no_records_found():
    assert MESSAGES["RacpReportNumberOfStoredRecords"].answer == "RacpNumberOfStoredRecordsResponse"
    assert _outcome("RacpNumberOfStoredRecordsResponse", "660f00000000").fields["record_count"] == 0
    assert _outcome("RacpResponseCode", "0f0f3306").ok
    assert MESSAGES["RacpReportNumberOfStoredRecords"].opcode == 0x5A


def filters():
    for name in ("RacpReportStoredRecords", "RacpDeleteStoredRecords", "RacpReportNumberOfStoredRecords"):
        opcode = f"{MESSAGES[name].opcode:02x}"
        for operator in ("33", "66", "69"):
            assert _outcome(name, opcode + operator).ok
            assert _outcome(name, opcode + operator + "0f").outcome is Outcome.BAD_STRUCTURE
        assert _outcome(name, opcode + "55").outcome is Outcome.BAD_STRUCTURE


def target_blocks():
    block = "a4016400" + "7800"
    assert _outcome("TargetGlucoseRangeTemplateData", "4114" + "01" + "0c01" + 2 * block).ok
    three = _outcome("TargetGlucoseRangeTemplateData", "4114" + "03" + "0c01" + 3 * block)
    assert three.outcome is Outcome.BAD_STRUCTURE
    assert len(MESSAGES["WriteTargetGlucoseRangeTemplate"].examples[0].octets) == 17


def counter_0():
    assert e2e.counter_follows(255, 1)
    assert not any(e2e.counter_follows(last, 0) for last in range(256))
    counter = e2e.E2ECounter()
    assert 0 not in [counter.next() for _ in range(600)]


def counter_failure():
    for characteristic in database.CHARACTERISTICS.values():
        if "write" in characteristic.properties and is_server(characteristic, "to_pump"):
            assert reaction_to_protection(characteristic, "to_pump", counter=True).code == 0x82


def effective_duration():
    changed = MESSAGES["HistoryTbrChanged"].examples[0].fields
    ended = MESSAGES["HistoryTbrEnded"].examples[0].fields
    assert ended["effective_duration_minutes"] == changed["elapsed_minutes"] + changed["duration_minutes"] == 31


def communication_interval():
    assert _outcome("CgmGetCommunicationIntervalResponse", "030a").ok
    assert _outcome("CgmGetCommunicationIntervalResponse", "030a00").outcome is Outcome.BAD_STRUCTURE


@pytest.mark.parametrize("choice", CHOICES, ids=lambda choice: choice.name)
def test_the_choice_holds(choice):
    globals()[choice.name.replace(" ", "_")]()


def test_every_choice_is_written_down():
    text = (checkout() / "protocol" / "SPEC.md").read_text(encoding="utf-8")
    for choice in CHOICES:
        assert f"| {choice.name} | {choice.where} | {choice.contradiction} | {choice.chosen} |" in text
