"""Reads and writes .mpy files of bytecode (version 6.3), so that names and lines in them can be given other numbers.

A file is a table of names, objects (long ints, texts, tuples), and a function that is the module, with functions in it.
A function begins with its signature, its own name and those of its arguments, and the lines of its code.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["Function", "Instruction", "Mpy", "NotUnderstood", "read", "written"]

_MAGIC = b"M\x06"
_BYTECODE = 0
_CHILDREN = 4
# Kinds of objects: those without content, texts (which end in a zero), tuples.
_PLAIN_OBJECTS = (0, 1, 2, 3, 4)
_TEXTS = (5, 6)
_TUPLE = 10

NAMES = frozenset((0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1A, 0x1B, 0x1C))
"""Instructions with the number of a name."""

_NUMBERS = frozenset((*range(0x22, 0x38), 0x20, 0x21))
_WITH_OCTET = frozenset((0x20, 0x21, 0x40))
_SIGNED_JUMPS = frozenset((0x40, 0x42, 0x43, 0x44))
_JUMPS = frozenset((*_SIGNED_JUMPS, *range(0x45, 0x4C)))
_FIRST_ALONE = 0x50


class NotUnderstood(Exception):
    """The file is not of the kind that is read here."""


@dataclass(eq=False)
class Instruction:
    """One instruction.

    Attributes:
        opcode: its first octet.
        number: its number or name; for a jump unused.
        target: where a jump goes; None at the end of the code.
        octet: what follows a closure or an unwinding jump.
        line: the source line it belongs to.
    """

    opcode: int
    number: int = 0
    target: Instruction | None = None
    octet: int = -1
    line: int = 0


@dataclass(eq=False)
class Function:
    """A function, or the module itself.

    Attributes:
        signature: as it stands.
        names: its own name and those of its arguments.
        cells: which locals are shared with functions inside.
        code: its instructions.
        children: functions made in it.
        octets: how many it takes in the file, without its children.
    """

    signature: bytes
    names: list[int]
    cells: bytes
    code: list[Instruction]
    children: list[Function]
    octets: int = 0

    def all(self) -> Iterator[Function]:
        """This function and all inside."""
        yield self
        for child in self.children:
            yield from child.all()


@dataclass
class Mpy:
    """A file. A name is a text, or the number of one that every MicroPython has."""

    head: bytes
    names: list[bytes | int]
    objects: list[bytes]
    module: Function


class _Line(NamedTuple):
    offset: int
    line: int


# --- Reading ----------------------------------------------------------------------------------------------------------


class _Reader:
    def __init__(self, octets: bytes) -> None:
        self.octets = octets
        self.at = 0

    def octet(self) -> int:
        self.at += 1
        return self.octets[self.at - 1]

    def take(self, count: int) -> bytes:
        self.at += count
        return self.octets[self.at - count : self.at]

    def number(self) -> int:
        value = 0
        while True:
            octet = self.octet()
            value = value << 7 | octet & 0x7F
            if octet < 0x80:
                return value

    def name(self) -> bytes | int:
        length = self.number()
        if length & 1:
            return length >> 1
        text = self.take(length >> 1)
        self.octet()
        return text

    def object(self) -> bytes:
        start = self.at
        kind = self.octet()
        if kind == _TUPLE:
            for _ in range(self.number()):
                self.object()
        elif kind not in _PLAIN_OBJECTS:
            length = self.number()
            self.take(length + (kind in _TEXTS))
        return self.octets[start : self.at]

    def function(self) -> Function:
        start = self.at
        head = self.number()
        if head & 3 != _BYTECODE:
            raise NotUnderstood("machine code")
        end = self.at + (head >> 3)
        first = self.at
        arguments = self._signature()
        signature = self.octets[first : self.at]
        info, cells = self._sizes()
        lines_end = self.at + info
        names = [self.number() for _ in range(1 + arguments)]
        lines = self._lines(lines_end)
        shared = self.take(cells)
        code = _code(self.octets[self.at : end], lines)
        self.at = end
        octets = end - start
        children = [self.function() for _ in range(self.number())] if head & _CHILDREN else []
        return Function(signature, names, shared, code, children, octets)

    def _signature(self) -> int:
        """How many arguments have a name."""
        octet = self.octet()
        positional, only_by_name, shift = octet & 3, 0, 0
        while octet & 0x80:
            octet = self.octet()
            positional |= (octet & 4) << shift
            only_by_name |= (octet >> 3 & 1) << shift
            shift += 1
        return positional + only_by_name

    def _sizes(self) -> tuple[int, int]:
        info = cells = shift = 0
        while True:
            octet = self.octet()
            info |= (octet >> 1 & 0x3F) << 6 * shift
            cells |= (octet & 1) << shift
            shift += 1
            if not octet & 0x80:
                return info, cells

    def _lines(self, end: int) -> list[_Line]:
        found = [_Line(0, 1)]
        while self.at < end:
            octet = self.octet()
            if octet & 0x80:
                skipped, lines = octet & 0xF, (octet << 4) & 0x700 | self.octet()
            else:
                skipped, lines = octet & 0x1F, octet >> 5
            found.append(_Line(found[-1].offset + skipped, found[-1].line + lines))
        return found


def _code(octets: bytes, lines: list[_Line]) -> list[Instruction]:
    reader = _Reader(octets)
    by_offset: dict[int, Instruction] = {}
    jumps: list[tuple[Instruction, int]] = []
    number = 0
    while reader.at < len(octets):
        offset = reader.at
        while number + 1 < len(lines) and lines[number + 1].offset <= offset:
            number += 1
        made = by_offset[offset] = Instruction(reader.octet(), line=lines[number].line)
        if made.opcode in NAMES or made.opcode in _NUMBERS:
            start = reader.at
            made.number = reader.number()
            if made.opcode == _SMALL_INT:
                # A signed number: kept as it stands.
                made.number = int.from_bytes(octets[start : reader.at], "big") << 8 | reader.at - start
        elif made.opcode in _JUMPS:
            jumps.append((made, _jump(reader, made.opcode)))
        elif made.opcode < _FIRST_ALONE:
            raise NotUnderstood(f"instruction 0x{made.opcode:02x}")
        if made.opcode in _WITH_OCTET:
            made.octet = reader.octet()
    for made, target in jumps:
        if target != len(octets):
            made.target = by_offset[target]
    return list(by_offset.values())


_SMALL_INT = 0x22


def _jump(reader: _Reader, opcode: int) -> int:
    octet = reader.octet()
    offset, half = octet, 0x40
    if octet & 0x80:
        offset, half = octet & 0x7F | reader.octet() << 7, 0x4000
    return reader.at + offset - (half if opcode in _SIGNED_JUMPS else 0)


def read(octets: bytes) -> Mpy:
    """Reads a file.

    Raises:
        NotUnderstood: it holds machine code, or is of another version.
    """
    if octets[:2] != _MAGIC:
        raise NotUnderstood("another version of .mpy files")
    reader = _Reader(octets)
    head = reader.take(4)
    names, objects = reader.number(), reader.number()
    mpy = Mpy(head, [reader.name() for _ in range(names)], [reader.object() for _ in range(objects)], reader.function())
    if reader.at != len(octets):
        raise NotUnderstood("more than a module")
    return mpy


# --- Writing ----------------------------------------------------------------------------------------------------------


def _number(value: int) -> bytes:
    octets = [value & 0x7F]
    while value := value >> 7:
        octets.append(value & 0x7F | 0x80)
    return bytes(reversed(octets))


def _name(name: bytes | int) -> bytes:
    return _number(name << 1 | 1) if isinstance(name, int) else _number(len(name) << 1) + name + b"\0"


def _sizes(info: int, cells: int) -> bytes:
    octets = bytearray()
    while True:
        octet = (info & 0x3F) << 1 | cells & 1
        info >>= 6
        cells >>= 1
        octets.append(octet | (0x80 if info | cells else 0))
        if not info | cells:
            return bytes(octets)


def _lines(places: list[_Line]) -> bytes:
    octets = bytearray()
    at = _Line(0, 1)
    for place in places:
        skipped, lines = place.offset - at.offset, place.line - at.line
        if not lines:
            continue
        while skipped or lines:
            if lines <= 6 or skipped > 0xF:
                some = min(skipped, 0x1F)
                more = 0 if some < skipped else min(lines, 3)
                octets.append(some | more << 5)
            else:
                some, more = skipped, min(lines, 0x7FF)
                octets += bytes((0x80 | some | (more >> 4 & 0x70), more & 0xFF))
            skipped -= some
            lines -= more
        at = place
    return bytes(octets)


def _instruction(made: Instruction) -> bytes:
    """An instruction without the place that it jumps to."""
    octets = bytes((made.opcode,))
    if made.opcode == _SMALL_INT:
        octets += (made.number >> 8).to_bytes(made.number & 0xFF, "big")
    elif made.opcode in NAMES or made.opcode in _NUMBERS:
        octets += _number(made.number)
    return octets


def _assembled(code: list[Instruction]) -> tuple[bytes, list[_Line]]:
    """The octets of a code, and where each line begins."""
    plain = [_instruction(made) for made in code]
    # How many octets a jump's offset takes: one, unless that turns out to be too few.
    sizes = [1 if made.opcode in _JUMPS else 0 for made in code]
    while True:
        starts, at = [], 0
        for number, made in enumerate(code):
            starts.append(at)
            at += len(plain[number]) + sizes[number] + (made.octet >= 0)
        by_instruction = {id(made): start for made, start in zip(code, starts, strict=True)} | {id(None): at}
        too_few = False
        octets = bytearray()
        for number, made in enumerate(code):
            octets += plain[number]
            if sizes[number]:
                offset = by_instruction[id(made.target)] - (len(octets) + sizes[number])
                written = _offset(offset, sizes[number], made.opcode in _SIGNED_JUMPS)
                octets += written or bytes(1)
                sizes[number] = len(written) or 2
                too_few = too_few or not written
            if made.octet >= 0:
                octets.append(made.octet)
        if not too_few:
            break
    places, last = [], 1
    for made, start in zip(code, starts, strict=True):
        if made.line != last:
            places.append(_Line(start, made.line))
            last = made.line
    return bytes(octets), places


def _offset(offset: int, size: int, signed: bool) -> bytes:
    """A jump's offset in so many octets; none when these are too few."""
    if size == 1:
        offset += 0x40 if signed else 0
        return bytes((offset,)) if 0 <= offset < 0x80 else b""
    offset += 0x4000 if signed else 0
    if not 0 <= offset < 0x8000:
        raise NotUnderstood("a jump over more than 16 KiB")
    return bytes((offset & 0x7F | 0x80, offset >> 7))


def _function(function: Function) -> bytes:
    code, places = _assembled(function.code)
    info = b"".join(map(_number, function.names)) + _lines(places)
    body = function.signature + _sizes(len(info), len(function.cells)) + info + function.cells + code
    head = len(body) << 3 | (_CHILDREN if function.children else 0) | _BYTECODE
    octets = _number(head) + body
    function.octets = len(octets)
    if function.children:
        octets += _number(len(function.children)) + b"".join(map(_function, function.children))
    return octets


def written(mpy: Mpy) -> bytes:
    """The octets of a file."""
    return b"".join(
        [mpy.head, _number(len(mpy.names)), _number(len(mpy.objects)), *map(_name, mpy.names), *mpy.objects,
         _function(mpy.module)]
    )  # fmt: skip
