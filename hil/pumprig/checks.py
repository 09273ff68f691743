"""The checks a run is judged by: what each holds, and the dosing rules behind it.

A check is declared here once, with the rules it enforces; the rig says what it expected and what it saw. Checks
of speed are judged only where time is real (realtime, scaled, hardware): in lockstep computing takes no time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pumprig.verdict import Reason, Verdict, VerdictBook

__all__ = ["CHECKS", "Check", "CheckBook", "Violation", "declare"]

# A pump that is wrong once is usually wrong for the rest of the day: the first violations tell, the rest is counted.
VIOLATIONS_KEPT_PER_CHECK = 25


@dataclass(frozen=True)
class Check:
    """One thing a run is judged by.

    Args:
        id: short name, as in records, JUnit and `--without`.
        title: what holds when the check passes, for a person.
        rules: the dosing rules it enforces.
        speed: judged only where time is real.
        unscaled: judged only where it does not go faster than real time either, which would multiply the host's share.
        own_time: judged only where the pump's time is not this host's, which may hold the pump up.
        exact: judged only in lockstep over the cable, where each message comes once and at its moment.
        fitness: a miss says that the bench, not the pump, was unfit: INCONCLUSIVE instead of FAIL.
        motor: judged only where the motor itself is seen.
    """

    id: str
    title: str
    rules: tuple[str, ...]
    speed: bool = False
    fitness: bool = False
    motor: bool = False
    unscaled: bool = False
    own_time: bool = False
    exact: bool = False


def declare(*checks: Check) -> dict[str, Check]:
    """Checks by their ids, in the order given."""
    return {check.id: check for check in checks}


CHECKS: dict[str, Check] = declare(
    Check("pulse", "Every pulse falls at the second it is due, and no other pulse does",
          ("D-101", "D-102", "D-103", "D-104", "D-105", "D-106", "D-107", "D-108", "D-413", "D-414", "D-511"),
          motor=True),
    Check("pulse-timing", "A pulse leaves the motor within its second", ("D-953",), motor=True),
    Check("pulse-width", "A pulse holds the motor pin for as long as the motor takes", ("D-958",), motor=True),
    Check("pulse-end", "A pulse holds the motor pin no longer than that, and the next one is apart from it", ("D-958",),
          motor=True, own_time=True),
    Check("suspension", "No basal insulin leaves the pump while a suspension runs", ("D-306", "D-608", "D-612"),
          motor=True),
    Check("suspension-limit", "No window holds more suspended time than allowed", ("D-609", "D-611")),
    Check("rate-limit", "No hour delivers more basal than the limit allows", ("D-801",), motor=True),
    Check("bolus-limit", "No bolus exceeds the maximum bolus", ("D-802",)),
    Check("decision", "Each sample gets the decision that the rules give", (
        "D-601", "D-602", "D-604", "D-605", "D-606", "D-607", "D-608", "D-610", "D-613", "D-614", "D-615", "D-616",
        "D-618", "D-1101", "D-1104", "D-1107", "D-1109")),
    Check("reasons", "The numbers behind a decision of a loop are those that the rules give", (
        "D-1001", "D-1002", "D-1003", "D-1011", "D-1012", "D-1013", "D-1014", "D-1015", "D-1021", "D-1022", "D-1023",
        "D-1024", "D-1025", "D-1026", "D-1027", "D-1028", "D-1031", "D-1032", "D-1033", "D-1034", "D-1035", "D-1036",
        "D-1037", "D-1038", "D-1039", "D-1040", "D-1041", "D-1042", "D-1043", "D-1044", "D-1045", "D-1046", "D-1047",
        "D-1048", "D-1049", "D-1050", "D-1051", "D-1052", "D-1053", "D-1061", "D-1062", "D-1063", "D-1064", "D-1065",
        "D-1066", "D-1102", "D-1103", "D-1110", "D-1111")),
    Check("decision-count", "Each sample gets exactly one decision, a missed one too", ("D-615", "D-617")),
    Check("decision-deadline", "A decision comes within a second of the sample", ("D-951",), unscaled=True),
    Check("decision-deadline-host", "A decision comes within a second of the host's time", ("D-951",), speed=True),
    Check("iob", "Insulin on board is what the delivered pulses leave", ("D-701", "D-702", "D-703", "D-704")),
    Check("response", "Each command gets the answer that the rules give", (
        "D-002", "D-109", "D-201", "D-204", "D-205", "D-301", "D-303", "D-304", "D-307", "D-401", "D-402", "D-403",
        "D-404", "D-405", "D-412", "D-501", "D-511", "D-512", "D-513", "D-802", "D-831", "D-909", "D-910", "D-911",
        "D-1108", "D-1201", "D-1202", "D-1203", "D-1204", "D-1205", "D-1207")),
    Check("response-deadline", "A command is answered within 250 ms", ("D-952",), speed=True, unscaled=True),
    Check("ledger", "Pump's word, motor pulses and reservoir agree to the pulse",
          ("D-811", "D-903", "D-904", "D-921", "D-925")),
    Check("delivered-insulin", "Get Delivered Insulin is exact to the pulse", ("D-902",)),
    Check("daily-insulin", "Total daily insulin is what was delivered since midnight", ("D-901",)),
    Check("active-bolus", "The active boluses are those commanded, with the amounts delivered and left",
          ("D-106", "D-108", "D-402", "D-403", "D-404", "D-411", "D-413", "D-415")),
    Check("settings", "What was set is what is read back", ("D-203", "D-616", "D-802", "D-1102", "D-1201")),
    Check("active-basal", "The active basal rate is the one in force",
          ("D-201", "D-202", "D-204", "D-305", "D-308", "D-907")),
    Check("therapy", "Therapy control state and operational state are the ones commanded",
          ("D-501", "D-502", "D-504", "D-511", "D-512")),
    Check("templates", "Templates hold what was written, and those activated are told",
          ("D-201", "D-204", "D-307", "D-412", "D-910")),
    Check("counter", "Counters of time tell whole minutes of the pump's time", ("D-514", "D-513")),
    Check("battery", "The battery level is the one that was set", ("D-841",)),
    Check("history", "Each change is recorded once, at its second, with its numbers", (
        "D-001", "D-003", "D-203", "D-302", "D-303", "D-305", "D-306", "D-307", "D-308", "D-404", "D-412", "D-413",
        "D-414", "D-415", "D-502", "D-503", "D-511", "D-512", "D-603", "D-812", "D-813", "D-814", "D-821", "D-841",
        "D-842", "D-905", "D-907", "D-909", "D-910", "D-922", "D-924", "D-926", "D-927", "D-928", "D-1104", "D-1105",
        "D-1106", "D-1201", "D-1206", "D-1208")),
    Check("history-sequence", "History has no gap and no repetition", ("D-905",)),
    Check("stored-records", "The history holds what was recorded and not deleted", ("D-911",)),
    Check("reference-time", "History holds a reference time when it must", ("D-906",)),
    Check("status-changed", "Each change is indicated, and its bit stays set until it is reset", ("D-908", "D-814")),
    Check("status-changed-in-time", "A change is indicated within its second", ("D-908",), own_time=True),
    Check("status-changed-once", "Nothing is indicated when nothing has changed", ("D-908",), exact=True),
    Check("annunciation", "The annunciation shown is the one the rules give", ("D-603", "D-812", "D-831", "D-1112")),
    Check("pump-data", "The pump is made as the specification says",
          ("D-101", "D-106", "D-109", "D-205", "D-801", "D-802", "D-811", "D-958")),
    Check("monitoring", "No insulin leaves a pump whose sensor is for monitoring only", ("D-1301",)),
    Check("clock", "The pump's clock keeps time with the bench", ("D-001", "D-959")),
    Check("alive", "The pump neither resets, hangs nor prints a traceback", ("D-954",)),
    Check("frames", "Each frame of the pump is whole, and somebody waits for it", ("D-956",)),
    Check("power-cut", "A pump that lost its power starts as the rules say", ("D-922", "D-923")),
    Check("bench-fitness", "The rig sends every stimulus in time", ("D-955", "D-957", "D-959"), fitness=True),
    Check("expectation", "The scenario's own expectations hold", ()),
)


@dataclass(frozen=True)
class Violation:
    """One check missed: where, by which rule, and the two numbers."""

    at_s: float
    check: str
    rule: str
    message: str
    expected: Any
    observed: Any
    offset_minutes: int | None = None


@dataclass
class _Tally:
    passed: int = 0
    missed: int = 0
    kept: list[Violation] = field(default_factory=list)


class CheckBook:
    """Counts what each check saw and turns a miss into a reason of the verdict.

    Args:
        book: the verdict that misses worsen.
        real_time: whether checks of speed are judged in this run.
        scaled: whether its time goes faster than real time.
        own_time: whether the pump's time is not this host's.
        exact: whether each message comes once and at its moment.
        sees_pulses: whether checks that need the motor are.
        without: ids of checks that are switched off, to show that a wrong pump needs the check to be caught.
        on_violation: called with each violation that is kept.
        declared: the checks that there are, by their ids.
    """

    def __init__(
        self,
        book: VerdictBook,
        *,
        real_time: bool,
        scaled: bool = False,
        own_time: bool = True,
        exact: bool = True,
        sees_pulses: bool = True,
        without: Iterable[str] = (),
        on_violation: Callable[[Violation], None] = lambda violation: None,
        declared: Mapping[str, Check] = CHECKS,
    ) -> None:
        self.book = book
        self._declared = declared
        self._real_time = real_time
        self._scaled = scaled
        self._own_time = own_time
        self._exact = exact
        self._sees_pulses = sees_pulses
        self._without = frozenset(without)
        self._on_violation = on_violation
        self._tallies = {check_id: _Tally() for check_id in declared}

    def judged(self, check_id: str) -> bool:
        """Whether this run judges the check at all."""
        return not self.why_not(check_id)

    def why_not(self, check_id: str) -> str:
        """Why this run does not judge a check, for a person; empty when it does."""
        check = self._declared[check_id]
        hindrances = (
            (check_id in self._without, "it was switched off"),
            (check.motor and not self._sees_pulses, "the motor is not seen"),
            (check.speed and not self._real_time, "computing takes no time in lockstep"),
            (check.unscaled and self._scaled, "a scaled clock multiplies the host's share"),
            (check.own_time and not self._own_time, "the pump's time is the host's, which may hold the pump up"),
            (check.exact and not self._exact, "only in lockstep over the cable is a repetition known from a late one"),
        )
        return next((why for hinders, why in hindrances if hinders), "")

    def expect(
        self,
        check_id: str,
        ok: bool,
        at_s: float,
        *,
        message: str = "",
        expected: Any = None,
        observed: Any = None,
        rule: str = "",
        offset_minutes: int | None = None,
    ) -> bool:
        """Record one judgement.

        Args:
            check_id: of a declared check.
            ok: whether what was seen is what had to be.
            at_s: pump second.
            message: what is wrong, for a person; needed when ok is false.
            expected, observed: the two numbers.
            rule: the rule that decides here; the check's first rule by default.
            offset_minutes: the CGM sample concerned.

        Returns:
            `ok`, so that a caller may stop at a miss.
        """
        if not self.judged(check_id):
            return ok
        tally = self._tallies[check_id]
        if ok:
            tally.passed += 1
            return True
        check = self._declared[check_id]
        tally.missed += 1
        if tally.missed > VIOLATIONS_KEPT_PER_CHECK:
            return False
        violation = Violation(
            at_s, check_id, rule or (check.rules[0] if check.rules else ""), message, expected, observed, offset_minutes
        )
        tally.kept.append(violation)
        if tally.missed == 1:
            verdict = Verdict.INCONCLUSIVE if check.fitness else Verdict.FAIL
            self.book.add(Reason(verdict, message, violation.rule, check_id, at_s))
        self._on_violation(violation)
        return False

    @property
    def violations(self) -> list[Violation]:
        """All violations kept, in the order of the checks."""
        return [violation for tally in self._tallies.values() for violation in tally.kept]

    def missed(self, check_id: str) -> int:
        """How often the check was missed."""
        return self._tallies[check_id].missed

    def counts(self) -> dict[str, dict[str, Any]]:
        """For each check: passed, missed, whether it was judged and why not, its rules and title."""
        return {
            check_id: {
                "passed": tally.passed,
                "missed": tally.missed,
                "judged": self.judged(check_id),
                "why_not": self.why_not(check_id),
                "rules": list(self._declared[check_id].rules),
                "title": self._declared[check_id].title,
            }
            for check_id, tally in self._tallies.items()
        }
