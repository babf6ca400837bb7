"""The response of a stack: what one lithium atom at one depth does to the spectrum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lidepth.model._arrays import readonly, require


@dataclass(frozen=True, kw_only=True)
class Response:
    """Probability that a particle born in a depth cell is counted in an energy bin.

    ``matrix`` (bins, cells): each column sums to the fraction of the cell's particles that fall
    on the energy axis.  ``energy_edges_kev`` (bins + 1,); ``depth_edges_1e15`` (cells + 1,) in
    1e15 atoms/cm2 of the pristine stack, detector side zero; ``exit_kev`` and ``sigma_kev``
    (cells + 1,) are mean and standard deviation of the energy of particles born at each edge.
    """

    particle: str
    matrix: NDArray[np.float64]
    energy_edges_kev: NDArray[np.float64]
    depth_edges_1e15: NDArray[np.float64]
    exit_kev: NDArray[np.float64]
    sigma_kev: NDArray[np.float64]

    def __post_init__(self) -> None:
        for name in ("matrix", "energy_edges_kev", "depth_edges_1e15", "exit_kev", "sigma_kev"):
            object.__setattr__(self, name, readonly(getattr(self, name)))
        bins, cells = self.matrix.shape
        require(self.energy_edges_kev.shape == (bins + 1,), "one energy edge more than bins")
        require(self.depth_edges_1e15.shape == (cells + 1,), "one depth edge more than cells")
        require(bool(np.all(self.matrix >= -1e-15)), "a probability is not negative")
        require(bool(np.all(self.matrix.sum(axis=0) <= 1 + 1e-9)), "a column sums to at most one")

    def expected(self, lithium: NDArray[np.float64]) -> NDArray[np.float64]:
        """Counts per bin for ``lithium`` particles born per cell; shape (bins,)."""
        return self.matrix @ np.asarray(lithium, dtype=np.float64)
