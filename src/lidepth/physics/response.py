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
from typing import Any, NamedTuple

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
    cell c, ``[j, c]``; birth energy on the diagonal.
    """

    exit_kev: Floats
    variance_kev2: Floats
    entry_kev: Floats


def propagate(column: CellColumn) -> EdgeEnergies:
    """Carry particles born at every cell edge to the detector side."""
    from lidepth.physics import _kernels

    cells = column.atoms_1e15.size
    edges = EdgeEnergies(
        exit_kev=np.empty(cells + 1),
        variance_kev2=np.empty(cells + 1),
        entry_kev=np.zeros((cells + 1, cells + 1)),
    )
    _kernels.propagate(*_arguments(column), *edges)
    return edges


class TransportSlopes(NamedTuple):
    """How exit energy and variance follow what is in each cell; exact for every step taken.

    ``energy`` (cells + 1, ways, cells) and ``variance`` (cells + 1, ways + 1, cells), ``[j, w, c]``
    for the particle born at edge j.  The ways: each of the given sources once on all host atoms of
    the cell, then 1e15/cm2 of lithium, then of silicon; for the variance, 1e15/cm2 of electrons
    at last.  ``through`` (cells + 1, cells + 1): change of the exit energy of j by its energy at
    edge c on the way.
    """

    energy: Floats
    variance: Floats
    through: Floats


def transport_slopes(column: CellColumn, sources: Floats) -> TransportSlopes:
    """Differentiate ``propagate``; ``sources`` (kinds, layers, energies) stand on the tables' grid.

    A source is a stopping power, per host atom, that might be added to each layer's own.
    """
    from lidepth.physics import _kernels

    cells, ways = column.atoms_1e15.size, len(sources) + 2
    slopes = TransportSlopes(
        energy=np.zeros((cells + 1, ways, cells)),
        variance=np.zeros((cells + 1, ways + 1, cells)),
        through=np.zeros((cells + 1, cells + 1)),
    )
    _kernels.transport_slopes(*_arguments(column), sources, *slopes)
    return slopes


def _arguments(column: CellColumn) -> tuple[Any, ...]:
    return (
        column.host, column.atoms_1e15, column.extra_1e15, column.electrons_1e15, column.tables,
        column.step_kev, column.straggling_kev2, column.birth_kev,
    )  # fmt: skip


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
    ``by_width`` (bins, cells): by one keV^2 more variance in each cell.
    """

    by_edge: Floats
    by_shift: Floats
    by_stretch: Floats
    by_width: Floats


def fold_slopes(
    edges_kev: Floats, exit_kev: Floats, variance_kev2: Floats, born: Floats
) -> FoldSlopes:
    """Derivatives of the spectrum of ``born`` (cells,) particles."""
    from lidepth.physics import _kernels

    bins, cells = edges_kev.size - 1, exit_kev.size - 1
    slopes = FoldSlopes(
        by_edge=np.zeros((bins, cells + 1)), by_shift=np.zeros(bins), by_stretch=np.zeros(bins),
        by_width=np.zeros((bins, cells)),
    )  # fmt: skip
    _kernels.fold_slopes(edges_kev, exit_kev, variance_kev2, born, *slopes)
    return slopes
