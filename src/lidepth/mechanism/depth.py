"""Lithium and silicon of a cell by depth, on the areal-density axis and in nm as swollen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lidepth.mechanism.cell import CellState
from lidepth.mechanism.growth import ReducedLaw
from lidepth.mechanism.parameters import UAH_PER_1E15, CellParameters

Floats = NDArray[np.float64]
CATHODE_CELLS = 20


@dataclass(frozen=True, kw_only=True, eq=False)
class CellProfile:
    """Where lithium and silicon are, cell by cell, the anode's outer face first.

    All arrays (cells,) unless said otherwise; amounts in 1e15 atoms/cm2 per cell.  ``layer`` is 0,
    1, 2 for anode, electrolyte and cathode.  ``edges_1e15`` (cells + 1,) is the depth in areal
    density of the atoms that the film as made has there, which stay where they are when lithium
    comes and goes, measured from the anode/electrolyte interface (negative in the anode);
    ``edges_nm`` (cells + 1,) the same places in nm with the anode swollen.  ``pristine_li_1e15``
    and ``pristine_si_1e15`` is what the cell as made holds.
    """

    time_s: float
    layer: NDArray[np.int64]
    edges_1e15: Floats
    edges_nm: Floats
    lithium_1e15: Floats
    silicon_1e15: Floats
    pristine_li_1e15: Floats
    pristine_si_1e15: Floats

    @property
    def lithium_per_nm(self) -> Floats:
        """Lithium concentration, 1e15 atoms/cm2 per nm as swollen."""
        return np.asarray(self.lithium_1e15 / np.diff(self.edges_nm))

    @property
    def silicon_per_nm(self) -> Floats:
        """Silicon concentration, 1e15 atoms/cm2 per nm as swollen."""
        return np.asarray(self.silicon_1e15 / np.diff(self.edges_nm))

    @property
    def added_uah_cm2(self) -> Floats:
        """Lithium added since pristine in each layer, uAh/cm2, (3,)."""
        added = (self.lithium_1e15 - self.pristine_li_1e15) * UAH_PER_1E15
        return np.asarray(np.bincount(self.layer, weights=added, minlength=3), dtype=np.float64)


def silicon_by_depth(state: CellState) -> Floats:
    """Silicon per phosphorus in each electrolyte cell, (cells,); a front for laws without depth."""
    p = state.parameters
    if not isinstance(p.growth, ReducedLaw):
        return np.asarray(state.silicon)
    moved = state.moved_silicon_uah / p.area_cm2
    reach = moved / ((p.growth.saturation - p.growth.start) * p.site_uah_cm2_nm) if moved else 0.0
    edges = p.electrolyte_edges_nm
    covered = np.clip((reach - edges[:-1]) / np.diff(edges), 0.0, 1.0)
    return np.asarray(p.growth.start + covered * (p.growth.saturation - p.growth.start))


def interlayer_nm(state: CellState) -> float:
    """Depth in the electrolyte that holds nine tenths of the silicon that moved, nm."""
    p = state.parameters
    edges = p.electrolyte_edges_nm
    held = np.concatenate(
        [[0.0], np.cumsum((silicon_by_depth(state) - p.growth.start) * np.diff(edges))]
    )
    return float(np.interp(0.9 * held[-1], held, edges)) if held[-1] > 0 else 0.0


def profile_of(state: CellState) -> CellProfile:
    """Lithium and silicon of a state by depth."""
    parts = (_anode(state), _electrolyte(state), _cathode(state))
    widths_nm, atoms, lithium, silicon, was_li, was_si = (
        np.concatenate([part[k] for part in parts]) for k in range(6)
    )
    layer = np.repeat(np.arange(3), [part[0].size for part in parts])
    film = layer == 0

    def edges(width: Floats) -> Floats:
        return np.asarray(np.concatenate([[0.0], np.cumsum(width)]) - width[film].sum())

    return CellProfile(
        time_s=state.time_s, layer=layer, edges_1e15=edges(atoms), edges_nm=edges(widths_nm),
        lithium_1e15=lithium, silicon_1e15=silicon, pristine_li_1e15=was_li,
        pristine_si_1e15=was_si,
    )  # fmt: skip


_Part = tuple[Floats, Floats, Floats, Floats, Floats, Floats]


def _anode(state: CellState) -> _Part:
    """Film cells from the outer face: width, atoms as made, Li and Si now and as made."""
    p, n = state.parameters, state.lithium.size
    silicon = np.full(n, p.silicon_uah_cm2 / UAH_PER_1E15 / n)
    lithium = state.lithium[::-1] * silicon
    y = state.lithium[::-1] / state.silicon_left
    width = p.silicon_nm / n * state.silicon_left * (1.0 + p.swelling_per_li * y)
    return width, silicon, lithium, silicon * state.silicon_left, np.zeros(n), silicon


def _electrolyte(state: CellState) -> _Part:
    p = state.parameters
    width = np.diff(p.electrolyte_edges_nm)
    sites = width * p.site_uah_cm2_nm / UAH_PER_1E15
    added = silicon_by_depth(state) - p.growth.start
    moved = state.moved_silicon_uah
    per_silicon = state.qe_uah / moved if moved > 0 else 0.0
    lithium = sites * (3.0 + per_silicon * added)
    atoms = width * p.layers[1].areal_density_1e15 / p.electrolyte_nm
    start = np.full(width.size, p.growth.start) * sites
    return width, atoms, lithium, start + sites * added, 3.0 * sites, start


def _cathode(state: CellState) -> _Part:
    p, n = state.parameters, CATHODE_CELLS
    host = np.full(n, p.cathode_uah_cm2 / UAH_PER_1E15 / n)
    missing = state.qc_uah / (p.cathode_uah_cm2 * p.area_cm2)
    width = np.full(n, p.cathode_nm / n)
    atoms = np.full(n, p.layers[2].areal_density_1e15 / n)
    nothing = np.zeros(n)
    return width, atoms, host * (1.0 - missing), nothing, host, nothing


def swollen_nm(parameters: CellParameters, y: float) -> float:
    """Thickness of the film as made at composition y."""
    return parameters.silicon_nm * (1.0 + parameters.swelling_per_li * y)
