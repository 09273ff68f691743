"""Captures as btsnoop files.

Goal: what crossed a link comes out of its capture unchanged and in order, a damaged file is refused by name, and the
tools of the trade read it as Bluetooth ATT.
Method: captures written here and read back, files cut at every octet, a link whose other end is a script, and tshark
from Debian where it is installed.
"""

import shutil
import struct
import subprocess
from decimal import Decimal
from pathlib import Path

import pytest

from pumplink import virtual_pump
from pumplink.btsnoop import Capture, CaptureError, capture_link, pdus, records
from pumplink.link import Link
from pumplink_tools import Peer, accept, att
from pumpwire.frame import FrameType

WRITE = bytes.fromhex("122100") + bytes(17)
INDICATION = bytes.fromhex("1d2100550fff0f0f01aabb")
EXCHANGE = [("to_pump", WRITE, 10.5), ("to_client", b"\x13", 10.500003), ("to_client", INDICATION, 11.0),
            ("to_pump", b"\x1e", 11.000002)]  # fmt: skip

needs_tshark = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")


@pytest.fixture
def capture(tmp_path):
    """A capture of one connection."""
    path = tmp_path / "one.btsnoop"
    with Capture(path) as written:
        written.connected(3.5)
        for direction, octets, at_s in EXCHANGE:
            written.pdu(direction, octets, at_s)
        written.disconnected(12.0)
    return path


def tshark(path, *arguments):
    """What tshark prints of a capture."""
    command = ["tshark", "-r", str(path), *arguments]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert run.returncode == 0, run.stderr
    return run.stdout.splitlines()


def test_what_is_written_is_read_again(capture):
    read = list(pdus(capture))
    assert read[0].octets is None and read[0].at_s == 3.5
    assert [(pdu.direction, pdu.octets, pdu.at_s) for pdu in read[1:]] == EXCHANGE


def test_each_connection_has_a_handle_of_its_own_and_ends_before_the_next(tmp_path):
    with Capture(tmp_path / "two.btsnoop") as written:
        written.disconnected(0.5)
        written.pdu("to_pump", b"\x1e", 1.0)
        written.connected(2.0)
        written.pdu("to_pump", b"\x1e", 3.0)
    packets = [record.packet for record in records(tmp_path / "two.btsnoop")]
    assert [packet[:2].hex() for packet in packets] == ["043e", "0201", "0405", "043e", "0202"]
    assert [pdu.octets for pdu in pdus(tmp_path / "two.btsnoop")] == [None, b"\x1e", None, b"\x1e"]


def test_a_capture_is_the_same_file_each_time(capture, tmp_path):
    again = tmp_path / "again.btsnoop"
    with Capture(again) as written:
        written.connected(3.5)
        for direction, octets, at_s in EXCHANGE:
            written.pdu(direction, octets, at_s)
        written.disconnected(12.0)
        written.close()
        written.pdu("to_pump", b"\x1e", 13.0)
    assert again.read_bytes() == capture.read_bytes()


def test_fragments_are_joined_and_other_channels_passed_over(tmp_path):
    path = tmp_path / "parts.btsnoop"
    l2cap = struct.pack("<HH", len(WRITE), 4) + WRITE
    with Capture(path) as written:
        written.connected(0.0)
        for boundary, part in ((0, l2cap[:7]), (1, l2cap[7:9]), (1, l2cap[9:])):
            head = struct.pack("<BHH", 2, written._handle | boundary << 12, len(part))
            written._record(1.0, 0, head + part)
        written._record(2.0, 0, struct.pack("<BHHHH", 2, written._handle, 6, 2, 6) + b"\1\2")
    assert [pdu.octets for pdu in pdus(path)] == [None, WRITE]


def test_a_file_cut_anywhere_is_refused_or_is_shorter(capture, tmp_path):
    whole, cut = capture.read_bytes(), tmp_path / "cut.btsnoop"
    ends = set()
    for size in range(len(whole)):
        cut.write_bytes(whole[:size])
        try:
            list(records(cut))
            ends.add(size)
        except CaptureError as error:
            assert str(cut) in str(error)
    # Only between records is a shorter file a whole one.
    assert len(ends) == len(list(records(capture)))


@pytest.mark.parametrize(
    ("octets", "said"),
    [
        (b"not a capture at all", "no btsnoop"),
        (struct.pack(">8sII", b"btsnoop\0", 1, 1001), "link type 1001"),
        (struct.pack(">8sII", b"btsnoop\0", 2, 1002), "version 2"),
        (struct.pack(">8sII", b"btsnoop\0", 1, 1002) + struct.pack(">IIIIq", 9, 0x7FFFFFFF, 0, 0, 0), "record 1"),
    ],
)
def test_what_is_no_capture_is_refused(tmp_path, octets, said):
    path = tmp_path / "other.btsnoop"
    path.write_bytes(octets)
    with pytest.raises(CaptureError, match=said):
        list(records(path))


def test_a_link_is_captured_in_both_directions(tmp_path):
    def answer(frame):
        return [accept(frame)] if frame.type is FrameType.OPEN else [att(b"\x0b\x55"), att(b"\x1b\x18\0")]

    peer = Peer(answer)
    link = Link(peer)
    with capture_link(link, tmp_path / "link.btsnoop"):
        link.open()
        assert link.request_read(0x0018) == b"\x55"
    link.close()
    assert [(pdu.direction, pdu.octets) for pdu in pdus(tmp_path / "link.btsnoop")] == [
        ("to_client", None), ("to_pump", b"\x0a\x18\0"), ("to_client", b"\x0b\x55"), ("to_client", b"\x1b\x18\0"),
    ]  # fmt: skip


@needs_tshark
def test_tshark_reads_a_capture_as_bluetooth_att(capture):
    names = ("frame.time_epoch", "hci_h4.direction", "btatt.opcode", "btatt.handle", "btatt.value")
    wanted = [word for name in names for word in ("-e", name)]
    shown = tshark(capture, "-Y", "btatt", "-T", "fields", "-E", "separator=;", *wanted)
    rows = [line.split(";") for line in shown]
    assert [(float(row[0]), row[1], row[2]) for row in rows] == [
        (10.5, "0x00", "0x12"), (10.500003, "0x01", "0x13"), (11.0, "0x01", "0x1d"), (11.000002, "0x00", "0x1e"),
    ]  # fmt: skip
    assert rows[0][3:] == ["0x0021", WRITE[3:].hex()]
    assert rows[2][3:] == ["0x0021", INDICATION[3:].hex()]
    assert tshark(capture, "-Y", "_ws.malformed or _ws.expert.severity >= 0x600000") == []


@needs_tshark
def test_tshark_knows_who_is_central(capture):
    shown = tshark(capture, "-Y", "bthci_evt.le_meta_subevent", "-T", "fields", "-e", "bthci_evt.role",
                   "-e", "bthci_evt.connection_handle")  # fmt: skip
    assert [line.split() for line in shown] == [["0x00", "0x0001"]]


@needs_tshark
def test_with_the_dissector_tshark_shows_the_fields_of_a_bolus(tmp_path):
    path = tmp_path / "bolus.btsnoop"
    pump = virtual_pump()
    with capture_link(pump.link, path), pump:
        pump.write_basal_profile([(1440, 1)])
        pump.activate(1)
        pump.start()
        bolus_id = pump.set_bolus(Decimal("2.5"))
    script = Path(__file__).parents[2] / "protocol" / "pumprig.lua"
    names = ("btatt.opcode", "pumprig.message", "pumprig.e2e.good", "pumprig.set_bolus.bolus_type",
             "pumprig.set_bolus.fast_amount_iu", "pumprig.set_bolus_response.bolus_id")  # fmt: skip
    wanted = [word for name in names for word in ("-e", name)]
    shown = tshark(path, "-X", f"lua_script:{script}", "-Y", 'pumprig.message matches "^SetBolus"', "-T", "fields",
                   "-E", "separator=;", *wanted)  # fmt: skip
    assert [line.split(";") for line in shown] == [
        ["0x12", "SetBolus", "1", "0x33", "2.5", ""],
        ["0x1d", "SetBolusResponse", "1", "", "", str(bolus_id)],
    ]
    assert tshark(path, "-X", f"lua_script:{script}", "-Y", "_ws.lua.error or _ws.malformed") == []
