"""Makes a compiled file smaller without changing what it does.

- Names that stand in the code most often come first in the table, where their number takes one octet.
- A function's lines are counted from its own first one, and only lines in which something can fail: the table of lines
  takes an octet for each, wherever the function stands. With the function's name that says which line of the sources
  it is.
- A class does not keep the names of its module and its own, which nothing asks for.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from pumplink.packing.mpy import NAMES, Function, Instruction, Mpy, read, written

__all__ = ["Relinked", "known_names", "relinked"]

# Numbers of names that every MicroPython has.
_NAME_OF_MODULE, _MODULE, _QUALIFIED = 23, 22, 26
_LOAD_NAME, _STORE_NAME, _LOAD_TEXT = 0x11, 0x16, 0x10
_LOAD_OBJECT = 0x23
_LOAD_FAST, _STORE_FAST = 0xB0, 0xC0
_FAST = 16
# Constants, small ints, what only moves the stack, jumps and returns; and what fails for want of memory alone: making
# a function, and keeping it in its class or module.
_NEVER_FAIL = frozenset((
    0x22, _LOAD_OBJECT, _LOAD_TEXT, 0x26, 0x42, 0x50, 0x51, 0x52, 0x53, 0x57, 0x58, 0x59, 0x5A, 0x5B, 0x63,
    _STORE_NAME, 0x32, *range(0x70, 0xB0), *range(_STORE_FAST, _STORE_FAST + _FAST),
))  # fmt: skip
_STORE_ATTRIBUTE = 0x18


@dataclass
class Relinked:
    """A file that was made smaller.

    Attributes:
        octets: the file.
        numbers: name of a function -> for each line number from 1 on, the line of what was compiled.
        octets_of: line of what was compiled -> octets that it takes; 0 for what is not of a line: names above all.
    """

    octets: bytes
    numbers: dict[str, list[int]]
    octets_of: Counter[int] = field(default_factory=Counter)


def relinked(octets: bytes) -> Relinked:
    """Makes a file smaller.

    Raises:
        NotUnderstood: it holds machine code, or is of another version.
    """
    mpy = read(octets)
    functions = list(mpy.module.all())
    for function in functions:
        _without_class_names(function, mpy)
    lines = {id(made): made.line for function in functions for made in function.code}
    numbers: dict[str, list[int]] = {}
    for function in functions:
        _number_lines(function, numbers.setdefault(_text(mpy, function.names[0]), []))
    _number_names(mpy, functions)
    result = Relinked(written(mpy), numbers)
    _attribute(result, mpy, functions, lines)
    return result


def _text(mpy: Mpy, number: int) -> str:
    name = mpy.names[number]
    return known_names()[name] if isinstance(name, int) else name.decode()


@cache
def known_names() -> dict[int, str]:
    """Names that every MicroPython has, by the numbers that .mpy files have for them."""
    lines = (Path(__file__).parent / "known.names").read_text(encoding="utf-8").splitlines()
    return {int(number): name for number, name in (line.split() for line in lines if line[0] != "#")}


def _without_class_names(function: Function, mpy: Mpy) -> None:
    code = function.code
    if [made.opcode for made in code[:4]] != [_LOAD_NAME, _STORE_NAME, _LOAD_TEXT, _STORE_NAME]:
        return
    if [mpy.names[code[at].number] for at in (0, 1, 3)] == [_NAME_OF_MODULE, _MODULE, _QUALIFIED]:
        del code[:4]


# --- Lines ------------------------------------------------------------------------------------------------------------


def _number_lines(function: Function, numbers: list[int]) -> None:
    """Functions of one name have numbers of their own each, because a traceback tells them apart by these alone."""
    arguments = len(function.names) - 1
    number, can_fail = len(numbers) + 1, False
    numbers.append(function.code[0].line)
    at = 0
    while at < len(function.code):
        line = function.code[at].line
        end = at
        while end < len(function.code) and function.code[end].line == line:
            end += 1
        part = function.code[at:end]
        if not _never_fails(part, arguments):
            if can_fail:
                number += 1
                numbers.append(line)
            numbers[-1] = line
            can_fail = True
        for made in part:
            made.line = number
        at = end


def _never_fails(part: list[Instruction], arguments: int) -> bool:
    """Whether nothing in a line can fail but for want of memory. An object takes any attribute of its own."""
    before = 0
    for made in part:
        safe = made.opcode in _NEVER_FAIL or _LOAD_FAST <= made.opcode < _LOAD_FAST + min(arguments, _FAST)
        if not safe and not (made.opcode == _STORE_ATTRIBUTE and before == _LOAD_FAST and arguments):
            return False
        before = made.opcode
    return True


# --- Names ------------------------------------------------------------------------------------------------------------


def _number_names(mpy: Mpy, functions: list[Function]) -> None:
    uses: Counter[int] = Counter()
    for function in functions:
        uses.update(function.names)
        uses.update(made.number for made in function.code if made.opcode in NAMES)
    # The first is the name of the file.
    order = [0, *(number for number, _ in sorted(uses.items(), key=lambda use: (-use[1], use[0])) if number)]
    new = {old: number for number, old in enumerate(order)}
    mpy.names = [mpy.names[old] for old in order]
    for function in functions:
        function.names = [new[name] for name in function.names]
        for made in function.code:
            if made.opcode in NAMES:
                made.number = new[made.number]


# --- What takes the room ----------------------------------------------------------------------------------------------


def _attribute(result: Relinked, mpy: Mpy, functions: list[Function], lines: dict[int, int]) -> None:
    for function in functions:
        code = function.code
        first = min(lines[id(made)] for made in code)
        if function is not mpy.module:
            result.octets_of[first] += function.octets
        else:
            for made in code:
                result.octets_of[lines[id(made)]] += function.octets // len(code)
        for made in code:
            if made.opcode == _LOAD_OBJECT:
                result.octets_of[lines[id(made)]] += len(mpy.objects[made.number])
    result.octets_of[0] = len(result.octets) - sum(result.octets_of.values())
