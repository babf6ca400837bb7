"""What of the spectra follows the charge, whatever clock the charge is on.

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
what the charge then explains, in units of chi-squared, is the gain.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lidepth.model.instrument import Instrument
from lidepth.model.spectra import SpectrumSeries
from lidepth.model.stack import Stack
from lidepth.physics.reactions import reactions_of

Floats = NDArray[np.float64]

SLOW_TERMS = 4
_LOWEST_KEV = 250.0  # noise and gamma rays lie below
_ABOVE_KEV = 150.0  # scales may be that far off
_BIN_FWHM = 2.0  # finer bins tell nothing more
_LEAST_COUNTS = 200  # of a bin in the whole run: below, its mean share is not known
_LEAST_SPECTRA = 8
_USUAL = 1.0  # more than any share changes over the root of the share, from empty to full
_MOST_SPECTRA = 6000


class ChargeGain(NamedTuple):
    """What the charge explains: beyond chance, in all, and by which sign (see ``_lever``)."""

    value: float
    explained: float
    rise: float


Gain = Callable[[float, float], ChargeGain]
"""Called with an offset in s and a drift in ppm, or the step of a clock in s."""


@dataclass(frozen=True, kw_only=True)
class ChargeSignal:
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


def charge_signal(
    series: SpectrumSeries, instrument: Instrument, stack: Stack
) -> ChargeSignal | None:
    """Return the shares of the counts, weighted; None where there are too few counts."""
    scale = instrument.calibration
    edges_kev = scale.offset_kev + scale.gain_kev * np.arange(series.channels + 1)
    # Above the fastest particles nothing follows the lithium: pile-up, overflow, background.
    end = int(np.searchsorted(edges_kev, _births(instrument)[-1] + _ABOVE_KEV))
    first = int(np.searchsorted(edges_kev, _LOWEST_KEV))
    per_bin = max(int(_BIN_FWHM * instrument.detector.fwhm_kev / scale.gain_kev), 1)
    end = min(end, series.channels)
    starts = np.arange(first, end, per_bin)
    used = np.flatnonzero(series.usable)
    if starts.size < 2 or used.size < _LEAST_SPECTRA:
        return None
    counts = np.add.reduceat(series.counts[:, :end], starts, axis=1)[used].astype(np.float64)
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
    return ChargeSignal(
        start_s=start_s, stop_s=stop_s, values=values - slow @ (slow.T @ values),
        weights=weights, noise=(counts / total[:, None]) @ (1.0 / mean) - 1.0, slow=slow,
        lever=_lever(lows, mean, instrument, stack),
    )  # fmt: skip


def _slow(middle_s: Floats, weights: Floats) -> Floats:
    """Orthonormal, weighted cubics in time; shape (n, 4)."""
    scaled = 2.0 * middle_s / max(float(middle_s.max()), 1e-9) - 1.0
    basis = np.polynomial.legendre.legvander(scaled, SLOW_TERMS - 1)
    return np.asarray(np.linalg.qr(basis * weights[:, None])[0])


def _births(instrument: Instrument) -> list[float]:
    """Energies in keV at which particles are born, the lowest first."""
    pairs = [(one.light, one.heavy) for one in reactions_of(instrument.isotope)]
    return sorted(product.energy_kev for pair in pairs for product in pair)


def _lever(lows_kev: Floats, mean: Floats, instrument: Instrument, stack: Stack) -> Floats:
    """Energy above all but the fastest particles, signed by which electrode is nearer.

    Zero for a stack without electrodes: nothing then tells a charge from a discharge.
    """
    births = _births(instrument)
    order = [layer.role for layer in stack]
    if "anode" not in order or "cathode" not in order:
        return np.zeros_like(mean)
    sign = 1.0 if order.index("anode") < order.index("cathode") else -1.0
    return sign * np.maximum(lows_kev - births[-2], 0.0) * np.sqrt(mean)


def with_change(signal: ChargeSignal, later: NDArray[np.bool_]) -> ChargeSignal:
    """The signal with a change of any shape at one moment taken out too; ``later`` (n,)."""
    column = np.where(later, signal.weights, 0.0)
    slow = np.linalg.qr(np.column_stack([signal.slow, column]))[0]
    values = signal.values - slow @ (slow.T @ signal.values)
    return replace(signal, slow=slow, values=values)


def gain_of(
    signal: ChargeSignal,
    time_s: Floats,
    charge: Floats,
    *,
    later: NDArray[np.bool_] | None = None,
) -> Gain:
    """The gain at an offset (s) and a drift (ppm), or at a step (s) that ``later`` (n,) show.

    Coefficients are held to the size of ``_USUAL`` by ridge regression, so that a column that says
    little explains little; what noise alone lets the columns explain is taken
    off.
    """
    moved = (charge - charge.mean()) / np.ptp(charge)
    kept = np.concatenate([[0.0], np.cumsum(np.maximum(np.diff(moved), 0.0))])
    means = _means_of(time_s, np.stack([moved, kept, np.maximum.accumulate(moved)]))
    middle_s = 0.5 * float(signal.stop_s.max())

    def gain(offset_s: float, second: float) -> ChargeGain:
        def back(times: Floats) -> Floats:
            course = 1e-6 * (times - middle_s) if later is None else later
            return times - offset_s - second * course

        columns = means(back(signal.start_s), back(signal.stop_s))
        table = np.vstack([columns, columns[:1] ** 2]) * signal.weights
        table -= (table @ signal.slow) @ signal.slow.T
        slopes = table @ signal.values
        sizes, turns = np.linalg.eigh(table @ table.T)
        sizes = np.maximum(sizes, 0.0)
        noise = (turns.T @ table) ** 2 @ signal.noise
        share = 1.0 / (sizes + _USUAL**-2)
        explained = float(np.sum((turns.T @ slopes) ** 2, axis=1) @ share)
        return ChargeGain(
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
