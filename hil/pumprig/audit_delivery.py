"""The audit's questions about what is being delivered: active basal rate and boluses, and what could be started."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pumplink import results
from pumplink.errors import ProcedureError
from pumprig.asking import Asker, Question, iu, word
from pumprig.oracle import State
from pumprig.oracle.questions import GetActiveBasal, GetActiveBolus, GetActiveBolusIds, GetAvailableBoluses
from pumpwire.enums import AvailableBolusesFlags, BolusFlags, BolusValueSelection, TbrType

__all__ = ["DeliveryQuestions"]

_PLACES = 2


class DeliveryQuestions:
    """What runs on the pump.

    Args:
        asker: puts the questions.
    """

    def __init__(self, asker: Asker) -> None:
        self._asker = asker

    @property
    def boluses(self) -> tuple[Question, ...]:
        """All about boluses."""
        return (self.bolus_ids, *(self._bolus(place) for place in range(_PLACES)), self.available)

    def active_basal(self, at_s: int, state: State) -> None:
        """Get Active Basal Rate Delivery (D-202, D-305, D-308, D-907)."""
        asker = self._asker
        wanted = asker.wanted(at_s, GetActiveBasal())
        seen = asker.heard(at_s, asker.pump.active_basal())
        if not wanted.fields:
            asker.expect("active-basal", seen is None, at_s, "active basal rate", None, seen, "D-204")
            return
        right = _basal_due(wanted.fields)
        got = () if seen is None else _basal_seen(seen)
        asker.expect(
            "active-basal", right == got, at_s,
            "active basal rate (template, rate; TBR type, value, minutes, left, template, context)",
            " ".join(map(str, right)), " ".join(map(str, got)), "D-305" if right[:2] == got[:2] else "D-202",
        )  # fmt: skip

    def bolus_ids(self, at_s: int, state: State) -> None:
        """Get Active Bolus IDs (D-402, D-411)."""
        asker = self._asker
        due = list(asker.wanted(at_s, GetActiveBolusIds()).fields["bolus_ids"])
        seen = asker.heard(at_s, asker.pump.active_bolus_ids())
        asker.expect("active-bolus", due == seen, at_s, "active bolus IDs", due, seen,
                      "D-411" if sorted(due) == sorted(seen) else "D-402")  # fmt: skip

    def _bolus(self, place: int) -> Question:
        def ask(at_s: int, state: State) -> None:
            """Get Active Bolus Delivery with each selection (D-106, D-108, D-415)."""
            ids = list(self._asker.wanted(at_s, GetActiveBolusIds()).fields["bolus_ids"])
            if place < len(ids):
                for selection in BolusValueSelection:
                    self._compare_bolus(at_s, ids[place], selection)

        return ask

    def _compare_bolus(self, at_s: int, bolus_id: int, selection: BolusValueSelection) -> None:
        asker, name = self._asker, selection.name.lower()
        wanted = asker.wanted(at_s, GetActiveBolus(bolus_id, name)).fields
        try:
            seen = asker.heard(at_s, asker.pump.active_bolus(bolus_id, selection))
        except ProcedureError as error:
            asker.heard(at_s, None)
            code = f"0x{error.code:02X}"
            asker.expect("active-bolus", False, at_s, f"active bolus {bolus_id}", "active", code, "D-402")
            return
        amounts = (iu(wanted["fast_mu"]), iu(wanted["extended_mu"]))
        told = (seen.fast_iu, seen.extended_iu)
        rule = "D-106" if wanted["bolus_type"] == "fast" else "D-108"
        asker.expect("active-bolus", amounts == told, at_s, f"active bolus, {name}, fast and extended IU",
                     _text(amounts), _text(told), rule)  # fmt: skip
        right, got = _bolus_due(wanted), _bolus_seen(seen)
        asker.expect("active-bolus", right == got, at_s,
                     f"active bolus, {name} (type, minutes, delay, template, activation, reasons)",
                     _text(right), _text(got), "D-415")  # fmt: skip

    def available(self, at_s: int, state: State) -> None:
        """Get Available Boluses (D-403)."""

        def due(fields: Mapping[str, Any]) -> AvailableBolusesFlags:
            flags = AvailableBolusesFlags(0)
            for name in ("fast", "extended", "multiwave"):
                if fields[name]:
                    flags |= AvailableBolusesFlags[f"{name.upper()}_AVAILABLE"]
            return flags

        self._asker.compare(
            "active-bolus", at_s, "available boluses", GetAvailableBoluses(), due,
            lambda pump: pump.available_boluses(), "D-403",
        )  # fmt: skip


def _text(values: tuple[object, ...]) -> str:
    return " ".join(map(str, values))


def _basal_due(fields: Mapping[str, Any]) -> tuple[Any, ...]:
    right: tuple[Any, ...] = (fields["template"], iu(int(fields["profile_rate_mu_per_h"])))
    if fields["tbr_type"] is not None:
        right += (
            TbrType[word(fields["tbr_type"])].name, iu(fields["tbr_value"]), fields["programmed_minutes"],
            fields["remaining_minutes"], fields["tbr_template"] or None, word(fields["context"]),
        )  # fmt: skip
    return right


def _basal_seen(seen: results.ActiveBasal) -> tuple[Any, ...]:
    got: tuple[Any, ...] = (seen.profile_template, seen.profile_rate_iu_per_h)
    tbr = seen.tbr
    if tbr is not None:
        context = seen.context.name if seen.context is not None else "none"
        got += (tbr.type.name, tbr.value, tbr.programmed_minutes, tbr.remaining_minutes, tbr.template, context)
    return got


def _bolus_due(fields: Mapping[str, Any]) -> tuple[Any, ...]:
    activation = fields["activation"]
    return (
        word(fields["bolus_type"]), fields["duration_minutes"], fields["delay_minutes"], fields["template"] or None,
        None if activation is None else word(activation), *sorted(fields["reasons"]),
    )  # fmt: skip


def _bolus_seen(seen: results.ActiveBolus) -> tuple[Any, ...]:
    reasons = [
        name
        for name, flag in (("correction", BolusFlags.REASON_CORRECTION), ("meal", BolusFlags.REASON_MEAL))
        if seen.reasons & flag
    ]
    return (
        seen.type.name, seen.duration_minutes, seen.delay_minutes, seen.template,
        None if seen.activation is None else seen.activation.name, *reasons,
    )  # fmt: skip
