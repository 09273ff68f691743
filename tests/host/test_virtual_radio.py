"""The radio of a virtual board is in its time, and its firmware sees what MicroPython's own stacks show and no more.

Every test runs a few lines of firmware on MicroPython itself, with a central of Bumble's on the air.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from math import inf

import pytest

pytest.importorskip("bumble", reason="the radio needs Bumble: the extra `ble`")

from bumble import att
from bumble.gatt import Characteristic, Service
from bumble.hci import Address

from pumplink import Realtime, VirtualBoard
from pumplink.errors import BoardDied, BoardUnavailable
from pumplink_radio import Hand, firmware

MakeBoard = Callable[..., VirtualBoard]

READ, WRITE, NOTIFY, INDICATE = 0x02, 0x08, 0x10, 0x20
BOARD = "C0:50:55:4D:50:01"
BASE_UUID = bytes.fromhex("fb349b5f80000080 00100000")
QUEUE = 12
SUPERVISION_S = 4.0
TRANSACTION_S = 30.0
ECHO = """
def written(handle, value):
    ble.gatts_notify(conn, handle, value)
"""


@pytest.fixture
def made(make_board: MakeBoard) -> MakeBoard:
    """Starts boards with a radio."""
    return lambda source, **options: make_board(source, ble=True, **options).start()


# --- Advertising and connections --------------------------------------------------------------------------------


def test_who_scans_hears_what_is_advertised_and_answered(made: MakeBoard) -> None:
    hand = Hand(made(firmware(READ)))
    heard: list[bytes] = []
    hand.device.on("advertisement", lambda found: heard.append(bytes(found.data)))
    hand.radio.run(hand.device.start_scanning(filter_duplicates=False))
    hand.wait(1.0)
    assert heard[-1].startswith(b"\x02\x01\x06\x05\x09PUMP\x03\x03\x3a\x18")
    assert 9 <= len(heard) // 2 <= 11


def test_a_board_that_nobody_hears_advertises_without_a_timer(made: MakeBoard) -> None:
    board = made(firmware(READ))
    assert board.radio is not None
    board.run_until(14 * 86_400)
    assert board.radio.next_timer_s == inf
    assert Hand(board).connect().told(1)


def test_a_board_that_does_not_advertise_is_not_found(made: MakeBoard) -> None:
    hand = Hand(made(firmware(READ, lines="def advertise():\n    pass\n")))
    with pytest.raises(TimeoutError, match="not done within 10 s of the pump's time"):
        hand.connect()


def test_a_connection_and_its_end_are_told_with_the_address(made: MakeBoard) -> None:
    hand = Hand(made(firmware(READ))).connect()
    hand.leave()
    assert hand.told(1) == hand.told(2) == ["1 1 b'\\xc1\\x00\\x00\\x00\\x00\\x01'"]
    hand.connect()
    assert len(hand.told(1)) == 2


def test_the_firmware_can_end_a_connection(made: MakeBoard) -> None:
    lines = "def written(handle, value):\n    print(ble.gap_disconnect(conn), ble.gap_disconnect(7))\n"
    hand = Hand(made(firmware(WRITE, lines=lines))).connect()
    hand.write(0, b"x")
    assert hand.ended == [0x13] and hand.told(2)
    assert "True False" in hand.board.output


def test_a_central_that_vanishes_is_missed_after_the_supervision_timeout(made: MakeBoard) -> None:
    hand = Hand(made(firmware(READ))).connect()
    hand.radio.vanish(hand.device)
    hand.wait(SUPERVISION_S - 0.01)
    assert not hand.told(2)
    hand.wait(0.02)
    assert hand.told(2)


def test_a_board_without_power_is_missed_and_found_again(made: MakeBoard) -> None:
    hand = Hand(made(firmware(READ))).connect()
    hand.wait(100)
    before_s = hand.radio.loop.time()
    hand.board.kill()
    assert hand.ended == [0x08]
    hand.board.start()
    assert hand.connect().read(0) == b""
    assert hand.radio.loop.time() >= before_s


def test_a_reset_begins_with_a_radio_that_knows_nothing(made: MakeBoard) -> None:
    lines = "def written(handle, value):\n    import machine\n    machine.reset()\n"
    hand = Hand(made(firmware(WRITE, lines=lines), auto_restart=True)).connect()
    hand.radio.run(hand.served[0].write_value(b"x", with_response=False))
    hand.wait(1)
    assert hand.ended == [0x08] and len(hand.board.resets) == 1
    hand.connect()
    assert len(hand.told(1)) == 2


# --- Values -----------------------------------------------------------------------------------------------------


def test_a_read_has_what_the_firmware_wrote_and_is_told(made: MakeBoard) -> None:
    hand = Hand(made(firmware(READ, lines="ble.gatts_write(handles[0], b'hello')"))).connect()
    assert hand.read(0) == b"hello"
    assert hand.board.output.count(f"read {hand.served[0].handle}") == 1


def test_how_a_peer_writes_a_uuid_leaves_other_boards_as_they_are(made: MakeBoard) -> None:
    """A short UUID stays one on the air, and takes no more of BTstack's little room, whoever named its long form."""
    service, characteristics = 0x1AF0, [0x2AF0 + at for at in range(14)]
    rows = ", ".join(f"(bluetooth.UUID({short:#x}), 2)" for short in characteristics)
    source = PLAIN.format(wait="time.sleep(60)").replace("183A), ()", f"{service:X}), ({rows})")
    asking = Hand(made(firmware(READ))).connect()
    for short in (service, *characteristics):
        named = BASE_UUID + short.to_bytes(2, "little") + bytes(2)
        asking.connection.send_l2cap_pdu(4, b"\x08\x01\x00\xff\xff" + named)
        asking.wait(0.1)
    hand = Hand(made(source, ble_stack="btstack"))
    connection = hand.radio.run(hand.device.connect(Address(BOARD), timeout=0.5))
    seen: list[bytes] = []
    hand.device.l2cap_channel_manager.register_fixed_channel(4, lambda _handle, pdu: seen.append(pdu))
    at = 1
    while not seen or seen[-1][0] == 0x09:
        connection.send_l2cap_pdu(4, b"\x08" + at.to_bytes(2, "little") + b"\xff\xff\x03\x28")
        hand.wait(0.1)
        at = max(int.from_bytes(seen[-1][-7:-5], "little") + 1, at + 1)
    shorts = [int.from_bytes(pdu[end - 2 : end], "little") for pdu in seen[:-1] for end in range(9, len(pdu) + 1, 7)]
    assert {pdu[1] for pdu in seen[:-1]} == {7}
    assert shorts[-len(characteristics) :] == characteristics


def test_a_read_can_be_refused(made: MakeBoard) -> None:
    hand = Hand(made(firmware(READ, refuse=0x81))).connect()
    assert hand.refused(hand.read, 0) == 0x81


@pytest.mark.parametrize(("properties", "read", "written"), [(READ, 0, 0x03), (WRITE, 0x02, 0), (NOTIFY, 0x02, 0x03)])
def test_only_what_is_offered_is_allowed(made: MakeBoard, properties: int, read: int, written: int) -> None:
    hand = Hand(made(firmware(properties))).connect()
    assert hand.refused(hand.read, 0) == read
    assert hand.refused(hand.write, 0, b"x") == written


@pytest.mark.parametrize(("octets", "kept"), [(0, 0), (19, 19), (20, 20), (21, 20)])
def test_a_value_has_room_for_twenty_octets_and_is_cut_off_silently(made: MakeBoard, octets: int, kept: int) -> None:
    hand = Hand(made(firmware(READ | WRITE))).connect()
    hand.write(0, bytes(range(octets)))
    assert hand.read(0) == bytes(range(kept))


@pytest.mark.parametrize(("append", "kept"), [(False, b"b" * 25), (True, b"a" * 25 + b"b" * 5)])
def test_a_buffer_has_the_room_that_is_asked_for_and_can_collect(made: MakeBoard, append: bool, kept: bytes) -> None:
    source = firmware(READ | WRITE, lines=f"ble.gatts_set_buffer(handles[0], 30, {append})")
    hand = Hand(made(source.replace("ble.gatts_read(data[1])", "b''"))).connect()
    hand.radio.run(hand.peer.request_mtu(100))
    hand.write(0, b"a" * 25)
    hand.write(0, b"b" * 25)
    assert hand.read(0) == kept


@pytest.mark.parametrize(("offered", "mtu"), [(23, 23), (24, 24), (247, 247), (517, 247)])
def test_the_mtu_is_the_smaller_one_and_a_notification_is_cut_to_it(made: MakeBoard, offered: int, mtu: int) -> None:
    lines = "def written(handle, value):\n    ble.gatts_notify(conn, handle, bytes(300))\n"
    hand = Hand(made(firmware(WRITE | NOTIFY, lines=lines))).connect()
    hand.subscribe(0)
    assert hand.radio.run(hand.peer.request_mtu(offered)) == mtu
    hand.write(0, b"x")
    assert [len(value) for value in hand.values] == [mtu - 3]
    assert hand.told(21) == [f"1 {mtu}"]


def test_an_indication_is_done_when_it_is_confirmed_and_before_what_comes_behind(made: MakeBoard) -> None:
    lines = "def written(handle, value):\n    ble.gatts_indicate(conn, handle, value)\n"
    hand = Hand(made(firmware(WRITE | INDICATE, lines=lines))).connect()
    handle = hand.served[0].handle

    def confirm_and_write(_value: bytes) -> None:
        hand.connection.send_l2cap_pdu(4, b"\x1e")
        if not hand.values:
            hand.values.append(b"")
            hand.connection.send_l2cap_pdu(4, b"\x12" + handle.to_bytes(2, "little") + b"z")

    hand.connection.gatt_client.send_confirmation = lambda _pdu: None
    hand.connection.gatt_client.indication_subscribers[handle] = {confirm_and_write}
    hand.write(0, b"y")
    events = [line.partition(" irq ")[2] for line in hand.board.output if " irq " in line]
    assert [event.split()[0] for event in events[-4:]] == ["3", "20", "3", "20"]
    assert hand.told(20)[0] == f"1 {handle} 0"


def test_an_indication_that_nobody_confirms_ends_the_connection(made: MakeBoard) -> None:
    lines = "def written(handle, value):\n    ble.gatts_indicate(conn, handle, value)\n"
    hand = Hand(made(firmware(WRITE | INDICATE, lines=lines))).connect()
    hand.connection.gatt_client.send_confirmation = lambda _pdu: None
    hand.write(0, b"y")
    hand.wait(TRANSACTION_S - 0.1)
    assert not hand.told(20) and not hand.ended
    hand.wait(0.2)
    assert hand.told(20) == [f"1 {hand.served[0].handle} 13"]
    assert hand.ended and hand.told(2)


def test_what_is_written_to_subscribers_comes_to_them_alone(made: MakeBoard) -> None:
    lines = "def written(handle, value):\n    ble.gatts_write(handles[1], value, True)\n"
    hand = Hand(made(firmware(WRITE, NOTIFY, lines=lines))).connect()
    told: list[bytes] = []
    hand.connection.gatt_client.notification_subscribers[hand.served[1].handle] = {told.append}
    hand.write(0, b"unasked")
    assert told == []
    hand.subscribe(1)
    hand.write(0, b"asked")
    assert hand.values == [b"asked"]


def test_the_queue_of_notifications_is_full_until_the_board_sleeps(made: MakeBoard) -> None:
    lines = """
def burst():
    count = 0
    try:
        while True:
            ble.gatts_notify(conn, handles[0], bytes([count]))
            count += 1
    except OSError as error:
        print("full", count, error.errno)

def written(handle, value):
    burst()
    burst()
    time.sleep_ms(1)
    burst()
"""
    hand = Hand(made(firmware(WRITE | NOTIFY, lines=lines))).connect()
    hand.subscribe(0)
    hand.write(0, b"x")
    hand.wait(1)
    assert [line for line in hand.board.output if line.startswith("full")] == [
        f"full {QUEUE} 12", "full 0 12", f"full {QUEUE} 12",
    ]  # fmt: skip
    assert len(hand.values) == 2 * QUEUE


def test_a_notification_to_nobody_is_an_error(made: MakeBoard) -> None:
    lines = """
try:
    ble.gatts_notify(1, handles[0], b"x")
except OSError as error:
    print("errno", error.errno)
"""
    assert "errno 107" in made(firmware(NOTIFY, lines=lines)).output


# --- The client -------------------------------------------------------------------------------------------------


def test_the_firmware_is_a_client_on_the_same_connection(made: MakeBoard) -> None:
    lines = """
steps = [
    lambda: ble.gattc_discover_services(conn, bluetooth.UUID(0x181F)),
    lambda: ble.gattc_discover_characteristics(conn, first, last),
    lambda: ble.gattc_discover_descriptors(conn, value, last),
    lambda: ble.gattc_read(conn, value),
    lambda: ble.gattc_write(conn, value, b"seven", 1),
    lambda: ble.gattc_write(conn, value, b"eight"),
    lambda: ble.gattc_read(conn, 99),
]
first = last = value = 0

def written(handle, octets):
    steps.pop(0)()

def took(event, data):
    global first, last, value
    if event == 9:
        first, last = data[1], data[2]
    elif event == 11:
        value = data[2]
    if event in (10, 12, 14, 16, 17) and steps:
        steps.pop(0)()
        if len(steps) == 1:
            steps.pop(0)()
told_take = take

def take(event, data, octets):
    told_take(event, data, octets)
    took(event, data)
"""
    hand = Hand(made(firmware(WRITE, lines=lines)))
    written: list[bytes] = []
    cgm = Characteristic[bytes](
        "2AA7", Characteristic.Properties.READ | Characteristic.Properties.NOTIFY,
        att.Attribute.READABLE | att.Attribute.WRITEABLE,
        att.AttributeValue(lambda _connection: b"six", lambda _connection, value: written.append(bytes(value))),
    )  # fmt: skip
    hand.device.gatt_server.add_service(Service("181F", [cgm]))
    hand.connect()
    hand.write(0, b"go")
    hand.wait(1)
    first, last, handle = cgm.handle - 2, cgm.handle + 1, cgm.handle
    assert hand.told(9) == [f"1 {first} {last} UUID(0x181f)"] and hand.told(10) == ["1 0"]
    assert hand.told(11) == [f"1 {last} {handle} 18 UUID(0x2aa7)"] and hand.told(12) == ["1 0"]
    assert hand.told(13) == [f"1 {last} UUID(0x2902)"] and hand.told(14) == ["1 0"]
    assert hand.told(15) == [f"1 {handle} b'six'"] and hand.told(17) == [f"1 {handle} 0"]
    assert hand.told(16) == [f"1 {handle} 0", f"1 99 {0x100 + 1}"]
    assert written == [b"seven", b"eight"]
    hand.radio.run(hand.device.gatt_server.notify_subscriber(hand.connection, cgm, b"nine", force=True))
    hand.radio.run(hand.device.gatt_server.indicate_subscriber(hand.connection, cgm, b"ten", force=True))
    hand.wait(0.001)
    assert hand.told(18) == [f"1 {handle} b'nine'"] and hand.told(19) == [f"1 {handle} b'ten'"]


# --- Interrupts, sleep and time ---------------------------------------------------------------------------------

PLAIN = """
import bluetooth
from select import poll
ble = bluetooth.BLE()
ble.irq(lambda event, data: print(time.ticks_ms(), "event", event) if event < 29 else None)
ble.active(True)
ble.gatts_register_services(((bluetooth.UUID(0x183A), ()),))
ble.gap_advertise(20000)
while True:
    {wait}
    print(time.ticks_ms(), "awake")
"""


@pytest.mark.parametrize("wait", ["poll().poll(1000)", "time.sleep(1)"])
def test_an_event_runs_its_handler_but_ends_neither_poll_nor_sleep(made: MakeBoard, wait: str) -> None:
    hand = Hand(made(PLAIN.format(wait=wait)))
    hand.radio.run(hand.device.connect(Address(BOARD), timeout=0.5))
    hand.wait(1.5)
    times = [int(line.split()[0]) for line in hand.board.output]
    assert [line.split()[1] for line in hand.board.output] == ["event", "awake"]
    assert times[0] < 100 and times[1] == 1000


def test_a_handler_that_raises_is_told_of_and_called_no_more(made: MakeBoard) -> None:
    source = PLAIN.format(wait="time.sleep(60)").replace('print(time.ticks_ms(), "event", event)', "1 // 0")
    hand = Hand(made(source))
    hand.radio.run(hand.device.connect(Address(BOARD), timeout=0.5))
    hand.wait(1)
    assert "Unhandled exception in IRQ callback handler" in hand.board.output
    assert hand.board.tracebacks == 1 and hand.board.running


def test_two_runs_in_lockstep_are_alike_to_the_microsecond(made: MakeBoard) -> None:
    def run() -> list[str]:
        hand = Hand(made(firmware(WRITE | NOTIFY, lines=ECHO.replace("ticks_ms", "ticks_us")))).connect()
        assert hand.pair()
        hand.subscribe(0)
        for number in range(50):
            hand.write(0, bytes([number]))
            hand.wait(number * 0.37)
        hand.leave()
        hand.wait(5)
        assert len(hand.values) == 50 and hand.radio.loop.faults == []
        return hand.board.output

    assert run() == run()


@pytest.mark.parametrize("interval_ms", [7.5, 50.0])
def test_with_connection_events_an_exchange_takes_their_interval(made: MakeBoard, interval_ms: float) -> None:
    hand = Hand(made(firmware(WRITE | NOTIFY, lines=ECHO), connection_interval_ms=interval_ms)).connect()
    hand.subscribe(0)
    before_s = hand.board.now_s
    hand.write(0, b"x")
    hand.board.run_until(before_s + 1, lambda: bool(hand.values))
    assert interval_ms < (hand.board.now_s - before_s) * 1000 <= 3 * interval_ms


def test_what_was_on_its_way_ends_with_its_connection(made: MakeBoard) -> None:
    """Method: more than some connection events carry is said, and the central comes again before they are over."""
    lines = "def written(handle, value):\n    for _ in range(200):\n        ble.gatts_notify(conn, handle, value)\n"
    source = firmware(WRITE | NOTIFY, lines=lines)
    hand = Hand(made(source, connection_interval_ms=50.0, ble_stack="btstack")).connect()
    seen: list[bytes] = []
    hand.device.l2cap_channel_manager.register_fixed_channel(4, lambda _handle, pdu: seen.append(pdu))
    written = b"\x12" + hand.served[0].handle.to_bytes(2, "little") + b"x"
    hand.connection.send_l2cap_pdu(4, written)
    hand.wait(0.3)
    assert 10 < len(seen) < 100
    hand.radio.run(hand.connection.disconnect())
    seen.clear()
    began_s = hand.board.now_s
    hand.radio.run(hand.device.connect(Address(BOARD), timeout=1))
    assert hand.board.now_s - began_s < 0.5
    hand.wait(5)
    assert seen == []


def test_in_real_time_it_works_as_in_lockstep(made: MakeBoard) -> None:
    hand = Hand(made(firmware(WRITE | NOTIFY, lines=ECHO), clock=Realtime())).connect()
    assert hand.pair()
    hand.subscribe(0)
    hand.radio.run(hand.served[0].write_value(b"x", with_response=True))
    assert hand.board.run_until(hand.board.now_s + 10, lambda: hand.values == [b"x"])


def test_uart_and_radio_share_the_time(made: MakeBoard) -> None:
    lines = "uart = UART(0)\n" + ECHO + "    uart.write(value)\n"
    hand = Hand(made(firmware(WRITE | NOTIFY, lines=lines))).connect()
    hand.subscribe(0)
    bearer = hand.board.bearer()
    hand.radio.task(hand.served[0].write_value(b"both", with_response=True))
    assert bearer.receive(hand.board.now_s + 5) == b"both"
    assert hand.values == [b"both"]


# --- What is not there ------------------------------------------------------------------------------------------


def test_a_board_without_a_radio_has_no_module_for_it(make_board: MakeBoard) -> None:
    with pytest.raises(BoardDied, match="no module named 'bluetooth'"):
        make_board("import bluetooth").start()


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("ble.gap_scan(1000)", "95"),
        ("ble.config(rxbuf=100)", "unknown config param"),
        ("ble.config('bond')", "unknown config param"),
        ("ble.config(mtu=22)", "22"),
        ("ble.gatts_read(999)", "22"),
        ("ble.gap_passkey(1, 3, 123456)", "2"),
        ("ble.gap_advertise(1000)", "22"),
        ("ble.gap_advertise(100000, bytes(32))", "22"),
        ("ble.active(False)\n    try:\n        ble.gatts_read(1)\n    finally:\n        ble.active(True)", "ENODEV"),
        ("ble.gap_advertise(100000); ble.gatts_register_services(SERVICES)", "16"),
        ("ble.gatts_register_services(SERVICES * 9)", "7"),
        ("bluetooth.FLAG_READ_ENCRYPTED", "has no attribute"),
    ],
)
def test_what_the_stack_refuses_is_refused(made: MakeBoard, line: str, error: str) -> None:
    lines = f"try:\n    {line}\n    print('none')\nexcept Exception as error:\n    print('error', error)\n"
    (said,) = [said for said in made(firmware(READ, lines=lines)).output if said.startswith(("error", "none"))]
    assert error in said


def test_a_serial_board_needs_no_bumble(make_board: MakeBoard) -> None:
    code = "import sys, pumplink; pumplink.VirtualBoard(); print('bumble' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_without_bumble_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("pumplink.virtual.radio.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "bumble", None)
    with pytest.raises(BoardUnavailable, match=r" -m pip install .*\[ble\]'"):
        VirtualBoard(ble=True)


def test_an_unknown_stack_is_named_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="'zephyr'; allowed are nimble, btstack"):
        VirtualBoard(ble=True, ble_stack="zephyr")
