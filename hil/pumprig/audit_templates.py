"""The audit's questions about templates: which there are, what each holds, and which profiles are activated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pumplink.pump import Pump
from pumprig.asking import Asker, Question, iu, tenths, word
from pumprig.oracle import State
from pumprig.oracle.commands import Command
from pumprig.oracle.questions import (
    GetActivatedProfiles,
    GetBolusTemplate,
    GetTbrTemplate,
    GetTemplateStatus,
    ReadProfile,
)
from pumpwire.enums import BolusTemplateFlags, TemplateType

__all__ = ["TemplateQuestions"]

_TYPES = {
    "basal": TemplateType.BASAL_RATE_PROFILE, "tbr": TemplateType.TBR, "bolus": TemplateType.BOLUS,
    "isf": TemplateType.ISF_PROFILE, "icho": TemplateType.ICHO_RATIO_PROFILE,
    "target": TemplateType.TARGET_GLUCOSE_RANGE_PROFILE,
}  # fmt: skip


class TemplateQuestions:
    """What was written into templates, read back.

    What a template holds is asked for when the rules' answer is another one than at the audit before, and at the end.

    Args:
        asker: puts the questions.
    """

    def __init__(self, asker: Asker) -> None:
        self._asker = asker
        self._told: dict[int, tuple[frozenset[int], Mapping[str, Any]]] = {}
        self._questions: dict[tuple[str, int], Question] = {}
        self.all = False

    @property
    def questions(self) -> tuple[Question, ...]:
        """The questions of one audit."""
        types = self._asker.wanted(self._asker.judge.oracle.now_s, GetTemplateStatus()).fields["types"]
        contents = [
            self._contents(str(kind.kind), number)
            for kind in types
            for number in range(kind.first, kind.first + kind.count)
        ]
        return (self.status, self.activated, *contents)

    def status(self, at_s: int, state: State) -> None:
        """Get Template Status and Details, type by type (D-204, D-307, D-412, D-910)."""

        def due(fields: Mapping[str, Any]) -> list[tuple[Any, ...]]:
            found = []
            for kind in fields["types"]:
                marks = list(enumerate(kind.flags, kind.first))
                found.append(
                    (_TYPES[kind.kind].name, kind.first, kind.count, kind.blocks_max,
                     tuple(number for number, (configurable, _) in marks if configurable),
                     tuple(number for number, (_, configured) in marks if configured))
                )  # fmt: skip
            return sorted(found)

        def ask(pump: Pump) -> list[tuple[Any, ...]]:
            return sorted(
                (kind.type.name, kind.first, kind.count, kind.blocks_max, kind.configurable, kind.configured)
                for kind in pump.templates()
            )

        self._asker.compare(
            "templates", at_s, "templates (type, first, count, blocks, configurable, configured)", GetTemplateStatus(),
            due, ask, "D-204",
        )  # fmt: skip

    def activated(self, at_s: int, state: State) -> None:
        """Get Activated Profile Templates (D-204, D-910)."""
        self._asker.compare(
            "templates", at_s, "activated templates", GetActivatedProfiles(), lambda fields: sorted(fields["numbers"]),
            lambda pump: sorted(pump.activated_templates()), "D-204",
        )  # fmt: skip

    # The same one each time, so that it is known again.
    def _contents(self, kind: str, number: int) -> Question:
        if (kind, number) not in self._questions:
            self._questions[kind, number] = self._about(kind, number)
        return self._questions[kind, number]

    def _about(self, kind: str, number: int) -> Question:
        question, due, ask, rule = _reading(kind, number)

        def put(at_s: int, state: State) -> None:
            """What one template holds."""
            wanted = self._asker.wanted(at_s, question)
            told = (wanted.codes, wanted.fields)
            if not self.all and self._told.get(number) == told:
                return
            self._told[number] = told
            self._asker.compare("templates", at_s, f"{kind} template {number}", question, due, ask, rule)

        return put


_Reading = tuple[Command, Callable[[Mapping[str, Any]], object], Callable[[Pump], object], str]


def _reading(kind: str, number: int) -> _Reading:
    if kind == "tbr":
        return GetTbrTemplate(number), _tbr_due, lambda pump: _tbr_seen(pump, number), "D-307"
    if kind == "bolus":
        return GetBolusTemplate(number), _bolus_due, lambda pump: _bolus_seen(pump, number), "D-412"
    value = iu if kind == "basal" else tenths

    def due(fields: Mapping[str, Any]) -> object:
        return [(minutes, *map(value, values)) for minutes, *values in fields["blocks"]]

    def ask(pump: Pump) -> object:
        if kind == "basal":
            return [(block.duration_minutes, block.rate_iu_per_h) for block in pump.read_basal_profile(number)]
        if kind == "isf":
            return [(block.duration_minutes, block.isf_mg_dl_per_iu) for block in pump.read_isf_profile(number)]
        if kind == "icho":
            return [(block.duration_minutes, block.icho_ratio_g_per_iu) for block in pump.read_icho_profile(number)]
        return [
            (block.duration_minutes, block.target_low_mg_dl, block.target_high_mg_dl)
            for block in pump.read_target_profile(number)
        ]

    return ReadProfile(number, kind), due, ask, "D-201" if kind == "basal" else "D-910"


def _tbr_due(fields: Mapping[str, Any]) -> object:
    return fields["number"], word(fields["tbr_type"]), iu(fields["value"]), fields["duration_minutes"]


def _tbr_seen(pump: Pump, number: int) -> object:
    held = pump.tbr_template(number)
    return held.number, held.type.name, held.value, held.duration_minutes


def _bolus_due(fields: Mapping[str, Any]) -> object:
    return (
        fields["number"], word(fields["bolus_type"]), iu(fields["fast_mu"]), iu(fields["extended_mu"]),
        fields["duration_minutes"], fields["delay_minutes"], *sorted(fields["reasons"]),
    )  # fmt: skip


def _bolus_seen(pump: Pump, number: int) -> object:
    held = pump.bolus_template(number)
    reasons = [
        name
        for name, flag in (
            ("correction", BolusTemplateFlags.REASON_CORRECTION),
            ("meal", BolusTemplateFlags.REASON_MEAL),
        )
        if held.reasons & flag
    ]
    return (
        held.number, held.type.name, held.fast_iu, held.extended_iu, held.duration_minutes, held.delay_minutes,
        *reasons,
    )  # fmt: skip
