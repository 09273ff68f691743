"""Every procedure of IDS that the typed pump has, there and back over the virtual board.

The firmware is the product's own; what it doses is proven elsewhere. Here each value that goes out comes back as it
was, each answer has its type, and each refusal its code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal

import pytest

from pumplink import Pump, VirtualBoard, VirtualPump
from pumplink.errors import AttError, ProcedureError
from pumplink.results import (
    BolusAmounts,
    BolusTemplate,
    IchoBlock,
    IsfBlock,
    TargetBlock,
    TbrTemplate,
)
from pumpwire.enums import (
    AnnunciationType,
    AvailableBolusesFlags,
    BolusActivationType,
    BolusFlags,
    BolusTemplateFlags,
    BolusType,
    BolusValueSelection,
    CounterSelection,
    CounterType,
    FaultKind,
    IddFeatureFlags,
    OperationalState,
    RacpFilter,
    RacpOperator,
    ResponseCode,
    TbrType,
    TemplateType,
    TherapyControlState,
)

BOTH = BolusFlags.REASON_MEAL | BolusFlags.REASON_CORRECTION


@pytest.fixture
def pump() -> Iterator[VirtualPump]:
    """A connected pump in Stop with a profile of 1 IU/h."""
    with VirtualPump(VirtualBoard().start()) as pump:
        pump.write_basal_profile([(1440, 1)])
        pump.activate(1)
        yield pump


def refused(call: Callable[[], object]) -> ResponseCode:
    with pytest.raises(ProcedureError) as caught:
        call()
    return ResponseCode(caught.value.code)


def test_the_pump_has_every_feature_but_several_bonds(pump: VirtualPump) -> None:
    wanted = ~(IddFeatureFlags.MULTIPLE_BOND | IddFeatureFlags.FEATURE_EXTENSION)
    assert pump.features().flags == wanted & IddFeatureFlags(0x80FFFF)


def test_a_multiwave_bolus_tells_all_that_was_said_of_it(pump: VirtualPump) -> None:
    pump.start()
    meal = pump.set_bolus(1, "1.5", 30, delay_minutes=5, activation=BolusActivationType.COMMANDED, reasons=BOTH)
    fast = pump.set_bolus("0.5", activation=None)
    assert pump.active_bolus_ids() == [fast, meal]
    assert pump.available_boluses() == AvailableBolusesFlags(0)
    told = pump.active_bolus(meal, BolusValueSelection.PROGRAMMED)
    assert told.type is BolusType.MULTIWAVE
    assert (told.fast_iu, told.extended_iu, told.duration_minutes) == (1, Decimal("1.5"), 30)
    assert (told.delay_minutes, told.activation, told.reasons) == (5, BolusActivationType.COMMANDED, BOTH)
    assert pump.active_bolus(meal, BolusValueSelection.DELIVERED).delay_minutes == 0xFFFF
    assert pump.active_bolus(fast).activation is None
    pump.run_for(600)
    left = pump.active_bolus(meal)
    assert (left.fast_iu, left.delay_minutes, left.duration_minutes) == (0, 0, 25)
    pump.cancel_bolus(meal)
    assert refused(lambda: pump.active_bolus(meal)) is ResponseCode.PROCEDURE_NOT_APPLICABLE


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"fast_iu": 1, "duration_minutes": 5}, ResponseCode.INVALID_OPERAND),
        ({"fast_iu": 1, "bolus_type": BolusType.UNDETERMINED}, ResponseCode.INVALID_OPERAND),
        ({"extended_iu": 1}, ResponseCode.PARAMETER_OUT_OF_RANGE),
        ({"extended_iu": 6, "duration_minutes": 3}, ResponseCode.PARAMETER_OUT_OF_RANGE),
        ({"fast_iu": 1, "delay_minutes": 721}, ResponseCode.PARAMETER_OUT_OF_RANGE),
        ({"template": 6}, ResponseCode.PARAMETER_OUT_OF_RANGE),
        ({"template": 7}, ResponseCode.PROCEDURE_NOT_APPLICABLE),
    ],
)
def test_a_bolus_that_the_pump_does_not_take_has_its_code(pump: VirtualPump, values: dict, code: ResponseCode) -> None:
    pump.start()
    assert refused(lambda: pump.set_bolus(**values)) is code


def test_templates_come_back_as_they_were_written(pump: VirtualPump) -> None:
    reasons = BolusTemplateFlags.REASON_MEAL
    meal = BolusTemplate(8, BolusType.MULTIWAVE, Decimal("0.5"), Decimal(2), 60, 10, reasons)
    pump.set_bolus_template(meal)
    assert pump.bolus_template(8) == meal
    pump.set_tbr_template(4, "1.5", 90, TbrType.RELATIVE)
    assert pump.tbr_template(4) == TbrTemplate(4, TbrType.RELATIVE, Decimal("1.5"), 90)
    assert pump.tbr_template(6) == TbrTemplate(6, TbrType.RELATIVE, Decimal("0.5"), 60)
    assert refused(lambda: pump.set_tbr_template(6, 1, 30)) is ResponseCode.PROCEDURE_NOT_APPLICABLE
    assert refused(lambda: pump.bolus_template(9)) is ResponseCode.PROCEDURE_NOT_APPLICABLE
    kinds = {kind.type: kind for kind in pump.templates()}
    assert set(kinds) == set(TemplateType) - {TemplateType.UNDETERMINED}
    assert (kinds[TemplateType.TBR].configurable, kinds[TemplateType.TBR].configured) == ((4, 5), (4, 6))
    pump.start()
    pump.set_tbr(template=4)
    active = pump.active_basal()
    assert active is not None and active.tbr is not None
    assert (active.tbr.type, active.tbr.value, active.tbr.template) == (TbrType.RELATIVE, Decimal("1.5"), 4)
    number = pump.set_bolus(template=8)
    told = pump.active_bolus(number, BolusValueSelection.PROGRAMMED)
    assert (told.type, told.template, told.delay_minutes, told.reasons) == (
        BolusType.MULTIWAVE, 8, 10, BolusFlags.REASON_MEAL,
    )  # fmt: skip
    pump.reset_templates(4, 8)
    assert refused(lambda: pump.tbr_template(4)) is ResponseCode.PROCEDURE_NOT_APPLICABLE


@pytest.mark.parametrize("count", [1, 2, 3, 4, 24])
def test_profiles_of_every_kind_come_back_as_they_were_written(pump: VirtualPump, count: int) -> None:
    minutes = [1440 // count] * (count - 1)
    minutes.append(1440 - sum(minutes))
    values = [Decimal(20 + number) / 2 for number in range(count)]
    pairs = list(zip(minutes, values, strict=True))
    ranges = [(length, low + 50, low + 60) for length, low in pairs]
    pump.write_isf_profile(pairs, 11)
    pump.write_icho_profile(pairs, 12)
    pump.write_target_profile(ranges, 15)
    assert pump.read_isf_profile(11) == [IsfBlock(*block) for block in pairs]
    assert pump.read_icho_profile(12) == [IchoBlock(*block) for block in pairs]
    assert pump.read_target_profile(15) == [TargetBlock(*block) for block in ranges]
    pump.activate(15, 11)
    assert sorted(pump.activated_templates()) == [1, 11, 15]
    assert refused(lambda: pump.write_target_profile([(1440, 100, 90)], 14)) is ResponseCode.PLAUSIBILITY_CHECK_FAILED


def test_priming_and_a_fresh_reservoir(pump: VirtualPump) -> None:
    pump.set_fill_level(200)
    pump.start_priming(1)
    assert pump.status().operational is OperationalState.PRIMING
    assert refused(pump.start) is ResponseCode.PROCEDURE_NOT_APPLICABLE
    pump.run_for(10)
    pump.stop_priming()
    status = pump.status()
    assert (status.operational, status.therapy) == (OperationalState.READY, TherapyControlState.STOP)
    primed = pump.pulse_counters().prime
    assert 0 < primed < 20
    assert status.reservoir_iu == (200 - primed * Decimal("0.05")).quantize(Decimal("0.1"), "ROUND_DOWN")
    assert refused(pump.stop_priming) is ResponseCode.PROCEDURE_NOT_APPLICABLE


def test_counters_count_and_the_reservoir_begins_anew(pump: VirtualPump) -> None:
    pump.run_for(200)
    assert pump.counter(CounterType.LIFETIME) == 3
    assert pump.counter(CounterType.LOANER, CounterSelection.REMAINING) == 259_200 - 3
    pump.reset_operation_time()
    assert pump.counter(CounterType.RESERVOIR_INSULIN_OPERATION_TIME) == 0


def test_battery_annunciations_and_the_calculator_are_injected(pump: VirtualPump) -> None:
    pump.inject_fault(FaultKind.BATTERY_LEVEL, 15)
    assert pump.battery_percent() == 15
    shown = pump.annunciation()
    assert shown is not None and shown.type is AnnunciationType.BATTERY_LOW
    pump.inject_fault(FaultKind.ANNUNCIATION, AnnunciationType.TEMPERATURE)
    pump.tell_calculated(BolusAmounts(fast_meal_iu=Decimal(2)), BolusAmounts(fast_meal_iu=Decimal("1.5")))
    assert [record.event for record in pump.history()[-2:]] == ["HistoryBolusCalculated1", "HistoryBolusCalculated2"]
    with pytest.raises(AttError):
        pump.tell_calculated(BolusAmounts(fast_meal_iu=Decimal("0.07")), BolusAmounts())


def test_records_are_selected_counted_and_deleted(pump: VirtualPump) -> None:
    everything = pump.records()
    assert pump.count_records() == pump.history_count() == len(everything)
    assert pump.records(RacpOperator.FIRST) == everything[:1]
    assert pump.records(RacpOperator.LAST) == everything[-1:]
    assert pump.records(RacpOperator.WITHIN_RANGE, minimum_sequence=1, maximum_sequence=2) == everything[1:3]
    times = RacpFilter.SEQUENCE_NUMBER_REFERENCE_TIME_EVENTS
    assert pump.count_records(RacpOperator.GREATER_THAN_OR_EQUAL, times, minimum_sequence=0) == 1
    assert pump.delete_records(RacpOperator.LESS_THAN_OR_EQUAL, maximum_sequence=0)
    assert not pump.delete_records(RacpOperator.LESS_THAN_OR_EQUAL, maximum_sequence=0)
    assert [record.sequence for record in pump.records()] == [record.sequence for record in everything[1:]]
    pump.start()
    pump.set_bolus(1)
    with pytest.raises(ProcedureError, match="not applicable"):
        pump.delete_records(RacpOperator.LAST)


def test_the_device_says_who_it_is(pump: Pump) -> None:
    device = pump.device_information()
    assert all((device.manufacturer, device.model, device.serial_number, device.firmware_revision))
    assert len(device.system_id) == 8
