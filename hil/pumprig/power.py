"""Power cuts: the virtual board dies and starts again with its flash, and is judged by what it knows then (section 12).

The cut comes between two steps of the pump: whatever it had done by then has left the motor and must be counted. What
it had not told anybody may be lost; the records that it has after the restart say how much.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from pumplink.pump import Pump
from pumplink.results import HistoryRecord
from pumprig.checks import CheckBook
from pumprig.dut import Dut
from pumprig.errors import BlockedError
from pumprig.expected_records import records_of
from pumprig.hands import Hands
from pumprig.history import Record
from pumprig.judge import Judge
from pumprig.lives import NextLife
from pumprig.pace import Pace
from pumprig.scenario_parts import PowerCut, SetClock
from pumpwire.enums import RecordingReason

__all__ = ["PowerCuts"]

CLOCK_SET_AFTER_S = 3
SENSOR_AFTER_S = 6


class PowerCuts:
    """Takes the power away and gives it back.

    Args:
        dut: the board, a virtual one.
        pump: the pump on it.
        pace: its time.
        judge: holds the oracle.
        checks: where what survived is judged.
        hands: connect and set the clock.
    """

    def __init__(self, dut: Dut, pump: Pump, pace: Pace, judge: Judge, checks: CheckBook, hands: Hands) -> None:
        self._dut, self._pump, self._pace = dut, pump, pace
        self._judge, self._checks, self._hands = judge, checks, hands
        self._wall, self._wall_s = datetime.min, 0

    def cut(self, at_s: int, fault: PowerCut) -> tuple[int, int]:
        """The power goes; when it is back, what survived is read and judged.

        Args:
            at_s: the second before which it goes; everything up to the second before that has happened.
            fault: says for how long.

        Returns:
            The seconds at which the clock is to be set, and at which the sensor must be connected again.

        Raises:
            BlockedError: the board is no virtual one.
        """
        if self._dut.board is None:
            raise BlockedError("a power cut needs the virtual board", where=self._dut.name)
        judge, epoch_s = self._judge, at_s + fault.for_seconds
        self._wall, self._wall_s = judge.oracle.state().wall, judge.oracle.now_s
        self._hands.lose_power(at_s, epoch_s)
        self._dut.power_cycle()
        self._pace.restarted(epoch_s)
        self._pump.link.open()
        self._pump.subscribe()
        self._pace.connected = True
        self._pace.find_phase(self._pump)
        self._hands.restore_force()
        records = self._pump.history(judge.history.next_sequence)
        # The first start has one, too, and those before this one may not have been read yet.
        first = next((record.sequence for record in reversed(records) if _is_restart(record)), None)
        self._checks.expect(
            "power-cut", first is not None, epoch_s, message="no reference time was recorded at the restart",
            expected="date time loss", observed=None, rule="D-922",
        )  # fmt: skip
        in_doubt = self._pump.health().pulses_in_doubt
        self._checks.expect(
            "power-cut", in_doubt == 0, epoch_s, message=f"{in_doubt} pulses are in doubt, but none was under way",
            expected=0, observed=in_doubt, rule="D-923",
        )  # fmt: skip
        pulses = judge.pulses.power_lost(at_s)
        told = [record for record in records if record.sequence >= (first or 0)]
        life, doubtful_s = self._agreed(pulses, told, first)
        judge.restarted(life, epoch_s, doubtful_s, first)
        for record in records:
            judge.history.read(Record(record.sequence, record.relative_offset_s, record.event, record.fields), epoch_s)
        return epoch_s + CLOCK_SET_AFTER_S, epoch_s + SENSOR_AFTER_S

    # The last second that was made durable is for the pump to choose, from the last thing that had to be durable on.
    def _agreed(self, pulses: int, told: list[HistoryRecord], first: int | None) -> tuple[NextLife, int]:
        lives = self._judge.oracle
        least_s = min(self._judge.history.last_s_before(first), lives.now_s)
        best: NextLife | None = None
        fewest = 0
        for durable_s in (least_s, *range(lives.now_s, least_s, -1)):
            life = lives.after_cut(pulses, records=first, durable_s=durable_s)
            differences = _differences(life, told)
            if best is None or differences < fewest:
                best, fewest = life, differences
            if not differences:
                break
        assert best is not None
        return best, lives.now_s - least_s

    def clock_command(self, at_s: int) -> SetClock:
        """What sets the clock to the time that it would have shown at the second at which it takes effect."""
        return SetClock.model_construct(to=self._wall + timedelta(seconds=at_s - self._wall_s))


def _is_restart(record: HistoryRecord) -> bool:
    lost = RecordingReason.DATE_TIME_LOSS
    return record.event == "HistoryReferenceTime" and record.fields["recording_reason"] == lost


# In how many fields the records of second 0 are not those that the rules give.
def _differences(life: NextLife, told: list[HistoryRecord]) -> int:
    due = [item for event in life.events for item in records_of(event)]
    missing = sum(len(fields) + 1 for _, fields in due[len(told) :])
    return missing + sum(
        (record.event != name) + sum(record.fields.get(field) != value for field, value in fields.items())
        for record, (name, fields) in zip(told, due, strict=False)
    )
