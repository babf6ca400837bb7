"""Is there an interlayer in the run: one Bayes factor, with everything shared counted once.

Sixty states seen through the same stack share its errors.  Their factors may not be added as if
each had marginalised them by itself.  Here amounts of all states and the shared parameters are one
Gaussian: the shared ones have their prior and the pristine spectrum once, and the amounts a prior
that grows from knot to knot of the cycle number, with a small deviation of each state, like the
default's mean profile.  Reach and width are the same in all states: where the interlayer
really thickens, the factor is smaller than it could be.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from scipy.special import log_ndtr, logsumexp

from lidepth.analysis.fit import Normal, Observation
from lidepth.analysis.parameters import knot_weights
from lidepth.analysis.slab.evidence import Grid
from lidepth.analysis.slab.linear import Quadratic
from lidepth.analysis.slab.model import SlabModel

Floats = NDArray[np.float64]

DEVIATION = 0.2
"""Deviation of one state's amount, as a fraction of the step between two knots."""


def growth_covariance(
    slab: SlabModel, observations: Sequence[Observation], *, amount_std_1e15: float
) -> Floats:
    """Prior covariance of the states' amounts, (1e15/cm2)^2; (n, n)."""
    steps = np.array([knot_weights(slab.knots, one.setting.cycle) for one in observations])
    own = DEVIATION**2 * np.eye(len(steps))
    return np.asarray(amount_std_1e15**2 * (steps @ steps.T + own))


def run_ln_bayes(
    found: Sequence[Quadratic], grid: Grid, *, amounts: Floats, shared_information: Floats,
    shared_gradient: Floats,
) -> float:  # fmt: skip
    """Logarithm of the Bayes factor of an interlayer in the run against none.

    ``amounts`` (n, n) is the prior covariance of the amounts; ``shared_information`` (p, p) and
    ``shared_gradient`` (p,) of the shared parameters' prior and the pristine spectrum, where they
    are held.
    """
    n, cells = len(found), found[0].host_1e15.size
    profiled = [one.profiled for one in found]
    slabs = [one.slab_1e15 for one in found]
    information = shared_information + sum(h[cells:, cells:] for h, _ in profiled)
    pull = shared_gradient + sum(
        g[cells:] + h[cells:, :cells] @ slab for (h, g), slab in zip(profiled, slabs, strict=True)
    )
    scale = 1.0 / np.sqrt(np.diag(information))
    without = _log_evidence(information * np.outer(scale, scale), pull * scale)
    own = np.array(
        [np.sum((grid.shares @ h[:cells, :cells]) * grid.shares, 1) for h, _ in profiled]
    )
    beta = np.array(
        [
            grid.shares @ (g[:cells] + h[:cells, :cells] @ slab)
            for (h, g), slab in zip(profiled, slabs, strict=True)
        ]
    )
    across = np.array([grid.shares @ h[:cells, cells:] * scale for h, _ in profiled])
    root = np.linalg.cholesky(amounts)
    each = np.zeros(grid.log_prior.size)
    for m in range(each.size):
        matrix = np.zeros((n + scale.size, n + scale.size))
        matrix[:n, :n] = np.eye(n) + root.T @ (own[:, m, None] * root)
        matrix[:n, n:] = root.T @ across[:, m]
        matrix[n:, :n] = matrix[:n, n:].T
        matrix[n:, n:] = information * np.outer(scale, scale)
        vector = np.concatenate([root.T @ beta[:, m], pull * scale])
        each[m] = _log_evidence(matrix, vector, mean=root.mean(axis=0)) - without
    return float(logsumexp(grid.log_prior + each))


def _log_evidence(matrix: Floats, vector: Floats, mean: Floats | None = None) -> float:
    """Logarithm of the integral of exp(v'x - x'Mx / 2), up to constants of the priors.

    With ``mean``, weights of the first entries, times twice the chance that their sum is positive.
    """
    factor = linalg.cho_factor(matrix, lower=True)
    centre = linalg.cho_solve(factor, vector)
    value = 0.5 * float(vector @ centre) - float(np.sum(np.log(np.diag(factor[0]))))
    if mean is None:
        return value
    row = np.zeros(vector.size)
    row[: mean.size] = mean
    std = float(np.sqrt(row @ linalg.cho_solve(factor, row)))
    return value + float(np.log(2.0) + log_ndtr(row @ centre / std))


def shared_believed(slab: SlabModel, shared: Floats, pristine: Normal) -> tuple[Floats, Floats]:
    """Information and gradient of the shared parameters' prior and of the pristine spectrum."""
    precision = slab.parameters.precision
    gradient = pristine.shared_gradient - precision @ (shared - slab.parameters.prior)
    return precision + pristine.c, gradient
