"""The whole virtual board loses its power: in an operation of its flash, or at any moment; and starts again.

Method: the real firmware on MicroPython with its flash in a file; the host counts the pulses of the motor pin over all
lives and holds them against what the pump says after each restart; it remembers every record that it was ever given.
"""

import random
import re
from decimal import Decimal

import pytest

from firmware.journal_bench import JournalBench
from firmware.test_pump_micropython import HERE, micropython
from pumplink import VirtualBoard
from pumplink.errors import PowerCut
from pumplink.link import Link
from pumplink.pump import Pump
from pumpwire.enums import AnnunciationType, PulseSource, TherapyControlState

KINDS = ("lost", "half", "garbage")
FLASH_BLOCKS, STATE_BLOCKS = 56, 8
RECORDS = 5000


class Lives:
    """One board through many lives.

    `seen` holds every record the client was given; `basal`, `bolus` and `doubts` what the pump said last, to which the
    pulses since then are added.
    """

    def __init__(self, workdir, seed):
        self.noise = random.Random(seed)
        self.board = VirtualBoard(workdir=workdir)
        self.board.on_pulse(lambda at_us, due_us: self._pulse())
        self.pulses = 0
        self.seen = {}
        self.doubts = 0
        self.counted = 0
        self.cuts = 0
        self.lives = 0

    def _pulse(self):
        self.pulses += 1

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


@pytest.mark.parametrize("restarts", [20, pytest.param(400, marks=pytest.mark.slow)])
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


def test_five_thousand_records_come_from_flash(tmp_path):
    """D-926: a full history, read whole over the serial bearer."""
    bench = JournalBench(blocks=FLASH_BLOCKS, state_blocks=STATE_BLOCKS).boot()
    event, data = 0x03FC, b"\x05\x00\x0a\x00"
    for n in range(1, RECORDS):
        bench.history.append(event, n % 3600, data, len(data))
        if n % 7 == 0:
            bench.store.commit()
            bench.store.tend()
    bench.store.commit()
    (tmp_path / "flash.bin").write_bytes(bench.device.image)
    with VirtualBoard(workdir=tmp_path).start() as board, Pump(Link(board.bearer())) as pump:
        assert pump.history_count() >= RECORDS
        sequences = [record.sequence for record in pump.history()]
        assert sequences == list(range(sequences[0], sequences[-1] + 1))
        assert len(sequences) >= RECORDS


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
