"""How much insulin a pump may have moved at most, by what it was validly asked for.

Only sound frames with right counters and CRCs that hold a message within its limits count as asking; everything else
must move nothing. An upper bound is enough here: that the pump delivers exactly what it should, the oracle judges.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from pumpwire.database import COMMAND_CONTROL_POINT
from pumpwire.declare import Message
from pumpwire.enums import BolusType, TbrType, TherapyControlState
from pumpwire.registry import MESSAGES

__all__ = ["Authority"]

_S_PER_H = 3600
_MINUTE_S = 60
# Answer -> opcodes of the requests that it says were carried out.
_CARRIED_OUT = {
    answer: [message.opcode for message in MESSAGES.values() if message.answer == answer and message.opcode is not None]
    for answer in {message.answer for message in MESSAGES.values() if message.answer}
}


class Authority:
    """Follows what was asked and what the pump answered.

    Args:
        pulse_mu: insulin of one pulse.
    """

    def __init__(self, pulse_mu: int) -> None:
        self.pulse_mu = pulse_mu
        self.bolus_mu = Decimal(0)
        self.basal_mu = Decimal(0)
        self.prime_mu = Decimal(0)
        self._asked: dict[int, deque[dict[str, Any]]] = {}
        self._therapy = TherapyControlState.STOP
        self._profile_mu_per_h = Decimal(0)
        self._tbr_mu_per_h = Decimal(0)
        self._tbr_end_s = 0.0
        self._at_s = 0.0
        self._ran = False
        # What was granted when a Stop or a cancellation ended it; the rest of that is void once the pulses are known.
        self._ended_bolus_mu: Decimal | None = None
        self._ended_basal_mu: Decimal | None = None

    # --- What is asked and answered -----------------------------------------------------------------------------

    def asked(self, message: Message, fields: dict[str, Any], at_s: float) -> None:
        """A valid message arrived at the pump and was taken."""
        self.settle(at_s)
        if message.opcode is not None and message.on is COMMAND_CONTROL_POINT:
            self._asked.setdefault(message.opcode, deque(maxlen=64)).append(fields)
            self._grant(message.name, fields)

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
            self._done(name, request, at_s)
        else:
            self._refused(name, request)
        return None

    def disconnected(self) -> None:
        """The connection is gone: what was asked may have been done, and no answer comes any more."""
        self._asked.clear()

    # A request counts from the moment it is taken, because its answer may be lost.
    def _grant(self, name: str, fields: Mapping[str, Any]) -> None:
        if name == "SetBolus":
            self.bolus_mu += _amount_mu(fields)
        elif "Priming" in name:
            self.prime_mu += sum(
                (1000 * value for value in fields.values() if isinstance(value, Decimal)), start=Decimal(0)
            )
        elif name in ("WriteBasalRateTemplate", "SetTbrAdjustment", "SetTbrTemplate"):
            rates = [1000 * value for value in fields.values() if isinstance(value, Decimal)]
            if fields.get("tbr_type") is TbrType.RELATIVE:
                rates = [rate / 1000 * self._profile_mu_per_h for rate in rates]
            if name == "SetTbrAdjustment":
                self._tbr_mu_per_h = max([self._tbr_mu_per_h, *rates])
                self._tbr_end_s = max(self._tbr_end_s, self._at_s + fields["duration_minutes"] * _MINUTE_S + 1)
            else:
                self._profile_mu_per_h = max([self._profile_mu_per_h, *rates])
        elif name == "SetTherapyControlState" and fields["therapy_control_state"] is TherapyControlState.RUN:
            self._therapy = TherapyControlState.RUN
            self._ran = True

    def _refused(self, name: str, fields: Mapping[str, Any]) -> None:
        if name == "SetBolus":
            self.bolus_mu -= _amount_mu(fields)

    def _done(self, name: str, fields: Mapping[str, Any], at_s: float) -> None:
        if name == "SetTherapyControlState":
            self._therapy = fields["therapy_control_state"]
            if self._therapy is TherapyControlState.STOP:
                self._ended_basal_mu = self.basal_mu
                self._ended_bolus_mu = self.bolus_mu
        elif name == "CancelTbrAdjustment":
            self._tbr_mu_per_h = Decimal(0)
            self._tbr_end_s = at_s + 1
        elif name == "CancelBolus":
            self._ended_bolus_mu = self.bolus_mu

    # --- The bound ----------------------------------------------------------------------------------------------

    def settle(self, at_s: float) -> None:
        """Lets time pass: basal insulin that may have been delivered until then is added."""
        spent_s = Decimal(max(0.0, at_s - self._at_s))
        self._at_s = max(self._at_s, at_s)
        if self._therapy is not TherapyControlState.STOP:
            rate = self._profile_mu_per_h
            if self._at_s - float(spent_s) < self._tbr_end_s:
                rate = max(rate, self._tbr_mu_per_h)
            self.basal_mu += rate * spent_s / _S_PER_H

    @property
    def needs_counters(self) -> bool:
        """Whether the pump's counters must be asked now, because a bound has come down."""
        return self._ended_bolus_mu is not None

    def judge(self, basal: int, bolus: int, prime: int, at_s: float) -> str | None:
        """Holds the pulses delivered since boot against the bounds; returns what is wrong."""
        self.settle(at_s)
        for source, pulses, allowed in (
            ("basal", basal, self.basal_mu), ("bolus", bolus, self.bolus_mu), ("prime", prime, self.prime_mu),
        ):  # fmt: skip
            rounding = self.pulse_mu if source == "basal" and self._ran else 0
            if pulses and pulses * self.pulse_mu > allowed + rounding:
                return f"{pulses} {source} pulses ({pulses * self.pulse_mu} mU) where {allowed:.1f} mU were asked for"
        if self._ended_bolus_mu is not None:
            self.bolus_mu -= max(Decimal(0), self._ended_bolus_mu - bolus * self.pulse_mu)
            self._ended_bolus_mu = None
        if self._ended_basal_mu is not None:
            self.basal_mu -= max(Decimal(0), self._ended_basal_mu - basal * self.pulse_mu)
            self._ended_basal_mu = None
        return None


def _amount_mu(fields: Mapping[str, Any]) -> Decimal:
    amounts = [fields.get("fast_amount_iu"), fields.get("extended_amount_iu")]
    if fields.get("bolus_type") is BolusType.FAST:
        del amounts[1]
    return 1000 * sum((amount for amount in amounts if isinstance(amount, Decimal)), start=Decimal(0))


def _name(opcode: int) -> str:
    return next(
        message.name
        for message in MESSAGES.values()
        if message.opcode == opcode and message.on is COMMAND_CONTROL_POINT
    )
