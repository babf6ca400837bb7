"""Is there an interlayer in one state, how thick and how sharp: the posterior on a grid.

For a given reach and width the spectrum is linear in the slab's lithium, and everything else
(flux, offset, background, anode, cathode, bulk, shared parameters) is integrated out in closed
form.  What is left is one Gaussian in the amount for each reach and width,

    ln B(L, w) = beta^2 / 2 alpha - ln(alpha / tau) / 2 + ln 2 Phi(beta / sqrt(alpha)),

with the precision tau of the amount's prior, alpha = tau + s'Hs, beta = s'(g + H slab): the odds of
an amount of either sign against none (Savage and Dickey), times those of a positive one among both.
The average over the prior of reach and width is the Bayes factor; the weights are the posterior.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, logsumexp, ndtr

from lidepth.analysis.slab.front import Fronts
from lidepth.analysis.slab.linear import Quadratic
from lidepth.analysis.slab.model import (
    REACH_NM,
    REACH_STD,
    WIDTH_NM,
    WIDTH_STD,
    SlabModel,
)
from lidepth.model.interlayer import LEVELS

Floats = NDArray[np.float64]

_TOLD = 0.5  # of the prior's spread: a quantity is known where the data halve it
_NEAREST_NM, _SHARPEST_NM, _WIDEST_NM = 12.0, 8.0, 400.0
_DEEPEST = 0.7  # of the electrolyte


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Fronts on a grid, flattened, with the logarithm of each one's prior (m,).

    ``shares`` (m, cells), ``content_nm`` and ``thickness_nm`` (m,) are those of ``fronts``.
    """

    fronts: Fronts
    log_prior: Floats
    shares: Floats
    content_nm: Floats
    thickness_nm: Floats


def front_grid(slab: SlabModel, *, reaches: int = 72, widths: int = 14) -> Grid:
    """Reaches and widths evenly spaced in their logarithms, with the prior of each."""
    deepest = _DEEPEST * float(slab.edges_nm[-1])
    reach = np.geomspace(min(_NEAREST_NM, 0.1 * deepest), deepest, reaches)
    width = np.geomspace(_SHARPEST_NM, _WIDEST_NM, widths)
    both = np.stack(np.meshgrid(reach, width, indexing="ij"), axis=-1).reshape(-1, 2)
    off = (np.log(both) - np.log([REACH_NM, WIDTH_NM])) / [REACH_STD, WIDTH_STD]
    log_prior = -0.5 * np.sum(off**2, axis=1)
    fronts = Fronts(edges_nm=slab.edges_nm, reach_nm=both[:, 0], width_nm=both[:, 1])
    return Grid(
        fronts=fronts, log_prior=log_prior - logsumexp(log_prior), shares=fronts.shares,
        content_nm=fronts.content_nm, thickness_nm=fronts.thickness_nm,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Posterior:
    """What one state says of its slab.

    ``ln_bayes`` that there is one; ``weights`` (m,) of the grid's fronts; ``mean_1e15`` and
    ``std_1e15`` (m,) of the amount given the front, before it is required to be positive.
    """

    ln_bayes: float
    weights: Floats
    mean_1e15: Floats
    std_1e15: Floats

    @property
    def amount(self) -> float:
        """Mean of the slab's lithium, of either sign, 1e15/cm2."""
        return float(self.weights @ self.mean_1e15)

    @property
    def amount_std(self) -> float:
        """Standard deviation of the slab's lithium, 1e15/cm2."""
        square = self.weights @ (self.std_1e15**2 + self.mean_1e15**2)
        return float(np.sqrt(max(float(square) - self.amount**2, 0.0)))


def posterior(
    quadratic: Quadratic, grid: Grid, *, shared_covariance: Floats, amount_std_1e15: float
) -> Posterior:
    """Posterior over the grid, everything else marginalised."""
    curvature, gradient = quadratic.without_shared(shared_covariance)
    across = grid.shares @ curvature
    tau = amount_std_1e15**-2
    alpha = np.sum(across * grid.shares, axis=1) + tau
    beta = grid.shares @ (gradient + curvature @ quadratic.slab_1e15)
    z = beta / np.sqrt(alpha)
    log_odds = 0.5 * z**2 - 0.5 * np.log(alpha / tau) + np.log(2.0) + log_ndtr(z)
    joint = grid.log_prior + log_odds
    ln_bayes = float(logsumexp(joint))
    return Posterior(
        ln_bayes=ln_bayes, weights=np.exp(joint - ln_bayes), mean_1e15=beta / alpha,
        std_1e15=alpha**-0.5,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Shapes:
    """Quantiles at LEVELS for every state, (n, levels), and whether the data set them (n,)."""

    thickness_nm: Floats
    width_nm: Floats
    enrichment: Floats
    thickness_known: NDArray[np.bool_]
    width_known: NDArray[np.bool_]


def quantiles_of(
    slab: SlabModel, grid: Grid, found: Sequence[Posterior], *, scale: float
) -> Shapes:
    """Thickness and width, times ``scale``, and enrichment of all states."""
    levels, prior = np.array(LEVELS), np.exp(grid.log_prior)
    host_per_nm = float(slab.host_1e15.sum() / slab.edges_nm[-1])
    shapes = {}
    known = {}
    for name, values in (("thickness", grid.thickness_nm), ("width", grid.fronts.width_nm)):
        each = np.array([quantiles(values, one.weights, levels) for one in found])
        believed = quantiles(values, prior, levels)
        shapes[name] = scale * each
        known[name] = _spread(each) < _TOLD * _spread(believed)
    return Shapes(
        thickness_nm=shapes["thickness"], width_nm=shapes["width"],
        enrichment=np.array([plateau_quantiles(one, grid, levels, host_per_nm) for one in found]),
        thickness_known=known["thickness"], width_known=known["width"],
    )  # fmt: skip


def _spread(at_levels: Floats) -> Floats:
    """Half the logarithmic width of the 68 % interval."""
    return np.asarray(0.5 * np.log(at_levels[..., 3] / at_levels[..., 1]))


def quantiles(values: Floats, weights: Floats, levels: Floats) -> Floats:
    """Quantiles of a positive quantity known on a grid, linear in its logarithm; (levels,)."""
    unique, place = np.unique(values, return_inverse=True)
    mass = np.bincount(place, weights=weights)
    middle = np.cumsum(mass) - 0.5 * mass
    return np.asarray(np.exp(np.interp(levels, middle / mass.sum(), np.log(unique))))


def plateau_quantiles(
    found: Posterior, grid: Grid, levels: Floats, host_per_nm_1e15: float
) -> Floats:
    """Quantiles of the enrichment, the plateau as a fraction of the host's lithium; (levels,)."""
    scale = grid.content_nm * host_per_nm_1e15
    keep = found.weights > 1e-6 * found.weights.max()
    mean, std = (found.mean_1e15 / scale)[keep], (found.std_1e15 / scale)[keep]
    weights = found.weights[keep]
    top = float(np.max(np.maximum(mean, 0.0) + 5.0 * std))
    trial = np.geomspace(1e-5 * top, top, 160)
    none = ndtr(-mean / std)
    below = (ndtr((trial[:, None] - mean) / std) - none) / np.maximum(1.0 - none, 1e-300)
    chance = below @ weights / weights.sum()
    return np.asarray(np.interp(levels, chance, trial))
