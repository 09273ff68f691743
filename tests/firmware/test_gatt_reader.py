"""The Status Reader Control Point and the status characteristics: the pump's word about itself (IDS 1.0.2, 3.2-3.6).

Method: the real firmware is brought into a state over the wire, then asked.
"""

from decimal import Decimal

import pytest

from firmware.gatt_bench import STATUS_CHANGED, GattBench
from pumpwire.enums import IddFeatureFlags
from pumpwire.numbers import Special

SUCCESS, INVALID_OPERAND, NOT_APPLICABLE = 0x0F, 0x71, 0x74
PROGRAMMED, REMAINING, DELIVERED = 0x0F, 0x33, 0x3C
STOP, PAUSE, RUN = 0x33, 0x3C, 0x55
AP_CONTROLLER, REMOTE_CONTROL = 0x55, 0x3C


@pytest.fixture
def bench():
    """A pump in Run at 1 U/h."""
    bench = GattBench(confirms=True)
    bench.running()
    yield bench
    bench.close()


def bolus(bench, amount_iu, flags=0, activation=None):
    """Start a bolus and return its ID."""
    name, told = bench.procedure(
        "SetBolus", flags=flags, bolus_type=0x33, fast_amount_iu=Decimal(amount_iu), extended_amount_iu=0,
        duration_minutes=0, activation_type=activation,
    )  # fmt: skip
    assert name == "SetBolusResponse"
    return told["bolus_id"]


def tbr(bench, rate, minutes, flags=0, context=None):
    """Start or change a TBR."""
    return bench.code(
        "SetTbrAdjustment", flags=flags, tbr_type=0x33, value=Decimal(rate), duration_minutes=minutes, context=context
    )


# --- bolus ---


def test_no_active_bolus_is_an_empty_list(bench):
    assert bench.procedure("GetActiveBolusIds")[1]["bolus_ids"] == []


def test_an_active_bolus_is_listed_until_its_last_pulse(bench):
    """0.20 U: pulses 2, 4, 6 and 8 s after its start; the answer holds for the second that begins (D-002)."""
    bench.run_until(int(bench.now_s) + 0.5)
    assert bolus(bench, "0.2") == 1
    start_s = int(bench.now_s) + 1
    bench.run_until(start_s + 6.5)
    assert bench.procedure("GetActiveBolusIds")[1]["bolus_ids"] == [1]
    bench.run_until(start_s + 7.5)
    assert bench.procedure("GetActiveBolusIds")[1]["bolus_ids"] == []


@pytest.mark.parametrize(("selection", "expected"), [
    (PROGRAMMED, Decimal(1)), (REMAINING, Decimal("0.9")), (DELIVERED, Decimal("0.1")),
])  # fmt: skip
def test_amounts_of_an_active_bolus(bench, selection, expected):
    bench.run_until(int(bench.now_s) + 0.5)
    bolus(bench, 1, flags=4 | 16, activation=0x3C)
    bench.run_for(3.5)
    name, told = bench.procedure("GetActiveBolusDelivery", bolus_id=1, value_selection=selection)
    assert name == "GetActiveBolusDeliveryResponse"
    assert (told["bolus_id"], told["bolus_type"], told["fast_amount_iu"]) == (1, 0x33, expected)
    assert (told["extended_amount_iu"], told["duration_minutes"], told["delay_minutes"]) == (0, 0, None)
    assert (told["flags"], told["activation_type"]) == (4 | 16, 0x3C)


@pytest.mark.parametrize("bolus_id", [0, 2, 65535])
def test_an_unknown_bolus_is_not_applicable(bench, bolus_id):
    bolus(bench, 1)
    assert bench.code("GetActiveBolusDelivery", bolus_id=bolus_id, value_selection=PROGRAMMED) == NOT_APPLICABLE


def test_a_bolus_that_has_ended_is_not_applicable(bench):
    bolus(bench, "0.05")
    bench.run_for(5)
    assert bench.code("GetActiveBolusDelivery", bolus_id=1, value_selection=DELIVERED) == NOT_APPLICABLE


# --- basal ---


def active_basal(bench):
    """The answer's fields."""
    return bench.procedure("GetActiveBasalRateDelivery")[1]


def test_the_profile_alone(bench):
    told = active_basal(bench)
    assert (told["flags"], told["profile_template_number"], told["configured_rate_iu_per_h"]) == (0, 1, 1)
    assert told["tbr_type"] is None and told["context"] is None


def test_a_tbr_beside_the_profile_it_overrides(bench):
    assert tbr(bench, "2.5", 30, flags=2, context=AP_CONTROLLER) == SUCCESS
    told = active_basal(bench)
    assert told["configured_rate_iu_per_h"] == 1
    assert (told["tbr_type"], told["tbr_value"], told["tbr_programmed_duration_minutes"]) == (0x33, Decimal("2.5"), 30)
    assert told["context"] == AP_CONTROLLER


@pytest.mark.parametrize(("after_s", "minutes"), [(0, 30), (59, 30), (60, 29), (1739, 2), (1740, 1), (1799, 1)])
def test_remaining_minutes_are_rounded_up(bench, after_s, minutes):
    """D-305: 1 s remaining is 1 min."""
    bench.run_until(int(bench.now_s) + 0.5)
    assert tbr(bench, 0, 30) == SUCCESS
    start_s = int(bench.now_s) + 1
    bench.run_until(start_s + after_s - 0.4)
    told = active_basal(bench)
    assert told["tbr_remaining_duration_minutes"] == minutes
    assert told["context"] == REMOTE_CONTROL


def test_after_its_end_a_tbr_is_gone(bench):
    bench.run_until(int(bench.now_s) + 0.5)
    tbr(bench, 0, 1)
    bench.run_for(60)
    assert active_basal(bench)["tbr_type"] is None


def test_in_stop_no_basal_rate_is_active(bench):
    bench.code("SetTherapyControlState", therapy_control_state=STOP)
    assert bench.code("GetActiveBasalRateDelivery") == NOT_APPLICABLE


def test_in_pause_the_basal_rate_is_active(bench):
    bench.code("SetTherapyControlState", therapy_control_state=PAUSE)
    assert active_basal(bench)["configured_rate_iu_per_h"] == 1


def test_without_a_profile_there_is_a_basal_rate_only_by_a_tbr():
    bench = GattBench(confirms=True)
    bench.subscribed()
    bench.code("SetTherapyControlState", therapy_control_state=RUN)
    assert bench.code("GetActiveBasalRateDelivery") == NOT_APPLICABLE
    assert tbr(bench, 1, 10) == SUCCESS
    told = active_basal(bench)
    assert (told["profile_template_number"], told["configured_rate_iu_per_h"], told["tbr_value"]) == (0, 0, 1)
    bench.close()


# --- sums ---


def test_sums_since_midnight_and_since_the_start(bench):
    """D-901, D-902: 20 basal pulses and one bolus of 0.75 U."""
    bolus(bench, "0.75")
    bench.run_for(3600)
    _, daily = bench.procedure("GetTotalDailyInsulinStatus")
    _, ever = bench.procedure("GetDeliveredInsulin")
    counters = bench.fields("EmulatorCounters")
    basal_iu = Decimal(counters["basal_pulses"]) / 20
    assert counters["bolus_pulses"] == 15 and basal_iu == 1
    assert (daily["bolus_delivered_iu"], daily["basal_delivered_iu"]) == (Decimal("0.75"), basal_iu)
    assert daily["total_delivered_iu"] == Decimal("1.75")
    assert (ever["bolus_delivered_iu"], ever["basal_delivered_iu"]) == (Decimal("0.75"), basal_iu)
    assert counters["reservoir_pulses"] == 6000 - 15 - 20


def test_sums_are_rounded_toward_zero_where_the_format_ends(bench):
    """SFLOAT holds a mantissa of 2045: 20.55 U does not fit, and FLOAT says it exactly."""
    for _ in range(3):
        bolus(bench, "6.85")
        bench.run_for(300)
    _, daily = bench.procedure("GetTotalDailyInsulinStatus")
    _, ever = bench.procedure("GetDeliveredInsulin")
    assert daily["bolus_delivered_iu"] == Decimal("20.5")
    assert ever["bolus_delivered_iu"] == Decimal("20.55")


def test_insulin_on_board_is_rounded_toward_zero(bench):
    """D-704: the decision's milliunits and the answer agree to the answer's resolution."""
    bolus(bench, 5)
    bench.run_for(1200)
    _, told = bench.procedure("GetInsulinOnBoard")
    assert told["remaining_duration_minutes"] is None
    assert Decimal("4") < told["insulin_on_board_iu"] < Decimal("5.5")
    assert told["insulin_on_board_iu"] == told["insulin_on_board_iu"].quantize(Decimal("0.01"))


# --- status and status changed ---


@pytest.mark.parametrize(("state", "word"), [(STOP, STOP), (PAUSE, PAUSE), (RUN, RUN)])
def test_status_shows_the_therapy_state(bench, state, word):
    bench.code("SetTherapyControlState", therapy_control_state=state)
    assert bench.fields("IddStatus")["therapy_control_state"] == word


@pytest.mark.parametrize(("pulses", "shown"), [
    (6000, Decimal(300)), (4096, Decimal(204)), (4095, Decimal("204.7")), (4087, Decimal("204.3")),
    (411, Decimal("20.5")), (409, Decimal("20.45")), (1, Decimal("0.05")), (0, Decimal(0)),
])  # fmt: skip
def test_the_reservoir_is_shown_rounded_toward_zero(bench, pulses, shown):
    """D-811: counted to the pulse, shown as far as a mantissa of 2047 reaches."""
    assert bench.write_message("EmulatorFault", fault_kind=0x3C, fault_value=pulses) == 0
    assert bench.fields("IddStatus")["reservoir_remaining_iu"] == shown


def test_without_a_reservoir_its_content_is_not_a_number(bench):
    assert bench.write_message("EmulatorFault", fault_kind=0x55, fault_value=1) == 0
    status = bench.fields("IddStatus")
    assert status["reservoir_remaining_iu"] is Special.NAN
    assert status["flags"] == 0
    assert status["therapy_control_state"] == STOP


def changed(bench):
    """The bits of Status Changed."""
    return int(bench.fields("IddStatusChanged")["flags"])


def test_bits_stay_set_until_they_are_reset(bench):
    bench.procedure("ResetStatus", flags=0xFF)
    assert changed(bench) == 0
    bench.code("SetTherapyControlState", therapy_control_state=PAUSE)
    first = changed(bench)
    assert first == 0x01 | 0x10 | 0x20 | 0x80
    bench.code("SetTherapyControlState", therapy_control_state=RUN)
    assert changed(bench) == first


@pytest.mark.parametrize("bit", range(8))
def test_reset_clears_the_named_bits_only(bench, bit):
    before = changed(bench)
    bench.procedure("ResetStatus", flags=1 << bit)
    assert changed(bench) == before & ~(1 << bit)


def test_a_bit_that_was_reset_is_indicated_again(bench):
    def indicated():
        bench.indications.clear()
        for state in (PAUSE, RUN):
            bench.write_message("SetTherapyControlState", therapy_control_state=state)
        return STATUS_CHANGED.handle in [handle for handle, _ in bench.indications]

    bench.procedure("ResetStatus", flags=0xFF)
    assert indicated()
    assert not indicated()
    bench.procedure("ResetStatus", flags=0x01)
    assert indicated()


@pytest.mark.parametrize(("cause", "bits"), [
    ("bolus start", 0xC0), ("bolus end", 0xD0), ("tbr start", 0xB0), ("tbr cancel", 0xB0), ("stop", 0xB1),
    ("reservoir", 0x84), ("annunciation", 0x89 | 0xB0), ("max bolus", 0x80), ("clock", 0x80),
])  # fmt: skip
def test_which_bits_a_change_sets(bench, cause, bits):
    if cause == "bolus end":
        bolus(bench, "0.1")
    if cause == "tbr cancel":
        tbr(bench, 0, 30)
    bench.procedure("ResetStatus", flags=0xFF)
    do(bench, cause)
    assert changed(bench) == bits


def do(bench, cause):
    if cause == "bolus start":
        bolus(bench, 5)
    elif cause == "bolus end":
        bench.run_for(10)
    elif cause == "tbr start":
        tbr(bench, 0, 30)
    elif cause == "tbr cancel":
        bench.code("CancelTbrAdjustment")
    elif cause == "stop":
        bench.code("SetTherapyControlState", therapy_control_state=STOP)
    elif cause == "reservoir":
        bench.write_message("EmulatorFault", fault_kind=0x3C, fault_value=5000)
    elif cause == "annunciation":
        bench.board.set_analog(26, 65535)
        bench.run_for(181)
    elif cause == "max bolus":
        bench.code("SetMaxBolusAmount", max_bolus_iu=5)
    elif cause == "clock":
        bench.write_message(
            "CurrentTime", year=2000, month=1, day=1, hour=12, minute=0, second=0, day_of_week=0, fractions_256=0,
            adjust_reason=1,
        )  # fmt: skip


def test_the_features(bench):
    """Everything but multiple bond; U-100."""
    told = bench.fields("IddFeatures")
    assert told["flags"] == ~IddFeatureFlags.MULTIPLE_BOND & IddFeatureFlags(0xFFFF)
    assert told["insulin_concentration_iu_per_ml"] == 100
