"""The attribute server: what each request is answered with, and that indications keep their order and their limit.

Method: raw ATT PDUs to the real firmware on the virtual board.
"""

import pytest

from firmware.gatt_bench import (
    ANNUNCIATION_STATUS,
    COMMAND,
    CONTROL_POINTS,
    DECISION,
    HISTORY,
    READER,
    SERVED,
    STATUS,
    STATUS_CHANGED,
    GattBench,
)
from pumpwire import database
from pumpwire.registry import MESSAGES

SENSOR = [c for c in database.CHARACTERISTICS.values() if c.handle >= 0x100]
READABLE = [c for c in SERVED if "read" in c.properties]
WRITABLE = [c for c in SERVED if "write" in c.properties]
CONFIGURABLE = [c for c in SERVED if c.configuration_handle]
SUCCESS = 0x0F


@pytest.fixture
def bench():
    """A board with an open connection, nothing subscribed."""
    bench = GattBench()
    bench.open()
    yield bench
    bench.close()


def name(characteristic):
    return characteristic.constant


# --- requests ---


@pytest.mark.parametrize("characteristic", READABLE, ids=name)
def test_what_can_be_read_is_read(bench, characteristic):
    """Three times, so that the counter is seen to count (IDS 1.0.2, 3.12)."""
    names = [m.name for m in MESSAGES.values() if m.on is characteristic]
    for _ in range(3):
        bench.fields(names[0])


def test_nothing_else_can_be_read(bench):
    for characteristic in SERVED:
        if characteristic not in READABLE:
            assert bench.read(characteristic.handle) == 0x02, characteristic


def test_nothing_else_can_be_written(bench):
    for characteristic in SERVED:
        if characteristic not in WRITABLE:
            assert bench.write(characteristic.handle, bytes(5)) == 0x03, characteristic


def test_unknown_handles_are_refused(bench):
    known = {c.handle for c in SERVED} | {c.configuration_handle for c in CONFIGURABLE}
    for handle in [*range(0x0100), *(c.handle for c in SENSOR), 0x1200, 0xFFFF]:
        if handle not in known:
            assert bench.read(handle) == 0x01
            assert bench.write(handle, b"\0\0") == 0x01


def test_the_error_names_request_and_handle(bench):
    assert bench.exchange(b"\x0a\x34\x12") == [b"\x01\x0a\x34\x12\x01"]
    assert bench.exchange(b"\x12\x34\x12") == [b"\x01\x12\x34\x12\x01"]


@pytest.mark.parametrize(("pdu", "error"), [
    (b"\x0a", 0x04), (b"\x0a\x12", 0x04), (b"\x0a\x12\x00\x00", 0x04), (b"\x12", 0x04), (b"\x12\x12", 0x04),
    (b"\x02\x17", 0x04), (b"\x02\x17\x00\x00", 0x04),
    (b"\x04\x01\x00\xff\xff", 0x06), (b"\x08\x01\x00\xff\xff\x03\x28", 0x06), (b"\x0c\x12\x00\x00\x00", 0x06),
    (b"\x10\x01\x00\xff\xff\x00\x28", 0x06), (b"\x18\x01", 0x06),
])  # fmt: skip
def test_requests_that_are_malformed_or_not_supported(bench, pdu, error):
    assert bench.exchange(pdu) == [bytes((0x01, pdu[0], 0, 0, error))]


@pytest.mark.parametrize("pdu", [
    b"\x52\x21\x00\x00", b"\xd2\x21\x00", b"\x1e", b"\x1e\x00", b"\x01", b"\x01\x0a\x05\x01\x01", b"\x0b", b"\x0b\x01",
    b"\x13", b"\x03\x17\x00", b"\x1b", b"\x1b\x02", b"\x1b\x02\x01", b"\x1b\x99\x01\x00", b"\x23\x00",
], ids=bytes.hex)  # fmt: skip
def test_commands_and_what_nobody_asked_for_get_no_answer(bench, pdu):
    """Write commands, confirmations of nothing, answers to nothing, notifications from elsewhere."""
    assert bench.exchange(pdu) == []
    assert bench.exchange(b"\x0a\x15\x00")[0][0] == 0x0B


def test_an_indication_from_the_sensor_is_confirmed(bench):
    assert bench.exchange(b"\x1d\x02\x01\x00") == [b"\x1e"]


@pytest.mark.parametrize(("wanted", "answer"), [(23, 247), (185, 247), (247, 247), (517, 247), (0, 247), (22, 247)])
def test_the_mtu_of_the_pump_is_told(bench, wanted, answer):
    assert bench.exchange(b"\x02" + wanted.to_bytes(2, "little")) == [b"\x03" + answer.to_bytes(2, "little")]


# --- client configurations ---


@pytest.mark.parametrize("characteristic", CONFIGURABLE, ids=name)
def test_a_client_configuration_takes_its_own_bits_only(bench, characteristic):
    handle = characteristic.configuration_handle
    allowed = 2 if "indicate" in characteristic.properties else 1
    assert bench.read(handle) == b"\0\0"
    for bits in (1, 2, 3, 4, 0x0100, 0xFFFF):
        assert bench.write(handle, bits.to_bytes(2, "little")) == (0 if bits == allowed else 0x13)
    assert bench.read(handle) == bytes((allowed, 0))
    assert bench.write(handle, b"\0\0") == 0
    assert bench.read(handle) == b"\0\0"


@pytest.mark.parametrize("value", [b"", b"\x02", b"\x02\0\0"])
def test_a_client_configuration_has_two_octets(bench, value):
    assert bench.write(COMMAND.configuration_handle, value) == 0x0D


# --- indications ---


def test_indications_leave_one_at_a_time_each_after_a_confirmation(bench):
    """ATT allows one unconfirmed indication. The answer of the procedure comes first, then what it changed."""
    bench.subscribed()
    bench.procedure("SetMaxBolusAmount", max_bolus_iu=5)
    bench.drain()
    bench.procedure("ResetStatus", flags=0xFF)
    assert bench.write_message("EmulatorFault", fault_kind=0x55, fault_value=1) == 0
    bench.run_for(5)
    assert len(bench.indications) == 1
    assert bench.drain() == [STATUS_CHANGED.handle, STATUS.handle]


def test_an_answer_comes_before_what_the_procedure_changed(bench):
    bench.running()
    bench.procedure("ResetStatus", flags=0xFF)
    assert bench.write_message("SetTherapyControlState", therapy_control_state=0x33) == 0
    assert len(bench.indications) == 1
    assert bench.drain() == [COMMAND.handle, STATUS_CHANGED.handle, STATUS.handle]


def test_an_indication_carries_the_value_of_its_sending(bench):
    """Bits that become set while an earlier indication waits for its confirmation leave together."""
    bench.subscribed()
    bench.procedure("ResetStatus", flags=0xFF)
    assert bench.write_message("GetActiveBolusIds") == 0
    assert bench.write_message("EmulatorFault", fault_kind=0x55, fault_value=1) == 0
    assert bench.write_message("EmulatorFault", fault_kind=0x55, fault_value=0) == 0
    assert [handle for handle, _ in bench.indications] == [READER.handle]
    bench.confirm()
    _, changed = bench.decoded(*bench.indications[-1])
    assert changed["flags"] == 0x84
    bench.confirm()
    _, status = bench.decoded(*bench.indications[-1])
    assert status["flags"] == 1
    bench.confirm()
    assert len(bench.indications) == 3


def test_a_missing_confirmation_silences_the_connection_after_30_s(bench):
    """IDS 1.0.2, 3.11: reads are still answered, nothing is indicated or notified; a late confirmation is late."""
    bench.subscribed()
    bench.write_message("GetActiveBolusIds")
    sent_s = bench.now_s
    bench.run_until(sent_s + 31)
    bench.confirm()
    bench.write_message("EmulatorFault", fault_kind=0x55, fault_value=1)
    bench.run_for(60)
    assert len(bench.indications) == 1
    assert bench.read(STATUS.handle)[4] == 0
    assert bench.write_message("GetActiveBolusIds") == 0xFE
    bench.subscribed()
    assert bench.procedure("GetActiveBolusIds")[1]["bolus_ids"] == []


def test_a_confirmation_within_30_s_is_in_time(bench):
    bench.subscribed()
    bench.write_message("GetActiveBolusIds")
    bench.run_for(29)
    bench.confirm()
    assert bench.write_message("GetActiveBolusIds") == 0


def test_what_is_not_configured_is_not_sent(bench):
    bench.open()
    for characteristic in CONTROL_POINTS:
        bench.write(characteristic.configuration_handle, b"\x02\0")
    bench.code("SetTherapyControlState", therapy_control_state=0x55)
    bench.write_message("EmulatorFault", fault_kind=0x55, fault_value=1)
    bench.run_for(60)
    assert bench.indications == [] and bench.notifications == []


def test_a_change_before_the_configuration_is_not_made_up_for(bench):
    bench.write_message("EmulatorFault", fault_kind=0x55, fault_value=1)
    bench.write(STATUS_CHANGED.configuration_handle, b"\x02\0")
    bench.run_for(10)
    assert bench.indications == []
    assert bench.fields("IddStatusChanged")["flags"] & 0x04


def test_the_annunciation_status_is_indicated_when_it_changes(bench):
    bench.running()
    bench.procedure("ResetStatus", flags=0xFF)
    bench.board.set_analog(26, 65535)
    bench.run_for(181)
    for expected in (STATUS_CHANGED, STATUS, ANNUNCIATION_STATUS):
        assert [handle for handle, _ in bench.indications] == [expected.handle]
        _, told = bench.decoded(*bench.indications.pop())
        bench.confirm()
    assert told["annunciation_type"] == 0x003C
    assert bench.indications == []


def test_only_what_can_be_notified_is_notified():
    """Guards the list: data, decisions and the battery's level are notified, the rest is indicated."""
    notified = [c.constant for c in CONFIGURABLE if "notify" in c.properties]
    assert notified == ["IDD_COMMAND_DATA", HISTORY.constant, DECISION.constant, "BATTERY_LEVEL"]
