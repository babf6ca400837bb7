"""The clock of the cycler against that of the spectra, found from the charge that both show.

Lithium that the cycler moves from the cathode to the anode changes the spectra in proportion to the
charge.  With N_j the counts of spectrum j above the noise and y_jk those in energy bin k,

    y_jk / N_j = p_k + s_k(t_j) + b_k Q_j + c_k K_j + d_k H_j + e_k Q_j^2 + noise,
    covariance of the noise: (diag p - p p') / N_j

where Q_j is the mean charge while the spectrum was taken, at an offset and a drift of the log's
clock; K_j the charge of all charging before and H_j the highest charge before (lithium that stays
behind goes with these); Q_j^2 stands for edges that move; s_k is a cubic in time (a scale that
drifts).  Shares of the counts need neither the beam nor its monitor.  Nothing is assumed of the
coefficients but the sign of b: the particles of highest energy come from the electrode that lies
nearer to the detector.  For every offset they are fitted by linear least squares;
what the charge then explains, in units of chi-squared, is the gain.  A scan over every
overlap of log and spectra, by Fourier transform, finds its maxima; Newton's method refines them;
the curvature gives the errors, widened by the misfit.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lidepth.model.clock import ClockDifference
from lidepth.model.cycling import CyclerLog
from lidepth.model.instrument import Instrument
from lidepth.model.spectra import SpectrumSeries
from lidepth.model.stack import Stack
from lidepth.physics.reactions import reactions_of

Floats = NDArray[np.float64]

SIGMAS = 4.0
"""Standard errors that an offset or a drift must exceed before anything is done about it."""
LEAST_S = 30.0
"""Differences below this, or a tenth of a dwell, are left alone: they change no state."""
RIVAL_GAIN = 25.0
"""A second offset whose chi-squared comes within this (5 sigma) leaves the first undecided."""

_LOWEST_KEV = 250.0  # noise and gamma rays lie below
_BIN_FWHM = 2.0  # finer bins tell nothing more
_LEAST_COUNTS = 200  # of a bin in the whole run: below, its mean share is not known
_LEAST_SPECTRA = 8
_SLOW_TERMS = 4
_USUAL = 1.0  # more than any share changes over the root of the share, from empty to full
_MOST_SPECTRA = 6000
_SCAN_POINTS = 60_000
_PASSES = 12
_NEAR = 2.0  # standard errors over which the gain is taken for a parabola
_FINEST_S = 0.1
_RIVALS = 8
_NEAR_BEST = 0.5


def clock_difference(
    series: SpectrumSeries,
    log: CyclerLog,
    instrument: Instrument,
    stack: Stack,
    *,
    declared_s: float | None = None,
) -> ClockDifference:
    """Find what must be added to the times of ``log``, from which nothing was taken yet.

    ``declared_s`` is what the experimenter gave, in s; it is compared, never replaced.  The result
    says whether the difference is to be applied (see ``on_spectra_clock``).
    """
    base_s = _base_s(series, log) if declared_s is None else declared_s
    found = _measure(series, log.shifted(base_s), instrument, stack)
    if isinstance(found, str):
        return _undecided(found, declared_s)
    span_s = float(series.stop_s.max())
    least_s = max(LEAST_S, 0.1 * float(np.median(series.real_s)))
    total_s = base_s + found.offset_s
    drifts = (
        abs(found.drift_ppm) > SIGMAS * found.drift_std_ppm
        and abs(found.drift_ppm) * 1e-6 * span_s > least_s
    )
    away_s = found.offset_s if declared_s is not None else total_s
    differs = abs(away_s) > max(SIGMAS * found.std_s, least_s)
    clock = ClockDifference(
        offset_s=total_s, std_s=found.std_s, drift_ppm=found.drift_ppm,
        drift_std_ppm=found.drift_std_ppm, decided=found.rival_s is None, applied=False, words="",
        declared_s=math.nan if declared_s is None else declared_s,
    )  # fmt: skip
    if found.rival_s is not None:
        words = (
            f"the clocks could not be compared: {_offset(clock)} fits the spectra, but "
            f"{_span(base_s + found.rival_s)} fits nearly as well (cycles are alike)"
        )
        return replace(clock, words=words + _left(declared_s))
    if declared_s is not None:
        return _against_declared(clock, differs, drifts)
    if not (differs or drifts or not log.anchored):
        words = f"the clocks agree: {_offset(clock)}, {_drift(clock)}, as the spectra show"
        return replace(clock, words=words + "; nothing was changed")
    applied = replace(clock, applied=True, drift_applied=drifts, doubtful=log.anchored)
    return replace(applied, words=_applied(applied, log))


def on_spectra_clock(log: CyclerLog, series: SpectrumSeries, clock: ClockDifference) -> CyclerLog:
    """Return the log, as its files give it, on the clock of the spectra."""
    if not clock.applied:
        return log.shifted(clock.declared_s if math.isfinite(clock.declared_s) else 0.0)
    moved = log.shifted(clock.offset_s)
    if not clock.drift_applied:
        return moved
    middle_s = 0.5 * float(series.stop_s.max())
    since_s = moved.seconds(series.origin) - middle_s
    added = np.round(since_s * (clock.drift_ppm * 1e3)).astype("timedelta64[ns]")
    return replace(moved, time=moved.time + added)


@dataclass(frozen=True, kw_only=True)
class _Found:
    """Offset at the middle of the spectra, drift, and the offset of a rival as good, if any."""

    offset_s: float
    std_s: float
    drift_ppm: float
    drift_std_ppm: float
    rival_s: float | None


class _Gain(NamedTuple):
    """What the charge explains: beyond chance, in all, and by which sign (see ``_lever``)."""

    value: float
    explained: float
    rise: float


Gain = Callable[[float, float], _Gain]


@dataclass(frozen=True, kw_only=True)
class _Signal:
    """Shares of the counts per bin, weighted to unit error, slow changes taken out.

    ``values`` (n, bins); ``weights`` (n,); ``noise`` (n,) the variance of a spectrum's values in
    all; ``slow`` (n, terms) orthonormal; ``lever`` (bins,) with which values rise as lithium moves
    to the electrode nearer to the detector.
    """

    start_s: Floats
    stop_s: Floats
    values: Floats
    weights: Floats
    noise: Floats
    slow: Floats
    lever: Floats


def _base_s(series: SpectrumSeries, log: CyclerLog) -> float:
    """An offset to start from: none, or one that lays the log upon the spectra."""
    times = log.seconds(series.origin)
    if log.anchored and times[0] < series.stop_s.max() and times[-1] > 0.0:
        return 0.0
    return -float(times[0])


def _measure(
    series: SpectrumSeries, log: CyclerLog, instrument: Instrument, stack: Stack
) -> _Found | str:
    """Offset and drift that remain, or why there are none."""
    signal = _signal(series, instrument, stack)
    if signal is None:
        return "the spectra hold too few counts"
    time_s, charge = log.seconds(series.origin), log.charge_uah
    if not np.ptp(charge) > 0 or not time_s[-1] > time_s[0]:
        return "the cycler passed no charge"
    gain = _gain_of(signal, time_s, charge)
    offsets, gains = _scan(signal, time_s, charge)
    bins = signal.values.shape[1]
    if gains.max() <= bins + 10.0 * math.sqrt(2.0 * bins):
        return "the spectra show no change that follows the charge at any offset"
    step_s = offsets[1] - offsets[0]
    peaks = _peaks(gains)
    # The scan knows the charge only, at whole dwells: what comes near its best is refined.
    high = [p for p in peaks[:_RIVALS] if gains[p] > _NEAR_BEST * gains[peaks[0]]]
    tops = [_refined(gain, float(offsets[p]), signal, step_s) for p in high]
    ranked = sorted((top for top in tops if top is not None), key=lambda top: -top.gain)
    if not ranked:
        return "the charge changes too little to compare its times"
    best = _with_drift(gain, ranked[0], signal)
    apart_s = step_s + 10.0 * best.std_s
    far = [top for top in ranked[1:] if abs(top.offset_s - ranked[0].offset_s) > apart_s]
    second = far[0] if far else None
    tied = second is not None and second.gain > ranked[0].gain - RIVAL_GAIN * best.spread
    return _Found(
        offset_s=best.offset_s, std_s=best.std_s, drift_ppm=best.drift_ppm,
        drift_std_ppm=best.drift_std_ppm,
        rival_s=second.offset_s if second is not None and tied else None,
    )  # fmt: skip


def _signal(series: SpectrumSeries, instrument: Instrument, stack: Stack) -> _Signal | None:
    """Bin, share, weight; None where there are too few counts."""
    scale = instrument.calibration
    edges_kev = scale.offset_kev + scale.gain_kev * np.arange(series.channels + 1)
    first = int(np.searchsorted(edges_kev, _LOWEST_KEV))
    per_bin = max(int(_BIN_FWHM * instrument.detector.fwhm_kev / scale.gain_kev), 1)
    starts = np.arange(first, series.channels, per_bin)
    used = np.flatnonzero(series.usable)
    if starts.size < 2 or used.size < _LEAST_SPECTRA:
        return None
    counts = np.add.reduceat(series.counts, starts, axis=1)[used].astype(np.float64)
    start_s, stop_s = series.start_s[used], series.stop_s[used]
    if used.size > _MOST_SPECTRA:
        # Of a very long run neighbours are added up: they are far shorter than a charge.
        cell = (start_s * (_MOST_SPECTRA / (start_s[-1] + 1.0))).astype(np.int64)
        heads = np.flatnonzero(np.diff(cell, prepend=-1))
        counts, start_s = np.add.reduceat(counts, heads, axis=0), start_s[heads]
        stop_s = np.maximum.reduceat(stop_s, heads)
    kept = counts.sum(axis=0) >= _LEAST_COUNTS
    counts, lows = counts[:, kept], edges_kev[starts[kept]]
    total = counts.sum(axis=1)
    seen = total > 0
    if lows.size < 2 or np.count_nonzero(seen) < _LEAST_SPECTRA:
        return None
    counts, total, start_s, stop_s = counts[seen], total[seen], start_s[seen], stop_s[seen]
    mean = counts.sum(axis=0) / total.sum()
    weights = np.sqrt(total)
    values = (counts / total[:, None] - mean) / np.sqrt(mean) * weights[:, None]
    slow = _slow(0.5 * (start_s + stop_s), weights)
    return _Signal(
        start_s=start_s, stop_s=stop_s, values=values - slow @ (slow.T @ values),
        weights=weights, noise=(counts / total[:, None]) @ (1.0 / mean) - 1.0, slow=slow,
        lever=_lever(lows, mean, instrument, stack),
    )  # fmt: skip


def _slow(middle_s: Floats, weights: Floats) -> Floats:
    """Orthonormal, weighted cubics in time; shape (n, 4)."""
    scaled = 2.0 * middle_s / max(float(middle_s.max()), 1e-9) - 1.0
    basis = np.polynomial.legendre.legvander(scaled, _SLOW_TERMS - 1)
    return np.asarray(np.linalg.qr(basis * weights[:, None])[0])


def _lever(lows_kev: Floats, mean: Floats, instrument: Instrument, stack: Stack) -> Floats:
    """Energy above all but the fastest particles, signed by which electrode is nearer."""
    pairs = [(one.light, one.heavy) for one in reactions_of(instrument.isotope)]
    births = sorted(product.energy_kev for pair in pairs for product in pair)
    order = [layer.role for layer in stack]
    sign = 1.0 if order.index("anode") < order.index("cathode") else -1.0
    return sign * np.maximum(lows_kev - births[-2], 0.0) * np.sqrt(mean)


def _gain_of(signal: _Signal, time_s: Floats, charge: Floats) -> Gain:
    """The gain at an offset (s) and a drift (ppm).

    Coefficients are held to the size of ``_USUAL`` by ridge regression, so that a column that says
    little explains little; what noise alone lets the columns explain is taken
    off.
    """
    moved = (charge - charge.mean()) / np.ptp(charge)
    kept = np.concatenate([[0.0], np.cumsum(np.maximum(np.diff(moved), 0.0))])
    means = _means_of(time_s, np.stack([moved, kept, np.maximum.accumulate(moved)]))
    middle_s = 0.5 * float(signal.stop_s.max())

    def gain(offset_s: float, drift_ppm: float) -> _Gain:
        def back(times: Floats) -> Floats:
            return times - offset_s - drift_ppm * 1e-6 * (times - middle_s)

        columns = means(back(signal.start_s), back(signal.stop_s))
        table = np.vstack([columns, columns[:1] ** 2]) * signal.weights
        table -= (table @ signal.slow) @ signal.slow.T
        slopes = table @ signal.values
        sizes, turns = np.linalg.eigh(table @ table.T)
        sizes = np.maximum(sizes, 0.0)
        noise = (turns.T @ table) ** 2 @ signal.noise
        share = 1.0 / (sizes + _USUAL**-2)
        explained = float(np.sum((turns.T @ slopes) ** 2, axis=1) @ share)
        return _Gain(
            value=explained - float(noise @ share), explained=explained,
            rise=float(slopes[0] @ signal.lever),
        )  # fmt: skip

    return gain


def _means_of(time_s: Floats, columns: Floats) -> Callable[[Floats, Floats], Floats]:
    """Mean of each column (m, rows) between two times: straight between rows, constant outside."""
    steps = np.diff(time_s)
    pieces = 0.5 * (columns[:, 1:] + columns[:, :-1]) * steps
    area = np.concatenate([np.zeros((columns.shape[0], 1)), np.cumsum(pieces, axis=1)], axis=1)
    slopes = np.divide(np.diff(columns), steps, out=np.zeros_like(pieces), where=steps > 0)

    def integral(when: Floats) -> Floats:
        inside = np.clip(when, time_s[0], time_s[-1])
        row = np.clip(np.searchsorted(time_s, inside, "right") - 1, 0, steps.size - 1)
        since = inside - time_s[row]
        return np.asarray(
            area[:, row] + since * (columns[:, row] + 0.5 * slopes[:, row] * since)
            + columns[:, :1] * np.minimum(when - time_s[0], 0.0)
            + columns[:, -1:] * np.maximum(when - time_s[-1], 0.0)
        )  # fmt: skip

    def means(start_s: Floats, stop_s: Floats) -> Floats:
        width = np.maximum(stop_s - start_s, 1e-3)
        return np.asarray((integral(start_s + width) - integral(start_s)) / width)

    return means


def _scan(signal: _Signal, time_s: Floats, charge: Floats) -> tuple[Floats, Floats]:
    """Gain at every offset at which log and spectra overlap, zero where the sign is wrong."""
    span_s, log_s = float(signal.stop_s.max()), float(time_s[-1] - time_s[0])
    dwell_s = float(np.median(signal.stop_s - signal.start_s))
    step_s = max(dwell_s, (2.0 * span_s + log_s) / _SCAN_POINTS)
    spectra, rows = int(span_s / step_s) + 1, int(log_s / step_s) + 1
    place = (0.5 * (signal.start_s + signal.stop_s) / step_s).astype(np.int64)
    # The charge at (i - spectra) steps after the log's first row: flat before it and after it.
    lags = spectra + rows
    grid = np.interp(
        step_s * (np.arange(lags + spectra) - spectra + 0.5) + time_s[0], time_s, charge
    )
    grid -= 0.5 * (grid.min() + grid.max())
    size = 1 << int(lags + 2 * spectra - 1).bit_length()
    line, square = np.fft.rfft(grid, size), np.fft.rfft(grid**2, size)

    def correlate(column: Floats, with_: NDArray[np.complex128]) -> Floats:
        summed = np.bincount(place, weights=column, minlength=spectra)
        found = np.fft.irfft(with_ * np.conj(np.fft.rfft(summed, size)), size)
        return np.asarray(found[: lags + 1])

    norm = correlate(signal.weights**2, square)
    for term in signal.slow.T:
        norm -= correlate(term * signal.weights, line) ** 2
    gain, rise = np.zeros(lags + 1), np.zeros(lags + 1)
    for column, lever in zip(
        (signal.values * signal.weights[:, None]).T, signal.lever, strict=True
    ):
        slope = correlate(column, line)
        gain += slope**2
        rise += lever * slope
    shown = (rise > 0) & (norm > 1e-6 * norm.max())
    gain = np.divide(gain, norm, out=np.zeros_like(gain), where=shown)
    # At lag i the first spectrum sees row i - spectra: the log begins that much earlier.
    offsets = step_s * (spectra - np.arange(lags + 1)) - time_s[0]
    return np.asarray(offsets[::-1]), np.asarray(gain[::-1])


def _peaks(gains: Floats) -> list[int]:
    """Places of the local maxima, the highest first."""
    padded = np.concatenate([[-1.0], gains, [-1.0]])
    tops = np.flatnonzero((gains >= padded[:-2]) & (gains > padded[2:]) & (gains > 0))
    return [int(place) for place in tops[np.argsort(-gains[tops])]]


@dataclass(frozen=True, kw_only=True)
class _Peak:
    """A maximum of the gain; ``step_s`` over which it is a parabola, ``spread`` the misfit."""

    offset_s: float
    std_s: float
    drift_ppm: float
    drift_std_ppm: float
    gain: float
    step_s: float
    spread: float


def _refined(gain: Gain, offset_s: float, signal: _Signal, step_s: float) -> _Peak | None:
    """Climb from a maximum of the scan to the top; None where there is none near it."""
    widest = 0.25 * float(np.median(signal.stop_s - signal.start_s))
    alone, h, bend = offset_s, widest, 0.0
    for _ in range(_PASSES):
        low, here, high = (gain(alone + k * h, 0.0).value for k in (-1, 0, 1))
        bend = (2.0 * here - low - high) / h**2
        if not bend > 0:
            alone += math.copysign(0.5 * step_s, high - low)
            continue
        move = 0.5 * (high - low) / h / bend
        alone += min(max(move, -step_s), step_s)
        error_s = math.sqrt(2.0 / bend)
        narrow = min(max(_NEAR * error_s, _FINEST_S), widest)
        if abs(move) < 0.05 * error_s and h <= 2.0 * narrow:
            break
        h = narrow
    top = gain(alone, 0.0)
    if not bend > 0 or abs(alone - offset_s) > 3.0 * step_s or top.rise <= 0:
        return None
    n, bins = signal.values.shape
    freedom = max((n - _SLOW_TERMS - 1) * (bins - 1), 1)
    spread = max((float(np.sum(signal.values**2)) - top.explained) / freedom, 1.0)
    std_s = math.sqrt(2.0 / bend * spread)
    return _Peak(
        offset_s=alone, std_s=std_s, drift_ppm=math.nan,
        drift_std_ppm=math.nan, gain=top.value, step_s=h, spread=spread,
    )  # fmt: skip


def _with_drift(gain: Gain, peak: _Peak, signal: _Signal) -> _Peak:
    """Fit the drift too; the offset changes with it only where the drift is significant.

    One step of charge cannot tell an offset from a drift: then the drift stays unknown, and the
    offset is that of clocks of one rate.
    """
    h = peak.step_s
    unit = h / (0.25 * float(signal.stop_s.max())) * 1e6  # ppm that move the quarters by h
    at = np.array([peak.offset_s, 0.0])
    covariance = np.full((2, 2), np.nan)
    for _ in range(_PASSES):
        slope, bend = _bend_at(gain, at, h, unit)
        if not (bend[0, 0] > 0 and np.linalg.det(bend) > 1e-6 * bend[0, 0] * bend[1, 1]):
            return peak
        covariance = 2.0 * peak.spread * np.linalg.inv(bend)
        move = np.linalg.solve(bend, slope)
        at = at + move
        if np.abs(move[1]) < 0.05 * math.sqrt(covariance[1, 1]):
            break
    top = gain(float(at[0]), float(at[1]))
    drift_std = math.sqrt(covariance[1, 1])
    if top.rise <= 0 or top.value < peak.gain - peak.spread:  # it climbed another hill
        return peak
    known = replace(peak, drift_ppm=float(at[1]), drift_std_ppm=drift_std)
    if not abs(at[1]) > SIGMAS * drift_std:
        return known
    return replace(known, offset_s=float(at[0]), std_s=math.sqrt(covariance[0, 0]), gain=top.value)


def _bend_at(gain: Gain, at: Floats, h: float, unit: float) -> tuple[Floats, Floats]:
    """Slope (2,) and negative second derivative (2, 2) of the gain, by differences."""
    steps = np.array([h, unit])

    def value(right: int, up: int) -> float:
        offset_s, drift_ppm = at + steps * (right, up)
        return gain(float(offset_s), float(drift_ppm)).value

    here = value(0, 0)
    east, west, north, south = value(1, 0), value(-1, 0), value(0, 1), value(0, -1)
    corner = 0.25 * (value(1, 1) + value(-1, -1) - value(1, -1) - value(-1, 1))
    slope = np.array([east - west, north - south]) / 2.0
    bend = -np.array([[east + west - 2.0 * here, corner], [corner, north + south - 2.0 * here]])
    return slope / steps, bend / np.outer(steps, steps)


def _undecided(reason: str, declared_s: float | None) -> ClockDifference:
    nan = math.nan
    return ClockDifference(
        offset_s=nan, std_s=nan, drift_ppm=nan, drift_std_ppm=nan, decided=False, applied=False,
        words=f"the clocks could not be compared: {reason}" + _left(declared_s),
        declared_s=nan if declared_s is None else declared_s,
    )  # fmt: skip


def _applied(clock: ClockDifference, log: CyclerLog) -> str:
    done = "offset and drift were" if clock.drift_applied else "the offset was"
    declare = "" if clock.drift_applied else f"data.clock_offset: {clock.offset_s:.0f} s"
    what = f"the clock of the cycler differs by {_offset(clock)}{_cause(clock)}"
    if not log.anchored:
        first = np.datetime_as_string(log.shifted(clock.offset_s).time[0], "s")
        what = f"the cycler gave no date; its first row is of {first} ± {clock.std_s:.0f} s"
        declare = f"data.cycler.start: {first}" if declare else ""
    words = f"{what}, {_drift(clock)}, as the charge in the spectra shows; {done} applied"
    return f"{words}; to declare it, write {declare}" if declare else words


def _against_declared(clock: ClockDifference, differs: bool, drifts: bool) -> ClockDifference:
    """Say whether the spectra bear out what was declared, which is applied either way."""
    declared = f"data.clock_offset of {_span(clock.declared_s)}"
    if differs or drifts:
        words = (
            f"the spectra contradict the {declared}: the charge in them shows {_offset(clock)}, "
            f"{_drift(clock)}; the declared offset was applied"
        )
        return replace(clock, words=words, doubtful=True)
    words = f"the {declared} was applied; the spectra bear it out ({_offset(clock)})"
    return replace(clock, words=words)


def _left(declared_s: float | None) -> str:
    if declared_s is None:
        return "; nothing was changed"
    return f"; the data.clock_offset of {_span(declared_s)} was applied"


def _offset(clock: ClockDifference) -> str:
    return f"{_span(clock.offset_s)} ± {clock.std_s:.0f} s"


def _drift(clock: ClockDifference) -> str:
    if not math.isfinite(clock.drift_ppm):
        return "drift unknown"
    return f"drift {clock.drift_ppm:+.0f} ± {clock.drift_std_ppm:.0f} ppm".replace("-", "−")


def _span(seconds: float) -> str:
    return f"{seconds:+.0f} s".replace("-", "−")


def _cause(clock: ClockDifference) -> str:
    """Name a time zone or daylight saving where the offset is one."""
    quarter_s = 900.0
    nearest_s = quarter_s * round(clock.offset_s / quarter_s)
    near = abs(clock.offset_s - nearest_s) <= max(3.0 * clock.std_s, 60.0)
    if not near or clock.std_s > 0.1 * quarter_s or abs(nearest_s) < 3600.0:
        return ""
    hours = nearest_s / 3600.0
    if abs(hours) > 14.0:
        return ""
    kind = "daylight saving or a time zone" if abs(hours) == 1.0 else "a time zone"
    return f" (about {hours:+g} h: {kind}?)".replace("-", "−")
