# Glucose status and insulin on board on MicroPython, for test_ports.py. Numbers go as whole ones, so that no decimal
# point is read or written twice.
import json
from array import array

from pump.control.oref.glucose import Readings, status
from pump.control.oref.inputs import Glucose, Iob
from pump.control.oref.iob import Curve, Insulin
from pump.doses import Doses


def answer(line):
    asked = json.loads(line)
    return json.dumps(_glucose(asked["readings"]) if "readings" in asked else _iob(asked))


def _glucose(rows):
    readings, glucose = Readings(), Glucose()
    readings.count = len(rows)
    for i, (mg_dl, age_ms, kind) in enumerate(rows):
        readings.mg_dl[i] = mg_dl
        readings.ages_ms[i] = age_ms
        readings.kinds[i] = kind
    age_ms = status(readings, glucose)
    return [round(100 * x) for x in (glucose.mg_dl, glucose.delta, glucose.short_delta, glucose.long_delta, age_ms)]


def _iob(asked):
    room, dose_mu = asked["room"], asked["dose_mu"]
    doses, scheduled, iob = Doses(room, dose_mu), Doses(room, dose_mu), Iob()
    for into, rows in ((doses, asked["doses"]), (scheduled, asked["scheduled"])):
        for row in rows:
            into.add(*row)
    Insulin(Curve(*asked["curve"]), room).fill(doses, scheduled, asked["s"], iob)
    activities = [round(10000 * x) for x in array("d", iob.activities)]
    return [round(1000 * iob.iob), activities, [round(10000 * x) for x in iob.zero_temp_activities]]
