"""The history over the wire: which records there are, what they say, and how the RACP selects them.

IDS 1.0.2, 3.9 and 3.10; D-905 to D-907. Method: the real firmware lives through something, then is asked for its
records.
"""

from decimal import Decimal

import pytest

from firmware.gatt_bench import HISTORY, RACP, GattBench

ALL, UP_TO, FROM, RANGE, FIRST, LAST = 0x33, 0x3C, 0x55, 0x5A, 0x66, 0x69
ANY, REFERENCES, OTHERS = 0x0F, 0x33, 0x3C
NULL = 0x0F
SUCCESS, NO_RECORDS = 0xF0, 0x06
REPORT, DELETE, ABORT, NUMBER = 0x33, 0x3C, 0x55, 0x5A
STOP, PAUSE, RUN = 0x33, 0x3C, 0x55
DEVICE, REMOTE_CONTROL = 0x33, 0x3C
HEADER = ("sequence", "relative_offset_s")


@pytest.fixture
def bench():
    """A pump in Run at 1 U/h."""
    bench = GattBench(confirms=True)
    bench.running()
    yield bench
    bench.close()


def since(bench, sequence):
    """Records from a sequence number on, as (event, relative offset, rest)."""
    records = bench.records(operator=FROM, filter=ANY, minimum_sequence=sequence)
    numbers = [fields["sequence"] for _, fields in records]
    assert numbers == list(range(sequence, sequence + len(records)))
    return [
        (name.removeprefix("History"), fields["relative_offset_s"],
         {key: value for key, value in fields.items() if key not in HEADER and value is not None})
        for name, fields in records
    ]  # fmt: skip


def count(bench, **selection):
    """The number of stored records."""
    name, told = bench.procedure("RacpReportNumberOfStoredRecords", **(selection or {"operator": ALL}))
    assert name == "RacpNumberOfStoredRecordsResponse"
    return told["record_count"]


def sequences(bench, **selection):
    """The sequence numbers reported, and the response code."""
    return [fields["sequence"] for _, fields in bench.records(**selection)]


def half_past(bench):
    """Half a second before a whole one; returns the second at which what follows takes effect."""
    bench.run_until(int(bench.now_s) + 1.5)
    return int(bench.now_s) + 1


# --- what is recorded ---


def test_the_first_record_is_a_reference_time():
    bench = GattBench(confirms=True)
    bench.subscribed()
    ((name, offset_s, told),) = since(bench, 0)
    assert (name, offset_s) == ("ReferenceTime", 0)
    assert (told["year"], told["month"], told["day"]) == (2000, 1, 1)
    assert (told["hour"], told["minute"], told["second"], told["recording_reason"]) == (0, 0, 0, 0x55)
    assert (told["time_zone_quarter_hours"], told["dst_offset"]) == (-128, 255)
    bench.close()


def test_from_stop_to_run_with_a_profile(bench):
    names = [name for name, _, _ in since(bench, 0)]
    assert names == [
        "ReferenceTime", "BasalBlockChanged", "ProfileTemplateActivated", "TherapyControlStateChanged",
        "DeliveredBasalRateChanged",
    ]  # fmt: skip
    records = {name: told for name, _, told in since(bench, 0)}
    assert records["BasalBlockChanged"] == {
        "template_number": 1, "block_number": 1, "duration_minutes": 1440, "rate_iu_per_h": 1,
    }  # fmt: skip
    assert records["ProfileTemplateActivated"] == {
        "profile_template_type": 0x33, "old_template_number": 0, "new_template_number": 1,
    }  # fmt: skip
    assert records["TherapyControlStateChanged"] == {
        "old_therapy_control_state": STOP, "new_therapy_control_state": RUN,
    }  # fmt: skip
    assert records["DeliveredBasalRateChanged"] == {
        "flags": 1, "old_rate_iu_per_h": 0, "new_rate_iu_per_h": 1, "context": DEVICE,
    }  # fmt: skip


def test_a_tbr_from_start_to_end(bench):
    """D-302, D-303, D-905: each event with its rate, in the order of the example in appendix C."""
    first = count(bench)
    start_s = half_past(bench)
    tbr = dict(tbr_type=0x33, duration_minutes=30)
    bench.code("SetTbrAdjustment", flags=2, value=2, context=0x55, **tbr)
    bench.run_until(start_s + 59.5)
    bench.code("SetTbrAdjustment", flags=4, value=Decimal("2.5"), **tbr)
    bench.run_until(start_s + 1900)
    expected_rate = [(1, 2, 0x55), (2, Decimal("2.5"), REMOTE_CONTROL), (Decimal("2.5"), 1, DEVICE)]
    records = since(bench, first)
    assert [(name, offset_s - start_s) for name, offset_s, _ in records] == [
        ("TbrStarted", 0), ("DeliveredBasalRateChanged", 0), ("TbrChanged", 60), ("DeliveredBasalRateChanged", 60),
        ("TbrEnded", 1860), ("DeliveredBasalRateChanged", 1860),
    ]  # fmt: skip
    told = [fields for _, _, fields in records]
    assert told[0] == {"flags": 0, "tbr_type": 0x33, "value": 2, "duration_minutes": 30}
    assert told[2] == {
        "flags": 0, "tbr_type": 0x33, "value": Decimal("2.5"), "duration_minutes": 30, "elapsed_minutes": 1,
    }  # fmt: skip
    assert told[4] == {"flags": 0, "tbr_type": 0x33, "effective_duration_minutes": 31, "tbr_end_reason": 0x33}
    for fields, (old, new, context) in zip(told[1::2], expected_rate, strict=True):
        assert (fields["old_rate_iu_per_h"], fields["new_rate_iu_per_h"], fields["context"]) == (old, new, context)


@pytest.mark.parametrize(("flags", "activation"), [(0, None), (4, 0x5A), (4 | 8, 0x33), (16, None)])
def test_a_bolus_from_programming_to_delivery(bench, flags, activation):
    """Groups of two with the same offset; reasons and activation as the client gave them."""
    first = count(bench)
    start_s = half_past(bench)
    bench.procedure("SetBolus", flags=flags, bolus_type=0x33, fast_amount_iu=Decimal("0.2"), extended_amount_iu=0,
                    duration_minutes=0, activation_type=activation)  # fmt: skip
    bench.run_for(20)
    records = since(bench, first)
    assert [(name, offset_s - start_s) for name, offset_s, _ in records] == [
        ("BolusProgrammed1", 0), ("BolusProgrammed2", 0), ("BolusDelivered1", 8), ("BolusDelivered2", 8),
    ]  # fmt: skip
    told = [fields for _, _, fields in records]
    given = {} if activation is None else {"activation_type": activation}
    assert told[0] == {
        "bolus_id": 1, "bolus_type": 0x33, "fast_amount_iu": Decimal("0.2"), "extended_amount_iu": 0,
        "duration_minutes": 0,
    }  # fmt: skip
    assert told[1] == {"flags": flags, **given}
    assert told[2] == {
        "bolus_id": 1, "bolus_type": 0x33, "fast_delivered_iu": Decimal("0.2"), "extended_delivered_iu": 0,
        "effective_duration_minutes": 0,
    }  # fmt: skip
    assert told[3] == {"flags": 3 if given else 2, "start_offset_s": 0, "bolus_end_reason": 0x33, **given}


def test_a_refused_bolus_does_not_change_what_is_said_of_the_running_one(bench):
    first = count(bench)
    bolus = dict(bolus_type=0x33, fast_amount_iu=1, extended_amount_iu=0, duration_minutes=0)
    bench.procedure("SetBolus", flags=4 | 8, activation_type=0x3C, **bolus)
    bench.procedure("SetBolus", flags=4 | 16, activation_type=0x5A, **bolus)
    bench.procedure("CancelBolus", bolus_id=1)
    delivered = since(bench, first)[-1]
    assert delivered[0] == "BolusDelivered2"
    assert (delivered[2]["activation_type"], delivered[2]["bolus_end_reason"]) == (0x3C, 0x3C)


def test_an_occlusion_ends_bolus_and_tbr_with_its_annunciation(bench):
    """D-821, D-905: annunciation, bolus, TBR with its rate, therapy, rate; all at one second."""
    bench.code("SetTbrAdjustment", flags=0, tbr_type=0x33, value=2, duration_minutes=30)
    bench.procedure("SetBolus", flags=0, bolus_type=0x33, fast_amount_iu=1, extended_amount_iu=0, duration_minutes=0)
    first = count(bench)
    bench.board.set_analog(26, 65535)
    bench.run_for(3)
    records = since(bench, first)
    assert [name for name, _, _ in records] == [
        "AnnunciationStatusChanged1", "AnnunciationStatusChanged2", "BolusDelivered1", "BolusDelivered2", "TbrEnded",
        "DeliveredBasalRateChanged", "TherapyControlStateChanged", "DeliveredBasalRateChanged",
    ]  # fmt: skip
    assert len({offset_s for _, offset_s, _ in records}) == 1
    told = [fields for _, _, fields in records]
    number = told[0]["annunciation_id"]
    assert told[0] == {
        "flags": 0, "annunciation_id": number, "annunciation_type": 0x003C, "annunciation_status": 0x33,
    }  # fmt: skip
    assert told[1] == {"flags": 0}
    assert (told[3]["flags"], told[3]["bolus_end_reason"], told[3]["annunciation_id"]) == (2 | 4, 0x55, number)
    assert (told[4]["flags"], told[4]["tbr_end_reason"], told[4]["annunciation_id"]) == (2, 0x55, number)
    assert told[6] == {"old_therapy_control_state": RUN, "new_therapy_control_state": STOP}
    assert (told[7]["old_rate_iu_per_h"], told[7]["new_rate_iu_per_h"]) == (1, 0)


def test_the_maximum_bolus_and_the_reservoir(bench):
    first = count(bench)
    bench.code("SetMaxBolusAmount", max_bolus_iu=Decimal("12.5"))
    bench.write_message("EmulatorFault", fault_kind=0x3C, fault_value=4000)
    bench.write_message("EmulatorFault", fault_kind=0x55, fault_value=1)
    records = [(name, told) for name, _, told in since(bench, first)]
    assert records[0] == ("MaxBolusChanged", {"old_max_bolus_iu": 10, "new_max_bolus_iu": Decimal("12.5")})
    assert records[1] == ("ReservoirRemainingChanged", {"reservoir_remaining_iu": 200})
    name, told = records[2]
    assert (name, told["reservoir_remaining_iu"].name) == ("ReservoirRemainingChanged", "NAN")


def test_midnight_closes_the_day(bench):
    """D-901: 24 h at 1 U/h; the record names the day that ends."""
    bench.run_until(86401)
    days = [told for name, _, told in since(bench, 0) if name == "TotalDailyInsulin"]
    assert len(days) == 1
    assert (days[0]["flags"], days[0]["year"], days[0]["month"], days[0]["day"]) == (0, 2000, 1, 1)
    assert (days[0]["bolus_delivered_iu"], days[0]["basal_delivered_iu"]) == (0, Decimal("23.9"))


def test_a_clock_change_records_day_and_reference(bench):
    """D-901, D-906: the day with its flag, then the new time; offsets count from it."""
    bench.run_until(7198.5)
    first = count(bench)
    bench.run_until(7199.5)
    clock = dict(year=2024, month=2, day=29, hour=23, minute=59, second=58, day_of_week=4, fractions_256=0)
    assert bench.write_message("CurrentTime", adjust_reason=1, **clock) == 0
    bench.run_until(7201.5)
    bench.code("SetMaxBolusAmount", max_bolus_iu=5)
    records = since(bench, first)
    assert [(name, offset_s) for name, offset_s, _ in records] == [
        ("ReferenceTime", 3600), ("TotalDailyInsulin", 0), ("ReferenceTime", 0), ("TotalDailyInsulin", 2),
        ("MaxBolusChanged", 2),
    ]  # fmt: skip
    told = [fields for _, _, fields in records]
    assert (told[0]["recording_reason"], told[2]["recording_reason"]) == (0x3C, 0x33)
    assert (told[1]["flags"], told[1]["year"]) == (1, 2000)
    assert (told[2]["month"], told[2]["day"], told[2]["hour"], told[2]["second"]) == (2, 29, 23, 58)
    assert (told[3]["flags"], told[3]["month"], told[3]["day"]) == (0, 2, 29)


def test_reference_times_every_hour(bench):
    """D-906: the reference's own offset counts from the one before."""
    bench.run_until(3 * 3600 + 1)
    told = [
        (offset_s, fields["hour"], fields["recording_reason"])
        for name, offset_s, fields in since(bench, 0)
        if name == "ReferenceTime"
    ]
    assert told == [(0, 0, 0x55), (3600, 1, 0x3C), (3600, 2, 0x3C), (3600, 3, 0x3C)]


# --- how records are selected ---

REFERENCE_AT = (0, 5)  # The other records of `grown` are something else.


@pytest.fixture
def grown(bench):
    """A pump with the records 0 to 7, of which two are reference times."""
    bench.run_until(3601)
    for amount in (5, 6):
        bench.code("SetMaxBolusAmount", max_bolus_iu=amount)
    assert count(bench) == 8
    return bench


@pytest.mark.parametrize(("selection", "expected"), [
    ({"operator": ALL}, range(8)),
    ({"operator": FIRST}, [0]),
    ({"operator": LAST}, [7]),
    ({"operator": FROM, "filter": ANY, "minimum_sequence": 0}, range(8)),
    ({"operator": FROM, "filter": ANY, "minimum_sequence": 3}, range(3, 8)),
    ({"operator": FROM, "filter": ANY, "minimum_sequence": 7}, [7]),
    ({"operator": FROM, "filter": ANY, "minimum_sequence": 8}, []),
    ({"operator": FROM, "filter": ANY, "minimum_sequence": 0xFFFFFFFF}, []),
    ({"operator": UP_TO, "filter": ANY, "maximum_sequence": 0}, [0]),
    ({"operator": UP_TO, "filter": ANY, "maximum_sequence": 3}, range(4)),
    ({"operator": UP_TO, "filter": ANY, "maximum_sequence": 0xFFFFFFFF}, range(8)),
    ({"operator": RANGE, "filter": ANY, "minimum_sequence": 2, "maximum_sequence": 4}, range(2, 5)),
    ({"operator": RANGE, "filter": ANY, "minimum_sequence": 4, "maximum_sequence": 4}, [4]),
    ({"operator": RANGE, "filter": ANY, "minimum_sequence": 7, "maximum_sequence": 70000}, [7]),
    ({"operator": RANGE, "filter": ANY, "minimum_sequence": 8, "maximum_sequence": 9}, []),
    ({"operator": FROM, "filter": REFERENCES, "minimum_sequence": 0}, REFERENCE_AT),
    ({"operator": FROM, "filter": REFERENCES, "minimum_sequence": 1}, REFERENCE_AT[1:]),
    ({"operator": FROM, "filter": OTHERS, "minimum_sequence": 4}, [4, 6, 7]),
    ({"operator": UP_TO, "filter": OTHERS, "maximum_sequence": 0}, []),
    ({"operator": RANGE, "filter": REFERENCES, "minimum_sequence": 1, "maximum_sequence": 4}, []),
])  # fmt: skip
def test_selections(grown, selection, expected):
    """Reported oldest first; none at all is 0x06 for a report and 0 for a number."""
    assert sequences(grown, **selection) == list(expected)
    assert grown.last_racp_code == (SUCCESS if list(expected) else NO_RECORDS)
    assert count(grown, **selection) == len(list(expected))


@pytest.mark.parametrize(("payload", "code"), [
    ("0f0f", 0x02), ("660f00000000", 0x02), ("0033", 0x02), ("ff", 0x02),
    ("330f", 0x03), ("3c0f", 0x03), ("5a0f", 0x03), ("5533", 0x03), ("5566", 0x03),
    ("3300", 0x04), ("3396", 0x04), ("3c00", 0x04), ("3c3d", 0x04), ("5aff", 0x04), ("5500", 0x04),
    ("33", 0x05), ("55", 0x05), ("3333" + "0f", 0x05), ("3355" + "0f" + "000000", 0x05), ("3355", 0x05),
    ("335a" + "0f" + "00000000", 0x05), ("335a" + "0f" + "05000000" + "04000000", 0x05), ("550f" + "00", 0x05),
    ("3c3333", 0x05), ("3c3c0f", 0x05), ("3c5a" + "0f" + "05000000" + "04000000", 0x05),
    ("3355" + "00" + "00000000", 0x09), ("3c3c" + "00" + "00000000", 0x09),
    ("3355" + "55" + "00000000", 0x09), ("5a3c" + "ff" + "00000000", 0x09),
])  # fmt: skip
def test_refusals(grown, payload, code):
    name, told = grown.raw_procedure(RACP, bytes.fromhex(payload))
    assert name == "RacpResponseCode"
    assert (told["operator"], told["request_opcode"], told["response_code"]) == (NULL, int(payload[:2], 16), code)
    assert grown.told(HISTORY) == []


# --- transfer ---


def long_history(bench):
    """At least 200 records."""
    for amount in range(100):
        bench.code("SetMaxBolusAmount", max_bolus_iu=5 + amount % 2)
    while count(bench) < 200:
        for amount in range(50):
            bench.code("SetMaxBolusAmount", max_bolus_iu=5 + amount % 2)


def begin_report(bench):
    """Write the request only."""
    bench.notifications.clear()
    assert bench.write_message("RacpReportStoredRecords", operator=ALL) == 0


def test_an_abort_stops_the_transfer(bench):
    """The line takes its time, so that the abort comes between two records; its answer is the only one."""
    long_history(bench)
    begin_report(bench)
    bench.run_for(0.02)
    assert bench.write_message("RacpAbort", operator=NULL) == 0
    name, told = bench.answer(RACP)
    assert (name, told["request_opcode"], told["response_code"]) == ("RacpResponseCode", ABORT, SUCCESS)
    sent = len(bench.told(HISTORY))
    bench.run_for(5)
    assert 0 < sent < 200 and bench.notifications == [] and bench.indications == []
    assert len(sequences(bench, operator=ALL)) >= 200


def test_an_abort_that_is_not_understood_stops_nothing(bench):
    long_history(bench)
    begin_report(bench)
    bench.run_for(0.02)
    assert bench.write_message("RacpAbort", operator=ALL) == 0
    assert bench.answer(RACP)[1]["response_code"] == 0x03
    assert bench.write_message("GetActiveBolusIds") == 0xFE
    bench.run_for(5)
    assert bench.answer(RACP)[1]["request_opcode"] == REPORT
    assert len(bench.told(HISTORY)) >= 200


def test_an_abort_with_nothing_to_stop_succeeds(bench):
    assert bench.procedure("RacpAbort", operator=NULL)[1]["response_code"] == SUCCESS


def test_the_pump_doses_while_it_reports(bench):
    """D-953: pulses keep their seconds while the line is full."""
    long_history(bench)
    bench.run_until(int(bench.now_s / 180) * 180 + 358)
    begin_report(bench)
    bench.run_for(10)
    assert all((after - before) == 180 for before, after in zip(bench.pulses, bench.pulses[1:], strict=False))
    assert len(bench.told(HISTORY)) >= 200


def test_a_report_ends_with_its_connection(bench):
    long_history(bench)
    begin_report(bench)
    bench.run_for(0.02)
    bench.subscribed()
    bench.run_for(5)
    assert bench.notifications == [] and bench.indications == []
    assert bench.procedure("GetActiveBolusIds")[0] == "GetActiveBolusIdsResponse"


def test_records_of_the_transfer_s_own_time_are_left_for_the_next(bench):
    long_history(bench)
    before = count(bench)
    begin_report(bench)
    bench.run_for(0.02)
    bench.write_message("EmulatorFault", fault_kind=0x3C, fault_value=5000)
    bench.run_for(5)
    bench.answer(RACP)
    assert len(bench.told(HISTORY)) == before
    assert count(bench) == before + 1
