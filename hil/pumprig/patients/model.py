"""One virtual patient: the UVA/Padova equations of 2008, stepped a minute at a time.

Meal (Dalla Man 2006), glucose and insulin (Dalla Man 2007), subcutaneous insulin and glucose as in the simulator of
2008 (Kovatchev 2009). Integrated by the classical Runge-Kutta rule of fourth order with a step of one minute, over
which meal and insulin are constant.
"""

from __future__ import annotations

from collections.abc import Callable
from math import tanh

from pumprig.patients.parameters import PatientParameters

__all__ = ["EATING_G_PER_MINUTE", "Patient"]

EATING_G_PER_MINUTE = 5.0
"""How fast a patient eats what is on the plate."""

_MG_PER_G = 1000.0
_PMOL_PER_IU = 6000.0

_State = tuple[float, ...]


class Patient:
    """A patient who eats, and gets insulin.

    Args:
        parameters: who it is.
        state: the 13 states to begin with; at rest when None.
    """

    def __init__(self, parameters: PatientParameters, state: _State | None = None) -> None:
        self.parameters = parameters
        self.state: _State = state or parameters.initial
        self.minute = 0
        self._plate_g = 0.0
        self._eating = False
        # Of the meal under way: what was in the stomach before it, and what was eaten of it since.
        self._before_mg = self.state[0] + self.state[1]
        self._eaten_g = 0.0
        self._slopes = _equations(parameters)

    @property
    def glucose_mg_dl(self) -> float:
        """Subcutaneous glucose, which a sensor sees, mg/dL."""
        return max(0.0, self.state[12] / self.parameters.Vg)

    @property
    def plasma_glucose_mg_dl(self) -> float:
        """Plasma glucose, mg/dL."""
        return max(0.0, self.state[3] / self.parameters.Vg)

    def eat(self, carbohydrate_g: float) -> None:
        """Put carbohydrate on the plate, g; it is eaten at `EATING_G_PER_MINUTE` from the next minute on."""
        self._plate_g += carbohydrate_g

    def step(self, insulin_iu: float) -> float:
        """Live one minute.

        Args:
            insulin_iu: what the pump delivered in this minute, IU.

        Returns:
            Subcutaneous glucose at its end, mg/dL.
        """
        bite_g = min(EATING_G_PER_MINUTE, self._plate_g)
        self._plate_g -= bite_g
        if bite_g > 0 and not self._eating:
            self._before_mg = self.state[0] + self.state[1]
            self._eaten_g = 0.0
        self._eating = bite_g > 0
        self._eaten_g += bite_g
        meal_mg = self._before_mg + _MG_PER_G * self._eaten_g
        insulin = insulin_iu * _PMOL_PER_IU / self.parameters.BW
        self.state = _runge_kutta(self._slopes, self.state, bite_g * _MG_PER_G, insulin, meal_mg)
        self.minute += 1
        return self.glucose_mg_dl


_Slopes = Callable[[_State, float, float, float], _State]


def _runge_kutta(slopes: _Slopes, x: _State, meal_mg_per_minute: float, insulin: float, meal_mg: float) -> _State:
    # One step of one minute.
    a = slopes(x, meal_mg_per_minute, insulin, meal_mg)
    b = slopes(tuple([v + 0.5 * s for v, s in zip(x, a, strict=True)]), meal_mg_per_minute, insulin, meal_mg)
    c = slopes(tuple([v + 0.5 * s for v, s in zip(x, b, strict=True)]), meal_mg_per_minute, insulin, meal_mg)
    d = slopes(tuple([v + s for v, s in zip(x, c, strict=True)]), meal_mg_per_minute, insulin, meal_mg)
    return tuple([v + (p + 2.0 * (q + r) + s) / 6.0 for v, p, q, r, s in zip(x, a, b, c, d, strict=True)])


def _equations(of: PatientParameters) -> _Slopes:
    # The right-hand sides for one patient. Its numbers are locals of the closure: this is where the time goes.
    kmax, kmin, kabs, b, d, f, weight = of.kmax, of.kmin, of.kabs, of.b, of.d, of.f, of.BW
    kp1, kp2, kp3, fsnc, ke1, ke2, k1, k2 = of.kp1, of.kp2, of.kp3, of.Fsnc, of.ke1, of.ke2, of.k1, of.k2
    vm0, vmx, km0, p2u, ib, ki, vi = of.Vm0, of.Vmx, of.Km0, of.p2u, of.Ib, of.ki, of.Vi
    m1, plasma_out, liver_out, m2 = of.m1, of.m2 + of.m4, of.m1 + of.m30, of.m2
    ka1, ka2, kd, ksc = of.ka1, of.ka2, of.kd, of.ksc
    first_out = ka1 + kd
    appearance = f * kabs / weight
    half_span = (kmax - kmin) / 2.0
    rise, fall = 2.5 / (1.0 - b), 2.5 / d

    def slopes(x: _State, eaten_mg: float, insulin: float, meal_mg: float) -> _State:
        solid, liquid, gut, plasma, tissue, blood, remote, delay1, delay2, liver, depot1, depot2, subcutaneous = x
        emptying = kmax
        if meal_mg > 0.0:
            stomach = solid + liquid
            emptying = kmin + half_span * (
                tanh(rise * (stomach / meal_mg - b)) - tanh(fall * (stomach / meal_mg - d)) + 2.0
            )
        production = kp1 - kp2 * plasma - kp3 * delay2
        renal = ke1 * (plasma - ke2) if plasma > ke2 else 0.0
        level = blood / vi
        uptake = (vm0 + vmx * remote) * tissue / (km0 + tissue)
        return (
            eaten_mg - kmax * solid,
            kmax * solid - emptying * liquid,
            emptying * liquid - kabs * gut,
            # A state that fell to zero or by the step's error below it stays there: nobody lives with that glucose.
            (production if production > 0.0 else 0.0) + appearance * gut - fsnc - renal - k1 * plasma + k2 * tissue
            if plasma >= 0.0 else 0.0,
            k1 * plasma - uptake - k2 * tissue if tissue >= 0.0 else 0.0,
            m1 * liver + ka1 * depot1 + ka2 * depot2 - plasma_out * blood if blood >= 0.0 else 0.0,
            p2u * (level - ib - remote),
            ki * (level - delay1),
            ki * (delay1 - delay2),
            m2 * blood - liver_out * liver if liver >= 0.0 else 0.0,
            insulin - first_out * depot1 if depot1 >= 0.0 else 0.0,
            kd * depot1 - ka2 * depot2 if depot2 >= 0.0 else 0.0,
            ksc * (plasma - subcutaneous) if subcutaneous >= 0.0 else 0.0,
        )  # fmt: skip

    return slopes
