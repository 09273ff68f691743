"""Titles of the rules that can decide, as DOSING.md has them: what a reader of a decision is told beside the number."""

from __future__ import annotations

__all__ = ["GUARDRAIL_TITLES", "RULE_TITLES"]

RULE_TITLES = {
    1014: "CGM not to be trusted",
    1025: "Another TBR than the history's",
    1026: "A TBR that has ended",
    1041: "Low",
    1042: "End of the hour",
    1043: "Eventually low",
    1044: "Falling",
    1045: "In range",
    1046: "IOB limit",
    1047: "Insulin required",
    1048: "Small bolus",
    1049: "Low temp beside it",
    1050: "High temp",
    1112: "A controller that fails",
}
"""By number, without its D."""
GUARDRAIL_TITLES = {
    1: "basal rate",
    2: "bolus",
    3: "IOB",
    4: "insulin per hour",
    5: "insulin per day",
    6: "between automatic boluses",
    7: "stale limit",
    8: "automatic TBR",
}
"""By number."""
