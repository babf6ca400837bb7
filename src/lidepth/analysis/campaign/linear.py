"""The response along a campaign: exact at anchors, and what each spectrum then says of its state.

The forward model is carried through exactly at a few anchors of every half cycle.  Between two of
them expected counts are interpolated to third order (values and slopes of both), slopes linearly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis.calibrate import Calibrated
from lidepth.analysis.campaign.anchoring import Anchoring
from lidepth.analysis.campaign.cellstate import BACK, FLUX, CellModel
from lidepth.analysis.campaign.chain import Evidence
from lidepth.analysis.campaign.timetable import Moments
from lidepth.analysis.forward import Setting
from lidepth.analysis.reduce import Reduction, drift_track, rebin, rebin_rows
from lidepth.analysis.scale import corrected_sum
from lidepth.model.cycling import StateSpectrum
from lidepth.model.result import Run
from lidepth.model.spectra import Quality

Floats = NDArray[np.float64]

BARE = 1e-3  # counts added to every expected bin: one stray count must not be impossible
_BACKGROUND = ("background", "back_length", "flat")
_AT_ONCE = 24  # spectra: what they say fits a cache


@dataclass(frozen=True, kw_only=True)
class Spectra:
    """The measured side of a campaign: counts in the fit's bins and how they were taken.

    ``counts`` (k, bins) of the masked bins; ``exposure`` (k,) s of pristine beam, by the monitor
    where there is one; ``live_s`` (k,); ``beam_std`` (k,) relative error of each exposure by
    itself; ``run_fraction`` (k,) time as a fraction of the run.
    """

    counts: Floats
    exposure: Floats
    live_s: Floats
    beam_std: Floats
    run_fraction: Floats


_UNMONITORED = 0.03  # how a reactor's beam flickers between spectra that have no monitor


def spectra_of(run: Run, reduction: Reduction, calibrated: Calibrated, moments: Moments) -> Spectra:
    """Rebin each spectrum; those flagged for a drift are brought to the pristine scale."""
    series, rows = run.series, moments.rows
    counts = rebin_rows(series.counts, rows, calibrated.per_bin)
    track = drift_track(run)
    if track is not None:
        for k in np.flatnonzero(series.flags[rows] & int(Quality.GAIN_DRIFT)):
            counts[k] = rebin(corrected_sum(run, track, rows[k : k + 1]), calibrated.per_bin)
    live, real = series.live_s[rows], series.real_s[rows]
    exposure, std = _exposure(run, reduction.pristine, rows)
    last = max(float(moments.time_s[-1]), 1.0)
    return Spectra(
        counts=counts[:, calibrated.mask], exposure=np.where(np.isfinite(exposure), exposure, live),
        live_s=np.minimum(live, real), beam_std=std, run_fraction=moments.time_s / last,
    )  # fmt: skip


def _exposure(run: Run, pristine: StateSpectrum, rows: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Exposure by the monitor (NaN without), and how sure each is by itself."""
    series = run.series
    live, real = series.live_s[rows], series.real_s[rows]
    monitor = series.monitor[rows] * live / np.where(real > 0, real, 1.0)
    stuck = (series.flags[rows] & int(Quality.MONITOR_STUCK)) != 0
    known = np.isfinite(monitor) & (monitor > 0) & ~stuck & (pristine.monitor > 0)
    rate = pristine.monitor / pristine.live_s if pristine.monitor > 0 else 1.0
    exposure = np.where(known, monitor / rate, np.nan)
    return exposure, np.where(known, 1.0 / np.sqrt(np.where(known, monitor, 1.0)), _UNMONITORED)


class Anchor(NamedTuple):
    """The model at one state: per second of pristine beam and of live time.

    ``place`` along the campaign; ``state`` (n,); ``counts`` (2, bins): particles and background;
    ``slopes`` (bins, n + p); ``normal`` (n + p, n + p) their Fisher information.
    """

    place: float
    state: Floats
    counts: Floats
    slopes: Floats
    normal: Floats


@dataclass(frozen=True, kw_only=True)
class Linearised:
    """What all spectra say, linear about a reference: ``evidence`` one per spectrum.

    ``c`` (p, p) and ``gradient`` (p,) what they say of the shared parameters alone, added up;
    ``deviance`` (k,) of each spectrum at the reference.
    """

    evidence: tuple[Evidence, ...]
    c: Floats
    gradient: Floats
    deviance: Floats


class Linearisation:
    """Turns spectra into evidence about states and shared parameters."""

    def __init__(
        self, cell: CellModel, mask: NDArray[np.bool_], anchoring: Anchoring, spectra: Spectra
    ) -> None:
        self._cell, self._mask = cell, mask
        self._rows, self._place, self._spectra = anchoring.rows, anchoring.place, spectra
        self._live_columns = [BACK, *(cell.size + cell.place(name) for name in _BACKGROUND)]
        self._bare = BARE / max(float(np.median(spectra.exposure)), 1e-9)

    def anchor(self, k: int, shared: Floats, state: Floats) -> Anchor:
        """Carry the model through at the state of spectrum ``k``."""
        setting = Setting(
            exposure=1.0, live_s=1.0, run_fraction=float(self._spectra.run_fraction[k]), cycle=1.0
        )
        _, mine, theirs, particles = self._cell.linearised(shared, setting, state)
        mask = self._mask
        counts = np.stack([particles, mine[:, BACK]])[:, mask]
        slopes = np.hstack([mine, theirs])[mask]
        weighted = slopes / (counts.sum(axis=0) + self._bare)[:, None]
        return Anchor(
            place=float(self._place[k]), state=state, counts=counts, slopes=slopes,
            normal=weighted.T @ slopes,
        )  # fmt: skip

    def means(self, shared: Floats, states: Floats) -> Iterator[tuple[int, Floats, Floats]]:
        """Number of a spectrum, its expected counts (bins,) and their slope by its beam.

        ``states`` (k, n) of all spectra, which come in any order.
        """
        n = self._cell.size
        for rows, begin, end in self._stretches(shared, states[self._rows], None):
            w, expected, near = self._between(rows, begin, end)
            for k, share, mean, off in zip(rows, w, expected, states[rows] - near, strict=True):
                slopes = (1.0 - share) * begin.slopes[:, :n] + share * end.slopes[:, :n]
                slopes = slopes * self._scale(k)[:n]
                yield int(k), mean + slopes @ off, slopes[:, FLUX]

    def all(
        self, shared: Floats, states: Floats, tell: Callable[[float], None] | None = None, *,
        apart: bool = False,
    ) -> Linearised:  # fmt: skip
        """Evidence of every spectrum about ``states`` (anchors, n).

        ``apart``: what each says of the shared parameters alone stays with it, not in the sum.
        """
        p, count = self._cell.shared, self._place.size
        evidence: dict[int, Evidence] = {}
        c, gradient, deviance = np.zeros((p, p)), np.zeros(p), np.zeros(count)
        for rows, begin, end in self._stretches(shared, states, tell):
            cross = self._cross(begin, end)
            for some in np.split(rows, range(_AT_ONCE, rows.size, _AT_ONCE)):
                found = self._told(some, begin, end, cross, shared)
                deviance[some] = found.deviance
                for i, k in enumerate(some.tolist()):
                    evidence[k] = found.evidence(i, self._cell.size, apart=apart)
                if not apart:
                    c += found.normal[:, -p:, -p:].sum(axis=0)
                    gradient += found.linear[:, -p:].sum(axis=0)
        return Linearised(
            evidence=tuple(evidence[k] for k in range(count)), c=c, gradient=gradient,
            deviance=deviance,
        )  # fmt: skip

    def _stretches(
        self, shared: Floats, states: Floats, tell: Callable[[float], None] | None
    ) -> Iterator[tuple[NDArray[np.int64], Anchor, Anchor]]:
        """Spectra that lie between two anchors, with these."""
        rows = self._rows
        number = np.searchsorted(self._place[rows], self._place, side="right")
        number = np.clip(number, min(1, rows.size - 1), rows.size - 1)
        order = np.argsort(number, kind="stable")
        limits = np.searchsorted(number[order], np.arange(rows.size + 1))
        before: Anchor | None = None
        for i, k in enumerate(rows.tolist()):
            anchor = self.anchor(k, shared, states[i])
            if tell is not None:
                tell(i / rows.size)
            between = order[limits[i] : limits[i + 1]]
            if between.size:
                yield between, before or anchor, anchor
            before = anchor

    def _told(
        self, rows: NDArray[np.int64], begin: Anchor, end: Anchor, cross: Floats, shared: Floats
    ) -> _Told:
        """What the spectra ``rows`` (m,) between two anchors say."""
        s = self._spectra
        w, expected, states = self._between(rows, begin, end)
        counts, mean = s.counts[rows], expected + BARE
        miss = counts / mean - 1.0
        scale = self._scale(rows)
        score = (1.0 - w)[:, None] * (miss @ begin.slopes) + w[:, None] * (miss @ end.slopes)
        score *= scale
        w = w[:, None, None]
        normal = (1.0 - w) ** 2 * begin.normal + w**2 * end.normal + w * (1.0 - w) * cross
        normal *= scale[:, :, None]
        normal *= (scale / s.exposure[rows, None])[:, None, :]
        found = free_beam(normal, score, s.beam_std[rows])
        reference = np.hstack([states, np.broadcast_to(shared, (rows.size, shared.size))])
        pull = np.einsum("kij,kj->ki", normal, reference)
        constant = np.einsum("ki,ki->k", reference, 0.5 * pull + score) - found
        misfit = half_deviance(counts, mean)
        return _Told(
            normal=normal, linear=score + pull, constant=constant + misfit, deviance=2.0 * misfit
        )

    def _cross(self, begin: Anchor, end: Anchor) -> Floats:
        """Information that slopes of two anchors share, both ways; (n + p, n + p).

        Interpolating the information itself would fill in what neither end can tell apart.
        """
        mean = 0.5 * (begin.counts + end.counts).sum(axis=0) + self._bare
        product = (begin.slopes / mean[:, None]).T @ end.slopes
        return np.asarray(product + product.T)

    def _scale(self, rows: NDArray[np.int64]) -> Floats:
        """What exposures make of slopes per second; (..., n + p) for one row or some."""
        exposure, live = self._spectra.exposure[rows], self._spectra.live_s[rows]
        scale = np.repeat(exposure[..., None], self._cell.size + self._cell.shared, axis=-1)
        scale[..., self._live_columns] = live[..., None]
        return scale

    def _between(
        self, rows: NDArray[np.int64], begin: Anchor, end: Anchor
    ) -> tuple[Floats, Floats, Floats]:
        """How near spectra are to ``end`` (m,), expected counts (m, bins) and states (m, n)."""
        n, s = self._cell.size, self._spectra
        length = end.place - begin.place
        near = (self._place[rows] - begin.place) / length if length > 0 else np.zeros(rows.size)
        w = np.clip(near, 0.0, 1.0)
        b = w[:, None]
        way, rise = end.state - begin.state, end.counts[0] - begin.counts[0]
        ahead, back = begin.slopes[:, :n] @ way - rise, end.slopes[:, :n] @ way - rise
        bend = b * (1.0 - b) * ((1.0 - b) * ahead - b * back)  # Hermite's cubic
        expected = s.exposure[rows, None] * ((1.0 - b) * begin.counts[0] + b * end.counts[0] + bend)
        expected += s.live_s[rows, None] * ((1.0 - b) * begin.counts[1] + b * end.counts[1])
        return w, expected, (1.0 - b) * begin.state + b * end.state


class _Told(NamedTuple):
    """What m spectra say of state and shared parameters together, quadratic about nothing.

    ``normal`` (m, n + p, n + p), ``linear`` (m, n + p), ``constant`` and ``deviance`` (m,).
    """

    normal: Floats
    linear: Floats
    constant: Floats
    deviance: Floats

    def evidence(self, i: int, n: int, *, apart: bool) -> Evidence:
        """The part of one spectrum about its state, and with ``apart`` all of it."""
        # Copies: a view would keep the whole matrix of every spectrum.
        own = Evidence(
            a=self.normal[i, :n, :n].copy(), b=self.normal[i, :n, n:].copy(),
            state=self.linear[i, :n].copy(), constant=float(self.constant[i]),
        )  # fmt: skip
        if not apart:
            return own
        return own._replace(c=self.normal[i, n:, n:].copy(), shared=self.linear[i, n:].copy())


def free_beam(normal: Floats, score: Floats, beam_std: Floats) -> Floats:
    """Let each spectrum's beam differ from the monitor by the monitor's own counting error.

    Changes ``normal`` (..., q, q) and ``score`` (..., q) in place; returns by how much the fit
    gets better, shape of ``beam_std``.
    """
    column, push = normal[..., FLUX].copy(), score[..., FLUX].copy()
    pivot = column[..., FLUX] + np.asarray(beam_std) ** -2.0
    score -= column * (push / pivot)[..., None]
    normal -= column[..., :, None] * (column / pivot[..., None])[..., None, :]
    return np.asarray(0.5 * push**2 / pivot)


def half_deviance(counts: Floats, expected: Floats) -> Floats:
    """Half the Poisson deviance, over the last axis."""
    ratio = np.where(counts > 0, counts / expected, 1.0)
    return np.asarray(np.sum(expected - counts + counts * np.log(ratio), axis=-1))
