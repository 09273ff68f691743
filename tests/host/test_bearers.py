"""Serial ports, captures and faulty lines behave as bearers, and each fault is the one that was asked for.

Serial ports are tried on the pty of a virtual board and on a socket; faults against a scripted peer.
"""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from pumplink import CaptureBearer, Cut, Faults, FaultyBearer, Lockstep, Realtime, Scaled, SerialBearer, VirtualBoard
from pumplink.errors import BearerBusy, BearerLost, BearerMissing
from pumplink_tools import ECHO, FLOOD, Peer
from pumpwire.frame import Decoder, Frame, FrameType, encode

MakeBoard = Callable[..., VirtualBoard]


def collect(bearer: SerialBearer, count: int) -> bytes:
    data = b""
    while len(data) < count and (more := bearer.receive(bearer.now_s + 5)):
        data += more
    return data


# --- Serial ports -----------------------------------------------------------------------------------------------


def test_any_program_can_talk_to_the_board_over_a_pty(make_board: MakeBoard) -> None:
    board = make_board(ECHO, clock=Realtime()).start()
    with board.pty() as pty, SerialBearer(f"port:{pty.path}") as port:
        for text in (b"a", b"0\x00\xff1", bytes(range(60))):
            port.write(text)
            assert collect(port, len(text)) == text
        with pytest.raises(BearerBusy, match="another program holds the port"):
            SerialBearer(pty.path)
        with pytest.raises(BearerBusy, match="the pty"):
            board.bearer()
    board.bearer().write(b"free again")


def test_a_pty_ends_although_nobody_reads_what_the_board_sends(make_board: MakeBoard) -> None:
    board = make_board(FLOOD, clock=Scaled(60)).start()
    pty = board.pty()
    with SerialBearer(f"port:{pty.path}") as port:
        port.write(b"begin")
        assert collect(port, 1).startswith(b"x")
        flooded = threading.Event()
        while board.now_s < 120:
            flooded.wait(0.05)
    pty.close()
    board.bearer().write(b"free again")


def test_lockstep_has_no_pty(make_board: MakeBoard) -> None:
    board = make_board(ECHO, clock=Lockstep()).start()
    with pytest.raises(ValueError, match=r"scaled:N or realtime"):
        board.pty()


def test_a_port_that_goes_away_is_told() -> None:
    master, slave = os.openpty()
    port = SerialBearer(os.ttyname(slave))
    os.close(slave)
    os.close(master)
    with pytest.raises(BearerLost, match="went away"):
        port.receive(1)
    with pytest.raises(BearerLost, match="closed"):
        port.write(b"x")
    port.close()


def test_silence_ends_at_the_time_given() -> None:
    master, slave = os.openpty()
    with SerialBearer(os.ttyname(slave), scale=100) as port:
        at_s = port.now_s + 5
        assert port.receive(at_s) == b""
        assert at_s <= port.now_s < at_s + 50
    os.close(slave)
    os.close(master)


def test_a_socket_is_a_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        host, number = server.getsockname()
        with SerialBearer(f"socket://{host}:{number}") as port:
            other, _ = server.accept()
            with other:
                other.sendall(b"from afar")
                assert collect(port, 9) == b"from afar"
                port.write(b"back")
                assert other.recv(10) == b"back"
            with pytest.raises(BearerLost):
                port.receive(port.now_s + 5)


@pytest.mark.parametrize(
    ("port", "message"),
    [
        ("port:/dev/no-such-device", "no such device; is the board plugged in"),
        ("/dev/null", "is it a serial port"),
        ("socket://127.0.0.1:1", "is the host reachable"),
        ("nonsense://x", "cannot be opened"),
    ],
)
def test_a_port_that_cannot_be_opened_says_why(port: str, message: str) -> None:
    with pytest.raises(BearerMissing, match=message):
        SerialBearer(port)


# --- Capture ----------------------------------------------------------------------------------------------------


def test_a_capture_holds_every_frame_with_time_and_direction(tmp_path: Path) -> None:
    path = tmp_path / "capture.jsonl"
    peer = Peer(lambda frame: [(1.5, encode(FrameType.ATT, b"answer") + b"\x05noise\x00")])
    with CaptureBearer(peer, path) as bearer:
        bearer.write(encode(FrameType.ATT, b"question"))
        assert bearer.receive(10) != b""
        assert bearer.wait_until(20) == 0
        peer.come(1, b"\x03cut")
        assert bearer.receive(30) == b"\x03cut"
    assert peer.closed
    assert [json.loads(line) for line in path.read_text().splitlines()] == [
        {"at_s": 0.0, "direction": "to_pump", "type": FrameType.ATT, "body": b"question".hex()},
        {"at_s": 1.5, "direction": "to_client", "type": FrameType.ATT, "body": b"answer".hex()},
        {"at_s": 1.5, "direction": "to_client", "damaged": b"\x05noise".hex()},
        {"at_s": 21.0, "direction": "to_client", "damaged": b"\x03cut".hex()},
    ]


# --- Faults -----------------------------------------------------------------------------------------------------


def echo_of(count: int, seed: int = 1, cuts: tuple[Cut, ...] = (), **faults: float) -> tuple[FaultyBearer, list[str]]:
    """What comes back of numbered frames, one a second, when the way to the client is faulty."""
    peer = Peer(lambda frame: [encode(frame.type, frame.body)])
    bearer = FaultyBearer(peer, seed, to_client=Faults(**faults), cuts=cuts)
    decoder = Decoder()
    came: list[str] = []
    for number in range(count):
        bearer.write(encode(FrameType.ATT, b"%d" % number))
        while data := bearer.receive(number + 1):
            came += [f"{frame.body.decode()}@{bearer.now_s:g}" for frame in decoder.feed(data)]
    while data := bearer.receive(count + 10):
        came += [f"{frame.body.decode()}@{bearer.now_s:g}" for frame in decoder.feed(data)]
    return bearer, came


def test_a_line_without_faults_changes_nothing() -> None:
    bearer, came = echo_of(5)
    assert came == ["0@0", "1@1", "2@2", "3@3", "4@4"]
    assert bearer.injected == []


@pytest.mark.parametrize(
    ("faults", "came"),
    [
        ({"drop": 1}, []),
        ({"corrupt": 1}, []),
        ({"duplicate": 1}, ["0@0", "0@0", "1@1", "1@1", "2@2", "2@2"]),
        ({"delay": 1, "delay_s": 2.5}, ["0@2.5", "1@3.5", "2@4.5"]),
    ],
)
def test_each_fault_does_what_it_says(faults: dict[str, float], came: list[str]) -> None:
    bearer, seen = echo_of(3, **faults)
    assert seen == came
    assert [fault.kind for fault in bearer.injected] == [next(iter(faults))] * 3


def test_a_delayed_frame_holds_back_those_behind_it() -> None:
    bearer, came = echo_of(40, delay=0.3, delay_s=5)
    assert any(fault.kind == "delay" for fault in bearer.injected)
    assert [int(item.partition("@")[0]) for item in came] == list(range(40))


def test_the_same_seed_does_the_same_and_another_does_not() -> None:
    faults = {"drop": 0.2, "corrupt": 0.2, "duplicate": 0.2, "delay": 0.2}
    first, again, other = (echo_of(60, seed=seed, **faults) for seed in (7, 7, 8))
    assert (first[1], first[0].injected) == (again[1], again[0].injected)
    assert first[1] != other[1]


@pytest.mark.parametrize(("cut", "missing"), [(Cut(2, 3), {2, 3, 4}), (Cut(2.5, 1), {3}), (Cut(2, 0), set())])
def test_a_cut_takes_everything_from_its_start_to_before_its_end(cut: Cut, missing: set[int]) -> None:
    _, came = echo_of(8, cuts=(cut,))
    assert {int(item.partition("@")[0]) for item in came} == set(range(8)) - missing


def test_frames_to_the_pump_are_hit_too() -> None:
    peer = Peer(lambda frame: [])
    bearer = FaultyBearer(peer, 1, to_pump=Faults(delay=1, delay_s=3))
    bearer.write(encode(FrameType.ATT, b"x"))
    assert bearer.receive(2) == b""
    assert peer.sent == []
    assert bearer.receive(10) == b""
    assert peer.sent == [Frame(FrameType.ATT, b"x")]
    assert bearer.now_s == 10


@pytest.mark.parametrize("wrong", [{"drop": 1.1}, {"corrupt": -0.1}, {"delay_s": -1}])
def test_impossible_faults_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Faults(**wrong)
