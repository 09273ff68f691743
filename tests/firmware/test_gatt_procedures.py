"""The rules that all control points share: protection, configuration, one procedure at a time, what gets no answer.

IDS 1.0.2, 3.1, 3.11 and 3.12. Method: writes to the real firmware with every counter and CRC in the test's hand; a rule
is tested at its edges and in the order in which the rules are looked at.
"""

from decimal import Decimal

import pytest

from firmware.gatt_bench import (
    CCCD_WRONG,
    COMMAND,
    CONTROL_POINTS,
    COUNTER_WRONG,
    CRC_WRONG,
    DATA,
    HISTORY,
    IN_PROGRESS,
    RACP,
    READER,
    GattBench,
)
from pumpwire import database, e2e
from pumpwire.hamming import words
from pumpwire.registry import MESSAGES

INVALID_LENGTH = 0x0D
SUCCESS, NOT_SUPPORTED, INVALID_OPERAND = 0x0F, 0x70, 0x71
ONE_OF_EACH = {
    READER: MESSAGES["GetActiveBolusIds"].build(),
    COMMAND: MESSAGES["GetMaxBolusAmount"].build(),
    RACP: MESSAGES["RacpReportNumberOfStoredRecords"].build(operator=0x33),
}
SETTINGS = database.CONTROLLER_SETTINGS
FAULT = database.EMULATOR_FAULT
DETACH = MESSAGES["EmulatorFault"].build(fault_kind=0x55, fault_value=1)
SUPPORTED = sorted(
    m.name for m in MESSAGES.values() if m.on in (READER, COMMAND) and m.direction == "to_pump" and m.served
)


@pytest.fixture
def bench():
    """A board with everything subscribed."""
    bench = GattBench()
    bench.subscribed()
    yield bench
    bench.close()


@pytest.fixture(params=CONTROL_POINTS, ids=lambda c: c.constant)
def control_point(request):
    """Each control point in turn."""
    return request.param


def put(bench, characteristic, payload, counter):
    """Write with a counter of the test's choice."""
    return bench.write(characteristic.handle, e2e.protect(payload, counter))


def done(bench, characteristic):
    """End the procedure that has just been written."""
    bench.answer(characteristic)


# --- protection ---


def test_the_first_counter_of_a_connection_is_1(bench, control_point):
    payload = ONE_OF_EACH[control_point]
    for counter in (0, 2, 3, 254, 255):
        assert put(bench, control_point, payload, counter) == COUNTER_WRONG
    assert put(bench, control_point, payload, 1) == 0


def test_each_counter_is_taken_once_and_255_is_followed_by_1(bench, control_point):
    payload = ONE_OF_EACH[control_point]
    counter = 0
    for _ in range(257):
        counter = counter % 255 + 1
        for wrong in (counter - 1, counter + 1 if counter < 255 else 2):
            assert put(bench, control_point, payload, wrong) == COUNTER_WRONG
        assert put(bench, control_point, payload, counter) == 0
        done(bench, control_point)
    assert counter == 2


def test_each_control_point_has_a_counter_of_its_own(bench):
    for characteristic in CONTROL_POINTS:
        assert put(bench, characteristic, ONE_OF_EACH[characteristic], 1) == 0
        done(bench, characteristic)


def test_every_flipped_bit_is_a_wrong_crc_and_uses_no_counter(bench, control_point):
    """D-405: a damaged CRC answers 0x81 and leaves the counter as it was."""
    value = e2e.protect(ONE_OF_EACH[control_point], 1)
    for bit in range(8 * len(value)):
        damaged = bytearray(value)
        damaged[bit // 8] ^= 1 << bit % 8
        assert bench.write(control_point.handle, bytes(damaged)) == CRC_WRONG
    assert bench.indications == []
    assert bench.write(control_point.handle, value) == 0


def test_a_value_too_short_for_its_protection_has_a_wrong_crc(bench, control_point):
    for length in range(4):
        assert bench.write(control_point.handle, bytes(length)) == CRC_WRONG


def test_a_value_beyond_20_octets_has_an_invalid_length(bench, control_point):
    assert bench.write(control_point.handle, e2e.protect(bytes(18), 1)) == INVALID_LENGTH
    assert put(bench, control_point, ONE_OF_EACH[control_point], 1) == 0


def test_a_repeated_bolus_doses_once(bench):
    """D-405: the same frame twice is one bolus; the second answer is 0x82."""
    bench.running(rate_mu_per_h=0)
    bolus = dict(flags=0, bolus_type=0x33, fast_amount_iu=Decimal("0.1"), extended_amount_iu=0, duration_minutes=0)
    value = bench.protected(COMMAND, MESSAGES["SetBolus"].build(**bolus))
    assert bench.write(COMMAND.handle, value) == 0
    done(bench, COMMAND)
    bench.run_for(30)
    assert bench.write(COMMAND.handle, value) == COUNTER_WRONG
    bench.run_for(30)
    assert len(bench.pulses) == 2


@pytest.mark.parametrize("characteristic", [SETTINGS, FAULT], ids=lambda c: c.constant)
def test_vendor_writes_are_protected_alike(bench, characteristic):
    assert bench.write(characteristic.handle, b"\x55\x01\0\0\0\x01\0\0") == CRC_WRONG
    assert put(bench, characteristic, b"\x55\x01\0\0\0", 2) == COUNTER_WRONG
    assert bench.fields("EmulatorHealth")["e2e_failures"] == 2
    assert bench.fields("IddStatus")["flags"] == 1


def test_failures_are_counted(bench, control_point):
    put(bench, control_point, ONE_OF_EACH[control_point], 9)
    bench.write(control_point.handle, b"\0\0\0\0\0")
    put(bench, FAULT, DETACH, 77)
    assert bench.fields("EmulatorHealth")["e2e_failures"] == 3


def test_the_order_of_checks(bench):
    """CRC, counter, configuration, procedure in progress: each hides those behind it."""
    bench.write(COMMAND.configuration_handle, b"\0\0")
    bench.write(READER.handle, e2e.protect(ONE_OF_EACH[READER], 1))
    payload = ONE_OF_EACH[COMMAND]
    assert bench.write(COMMAND.handle, payload + b"\x07\0\0") == CRC_WRONG
    assert put(bench, COMMAND, payload, 7) == COUNTER_WRONG
    assert put(bench, COMMAND, payload, 1) == CCCD_WRONG
    bench.write(COMMAND.configuration_handle, b"\x02\0")
    assert put(bench, COMMAND, payload, 2) == IN_PROGRESS
    done(bench, READER)
    assert put(bench, COMMAND, payload, 3) == 0


# --- configuration ---


def test_a_control_point_needs_its_indications(bench, control_point):
    bench.write(control_point.configuration_handle, b"\0\0")
    assert bench.write_raw(control_point, ONE_OF_EACH[control_point]) == CCCD_WRONG
    bench.write(control_point.configuration_handle, b"\x02\0")
    assert bench.write_raw(control_point, ONE_OF_EACH[control_point]) == 0


@pytest.mark.parametrize(("data", "name", "fields"), [
    (DATA, "ReadBasalRateTemplate", {"template_number": 1}),
    (DATA, "ReadIsfTemplate", {"template_number": 10}),
    (DATA, "ReadIchoRatioTemplate", {"template_number": 12}),
    (DATA, "ReadTargetGlucoseRangeTemplate", {"template_number": 14}),
    (DATA, "GetTemplateStatusAndDetails", {}),
    (HISTORY, "RacpReportStoredRecords", {"operator": 0x33}),
])  # fmt: skip
def test_a_procedure_needs_the_notifications_of_its_data(bench, data, name, fields):
    bench.write(data.configuration_handle, b"\0\0")
    assert bench.write_message(name, **fields) == CCCD_WRONG
    assert bench.indications == []
    bench.write(data.configuration_handle, b"\x01\0")
    assert bench.write_message(name, **fields) == 0


def test_other_procedures_do_not_need_the_data(bench):
    bench.write(DATA.configuration_handle, b"\0\0")
    bench.write(HISTORY.configuration_handle, b"\0\0")
    assert bench.procedure("GetMaxBolusAmount")[0] == "GetMaxBolusAmountResponse"
    assert bench.procedure("RacpReportNumberOfStoredRecords", operator=0x33)[1]["record_count"] == 1
    assert bench.procedure("RacpAbort", operator=0x0F)[0] == "RacpResponseCode"


# --- one at a time ---


@pytest.mark.parametrize("second", CONTROL_POINTS, ids=lambda c: c.constant)
def test_a_procedure_lasts_until_its_answer_is_confirmed(bench, control_point, second):
    assert bench.write_raw(control_point, ONE_OF_EACH[control_point]) == 0
    assert bench.write_raw(second, ONE_OF_EACH[second]) == IN_PROGRESS
    bench.run_for(10)
    assert bench.write_raw(second, ONE_OF_EACH[second]) == IN_PROGRESS
    done(bench, control_point)
    assert bench.write_raw(second, ONE_OF_EACH[second]) == 0
    done(bench, second)


def test_a_procedure_that_was_refused_changes_nothing(bench):
    bench.running()
    assert bench.write_message("GetActiveBolusIds") == 0
    assert bench.write_message("SetTherapyControlState", therapy_control_state=0x33) == IN_PROGRESS
    done(bench, READER)
    assert bench.fields("IddStatus")["therapy_control_state"] == 0x55


def test_an_abort_is_let_through_while_another_procedure_runs(bench, control_point):
    assert bench.write_raw(control_point, ONE_OF_EACH[control_point]) == 0
    assert bench.write_message("RacpAbort", operator=0x0F) == 0
    done(bench, control_point)
    if control_point is not RACP:
        assert bench.answer(RACP)[1]["response_code"] == 0xF0
    else:
        bench.run_for(1)
        assert bench.answer(RACP)[1]["request_opcode"] == 0x55
    assert bench.write_message("GetActiveBolusIds") == 0


def test_reads_and_vendor_writes_are_no_procedures(bench):
    bench.write_message("GetActiveBolusIds")
    bench.fields("IddStatus")
    assert bench.write_raw(FAULT, DETACH) == 0


def test_the_end_of_the_connection_ends_the_procedure(bench, control_point):
    assert bench.write_raw(control_point, ONE_OF_EACH[control_point]) == 0
    bench.subscribed()
    assert bench.indications == []
    assert bench.write_raw(control_point, ONE_OF_EACH[control_point]) == 0
    done(bench, control_point)


# --- opcodes ---


def opcode_of(characteristic, opcode):
    return opcode.to_bytes(characteristic.opcode_octets, "little")


@pytest.mark.parametrize(("characteristic", "first", "last"), [(READER, 0x03FD, 0x0504), (COMMAND, 0x148E, 0x14B0)],
                         ids=["reader", "command"])  # fmt: skip
def test_prohibited_opcodes_get_no_answer_and_start_nothing(bench, characteristic, first, last):
    """IDS 1.0.2, 1.8: ignored; the next procedure is taken at once. The edges of the range, and words within."""
    for opcode in sorted({first, first + 1, last - 1, last, *words(first, last)}):
        assert bench.write_raw(characteristic, opcode_of(characteristic, opcode)) == 0
        bench.run_for(1)
        assert bench.indications == []
    for opcode in (first - 1, last + 1):
        _, told = bench.raw_procedure(characteristic, opcode_of(characteristic, opcode))
        expected = INVALID_OPERAND if opcode in (m.opcode for m in MESSAGES.values()) else NOT_SUPPORTED
        assert (told["request_opcode"], told["response_code"]) in ((opcode, expected), (opcode, NOT_SUPPORTED))


@pytest.mark.parametrize("characteristic", [READER, COMMAND], ids=lambda c: c.constant)
def test_opcodes_that_are_not_supported(bench, characteristic):
    """0, one bit away from a request, answers, requests of the other control point, the last one."""
    requests = {MESSAGES[name].opcode for name in SUPPORTED if MESSAGES[name].on is characteristic}
    answers = {m.opcode for m in MESSAGES.values() if m.on is characteristic and m.direction == "to_client"}
    opcodes = {0, 0xFFFF, *answers, *(opcode ^ 1 for opcode in requests)}
    opcodes |= {m.opcode for m in MESSAGES.values() if m.on in (READER, COMMAND, DATA) and m.on is not characteristic}
    first, last = characteristic.prohibited
    for opcode in sorted(opcodes - requests):
        if not first <= opcode <= last:
            _, told = bench.raw_procedure(characteristic, opcode_of(characteristic, opcode))
            assert (told["request_opcode"], told["response_code"]) == (opcode, NOT_SUPPORTED)


def test_an_opcode_cut_in_half_has_an_invalid_length(bench):
    for characteristic in (READER, COMMAND):
        assert bench.write_raw(characteristic, b"\x30") == INVALID_LENGTH
        assert bench.write_raw(characteristic, ONE_OF_EACH[characteristic]) == 0
        done(bench, characteristic)


@pytest.mark.parametrize("name", SUPPORTED)
def test_a_wrong_structure_is_an_invalid_operand(bench, name):
    """Every example of every request: each truncation (unless that is a value, too), and one octet too many."""
    message = MESSAGES[name]
    for example in message.examples:
        cuts = [example.octets[:length] for length in range(2, len(example.octets))]
        for payload in [*cuts, example.octets + b"\0"]:
            if not message.parse(payload).ok and len(payload) <= 17:
                _, told = bench.raw_procedure(message.on, payload)
                expected = (message.opcode, INVALID_OPERAND)
                assert (told["request_opcode"], told["response_code"]) == expected, payload.hex()


def test_reserved_words_are_invalid_operands(bench):
    """One bit away from a word is never a word."""
    for state in (0x00, 0x32, 0x54, 0x57, 0xFF):
        _, told = bench.raw_procedure(COMMAND, b"\x5a\x0f" + bytes((state,)))
        assert told["response_code"] == INVALID_OPERAND
    _, told = bench.raw_procedure(READER, b"\x56\x03\x01\x00\x34")
    assert told["response_code"] == INVALID_OPERAND


def test_flags_reserved_for_future_use_are_ignored(bench):
    """IDS 1.0.2, 1.8: RFU bits are ignored on receipt."""
    bench.running()
    _, told = bench.raw_procedure(COMMAND, bytes.fromhex("ff0f" + "f8" + "33" + "0100" + "1e00"))
    assert told["response_code"] == SUCCESS
    assert bench.code("ResetStatus", flags=0xFF) == SUCCESS
    _, told = bench.raw_procedure(READER, bytes.fromhex("0c03" + "00ff"))
    assert told["response_code"] == SUCCESS
