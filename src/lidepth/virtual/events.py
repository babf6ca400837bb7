"""Events: where each particle was born, with what energy it arrives, in which channel it ends."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lidepth.virtual.history import History
from lidepth.virtual.plan import CampaignPlan
from lidepth.virtual.transit import BIRTH_KEV, Exit, Passage, StoppingPowers

Floats = NDArray[np.float64]
PARTICLES = tuple(BIRTH_KEV)


@dataclass(frozen=True, kw_only=True)
class Variation:
    """What differs from event to event: exit angle (deg) and outer thickness (relative).

    The way out is computed at the nodes and read linearly in between.
    """

    angle_deg: Floats
    cover_scale: Floats

    @classmethod
    def of(cls, plan: CampaignPlan) -> Variation:
        """Nodes that span three standard deviations of either, one node if nothing varies."""
        angle, spread = plan.instrument.exit_angle_deg, plan.instrument.exit_angle_spread_deg
        rough = plan.counting.roughness_nm / plan.stack.layers[0].thickness_nm
        low, high = max(0.0, angle - 3 * spread), min(85.0, angle + 3 * spread)
        angles = np.linspace(low, high, 9) if spread > 0 else np.array([angle])
        scales = np.linspace(max(0.0, 1 - 3 * rough), 1 + 3 * rough, 7) if rough > 0 else np.ones(1)
        return cls(angle_deg=angles, cover_scale=scales)

    def draw(
        self, plan: CampaignPlan, rng: np.random.Generator, n: int
    ) -> list[list[tuple[int, Floats | float]]]:
        """For every axis the two nodes beside each of ``n`` events, with their weights."""
        instrument = plan.instrument
        rough = plan.counting.roughness_nm / plan.stack.layers[0].thickness_nm
        return [
            _beside(self.angle_deg, instrument.exit_angle_deg, instrument.exit_angle_spread_deg,
                    rng, n),
            _beside(self.cover_scale, 1.0, rough, rng, n),
        ]  # fmt: skip


def _beside(
    nodes: Floats, mean: float, std: float, rng: np.random.Generator, n: int
) -> list[tuple[int, Floats | float]]:
    if nodes.size == 1:
        return [(0, 1.0)]
    value = np.clip(np.abs(rng.normal(mean, std, n)), nodes[0], nodes[-1])
    place = (value - nodes[0]) / (nodes[1] - nodes[0])
    return [(k, np.maximum(0.0, 1.0 - np.abs(place - k))) for k in range(nodes.size)]


@dataclass(frozen=True, kw_only=True)
class Lookup:
    """Exit energies and widths of one particle; arrays (angles, scales, edges, states)."""

    energy_kev: Floats
    sigma_kev: Floats

    @classmethod
    def of(cls, passage: Passage, lithium: Floats, silicon: Floats, nodes: Variation) -> Lookup:
        """Compute the way out of every state at every node."""
        exits: list[list[Exit]] = [
            [passage.out(lithium, silicon, float(a), float(s)) for s in nodes.cover_scale]
            for a in nodes.angle_deg
        ]
        return cls(
            energy_kev=np.array([[e.energy_kev for e in row] for row in exits]),
            sigma_kev=np.array([[e.sigma_kev for e in row] for row in exits]),
        )

    def at(self, low: int, high: int, weight: float) -> tuple[Floats, Floats]:
        """Energy and width between two states; shape (angles, scales, edges) each."""
        energy = (1 - weight) * self.energy_kev[..., low] + weight * self.energy_kev[..., high]
        sigma = (1 - weight) * self.sigma_kev[..., low] + weight * self.sigma_kev[..., high]
        return energy, sigma


class Ways:
    """The ways out at a grid of states of charge; between two of them energies are linear.

    Between two nodes of the history the way out bends by less than 0.02 keV over the spacing of
    the grid.
    """

    spacing = 0.05  # of the lithium that one charge moves

    def __init__(self, history: History, source: StoppingPowers) -> None:
        self._history = history
        self.nodes = Variation.of(history.plan)
        self._passages = [Passage(name, history, source) for name in PARTICLES]
        self._first: list[int] = []  # index of the first grid state after each node
        rows: list[Floats] = []
        for before, after in itertools.pairwise(history.course.states):
            self._first.append(sum(map(len, rows)))
            rows.append(self._grid(before, after))
        self._sizes = [len(row) for row in rows]
        self._states = np.concatenate(rows)

    def _grid(self, before: Floats, after: Floats) -> Floats:
        moved = float(np.max(np.abs(after - before)[:3]))
        step = self.spacing * self._history.course.range_uah
        parts = max(math.ceil(moved / step), 1) if np.any(after != before) else 0
        share = np.linspace(0.0, 1.0, parts + 1)[:, None]
        grid: Floats = before + share * (after - before)
        return grid

    @cached_property
    def lookups(self) -> tuple[Lookup, ...]:
        """One per particle, all states."""
        lithium = self._history.lithium_1e15(self._states)
        silicon = self._history.silicon_1e15(self._states)
        return tuple(Lookup.of(p, lithium, silicon, self.nodes) for p in self._passages)

    def at(self, time_s: float) -> list[tuple[Floats, Floats]]:
        """For each particle energy and width at ``time_s``; shape (angles, scales, edges)."""
        history = self._history
        last = history.node_s.size - 2
        node = int(np.clip(np.searchsorted(history.node_s, time_s, "right") - 1, 0, last))
        start, stop = history.node_s[node], history.node_s[node + 1]
        parts = self._sizes[node] - 1
        place = parts * min(max((time_s - start) / (stop - start), 0.0), 1.0)
        low = min(int(place), max(parts - 1, 0))
        high = min(low + 1, parts)
        first = self._first[node]
        return [table.at(first + low, first + high, place - low) for table in self.lookups]


def arrivals_kev(
    counts: NDArray[np.int64], energy: Floats, sigma: Floats, nodes: Variation,
    plan: CampaignPlan, rng: np.random.Generator,
) -> Floats:  # fmt: skip
    """Detected energies of ``counts`` (cells,) particles, uniform within each cell.

    ``energy`` and ``sigma`` (angles, scales, edges) in keV; detector and tail are added here.
    Particles that stop on the way are left out.
    """
    n = int(counts.sum())
    cell = np.repeat(np.arange(counts.size), counts)
    inside = rng.random(n)
    mean, width = np.zeros(n), np.zeros(n)
    angle, scale = nodes.draw(plan, rng, n)
    for (i, wi), (j, wj) in itertools.product(angle, scale):
        e, s = energy[i, j], sigma[i, j]
        weight = np.multiply(wi, wj)
        mean += weight * (e.take(cell) + inside * np.diff(e).take(cell))
        width += weight * (s.take(cell) + inside * np.diff(s).take(cell))
    detector = plan.instrument.detector.sigma_kev
    seen = mean + np.hypot(width, detector) * rng.standard_normal(n)
    if plan.counting.tail_fraction > 0:
        hit = rng.random(n) < plan.counting.tail_fraction
        seen[hit] -= rng.exponential(plan.counting.tail_kev, int(hit.sum()))
    return seen[mean > 0.0]


def background_kev(
    plan: CampaignPlan, beam_s: float, live_s: float, rng: np.random.Generator
) -> Floats:
    """Energies of background events of ``beam_s`` at nominal flux and ``live_s`` in all."""
    counting = plan.counting
    top = top_kev(plan)
    low = counting.threshold_kev
    slope = slope_cps(plan)
    falling = low + rng.exponential(counting.background_kev, rng.poisson(slope * beam_s))
    flat = counting.background_flat * max(top - low, 0.0) * beam_s + counting.dark_cps * live_s
    return np.concatenate([falling, rng.uniform(low, max(top, low), rng.poisson(flat))])


def background_cps(plan: CampaignPlan) -> float:
    """Background counts per second at nominal flux."""
    counting = plan.counting
    flat = counting.background_flat * max(top_kev(plan) - counting.threshold_kev, 0.0)
    return slope_cps(plan) + flat


def slope_cps(plan: CampaignPlan) -> float:
    """Falling part of the background above the discriminator, per second at nominal flux."""
    counting = plan.counting
    decay = math.exp(-(counting.threshold_kev - 300.0) / counting.background_kev)
    return counting.background_slope * counting.background_kev * decay


def top_kev(plan: CampaignPlan) -> float:
    """Upper end of the energy axis, in keV."""
    scale = plan.instrument.calibration
    return scale.offset_kev + scale.gain_kev * plan.counting.channels
