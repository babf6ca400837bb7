"""Range and energy of one projectile in one material, as cubic Hermite pieces."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lidepth.errors import BadData, OutOfRange

Array = NDArray[np.float64]
StoppingFunction = Callable[[Array], Array]
"""Energies in keV to stopping in keV per 1e15 atoms/cm2, valid from 1 keV upwards."""

FLOOR_KEV = 1.0
"""Below this energy S is continued as sqrt(E), the velocity proportionality of slow ions."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RangeTable:
    """Range of one projectile in one material, and its inverse, as cubic Hermite pieces.

    R(u) on a uniform grid of u = sqrt(E) with the exact slopes dR/du = 2 u / S(u^2); u(w) on a
    uniform grid of w = sqrt(R) with the exact slopes du/dw = w S / u.  The square root of the range
    instead of the range itself keeps the grid fine where a particle stops; for slow ions
    (S ~ sqrt(E)) both pieces are exact.  Valid from 0 to ``max_energy_kev``.

    ``forward`` and ``inverse`` hold the four polynomial coefficients of every cell, lowest power
    first, in the cell's own coordinate 0..1; shape (4, cells).

    Raises BadData when ``stopping`` is not positive and finite over the table.
    """

    stopping: StoppingFunction = field(repr=False)
    projectile: str = ""
    material: str = ""
    max_energy_kev: float = 10_000.0
    cells: int = 2000
    forward: Array = field(init=False, repr=False)
    inverse: Array = field(init=False, repr=False)
    max_range_1e15: float = field(init=False)

    def __post_init__(self) -> None:
        if not (math.isfinite(self.max_energy_kev) and self.max_energy_kev > FLOOR_KEV):
            raise OutOfRange(
                f"a range table cannot end at {self.max_energy_kev!r} keV",
                expected=f"a finite energy above {FLOOR_KEV:g} keV",
            )
        if self.cells < 16:
            raise OutOfRange(f"{self.cells} cells of a range table", expected="16 or more")
        forward, nodes = _forward_pieces(self.stopping, self.max_energy_kev, self.cells, self)
        inverse = _inverse_pieces(self.stopping, forward, nodes, self.max_energy_kev)
        for name, values in (("forward", forward), ("inverse", inverse)):
            values.setflags(write=False)
            object.__setattr__(self, name, values)
        object.__setattr__(self, "max_range_1e15", float(nodes[-1]))

    @classmethod
    def from_arrays(
        cls, *, energy_kev: ArrayLike, stopping_kev_1e15: ArrayLike, **changes: Any
    ) -> RangeTable:
        """Build the table from listed stopping, joined by a cubic spline in log E and log S.

        The list must start at or below 1 keV, or S is continued from its first entry as sqrt(E);
        the table ends at its last entry unless ``max_energy_kev`` says less.
        """
        stopping, last_kev = _spline_stopping(energy_kev, stopping_kev_1e15)
        changes.setdefault("max_energy_kev", last_kev)
        if changes["max_energy_kev"] > last_kev:
            raise OutOfRange(
                f"the listed stopping ends at {last_kev:g} keV",
                expected=f"entries up to {changes['max_energy_kev']:g} keV",
            )
        return cls(stopping=stopping, **changes)

    @property
    def per_sqrt_energy(self) -> float:
        """Cells per unit of sqrt(keV)."""
        return self.cells / math.sqrt(self.max_energy_kev)

    @property
    def per_sqrt_range(self) -> float:
        """Cells per unit of sqrt(1e15 atoms/cm2)."""
        return self.cells / math.sqrt(self.max_range_1e15)


def stopping_at(stopping: StoppingFunction, energy_kev: Array) -> Array:
    """Return S in keV per 1e15 atoms/cm2, continued as sqrt(E) below 1 keV.

    S(E) = S(1 keV) sqrt(E / 1 keV) for E < 1 keV: velocity-proportional electronic stopping
    (Lindhard and Scharff, Phys. Rev. 124 (1961) 128).
    """
    values = np.asarray(stopping(np.maximum(energy_kev, FLOOR_KEV)), dtype=np.float64)
    below = np.sqrt(np.minimum(energy_kev, FLOOR_KEV) / FLOOR_KEV)
    result: Array = values * below
    return result


def range_of_root(table: RangeTable, root: Array) -> Array:
    """Return R from u = sqrt(E), unchecked."""
    return _evaluate(table.forward, root * table.per_sqrt_energy)


def root_of_range(table: RangeTable, range_1e15: Array) -> Array:
    """Return u = sqrt(E) from R, unchecked."""
    position = np.sqrt(range_1e15)
    position *= table.per_sqrt_range
    return _evaluate(table.inverse, position)


def _evaluate(pieces: Array, position: Array) -> Array:
    """Evaluate cubic pieces at ``position``, counted in cells."""
    cell = np.asarray(position).astype(np.intp)
    np.minimum(cell, pieces.shape[1] - 1, out=cell)
    part = position - cell
    value: Array = pieces[3].take(cell)
    for power in (2, 1, 0):
        value *= part
        value += pieces[power].take(cell)
    return value


def _hermite_pieces(values: Array, slopes: Array) -> Array:
    """Return cubic coefficients from node values and slopes per cell; shape (4, cells)."""
    rise = np.diff(values)
    left, right = slopes[:-1], slopes[1:]
    return np.stack([values[:-1], left, 3 * rise - 2 * left - right, left + right - 2 * rise])


def _forward_pieces(
    stopping: StoppingFunction, max_energy_kev: float, cells: int, table: RangeTable
) -> tuple[Array, Array]:
    """Return the pieces of R(u) and R at the nodes; Gauss-Legendre of 2u/S in every cell."""
    nodes = np.linspace(0.0, math.sqrt(max_energy_kev), cells + 1)
    width = nodes[1]
    points, weights = np.polynomial.legendre.leggauss(6)
    roots = nodes[:-1, None] + width * 0.5 * (points + 1.0)
    slope = _slowness(stopping, roots)
    at_nodes = _slowness(stopping, np.maximum(nodes, 1e-9 * width))
    if not (np.all(np.isfinite(slope)) and np.all(slope > 0) and np.all(np.isfinite(at_nodes))):
        raise BadData(
            f"the stopping of {table.projectile or 'the projectile'} in "
            f"{table.material or 'the material'} is not positive and finite",
            expected=f"S(E) > 0 from {FLOOR_KEV:g} to {max_energy_kev:g} keV",
        )
    ranges = np.concatenate([[0.0], np.cumsum(0.5 * width * (slope @ weights))])
    return _hermite_pieces(ranges, at_nodes * width), ranges


def _slowness(stopping: StoppingFunction, root: Array) -> Array:
    """Return dR/du = 2u/S(u^2); flat below 1 keV, where S is proportional to u."""
    energy = np.square(root.reshape(-1))
    with np.errstate(divide="ignore", invalid="ignore"):  # bad stopping is reported by the caller
        slope = 2.0 * root.reshape(-1) / stopping_at(stopping, energy)
    return slope.reshape(root.shape)


def _inverse_pieces(
    stopping: StoppingFunction, forward: Array, ranges: Array, max_energy_kev: float
) -> Array:
    """Return the pieces of u(w), w = sqrt(R): Newton on the forward pieces at every node."""
    cells = forward.shape[1]
    per_root = cells / math.sqrt(max_energy_kev)
    nodes = np.linspace(0.0, math.sqrt(float(ranges[-1])), cells + 1)
    wanted = np.square(nodes)
    position = np.interp(wanted, ranges, np.arange(cells + 1.0))
    for _ in range(6):  # quadratic from a start within one cell: three suffice, six are free
        cell = np.minimum(position.astype(np.intp), cells - 1)
        part = position - cell
        c = forward[:, cell]
        slope = (3 * c[3] * part + 2 * c[2]) * part + c[1]
        position = np.clip(position - (_evaluate(forward, position) - wanted) / slope, 0, cells)
    roots = position / per_root
    slopes = np.zeros(cells + 1)
    slopes[1:] = 2.0 * nodes[1:] / _slowness(stopping, np.maximum(roots[1:], 1e-12))
    return _hermite_pieces(roots, slopes * nodes[1])


def _spline_stopping(energy_kev: ArrayLike, values: ArrayLike) -> tuple[StoppingFunction, float]:
    from scipy.interpolate import CubicSpline

    energy, listed = np.asarray(energy_kev, np.float64), np.asarray(values, np.float64)
    good = energy.ndim == 1 and energy.shape == listed.shape and energy.size >= 4
    if not (good and np.all(np.diff(energy) > 0) and energy[0] > 0 and np.all(listed > 0)):
        raise BadData(
            "the listed stopping cannot be used",
            expected="rising energies in keV and positive stopping, four entries or more",
        )
    spline = CubicSpline(np.log(energy), np.log(listed))
    first, last = float(energy[0]), float(energy[-1])

    def stopping(energy_kev: Array) -> Array:
        inside = np.clip(energy_kev, first, last)
        joined: Array = np.exp(spline(np.log(inside)))
        return joined * np.sqrt(np.minimum(energy_kev / first, 1.0))

    return stopping, last
