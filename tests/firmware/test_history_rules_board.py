"""The rules of the history over a store that has wrapped around: every record still has its number and its time.

D-901, D-905, D-906, D-926, D-928; IDS 1.0.2, 3.10. Method: the real firmware lives for days, with clock changes,
midnights, hours without an event and power cuts, until its oldest records are written over; then the whole store is
read, and what happened when is reckoned from its reference times alone and held against what the test did.
"""

from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest

from firmware.stored_history import flash
from pumplink import VirtualBoard
from pumplink.link import Link
from pumplink.pump import Pump
from pumpwire.clock import to_datetime
from pumpwire.enums import RecordingReason

LOST = datetime(2000, 1, 1)
DAY_S = 86400
REFERENCE_S = 3600
PREFILLED = 5700


class Witness:
    """One pump through its lives, and what its history has to say of them.

    `changes` lists the local times of changes of the maximum bolus, with the new amount; `days` (date, whether a clock
    change ended it); `references` (reason, local time) but for the periodic ones.
    """

    def __init__(self, workdir):
        self.workdir = workdir
        self.day = LOST.date()
        self.changes = []
        self.days = []
        self.references = []
        self.amount = 200

    def power_on(self):
        """A board that finds the flash; its clock is lost."""
        self.board = VirtualBoard(workdir=self.workdir).start()
        self.pump = Pump(Link(self.board.bearer()))
        self.pump.__enter__()
        self.base, self.base_s, self.s = LOST, 0, 1
        self.references.append((RecordingReason.DATE_TIME_LOSS, LOST))

    def power_off(self):
        """The process is killed."""
        self.board.kill()
        self.pump.link.bearer.close()

    def after(self, seconds):
        """Half a second before the second at which what follows takes effect. Midnights on the way end days."""
        midnight = datetime.combine(self.local.date() + timedelta(days=1), datetime.min.time())
        self.s += seconds
        while midnight <= self.local:
            self.days.append((self.day, False))
            self.day = midnight.date()
            midnight += timedelta(days=1)
        self.pump.run_until(self.s - 0.5)

    @property
    def local(self):
        """Local time of the second at which what is done now takes effect."""
        return self.base + timedelta(seconds=self.s - self.base_s)

    def change(self, seconds):
        """The maximum bolus gets an amount that it has never had next to this one."""
        self.after(seconds)
        self.amount = 200 + (self.amount + 1) % 100
        self.pump.set_max_bolus(Decimal(self.amount * 5) / 100)
        self.changes.append((self.local, Decimal(self.amount * 5) / 100))

    def set_clock(self, seconds, moment):
        """The clock is set; another date ends the day."""
        self.after(seconds)
        self.pump.set_clock(moment)
        if moment.date() != self.day:
            self.days.append((self.day, True))
            self.day = moment.date()
        self.base, self.base_s = moment, self.s
        self.references.append((RecordingReason.SET_DATE_TIME, moment))


def one_week(witness, monday, changes_a_day):
    """Seven days: a clock change to another date, one within the day, a lonely day, a restart before each midnight."""

    def day(changes):
        for _ in range(changes):
            witness.change(DAY_S // (changes + 1))

    witness.power_on()
    witness.set_clock(7, monday + timedelta(hours=22, minutes=59, seconds=57))
    day(changes_a_day)
    witness.set_clock(1800, witness.local + timedelta(minutes=34))
    day(changes_a_day)
    witness.set_clock(3600, monday + timedelta(days=2, hours=23, minutes=59, seconds=59))
    witness.after(DAY_S + 5)
    day(changes_a_day)
    witness.power_off()
    witness.power_on()
    day(changes_a_day)
    witness.set_clock(60, monday + timedelta(days=6))
    witness.change(1)
    witness.power_off()


def reckoned(records, prefilled):
    """(record, local time) of each record behind the first reference time; checks the references on the way."""
    told = []
    base = None
    for record in records:
        if record.event == "HistoryReferenceTime":
            at = to_datetime(dict(record.fields))
            reason = record.fields["recording_reason"]
            if reason == RecordingReason.PERIODIC and base is not None:
                assert record.relative_offset_s == REFERENCE_S or record.sequence < prefilled
                assert at == base + timedelta(seconds=record.relative_offset_s)
            elif reason == RecordingReason.DATE_TIME_LOSS:
                assert (record.relative_offset_s, at) == (0, LOST)
            base = at
        elif base is not None:
            assert record.relative_offset_s <= REFERENCE_S
            told.append((record, base + timedelta(seconds=record.relative_offset_s)))
    return told


@pytest.mark.parametrize(("prefilled", "weeks", "changes_a_day"), [
    (PREFILLED, 2, 24), pytest.param(0, 8, 240, marks=pytest.mark.slow),
])  # fmt: skip
def test_every_record_of_a_store_that_wrapped_around_has_its_time(tmp_path, prefilled, weeks, changes_a_day):
    """D-905, D-906, D-926: numbers without a gap; power-on, clock change, midnight and the hours between."""
    if prefilled:
        (tmp_path / "flash.bin").write_bytes(flash(prefilled))
    witness = Witness(tmp_path)
    for week in range(weeks):
        one_week(witness, datetime(2024, 2, 26) + timedelta(weeks=week), changes_a_day)
    witness.power_on()
    records = witness.pump.history()
    witness.board.stop()
    numbers = [record.sequence for record in records]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert numbers[0] > 0 and len(numbers) >= 5000
    lived = [(record, at) for record, at in reckoned(records, prefilled) if record.sequence >= prefilled]
    check_changes(lived, witness)
    check_days(lived, witness)
    check_references(records, witness, prefilled)


def newest(expected, found):
    """The newest of what is expected, as many as were found; all of them are there when the store has them all."""
    assert 0 < len(found) <= len(expected)
    return expected[len(expected) - len(found) :]


def check_changes(lived, witness):
    """Each at the second at which it took effect."""
    found = [(at, r.fields["new_max_bolus_iu"]) for r, at in lived if r.event == "HistoryMaxBolusChanged"]
    assert found == newest(witness.changes, found)


def check_days(lived, witness):
    """D-901, D-928: at 00:00:00 with the date that ends; at a clock change just before the reference time."""
    days = [(record, at) for record, at in lived if record.event == "HistoryTotalDailyInsulin"]
    found = [(date(r.fields["year"], r.fields["month"], r.fields["day"]), r.fields["flags"] == 1) for r, _ in days]
    assert found == newest(witness.days, found)
    assert all(at.time() == datetime.min.time() for record, at in days if not record.fields["flags"])


def check_references(records, witness, prefilled):
    """D-906: one for each power-on and clock change, in their order."""
    found = [
        (record.fields["recording_reason"], to_datetime(dict(record.fields)))
        for record in records
        if record.event == "HistoryReferenceTime" and record.sequence >= prefilled
        and record.fields["recording_reason"] != RecordingReason.PERIODIC
    ]  # fmt: skip
    assert found == newest(witness.references, found)
    after = {record.sequence: record for record in records}
    for record in records:
        if record.event == "HistoryTotalDailyInsulin" and record.fields["flags"]:
            assert after[record.sequence + 1].fields["recording_reason"] == RecordingReason.SET_DATE_TIME
