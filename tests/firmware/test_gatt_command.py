"""The Command Control Point: which operand and which state of the pump gets which response code (IDS 1.0.2, 3.7).

Method: the real firmware; each refusal at the edge where it begins, with the value next to it that is taken.
"""

from decimal import Decimal

import pytest

from firmware.gatt_bench import COMMAND, GattBench
from pumpwire.frame import FrameType

SUCCESS, NOT_SUPPORTED, INVALID_OPERAND, NOT_COMPLETED = 0x0F, 0x70, 0x71, 0x72
OUT_OF_RANGE, NOT_APPLICABLE, NO_MORE_BOLUSES = 0x73, 0x74, 0x76
STOP, PAUSE, RUN = 0x33, 0x3C, 0x55


@pytest.fixture
def bench():
    """A pump in Run at 1 U/h."""
    bench = GattBench(confirms=True)
    bench.running()
    yield bench
    bench.close()


def code(bench, hexadecimal):
    """The response code to a raw request; an answer of its own counts as success."""
    name, told = bench.raw_procedure(COMMAND, bytes.fromhex(hexadecimal))
    return told["response_code"] if name == "CommandResponseCode" else SUCCESS


def sfloat(mantissa, exponent):
    """Hexadecimal of an SFLOAT."""
    return ((exponent & 15) << 12 | mantissa & 0xFFF).to_bytes(2, "little").hex()


# --- therapy state ---


@pytest.mark.parametrize(("path", "codes"), [
    ([RUN], [SUCCESS]), ([PAUSE, RUN], [SUCCESS] * 2), ([STOP, RUN], [SUCCESS] * 2), ([PAUSE, STOP], [SUCCESS] * 2),
    ([STOP, PAUSE], [SUCCESS, NOT_APPLICABLE]), ([STOP, STOP], [SUCCESS] * 2), ([PAUSE, PAUSE], [SUCCESS] * 2),
    ([0x0F], [INVALID_OPERAND]),
])  # fmt: skip
def test_therapy_states(bench, path, codes):
    """D-501 over the wire."""
    assert [bench.code("SetTherapyControlState", therapy_control_state=state) for state in path] == codes


# --- TBR: flags, type, value, duration ---


@pytest.mark.parametrize(("operand", "expected"), [
    ("00" + "33" + sfloat(30, 0) + "0100", SUCCESS),
    ("00" + "33" + sfloat(301, -1) + "0100", OUT_OF_RANGE),
    ("00" + "33" + sfloat(0, 0) + "a005", SUCCESS),
    ("00" + "33" + sfloat(0, 0) + "a105", OUT_OF_RANGE),
    ("00" + "33" + sfloat(0, 0) + "0000", OUT_OF_RANGE),
    ("00" + "33" + sfloat(825, -3) + "1e00", SUCCESS),
    ("00" + "33" + sfloat(1, -3) + "1e00", SUCCESS),
    ("00" + "33" + sfloat(1, -4) + "1e00", OUT_OF_RANGE),
    ("00" + "33" + sfloat(-1, 0) + "1e00", OUT_OF_RANGE),
    ("00" + "33" + "ff07" + "1e00", OUT_OF_RANGE),
    ("00" + "33" + "fe07" + "1e00", OUT_OF_RANGE),
    ("00" + "33" + "0208" + "1e00", OUT_OF_RANGE),
    ("00" + "33" + "0108" + "1e00", INVALID_OPERAND),
    ("00" + "33" + sfloat(2047, 7) + "1e00", OUT_OF_RANGE),
    ("00" + "0f" + sfloat(1, 0) + "1e00", INVALID_OPERAND),
    ("00" + "0f" + sfloat(301, -1) + "0000", INVALID_OPERAND),
    ("00" + "0f" + sfloat(1, -4) + "1e00", INVALID_OPERAND),
    ("00" + "34" + sfloat(1, 0) + "1e00", INVALID_OPERAND),
    ("00" + "3c" + sfloat(0, 0) + "1e00", SUCCESS),
    ("00" + "3c" + sfloat(1001, -3) + "1e00", SUCCESS),
    ("00" + "3c" + sfloat(25, -1) + "a005", SUCCESS),
    ("00" + "3c" + sfloat(251, -2) + "1e00", OUT_OF_RANGE),
    ("00" + "3c" + sfloat(3, 0) + "1e00", OUT_OF_RANGE),
    ("00" + "3c" + sfloat(1, -4) + "1e00", OUT_OF_RANGE),
    ("00" + "3c" + sfloat(1, 0) + "0000", OUT_OF_RANGE),
    ("00" + "3c" + sfloat(1, 0) + "a105", OUT_OF_RANGE),
    ("01" + "33" + sfloat(1, 0) + "1e00" + "06", SUCCESS),
    ("03" + "33" + sfloat(1, 0) + "1e00" + "06" + "55", SUCCESS),
    ("01" + "0f" + sfloat(301, -1) + "0000" + "06", SUCCESS),
    ("01" + "33" + "ff07" + "ffff" + "06", SUCCESS),
    ("01" + "33" + sfloat(1, -4) + "1e00" + "06", SUCCESS),
    ("01" + "34" + sfloat(1, 0) + "1e00" + "06", INVALID_OPERAND),
    ("01" + "33" + "0108" + "1e00" + "06", INVALID_OPERAND),
    ("01" + "33" + sfloat(1, 0) + "1e00" + "00", OUT_OF_RANGE),
    ("01" + "33" + sfloat(1, 0) + "1e00" + "03", OUT_OF_RANGE),
    ("01" + "33" + sfloat(1, 0) + "1e00" + "07", OUT_OF_RANGE),
    ("01" + "33" + sfloat(1, 0) + "1e00" + "ff", OUT_OF_RANGE),
    ("01" + "33" + sfloat(1, 0) + "1e00" + "04", NOT_APPLICABLE),
    ("05" + "33" + sfloat(1, 0) + "1e00" + "06", NOT_APPLICABLE),
    ("05" + "33" + sfloat(1, 0) + "1e00" + "00", OUT_OF_RANGE),
    ("02" + "33" + sfloat(1, 0) + "1e00" + "55", SUCCESS),
    ("02" + "33" + sfloat(1, 0) + "1e00" + "54", INVALID_OPERAND),
    ("04" + "33" + sfloat(1, 0) + "1e00", NOT_APPLICABLE),
    ("04" + "33" + sfloat(301, -1) + "1e00", OUT_OF_RANGE),
])  # fmt: skip
def test_set_tbr(bench, operand, expected):
    """D-301 and D-801, in the order in which the refusals are looked for."""
    assert code(bench, "ff0f" + operand) == expected


def test_a_tbr_is_changed_only_by_the_change_flag(bench):
    assert code(bench, "ff0f" + "00" + "33" + sfloat(1, 0) + "1e00") == SUCCESS
    assert code(bench, "ff0f" + "00" + "33" + sfloat(1, 0) + "1e00") == NOT_APPLICABLE
    assert code(bench, "ff0f" + "04" + "33" + sfloat(1, 0) + "1e00") == SUCCESS
    assert code(bench, "1111") == SUCCESS
    assert code(bench, "1111") == NOT_APPLICABLE


@pytest.mark.parametrize("state", [STOP, PAUSE])
def test_a_tbr_and_a_bolus_need_run(bench, state):
    bench.code("SetTherapyControlState", therapy_control_state=state)
    assert code(bench, "ff0f" + "00" + "33" + sfloat(1, 0) + "1e00") == NOT_APPLICABLE
    assert code(bench, "4b11" + "00" + "33" + sfloat(1, 0) + "0000" + "0000") == NOT_APPLICABLE


# --- bolus: flags, type, fast, extended, duration ---


@pytest.mark.parametrize(("operand", "expected"), [
    ("00" + "33" + sfloat(5, -2) + "0000" + "0000", SUCCESS),
    ("00" + "33" + sfloat(10, 0) + "0000" + "0000", SUCCESS),
    ("00" + "33" + sfloat(1005, -2) + "0000" + "0000", OUT_OF_RANGE),
    ("00" + "33" + sfloat(0, 0) + "0000" + "0000", OUT_OF_RANGE),
    ("00" + "33" + sfloat(7, -2) + "0000" + "0000", OUT_OF_RANGE),
    ("00" + "33" + sfloat(51, -3) + "0000" + "0000", OUT_OF_RANGE),
    ("00" + "33" + sfloat(5, -4) + "0000" + "0000", OUT_OF_RANGE),
    ("00" + "33" + sfloat(-5, -2) + "0000" + "0000", OUT_OF_RANGE),
    ("00" + "33" + "ff07" + "0000" + "0000", OUT_OF_RANGE),
    ("00" + "0f" + sfloat(1, 0) + "0000" + "0000", INVALID_OPERAND),
    ("00" + "34" + sfloat(1, 0) + "0000" + "0000", INVALID_OPERAND),
    ("00" + "33" + sfloat(1, 0) + sfloat(1, -4) + "0000", INVALID_OPERAND),
    ("00" + "33" + sfloat(1, 0) + sfloat(1, 0) + "0000", INVALID_OPERAND),
    ("00" + "33" + sfloat(1, 0) + "ff07" + "0000", INVALID_OPERAND),
    ("00" + "33" + sfloat(1, 0) + "0000" + "0100", INVALID_OPERAND),
    ("00" + "33" + sfloat(7, -2) + "0000" + "0100", INVALID_OPERAND),
    ("01" + "33" + sfloat(1, 0) + "0000" + "0000" + "0000", SUCCESS),
    ("01" + "33" + sfloat(1, 0) + "0000" + "0000" + "d102", OUT_OF_RANGE),
    ("01" + "33" + sfloat(1, 0) + "0000" + "0100" + "d102", INVALID_OPERAND),
    ("04" + "33" + sfloat(1, 0) + "0000" + "0000" + "33", SUCCESS),
    ("04" + "33" + sfloat(1, 0) + "0000" + "0000" + "34", INVALID_OPERAND),
    ("1c" + "33" + sfloat(1, 0) + "0000" + "0000" + "5a", SUCCESS),
])  # fmt: skip
def test_set_bolus(bench, operand, expected):
    """D-401 and D-802, in the order in which the refusals are looked for."""
    assert code(bench, "4b11" + operand) == expected
    bench.run_for(5)
    assert bool(bench.pulses) is (expected == SUCCESS)


def test_bolus_ids_count_accepted_boluses(bench):
    """D-402, D-403."""
    small = "4b11" + "00" + "33" + sfloat(5, -2) + "0000" + "0000"
    for expected in (1, 2, 3):
        name, told = bench.raw_procedure(COMMAND, bytes.fromhex(small))
        assert (name, told["bolus_id"]) == ("SetBolusResponse", expected)
        assert code(bench, small) == NO_MORE_BOLUSES
        bench.run_for(5)


def test_a_bolus_beyond_the_reservoir_is_not_completed(bench):
    bench.write_message("EmulatorFault", fault_kind=0x3C, fault_value=19)
    assert code(bench, "4b11" + "00" + "33" + sfloat(1, 0) + "0000" + "0000") == NOT_COMPLETED
    assert code(bench, "4b11" + "00" + "33" + sfloat(95, -2) + "0000" + "0000") == SUCCESS


def test_cancel_bolus_names_the_bolus(bench):
    """D-404."""
    code(bench, "4b11" + "00" + "33" + sfloat(1, 0) + "0000" + "0000")
    for wrong in ("0000", "0200", "ffff"):
        assert code(bench, "7811" + wrong) == NOT_APPLICABLE
    name, told = bench.raw_procedure(COMMAND, bytes.fromhex("78110100"))
    assert (name, told["bolus_id"]) == ("CancelBolusResponse", 1)
    assert code(bench, "78110100") == NOT_APPLICABLE


def test_available_boluses(bench):
    """Each unless its place is taken or the pump does not run; extended and multiwave share a place."""

    def flags():
        return int(bench.procedure("GetAvailableBoluses")[1]["flags"])

    assert flags() == 7
    code(bench, "4b11" + "00" + "33" + sfloat(1, 0) + "0000" + "0000")
    assert flags() == 6
    code(bench, "4b11" + "00" + "3c" + "0000" + sfloat(1, 0) + "0200")
    assert flags() == 0
    bench.run_for(60)
    assert flags() == 1
    bench.run_for(70)
    assert flags() == 7
    bench.code("SetTherapyControlState", therapy_control_state=PAUSE)
    assert flags() == 0


@pytest.mark.parametrize(("amount", "expected"), [
    (sfloat(5, -2), SUCCESS), (sfloat(25, 0), SUCCESS), (sfloat(251, -1), OUT_OF_RANGE), (sfloat(0, 0), OUT_OF_RANGE),
    (sfloat(4, -2), OUT_OF_RANGE), (sfloat(1001, -2), OUT_OF_RANGE), ("ff07", OUT_OF_RANGE),
])  # fmt: skip
def test_set_max_bolus(bench, amount, expected):
    """D-802."""
    before = bench.procedure("GetMaxBolusAmount")[1]["max_bolus_iu"]
    assert code(bench, "8d14" + amount) == expected
    after = bench.procedure("GetMaxBolusAmount")[1]["max_bolus_iu"]
    assert (before == Decimal(10)) and (after == before) is (expected != SUCCESS)


# --- annunciations ---


def occluded(bench):
    """The ID of an occlusion annunciation."""
    bench.board.set_analog(26, 65535)
    bench.run_for(181)
    shown = bench.fields("IddAnnunciationStatus")
    assert (shown["annunciation_type"], shown["annunciation_status"]) == (0x003C, 0x33)
    return shown["annunciation_id"]


def test_snooze_and_confirm(bench):
    """D-831: snoozed for 30 min, then pending again; confirmed it is gone."""
    number = occluded(bench)
    name, told = bench.procedure("SnoozeAnnunciation", annunciation_id=number)
    assert (name, told["annunciation_id"]) == ("SnoozeAnnunciationResponse", number)
    assert bench.fields("IddAnnunciationStatus")["annunciation_status"] == 0x3C
    bench.run_for(1801)
    assert bench.fields("IddAnnunciationStatus")["annunciation_status"] == 0x33
    name, told = bench.procedure("ConfirmAnnunciation", annunciation_id=number)
    assert (name, told["annunciation_id"]) == ("ConfirmAnnunciationResponse", number)
    assert bench.fields("IddAnnunciationStatus")["flags"] == 0
    for procedure in ("SnoozeAnnunciation", "ConfirmAnnunciation"):
        assert bench.code(procedure, annunciation_id=number) == NOT_APPLICABLE


@pytest.mark.parametrize("procedure", ["SnoozeAnnunciation", "ConfirmAnnunciation"])
def test_an_unknown_annunciation_is_not_applicable(bench, procedure):
    number = occluded(bench)
    for wrong in (0, number + 1, 65535):
        assert bench.code(procedure, annunciation_id=wrong) == NOT_APPLICABLE


# --- flight mode ---


def test_flight_mode_begins_when_its_answer_has_arrived(bench):
    """On the serial bearer the pump closes the connection; the therapy goes on, and an open brings it back."""
    bench.confirms = False
    assert bench.write_message("SetFlightMode") == 0
    bench.run_for(5)
    assert bench.fields("IddStatus")
    assert bench.indications and bench.frames[-1].type == FrameType.ATT
    bench.confirm()
    assert bench.frames[-1].type == FrameType.CLOSE
    assert bench.exchange(b"\x0a\x15\x00") == []
    bench.run_for(400)
    assert len(bench.pulses) == 2
    assert bench.open() == 0
    assert bench.fields("IddStatus")["therapy_control_state"] == RUN


def test_flight_mode_does_not_outlast_its_connection(bench):
    bench.confirms = False
    bench.write_message("SetFlightMode")
    bench.subscribed()
    bench.procedure("GetMaxBolusAmount")
    assert bench.fields("IddStatus")
