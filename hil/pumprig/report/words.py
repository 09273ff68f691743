"""What the views say for the record's names: decisions and their reasons, clocks, durations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_REASONS = {
    "stale": "sample too old",
    "invalid_sample": "sample not usable",
    "manual": "controller is manual",
    "therapy_not_running": "therapy is not running",
    "minimum_time": "suspended for under 5 min",
    "rising": "glucose is rising",
    "not_low": "not low",
    "low_now": "glucose is low now",
    "predicted_low": "predicted low",
    "no_prediction": "too few samples to predict",
    "lockout": "locked out after a cancel",
    "limit_reached": "limit of suspension reached",
    "controller_rule": "by its rules",
    "not_configured": "a profile is missing",
    "iob_unknown": "IOB not known yet",
}

_ACTIONS = {
    "none": "No action",
    "keep": "Keep going",
    "suspend": "Suspend basal",
    "resume": "Resume basal",
    "set_tbr": "Set a TBR",
    "cancel_tbr": "Cancel the TBR",
}

_PROVEN = {
    "lockstep": (
        "Proved logic and order of every dose.",
        "Computing takes no time here: deadlines of speed were not judged.",
    ),
    "scaled": (
        "Proved logic, order and timing of every dose.",
        "At {speed} times real time only decisions had a deadline, in host time.",
    ),
    "realtime": (
        "Proved logic, order and timing of every dose.",
        "Deadlines were judged at the speed of the clock.",
    ),
}


def link_line(link: Mapping[str, Any]) -> str:
    """How quick a run's link was, in a line; empty when nothing was measured.

    Args:
        link: as run.json has it, times in milliseconds of host time.
    """
    told = [
        f"{what} {spread['median']:.2g} ms (99 %: {spread['p99']:.2g})"
        for what, spread in (("response", link.get("response_ms")), ("command", link.get("command_ms")))
        if spread
    ]
    if rate := link.get("octets_per_s"):
        told.append(f"{rate / 1000:.3g} kB/s")
    if secured_ms := link.get("secured_ms"):
        told.append(f"encrypted in {secured_ms:.2g} ms")
    interval_ms = link.get("connection_interval_ms")
    events = f" with an event each {interval_ms:g} ms" if interval_ms else ""
    return f"link over {link.get('bearer')}{events}: {', '.join(told)} of host time" if told else ""


def key_of(name: object) -> str:
    """A record's name in one spelling: `Low now`, `LOW_NOW` and `low-now` are the same."""
    return str(name).strip().lower().replace(" ", "_").replace("-", "_")


def plain(name: object) -> str:
    """A record's name as words."""
    return key_of(name).replace("_", " ")


def reason_words(reason: object) -> str:
    """A decision's reason in words."""
    return _REASONS.get(key_of(reason), plain(reason))


def action_words(action: object) -> str:
    """A decision's action in words."""
    return _ACTIONS.get(key_of(action), plain(action).capitalize())


def response_words(response: object) -> str:
    """The answer to a command in words, from its code or its name; 0 is a write that was simply accepted."""
    if response == 0:
        return "accepted"
    if isinstance(response, int):
        # The definition of the wire takes long to load, and most views never need it.
        from pumpwire.enums import ResponseCode

        try:
            return f"{plain(ResponseCode(response).name)} (0x{response:02X})"
        except ValueError:
            return f"0x{response:02X}"
    return plain(response)


def count(number: int, one: str, many: str = "") -> str:
    """A number with its noun: `1 pulse`, `2 pulses`.

    Args:
        one: the noun of one.
        many: the noun of several, where it is not `one` with an s.
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def proven(clock: str, sees_pulses: bool = True) -> tuple[str, str]:
    """What a run at this clock proves, and what it leaves open.

    Args:
        clock: `lockstep`, `scaled:N` or `realtime`.
        sees_pulses: whether the motor was seen.
    """
    kind, _, speed = clock.lower().partition(":")
    claim, limit = _PROVEN.get(kind, (f"Clock {clock}." if clock else "The record names no clock.", ""))
    if not sees_pulses:
        claim = "Proved what the pump says of every dose; its motor was not seen."
    return claim, limit.format(speed=speed or "N")


def duration_words(seconds: float) -> str:
    """A duration as a person says it: `14 d`, `24 h`, `1 h 20 min`, `45 min`, `12 s`."""
    whole = round(seconds)
    days = whole // 86400 if whole >= 2 * 86400 else 0
    hours, minutes = (whole - days * 86400) // 3600, whole % 3600 // 60
    parts = [f"{days} d"] * bool(days) + [f"{hours} h"] * bool(hours) + [f"{minutes} min"] * bool(minutes)
    return " ".join(parts[:2]) if parts else f"{whole} s"


def iu(value: float, digits: int = 2) -> str:
    """An amount of insulin in IU with at least two digits, and more where they carry something."""
    text = f"{value:.{max(digits, 3)}f}"
    return text[:-1] if text.endswith("0") else text


def compact(value: Any) -> str:
    """A field's value in one short line."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return ", ".join(f"{key} {compact(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ("; " if any(isinstance(item, dict) for item in value) else ", ").join(map(compact, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
