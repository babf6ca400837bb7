"""From raw spectra to the states of the cell: phases, sums, exposures, charges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis.electrochemistry.steps import change_std_s, find_steps, signs
from lidepth.analysis.scale import corrected_sum, track_scale
from lidepth.errors import BadData
from lidepth.model.check import ScaleTrack
from lidepth.model.cycling import CyclerLog, StateName, StateSpectrum, Step
from lidepth.model.result import Run
from lidepth.model.spectra import Quality, SpectrumSeries
from lidepth.physics.stopping import stopping_source

Floats = NDArray[np.float64]


def charge_steps(log: CyclerLog) -> tuple[Floats, Floats]:
    """Times, in s since the log's first row, and sizes, in uAh, of independent errors of charge.

    A logger that writes a row at each change of current (rows off its regular beat) knows it to
    the resolution of its clock; a change a whole number of beats later shares that rounding, so
    that the end of a charge and the start of the discharge after a timed rest err together.  A
    logger that only follows its beat knows each change to the beat.
    """
    seconds = log.seconds(log.time[0])
    spacing = np.diff(seconds)
    beat = float(np.median(spacing))
    changes = np.flatnonzero(np.diff(signs(log.current_ua))) + 1
    jumps = np.diff(log.current_ua)[changes - 1]
    off_beat = np.abs(spacing[changes - 1] - beat) > 1e-3 * beat
    std_s = change_std_s(log)
    if not np.any(off_beat):
        return seconds[changes], np.abs(jumps) * std_s / 3600.0
    group = np.cumsum(off_beat)
    starts = np.flatnonzero(off_beat)
    together = np.array([jumps[group == number].sum() for number in group[starts]])
    return seconds[changes[starts]], np.abs(together) * std_s / 3600.0


@dataclass(frozen=True, kw_only=True)
class Reduction:
    """The states of a run: pristine first, then by time.

    ``missing`` names the states whose rests hold no usable spectrum.
    """

    steps: tuple[Step, ...]
    pristine: StateSpectrum
    states: tuple[StateSpectrum, ...]
    missing: tuple[str, ...]
    throughput_uah: Floats


def reduce_run(run: Run, ranges: Sequence[tuple[float, float]] = ()) -> Reduction:
    """Sum the usable spectra of the pristine cell and of every end of charge and discharge.

    ``ranges`` adds states of chosen time ranges, in s since the run's origin.
    Raises BadData when no pristine spectrum can be used.
    """
    steps = find_steps(run.log, run.series.origin) if run.log is not None else ()
    usable = run.series.usable
    first = np.flatnonzero(run.pristine & usable)
    if first.size == 0:
        raise BadData(
            "no usable spectrum of the pristine cell",
            where=run.source,
            expected="spectra taken before the first current, with the beam on",
            remedy='say which spectra show the fresh cell, such as data.pristine: "START .. STOP"',
        )
    track = drift_track(run)
    pristine = _sum(run, first, "pristine", 0, track)
    states, missing = [], []
    for number, step in enumerate(steps):
        if step.kind not in ("charge", "discharge"):
            continue
        name: StateName = "charged" if step.kind == "charge" else "discharged"
        inside = _after(run.series, steps, number) & usable
        if np.any(inside):
            states.append(_sum(run, np.flatnonzero(inside), name, step.cycle, track))
        else:
            missing.append(f"cycle {step.cycle} {name}")
    for start, stop in ranges:
        inside = (run.series.start_s >= start) & (run.series.stop_s <= stop) & usable
        if not np.any(inside):
            raise BadData(f"no usable spectrum between {start:g} s and {stop:g} s")
        states.append(_sum(run, np.flatnonzero(inside), "range", _cycle_at(steps, start), track))
    return Reduction(
        steps=steps, pristine=pristine, states=tuple(states), missing=tuple(missing),
        throughput_uah=np.array([_throughput(run.log, run, s) for s in states]),
    )  # fmt: skip


def _after(series: SpectrumSeries, steps: Sequence[Step], number: int) -> NDArray[np.bool_]:
    """Spectra of the rest after a step; where there is none, those about the step's end."""
    end = steps[number].stop_s
    following = steps[number + 1] if number + 1 < len(steps) else None
    rest_stop = following.stop_s if following is not None and following.kind == "rest" else end
    if following is not None and following.kind == "rest" and number + 2 == len(steps):
        rest_stop = np.inf
    tolerance = 1.0
    inside = (series.start_s >= end - tolerance) & (series.stop_s <= rest_stop + tolerance)
    if np.any(inside):
        return inside
    middle = 0.5 * (series.start_s + series.stop_s)
    return np.abs(middle - end) <= 0.75 * float(np.median(series.real_s))


def _cycle_at(steps: Sequence[Step], time_s: float) -> int:
    return max((step.cycle for step in steps if step.start_s <= time_s), default=0)


def drift_track(run: Run) -> ScaleTrack | None:
    """The energy scale along the run, where a spectrum that is used is flagged for a drift."""
    moved = (run.series.flags & int(Quality.GAIN_DRIFT)) != 0
    if not np.any(moved & run.series.usable):
        return None
    return track_scale(run, stopping_source())


def _sum(
    run: Run, indices: NDArray[np.int64], name: StateName, cycle: int, track: ScaleTrack | None
) -> StateSpectrum:
    series = run.series
    live = series.live_s[indices]
    counts = (
        series.counts[indices].sum(axis=0) if track is None else corrected_sum(run, track, indices)
    )
    monitor = _monitor(series, indices)
    charge, std = _charge(run, indices)
    return StateSpectrum(
        name=name, cycle=cycle, start_s=float(series.start_s[indices].min()),
        stop_s=float(series.stop_s[indices].max()), counts=counts,
        live_s=float(live.sum()), monitor=monitor, indices=tuple(map(int, indices)),
        charge_uah=charge, charge_std_uah=std,
    )  # fmt: skip


def _monitor(series: SpectrumSeries, indices: NDArray[np.int64]) -> float:
    """Monitor counts in the live time; where some are stuck, the others stand in for them."""
    live, real = series.live_s[indices], series.real_s[indices]
    monitor = series.monitor[indices] * live / np.where(real > 0, real, 1.0)
    good = (series.flags[indices] & int(Quality.MONITOR_STUCK)) == 0
    if good.all():
        return float(monitor.sum())
    if not good.any():
        return float("nan")
    return float(monitor[good].sum() * live.sum() / live[good].sum())


def _charge(run: Run, indices: NDArray[np.int64]) -> tuple[float, float]:
    """Mean net charge over the spectra, and the error of adding it up."""
    if run.log is None:
        return np.nan, np.nan
    log, origin = run.log, run.series.origin
    time, charge = log.seconds(origin), log.charge_uah
    begin, end = run.series.start_s[indices], run.series.stop_s[indices]
    grid = begin[:, None] + (end - begin)[:, None] * (np.arange(8) + 0.5) / 8
    mean = float(np.mean(np.interp(grid, time, charge)))
    when, size = charge_steps(log)
    passed = when + time[0] <= float(end.max())
    return mean, float(np.sqrt(np.sum(size[passed] ** 2)))


def _throughput(log: CyclerLog | None, run: Run, state: StateSpectrum) -> float:
    """Charge moved either way before a state, in uAh."""
    if log is None:
        return np.nan
    time = log.seconds(run.series.origin)
    return float(np.interp(state.time_s, time, log.passed_uah))


def analysed_bins(channels: int, *, gain_kev: float, fwhm_kev: float) -> tuple[int, Floats]:
    """Channels per bin, and the bin edges in channels: bins no wider than a third of the FWHM."""
    per_bin = max(int(fwhm_kev / 3.0 / gain_kev), 1)
    edges = np.arange(0, channels - channels % per_bin + 1, per_bin, dtype=np.float64)
    return per_bin, edges


def rebin(counts: Floats, per_bin: int) -> Floats:
    """Sum neighbouring channels; the incomplete last bin is left out; shape (bins,)."""
    whole = counts.size - counts.size % per_bin
    return np.asarray(counts[:whole].reshape(-1, per_bin).sum(axis=1), dtype=np.float64)


def rebin_rows(counts: NDArray[np.integer], rows: NDArray[np.int64], per_bin: int) -> Floats:
    """``rebin`` of many spectra of ``counts`` (n, channels) at once; shape (rows, bins)."""
    from lidepth.physics._kernels import bin_rows

    binned = np.empty((rows.size, counts.shape[1] // per_bin))
    bin_rows(counts, rows, per_bin, binned)
    return binned
