"""Clocks of growth: how far it has come by each spectrum if it follows charge, discharge or rest.

Every clock gives one per cycle.  Within the cycle it runs with the charge passed on charge, on
discharge or either way, with the time at rest, or with all of the time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis.campaign.timetable import Moments
from lidepth.model.cycling import CyclerLog, Step
from lidepth.model.mechanism import PHASES
from lidepth.model.result import Run

Floats = NDArray[np.float64]

_SLICES = 8  # of a spectrum's time, over which a clock is averaged


@dataclass(frozen=True, kw_only=True)
class Clock:
    """How far growth has come; one per epoch.

    ``at`` (k,) at each spectrum, averaged over its time; ``starts_s`` (e,) at which an epoch
    begins and ``at_starts`` (e,) the clock there; ``times_s`` (k,) middles of the spectra.
    """

    at: Floats
    starts_s: Floats
    at_starts: Floats
    times_s: Floats

    def paced(self, pace: Floats) -> Clock:
        """The same clock with ``pace`` (e,) instead of one in every epoch."""
        ends = np.concatenate([[0.0], np.cumsum(pace)])
        number = np.arange(ends.size, dtype=np.float64)
        return replace(
            self, at=np.interp(self.at, number, ends),
            at_starts=np.interp(self.at_starts, number, ends),
        )  # fmt: skip

    @cached_property
    def epochs(self) -> NDArray[np.int64]:
        """Epochs begun by the time of each spectrum; (k,)."""
        return np.searchsorted(self.starts_s, self.times_s, side="right")

    def pieces(self, k: int) -> tuple[int, list[float]]:
        """Epochs begun before the way to spectrum ``k``, and the advance within each one met.

        A new epoch begins between two pieces.
        """
        first, last = (int(self.epochs[k - 1]) if k else 0), int(self.epochs[k])
        here = self.at[k - 1] if k else 0.0
        marks = np.concatenate([[here], self.at_starts[first:last], [self.at[k]]])
        return first, [float(piece) for piece in np.diff(marks)]


def cycle_starts(steps: Sequence[Step]) -> Floats:
    """Start of every cycle, in s; (cycles,)."""
    working = [step for step in steps if step.cycle > 0]
    numbers = np.array([step.cycle for step in working], dtype=np.int64)
    if numbers.size == 0:
        return np.zeros(0)
    firsts = np.unique(numbers, return_index=True)[1]
    return np.array([working[place].start_s for place in firsts])


def cycle_clocks(run: Run, steps: Sequence[Step], moments: Moments) -> dict[str, Clock]:
    """The clock of every phase by itself, of both currents, and of time."""
    if run.log is None:
        return {}
    time, ticks = _ticks(run.log, steps, run)
    starts = cycle_starts(steps)
    return {
        name: _clock(run, moments, time, _normalised(time, tick, starts), starts)
        for name, tick in ticks.items()
    }


def step_clock(run: Run, steps: Sequence[Step], moments: Moments) -> Clock:
    """One per step: with the charge of a charge or discharge, with the time of a rest."""
    working = [step for step in steps if step.cycle > 0]
    starts = np.array([step.start_s for step in working])
    if run.log is None or not working:
        return Clock(at=np.zeros(len(moments)), starts_s=starts, at_starts=starts, times_s=starts)
    time, ticks = _ticks(run.log, steps, run)
    passed = ticks["charge"] + ticks["discharge"] + ticks["rest"]  # never two at a time
    return _clock(run, moments, time, _normalised(time, passed, starts), starts)


def mixed(clocks: Mapping[str, Clock], shares: Sequence[float]) -> Clock:
    """The clock of growth that is split between the phases, in the order of PHASES."""
    parts = [clocks[name] for name in PHASES]
    weights = np.asarray(shares, dtype=np.float64)
    return Clock(
        at=weights @ np.stack([part.at for part in parts]), starts_s=parts[0].starts_s,
        at_starts=weights @ np.stack([part.at_starts for part in parts]),
        times_s=parts[0].times_s,
    )  # fmt: skip


def _ticks(log: CyclerLog, steps: Sequence[Step], run: Run) -> tuple[Floats, dict[str, Floats]]:
    """Times (rows,) in s and what each clock gains from a row to the next; (rows - 1,)."""
    time = log.seconds(run.series.origin)
    kinds = np.full(time.size - 1, "pristine", dtype=object)
    for step in steps:
        if step.cycle > 0:
            kinds[step.first_row : step.last_row] = step.kind
    lasts = np.diff(time)
    moved = np.abs(log.current_ua[:-1]) * lasts / 3600.0
    current = (kinds == "charge") | (kinds == "discharge")
    working = current | (kinds == "rest")
    return time, {
        "charge": np.where(kinds == "charge", moved, 0.0),
        "discharge": np.where(kinds == "discharge", moved, 0.0),
        "rest": np.where(kinds == "rest", lasts, 0.0),
        "both": np.where(current, moved, 0.0),
        "time": np.where(working, lasts, 0.0),
    }


def _normalised(time: Floats, ticks: Floats, starts: Floats) -> Floats:
    """Cumulated ticks at every row, scaled to one in each epoch; (rows,)."""
    epoch = np.searchsorted(starts, time[:-1] + 1e-6, side="right")
    whole = np.bincount(epoch, weights=ticks, minlength=starts.size + 1)
    share = ticks / np.where(whole > 0, whole, 1.0)[epoch]
    return np.concatenate([[0.0], np.cumsum(share)])


def _clock(run: Run, moments: Moments, time: Floats, at: Floats, starts: Floats) -> Clock:
    rows = moments.rows
    begin, end = run.series.start_s[rows], run.series.stop_s[rows]
    grid = begin[:, None] + (end - begin)[:, None] * (np.arange(_SLICES) + 0.5) / _SLICES
    return Clock(
        at=np.interp(grid, time, at).mean(axis=1), starts_s=starts,
        at_starts=np.interp(starts, time, at), times_s=moments.time_s,
    )  # fmt: skip
