"""The lithium ledger: who holds the lithium that the cathode is missing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lidepth.model._arrays import readonly, require

REGIONS = ("anode", "electrolyte", "cathode")
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """Charge equivalents of lithium per state, for the whole cell, in uAh.

    ``values`` (n, 3): lithium in the anode, lithium added to the electrolyte and lithium missing
    from the cathode since pristine.  ``covariance`` (3n, 3n) of the flattened values (row by
    row), every common term included; ``independent`` (3n, 3n) the part that would differ in a
    repeated measurement of the same states (counting), common terms left out.
    ``balance_spent`` is true where conservation of lithium or the cut into windows already forced
    the balance, so that it tests nothing.
    """

    method: str
    cycle: NDArray[np.int64]
    state: tuple[str, ...]
    time_s: Floats
    values: Floats
    covariance: Floats
    independent: Floats
    flags: tuple[str, ...]
    balance_spent: bool
    remark: str = ""

    def __post_init__(self) -> None:
        n = len(self.state)
        cycle = np.array(self.cycle, dtype=np.int64)
        cycle.setflags(write=False)
        object.__setattr__(self, "cycle", cycle)
        for name, shape in (
            ("time_s", (n,)), ("values", (n, 3)), ("covariance", (3 * n, 3 * n)),
            ("independent", (3 * n, 3 * n)),
        ):  # fmt: skip
            object.__setattr__(self, name, readonly(getattr(self, name)))
            require(getattr(self, name).shape == shape, f"{name} has the shape {shape}")
        require(len(self.flags) == n and cycle.shape == (n,), "one flag and one cycle per row")

    def __len__(self) -> int:
        return len(self.state)

    @property
    def std(self) -> Floats:
        """Total standard uncertainty of every value; shape (n, 3)."""
        return np.asarray(np.sqrt(np.maximum(np.diag(self.covariance), 0.0)).reshape(-1, 3))

    @property
    def stat(self) -> Floats:
        """Independent standard uncertainty of every value; shape (n, 3)."""
        return np.asarray(np.sqrt(np.maximum(np.diag(self.independent), 0.0)).reshape(-1, 3))

    @property
    def balance(self) -> Floats:
        """Anode + electrolyte - cathode per state; shape (n,)."""
        return np.asarray(self.values @ np.array([1.0, 1.0, -1.0]))

    @property
    def balance_std(self) -> Floats:
        """Standard uncertainty of the balance, correlations included; shape (n,)."""
        weights = np.array([1.0, 1.0, -1.0])
        blocks = self.covariance.reshape(len(self), 3, len(self), 3)
        variance = np.einsum("i,ninj,j->n", weights, blocks, weights) if len(self) else []
        return np.asarray(np.sqrt(np.maximum(np.asarray(variance), 0.0)))

    def rows_of(self, state: str) -> NDArray[np.bool_]:
        """True for the rows of one state name; shape (n,)."""
        return np.array([name == state for name in self.state], dtype=bool)
