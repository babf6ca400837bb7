"""How the ledger of a run depends on each parameter that all its states share.

All from the factored fit: with C the covariance of the shared parameters after the fit, P their
prior precision and B the derivatives of the ledger (states following), B C is the covariance of
ledger and parameters.  From it:

- B C P moves of the ledger when a prior mean moves (the gradient of the posterior by it is P),
- B C / C_ii is the slope of the ledger along parameter i with all others refitted (the conditional
  mean of a normal distribution),
- B C / sqrt(C_ii) is the ledger's error that goes with the one left in parameter i.

C is Gauss-Newton's: refits agree to about a tenth (tests/analysis/test_diagnosis.py).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis.account import ledger_rows
from lidepth.analysis.invert import Inversion
from lidepth.analysis.parameters import Parameter
from lidepth.analysis.reduce import Reduction
from lidepth.model.diagnosis import Sensitivity, SensitivityTable

Floats = NDArray[np.float64]

_INTERNAL = ("profile",)
# Steps that mean something to who builds or measures a cell, by the kind of parameter: size as it
# is fitted (relative where logarithmic), and in words.
_STEPS = {
    "offset": (1.0, "1 keV"),
    "offset_drift": (1.0, "1 keV"),
    "gain_drift": (1e-3, "0.1 %"),
    "tail": (0.01, "1 % of the counts"),
    "shape": (0.01, "1 % per e-fold of energy"),
    "bend": (0.01, "1 % per squared e-fold"),
    "roughness": (1.0, "1 %^2"),
    "scattering": (0.1, "10 %"),
    "silicon": (10.0, "10 x 1e15/cm2"),
}
_LOOSE = ("tail_length", "straggling", "background", "back_length", "flat", "silicon_depth")
_GAIN = 1e-3


def sensitivities(
    inversion: Inversion, reduction: Reduction, *, widen: float
) -> SensitivityTable | None:
    """The table for the means over charged and over discharged states; None without states.

    ``widen`` is the factor by which common errors are widened for a pristine misfit.
    """
    if not reduction.states:
        return None
    names = [state.name for state in reduction.states]
    kinds = tuple(dict.fromkeys(names))
    values, _, each = ledger_rows(inversion)
    borders = np.array(each).reshape(*values.shape, -1)
    means = np.stack([borders[[name == kind for name in names]].mean(axis=0) for kind in kinds])
    covariance = inversion.solution.shared_covariance
    together = means @ covariance
    believed = together @ inversion.model.parameters.precision
    common = np.sqrt(np.maximum(np.einsum("kri,kri->kr", together, means), 0.0)) * widen
    rows = [
        _sensitivity(p, covariance[i, i], together[..., i], believed[..., i], widen)
        for i, p in enumerate(inversion.model.parameters.items)
        if p.name.split(":")[0] not in _INTERNAL and covariance[i, i] > 0.0
    ]
    rows.sort(key=lambda row: -float(np.abs(row.share).max()))
    return SensitivityTable(kinds=kinds, common=common, rows=tuple(rows))


def _sensitivity(
    p: Parameter, variance: float, together: Floats, believed: Floats, widen: float
) -> Sensitivity:
    """One row; ``together`` and ``believed`` (kinds, 3)."""
    std, (step, words) = math.sqrt(variance), natural_step(p)
    known = math.isfinite(p.std)
    return Sensitivity(
        name=p.name, label=p.label, unit=p.unit, prior_std=p.std, std=std, step=step,
        step_words=words, believed=believed * p.std if known else np.zeros_like(believed),
        forced=together * (step / variance), share=together * (widen / std),
    )  # fmt: skip


def natural_step(p: Parameter) -> tuple[float, str]:
    """A step of one parameter that means something: its size as fitted, and in words."""
    kind = p.name.split(":")[0]
    if kind == "gain":
        return _GAIN * abs(p.first), f"{100 * _GAIN:g} %"
    if kind in _STEPS:
        return _STEPS[kind]
    return (0.1, "10 %") if kind in _LOOSE else (0.01, "1 %")
