"""Extended, multiwave and delayed boluses over the wire: which operand gets which code, and what is told of them.

D-401 to D-415; IDS 1.0.2, 3.6.2, 3.7.2 and 3.10. Method: the real firmware; each refusal at the edge where it begins,
with the value next to it that is taken, and read-outs at chosen seconds of a delivery.
"""

from decimal import Decimal

import pytest

from firmware.gatt_bench import COMMAND, GattBench

SUCCESS, INVALID_OPERAND, NOT_COMPLETED = 0x0F, 0x71, 0x72
OUT_OF_RANGE, NOT_APPLICABLE, NO_MORE_BOLUSES = 0x73, 0x74, 0x76
FAST, EXTENDED, MULTIWAVE = 0x33, 0x3C, 0x55
DELAY, TEMPLATE, ACTIVATION, CORRECTION, MEAL = 1, 2, 4, 8, 16
PROGRAMMED, REMAINING, DELIVERED = 0x0F, 0x33, 0x3C
STOP, PAUSE, RUN = 0x33, 0x3C, 0x55
CANCELED, COMPLETE, ERROR_ABORT = 0x3C, 0x33, 0x55


@pytest.fixture
def bench():
    """A pump in Run without basal insulin, half a second before a whole one."""
    bench = GattBench(confirms=True)
    bench.running(rate_mu_per_h=0)
    bench.run_until(int(bench.now_s) + 1.5)
    yield bench
    bench.close()


def iu(mu):
    """Hexadecimal of an amount in thousandths."""
    exponent = -3
    while mu and mu % 10 == 0:
        mu, exponent = mu // 10, exponent + 1
    return ((exponent & 15) << 12 | mu & 0xFFF).to_bytes(2, "little").hex()


def u16(value):
    return value.to_bytes(2, "little").hex()


def code(bench, hexadecimal):
    """The response code to a raw request; an answer of its own counts as success."""
    name, told = bench.raw_procedure(COMMAND, bytes.fromhex(hexadecimal))
    return told["response_code"] if name == "CommandResponseCode" else SUCCESS


def bolus(bench, kind, fast="0", extended="0", minutes=0, flags=0, **rest):
    """Start a bolus: its ID."""
    name, told = bench.procedure(
        "SetBolus", flags=flags, bolus_type=kind, fast_amount_iu=Decimal(fast), extended_amount_iu=Decimal(extended),
        duration_minutes=minutes, **rest,
    )  # fmt: skip
    assert name == "SetBolusResponse", told
    return told["bolus_id"]


def delivery(bench, bolus_id, selection):
    """What is told of an active bolus."""
    name, told = bench.procedure("GetActiveBolusDelivery", bolus_id=bolus_id, value_selection=selection)
    return told if name == "GetActiveBolusDeliveryResponse" else int(told["response_code"])


def active(bench):
    return list(bench.procedure("GetActiveBolusIds")[1]["bolus_ids"])


def records(bench, *events):
    """Fields of the records of some events, oldest first."""
    return [
        {key: value for key, value in fields.items() if value is not None}
        for name, fields in bench.records(operator=0x33)
        if name.removeprefix("History") in events
    ]


# --- the operand ---


@pytest.mark.parametrize(("operand", "expected"), [
    ("3c" + iu(0) + iu(1000) + u16(1), SUCCESS),
    ("3c" + iu(0) + iu(1000) + u16(720), SUCCESS),
    ("3c" + iu(0) + iu(1000) + u16(721), OUT_OF_RANGE),
    ("3c" + iu(0) + iu(1000) + u16(0), OUT_OF_RANGE),
    ("3c" + iu(0) + iu(0) + u16(30), OUT_OF_RANGE),
    ("3c" + iu(0) + iu(50) + u16(30), SUCCESS),
    ("3c" + iu(0) + iu(70) + u16(30), OUT_OF_RANGE),
    ("3c" + iu(0) + iu(10000) + u16(30), SUCCESS),
    ("3c" + iu(0) + iu(10050) + u16(30), OUT_OF_RANGE),
    ("3c" + iu(0) + "ff07" + u16(30), OUT_OF_RANGE),
    ("3c" + iu(0) + "0108" + u16(30), INVALID_OPERAND),
    ("3c" + iu(0) + iu(6000) + u16(4), SUCCESS),
    ("3c" + iu(0) + iu(6000) + u16(3), OUT_OF_RANGE),
    ("3c" + iu(50) + iu(1000) + u16(30), INVALID_OPERAND),
    ("3c" + iu(50) + iu(1000) + u16(721), INVALID_OPERAND),
    ("3c" + "ff07" + iu(1000) + u16(30), INVALID_OPERAND),
    ("3c" + "01c0" + iu(1000) + u16(30), INVALID_OPERAND),
    ("55" + iu(50) + iu(50) + u16(1), SUCCESS),
    ("55" + iu(0) + iu(50) + u16(1), OUT_OF_RANGE),
    ("55" + iu(50) + iu(0) + u16(1), OUT_OF_RANGE),
    ("55" + iu(50) + iu(50) + u16(0), OUT_OF_RANGE),
    ("55" + iu(70) + iu(50) + u16(1), OUT_OF_RANGE),
    ("55" + iu(5000) + iu(5000) + u16(30), SUCCESS),
    ("55" + iu(5000) + iu(5050) + u16(30), OUT_OF_RANGE),
    ("0f" + iu(5000) + iu(5050) + u16(30), INVALID_OPERAND),
    ("5a" + iu(50) + iu(50) + u16(1), INVALID_OPERAND),
])  # fmt: skip
def test_extended_and_multiwave(bench, operand, expected):
    """D-401, in the order in which the refusals are looked for."""
    assert code(bench, "4b11" + "00" + operand) == expected


@pytest.mark.parametrize(("minutes", "expected"), [(0, SUCCESS), (1, SUCCESS), (720, SUCCESS), (721, OUT_OF_RANGE)])
def test_the_delay(bench, minutes, expected):
    assert code(bench, "4b11" + "01" + "3c" + iu(0) + iu(1000) + u16(30) + u16(minutes)) == expected


def test_one_of_each_place(bench):
    """D-403: the wait of a delay included; the extended and the multiwave one share a place."""
    extended = "4b11" + "01" + "3c" + iu(0) + iu(50) + u16(1) + u16(1)
    assert code(bench, extended) == SUCCESS
    assert code(bench, extended) == NO_MORE_BOLUSES
    assert code(bench, "4b11" + "00" + "55" + iu(50) + iu(50) + u16(1)) == NO_MORE_BOLUSES
    fast = "4b11" + "00" + "33" + iu(50) + iu(0) + u16(0)
    assert code(bench, fast) == SUCCESS
    assert code(bench, fast) == NO_MORE_BOLUSES
    bench.run_for(130)
    assert code(bench, "4b11" + "00" + "55" + iu(50) + iu(50) + u16(1)) == SUCCESS


def test_what_running_boluses_still_need_is_not_there_for_another(bench):
    """D-401: 20 pulses in the reservoir, 15 of them bespoken."""
    bench.write_message("EmulatorFault", fault_kind=0x3C, fault_value=20)
    assert code(bench, "4b11" + "00" + "3c" + iu(0) + iu(1050) + u16(30)) == NOT_COMPLETED
    assert code(bench, "4b11" + "00" + "3c" + iu(0) + iu(750) + u16(30)) == SUCCESS
    assert code(bench, "4b11" + "00" + "33" + iu(300) + iu(0) + u16(0)) == NOT_COMPLETED
    assert code(bench, "4b11" + "00" + "33" + iu(250) + iu(0) + u16(0)) == SUCCESS


@pytest.mark.parametrize("state", [STOP, PAUSE])
def test_none_outside_run(bench, state):
    bench.code("SetTherapyControlState", therapy_control_state=state)
    assert code(bench, "4b11" + "00" + "3c" + iu(0) + iu(1000) + u16(30)) == NOT_APPLICABLE
    assert code(bench, "4b11" + "00" + "3c" + iu(0) + iu(1000) + u16(0)) == OUT_OF_RANGE


# --- what is told while it runs ---


def test_boluses_are_listed_by_the_start_of_their_delivery(bench):
    """D-411: an extended one that waits is active, and behind a fast one that came later."""
    first = bolus(bench, EXTENDED, extended="1", minutes=30, flags=DELAY, delay_minutes=10)
    assert active(bench) == [first]
    second = bolus(bench, FAST, fast="1")
    assert (first, second) == (1, 2)
    assert active(bench) == [second, first]
    bench.run_for(60)
    assert active(bench) == [first]
    bench.run_for(590)
    third = bolus(bench, FAST, fast="1")
    assert active(bench) == [first, third]


def test_a_multiwave_bolus_selection_by_selection(bench):
    """D-106, D-108, D-413, D-415: 0.20 and 0.40 U over 4 min after 2 min, asked 2 min into the delivery."""
    number = bolus(
        bench, MULTIWAVE, fast="0.2", extended="0.4", minutes=4, flags=DELAY | ACTIVATION | MEAL, delay_minutes=2,
        activation_type=0x5A,
    )  # fmt: skip
    start_s = int(bench.now_s) + 1

    def told(selection):
        fields = delivery(bench, number, selection)
        assert (fields["bolus_id"], fields["bolus_type"]) == (number, MULTIWAVE)
        assert (fields["flags"], fields["activation_type"]) == (DELAY | ACTIVATION | MEAL, 0x5A)
        assert fields["template_number"] is None
        amounts = (fields["fast_amount_iu"], fields["extended_amount_iu"])
        return (*amounts, fields["duration_minutes"], fields["delay_minutes"])

    assert told(PROGRAMMED) == (Decimal("0.2"), Decimal("0.4"), 4, 2)
    assert told(REMAINING) == (Decimal("0.2"), Decimal("0.4"), 4, 2)
    assert told(DELIVERED) == (0, 0, 0, 0xFFFF)
    bench.run_until(start_s + 61.5)
    assert told(REMAINING)[3] == 1
    bench.run_until(start_s + 120 + 119.5)
    assert told(PROGRAMMED) == (Decimal("0.2"), Decimal("0.4"), 4, 2)
    assert told(REMAINING) == (0, Decimal("0.2"), 2, 0)
    assert told(DELIVERED) == (Decimal("0.2"), Decimal("0.2"), 2, 0xFFFF)
    bench.run_until(start_s + 360.5)
    assert delivery(bench, number, DELIVERED) == NOT_APPLICABLE


@pytest.mark.parametrize("wrong", [0, 3, 65535])
def test_ids_that_are_not_active(bench, wrong):
    bolus(bench, EXTENDED, extended="1", minutes=30)
    bolus(bench, FAST, fast="1")
    for selection in (PROGRAMMED, REMAINING, DELIVERED):
        assert delivery(bench, wrong, selection) == NOT_APPLICABLE
    assert bench.code("CancelBolus", bolus_id=wrong) == NOT_APPLICABLE
    assert active(bench) == [1, 2]


def test_cancel_ends_the_named_one_alone(bench):
    extended = bolus(bench, EXTENDED, extended="1", minutes=30)
    fast = bolus(bench, FAST, fast="1")
    assert bench.procedure("CancelBolus", bolus_id=extended)[1]["bolus_id"] == extended
    assert active(bench) == [fast]
    assert bench.code("CancelBolus", bolus_id=extended) == NOT_APPLICABLE


# --- what is recorded ---


def test_records_of_a_multiwave_bolus(bench):
    """D-415: 0.10 and 0.10 U over 2 min after 1 min; the start offset counts from the programmed record."""
    number = bolus(
        bench, MULTIWAVE, fast="0.1", extended="0.1", minutes=2, flags=DELAY | ACTIVATION | CORRECTION,
        delay_minutes=1, activation_type=0x33,
    )  # fmt: skip
    bench.run_for(200)
    programmed, more, delivered, rest = records(
        bench, "BolusProgrammed1", "BolusProgrammed2", "BolusDelivered1", "BolusDelivered2"
    )
    assert [told["sequence"] - programmed["sequence"] for told in (programmed, more, delivered, rest)] == [0, 1, 2, 3]
    assert (programmed["bolus_id"], programmed["bolus_type"], programmed["duration_minutes"]) == (number, MULTIWAVE, 2)
    assert (programmed["fast_amount_iu"], programmed["extended_amount_iu"]) == (Decimal("0.1"), Decimal("0.1"))
    assert (more["flags"], more["delay_minutes"], more["activation_type"]) == (DELAY | ACTIVATION | CORRECTION, 1, 0x33)
    assert (delivered["bolus_id"], delivered["bolus_type"]) == (number, MULTIWAVE)
    assert (delivered["fast_delivered_iu"], delivered["extended_delivered_iu"]) == (Decimal("0.1"), Decimal("0.1"))
    assert delivered["effective_duration_minutes"] == 2
    assert (rest["start_offset_s"], rest["bolus_end_reason"], rest["activation_type"]) == (60, COMPLETE, 0x33)
    assert delivered["relative_offset_s"] - programmed["relative_offset_s"] == 60 + 120


def test_a_bolus_cancelled_before_its_start(bench):
    """D-415: not started, so 0 min and the offset to the end."""
    number = bolus(bench, EXTENDED, extended="1", minutes=30, flags=DELAY, delay_minutes=10)
    bench.run_for(100)
    bench.procedure("CancelBolus", bolus_id=number)
    delivered, rest = records(bench, "BolusDelivered1", "BolusDelivered2")
    assert (delivered["extended_delivered_iu"], delivered["effective_duration_minutes"]) == (0, 0)
    assert (rest["start_offset_s"], rest["bolus_end_reason"]) == (100, CANCELED)


def test_an_occlusion_ends_both_in_their_order_and_names_itself(bench):
    """D-821, D-905."""
    extended = bolus(bench, EXTENDED, extended="1", minutes=30)
    fast = bolus(bench, FAST, fast="1")
    bench.board.set_analog(26, 65535)
    bench.run_for(5)
    ends = records(bench, "BolusDelivered1")
    assert [told["bolus_id"] for told in ends] == [extended, fast]
    annunciation_id = bench.fields("IddAnnunciationStatus")["annunciation_id"]
    for rest in records(bench, "BolusDelivered2"):
        assert (rest["bolus_end_reason"], rest["annunciation_id"]) == (ERROR_ABORT, annunciation_id)


@pytest.mark.parametrize(("kind", "amounts"), [(EXTENDED, ("0", "1")), (MULTIWAVE, ("1", "1"))])
def test_status_changed_tells_of_start_and_end(bench, kind, amounts):
    """D-908."""
    bench.procedure("ResetStatus", flags=0xFF)
    number = bolus(bench, kind, *amounts, minutes=30)
    assert int(bench.fields("IddStatusChanged")["flags"]) == 0x40 | 0x80
    bench.procedure("ResetStatus", flags=0xFF)
    bench.procedure("CancelBolus", bolus_id=number)
    assert int(bench.fields("IddStatusChanged")["flags"]) == 0x40 | 0x10 | 0x80
