"""The numbers in the firmware's services are those of the declarations.

The firmware writes opcodes, enumeration values and flags as constants of its own, since a constant that is imported
costs a board memory and time. Method: every constant whose name a declaration has must have its value.
"""

import re
from enum import IntEnum, IntFlag
from pathlib import Path

import pytest

from pumpwire import enums
from pumpwire.registry import MESSAGES

GATT = Path(__file__).parent.parent.parent / "firmware" / "gatt"
GENERATED = {"wire_tables.py", "handles.py"}
CONSTANT = re.compile(r"^_?([A-Z][A-Z0-9_]*) = const\((0x[0-9A-Fa-f]+|\d+)\)", re.MULTILINE)


def upper(name):
    """TherapyControlState gives THERAPY_CONTROL_STATE."""
    return re.sub(r"(?<=[a-z])(?=[A-Z0-9])", "_", name).upper()


def declared():
    """Name -> value of all opcodes, enumeration members and flags."""
    names = {}
    for message in MESSAGES.values():
        if message.opcode is not None:
            names[upper(message.name)] = int(message.opcode)
    for name, members in vars(enums).items():
        if isinstance(members, type) and issubclass(members, (IntEnum, IntFlag)):
            names.update((f"{upper(name)}_{member.name}", int(member)) for member in members)
    return names


def written():
    """(file, name, value) of the constants in the services."""
    for path in sorted(GATT.glob("*.py")):
        if path.name not in GENERATED:
            for name, value in CONSTANT.findall(path.read_text(encoding="utf-8")):
                yield path.name, name, int(value, 0)


@pytest.mark.parametrize(("file", "name", "value"), [
    found for found in written() if found[1] in declared()
])  # fmt: skip
def test_a_constant_has_the_declared_value(file, name, value):
    assert declared()[name] == value


def test_the_guard_sees_the_opcodes():
    """A renamed constant would slip out of the guard: every request that a control point takes is in it."""
    taken = re.findall(r"opcode == (_[A-Z_0-9]+)", "".join(path.read_text() for path in GATT.glob("*.py")))
    assert len(taken) >= 25
    assert [name for name in taken if name.lstrip("_") not in declared()] == []
