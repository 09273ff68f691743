"""Who may speak to the pump over the air: passkeys, bonds, the lock, and who is let in (DOSING.md section 19).

Method: the firmware's bearer on CPython with a scripted stack, which does what the test says at the moment it says.
"""

import pytest

from firmware.ble_bench import ENCRYPTION, PASSKEY_ACTION, PEER, STRANGER, AirBench
from pumpwire.enums import RadioCommand, RadioFlags, RadioStack, RadioState

LOCK_MS, BONDED_MS, SECURE_MS, SAVE_AGAIN_MS = 300_000, 10_000, 30_000, 60_000
SUCCESS, OUT_OF_RANGE = 0x0F, 0x73
FEW_TORN = 40


def peer(number):
    """The address of one of many."""
    return bytes((1, 0xC0, 0, 0, 0, 0, number))


@pytest.fixture
def bench(tmp_path):
    """A pump that nobody has bonded with."""
    return AirBench(tmp_path)


def locked_out(bench):
    """Three wrong passkeys in a row."""
    for _ in range(3):
        bench.connect(STRANGER)
        bench.fail()
        bench.drop()


# --- pairing ---


def test_each_pairing_has_a_passkey_of_its_own_that_is_shown_until_it_ends(bench):
    """D-1504."""
    seen = set()
    for number in range(4):
        bench.connect(peer(number))
        bench.tell(PASSKEY_ACTION, 3, 3, 0)
        passkey = bench.security.passkey
        assert bench.stack.passkeys[-1] == passkey
        assert bench.said[-1] == f"pumprig: passkey {passkey:06d}"
        seen.add(passkey)
        bench.keep_secrets(peer(number))
        bench.encrypt()
        assert bench.security.passkey == -1
        bench.drop()
        bench.run(BONDED_MS)
    assert len(seen) == 4


def test_secure_connections_with_a_displayed_passkey_are_asked_for(bench):
    """D-1504, D-1514."""
    wanted = {"bond": True, "mitm": True, "le_secure": True, "io": 0, "mtu": 247}
    assert wanted.items() <= bench.stack.settings.items()


def test_nothing_but_a_passkey_to_show_makes_a_pairing(bench):
    """D-1504: a peer that wants to show one itself, or to compare numbers, is gone."""
    for action in (2, 4):
        bench.connect(STRANGER)
        bench.tell(PASSKEY_ACTION, 3, action, 0)
        assert bench.stack.hung_up.pop() == 3
        bench.drop()


@pytest.mark.parametrize(("failures", "locked"), [(1, False), (2, False), (3, True)])
def test_the_third_wrong_passkey_locks(bench, failures, locked):
    """D-1505."""
    for _ in range(failures):
        bench.connect(STRANGER)
        bench.fail()
        bench.drop()
    assert bench.security.failed_pairings == failures
    assert bool(bench.security.flags & RadioFlags.PAIRING_LOCKED) is locked
    bench.connect(STRANGER)
    assert bool(bench.stack.hung_up) is locked


def test_who_goes_without_having_proven_the_passkey_has_failed(bench):
    """D-1505."""
    for _ in range(3):
        bench.connect(STRANGER)
        bench.tell(PASSKEY_ACTION, 3, 3, 0)
        bench.drop()
    assert bench.security.locked()


def test_a_pairing_that_succeeds_starts_the_count_again(bench):
    """D-1505."""
    for _ in range(3):
        for _ in range(2):
            bench.connect(STRANGER)
            bench.fail()
            bench.drop()
        bench.run(BONDED_MS)
        bench.secure()
        bench.drop()
        bench.run(BONDED_MS)
    assert not bench.security.locked()


def test_the_lock_ends_after_300_s_and_not_before(bench):
    """D-1505: at the third failure + 300 s the pump pairs again, and the count begins anew."""
    locked_out(bench)
    assert bench.security.locked_s() == LOCK_MS // 1000
    bench.run(LOCK_MS - 1)
    assert bench.security.locked_s() == 1
    bench.connect(STRANGER)
    assert bench.stack.hung_up
    bench.drop()
    bench.run(1)
    assert bench.security.locked_s() == 0
    bench.stack.hung_up.clear()
    for _ in range(2):
        bench.connect(STRANGER)
        bench.fail()
        bench.drop()
    bench.connect(STRANGER)
    assert not bench.stack.hung_up


def test_a_bonded_peer_encrypts_while_pairing_is_locked(bench):
    """D-1505."""
    bench.secure()
    bench.drop()
    bench.run(BONDED_MS)
    locked_out(bench)
    bench.connect(PEER)
    bench.encrypt()
    assert bench.security.state == RadioState.ENCRYPTED


def test_a_peer_that_is_connected_when_pairing_is_locked_gets_no_passkey(bench):
    """D-1505: a fourth try on the same connection."""
    bench.connect(STRANGER)
    for _ in range(3):
        bench.fail()
    shown = len(bench.stack.passkeys)
    bench.tell(PASSKEY_ACTION, 3, 3, 0)
    assert len(bench.stack.passkeys) == shown
    assert bench.stack.hung_up


# --- bonds ---


def test_a_bond_survives_a_restart(bench):
    """D-1506."""
    bench.secure()
    again = bench.restart()
    assert again.security.bonds == 1
    assert again.interrupt(29, 2, 0, None) is not None
    again.connect()
    again.encrypt()
    assert again.security.state == RadioState.ENCRYPTED
    assert again.stack.passkeys == []


def test_the_stack_finds_its_secrets_by_key_and_by_number(bench):
    """D-1506: NimBLE looks a peer's secret up, and counts them."""
    for number in range(3):
        bench.keep_secrets(peer(number))
    for number in range(3):
        key = peer(number)[:1] + peer(number)[6:0:-1]
        assert bench.interrupt(29, 2, 0, memoryview(key))[:7] == key
        assert bench.interrupt(29, 2, number, None)[:7] == key
    assert bench.interrupt(29, 2, 3, None) is None
    assert bench.interrupt(30, 2, memoryview(key), None) is True
    assert bench.interrupt(30, 2, memoryview(key), None) is False
    assert bench.interrupt(29, 2, 0, memoryview(key)) is None


def test_the_oldest_bond_makes_room(bench):
    """D-1506: at least three are kept."""
    for number in range(6):
        bench.connect(peer(number))
        bench.pair(peer(number))
        bench.drop()
        bench.run(BONDED_MS)
    assert bench.security.bonds >= 3
    kept = bench.bearer.bonds.peers
    assert kept == [peer(number) for number in range(6)][-len(kept) :]
    assert bench.interrupt(29, 2, 0, memoryview(b"\x01\x00\x00\x00\x00\x00\xc0")) is None


def test_a_store_that_is_full_says_so(bench):
    """D-1506: the stack then takes its oldest peer away and tries again."""
    answers = [bench.interrupt(30, 7, memoryview(bytes((n,))), memoryview(b"value")) for n in range(20)]
    assert answers[0] is True
    assert answers[-1] is False


def test_one_bond_is_removed_or_all_of_them(bench):
    """D-1506."""
    for number in range(3):
        bench.connect(peer(number))
        bench.pair(peer(number))
        bench.drop()
        bench.run(BONDED_MS)
    command = bench.security.command
    assert command(0, RadioCommand.FORGET_BOND, 3, b"") == OUT_OF_RANGE
    assert command(0, RadioCommand.FORGET_BOND, 1, b"") == SUCCESS
    assert bench.security.bonds == 2
    bench.run()
    again = bench.restart()
    assert again.bearer.bonds.peers == [peer(0), peer(2)]
    assert again.interrupt(29, 2, 1, None) is not None
    assert again.interrupt(29, 2, 2, None) is None
    assert again.security.command(0, RadioCommand.FORGET_ALL_BONDS, 0, b"") == SUCCESS
    again.run()
    empty = again.restart()
    assert empty.security.bonds == 0
    assert empty.interrupt(29, 10, 0, memoryview(b"irk")) is not None


def test_the_connection_of_a_peer_whose_bond_is_removed_ends(bench):
    """D-1506."""
    bench.secure()
    assert bench.security.command(0, RadioCommand.FORGET_BOND, 0, b"") == SUCCESS
    assert bench.stack.hung_up == [3]
    assert not bench.bearer.connected


def test_a_peer_that_the_stack_forgets_is_no_peer_any_more(bench):
    """D-1506: NimBLE takes a bond away when the peer has lost it and pairs anew."""
    bench.secure()
    key = memoryview(PEER[:1] + PEER[6:0:-1])
    for kind in (1, 2):
        assert bench.interrupt(30, kind, key, None) is True
    assert bench.security.bonds == 0


def test_a_bond_that_nobody_authenticated_is_not_kept(bench):
    """D-1502: Just Works encrypts, and proves nothing."""
    bench.connect(STRANGER)
    bench.keep_secrets(STRANGER)
    bench.encrypt(authenticated=False)
    assert not bench.bearer.connected
    assert bench.security.bonds == 0
    assert bench.interrupt(29, 2, 0, None) is None


@pytest.mark.parametrize("proven", ["just works", "wrong passkey", "nothing"])
def test_somebody_with_the_address_of_a_bonded_peer_does_not_take_its_bond(bench, proven):
    """D-1506: NimBLE takes the secrets away as soon as a known address pairs; that proves nothing."""
    bench.secure()
    bench.drop()
    bench.run(BONDED_MS)
    key = memoryview(PEER[:1] + PEER[6:0:-1])
    kept = bench.interrupt(29, 1, 0, key)
    bench.connect()
    for kind in (1, 2):
        assert bench.interrupt(30, kind, key, None) is True
    if proven == "just works":
        value = memoryview(bytes(key) + b"of somebody else")
        assert bench.interrupt(30, 1, key, value) is True
        bench.encrypt(authenticated=False)
    elif proven == "wrong passkey":
        bench.fail()
    bench.drop()
    assert bench.bearer.bonds.peers == [PEER]
    assert bench.interrupt(29, 1, 0, key) == kept
    assert bench.restart().bearer.bonds.peers == [PEER]


def test_a_bond_that_is_removed_meanwhile_does_not_come_back(bench):
    """D-1506: the cable removes it while somebody tries that peer's address."""
    bench.secure()
    bench.drop()
    bench.run(BONDED_MS)
    bench.connect()
    assert bench.security.command(0, RadioCommand.FORGET_ALL_BONDS, 0, b"") == SUCCESS
    bench.drop()
    assert bench.security.bonds == 0
    assert bench.interrupt(29, 1, 0, None) is None


@pytest.mark.parametrize("bonded", [True, False])
def test_a_link_that_is_not_authenticated_any_more_is_ended(bench, bonded):
    """D-1502: a later pairing on it proves nothing, and nothing more is told there."""
    bench.secure()
    assert bench.bearer.connected
    bench.encrypt(authenticated=False, bonded=bonded)
    assert bench.stack.hung_up == [3]
    assert not bench.bearer.connected
    bench.drop()
    assert bench.security.bonds == 1


def test_a_flash_that_fails_stops_nothing_and_is_tried_again(tmp_path):
    """D-1506: the pump goes on, says it once, and the bond is there when the flash is."""
    folder, away = tmp_path / "flash", tmp_path / "away"
    folder.mkdir()
    bench = AirBench(folder)
    folder.rename(away)
    bench.secure()
    bench.run(10 * SAVE_AGAIN_MS)
    assert [line for line in bench.said if "saved" in line] == ["pumprig: the bonds cannot be saved"]
    assert bench.bearer.connected
    away.rename(folder)
    bench.run(SAVE_AGAIN_MS)
    assert bench.restart().bearer.bonds.peers == [PEER]


def test_a_bond_is_there_as_a_whole_or_not_at_all(tmp_path):
    """D-1506: power goes after any number of the octets that a pairing writes."""
    bench = AirBench(tmp_path)
    bench.secure(peer(1))
    bench.drop()
    bench.run(BONDED_MS)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    bench.secure(peer(2))
    (written,) = [path for path in tmp_path.iterdir() if path.read_bytes() != before.get(path)]
    after = written.read_bytes()
    old = before.get(written, b"")
    step = max(1, len(after) // FEW_TORN)
    for cut in [*range(0, len(after), step), len(after) - 1]:
        for rest in (b"", old[cut:], b"\xff" * (len(after) - cut)):
            written.write_bytes(after[:cut] + rest)
            found = AirBench(tmp_path)
            assert found.bearer.bonds.peers == [peer(1)], cut
            key = peer(1)[:1] + peer(1)[6:0:-1]
            assert found.interrupt(29, 2, 0, memoryview(key)) is not None
            assert found.interrupt(29, 2, 1, None) is None
            # What a start writes is the same as before.
            for path, octets in before.items():
                path.write_bytes(octets)
    written.write_bytes(after)
    assert AirBench(tmp_path).bearer.bonds.peers == [peer(1), peer(2)]


# --- who is let in ---


def test_without_a_bond_the_pump_can_be_found_at_once(bench):
    """D-1507: name, service and appearance; general discoverable."""
    interval_us, data, response = bench.stack.advertised
    assert interval_us == 30_000
    assert data == b"\x02\x01\x06\x03\x03\x3a\x18\x03\x19\x40\x0d"
    assert response[2:].startswith(b"pumprig ")
    assert bench.security.state == RadioState.ADVERTISING
    bench.run(30_000)
    assert bench.stack.advertised[0] > interval_us


def test_bonded_peers_come_first_after_a_drop_and_after_a_start(bench):
    """D-1507: for 10 s to the millisecond."""
    bench.secure()
    bench.drop()
    for air in (bench, bench.restart()):
        assert air.security.state == RadioState.ADVERTISING_BONDED
        assert air.stack.advertised[1][:3] == b"\x02\x01\x04"
        air.run(BONDED_MS - 1)
        assert air.security.state == RadioState.ADVERTISING_BONDED
        air.run(1)
        assert air.security.state == RadioState.ADVERTISING
        assert air.stack.advertised[1][:3] == b"\x02\x01\x06"


def test_a_stranger_is_dropped_while_bonded_peers_come_first(bench):
    """D-1507: and does not make the time longer by trying."""
    bench.secure()
    bench.drop()
    for _ in range(9):
        bench.connect(STRANGER)
        assert bench.stack.hung_up.pop() == 3
        assert bench.security.state == RadioState.ADVERTISING_BONDED
        bench.drop()
        assert bench.stack.advertised is not None
        bench.run(1000)
    bench.run(1000)
    bench.connect(STRANGER)
    assert bench.stack.hung_up == []


def test_a_bonded_peer_is_let_in_while_bonded_peers_come_first(bench):
    """D-1507."""
    bench.secure()
    bench.drop()
    bench.connect(PEER)
    assert bench.stack.hung_up == []
    bench.encrypt()
    assert bench.security.flags & RadioFlags.PEER_BONDED


def test_nobody_is_invited_while_one_is_connected(bench):
    """D-1508."""
    bench.connect()
    assert bench.stack.advertised is None
    bench.pair()
    assert bench.stack.advertised is None


def test_a_second_central_is_sent_away_and_the_first_does_not_notice(bench):
    """D-1508."""
    bench.secure()
    bench.connect(STRANGER, connection=4)
    assert bench.stack.hung_up == [4]
    bench.tell(ENCRYPTION, 4, True, True, False, 16)
    bench.drop(connection=4)
    assert bench.bearer.connected
    assert bench.stack.advertised is None
    assert bench.exchange("GetAvailableBoluses")[0] == "GetAvailableBolusesResponse"


@pytest.mark.parametrize(("after_ms", "ended"), [(SECURE_MS - 1, False), (SECURE_MS, True)])
def test_a_connection_that_is_not_secured_is_ended_after_30_s(bench, after_ms, ended):
    """D-1508."""
    bench.connect()
    bench.run(after_ms)
    assert bool(bench.stack.hung_up) is ended


def test_a_secured_connection_is_not(bench):
    """D-1508."""
    bench.secure()
    bench.run(10 * SECURE_MS)
    assert bench.stack.hung_up == []


# --- a stack that cannot authenticate ---


def test_a_board_without_passkeys_says_lab_only(tmp_path, capsys):
    """D-1515: when it starts, and on the cable."""
    bench = AirBench(tmp_path, stack="btstack")
    assert "lab only" in capsys.readouterr().out
    assert bench.security.stack == RadioStack.BTSTACK
    assert bench.security.flags == RadioFlags.LAB_ONLY
    assert bench.stack.settings["io"] == 3
    assert bench.stack.settings["mitm"] is False


def test_lab_use_is_allowed_by_the_name_of_this_board_alone(tmp_path):
    """D-1516."""
    bench = AirBench(tmp_path, stack="btstack")
    command = bench.security.command
    for name in (b"", b"benc", b"bench ", b"other"):
        assert command(0, RadioCommand.ALLOW_LAB, 0, name) == OUT_OF_RANGE
        assert bench.security.refuses_therapy()
    assert command(0, RadioCommand.ALLOW_LAB, 0, b"bench") == SUCCESS
    assert "lab use allowed" in bench.said[-1]
    assert not bench.security.refuses_therapy()
    assert command(0, RadioCommand.FORBID_LAB, 0, b"") == SUCCESS
    assert bench.security.refuses_therapy()
    assert command(0, RadioCommand.ALLOW_LAB, 0, b"bench") == SUCCESS
    assert bench.restart().security.refuses_therapy()


def test_a_board_that_can_authenticate_needs_no_lab(bench):
    """D-1516."""
    assert bench.security.command(0, RadioCommand.ALLOW_LAB, 0, b"bench") == OUT_OF_RANGE
    assert not bench.security.flags & RadioFlags.LAB_ALLOWED


def test_the_cable_ends_a_connection(bench):
    """D-1517: the pump is there again."""
    bench.secure()
    assert bench.security.command(0, RadioCommand.DISCONNECT, 0, b"") == SUCCESS
    assert bench.stack.hung_up == [3]
    bench.drop()
    assert bench.stack.advertised is not None
