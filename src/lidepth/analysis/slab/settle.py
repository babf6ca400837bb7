"""Maximum of the posterior of each state's slab, the shared parameters held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from lidepth.analysis._threads import one_thread
from lidepth.analysis.fit import Normal, Observation, normal
from lidepth.analysis.slab.model import LNREACH, SlabModel

Floats = NDArray[np.float64]

_CLOSE = 0.1  # standard deviations from the optimum, as for the fit of the run
_MOST = 80  # a thin slab in much noise creeps along a valley of reach and width
_LEAST_DAMPING = 1e-4
_KEPT = 0.5  # of the promised gain: where a step keeps less, it was too long
_STRIDE = 1.0  # of the logarithms of reach and width in one step


@dataclass(frozen=True, kw_only=True)
class Settled:
    """Where one state settled; ``converged`` is False where the last pass still moved it."""

    state: Floats
    normal: Normal
    converged: bool
    passes: int


@one_thread
def settle_all(
    slab: SlabModel, observations: Sequence[Observation], mask: NDArray[np.bool_], shared: Floats,
    starts: Floats,
) -> list[Settled]:  # fmt: skip
    """Settle every state."""
    return [
        settle(slab, seen, mask, shared, start)
        for seen, start in zip(observations, starts, strict=True)
    ]


def settle(
    slab: SlabModel, seen: Observation, mask: NDArray[np.bool_], shared: Floats, start: Floats
) -> Settled:
    """Levenberg-Marquardt with the expected Poisson weights.

    Reach and width are hardly determined where there is little lithium, so steps are damped
    and shortened; the priors keep the matrix regular.
    """
    state, damping = start, 1e-3
    here = normal(slab, seen, mask, shared, state, False)
    for number in range(1, _MOST + 1):
        if _distance(here) < _CLOSE:
            return Settled(state=state, normal=here, converged=True, passes=number)
        while damping < 1e8:
            stride = _stride(here, damping)
            trial = normal(slab, seen, mask, shared, state + stride, False)
            ratio = (here.objective - trial.objective) / _promised(here, stride)
            damping *= 0.1 if ratio > _KEPT else 10.0
            if ratio > 0.0:
                state, here = state + stride, trial
                damping = max(damping, _LEAST_DAMPING)
                break
        else:
            break
    return Settled(state=state, normal=here, converged=False, passes=_MOST)


def _distance(here: Normal) -> float:
    """Length of the whole step in standard deviations."""
    step = _solve(here.a, here.state_gradient)
    return float(np.sqrt(max(float(here.state_gradient @ step), 0.0)))


def _stride(here: Normal, damping: float) -> Floats:
    step = _solve(here.a + damping * np.diag(np.diag(here.a)), here.state_gradient)
    longest = float(np.max(np.abs(step[LNREACH:])))
    return step * min(1.0, _STRIDE / max(longest, 1e-12))


def _promised(here: Normal, stride: Floats) -> float:
    """Gain of the objective that the normal matrix foresees for a step."""
    return max(float(here.state_gradient @ stride - 0.5 * stride @ here.a @ stride), 1e-300)


def _solve(matrix: Floats, right: Floats) -> Floats:
    scale = 1.0 / np.sqrt(np.diag(matrix))
    factor = linalg.cho_factor(matrix * np.outer(scale, scale))
    return np.asarray(scale * linalg.cho_solve(factor, scale * right))
