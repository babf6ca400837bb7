"""Which spectra look wrong: flags from times, rates and contents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lidepth.model.result import Run
from lidepth.model.spectra import Quality, SpectrumSeries

Floats = NDArray[np.float64]
Marks = NDArray[np.bool_]

BEAM_OFF_SHARE = 0.10
SHORT_SHARE = 0.50
SHORT_AMONG = 11  # neighbours: a stretch of shorter dwells is a choice, not a fault
GAP_DWELLS = 0.5
"""By so much of a dwell a start is late: a spectrum that is missing makes it a whole one."""
CLOCK_SLACK_S = 2.0  # headers round start and real time to whole seconds
LIVE_SHARE = 0.50  # of the usual count rate: the beam is on
CHANCE = 1e-9
"""Chance of a false flag per spectrum: 22,500 spectra raise none in 40,000 runs."""
CLIPS = (2**16 - 1, 2**20 - 1, 2**24 - 1, 2**31 - 1, 2**32 - 1)
"""Where the counters of analysers end."""
CUT_COUNTS, CUT_TIES = 30, 30
"""Counts cut off at any level: so many channels at the largest count, that large or larger."""

_LEAST_COUNTS = 100
_LEAST_CHANNELS = 30
_PEAK_SHARE = 0.5  # of five channels, in the middle one of a line two channels wide
_PRESET_SPREAD = 2e-3


def quality_flags(
    *,
    start_s: Floats,
    real_s: Floats,
    live_s: Floats,
    monitor: Floats,
    total: Floats,
    digests: Sequence[str],
) -> NDArray[np.int64]:
    """Return the Quality flags of spectra in order of time; everything of shape (n,).

    ``start_s``, ``real_s`` and ``live_s`` in s, ``monitor`` counts (NaN where unknown), ``total``
    counts of each spectrum.
    """
    copy = duplicates(start_s, digests)
    flags = np.where(copy, int(Quality.DUPLICATE), 0)
    flags |= np.where(np.isnan(monitor), int(Quality.NO_MONITOR), 0)
    flags |= np.where(beam_off(live_s, monitor, total), int(Quality.BEAM_OFF), 0)
    flags |= np.where(monitor_stuck(live_s, monitor, total), int(Quality.MONITOR_STUCK), 0)
    flags |= np.where(short(live_s), int(Quality.SHORT), 0)
    once = np.flatnonzero(~copy)
    gap, step = gaps_and_steps(start_s[once], real_s[once])
    flags[once] |= np.where(gap, int(Quality.GAP), 0)
    flags[once] |= np.where(step, int(Quality.CLOCK_STEP), 0)
    return flags.astype(np.int64)


def duplicates(start_s: Floats, digests: Sequence[str]) -> Marks:
    """True for every spectrum whose content and start an earlier one has; shape (n,)."""
    seen: set[tuple[str, float]] = set()
    copies = np.zeros(len(digests), dtype=bool)
    for i, key in enumerate(zip(digests, start_s.tolist(), strict=True)):
        copies[i] = key in seen
        seen.add(key)
    return copies


def short(live_s: Floats) -> Marks:
    """True where the live time is below half of the median, of the run and of those about it."""
    from scipy.ndimage import median_filter

    about = median_filter(live_s, size=min(SHORT_AMONG, live_s.size), mode="nearest")
    return (live_s < SHORT_SHARE * np.median(live_s)) & (live_s < SHORT_SHARE * about)


def beam_off(live_s: Floats, monitor: Floats, total: Floats) -> Marks:
    """True where beam or counts are missing: a tenth of the usual count rate, or of the monitor's.

    A monitor that is silent while the counts go on is stuck, and no sign of a missing beam.
    """
    rate = total / live_s
    low, off = _below(rate, BEAM_OFF_SHARE), _below(rate, BEAM_OFF_SHARE)
    known = np.isfinite(monitor)
    if known.any() and np.median(monitor[known]) > 0:
        quiet = _below(np.where(known, monitor, np.nan) / live_s, BEAM_OFF_SHARE)
        off = np.where(known, low | (quiet & _below(rate, LIVE_SHARE)), low)
    return np.asarray(off, dtype=bool)


def _below(rate: Floats, share: float) -> Marks:
    typical = float(np.nanmedian(rate))
    return np.asarray(rate < share * typical) if typical > 0 else np.zeros(rate.size, bool)


def monitor_stuck(live_s: Floats, monitor: Floats, total: Floats) -> Marks:
    """True where the monitor says the same again and again, or nothing while the counts go on.

    Poisson counts of mean M repeat by chance once in sqrt(4 pi M); a stretch of repeats is flagged
    from the length that chance brings to a run of this length less than once in a thousand runs.
    A run counted to a preset of the monitor repeats by design: its live times vary instead.
    """
    known = np.isfinite(monitor)
    if not known.any():
        return np.zeros(monitor.size, dtype=bool)
    alive = total / live_s >= LIVE_SHARE * np.median(total / live_s)
    alive &= total > 0
    typical = float(np.median(monitor[known]))
    stuck = known & alive & (monitor < BEAM_OFF_SHARE * typical * live_s / np.median(live_s))
    if typical == 0:
        return np.asarray(known & alive & (monitor == 0))
    if np.ptp(monitor[known]) == 0:
        spread = float(np.std(live_s) / np.mean(live_s))
        preset = spread > _PRESET_SPREAD
        return stuck if preset or monitor.size < 3 else np.asarray(known & alive)
    chance = 1.0 / np.sqrt(4.0 * np.pi * max(typical, 1.0))
    least = 2 + int(np.ceil(np.log(1e-3 / monitor.size) / np.log(chance)))
    same = np.concatenate([[False], known[1:] & (np.diff(monitor) == 0) & (monitor[1:] > 0)])
    group = np.cumsum(~same)
    length = np.bincount(group)[group]
    return np.asarray(stuck | ((length >= least) & known & alive))


def gaps_and_steps(start_s: Floats, real_s: Floats) -> tuple[Marks, Marks]:
    """Return where a spectrum starts late, and where it overlaps the one before.

    Late is later than the usual pause between two: an analyser that always pauses is no fault.
    """
    dwell_s = float(np.median(real_s))
    pause_s = start_s[1:] - np.maximum.accumulate(start_s + real_s)[:-1]
    usual_s = max(float(np.median(pause_s)), 0.0) if pause_s.size else 0.0
    gap = np.concatenate([[False], pause_s - usual_s > GAP_DWELLS * dwell_s])
    step = np.concatenate([[False], pause_s < -max(CLOCK_SLACK_S, 0.005 * dwell_s)])
    return gap, step


def same_contents(counts: NDArray[np.signedinteger], total: Floats) -> Marks:
    """True for every row whose counts an earlier row has, whatever its time; shape (n,).

    Nearly empty rows agree by chance and are passed over.
    """
    channels = counts.shape[1]
    filled = np.argsort(counts[: min(64, len(counts))].sum(axis=0))[::-1][: min(12, channels)]
    key = np.column_stack([total.astype(np.int64), counts[:, filled]])
    _, inverse, size = np.unique(key, axis=0, return_inverse=True, return_counts=True)
    inverse = inverse.reshape(-1)
    found = np.zeros(len(counts), dtype=bool)
    for number in np.flatnonzero(size > 1).tolist():
        rows = np.flatnonzero(inverse == number)
        if total[rows[0]] < _LEAST_COUNTS:
            continue
        if np.count_nonzero(counts[rows[0]]) < _LEAST_CHANNELS:
            continue
        for place, row in enumerate(rows[1:].tolist(), start=1):
            found[row] = any(np.array_equal(counts[row], counts[k]) for k in rows[:place])
    return found


def contained(counts: NDArray[np.signedinteger], total: Floats, usable: Marks) -> Marks:
    """True for every row that the next one holds whole: the analyser was not cleared between.

    The next has as much or more in every channel, and what it has more is a spectrum of the
    run's shape: so much likelier than the whole being a new one that ``CHANCE`` is outdone.
    """
    found = np.zeros(len(counts), dtype=bool)
    rows = np.flatnonzero(usable & (total >= _LEAST_COUNTS))
    if rows.size < 2:
        return found
    pairs = np.stack([rows[:-1], rows[1:]], axis=1)
    pairs = pairs[total[pairs[:, 1]] > total[pairs[:, 0]]]
    # a glance at the fullest channels throws out nearly all
    full = np.argsort(counts[rows[:64]].sum(axis=0))[::-1][: min(32, counts.shape[1])]
    glance = (counts[pairs[:, 1]][:, full] >= counts[pairs[:, 0]][:, full]).all(axis=1)
    shape = counts[rows].sum(axis=0) + 0.5 if np.any(glance) else np.ones(1)
    shape = shape / shape.sum()
    for before, after in pairs[glance].tolist():
        more = counts[after].astype(np.float64) - counts[before]
        if np.any(more < 0) or np.count_nonzero(counts[before]) < _LEAST_CHANNELS:
            continue
        whole = _likelihood(counts[after].astype(np.float64), shape)
        gained = _likelihood(more, shape) - whole
        found[before] = more.sum() > 0 and gained > -np.log(CHANCE)
    return found


def _likelihood(seen: Floats, shape: Floats) -> float:
    """Logarithm of the Poisson likelihood of counts of a given shape."""
    from scipy.special import gammaln

    mean = np.maximum(seen.sum() * shape, 1e-300)
    return float(np.sum(seen * np.log(mean) - mean - gammaln(seen + 1.0)))


def saturated(counts: NDArray[np.signedinteger]) -> tuple[Marks, NDArray[np.int64]]:
    """True for rows with a channel at the end of a counter, or far above its neighbours; (n,).

    So are rows in which many channels share the largest count, as if cut off there: a plateau of
    16,384 channels with any mean has 30 of them at a largest count of 30 or more with a chance
    below 1e-9 (from the Poisson distribution of the largest value and of how often it comes).

    A line is at least two channels wide, so that a channel holds at most half of the counts of
    the five around it; flagged where it holds more with a chance below ``CHANCE``.  The
    edge of the noise, the first filled channels, and the last channel, where analysers gather what
    lies beyond, are passed over.  With the channel concerned (-1: none).
    """
    from scipy import stats

    rows, channels = counts.shape
    hot = np.full(rows, -1, dtype=np.int64)
    largest = counts.max(axis=1)
    clipped = np.isin(largest, CLIPS)
    hot[clipped] = counts[clipped].argmax(axis=1)
    if channels < 16:
        return clipped, hot
    first = (counts.sum(axis=0, dtype=np.int64) > 0).argmax()
    step = max(1, 2**22 // channels)
    for begin in range(0, rows, step):
        part = counts[begin : begin + step]
        top = largest[begin : begin + step]
        level = (top >= CUT_COUNTS) & (np.count_nonzero(part == top[:, None], axis=1) >= CUT_TIES)
        hot[begin : begin + step][level] = part[level].argmax(axis=1)
        above = part[:, 2:-2] - np.maximum(part[:, 1:-3], part[:, 3:-1])
        above[:, : first + 3] = 0
        at = above.argmax(axis=1)
        row = np.arange(len(part))
        height = above[row, at]
        here = part[row, at + 2]
        enough = np.flatnonzero(height > 6.0 * np.sqrt(here + 1.0))
        for one in enough.tolist():
            around = part[one, at[one] : at[one] + 5]
            populated = np.count_nonzero(part[one, : at[one] + 2]) >= 3
            chance = stats.binom.sf(here[one] - 1, around.sum(), _PEAK_SHARE)
            if populated and chance < CHANCE / channels:
                hot[begin + one] = at[one] + 2
    return hot >= 0, hot


def content_flags(series: SpectrumSeries) -> NDArray[np.int64]:
    """Flags that need the counts but not the cell; shape (n,)."""
    counts = series.counts
    total = counts.sum(axis=1, dtype=np.int64).astype(np.float64)
    flags = np.array(series.flags)
    usable = series.usable
    copies = same_contents(counts, total) | contained(counts, total, usable)
    flags |= np.where(copies, int(Quality.DUPLICATE), 0)
    flags |= np.where(saturated(counts)[0], int(Quality.SATURATED), 0)
    return flags


def flag_run(run: Run) -> Run:
    """Add the flags that need contents, stack and instrument to those from times and rates.

    Edges are placed with the built-in stopping: they are then looked for in the spectra, so the
    source does not matter.
    """
    from lidepth.analysis import scale
    from lidepth.analysis.backgrounds import background_flags
    from lidepth.analysis.doubts import doubtful_claims
    from lidepth.physics.stopping import stopping_source

    source = stopping_source()
    run = replace(run, series=run.series.with_flags(content_flags(run.series)))
    if not np.any(run.series.usable):
        return run
    found = scale.edges_of(run, source)
    track = scale.track_scale(run, source, found=found)
    series = run.series
    if track is not None:
        moved = scale.drifted(track, len(series))
        series = series.flagged(moved, Quality.GAIN_DRIFT)
    doubtful, _ = doubtful_claims(run, source, found)
    series = series.flagged(doubtful, Quality.SCALE_DOUBTFUL)
    run = replace(run, series=series)
    return replace(run, series=series.with_flags(background_flags(run, found, track)))
