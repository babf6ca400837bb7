"""What a stack of depth cells does to particles born in it: energies, widths, spectra.

A stack is cut into cells, each with its own composition, so that lithium in the silicon slows
every particle from below it.  Particles born at each cell edge are carried to the detector side
(fourth-order Runge-Kutta in the cell's own stopping), their Bohr variance with them, and the
particles of a cell are spread evenly between the energies of its two edges and folded with the
Gaussian width.  Everything is exact to the step: one bin's content is the integral of the folded
box over the bin, so counts are conserved to rounding.

The inner loops are in lidepth.physics._kernels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LITHIUM, SILICON = 0, 1
"""Rows of ``extra`` below: elements that move in a working cell."""


@dataclass(frozen=True, kw_only=True)
class CellColumn:
    """A stack cut into cells, for one particle, detector side first.

    ``host`` (cells,) row of ``tables`` that stops particles in the cell; ``atoms_1e15`` (cells,)
    host atoms along the path (slant included); ``extra_1e15`` (2, cells) lithium and silicon
    added to the host along the path, negative where taken away; ``electrons_1e15`` (cells,) all
    electrons along the path.  ``tables`` (rows, energies) stopping in keV per 1e15 atoms/cm2 on a
    uniform grid from zero with step ``step_kev``; the last two rows are lithium and silicon.
    """

    host: NDArray[np.int64]
    atoms_1e15: Floats
    extra_1e15: Floats
    electrons_1e15: Floats
    tables: Floats
    step_kev: float
    straggling_kev2: float
    birth_kev: float


class EdgeEnergies(NamedTuple):
    """For particles born at each cell edge (cells + 1): energy and Bohr variance on leaving.

    ``entry_kev`` (cells + 1, cells + 1): energy with which the particle born at edge j leaves
    cell c, ``[j, c]``; birth energy on the diagonal.  ``slope`` (cells + 1, cells, 2): change of
    the exit energy of edge j per 1e15/cm2 of extra lithium or silicon in cell c.
    """

    exit_kev: Floats
    variance_kev2: Floats
    entry_kev: Floats
    slope: Floats


def propagate(column: CellColumn, *, slopes: bool = True) -> EdgeEnergies:
    """Carry particles born at every cell edge to the detector side.

    Without ``slopes`` the derivatives stay zero and the work is half.
    """
    from lidepth.physics import _kernels

    cells = column.atoms_1e15.size
    edges = EdgeEnergies(
        exit_kev=np.empty(cells + 1),
        variance_kev2=np.empty(cells + 1),
        entry_kev=np.zeros((cells + 1, cells + 1)),
        slope=np.zeros((cells + 1, cells, 2)),
    )
    _kernels.propagate(
        column.host, column.atoms_1e15, column.extra_1e15, column.electrons_1e15, column.tables,
        column.step_kev, column.straggling_kev2, column.birth_kev, *edges, slopes,
    )  # fmt: skip
    return edges


def fold(edges_kev: Floats, exit_kev: Floats, variance_kev2: Floats) -> Floats:
    """Share of each cell's particles in each bin; shape (bins, cells).

    ``edges_kev`` (bins + 1,); ``exit_kev`` and ``variance_kev2`` (cells + 1,) of the cell edges,
    detector included.
    """
    from lidepth.physics import _kernels

    matrix = np.empty((edges_kev.size - 1, exit_kev.size - 1))
    _kernels.fold(edges_kev, exit_kev, variance_kev2, matrix)
    return matrix


class FoldSlopes(NamedTuple):
    """Derivatives of a folded spectrum.

    ``by_edge`` (bins, cells + 1): by the exit energy of each cell edge; ``by_shift`` and
    ``by_stretch`` (bins,): by moving every bin edge by one keV, or in proportion to its energy;
    ``by_variance`` (bins,): by one keV^2 more width everywhere.
    """

    by_edge: Floats
    by_shift: Floats
    by_stretch: Floats
    by_variance: Floats


def fold_slopes(
    edges_kev: Floats, exit_kev: Floats, variance_kev2: Floats, born: Floats
) -> FoldSlopes:
    """Derivatives of the spectrum of ``born`` (cells,) particles."""
    from lidepth.physics import _kernels

    bins = edges_kev.size - 1
    slopes = FoldSlopes(
        np.zeros((bins, exit_kev.size)), np.zeros(bins), np.zeros(bins), np.zeros(bins)
    )
    _kernels.fold_slopes(edges_kev, exit_kev, variance_kev2, born, *slopes)
    return slopes
