"""Expected spectra of a virtual cell: what the events of :mod:`lidepth.virtual.events` average to.

For studies of many draws of one state: a Poisson number per channel then stands for a spectrum
that would otherwise be made particle by particle.  Same ways out, same channels, no events.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.signal import lfilter
from scipy.special import erf, ndtri

from lidepth.virtual.events import PARTICLES, Lookup, Variation, slope_cps, top_kev
from lidepth.virtual.history import History
from lidepth.virtual.plan import CampaignPlan
from lidepth.virtual.spectra import rates_cps
from lidepth.virtual.transit import Passage, StoppingPowers

Floats = NDArray[np.float64]

_QUANTILES = 24  # of a normal distribution: they keep its width to 1.5 %
_PIECES = 4  # per channel, where a tail is folded in: a fortieth of the tail's length
_NARROW_KEV = 1e-6  # no cell is thinner, not even one whose particles all stop


@dataclass(frozen=True, kw_only=True)
class ExpectedSpectra:
    """Mean counts per second of live time, in n states of the cell.

    ``beam_cps`` (n, channels) at nominal flux, background of the beam included; ``dark_cps``
    (channels,) without beam.
    """

    beam_cps: Floats
    dark_cps: Floats

    def counts(self, live_s: ArrayLike, *, beam: ArrayLike = 1.0) -> Floats:
        """Expected counts (n, channels) in ``live_s`` at a flux of ``beam`` times nominal."""
        live, flux = (np.asarray(x, dtype=np.float64)[..., None] for x in (live_s, beam))
        return np.asarray(live * (flux * self.beam_cps + self.dark_cps))


def expected_spectra(
    history: History, states: ArrayLike, source: StoppingPowers, *, elapsed: float = 0.0
) -> ExpectedSpectra:
    """Spectra to be expected of the cell of ``history`` in the states (n, k).

    Of a cell that is told, a state is its contents as in :class:`~lidepth.virtual.story.Contents`,
    whether the history passes through them or not; of a recorded one, see ``History.states``.
    ``elapsed`` is the fraction of the campaign that is over, for drifts.
    """
    plan = history.plan
    rows = np.atleast_2d(np.asarray(states, dtype=np.float64))
    lithium, silicon = history.lithium_1e15(rows), history.silicon_1e15(rows)
    rates, nodes = rates_cps(history, rows), Variation.of(plan)
    edges = _edges_kev(plan, elapsed)
    background, dark = _background_cps(plan, edges)
    cps = np.tile(background, (len(rows), 1))
    for name in PARTICLES:
        ways = Lookup.of(Passage(name, history, source), lithium, silicon, nodes)
        for angle, scale, share in _blends(plan, nodes):
            energy = np.einsum("a,s,asek->ek", angle, scale, ways.energy_kev)
            sigma = np.einsum("a,s,asek->ek", angle, scale, ways.sigma_kev)
            for k, rate in enumerate(rates):
                cps[k] += _binned(plan, edges, energy[:, k], sigma[:, k], share * rate)
    return ExpectedSpectra(beam_cps=cps, dark_cps=dark)


def _edges_kev(plan: CampaignPlan, elapsed: float) -> Floats:
    """Channel edges in keV; (channels + 1,)."""
    counting, scale = plan.counting, plan.instrument.calibration
    offset = scale.offset_kev + counting.offset_drift_kev * elapsed
    gain = scale.gain_kev * (1.0 + counting.gain_drift * elapsed)
    return np.asarray(offset + gain * np.arange(counting.channels + 1))


def _blends(plan: CampaignPlan, nodes: Variation) -> Iterator[tuple[Floats, Floats, float]]:
    """Weights of the nodes of angle and thickness, and the share of events that see them."""
    instrument, counting = plan.instrument, plan.counting
    rough = counting.roughness_nm / plan.stack.layers[0].thickness_nm
    angles = _hats(nodes.angle_deg, instrument.exit_angle_deg, instrument.exit_angle_spread_deg)
    scales = _hats(nodes.cover_scale, 1.0, rough)
    for angle in angles:
        for scale in scales:
            yield angle, scale, 1.0 / (len(angles) * len(scales))


def _hats(nodes: Floats, mean: float, std: float) -> Floats:
    """Linear weights of the nodes at equally likely values; shape (values, nodes)."""
    if nodes.size == 1:
        return np.ones((1, 1))
    middle = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
    value = np.clip(np.abs(mean + std * ndtri(middle)), nodes[0], nodes[-1])
    place = (value - nodes[0]) / (nodes[1] - nodes[0])
    return np.asarray(np.maximum(0.0, 1.0 - np.abs(place[:, None] - np.arange(nodes.size))))


def _binned(
    plan: CampaignPlan, edges: Floats, energy: Floats, sigma: Floats, rate: Floats
) -> Floats:
    """Counts per second and channel of one kind of particle; (channels,).

    ``energy`` and ``sigma`` at the cells' edges; ``rate`` (cells,).
    """
    counting = plan.counting
    if counting.tail_fraction == 0.0:
        seen = np.maximum(edges, counting.threshold_kev)
        return np.diff(_below(plan, seen, energy, sigma, rate))
    step = float(edges[1] - edges[0]) / _PIECES
    # Far enough up that hardly anything comes down from above.
    count = _PIECES * (edges.size - 1) + int(10.0 * counting.tail_kev / step)
    fine = edges[0] + step * np.arange(count + 1)
    plain = np.diff(_below(plan, fine, energy, sigma, rate))
    fraction = counting.tail_fraction
    mixed = (1.0 - fraction) * plain + fraction * _tailed(plain, step / counting.tail_kev)
    mixed[fine[1:] <= counting.threshold_kev] = 0.0
    return np.asarray(mixed[: _PIECES * (edges.size - 1)].reshape(-1, _PIECES).sum(axis=1))


def _tailed(plain: Floats, step: float) -> Floats:
    """Fold pieces (n,) of a histogram with an exponential to lower energies.

    ``step`` is the width of a piece in units of the tail's length.
    """
    stay = np.exp(-step)
    # Counts are even within a piece: this share of them leaves it, ever fewer for each piece down.
    out = (1.0 - stay) / step
    tail = (1.0 - out) * plain
    tail[:-1] += out * lfilter([1.0 - stay], [1.0, -stay], plain[:0:-1])[::-1]
    return np.asarray(tail)


def _below(
    plan: CampaignPlan, edges: Floats, energy: Floats, sigma: Floats, rate: Floats
) -> Floats:
    """Particles per second detected below each of ``edges``: boxes folded with normals."""
    high, low = np.maximum(energy[:-1], energy[1:]), np.minimum(energy[:-1], energy[1:])
    low = np.minimum(low, high - _NARROW_KEV)
    width = np.hypot(0.5 * (sigma[:-1] + sigma[1:]), plan.instrument.detector.sigma_kev)
    born = np.where(high > 0.0, rate, 0.0)
    share = (_ramp(edges[:, None] - low, width) - _ramp(edges[:, None] - high, width)) / (
        high - low
    )
    return np.asarray(share @ born)


def _ramp(x: Floats, sigma: Floats) -> Floats:
    """Integral of the normal distribution function of width ``sigma`` up to ``x``."""
    z = x / sigma
    bell = np.exp(-0.5 * z**2) / np.sqrt(2.0 * np.pi)
    return np.asarray(sigma * (z * 0.5 * (1.0 + erf(z / np.sqrt(2.0))) + bell))


def _background_cps(plan: CampaignPlan, edges: Floats) -> tuple[Floats, Floats]:
    """Background with the beam at nominal flux, and without beam; (channels,) each."""
    counting, top = plan.counting, top_kev(plan)
    low = counting.threshold_kev
    edges = np.maximum(edges, low)
    falling = -np.diff(np.exp(-(edges - low) / counting.background_kev)) * slope_cps(plan)
    even = np.diff(np.minimum(edges, max(top, low)))
    dark = counting.dark_cps * even / max(top - low, 1e-9)
    return np.asarray(falling + counting.background_flat * even), np.asarray(dark)
