"""Glucose outcome metrics of a trace, over all readings.

Time in range is 70 to 180 mg/dL inclusive, per reading (International Consensus on Time in Range, 2019). CV uses the
sample standard deviation; GMI = 3.31 + 0.02392 mean (Bergenstal 2018); LBGI and HBGI follow Kovatchev 2006.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class GlucoseMetrics:
    """Metrics of a row of readings; percentages are of all readings.

    Attributes:
        readings: how many.
        mean_mg_dl, sd_mg_dl: mean and sample standard deviation.
        cv_percent: coefficient of variation.
        gmi_percent: glucose management indicator.
        very_low_percent: below 54 mg/dL.
        low_percent: below 70, the very low ones included.
        in_range_percent: 70 to 180 inclusive.
        high_percent: above 180, the very high ones included.
        very_high_percent: above 250.
        lbgi, hbgi: low and high blood glucose index.
    """

    readings: int
    mean_mg_dl: float
    sd_mg_dl: float
    cv_percent: float
    gmi_percent: float
    very_low_percent: float
    low_percent: float
    in_range_percent: float
    high_percent: float
    very_high_percent: float
    lbgi: float
    hbgi: float


def glucose_metrics(glucose_mg_dl: Sequence[float]) -> GlucoseMetrics | None:
    """Metrics of the readings; None when there is none.

    Args:
        glucose_mg_dl: readings, each above 0.
    """
    values = [float(value) for value in glucose_mg_dl if value and value > 0]
    if not values:
        return None
    count = len(values)
    mean = math.fsum(values) / count
    sd = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (count - 1)) if count > 1 else 0.0
    # Readings are whole numbers that come again and again: the logarithm is taken once for each.
    risks = {value: 1.509 * (math.log(max(value, 1)) ** 1.084 - 5.381) for value in set(values)}
    low = math.fsum(10 * risks[value] ** 2 for value in values if risks[value] < 0) / count
    high = math.fsum(10 * risks[value] ** 2 for value in values if risks[value] > 0) / count

    def share(matching: int) -> float:
        return 100 * matching / count

    return GlucoseMetrics(
        readings=count, mean_mg_dl=mean, sd_mg_dl=sd, cv_percent=100 * sd / mean, gmi_percent=3.31 + 0.02392 * mean,
        very_low_percent=share(sum(value < 54 for value in values)),
        low_percent=share(sum(value < 70 for value in values)),
        in_range_percent=share(sum(70 <= value <= 180 for value in values)),
        high_percent=share(sum(value > 180 for value in values)),
        very_high_percent=share(sum(value > 250 for value in values)),
        lbgi=low, hbgi=high,
    )  # fmt: skip
