"""Frames survive any division into chunks, and damage costs only the frame it hits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pumplink.framing import ATT, KEEP_ALIVE, OPEN, Deframer, Frame, build_frame

BODIES = st.binary(max_size=250)


@pytest.mark.parametrize(
    ("frame", "octets"),
    [
        (Frame(KEEP_ALIVE, b""), "0404a34900"),
        (Frame(ATT, bytes.fromhex("0a1500")), "04050a150325f500"),
        (Frame(OPEN, bytes.fromhex("d4c3b2a1 0100 0000")), "0701d4c3b2a1010101033a3e00"),
    ],
)
def test_a_frame_has_the_octets_of_the_definition(frame: Frame, octets: str) -> None:
    assert build_frame(*frame).hex() == octets
    assert Deframer().feed(bytes.fromhex(octets)) == [frame]


@given(st.lists(BODIES, max_size=8), st.integers(1, 40))
def test_any_chunks_give_the_same_frames(bodies: list[bytes], size: int) -> None:
    octets = b"".join(build_frame(ATT, body) for body in bodies)
    deframer = Deframer()
    frames = [frame for at in range(0, len(octets), size) for frame in deframer.feed(octets[at : at + size])]
    assert frames == [Frame(ATT, body) for body in bodies]
    assert deframer.dropped == 0


@given(BODIES, st.data())
def test_one_changed_octet_costs_one_frame(body: bytes, data: st.DataObject) -> None:
    damaged = bytearray(build_frame(ATT, body))
    at = data.draw(st.integers(0, len(damaged) - 2))
    damaged[at] ^= data.draw(st.integers(1, 255))
    deframer = Deframer()
    frames = deframer.feed(bytes(damaged) + build_frame(ATT, b"next"))
    assert frames[-1] == Frame(ATT, b"next")
    assert len(frames) == 1
    assert deframer.dropped >= 1


@pytest.mark.parametrize(
    "octets",
    [b"\x01\x00", b"\x05abcd\x00", build_frame(6, b"unknown type"), b"\xff\x00", build_frame(ATT, b"x")[:-2] + b"\x00"],
)
def test_what_is_no_frame_is_dropped_and_counted(octets: bytes) -> None:
    deframer = Deframer()
    assert deframer.feed(octets + build_frame(ATT, b"next")) == [Frame(ATT, b"next")]
    assert deframer.dropped == 1


def test_bare_delimiters_between_frames_are_nothing() -> None:
    deframer = Deframer()
    assert deframer.feed(b"\0\0" + build_frame(ATT, b"x") + b"\0\0") == [Frame(ATT, b"x")]
    assert deframer.dropped == 0


def test_a_flood_without_delimiter_is_not_kept() -> None:
    deframer = Deframer()
    for _ in range(10):
        deframer.feed(b"\x55" * 1000)
    assert deframer.dropped >= 4
    assert deframer.feed(b"\0" + build_frame(ATT, b"x")) == [Frame(ATT, b"x")]
