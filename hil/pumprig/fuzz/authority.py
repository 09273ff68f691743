"""How much insulin a pump may have moved at most, by what it was validly asked for.

Only sound frames with right counters and CRCs that hold a message within its limits count as asking; everything else
must move nothing. An upper bound is enough here: that the pump delivers exactly what it should, the oracle judges.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from pumpwire.database import COMMAND_CONTROL_POINT
from pumpwire.declare import Decoded, Message, Outcome
from pumpwire.enums import BolusFlags, BolusType, Controller, TbrFlags, TbrType, TherapyControlState
from pumpwire.registry import MESSAGES

__all__ = ["Authority", "is_valid"]

_S_PER_H = 3600
_MINUTE_S = 60
# Guardrails 1 and 2 as they come, and the delivery speed: no controller gives more, whatever its settings are.
_AUTOMATIC_MU_PER_H = 30_000
_SPEED_MU_PER_S = 25
_BOLUS_S_MAX = 25_000 / _SPEED_MU_PER_S
_AUTOMATIC = (Controller.OREF, Controller.OWN)
_NOTHING = Decimal(0)
# Answer -> opcodes of the requests that it says were carried out.
_CARRIED_OUT = {
    answer: [message.opcode for message in MESSAGES.values() if message.answer == answer and message.opcode is not None]
    for answer in {message.answer for message in MESSAGES.values() if message.answer}
}
# Commands whose own values are not looked at when they name a template, and the flag that says so.
_BY_TEMPLATE = {
    "SetBolus": BolusFlags.TEMPLATE_NUMBER_PRESENT,
    "SetTbrAdjustment": TbrFlags.TEMPLATE_NUMBER_PRESENT,
}


def is_valid(message: Message, decoded: Decoded) -> bool:
    """Whether a pump may carry a message out: it is within its limits, or names a template that takes their place."""
    if decoded.ok:
        return True
    flag = _BY_TEMPLATE.get(message.name)
    return decoded.outcome is Outcome.OUT_OF_RANGE and flag is not None and bool(decoded.fields["flags"] & flag)


@dataclass
class _Request:
    """A request without an answer, and the insulin that it allows until it is refused."""

    fields: Mapping[str, Any]
    granted_mu: Decimal = _NOTHING


@dataclass
class _Bound:
    """How much of one source may have been moved.

    Args:
        granted_mu: at most so much.
        ended_mu: what was granted when a command ended it, None when none has since the pulses were counted last.
        running_mu: what such a command leaves running.
        automatic_mu: what a controller may have moved since the pulses were counted last.
        moved_mu: what had been moved then.
    """

    granted_mu: Decimal = _NOTHING
    ended_mu: Decimal | None = None
    running_mu: Decimal = _NOTHING
    automatic_mu: Decimal = _NOTHING
    moved_mu: int = 0

    def end(self, running_mu: Decimal = _NOTHING) -> None:
        """What is not moved yet is void, but for what runs on."""
        self.ended_mu, self.running_mu = self.granted_mu, running_mu

    def settle(self, moved_mu: int) -> None:
        """The pulses are known: what had ended before is as much as was moved."""
        if self.ended_mu is not None:
            self.granted_mu -= max(_NOTHING, self.ended_mu - moved_mu - self.running_mu)
            self.ended_mu = None
        # What a controller did not move until now it has not put aside.
        self.granted_mu += min(self.automatic_mu, max(_NOTHING, Decimal(moved_mu - self.moved_mu)))
        self.automatic_mu, self.moved_mu = _NOTHING, moved_mu


@dataclass
class _Tbr:
    """The most that TBRs may have said: a rate, and a factor of the profile."""

    rate_mu_per_h: Decimal = _NOTHING
    factor: Decimal = _NOTHING
    minutes: int = 0

    def widen(self, other: _Tbr) -> None:
        """Take over what is more."""
        self.rate_mu_per_h = max(self.rate_mu_per_h, other.rate_mu_per_h)
        self.factor = max(self.factor, other.factor)
        self.minutes = max(self.minutes, other.minutes)


@dataclass
class _Templates:
    """The most that each template may hold."""

    boluses_mu: dict[int, Decimal] = field(default_factory=dict)
    tbrs: dict[int, _Tbr] = field(default_factory=lambda: {6: _Tbr(factor=Decimal("0.5"), minutes=60)})


class Authority:
    """Follows what was asked and what the pump answered.

    Args:
        pulse_mu: insulin of one pulse.
    """

    def __init__(self, pulse_mu: int) -> None:
        self.pulse_mu = pulse_mu
        self._basal, self._bolus, self._prime = _Bound(), _Bound(), _Bound()
        self._asked: dict[int, deque[_Request]] = {}
        self._templates = _Templates()
        # Number and amount of the boluses that may run, by their place; and the amount of those whose answer was lost.
        self._boluses: dict[str, tuple[int, Decimal]] = {}
        self._unanswered_mu = _NOTHING
        self._therapy = TherapyControlState.STOP
        self._profile_mu_per_h = _NOTHING
        self._tbr = _Tbr()
        self._tbr_end_s = 0.0
        self._at_s = 0.0
        self._ran = False
        # Until then a controller may give insulin on its own.
        self._automatic_until_s = 0.0

    # --- What is asked and answered -----------------------------------------------------------------------------

    def asked(self, message: Message, fields: Mapping[str, Any], at_s: float) -> None:
        """A valid message arrived at the pump and was taken."""
        self.settle(at_s)
        if message.name == "ControllerSettings":
            self._chosen(fields["controller"], at_s)
        if message.opcode is not None and message.on is COMMAND_CONTROL_POINT:
            request = _Request(fields)
            self._asked.setdefault(message.opcode, deque(maxlen=64)).append(request)
            self._grant(message.name, request)

    def answered(self, message: Message, fields: Mapping[str, Any], at_s: float) -> str | None:
        """The pump answered; returns what is wrong when it carried out what nobody asked for."""
        self.settle(at_s)
        if message.name == "CommandResponseCode":
            opcode, done = fields["request_opcode"], fields["response_code"].name == "SUCCESS"
        elif message.name in _CARRIED_OUT:
            opcode = next((code for code in _CARRIED_OUT[message.name] if self._asked.get(code)), -1)
            done = True
        else:
            return None
        waiting = self._asked.get(opcode)
        if not waiting:
            return f"it says {message.name} {dict(fields)}, and nobody validly asked for it" if done else None
        request = waiting.popleft()
        name = _name(opcode)
        if done:
            self._done(name, request, fields, at_s)
        else:
            self._refused(name, request)
        return None

    def disconnected(self) -> None:
        """The connection is gone: what was asked may have been done, and no answer comes any more."""
        for opcode, waiting in self._asked.items():
            if _name(opcode) == "SetBolus":
                self._unanswered_mu += sum((request.granted_mu for request in waiting), start=_NOTHING)
        self._asked.clear()

    # A bolus that a controller began is delivered to its end when another controller takes its place.
    def _chosen(self, controller: Controller, at_s: float) -> None:
        if controller in _AUTOMATIC:
            self._automatic_until_s = float("inf")
        elif self._automatic_until_s > at_s:
            self._automatic_until_s = min(self._automatic_until_s, at_s + _BOLUS_S_MAX)

    # A request counts from the moment it is taken, because its answer may be lost.
    def _grant(self, name: str, request: _Request) -> None:
        fields = request.fields
        if name == "SetBolus":
            request.granted_mu = self._bolus_mu(fields)
            self._bolus.granted_mu += request.granted_mu
        elif name == "SetBolusTemplate":
            number = fields["template_number"]
            held = self._templates.boluses_mu
            held[number] = max(held.get(number, _NOTHING), _amount_mu(fields))
        elif name == "StartPriming":
            request.granted_mu = 1000 * fields["priming_amount_iu"]
            self._prime.granted_mu += request.granted_mu
        elif name == "WriteBasalRateTemplate":
            rates = [1000 * value for value in fields.values() if isinstance(value, Decimal)]
            self._profile_mu_per_h = max([self._profile_mu_per_h, *rates])
        elif name == "SetTbrTemplate":
            self._templates.tbrs.setdefault(fields["template_number"], _Tbr()).widen(_tbr_of(fields))
        elif name == "SetTbrAdjustment":
            tbr = _tbr_of(fields)
            if fields["flags"] & TbrFlags.TEMPLATE_NUMBER_PRESENT:
                tbr = self._templates.tbrs.get(fields["template_number"], _Tbr())
            self._tbr.widen(tbr)
            self._tbr_end_s = max(self._tbr_end_s, self._at_s + tbr.minutes * _MINUTE_S + 1)
        elif name == "SetTherapyControlState" and fields["therapy_control_state"] is TherapyControlState.RUN:
            self._therapy = TherapyControlState.RUN
            self._ran = True

    def _bolus_mu(self, fields: Mapping[str, Any]) -> Decimal:
        if fields["flags"] & BolusFlags.TEMPLATE_NUMBER_PRESENT:
            return self._templates.boluses_mu.get(fields["template_number"], _NOTHING)
        return _amount_mu(fields)

    def _refused(self, name: str, request: _Request) -> None:
        if name == "SetBolus":
            self._bolus.granted_mu -= request.granted_mu
        elif name == "StartPriming":
            self._prime.granted_mu -= request.granted_mu

    def _done(self, name: str, request: _Request, answer: Mapping[str, Any], at_s: float) -> None:
        if name == "SetTherapyControlState":
            self._therapy = request.fields["therapy_control_state"]
            if self._therapy is TherapyControlState.STOP:
                self._basal.end()
                self._boluses.clear()
                self._unanswered_mu = _NOTHING
                self._bolus.end(self._waiting_mu())
        elif name == "SetBolus":
            self._boluses[_place(request.fields, answer["bolus_id"])] = (answer["bolus_id"], request.granted_mu)
        elif name == "CancelTbrAdjustment":
            self._tbr = _Tbr()
            self._tbr_end_s = at_s + 1
        elif name == "CancelBolus":
            ended = request.fields["bolus_id"]
            self._boluses = {place: bolus for place, bolus in self._boluses.items() if bolus[0] != ended}
            running_mu = sum((amount_mu for _, amount_mu in self._boluses.values()), start=self._unanswered_mu)
            self._bolus.end(running_mu + self._waiting_mu())
        elif name == "StopPriming":
            self._prime.end()

    def _waiting_mu(self) -> Decimal:
        waiting = self._asked.get(_SET_BOLUS, ())
        return sum((request.granted_mu for request in waiting), start=_NOTHING)

    # --- The bound ----------------------------------------------------------------------------------------------

    def settle(self, at_s: float) -> None:
        """Lets time pass: basal insulin that may have been delivered until then is added."""
        spent_s = Decimal(max(0.0, at_s - self._at_s))
        self._at_s = max(self._at_s, at_s)
        if self._therapy is not TherapyControlState.STOP:
            rate = self._profile_mu_per_h
            if self._at_s - float(spent_s) < self._tbr_end_s:
                rate = max(rate, self._tbr.rate_mu_per_h, self._tbr.factor * rate)
            self._basal.granted_mu += rate * spent_s / _S_PER_H
            if self._at_s - float(spent_s) < self._automatic_until_s:
                self._basal.automatic_mu += max(_NOTHING, _AUTOMATIC_MU_PER_H - rate) * spent_s / _S_PER_H
                # The first pulse of a count may have been earned before it.
                self._bolus.automatic_mu = self._bolus.automatic_mu or Decimal(self.pulse_mu)
                self._bolus.automatic_mu += _SPEED_MU_PER_S * spent_s

    @property
    def needs_counters(self) -> bool:
        """Whether the pump's counters must be asked now, because a bound has come down."""
        return self._bolus.ended_mu is not None or self._prime.ended_mu is not None

    def judge(self, basal: int, bolus: int, prime: int, at_s: float) -> str | None:
        """Holds the pulses delivered since boot against the bounds; returns what is wrong."""
        self.settle(at_s)
        counted = (("basal", basal, self._basal), ("bolus", bolus, self._bolus), ("prime", prime, self._prime))
        for source, pulses, bound in counted:
            rounding = self.pulse_mu if source == "basal" and self._ran else 0
            allowed = bound.granted_mu + bound.automatic_mu
            if pulses and pulses * self.pulse_mu > allowed + rounding:
                return f"{pulses} {source} pulses ({pulses * self.pulse_mu} mU) where {allowed:.1f} mU were asked for"
        for _, pulses, bound in counted:
            bound.settle(pulses * self.pulse_mu)
        return None


def _tbr_of(fields: Mapping[str, Any]) -> _Tbr:
    value, minutes = fields["value"], fields["duration_minutes"]
    if not isinstance(value, Decimal):
        return _Tbr()
    if fields["tbr_type"] is TbrType.RELATIVE:
        return _Tbr(factor=value, minutes=minutes)
    return _Tbr(1000 * value, minutes=minutes)


# One fast bolus runs, and one that is not; what a template holds is not known.
def _place(fields: Mapping[str, Any], bolus_id: int) -> str:
    if fields["flags"] & BolusFlags.TEMPLATE_NUMBER_PRESENT:
        return f"template {bolus_id}"
    return "fast" if fields["bolus_type"] is BolusType.FAST else "other"


def _amount_mu(fields: Mapping[str, Any]) -> Decimal:
    amounts = [fields.get("fast_amount_iu"), fields.get("extended_amount_iu")]
    if fields.get("bolus_type") is BolusType.FAST:
        del amounts[1]
    elif fields.get("bolus_type") is BolusType.EXTENDED:
        del amounts[0]
    return 1000 * sum((amount for amount in amounts if isinstance(amount, Decimal)), start=_NOTHING)


def _name(opcode: int) -> str:
    return next(
        message.name
        for message in MESSAGES.values()
        if message.opcode == opcode and message.on is COMMAND_CONTROL_POINT
    )


_SET_BOLUS = MESSAGES["SetBolus"].opcode or 0
