"""Frames and PDUs on the serial bearer: what arrives damaged is dropped, and nothing else is.

Goal: the hand-written paths equal their declarations, and a receiver finds its place again after any damage.
Method: every frame is fed whole, in pieces, cut, flipped and joined with noise; every PDU goes through both readings.
"""

from __future__ import annotations

import random

import construct
import pytest
from cobs import cobs

from pumpwire import att, frame
from pumpwire.att import AttOpcode, Pdu
from pumpwire.errors import FrameError, PduError
from pumpwire.fields import RfuValue
from pumpwire.frame import Decoder, Frame, FrameType, OpenStatus

SEED = 0x1D5
FRAMES = [
    Frame(FrameType.OPEN, frame.body(FrameType.OPEN, nonce=0xFFFFFFFF, wire_version=3, keep_alive_ms=0)),
    Frame(FrameType.OPEN_ACK, frame.body(FrameType.OPEN_ACK, nonce=0, wire_version=3, status=OpenStatus.OK)),
    Frame(FrameType.CLOSE, b""),
    Frame(FrameType.KEEP_ALIVE, b""),
    Frame(FrameType.ATT, bytes.fromhex("1221004b11143319f0000000003301")),
    Frame(FrameType.ATT, bytes(247)),
    Frame(FrameType.ATT, bytes(range(1, 248))),
]


def octets_of(frames: list[Frame]) -> bytes:
    return b"".join(frame.encode(item.type, item.body) for item in frames)


@pytest.mark.parametrize("item", FRAMES, ids=range(len(FRAMES)))
def test_encoding_and_decoding_equal_the_declaration(item):
    octets = frame.encode(item.type, item.body)
    content = cobs.decode(octets[:-1])
    declared = frame.content(len(content))
    assert declared.build({"covered": {"value": {"type": item.type, "body": item.body}}}) == content
    parsed = declared.parse(content)
    assert Frame(parsed.covered.value.type, parsed.covered.value.body) == item == frame.parse(octets[:-1])
    assert octets.count(0) == 1


def test_damaged_content_is_refused_by_the_declaration_too():
    source = random.Random(SEED)
    for item in FRAMES * 40:
        content = bytearray(cobs.decode(frame.encode(item.type, item.body)[:-1]))
        content[source.randrange(len(content))] ^= 1 << source.randrange(8)
        with pytest.raises((construct.ConstructError, RfuValue)):
            frame.content(len(content)).parse(bytes(content))
        assert frame.parse(cobs.encode(bytes(content))) is None


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 4096])
def test_octets_may_come_in_pieces_of_any_size(size):
    octets = octets_of(FRAMES)
    decoder = Decoder()
    frames = []
    for start in range(0, len(octets), size):
        frames += decoder.feed(octets[start : start + size])
    assert frames == FRAMES
    assert decoder.dropped == 0


def test_every_single_damage_costs_one_frame_and_is_counted():
    clean = octets_of(FRAMES[:5])
    victim = len(frame.encode(*FRAMES[0]))
    end = victim + len(frame.encode(*FRAMES[1]))
    for position in range(victim, end - 1):
        for bit in range(8):
            octets = bytearray(clean)
            octets[position] ^= 1 << bit
            decoder = Decoder()
            frames = decoder.feed(bytes(octets))
            assert frames == [FRAMES[0], *FRAMES[2:5]]
            assert decoder.dropped in ((1, 2) if octets[position] == 0 else (1,))


def test_a_lost_delimiter_costs_the_two_frames_that_it_parted():
    octets = frame.encode(*FRAMES[0])[:-1] + octets_of(FRAMES[1:4])
    decoder = Decoder()
    assert decoder.feed(octets) == FRAMES[2:4]
    assert decoder.dropped == 1


@pytest.mark.parametrize("noise", [b"\0", b"\0\0\0", b"\x01\0", b"\xff" * 40 + b"\0", b"\x03\x09\x09\0"])
def test_noise_before_a_frame_does_not_touch_it(noise):
    decoder = Decoder()
    assert decoder.feed(noise + octets_of(FRAMES)) == FRAMES
    assert decoder.dropped == (1 if noise.strip(b"\0") else 0)


def test_a_frame_that_never_ends_is_counted_once_and_held_no_further():
    decoder = Decoder()
    for _ in range(100):
        assert decoder.feed(b"\x55" * 100) == []
    assert decoder.dropped == 1
    assert decoder.feed(b"\0" + octets_of(FRAMES)) == FRAMES
    assert decoder.dropped == 1


def test_a_fresh_connection_forgets_a_frame_that_was_begun():
    decoder = Decoder()
    decoder.feed(frame.encode(*FRAMES[4])[:5])
    decoder.clear()
    assert decoder.feed(octets_of(FRAMES)) == FRAMES


@pytest.mark.parametrize(("kind", "body"), [(0, b""), (6, b""), (FrameType.ATT, bytes(250))])
def test_a_frame_that_cannot_be_is_refused_when_sending(kind, body):
    with pytest.raises(FrameError):
        frame.encode(kind, body)


def test_bodies_say_their_fields():
    fields = {"nonce": 7, "wire_version": 1, "keep_alive_ms": 500}
    assert frame.parse_body(Frame(FrameType.OPEN, frame.body(FrameType.OPEN, **fields))) == fields
    assert frame.parse_body(Frame(FrameType.CLOSE, b"")) == {}
    with pytest.raises(FrameError, match="7 octets"):
        frame.parse_body(Frame(FrameType.OPEN, bytes(7)))
    with pytest.raises(FrameError, match="nonce"):
        frame.body(FrameType.OPEN, nonce=7)


PDUS = [
    Pdu(AttOpcode.ERROR_RESPONSE, 0x0021, request_opcode=0x12, error=0x81),
    Pdu(AttOpcode.EXCHANGE_MTU_REQUEST, mtu=247),
    Pdu(AttOpcode.EXCHANGE_MTU_RESPONSE, mtu=23),
    Pdu(AttOpcode.READ_REQUEST, 0x0015),
    Pdu(AttOpcode.READ_RESPONSE, value=b"\x55\x96"),
    Pdu(AttOpcode.READ_RESPONSE),
    Pdu(AttOpcode.WRITE_REQUEST, 0xFFFF, bytes(20)),
    Pdu(AttOpcode.WRITE_RESPONSE),
    Pdu(AttOpcode.NOTIFICATION, 0x0102, b"\x06\0\x0c\x10\x06\0"),
    Pdu(AttOpcode.INDICATION, 0x0012),
    Pdu(AttOpcode.CONFIRMATION),
]


def _declared(octets: bytes) -> Pdu | None:
    try:
        parsed = att.PDU.parse(octets)
    except (construct.ConstructError, RfuValue):
        return None
    fields = {name: value for name, value in (parsed.parameters or {}).items() if not name.startswith("_")}
    return Pdu(parsed.opcode, **fields)


@pytest.mark.parametrize("pdu", PDUS, ids=lambda pdu: pdu.opcode.name)
def test_pdus_equal_their_declaration_and_every_truncation_gets_the_same_answer(pdu):
    octets = att.build(pdu)
    assert att.parse(octets) == pdu
    for length in range(len(octets) + 1):
        _same(octets[:length])
    _same(octets + b"\0")


def test_all_short_octets_are_read_as_declared():
    source = random.Random(SEED)
    for opcode in range(256):
        for length in range(7):
            _same(bytes([opcode]) + source.randbytes(length))


def _same(octets: bytes) -> None:
    declared = _declared(octets)
    if declared is None:
        with pytest.raises(PduError):
            att.parse(octets)
    else:
        assert att.parse(octets) == declared
        assert att.build(declared) == octets
