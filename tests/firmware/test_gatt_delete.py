"""Records are deleted over the wire: which ones go, which ones may not, and what a power cut leaves of it.

IDS 1.0.2, 3.9; D-911. Method: the real firmware lives through something or finds a flash full of records, is asked to
delete, and is then asked for what is left, at once and after a power cut.
"""

from decimal import Decimal

import pytest

from firmware.gatt_bench import HISTORY, RACP, GattBench
from firmware.stored_history import REFERENCE_EVERY, flash
from pumplink import virtual_pump
from pumplink.errors import PowerCut, ProcedureError
from pumplink.results import BolusAmounts, BolusTemplate
from pumpwire.enums import AnnunciationType, BolusType, FaultKind, RacpOperator

ALL, UP_TO, FROM, RANGE, FIRST, LAST = 0x33, 0x3C, 0x55, 0x5A, 0x66, 0x69
ANY, REFERENCES, OTHERS = 0x0F, 0x33, 0x3C
NULL = 0x0F
SUCCESS, NO_RECORDS, ABORT_UNSUCCESSFUL, NOT_COMPLETED, NOT_APPLICABLE = 0xF0, 0x06, 0x07, 0x08, 0x0A
STORED = 5000


def up_to(maximum, which=ANY):
    """The operand of "less than or equal to"."""
    return {"operator": UP_TO, "filter": which, "maximum_sequence": maximum}


def beginning(minimum, which=ANY):
    """The operand of "greater than or equal to"."""
    return {"operator": FROM, "filter": which, "minimum_sequence": minimum}


def between(minimum, maximum, which=ANY):
    """The operand of "within range of"."""
    return {"operator": RANGE, "filter": which, "minimum_sequence": minimum, "maximum_sequence": maximum}


def delete(bench, **selection):
    """The response code of a delete."""
    return bench.code("RacpDeleteStoredRecords", **selection)


def left(bench, **selection):
    """The numbers that are reported; the count of the pump is the same."""
    numbers = [fields["sequence"] for _, fields in bench.records(**(selection or {"operator": ALL}))]
    _, told = bench.procedure("RacpReportNumberOfStoredRecords", **(selection or {"operator": ALL}))
    assert told["record_count"] == len(numbers)
    return numbers


def one_more(bench):
    """Something is recorded; its number."""
    bench.code("SetMaxBolusAmount", max_bolus_iu=5)
    bench.code("SetMaxBolusAmount", max_bolus_iu=6)
    (number,) = left(bench, operator=LAST)
    return number


@pytest.fixture
def lived(tmp_path):
    """A pump in Stop with 21 records: references at 0 and 5; groups 8-9, 10-11, 12-13, 14-15 and 17-18."""
    bench = GattBench(confirms=True, workdir=tmp_path)
    bench.running()
    bench.run_until(3600.5)
    for amount in (5, 6):
        bench.code("SetMaxBolusAmount", max_bolus_iu=amount)
    bolus = dict(flags=0, bolus_type=0x33, fast_amount_iu=Decimal("0.05"), extended_amount_iu=0, duration_minutes=0)
    bench.procedure("SetBolus", **bolus)
    bench.run_for(20)
    bench.code("SetTbrAdjustment", flags=0, tbr_type=0x33, value=2, duration_minutes=15)
    bench.code("CancelTbrAdjustment")
    bench.write_message("EmulatorFault", fault_kind=0x3C, fault_value=0)
    events = [name.removeprefix("History") for name, _ in bench.records(operator=ALL)]
    assert events[8:] == [
        "BolusProgrammed1", "BolusProgrammed2", "BolusDelivered1", "BolusDelivered2", "TbrStarted",
        "DeliveredBasalRateChanged", "TbrEnded", "DeliveredBasalRateChanged", "ReservoirRemainingChanged",
        "AnnunciationStatusChanged1", "AnnunciationStatusChanged2", "TherapyControlStateChanged",
        "DeliveredBasalRateChanged",
    ]  # fmt: skip
    yield bench
    bench.close()


def again(bench, tmp_path):
    """The same flash after a power cut."""
    bench.board.kill()
    after = GattBench(confirms=True, workdir=tmp_path)
    after.subscribed()
    return after


# --- which ones ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("selection", "gone"), [
    ({"operator": ALL}, range(100)),
    (up_to(0), [0]),
    (up_to(7), range(8)),
    (up_to(0xFFFFFFFF), range(100)),
    (beginning(14), range(14, 100)),
    (beginning(0), range(100)),
    (between(1, 4), range(1, 5)),
    (between(6, 6), [6]),
    (between(8, 11), range(8, 12)),
    (between(12, 0xFFFFFFFF), range(12, 100)),
    (up_to(7, REFERENCES), [0, 5]),
    (up_to(8, REFERENCES), [0, 5]),
    (beginning(1, REFERENCES), [5]),
    (beginning(4, OTHERS), [4, *range(6, 100)]),
    (between(0, 7, OTHERS), [1, 2, 3, 4, 6, 7]),
])  # fmt: skip
def test_what_is_selected_goes_and_nothing_else(lived, tmp_path, selection, gone):
    """D-911: at once and after a power cut; numbers go on from where they were."""
    stored = left(lived)
    assert delete(lived, **selection) == SUCCESS
    kept = [number for number in stored if number not in gone]
    assert left(lived) == kept
    assert delete(lived, **selection) == NO_RECORDS
    after = again(lived, tmp_path)
    assert left(after)[: len(kept)] == kept
    assert all(number > stored[-1] for number in left(after)[len(kept) :])
    assert one_more(after) > stored[-1]
    after.close()


def test_the_first_one_goes_and_then_the_next(lived):
    stored = left(lived)
    for number in range(4):
        assert left(lived, operator=FIRST) == [number]
        assert delete(lived, operator=FIRST) == SUCCESS
        assert left(lived) == stored[number + 1 :]


def test_the_last_one_goes_when_it_stands_alone(lived):
    last = one_more(lived)
    stored = left(lived)
    assert delete(lived, operator=LAST) == SUCCESS
    assert left(lived) == stored[:-1]
    assert left(lived, operator=LAST) == [last - 1]
    assert one_more(lived) == last + 2


@pytest.mark.parametrize("selection", [
    up_to(8), up_to(10), up_to(12), up_to(14), up_to(17), up_to(8, OTHERS), beginning(9), beginning(11),
    beginning(13), beginning(15), beginning(18), beginning(9, OTHERS), between(8, 8), between(9, 9), between(7, 8),
    between(9, 11), between(0, 10), between(11, 12),
])  # fmt: skip
def test_a_part_of_a_group_does_not_go(lived, selection):
    """D-911: 0x0A, and nothing is taken: bolus, TBR with its rate, annunciation."""
    stored = left(lived)
    assert delete(lived, **selection) == NOT_APPLICABLE
    assert left(lived) == stored


def test_the_first_or_the_last_of_a_group_does_not_go(lived):
    """D-911: also by those two operators."""
    assert delete(lived, **up_to(7)) == SUCCESS
    assert delete(lived, operator=FIRST) == NOT_APPLICABLE
    assert delete(lived, **beginning(16)) == SUCCESS
    assert delete(lived, operator=LAST) == NOT_APPLICABLE
    assert left(lived) == list(range(8, 16))


# What a pump does -> the sizes of the groups that it is recorded in.
GROUPS = {
    "bolus programmed and delivered": (lambda pump: (pump.set_bolus("0.05"), pump.run_for(10)), [2, 2]),
    "two blocks of a basal profile": (lambda pump: pump.write_basal_profile([(600, 1), (840, 2)], 2), [2]),
    "the same twice": (lambda pump: [pump.write_basal_profile([(600, 1), (840, 2)], 2) for _ in range(2)], [2, 2]),
    "24 blocks of another": (lambda pump: pump.write_basal_profile([(60, 1)] * 24, 3), [24]),
    "insulin sensitivity": (lambda pump: pump.write_isf_profile([(480, 50), (480, 40), (480, 45)], 10), [3]),
    "carbohydrate ratio": (lambda pump: pump.write_icho_profile([(720, 10), (720, 12)], 12), [2]),
    "target range": (lambda pump: pump.write_target_profile([(720, 90, 110), (720, 100, 120)], 14), [2]),
    "one block": (lambda pump: pump.write_isf_profile([(1440, 50)], 11), [1]),
    "bolus calculated": (lambda pump: pump.tell_calculated(BolusAmounts(), BolusAmounts()), [2]),
    "bolus template": (lambda pump: pump.set_bolus_template(BolusTemplate(7, BolusType.FAST, 1)), [2]),
    "TBR template": (lambda pump: pump.set_tbr_template(4, "0.5", 30), [1]),
    "TBR from start to end": (
        lambda pump: (pump.set_tbr("0.5", 30), pump.set_tbr("0.6", 30, change=True), pump.cancel_tbr()), [2, 2, 2],
    ),
    "annunciation": (lambda pump: pump.inject_fault(FaultKind.ANNUNCIATION, AnnunciationType.TEMPERATURE), [2]),
}  # fmt: skip


@pytest.mark.parametrize("what", GROUPS)
def test_no_group_loses_a_part(what):
    """D-911: every way to part it is refused, and each goes as a whole, the newest first."""
    act, sizes = GROUPS[what]
    with virtual_pump() as pump:
        pump.write_basal_profile([(1440, 1)])
        pump.activate(1)
        pump.start()
        first = pump.history_count()
        act(pump)
        stored = pump.history_count()
        assert stored == first + sum(sizes)
        begins = [first + sum(sizes[:n]) for n in range(len(sizes))]
        for number in range(first, stored):
            if number not in begins:
                for bounds in ((0, number - 1), (number, stored), (number, number)):
                    with pytest.raises(ProcedureError) as refused:
                        in_range(pump, *bounds)
                    assert refused.value.code == NOT_APPLICABLE
        assert pump.history_count() == stored
        for begin, size in reversed(list(zip(begins, sizes, strict=True))):
            assert in_range(pump, begin, begin + size - 1)
        assert [record.sequence for record in pump.history()] == list(range(first))


def in_range(pump, first, last):
    """Delete a range; whether there was anything."""
    return pump.delete_records(RacpOperator.WITHIN_RANGE, minimum_sequence=first, maximum_sequence=last)


def test_what_remains_of_a_group_whose_other_part_is_gone_can_go(tmp_path):
    """D-911: a full store has overwritten the part before it."""
    bench = full(tmp_path, 8000)
    (oldest,) = left(bench, operator=FIRST)
    assert oldest > 0
    assert delete(bench, operator=FIRST) == SUCCESS
    assert left(bench, operator=FIRST) == [oldest + 1]
    bench.close()


def test_nothing_is_found_where_all_is_gone(lived):
    """D-911, 3.9: 0x06 for delete and report, 0 for a number."""
    assert delete(lived, operator=ALL) == SUCCESS
    for selection in ({"operator": ALL}, {"operator": FIRST}, {"operator": LAST}, up_to(5), beginning(0, OTHERS)):
        assert delete(lived, **selection) == NO_RECORDS
        assert left(lived, **selection) == []
        assert lived.last_racp_code == NO_RECORDS


def test_first_and_last_pass_over_what_is_gone(lived):
    """3.9: the oldest and the newest of those that are stored."""
    assert delete(lived, **between(1, 4)) == SUCCESS
    assert delete(lived, **beginning(12)) == SUCCESS
    assert delete(lived, operator=FIRST) == SUCCESS
    assert left(lived, operator=FIRST) == [5]
    assert left(lived, operator=LAST) == [11]
    assert left(lived, **up_to(9)) == [5, 6, 7, 8, 9]
    assert left(lived, **beginning(6, OTHERS)) == list(range(6, 12))


# --- thousands of them --------------------------------------------------------------------------------------------


def full(tmp_path, records=STORED):
    """A pump that finds this many records."""
    (tmp_path / "flash.bin").write_bytes(flash(records))
    bench = GattBench(confirms=True, workdir=tmp_path)
    bench.subscribed()
    return bench


@pytest.mark.parametrize(("selection", "gone"), [
    ({"operator": ALL}, lambda n: True),
    (up_to(4000), lambda n: n <= 4000),
    (beginning(100), lambda n: n >= 100),
    (between(1, 4998), lambda n: 1 <= n <= 4998),
    (beginning(0, REFERENCES), lambda n: n % REFERENCE_EVERY == 0),
    (between(50, 4000, OTHERS), lambda n: 50 <= n <= 4000 and n % REFERENCE_EVERY),
])  # fmt: skip
def test_thousands_go(tmp_path, selection, gone):
    """D-911: and the store takes thousands more."""
    bench = full(tmp_path)
    stored = left(bench)
    assert delete(bench, **selection) == SUCCESS
    kept = [number for number in stored if not gone(number)]
    assert left(bench) == kept
    after = again(bench, tmp_path)
    assert left(after)[: len(kept)] == kept
    assert one_more(after) > stored[-1]
    after.close()


def test_one_after_the_other_as_many_as_one_likes(tmp_path):
    """D-911: every second record, 300 deletes; none of them costs another record its place."""
    bench = full(tmp_path)
    stored = left(bench)
    wanted = [number for number in stored if number % 2 and number < 600]
    for number in wanted:
        assert delete(bench, **between(number, number)) == SUCCESS
    after = again(bench, tmp_path)
    kept = [number for number in stored if number not in wanted]
    assert left(after)[: len(kept)] == kept
    after.close()


def test_the_pump_doses_while_thousands_go(tmp_path):
    """D-106, D-911, D-953: a bolus pulse every two seconds, while the store is emptied in three pieces."""
    bench = full(tmp_path)
    bench.running(rate_mu_per_h=50)
    bench.procedure("SetBolus", flags=0, bolus_type=0x33, fast_amount_iu=1, extended_amount_iu=0, duration_minutes=0)
    bench.run_for(5)
    first_s = bench.pulses[0]
    for bounds in ((1, 1600), (1601, 3200), (3201, 5000)):
        assert bench.write_message("RacpDeleteStoredRecords", **between(*bounds, OTHERS)) == 0
        while not bench.indications:
            bench.run_for(0.1)
        assert bench.answer(RACP)[1]["response_code"] == SUCCESS
    bench.run_for(60)
    assert bench.pulses == list(range(first_s, first_s + 40, 2))
    assert bench.board.resets == []
    bench.close()


# --- what ends it -------------------------------------------------------------------------------------------------


def test_an_abort_comes_too_late_for_what_is_being_deleted(tmp_path):
    """3.9: abort unsuccessful; the delete goes on and tells its end."""
    bench = full(tmp_path)
    assert bench.write_message("RacpDeleteStoredRecords", **beginning(100)) == 0
    bench.run_for(0.1)
    assert bench.indications == []
    assert bench.code("RacpAbort", operator=NULL) == ABORT_UNSUCCESSFUL
    name, told = bench.answer(RACP)
    assert (name, told["request_opcode"], told["response_code"]) == ("RacpResponseCode", 0x3C, SUCCESS)
    assert left(bench)[:100] == list(range(100))
    bench.close()


def test_a_delete_goes_on_without_its_client(tmp_path):
    """D-911: a connection that ends leaves no half of it; who comes next waits for the rest."""
    bench = full(tmp_path)
    assert bench.write_message("RacpDeleteStoredRecords", **beginning(100)) == 0
    bench.run_for(0.1)
    bench.subscribed()
    assert [number for number in left(bench) if 100 <= number < STORED] == []
    bench.close()


@pytest.mark.parametrize("operation", [5, *range(9, 20), 100, 3000])
def test_a_power_cut_leaves_all_of_it_or_none(tmp_path, operation):
    """D-911: in an operation of the flash: of the store, when it becomes durable, or of the deleting itself."""
    (tmp_path / "flash.bin").write_bytes(flash())
    kind = ("lost", "half", "garbage")[operation % 3]
    with pytest.raises(PowerCut):
        bench = GattBench(confirms=True, workdir=tmp_path, cut_at_operation=operation, cut_kind=kind)
        bench.subscribed()
        delete(bench, **between(50, STORED - 1, OTHERS))
    after = GattBench(confirms=True, workdir=tmp_path)
    after.subscribed()
    found = [number for number in left(after) if number < STORED]
    kept = [number for number in range(STORED) if number < 50 or not number % REFERENCE_EVERY]
    assert found == kept if operation >= 100 else found in (kept, list(range(STORED)))
    after.close()


def test_a_report_without_its_subscription_is_not_completed(tmp_path):
    """3.9: interrupted: 0x08."""
    bench = full(tmp_path)
    assert bench.write_message("RacpReportStoredRecords", operator=ALL) == 0
    bench.run_for(0.1)
    assert bench.write(HISTORY.configuration_handle, b"\0\0") == 0
    name, told = bench.answer(RACP)
    assert (name, told["request_opcode"], told["response_code"]) == ("RacpResponseCode", 0x33, NOT_COMPLETED)
    assert 0 < len(bench.told(HISTORY)) < STORED
    bench.close()
