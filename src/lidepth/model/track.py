"""Lithium at every spectrum of a campaign."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lidepth.model._arrays import readonly, require
from lidepth.model.calibration import FittedParameter

Floats = NDArray[np.float64]

NUISANCES = ("beam", "offset_kev", "background", "silicon_1e15")
"""Columns of ``nuisances``: beam against the monitor and background as logarithms."""


@dataclass(frozen=True, kw_only=True)
class LithiumTrack:
    """What a campaign as a whole says of every one of its k spectra.

    ``rows`` (k,) in the series, ``time_s`` (k,) their middles since the run's origin, ``cycle``
    (k,), ``charge_uah`` (k,) net charge by the cycler.  ``contents_uah`` (k, 3): lithium in the
    anode, added to the electrolyte and missing from the cathode since pristine, whole cell, with
    total standard uncertainty ``std_uah`` and the part ``stat_uah`` that counting leaves when the
    shared parameters are known.  ``change_1e15`` and ``change_std_1e15`` (k, cells): lithium gained
    per depth cell between ``edges_nm`` (cells + 1,), zero at the anode's surface, of layers
    ``regions``.  ``nuisances`` and ``nuisances_std`` (k, 4) in the order of NUISANCES.
    ``deviance`` (k,) of each spectrum from its model, over ``bins``.  ``shared`` the parameters of
    all spectra; ``log_evidence`` of the whole campaign (relative); ``smoothed`` is False for a
    filter, which knows of each spectrum only what came before.
    """

    rows: NDArray[np.int64]
    time_s: Floats
    cycle: NDArray[np.int64]
    charge_uah: Floats
    contents_uah: Floats
    std_uah: Floats
    stat_uah: Floats
    edges_nm: Floats
    regions: tuple[str, ...]
    change_1e15: Floats
    change_std_1e15: Floats
    nuisances: Floats
    nuisances_std: Floats
    deviance: Floats
    bins: int
    shared: tuple[FittedParameter, ...]
    log_evidence: float
    passes: int
    smoothed: bool = True

    def __post_init__(self) -> None:
        k, cells = self.rows.size, len(self.regions)
        for name, shape in (
            ("time_s", (k,)), ("charge_uah", (k,)), ("deviance", (k,)),
            ("contents_uah", (k, 3)), ("std_uah", (k, 3)), ("stat_uah", (k, 3)),
            ("edges_nm", (cells + 1,)), ("change_1e15", (k, cells)),
            ("change_std_1e15", (k, cells)), ("nuisances", (k, 4)), ("nuisances_std", (k, 4)),
        ):  # fmt: skip
            object.__setattr__(self, name, readonly(getattr(self, name)))
            require(getattr(self, name).shape == shape, f"{name} has the shape {shape}")
        require(self.cycle.shape == (k,), "one cycle per spectrum")

    def __len__(self) -> int:
        return int(self.rows.size)

    def __getitem__(self, name: str) -> FittedParameter:
        for parameter in self.shared:
            if parameter.name == name:
                return parameter
        raise KeyError(name)

    @property
    def width_nm(self) -> Floats:
        """Cell widths in nm of the pristine stack; (cells,)."""
        return np.diff(self.edges_nm)
