"""The probe, which sees each pulse at the motor pin.

Goal: it tells of every edge with its time and width, or its client says that something was missed.
Method: its own firmware on a virtual board, whose pin is moved at known times; lines that lose, damage or repeat.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from pumplink.bearer import Bearer
from pumplink.boards import PROBE_FOLDER, default_firmware, firmware_hash, firmware_sources
from pumplink.clock_relation import ClockRelation
from pumplink.errors import BearerLost, ProbeBlind, ProbeSilent
from pumplink.probe import Probe, ProbePulse
from pumplink.virtual.board import VirtualBoard
from pumplink.virtual.clocks import Lockstep, Realtime
from pumplink.virtual.probe_board import drive, virtual_probe

PIN = 15
WIDTH_S = 0.005


class Line(Bearer):
    """The line of a probe, on which `change` alters what comes."""

    def __init__(self, board: VirtualBoard) -> None:
        super().__init__()
        self.board = board
        self.bearer = board.bearer()
        self.change: Callable[[bytes], bytes] = lambda data: data

    @property
    def now_s(self) -> float:
        return self.bearer.now_s

    def write(self, data: bytes) -> None:
        self.bearer.write(data)

    def _receive(self, until_s: float) -> bytes:
        return self.change(self.bearer.receive(until_s))

    def close(self) -> None:
        self.bearer.close()


@pytest.fixture
def line() -> Iterator[Line]:
    with VirtualBoard("virtual", default_firmware() / PROBE_FOLDER, Realtime()) as board:
        yield Line(board)


@pytest.fixture
def probe(line: Line) -> Probe:
    probe = Probe(line, lambda: line.now_s)
    probe.open()
    return probe


def pulse(line: Line, at_s: float, width_s: float = WIDTH_S) -> None:
    drive(line.board, PIN, 1, at_s)
    drive(line.board, PIN, 0, at_s + width_s)


def seen(probe: Probe) -> list[ProbePulse]:
    probe.exchange()
    return probe.take()


def test_it_says_who_it_is(line):
    identity = Probe(line, lambda: line.now_s).open()
    assert identity.firmware_hash == firmware_hash(default_firmware() / PROBE_FOLDER)
    assert (identity.board, identity.capture) == ("virtual", "interrupt")


def test_the_probe_is_no_part_of_the_pumps_firmware():
    probe = default_firmware() / PROBE_FOLDER
    assert not [path for path in firmware_sources(default_firmware()) if probe in path.parents]
    assert probe / "main.py" in firmware_sources(probe)


def test_each_pulse_is_told_once_with_its_time_and_width(line, probe):
    began_s = line.now_s
    widths = [WIDTH_S, 0.003, 0.4]
    for number, width_s in enumerate(widths):
        pulse(line, began_s + number, width_s)
    found = seen(probe)
    assert [found_one.width_s for found_one in found] == pytest.approx(widths, abs=2e-6)
    # Its clock is that of the host, so that all of the error is in the doubt, and in telling when the board started.
    for number, found_one in enumerate(found):
        assert found_one.doubt_s < 0.05
        assert found_one.at_s == pytest.approx(began_s + number, abs=found_one.doubt_s + 0.1)
    assert seen(probe) == []


def test_a_pulse_that_has_not_ended_is_not_passed_over(line, probe):
    at_s = line.now_s
    drive(line.board, PIN, 1, at_s)
    assert probe.exchange() <= at_s + 0.1
    assert probe.take() == []
    drive(line.board, PIN, 0, at_s + 0.1)
    assert probe.exchange() > at_s
    assert len(probe.take()) == 1


def test_a_pin_that_stays_high_is_a_pulse_without_end(line, probe):
    drive(line.board, PIN, 1, max(0.0, line.now_s - 1.5))
    line.wait_until(line.now_s + 1.2)
    assert [found.width_s for found in seen(probe)] == [float("inf")]


def test_pulses_before_it_was_opened_are_nobodys(line):
    pulse(line, line.now_s)
    probe = Probe(line, lambda: line.now_s)
    probe.open()
    assert seen(probe) == []


def test_a_report_that_is_lost_is_noticed(line, probe):
    pulse(line, line.now_s)
    first = [True]

    def lose(data: bytes) -> bytes:
        _, zero, rest = data.partition(b"\0")
        if zero and first:
            first.clear()
            return rest
        return data

    line.change = lose
    with pytest.raises(ProbeBlind, match="reports of the probe were lost"):
        seen(probe)


def test_a_report_that_is_damaged_is_noticed(line, probe):
    pulse(line, line.now_s)
    line.change = lambda data: data.replace(data[:4], bytes([data[0], data[1] ^ 1, *data[2:4]]), 1) if data else data
    with pytest.raises((ProbeBlind, ProbeSilent)):
        seen(probe)


def test_more_edges_than_it_can_note_are_told(line, probe):
    at_s = line.now_s
    for number in range(100):
        pulse(line, at_s + number / 10000, 0.00004)
    with pytest.raises(ProbeBlind, match="faster than the probe could note"):
        while line.now_s < at_s + 5:
            probe.exchange()


def test_a_probe_that_started_anew_is_noticed(line, probe):
    line.bearer.close()
    line.board.kill()
    line.board.start()
    line.bearer = line.board.bearer()
    with pytest.raises(ProbeBlind, match="started anew"):
        probe.exchange()


def test_a_probe_that_is_pulled_out_is_noticed(line, probe):
    line.board.kill()
    with pytest.raises(BearerLost):
        probe.exchange()


def test_what_is_no_probe_is_refused():
    with VirtualBoard(clock=Realtime()) as pump, pytest.raises(ProbeSilent, match="--role probe"):
        bearer = pump.bearer()
        Probe(bearer, lambda: bearer.now_s).open(attempts=1)


def test_a_probe_of_another_version_is_refused(line, monkeypatch):
    monkeypatch.setattr("pumplink.probe.PROBE_VERSION", 2)
    with pytest.raises(ProbeSilent, match=r"speaks version 1 .* this is 2; flash it anew"):
        Probe(line, lambda: line.now_s).open()


def test_a_virtual_probe_sees_what_the_pin_does():
    with VirtualBoard(clock=Realtime()) as pump, virtual_probe(pump) as board:
        bearer = pump.bearer()
        probe = Probe(board.bearer(), lambda: bearer.now_s)
        probe.open()
        drive(board, PIN, 1, board.now_s)
        drive(board, PIN, 0, board.now_s)
        assert len(seen(probe)) == 1


def test_a_virtual_probe_has_no_place_in_lockstep():
    with pytest.raises(ValueError, match="scaled:N or realtime"):
        virtual_probe(VirtualBoard(clock=Lockstep()))


def test_the_difference_of_two_clocks_is_bounded_by_all_looks():
    relation = ClockRelation(drift_ppm_max=100)
    assert relation.at(5.0) == (5.0, float("inf"))
    relation.look(100.0, 50.0, 100.2)
    assert relation.at(50.0) == pytest.approx((100.1, 0.1))
    # What is far from the look is less certain: 100 ppm of 1000 s.
    assert relation.at(1050.0) == pytest.approx((1100.1, 0.2))
    relation.look(1100.1, 1050.0, 1100.11)
    at_s, doubt_s = relation.at(1050.0)
    assert 1100.1 <= at_s <= 1100.11 and doubt_s <= 0.005


def test_two_looks_that_contradict_each_other_leave_no_certainty():
    relation = ClockRelation(drift_ppm_max=100)
    relation.look(100.0, 50.0, 100.1)
    relation.look(103.0, 51.0, 103.1)
    assert relation.at(51.0)[1] == float("inf")
