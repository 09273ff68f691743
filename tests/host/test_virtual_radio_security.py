"""Pairing, bonds and what a link must be for an access, as NimBLE and BTstack under MicroPython have it."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

pytest.importorskip("bumble", reason="the radio needs Bumble: the extra `ble`")

from pumplink import VirtualBoard
from pumplink_radio import (
    PASSKEY,
    READ_AUTHENTICATED,
    READ_ENCRYPTED,
    WRITE_AUTHENTICATED,
    WRITE_ENCRYPTED,
    Hand,
    firmware,
)

MakeBoard = Callable[..., VirtualBoard]

READ, WRITE, NOTIFY = 0x02, 0x08, 0x10
SUBSCRIBE_ENCRYPTED = 0x8000
OPEN = READ | WRITE
ENCRYPTED = OPEN | READ_ENCRYPTED | WRITE_ENCRYPTED
AUTHENTICATED = OPEN | READ_AUTHENTICATED | WRITE_AUTHENTICATED
NO_AUTHENTICATION, NO_ENCRYPTION = 0x05, 0x0F
KEY_OCTETS, BOND_OCTETS, IRK_OCTETS = 7, 80, 16
PEER = "b'\\xc1\\x00\\x00\\x00\\x00\\x01'"


@pytest.fixture
def made(make_board: MakeBoard) -> MakeBoard:
    """Starts boards with a radio."""
    return lambda source, **options: make_board(source, ble=True, **options).start()


@pytest.fixture
def btstack(made: MakeBoard) -> MakeBoard:
    """Starts boards whose stack is BTstack."""
    return lambda *flags, **options: made(firmware(*flags, passkeys=False, **options), ble_stack="btstack")


def refusals(hand: Hand, at: int = 0) -> tuple[int, int]:
    """ATT errors of a read and of a write."""
    return hand.refused(hand.read, at), hand.refused(hand.write, at, b"x")


# --- What a link must be ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "plain", "unauthenticated", "authenticated"),
    [(OPEN, 0, 0, 0), (ENCRYPTED, NO_AUTHENTICATION, 0, 0), (AUTHENTICATED, NO_AUTHENTICATION, NO_AUTHENTICATION, 0)],
    ids=["open", "encrypted", "authenticated"],
)
def test_nimble_asks_for_what_the_flags_say(
    made: MakeBoard, flags: int, plain: int, unauthenticated: int, authenticated: int
) -> None:
    hand = Hand(made(firmware(flags)), typed=None).connect()
    assert refusals(hand) == (plain, plain)
    assert hand.pair()
    assert refusals(hand) == (unauthenticated, unauthenticated)
    other = Hand(made(firmware(flags))).connect()
    assert other.pair()
    assert refusals(other) == (authenticated, authenticated)


def test_nimble_asks_a_bonded_peer_to_encrypt(made: MakeBoard) -> None:
    hand = Hand(made(firmware(AUTHENTICATED))).connect()
    assert hand.pair()
    hand.leave()
    hand.connect()
    assert refusals(hand) == (NO_ENCRYPTION, NO_ENCRYPTION)
    assert hand.encrypt()
    assert refusals(hand) == (0, 0)


@pytest.mark.parametrize(("flag", "error"), [(0, 0), (SUBSCRIBE_ENCRYPTED, NO_AUTHENTICATION)])
def test_nimble_guards_a_client_configuration_by_its_own_flag_alone(made: MakeBoard, flag: int, error: int) -> None:
    hand = Hand(made(firmware(AUTHENTICATED | NOTIFY | flag))).connect()
    assert hand.refused(hand.subscribe, 0) == error
    assert hand.pair()
    assert hand.refused(hand.subscribe, 0) == 0


@pytest.mark.parametrize(
    ("flags", "plain", "paired"),
    [
        (ENCRYPTED, NO_ENCRYPTION, 0),
        (AUTHENTICATED, NO_AUTHENTICATION, NO_AUTHENTICATION),
        (ENCRYPTED | AUTHENTICATED, NO_ENCRYPTION, 0),
    ],
    ids=["encrypted", "authenticated", "both"],
)
def test_btstack_asks_for_encryption_or_else_authentication(
    btstack: MakeBoard, flags: int, plain: int, paired: int
) -> None:
    hand = Hand(btstack(flags), typed=None).connect()
    assert refusals(hand) == (plain, plain)
    assert hand.pair()
    assert refusals(hand) == (paired, paired)


def test_btstack_guards_a_client_configuration_as_the_writing_of_the_value(btstack: MakeBoard) -> None:
    hand = Hand(btstack(ENCRYPTED | NOTIFY), typed=None).connect()
    assert hand.refused(hand.subscribe, 0) == NO_ENCRYPTION
    assert hand.pair()
    assert hand.refused(hand.subscribe, 0) == 0


# --- Pairing ----------------------------------------------------------------------------------------------------


def test_the_firmware_shows_a_passkey_and_hears_once_of_what_came_of_it(made: MakeBoard) -> None:
    hand = Hand(made(firmware(AUTHENTICATED))).connect()
    assert hand.pair()
    assert hand.told(31) == ["1 3 0"]
    assert hand.told(28) == ["1 1 1 1 16"]
    assert hand.radio.passkeys == [PASSKEY]


@pytest.mark.parametrize("typed", [PASSKEY ^ 1, PASSKEY ^ (1 << 19), 999_999])
def test_a_wrong_passkey_fails_and_is_told_as_no_encryption(made: MakeBoard, typed: int) -> None:
    hand = Hand(made(firmware(AUTHENTICATED)), typed=typed).connect()
    assert not hand.pair()
    assert hand.told(28) == ["1 0 0 0 0"]
    assert refusals(hand) == (NO_AUTHENTICATION, NO_AUTHENTICATION)


def test_a_right_passkey_after_a_wrong_one_pairs(made: MakeBoard) -> None:
    board = made(firmware(AUTHENTICATED))
    wrong = Hand(board, typed=1).connect()
    assert not wrong.pair()
    wrong.leave()
    right = Hand(board, address="C1:00:00:00:00:02").connect()
    assert right.pair() and refusals(right) == (0, 0)


def test_without_keys_to_type_a_pairing_is_not_authenticated(made: MakeBoard) -> None:
    hand = Hand(made(firmware(AUTHENTICATED)), typed=None).connect()
    assert hand.pair()
    assert hand.told(31) == [] and hand.told(28) == ["1 1 0 1 16"]


def test_a_board_can_ask_for_pairing(made: MakeBoard) -> None:
    lines = "def written(handle, value):\n    ble.gap_pair(conn)\n"
    hand = Hand(made(firmware(WRITE, lines=lines))).connect()
    asked: list[int] = []
    hand.connection.on("security_request", asked.append)
    hand.write(0, b"x")
    assert len(asked) == 1


# --- Bonds ------------------------------------------------------------------------------------------------------


def test_nimble_keeps_bonds_in_the_firmware_and_encrypts_with_them(made: MakeBoard) -> None:
    hand = Hand(made(firmware(AUTHENTICATED))).connect()
    assert hand.pair()
    assert [line for line in hand.board.output if line.startswith("secret")] == [
        f"secret 10 3 {IRK_OCTETS}", f"secret 1 {KEY_OCTETS} {BOND_OCTETS}", f"secret 2 {KEY_OCTETS} {BOND_OCTETS}",
    ]  # fmt: skip
    hand.leave()
    hand.connect()
    assert hand.encrypt()
    assert hand.told(28)[1:] == ["1 1 1 1 16"] and refusals(hand) == (0, 0)


def test_a_bond_is_kept_though_the_link_drops_at_once(made: MakeBoard) -> None:
    hand = Hand(made(firmware(AUTHENTICATED))).connect()

    async def pair_and_go() -> None:
        await hand.connection.pair()
        await hand.connection.disconnect()

    hand.radio.run(pair_and_go())
    hand.connect()
    assert hand.encrypt()


def test_a_forgotten_bond_encrypts_nothing(made: MakeBoard) -> None:
    lines = "def written(handle, value):\n    secrets.clear()\n"
    hand = Hand(made(firmware(WRITE, lines=lines))).connect()
    assert hand.pair()
    hand.write(0, b"forget")
    hand.leave()
    hand.connect()
    assert not hand.encrypt()


def test_a_known_peer_that_pairs_again_makes_nimble_forget_what_it_had(made: MakeBoard) -> None:
    hand = Hand(made(firmware(AUTHENTICATED))).connect()
    assert hand.pair()
    hand.leave()
    hand.connect()
    assert hand.pair()
    said = [line for line in hand.board.output if line.startswith("secret")][3:]
    assert said[:4] == ["secret 1 forgotten", "secret 1 not there", "secret 2 forgotten", "secret 2 not there"]
    assert len(said) == 6 and refusals(hand) == (0, 0)


def test_a_firmware_without_room_is_asked_to_forget_its_first_peer(made: MakeBoard) -> None:
    full = "        if len(secrets) > 2:\n            return False\n        secrets[key]"
    board = made(firmware(AUTHENTICATED).replace("        secrets[key]", full))
    first = Hand(board).connect()
    assert first.pair()
    first.leave()
    second = Hand(board, address="C1:00:00:00:00:02").connect()
    assert second.pair()
    second.leave()
    second.connect()
    assert second.encrypt()
    second.leave()
    first.connect()
    assert not first.encrypt()


def test_btstack_keeps_bonds_until_its_radio_is_turned_off(btstack: MakeBoard) -> None:
    hand = Hand(btstack(ENCRYPTED), typed=None).connect()
    assert hand.pair()
    hand.leave()
    hand.connect()
    assert hand.encrypt()
    assert not [line for line in hand.board.output if line.startswith("secret")]
    hand.board.kill()
    hand.board.start()
    hand.connect()
    assert not hand.encrypt()


# --- What BTstack has not ---------------------------------------------------------------------------------------


def test_btstack_shows_no_passkey_and_says_so(btstack: MakeBoard) -> None:
    lines = "try:\n    ble.gap_passkey(1, 3, 1)\nexcept OSError as error:\n    print('errno', error.errno)\n"
    hand = Hand(btstack(ENCRYPTED, lines=lines), typed=None).connect()
    assert "errno 95" in hand.board.output
    assert hand.pair() and hand.told(31) == []


def test_btstack_tells_of_no_read_and_of_no_peer_that_left(btstack: MakeBoard) -> None:
    hand = Hand(btstack(READ, refuse=0x81), typed=None).connect()
    assert hand.read(0) == b"" and not [line for line in hand.board.output if line.startswith("read")]
    hand.leave()
    assert hand.told(1) == [f"1 1 {PEER}"] and hand.told(2) == ["1 255 b'\\x00\\x00\\x00\\x00\\x00\\x00'"]


def test_btstack_lets_the_firmware_see_a_client_configuration(btstack: MakeBoard) -> None:
    lines = "def written(handle, value):\n    print('cccd', ble.gatts_read(handles[1] + 1))\n"
    hand = Hand(btstack(WRITE, NOTIFY, lines=lines), typed=None).connect()
    hand.write(0, b"x")
    hand.subscribe(1)
    hand.write(0, b"x")
    assert [line for line in hand.board.output if line.startswith("cccd")] == [
        "cccd b'\\x00\\x00'", "cccd b'\\x01\\x00'",
    ]  # fmt: skip


def test_btstack_queues_notifications_without_end(btstack: MakeBoard) -> None:
    lines = "def written(handle, value):\n    for i in range(100):\n        ble.gatts_notify(1, handle, bytes([i]))\n"
    hand = Hand(btstack(WRITE | NOTIFY, lines=lines), typed=None).connect()
    hand.subscribe(0)
    hand.write(0, b"x")
    assert hand.values == [bytes([number]) for number in range(100)]


def test_what_finds_no_room_in_the_table_of_btstack_is_not_served(btstack: MakeBoard) -> None:
    hand = Hand(btstack(*[READ | NOTIFY] * 30), typed=None).connect()
    assert 10 < len(hand.served) < 20


# --- Secrets stay secret ----------------------------------------------------------------------------------------


def test_no_log_has_a_passkey_or_a_key(made: MakeBoard, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    hand = Hand(made(firmware(AUTHENTICATED))).connect()
    assert hand.pair()
    assert not [record for record in caplog.records if record.name.startswith("bumble")]
