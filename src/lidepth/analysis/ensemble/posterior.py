"""Draws from the posterior of the fit itself, not of its Gaussian approximation.

The fit ends in a Gaussian in arrow form: shared parameters, and per state a block that follows
them.  In coordinates in which that Gaussian is standard normal and all blocks are independent, the
posterior is nearly one too; what is left is a factor near one.  Elliptical slice sampling
(I. Murray, R. P. Adams, D. J. C. MacKay, AISTATS 9 (2010) 541) of one block after another then
needs no tuning and leaves exactly the posterior unchanged; where the factor is one each step is an
independent draw.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis.fit import Solution

Floats = NDArray[np.float64]

Misfit = Callable[[int, Floats, Floats], float]
"""Minus the log posterior of one spectrum: (place, shared, state)."""

_NO_SCATTER = 1e-12  # of a correlation's eigenvalues: rounding of the inverse that made it
_MOST_SHRINKS = 60  # 2^-60 of the ellipse: only a point that is itself impossible gets there


@dataclass(frozen=True, kw_only=True)
class Arrow:
    """A Gaussian in arrow form: state = centre + lever (shared - its centre) + root u.

    ``shared`` (p,) and ``states`` (n, size) its centre, ``shared_root`` (p, r) and ``roots``
    (size, r) with root root' the covariances, r their ranks; ``leverage`` (size, p).
    """

    shared: Floats
    states: Floats
    shared_root: Floats
    roots: tuple[Floats, ...]
    leverage: tuple[Floats, ...]

    @staticmethod
    def of(solution: Solution) -> Arrow:
        """The Gaussian in which a fit ended."""
        return Arrow(
            shared=solution.shared, states=solution.states,
            shared_root=root_of(solution.shared_covariance),
            roots=tuple(root_of(block) for block in solution.local), leverage=solution.leverage,
        )  # fmt: skip

    def shared_at(self, u: Floats) -> Floats:
        """Shared parameters at standard coordinates ``u`` (r,)."""
        return np.asarray(self.shared + self.shared_root @ u)

    def state_at(self, place: int, shared: Floats, u: Floats) -> Floats:
        """One state at standard coordinates ``u`` (r,), given the shared parameters."""
        lifted = self.states[place] + self.leverage[place] @ (shared - self.shared)
        return np.asarray(lifted + self.roots[place] @ u)


def root_of(covariance: Floats) -> Floats:
    """A square root (n, r) of a covariance of rank r: what does not scatter has no coordinate."""
    std = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    scale = np.where(std > 0, std, 1.0)
    values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
    seen = values > _NO_SCATTER
    return np.asarray(scale[:, None] * vectors[:, seen] * np.sqrt(values[seen]))


Point = tuple[Floats, Floats]
"""Shared parameters (p,) and states (n, size)."""


class Walk(NamedTuple):
    """A walk; ``log_weight`` of its start: posterior over Gaussian, up to a constant."""

    start: Point
    end: Point
    log_weight: float


def walk(
    arrow: Arrow, misfit: Misfit, prior_misfit: Callable[[Floats], float],
    rng: np.random.Generator, *, sweeps: int,
) -> Walk:  # fmt: skip
    """Set out from a draw of the Gaussian and move every block ``sweeps`` times."""
    sampler = _Sampler(arrow, misfit, prior_misfit, rng)
    sampler.begin()
    start, weight = sampler.point(), sampler.log_factor()
    for _ in range(sweeps):
        sampler.sweep()
    return Walk(start, sampler.point(), weight)


class _Sampler:
    """Where a walk is: standard coordinates of each block, factors of posterior to Gaussian."""

    def __init__(
        self, arrow: Arrow, misfit: Misfit, prior_misfit: Callable[[Floats], float],
        rng: np.random.Generator,
    ) -> None:  # fmt: skip
        self._arrow, self._misfit, self._prior_misfit, self._rng = arrow, misfit, prior_misfit, rng
        self._u: Floats = np.zeros(0)
        self._v: list[Floats] = []
        self._prior, self._states = 0.0, [0.0]

    def begin(self, tries: int = 100) -> None:
        """A draw of the Gaussian that is possible: no negative number of counts."""
        ranks = [root.shape[1] for root in self._arrow.roots]
        for _ in range(tries):
            self._u = np.asarray(self._rng.standard_normal(self._arrow.shared_root.shape[1]))
            self._v = [np.asarray(self._rng.standard_normal(rank)) for rank in ranks]
            self._prior, self._states = self._factors(self._u)
            if math.isfinite(self.log_factor()):
                return
        self._u, self._v = np.zeros_like(self._u), [np.zeros(rank) for rank in ranks]
        self._prior, self._states = self._factors(self._u)

    def point(self) -> Point:
        """Natural coordinates."""
        shared = self._arrow.shared_at(self._u)
        states = [self._arrow.state_at(i, shared, v) for i, v in enumerate(self._v)]
        return shared, np.array(states)

    def log_factor(self) -> float:
        """Logarithm of posterior over Gaussian here, up to a constant."""
        return self._prior + math.fsum(self._states)

    def sweep(self) -> None:
        """Move the shared parameters with all states behind them, then every state by itself."""
        self._move_shared()
        shared = self._arrow.shared_at(self._u)
        for place, v in enumerate(self._v):
            if v.size:
                self._move_state(place, shared)

    def _factors(self, u: Floats) -> tuple[float, list[float]]:
        shared = self._arrow.shared_at(u)
        prior = 0.5 * float(u @ u) - self._prior_misfit(shared)
        return prior, [self._factor(i, shared, v) for i, v in enumerate(self._v)]

    def _factor(self, place: int, shared: Floats, v: Floats) -> float:
        state = self._arrow.state_at(place, shared, v)
        return 0.5 * float(v @ v) - self._misfit(place, shared, state)

    def _move_shared(self) -> None:
        if not self._u.size:
            return
        level = self.log_factor() + math.log(self._rng.uniform(1e-300, 1.0))
        for u in self._ellipse(self._u):
            prior, states = self._factors(u)
            if prior + math.fsum(states) > level:
                self._u, self._prior, self._states = u, prior, states
                return

    def _move_state(self, place: int, shared: Floats) -> None:
        level = self._states[place] + math.log(self._rng.uniform(1e-300, 1.0))
        for v in self._ellipse(self._v[place]):
            factor = self._factor(place, shared, v)
            if factor > level:
                self._v[place], self._states[place] = v, factor
                return

    def _ellipse(self, here: Floats) -> Iterator[Floats]:
        """Points of an ellipse through ``here``, ever nearer to it."""
        other = self._rng.standard_normal(here.size)
        angle = float(self._rng.uniform(0.0, 2.0 * math.pi))
        low, high = angle - 2.0 * math.pi, angle
        for _ in range(_MOST_SHRINKS):
            yield here * math.cos(angle) + other * math.sin(angle)
            low, high = (angle, high) if angle < 0 else (low, angle)
            angle = float(self._rng.uniform(low, high))
