"""When each spectrum was taken, and the charge that had passed by then."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis.invert import first_charge_uah
from lidepth.analysis.reduce import Reduction, charge_steps
from lidepth.errors import BadData
from lidepth.model.cycling import CyclerLog
from lidepth.model.result import Run

Floats = NDArray[np.float64]

DAY_S = 86400.0
_SLICES = 8  # of a spectrum's time, over which the charge is averaged


@dataclass(frozen=True, kw_only=True)
class Moments:
    """The spectra of a campaign after the pristine period, in order of time; arrays (k,).

    ``rows`` in the series; ``time_s`` middle of each; ``charge_uah`` net charge since the pristine
    cell and ``passed_uah`` charge either way, both averaged over the spectrum's time;
    ``rounding_uah2`` variance of the charge logged since the one before.  ``origin_s`` is the end
    of the pristine period, ``first_uah`` the first charge; ``monitored`` tells whether any
    spectrum has monitor counts.
    """

    rows: NDArray[np.int64]
    time_s: Floats
    charge_uah: Floats
    passed_uah: Floats
    rounding_uah2: Floats
    origin_s: float
    first_uah: float
    monitored: bool

    def __len__(self) -> int:
        return int(self.rows.size)

    def first(self, count: int) -> Moments:
        """The moments as they were when so many spectra had come."""
        columns = ("rows", "time_s", "charge_uah", "passed_uah", "rounding_uah2")
        return replace(self, **{name: getattr(self, name)[:count] for name in columns})

    @property
    def day_steps(self) -> Floats:
        """Days since the one before."""
        steps: Floats = np.diff(self.time_s, prepend=self.origin_s) / DAY_S
        return np.maximum(steps, 0.0)

    @property
    def charge_step_uah(self) -> Floats:
        """Net charge since the one before."""
        return np.diff(self.charge_uah, prepend=0.0)

    @property
    def passed_step_uah(self) -> Floats:
        """Charge either way since the one before."""
        return np.diff(self.passed_uah, prepend=0.0)

    @property
    def cycle_steps(self) -> Floats:
        """Equivalent full cycles of the first charge since the one before."""
        return self.passed_step_uah / (2.0 * self.first_uah)


def moments_of(run: Run, reduction: Reduction) -> Moments:
    """Order the usable spectra of the cell at work.  Raises BadData without a cycler log."""
    log = run.log
    if log is None:
        raise BadData(
            "no cycler log: nothing says how the cell changes from spectrum to spectrum",
            where=run.source, expected="data.cycler in the experiment file",
            remedy="use the default method, with time ranges",
        )  # fmt: skip
    series, origin_s = run.series, reduction.pristine.stop_s
    middle = 0.5 * (series.start_s + series.stop_s)
    rows = np.flatnonzero(series.usable & ~run.pristine & (middle > origin_s))
    rows = rows[np.argsort(middle[rows], kind="stable")]
    time = log.seconds(series.origin)
    charge, passed = log.charge_uah, log.passed_uah
    begin, end = series.start_s[rows], series.stop_s[rows]
    grid = begin[:, None] + (end - begin)[:, None] * (np.arange(_SLICES) + 0.5) / _SLICES
    nothing, none = np.interp(origin_s, time, charge), np.interp(origin_s, time, passed)
    return Moments(
        rows=rows, time_s=middle[rows],
        charge_uah=np.interp(grid, time, charge).mean(axis=1) - nothing,
        passed_uah=np.interp(grid, time, passed).mean(axis=1) - none,
        rounding_uah2=_rounding(log, time[0], middle[rows], origin_s), origin_s=origin_s,
        first_uah=max(first_charge_uah(run), 1e-6),
        monitored=bool(np.any(np.nan_to_num(series.monitor[rows]) > 0)),
    )  # fmt: skip


def _rounding(log: CyclerLog, first_s: float, time_s: Floats, origin_s: float) -> Floats:
    """Variance of the logged charge of each interval, uAh^2; (k,)."""
    when, size = charge_steps(log)
    place = np.searchsorted(time_s, when + first_s)
    inside = (when + first_s > origin_s) & (place < time_s.size)
    variance = np.bincount(place[inside], weights=size[inside] ** 2, minlength=time_s.size)
    return variance.astype(np.float64)
