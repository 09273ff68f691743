"""What goes over the air once it may: refusals, results of writes, prepared values, a full queue, and every moment at
which a connection can end (DOSING.md section 19).

Method: the firmware's bearer and services on CPython with a scripted stack; the pump behind them is the real one.
"""

import pytest

from firmware.ble_bench import (
    CONNECT,
    DISCONNECT,
    ENCRYPTION,
    INDICATE_DONE,
    MTU,
    PEER,
    READ_REQUEST,
    WRITE,
    AirBench,
)
from pumpwire import database, e2e
from pumpwire.enums import RadioCommand
from pumpwire.registry import MESSAGES

COMMAND, READER, RECORDS = (
    database.COMMAND_CONTROL_POINT, database.STATUS_READER_CONTROL_POINT, database.RECORD_ACCESS_CONTROL_POINT,
)  # fmt: skip
SETTINGS = database.CONTROLLER_SETTINGS
LOOK = "GetAvailableBoluses"
ALL_RECORDS = {"operator": 0x33}
NOT_COMPLETED, RACP_NOT_COMPLETED = 0x72, 0x08
ENOMEM_PLACES = 6


@pytest.fixture
def bench(tmp_path):
    """A pump with a secured peer, in Run with one flat profile, and nothing left to tell."""
    return running(AirBench(tmp_path).secure())


@pytest.fixture
def lab(tmp_path):
    """The same on a stack that cannot authenticate, with every configuration written."""
    bench = AirBench(tmp_path, stack="btstack")
    bench.connect()
    for characteristic in database.CHARACTERISTICS.values():
        if characteristic.handle in bench.bearer.stack_handles and characteristic.configuration_handle:
            configure(bench, characteristic, 3)
    bench.pair()
    quieten(bench)
    return bench


def configure(bench, characteristic, bits):
    """A client configuration as BTstack keeps it: the firmware is not told."""
    bench.stack.values[bench.handle(characteristic) + 1] = bytes((bits, 0))


def running(bench):
    """Therapy runs at 1 U/h."""
    pump = bench.pump
    pump.write_block(0, 0x33, 1, 1, 1440, 1000, 0)
    pump.complete_profile(0, 0x33, 1)
    pump.activate(0, [1], 0, 1)
    pump.set_therapy_state(0, 0x55)
    quieten(bench)
    return bench


def quieten(bench):
    """Confirm and take away all that is told."""
    while bench.taken():
        bench.confirm()


def records(bench, count):
    """So many records more in the history."""
    for number in range(count):
        bench.pump.set_max_bolus(bench.pump.now_s, 5000 + 1000 * (number % 2))
    quieten(bench)


def codes(told):
    """(message, request opcode, response code) of what control points told."""
    return [(name, fields["request_opcode"], int(fields["response_code"])) for _, name, fields in told]


# --- before the link is secure ---


def test_nothing_leaves_before_the_link_is_secure_and_what_changed_does_then(tmp_path):
    """D-1503: Status Changed is indicated when the peer is known."""
    bench = running(AirBench(tmp_path))
    bench.connect()
    bench.pump.set_therapy_state(bench.pump.now_s, 0x33)
    bench.run(20_000)
    assert bench.stack.sent == []
    assert bench.stack.requests == []
    bench.pair()
    assert [name for _, name, _ in bench.taken()] == ["IddStatusChanged"]
    assert bench.stack.requests


def test_a_write_that_the_stack_lets_through_before_does_nothing(tmp_path):
    """D-1502."""
    bench = AirBench(tmp_path)
    bench.connect()
    bench.write("SetTherapyControlState", therapy_control_state=0x55)
    assert bench.pump.therapy == 0x33
    assert bench.stack.sent == []


def test_every_value_and_every_configuration_is_protected_in_the_database(bench):
    """D-1502: what a stack is told when the services are registered."""
    for handle, flags in bench.stack.flags.items():
        if flags & 0x02:
            assert flags & 0x600 == 0x600, handle
        if flags & 0x08:
            assert flags & 0x3000 == 0x3000, handle
        if flags & 0x30:
            assert flags & 0x8000, handle


# --- procedures ---


def test_a_procedure_is_answered(bench):
    """D-1518."""
    assert bench.exchange(LOOK)[0] == "GetAvailableBolusesResponse"
    assert bench.exchange("GetCounter", counter_type=0x0F, counter_selection=0x33)[0] == "GetCounterResponse"


@pytest.mark.parametrize("damage", ["crc", "counter", "short", "none", "long"])
@pytest.mark.parametrize("on", [COMMAND, READER, RECORDS], ids=lambda on: on.constant)
def test_a_control_point_written_wrongly_ends_the_connection(bench, on, damage):
    """D-1510: nothing is done, and it counts."""
    message = next(m for m in MESSAGES.values() if m.on is on and m.opcode and m.examples and m.direction == "to_pump")
    octets = e2e.protect(message.examples[0].octets, 1, on.protection)
    octets = {
        "crc": octets[:-1] + bytes((octets[-1] ^ 1,)),
        "counter": e2e.protect(message.examples[0].octets, 2, on.protection),
        "short": octets[-3:],
        "none": b"",
        "long": e2e.protect(bytes(30), 1, on.protection),
    }[damage]
    failures = bench.server.e2e_failures()
    bench.write_octets(on, octets)
    assert bench.stack.hung_up == [3]
    assert bench.stack.sent == []
    assert not bench.bearer.connected
    assert bench.server.e2e_failures() - failures == 1
    bench.write(LOOK)
    assert bench.stack.sent == []


def test_a_collision_is_answered_after_what_runs(bench):
    """D-1511: on the same control point, and by no second one while the first waits."""
    bench.write(LOOK)
    bench.write("GetMaxBolusAmount")
    bench.write("CancelTbrAdjustment")
    (first,) = bench.taken()
    assert first[1] == "GetAvailableBolusesResponse"
    bench.confirm()
    assert codes(bench.taken()) == [("CommandResponseCode", MESSAGES["GetMaxBolusAmount"].opcode, NOT_COMPLETED)]
    bench.confirm()
    assert bench.taken() == []
    assert bench.exchange("GetMaxBolusAmount")[0] == "GetMaxBolusAmountResponse"


def test_a_collision_with_another_control_point_is_answered_at_once(bench):
    """D-1511: the reader is free to indicate while records are looked for."""
    records(bench, 3)
    bench.stack.queue_max = 1
    bench.write("RacpReportStoredRecords", **ALL_RECORDS)
    bench.write("GetActiveBolusIds")
    told = []
    while not told or told[-1][1] != "RacpResponseCode":
        told += bench.taken()
        if told and told[-1][0] == "indicate":
            bench.confirm()
        bench.run(10)
    reader = [entry for entry in told if entry[1] == "ReaderResponseCode"]
    assert codes(reader) == [("ReaderResponseCode", MESSAGES["GetActiveBolusIds"].opcode, NOT_COMPLETED)]


def test_a_record_access_that_collides_says_not_completed_in_its_own_words(bench):
    """D-1511: 0x08."""
    bench.write(LOOK)
    bench.write("RacpReportStoredRecords", **ALL_RECORDS)
    bench.taken()
    bench.confirm()
    told = bench.taken()
    assert codes(told) == [("RacpResponseCode", MESSAGES["RacpReportStoredRecords"].opcode, RACP_NOT_COMPLETED)]


def test_the_answer_of_a_refusal_ends_no_procedure(bench):
    """D-1511: what begins between a refusal and its confirmation goes on after it."""
    bench.write(LOOK)
    bench.write(LOOK)
    bench.taken()
    bench.confirm()
    assert len(bench.taken()) == 1
    bench.write("GetMaxBolusAmount")
    bench.write("GetActiveBolusIds")
    bench.confirm()
    assert [name for _, name, _ in bench.taken()] == ["GetMaxBolusAmountResponse"]
    bench.confirm()
    assert codes(bench.taken())[0][2] == NOT_COMPLETED


@pytest.mark.parametrize("on", ["command", "data"])
def test_a_missing_configuration_is_answered_where_the_stack_tells_of_it(lab, on):
    """D-1511: a control point that is not configured itself has no way to say so."""
    configure(lab, COMMAND if on == "command" else database.COMMAND_DATA, 0)
    lab.write("GetTemplateStatusAndDetails")
    told = lab.taken()
    if on == "command":
        assert told == []
    else:
        assert codes(told) == [("CommandResponseCode", MESSAGES["GetTemplateStatusAndDetails"].opcode, NOT_COMPLETED)]


# --- other writes ---


def test_each_write_of_a_setting_has_its_result(bench):
    """D-1512: in their order, each once."""
    bench.write("CarbAnnouncement", carbs_g=20, minutes_ago=0)
    counter = bench.counters[database.CARB_ANNOUNCEMENT].next()
    bench.write_octets(database.CARB_ANNOUNCEMENT, e2e.protect(b"\x14\x00\xff\x7f", counter))
    bench.write_octets(database.CARB_ANNOUNCEMENT, b"\1\2\3\4\5")
    bench.write_octets(database.CURRENT_TIME, b"\1\2\3")
    told = [fields for _, name, fields in bench.taken() if name == "EmulatorWriteResult"]
    handle = database.CARB_ANNOUNCEMENT.handle
    assert [(f["written_handle"], f["written_error"]) for f in told] == [
        (handle, 0), (handle, 0xFF), (handle, 0x81), (database.CURRENT_TIME.handle, 0x0D)
    ]  # fmt: skip
    assert bench.stack.hung_up == []


def test_what_is_read_after_a_refused_write_is_what_is_in_force(bench):
    """D-1512, D-1513: the stack has put the octets that were written where the value was."""
    before = bench.fields("ControllerSettings")[0]
    bench.write_octets(SETTINGS, bytes(20))
    assert bench.fields("ControllerSettings")[0] == before


# --- values ---


def test_what_is_read_is_the_state_of_the_second_to_come(bench):
    """D-1513: a pulse that is due then is counted, before it has left."""
    due_s = bench.pump.delivery.due_s()
    bench.run(1000 * due_s - 1001 - bench.clock.ticks_ms)
    before = bench.fields("EmulatorCounters")[0]["basal_pulses"]
    assert bench.motor.pulses.count(due_s) == 0
    bench.run(1)
    assert bench.clock.s == due_s - 1
    assert bench.fields("EmulatorCounters")[0]["basal_pulses"] == before + 1


def test_the_counter_of_a_value_goes_up_with_each_read(bench):
    """D-1513: 255 is followed by 1, and nothing else makes it go up."""
    seen = [bench.fields("IddFeatures")[1]]
    for number in range(300):
        if number % 50 == 0:
            bench.run(1000)
            bench.write("CarbAnnouncement", carbs_g=1, minutes_ago=0)
            quieten(bench)
        seen.append(bench.fields("IddFeatures")[1])
    assert seen == [number % 255 + 1 for number in range(len(seen))]


def test_a_value_that_is_told_and_read_has_one_counter_for_both(bench):
    """IDS 1.0.2, 3.12."""
    bench.exchange("ResetStatus", flags=0xFF)
    before = bench.fields("IddStatusChanged")[1]
    bench.pump.announce_carbs(bench.pump.now_s, 5, 0)
    bench.run()
    ((_, handle, value),) = bench.stack.sent
    assert handle == bench.handle(database.STATUS_CHANGED)
    assert e2e.check(value)[1] == before + 1
    assert bench.fields("IddStatusChanged")[1] == before + 2


def test_reads_count_for_the_connection_on_which_they_were(bench):
    """D-1509: however late the firmware looks."""
    handle = bench.handle(database.FEATURES)
    bench.interrupt(READ_REQUEST, 3, handle)
    bench.interrupt(DISCONNECT, 3, 0xFF, memoryview(bytes(6)))
    bench.interrupt(CONNECT, 3, PEER[0], memoryview(PEER[1:]))
    bench.interrupt(ENCRYPTION, 3, True, True, True, 16)
    bench.interrupt(READ_REQUEST, 3, handle)
    bench.run()
    assert bench.fields("IddFeatures")[1] == 2


def test_a_read_just_before_an_indication_has_taken_its_counter(bench):
    """IDS 1.0.2, 3.12: the stack gave it out while the firmware did something else."""
    bench.exchange("ResetStatus", flags=0xFF)
    before = bench.fields("IddStatusChanged")[1]
    bench.interrupt(READ_REQUEST, 3, bench.handle(database.STATUS_CHANGED))
    bench.pump.set_max_bolus(bench.pump.now_s, 6000)
    bench.server.run()
    ((_, _, value),) = bench.stack.sent
    assert e2e.check(value)[1] == before + 2


def test_time_and_health_are_those_of_the_second(bench):
    """D-1513: also when nothing happens to the pump."""
    for _ in range(5):
        assert bench.fields("EmulatorHealth")[0]["uptime_s"] == bench.clock.s
        bench.run(1000)


def test_counters_begin_with_a_connection(bench):
    """D-1509."""
    assert bench.fields("IddFeatures")[1] == 1
    assert bench.fields("IddFeatures")[1] == 2
    bench.drop()
    bench.connect()
    bench.encrypt()
    assert bench.fields("IddFeatures")[1] == 1


# --- pacing ---


def test_a_full_queue_makes_the_sender_wait_and_nothing_is_lost(bench):
    """D-1514: records and what is told besides, each once and in its order."""
    records(bench, 200)
    bench.stack.queue_max = ENOMEM_PLACES
    bench.write("RacpReportStoredRecords", **ALL_RECORDS)
    told = []
    while not told or told[-1][1] != "RacpResponseCode":
        bench.run(5)
        told += bench.taken()
        if told and told[-1][1] == "IddStatusChanged":
            bench.confirm()
    sequences = [fields["sequence"] for kind, _, fields in told if kind == "notify"]
    assert len(sequences) > 200
    assert sequences == list(range(sequences[0], sequences[0] + len(sequences)))


def test_results_wait_for_room_too(bench):
    """D-1514, D-1512."""
    bench.stack.queue_max = 0
    for grams in range(1, 20):
        bench.write("CarbAnnouncement", carbs_g=grams, minutes_ago=0)
    assert bench.stack.sent == []
    bench.stack.queue_max = 1000
    bench.run(10)
    assert len([1 for _, name, _ in bench.taken() if name == "EmulatorWriteResult"]) == 19


def test_more_than_can_be_kept_ends_the_connection(bench):
    """D-1514: nothing is lost unseen."""
    bench.stack.queue_max = 0
    for _ in range(100):
        if not bench.bearer.connected:
            break
        bench.write("CarbAnnouncement", carbs_g=1, minutes_ago=0)
    assert bench.stack.hung_up == [3]
    assert bench.fields("EmulatorHealth")[0]["dropped_frames"] == 1


def test_more_events_than_there_is_room_for_end_the_connection(bench):
    """D-1514: and the pump can be found again when it has ended."""
    for _ in range(200):
        bench.interrupt(INDICATE_DONE, 3, 0, 1)
    bench.run()
    assert bench.stack.hung_up == [3]
    bench.drop()
    assert bench.stack.advertised is not None
    bench.connect()
    bench.encrypt()
    assert bench.exchange(LOOK)[0] == "GetAvailableBolusesResponse"


def test_a_stack_that_takes_everything_is_not_given_everything(tmp_path):
    """D-1514: BTstack would keep it all on the heap."""
    bench = AirBench(tmp_path, stack="btstack")
    bench.connect()
    for characteristic in (RECORDS, database.HISTORY_DATA):
        configure(bench, characteristic, 3)
    bench.pair()
    records(running(bench), 100)
    bench.write("RacpReportStoredRecords", **ALL_RECORDS)
    before = len(bench.stack.sent)
    assert before < 20
    bench.run(1000)
    assert before < len(bench.stack.sent) < 100


@pytest.mark.parametrize(("said", "used"), [(0, 23), (22, 23), (23, 23), (185, 185), (247, 247), (517, 247)])
def test_the_mtu_is_told_as_it_is_used(bench, said, used):
    """D-1514."""
    bench.tell(MTU, 3, said)
    assert bench.security.mtu == used


def test_all_notifications_fit_the_least_mtu(bench):
    """D-1514: 20 octets."""
    records(bench, 20)
    bench.write("RacpReportStoredRecords", **ALL_RECORDS)
    bench.run(1000)
    assert max(len(value) for _, _, value in bench.stack.sent) <= 20


# --- connections that end ---


def reconnected(bench):
    """The peer comes back, and a procedure works."""
    bench.drop()
    bench.taken()
    bench.connect(PEER)
    bench.encrypt()
    quieten(bench)
    assert bench.exchange("GetMaxBolusAmount")[0] == "GetMaxBolusAmountResponse"


def test_a_bolus_runs_though_its_answer_was_never_heard(bench):
    """D-1517."""
    bench.write(
        "SetBolus", flags=0, bolus_type=0x33, fast_amount_iu=1, extended_amount_iu=0, duration_minutes=0
    )  # fmt: skip
    reconnected(bench)
    assert bench.exchange("GetActiveBolusIds")[1]["bolus_ids"] == [1]
    bench.run(60_000)
    assert bench.pump.delivery.bolus_pulses == 20


def test_a_stream_of_records_ends_with_its_connection(bench):
    """D-1517: in the middle, with the queue full."""
    records(bench, 100)
    bench.stack.queue_max = ENOMEM_PLACES
    bench.write("RacpReportStoredRecords", **ALL_RECORDS)
    bench.run(100)
    assert len(bench.stack.sent) == ENOMEM_PLACES
    reconnected(bench)
    bench.run(1000)
    assert [name for kind, name, _ in bench.taken() if kind == "notify"] == []


def test_a_profile_that_was_not_written_to_its_end_is_dropped(bench):
    """D-1517."""
    block = {"template_number": 2, "first_block_number": 1, "duration_minutes_1": 720, "rate_iu_per_h_1": 2}
    assert bench.exchange("WriteBasalRateTemplate", flags=0, **block)[0] == "WriteBasalRateTemplateResponse"
    reconnected(bench)
    rest = block | {"first_block_number": 2}
    assert bench.exchange("WriteBasalRateTemplate", flags=1, **rest)[1]["response_code"] == 0x75
    assert not bench.pump.templates.configured(2)


def test_what_is_queued_for_a_peer_that_is_gone_is_sent_to_nobody(bench):
    """D-1509, D-1517: also when the stack finds out before it tells."""
    bench.stack.broken = True
    bench.write(LOOK)
    bench.drop()
    bench.stack.broken = False
    bench.connect()
    bench.encrypt()
    assert [name for _, name, _ in bench.taken() if name != "IddStatusChanged"] == []


@pytest.mark.parametrize(("after_ms", "silent"), [(29_999, False), (30_000, True)])
def test_an_indication_that_nobody_confirms_silences_the_connection(bench, after_ms, silent):
    """D-1517: as on serial."""
    bench.write(LOOK)
    bench.taken()
    bench.run(after_ms)
    if silent:
        bench.confirm(status=13)
    else:
        bench.confirm()
    bench.write("GetMaxBolusAmount")
    assert (bench.taken() == []) is silent
    reconnected(bench)


def test_delivery_goes_on_whatever_the_radio_does(bench):
    """D-1517: connections that come and go, writes that are damaged, and one pulse every three minutes."""
    start_s = bench.clock.s
    for round_ in range(20):
        bench.write_octets(COMMAND, bytes(round_))
        bench.drop()
        bench.run(10_000)
        bench.connect()
        bench.encrypt()
        bench.run(80_000)
    minutes = (bench.clock.s - start_s) / 60
    assert abs(len(bench.motor.pulses) - minutes / 3) <= 1


def test_what_a_client_configured_ends_with_its_connection(lab):
    """D-1509: BTstack keeps it, for whoever comes next."""
    assert lab.exchange(LOOK)
    lab.drop()
    lab.connect()
    lab.encrypt(authenticated=False)
    lab.pump.set_therapy_state(lab.pump.now_s, 0x55)
    lab.write(LOOK)
    lab.run(2000)
    assert lab.stack.sent == []


def test_nothing_begins_on_a_connection_that_the_pump_has_ended(bench):
    """D-1510: encryption that is told of late, and what was written behind the wrong write."""
    bench.interrupt(WRITE, 3, bench.handle(COMMAND))
    bench.encrypt()
    bench.write(LOOK)
    assert bench.stack.hung_up == [3]
    assert not bench.bearer.connected
    assert bench.stack.sent == []
    reconnected(bench)


def test_an_event_without_memory_for_it_ends_the_connection(bench, monkeypatch):
    """D-1514: nothing is lost unseen, on a heap that is full in the interrupt, too."""

    def full(handle):
        raise MemoryError

    monkeypatch.setattr(bench.stack, "gatts_read", full)
    assert bench.interrupt(WRITE, 3, bench.handle(COMMAND)) is None
    bench.run()
    assert bench.stack.hung_up == [3]


def test_flight_mode_is_silence_for_a_while(bench):
    """D-1507: nobody stands at the pump to end it."""
    bench.write("SetFlightMode")
    assert [name for _, name, _ in bench.taken()] == ["CommandResponseCode"]
    bench.confirm()
    assert bench.stack.hung_up == [3]
    bench.drop()
    assert bench.stack.advertised is None
    bench.run(10_000)
    assert bench.stack.advertised is not None


# --- lab only ---

THERAPY = [
    ("SetTherapyControlState", {"therapy_control_state": 0x55}),
    ("CancelTbrAdjustment", {}),
    ("StopPriming", {}),
    ("SetMaxBolusAmount", {"max_bolus_iu": 5}),
]


@pytest.mark.parametrize(("name", "fields"), THERAPY, ids=lambda value: value if isinstance(value, str) else "")
def test_a_peer_that_nobody_knows_commands_no_therapy(lab, name, fields):
    """D-1515."""
    told, answer = lab.exchange(name, **fields)
    assert (told, answer["response_code"]) == ("CommandResponseCode", NOT_COMPLETED)
    assert lab.pump.therapy == 0x33


def test_a_peer_that_nobody_knows_may_look(lab):
    """D-1515: at the command control point, the reader, and the records."""
    assert lab.exchange(LOOK)[0] == "GetAvailableBolusesResponse"
    assert lab.exchange("GetActiveBolusIds")[0] == "GetActiveBolusIdsResponse"
    assert lab.exchange("RacpReportNumberOfStoredRecords", **ALL_RECORDS)[0] == "RacpNumberOfStoredRecordsResponse"
    assert lab.exchange("RacpDeleteStoredRecords", **ALL_RECORDS)[1]["response_code"] == RACP_NOT_COMPLETED


def test_a_peer_that_nobody_knows_sets_no_clock_and_feeds_no_controller(lab):
    """D-1515."""
    before = lab.pump.wall.day(0)
    lab.write_octets(database.CURRENT_TIME, MESSAGES["CurrentTime"].examples[0].octets)
    assert lab.pump.wall.day(0) == before
    lab.run(60_000)
    assert lab.stack.requests == []


def test_lab_use_that_is_allowed_lifts_it(lab):
    """D-1516: on the connection that there is."""
    lab.security.command(0, RadioCommand.ALLOW_LAB, 0, b"bench")
    running(lab)
    assert lab.exchange("SetTherapyControlState", therapy_control_state=0x33)[1]["response_code"] == 0x0F
    lab.run(2000)
    assert lab.stack.requests


def test_a_write_of_a_handle_that_is_unknown_does_nothing(bench):
    """A stack that tells of what it was not asked for."""
    bench.stack.values[999] = b"\0"
    bench.tell(WRITE, 3, 999)
    assert bench.stack.sent == []
    assert bench.bearer.connected
