"""The words that the pump's modules write as constants of their own are those of pump/events.py.

An imported constant costs a board memory and time, a private one neither. Method: every private constant of the pump
and the journal whose name stands in pump/events.py must have its value.
"""

import re
from pathlib import Path

from pump import events

FIRMWARE = Path(__file__).parent.parent.parent / "firmware"
CONSTANT = re.compile(r"^_([A-Z][A-Z0-9_]*) = const\(([^)]*)\)", re.MULTILINE)
WORDS = {name: value for name, value in vars(events).items() if name.isupper()}


def written(folder):
    """(file, name, text of the value) of the private constants in a folder."""
    for path in sorted((FIRMWARE / folder).rglob("*.py")):
        for name, value in CONSTANT.findall(path.read_text(encoding="utf-8")):
            if name in WORDS:
                yield str(path.relative_to(FIRMWARE)), name, value


def test_a_word_is_the_same_everywhere():
    """The pump and the journal speak of the same events, states and reasons."""
    found = [*written("pump"), *written("journal"), *written("gatt")]
    assert len(found) > 150
    assert [line for line in found if int(line[2], 0) != WORDS[line[1]]] == []


def test_no_module_imports_the_words():
    """Where nobody does, a board does not load pump/events.py at all."""
    modules = [path for folder in ("pump", "journal", "gatt") for path in sorted((FIRMWARE / folder).rglob("*.py"))]
    assert [path.name for path in modules if "pump.events import" in path.read_text(encoding="utf-8")] == []
