"""Templates: profiles of the day, TBR and bolus templates, and which of them are configured (IDS 1.0.2, 3.7, 3.8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pumplink.client import Received
from pumplink.errors import WireError
from pumplink.procedures import Amount, Procedures, exact, number
from pumplink.results import (
    BasalBlock,
    BolusTemplate,
    IchoBlock,
    IsfBlock,
    TargetBlock,
    TbrTemplate,
    TemplateStatus,
)
from pumpwire.command import unpack_template_states
from pumpwire.enums import (
    BolusTemplateFlags,
    BolusType,
    ProfileWriteFlags,
    ProfileWriteResponseFlags,
    TargetWriteFlags,
    TbrType,
)

__all__ = ["Templates"]

_DAY_MINUTES = 1440


@dataclass(frozen=True)
class _Profile:
    """How the blocks of one kind of profile go over the wire."""

    name: str
    write: str
    read: str
    values: tuple[str, ...]
    blocks_per_message: int = 3


_BASAL = _Profile("basal profile", "WriteBasalRateTemplate", "ReadBasalRateTemplate", ("rate_iu_per_h",))
_ISF = _Profile("ISF profile", "WriteIsfTemplate", "ReadIsfTemplate", ("isf_mg_dl_per_iu",))
_ICHO = _Profile("I:CHO profile", "WriteIchoRatioTemplate", "ReadIchoRatioTemplate", ("icho_ratio_g_per_iu",))
_TARGET = _Profile(
    "target profile", "WriteTargetGlucoseRangeTemplate", "ReadTargetGlucoseRangeTemplate",
    ("target_low_mg_dl", "target_high_mg_dl"), 2,
)  # fmt: skip


class Templates(Procedures):
    """Reads and writes templates. A refused procedure raises `ProcedureError` with its response code."""

    # --- Profiles -----------------------------------------------------------------------------------------------

    def write_basal_profile(self, blocks: Sequence[tuple[int, Amount]], template: int = 1) -> None:
        """Writes a basal profile in one transaction (IDS 1.0.2, 3.7.2.6); `activate` makes it the running one.

        Args:
            blocks: (duration in minutes, rate in IU/h), from midnight on; the durations add up to 1440.
            template: number of the profile template.
        Raises:
            ValueError: there are no blocks.
            ProcedureError: refused, 0x75 when they do not add up to a day.
        """
        self._write(_BASAL, blocks, template)

    def write_isf_profile(self, blocks: Sequence[tuple[int, Amount]], template: int) -> None:
        """Writes a profile of insulin sensitivity in mg/dL per IU; see `write_basal_profile`."""
        self._write(_ISF, blocks, template)

    def write_icho_profile(self, blocks: Sequence[tuple[int, Amount]], template: int) -> None:
        """Writes a profile of carbohydrate ratios in g per IU; see `write_basal_profile`."""
        self._write(_ICHO, blocks, template)

    def write_target_profile(self, blocks: Sequence[tuple[int, Amount, Amount]], template: int) -> None:
        """Writes a profile of target ranges: (duration in minutes, low, high in mg/dL); see `write_basal_profile`."""
        self._write(_TARGET, blocks, template)

    def _write(self, profile: _Profile, blocks: Sequence[tuple[Any, ...]], template: int) -> None:
        if not blocks:
            raise ValueError(f"a {profile.name} needs at least one block; they add up to {_DAY_MINUTES} minutes")
        step = profile.blocks_per_message
        for first in range(0, len(blocks), step):
            part = blocks[first : first + step]
            last = first + len(part) == len(blocks)
            fields: dict[str, Any] = {}
            for place, (duration_minutes, *values) in enumerate(part, 1):
                fields[f"duration_minutes_{place}"] = duration_minutes
                for name, value in zip(profile.values, values, strict=True):
                    fields[f"{name}_{place}"] = exact(value, name)
            answer = self.client.procedure(
                profile.write, flags=_write_flags(step, len(part), last), template_number=template,
                first_block_number=first + 1, **fields,
            )  # fmt: skip
            completed = bool(answer.fields["flags"] & ProfileWriteResponseFlags.TRANSACTION_COMPLETED)
            if completed != last:
                raise WireError(
                    f"the pump says the write of {profile.name} {template} is "
                    f"{'complete' if completed else 'not complete'} after block {first + len(part)} of {len(blocks)}"
                )

    def read_basal_profile(self, template: int = 1) -> list[BasalBlock]:
        """The blocks of a basal profile, from midnight on (IDS 1.0.2, 3.7.2.6)."""
        return [BasalBlock(minutes, rate) for minutes, rate in self._read(_BASAL, template)]

    def read_isf_profile(self, template: int) -> list[IsfBlock]:
        """The blocks of a profile of insulin sensitivity (IDS 1.0.2, 3.7.2)."""
        return [IsfBlock(minutes, value) for minutes, value in self._read(_ISF, template)]

    def read_icho_profile(self, template: int) -> list[IchoBlock]:
        """The blocks of a profile of carbohydrate ratios (IDS 1.0.2, 3.7.2)."""
        return [IchoBlock(minutes, value) for minutes, value in self._read(_ICHO, template)]

    def read_target_profile(self, template: int) -> list[TargetBlock]:
        """The blocks of a profile of target ranges (IDS 1.0.2, 3.7.2)."""
        return [TargetBlock(minutes, low, high) for minutes, low, high in self._read(_TARGET, template)]

    def _read(self, profile: _Profile, template: int) -> list[tuple[Any, ...]]:
        answer = self.client.procedure(profile.read, template_number=template)
        blocks: list[tuple[Any, ...]] = []
        for received in answer.data:
            fields = received.fields
            if fields["template_number"] != template:
                raise WireError(f"{profile.name} {template}: the pump sent template {fields['template_number']}")
            if fields["first_block_number"] != len(blocks) + 1:
                raise WireError(f"{profile.name} {template}: block {len(blocks) + 1} is missing")
            for place in range(1, profile.blocks_per_message + 1):
                minutes = fields[f"duration_minutes_{place}"]
                if minutes is not None:
                    blocks.append((minutes, *(number(fields[f"{name}_{place}"]) for name in profile.values)))
        return blocks

    # --- TBR and bolus templates --------------------------------------------------------------------------------

    def set_tbr_template(
        self, template: int, value: Amount, duration_minutes: int, tbr_type: TbrType = TbrType.ABSOLUTE
    ) -> None:
        """Writes a TBR template (IDS 1.0.2, 3.7.2).

        Args:
            template: its number.
            value: IU/h when absolute, a factor when relative.
            duration_minutes: 1 to 1440.
            tbr_type: absolute or relative.
        """
        self.client.procedure(
            "SetTbrTemplate", template_number=template, tbr_type=tbr_type, value=exact(value, "value"),
            duration_minutes=duration_minutes,
        )  # fmt: skip

    def tbr_template(self, template: int) -> TbrTemplate:
        """What a TBR template holds; refused with 0x74 when it is empty (IDS 1.0.2, 3.7.2)."""
        fields = self.client.procedure("GetTbrTemplate", template_number=template).fields
        return TbrTemplate(
            fields["template_number"], fields["tbr_type"], number(fields["value"]), fields["duration_minutes"]
        )

    def set_bolus_template(self, template: BolusTemplate) -> None:
        """Writes a bolus template (IDS 1.0.2, 3.7.2); the pump judges it as it does a bolus."""
        flags = BolusTemplateFlags(template.reasons) & ~BolusTemplateFlags.DELAY_PRESENT
        if template.delay_minutes is not None:
            flags |= BolusTemplateFlags.DELAY_PRESENT
        self.client.procedure(
            "SetBolusTemplate", template_number=template.number, flags=flags, bolus_type=template.type,
            fast_amount_iu=exact(template.fast_iu, "fast_iu"),
            extended_amount_iu=exact(template.extended_iu, "extended_iu"),
            duration_minutes=template.duration_minutes, delay_minutes=template.delay_minutes,
        )  # fmt: skip

    def bolus_template(self, template: int) -> BolusTemplate:
        """What a bolus template holds; refused with 0x74 when it is empty (IDS 1.0.2, 3.7.2)."""
        fields = self.client.procedure("GetBolusTemplate", template_number=template).fields
        return BolusTemplate(
            fields["template_number"], BolusType(fields["bolus_type"]), number(fields["fast_amount_iu"]),
            number(fields["extended_amount_iu"]), fields["duration_minutes"], fields["delay_minutes"],
            BolusTemplateFlags(fields["flags"]) & ~BolusTemplateFlags.DELAY_PRESENT,
        )  # fmt: skip

    # --- All templates ------------------------------------------------------------------------------------------

    def activate(self, *templates: int) -> None:
        """Makes profile templates the running ones, all of them or none."""
        self.client.procedure("ActivateProfileTemplates", template_numbers=list(templates))

    def activated_templates(self) -> list[int]:
        """The running profile templates."""
        return list(self.client.procedure("GetActivatedProfileTemplates").fields["template_numbers"])

    def reset_templates(self, *templates: int) -> None:
        """Empties templates, all of them or none."""
        self.client.procedure("ResetTemplateStatus", template_numbers=list(templates))

    def templates(self) -> list[TemplateStatus]:
        """The templates the pump has, a kind each (IDS 1.0.2, 3.8)."""
        return [_status(received) for received in self.client.procedure("GetTemplateStatusAndDetails").data]


def _write_flags(blocks_per_message: int, blocks: int, last: bool) -> ProfileWriteFlags | TargetWriteFlags:
    if blocks_per_message == 2:
        target = TargetWriteFlags.END_TRANSACTION if last else TargetWriteFlags(0)
        return target | TargetWriteFlags.SECOND_BLOCK_PRESENT if blocks > 1 else target
    flags = ProfileWriteFlags.END_TRANSACTION if last else ProfileWriteFlags(0)
    if blocks > 1:
        flags |= ProfileWriteFlags.SECOND_BLOCK_PRESENT
    if blocks > 2:
        flags |= ProfileWriteFlags.THIRD_BLOCK_PRESENT
    return flags


def _status(received: Received) -> TemplateStatus:
    fields = received.fields
    first, count = fields["first_template_number"], fields["template_count"]
    states = unpack_template_states(fields["template_states"], count)
    return TemplateStatus(
        fields["template_type"],
        first,
        count,
        fields["max_blocks"],
        tuple(first + index for index, (configurable, _) in enumerate(states) if configurable),
        tuple(first + index for index, (_, configured) in enumerate(states) if configured),
    )
