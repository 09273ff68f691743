"""Suspended time by the pump's own word.

Goal: the limit of D-611 is judged from what the pump recorded, so that a pump that breaks it is seen whatever the rules
would have given. Method: history records of suspensions at the edge of limit and window, fed by hand.
"""

import pytest

from pumprig.checks import CheckBook
from pumprig.history import Record
from pumprig.suspended import SuspendedTime
from pumprig.verdict import VerdictBook
from pumpwire.enums import DeliveryContext

LIMIT_S, WINDOW_S = 1200, 3600


class Pump:
    """Records suspensions, and a client's TBRs, as a pump does."""

    def __init__(self) -> None:
        self.checks = CheckBook(VerdictBook(), real_time=False)
        self.time = SuspendedTime(self.checks)
        self.time.settings(0, LIMIT_S // 60, WINDOW_S // 60)

    def tell(self, at_s: int, name: str, **fields: object) -> None:
        self.time.read(Record(0, 0, name, fields), at_s)

    def start(self, at_s: int, context: DeliveryContext = DeliveryContext.AP_CONTROLLER) -> None:
        self.tell(at_s, "HistoryTbrStarted")
        self.tell(at_s, "HistoryDeliveredBasalRateChanged", context=context)

    def end(self, at_s: int, name: str = "HistoryTbrEnded") -> None:
        self.tell(at_s, name)
        self.tell(at_s, "HistoryDeliveredBasalRateChanged", context=DeliveryContext.DEVICE)

    @property
    def missed(self) -> list[object]:
        return [violation.observed for violation in self.checks.violations]


@pytest.mark.parametrize(("seconds", "missed"), [(LIMIT_S, []), (LIMIT_S + 1, [LIMIT_S + 1])])
def test_the_limit_itself_is_allowed(seconds, missed):
    pump = Pump()
    pump.start(100)
    pump.end(100 + seconds)
    assert pump.missed == missed


@pytest.mark.parametrize(("second_start_s", "missed"), [(WINDOW_S, []), (WINDOW_S - 1, [LIMIT_S + 1])])
def test_what_has_left_the_window_no_longer_counts(second_start_s, missed):
    pump = Pump()
    pump.start(0)
    pump.end(LIMIT_S)
    pump.start(second_start_s)
    pump.end(second_start_s + LIMIT_S)
    assert pump.missed == missed


@pytest.mark.parametrize("name", ["HistoryTbrEnded", "HistoryTbrChanged"])
def test_a_clients_tbr_does_not_count_nor_does_a_suspension_that_became_one(name):
    pump = Pump()
    pump.start(0, DeliveryContext.REMOTE_CONTROL)
    pump.end(LIMIT_S + 500)
    pump.start(2000)
    pump.end(2000 + LIMIT_S, name)
    pump.end(2000 + 2 * LIMIT_S)
    assert pump.missed == []


@pytest.mark.parametrize(("written_s", "missed"), [(99, [LIMIT_S]), (100, [])])
def test_settings_of_the_second_of_the_beginning_are_too_late_for_it(written_s, missed):
    pump = Pump()
    pump.time.settings(written_s, 5, 60)
    pump.start(100)
    pump.end(100 + LIMIT_S)
    assert pump.missed == missed


def test_the_limit_is_that_of_the_beginning_and_one_that_still_runs_is_judged_at_the_end():
    pump = Pump()
    pump.start(100)
    pump.time.settings(200, 5, 60)
    pump.time.finish(100 + LIMIT_S)
    assert pump.missed == []
    pump.start(100 + WINDOW_S + LIMIT_S)
    pump.time.finish(100 + WINDOW_S + LIMIT_S + 301)
    assert pump.missed == [301]
