"""Measured against expected counts over time and energy, with a scan for what stands out.

A misfit hides in two ways: in nearly empty bins, whose deviance is far below one, and spread over
neighbouring bins, none of which is remarkable.  So bins are grouped until a mean row expects a few
counts in each, and a window of seven bins is moved along the spectrum.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from lidepth.model.calibration import SpectrumFit
from lidepth.model.cycling import StateSpectrum
from lidepth.model.diagnosis import ResidualStrip

Floats = NDArray[np.float64]

WINDOW = 7
"""Bins of the scan: with bins of a third of the detector's width, two of those widths."""

_LEAST = 5.0  # expected counts from which a signed root deviance is near normal
_CHANCE = 0.05  # of a right model going beyond a limit anywhere
_EMPTY = 1e-9


def state_strip(
    states: Sequence[StateSpectrum], fits: Sequence[SpectrumFit]
) -> ResidualStrip | None:
    """One row per state; None without states."""
    if not fits:
        return None
    mask = fits[0].mask
    return residual_strip(
        np.stack([fit.counts[fit.mask] for fit in fits]),
        np.stack([fit.model[fit.mask] for fit in fits]),
        edges_kev=masked_edges(fits[0].edges_kev, mask),
        start_s=np.array([state.start_s for state in states]),
        stop_s=np.array([state.stop_s for state in states]),
        spectra=np.array([len(state.indices) for state in states], dtype=np.int64),
        labels=tuple(fit.label for fit in fits),
    )  # fmt: skip


def masked_edges(edges_kev: Floats, mask: NDArray[np.bool_]) -> Floats:
    """Edges of the bins that the fit used, which lie together; (bins used + 1,)."""
    used = np.flatnonzero(mask)
    return edges_kev[used[0] : used[-1] + 2]


def residual_strip(
    counts: Floats, expected: Floats, *, edges_kev: Floats, start_s: Floats, stop_s: Floats,
    spectra: NDArray[np.int64], labels: tuple[str, ...] = (),
) -> ResidualStrip:  # fmt: skip
    """Residuals and scan of ``counts`` against ``expected``, (rows, bins) each."""
    starts = groups(expected.mean(axis=0))
    grouped = [np.add.reduceat(part, starts, axis=1) for part in (counts, expected)]
    middle = 0.5 * (edges_kev[1:] + edges_kev[:-1])
    half = WINDOW // 2
    seen, due = windows(counts), windows(expected)
    z = root_deviance(seen, due)
    largest = np.abs(z).argmax(axis=1)
    whole, whole_due = seen.sum(axis=0), due.sum(axis=0)
    return ResidualStrip(
        start_s=start_s, stop_s=stop_s, spectra=spectra, labels=labels,
        edges_kev=edges_kev[np.append(starts, middle.size)], residual=root_deviance(*grouped),
        scan_kev=middle[half : middle.size - half], scan_z=root_deviance(whole, whole_due),
        scan_excess=(whole - whole_due) / np.maximum(whole_due, _EMPTY),
        row_z=z[np.arange(len(z)), largest], row_kev=middle[half + largest],
        limit=_limit(z.shape[1]), row_limit=_limit(z.size),
    )  # fmt: skip


def groups(expected: Floats, least: float = _LEAST) -> NDArray[np.int64]:
    """First bins of groups that expect ``least`` counts or more each; ``expected`` (bins,).

    What is left over at the end joins the last group.
    """
    starts, filled = [0], 0.0
    for place, value in enumerate(expected[:-1].tolist(), start=1):
        filled += value
        if filled >= least:
            starts.append(place)
            filled = 0.0
    if len(starts) > 1 and float(expected[starts[-1] :].sum()) < least:
        starts.pop()
    return np.array(starts, dtype=np.int64)


def windows(values: Floats) -> Floats:
    """Sums of WINDOW neighbouring bins; (rows, bins - WINDOW + 1)."""
    sums = np.cumsum(np.pad(values, ((0, 0), (1, 0))), axis=1)
    return np.asarray(sums[:, WINDOW:] - sums[:, :-WINDOW])


def root_deviance(counts: Floats, expected: Floats) -> Floats:
    """Signed root of the Poisson deviance of every element."""
    due = np.maximum(expected, _EMPTY)
    ratio = np.where(counts > 0, counts / due, 1.0)
    deviance = 2.0 * (due - counts + counts * np.log(ratio))
    return np.asarray(np.sign(counts - due) * np.sqrt(np.maximum(deviance, 0.0)))


def _limit(trials: int) -> float:
    """What the largest of ``trials`` windows exceeds by chance once in twenty runs, at most.

    Bonferroni's bound; windows overlap, so the true chance is lower.
    """
    return float(stats.norm.isf(0.5 * _CHANCE / max(trials, 1)))
