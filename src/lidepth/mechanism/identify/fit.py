"""Least squares, evidence and samples of one hypothesis.

With residuals that are standard normal and numbers z that are standard normal beforehand, the
posterior is exp(-(r'r + z'z)/2).  Levenberg-Marquardt finds its top, the curvature there gives
Laplace's evidence, and importance sampling from a Student t about it corrects both the evidence
and the shape (adaptive, Cappe et al., Stat. Comput. 18 (2008) 447).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Residuals = Callable[[Floats], Floats]
STARTS = 3
ROUNDS = 30
STEP = 1e-3
FREEDOM = 6.0  # of the Student t: tails heavier than a posterior's, moments that exist
BATCH = 400
ENOUGH = 150.0  # effective draws with which a round is the last
LEAST_ROUNDS, MOST_ROUNDS = 4, 14
FARTHEST = 6.0  # z beyond which no prior says anything


@dataclass(frozen=True, kw_only=True, eq=False)
class Top:
    """Where the posterior is largest: ``z`` (p,), ``covariance`` (p, p), Laplace's evidence.

    ``misfit`` is r'r there.  Evidences leave out the constant of the data, the same for all
    hypotheses on the same data.
    """

    z: Floats
    covariance: Floats
    log_evidence: float
    misfit: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Posterior:
    """Samples z (k, p) with ``weights`` (k,) that sum to one, and the evidence they give.

    ``log_evidence_std`` of sampling; ``effective`` how many independent draws they are worth.
    """

    top: Top
    z: Floats
    weights: Floats
    log_evidence: float
    log_evidence_std: float
    effective: float

    def mean(self, values: Floats) -> float:
        """Posterior mean of values (k,)."""
        return float(self.weights @ values)

    def std(self, values: Floats) -> float:
        """Posterior standard deviation of values (k,)."""
        variance = float(self.weights @ (values - self.mean(values)) ** 2)
        return float(np.sqrt(max(variance, 0.0)))


def climb(residuals: Residuals, size: int, starts: Floats | None = None) -> Top:
    """Find the top from several starts, (starts, p); a fixed spread of them unless given."""
    if starts is None:
        starts = np.zeros((STARTS, size))
        starts[1:, -min(size, 3) :] = [[0.8] * min(size, 3), [-0.8] * min(size, 3)]
    tops = [_climb_from(residuals, start) for start in starts]
    return max(tops, key=lambda top: top.log_evidence)


def _climb_from(residuals: Residuals, start: Floats) -> Top:
    z, damping = start.copy(), 1e-2
    r, slope = _linear(residuals, z)
    cost = float(r @ r + z @ z)
    for _ in range(ROUNDS):
        hessian = slope.T @ slope + np.eye(z.size)
        gradient = slope.T @ r + z
        step = np.linalg.solve(hessian + damping * np.diag(np.diag(hessian)), -gradient)
        step *= min(1.0, 1.5 / max(float(np.abs(step).max()), 1e-12))
        trial = np.clip(z + step, -FARTHEST, FARTHEST)
        there = residuals(trial[None, :])[0]
        new = float(there @ there + trial @ trial)
        if new < cost:
            settled = cost - new < 1e-4
            z, damping = trial, max(0.3 * damping, 1e-9)
            r, slope = _linear(residuals, z)
            cost = new
            if settled:
                break
        else:
            damping *= 5.0
            if damping > 1e6:
                break
    return _top(z, r, slope)


def _linear(residuals: Residuals, z: Floats) -> tuple[Floats, Floats]:
    """Residuals and their slopes, by differences to both sides, in one call."""
    step = STEP * np.eye(z.size)
    every = residuals(np.concatenate([z[None, :], z + step, z - step]))
    p = z.size
    return every[0], np.asarray((every[1 : p + 1] - every[p + 1 :]).T / (2.0 * STEP))


def _top(z: Floats, r: Floats, slope: Floats) -> Top:
    hessian = slope.T @ slope + np.eye(z.size)
    _, log_det = np.linalg.slogdet(hessian)
    misfit = float(r @ r)
    return Top(
        z=z, covariance=np.asarray(np.linalg.inv(hessian)), misfit=misfit,
        log_evidence=-0.5 * (misfit + float(z @ z) + float(log_det)),
    )  # fmt: skip


def sample(residuals: Residuals, top: Top, rng: np.random.Generator) -> Posterior:
    """Adaptive importance sampling: every round draws from what the rounds before it found."""
    from scipy.special import gammaln

    p = top.z.size
    centre, spread = top.z, 1.3 * top.covariance
    drawn: list[Floats] = []
    costs: list[Floats] = []
    proposals: list[tuple[Floats, Floats]] = []
    const = (
        gammaln(0.5 * (FREEDOM + p)) - gammaln(0.5 * FREEDOM) - 0.5 * p * np.log(FREEDOM * np.pi)
    )
    for round_number in range(1, MOST_ROUNDS + 1):
        root = np.asarray(np.linalg.cholesky(spread + 1e-12 * np.eye(p)), dtype=np.float64)
        proposals.append((centre, root))
        heavy = np.sqrt(FREEDOM / rng.chisquare(FREEDOM, BATCH))[:, None]
        z = centre + heavy * (rng.standard_normal((BATCH, p)) @ root.T)
        r = residuals(z)
        drawn.append(z)
        costs.append(0.5 * np.einsum("ij,ij->i", r, r) + 0.5 * np.einsum("ij,ij->i", z, z))
        every, log_w = _weights(drawn, costs, proposals, const)
        w = np.exp(log_w - log_w.max())
        w /= w.sum()
        if round_number >= LEAST_ROUNDS and 1.0 / float(w @ w) > ENOUGH:
            break
        # Cut the largest weights for the next proposal only, so that one draw cannot be all of it.
        tame = np.minimum(w, 20.0 / w.size)
        tame /= tame.sum()
        centre = tame @ every
        off = every - centre
        spread = 1.2 * (off.T * tame) @ off + 1e-3 * top.covariance
    ratio = np.exp(log_w - log_w.max())
    log_evidence = float(np.log(ratio.mean()) + log_w.max()) - 0.5 * p * np.log(2.0 * np.pi)
    effective = 1.0 / float(w @ w)
    return Posterior(
        top=top, z=every, weights=w, log_evidence=log_evidence,
        log_evidence_std=float(ratio.std() / ratio.mean() / np.sqrt(ratio.size)),
        effective=effective,
    )  # fmt: skip


def _weights(
    drawn: list[Floats], costs: list[Floats], proposals: list[tuple[Floats, Floats]], const: float
) -> tuple[Floats, Floats]:
    """All draws, and the log of posterior over the mixture of all proposals (deterministic)."""
    every, cost = np.concatenate(drawn), np.concatenate(costs)
    p = every.shape[1]
    log_q = []
    for centre, root in proposals:
        away = np.linalg.solve(root, (every - centre).T)
        square = np.einsum("ij,ij->j", away, away)
        log_det = float(np.log(np.diag(root)).sum())
        log_q.append(const - log_det - 0.5 * (FREEDOM + p) * np.log1p(square / FREEDOM))
    mixture = np.logaddexp.reduce(np.array(log_q), axis=0) - np.log(len(proposals))
    return every, np.asarray(-cost - mixture)
