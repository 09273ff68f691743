"""The state machine of a probe on an RP2.

Goal: it tells of each edge with its microsecond, on every way through its program.
Method: the program, assembled by stand-ins for MicroPython's assembler, on a small state machine in Python, which
knows the instructions used by the RP2040's datasheet (3.4): one step each, a push that does not wait, 8 words of FIFO.
The same program's words on the PIO of rp2040py, an emulator that nobody of this project wrote, give the same.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from pumplink.boards import PROBE_FOLDER, default_firmware
from pumplink.pack import sources_of
from pumplink.packing.merge import merged

WORD = 1 << 32
FIFO_WORDS = 8
STEPS_PER_US = 2


class Program:
    """What the assembler makes of the program: instructions, labels, and where it wraps."""

    def __init__(self, function: Callable[[], None]) -> None:
        self.steps: list[tuple[Any, ...]] = []
        self.labels: dict[str, int] = {}
        self.wrap_target = self.wrap = 0

        def jmp(*where: str) -> None:
            self.steps.append(("jmp", *(where if len(where) == 2 else ("always", *where))))

        names = {
            "jmp": jmp, "x_dec": "x_dec", "pin": "pin", "x": "x", "y": "y", "null": "null", "noblock": "noblock",
            "label": lambda name: self.labels.__setitem__(name, len(self.steps)),
            "in_": lambda source, count: self.steps.append(("in", source, count)),
            "push": lambda how: self.steps.append(("push",)),
            "wrap_target": lambda: setattr(self, "wrap_target", len(self.steps)),
            "wrap": lambda: setattr(self, "wrap", len(self.steps) - 1),
        }  # fmt: skip
        known = function.__globals__
        before = dict(known)
        known.update(names)
        function()
        known.clear()
        known.update(before)


class StateMachine:
    """One that runs a program; `pin` is its input, `given` what it has pushed."""

    def __init__(self, program: Program) -> None:
        self.program, self.pin = program, 0
        self.x, self.y, self.isr, self.at = 0, 1, 0, 0
        self.given: list[int] = []
        self.dropped = False

    def step(self) -> None:
        kind, *how = self.program.steps[self.at]
        following = self.program.wrap_target if self.at == self.program.wrap else self.at + 1
        if kind == "jmp":
            condition, label = how
            taken = {"always": True, "pin": bool(self.pin), "x_dec": self.x != 0}[condition]
            if condition == "x_dec":
                self.x = (self.x - 1) % WORD
            self.at = self.program.labels[label] if taken else following
            return
        if kind == "in":
            source, count = how
            value = {"x": self.x, "y": self.y, "null": 0}[source]
            self.isr = (self.isr << count | value & (1 << count) - 1) % WORD
        elif len(self.given) < FIFO_WORDS:
            self.given.append(self.isr)
            self.isr = 0
        else:
            self.dropped = True
            self.isr = 0
        self.at = following


@pytest.fixture(params=["as written", "as packed"])
def program(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Program:
    """That of the firmware's module, on stand-ins for what an RP2 has."""
    folder = default_firmware() / PROBE_FOLDER
    text = (folder / "edges_pio.py").read_text(encoding="utf-8")
    if request.param == "as packed":
        (text,) = (file.text for file in merged(sources_of(folder), "main").files if file.name == "edges_pio")
    made: list[Callable[[], None]] = []
    rp2 = SimpleNamespace(PIO=SimpleNamespace(SHIFT_LEFT=0, JOIN_RX=2), asm_pio=lambda **how: made.append)
    monkeypatch.setitem(sys.modules, "rp2", rp2)
    monkeypatch.setitem(sys.modules, "machine", SimpleNamespace())
    exec(compile(text, "edges_pio.py", "exec"), {"__name__": "edges_pio"})
    return Program(made[0])


def told(machine: StateMachine) -> list[tuple[int, int]]:
    """Microsecond and level of what it has pushed."""
    return [(-(word >> 1) % (1 << 31), word & 1) for word in machine.given]


def run(program: Program, changes: list[int], x: int = 0) -> StateMachine:
    """A machine whose pin changes at the steps given, and which runs for a while after."""
    machine = StateMachine(program)
    machine.x = x
    for step in range(changes[-1] + 20):
        machine.pin ^= changes.count(step) & 1
        machine.step()
    return machine


def test_the_program_fits_and_counts_microseconds_while_nothing_happens(program):
    assert len(program.steps) <= 32
    for level in (0, 1):
        machine = StateMachine(program)
        machine.pin = level
        for _ in range(STEPS_PER_US * 1000):
            machine.step()
        # Going from low to high costs no count.
        assert -machine.x % WORD in (1000, 1001)


@pytest.mark.parametrize("seed", range(20))
def test_each_edge_is_told_at_its_microsecond_and_the_count_goes_on(program, seed):
    generator = random.Random(seed)
    changes, at = [], 0
    for _ in range(FIFO_WORDS):
        at += generator.randrange(4 * STEPS_PER_US, 400)
        changes.append(at)
    machine = run(program, changes)
    for (us, level), change, due in zip(told(machine), changes, [1, 0] * 4, strict=True):
        assert level == due
        assert change <= us * STEPS_PER_US <= change + 2 * STEPS_PER_US, (changes, told(machine))


def test_the_count_passes_zero_without_losing_its_way(program):
    # x is three counts before its zero, and 2**31 microseconds of it are one round.
    machine = run(program, [20, 60], x=3)
    (rose_us, _), (fell_us, _) = told(machine)
    assert fell_us - rose_us == pytest.approx(40 / STEPS_PER_US, abs=1)


def test_what_finds_no_room_is_told_as_dropped(program):
    machine = run(program, [20 * number for number in range(1, FIFO_WORDS + 2)])
    assert len(machine.given) == FIFO_WORDS and machine.dropped


CONDITIONS = {"always": 0, "x_dec": 2, "pin": 6}
SOURCES = {"x": 1, "y": 2, "null": 3}
PIN = 15


def word_of(program: Program, step: tuple[Any, ...]) -> int:
    """An instruction as the chip has it (datasheet 3.4)."""
    kind, *how = step
    if kind == "jmp":
        return CONDITIONS[how[0]] << 5 | program.labels[how[1]]
    return 0x4000 | SOURCES[how[0]] << 5 | how[1] % 32 if kind == "in" else 0x8000


def test_an_emulated_chip_gives_the_same_words(program):
    chip = pytest.importorskip("rp2040py.rp2040", reason="the extra `emulator` is not installed").RP2040()
    registers = pytest.importorskip("rp2040py.peripherals.pio_registers")
    pio, pin, here = chip.pio[0], chip.gpio[PIN], StateMachine(program)
    pin.pad_value = 0x40  # Its input is enabled.
    for number, step in enumerate(program.steps):
        pio.write_uint32(registers.INSTR_MEM0 + 4 * number, word_of(program, step))
    pio.write_uint32(registers.SM0_EXECCTRL, program.wrap << 12 | program.wrap_target << 7 | PIN << 24)
    pio.write_uint32(registers.SM0_SHIFTCTRL, 1 << 31)
    pio.write_uint32(registers.SM0_CLKDIV, 1 << 16)
    there = pio.machines[0]
    there.x, there.y, there.enabled = 0, 1, True
    pio.recompute_due()
    given = []
    for step in range(2020):
        if step % 250 == 249:
            here.pin ^= 1
            pin.set_input_value(bool(here.pin))
        here.step()
        pio.step()
        # The emulator does not join the two FIFOs to one of eight words, so its own is emptied as it fills.
        while not there.rx_fifo.empty:
            given.append(there.rx_fifo.pull())
    assert len(given) == 8 and given == here.given
