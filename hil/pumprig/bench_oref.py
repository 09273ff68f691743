"""What the benchmark measures of controller oref on the pump: a decision without and with carbs."""

from __future__ import annotations

import statistics
import time
from datetime import datetime

from pumplink.cgm_server import CgmServer
from pumplink.link import Link
from pumplink.pump import Pump
from pumplink.virtual import Lockstep, VirtualBoard
from pumprig.bench_figures import BenchError, Figure
from pumprig.trace.synthetic import readings
from pumpwire.enums import Controller

__all__ = ["LOOP_PROFILES", "begin", "oref_decisions"]

LOOP_PROFILES = """
[pump]
basal_profile = [{ duration_minutes = 1440, rate_iu_per_h = 1 }]
isf_profile = [{ duration_minutes = 1440, isf_mg_dl_per_iu = 45 }]
icho_profile = [{ duration_minutes = 1440, icho_ratio_g_per_iu = 10 }]
target_profile = [{ duration_minutes = 1440, low_mg_dl = 100, high_mg_dl = 110 }]
"""
"""The profiles that a loop needs, for a scenario."""

_START = datetime(2026, 3, 4)
_SAMPLE_MINUTES = 5
_BEFORE = 72
_MEASURED = 36
_BASAL, _ISF, _ICHO, _TARGET = 1, 10, 12, 14


def oref_decisions(_rounds: int) -> list[Figure]:
    """A decision of oref on the pump, six hours into a day, with all that it needs: doses, IOB, carbs on board.

    Host time in lockstep from sending the sample until the second of the decision is over, whatever else the pump does
    in it.
    """
    return [
        Figure(f"oref_decision_{name}_carbs", round(_decision_ms(carbs), 2), "ms", "at most 10")
        for name, carbs in (("without", False), ("with", True))
    ]


def _decision_ms(carbs: bool) -> float:
    taken = []
    board = VirtualBoard(clock=Lockstep()).start()
    try:
        link = Link(board.bearer())
        sensor = CgmServer(link, _START)
        with Pump(link) as pump:
            begin(pump)
            start_s = int(pump.now_s) + 1
            glucose = [mg_dl for _, mg_dl in readings(seed=0)]
            for number in range(_BEFORE + _MEASURED):
                pump.run_until(start_s + 60 * _SAMPLE_MINUTES * number + 0.5)
                if carbs and number == _BEFORE:
                    pump.announce_carbs(60)
                began = time.perf_counter()
                sensor.send(_SAMPLE_MINUTES * number, glucose[number])
                pump.run_until(pump.now_s + 1)
                if number > _BEFORE:
                    taken.append(time.perf_counter() - began)
            decided = pump.decision().sequence
            if decided != _BEFORE + _MEASURED:
                raise BenchError(f"the pump decided {decided} times on {_BEFORE + _MEASURED} samples")
    finally:
        board.stop()
    return statistics.median(taken) * 1000


def begin(pump: Pump) -> None:
    """Have a pump run under oref, with a profile of each kind."""
    pump.set_clock(_START)
    pump.write_basal_profile([(1440, 1)], _BASAL)
    pump.write_isf_profile([(1440, 45)], _ISF)
    pump.write_icho_profile([(1440, 10)], _ICHO)
    pump.write_target_profile([(1440, 100, 110)], _TARGET)
    pump.activate(_BASAL, _ISF, _ICHO, _TARGET)
    pump.set_controller(Controller.OREF)
    pump.start()
