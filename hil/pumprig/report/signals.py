"""Writes signals.npz: the run as arrays, for notebooks and other tools."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pumprig.errors import RigError
from pumprig.report import summary
from pumprig.report.reading import Event, Record, number, read_record
from pumprig.report.summary import time_of

SIGNALS = "signals.npz"


def _columns(record: Record) -> dict[str, list[Any]]:
    def column(events: list[Event], name: str) -> list[float]:
        values = (number(event.get(name)) for event in events)
        return [float("nan") if value is None else value for value in values]

    samples, rates, decisions = record.of("sample"), record.of("rate"), record.of("decision")
    progress, violations = record.of("progress"), record.of("violation")
    boluses = [event for event in record.of("bolus") if event.get("phase") == "end"]
    pulses = {
        source: [time_of(event) for event in record.of("pulse") if summary.pulse_kind(event) == source]
        for source in ("basal", "bolus", "prime")
    }
    return {
        "glucose_s": [time_of(event) for event in samples],
        "glucose_mg_dl": column(samples, "glucose_mg_dl"),
        "patient_s": [time_of(event) for event in record.of("patient")],
        "plasma_mg_dl": column(record.of("patient"), "plasma_mg_dl"),
        "subcutaneous_mg_dl": column(record.of("patient"), "glucose_mg_dl"),
        "meal_s": [time_of(event) for event in record.of("meal")],
        "meal_carbohydrate_g": column(record.of("meal"), "carbohydrate_g"),
        "rate_s": [time_of(event) for event in rates],
        "rate_iu_per_h": column(rates, "rate_iu_per_h"),
        "rate_is_tbr": [bool(event.get("tbr")) for event in rates],
        "decision_s": [time_of(event) for event in decisions],
        "decision_action": [str(event.get("action")) for event in decisions],
        "decision_reason": [str(event.get("reason")) for event in decisions],
        "predicted_mg_dl": column(decisions, "predicted_mg_dl"),
        "decision_iob_iu": column(decisions, "iob_iu"),
        "latency_dut_ms": column(decisions, "latency_dut_ms"),
        "latency_host_ms": column(decisions, "latency_host_ms"),
        "basal_pulse_s": pulses["basal"],
        "bolus_pulse_s": pulses["bolus"],
        "prime_pulse_s": pulses["prime"],
        "bolus_end_s": [time_of(event) for event in boluses],
        "bolus_delivered_iu": column(boluses, "delivered_iu"),
        "reservoir_s": [time_of(event) for event in progress],
        "reservoir_iu": column(progress, "reservoir_iu"),
        "suspension_s": [[span.from_s, span.to_s] for span in summary.suspensions(record)],
        "violation_s": [time_of(event) for event in violations],
        "violation_rule": [str(event.get("rule")) for event in violations],
        "pulse_mu": [record.pulse_mu],
    }


def write_signals(run_dir: Path, record: Record | None = None) -> Path:
    """Write signals.npz of a run, finished or not. Times are pump seconds; what is unknown is NaN.

    Arrays, those of one group with the same length:

    - `glucose_s`, `glucose_mg_dl`: CGM samples.
    - `patient_s`, `plasma_mg_dl`, `subcutaneous_mg_dl`: a virtual patient's glucose; `meal_s`, `meal_carbohydrate_g`.
    - `rate_s`, `rate_iu_per_h`, `rate_is_tbr`: the basal rate from that second on.
    - `decision_s`, `decision_action`, `decision_reason`, `predicted_mg_dl`, `decision_iob_iu`, `latency_dut_ms`,
      `latency_host_ms`: one decision a sample.
    - `basal_pulse_s`, `bolus_pulse_s`, `prime_pulse_s`: the seconds at which motor pulses were due, `pulse_mu[0]` mU
      each.
    - `bolus_end_s`, `bolus_delivered_iu`: boluses that have ended.
    - `reservoir_s`, `reservoir_iu`: the reservoir.
    - `suspension_s`: first and last second of each suspension, shape (n, 2).
    - `violation_s`, `violation_rule`: violations.

    Args:
        run_dir: the run's folder.
        record: what it holds, when that has been read already.

    Returns:
        The path of signals.npz.

    Raises:
        UsageError: the folder holds no record.
        RigError: the file cannot be written.
    """
    import numpy

    columns = _columns(record or read_record(run_dir))
    text = {"decision_action", "decision_reason", "violation_rule"}
    arrays: dict[str, Any] = {}
    for name, values in columns.items():
        kind: Any = "U1" if name in text and not values else None if name in text else bool if "_is_" in name else float
        arrays[name] = numpy.array(values, dtype=kind)
    arrays["suspension_s"] = arrays["suspension_s"].reshape(-1, 2)
    path = run_dir / SIGNALS
    unfinished = run_dir / (SIGNALS + ".part")
    try:
        with unfinished.open("wb") as out:
            numpy.savez_compressed(out, **arrays)
        os.replace(unfinished, path)
    except OSError as error:
        raise RigError(
            f"the file cannot be written ({error.strerror})",
            where=str(path),
            remedy="Make room, then: pumprig report RUN.",
        ) from error
    return path
