"""What the oracle's tests share: a pump in Run at a known rate, and short readings of its events."""

from datetime import datetime
from decimal import Decimal

from pumprig.oracle import Oracle, OracleSettings
from pumprig.oracle.commands import (
    ActivateProfile,
    OpenCgmSession,
    SetTherapyState,
    WriteProfile,
)
from pumprig.oracle.events import Event, Pulse
from pumprig.oracle.terms import SUCCESS

MIDNIGHT = datetime(2000, 1, 1)


def profile(*blocks):
    """Blocks of (minutes, IU/h as text)."""
    return tuple((minutes, Decimal(rate)) for minutes, rate in blocks)


def accept(oracle, at_s, command):
    """Send a command that must be accepted, and return the fields of its answer."""
    answer = oracle.command(at_s, command)
    assert answer.code in (SUCCESS, 0), f"{command} answered {answer}"
    return answer.fields


def code(oracle, at_s, command):
    """The response code of a command."""
    return oracle.command(at_s, command).code


def running(*blocks, at_s=0, settings=None, **parameters):
    """A pump in Run with a basal profile (1 U/h all day if none is given), its events so far taken."""
    oracle = Oracle(settings or OracleSettings(**parameters))
    accept(oracle, at_s, WriteProfile(1, profile(*(blocks or ((1440, "1.0"),)))))
    accept(oracle, at_s, ActivateProfile(1))
    accept(oracle, at_s, SetTherapyState("run"))
    oracle.take_events()
    return oracle


def plgs(*blocks, session_start=MIDNIGHT, **controller):
    """A pump in Run with the plgs controller and an open CGM session."""
    oracle = running(*blocks, settings=OracleSettings().with_controller(controller="plgs", **controller))
    accept(oracle, 0, OpenCgmSession(session_start))
    return oracle


def take(oracle, *kinds) -> list[Event]:
    """The events since the last call, of the kinds named or all but pulses."""
    events = oracle.take_events()
    if kinds:
        return [event for event in events if isinstance(event, kinds)]
    return [event for event in events if not isinstance(event, Pulse)]


def pulses(oracle, to_s, source=None):
    """Due seconds of the pulses from the last taking up to and including a second."""
    oracle.advance(to_s)
    return [event.due_s for event in take(oracle, Pulse) if source in (None, event.source)]


def at(oracle, sample_s, offset, glucose, status=0):
    """Action and reason of the decision on a sample."""
    decision = oracle.sample(sample_s, offset, glucose, status)
    return str(decision.action), str(decision.reason)


def feed(oracle, values, *, first_offset=0, step=5, late_s=1):
    """Send samples every `step` minutes, each shortly after its measurement; return actions and reasons."""
    return [
        at(oracle, 60 * offset + late_s, offset, glucose)
        for offset, glucose in zip(range(first_offset, 100_000, step), values, strict=False)
    ]
