"""What the pump says it is made of, beside what it must be."""

from __future__ import annotations

from pumplink.results import PumpData
from pumprig.oracle import OracleSettings
from pumpwire.enums import TbrKindsFlags

__all__ = ["pump_numbers"]


def pump_numbers(due: OracleSettings, told: PumpData, pulse_ms: int | None) -> list[tuple[str, int, int]]:
    """Each number with its unit: what it must be, and what the pump says.

    Args:
        due: the pump's parameters.
        told: EmulatorPumpData.
        pulse_ms: how long the board's data hold the motor pin high; None where they are not known.
    """
    kinds = TbrKindsFlags(0)
    kinds |= TbrKindsFlags.ABSOLUTE if due.tbr_absolute else TbrKindsFlags(0)
    kinds |= TbrKindsFlags.RELATIVE if due.tbr_relative else TbrKindsFlags(0)
    return [
        ("pulse, mU", due.pulse_mu, told.pulse_mu),
        ("delivery speed, mU/min", due.bolus_speed_mu_per_minute, told.bolus_speed_mu_per_minute),
        ("basal limit, mU/h", due.basal_limit_mu_per_h, told.basal_rate_limit_mu_per_h),
        ("bolus limit, mU", due.bolus_limit_mu, told.bolus_limit_mu),
        ("reservoir, mU", due.reservoir_capacity_mu, told.reservoir_capacity_mu),
        ("least basal rate, mU/h", due.basal_min_mu_per_h, told.basal_min_mu_per_h),
        ("least bolus, mU", due.bolus_least_mu, told.bolus_min_mu),
        ("adjustable basal", int(due.basal_adjustable), told.basal_adjustable),
        ("fixed basal, mU/h", due.basal_fixed_mu_per_h, told.basal_fixed_mu_per_h),
        ("kinds of TBR", int(kinds), int(told.tbr_kinds)),
        ("motor pulse, ms", told.motor_pulse_ms if pulse_ms is None else pulse_ms, told.motor_pulse_ms),
    ]
