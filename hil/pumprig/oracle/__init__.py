"""The oracle: an independent second reading of DOSING.md, in exact arithmetic (see `pumprig.oracle.oracle`)."""

from pumprig.oracle.carrying_out import Wanted
from pumprig.oracle.delivery import Account, Ledger
from pumprig.oracle.detail import ExpectedDetail
from pumprig.oracle.oracle import ExpectedDecision, Oracle, State
from pumprig.oracle.oref_settings import OrefSettings
from pumprig.oracle.settings import ControllerSettings, Guardrails, OracleSettings

__all__ = [
    "Account",
    "ControllerSettings",
    "ExpectedDecision",
    "ExpectedDetail",
    "Guardrails",
    "Ledger",
    "Oracle",
    "OracleSettings",
    "OrefSettings",
    "State",
    "Wanted",
]
