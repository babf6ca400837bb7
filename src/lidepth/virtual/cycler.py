"""What the cycler of a virtual campaign writes down."""

from __future__ import annotations

import numpy as np

from lidepth.model.cycling import CyclerLog
from lidepth.virtual.history import History

_NOISE_V = 2e-4


def log_of(history: History, rng: np.random.Generator) -> CyclerLog:
    """The rows of a history by the clock of the campaign, with the noise of a voltmeter."""
    rows, start = history.course.rows, np.datetime64(history.plan.start, "ns")
    return CyclerLog(
        time=start + (rows.time_s * 1e9).round().astype("timedelta64[ns]"),
        voltage_v=rows.voltage_v + _NOISE_V * rng.standard_normal(rows.voltage_v.size),
        current_ua=rows.current_ua,
        source="virtual cycler",
    )
