"""Lithium against depth, for one state of the cell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lidepth.model._arrays import readonly, require

Floats = NDArray[np.float64]
BAND_68 = 1.0
BAND_95 = 1.959963985


@dataclass(frozen=True, kw_only=True)
class DepthProfile:
    """Lithium in depth cells of the pristine stack, from the anode's outer surface inwards.

    ``edges_1e15`` and ``edges_nm`` (cells + 1,): areal density in 1e15 atoms/cm2 and nm, zero at
    the anode surface; ``regions`` (cells,) names the layer role of each cell.  ``lithium_1e15``
    (cells,) is what is there, ``pristine_1e15`` (cells,) what was there before; both in 1e15
    Li/cm2 per cell.  ``covariance`` (cells, cells) is the total covariance of the change,
    ``lithium - pristine``.  ``averaging_kernel`` (cells, cells): row i says how the estimate in
    cell i responds to a true lithium atom in each cell; ``resolution_nm`` (cells,) is its full
    width at half maximum, NaN where the data do not reach.
    """

    label: str
    cycle: int
    state: str
    time_s: float
    edges_1e15: Floats
    edges_nm: Floats
    regions: tuple[str, ...]
    lithium_1e15: Floats
    pristine_1e15: Floats
    covariance: Floats
    averaging_kernel: Floats
    resolution_nm: Floats

    def __post_init__(self) -> None:
        cells = len(self.regions)
        for name, shape in (
            ("edges_1e15", (cells + 1,)), ("edges_nm", (cells + 1,)), ("lithium_1e15", (cells,)),
            ("pristine_1e15", (cells,)), ("covariance", (cells, cells)),
            ("averaging_kernel", (cells, cells)), ("resolution_nm", (cells,)),
        ):  # fmt: skip
            object.__setattr__(self, name, readonly(getattr(self, name)))
            require(getattr(self, name).shape == shape, f"{name} has the shape {shape}")

    @property
    def change_1e15(self) -> Floats:
        """Lithium gained since pristine, 1e15 Li/cm2 per cell; shape (cells,)."""
        return self.lithium_1e15 - self.pristine_1e15

    @property
    def std_1e15(self) -> Floats:
        """Standard uncertainty of the change per cell; shape (cells,)."""
        return np.sqrt(np.maximum(np.diag(self.covariance), 0.0))

    @property
    def width_nm(self) -> Floats:
        """Cell widths in nm of the pristine stack; shape (cells,)."""
        return np.diff(self.edges_nm)

    @property
    def change_per_nm(self) -> Floats:
        """Change as a concentration, 1e15 Li/cm2 per nm (= 1e22 Li/cm3); shape (cells,)."""
        return self.change_1e15 / self.width_nm

    @property
    def std_per_nm(self) -> Floats:
        """Standard uncertainty of the change as a concentration; shape (cells,)."""
        return self.std_1e15 / self.width_nm
