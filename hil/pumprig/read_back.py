"""Settings as the rules have them and as a pump tells them: pairs of plain values by the wire's names, due and told."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pumplink.pump import Pump
from pumprig.oracle import State
from pumprig.oracle.oref_settings import FLAGS

__all__ = ["controller_settings", "guardrails", "oref_settings"]

_Pair = tuple[dict[str, Any], dict[str, Any]]


def controller_settings(state: State, pump: Pump) -> _Pair:
    """Which controller runs, and the settings of plgs (D-616)."""
    due, told = asdict(state.controller), asdict(pump.controller_settings())
    due["controller"] = str(due["controller"])
    told["controller"] = told["controller"].name.lower()
    return due, told


def oref_settings(state: State, pump: Pump) -> _Pair:
    """The settings of oref (D-1102)."""
    due = {name: value for name, value in asdict(state.oref).items() if name not in FLAGS}
    due["oref_flags"] = state.oref.oref_flags
    told = asdict(pump.oref_settings())
    told |= {"oref_flags": int(told["oref_flags"]), "flat_cgm": told["flat_cgm"].name.lower()}
    return due, told


def guardrails(state: State, pump: Pump) -> _Pair:
    """The guardrails (D-1201)."""
    return asdict(state.guardrails), asdict(pump.guardrails())
