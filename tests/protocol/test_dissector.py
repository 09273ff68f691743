"""Wireshark shows what was sent, and says so when something is wrong; the Kaitai description holds together.

Goal: the generated dissector shows each field of each message with its value, and marks each wrong value.
Method: every vector goes into a capture, the server's and the client's values in their PDUs; tshark prints what the
dissector makes of it, and that is compared field by field. Skipped where tshark is not installed.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from decimal import Decimal
from xml.etree import ElementTree

import pytest

from pumplink.btsnoop import Capture
from pumpwire import CHARACTERISTICS, MESSAGES, Special
from pumpwire.generate.dissector import snake
from pumpwire.generate.files import checkout
from pumpwire.receiver import is_server

PROTOCOL = checkout() / "protocol"
SCRIPT = PROTOCOL / "pumprig.lua"
needs_tshark = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")


def _cases(kind):
    for path in sorted((PROTOCOL / "vectors").glob("*.json")):
        characteristic = CHARACTERISTICS[path.stem.upper()]
        for case in json.loads(path.read_text(encoding="utf-8"))[kind]:
            if case["value"]:
                yield characteristic, case


def _capture(path, cases):
    with Capture(path) as capture:
        capture.connected(0.0)
        # Some values of the vendor services are longer than the smallest MTU carries.
        capture.pdu("to_pump", b"\x02\xf7\x00", 0.1)
        capture.pdu("to_client", b"\x03\xf7\x00", 0.2)
        for number, (characteristic, case) in enumerate(cases, 1):
            direction = "to_pump" if case["direction"] == "both" else case["direction"]
            back = "to_client" if direction == "to_pump" else "to_pump"
            handle, value = characteristic.handle.to_bytes(2, "little"), bytes.fromhex(case["value"])
            if is_server(characteristic, direction):
                capture.pdu(direction, b"\x12" + handle + value, float(number))
                capture.pdu(back, b"\x13", number + 0.1)
            elif "read" in characteristic.properties:
                capture.pdu(back, b"\x0a" + handle, float(number))
                capture.pdu(direction, b"\x0b" + value, number + 0.1)
            else:
                indicated = "indicate" in characteristic.properties
                capture.pdu(direction, (b"\x1d" if indicated else b"\x1b") + handle + value, float(number))
                if indicated:
                    capture.pdu(back, b"\x1e", number + 0.1)


def _shown(path):
    """Everything that tshark shows of each packet with a value, the dissector's fields by their names."""
    command = ["tshark", "-X", f"lua_script:{SCRIPT}", "-r", str(path), "-T", "pdml", "-Y", "pumprig"]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert run.returncode == 0, run.stderr
    assert "Lua Error" not in run.stdout
    return [list(packet.iter()) for packet in ElementTree.fromstring(run.stdout).iter("packet")]


def _as_sent(field, shown):
    """A value as tshark shows it, as the message has it."""
    if field.members is not None:
        return int(shown[0], 0)
    if field.kind in ("sfloat", "float"):
        return shown[0] if shown[0].lower().lstrip("-") == "nan" else Decimal(shown[0])
    if field.kind == "octets":
        return bytes.fromhex(shown[0].replace(":", ""))
    if field.kind == "text":
        return shown[0]
    return [int(item) for item in shown] if field.kind == "counted" else int(shown[0])


@needs_tshark
def test_every_field_of_every_message_is_shown_with_its_value(tmp_path):
    cases = list(_cases("valid"))
    _capture(tmp_path / "valid.btsnoop", cases)
    packets = _shown(tmp_path / "valid.btsnoop")
    assert len(packets) == len(cases)
    for (characteristic, case), items in zip(cases, packets, strict=True):
        message = MESSAGES[case["message"]]
        names = [item.get("name") for item in items]
        assert not any(name.startswith("_ws.expert") for name in names if name), case
        by_name = {}
        for item in items:
            by_name.setdefault(item.get("name"), []).append(item.get("show"))
        assert by_name["pumprig.message"] == [message.name]
        if characteristic.protection.name != "NONE" and by_name["pumprig.e2e.crc"] != ["0xffff"]:
            assert by_name["pumprig.e2e.good"][0] in ("1", "True")
        values = message.parse(bytes.fromhex(case["octets"])).fields
        for field in message.fields:
            owner = characteristic.constant.lower() if field in message.header_layout else snake(message.name)
            shown = by_name.get(f"pumprig.{owner}.{field.name}")
            value = values[field.name]
            if value is None or value in ([], b"", ""):
                assert shown is None
            elif isinstance(value, Special):
                assert shown and "nan" in shown[0].lower()
            elif isinstance(value, Decimal):
                assert abs(_as_sent(field, shown) - value) <= abs(value) * Decimal("1e-5"), (case, field.name)
            else:
                assert _as_sent(field, shown) == value, (case, field.name)


@needs_tshark
def test_what_is_wrong_is_marked(tmp_path):
    # The dissector keeps no counters, and it knows no scale: digits beyond it are shown as they are.
    quiet = ("counter ", "more digits than its scale")
    cases = [item for item in _cases("wrong") if not any(word in item[1]["name"] for word in quiet)]
    _capture(tmp_path / "wrong.btsnoop", cases)
    packets = _shown(tmp_path / "wrong.btsnoop")
    assert len(packets) == len(cases)
    unmarked = [
        (case["message"], case["name"])
        for (_, case), items in zip(cases, packets, strict=True)
        if not any("_ws.expert" in (item.get("name") or "") for item in items)
    ]
    assert unmarked == []


@needs_tshark
def test_a_bolus_can_be_filtered_for_and_read(tmp_path):
    value = MESSAGES["SetBolus"].examples[0].octets
    case = {"direction": "to_pump", "value": value.hex() + "01309a"}
    _capture(tmp_path / "bolus.btsnoop", [(CHARACTERISTICS["IDD_COMMAND_CONTROL_POINT"], case)])
    command = ["tshark", "-X", f"lua_script:{SCRIPT}", "-r", str(tmp_path / "bolus.btsnoop"), "-Y",
               "pumprig.set_bolus.fast_amount_iu > 2", "-T", "fields", "-e", "pumprig.message",
               "-e", "pumprig.set_bolus.fast_amount_iu"]  # fmt: skip
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout.split() == ["SetBolus", "2.5"]


def test_the_kaitai_description_has_every_message_and_no_loose_end():
    text = (PROTOCOL / "pumprig.ksy").read_text(encoding="utf-8")
    types = set(re.findall(r"^  (\w+):$", text.split("\ntypes:\n")[1].split("\nenums:\n")[0], re.MULTILINE))
    enums = set(re.findall(r"^  (\w+):$", text.split("\nenums:\n")[1], re.MULTILINE))
    assert types >= {snake(name) for name in MESSAGES}
    builtin = {"u1", "u2", "u4", "s1", "s2", "s4", "b24le", "str"}
    assert set(re.findall(r'^ +type: "(\w+)"$', text, re.MULTILINE)) <= types | builtin
    assert set(re.findall(r'^ +enum: "(\w+)"$', text, re.MULTILINE)) == enums
    assert set(re.findall(r'^ +0x[0-9a-f]+: "(\w+)"$', text, re.MULTILINE)) <= types
    for block in re.split(r"^  (?=\w)", text, flags=re.MULTILINE):
        names = re.findall(r'^      - id: "(\w+)"$|^      (\w+):$', block, re.MULTILINE)
        flat = [first or second for first, second in names]
        assert len(flat) == len(set(flat)), flat
