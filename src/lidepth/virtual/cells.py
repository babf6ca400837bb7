"""The true stack, cut into fine cells."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lidepth.model.stack import Layer, Stack

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class FineCells:
    """Homogeneous cells of a few nanometres, detector side first, all arrays (cells,).

    ``layer`` is the index of the layer in the stack; ``depth_nm`` the middle of the cell below
    its layer's upper surface; ``atoms_1e15``, ``lithium_1e15`` and ``silicon_1e15`` are what the
    pristine cell holds, in 1e15 atoms/cm2; ``li6_fraction`` of its lithium.
    """

    layer: NDArray[np.int64]
    width_nm: Floats
    depth_nm: Floats
    atoms_1e15: Floats
    lithium_1e15: Floats
    silicon_1e15: Floats
    li6_fraction: Floats

    def __len__(self) -> int:
        return int(self.layer.size)


def cut(stack: Stack, cell_nm: float) -> tuple[FineCells, FineCells]:
    """Return the cells of the cover (no lithium) and those of the cell proper below it.

    The cell proper reaches from the first to the last layer with a role or with lithium; what
    lies below sends nothing to the detector.  The cover is cut more coarsely, because nothing is
    born in it.
    """
    inside = [
        number
        for number, layer in enumerate(stack)
        if layer.role is not None or layer.element_1e15("Li") > 0
    ]
    first, last = min(inside), max(inside)
    cover = _cells(stack, range(first), lambda _: 4.0 * cell_nm)
    proper = _cells(stack, range(first, last + 1), lambda layer: min(cell_nm, _finest(layer)))
    return cover, proper


def _finest(layer: Layer) -> float:
    """Thin films get at least 20 cells."""
    return layer.thickness_nm / 20.0


def _cells(stack: Stack, numbers: range, size_nm: Callable[[Layer], float]) -> FineCells:
    parts = [_of_layer(stack.layers[k], k, size_nm(stack.layers[k])) for k in numbers]
    table = np.concatenate(parts, axis=1) if parts else np.zeros((7, 0))
    return FineCells(
        layer=table[0].astype(np.int64), width_nm=table[1], depth_nm=table[2],
        atoms_1e15=table[3], lithium_1e15=table[4], silicon_1e15=table[5], li6_fraction=table[6],
    )  # fmt: skip


def _of_layer(layer: Layer, number: int, size_nm: float) -> Floats:
    n = max(1, math.ceil(layer.thickness_nm / size_nm - 1e-9))
    width = layer.thickness_nm / n
    alike = (
        layer.areal_density_1e15 / n,
        layer.element_1e15("Li") / n,
        layer.element_1e15("Si") / n,
        layer.material.li6_fraction,
    )
    rows = [np.full(n, number), np.full(n, width), width * (np.arange(n) + 0.5)]
    return np.stack(rows + [np.full(n, value) for value in alike])
