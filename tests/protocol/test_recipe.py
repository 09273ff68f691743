"""A field more in a message is one line, as CONTRIBUTING.md says.

Goal: the line that stands there is all that a declaration needs beside its worked example; generating writes the field
into codecs, specification, dissector, vectors, Kaitai description and lock, and the change of the wire is judged.
Method: the line is taken out of the document and into a copy of the checkout, where the commands are run.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pumpwire.generate.files import checkout

from .board import micropython

pytestmark = pytest.mark.slow

COPIED = ("protocol", "host", "hil", "firmware", "boards")
VENDOR = "protocol/pumpwire/vendor.py"
LAST_FIELD = re.compile(r'("EmulatorPumpData", .*?)(\n    \),\n    examples=\[)', re.DOTALL)
EXAMPLE = re.compile(r'("EmulatorPumpData", .*? \+ "[0-9a-f]+")(, pulse_mu=50,)', re.DOTALL)
BROKEN = 6
FIELD = "pulses_per_burst"
FOLLOW = (
    "firmware/gatt/wire_tables.py", "protocol/SPEC.md", "protocol/pumpwire/_host_codec.py", "protocol/wire.lock.json",
    "protocol/pumprig.lua", "protocol/pumprig.ksy", "protocol/vectors/emulator_pump_data.json",
)  # fmt: skip

HOST = """
from pumpwire import MESSAGES
from pumpwire._host_codec import CODEC
message = MESSAGES["EmulatorPumpData"]
octets = message.examples[0].octets
assert CODEC[message.name][1](octets)["pulses_per_burst"] == 40
assert message.parse(octets).fields["pulses_per_burst"] == 40
beyond = octets[:-1] + bytes([41])
assert message.parse(beyond).outcome == message.parse_declared(beyond).outcome != 0
print(octets.hex())
"""

BOARD = """
import sys
sys.path.insert(0, "firmware")
from gatt import codec, wire_tables
octets = bytes(int(sys.argv[1][i : i + 2], 16) for i in range(0, len(sys.argv[1]), 2))
pump = codec.Codec()
assert pump.decode(wire_tables.EMULATOR_PUMP_DATA, octets, 0, len(octets)) == codec.OK
assert pump.fields[wire_tables.PULSES_PER_BURST] == 40
pump.fields[wire_tables.PULSES_PER_BURST] = 41
assert pump.encode(wire_tables.EMULATOR_PUMP_DATA, bytearray(32), 0) == -1
"""


@pytest.fixture
def copy(tmp_path):
    for name in COPIED:
        shutil.copytree(checkout() / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def run(copy, *arguments, command=sys.executable):
    """Runs Python with the packages of the copy."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(str(copy / name) for name in COPIED[:3])}
    return subprocess.run(
        [str(command), *arguments], cwd=copy, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def edit(copy, pattern, text):
    path = copy / VENDOR
    source, count = pattern.subn(lambda found: found.group(1) + text + found.group(2), path.read_text(encoding="utf-8"))
    assert count == 1, pattern.pattern
    path.write_text(source, encoding="utf-8")


def documented_line():
    text = (checkout() / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (line,) = re.findall(rf'^ +"{FIELD}" / .*$', text, re.MULTILINE)
    return line


def test_the_documented_line_brings_a_field_everywhere(copy):
    before = {path: (copy / path).read_text(encoding="utf-8") for path in FOLLOW}
    edit(copy, LAST_FIELD, "\n" + documented_line())

    # Its example is asked for by the field's name, and until then nothing is written.
    said = run(copy, "-m", "pumpwire.generate")
    assert said.returncode == 1
    assert said.stdout.startswith("EmulatorPumpData, example 1: ") and FIELD in said.stdout
    assert all((copy / path).read_text(encoding="utf-8") == text for path, text in before.items())

    edit(copy, EXAMPLE, ' + "28"')
    path = copy / VENDOR
    source = path.read_text(encoding="utf-8")
    path.write_text(source.replace("motor_pulse_ms=5,", f"motor_pulse_ms=5, {FIELD}=40,", 1), encoding="utf-8")
    said = run(copy, "-m", "pumpwire.generate")
    assert said.returncode == 0, said.stdout + said.stderr
    for path, text in before.items():
        after = (copy / path).read_text(encoding="utf-8")
        assert FIELD not in text.lower()
        assert FIELD in after.lower(), path
    assert run(copy, "-m", "pumpwire.generate", "--check").returncode == 0

    said = run(copy, "-c", HOST)
    assert said.returncode == 0, said.stderr
    if micropython() is not None:
        (copy / "board_codec.py").write_text(BOARD, encoding="utf-8")
        told = run(copy, "board_codec.py", said.stdout.strip(), command=micropython())
        assert told.returncode == 0, told.stdout


def test_the_change_is_judged(copy):
    old = Path(shutil.copy(copy / "protocol/wire.lock.json", copy / "old.json"))
    command = ("-m", "pumprig.cli", "spec", "breaking", "--against", str(old), "--format", "json")
    said = run(copy, *command)
    assert said.returncode == 0, said.stderr
    edit(copy, LAST_FIELD, "\n" + documented_line())
    said = run(copy, *command)
    assert said.returncode == BROKEN, said.stderr
    (change,) = json.loads(said.stdout)["changes"]
    assert (change["where"], change["breaking"]) == (f"EmulatorPumpData.{FIELD}", True)

    # A wire version of its own announces it: old and new refuse each other when they connect.
    path = copy / VENDOR
    source, count = re.subn(r"^(WIRE_VERSION\b.* = )\d+$", r"\g<1>1000", path.read_text(encoding="utf-8"), flags=re.M)
    assert count == 1
    path.write_text(source, encoding="utf-8")
    assert run(copy, *command).returncode == 0
