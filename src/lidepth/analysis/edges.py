"""Edges of a spectrum: where physics puts them, and where they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lidepth.model.check import Landmark
from lidepth.model.instrument import Instrument
from lidepth.model.stack import Stack
from lidepth.physics.broadening import energy_widths
from lidepth.physics.reactions import reactions_of
from lidepth.physics.stopping import StoppingSource
from lidepth.physics.transport import stack_transport

Floats = NDArray[np.float64]

LOWEST_KEV = 280.0  # below, gamma rays and noise hide every edge
LAYER_STOPPING = 0.04  # what is believed of stopping powers, as in the inversion
PRODUCT_STOPPING = 0.02  # one particle against the other
_STEP = 0.02  # of a layer, for derivatives: edges bend by less than 1 % over it
_LEAST_STRENGTH = 5.0  # standard deviations of a step that is called an edge
_MAX_TABLE_KEV = 10_000.0


@dataclass(frozen=True, kw_only=True)
class ExpectedEdges:
    """Where the stack as described puts the edges.

    ``covariance`` (k, k) of their energies in keV^2: thicknesses and stopping, mostly common to
    all; ``width_kev`` (k,) of each, detector included; ``low_kev`` and ``high_kev`` bound every
    energy a particle can have.
    """

    landmarks: tuple[Landmark, ...]
    covariance: Floats
    width_kev: Floats
    blocks: tuple[tuple[float, float], ...]

    @property
    def energy_kev(self) -> Floats:
        """Expected energies; shape (k,)."""
        return np.array([mark.energy_kev for mark in self.landmarks])


def expected_edges(stack: Stack, instrument: Instrument, source: StoppingSource) -> ExpectedEdges:
    """Exit energies from the upper and the lower end of the layers that hold the isotope.

    Both particles of every branch-one reaction; edges below ``LOWEST_KEV`` are left out.
    """
    element = instrument.isotope.lstrip("0123456789")
    holding = [i for i, layer in enumerate(stack) if layer.element_1e15(element) > 0]
    if not holding:
        return ExpectedEdges(
            landmarks=(), covariance=np.zeros((0, 0)), width_kev=np.zeros(0), blocks=()
        )
    reaction = reactions_of(instrument.isotope)[0]
    ends = np.array([holding[0], holding[-1] + 1])
    deepest = Stack(layers=stack.layers[: holding[-1] + 1])
    relative = np.array([np.hypot(layer.thickness_rel_std, LAYER_STOPPING) for layer in deepest])
    marks, widths, slopes, own, blocks = [], [], [], [], []
    for product in (reaction.heavy, reaction.light):
        way = stack_transport(
            deepest, source, product.projectile, exit_angle_deg=instrument.exit_angle_deg,
            max_energy_kev=_MAX_TABLE_KEV,
        )  # fmt: skip
        layers = np.array(way.layers_1e15)
        birth = np.full(2, product.energy_kev)
        energy = way.exit_energy(way.interfaces_1e15[ends], birth)
        if not energy[0] > LOWEST_KEV:
            continue
        spread = energy_widths(
            way, deepest, product.projectile, depth_1e15=way.interfaces_1e15[ends],
            birth_energy_kev=product.energy_kev, angle_spread_deg=instrument.exit_angle_spread_deg,
        ).total_kev  # fmt: skip
        slope = np.empty((2, layers.size))
        for i in range(layers.size):
            moved = way.with_layers(np.where(np.arange(layers.size) == i, 1 + _STEP, 1.0) * layers)
            slope[:, i] = (moved.exit_energy(moved.interfaces_1e15[ends], birth) - energy) / _STEP
        blocks.append((float(max(energy[1], 0.0)), float(energy[0])))
        for place, edge in enumerate(("top", "bottom")):
            if energy[place] > LOWEST_KEV:
                marks.append(
                    Landmark(
                        particle=product.projectile.name, edge=edge,
                        energy_kev=float(energy[place]),
                    )
                )  # fmt: skip
                widths.append(np.hypot(spread[place], instrument.detector.sigma_kev))
                slopes.append(slope[place])
                own.append(PRODUCT_STOPPING * (product.energy_kev - energy[place]))
    lever = np.array(slopes).reshape(len(marks), len(deepest.layers)) * relative
    covariance = lever @ lever.T + np.diag(np.square(own)).reshape(len(marks), len(marks))
    return ExpectedEdges(
        landmarks=tuple(marks), covariance=covariance, width_kev=np.array(widths),
        blocks=tuple(blocks),
    )  # fmt: skip


def fit_edge(
    counts: Floats, start: Floats, *, width: float, half: float, top: bool, passes: int = 3
) -> tuple[Floats, Floats]:
    """Position of one edge in every row of ``counts`` (g, channels), in channels, and its error.

    Poisson fit of ``background + (height + slope x) Phi(x / width)`` within ``half`` channels of
    ``start`` (g,), ``width`` channels held; the window follows the edge ``passes`` times.  Channel
    c covers c to c + 1.  NaN where there is no edge: its step is not ``_LEAST_STRENGTH`` standard
    deviations high, or it runs out of the spectrum.
    """
    rows, channels = counts.shape
    half = max(float(half), 4.0)
    size = int(2 * half) + 1
    position = np.where(np.isfinite(start), start, -1.0)
    std = np.full(rows, np.nan)
    strong = np.zeros(rows, dtype=bool)
    for _ in range(passes):
        begin = np.round(position - half).astype(np.int64)
        inside = (begin >= 0) & (begin + size <= channels)
        begin = np.clip(begin, 0, max(channels - size, 0))
        columns = begin[:, None] + np.arange(min(size, channels))
        window = np.take_along_axis(counts, columns, axis=1)
        found, std, strong = _fit_steps(
            window, columns.astype(np.float64) + 0.5, position, width, half, top
        )
        position = np.where(inside, found, np.nan)
        strong &= inside & (np.abs(found - (begin + 0.5 * size)) < 1.5 * half)
        position = np.where(np.isfinite(position), position, -1.0)
    return np.where(strong, position, np.nan), np.where(strong, std, np.nan)


def _fit_steps(
    window: Floats, x: Floats, start: Floats, width: float, half: float, top: bool
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Fisher scoring of (background, height, slope, position), all rows at once."""
    from scipy.special import ndtr

    sign = -1.0 if top else 1.0
    third = max(window.shape[1] // 4, 1)
    outer = window[:, -third:] if top else window[:, :third]
    inner = window[:, :third] if top else window[:, -third:]
    background = np.maximum(outer.mean(axis=1), 0.02)
    height = np.maximum(inner.mean(axis=1) - background, 0.1)
    at = np.stack([background, height, np.zeros_like(height), start], axis=1)
    cov = np.zeros((at.shape[0], 4, 4))
    for _ in range(12):
        z = sign * (x - at[:, 3:]) / width
        step, bell = ndtr(z), np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi) / width
        arm = (x - at[:, 3:]) / half
        plateau = at[:, 1:2] + at[:, 2:3] * arm
        mean = np.maximum(at[:, :1] + plateau * step, 0.02)
        by = np.stack(
            [np.ones_like(step), step, arm * step,
             -sign * plateau * bell - at[:, 2:3] / half * step], axis=2,
        )  # fmt: skip
        weight = 1.0 / mean
        normal = np.einsum("gwi,gw,gwj->gij", by, weight, by)
        normal += np.eye(4) * (1e-9 * np.trace(normal, axis1=1, axis2=2)[:, None, None] + 1e-12)
        slope = np.einsum("gwi,gw->gi", by, weight * (window - mean))
        move = np.linalg.solve(normal, slope[..., None])[..., 0]
        move[:, 3] = np.clip(move[:, 3], -0.35 * half, 0.35 * half)
        at = at + move
        at[:, 0] = np.maximum(at[:, 0], 0.0)
        cov = np.linalg.inv(normal)
    strength = at[:, 1] / np.sqrt(np.maximum(cov[:, 1, 1], 1e-30))
    return at[:, 3], np.sqrt(np.maximum(cov[:, 3, 3], 0.0)), strength > _LEAST_STRENGTH


def find_edge(counts: Floats, expected: float, reach: float, *, width: float, top: bool) -> float:
    """Channel of the outermost steep step of ``counts`` within ``reach`` of ``expected``.

    A step is the mean over two widths on one side less that on the other; among the peaks of its
    height the outermost with a quarter of the greatest counts, for layers with less lithium lie
    further in or out.  NaN where no step is ``_LEAST_STRENGTH`` standard deviations high.
    """
    size = max(round(2.0 * width), 2)
    sums = np.concatenate([[0.0], np.cumsum(counts, dtype=np.float64)])
    places = np.arange(size, counts.size - size)
    places = places[np.abs(places - expected) <= reach]
    if places.size < 3:
        return float("nan")
    left = sums[places] - sums[places - size]
    right = sums[places + size] - sums[places]
    step = (left - right) if top else (right - left)
    strong = step > _LEAST_STRENGTH * np.sqrt(left + right + 1.0)
    beside = np.pad(step, 1, constant_values=-np.inf)
    peak = strong & (step >= beside[:-2]) & (step >= beside[2:])
    peak &= step >= 0.25 * float(step.max(initial=0.0))
    found = np.flatnonzero(peak)
    if not found.size:
        return float("nan")
    return float(places[found[-1] if top else found[0]])


def locate(
    counts: Floats,
    expected: ExpectedEdges,
    *,
    offset_kev: float,
    gain_kev: float,
    scale_std_kev: float,
) -> tuple[Landmark, ...]:
    """The expected edges with their place in ``counts`` (channels,), the surest first searched.

    What one edge says of the stack narrows the search for the next; ``scale_std_kev`` is how far
    off the energy scale may be.
    """
    order = np.argsort(np.diag(expected.covariance), kind="stable")
    belief = expected.covariance + scale_std_kev**2
    energy = expected.energy_kev
    found = list(expected.landmarks)
    for place in order.tolist():
        mark = expected.landmarks[place]
        width = float(expected.width_kev[place]) / gain_kev
        reach = 3.5 * float(np.sqrt(belief[place, place])) / gain_kev
        top = mark.edge == "top"
        start = find_edge(
            counts, (energy[place] - offset_kev) / gain_kev, reach, width=width, top=top
        )
        half = window_kev(expected, place) / gain_kev
        position, std = fit_edge(
            counts[None, :].astype(np.float64), np.array([start]), width=width, half=half, top=top,
            passes=5,
        )  # fmt: skip
        channel, error = float(position[0]), float(std[0])
        found[place] = Landmark(
            particle=mark.particle, edge=mark.edge, energy_kev=mark.energy_kev, channel=channel,
            channel_std=error,
        )  # fmt: skip
        if np.isfinite(channel):
            seen = offset_kev + gain_kev * channel
            noise = (gain_kev * error) ** 2 + (0.2 * expected.width_kev[place]) ** 2
            lever = belief[:, place] / (belief[place, place] + noise)
            energy = energy + lever * (seen - energy[place])
            belief = belief - np.outer(lever, belief[place])
    return tuple(found)


def window_kev(expected: ExpectedEdges, place: int) -> float:
    """Half of the window in which an edge is fitted: three widths, less than half of its block."""
    mark = expected.landmarks[place]
    width = float(expected.width_kev[place])
    for low, high in expected.blocks:
        if low <= mark.energy_kev <= high:
            return float(min(3.5 * width, max(0.45 * (high - low), 2.0 * width)))
    return 3.5 * width
