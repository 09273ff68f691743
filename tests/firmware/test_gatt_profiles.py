"""Basal rate templates over the wire: the write transaction, what ends it, reading, status, reset, activation.

IDS 1.0.2, 3.7.2.6, 3.7.2.16 to 3.7.2.19 and 3.8, with the examples of its appendix. Method: the real firmware; a
profile is read back after each write, so that a refused one is seen to have left the old one.
"""

from decimal import Decimal

import pytest

from firmware.gatt_bench import COMMAND, DATA, IN_PROGRESS, GattBench

SUCCESS, INVALID_OPERAND, OUT_OF_RANGE, NOT_APPLICABLE, NOT_PLAUSIBLE = 0x0F, 0x71, 0x73, 0x74, 0x75
END = 1
APPENDIX = [(180, "1.0"), (330, "1.5"), (345, "2.0"), (345, "0.5"), (240, "1.0")]


@pytest.fixture
def bench():
    """A pump without a profile."""
    bench = GattBench(confirms=True)
    bench.subscribed()
    yield bench
    bench.close()


def write(bench, blocks, first=1, end=False, template=1):
    """Write one record; True and False for completed and not, or the response code."""
    flags = (END if end else 0) | (2 if len(blocks) > 1 else 0) | (4 if len(blocks) > 2 else 0)
    values = {}
    for number, (minutes, rate) in enumerate(blocks, 1):
        values[f"duration_minutes_{number}"] = minutes
        values[f"rate_iu_per_h_{number}"] = Decimal(rate)
    name, told = bench.procedure(
        "WriteBasalRateTemplate", flags=flags, template_number=template, first_block_number=first, **values
    )
    if name == "CommandResponseCode":
        assert told["request_opcode"] == 0x0FCC
        return int(told["response_code"])
    assert (told["template_number"], told["first_block_number"]) == (template, first)
    return bool(told["flags"])


def read(bench, template=1):
    """The blocks of a template, or the response code; the numbering is checked."""
    bench.notifications.clear()
    _, told = bench.procedure("ReadBasalRateTemplate", template_number=template)
    blocks = []
    for name, fields in bench.told(DATA):
        assert (name, fields["template_number"]) == ("BasalRateTemplateData", template)
        assert fields["first_block_number"] == len(blocks) + 1
        for number in (1, 2, 3):
            if fields[f"duration_minutes_{number}"] is not None:
                blocks.append((fields[f"duration_minutes_{number}"], fields[f"rate_iu_per_h_{number}"]))
    assert bool(blocks) is (told["response_code"] == SUCCESS)
    return blocks or int(told["response_code"])


def as_read(blocks):
    """Blocks as `read` gives them."""
    return [(minutes, Decimal(rate)) for minutes, rate in blocks]


# --- the transaction ---


def test_the_example_of_the_specification(bench):
    assert write(bench, APPENDIX[:3]) is False
    assert write(bench, APPENDIX[3:], first=4, end=True) is True
    assert read(bench) == as_read(APPENDIX)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 23, 24])
def test_profiles_of_any_number_of_blocks(bench, count):
    minutes = [60] * (count - 1) + [1440 - 60 * (count - 1)]
    blocks = [(minutes[i], f"{i / 1000:.3f}") for i in range(count)]
    for first in range(0, count, 3):
        part = blocks[first : first + 3]
        assert write(bench, part, first + 1, end=first + 3 >= count) is (first + 3 >= count)
    assert read(bench) == as_read(blocks)


def test_records_in_any_order(bench):
    assert write(bench, APPENDIX[3:], first=4) is False
    assert write(bench, APPENDIX[1:3], first=2) is False
    assert write(bench, APPENDIX[:1], first=1, end=True) is True
    assert read(bench) == as_read(APPENDIX)


@pytest.mark.parametrize(("records", "code"), [
    ([([(1439, "1")], 1, True)], NOT_PLAUSIBLE),
    ([([(1440, "1"), (1, "1")], 1, True)], NOT_PLAUSIBLE),
    ([([(720, "1")], 1, False), ([(720, "1")], 1, True)], NOT_PLAUSIBLE),
    ([([(720, "1")], 1, False), ([(720, "1")], 3, True)], NOT_PLAUSIBLE),
    ([([(720, "1")], 2, False), ([(720, "1")], 3, True)], NOT_PLAUSIBLE),
    ([([(0, "1")], 1, True)], OUT_OF_RANGE),
    ([([(1441, "1")], 1, True)], OUT_OF_RANGE),
    ([([(1440, "30.1")], 1, True)], OUT_OF_RANGE),
    ([([(720, "1"), (720, "30.1")], 1, True)], OUT_OF_RANGE),
    ([([(720, "1")], 24, False), ([(720, "1"), (1, "1")], 24, True)], NOT_PLAUSIBLE),
    ([([(720, "1"), (720, "1")], 24, True)], OUT_OF_RANGE),
    ([([(1440, "1")], 25, True)], OUT_OF_RANGE),
    ([([(1440, "1")], 255, True)], OUT_OF_RANGE),
])  # fmt: skip
def test_a_failure_drops_the_whole_transaction(bench, records, code):
    """D-201: the old profile stays, and nothing of the failed write is left for the next."""
    assert write(bench, [(1440, "2")], end=True) is True
    told = [write(bench, blocks, first, end) for blocks, first, end in records]
    assert told == [False] * (len(records) - 1) + [code]
    assert read(bench) == as_read([(1440, "2")])
    assert write(bench, [(720, "1")], first=2) is False
    assert write(bench, [(720, "3")], first=1, end=True) is True
    assert read(bench) == as_read([(720, "3"), (720, "1")])


def test_a_rate_that_is_no_whole_milliunit_is_out_of_range(bench):
    told = bench.raw_procedure(COMMAND, bytes.fromhex("cc0f" + "01" + "01" + "01" + "a005" + "01c0"))
    assert told[1]["response_code"] == OUT_OF_RANGE


def test_the_first_block_is_number_1(bench):
    told = bench.raw_procedure(COMMAND, bytes.fromhex("cc0f" + "01" + "01" + "00" + "a005" + "0100"))
    assert told[1]["response_code"] == OUT_OF_RANGE


def test_a_third_block_without_a_second_is_no_structure(bench):
    told = bench.raw_procedure(COMMAND, bytes.fromhex("cc0f" + "05" + "01" + "01" + "a005" + "0100" + "a005" + "0100"))
    assert told[1]["response_code"] == INVALID_OPERAND


@pytest.mark.parametrize("template", [0, 4, 255])
def test_a_template_that_does_not_exist_is_out_of_range(bench, template):
    assert write(bench, [(1440, "1")], end=True, template=template) == OUT_OF_RANGE
    assert read(bench, template) == OUT_OF_RANGE


def test_a_transaction_stays_with_its_template(bench):
    assert write(bench, [(720, "1")]) is False
    assert write(bench, [(720, "1")], first=2, end=True, template=2) == NOT_PLAUSIBLE
    assert read(bench, 1) == read(bench, 2) == NOT_APPLICABLE


@pytest.mark.parametrize(("name", "fields"), [
    ("GetMaxBolusAmount", {}), ("GetActiveBolusIds", {}), ("ResetStatus", {"flags": 0}), ("CancelTbrAdjustment", {}),
    ("RacpAbort", {"operator": 0x0F}), ("RacpReportNumberOfStoredRecords", {"operator": 0x33}),
])  # fmt: skip
def test_any_other_procedure_drops_the_transaction(bench, name, fields):
    assert write(bench, [(720, "1")]) is False
    bench.procedure(name, **fields)
    assert write(bench, [(720, "1")], first=2, end=True) == NOT_PLAUSIBLE


@pytest.mark.parametrize("payload", ["0000", "34120f"])
def test_even_one_that_is_not_supported(bench, payload):
    assert write(bench, [(720, "1")]) is False
    bench.raw_procedure(COMMAND, bytes.fromhex(payload))
    assert write(bench, [(720, "1")], first=2, end=True) == NOT_PLAUSIBLE


def test_a_malformed_write_drops_the_transaction(bench):
    assert write(bench, [(720, "1")]) is False
    told = bench.raw_procedure(COMMAND, bytes.fromhex("cc0f" + "00" + "01" + "02" + "d002"))
    assert told[1]["response_code"] == INVALID_OPERAND
    assert write(bench, [(720, "1")], first=2, end=True) == NOT_PLAUSIBLE


def test_what_is_no_procedure_leaves_the_transaction(bench):
    """Reads, writes that were refused, and a prohibited opcode, which is not processed."""
    assert write(bench, [(720, "1")]) is False
    bench.fields("IddStatus")
    assert bench.write(COMMAND.handle, b"\x7d\x14\x09\0\0") == 0x81
    assert bench.write_raw(COMMAND, b"\x8e\x14") == 0
    assert write(bench, [(720, "1")], first=2, end=True) is True


def test_a_new_connection_drops_the_transaction(bench):
    assert write(bench, [(720, "1")]) is False
    bench.subscribed()
    assert write(bench, [(720, "1")], first=2, end=True) == NOT_PLAUSIBLE


def test_what_was_written_outlasts_the_connection(bench):
    assert write(bench, APPENDIX[:3]) is False
    assert write(bench, APPENDIX[3:], first=4, end=True) is True
    bench.subscribed()
    assert read(bench) == as_read(APPENDIX)


# --- reading ---


def test_the_last_notification_comes_before_the_answer(bench):
    write(bench, APPENDIX[:3])
    write(bench, APPENDIX[3:], first=4, end=True)
    bench.frames.clear()
    bench.procedure("ReadBasalRateTemplate", template_number=1)
    opcodes = [frame.body[0] for frame in bench.frames]
    assert opcodes == [0x13, 0x1B, 0x1B, 0x1D]


def test_a_template_without_content_is_not_applicable(bench):
    assert [read(bench, template) for template in (1, 2, 3)] == [NOT_APPLICABLE] * 3


def test_while_a_template_is_read_nothing_else_runs(bench):
    """24 blocks take 8 notifications, which take some milliseconds of the line."""
    for first in range(1, 25, 3):
        write(bench, [(60, "1")] * 3, first, end=first == 22)
    bench.notifications.clear()
    bench.send(bytes((0x12, COMMAND.handle, 0)) + bench.protected(COMMAND, b"\xaa\x0f\x01"))
    bench.run_for(0.004)
    assert 0 < len(bench.notifications) < 8
    assert bench.write_message("GetActiveBolusIds") == IN_PROGRESS
    bench.answer(COMMAND)
    assert len(bench.notifications) == 8


def test_a_read_ends_with_its_connection(bench):
    for first in range(1, 25, 3):
        write(bench, [(60, "1")] * 3, first, end=first == 22)
    bench.send(bytes((0x12, COMMAND.handle, 0)) + bench.protected(COMMAND, b"\xaa\x0f\x01"))
    bench.run_for(0.004)
    bench.subscribed()
    bench.run_for(1)
    assert bench.notifications == [] and bench.indications == []


# --- status, reset, activation ---


def states(bench):
    """(configurable, configured) of the templates, as two bits each."""
    bench.notifications.clear()
    assert bench.code("GetTemplateStatusAndDetails") == SUCCESS
    name, told = bench.told(DATA)[0]
    assert (name, told["template_type"], told["first_template_number"]) == ("TemplateStatusData", 0x33, 1)
    assert (told["template_count"], told["max_blocks"]) == (3, 24)
    return told["template_states"]


def choose(bench, name, *templates):
    """Reset or activate: the response code, or SUCCESS when the answer repeats the templates."""
    answered, told = bench.procedure(name, template_numbers=list(templates))
    if answered == "CommandResponseCode":
        return int(told["response_code"])
    assert told["template_numbers"] == list(templates)
    return SUCCESS


def activated(bench):
    return list(bench.procedure("GetActivatedProfileTemplates")[1]["template_numbers"])


def test_states_follow_writing_and_reset(bench):
    assert states(bench) == bytes((0b010101,))
    for template in (1, 3):
        write(bench, [(1440, "1")], end=True, template=template)
    assert states(bench) == bytes((0b110111,))
    assert choose(bench, "ResetTemplateStatus", 3) == SUCCESS
    assert states(bench) == bytes((0b010111,))
    assert read(bench, 3) == NOT_APPLICABLE


@pytest.mark.parametrize("wrong", [0, 2, 3, 4, 255])
def test_one_wrong_template_resets_and_activates_none(bench, wrong):
    """2 has no content, 3 is activated (for the reset), the others do not exist."""
    for template in (1, 3):
        write(bench, [(1440, str(template))], end=True, template=template)
    assert choose(bench, "ActivateProfileTemplates", 3) == SUCCESS
    assert choose(bench, "ResetTemplateStatus", 1, wrong) == NOT_APPLICABLE
    assert states(bench) == bytes((0b110111,))
    if wrong != 3:
        assert choose(bench, "ActivateProfileTemplates", 1, wrong) == NOT_APPLICABLE
        assert activated(bench) == [3]


def test_activation_decides_the_rate(bench):
    """D-204."""
    assert activated(bench) == []
    for template in (1, 2):
        write(bench, [(1440, str(template))], end=True, template=template)
    bench.code("SetTherapyControlState", therapy_control_state=0x55)
    for template in (1, 2, 1):
        assert choose(bench, "ActivateProfileTemplates", template) == SUCCESS
        assert activated(bench) == [template]
        told = bench.procedure("GetActiveBasalRateDelivery")[1]
        assert (told["profile_template_number"], told["configured_rate_iu_per_h"]) == (template, template)


def test_a_write_to_the_activated_template_is_in_force_at_once(bench):
    write(bench, [(1440, "1")], end=True)
    choose(bench, "ActivateProfileTemplates", 1)
    bench.code("SetTherapyControlState", therapy_control_state=0x55)
    write(bench, [(1440, "2.5")], end=True)
    told = bench.procedure("GetActiveBasalRateDelivery")[1]
    assert told["configured_rate_iu_per_h"] == Decimal("2.5")


@pytest.mark.parametrize("name", ["1d12", "2e12"])
@pytest.mark.parametrize("operand", ["00", "0f" + "01" * 14, "02" + "01", "01" + "0101"])
def test_a_count_must_fit_its_list(bench, name, operand):
    told = bench.raw_procedure(COMMAND, bytes.fromhex(name + operand)[:17])
    assert told[1]["response_code"] == INVALID_OPERAND
