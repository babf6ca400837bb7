"""Nested sampling of one state's slab, with exact spectra: the check of the closed forms.

Sampled are amount, reach and width; flux, offset, background, anode, cathode, bulk and the shared
parameters are integrated out around their best values at each point.  Needs dynesty (extra
``evidence``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from scipy.special import ndtri

from lidepth.analysis.fit import EMPTY, Observation, deviance, inverse_of
from lidepth.analysis.forward import HATS
from lidepth.analysis.sensitivity import Sensitivity
from lidepth.analysis.slab.evidence import quantiles
from lidepth.analysis.slab.front import front
from lidepth.analysis.slab.linear import Quadratic
from lidepth.analysis.slab.model import (
    AMOUNT,
    BULK,
    LNREACH,
    LNWIDTH,
    REACH_NM,
    REACH_STD,
    WIDTH_NM,
    WIDTH_STD,
    SlabModel,
)
from lidepth.errors import BadInput, NotConverged
from lidepth.model.interlayer import LEVELS, NestedEvidence

Floats = NDArray[np.float64]

LIVE_POINTS = 100
_DLOGZ = 0.1
_ENLARGE = 1.5  # of the ellipsoids about the live points, so that none cuts the posterior off
_SETTLED = 0.05  # standard deviations of the nuisances
_PASSES = 30
# A foreseen gain larger than this is not believed: far from the optimum a bin that expects next
# to nothing promises any gain, and sampling would go after it.
_TRUSTED = 0.5
_CORRECTIONS = 3


@dataclass(frozen=True, kw_only=True)
class Samples:
    """What nested sampling drew: ``points`` (n, d) with ``weights`` (n,) that sum to one."""

    ln_evidence: float
    ln_evidence_std: float
    points: Floats
    weights: Floats
    calls: int


def nested_evidence(
    log_likelihood: Callable[[Floats], float], prior_transform: Callable[[Floats], Floats],
    dimensions: int, *, seed: int, live_points: int = LIVE_POINTS,
) -> Samples:  # fmt: skip
    """Evidence by dynesty's static nested sampling; the same seed gives the same numbers.

    Raises BadInput where dynesty is not installed.
    """
    try:
        import dynesty
    except ImportError as error:
        raise BadInput(
            "nested sampling needs the package dynesty, which is not installed",
            remedy="pip install lidepth[evidence], or use the closed forms (--evidence laplace)",
        ) from error
    sampler = dynesty.NestedSampler(
        log_likelihood, prior_transform, dimensions, nlive=live_points,
        rstate=np.random.default_rng(seed), bound="multi", sample="unif", bootstrap=0,
        enlarge=_ENLARGE,
    )  # fmt: skip
    sampler.run_nested(dlogz=_DLOGZ, print_progress=False)
    found = sampler.results
    log_weights = np.asarray(found.logwt) - float(found.logz[-1])
    weights = np.exp(log_weights - log_weights.max())
    return Samples(
        ln_evidence=float(found.logz[-1]), ln_evidence_std=float(found.logzerr[-1]),
        points=np.asarray(found.samples), weights=weights / weights.sum(),
        calls=int(np.sum(found.ncall)),
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class StateLikelihood:
    """Likelihood of amount, reach and width of one state, its nuisances integrated out.

    ``levers`` (bins, nuisances) is the derivative of the counts by flux, offset, background, anode,
    cathode, bulk and the shared parameters where the slab has settled; ``beliefs`` (nuisances,
    nuisances) their prior precision, the shared parameters' about the held values.
    """

    slab: SlabModel
    seen: Observation
    mask: NDArray[np.bool_]
    shared: Floats
    quadratic: Quadratic
    levers: Floats
    beliefs: Floats

    def at(self, amount_1e15: float, reach_nm: float, width_nm: float) -> float:
        """Logarithm of the marginal likelihood, up to a constant that is the same for any slab."""
        nuisances = self._foreseen(amount_1e15, reach_nm, width_nm)
        value, step, curvature = self._weigh(amount_1e15, reach_nm, width_nm, nuisances)
        for _ in range(_CORRECTIONS):
            if _gain(step, curvature) < _TRUSTED:
                break
            moved = nuisances + _solve(curvature, step)
            trial = self._weigh(amount_1e15, reach_nm, width_nm, moved)
            if not trial[0] > value:
                break
            nuisances, (value, step, curvature) = moved, trial
        gain = min(_gain(step, curvature), _TRUSTED)
        return value + gain - 0.5 * _ln_determinant(curvature)

    def without(self) -> float:
        """The same with no slab: far from where it settled, so the nuisances are fitted."""
        nuisances = self._foreseen(0.0, REACH_NM, WIDTH_NM)
        for _ in range(_PASSES):
            value, step, curvature = self._weigh(0.0, REACH_NM, WIDTH_NM, nuisances)
            gain = _gain(step, curvature)
            if gain < 0.5 * _SETTLED**2:
                return value + gain - 0.5 * _ln_determinant(curvature)
            nuisances = nuisances + _solve(curvature, step)
        raise NotConverged(
            f"without an interlayer {self.seen.label} cannot be fitted",
            remedy="take the closed-form Bayes factor (--evidence laplace)",
        )

    def _foreseen(self, amount: float, reach: float, width: float) -> Floats:
        """Best nuisances by the quadratic, less those where the slab settled."""
        one = self.quadratic
        cells = slice(HATS, HATS + one.host_1e15.size)
        moved = amount * front(self.slab.edges_nm, reach, width).shares[0] - one.slab_1e15
        rows = np.zeros((one.gradient.size, len(self.beliefs)))
        rows[:HATS, :HATS] = np.eye(HATS)
        rows[cells, HATS] = one.host_1e15
        rows[cells.stop :, HATS + 1 :] = np.eye(self.shared.size)
        pull = rows.T @ (one.gradient - one.curvature[:, cells] @ moved)
        pull[HATS] -= one.bulk_precision * one.state[BULK]
        # Priors of flux, offset and background are in the quadratic already.
        information = rows.T @ one.curvature @ rows
        information[HATS:, HATS:] += self.beliefs[HATS:, HATS:]
        return _solve(information, pull)

    def _weigh(
        self, amount: float, reach: float, width: float, nuisances: Floats
    ) -> tuple[float, Floats, Floats]:
        """Logarithm of likelihood times prior, its gradient and its curvature by the nuisances."""
        state, shared = self.quadratic.state.copy(), self.shared + nuisances[HATS + 1 :]
        state[: HATS + 1] += nuisances[: HATS + 1]
        state[AMOUNT], state[LNREACH], state[LNWIDTH] = amount, np.log(reach), np.log(width)
        with np.errstate(over="ignore", invalid="ignore"):
            total = self.slab.predict(shared, self.seen.setting, state).total[self.mask] + EMPTY
        if not (np.all(np.isfinite(total)) and total.min() > 0.5 * EMPTY):
            return -1e300, np.zeros(nuisances.size), np.eye(nuisances.size)
        counts = self.seen.counts[self.mask]
        off = nuisances.copy()
        off[: HATS + 1] = state[: HATS + 1]  # their priors are about nought
        weighted = self.levers / total[:, None]
        step = weighted.T @ (counts - total) - self.beliefs @ off
        curvature = weighted.T @ self.levers + self.beliefs
        value = -deviance(counts, total) - 0.5 * float(off @ self.beliefs @ off)
        for tie in self.seen.ties:
            row = np.concatenate([tie.state_row[: HATS + 1], tie.shared_row])
            miss = (tie.value - tie.state_row @ state - tie.shared_row @ shared) / tie.std
            step += row * (miss / tie.std)
            curvature += np.outer(row, row) / tie.std**2
            value -= 0.5 * float(miss) ** 2
        return value, step, curvature


def state_likelihood(
    slab: SlabModel, seen: Observation, mask: NDArray[np.bool_], shared: Floats,
    quadratic: Quadratic, *, shared_covariance: Floats,
) -> StateLikelihood:  # fmt: skip
    """Prepare the likelihood of one state where its slab has settled."""
    state = quadratic.state
    moves = Sensitivity.of(slab, shared, seen.setting, state)
    levers = np.concatenate([moves.by_state[:, : HATS + 1], moves.by_shared], axis=1)[mask]
    beliefs = np.zeros((levers.shape[1], levers.shape[1]))
    beliefs[: HATS + 1, : HATS + 1] = seen.precision[: HATS + 1, : HATS + 1]
    beliefs[HATS + 1 :, HATS + 1 :] = inverse_of(shared_covariance)
    return StateLikelihood(
        slab=slab, seen=seen, mask=mask, shared=shared, quadratic=quadratic, levers=levers,
        beliefs=beliefs,
    )  # fmt: skip


def sample_state(
    slab: SlabModel, seen: Observation, mask: NDArray[np.bool_], shared: Floats,
    quadratic: Quadratic, *, shared_covariance: Floats, amount_std_1e15: float, seed: int,
    scale: float = 1.0, live_points: int = LIVE_POINTS,
) -> NestedEvidence:  # fmt: skip
    """Sample amount, reach and width of one state; lengths are reported times ``scale``."""
    exact = state_likelihood(
        slab, seen, mask, shared, quadratic, shared_covariance=shared_covariance
    )

    def transform(unit: Floats) -> Floats:
        amount = amount_std_1e15 * ndtri(0.5 + 0.5 * unit[0])
        reach = REACH_NM * np.exp(REACH_STD * ndtri(unit[1]))
        return np.array([amount, reach, WIDTH_NM * np.exp(WIDTH_STD * ndtri(unit[2]))])

    found = nested_evidence(
        lambda point: exact.at(*map(float, point)), transform, 3, seed=seed,
        live_points=live_points,
    )  # fmt: skip
    amount, reach, width = found.points.T
    thickness = np.array(
        [front(slab.edges_nm, r, w).thickness_nm[0] for r, w in zip(reach, width, strict=True)]
    )
    mean = float(found.weights @ amount)
    levels = np.array(LEVELS)
    return NestedEvidence(
        label=seen.label, ln_bayes=found.ln_evidence - exact.without(),
        ln_bayes_std=found.ln_evidence_std, amount_1e15=mean,
        amount_std_1e15=float(np.sqrt(found.weights @ (amount - mean) ** 2)),
        thickness_nm=scale * quantiles(thickness, found.weights, levels),
        width_nm=scale * quantiles(width, found.weights, levels), calls=found.calls, seed=seed,
    )  # fmt: skip


def _gain(step: Floats, curvature: Floats) -> float:
    """What one Newton step would add to the logarithm."""
    return 0.5 * float(step @ _solve(curvature, step))


def _scaled(matrix: Floats) -> tuple[Floats, Floats]:
    scale = 1.0 / np.sqrt(np.diag(matrix))
    return scale, np.asarray(linalg.cholesky(matrix * np.outer(scale, scale), lower=True))


def _solve(matrix: Floats, right: Floats) -> Floats:
    scale, factor = _scaled(matrix)
    return np.asarray(scale * linalg.cho_solve((factor, True), scale * right))


def _ln_determinant(matrix: Floats) -> float:
    scale, factor = _scaled(matrix)
    return 2.0 * float(np.sum(np.log(np.diag(factor)) - np.log(scale)))
