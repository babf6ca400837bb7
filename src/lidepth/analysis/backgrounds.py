"""Counts where no particle of the stack can land: background, pile-up; and the monitor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis.edges import ExpectedEdges
from lidepth.analysis.scale import reference_rows, top_channels
from lidepth.model.check import Landmark, ScaleTrack
from lidepth.model.result import Run
from lidepth.model.spectra import Quality

Floats = NDArray[np.float64]
Edges = tuple[ExpectedEdges, tuple[Landmark, ...]]

SIGMA = 6.0  # 2e-9 for a normal variable: less than one false flag in 1e8 spectra
CHANGE = 0.25
"""Least relative change of the background that is flagged: moving lithium changes it by less."""
MONITOR_CHANGE = 0.15
"""Least relative disagreement of monitor and tritons: lithium that moves changes it by less."""
PILE_UP_SHARE = 1e-3
"""Share of the counts that were moved by pile-up from which it is flagged."""

_FOLLOWS_SIGMA = 3.0
_HELD_SIGMA = 3.0  # of a stretch of a run that is known to hold pile-up
_UNEVEN = 0.5  # of the pile-up expected: lithium that moves changes it by less
_CHUNK_COUNTS = 60.0
_WIDTHS = 5.0
_TAIL_KEV = 120.0  # the low-energy tail of a detector, four e-folds
_SHIFT_KEV = 25.0  # how far moving lithium shifts an edge of alphas
_BIN_KEV = 30.0


@dataclass(frozen=True, kw_only=True)
class Windows:
    """Ranges in channels on the reference scale.

    ``low`` lies below all particles, ``valley`` between alphas and tritons, ``above`` over all;
    ``peak`` holds the particle of highest energy.  None where a range is too narrow or its edges
    are not seen.
    """

    low: tuple[float, float] | None
    valley: tuple[float, float] | None
    above: tuple[float, float] | None
    peak: tuple[float, float] | None


def windows_of(run: Run, found: Edges) -> Windows:
    """Where no particle can land, given the edges that were found."""
    expected, marks = found
    gain, offset = run.instrument.calibration.gain_kev, run.instrument.calibration.offset_kev
    width = {m.label: float(w) for m, w in zip(marks, expected.width_kev, strict=True)}
    at = {m.label: offset + gain * m.channel for m in marks if np.isfinite(m.channel)}
    tops = [m.label for m in marks if m.edge == "top" and m.label in at]
    if not tops:
        return Windows(low=None, valley=None, above=None, peak=None)
    last = max(tops, key=lambda label: at[label])
    particle = last.removesuffix(" top")
    end_kev = offset + gain * run.series.channels

    def channels(low_kev: float, high_kev: float) -> tuple[float, float] | None:
        low, high = max(low_kev, offset), min(high_kev, end_kev)
        return ((low - offset) / gain, (high - offset) / gain) if high - low > 40.0 else None

    above = channels(at[last] + _WIDTHS * width[last] + 10.0, 2.0 * at[last])
    bottom = at.get(f"{particle} bottom")
    peak = None
    if bottom is not None:
        reach = 4.0 * width[f"{particle} bottom"]
        peak = channels(bottom - reach, at[last] + 4.0 * width[last])
    valley = low = None
    inner = [label for label in tops if label != last]
    if inner and bottom is not None:
        valley = channels(
            at[inner[0]] + _WIDTHS * width[inner[0]] + _SHIFT_KEV,
            bottom - _WIDTHS * width[f"{particle} bottom"] - _TAIL_KEV,
        )
    bottoms = [m.label for m in marks if m.edge == "bottom" and m.label in at]
    if len(bottoms) == 2:
        deep = min(bottoms, key=lambda label: at[label])
        low = channels(_threshold_kev(run) + 30.0, at[deep] - 3.0 * width[deep] - _SHIFT_KEV)
    return Windows(low=low, valley=valley, above=above, peak=peak)


def _threshold_kev(run: Run) -> float:
    """Energy of the discriminator: the first channel with a twentieth of the largest below."""
    scale = run.instrument.calibration
    rows = reference_rows(run)
    mean = run.series.counts[rows].sum(axis=0, dtype=np.float64)
    filled = np.flatnonzero(mean > 0.05 * mean[: mean.size // 4].max(initial=1.0))
    return scale.offset_kev + scale.gain_kev * float(filled[0] if filled.size else 0)


def _in_window(run: Run, window: tuple[float, float] | None, stretch: Floats) -> Floats:
    """Counts of every spectrum within a window that follows its scale; NaN without one."""
    counts = run.series.counts
    total = np.full(len(counts), np.nan)
    if window is None:
        return total
    first = np.round(window[0] * stretch).astype(np.int64)
    last = np.minimum(np.round(window[1] * stretch).astype(np.int64), counts.shape[1])
    for low, high in {*zip(first.tolist(), last.tolist(), strict=True)}:
        rows = (first == low) & (last == high)
        part = counts[:, low:high] if rows.all() else counts[rows, low:high]
        total[rows] = part.sum(axis=1, dtype=np.int64)
    return total


@dataclass(frozen=True, kw_only=True)
class Excess:
    """What lies where nothing can land.

    ``pile_up_share`` (n,) estimated share of counts that pile-up moved, its significance over the
    run ``pile_up_sigma`` and the pair resolving time ``pair_s``; ``changed`` (n,) and
    ``monitor_off`` (n,) mark spectra; ``ratio`` (n,) is tritons (or counts) per monitor count over
    its median.  ``words`` say what could not be decided.
    """

    pile_up_share: Floats
    pile_up_sigma: float
    pair_s: float
    changed: NDArray[np.bool_]
    monitor_off: NDArray[np.bool_]
    ratio: Floats
    words: tuple[str, ...] = ()


def excess_of(run: Run, found: Edges, track: ScaleTrack | None) -> Excess:
    """Judge background, pile-up and monitor of every spectrum."""
    series = run.series
    usable = series.usable
    ranges = windows_of(run, found)
    stretch = _stretches(run, track)
    total = series.data.values.sum(axis=1, dtype=np.int64).astype(np.float64)
    peak = _in_window(run, ranges.peak, stretch) if ranges.peak is not None else total
    rate = total / np.maximum(series.live_s, 1e-9)
    above = _in_window(run, ranges.above, stretch)
    pairs = _pile_up(run, ranges, usable, rate)
    sigma = pairs.sigma
    square = np.where(usable, rate**2 * series.live_s, 0.0)
    share = _shares(pairs, above, total, square, usable)
    held = usable & (share > 0)
    pair_s = float(np.median(0.5 * share[held] / rate[held])) if held.any() else 0.0
    low = _in_window(run, ranges.low, stretch)
    valley = _in_window(run, ranges.valley, stretch)
    changed = _changed(low, peak, usable, single=True)
    outside = np.nansum(np.stack([valley, above]), axis=0)
    if sigma > SIGMA:  # pile-up fills the upper range: only the valley is left to judge
        outside = np.nan_to_num(valley)
    if ranges.valley is not None or (ranges.above is not None and sigma <= SIGMA):
        changed |= _changed(outside, peak, usable, single=False)
    ratio, monitor_off = _monitor(run, peak, usable, particles=ranges.peak is not None)
    return Excess(
        pile_up_share=share, pile_up_sigma=sigma, pair_s=pair_s, changed=changed,
        monitor_off=monitor_off, ratio=ratio, words=pairs.words,
    )  # fmt: skip


def _stretches(run: Run, track: ScaleTrack | None) -> Floats:
    """Channel over reference channel of every spectrum: one but where the scale has drifted."""
    series = run.series
    stretch = np.ones(len(series))
    moved = (series.flags & int(Quality.GAIN_DRIFT)) != 0
    if track is None or not moved.any():
        return stretch
    place, _ = top_channels(series.counts[moved])
    usual, _ = top_channels(series.counts[reference_rows(run)])
    stretch[moved] = np.clip(np.nan_to_num(place / np.nanmedian(usual), nan=1.0), 0.5, 2.0)
    return stretch


def _changed(
    counts: Floats, exposure: Floats, usable: NDArray[np.bool_], *, single: bool
) -> NDArray[np.bool_]:
    """True where counts outside, per particle counted, are not those of the rest of the run.

    One spectrum at a time, or stretches long enough to expect ``_CHUNK_COUNTS``.
    """
    changed = np.zeros(counts.size, dtype=bool)
    rows = np.flatnonzero(usable & np.isfinite(counts) & (exposure > 0))
    if rows.size < 8:
        return changed
    mean = counts[rows].sum() / exposure[rows].sum()
    group = np.arange(rows.size) if single else _stretches_of(mean * exposure[rows])
    seen = np.bincount(group, counts[rows])
    base = np.bincount(group, exposure[rows])
    filled = base > 0
    usual = float(np.median(seen[filled] / base[filled]))
    if not usual > 0:
        return changed
    expected = usual * base
    std = np.sqrt(expected * (1.0 + usual) + 1.0)
    # the median of the run is itself known from all groups only
    std *= np.sqrt(1.0 + 1.57 / max(int(filled.sum()), 1))
    bad = (np.abs(seen - expected) > SIGMA * std) & (np.abs(seen - expected) > CHANGE * expected)
    changed[rows] = bad[group]
    return changed


def _monitor(
    run: Run, peak: Floats, usable: NDArray[np.bool_], *, particles: bool
) -> tuple[Floats, NDArray[np.bool_]]:
    """Particles per monitor count over the median, and where it is beyond belief."""
    series = run.series
    monitor = series.monitor * series.live_s / np.maximum(series.real_s, 1e-9)
    known = np.isfinite(monitor) & (monitor > 0) & (peak > 0)
    ratio = np.full(len(series), np.nan)
    off = np.zeros(len(series), dtype=bool)
    good = known & usable & ((series.flags & int(Quality.MONITOR_STUCK)) == 0)
    if np.count_nonzero(good) < 8:
        return ratio, off
    ratio[known] = peak[known] / monitor[known]
    ratio /= np.median(ratio[good])
    error = np.sqrt(1.0 / np.maximum(peak, 1.0) + 1.0 / np.maximum(monitor, 1.0))
    error = np.where(np.isfinite(error), error, 1.0)
    limit = np.maximum(SIGMA * error, MONITOR_CHANGE if particles else 2 * MONITOR_CHANGE)
    off[good] = np.abs(np.log(ratio[good])) > limit[good]
    return ratio, off


@dataclass(frozen=True, kw_only=True)
class _Pairs:
    """Pairs counted as one in the usable spectra, and their significance.

    ``seen`` is the share of them that lands above all particles, ``flat`` the counts there of a
    flat background; ``words`` say what could not be decided.
    """

    number: float = 0.0
    sigma: float = 0.0
    seen: float = 0.0
    flat: float = 0.0
    words: tuple[str, ...] = ()


def _shares(
    pairs: _Pairs, above: Floats, total: Floats, square: Floats, usable: NDArray[np.bool_]
) -> Floats:
    """Share of the counts of every spectrum that pile-up moved; shape (n,).

    It goes as the rate.  Where the counts above all particles contradict that, as when a rejector
    was off for a while, each stretch is judged by its own: 0 where it shows no pile-up.
    ``above`` and ``total`` are counts, ``square`` the squared rate times the live time, (n,).
    """
    whole = max(float(square.sum()), 1e-30)
    even = 2.0 * pairs.number * square / whole / np.maximum(total, 1.0)
    expected = pairs.number * pairs.seen * square / whole
    rows = np.flatnonzero(usable & np.isfinite(above))
    if pairs.sigma <= SIGMA or rows.size < 8 or not expected[rows].sum() > 0:
        return even
    flat = pairs.flat * total / max(float(total[usable].sum()), 1.0)
    group = _stretches_of(expected[rows])
    of_pairs, of_flat, seen = (np.bincount(group, one[rows]) for one in (expected, flat, above))
    off = np.abs(seen - of_pairs - of_flat)
    if not np.any((off > SIGMA * np.sqrt(of_pairs + of_flat + 1.0)) & (off > _UNEVEN * of_pairs)):
        return even
    # Where there is more than on average, shorter stretches hold enough to be judged.
    most = float(np.max((seen - of_flat) / np.maximum(of_pairs, 1e-12)))
    group = _stretches_of(expected[rows] * max(most, 1.0))
    of_flat, seen = (np.bincount(group, one[rows]) for one in (flat, above))
    more = seen - of_flat
    held = np.where(more > _HELD_SIGMA * np.sqrt(of_flat + more.clip(0.0) + 1.0), more, 0.0)
    found = 2.0 * held / pairs.seen / np.maximum(np.bincount(group, total[rows]), 1.0)
    share = np.zeros(total.size)
    share[rows] = found[group]
    return share


def _stretches_of(expected: Floats) -> NDArray[np.int64]:
    """Numbers of stretches that expect ``_CHUNK_COUNTS`` each, at most 400; shape (n,)."""
    wanted = max(_CHUNK_COUNTS, float(expected.sum()) / 400.0)
    group = np.floor(np.cumsum(expected) / wanted).astype(np.int64)
    return np.minimum(group, max(int(group[-1]) - 1, 0))  # no short last stretch


def _pile_up(run: Run, ranges: Windows, usable: NDArray[np.bool_], rate: Floats) -> _Pairs:
    """Pairs counted as one in the usable spectra.

    Above the highest particle the sum of all usable spectra is fitted with its own folding with
    itself, which is what pairs look like, and a flat background.  Where the rate varies enough to
    tell, an excess that follows the rate and not its square is none.
    """
    if ranges.above is None:
        return _Pairs()
    series = run.series
    steady = usable & ((series.flags & int(Quality.GAIN_DRIFT)) == 0)
    rows = steady if steady.any() else usable
    total = series.counts[rows].sum(axis=0, dtype=np.float64)
    scale = run.instrument.calibration
    first, last = int(np.ceil(ranges.above[0])), int(ranges.above[1])
    if last - first < 8 or total[first:last].sum() == 0:
        return _Pairs()
    shape = _self_folded(total, scale.offset_kev / scale.gain_kev)
    per_bin = max(int(_BIN_KEV / scale.gain_kev), 1)
    size = (last - first) // per_bin
    cut = slice(first, first + size * per_bin)
    seen = total[cut].reshape(size, per_bin).sum(axis=1)
    columns = np.stack(
        [shape[cut].reshape(size, per_bin).sum(axis=1), np.full(size, float(per_bin))], axis=1
    )
    pairs, std = _two_parts(seen, columns)
    sigma = pairs / std if std > 0 else 0.0
    if sigma <= SIGMA:
        return _Pairs(number=max(pairs, 0.0), sigma=sigma)
    part = float(columns[:, 0].sum()) / float(seen.sum())
    follows, words = _by_rate(run, ranges, rows, rate, flat=1.0 - pairs * part, std=std * part)
    if not follows:
        return _Pairs(words=(words,))
    ours = float(usable.sum()) / float(rows.sum())
    landed = float(columns[:, 0].sum())
    return _Pairs(
        number=pairs * ours, sigma=sigma, seen=landed,
        flat=max(float(seen.sum()) - pairs * landed, 0.0) * ours, words=(words,),
    )  # fmt: skip


def _self_folded(total: Floats, zero: float) -> Floats:
    """Distribution of the sum of two energies in channels, of area one; shape (channels,)."""
    size = total.size
    spectrum = np.fft.rfft(total / total.sum(), 2 * size)
    folded = np.fft.irfft(spectrum * spectrum, 2 * size)
    # channels c1 and c2 add to c1 + c2 plus the channel of 0 keV, and half a channel
    at = np.arange(size) - zero - 0.5
    return np.asarray(np.maximum(np.interp(at, np.arange(2 * size), folded, left=0.0), 0.0))


def _two_parts(seen: Floats, columns: Floats) -> tuple[float, float]:
    """Amount of the first of two shapes by Poisson likelihood, and its error."""
    scaled = columns / np.maximum(columns.sum(axis=0), 1e-300)
    parts = np.full(2, 0.5 * float(seen.sum()))
    for _ in range(400):  # expectation maximisation: never negative
        mean = np.maximum(scaled @ parts, 1e-12)
        parts = parts * (scaled.T @ (seen / mean))
    mean = np.maximum(scaled @ parts, 1e-12)
    normal = scaled.T @ (scaled / mean[:, None])
    covariance = np.linalg.pinv(normal)
    whole = float(columns[:, 0].sum())
    if whole <= 0:
        return 0.0, 0.0
    return float(parts[0]) / whole, float(np.sqrt(max(covariance[0, 0], 0.0))) / whole


def _by_rate(
    run: Run, ranges: Windows, rows: NDArray[np.bool_], rate: Floats, *, flat: float, std: float
) -> tuple[bool, str]:
    """False where the counts above all particles follow the rate and not its square; in words.

    Per particle counted, pile-up grows as the rate and a background of the beam not at all: the
    faster half of the spectra is compared with the slower.  ``flat`` is the share of a flat
    background of the beam, by the shape, with the error ``std``.
    """
    live = run.series.live_s
    above = _in_window(run, ranges.above, np.ones(rate.size))
    fast = rows & (rate > np.median(rate[rows]))
    slow = rows & ~fast
    looks = "the counts above all particles have the shape of pile-up"
    undecided = looks + "; the rate varies too little for its square to confirm it"
    if not fast.any():
        return True, undecided
    a, b = (float(above[k].sum() / (rate[k] * live[k]).sum()) for k in (fast, slow))
    r = float(np.sum(rate[fast] ** 2 * live[fast]) / np.sum(rate[fast] * live[fast]))
    r /= float(np.sum(rate[slow] ** 2 * live[slow]) / np.sum(rate[slow] * live[slow]))
    a_std = float(np.sqrt(above[fast].sum()) / (rate[fast] * live[fast]).sum())
    b_std = float(np.sqrt(above[slow].sum()) / (rate[slow] * live[slow]).sum())
    f = above[rows].sum() / (rate[rows] * live[rows]).sum()
    f, f_std = max(flat, 0.0) * f, std * f
    off_std = np.sqrt(a_std**2 + (r * b_std) ** 2 + ((r - 1.0) * f_std) ** 2)
    square = abs((a - f) - r * (b - f)) < _FOLLOWS_SIGMA * off_std
    linear = abs(a - b) < _FOLLOWS_SIGMA * np.hypot(a_std, b_std)
    if square and linear:
        return True, undecided
    if square:
        return True, looks + " and grow with the square of the rate"
    if linear:
        return False, looks + " but grow with the rate and not with its square: no pile-up"
    return True, looks + "; they follow neither the rate nor its square: a background besides"


def background_flags(run: Run, found: Edges, track: ScaleTrack | None) -> NDArray[np.int64]:
    """The flags of the run with those of background, pile-up and monitor added; shape (n,)."""
    excess = excess_of(run, found, track)
    flags = np.array(run.series.flags)
    flags |= np.where(excess.changed, int(Quality.BACKGROUND_CHANGED), 0)
    flags |= np.where(excess.monitor_off, int(Quality.MONITOR_STUCK), 0)
    piled = (excess.pile_up_share > PILE_UP_SHARE) & (excess.pile_up_sigma > SIGMA)
    flags |= np.where(piled & run.series.usable, int(Quality.PILE_UP), 0)
    return flags
