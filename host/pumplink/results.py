"""What a pump says, as values: amounts are exact `Decimal` IU, times are seconds or minutes as named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from pumpwire.enums import (
    AnnunciationStatus,
    AnnunciationType,
    AskedBy,
    BolusActivationType,
    BolusFlags,
    BolusTemplateFlags,
    BolusType,
    Controller,
    ControllerAction,
    DecisionReason,
    DeliveryContext,
    FlatCgm,
    IddFeatureFlags,
    OperationalState,
    OrefFlags,
    PlgsFlags,
    PulseSource,
    RadioFlags,
    RadioStack,
    RadioState,
    ResetCause,
    TbrKindsFlags,
    TbrType,
    TemplateType,
    TherapyControlState,
)

__all__ = [
    "ActiveBasal",
    "ActiveBolus",
    "Annunciation",
    "BasalBlock",
    "BolusAmounts",
    "BolusTemplate",
    "CarbsEvent",
    "ControllerDetail",
    "ControllerSettings",
    "Decision",
    "DeliveredInsulin",
    "DeviceInformation",
    "Features",
    "GuardrailEvent",
    "Guardrails",
    "Health",
    "HistoryRecord",
    "IchoBlock",
    "Identity",
    "InsulinOnBoard",
    "IsfBlock",
    "OrefSettings",
    "Procedure",
    "PulseCounters",
    "PumpData",
    "Radio",
    "Status",
    "TargetBlock",
    "Tbr",
    "TbrTemplate",
    "TemplateStatus",
    "TotalDailyInsulin",
]


NO_REASONS = BolusFlags(0)
_NO_TEMPLATE_REASONS = BolusTemplateFlags(0)


@dataclass(frozen=True)
class Status:
    """IDD Status (IDS 1.0.2, 3.3). `reservoir_iu` is None without a reservoir."""

    therapy: TherapyControlState
    operational: OperationalState
    reservoir_iu: Decimal | None
    reservoir_attached: bool


@dataclass(frozen=True)
class Annunciation:
    """The annunciation the pump shows (IDS 1.0.2, 3.4); `aux` holds the values it comes with."""

    id: int
    type: AnnunciationType
    status: AnnunciationStatus
    aux: tuple[int, ...] = ()


@dataclass(frozen=True)
class Features:
    """IDD Features (IDS 1.0.2, 3.5)."""

    insulin_concentration_iu_per_ml: Decimal
    flags: IddFeatureFlags


@dataclass(frozen=True)
class DeliveredInsulin:
    """Sums since the last rollover (IDS 1.0.2, 3.6.2.9)."""

    bolus_iu: Decimal
    basal_iu: Decimal

    @property
    def total_iu(self) -> Decimal:
        """Bolus and basal together."""
        return self.bolus_iu + self.basal_iu


@dataclass(frozen=True)
class TotalDailyInsulin:
    """Sums since local midnight, each rounded by itself (IDS 1.0.2, 3.6.2.7)."""

    bolus_iu: Decimal
    basal_iu: Decimal
    total_iu: Decimal


@dataclass(frozen=True)
class InsulinOnBoard:
    """Insulin on board (IDS 1.0.2, 3.6.2.10); `remaining_minutes` is None when the pump does not say."""

    iob_iu: Decimal
    remaining_minutes: int | None


@dataclass(frozen=True)
class Tbr:
    """A running TBR: `value` is IU/h when absolute, a factor when relative; `template` is None without one."""

    type: TbrType
    value: Decimal
    programmed_minutes: int
    remaining_minutes: int
    template: int | None = None


@dataclass(frozen=True)
class ActiveBasal:
    """The basal delivery (IDS 1.0.2, 3.6.2.6); the rate is the profile's, also while a TBR runs."""

    profile_template: int
    profile_rate_iu_per_h: Decimal
    tbr: Tbr | None
    context: DeliveryContext | None


@dataclass(frozen=True)
class ActiveBolus:
    """An active bolus (IDS 1.0.2, 3.6.2.4).

    Amounts and minutes are the programmed, remaining or delivered ones, as the caller chose; the delay of the delivered
    ones reads 65535. `delay_minutes`, `template` and `activation` are None for a bolus without that field.
    """

    id: int
    type: BolusType
    fast_iu: Decimal
    extended_iu: Decimal
    duration_minutes: int
    delay_minutes: int | None = None
    template: int | None = None
    activation: BolusActivationType | None = None
    reasons: BolusFlags = NO_REASONS


@dataclass(frozen=True)
class BasalBlock:
    """One block of a basal profile."""

    duration_minutes: int
    rate_iu_per_h: Decimal


@dataclass(frozen=True)
class IsfBlock:
    """One block of a profile of insulin sensitivity."""

    duration_minutes: int
    isf_mg_dl_per_iu: Decimal


@dataclass(frozen=True)
class IchoBlock:
    """One block of a profile of carbohydrate ratios."""

    duration_minutes: int
    icho_ratio_g_per_iu: Decimal


@dataclass(frozen=True)
class TargetBlock:
    """One block of a profile of target ranges."""

    duration_minutes: int
    target_low_mg_dl: Decimal
    target_high_mg_dl: Decimal


@dataclass(frozen=True)
class TbrTemplate:
    """A TBR template (IDS 1.0.2, 3.7.2): `value` is IU/h when absolute, a factor when relative."""

    number: int
    type: TbrType
    value: Decimal
    duration_minutes: int


@dataclass(frozen=True)
class BolusTemplate:
    """A bolus template (IDS 1.0.2, 3.7.2); `delay_minutes` is None for one without that field."""

    number: int
    type: BolusType
    fast_iu: Decimal | int | str = 0
    extended_iu: Decimal | int | str = 0
    duration_minutes: int = 0
    delay_minutes: int | None = None
    reasons: BolusTemplateFlags = _NO_TEMPLATE_REASONS


@dataclass(frozen=True)
class TemplateStatus:
    """The templates of one kind (IDS 1.0.2, 3.8): numbers that can be written, and numbers that hold something."""

    type: TemplateType
    first: int
    count: int
    blocks_max: int
    configurable: tuple[int, ...]
    configured: tuple[int, ...]


@dataclass(frozen=True)
class HistoryRecord:
    """A record of the history; `event` is the message's name, `fields` what the event says."""

    sequence: int
    relative_offset_s: int
    event: str
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class ControllerSettings:
    """The on-pump controller and its limits. The defaults are those of predictive low glucose suspend."""

    controller: Controller = Controller.MANUAL
    suspend_predicted_mg_dl: int = 80
    suspend_now_mg_dl: int = 70
    horizon_minutes: int = 30
    suspend_limit_minutes: int = 120
    limit_window_minutes: int = 150
    stale_minutes: int = 25
    lockout_minutes: int = 0
    dia_minutes: int = 360
    peak_minutes: int = 75
    near_mg_dl: int = 0
    resume_mg_dl: int = 0
    resume_predicted_mg_dl: int = 0
    minimum_minutes: int = 5
    plgs_flags: PlgsFlags = PlgsFlags.RISING_RESUMES | PlgsFlags.RISING_HOLDS


@dataclass(frozen=True)
class OrefSettings:
    """Settings of the controller oref. The defaults are oref0's own where it has one; of insulin on board it has 0.

    An `autosens_thousandths`, `temp_target_mg_dl` or `smb_high_bg_mg_dl` of 0 is none.
    """

    oref_flags: OrefFlags = OrefFlags.UAM | OrefFlags.SENSITIVITY_RAISES_TARGET
    flat_cgm: FlatCgm = FlatCgm.DETECTED
    max_iob_mu: int = 3000
    max_basal_mu_per_h: int = 4000
    autosens_thousandths: int = 0
    autosens_max_thousandths: int = 1200
    temp_target_mg_dl: int = 0
    half_basal_target_mg_dl: int = 160
    smb_high_bg_mg_dl: int = 110
    smb_basal_minutes: int = 30
    uam_smb_basal_minutes: int = 30
    smb_interval_minutes: int = 3
    max_cob_g: int = 120
    min_carb_impact_tenths: int = 80
    remaining_carbs_cap_g: int = 90
    remaining_carbs_percent: int = 100
    carbs_required_threshold_g: int = 1
    delta_share_percent: int = 20
    noisy_target_percent: int = 130
    daily_basal_multiplier_tenths: int = 30
    current_basal_multiplier_tenths: int = 40


@dataclass(frozen=True)
class Guardrails:
    """What neither a controller nor a client exceeds, in the order of their numbers 1 to 8 (D-1201)."""

    basal_mu_per_h: int
    bolus_mu: int
    iob_mu: int
    hour_mu: int
    day_mu: int
    interval_minutes: int
    stale_minutes: int
    decision_minutes: int


@dataclass(frozen=True)
class GuardrailEvent:
    """A guardrail refused or limited what was asked.

    `guardrail` is its number; `asked` and `allowed` are in its unit, that of the same place in `Guardrails`.
    """

    sequence: int
    guardrail: int
    asked_by: AskedBy
    asked: int
    allowed: int


@dataclass(frozen=True)
class CarbsEvent:
    """Carbs that were announced, eaten `minutes_ago` before the record."""

    sequence: int
    carbs_g: int
    minutes_ago: int


@dataclass(frozen=True)
class ControllerDetail:
    """The numbers behind a decision. What the rule that decided did not reach is None.

    `rule` is the number of the rule of DOSING.md, `guardrail` the number of the one that limited the decision.
    """

    sequence: int
    rule: int | None
    target_mg_dl: int | None
    threshold_mg_dl: int | None
    eventual_mg_dl: int | None
    guard_mg_dl: int | None
    pred_mg_dl: int | None
    bgi_hundredths: int | None
    deviation_mg_dl: int | None
    insulin_required_mu: int | None
    net_iob_mu: int | None
    cob_tenths: int | None
    carbs_required_g: int | None
    decided_mu_per_h: int | None
    decided_minutes: int | None
    small_bolus_mu: int
    guardrail: int | None


@dataclass(frozen=True)
class Decision:
    """A decision of the on-pump controller; `at_s` is the pump second at which it took effect."""

    sequence: int
    offset_minutes: int
    at_s: int
    glucose_mg_dl: int | None
    predicted_mg_dl: int | None
    iob_mu: int
    action: ControllerAction
    reason: DecisionReason


@dataclass(frozen=True)
class BolusAmounts:
    """What a bolus calculator recommends, or what its user confirms (IDS 1.0.2, event bolus calculated)."""

    fast_meal_iu: Decimal = Decimal(0)
    fast_correction_iu: Decimal = Decimal(0)
    extended_meal_iu: Decimal = Decimal(0)
    extended_correction_iu: Decimal = Decimal(0)


@dataclass(frozen=True)
class DeviceInformation:
    """Who made the pump, and which one it is (DIS 1.1, 3). `system_id` has eight octets, low octet first."""

    manufacturer: str
    model: str
    serial_number: str
    hardware_revision: str
    firmware_revision: str
    system_id: bytes
    vendor_id: int
    product_id: int
    product_version: int


@dataclass(frozen=True)
class Identity:
    """Which firmware runs."""

    wire_version: int
    firmware_hash: bytes


@dataclass(frozen=True)
class PumpData:
    """What the pump is made of. `bolus_speed` and limits in milliunits, as its firmware counts."""

    pulse_mu: int
    bolus_speed_mu_per_minute: int
    reservoir_capacity_mu: int
    basal_rate_limit_mu_per_h: int
    bolus_limit_mu: int
    motor_pulse_ms: int
    basal_min_mu_per_h: int
    bolus_min_mu: int
    basal_adjustable: int
    basal_fixed_mu_per_h: int
    tbr_kinds: TbrKindsFlags


@dataclass(frozen=True)
class Health:
    """How the emulator is. `uptime_s` is pump time to the millisecond.

    `pulses_in_doubt` counts pulses that are counted as delivered although a power cut left open whether they left the
    motor; `doubt_source` is what the last of them was for.
    """

    reset_cause: ResetCause
    uptime_s: Decimal
    free_heap_octets: int
    dropped_frames: int
    e2e_failures: int
    pulses_in_doubt: int
    doubt_source: PulseSource


@dataclass(frozen=True)
class Radio:
    """How the pump's radio stands, as it tells over the serial bearer alone.

    `passkey` is None while none is shown; it belongs in no log and in no record. `address` has the high octet first,
    `locked_s` are seconds until the pump pairs again, `mtu` is 0 without a connection.
    """

    state: RadioState
    stack: RadioStack
    flags: RadioFlags
    passkey: int | None = field(repr=False)
    bonds: int
    failed_pairings: int
    locked_s: int
    address: bytes
    mtu: int


@dataclass(frozen=True)
class PulseCounters:
    """Motor pulses since the pump first started, and what the reservoir still holds, in pulses."""

    basal: int
    bolus: int
    prime: int
    reservoir: int


@dataclass(frozen=True)
class Procedure:
    """A finished exchange with a control point or a written value, for those who keep a log.

    Attributes:
        name: the request's message name.
        fields: what was asked for.
        response_code: the response code; None when the answer is a message of its own, or a plain write response.
        answer: fields of that message.
        sent_at_s: DUT second of the request.
        answered_at_s: DUT second of the answer.
    """

    name: str
    fields: Mapping[str, Any]
    response_code: int | None
    answer: Mapping[str, Any]
    sent_at_s: float
    answered_at_s: float
