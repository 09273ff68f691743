"""Priming, the fill level, the counters and a calculated bolus over the wire (D-511 to D-514, D-814, D-909).

Method: the real firmware; each refusal with the value next to it that is taken, and what the history tells.
"""

from decimal import Decimal

import pytest

from firmware.gatt_bench import COMMAND, GattBench
from pumpwire.registry import MESSAGES

SUCCESS, INVALID_OPERAND, NOT_COMPLETED, OUT_OF_RANGE, NOT_APPLICABLE = 0x0F, 0x71, 0x72, 0x73, 0x74
STOP, PAUSE, RUN = 0x33, 0x3C, 0x55
PRIMING, READY = 0x5A, 0x96
BY_USER, REACHED, ABORTED = 0x33, 0x3C, 0x55
LIFETIME, WARRANTY, LOANER, OPERATION = 0x0F, 0x33, 0x3C, 0x55
LEFT, ELAPSED = 0x0F, 0x33
DETACHED, LEVEL = 0x55, 0x3C


@pytest.fixture
def bench():
    """A pump in Stop, half a second before a whole one."""
    bench = GattBench(confirms=True)
    bench.subscribed()
    bench.run_until(int(bench.now_s) + 1.5)
    yield bench
    bench.close()


def prime(bench, amount):
    return bench.code("StartPriming", priming_amount_iu=Decimal(amount))


def fill(bench, level):
    return bench.code("SetInitialReservoirFillLevel", reservoir_fill_level_iu=Decimal(level))


def fault(bench, kind, value):
    assert bench.write_message("EmulatorFault", fault_kind=kind, fault_value=value) == 0


def operational(bench):
    return int(bench.fields("IddStatus")["operational_state"])


def records(bench, *events):
    """(event, fields) of the records of some events, oldest first."""
    return [
        (name.removeprefix("History"), {key: value for key, value in fields.items() if value is not None})
        for name, fields in bench.records(operator=0x33)
        if name.removeprefix("History") in events
    ]


# --- priming ---


@pytest.mark.parametrize(("amount", "expected"), [
    ("0.05", SUCCESS), ("25", SUCCESS), ("25.1", OUT_OF_RANGE), ("0", OUT_OF_RANGE), ("0.07", OUT_OF_RANGE),
])  # fmt: skip
def test_the_amount(bench, amount, expected):
    """D-511."""
    assert prime(bench, amount) == expected


@pytest.mark.parametrize(("operand", "expected"), [
    ("01c0", OUT_OF_RANGE), ("ff07", OUT_OF_RANGE), ("0108", INVALID_OPERAND), ("01", INVALID_OPERAND),
    ("010000", INVALID_OPERAND),
])  # fmt: skip
@pytest.mark.parametrize("opcode", ["7b12", "8b12"])
def test_operands_that_are_no_amount(bench, opcode, operand, expected):
    assert bench.raw_procedure(COMMAND, bytes.fromhex(opcode + operand))[1]["response_code"] == expected


@pytest.mark.parametrize("state", [RUN, PAUSE])
def test_only_in_stop(bench, state):
    bench.code("SetTherapyControlState", therapy_control_state=RUN)
    bench.code("SetTherapyControlState", therapy_control_state=state)
    assert prime(bench, 1) == NOT_APPLICABLE
    assert fill(bench, 200) == NOT_APPLICABLE
    assert prime(bench, 26) == OUT_OF_RANGE
    assert fill(bench, 301) == OUT_OF_RANGE


def test_one_at_a_time_and_no_run_meanwhile(bench):
    assert prime(bench, 1) == SUCCESS
    assert prime(bench, 1) == NOT_APPLICABLE
    assert fill(bench, 200) == NOT_APPLICABLE
    assert bench.code("SetTherapyControlState", therapy_control_state=RUN) == NOT_APPLICABLE
    bench.run_for(60)
    assert bench.code("SetTherapyControlState", therapy_control_state=RUN) == SUCCESS


def test_no_reservoir_and_too_little_in_it(bench):
    """D-511: what the reservoir does not hold is told last."""
    fault(bench, LEVEL, 19)
    assert prime(bench, 1) == NOT_COMPLETED
    assert prime(bench, "0.95") == SUCCESS
    bench.code("StopPriming")
    fault(bench, DETACHED, 1)
    assert prime(bench, 1) == NOT_APPLICABLE
    assert fill(bench, 200) == NOT_APPLICABLE
    fault(bench, DETACHED, 0)
    fault(bench, LEVEL, 0)
    assert prime(bench, 1) == NOT_APPLICABLE


def test_a_priming_from_start_to_end(bench):
    """D-511: 0.10 U are two pulses, 2 and 4 s later; they count as prime pulses alone."""
    bench.procedure("ResetStatus", flags=0xFF)
    assert prime(bench, "0.1") == SUCCESS
    start_s = int(bench.now_s) + 1
    assert operational(bench) == PRIMING
    assert int(bench.fields("IddStatusChanged")["flags"]) == 0x82
    bench.run_until(start_s + 4.5)
    assert operational(bench) == READY
    assert bench.pulses == [start_s + 2, start_s + 4]
    counters = bench.fields("EmulatorCounters")
    assert (counters["prime_pulses"], counters["basal_pulses"], counters["bolus_pulses"]) == (2, 0, 0)
    assert counters["reservoir_pulses"] == 5998
    assert bench.procedure("GetTotalDailyInsulinStatus")[1]["total_delivered_iu"] == 0
    told = records(bench, "PrimingStarted", "PrimingDone", "OperationalStateChanged")
    assert [name for name, _ in told] == [
        "PrimingStarted", "OperationalStateChanged", "PrimingDone", "OperationalStateChanged",
    ]  # fmt: skip
    assert told[0][1]["priming_amount_iu"] == Decimal("0.1")
    done = told[2][1]
    assert (done["flags"], done["priming_delivered_iu"], done["priming_end_reason"]) == (0, Decimal("0.1"), REACHED)
    assert (told[3][1]["old_operational_state"], told[3][1]["new_operational_state"]) == (PRIMING, READY)


def test_stop_priming(bench):
    """D-512."""
    assert bench.code("StopPriming") == NOT_APPLICABLE
    prime(bench, 1)
    bench.run_for(8)
    assert bench.code("StopPriming") == SUCCESS
    assert bench.code("StopPriming") == NOT_APPLICABLE
    ((_, done),) = records(bench, "PrimingDone")
    assert (done["priming_delivered_iu"], done["priming_end_reason"]) == (Decimal("0.2"), BY_USER)


def test_an_occlusion_ends_a_priming_and_is_named(bench):
    """D-512."""
    prime(bench, 1)
    bench.board.set_analog(26, 65535)
    bench.run_for(5)
    ((_, done),) = records(bench, "PrimingDone")
    shown = bench.fields("IddAnnunciationStatus")
    assert (done["flags"], done["priming_delivered_iu"], done["priming_end_reason"]) == (1, 0, ABORTED)
    assert (done["annunciation_id"], shown["annunciation_type"]) == (shown["annunciation_id"], 0x3C)


# --- fill level ---


@pytest.mark.parametrize(("level", "pulses"), [("0", 0), ("0.05", 1), ("200", 4000), ("300", 6000)])
def test_the_fill_level(bench, level, pulses):
    """D-513."""
    assert fill(bench, level) == SUCCESS
    assert bench.fields("EmulatorCounters")["reservoir_pulses"] == pulses
    assert records(bench, "ReservoirRemainingChanged")[-1][1]["reservoir_remaining_iu"] == Decimal(level)


@pytest.mark.parametrize("level", ["301", "0.07"])
def test_a_fill_level_beyond_the_reservoir_or_between_pulses(bench, level):
    assert fill(bench, level) == OUT_OF_RANGE
    assert bench.fields("EmulatorCounters")["reservoir_pulses"] == 6000


# --- counters ---


def counter(bench, kind, selection):
    name, told = bench.procedure("GetCounter", counter_type=kind, counter_selection=selection)
    assert name == "GetCounterResponse"
    assert (told["counter_type"], told["counter_selection"]) == (kind, selection)
    return told["counter_minutes"]


@pytest.mark.parametrize(("kind", "total"), [
    (LIFETIME, 2_102_400), (WARRANTY, 2_102_400), (LOANER, 259_200), (OPERATION, 10_080),
])  # fmt: skip
def test_counters_count_whole_minutes(bench, kind, total):
    """D-514."""
    bench.run_until(58.5)
    assert (counter(bench, kind, ELAPSED), counter(bench, kind, LEFT)) == (0, total)
    bench.run_until(59.5)
    assert (counter(bench, kind, ELAPSED), counter(bench, kind, LEFT)) == (1, total - 1)


def test_the_operation_time_is_counted_from_its_reset(bench):
    bench.run_until(600.5)
    assert bench.code("ResetReservoirInsulinOperationTime") == SUCCESS
    assert (counter(bench, OPERATION, ELAPSED), counter(bench, OPERATION, LEFT)) == (0, 10_080)
    assert counter(bench, LIFETIME, ELAPSED) == 10
    bench.run_until(600.5 + 60)
    assert counter(bench, OPERATION, ELAPSED) == 1


def test_what_is_left_falls_below_0(bench):
    """D-514: one minute beyond seven days."""
    bench.run_until(10_081 * 60)
    bench.subscribed()
    assert counter(bench, OPERATION, LEFT) == -1
    assert counter(bench, OPERATION, ELAPSED) == 10_081


@pytest.mark.parametrize("operand", ["000f", "5a0f", "ff0f", "0f00", "0f3c", "0f", "0f0f00"])
def test_counters_that_do_not_exist(bench, operand):
    reader = MESSAGES["GetCounter"].on
    told = bench.raw_procedure(reader, bytes.fromhex("a603" + operand))[1]
    assert told["response_code"] == INVALID_OPERAND


# --- a calculated bolus ---


NAMES = [field.name for field in MESSAGES["EmulatorBolusCalculation"].layout]


def calculated(bench, *amounts):
    values = dict(zip(NAMES, map(Decimal, amounts), strict=True))
    return bench.write_message("EmulatorBolusCalculation", **values)


def test_a_calculated_bolus_is_recorded_and_moves_nothing(bench):
    """D-909."""
    amounts = ["2", "0.5", "1", "0", "1.5", "0.25", "0.05", "25"]
    assert calculated(bench, *amounts) == 0
    (first, recommended), (second, confirmed) = records(bench, "BolusCalculated1", "BolusCalculated2")
    assert (first, second) == ("BolusCalculated1", "BolusCalculated2")
    assert confirmed["sequence"] == recommended["sequence"] + 1
    told = [fields[name] for fields in (recommended, confirmed) for name in NAMES[:4]]
    assert told == list(map(Decimal, amounts))
    bench.run_for(60)
    assert bench.pulses == []


@pytest.mark.parametrize("place", range(8))
@pytest.mark.parametrize("wrong", ["0.07", "25.1"])
def test_amounts_that_no_calculator_could_have(bench, place, wrong):
    amounts = ["0"] * 8
    amounts[place] = wrong
    assert calculated(bench, *amounts) == 0xFF
    assert records(bench, "BolusCalculated1", "BolusCalculated2") == []


@pytest.mark.parametrize(("octets", "error"), [(15, 0x0D), (17, 0x0D), (16, 0xFF)])
def test_a_calculation_of_another_length_or_that_is_no_number(bench, octets, error):
    payload = (b"\xff\x07" + bytes(15))[:octets]
    assert bench.write_raw(MESSAGES["EmulatorBolusCalculation"].on, payload) == error
