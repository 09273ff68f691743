"""A link keeps its connection, answers as a server, and never mixes up requests and values.

The other end is a script: it sees every frame and says what comes back, and when.
"""

from __future__ import annotations

import pytest

from pumplink import Link
from pumplink.errors import AttError, AttTimeout, BearerLost, E2EError
from pumplink_tools import Peer, accept, att
from pumpwire.frame import Frame, FrameType, encode

HANDLE = 0x0015
OTHER = 0x0018


def read_response(value: bytes) -> bytes:
    return att(b"\x0b" + value)


def notification(handle: int, value: bytes) -> bytes:
    return att(b"\x1b" + handle.to_bytes(2, "little") + value)


def indication(handle: int, value: bytes) -> bytes:
    return att(b"\x1d" + handle.to_bytes(2, "little") + value)


def connected(answer: object = None, keep_alive_ms: int = 0) -> tuple[Link, Peer]:
    """An open link; `answer` serves its ATT frames."""

    def serve(frame: Frame) -> list[bytes | tuple[float, bytes]]:
        if frame.type == FrameType.OPEN:
            return [accept(frame)]
        return answer(frame) if callable(answer) else []

    peer = Peer(serve)
    link = Link(peer)
    link.open(keep_alive_ms)
    peer.sent.clear()
    return link, peer


# --- Connections ------------------------------------------------------------------------------------------------


def test_opening_says_nonce_version_and_period() -> None:
    peer = Peer(lambda frame: [accept(frame)])
    Link(peer, wire_version=1, nonce=lambda: 0xA1B2C3D4).open(keep_alive_ms=5000)
    assert peer.sent == [Frame(FrameType.OPEN, bytes.fromhex("d4c3b2a1 0100 8813"))]


def test_an_answer_to_another_open_is_none_to_this() -> None:
    stale = encode(FrameType.OPEN_ACK, b"\x99\x99\x99\x99\x01\x00\x00")
    peer = Peer(lambda frame: [stale])
    with pytest.raises(BearerLost, match="no answer to 5 attempts"):
        Link(peer).open()
    assert len(peer.sent) == 5
    assert peer.now_s == 5


def test_an_open_that_is_lost_is_repeated() -> None:
    peer = Peer(lambda frame: [accept(frame)] if len(peer.sent) == 3 else [])
    link = Link(peer)
    link.open()
    assert link.is_open
    assert peer.now_s == 2


def test_an_unknown_wire_version_is_told() -> None:
    peer = Peer(lambda frame: [accept(frame, status=1)])
    with pytest.raises(BearerLost, match="does not speak wire version 7"):
        Link(peer, wire_version=7).open()
    assert len(peer.sent) == 1


def test_requests_of_the_pump_in_the_same_breath_as_its_answer_are_served() -> None:
    peer = Peer(lambda frame: [accept(frame) + att(b"\x0a\x05\x01")] if frame.type == FrameType.OPEN else [])
    link = Link(peer)
    link.serve(0x0105, read=lambda: b"feature")
    link.open()
    assert peer.sent[-1] == Frame(FrameType.ATT, b"\x0bfeature")


def test_without_a_connection_nothing_is_asked() -> None:
    link = Link(Peer(lambda frame: []))
    with pytest.raises(BearerLost, match="open"):
        link.request_read(HANDLE)


def test_a_close_of_the_pump_is_told_once() -> None:
    link, peer = connected()
    peer.come(1, encode(FrameType.CLOSE))
    with pytest.raises(BearerLost, match="closed the connection"):
        link.run_until(10)
    link.close()
    assert peer.sent == []


def test_closing_tells_the_pump_once() -> None:
    link, peer = connected()
    link.close()
    link.close()
    assert peer.sent == [Frame(FrameType.CLOSE, b"")]


@pytest.mark.parametrize(("answered", "lost_at_s"), [(0, 20.0), (2, 30.0)])
def test_the_third_missed_keep_alive_ends_the_connection(answered: int, lost_at_s: float) -> None:
    def answer(frame: Frame) -> list[bytes | tuple[float, bytes]]:
        alive = frame.type == FrameType.KEEP_ALIVE and len(peer.sent) <= answered
        return [encode(FrameType.KEEP_ALIVE)] if alive else []

    link, peer = connected(answer, keep_alive_ms=5000)
    with pytest.raises(BearerLost, match="keep-alives went unanswered"):
        link.run_until(100)
    assert peer.now_s == lost_at_s
    assert not link.is_open


def test_answered_keep_alives_keep_it() -> None:
    link, peer = connected(lambda frame: [encode(FrameType.KEEP_ALIVE)], keep_alive_ms=5000)
    assert link.run_until(100) == 0
    assert len([frame for frame in peer.sent if frame.type == FrameType.KEEP_ALIVE]) in (19, 20)


# --- Client role ------------------------------------------------------------------------------------------------


def test_reads_and_writes_are_the_att_pdus() -> None:
    link, peer = connected(lambda frame: [read_response(b"ab") if frame.body[0] == 0x0A else att(b"\x13")])
    assert link.request_read(HANDLE) == b"ab"
    link.request_write(HANDLE, b"xyz")
    link.subscribe(HANDLE)
    link.subscribe(HANDLE, indicate=True)
    link.unsubscribe(HANDLE)
    assert [frame.body.hex() for frame in peer.sent] == [
        "0a1500",
        "12150078797a",
        "1216000100",
        "1216000200",
        "1216000000",
    ]


def test_a_value_can_be_asked_for_before_it_is_waited_for() -> None:
    link, peer = connected(lambda frame: [read_response(b"ab")])
    wait = link.begin_read(HANDLE)
    assert [frame.body.hex() for frame in peer.sent] == ["0a1500"]
    with pytest.raises(RuntimeError, match="already under way"):
        link.request_read(HANDLE)
    assert wait() == b"ab"
    assert link.request_read(HANDLE) == b"ab"


@pytest.mark.parametrize("code", [0x01, 0x81, 0xFD, 0xFE, 0x77])
def test_a_refusal_is_an_error_with_its_code(code: int) -> None:
    link, _ = connected(lambda frame: [att(bytes((1, frame.body[0], frame.body[1], frame.body[2], code)))])
    with pytest.raises(AttError, match=f"0x{code:02X}") as caught:
        link.request_read(HANDLE)
    assert (caught.value.code, caught.value.handle) == (code, HANDLE)


@pytest.mark.parametrize(("after_s", "ok"), [(2.0, True), (2.001, False)])
def test_an_answer_in_time_counts_and_a_late_one_is_not_the_next_ones(after_s: float, ok: bool) -> None:
    answers = [(after_s, read_response(b"first")), (0.5, read_response(b"second"))]
    link, _ = connected(lambda frame: [answers.pop(0)])
    if ok:
        assert link.request_read(HANDLE) == b"first"
        return
    with pytest.raises(AttTimeout, match="no answer within 2 s"):
        link.request_read(HANDLE)
    link.run_until(link.now_s + 1)
    assert link.dropped_frames == 1
    assert link.request_read(HANDLE) == b"second"


@pytest.mark.parametrize("pdu", [b"\x13", b"\x03\x17\x00", b"\x1e"])
def test_a_wrong_answer_ends_the_trust_in_the_connection(pdu: bytes) -> None:
    link, _ = connected(lambda frame: [att(pdu)])
    with pytest.raises(BearerLost):
        link.request_read(HANDLE)


@pytest.mark.parametrize(
    "pdu", [b"\x01\x0a", b"\x01\x12\x15\x00\x82", b"\x01\x0a\x18\x00\x82", b"\x13\x00", b"\x1b", b"\xff", b""]
)
def test_octets_that_are_no_answer_are_counted_and_not_waited_for_twice(pdu: bytes) -> None:
    link, _ = connected(lambda frame: [att(pdu), (1, read_response(b"real"))])
    assert link.request_read(HANDLE) == b"real"
    assert link.dropped_frames == 1


def test_the_mtu_is_the_smaller_offer_and_never_below_23() -> None:
    link, _ = connected(lambda frame: [att(b"\x03\x40\x00")])
    assert link.exchange_mtu(247) == 64
    assert link.exchange_mtu(50) == 50
    assert link.exchange_mtu(10) == 23


# --- Values -----------------------------------------------------------------------------------------------------


def test_values_during_a_request_are_handed_out_after_it_in_order() -> None:
    link, peer = connected(
        lambda frame: [notification(OTHER, b"1") + indication(HANDLE, b"2"), (0.5, notification(OTHER, b"3")),
                       (0.5, read_response(b"value"))] if frame.body[0] == 0x0A else []
    )  # fmt: skip
    seen: list[tuple[int, bytes, float]] = []
    link.on_value(HANDLE, lambda value, at_s: seen.append((HANDLE, value, at_s)))
    link.on_value(OTHER, lambda value, at_s: seen.append((OTHER, value, at_s)))
    assert link.request_read(HANDLE) == b"value"
    assert seen == []
    assert peer.sent[1] == Frame(FrameType.ATT, b"\x1e")
    link.run_until(link.now_s)
    assert seen == [(OTHER, b"1", 0.0), (HANDLE, b"2", 0.0), (OTHER, b"3", 0.5)]


def test_a_handler_may_ask_and_is_not_entered_twice() -> None:
    link, peer = connected(
        lambda frame: [notification(OTHER, b"during"), read_response(b"r")] if frame.body[0] == 0x0A else []
    )
    log: list[str] = []

    def handler(value: bytes, _at_s: float) -> None:
        log.append(f"in {value.decode()}")
        if value == b"start":
            log.append(link.request_read(HANDLE).decode())
        log.append(f"out {value.decode()}")

    link.on_value(OTHER, handler)
    peer.come(1, notification(OTHER, b"start"))
    link.run_until(5)
    assert log == ["in start", "r", "out start", "in during", "out during"]


def test_a_handler_cannot_let_time_pass() -> None:
    link, peer = connected()
    link.on_value(OTHER, lambda _value, _at_s: link.run_until(100) and None)
    peer.come(1, notification(OTHER, b"x"))
    with pytest.raises(RuntimeError, match="not for handlers"):
        link.run_until(5)


def test_waiting_takes_the_value_out_and_leaves_the_others() -> None:
    link, peer = connected()
    seen: list[bytes] = []
    link.on_value(OTHER, lambda value, _at_s: seen.append(value))
    peer.come(1, notification(OTHER, b"other"))
    peer.come(2, notification(HANDLE, b"mine"))
    value = link.wait_value({HANDLE}, 10)
    assert value is not None
    assert (value.value, value.at_s) == (b"mine", 2)
    assert link.wait_value({HANDLE}, 3) is None
    link.run_until(4)
    assert seen == [b"other"]


def test_checks_see_reads_and_values_in_the_order_of_arrival() -> None:
    link, _ = connected(
        lambda frame: [notification(HANDLE, b"a1") + read_response(b"a2") + notification(HANDLE, b"a3")]
    )
    order: list[bytes] = []

    def check(value: bytes) -> bytes | None:
        order.append(value)
        return value[1:]

    link.on_arrival(HANDLE, check)
    assert link.request_read(HANDLE) == b"2"
    assert order == [b"a1", b"a2", b"a3"]


def test_a_failed_check_is_raised_once_and_loses_no_other_frame() -> None:
    link, peer = connected()
    seen: list[bytes] = []
    link.on_value(OTHER, lambda value, _at_s: seen.append(value))

    def check(_value: bytes) -> bytes | None:
        raise E2EError("wrong counter")

    link.on_arrival(HANDLE, check)
    peer.come(1, notification(HANDLE, b"bad") + notification(OTHER, b"good"))
    with pytest.raises(E2EError, match="wrong counter"):
        link.run_until(5)
    link.run_until(5)
    assert seen == [b"good"]


# --- Server role ------------------------------------------------------------------------------------------------


def test_the_server_answers_and_refuses_as_att_says() -> None:
    link, peer = connected()
    written: list[bytes] = []

    def refuse(_value: bytes) -> None:
        raise AttError(0x0D, 0x0103)

    link.serve(0x0105, read=lambda: b"ok")
    link.serve(0x0103, write=refuse)
    link.serve(0x0104, write=written.append)
    for pdu in ("0a0501", "0a0301", "0a9901", "120501aa", "120301aa", "120401bb", "124401bb", "02ff00", "0405", "0a"):
        peer.come(0, att(bytes.fromhex(pdu)))
    link.run_until(1)
    assert [frame.body.hex() for frame in peer.sent] == [
        "0b6f6b",
        "010a030102",
        "010a990101",
        "0112050103",
        "011203010d",
        "13",
        "0112440101",
        "03ff00",
        "0104000006",
        "010a000004",
    ]
    assert written == [b"\xbb"]


def test_an_indication_waits_for_its_confirmation() -> None:
    link, peer = connected(lambda frame: [(3, att(b"\x1e"))])
    link.indicate(0x0102, b"v")
    assert link.now_s == 3
    assert peer.sent == [Frame(FrameType.ATT, b"\x1d\x02\x01v")]


def test_every_pdu_can_be_watched() -> None:
    link, _ = connected(lambda frame: [read_response(b"x")])
    seen: list[tuple[str, str]] = []
    link.watch(lambda direction, pdu: seen.append((direction, pdu.hex())))
    link.request_read(HANDLE)
    assert seen == [("to_pump", "0a1500"), ("to_client", "0b78")]


# --- What waits -------------------------------------------------------------------------------------------------


def test_what_comes_later_comes_in_order_and_at_its_time() -> None:
    link, peer = connected(keep_alive_ms=1000)
    told: list[tuple[str, float]] = []
    link.after(2.5, lambda: told.append(("late", link.now_s)))
    link.after(0, lambda: told.append(("now", link.now_s)))
    link.after(0.5, lambda: link.after(0.25, lambda: told.append(("then", link.now_s))))
    for at_s in range(1, 4):
        peer.come(at_s, encode(FrameType.KEEP_ALIVE, b""))
    link.run_until(3.5)
    assert told == [("now", 0), ("then", 0.75), ("late", 2.5)]
    assert sum(frame.type == FrameType.KEEP_ALIVE for frame in peer.sent) == 3


def test_what_waits_ends_with_its_connection() -> None:
    link, peer = connected()
    told: list[str] = []
    link.after(1, lambda: told.append("late"))
    link.indicate_soon(HANDLE, b"1", lambda: told.append("confirmed"))
    link.close()
    link.run_until(2)
    link.open()
    peer.come(0, att(b"\x1e"))
    link.run_until(4)
    assert told == []
    assert link.dropped_frames == 1


def test_indications_follow_one_another() -> None:
    link, peer = connected()
    told: list[int] = []
    for number in range(3):
        link.indicate_soon(HANDLE, bytes((number,)), lambda number=number: told.append(number))  # type: ignore[misc]
    with pytest.raises(RuntimeError, match="already under way"):
        link.indicate(HANDLE, b"")
    for at_s in (1, 2, 3):
        assert [frame.body[3] for frame in peer.sent] == list(range(at_s))
        peer.come(0, att(b"\x1e"))
        link.run_until(at_s)
    assert told == [0, 1, 2]


def test_an_indication_may_wait_while_a_request_is_under_way() -> None:
    link, peer = connected(lambda frame: [(1.0, read_response(b"5"))] if frame.body[0] == 0x0A else [])
    told: list[str] = []
    link.indicate_soon(HANDLE, b"1", lambda: told.append("confirmed"))
    peer.come(0.5, att(b"\x1e"))
    assert link.request_read(OTHER) == b"5"
    assert told == ["confirmed"]
