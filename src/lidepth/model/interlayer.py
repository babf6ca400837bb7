"""The interlayer between anode and electrolyte, as a slab: whether there is one, and its shape."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lidepth.model._arrays import readonly, require

Floats = NDArray[np.float64]

LEVELS = (0.025, 0.16, 0.5, 0.84, 0.975)
"""Probabilities of the quantiles of thickness, width and enrichment."""

LOW, MEDIAN, HIGH, UPPER = 1, 2, 3, 4
"""Places in LEVELS: the ends of the 68 % interval about the median, and the upper end of 95 %."""


@dataclass(frozen=True, kw_only=True)
class NestedEvidence:
    """The same question put to one state by nested sampling with exact spectra.

    ``ln_bayes`` with its sampling error ``ln_bayes_std``; ``amount_1e15`` and ``amount_std_1e15``
    of the slab; ``thickness_nm`` and ``width_nm`` (levels,); ``calls`` of the likelihood.
    """

    label: str
    ln_bayes: float
    ln_bayes_std: float
    amount_1e15: float
    amount_std_1e15: float
    thickness_nm: Floats
    width_nm: Floats
    calls: int
    seed: int

    def __post_init__(self) -> None:
        for name in ("thickness_nm", "width_nm"):
            object.__setattr__(self, name, readonly(getattr(self, name)))
            require(getattr(self, name).shape == (len(LEVELS),), f"{name} has one value per level")


@dataclass(frozen=True, kw_only=True)
class Interlayer:
    """A slab of added lithium below the anode, per state, beside the default's smooth profile.

    ``amount_1e15`` (n,) of lithium in the slab, 1e15/cm2, with total standard uncertainty
    ``amount_std_1e15``.  ``thickness_nm`` (twice the mean depth of that lithium), ``width_nm`` (the
    front's standard deviation) and ``enrichment`` (the plateau over the electrolyte's own lithium)
    are quantiles at LEVELS, (n, levels); ``thickness_known`` and ``width_known`` (n,) are False
    where they are little more than what was believed beforehand: then only the upper one means
    something.  ``ln_bayes`` (n,) that a state has an interlayer, against none; ``run_ln_bayes`` for
    the run.  ``change_1e15`` (n, cells) is the slab's change of lithium in the cells of the
    analysis's profiles.

    ``disagreement_uah`` (n, 3) is the slab's ledger less the default's, ``disagreement_std_uah``
    (n, 3) what chance allows, both being read from one spectrum; ``model_uah`` (n, 3) what is left,
    the error of model that neither ledger's uncertainty holds.  ``mean_disagreement_uah`` and its
    standard uncertainty are those of the electrolyte over all rows.
    """

    cycle: NDArray[np.int64]
    state: tuple[str, ...]
    amount_1e15: Floats
    amount_std_1e15: Floats
    thickness_nm: Floats
    width_nm: Floats
    enrichment: Floats
    thickness_known: NDArray[np.bool_]
    width_known: NDArray[np.bool_]
    ln_bayes: Floats
    run_ln_bayes: float
    change_1e15: Floats
    disagreement_uah: Floats
    disagreement_std_uah: Floats
    model_uah: Floats
    mean_disagreement_uah: float
    mean_disagreement_std_uah: float
    nested: tuple[NestedEvidence, ...] = ()

    def __post_init__(self) -> None:
        n, levels = len(self.state), len(LEVELS)
        for name, shape in (
            ("amount_1e15", (n,)), ("amount_std_1e15", (n,)), ("thickness_nm", (n, levels)),
            ("width_nm", (n, levels)), ("enrichment", (n, levels)), ("ln_bayes", (n,)),
            ("disagreement_uah", (n, 3)), ("disagreement_std_uah", (n, 3)), ("model_uah", (n, 3)),
        ):  # fmt: skip
            object.__setattr__(self, name, readonly(getattr(self, name)))
            require(getattr(self, name).shape == shape, f"{name} has the shape {shape}")
        object.__setattr__(self, "change_1e15", readonly(self.change_1e15))
        require(self.change_1e15.ndim == 2 and len(self.change_1e15) == n, "one profile per state")
        for name, kind in (("cycle", np.int64), ("thickness_known", bool), ("width_known", bool)):
            values = np.array(getattr(self, name), dtype=kind)
            values.setflags(write=False)
            object.__setattr__(self, name, values)
            require(values.shape == (n,), f"{name} has one value per state")

    def __len__(self) -> int:
        return len(self.state)

    def rows_of(self, state: str) -> NDArray[np.bool_]:
        """True for the rows of one state name; shape (n,)."""
        return np.array([name == state for name in self.state], dtype=bool)
