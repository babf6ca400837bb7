"""One fit for the whole run: shared parameters and every state's lithium together.

Poisson maximum a posteriori by Gauss-Newton scoring.  States touch each other only through the
shared parameters, so the normal matrix is an arrow: a block per state, a border of shared
parameters.  Its inverse is kept in that factored form; nothing of the covariance is dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from lidepth.analysis._threads import one_thread
from lidepth.analysis.forward import HATS, LNBACK, LNFLUX, OFFSET, ForwardModel, Prediction, Setting
from lidepth.analysis.sensitivity import Sensitivity
from lidepth.errors import NotConverged

Floats = NDArray[np.float64]

EMPTY = 0.01
"""Counts added to every expected bin: a stray count above the tritons must not be impossible."""

Progress = Callable[[str, float], None]


@dataclass(frozen=True, kw_only=True)
class Tie:
    """A linear relation believed of one state: state_row @ state + shared_row @ shared = value.

    The state is the whole one, the shared mean profile included.

    ``value`` carries the standard uncertainty ``std``.
    """

    state_row: Floats
    shared_row: Floats
    value: float
    std: float


@dataclass(frozen=True, kw_only=True)
class Observation:
    """One state's spectrum and what is known of the state beforehand.

    ``counts`` (bins,); ``free`` (state size,) marks the parts of the state vector that are
    fitted; ``prior`` and ``precision`` of the state vector; ``ties`` beyond it.
    """

    label: str
    counts: Floats
    setting: Setting
    free: NDArray[np.bool_]
    prior: Floats
    precision: Floats
    ties: tuple[Tie, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Solution:
    """Where the fit settled.

    ``shared`` (p,); ``states`` (n, state size); ``shared_covariance`` (p, p); ``local`` one
    covariance per state with the shared parameters held; ``leverage`` one (state size, p) matrix
    per state: how the state moves with the shared parameters.
    """

    shared: Floats
    states: Floats
    shared_covariance: Floats
    local: tuple[Floats, ...]
    leverage: tuple[Floats, ...]
    predictions: tuple[Prediction, ...]
    passes: int
    objective: float


@dataclass(frozen=True, kw_only=True)
class Normal:
    """Normal matrix and gradient of one state.

    ``a`` (n, n) of the state, ``b`` (n, p) between state and shared parameters, ``c`` (p, p);
    ``state_gradient`` (n,) and ``shared_gradient`` (p,) of minus the ``objective``, which is half
    the deviance with the state's prior and ties.
    """

    a: Floats
    b: Floats
    c: Floats
    state_gradient: Floats
    shared_gradient: Floats
    objective: float
    prediction: Prediction


def state_prior(
    model: ForwardModel,
    *,
    flux_std: float,
    deviation: Floats,
    offset_std_kev: float = 0.5,
    moving: bool = True,
) -> tuple[NDArray[np.bool_], Floats, Floats]:
    """What is free in a state vector, its prior mean and its precision matrix."""
    size = model.state_size
    free = np.zeros(size, dtype=bool)
    precision = np.zeros((size, size))
    if moving:
        free[:] = True
        precision[LNFLUX, LNFLUX] = flux_std**-2
        precision[OFFSET, OFFSET] = offset_std_kev**-2
        precision[LNBACK, LNBACK] = 0.3**-2
        precision[HATS:, HATS:] = np.linalg.inv(deviation)
    return free, np.zeros(size), precision


@one_thread
def solve(
    model: ForwardModel,
    observations: Sequence[Observation],
    *,
    mask: NDArray[np.bool_],
    shared: Floats,
    states: Floats,
    hold_shared: bool = False,
    tolerance: float = 0.1,
    most: int = 25,
    damping: float = 10.0,
    progress: Progress | None = None,
) -> Solution:
    """Fit all observations together, to ``tolerance`` standard deviations from the optimum.

    ``damping`` is how hard shared parameters are held back at first, in units of their priors.
    Raises NotConverged after ``most`` passes.
    """
    normals = _normals(model, observations, mask, shared, states, not hold_shared)
    best = _objective(model, normals, shared)
    for number in range(1, most + 1):
        factors = _factors(model, normals, observations, 0.0)
        newton = _step(model, normals, factors, shared, hold_shared)
        size = _length(model, normals, newton, shared, hold_shared)
        if progress is not None:
            progress("fit", min(number / 8.0, 1.0))
        if size < tolerance:
            if hold_shared:
                normals = _normals(model, observations, mask, shared, states, True)
                factors = _factors(model, normals, observations, 0.0)
            return _solution(shared, states, normals, factors, number, best, hold_shared)
        while damping < 1e6:
            damped = _factors(model, normals, observations, damping)
            move, moves = _step(model, normals, damped, shared, hold_shared)
            short = _shortening(model, move)
            move, moves = short * move, short * moves
            trial = _normals(
                model, observations, mask, shared + move, states + moves, not hold_shared
            )
            objective = _objective(model, trial, shared + move)
            if objective < best + 1e-4:
                shared, states = shared + move, states + moves
                normals, best = trial, objective
                damping = damping * 0.1 if damping > 1e-3 else 0.0
                break
            damping = max(damping, 1e-4) * 10.0
        else:
            break
    raise NotConverged(
        f"the fit still moves by {size:.2g} standard deviations after {number} passes",
        remedy="check that stack, overlayer and energy scale in the experiment file are near "
        "the truth; the figure of the pristine fit shows where they disagree",
    )


def _shortening(model: ForwardModel, move: Floats) -> float:
    """Factor that keeps every logarithmic parameter within a factor e in one step."""
    logarithmic = np.array([p.logarithmic for p in model.parameters.items])
    return float(1.0 / max(1.0, np.max(np.abs(move[logarithmic]), initial=0.0)))


def _objective(model: ForwardModel, normals: Sequence[Normal], shared: Floats) -> float:
    return sum(n.objective for n in normals) + _prior_objective(model, shared)


def _normals(
    model: ForwardModel,
    observations: Sequence[Observation],
    mask: NDArray[np.bool_],
    shared: Floats,
    states: Floats,
    with_shared: bool,
) -> list[Normal]:
    return [
        normal(model, seen, mask, shared, state, with_shared)
        for seen, state in zip(observations, states, strict=True)
    ]


def normal(
    model: ForwardModel, seen: Observation, mask: NDArray[np.bool_], shared: Floats,
    state: Floats, with_shared: bool,
) -> Normal:  # fmt: skip
    """Normal matrix, gradient and objective of one state where it and the shared parameters are."""
    with np.errstate(over="ignore", invalid="ignore"):
        at = model.predict(shared, seen.setting, state)
    counts, less = seen.counts[mask], at.total[mask] <= -0.5 * EMPTY
    if not np.all(np.isfinite(at.total[mask])) or np.any(counts[less] > 0):
        return _impossible(model, shared, at)
    moves = Sensitivity(model=model, shared=shared, setting=seen.setting, state=state, at=at)
    js = moves.by_state[mask] * seen.free
    jc = moves.by_shared[mask] if with_shared else js[:, :0]
    # A tail a little below nothing asks for less than nothing where nothing was counted: such a
    # bin says nothing more.  Held to be impossible, it would stop the fit of a clean detector.
    js[less], jc[less] = 0.0, 0.0
    expected = np.where(less, 0.0, at.total[mask]) + EMPTY
    residual = counts - expected
    ws, wc = js / expected[:, None], jc / expected[:, None]
    a, gs = ws.T @ js, ws.T @ residual
    b, c = np.zeros((state.size, shared.size)), np.zeros((shared.size, shared.size))
    gc = np.zeros(shared.size)
    if with_shared:
        b, c, gc = ws.T @ jc, wc.T @ jc, wc.T @ residual
    off = state - seen.prior
    a += seen.precision
    gs -= seen.precision @ off
    objective = 0.5 * off @ seen.precision @ off + deviance(counts, expected)
    lift = model.lift(seen.setting)
    for tie in seen.ties:
        shared_row = tie.shared_row + tie.state_row @ lift
        miss = (tie.value - tie.state_row @ state - shared_row @ shared) / tie.std
        rs, rc = tie.state_row / tie.std, shared_row / tie.std
        a += np.outer(rs, rs)
        b += np.outer(rs, rc)
        c += np.outer(rc, rc)
        gs += rs * miss
        gc += rc * miss
        objective += 0.5 * miss**2
    held = ~seen.free
    a[held, :] = 0.0
    a[:, held] = 0.0
    a[held, held] = 1.0
    b[held, :] = 0.0
    gs[held] = 0.0
    return Normal(
        a=a, b=b, c=c, state_gradient=gs, shared_gradient=gc, objective=float(objective),
        prediction=at,
    )  # fmt: skip


def _impossible(model: ForwardModel, shared: Floats, at: Prediction) -> Normal:
    """Parameters at which no spectrum can be expected: a step that led here is taken back."""
    p, n = shared.size, model.state_size
    return Normal(
        a=np.eye(n), b=np.zeros((n, p)), c=np.zeros((p, p)), state_gradient=np.zeros(n),
        shared_gradient=np.zeros(p), objective=np.inf, prediction=at,
    )  # fmt: skip


def deviance(counts: Floats, expected: Floats) -> float:
    """Half the Poisson deviance."""
    ratio = np.where(counts > 0, counts / expected, 1.0)
    return float(np.sum(expected - counts + counts * np.log(ratio)))


def _prior_objective(model: ForwardModel, shared: Floats) -> float:
    off = shared - model.parameters.prior
    return float(0.5 * off @ model.parameters.precision @ off)


@dataclass(frozen=True, kw_only=True)
class _Factors:
    """Arrow factors: inverse state blocks, their leverage, the shared covariance."""

    local: tuple[Floats, ...]
    leverage: tuple[Floats, ...]
    shared_covariance: Floats


def _factors(
    model: ForwardModel,
    normals: Sequence[Normal],
    observations: Sequence[Observation],
    damping: float,
) -> _Factors:
    """Factor the arrow; ``damping`` holds shared parameters back in units of their priors.

    Stopping, thickness and content of a layer are nearly degenerate, so damping by the normal
    matrix's own diagonal (Marquardt) would freeze the valley between them.  States follow freely.
    """
    schur = model.parameters.precision
    local, leverage = [], []
    for n, seen in zip(normals, observations, strict=True):
        inverse = inverse_of(n.a) * np.outer(seen.free, seen.free)
        local.append(inverse)
        leverage.append(-inverse @ n.b)
        schur = schur + n.c - n.b.T @ inverse @ n.b
    schur = schur + damping * np.diag(model.parameters.scales**-2.0)
    unseen = np.diag(schur) <= 0.0  # held shared parameters without a prior
    covariance = inverse_of(schur + np.diag(unseen.astype(np.float64)))
    return _Factors(local=tuple(local), leverage=tuple(leverage), shared_covariance=covariance)


def _step(
    model: ForwardModel,
    normals: Sequence[Normal],
    factors: _Factors,
    shared: Floats,
    hold_shared: bool,
) -> tuple[Floats, Floats]:
    gradient = -model.parameters.precision @ (shared - model.parameters.prior)
    for n, lever in zip(normals, factors.leverage, strict=True):
        gradient = gradient + n.shared_gradient + lever.T @ n.state_gradient
    move = np.zeros_like(shared) if hold_shared else factors.shared_covariance @ gradient
    moves = [
        inverse @ n.state_gradient + lever @ move
        for n, inverse, lever in zip(normals, factors.local, factors.leverage, strict=True)
    ]
    return move, np.array(moves)


def inverse_of(matrix: Floats) -> Floats:
    """Inverse of a symmetric positive matrix whose parameters have very unlike units.

    Nothing is added to its diagonal: the tie of cathode to charge is so much stiffer than the
    counts that even 1e-12 of it would be felt after the states are eliminated.
    """
    scale = 1.0 / np.sqrt(np.maximum(np.diag(matrix), 1e-300))
    scaled = matrix * np.outer(scale, scale)
    factor = linalg.cho_factor(scaled)
    inverse = linalg.cho_solve(factor, np.eye(scale.size))
    return np.asarray(inverse * np.outer(scale, scale))


def _length(
    model: ForwardModel,
    normals: Sequence[Normal],
    step: tuple[Floats, Floats],
    shared: Floats,
    hold_shared: bool,
) -> float:
    """Length of the whole step in standard deviations (Mahalanobis distance to the optimum)."""
    gain = sum(float(n.state_gradient @ move) for n, move in zip(normals, step[1], strict=True))
    if not hold_shared:
        gradient = -model.parameters.precision @ (shared - model.parameters.prior)
        gradient = gradient + sum(n.shared_gradient for n in normals)
        gain += float(gradient @ step[0])
    return float(np.sqrt(max(gain, 0.0)))


def _solution(
    shared: Floats, states: Floats, normals: Sequence[Normal], factors: _Factors,
    passes: int, objective: float, hold_shared: bool,
) -> Solution:  # fmt: skip
    covariance = factors.shared_covariance
    return Solution(
        shared=shared, states=states,
        shared_covariance=np.zeros_like(covariance) if hold_shared else covariance,
        local=factors.local, leverage=factors.leverage,
        predictions=tuple(n.prediction for n in normals), passes=passes, objective=objective,
    )  # fmt: skip


@one_thread
def counting_information(
    model: ForwardModel,
    observations: Sequence[Observation],
    mask: NDArray[np.bool_],
    shared: Floats,
    states: Floats,
) -> list[tuple[Floats, Floats, Floats]]:
    """What the counts alone say, priors and ties left out: one (a, b, c) per observation.

    ``a`` (state size, state size), ``b`` (state size, p) and ``c`` (p, p) are the blocks of the
    Fisher information of the state and the shared parameters.
    """
    bare = [replace(o, precision=np.zeros_like(o.precision), ties=()) for o in observations]
    return [(n.a, n.b, n.c) for n in _normals(model, bare, mask, shared, states, True)]
