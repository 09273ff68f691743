"""The numbers behind a decision of section 14, as the pump must tell them (D-1110)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import isnan

from pumprig.oracle.oref import Decision, Inputs
from pumprig.oracle.oref.numbers import rounded

__all__ = ["NONE_S16", "NONE_U16", "ExpectedDetail", "detail_of"]

NONE_S16 = 0x7FFF
NONE_U16 = 0xFFFF
_S16_LEAST = -0x8000
_UNSIGNED = {"target_mg_dl", "cob_tenths", "decided_mu_per_h", "decided_minutes"}


@dataclass(frozen=True, slots=True)
class ExpectedDetail:
    """What a read of the detail must give; None is none."""

    decision_sequence: int
    rule: int = 0
    target_mg_dl: int | None = None
    threshold_mg_dl: int | None = None
    eventual_mg_dl: int | None = None
    guard_mg_dl: int | None = None
    pred_mg_dl: int | None = None
    bgi_hundredths: int | None = None
    deviation_mg_dl: int | None = None
    insulin_required_mu: int | None = None
    net_iob_mu: int | None = None
    cob_tenths: int | None = None
    carbs_required_g: int | None = None
    decided_mu_per_h: int | None = None
    decided_minutes: int | None = None
    small_bolus_mu: int = 0
    guardrail: int = 0

    def wire(self) -> dict[str, int]:
        """The same with the wire's numbers for none."""
        told = asdict(self)
        return {
            name: (NONE_U16 if name in _UNSIGNED else NONE_S16) if value is None else value
            for name, value in told.items()
        }


def _told(name: str, value: float | None, unit: float = 1) -> int | None:
    """A number in the unit of its field, half up, as far as the field reaches."""
    if value is None or isnan(value):
        return None
    least, most = (0, NONE_U16 - 1) if name in _UNSIGNED else (_S16_LEAST, NONE_S16 - 1)
    return min(most, max(least, int(rounded(min(most, max(least, value * unit))))))


def detail_of(sequence: int, inputs: Inputs, decision: Decision, guardrail: int) -> ExpectedDetail:
    """The detail of a decision.

    Args:
        sequence: number of the decision.
        inputs: what it was made on.
        decision: what section 14 decided.
        guardrail: the one that limited it, 0 for none.
    """
    told: dict[str, tuple[float | None, float]] = {
        "insulin_required_mu": (decision.insulin_required, 1000),
        "net_iob_mu": (inputs.now.iob, 1000),
        "cob_tenths": (inputs.meal.cob, 10),
        "carbs_required_g": (decision.carbs_required, 1),
    }
    if (aim := decision.aim) is not None:
        told |= {"target_mg_dl": (aim.target, 1), "threshold_mg_dl": (aim.threshold, 1)}
    if (trend := decision.trend) is not None:
        told |= {"bgi_hundredths": (trend.bgi, 100), "deviation_mg_dl": (trend.deviation, 1)}
    if (forecast := decision.forecast) is not None:
        told |= {"eventual_mg_dl": (forecast.eventual, 1), "guard_mg_dl": (forecast.min_guard, 1)}
        told["pred_mg_dl"] = (forecast.min_pred, 1)
    if (tbr := decision.tbr) is not None:
        told |= {"decided_mu_per_h": (tbr.rate, 1000), "decided_minutes": (tbr.minutes, 1)}
    values = {name: _told(name, value, unit) for name, (value, unit) in told.items()}
    small_bolus_mu = min(NONE_U16, int(rounded(1000 * decision.small_bolus)))
    return ExpectedDetail(sequence, decision.rule, small_bolus_mu=small_bolus_mu, guardrail=guardrail, **values)
