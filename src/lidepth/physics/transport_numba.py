"""Compiled twins of the NumPy transport: blocks of particles, layer outermost.

Inside a block every layer is one loop without branches, which the compiler turns into vector
gathers.  Same tables, same polynomials, same answers as :mod:`lidepth.physics.transport` to
rounding.  Importing this module loads numba; nothing else in the package does so at import.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numba
import numpy as np

from lidepth.physics.range_table import Array, RangeTable

if TYPE_CHECKING:
    from lidepth.physics.transport import StackTransport

_BLOCK = 512  # particles per block: a few work arrays of 4 kB each stay in the first-level cache
_EDGE_SLACK_1E15 = 0.01  # both as in the NumPy path
_BIRTH_SLACK = 1e-12
_FAST = {"contract", "nnan", "ninf", "nsz"}  # inputs are checked finite; rounding only


def _compiled(**options: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Compile, and keep the machine code on disk where a cache folder can be written."""

    def wrap(function: Callable[..., Any]) -> Callable[..., Any]:
        always: dict[str, Any] = {"nopython": True, "nogil": True, "error_model": "numpy"}
        try:
            return numba.jit(cache=True, **always, **options)(function)  # type: ignore[no-any-return]
        except RuntimeError:  # numba found no writable cache folder
            return numba.jit(**always, **options)(function)  # type: ignore[no-any-return]

    return wrap


def through(tables: Sequence[RangeTable], paths: Sequence[Array], energy_kev: Array) -> Array:
    """Energies after one path in each table, in the order of travel; paths of size 1 or N."""
    root = np.sqrt(energy_kev)
    for table, path in zip(tables, paths, strict=True):
        _cross_all(
            _padded([table.forward]),
            _padded([table.inverse]),
            table.per_sqrt_energy,
            table.per_sqrt_range,
            np.ascontiguousarray(path),
            root,
        )
    squared: Array = np.square(root, out=root)
    return squared


def exit_energy(transport: StackTransport, depth_1e15: Array, energy_kev: Array) -> Array:
    """Energies at the detector side of particles born at the given depths; flat arrays."""
    out = np.empty(depth_1e15.size)
    _exit(*_packed(transport), depth_1e15, energy_kev, out)
    return out


def depth_of(transport: StackTransport, root: Array, birth_root: Array) -> Array:
    """Birth depths from sqrt(exit energy) and sqrt(birth energy); flat arrays."""
    out = np.empty(root.size)
    ends = np.array([table.max_range_1e15 for table in transport.tables])
    _depth(*_packed(transport), ends, root, birth_root, out)
    return out


def _packed(transport: StackTransport) -> tuple[Any, ...]:
    """Tables of the stack as (layers, 4, cells + 1) arrays and the numbers that go with them."""
    tables = transport.tables
    return (
        _padded([table.forward for table in tables]),
        _padded([table.inverse for table in tables]),
        tables[0].per_sqrt_energy,
        np.array([table.per_sqrt_range for table in tables]),
        transport.interfaces_1e15,
        transport.path_factor,
    )


def _padded(pieces: Sequence[Array]) -> Array:
    """Stack pieces and add one flat cell at the end value, so that no look-up needs a clamp."""
    stacked = np.stack(pieces)
    end = np.zeros((stacked.shape[0], 4, 1))
    end[:, 0, 0] = stacked[:, :, -1].sum(axis=1)
    return np.concatenate([stacked, end], axis=2)


@_compiled(fastmath=_FAST, inline="always")
def _cubic(pieces, layer, position):  # type: ignore[no-untyped-def]
    whole = np.int32(position)
    cell = np.uint64(whole)  # unsigned: no test for indices from the end
    part = position - whole
    value = pieces[layer, 3, cell] * part + pieces[layer, 2, cell]
    value = value * part + pieces[layer, 1, cell]
    return value * part + pieces[layer, 0, cell]


@_compiled(fastmath=_FAST)
def _cross_all(forward, inverse, per_energy, per_range, path, root):  # type: ignore[no-untyped-def]
    left = np.empty(_BLOCK)
    step = 0 if path.size == 1 else 1
    for start in range(0, root.size, _BLOCK):
        count = min(_BLOCK, root.size - start)
        for i in range(count):
            ahead = _cubic(forward, 0, root[start + i] * per_energy)
            left[i] = max(ahead - path[step * (start + i)], 0.0)
        for i in range(count):
            root[start + i] = _cubic(inverse, 0, np.sqrt(left[i]) * per_range)


@_compiled(fastmath=_FAST)
def _exit(forward, inverse, per_energy, per_range, edges, factor, depth, energy, out):  # type: ignore[no-untyped-def]
    root = np.empty(_BLOCK)
    path = np.empty(_BLOCK)
    left = np.empty(_BLOCK)
    for start in range(0, depth.size, _BLOCK):
        count = min(_BLOCK, depth.size - start)
        deepest = 0.0
        for i in range(count):
            root[i] = np.sqrt(energy[start + i])
            deepest = max(deepest, depth[start + i])
        for layer in range(per_range.size - 1, -1, -1):
            near = edges[layer]
            if deepest <= near:
                continue
            full = edges[layer + 1] - near
            scale = per_range[layer]
            for i in range(count):
                path[i] = min(max(depth[start + i] - near, 0.0), full) * factor
            for i in range(count):
                ahead = _cubic(forward, layer, root[i] * per_energy)
                left[i] = max(ahead - path[i], 0.0)
            for i in range(count):
                left[i] = np.sqrt(left[i]) * scale
            for i in range(count):
                after = _cubic(inverse, layer, left[i])
                root[i] = after if path[i] > 0.0 else root[i]
        for i in range(count):
            out[start + i] = root[i] * root[i]


@_compiled(fastmath={"contract"})
def _depth(forward, inverse, per_energy, per_range, edges, factor, ends, roots, births, out):  # type: ignore[no-untyped-def]
    root = np.empty(_BLOCK)
    birth = np.empty(_BLOCK)
    path = np.empty(_BLOCK)
    here = np.empty(_BLOCK)
    found = np.empty(_BLOCK)
    sought = np.empty(_BLOCK)  # 1 or 0, as a float so that the loops stay vectors
    last = per_range.size - 1
    for start in range(0, roots.size, _BLOCK):
        count = min(_BLOCK, roots.size - start)
        for i in range(count):
            root[i] = roots[start + i]
            birth[i] = births[start + i] * per_energy
            sought[i] = 1.0 if root[i] <= births[start + i] * (1.0 + _BIRTH_SLACK) else 0.0
            found[i] = np.nan
        for layer in range(last + 1):
            near = edges[layer]
            thick = edges[layer + 1] - near
            full = thick * factor
            limit = full + (_EDGE_SLACK_1E15 if layer == last else 0.0)
            for i in range(count):
                here[i] = _cubic(forward, layer, root[i] * per_energy)
                path[i] = _cubic(forward, layer, birth[i]) - here[i]
            still = 0.0
            for i in range(count):
                inside = sought[i] > 0.0 and path[i] <= limit
                depth = near + min(max(path[i] / factor, 0.0), thick)
                found[i] = depth if inside else found[i]
                sought[i] = 0.0 if inside else sought[i]
                still = max(still, sought[i])
            if still == 0.0 or layer == last:
                break
            scale = per_range[layer]
            for i in range(count):
                reach = min(here[i] + full, ends[layer])
                root[i] = _cubic(inverse, layer, np.sqrt(reach) * scale)
        for i in range(count):
            out[start + i] = found[i]
