"""Residuals of a whole campaign over time and energy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis.campaign.smooth import Smoothed
from lidepth.analysis.forward import Setting
from lidepth.analysis.residuals import masked_edges, residual_strip
from lidepth.model.diagnosis import ResidualStrip

Floats = NDArray[np.float64]

MOST_ROWS = 400
"""Rows in time: what a figure can show, and what memory holds of any campaign."""

# Spectra for which the model is carried through once, at their mean state: an hour of 8-minute
# spectra, a sixth of a charge in the published cell.  Its curvature is felt by less than a tenth
# of a standard error of their sum.
_TOGETHER = 8
_GAP = 3.0  # lengths of a spectrum without one: the cell may be another after it
_FEWEST = 1e-6  # expected counts of a bin


def campaign_strip(smoothed: Smoothed, *, most: int = MOST_ROWS) -> ResidualStrip:
    """Every spectrum against what the smoother expects of it, summed to ``most`` rows in time."""
    campaign = smoothed.campaign
    series, rows = campaign.run.series, campaign.moments.rows
    group = time_rows(series.start_s[rows], series.stop_s[rows], most)
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    counts = np.add.reduceat(campaign.spectra.counts, starts, axis=0)
    expected = np.zeros_like(counts)
    states = smoothed.track.states
    for row, first in enumerate(starts.tolist()):
        last = int(starts[row + 1]) if row + 1 < starts.size else group.size
        for begin in range(first, last, _TOGETHER):
            expected[row] += _expected(smoothed, states, slice(begin, min(begin + _TOGETHER, last)))
    return residual_strip(
        counts, expected, edges_kev=_edges_kev(smoothed),
        start_s=series.start_s[rows[starts]],
        stop_s=series.stop_s[rows[np.append(starts[1:], group.size) - 1]],
        spectra=np.bincount(group).astype(np.int64),
    )  # fmt: skip


def time_rows(start_s: Floats, stop_s: Floats, most: int) -> NDArray[np.int64]:
    """Row of each spectrum: about ``most`` rows of like numbers of spectra, none across a gap."""
    count = start_s.size
    even = np.arange(count, dtype=np.int64) * min(count, most) // max(count, 1)
    pause = start_s[1:] - stop_s[:-1]
    apart = pause > _GAP * np.median(stop_s - start_s)
    new = np.concatenate([[False], (np.diff(even) > 0) | apart])
    return np.asarray(np.cumsum(new), dtype=np.int64)


def _expected(smoothed: Smoothed, states: Floats, some: slice) -> Floats:
    """Expected counts of some neighbouring spectra together, at their mean state; (bins,).

    Within the counting error of its monitor each sets its own beam.
    """
    campaign, spectra = smoothed.campaign, smoothed.campaign.spectra
    weight = spectra.live_s[some] / max(float(spectra.live_s[some].sum()), 1e-9)
    setting = Setting(
        exposure=1.0, live_s=1.0, run_fraction=float(weight @ spectra.run_fraction[some]), cycle=1.0
    )
    shared, state = campaign.cell.whole(smoothed.track.shared, weight @ states[some])
    at = campaign.cell.forward.predict(shared, setting, state)
    mask = campaign.calibrated.mask
    background = at.components["background"][mask]
    particles = spectra.exposure[some, None] * (at.total[mask] - background)
    mean = np.maximum(particles + spectra.live_s[some, None] * background, _FEWEST)
    leaning = particles / mean
    push = np.sum(leaning * (spectra.counts[some] - mean), axis=1)
    pivot = np.sum(leaning * particles, axis=1) + spectra.beam_std[some] ** -2.0
    return np.asarray(np.sum(mean + particles * (push / pivot)[:, None], axis=0))


def _edges_kev(smoothed: Smoothed) -> Floats:
    """Energy edges of the fitted bins in the middle of the campaign."""
    cell, track = smoothed.campaign.cell, smoothed.track
    setting = Setting(exposure=1.0, live_s=1.0, run_fraction=0.5)
    edges = cell.forward.energies_kev(np.append(track.shared, 0.0), setting)
    return masked_edges(edges, smoothed.campaign.calibrated.mask)
