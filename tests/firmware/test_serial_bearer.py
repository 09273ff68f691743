"""The serial bearer: what begins a connection, what ends it, and that no damaged octet ever does anything.

Method: the real firmware on the virtual board; frames are made and damaged by the tests.
"""

from decimal import Decimal

import pytest
from cobs import cobs

from firmware.gatt_bench import COMMAND, SOON_S, STATUS, STATUS_CHANGED, GattBench
from pumpwire.e2e import crc16
from pumpwire.frame import FrameType
from pumpwire.frame import encode as frame_octets
from pumpwire.registry import MESSAGES
from pumpwire.vendor import WIRE_VERSION

READ_STATUS = bytes((0x0A, STATUS.handle, 0))
MTU_REQUEST_247 = bytes((0x02, 247, 0))
ATT_OCTETS_MAX = 247


@pytest.fixture
def bench():
    """A board that nobody has spoken to."""
    bench = GattBench()
    yield bench
    bench.close()


def kinds(bench):
    """The types of the frames that came."""
    return [frame.type for frame in bench.frames]


# --- connections ---


@pytest.mark.parametrize("nonce", [0, 1, 0xFFFFFFFF, 0x00FF0100])
def test_an_open_is_acknowledged_with_its_nonce(bench, nonce):
    assert bench.open(nonce=nonce) == 0
    assert bench.read(STATUS.handle)[:2] == b"\x33\x96"


@pytest.mark.parametrize("version", [0, 1, WIRE_VERSION - 1, WIRE_VERSION + 1, 0x0102, 0xFFFF])
def test_another_wire_version_is_refused_and_opens_nothing(bench, version):
    assert bench.open(wire_version=version) == 1
    assert bench.exchange(READ_STATUS) == []


def test_a_refused_open_ends_the_connection_before_it(bench):
    assert bench.open() == 0
    assert bench.open(wire_version=1) == 1
    assert bench.exchange(READ_STATUS) == []


def test_without_a_connection_nothing_is_answered(bench):
    assert bench.exchange(READ_STATUS) == []
    bench.send_frame(FrameType.KEEP_ALIVE)
    bench.send_frame(FrameType.CLOSE)
    bench.run_for(1)
    assert bench.frames == []
    bench.open()
    assert bench.fields("EmulatorHealth")["dropped_frames"] == 3


def test_close_ends_the_connection(bench):
    bench.open()
    bench.disconnect()
    assert bench.exchange(READ_STATUS) == []
    assert bench.open() == 0


@pytest.mark.parametrize("ends", ["close", "open"])
def test_client_configurations_counters_and_mtu_end_with_the_connection(bench, ends):
    bench.subscribed()
    for _ in range(3):
        bench.procedure("GetActiveBolusIds")
    assert bench.exchange(MTU_REQUEST_247)[0][0] == 0x03
    if ends == "close":
        bench.disconnect()
    assert bench.open() == 0
    assert bench.read(STATUS_CHANGED.configuration_handle) == b"\0\0"
    assert bench.read(COMMAND.configuration_handle) == b"\0\0"
    bench.write(COMMAND.configuration_handle, b"\x02\0")
    assert bench.procedure("GetMaxBolusAmount")[1]["max_bolus_iu"] == 10
    assert bench.seen[COMMAND.handle] == 1


# --- keep-alives ---


def test_a_keep_alive_is_echoed(bench):
    bench.open(keep_alive_ms=1000)
    bench.send_frame(FrameType.KEEP_ALIVE)
    bench.run_for(SOON_S)
    assert kinds(bench)[-1] == FrameType.KEEP_ALIVE


@pytest.mark.parametrize(("silent_ms", "alive"), [(2900, True), (3100, False)])
def test_three_missed_keep_alives_end_the_connection(bench, silent_ms, alive):
    bench.sensor = lambda pdu: None
    bench.open(keep_alive_ms=1000)
    opened_s = bench.now_s - SOON_S
    bench.run_until(opened_s + silent_ms / 1000)
    assert bool(bench.exchange(READ_STATUS)) is alive


def test_any_sound_frame_is_a_sign_of_life(bench):
    bench.open(keep_alive_ms=1000)
    for _ in range(5):
        bench.run_for(2.5)
        assert bench.exchange(READ_STATUS)


def test_a_damaged_frame_is_no_sign_of_life(bench):
    bench.sensor = lambda pdu: None
    bench.open(keep_alive_ms=1000)
    bench.run_for(2.5)
    bench.bearer.write(b"\x05\x04\x03\0")
    bench.run_for(1)
    assert bench.exchange(READ_STATUS) == []


@pytest.mark.parametrize("hours", [1, 24])
def test_without_keep_alives_a_connection_lasts(bench, hours):
    bench.open()
    bench.run_for(3600 * hours)
    assert bench.exchange(READ_STATUS)


def test_a_connection_lost_in_silence_leaves_the_therapy_alone(bench):
    """A TBR ends on the pump's clock (D-302), a bolus is delivered (D-106)."""
    bench.running(rate_mu_per_h=1000)
    bench.open(keep_alive_ms=500)
    bench.write(COMMAND.configuration_handle, b"\x02\0")
    bench.procedure("SetBolus", flags=0, bolus_type=0x33, fast_amount_iu=Decimal("0.2"), extended_amount_iu=0,
                    duration_minutes=0)  # fmt: skip
    start_s = int(bench.now_s) + 1
    bench.run_for(60)
    assert bench.exchange(READ_STATUS) == []
    assert bench.pulses == [start_s + 2, start_s + 4, start_s + 6, start_s + 8]


# --- damage ---


def bolus_frame(bench):
    """The frame of a bolus that the pump would take."""
    message = MESSAGES["SetBolus"]
    payload = message.build(flags=0, bolus_type=0x33, fast_amount_iu=1, extended_amount_iu=0, duration_minutes=0)
    value = bench.protected(COMMAND, payload)
    return frame_octets(FrameType.ATT, bytes((0x12, COMMAND.handle, 0)) + value)


def test_no_flipped_bit_starts_a_bolus(bench):
    """D-405 below the E2E-CRC: every single bit of the frame, one at a time; then the sound frame."""
    bench.running(rate_mu_per_h=0)
    frame = bolus_frame(bench)
    for bit in range(8 * (len(frame) - 1)):
        damaged = bytearray(frame)
        damaged[bit // 8] ^= 1 << bit % 8
        bench.bearer.write(bytes(damaged))
        bench.run_for(0.002)
    answered = len(bench.answers)
    bench.run_for(30)
    assert len(bench.answers) == answered
    assert bench.pulses == []
    dropped = bench.fields("EmulatorHealth")["dropped_frames"]
    assert dropped >= 8 * (len(frame) - 1)
    bench.bearer.write(frame)
    bench.run_for(10)
    assert bench.answer(COMMAND)[0] == "SetBolusResponse"
    assert bench.pulses


def test_every_truncation_is_dropped_once(bench):
    bench.running(rate_mu_per_h=0)
    before = bench.fields("EmulatorHealth")["dropped_frames"]
    frame = bolus_frame(bench)
    for length in range(1, len(frame) - 1):
        bench.bearer.write(frame[:length] + b"\0")
        bench.run_for(0.002)
    bench.run_for(30)
    assert bench.fields("EmulatorHealth")["dropped_frames"] - before == len(frame) - 2
    assert bench.pulses == []


def test_a_frame_that_arrives_octet_by_octet_is_one(bench):
    bench.open()
    for octet in frame_octets(FrameType.ATT, READ_STATUS):
        bench.bearer.write(bytes((octet,)))
        bench.run_for(0.001)
    assert len(bench.answers) == 1


def test_frames_that_arrive_together_are_each_answered(bench):
    bench.open()
    bench.bearer.write(frame_octets(FrameType.ATT, READ_STATUS) * 5)
    bench.run_for(SOON_S)
    assert [answer[0] for answer in bench.answers] == [0x0B] * 5


def test_noise_before_a_frame_costs_that_frame_only(bench):
    bench.open()
    frame = frame_octets(FrameType.ATT, READ_STATUS)
    bench.bearer.write(b"\xaa\x55\xff" + frame + frame)
    bench.run_for(SOON_S)
    assert len(bench.answers) == 1
    assert bench.fields("EmulatorHealth")["dropped_frames"] == 1


def test_zeros_between_frames_mean_nothing(bench):
    bench.open()
    bench.bearer.write(b"\0\0\0" + frame_octets(FrameType.ATT, READ_STATUS) + b"\0\0")
    bench.run_for(SOON_S)
    assert len(bench.answers) == 1
    assert bench.fields("EmulatorHealth")["dropped_frames"] == 0


@pytest.mark.parametrize("octets", [300, 5000])
def test_a_frame_without_end_is_dropped_at_its_end(bench, octets):
    bench.open()
    for _ in range(octets // 100):
        bench.bearer.write(b"\x7f" * 100)
        bench.run_for(0.01)
    bench.bearer.write(b"\0" + frame_octets(FrameType.ATT, READ_STATUS))
    bench.run_for(SOON_S)
    assert len(bench.answers) == 1
    assert bench.fields("EmulatorHealth")["dropped_frames"] == 1


def test_the_longest_pdu_fits_a_frame(bench):
    """247 octets of an unknown request come in whole: the answer names its opcode."""
    bench.open()
    assert bench.exchange(b"\x20" + bytes(ATT_OCTETS_MAX - 1)) == [b"\x01\x20\0\0\x06"]


def test_a_frame_with_an_unknown_type_or_a_wrong_length_is_dropped(bench):
    bench.open()
    for content in (b"\x06", b"\x00", b"\x05", b"\x03\x01", b"\x04\x01", b"\x01" + bytes(7), b"\x01" + bytes(9)):
        bench.bearer.write(raw_frame(content))
    bench.run_for(SOON_S)
    assert bench.exchange(READ_STATUS)
    assert bench.fields("EmulatorHealth")["dropped_frames"] == 7


def raw_frame(content):
    """A frame with a good CRC around anything."""
    return cobs.encode(content + crc16(content).to_bytes(2, "little")) + b"\0"


@pytest.mark.parametrize("filler", [0x00, 0x01, 0xFF])
def test_stuffing_survives_runs_of_any_octet(bench, filler):
    """Long values of zeros, ones and 255s: the write is understood, and refused for its length."""
    bench.open()
    pdu = bytes((0x12, COMMAND.handle, 0)) + bytes((filler,)) * (ATT_OCTETS_MAX - 3)
    assert bench.exchange(pdu) == [bytes((0x01, 0x12, COMMAND.handle, 0, 0x0D))]
