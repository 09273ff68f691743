"""What a scenario expects besides the rules."""

from __future__ import annotations

from pumprig.checks import CheckBook
from pumprig.judge import Judge
from pumprig.scenario_parts import Expect

__all__ = ["judge_expectations"]


def judge_expectations(expect: Expect, judge: Judge, checks: CheckBook, pulse_mu: int, at_s: int) -> None:
    """Judge insulin, suspensions and violations of a run against the scenario's own numbers.

    Args:
        expect: the scenario's expectations; what it leaves out is not judged.
        judge: the run's judge, at its end.
        checks: where each judgement goes.
        pulse_mu: pulse size.
        at_s: pump second of the end.
    """
    counters = judge.oracle.state().counters
    for name, pulses in (("basal_iu", counters.basal_pulses), ("bolus_iu", counters.bolus_pulses)):
        wanted = getattr(expect, name)
        if wanted is not None:
            got = pulses * pulse_mu / 1000
            checks.expect(
                "expectation", float(wanted) == got, at_s, message=f"expected {name} {wanted}, it is {got}",
                expected=float(wanted), observed=got,
            )  # fmt: skip
    if expect.suspensions_at_least is not None:
        checks.expect(
            "expectation", judge.suspensions >= expect.suspensions_at_least, at_s,
            message=f"expected {expect.suspensions_at_least} suspensions, there were {judge.suspensions}",
            expected=f">= {expect.suspensions_at_least}", observed=judge.suspensions,
        )  # fmt: skip
    for check, count in expect.violations.items():
        missed = checks.missed(check)
        checks.expect(
            "expectation", missed == count, at_s, message=f"expected {count} violations of {check}, found {missed}",
            expected=count, observed=missed,
        )  # fmt: skip
