"""Kalman filter and Rauch-Tung-Striebel smoother of a chain of states that share parameters.

Measurements enter as normal matrices (information form), so that a spectrum of hundreds of bins
costs what its few unknowns cost.  Everything is kept as a function of the shared parameters s,

    x_k | s  ~  N(mean_k + lever_k s, covariance_k),

and what the measurements say of s is collected on the way (Schur complements of the chain).  The
shared parameters thus get their exact posterior, and a state the error that comes from them.

H. E. Rauch, F. Tung, C. T. Striebel, AIAA J. 3 (1965) 1445; the border of shared parameters is
that of G. J. Bierman, Factorization Methods for Discrete Sequential Estimation (1977), ch. VII.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Move(NamedTuple):
    """How a state goes on to the next: x' = keep * x + mix @ x + push + lever @ s + noise.

    ``keep`` (n,) factor of each part; ``push`` (n,); ``lever`` (n, p) or None where the shared
    parameters push nothing; ``noise`` (n, n) covariance; ``mix`` (n, n) or None where no part
    goes into another.
    """

    keep: Floats
    push: Floats
    lever: Floats | None
    noise: Floats
    mix: Floats | None = None


class Evidence(NamedTuple):
    """What one measurement says, as a quadratic in state x and shared parameters s.

    -ln L = x'Ax/2 + x'Bs + s'Cs/2 - a'x - c's + constant: ``a`` (n, n), ``b`` (n, p), ``c``
    (p, p), ``state`` (n,), ``shared`` (p,), ``constant``.  ``c`` and ``shared`` may be None where
    what many measurements say of s alone has been added up beforehand (in ``start``).
    """

    a: Floats
    b: Floats
    state: Floats
    constant: float
    c: Floats | None = None
    shared: Floats | None = None


@dataclass(kw_only=True)
class Belief:
    """What is known of the newest state, given the shared parameters, and of those.

    ``mean`` (n,), ``lever`` (n, p), ``covariance`` (n, n) of the state; ``precision`` (p, p),
    ``gradient`` (p,) and ``constant`` of minus the log evidence as a quadratic in s.
    """

    mean: Floats
    lever: Floats
    covariance: Floats
    precision: Floats
    gradient: Floats
    constant: float


def start(mean: Floats, covariance: Floats, *, prior: Floats, precision: Floats) -> Belief:
    """Belief before the first measurement; ``prior`` (p,) and ``precision`` (p, p) of s."""
    return Belief(
        mean=mean.copy(), lever=np.zeros((mean.size, prior.size)), covariance=covariance.copy(),
        precision=precision.copy(), gradient=precision @ prior,
        constant=float(0.5 * prior @ precision @ prior),
    )  # fmt: skip


def predict(belief: Belief, move: Move) -> Belief:
    """Carry the state on to the next measurement."""
    mean, lever = move.keep * belief.mean + move.push, move.keep[:, None] * belief.lever
    covariance = belief.covariance * np.outer(move.keep, move.keep)
    if move.mix is not None:
        through = np.diag(move.keep) + move.mix
        mean, lever = mean + move.mix @ belief.mean, through @ belief.lever
        covariance = through @ belief.covariance @ through.T
    if move.lever is not None:
        lever = lever + move.lever
    return Belief(
        mean=mean, lever=lever, covariance=covariance + move.noise,
        precision=belief.precision, gradient=belief.gradient, constant=belief.constant,
    )  # fmt: skip


def update(belief: Belief, seen: Evidence) -> Belief:
    """Take in one measurement.

    The prior of the state may be singular (a part known exactly).
    """
    mean, lever, prior = belief.mean, belief.lever, belief.covariance
    # (P^-1 + A)^-1 = P (1 + A P)^-1, which needs no inverse of P.
    system = np.eye(mean.size) + seen.a @ prior
    posterior = np.linalg.solve(system.T, prior).T
    posterior = 0.5 * (posterior + posterior.T)
    miss = seen.state - seen.a @ mean  # gradient of ln L by the state, at its mean
    tilt = seen.b + seen.a @ lever  # and how it falls with s
    through = lever.T @ seen.b
    precision = belief.precision + through + through.T + lever.T @ seen.a @ lever
    gradient = belief.gradient - seen.b.T @ mean + lever.T @ miss
    if seen.c is not None and seen.shared is not None:
        precision, gradient = precision + seen.c, gradient + seen.shared
    constant = belief.constant + seen.constant
    constant += float(0.5 * mean @ seen.a @ mean - seen.state @ mean)
    _, logdet = np.linalg.slogdet(system)
    return Belief(
        mean=mean + posterior @ miss, lever=lever - posterior @ tilt, covariance=posterior,
        precision=precision - tilt.T @ posterior @ tilt,
        gradient=gradient - tilt.T @ posterior @ miss,
        constant=constant + float(0.5 * logdet - 0.5 * miss @ posterior @ miss),
    )  # fmt: skip


def shared_posterior(belief: Belief) -> tuple[Floats, Floats, float]:
    """Mean (p,), covariance (p, p) of the shared parameters, and the log evidence.

    The evidence is that of all measurements with states and shared parameters integrated out,
    where ``precision`` began as their prior's; parameters without a prior (zero precision) make it
    relative.
    """
    scale = 1.0 / np.sqrt(np.maximum(np.diag(belief.precision), 1e-300))
    scaled = belief.precision * np.outer(scale, scale)
    inverse = np.linalg.inv(scaled)
    covariance = 0.5 * (inverse + inverse.T) * np.outer(scale, scale)
    mean = covariance @ belief.gradient
    _, logdet = np.linalg.slogdet(scaled)
    logdet -= 2.0 * float(np.sum(np.log(scale)))
    evidence = -belief.constant + 0.5 * float(belief.gradient @ mean) - 0.5 * logdet
    return mean, covariance, evidence


@dataclass(frozen=True, kw_only=True)
class Track:
    """All states of a chain.

    Given the shared parameters: ``mean`` (k, n), ``lever`` (k, n, p), ``covariance`` (k, n, n).
    ``shared`` (p,) and ``shared_covariance`` (p, p) their posterior; ``evidence`` the log
    evidence; ``gain`` (k, n, n) how each state follows the next one's, zero for a filter.
    """

    mean: Floats
    lever: Floats
    covariance: Floats
    shared: Floats
    shared_covariance: Floats
    evidence: float
    gain: Floats

    @property
    def states(self) -> Floats:
        """States at the posterior of the shared parameters; (k, n)."""
        return np.asarray(self.mean + self.lever @ self.shared)

    def total_covariance(self, place: int) -> Floats:
        """Covariance of one state, the shared parameters' part included; (n, n)."""
        lever = self.lever[place]
        return np.asarray(self.covariance[place] + lever @ self.shared_covariance @ lever.T)

    def joint(self, places: Sequence[int], rows: Floats) -> Floats:
        """Covariance of ``rows`` (r, n) @ states given the shared parameters; (m, r, m, r).

        ``places`` (m,) number the states, in any order; of smoothed tracks only.
        """
        m, (r, n) = len(places), rows.shape
        matrix = np.empty((m, r, m, r))
        order = np.argsort(places, kind="stable").tolist()
        ways = [self._way(places[i], places[j]) for i, j in pairwise(order)]
        for first, i in enumerate(order):
            through = np.eye(n)
            for step, j in enumerate(order[first:], start=first):
                if step > first:
                    through = through @ ways[step - 1]
                block = rows @ through @ self.covariance[places[j]] @ rows.T
                matrix[i, :, j], matrix[j, :, i] = block, block.T
        return matrix

    def _way(self, earlier: int, later: int) -> Floats:
        """How a state follows a later one; (n, n)."""
        through = np.eye(self.mean.shape[1])
        for place in range(earlier, later):
            through = through @ self.gain[place]
        return through


def filter_chain(
    first: Belief, moves: Sequence[Move], seen: Sequence[Evidence],
    *, tell: Callable[[float], None] | None = None,
) -> Track:  # fmt: skip
    """Run forward: each state by what was measured up to it.

    ``moves[k]`` leads to the state that ``seen[k]`` measures.
    """
    n, p, count = first.mean.size, first.gradient.size, len(seen)
    mean, lever = np.empty((count, n)), np.empty((count, n, p))
    covariance = np.empty((count, n, n))
    belief = first
    for k, (move, evidence) in enumerate(zip(moves, seen, strict=True)):
        belief = update(predict(belief, move), evidence)
        mean[k], lever[k], covariance[k] = belief.mean, belief.lever, belief.covariance
        if tell is not None and k % 256 == 0:
            tell(k / count)
    shared, shared_covariance, log_evidence = shared_posterior(belief)
    return Track(
        mean=mean, lever=lever, covariance=covariance, shared=shared,
        shared_covariance=shared_covariance, evidence=log_evidence,
        gain=np.zeros((count, n, n)),
    )  # fmt: skip


def smooth_chain(filtered: Track, moves: Sequence[Move]) -> Track:
    """Run backward: each state by everything that was measured."""
    mean, lever = filtered.mean.copy(), filtered.lever.copy()
    covariance, gain = filtered.covariance.copy(), np.zeros_like(filtered.covariance)
    for k in range(len(mean) - 2, -1, -1):
        move = moves[k + 1]
        through = np.diag(move.keep) if move.mix is None else np.diag(move.keep) + move.mix
        here = filtered.covariance[k]
        ahead = through @ here @ through.T + move.noise
        gain[k] = _solve_symmetric(ahead, through @ here).T
        expected = through @ filtered.mean[k] + move.push
        tilt = through @ filtered.lever[k]
        if move.lever is not None:
            tilt = tilt + move.lever
        mean[k] = filtered.mean[k] + gain[k] @ (mean[k + 1] - expected)
        lever[k] = filtered.lever[k] + gain[k] @ (lever[k + 1] - tilt)
        change = gain[k] @ (covariance[k + 1] - ahead) @ gain[k].T
        covariance[k] = here + 0.5 * (change + change.T)
    return Track(
        mean=mean, lever=lever, covariance=covariance, shared=filtered.shared,
        shared_covariance=filtered.shared_covariance, evidence=filtered.evidence, gain=gain,
    )  # fmt: skip


def _solve_symmetric(matrix: Floats, right: Floats) -> Floats:
    """Solve with a positive matrix whose parts have very unlike units."""
    scale = 1.0 / np.sqrt(np.diag(matrix))
    scaled = matrix * np.outer(scale, scale)
    return np.asarray(scale[:, None] * np.linalg.solve(scaled, scale[:, None] * right))
