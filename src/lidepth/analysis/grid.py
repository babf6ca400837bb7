"""Cutting the stack into depth cells, and the smooth basis for lithium in the electrolyte."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lidepth.model.material import atomic_number
from lidepth.model.stack import Role, Stack

Floats = NDArray[np.float64]

# Cells are thin enough that a particle's energy is linear in depth across one: half a cell's
# curvature is 0.05 keV at 50 nm of Li3PO4, a twentieth of the statistical error of a rest.
_FINE_NM = 40.0
_COARSE_NM = 80.0
_FINE_DEPTH_NM = 700.0
_CATHODE_NM = 70.0
_COVER_NM = 300.0

# Depths of the hat functions' peaks below the anode/electrolyte interface: as dense as the data
# can tell apart near the interface (60-100 nm), coarse in the bulk.
_REACH_NM = 400.0
_CORRELATION_NM = 120.0
_KNOTS_NM = (0.0, 50.0, 100.0, 160.0, 230.0, 310.0, 400.0, 520.0, 700.0, 1000.0, 1500.0)


@dataclass(frozen=True, kw_only=True)
class DepthGrid:
    """The stack in cells, detector side first; only what carries or covers lithium.

    ``layer`` (cells,) index of the layer each cell is in; ``share`` (cells,) fraction of that
    layer; ``depth_nm`` (cells + 1,) edges; ``roles`` role of each layer kept.
    """

    stack: Stack
    layer: NDArray[np.int64]
    share: Floats
    depth_nm: Floats

    @property
    def cells(self) -> int:
        """Number of cells."""
        return self.layer.size

    @cached_property
    def atoms_1e15(self) -> Floats:
        """Host atoms per cell, 1e15/cm2; shape (cells,)."""
        areal = np.array([layer.areal_density_1e15 for layer in self.stack])
        return areal[self.layer] * self.share

    @cached_property
    def lithium_1e15(self) -> Floats:
        """Host lithium per cell, 1e15/cm2; shape (cells,)."""
        areal = np.array([layer.element_1e15("Li") for layer in self.stack])
        return areal[self.layer] * self.share

    @cached_property
    def electrons_1e15(self) -> Floats:
        """Host electrons per cell, 1e15/cm2; shape (cells,)."""
        per_atom = [
            sum(share * atomic_number(symbol) for symbol, share in layer.material.fractions.items())
            for layer in self.stack
        ]
        return np.asarray(np.array(per_atom)[self.layer] * self.atoms_1e15)

    def of(self, role: Role) -> NDArray[np.int64]:
        """Indices of the cells of the layer that plays ``role``."""
        return np.flatnonzero(self.layer == self.stack.index(role))


def depth_grid(stack: Stack) -> DepthGrid:
    """Cut ``stack`` from the detector side down to the back of the cathode."""
    deepest = max(stack.index(role) for role in ("anode", "electrolyte", "cathode"))
    layer, share, edges = [], [], [0.0]
    for number, film in enumerate(stack.layers[: deepest + 1]):
        cuts = _cuts_nm(film.thickness_nm, film.role)
        layer += [number] * (cuts.size - 1)
        share += list(np.diff(cuts) / film.thickness_nm)
        edges += list(edges[-1] + cuts[1:])
    return DepthGrid(
        stack=stack,
        layer=np.array(layer, dtype=np.int64),
        share=np.array(share),
        depth_nm=np.array(edges),
    )


def _cuts_nm(thickness_nm: float, role: str | None) -> Floats:
    if role == "electrolyte":
        fine = min(thickness_nm, _FINE_DEPTH_NM)
        coarse = thickness_nm - fine
        below = fine + _even(coarse, _COARSE_NM)[1:] if coarse > 1.0 else np.empty(0)
        return np.concatenate([_even(fine, _FINE_NM), below])
    if role == "anode":
        return _even(thickness_nm, max(thickness_nm / 3.0, 20.0))
    return _even(thickness_nm, _CATHODE_NM if role == "cathode" else _COVER_NM)


def _even(length: float, largest: float) -> Floats:
    return np.linspace(0.0, length, max(int(np.ceil(length / largest)), 1) + 1)


@dataclass(frozen=True, kw_only=True)
class ElectrolyteBasis:
    """Hat functions over the electrolyte's cells.

    ``knots_nm`` (k,) depths of the peaks below the anode/electrolyte interface; ``hats`` (cells of
    the electrolyte, k) mean height of each hat in each cell.
    """

    knots_nm: Floats
    hats: Floats

    def covariance(self, *, amplitude: float, bulk: float) -> Floats:
        """Gaussian-process prior of hat heights, as fractions of the electrolyte's own lithium.

        Standard deviation ``amplitude`` at the interface, dying with depth over 400 nm to
        ``bulk``; correlation length 120 nm; shape (k, k).
        """
        spread = np.hypot(amplitude * np.exp(-self.knots_nm / _REACH_NM), bulk)
        distance = (self.knots_nm[:, None] - self.knots_nm[None, :]) / _CORRELATION_NM
        correlation = np.exp(-0.5 * distance**2) + 1e-3 * np.eye(self.knots_nm.size)
        return np.asarray(spread[:, None] * correlation * spread[None, :])


def electrolyte_basis(grid: DepthGrid) -> ElectrolyteBasis:
    """Hat functions with the usual knots, averaged over the electrolyte's cells."""
    cells = grid.of("electrolyte")
    edges = grid.depth_nm[cells[0] : cells[-1] + 2] - grid.depth_nm[cells[0]]
    thickness = edges[-1]
    knots = np.array([knot for knot in _KNOTS_NM if knot < 0.9 * thickness] + [thickness])
    points = edges[:-1, None] + np.diff(edges)[:, None] * (np.arange(8) + 0.5) / 8
    hats = np.stack(
        [np.interp(points, knots, unit).mean(axis=1) for unit in np.eye(knots.size)], axis=1
    )
    return ElectrolyteBasis(knots_nm=knots, hats=hats)
