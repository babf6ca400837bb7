"""Where the charge explains the spectra best: every offset scanned, the tops climbed."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis.charge_signal import SLOW_TERMS, ChargeGain, ChargeSignal, Gain

Floats = NDArray[np.float64]

SIGMAS = 4.0
"""Standard errors that an offset or a drift must exceed before anything is done about it."""

_SCAN_POINTS = 60_000
_PASSES = 12
_NEAR = 2.0  # standard errors over which the gain is taken for a parabola
_FINEST_S = 0.1
_RIVALS = 8
_NEAR_BEST = 0.5


def scan(signal: ChargeSignal, time_s: Floats, charge: Floats) -> tuple[Floats, Floats]:
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


def peaks(gains: Floats) -> list[int]:
    """Places of the local maxima, the highest first."""
    padded = np.concatenate([[-1.0], gains, [-1.0]])
    tops = np.flatnonzero((gains >= padded[:-2]) & (gains > padded[2:]) & (gains > 0))
    return [int(place) for place in tops[np.argsort(-gains[tops])]]


@dataclass(frozen=True, kw_only=True)
class Peak:
    """A maximum of the gain; ``step_s`` over which it is a parabola, ``spread`` the misfit."""

    offset_s: float
    std_s: float
    drift_ppm: float
    drift_std_ppm: float
    gain: float
    step_s: float
    spread: float


def shows_charge(gains: Floats, signal: ChargeSignal) -> bool:
    """Say whether the best of a scan explains more than chance does."""
    bins = signal.values.shape[1]
    return bool(gains.max() > bins + 10.0 * math.sqrt(2.0 * bins))


def tops(gain: Gain, offsets: Floats, gains: Floats, signal: ChargeSignal) -> list[Peak]:
    """The tops of a scan that come near its best, refined, the highest first."""
    places = peaks(gains)
    step_s = float(offsets[1] - offsets[0])
    # The scan knows the charge only, at whole dwells: what comes near its best is refined.
    high = [p for p in places[:_RIVALS] if gains[p] > _NEAR_BEST * gains[places[0]]]
    found = [refined(gain, float(offsets[p]), signal, step_s) for p in high]
    return sorted((top for top in found if top is not None), key=lambda top: -top.gain)


def misfit(signal: ChargeSignal, top: ChargeGain) -> float:
    """Chi-squared per degree of freedom of what the charge leaves unexplained, at least 1."""
    n, bins = signal.values.shape
    freedom = max((n - SLOW_TERMS - 1) * (bins - 1), 1)
    left = float(np.sum(signal.values**2)) - top.explained
    return float(max(left / freedom, 1.0))


def refined(gain: Gain, offset_s: float, signal: ChargeSignal, step_s: float) -> Peak | None:
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
    spread = misfit(signal, top)
    std_s = math.sqrt(2.0 / bend * spread)
    return Peak(
        offset_s=alone, std_s=std_s, drift_ppm=math.nan,
        drift_std_ppm=math.nan, gain=top.value, step_s=h, spread=spread,
    )  # fmt: skip


def with_drift(gain: Gain, peak: Peak, signal: ChargeSignal) -> Peak:
    """Fit the drift too; the offset changes with it only where the drift is significant.

    One step of charge cannot tell an offset from a drift: then the drift stays unknown, and the
    offset is that of clocks of one rate.
    """
    h = peak.step_s
    unit = h / (0.25 * float(signal.stop_s.max())) * 1e6  # ppm that move the quarters by h
    at = np.array([peak.offset_s, 0.0])
    covariance = np.full((2, 2), np.nan)
    for _ in range(_PASSES):
        slope, bend = bend_at(gain, at, h, unit)
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


def bend_at(gain: Gain, at: Floats, h: float, unit: float) -> tuple[Floats, Floats]:
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
