"""Many ledgers of one run: what their scatter says of its errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lidepth.model._arrays import readonly, require
from lidepth.model.ledger import Ledger

Floats = NDArray[np.float64]

Kind = Literal["bootstrap", "resample", "prior", "total", "posterior"]
"""What is drawn again in each member (docs/ensembles.md)."""

BANDS = (0.025, 0.16, 0.5, 0.84, 0.975)
"""Quantiles of tables and figures."""

_DECIDES = 0.01


@dataclass(frozen=True, kw_only=True)
class Member:
    """One member of an ensemble; what it holds depends on the ensemble's seed and its number only.

    ``values`` (n, 3) in uAh, NaN where the fit failed for the reason ``failure``; ``start``
    (n, 3) where a member of a posterior set out, NaN otherwise; ``log_weight`` of that start, the
    logarithm of posterior over its Gaussian approximation; ``passes`` of the fit or sweeps of the
    sampler; ``seconds`` it took.
    """

    number: int
    values: Floats
    start: Floats
    log_weight: float = 0.0
    passes: int = 0
    seconds: float = 0.0
    failure: str = ""

    def __post_init__(self) -> None:
        for name in ("values", "start"):
            object.__setattr__(self, name, readonly(getattr(self, name)))
        require(self.values.ndim == 2 and self.values.shape[1] == 3, "three values per row")
        require(self.start.shape == self.values.shape, "a start for every value")
        require(self.number >= 0, "members are numbered from 0")
        require(bool(np.all(np.isfinite(self.values))) or bool(self.failure), "values are finite")


@dataclass(frozen=True, kw_only=True)
class Ensemble:
    """Ledgers of all members beside the ledger whose errors they test.

    ``stated`` is the ledger of the analysis; ``predicted`` (3n, 3n) the covariance that a linear
    model gives for what this ``kind`` draws again (NaN where there is none).  ``numbers`` (m,),
    ``values`` (m, n, 3), ``starts`` (m, n, 3), ``log_weights`` (m,) and ``seconds`` (m,) of the
    members that settled; ``weights`` (m,) sum to one; ``failed`` the numbers of the others and why.
    """

    kind: Kind
    method: str
    seed: int
    stated: Ledger
    predicted: Floats
    numbers: NDArray[np.int64]
    values: Floats
    weights: Floats
    starts: Floats
    log_weights: Floats
    seconds: Floats
    failed: tuple[tuple[int, str], ...] = ()

    def __post_init__(self) -> None:
        m, n = len(self.numbers), len(self.stated)
        numbers = np.array(self.numbers, dtype=np.int64)
        numbers.setflags(write=False)
        object.__setattr__(self, "numbers", numbers)
        for name, shape in (
            ("predicted", (3 * n, 3 * n)), ("values", (m, n, 3)), ("weights", (m,)),
            ("starts", (m, n, 3)), ("log_weights", (m,)), ("seconds", (m,)),
        ):  # fmt: skip
            object.__setattr__(self, name, readonly(getattr(self, name)))
            require(getattr(self, name).shape == shape, f"{name} has the shape {shape}")
        require(m >= 2, "an ensemble has at least two members")
        require(bool(np.isclose(self.weights.sum(), 1.0)), "weights sum to one")

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def mean(self) -> Floats:
        """Weighted mean of the members; (n, 3)."""
        return np.asarray(np.tensordot(self.weights, self.values, axes=1))

    @property
    def covariance(self) -> Floats:
        """Weighted covariance of the flattened values, unbiased for equal weights; (3n, 3n)."""
        off = (self.values - self.mean).reshape(len(self), -1)
        spread = off.T @ (off * self.weights[:, None])
        return np.asarray(spread / (1.0 - np.sum(self.weights**2)))

    @property
    def std(self) -> Floats:
        """Standard deviation over the members; (n, 3)."""
        return np.asarray(np.sqrt(np.diag(self.covariance)).reshape(-1, 3))

    @property
    def shift(self) -> Floats:
        """Mean of the members less the stated values; (n, 3)."""
        return np.asarray(self.mean - self.stated.values)

    @property
    def effective_size(self) -> float:
        """Members of equal weight that would say as much (Kish)."""
        return float(1.0 / np.sum(self.weights**2))

    def quantiles(self, levels: tuple[float, ...] = BANDS) -> Floats:
        """Weighted quantiles; (levels, n, 3)."""
        if np.ptp(self.weights) == 0.0:
            return np.asarray(np.quantile(self.values, levels, axis=0))
        order = np.argsort(self.values, axis=0)
        ordered = np.take_along_axis(self.values, order, axis=0)
        below = np.cumsum(self.weights[order], axis=0) - 0.5 * self.weights[order]
        found = np.empty((len(levels), *self.values.shape[1:]))
        for i, k in np.ndindex(self.values.shape[1:]):
            found[:, i, k] = np.interp(levels, below[:, i, k], ordered[:, i, k])
        return found

    @property
    def predicted_std(self) -> Floats:
        """What a linear model expects ``std`` to be; (n, 3)."""
        return np.asarray(np.sqrt(np.maximum(np.diag(self.predicted), 0.0)).reshape(-1, 3))

    @property
    def ratio(self) -> Floats:
        """``std`` over ``predicted_std``; (n, 3).

        NaN where nothing is predicted, or less than a hundredth of the stated error: there what
        was drawn again decides nothing (counts, of the cathode that is tied to the charge).
        """
        decides = self.predicted_std > _DECIDES * self.stated.std
        return _over(self.std, np.where(decides, self.predicted_std, 0.0))

    @property
    def stated_ratio(self) -> Floats:
        """``std`` over the total standard uncertainty stated in the ledger; (n, 3)."""
        return _over(self.std, self.stated.std)

    @property
    def ratio_error(self) -> float:
        """Relative standard error of every ratio, from the number of members (Gaussian)."""
        return float(1.0 / np.sqrt(2.0 * max(self.effective_size - 1.0, 1.0)))

    @property
    def laplace_size(self) -> float:
        """Effective number of the starts if they were weighted to the posterior; NaN without.

        Near the number of members: the posterior is Gaussian.
        """
        if not np.isfinite(self.starts).any():
            return float("nan")
        weights = np.exp(self.log_weights - self.log_weights.max())
        return float(weights.sum() ** 2 / np.sum(weights**2))

    @property
    def memory(self) -> Floats:
        """Correlation over the members between where they set out and where they came; (n, 3).

        Near zero: the sampler has forgotten its Gaussian start.  NaN where there is no start.
        """
        a, b = self.starts - self.starts.mean(axis=0), self.values - self.values.mean(axis=0)
        size = np.sqrt(np.sum(a**2, axis=0) * np.sum(b**2, axis=0))
        return _over(np.sum(a * b, axis=0), size)


def _over(above: Floats, below: Floats) -> Floats:
    """Quotient, NaN where there is nothing to divide by."""
    quotient = np.full(above.shape, np.nan)
    np.divide(above, below, out=quotient, where=below > 0)
    return quotient
