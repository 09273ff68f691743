"""The oracle's steps of rates and amounts, DOSING.md D-109.

Goal: every pump's own steps hold for commands, templates and for what the pump works out itself.
Method: a pump with two steps of the rate and two of the amount, values at and beside each bound.
"""

from decimal import Decimal

import pytest

from hil.oracle_bench import accept, code, profile, running
from pumprig.oracle import OracleSettings
from pumprig.oracle.commands import SetBolus, SetBolusTemplate, SetTbr, SetTbrTemplate, WriteProfile
from pumprig.oracle.guardrails import automatic_tbr, whole_bolus_mu
from pumprig.oracle.steps import cut_down

U = Decimal
RATES = ((3000, 50), (30_001, 100))
PUMP = OracleSettings(
    basal_min_mu_per_h=50, basal_steps=RATES, bolus_min_mu=100, bolus_steps=((1000, 50), (25_001, 500)),
    tbr_minutes_max=720, tbr_minutes_step=15, tbr_factor_max=2000, tbr_factor_step=10,
)  # fmt: skip


@pytest.mark.parametrize(
    ("rate", "answer"),
    [("0", 0x0F), ("0.05", 0x0F), ("0.04", 0x73), ("2.95", 0x0F), ("2.97", 0x73), ("3.0", 0x0F), ("3.1", 0x0F),
     ("3.05", 0x73), ("30.0", 0x0F), ("30.1", 0x73)],
)  # fmt: skip
def test_rates_on_a_step(rate, answer):
    """D-109: TBR, template and profile alike; 0 is always one."""
    oracle = running(settings=PUMP)
    assert code(oracle, 1, SetTbr(U(rate), 30)) == answer
    assert code(oracle, 2, SetTbrTemplate(4, "absolute", U(rate), 30)) == answer
    assert code(oracle, 3, WriteProfile(2, profile((1440, rate)))) == answer


@pytest.mark.parametrize(
    ("fast", "extended", "answer"),
    [("0.1", "0", 0x0F), ("0.05", "0", 0x73), ("0.95", "0", 0x0F), ("1.0", "0", 0x0F), ("1.05", "0", 0x73),
     ("1.5", "0", 0x0F), ("1.5", "0.1", 0x0F), ("1.5", "0.05", 0x73), ("1.5", "1.1", 0x73)],
)  # fmt: skip
def test_amounts_on_a_step(fast, extended, answer):
    """D-109: each amount of a bolus for itself, of a template, too."""
    oracle = running(settings=PUMP)
    kind, minutes = ("fast", 0) if extended == "0" else ("multiwave", 60)
    assert code(oracle, 1, SetBolus(U(fast), kind, U(extended), minutes)) == answer
    assert code(oracle, 2, SetBolusTemplate(7, kind, U(fast), U(extended), minutes)) == answer


@pytest.mark.parametrize(
    ("minutes", "factor", "answer"),
    [(15, "1.5", 0x0F), (720, "2.0", 0x0F), (20, "1.5", 0x73), (735, "1.5", 0x73), (15, "2.01", 0x73),
     (15, "1.55", 0x0F), (15, "1.555", 0x73), (15, "0", 0x0F)],
)  # fmt: skip
def test_durations_and_factors_of_a_tbr(minutes, factor, answer):
    """D-109: a greatest one and a step of each."""
    oracle = running(settings=PUMP)
    assert code(oracle, 1, SetTbr(U(factor), minutes, tbr_type="relative")) == answer


@pytest.mark.parametrize(
    ("absolute", "relative", "answers"), [(True, False, (0x0F, 0x71)), (False, True, (0x71, 0x0F))]
)
def test_kinds_of_tbr(absolute, relative, answers):
    """D-109: a kind that is not offered answers 0x71."""
    for kind, answer in zip(("absolute", "relative"), answers, strict=True):
        oracle = running(settings=OracleSettings(tbr_absolute=absolute, tbr_relative=relative))
        assert code(oracle, 1, SetTbr(U("1.0"), 30, tbr_type=kind)) == answer


def test_the_preset_of_a_pump_without_relative_tbr():
    """D-109, D-307: template 6 is relative, so that using it answers 0x71."""
    oracle = running(settings=OracleSettings(tbr_relative=False))
    assert code(oracle, 1, SetTbr(U(0), 1, template_number=6)) == 0x71


def test_a_relative_rate_is_cut_down():
    """D-109: 1.1 of 2.95 (3.245) runs at 3.2, of 0.05 (0.055) at 0.05, 0.5 of 0.05 at 0."""
    for rate, factor, runs in (("2.95", "1.1", 3200), ("0.05", "1.1", 50), ("0.05", "0.5", 0)):
        oracle = running((1440, rate), settings=PUMP)
        accept(oracle, 1, SetTbr(U(factor), 30, tbr_type="relative"))
        assert oracle.state().rate_in_force_mu_per_h == runs


def test_a_controllers_rate_and_amount_are_cut_down():
    """D-109: absolute whatever is offered to clients, and without a record."""
    oracle = running(settings=PUMP)
    oracle.take_events()
    assert automatic_tbr(oracle._pump, 1, 3099, 30).rate_mu_per_h == 3000
    assert automatic_tbr(oracle._pump, 1, 30_000, 30).rate_mu_per_h == 30_000
    assert [whole_bolus_mu(oracle._pump, amount) for amount in (99, 100, 1499, 1500, 99_999)] == [
        0,
        100,
        1000,
        1500,
        25_000,
    ]
    assert oracle.take_events() == []


@pytest.mark.parametrize(
    ("value", "cut"),
    [(49, 0), (50, 50), (99, 50), (2999, 2950), (3000, 3000), (3099, 3000), (30_000, 30_000), (10**6, 30_000)],
)
def test_cut_down(value, cut):
    """D-109: never up, never off a step, 0 below the least."""
    assert cut_down(value, 50, RATES) == cut


def test_a_coarser_step_may_begin_off_its_own_multiples():
    """D-109: from 1001 on steps of 400: 1100 is cut to 1000, the greatest of the finer ones."""
    assert cut_down(1100, 1, ((1001, 50), (5000, 400))) == 1000
