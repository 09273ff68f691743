"""Where pump and oracle may see insulin on board a little differently, both answers of guardrail 3 are right (D-1204).

Goal: a pump that answers differently within D-703 of the limit passes, whoever asks; one beyond it fails.
Method: limits milliunit by milliunit around what a bolus leaves, with the real firmware and copies that are off by a
little or by more, in lockstep.
"""

import pytest

from hil.rig_bench import command, every_5_minutes, firmware_copy, pump
from hil.test_rig_loop import OREF, PUMP, RISING, SMB
from pumprig.verdict import Verdict

LINE = "if iob_mu + coming_mu > self.iob_mu:"
# Whole milliunits count: equal and one above are within the tolerance.
WITHIN = {"as it is": LINE, "held early": "if iob_mu + coming_mu + 1 >= self.iob_mu:"}
BEYOND = {sign: f"if iob_mu + coming_mu {sign} 3 > self.iob_mu:" for sign in "+-"}
BOLUS_S, FIRST_S = 60, 3000
STEADY = every_5_minutes([120] * 12)
# What is left of 2 U at FIRST_S, and the limits around it and a bolus of 50 mU.
LEFT_MU = 1659
AMOUNT_MU = 50


def firmware(tmp_path, line):
    return None if line == LINE else firmware_copy(tmp_path, pump__guardrails=(LINE, line))


def around():
    """One limit after the other within a minute, and a bolus against each."""
    made = [command(BOLUS_S, "set_bolus", amount_iu=2)]
    for number, limit_mu in enumerate(range(LEFT_MU - 4, LEFT_MU + 5)):
        at_s = FIRST_S + 6 * number
        made.append(command(at_s, "set_guardrails", guardrails={"iob_mu": limit_mu + AMOUNT_MU}))
        made.append(command(at_s + 1, "set_bolus", amount_iu="0.05"))
        made.append(command(at_s + 2, "cancel_bolus"))
    return made


@pytest.mark.parametrize(("name", "refused"), [("as it is", 4), ("held early", 6)])
def test_a_client_near_the_limit(bench, tmp_path, name, refused):
    """D-1204, D-703: refused or accepted, the oracle goes on as the pump did."""
    parts = ['controller = "manual"', pump((1440, 0)), *around()]
    run = bench.run(*parts, readings=STEADY, firmware=firmware(tmp_path, WITHIN[name]))
    assert run.verdict is Verdict.PASS, run.explain()
    # The limit at what is left and the next one are within; the rules alone would refuse the first, and no other.
    assert run.answers("set_bolus") == [0x0F] + refused * [0x72] + (9 - refused) * [0x0F]


@pytest.mark.parametrize("line", BEYOND.values(), ids=BEYOND)
def test_a_client_beyond_the_tolerance(bench, tmp_path, line):
    """D-1204: what D-703 does not reach is wrong."""
    parts = ['controller = "manual"', pump((1440, 0)), *around()]
    run = bench.run(*parts, readings=STEADY, firmware=firmware(tmp_path, line))
    assert run.verdict is Verdict.FAIL
    assert "response" in {reason.check for reason in run.outcome.reasons}


# The fifth sample of a rise: what is on board then, and the small bolus that is decided at a limit of both.
NUMBER, SMALL_MU = 4, 250
# A TBR that is set, one that goes on, and a small bolus: the table, what is on board, and what comes.
ON_BOARD = {
    "TBR": ("[oref]", 594, 0), "running TBR": ("[oref]\nmax_basal_mu_per_h = 1500", 445, 0),
    "bolus": (SMB, 1040, SMALL_MU),
}  # fmt: skip
TBR_LINE = "if iob_mu <= self.iob_mu:"


def looped(bench, table, limit_mu, firmware=None):
    """Controller oref, and a limit right before one of its samples."""
    limit = command(300 * NUMBER - 1, "set_guardrails", guardrails={"iob_mu": limit_mu})
    return bench.run(OREF, PUMP, table, limit, readings=every_5_minutes(RISING), firmware=firmware)


@pytest.mark.parametrize("off_mu", range(-2, 3))
@pytest.mark.parametrize("what", ON_BOARD)
def test_a_loop_near_the_limit(bench, what, off_mu):
    """D-1204: what a decision raises, or may not raise, at the limit itself; at it the pump's answer is the one."""
    table, left_mu, coming_mu = ON_BOARD[what]
    run = looped(bench, table, left_mu + coming_mu + off_mu)
    assert run.verdict is Verdict.PASS, run.explain()
    told = run.events("decision")[NUMBER]["detail"].get("guardrail")
    assert told == (3 if off_mu < 0 else None)


@pytest.mark.parametrize(("what", "line"), [("TBR", TBR_LINE), ("running TBR", TBR_LINE), ("bolus", LINE)])
def test_a_loop_beyond_the_tolerance(bench, tmp_path, what, line):
    """D-1204: a pump that counts three milliunits too few goes on where it must not."""
    table, left_mu, coming_mu = ON_BOARD[what]
    wrong = firmware_copy(tmp_path, pump__guardrails=(line, line.replace("iob_mu ", "iob_mu - 3 ", 1)))
    run = looped(bench, table, left_mu + coming_mu - 2, wrong)
    assert run.verdict is Verdict.FAIL
    assert {reason.check for reason in run.outcome.reasons} & {"decision", "reasons"}
