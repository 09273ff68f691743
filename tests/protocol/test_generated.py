"""Generated files are current, and a declaration that nothing could be generated from is refused by name.

Goal: firmware tables, host codec, documents, vectors and dissector never say anything but the declarations.
Method: the generator runs over the checkout and over a copy that was touched; declarations outside the subset are made
one by one.
"""

from __future__ import annotations

import subprocess
from decimal import Decimal

import pytest
from construct import Bytes, If, Int16ub, Struct

from pumpwire import MESSAGES, database
from pumpwire.declare import TO_PUMP, Example, Message
from pumpwire.enums import BolusFlags, BolusType
from pumpwire.errors import DeclarationError
from pumpwire.fields import Bits, InRange, Int8ul, Int16ul, Int32ul, Present, Sfloat, Word
from pumpwire.generate.__main__ import main
from pumpwire.generate.files import checkout, generated
from pumpwire.generate.program import Compiler
from pumpwire.generate.tables import Tables, constant_of

from .board import micropython

IMPORT_OCTETS_MAX = 40_000


GENERATED = generated()


@pytest.mark.parametrize("path", GENERATED)
def test_generated_files_are_current(path):
    assert (checkout() / path).read_text(encoding="utf-8") == GENERATED[path], (
        f"{path} is stale: run `make generate` and commit what it writes"
    )


def test_generating_twice_gives_the_same():
    assert generated() == GENERATED


def test_check_names_the_stale_file_and_writes_nothing(tmp_path, capsys):
    assert main(["--root", str(tmp_path)]) == 0
    assert main(["--root", str(tmp_path), "--check"]) == 0
    capsys.readouterr()
    stale = tmp_path / "firmware/gatt/handles.py"
    stale.write_text("# touched\n", encoding="utf-8")
    assert main(["--root", str(tmp_path), "--check"]) == 1
    assert capsys.readouterr().out == (
        "firmware/gatt/handles.py is stale: run `python -m pumpwire.generate` and commit what it writes\n"
    )
    assert stale.read_text(encoding="utf-8") == "# touched\n"


@pytest.mark.parametrize(("octets", "fields", "words"), [
    ("770500", {"bolus_id": 5}, "says 770500, its fields make 77110500"),
    ("77110500", {}, "bolus_id at octet 2: None cannot be sent; allowed: 0 to 65535; give the example"),
])  # fmt: skip
def test_a_wrong_example_is_named_and_nothing_is_written(tmp_path, capsys, monkeypatch, octets, fields, words):
    monkeypatch.setattr(MESSAGES["SetBolusResponse"], "examples", (Example(octets, **fields),))
    assert main(["--root", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert said.startswith("SetBolusResponse, example 1: ")
    assert words in said
    assert list(tmp_path.iterdir()) == []


def test_names_list_every_message(capsys):
    assert main(["--names"]) == 0
    listed = capsys.readouterr().out
    assert all(f"\n{name}" in listed for name in MESSAGES)


def test_slots_are_told_apart_and_arrays_stand_together():
    names = Tables().slot_names()
    assert names["BOLUS_IDS"] == names["BOLUS_IDS_COUNT"] + 1
    assert names["AT_S_HIGH"] == names["AT_S_LOW"] + 1
    for number in (1, 2):
        step = names[f"DURATION_MINUTES_{number + 1}"] - names[f"DURATION_MINUTES_{number}"]
        assert step == names[f"RATE_IU_PER_H_{number + 1}"] - names[f"RATE_IU_PER_H_{number}"] == 2


@pytest.mark.parametrize("served_only", [True, False])
def test_no_slot_has_two_uses_at_a_time(served_only):
    """Never two fields of one message; and what shares one is no record, no control point and no sample."""
    tables = Tables(served_only)
    slots = tables.compiler.slots
    users = {}
    for message in tables.messages:
        taken = set()
        for field in message.fields:
            own = set(range(slots.of(field.name), slots.of(field.name) + slots.count(field.name)))
            assert not own & taken, f"{message.name}.{field.name}"
            taken |= own
            for slot in own:
                users.setdefault(slot, {}).setdefault(field.name, []).append(message)
    shared = {slot: fields for slot, fields in users.items() if len(fields) > 1}
    assert shared and max(shared) < slots.shared
    for fields in shared.values():
        for messages in fields.values():
            (message,) = messages
            assert message.on.opcode_octets == 0 and message.on.handle < database.RIG_HANDLES_FROM, message.name
    headers = set(range(slots.of("event"), slots.size))
    assert not headers & set(shared)


def test_a_field_that_shares_its_slots_stands_in_no_other_message():
    wire = [MESSAGES["EmulatorFault"]]
    compiler = Compiler(wire, wire)
    compiler.message(wire[0])
    second = Message("Probe", on=database.EMULATOR_FAULT, direction=TO_PUMP, body=Struct("fault_value" / Int32ul),
                     clause="none", examples=[Example("00000000", fault_value=0)])  # fmt: skip
    with pytest.raises(DeclarationError, match=r"Probe\.fault_value: .*EmulatorFault alone"):
        compiler.message(second)
    with pytest.raises(DeclarationError, match="more slots than the 0"):
        Compiler([], wire).message(wire[0])


@pytest.mark.parametrize(("name", "constant"), [
    ("SetBolus", "SET_BOLUS"), ("HistoryBolusProgrammed1", "HISTORY_BOLUS_PROGRAMMED_1"),
    ("IddStatus", "IDD_STATUS"), ("GetActiveBolusIdsResponse", "GET_ACTIVE_BOLUS_IDS_RESPONSE"),
])  # fmt: skip
def test_constants_of_messages(name, constant):
    assert constant_of(MESSAGES[name]) == constant


def test_handles_keep_to_their_ranges_and_never_meet():
    taken = set()
    for service in database.SERVICES:
        taken.add(service.first_handle)
        for characteristic in service.characteristics:
            handles = {characteristic.handle - 1, characteristic.handle, characteristic.handle + 1}
            assert not handles & taken
            taken |= handles
            assert all((handle <= 0xFF) == (service.owner == "pump") for handle in handles)


FLAGS = "flags" / Bits(Int8ul, BolusFlags)
KIND = "kind" / Word(Int8ul, BolusType)
OUTSIDE = {
    "lambda": (Struct(FLAGS, "delay" / If(lambda this: this.flags & 1, Int8ul)), "delay.*Present"),
    "big endian": (Struct("number" / Int16ub), "number.*FormatField"),
    "raw octets": (Struct("octets" / Bytes(3)), "octets.*Bytes"),
    "no name": (Struct(Int8ul), "needs a name"),
    "twice": (Struct("number" / Int8ul, "number" / Int8ul), "number.*twice"),
    "limits of a u32": (Struct("number" / InRange(Int32ul, 0, 9)), "number.*no limits"),
    "words of a u32": (Struct("kind" / Word(Int32ul, BolusType)), "kind.*24 bits"),
    "flags that come later": (Struct("delay" / Present(BolusFlags.DELAY_PRESENT, Int8ul), FLAGS), "delay.*earlier"),
    "flags that are none": (
        Struct("flags" / Int8ul, "delay" / Present(BolusFlags.DELAY_PRESENT, Int8ul)), "delay.*earlier",
    ),
    "not a struct": (Int8ul, "must be a Struct"),
}  # fmt: skip


@pytest.mark.parametrize("case", OUTSIDE)
def test_a_declaration_outside_the_subset_is_refused_by_name(case):
    body, words = OUTSIDE[case]
    with pytest.raises(DeclarationError, match=rf"(?s)Probe.*{words}"):
        Message("Probe", on=database.EMULATOR_FAULT, direction=TO_PUMP, body=body, clause="none",
                examples=[Example("00")])  # fmt: skip


@pytest.mark.parametrize(("details", "words"), [
    ({"opcode": 1}, "needs no opcode"), ({"direction": "up"}, "none of"), ({"examples": []}, "worked example"),
    ({"on": database.COMMAND_DATA}, "needs an opcode"),
])  # fmt: skip
def test_a_message_that_is_not_complete_is_refused(details, words):
    complete = {"on": database.EMULATOR_FAULT, "direction": TO_PUMP, "body": Struct(), "clause": "none",
                "examples": [Example("")]}  # fmt: skip
    Message("Probe", **complete)
    with pytest.raises(DeclarationError, match=words):
        Message("Probe", **{**complete, **details})


@pytest.mark.parametrize(("first", "second"), [
    (Sfloat(1000), Sfloat(10)), (Int16ul, Int32ul), (Sfloat(1000), Int16ul),
])  # fmt: skip
def test_one_name_has_one_scale_and_one_number_of_slots(first, second):
    compiler = Compiler()
    bodies = [
        Message("Probe", on=database.EMULATOR_FAULT, direction=TO_PUMP, body=Struct("amount" / kind), clause="none",
                examples=[Example("00", amount=Decimal(0))])
        for kind in (first, second)
    ]  # fmt: skip
    compiler.message(bodies[0])
    with pytest.raises(DeclarationError, match=r"Probe\.amount.*name of its own"):
        compiler.message(bodies[1])


@pytest.mark.skipif(micropython() is None, reason="no MicroPython unix port installed")
def test_codec_and_tables_leave_the_heap_to_the_pump(tmp_path):
    script = tmp_path / "cost.py"
    script.write_text(
        "import gc, sys\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "gc.collect()\n"
        "before = gc.mem_alloc()\n"
        "from gatt import codec, handles, wire_tables\n"
        "codec.Codec()\n"
        "gc.collect()\n"
        "print(gc.mem_alloc() - before)\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        [str(micropython()), "-X", "heapsize=256K", str(script), str(checkout() / "firmware")],
        capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    assert int(done.stdout) < IMPORT_OCTETS_MAX
