"""Energy scales, of the experiment file and of spectrum files, that contradict the edges."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis.edges import ExpectedEdges
from lidepth.analysis.scale import edges_of
from lidepth.model.check import Landmark, ScaleDoubt
from lidepth.model.result import Run
from lidepth.model.spectra import SpectrumSeries
from lidepth.physics.stopping import StoppingSource

Floats = NDArray[np.float64]

_DOUBT_SIGMA = 5.0
_CLAIM_KEV = 2.0


def doubt_scale(
    run: Run,
    source: StoppingSource,
    *,
    offset_kev: float | None = None,
    gain_kev: float | None = None,
    name: str = "the energy scale of the experiment file",
    found: tuple[ExpectedEdges, tuple[Landmark, ...]] | None = None,
) -> ScaleDoubt | None:
    """Compare the edges of the reference spectra with those that the stack allows.

    With the scale given, or that of the instrument.  Thicknesses and stopping may err within
    their uncertainties, which move alphas and tritons together; what they cannot explain is held
    against the scale.  None where no edge can be seen.
    """
    nominal = run.instrument.calibration
    offset = nominal.offset_kev if offset_kev is None else offset_kev
    gain = nominal.gain_kev if gain_kev is None else gain_kev
    expected, marks = found or edges_of(run, source)
    seen = [i for i, mark in enumerate(marks) if np.isfinite(mark.channel)]
    if not seen:
        return None
    channel = np.array([marks[i].channel for i in seen])
    error = np.array([marks[i].channel_std for i in seen])
    shown = offset + gain * channel
    away = shown - expected.energy_kev[seen]
    covariance = expected.covariance[np.ix_(seen, seen)]
    # An edge found where its plateau bends is off by a fraction of its width; a scale may be off
    # by what calibrations are known to.
    own = np.square(gain * error) + np.square(0.25 * expected.width_kev[seen])
    claim = nominal.covariance
    lever = np.stack([np.ones_like(channel), channel], axis=1)
    covariance = covariance + np.diag(own) + lever @ claim @ lever.T
    chi2 = float(away @ np.linalg.solve(covariance, away))
    from scipy import stats

    chance = float(stats.chi2.sf(chi2, len(seen)))
    sigma = float(stats.norm.isf(max(0.5 * chance, 1e-300)))
    std = np.sqrt(np.diag(covariance))
    labels = tuple(marks[i].label for i in seen)
    listed = ", ".join(
        f"{label} {miss:+.0f} +- {one:.0f} keV"
        for label, miss, one in zip(labels, away, std, strict=True)
    )
    doubtful = sigma > _DOUBT_SIGMA
    words = (
        f"{name} ({offset:g} keV, {gain:g} keV per channel) "
        + ("contradicts" if doubtful else "agrees with")
        + f" the edges of the spectrum ({sigma:.1f} standard deviations): {listed} from where the "
        "stack as described puts them"
    )
    return ScaleDoubt(
        labels=labels, distance_kev=away, std_kev=std, sigma=sigma, doubtful=doubtful, words=words
    )


def claims(series: SpectrumSeries) -> tuple[Floats, NDArray[np.int64]]:
    """The different energy scales that files claim (k, 2), and the number of each file's; (n,).

    -1 where a file claims none.
    """
    scale = series.claimed_scale
    known = np.isfinite(scale).all(axis=1)
    number = np.full(len(series), -1, dtype=np.int64)
    if not known.any():
        return np.zeros((0, 2)), number
    kinds, inverse = np.unique(scale[known], axis=0, return_inverse=True)
    number[known] = inverse.reshape(-1)
    return kinds, number


def claims_apart_kev(first: Floats, second: Floats, channels: int) -> float:
    """The largest distance between two claimed scales over the channels, in keV."""
    ends = np.array([0.0, float(channels)])
    return float(np.max(np.abs((first[0] - second[0]) + (first[1] - second[1]) * ends)))


def doubtful_claims(
    run: Run,
    source: StoppingSource,
    found: tuple[ExpectedEdges, tuple[Landmark, ...]] | None = None,
) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """Spectra whose file claims a scale that its lines or the other files contradict; (n,).

    With one sentence for each claim doubted.
    """
    series = run.series
    kinds, number = claims(series)
    doubtful = np.zeros(len(series), dtype=bool)
    notes: list[str] = []
    if not len(kinds):
        return doubtful, ()
    usual = kinds[np.argmax(np.bincount(number[number >= 0]))]
    for k, (offset, gain) in enumerate(kinds.tolist()):
        rows = number == k
        name = f"the scale that {rows.sum()} files claim"
        apart = claims_apart_kev(kinds[k], usual, series.channels)
        if apart > _CLAIM_KEV:
            doubtful |= rows
            notes.append(
                f"{name} ({offset:g} keV, {gain:g} keV per channel) is not that of the others "
                f"({usual[0]:g} keV, {usual[1]:g} keV per channel): up to {apart:.0f} keV apart"
            )
        if not gain > 0:
            doubtful |= rows
            notes.append(f"{name} has a gain of {gain:g} keV per channel, which cannot be")
            continue
        verdict = doubt_scale(run, source, offset_kev=offset, gain_kev=gain, name=name, found=found)
        if verdict is not None and verdict.doubtful:
            doubtful |= rows
            notes.append(verdict.words)
    return doubtful, tuple(notes)
