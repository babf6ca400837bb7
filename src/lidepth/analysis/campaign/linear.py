"""The response along a campaign: exact at anchors, and what each spectrum then says of its state.

The forward model is carried through exactly at a few anchors of every half cycle.  Between two of
them expected counts are interpolated to third order (values and slopes of both), slopes linearly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

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
_CHUNK = 64  # anchors held in memory at a time


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
        for between, begin, end in self._stretches(shared, states[self._rows], None):
            for k in between:
                w, mean, near = self._between(k, begin, end)
                slopes = self._scale(k)[:n] * (
                    (1.0 - w) * begin.slopes[:, :n] + w * end.slopes[:, :n]
                )
                yield k, mean + slopes @ (states[k] - near), slopes[:, FLUX]

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
        for between, begin, end in self._stretches(shared, states, tell):
            cross = self._cross(begin, end)
            for k in between:
                seen, both, deviance[k] = self._one(k, begin, end, cross, shared)
                if apart:
                    evidence[k] = seen._replace(c=both[0], shared=both[1])
                    continue
                evidence[k] = seen
                c += both[0]
                gradient += both[1]
        return Linearised(
            evidence=tuple(evidence[k] for k in range(count)), c=c, gradient=gradient,
            deviance=deviance,
        )  # fmt: skip

    def _stretches(
        self, shared: Floats, states: Floats, tell: Callable[[float], None] | None
    ) -> Iterator[tuple[list[int], Anchor, Anchor]]:
        """Spectra that lie between two anchors, with these."""
        rows = self._rows
        number = np.searchsorted(self._place[rows], self._place, side="right")
        number = np.clip(number, min(1, rows.size - 1), rows.size - 1)
        order = np.argsort(number, kind="stable")
        limits = np.searchsorted(number[order], np.arange(rows.size + 1))
        before: Anchor | None = None
        for i, anchor in enumerate(self._anchors(shared, states)):
            if tell is not None:
                tell(i / rows.size)
            between = order[limits[i] : limits[i + 1]].tolist()
            if between:
                yield between, before or anchor, anchor
            before = anchor

    def _anchors(self, shared: Floats, states: Floats) -> Iterator[Anchor]:
        """All anchors in order, some ahead."""
        # The matrices are small: threads of the linear algebra would only be in each other's way.
        with threadpool_limits(limits=1), ThreadPoolExecutor(2) as pool:
            for chunk in range(0, self._rows.size, _CHUNK):
                part = range(chunk, min(chunk + _CHUNK, self._rows.size))
                yield from pool.map(
                    lambda i: self.anchor(int(self._rows[i]), shared, states[i]), part
                )

    def _one(
        self, k: int, begin: Anchor, end: Anchor, cross: Floats, shared: Floats
    ) -> tuple[Evidence, tuple[Floats, Floats], float]:
        """Evidence of one spectrum, its part about the shared parameters, and its deviance."""
        n, s = self._cell.size, self._spectra
        w, expected, state = self._between(k, begin, end)
        counts, mean = s.counts[k], expected + BARE
        miss = counts / mean - 1.0
        scale = self._scale(k)
        score = scale * ((1.0 - w) * (miss @ begin.slopes) + w * (miss @ end.slopes))
        normal = (1.0 - w) ** 2 * begin.normal + w**2 * end.normal + w * (1.0 - w) * cross
        normal *= scale[:, None] * (scale / s.exposure[k])
        found = free_beam(normal, score, float(s.beam_std[k]))
        reference = np.concatenate([state, shared])
        linear = score + normal @ reference
        # Copies: a view would keep the whole matrix of every spectrum.
        a, b, c = normal[:n, :n].copy(), normal[:n, n:].copy(), normal[n:, n:].copy()
        constant = float(0.5 * reference @ normal @ reference + score @ reference) - found
        misfit = 2.0 * half_deviance(counts, mean)
        seen = Evidence(a=a, b=b, state=linear[:n], constant=constant + 0.5 * misfit)
        return seen, (c, linear[n:]), misfit

    def _cross(self, begin: Anchor, end: Anchor) -> Floats:
        """Information that slopes of two anchors share, both ways; (n + p, n + p).

        Interpolating the information itself would fill in what neither end can tell apart.
        """
        mean = 0.5 * (begin.counts + end.counts).sum(axis=0) + self._bare
        product = (begin.slopes / mean[:, None]).T @ end.slopes
        return np.asarray(product + product.T)

    def _scale(self, k: int) -> Floats:
        """What a spectrum's exposure makes of slopes per second; (n + p,)."""
        scale = np.full(self._cell.size + self._cell.shared, self._spectra.exposure[k])
        scale[self._live_columns] = self._spectra.live_s[k]
        return scale

    def _between(self, k: int, begin: Anchor, end: Anchor) -> tuple[float, Floats, Floats]:
        """How near spectrum ``k`` is to ``end``, its expected counts (bins,) and state (n,)."""
        n, s = self._cell.size, self._spectra
        length = end.place - begin.place
        w = 0.0 if length <= 0 else float(np.clip((self._place[k] - begin.place) / length, 0, 1))
        counts = (1.0 - w) * begin.counts + w * end.counts
        way, rise = end.state - begin.state, end.counts[0] - begin.counts[0]
        ahead, back = begin.slopes[:, :n] @ way - rise, end.slopes[:, :n] @ way - rise
        bend = w * (1.0 - w) * ((1.0 - w) * ahead - w * back)  # Hermite's cubic
        expected = s.exposure[k] * (counts[0] + bend) + s.live_s[k] * counts[1]
        return w, expected, (1.0 - w) * begin.state + w * end.state


def free_beam(normal: Floats, score: Floats, beam_std: float) -> float:
    """Let one spectrum's beam differ from the monitor by the monitor's own counting error.

    Changes both in place; returns by how much the fit gets better.
    """
    column, push = normal[:, FLUX].copy(), float(score[FLUX])
    pivot = column[FLUX] + beam_std**-2.0
    score -= column * push / pivot
    normal -= np.outer(column, column) / pivot
    return float(0.5 * push**2 / pivot)


def half_deviance(counts: Floats, expected: Floats) -> float:
    """Half the Poisson deviance."""
    ratio = np.where(counts > 0, counts / expected, 1.0)
    return float(np.sum(expected - counts + counts * np.log(ratio)))
