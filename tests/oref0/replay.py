"""A pump that carries out what the controller decides, so that a recorded day has insulin on board of its own."""

from __future__ import annotations

from typing import Any

from oref0.cases import NOW_MS
from pump.control.oref.inputs import Iob
from pump.control.oref.iob import EXPONENTIAL, Curve, Insulin
from pump.doses import Doses

__all__ = ["Replay"]

ROOM = 4000
PULSE_MU = 50
BASAL_MU_PER_H = 900
PROFILE = {
    "current_basal": 0.9, "max_basal": 4, "max_daily_basal": 1.1, "max_iob": 5, "sens": 45, "carb_ratio": 10,
    "min_bg": 100, "max_bg": 110, "dia": 6, "curve": "rapid-acting", "model": "723", "maxSMBBasalMinutes": 60,
    "maxUAMSMBBasalMinutes": 45, "bolus_increment": 0.05, "skip_neutral_temps": False,
}  # fmt: skip


class Replay:
    """The pump.

    Args:
        extra: settings beside those of `PROFILE`.
    """

    def __init__(self, extra: dict[str, Any]) -> None:
        self.profile = PROFILE | extra
        self._smb = bool(extra)
        self._curve = Curve(EXPONENTIAL, 360, 75)
        self._insulin = Insulin(self._curve, ROOM)
        self._doses = Doses(ROOM, PULSE_MU)
        self._iob = Iob()
        self._s = 0
        self._delivered_mu_minutes = self._scheduled_mu_minutes = 0
        self._rate_mu_per_h, self._until_s = 0, 0
        self._last_temp: dict[str, Any] = {}
        self._last_bolus_s = -86400

    @staticmethod
    def ms(s: int) -> int:
        """A second of the replay as oref0 counts time."""
        return NOW_MS + 1000 * s

    def inputs(self, s: int, glucose_status: dict[str, Any]) -> dict[str, Any]:
        """What is decided on at a second, with oref0's keys."""
        self._run(s)
        scheduled = Doses(ROOM, PULSE_MU)
        remainder = self._scheduled_mu_minutes
        for minute in range(1, 241):
            remainder += BASAL_MU_PER_H
            if remainder >= 60 * PULSE_MU:
                remainder -= 60 * PULSE_MU
                scheduled.add(s + 60 * minute, -1)
        self._insulin.fill(self._doses, scheduled, s, self._iob)
        iob = [
            {"iob": self._iob.iob if i == 0 else None, "activity": activity, "iobWithZeroTemp": {"activity": zero_temp}}
            for i, (activity, zero_temp) in enumerate(
                zip(self._iob.activities, self._iob.zero_temp_activities, strict=True)
            )
        ]
        iob[0] |= {"lastBolusTime": self.ms(self._last_bolus_s)} | self._last_temp
        left = max(0, self._until_s - s) // 60
        return {
            "glucose_status": glucose_status,
            "currenttemp": {"rate": self._rate_mu_per_h / 1000 if left else 0, "duration": left, "temp": "absolute"},
            "iob": iob, "profile": self.profile, "microBolusAllowed": self._smb, "now": self.ms(s),
            "meal": {"carbs": 0, "mealCOB": 0, "slopeFromMaxDeviation": -0.5, "slopeFromMinDeviation": 1.5},
        }  # fmt: skip

    def carry_out(self, decision: dict[str, Any]) -> None:
        """Do what was decided at the last second of `inputs`."""
        if "rate" in decision:
            self._rate_mu_per_h = round(1000 * decision["rate"])
            self._until_s = self._s + 60 * decision["duration"]
            last = {"date": self.ms(self._s), "rate": decision["rate"], "duration": decision["duration"]}
            self._last_temp = {"lastTemp": last}
        for i in range(round(1000 * decision.get("units", 0)) // PULSE_MU):
            self._last_bolus_s = self._s
            self._doses.add(self._s + 2 * i, 1)

    # Minute after minute: a pulse falls due where it is earned, as delivered and as scheduled.
    def _run(self, s: int) -> None:
        while self._s < s:
            self._s += 60
            self._delivered_mu_minutes += self._rate_mu_per_h if self._s <= self._until_s else BASAL_MU_PER_H
            self._scheduled_mu_minutes += BASAL_MU_PER_H
            while self._delivered_mu_minutes >= 60 * PULSE_MU:
                self._delivered_mu_minutes -= 60 * PULSE_MU
                self._doses.add(self._s, 1)
            if self._scheduled_mu_minutes >= 60 * PULSE_MU:
                self._scheduled_mu_minutes -= 60 * PULSE_MU
                self._doses.add(self._s, -1)
            if self._s % 3600 == 0:
                self._doses.forget(self._s - 60 * self._curve.minutes - 60)
