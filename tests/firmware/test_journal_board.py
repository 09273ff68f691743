"""The whole virtual board loses its power: in an operation of its flash, or at any moment of its process; and starts
again.

Method: the real firmware on MicroPython with its flash in a file; the host counts the pulses of the motor pin over all
lives and holds them against what the pump says after each restart; it remembers every record that it was ever given.
"""

import random
import re
import threading
from dataclasses import replace
from decimal import Decimal

import pytest

from campaign import size
from firmware.stored_history import REFERENCE_EVERY, flash, places
from firmware.test_pump_micropython import HERE, micropython
from pumplink import Lockstep, Realtime, Scaled, VirtualBoard
from pumplink.boards import load_board
from pumplink.errors import BearerError, PowerCut, PumpLinkError
from pumplink.link import Link
from pumplink.pump import Pump
from pumpwire.enums import AnnunciationType, PulseSource, RacpFilter, RacpOperator, TherapyControlState

KINDS = ("lost", "half", "garbage")
RECORDS = 5000
# A quarter of the time between two pulses of a bolus, so that many a pulse is under way when the power goes.
MOTOR_PULSE_MS = 500
SCALE = 50


class Lives:
    """One board through many lives.

    `seen` holds every record the client was given; `basal`, `bolus` and `doubts` what the pump said last, to which the
    pulses since then are added.
    """

    def __init__(self, workdir, seed):
        self.noise = random.Random(seed)
        self.workdir = workdir
        self.board = self._made(Lockstep())
        self.pulses = 0
        self.seen = {}
        self.doubts = 0
        self.counted = 0
        self.cuts = 0
        self.lives = 0

    def _made(self, clock):
        data = load_board("virtual")
        data = replace(data, firmware={**data.firmware, "MOTOR_PULSE_MS": MOTOR_PULSE_MS})
        board = VirtualBoard(data, workdir=self.workdir, clock=clock)
        board.on_pulse(lambda at_us, due_us: self._pulse())
        return board

    def _pulse(self):
        self.pulses += 1

    def be_killed(self, after_s):
        """A life in which the process gets SIGKILL, so many host seconds after its start, whatever it is doing."""
        board = self._made(Scaled(SCALE)).start()
        killer = threading.Timer(after_s, board._process.kill)
        killer.start()
        try:
            with Pump(Link(board.bearer())) as pump:
                self._dose(pump, 600)
        except PumpLinkError:
            pass
        killer.join()
        # What the board had said before stands in its link.
        with pytest.raises(BearerError):
            while True:
                board.read_uart(board.now_s + 1)
        assert board.tracebacks == 0

    def live(self, kind, operation, kill_after_s):
        """Boot, look, dose, and lose the power; in an operation or at a moment."""
        self.board.cut_at_operation, self.board.cut_kind = operation, kind
        pump = None
        try:
            self.board.start()
            pump = Pump(Link(self.board.bearer()))
            pump.__enter__()
            self._look(pump)
            self._dose(pump, kill_after_s)
        except PowerCut as cut:
            assert cut.operation == operation
            self.cuts += 1
        self.board.kill()
        if pump is not None:
            pump.link.bearer.close()

    def _look(self, pump):
        """D-922 to D-926: what the pump says after the restart."""
        counters, health = pump.pulse_counters(), pump.health()
        assert health.pulses_in_doubt - self.doubts in (0, 1)
        said = counters.basal + counters.bolus
        assert 0 <= said - self.counted - self.pulses <= health.pulses_in_doubt - self.doubts
        assert counters.reservoir == 6000 - said
        if health.pulses_in_doubt > self.doubts:
            assert health.doubt_source in (PulseSource.BASAL, PulseSource.BOLUS)
            assert pump.annunciation().type == AnnunciationType.SYSTEM_ISSUE
        delivered = pump.delivered_insulin()
        assert (delivered.basal_iu, delivered.bolus_iu) == (counters.basal * Decimal("0.05"),
                                                            counters.bolus * Decimal("0.05"))  # fmt: skip
        self.counted, self.pulses, self.doubts = said, 0, health.pulses_in_doubt
        assert pump.status().therapy == TherapyControlState.STOP
        assert pump.active_bolus_ids() == []
        first = 0 if self.lives % 50 == 0 else max(0, len(self.seen) - 20)
        self.lives += 1
        records = {record.sequence: record for record in pump.history(first)}
        assert sorted(records) == list(range(first, first + len(records)))
        assert all(records[sequence] == record for sequence, record in self.seen.items() if sequence >= first)
        self.seen.update(records)
        annunciation = pump.annunciation()
        if annunciation is not None:
            pump.confirm_annunciation(annunciation.id)

    def _dose(self, pump, kill_after_s):
        if not pump.activated_templates():
            pump.write_basal_profile([(1440, Decimal("1.2"))])
            pump.activate(1)
        pump.start()
        pump.set_tbr(Decimal(30), 10)
        pump.set_bolus(Decimal("0.5"))
        pump.run_for(kill_after_s)
        pump.set_max_bolus(Decimal("0.05") * self.noise.randrange(10, 200))
        self.seen.update({record.sequence: record for record in pump.history(len(self.seen))})
        pump.run_for(kill_after_s)


@pytest.mark.parametrize("restarts", [20, pytest.param(size(150, whole=400), marks=pytest.mark.slow)])
def test_the_board_restarts_again_and_again_and_knows_what_it_delivered(tmp_path, restarts):
    """D-921 to D-926 on the whole board: cut in an operation, or killed between two steps."""
    lives = Lives(tmp_path, restarts)
    for life in range(restarts):
        in_operation = life % 4 != 3
        operation = lives.noise.randrange(1, 120) if in_operation else None
        lives.live(KINDS[life % 3], operation, lives.noise.choice((0.003, 5.1, 12.004, 20)))
    lives.live("lost", None, 1)
    assert lives.cuts > restarts // 3
    assert len(lives.seen) > 3 * restarts
    assert lives.counted > 2 * restarts


@pytest.mark.parametrize("kills", [10, pytest.param(size(100, whole=200), marks=pytest.mark.slow)])
def test_a_board_whose_process_is_killed_knows_what_it_delivered(tmp_path, kills):
    """D-921 to D-926: SIGKILL at moments by chance; the pulses of the motor are those of the counters, to the one in
    doubt. Who looks after each of them is killed, too."""
    lives = Lives(tmp_path, kills)
    lives.live("lost", None, 1)
    for _ in range(kills):
        lives.be_killed(lives.noise.uniform(0, 0.3))
        lives.live("lost", None, 1)
    assert lives.counted > kills
    assert kills < 100 or 0 < lives.doubts < kills


@pytest.mark.parametrize("clock", [Lockstep(), pytest.param(Realtime(), marks=pytest.mark.slow)])
def test_five_thousand_records_come_from_flash(tmp_path, clock):
    """D-926: a full history, read whole over the serial bearer, in at most five seconds of the board."""
    (tmp_path / "flash.bin").write_bytes(flash(RECORDS))
    with VirtualBoard(workdir=tmp_path, clock=clock).start() as board, Pump(Link(board.bearer())) as pump:
        assert pump.history_count() == RECORDS + 1
        begun_s = pump.now_s
        sequences = [record.sequence for record in pump.history()]
        assert pump.now_s - begun_s <= 5
        assert sequences == list(range(RECORDS + 1))


@pytest.mark.parametrize("seed", range(3))
def test_records_whose_bits_have_flipped_are_told_of_in_their_place(tmp_path, seed):
    """D-926; IDS 1.0.2, 3.10: data corruption, number 0xFFFFFFFF; the others are as they were, numbers go on."""
    image = bytearray(flash(RECORDS))
    at = places(image)
    noise = random.Random(seed)
    rotten = sorted(noise.sample(range(RECORDS), 40))
    for number in rotten:
        image[at[number] + noise.randrange(32)] ^= 1 << noise.randrange(8)
    (tmp_path / "flash.bin").write_bytes(image)
    with VirtualBoard(workdir=tmp_path).start() as board, Pump(Link(board.bearer())) as pump:
        records = pump.history()
        assert [n for n, record in enumerate(records) if record.sequence == 0xFFFFFFFF] == rotten
        assert {record.event for record in records if record.sequence == 0xFFFFFFFF} == {"HistoryDataCorruption"}
        assert all(record.sequence == n for n, record in enumerate(records) if n not in rotten)
        references = [n for n in range(RECORDS + 1) if n % REFERENCE_EVERY == 0 and n not in rotten]
        told = pump.records(
            RacpOperator.GREATER_THAN_OR_EQUAL, RacpFilter.SEQUENCE_NUMBER_REFERENCE_TIME_EVENTS, minimum_sequence=0
        )
        assert [record.sequence for record in told] == references
        pump.set_max_bolus(5)
        assert pump.history(RECORDS)[-1].sequence == RECORDS + 1
        assert pump.history_count() == RECORDS + 2


def test_a_kind_of_cut_that_does_not_exist_is_refused():
    """One clear message."""
    with pytest.raises(ValueError, match=r"cut kind is 'burnt'; allowed are lost, half, garbage"):
        VirtualBoard(cut_kind="burnt")


def test_the_journal_allocates_nothing_and_costs_little():
    """D-929, D-954 on the target: intent and done under a locked heap."""
    said = micropython(str(HERE / "journal_on_board.py"))
    assert "locked ok True" in said, said
    assert "leak 0 bytes" in said, said
    assert int(re.search(r"pulse (\d+) us", said).group(1)) < 500
