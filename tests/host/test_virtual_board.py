"""The virtual board keeps time, order and limits as a real one does, and says what became of it when it ends.

Every test runs a few lines of firmware on MicroPython itself; in lockstep unless the clock is what is tested.
"""

from __future__ import annotations

import gc
import select
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pumplink import Realtime, Scaled, VirtualBoard
from pumplink.boards import firmware_hash
from pumplink.errors import BearerBusy, BearerLost, BoardDied, BoardHung, BoardReset, BoardUnavailable, PumpLinkError
from pumplink.virtual import Reset
from pumplink.virtual.launch import SHIM_HEAP_BYTES
from pumplink_tools import ECHO, HEAD, PULSES, write_firmware

MakeBoard = Callable[..., VirtualBoard]
Folders = Callable[[], list[Path]]

PERIOD_S = 20
TICKS_PERIOD_MS = 1 << 30


def run_lines(board: VirtualBoard, until_s: float) -> list[str]:
    """What the board printed once it has been stopped at a time."""
    board.start()
    board.bearer().wait_until(until_s)
    board.kill()
    return board.output


# --- Time in lockstep -------------------------------------------------------------------------------------------


def test_time_passes_only_when_it_is_granted(make_board: MakeBoard) -> None:
    board = make_board(PULSES).start()
    bearer = board.bearer()
    assert bearer.now_s < 0.001
    assert bearer.receive(100.5) == b""
    assert bearer.now_s == 100.5


@pytest.mark.parametrize(("until_s", "pulses"), [(19.999, 0), (20.001, 1), (3600.5, 180)])
def test_every_pulse_is_seen_with_the_second_it_was_due(make_board: MakeBoard, until_s: float, pulses: int) -> None:
    board = make_board(PULSES).start()
    seen: list[tuple[int, int]] = []
    board.on_pulse(lambda at_us, due_us: seen.append((at_us, due_us)))
    board.bearer().wait_until(until_s)
    assert [round(due_us / 1e6) for _, due_us in seen] == [PERIOD_S * k for k in range(1, pulses + 1)]
    assert all(0 <= at_us - due_us < 1000 for at_us, due_us in seen)


def test_a_pulse_has_its_width_and_both_edges(make_board: MakeBoard) -> None:
    board = make_board(PULSES).start()
    edges: list[tuple[int, int]] = []
    board.on_pin(lambda pin, level, at_us, _due_us: edges.append((level, at_us)) if pin == 15 else None)
    board.bearer().wait_until(25)
    (up, up_us), (down, down_us) = edges
    assert (up, down) == (1, 0)
    assert 5000 <= down_us - up_us < 5100


def test_the_grant_ends_at_the_first_octets_sent(make_board: MakeBoard) -> None:
    board = make_board(PULSES).start()
    bearer = board.bearer()
    bearer.wait_until(7.5)
    bearer.write(b"ping")
    assert bearer.receive(1000) == b"ping"
    assert bearer.now_s == pytest.approx(7.5, abs=0.001)
    assert bearer.received_at_s == pytest.approx(7.5, abs=0.001)


def test_a_board_that_is_told_to_go_on_works_while_nobody_waits(make_board: MakeBoard) -> None:
    (ahead, said), (plain, wanted) = [(make_board(ECHO).start().bearer(), []) for _ in range(2)]
    for text in (b"one\n", b"two\n"):
        for bearer, heard in ((ahead, said), (plain, wanted)):
            bearer.write(text)
            if bearer is ahead:
                bearer.go_on(bearer.now_s + 1)
                assert select.select([bearer.board.fileno()], [], [], 5)[0]
            heard.append((bearer.receive(bearer.now_s + 1), bearer.now_s, bearer.received_at_s))
    assert said == wanted


def test_octets_that_come_while_waiting_are_kept_for_the_next_receive(make_board: MakeBoard) -> None:
    board = make_board(ECHO).start()
    bearer = board.bearer()
    bearer.write(b"one")
    assert bearer.wait_until(5) == 0.0
    assert bearer.now_s == 5
    assert bearer.receive(6) == b"one"


def test_two_runs_are_equal_to_the_microsecond(make_board: MakeBoard) -> None:
    def run() -> list[object]:
        board = make_board(PULSES).start()
        log: list[object] = []
        board.on_pin(lambda *edge: log.append(edge))
        bearer = board.bearer()
        for k in range(50):
            bearer.wait_until(k * 7.3 + 0.5)
            bearer.write(bytes(range(k + 1)))
            log.append((bearer.receive(k * 7.3 + 5), bearer.received_at_s))
        return log

    assert run() == run()


@pytest.mark.parametrize("ticks_start_ms", [0, TICKS_PERIOD_MS - 60_000, TICKS_PERIOD_MS - 1])
def test_delivery_goes_on_over_the_wrap_of_the_ticks(make_board: MakeBoard, ticks_start_ms: int) -> None:
    board = make_board(PULSES, ticks_start_ms=ticks_start_ms).start()
    seen: list[int] = []
    board.on_pulse(lambda _at_us, due_us: seen.append(round(due_us / 1e6)))
    board.bearer().wait_until(200.5)
    assert seen == list(range(20, 201, 20))


def test_a_fortnight_passes_the_wrap_after_twelve_days(make_board: MakeBoard) -> None:
    board = make_board(PULSES).start()
    seen: list[int] = []
    board.on_pulse(lambda _at_us, due_us: seen.append(round(due_us / 1e6)))
    board.bearer().wait_until(14 * 86400 + 0.5)
    assert seen == list(range(20, 14 * 86400 + 1, 20))


def test_a_look_at_the_clock_costs_a_microsecond(make_board: MakeBoard) -> None:
    lines = run_lines(
        make_board(
            """
            start_us = time.ticks_us()
            for _ in range(100):
                time.ticks_ms()
            print(time.ticks_diff(time.ticks_us(), start_us))
            time.sleep(10)
            """
        ),
        0.5,
    )
    assert lines == ["101"]


# --- Input and output -------------------------------------------------------------------------------------------


def test_a_sleep_is_not_ended_by_input_but_a_poll_is(make_board: MakeBoard) -> None:
    board = make_board(
        """
        time.sleep_ms(3000)
        poller.poll(60_000)
        uart.write(b"%d" % time.ticks_ms())
        time.sleep(1000)
        """
    ).start()
    bearer = board.bearer()
    bearer.wait_until(1)
    bearer.write(b"x")
    assert bearer.receive(100) == b"3000"


def test_analog_inputs_and_levels_reach_the_firmware_with_the_next_grant(make_board: MakeBoard) -> None:
    board = make_board(
        """
        force = ADC(board.FORCE_ADC_PIN)
        button = Pin(3, Pin.IN)
        button.irq(lambda pin: uart.write(b"irq"), Pin.IRQ_RISING)
        while True:
            time.sleep(1)
            uart.write(b"%d %d;" % (force.read_u16(), button.value()))
        """
    ).start()
    bearer = board.bearer()
    assert bearer.receive(2) == b"0 0;"
    board.set_analog(26, 65535)
    board.set_level(3, True)
    assert bearer.receive(3) == b"irq"
    assert bearer.receive(4) == b"65535 1;"
    with pytest.raises(ValueError, match="0 to 65535"):
        board.set_analog(26, 65536)


def test_octets_beyond_the_receive_buffer_are_lost_as_on_a_chip(make_board: MakeBoard) -> None:
    board = make_board(ECHO).start()
    bearer = board.bearer()
    for size in (63, 64, 65, 200):
        bearer.write(bytes(range(size)))
        assert bearer.receive(bearer.now_s + 1) == bytes(range(min(size, 64)))


def test_a_long_write_arrives_whole(make_board: MakeBoard) -> None:
    board = make_board("uart.write(bytes(range(250)) * 40)\nwhile True:\n    time.sleep(1000)\n").start()
    assert board.bearer().receive(1) == bytes(range(250)) * 40


def test_the_last_hundred_exchanges_are_kept(make_board: MakeBoard) -> None:
    board = make_board(ECHO).start()
    bearer = board.bearer()
    for k in range(80):
        bearer.write(bytes((k,)))
        bearer.receive(bearer.now_s + 1)
    assert len(board.last_frames) == 100
    assert [(f.direction, f.data) for f in list(board.last_frames)[-2:]] == [
        ("to_board", bytes((79,))),
        ("to_host", bytes((79,))),
    ]


def test_only_streams_can_be_polled(make_board: MakeBoard) -> None:
    board = make_board("poller.register(motor)\n")
    with pytest.raises(BoardDied, match="OSError"):
        board.start()


# --- What the firmware finds ------------------------------------------------------------------------------------


def test_the_board_module_says_what_the_board_is(make_board: MakeBoard) -> None:
    board = make_board(
        """
        print(board.NAME, board.WATCHDOG_MS, board.FIRMWARE_HASH.hex(), machine.reset_cause(), machine.unique_id())
        time.sleep(1)
        """
    )
    assert run_lines(board, 0.5) == [f"virtual 60000 {firmware_hash(board.firmware_dir).hex()} 1 b'pumprig0'"]


def test_the_firmware_sees_its_board_and_nothing_of_the_host(make_board: MakeBoard) -> None:
    lines = run_lines(
        make_board(
            """
            import os
            for path, mode in (("/own", "w"), ("/firmware/own", "w"), ("/shims/own", "w"), ("/etc/passwd", "r")):
                try:
                    open(path, mode).close()
                    print(path, "opened")
                except OSError:
                    print(path, "refused")
            print(sorted(os.listdir("/")))
            time.sleep(1)
            """
        ),
        0.5,
    )
    assert lines == [
        "/own opened",
        "/firmware/own refused",
        "/shims/own refused",
        "/etc/passwd refused",
        "['board.py', 'firmware', 'flash.bin', 'own', 'shims']",
    ]


def test_a_given_work_directory_outlives_the_board(make_board: MakeBoard, tmp_path: Path) -> None:
    work = tmp_path / "flash"
    source = """
    try:
        print(open("/count").read())
    except OSError:
        print("first")
    with open("/count", "w") as file:
        file.write("again")
    time.sleep(1)
    """
    assert run_lines(make_board(source, workdir=work), 0.5) == ["first"]
    assert run_lines(make_board(source, workdir=work), 0.5) == ["again"]


def test_the_heap_is_the_boards_and_the_shims_are_not_counted(make_board: MakeBoard) -> None:
    board = make_board("import gc\ngc.collect()\nprint(gc.mem_free())\ntime.sleep(1)\n", heap_bytes=128 * 1024)
    (free,) = run_lines(board, 0.5)
    assert board.shim_heap_bytes <= SHIM_HEAP_BYTES
    assert 0.95 * 128 * 1024 < int(free) < 128 * 1024 + SHIM_HEAP_BYTES - board.shim_heap_bytes


def test_too_much_memory_is_an_error_of_the_firmware(make_board: MakeBoard) -> None:
    with pytest.raises(BoardDied, match="MemoryError"):
        make_board("kept = bytearray(600_000)\n").start()


# --- Ends -------------------------------------------------------------------------------------------------------


def test_a_crash_is_told_with_its_traceback(make_board: MakeBoard) -> None:
    board = make_board("poller.poll(-1)\nprint('got', uart.read())\nraise ValueError('no such dose')\n").start()
    bearer = board.bearer()
    bearer.wait_until(12)
    bearer.write(b"x")
    with pytest.raises(BoardDied, match="ValueError: no such dose") as caught:
        bearer.receive(13)
    assert caught.value.traceback[0].startswith("Traceback")
    assert caught.value.output[0] == "got b'x'"
    # A traceback goes into reports, which folders of this machine do not.
    assert any('"/shims/boot.py"' in line for line in caught.value.traceback)
    assert str(Path(__file__).parents[2]) not in str(caught.value)
    with pytest.raises(BearerLost, match="start it"):
        bearer.receive(14)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import nothing_of_this_name\n", "ImportError"),
        ("print('bye')\n", "came to its end"),
        ("import sys\nsys.exit(7)\n", "exit code 7"),
        ("this is no python\n", "SyntaxError"),
    ],
)
def test_a_firmware_that_does_not_come_up_is_told_at_the_start(
    make_board: MakeBoard, source: str, message: str
) -> None:
    with pytest.raises(BoardDied, match=message):
        make_board(source).start()


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("while True:\n    pass\n", "no sign of life"),
        ("while True:\n    poller.poll(0)\n", "no sign of life"),
        ("while True:\n    time.ticks_ms()\n", "no sign of life"),
        ("while True:\n    uart.write(b'x')\n", "computed on"),
    ],
)
def test_a_busy_loop_is_a_hang_and_the_place_is_named(make_board: MakeBoard, source: str, reason: str) -> None:
    board = make_board("poller.poll(-1)\n" + source, hang_timeout_s=1.0).start()
    bearer = board.bearer()
    bearer.write(b"x")
    with pytest.raises(BoardHung, match=reason) as caught:
        bearer.receive(1)
    assert "hangs in <module>, /firmware/main.py line 12: " in str(caught.value)


def test_a_hang_at_the_start_is_told(make_board: MakeBoard) -> None:
    with pytest.raises(BoardHung):
        make_board("while True:\n    pass\n", hang_timeout_s=0.5).start()


@pytest.mark.parametrize("fed_at_s", [0, 17])
def test_the_watchdog_bites_at_its_very_deadline(make_board: MakeBoard, fed_at_s: int) -> None:
    board = make_board(f"dog = WDT(timeout=60_000)\ntime.sleep({fed_at_s})\ndog.feed()\npoller.poll(600_000)\n")
    board.start()
    with pytest.raises(BoardReset, match="watchdog") as caught:
        board.bearer().wait_until(1000)
    assert caught.value.cause == 3
    assert caught.value.at_s == pytest.approx(fed_at_s + 60, abs=0.001)
    assert board.resets == [Reset(caught.value.at_s, 3)]


def test_a_fed_watchdog_never_bites(make_board: MakeBoard) -> None:
    board = make_board("dog = WDT(timeout=60_000)\nwhile True:\n    dog.feed()\n    poller.poll(59_999)\n").start()
    board.bearer().wait_until(86400)
    assert board.running


def test_a_reset_runs_nothing_more_of_the_firmware(make_board: MakeBoard) -> None:
    board = make_board("try:\n    machine.reset()\nfinally:\n    print('after')\n")
    with pytest.raises(BoardReset, match="reset by the firmware"):
        board.start()
    assert board.output == []


def test_a_board_that_restarts_knows_why_and_time_goes_on(make_board: MakeBoard) -> None:
    board = make_board(
        """
        if machine.reset_cause() == 1:
            time.sleep(30)
            machine.reset()
        uart.write(b"%d" % machine.reset_cause())
        time.sleep(10)
        uart.write(b"!")
        time.sleep(1000)
        """,
        auto_restart=True,
    ).start()
    bearer = board.bearer()
    assert bearer.receive(1000) == b"2"
    assert bearer.receive(1000) == b"!"
    assert bearer.now_s == pytest.approx(40, abs=0.001)
    assert [round(reset.at_s) for reset in board.resets] == [30]


def test_a_killed_board_starts_again_from_power_on(make_board: MakeBoard) -> None:
    board = make_board(ECHO).start()
    bearer = board.bearer()
    board.kill()
    with pytest.raises(BearerLost):
        bearer.receive(1)
    board.start()
    bearer.write(b"on")
    assert bearer.receive(bearer.now_s + 1) == b"on"


# --- Its file system --------------------------------------------------------------------------------------------


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[Path]]:
    """The temporary folders of boards that are there."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return lambda: list(tmp_path.glob("pumprig-board-*"))


def test_a_killed_board_keeps_its_file_system_until_it_is_stopped(make_board: MakeBoard, folders: Folders) -> None:
    board = make_board(ECHO).start()
    (folder,) = folders()
    (folder / "kept").touch()
    board.kill()
    board.start()
    assert folders() == [folder] and (folder / "kept").exists()
    board.stop()
    board.stop()
    assert folders() == []
    board.start()
    assert len(folders()) == 1


def test_a_board_that_does_not_start_leaves_no_folder(make_board: MakeBoard, folders: Folders) -> None:
    with pytest.raises(BoardDied):
        make_board("raise ValueError", head="").start()
    assert folders() == []


def test_a_board_without_data_for_the_firmware_leaves_no_folder(make_board: MakeBoard, folders: Folders) -> None:
    board = make_board(ECHO)
    board.firmware_dir = board.firmware_dir / "gone"
    with pytest.raises((OSError, PumpLinkError)):
        board.start()
    assert folders() == []


def test_a_board_that_is_forgotten_leaves_no_folder(tmp_path: Path, folders: Folders) -> None:
    board = VirtualBoard("virtual", write_firmware(tmp_path / "firmware", ECHO, HEAD)).start()
    board.kill()
    assert len(folders()) == 1
    del board
    gc.collect()
    assert folders() == []


def test_a_given_file_system_is_kept(make_board: MakeBoard, folders: Folders, tmp_path: Path) -> None:
    make_board(ECHO, workdir=tmp_path / "kept").start().stop()
    assert (tmp_path / "kept" / "board.py").exists() and folders() == []


def test_one_uart_has_one_user(make_board: MakeBoard) -> None:
    board = make_board(ECHO).start()
    first = board.bearer()
    with pytest.raises(BearerBusy, match="close the bearer"):
        board.bearer()
    with pytest.raises(BearerBusy, match="already running"):
        board.start()
    first.close()
    with pytest.raises(BearerLost, match="closed"):
        first.write(b"x")
    assert board.bearer() is not first


def test_without_micropython_the_message_names_the_way_out(
    make_board: MakeBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUMPRIG_MICROPYTHON", "no-such-micropython")
    with pytest.raises(BoardUnavailable, match=r"PUMPRIG_MICROPYTHON names 'no-such-micropython'"):
        make_board(ECHO).start()
    monkeypatch.delenv("PUMPRIG_MICROPYTHON")
    monkeypatch.setattr("pumplink.virtual.launch.importlib.util.find_spec", lambda _name: None)
    with pytest.raises(BoardUnavailable, match="environment variable PUMPRIG_MICROPYTHON"):
        make_board(ECHO).start()


# --- Clocks that run by themselves ------------------------------------------------------------------------------


def test_a_scaled_board_gives_the_due_seconds_of_lockstep(make_board: MakeBoard) -> None:
    board = make_board(PULSES, clock=Scaled(120)).start()
    seen: list[int] = []
    board.on_pulse(lambda _at_us, due_us: seen.append(round(due_us / 1e6)))
    late_s = board.bearer().wait_until(70)
    assert seen == [20, 40, 60]
    assert 0 <= late_s < 60


def test_a_realtime_board_answers_and_is_no_faster_than_time(make_board: MakeBoard) -> None:
    board = make_board(ECHO, clock=Realtime()).start()
    bearer = board.bearer()
    bearer.write(b"hello")
    assert bearer.receive(bearer.now_s + 5) == b"hello"
    at_s = bearer.now_s + 0.2
    assert bearer.wait_until(at_s) >= 0
    assert bearer.now_s >= at_s


@pytest.mark.parametrize("source", ["poller.poll(-1)\n", "time.sleep(0.01)\nwhile True:\n    pass\n"])
def test_the_watchdog_bites_a_board_that_runs_by_itself(make_board: MakeBoard, source: str) -> None:
    board = make_board("dog = WDT(timeout=60_000)\n" + source, clock=Scaled(600)).start()
    with pytest.raises(BoardReset, match="watchdog") as caught:
        board.bearer().wait_until(1000)
    assert 60 <= caught.value.at_s < 160
