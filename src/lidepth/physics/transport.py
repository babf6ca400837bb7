"""Energy after any path, and depth from any energy, in the continuous slowing-down picture.

A particle of range R(E) = int_0^E dE'/S(E') that covers the areal path x in a homogeneous layer
leaves with the energy whose range is R(E) - x.  Layers chain: E -> R -> R - x -> E, next layer.
Everything is counted in 1e15 atoms/cm2, so no density enters here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from lidepth.errors import BadData, OutOfRange, UsageError
from lidepth.model.material import Material
from lidepth.model.stack import Stack
from lidepth.physics.range_table import (
    Array,
    RangeTable,
    StoppingFunction,
    range_of_root,
    root_of_range,
    stopping_at,
)

if TYPE_CHECKING:
    from lidepth.physics.reactions import Projectile
    from lidepth.physics.stopping.source import StoppingSource

__all__ = [
    "Array",
    "Backend",
    "RangeTable",
    "StackTransport",
    "StoppingFunction",
    "energy_after",
    "energy_before",
    "energy_through",
    "path_between",
    "path_factor",
    "range_1e15",
    "stack_transport",
    "stopping_at",
    "total_stopping",
]

Backend = Literal["numpy", "numba"]

_BLOCK = 4096  # particles per pass of the NumPy path: its work arrays stay in the cache
_EDGE_SLACK_1E15 = 0.01  # a picometre: rounding on the deep edge of the stack is not outside
_BIRTH_SLACK = 1e-12  # relative: rounding of the birth energy itself is not above it


def range_1e15(table: RangeTable, energy_kev: ArrayLike) -> Array:
    """Return the path to rest, R(E) = int_0^E dE'/S, in 1e15 atoms/cm2."""
    energy = _energies(energy_kev, table.max_energy_kev)
    return np.asarray(range_of_root(table, np.sqrt(energy)))


def energy_after(
    table: RangeTable, energy_kev: ArrayLike, path_1e15: ArrayLike, *, backend: Backend = "numpy"
) -> Array:
    """Return the energy left after ``path_1e15`` in one material; 0 where the particle stops."""
    return energy_through((table,), (path_1e15,), energy_kev, backend=backend)


def path_between(table: RangeTable, energy_in_kev: ArrayLike, energy_out_kev: ArrayLike) -> Array:
    """Return the path that slows ``energy_in_kev`` down to ``energy_out_kev``, in 1e15 at/cm2.

    x = R(E_in) - R(E_out); negative when the particle would have to gain energy.
    """
    return np.asarray(range_1e15(table, energy_in_kev) - range_1e15(table, energy_out_kev))


def energy_before(table: RangeTable, energy_kev: ArrayLike, path_1e15: ArrayLike) -> Array:
    """Return the energy with which a particle entered a path that it left with ``energy_kev``.

    E_in = R^-1(R(E_out) + x).  Raises OutOfRange when that is beyond the table.
    """
    range_in = range_1e15(table, energy_kev) + np.asarray(path_1e15, dtype=np.float64)
    if not np.all(range_in <= table.max_range_1e15 * (1 + 1e-12)):
        raise OutOfRange(
            "the particle would have started above the end of the range table",
            expected=f"at most {table.max_energy_kev:g} keV",
        )
    return np.asarray(root_of_range(table, np.maximum(range_in, 0.0)) ** 2)


def energy_through(
    tables: Sequence[RangeTable],
    paths_1e15: Sequence[ArrayLike],
    energy_kev: ArrayLike,
    *,
    backend: Backend = "numpy",
) -> Array:
    """Return the energy left after the given path in each material, in the order of travel.

    Energies and paths broadcast against each other; a particle that stops comes out with 0.
    """
    _check_backend(backend)
    if len(tables) != len(paths_1e15):
        raise UsageError(f"{len(tables)} range tables and {len(paths_1e15)} paths do not pair up")
    if not tables:
        return np.asarray(energy_kev, dtype=np.float64).copy()
    energy = _energies(energy_kev, min(table.max_energy_kev for table in tables))
    paths = [_at_least(path, "path") for path in paths_1e15]
    shape = np.broadcast_shapes(energy.shape, *(path.shape for path in paths))
    flat = np.ascontiguousarray(np.broadcast_to(energy, shape)).reshape(-1)
    flat_paths = [
        path.reshape(-1) if path.ndim == 0 else np.broadcast_to(path, shape).reshape(-1)
        for path in paths
    ]
    if backend == "numba":
        from lidepth.physics import transport_numba

        return transport_numba.through(tables, flat_paths, flat).reshape(shape)
    out = np.empty(flat.size)
    for start in range(0, flat.size, _BLOCK):
        part = slice(start, start + _BLOCK)
        root = np.sqrt(flat[part])
        for table, path in zip(tables, flat_paths, strict=True):
            root = _cross(table, root, path if path.size == 1 else path[part])
        np.multiply(root, root, out=out[part])
    return out.reshape(shape)


@dataclass(frozen=True, kw_only=True, eq=False)
class StackTransport:
    """Range tables and areal densities of a stack, detector side first, at one path factor.

    A particle born at areal depth d (along the normal) reaches the detector side on paths
    ``path_factor`` = 1/cos(exit angle) times the normal ones.  ``layers_1e15`` are the areal
    densities of the layers.
    """

    tables: tuple[RangeTable, ...]
    layers_1e15: tuple[float, ...]
    path_factor: float = 1.0
    backend: Backend = "numpy"

    def __post_init__(self) -> None:
        _check_backend(self.backend)
        if not self.tables or len(self.tables) != len(self.layers_1e15):
            raise BadData("a stack transport needs one range table for every layer")
        if not all(math.isfinite(layer) and layer > 0 for layer in self.layers_1e15):
            raise OutOfRange("every layer needs a positive areal density", where="layers_1e15")
        if not (math.isfinite(self.path_factor) and self.path_factor >= 1.0):
            raise OutOfRange(
                f"path factor {self.path_factor!r} cannot be",
                expected="1/cos(exit angle), at least 1",
            )
        if len({(table.cells, table.max_energy_kev) for table in self.tables}) > 1:
            raise BadData(
                "the range tables of a stack have different grids",
                expected="one max_energy_kev and one number of cells",
            )

    @property
    def interfaces_1e15(self) -> Array:
        """Areal depth of every interface, detector side zero; shape (layers + 1,)."""
        return np.concatenate([[0.0], np.cumsum(self.layers_1e15)])

    @property
    def max_energy_kev(self) -> float:
        """End of the range tables."""
        return self.tables[0].max_energy_kev

    def at_angle(self, exit_angle_deg: float) -> StackTransport:
        """Return the same layers seen at another exit angle from the normal."""
        return replace(self, path_factor=path_factor(exit_angle_deg))

    def with_layers(self, layers_1e15: Sequence[float]) -> StackTransport:
        """Return the same materials with other areal densities."""
        return replace(self, layers_1e15=tuple(float(layer) for layer in layers_1e15))

    def exit_energy(self, depth_1e15: ArrayLike, birth_energy_kev: ArrayLike) -> Array:
        """Return the energy at the detector side of particles born at ``depth_1e15``.

        0 where the particle stops inside the stack.  Depths and energies broadcast.
        """
        depth, energy, shape = self._pair(depth_1e15, birth_energy_kev)
        if self.backend == "numba":
            from lidepth.physics import transport_numba

            return transport_numba.exit_energy(self, depth, energy).reshape(shape)
        out = np.empty(depth.size)
        for start in range(0, depth.size, _BLOCK):
            part = slice(start, start + _BLOCK)
            root = self._exit_roots(depth[part], np.sqrt(energy[part]))
            np.multiply(root, root, out=out[part])
        return out.reshape(shape)

    def depth_of(self, exit_energy_kev: ArrayLike, birth_energy_kev: ArrayLike) -> Array:
        """Return the areal depth at which a particle with this exit energy was born.

        The inverse of :meth:`exit_energy`: from the detector side inwards, layer by layer,
        x = R(E_birth) - R(E).  An exit energy of 0 gives the depth from which the particle just
        fails to get out.  NaN where no depth of the stack gives this energy.
        """
        limit = self.max_energy_kev
        leaving, birth = _energies(exit_energy_kev, limit), _energies(birth_energy_kev, limit)
        shape = np.broadcast_shapes(leaving.shape, birth.shape)
        roots = np.sqrt(np.broadcast_to(leaving, shape).reshape(-1))
        births = np.sqrt(np.broadcast_to(birth, shape).reshape(-1))
        if self.backend == "numba":
            from lidepth.physics import transport_numba

            return transport_numba.depth_of(self, roots, births).reshape(shape)
        out = np.empty(roots.size)
        for start in range(0, roots.size, _BLOCK):
            part = slice(start, start + _BLOCK)
            out[part] = self._depths(roots[part], births[part])
        return out.reshape(shape)

    def interface_energies(self, depth_1e15: ArrayLike, birth_energy_kev: ArrayLike) -> Array:
        """Return the energy at every interface on the way out; shape (layers + 1, particles).

        Row i is the energy at the detector-side edge of layer i; rows deeper than the birth depth
        hold the birth energy.
        """
        depth, energy, _ = self._pair(depth_1e15, birth_energy_kev)
        rows = np.empty((len(self.tables) + 1, depth.size))
        rows[-1] = energy
        for layer in range(len(self.tables) - 1, -1, -1):
            path = self.path_in(layer, depth)
            after = energy_after(self.tables[layer], rows[layer + 1], path)
            rows[layer] = np.where(path > 0, after, rows[layer + 1])
        return rows

    def path_in(self, layer: int, depth_1e15: Array) -> Array:
        """Return the path that a particle born at ``depth_1e15`` covers in one layer."""
        edge = float(self.interfaces_1e15[layer])
        path: Array = np.clip(depth_1e15 - edge, 0.0, self.layers_1e15[layer]) * self.path_factor
        return path

    def _pair(self, depth: ArrayLike, energy: ArrayLike) -> tuple[Array, Array, tuple[int, ...]]:
        depths = _at_least(depth, "depth")
        total = float(self.interfaces_1e15[-1])
        if depths.size and not depths.max() <= total + _EDGE_SLACK_1E15:
            raise OutOfRange(
                f"birth depth {depths.max():g} lies below the stack",
                expected=f"0 to {total:g} (1e15 atoms/cm2)",
            )
        energies = _energies(energy, self.max_energy_kev)
        shape = np.broadcast_shapes(depths.shape, energies.shape)
        flat = [np.ascontiguousarray(np.broadcast_to(a, shape)) for a in (depths, energies)]
        return flat[0].reshape(-1), flat[1].reshape(-1), shape

    def _exit_roots(self, depth: Array, root: Array) -> Array:
        deepest = depth.max()
        edges = self.interfaces_1e15
        for layer in range(len(self.tables) - 1, -1, -1):
            if deepest <= edges[layer]:
                continue
            path = np.clip(depth - edges[layer], 0.0, self.layers_1e15[layer])
            path *= self.path_factor
            after = _cross(self.tables[layer], root, path)
            root = after if path.min() > 0 else np.where(path > 0, after, root)
        return root

    def _depths(self, root: Array, birth: Array) -> Array:
        depth = np.full(root.size, np.nan)
        open_ = root <= birth * (1 + _BIRTH_SLACK)
        last = len(self.tables) - 1
        for layer, table in enumerate(self.tables):
            full = self.layers_1e15[layer] * self.path_factor
            here = range_of_root(table, root)
            path = range_of_root(table, birth) - here
            found = open_ & (path <= full + (_EDGE_SLACK_1E15 if layer == last else 0.0))
            inside = np.clip(path[found] / self.path_factor, 0.0, self.layers_1e15[layer])
            depth[found] = self.interfaces_1e15[layer] + inside
            open_ &= ~found
            if not open_.any():
                break
            root = root_of_range(table, np.minimum(here + full, table.max_range_1e15))
        return depth


def stack_transport(
    stack: Stack,
    source: StoppingSource,
    projectile: Projectile,
    *,
    exit_angle_deg: float = 0.0,
    max_energy_kev: float = 10_000.0,
    backend: Backend = "numpy",
) -> StackTransport:
    """Build the transport of ``projectile`` out of ``stack`` with the stopping of ``source``.

    Layers of one material share one table.
    """
    tables = {
        material: RangeTable(
            stopping=total_stopping(source, projectile, material),
            projectile=projectile.name,
            material=material.name,
            max_energy_kev=max_energy_kev,
        )
        for material in dict.fromkeys(layer.material for layer in stack)
    }
    return StackTransport(
        tables=tuple(tables[layer.material] for layer in stack),
        layers_1e15=tuple(layer.areal_density_1e15 for layer in stack),
        path_factor=path_factor(exit_angle_deg),
        backend=backend,
    )


def total_stopping(
    source: StoppingSource, projectile: Projectile, material: Material
) -> StoppingFunction:
    """Return electronic plus nuclear stopping of a source as one function of energy."""

    def stopping(energy_kev: Array) -> Array:
        electronic = source.electronic(projectile, material, energy_kev)
        return electronic + source.nuclear(projectile, material, energy_kev)

    return stopping


def path_factor(exit_angle_deg: float) -> float:
    """Return 1/cos of the exit angle from the surface normal; 0 <= angle < 89 degrees."""
    if not 0.0 <= exit_angle_deg < 89.0:
        raise OutOfRange(
            f"exit angle {exit_angle_deg!r} deg from the normal cannot be",
            expected="0 to 89 degrees",
        )
    return 1.0 / math.cos(math.radians(exit_angle_deg))


def _cross(table: RangeTable, root: Array, path: Array) -> Array:
    """Return sqrt(E) after ``path``, from sqrt(E) before it."""
    left = range_of_root(table, root)
    left -= path
    np.maximum(left, 0.0, out=left)
    return root_of_range(table, left)


def _energies(values: ArrayLike, limit_kev: float) -> Array:
    energy = np.asarray(values, dtype=np.float64)
    if energy.size and not (energy.min() >= 0.0 and energy.max() <= limit_kev):
        raise OutOfRange(
            f"energies from {energy.min():g} to {energy.max():g} keV leave the range table",
            expected=f"0 to {limit_kev:g} keV",
        )
    return energy


def _at_least(values: ArrayLike, label: str) -> Array:
    array = np.asarray(values, dtype=np.float64)
    if array.size and not (array.min() >= 0.0 and array.max() < math.inf):
        raise OutOfRange(
            f"a {label} of {array.min():g} (1e15 atoms/cm2) cannot be", expected="zero or more"
        )
    return array


def _check_backend(backend: str) -> None:
    if backend not in get_args(Backend):
        raise UsageError(f"unknown backend {backend!r}", expected=" or ".join(get_args(Backend)))
