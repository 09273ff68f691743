"""The oracle: an independent second reading of DOSING.md, in exact arithmetic (see `pumprig.oracle.oracle`)."""

from pumprig.oracle.delivery import Account, Ledger
from pumprig.oracle.oracle import ExpectedDecision, Oracle, State
from pumprig.oracle.settings import ControllerSettings, Guardrails, OracleSettings

__all__ = [
    "Account",
    "ControllerSettings",
    "ExpectedDecision",
    "Guardrails",
    "Ledger",
    "Oracle",
    "OracleSettings",
    "State",
]
