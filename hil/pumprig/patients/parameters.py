"""The 30 patients: ten adolescents, ten adults, ten children.

The numbers are those of the UVA/Padova simulator of 2008 as the package simglucose (MIT, see NOTICE) carries them in
`parameters.csv`; `PatientParameters` names what the equations use.
"""

from __future__ import annotations

import csv
import functools
from dataclasses import dataclass, fields
from pathlib import Path

from pumprig.errors import UsageError

__all__ = ["PatientParameters", "patient_names", "patient_parameters"]

_FILE = Path(__file__).with_name("parameters.csv")
_STATES = 13
_PMOL_PER_IU = 6000


@dataclass(frozen=True)
class PatientParameters:
    """One patient's numbers, named as in the publications (Dalla Man 2007, Kovatchev 2009).

    Attributes:
        name: such as `adult#001`.
        initial: the 13 states at rest: stomach solid and liquid, gut (mg), plasma and tissue glucose (mg/kg), plasma
            insulin (pmol/kg), remote insulin (pmol/l), two delays of it, liver insulin (pmol/kg), two subcutaneous
            insulin depots (pmol/kg), subcutaneous glucose (mg/kg).
        BW: body weight in kg.
        Vg: distribution volume of glucose in dl/kg.
        u2ss: insulin infusion at rest in pmol/kg/min.
    """

    name: str
    initial: tuple[float, ...]
    BW: float
    Ib: float
    kabs: float
    kmax: float
    kmin: float
    b: float
    d: float
    Vg: float
    Vi: float
    Vmx: float
    Km0: float
    k2: float
    k1: float
    p2u: float
    m1: float
    m2: float
    m4: float
    m30: float
    ki: float
    kp1: float
    kp2: float
    kp3: float
    f: float
    ke1: float
    ke2: float
    Fsnc: float
    Vm0: float
    kd: float
    ksc: float
    ka1: float
    ka2: float
    u2ss: float

    @property
    def resting_basal_iu_per_h(self) -> float:
        """The basal rate that holds the patient at rest, IU/h."""
        return self.u2ss * self.BW / _PMOL_PER_IU * 60


@functools.cache
def _all() -> dict[str, PatientParameters]:
    numbers = [field.name for field in fields(PatientParameters) if field.name not in ("name", "initial")]
    patients = {}
    with _FILE.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            initial = tuple(float(row[f"x0_{state:2d}"]) for state in range(1, _STATES + 1))
            patients[row["Name"]] = PatientParameters(
                name=row["Name"], initial=initial, **{name: float(row[name]) for name in numbers}
            )
    return patients


def patient_names() -> tuple[str, ...]:
    """The names of all patients, in the order of the file."""
    return tuple(_all())


def patient_parameters(name: str, where: str = "") -> PatientParameters:
    """The numbers of one patient.

    Args:
        where: the option that names it, for a message.
        name: `adolescent#001` to `#010`, `adult#001` to `#010`, `child#001` to `#010`.

    Raises:
        UsageError: there is no such patient.
    """
    patients = _all()
    if name not in patients:
        raise UsageError(
            f"there is no patient {name!r}",
            where=where,
            allowed="adolescent#001 to #010, adult#001 to #010, child#001 to #010",
            remedy="Name one of these, or use `pumprig cohort --patients all`.",
        )
    return patients[name]
