"""The rules of the radio (DOSING.md section 19), one by one, against the real firmware on the virtual radio.

Method: a central in the test's hand on the air, a client on the cable beside it, which sets up therapy and tells what
the pump really does.
"""

import pytest

from pumplink import VirtualBoard, VirtualPump
from pumplink.errors import AttError
from pumpwire import database, e2e
from pumpwire.enums import BolusType, FaultKind, RadioFlags, RadioState, TherapyControlState
from pumpwire.registry import MESSAGES
from radio.central import LATER, NEEDS_RADIO, NOTHING, Central

pytestmark = NEEDS_RADIO

COMMAND, READER, RECORDS = (
    database.COMMAND_CONTROL_POINT, database.STATUS_READER_CONTROL_POINT, database.RECORD_ACCESS_CONTROL_POINT,
)  # fmt: skip
POINTS = (COMMAND, READER, RECORDS)
RESULT = database.EMULATOR_WRITE_RESULT
NOT_COMPLETED = 0x72
LOCK_S, BONDED_S = 300, 10
SECOND = "C4:00:00:00:00:02"
TOTAL = MESSAGES["GetTotalDailyInsulinStatus"].examples[0].octets
BOLUS = dict(
    flags=0, bolus_type=BolusType.FAST, fast_amount_iu=1, extended_amount_iu=0, duration_minutes=0,
)  # fmt: skip


class Rig:
    """A board with a client on its cable, and a central on the air."""

    def __init__(self, **options):
        self.board = VirtualBoard(ble=True, **options).start()
        self.cable = VirtualPump(self.board).__enter__()
        self.central = Central(self.board)

    def central_of(self, **options):
        return Central(self.board, name="second", address=SECOND, **options)

    def radio(self):
        """How the radio stands, once the pump has seen what happened on the air."""
        self.cable.run_for(0.5)
        return self.cable.radio()

    def close(self):
        self.board.stop()


@pytest.fixture
def rig():
    """A board whose stack can authenticate."""
    rig = Rig()
    yield rig
    rig.close()


@pytest.fixture
def lab():
    """A board whose stack cannot."""
    rig = Rig(ble_stack="btstack")
    rig.central = rig.central_of(io=NOTHING)
    yield rig
    rig.close()


# --- Pairing and bonds ---


def wrong(rig):
    return lambda: (rig.board.radio.passkeys[-1] + 1) % 1_000_000


def fails(rig, central):
    """One pairing with a wrong passkey, on a connection of its own; the DUT second of its end."""
    central.passkey = wrong(rig)
    central.connect()
    assert not central.pair()
    central.disconnect()
    return rig.board.now_s


def test_each_pairing_has_a_passkey_of_its_own_and_the_cable_tells_it(rig):
    """D-1504: on the console with six digits, over the cable while it is wanted, and not before and after."""
    central, keys = rig.central, rig.board.radio.passkeys
    assert rig.radio().passkey is None
    typed = [LATER]
    central.passkey = lambda: typed[0]
    central.connect()
    pairing = rig.board.radio.task(central.connection.pair())
    central.wait(2)
    shown = rig.radio().passkey
    assert shown == keys[-1] and any(f"{shown:06d}" in line for line in rig.board.output)
    typed[0] = shown
    central.wait(5)
    assert pairing.done() and pairing.exception() is None
    radio = rig.radio()
    assert radio.passkey is None and radio.state is RadioState.ENCRYPTED
    assert RadioFlags.PEER_AUTHENTICATED in radio.flags and RadioFlags.PEER_BONDED in radio.flags
    rig.cable.forget_all_bonds()
    central.wait(1)
    central.keys.all_keys.clear()
    central.passkey = lambda: keys[-1]
    central.connect()
    assert central.pair()
    assert len(set(keys)) == len(keys) == 2


def test_three_wrong_passkeys_lock_pairing_and_bonded_peers_do_not_mind(rig):
    """D-1505: 300 s from the third; the bonded peer encrypts meanwhile."""
    bonded, stranger = rig.central.secured(), rig.central_of()
    bonded.disconnect()
    ends = []
    for _ in range(3):
        bonded.wait(BONDED_S + 1)
        assert not rig.radio().locked_s
        ends.append(fails(rig, stranger))
    radio = rig.radio()
    assert RadioFlags.PAIRING_LOCKED in radio.flags and LOCK_S - 2 <= radio.locked_s <= LOCK_S
    bonded.connect()
    assert bonded.encrypt()
    bonded.disconnect()
    stranger.passkey = lambda: rig.board.radio.passkeys[-1]
    rig.cable.run_until(ends[-1] + LOCK_S - 2)
    stranger.connect()
    stranger.wait(1)
    assert not stranger.connected
    rig.cable.run_until(ends[-1] + LOCK_S + BONDED_S + 2)
    assert stranger.secured().connected
    assert rig.radio().failed_pairings == 0


def test_two_wrong_passkeys_do_not(rig):
    """D-1505, its boundary: a success starts the count anew."""
    for _ in range(2):
        fails(rig, rig.central)
    assert rig.radio().failed_pairings == 2
    rig.central.passkey = lambda: rig.board.radio.passkeys[-1]
    rig.central.secured()
    assert rig.radio().failed_pairings == 0 and not rig.radio().locked_s


def test_a_bond_outlasts_the_power_and_ends_when_it_is_removed(rig):
    """D-1506."""
    central = rig.central.secured()
    rig.board.kill()
    rig.board.start()
    rig.cable.link.open()
    shown = len(rig.board.radio.passkeys)
    central.connect()
    assert central.encrypt() and len(rig.board.radio.passkeys) == shown
    assert rig.radio().bonds == 1
    rig.cable.forget_bond(0)
    central.wait(1)
    assert not central.connected and rig.radio().bonds == 0
    central.connect()
    assert not central.encrypt()
    with pytest.raises(AttError, match="0xFF"):
        rig.cable.forget_bond(0)


def test_three_bonds_are_kept(rig):
    """D-1506."""
    peers = [Central(rig.board, f"peer {n}", f"C4:00:00:00:01:{n:02X}") for n in range(3)]
    for peer in peers:
        peer.secured()
        peer.disconnect()
        peer.wait(BONDED_S + 1)
    assert rig.radio().bonds == 3
    for peer in peers:
        peer.connect()
        assert peer.encrypt()
        peer.disconnect()
        peer.wait(1)


# --- Advertising, and one central ---


def test_what_the_pump_advertises(rig):
    """D-1507: a pump without a bond is discoverable at once."""
    rig.cable.run_for(1)
    heard = rig.central.heard(2)
    assert heard and all(one.is_connectable for one in heard)
    flags = {one.data.get(0x01) for one in heard} - {None}
    assert {int(flag) for flag in flags} == {0x06}
    assert any(b"\x3a\x18" in bytes(one.data) for one in heard)
    appearance = {bytes(entry) for one in heard for kind, entry in one.data.ad_structures if int(kind) == 0x19}
    assert appearance and all(int.from_bytes(entry, "little") >> 6 == 0x35 for entry in appearance)
    assert rig.radio().state is RadioState.ADVERTISING


def test_after_a_drop_the_pump_is_there_for_bonded_peers_first(rig):
    """D-1507: ten seconds, in which a stranger is disconnected; then it is discoverable."""
    central, stranger = rig.central.secured(), rig.central_of()
    central.disconnect()
    dropped_s = rig.board.now_s
    central.wait(2)
    assert rig.radio().state is RadioState.ADVERTISING_BONDED
    assert {int(one.data.get(0x01)) for one in stranger.heard(1) if one.data.get(0x01) is not None} == {0x04}
    stranger.connect()
    stranger.wait(1)
    assert not stranger.connected
    rig.cable.run_until(dropped_s + BONDED_S + 5)
    assert rig.radio().state is RadioState.ADVERTISING
    stranger.connect()
    stranger.wait(1)
    assert stranger.connected


def test_a_second_central_finds_nobody(rig):
    """D-1508: and the first one notices nothing."""
    rig.central.secured()
    second = rig.central_of()
    assert second.heard(3) == []
    with pytest.raises((TimeoutError, Exception)):
        second.connect(within_s=3)
    assert rig.central.connected and rig.central.read(database.FEATURES)[:1] == b"\x0b"


def test_who_does_not_secure_the_link_does_not_keep_it(rig):
    """D-1508: 30 s, then somebody else has a chance."""
    rig.central.connect()
    rig.central.wait(29)
    assert rig.central.connected
    rig.central.wait(2)
    assert not rig.central.connected


# --- What a connection has of its own, and writes that are wrong ---


def test_cable_and_air_count_by_themselves(rig):
    """D-1509: and a new connection begins with 1."""
    for _ in range(3):
        rig.cable.features()
    for _ in range(2):
        central = rig.central
        central.connect()
        assert central.encrypt() if central.keys.all_keys else central.pair()
        central.discover()
        assert central.read(database.FEATURES)[3] == 1
        central.disconnect()
        central.wait(1)
    rig.cable.features()


def damaged():
    good = e2e.protect(TOTAL, 1)
    return {"crc": good[:-1] + bytes((good[-1] ^ 1,)), "counter": e2e.protect(TOTAL, 2), "none": TOTAL,
            "short": good[:2], "empty": b"", "long": good + bytes(20 - len(good) + 1)}  # fmt: skip


@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.constant)
@pytest.mark.parametrize("what", ["crc", "counter", "none", "short", "empty"])
def test_a_wrong_write_of_a_control_point_ends_the_connection(rig, point, what):
    """D-1510: nothing is done, and the failure is counted."""
    central = rig.central.secured()
    before = rig.cable.health().e2e_failures
    central.send(b"\x12" + central.values[point].to_bytes(2, "little") + damaged()[what])
    central.wait(2)
    assert not central.connected
    handle = central.values[point].to_bytes(2, "little")
    assert [pdu for pdu in central.pdus if pdu[1:3] == handle] == []
    assert rig.cable.health().e2e_failures == before + 1


def test_a_second_procedure_is_answered_that_it_was_not_completed(rig):
    """D-1511: after the answer of the one that runs."""
    central = rig.central.secured()
    central.subscribe(*POINTS)
    central.confirming = False
    assert central.tell("GetTotalDailyInsulinStatus") == 0
    assert central.told(READER) is not None
    assert central.tell("SetTherapyControlState", therapy_control_state=TherapyControlState.STOP) == 0
    assert central.told(COMMAND, within_s=1) is None
    central.send(b"\x1e")
    refused = central.told(COMMAND)
    assert refused.fields["response_code"] == NOT_COMPLETED


def test_what_becomes_of_each_write_is_told(rig):
    """D-1512: done, refused, wrongly protected; the connection stays."""
    central = rig.central.secured()
    central.subscribe(RESULT)
    fault = database.EMULATOR_FAULT
    assert central.tell("EmulatorFault", fault_kind=FaultKind.BATTERY_LEVEL, fault_value=50) == 0
    assert central.result() == (fault.handle, 0)
    assert central.tell("EmulatorFault", fault_kind=FaultKind.BATTERY_LEVEL, fault_value=101) == 0
    assert central.result() == (fault.handle, 0xFF)
    assert central.tell("EmulatorFault", counter=9, fault_kind=FaultKind.BATTERY_LEVEL, fault_value=20) == 0
    assert central.result() == (fault.handle, 0x82)
    assert central.write_error(central.values[fault], b"\x5a\x00\x00") == 0
    assert central.result() == (fault.handle, 0x81)
    assert central.write_error(central.values[database.CURRENT_TIME], b"\xea\x07\x0d\x01\x00\x00\x00\x00\x00\x00") == 0
    assert central.result()[0] == database.CURRENT_TIME.handle
    assert central.connected and rig.cable.battery_percent() == 50


# --- Reads, MTU, streams ---


def test_a_read_gives_the_state_of_the_next_second(rig):
    """D-1513: the counters over the air are those over the cable, half a second before each pulse and after it."""
    rig.cable.write_basal_profile([(1440, 6)])
    rig.cable.activate(1)
    rig.cable.start()
    central = rig.central.secured()
    seen = set()
    for _ in range(70):
        rig.cable.run_until(int(rig.board.now_s) + 1.5)
        over_air = e2e.check(central.read(database.EMULATOR_COUNTERS)[1:])[0]
        fields = MESSAGES["EmulatorCounters"].parse(over_air).fields
        assert fields["basal_pulses"] == rig.cable.pulse_counters().basal
        seen.add(fields["basal_pulses"])
    assert len(seen) == 3


@pytest.mark.parametrize(("said", "kept"), [
    (0, 23), (22, 23), (23, 23), (100, 100), (247, 247), (248, 247), (65535, 247),
])  # fmt: skip
def test_whatever_mtu_a_peer_says_records_arrive_whole(rig, said, kept):
    """D-1514: numbered without a gap, at every MTU."""
    central = rig.central.secured()
    central.request(b"\x02" + said.to_bytes(2, "little"))
    assert rig.radio().mtu == kept
    central.subscribe(RECORDS, database.HISTORY_DATA)
    answer = central.ask("RacpReportStoredRecords", operator=0x33)
    assert answer["response_code"] == 0xF0
    records = []
    while (record := central.told(database.HISTORY_DATA, within_s=0.1)) is not None:
        records.append(record.fields["sequence"])
    assert records == list(range(len(records))) and records


# --- Lab only ---


def commands():
    """Every message to the Command Control Point, and whether it only looks."""
    for message in MESSAGES.values():
        if message.on is COMMAND and message.direction == "to_pump":
            yield message, message.name.startswith(("Get", "Read"))


def test_a_pump_that_cannot_authenticate_says_so_and_does_nothing_for_a_stranger(lab):
    """D-1515: each message of the Command Control Point, and deletes; vendor services are not on the air (D-1501)."""
    assert any("lab only" in line for line in lab.board.output)
    assert RadioFlags.LAB_ONLY in lab.radio().flags
    central = lab.central.secured()
    assert database.EMULATOR_FAULT not in central.values and RESULT not in central.values
    central.subscribe(*POINTS, database.COMMAND_DATA, database.HISTORY_DATA)
    for message, looks in commands():
        told = central.ask(message.name, **message.examples[0].fields)
        assert (told.get("response_code") == NOT_COMPLETED) != looks, message.name
    assert central.ask("RacpDeleteStoredRecords", operator=0x33)["response_code"] == 0x08
    before = lab.cable.clock()
    central.tell("CurrentTime", **MESSAGES["CurrentTime"].examples[0].fields)
    assert lab.cable.clock() == before
    assert central.ask("GetTotalDailyInsulinStatus")
    assert lab.cable.pulse_counters().bolus == 0


def test_lab_use_is_allowed_by_name_until_it_is_forbidden_or_the_board_starts(lab):
    """D-1516."""
    with pytest.raises(AttError, match="0xFF"):
        lab.cable.allow_lab("another board")
    lab.cable.allow_lab("virtual")
    assert RadioFlags.LAB_ALLOWED in lab.radio().flags
    assert any("lab use allowed" in line for line in lab.board.output)
    central = lab.central.secured()
    central.subscribe(*POINTS)
    stop = dict(therapy_control_state=TherapyControlState.STOP)
    assert central.ask("SetTherapyControlState", **stop)["response_code"] != NOT_COMPLETED
    lab.cable.forbid_lab()
    assert central.ask("SetTherapyControlState", **stop)["response_code"] == NOT_COMPLETED
    lab.cable.allow_lab("virtual")
    lab.board.kill()
    lab.board.start()
    lab.cable.link.open()
    assert RadioFlags.LAB_ALLOWED not in lab.radio().flags


def test_a_pump_that_can_authenticate_has_no_lab_use(rig):
    """D-1516, its boundary."""
    with pytest.raises(AttError, match="0xFF"):
        rig.cable.allow_lab("virtual")
    assert not any("lab only" in line for line in rig.board.output)


# --- A link that is lost ---


def test_a_peer_that_never_confirms_hears_no_more(rig):
    """D-1517, its boundary: after 30 s, and the pump goes on."""
    central = rig.central.secured()
    central.subscribe(*POINTS, database.STATUS_CHANGED)
    central.confirming = False
    assert central.tell("GetTotalDailyInsulinStatus") == 0
    assert central.told(READER) is not None
    central.wait(31)
    central.pdus.clear()
    rig.cable.inject_fault(FaultKind.RESERVOIR_LEVEL, 1)
    central.wait(60)
    assert [pdu for pdu in central.pdus if pdu[0] in (0x1B, 0x1D)] == []
    assert rig.cable.status().reservoir_iu < 1


def test_a_bolus_whose_answer_was_not_heard_runs(rig):
    """D-1517 and D-1518: to the pulse as it would over the cable."""
    rig.cable.write_basal_profile([(1440, 0)])
    rig.cable.activate(1)
    rig.cable.start()
    central = rig.central.secured()
    central.subscribe(COMMAND)
    central.send(b"\x12" + central.values[COMMAND].to_bytes(2, "little")
                 + e2e.protect(MESSAGES["SetBolus"].build(**BOLUS), 1))  # fmt: skip
    rig.board.radio.settle()
    rig.board.radio.vanish(central.device)
    rig.cable.run_for(60)
    assert rig.cable.pulse_counters().bolus == 20
