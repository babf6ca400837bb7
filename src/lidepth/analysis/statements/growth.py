"""When does the interlayer grow?  The evidence of every answer, from all spectra of a campaign.

Each hypothesis says by which clock the electrolyte gains within a cycle; how much it gains, and
how deep, is free in every cycle, with one prior for all hypotheses.  The chain's evidence has all
else integrated out: beam, energy scale, background, stack, stopping of lithium, lost charge, leak.
Moved silicon goes by the same clock as the lithium, in an amount that is free as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis._threads import one_thread
from lidepth.analysis.campaign.cellstate import HATS, SILICON, CellModel
from lidepth.analysis.campaign.chain import (
    Belief,
    Evidence,
    Move,
    predict,
    shared_posterior,
    start,
    update,
)
from lidepth.analysis.campaign.motion import Wander, moves
from lidepth.analysis.campaign.timetable import Moments
from lidepth.analysis.statements.increments import Increments, growing, padded
from lidepth.analysis.statements.phases import Clock, mixed
from lidepth.model.mechanism import HYPOTHESES, PHASES, GrowthOdds, Shares

Floats = NDArray[np.float64]
Tell = Callable[[float], None]

LEAK_STD = 0.01
"""Share of the anode's lithium that may appear as the electrolyte's: what 0.5 keV at the edge
between them would do."""

QUIET = 0.03  # of the smoother's wander: what the electrolyte may still do by itself
SILICON_QUIET = 0.002  # of the film, between two knots
SILICON_GROWTH = 0.10  # of the film, in the first cycle
LAW = 0.5  # growth falls like the square root's: the best of three powers (docs/why/0016)
KINSHIP = 2.0  # e-folds of the cycle number over which growth keeps its profile

_HELD = 1e12  # precision of a leak that is known to be nothing
_LATTICE = 3  # steps along each side of a triangle of shares
_REACH = 2.0  # that triangle's size, in triangles of possible shares: the best may lie outside
_TRUSTED = 6.0  # size of the triangle up to which the quadratic is believed
_GRID = 60  # steps for averages over it


@dataclass(frozen=True, kw_only=True)
class Problem:
    """The linear problem that all hypotheses share.

    ``evidence`` of every spectrum and ``first`` belief of the shared parameters (leak last);
    ``steps`` the smoother's moves with a quiet electrolyte; ``added`` what a cycle may add;
    ``clocks`` one per hypothesis; ``marks`` (m,) the last spectrum of every cycle.
    """

    evidence: tuple[Evidence, ...]
    size: int
    prior: Floats
    precision: Floats
    linear: tuple[Floats, Floats]
    at_first: Floats
    steps: tuple[Move, ...]
    added: Increments
    clocks: Mapping[str, Clock]
    marks: NDArray[np.int64]


def problem_of(
    cell: CellModel, moments: Moments, clocks: Mapping[str, Clock], evidence: Sequence[Evidence],
    linear: tuple[Floats, Floats], anode_1e15: Floats, at_first: Floats,
) -> Problem:  # fmt: skip
    """Prepare the tests: ``linear`` (precision, gradient) of the shared parameters beforehand.

    ``anode_1e15`` (k,) lithium of the anode at each spectrum, ``at_first`` (n, n) the covariance
    of the state before the first.
    """
    p = cell.shared
    prior, precision = np.zeros(p + 1), np.zeros((p + 1, p + 1))
    prior[:p] = cell.forward.parameters.prior[:-1]
    precision[:p, :p] = cell.forward.parameters.precision[:-1, :-1]
    precision[p, p] = LEAK_STD**-2
    quiet = Wander(
        amplitude=QUIET * Wander().amplitude, bulk=QUIET * Wander().bulk, silicon=SILICON_QUIET
    )
    epochs = clocks["time"].starts_s.size
    pace = np.diff(np.arange(epochs + 1.0) ** LAW)
    leaking = _leaking(cell, evidence, anode_1e15)
    return Problem(
        evidence=tuple(leaking), size=cell.size, prior=prior, precision=precision,
        linear=(np.pad(linear[0], (0, 1)), np.pad(linear[1], (0, 1))), at_first=at_first,
        steps=tuple(_with_leak(step) for step in moves(cell, moments, quiet)),
        added=Increments(
            places=np.arange(SILICON, cell.size), covariance=increment_covariance(cell),
            memory=kinship(epochs),
        ),
        clocks={name: clock.paced(pace) for name, clock in clocks.items()},
        marks=_marks(clocks["time"]),
    )  # fmt: skip


def increment_covariance(cell: CellModel, wider: float = 1.0) -> Floats:
    """Prior of what the first cycle adds: silicon, then hats; as a cycle of the smoother's wander.

    ``wider`` multiplies the standard deviations.
    """
    hats = cell.forward.basis.covariance(amplitude=Wander().amplitude, bulk=Wander().bulk)
    film = cell.forward.grid.stack.layer("anode").areal_density_1e15
    covariance = np.zeros((cell.size - SILICON, cell.size - SILICON))
    covariance[0, 0] = (SILICON_GROWTH * film) ** 2
    covariance[HATS - SILICON :, HATS - SILICON :] = hats
    return covariance * wider**2


def kinship(epochs: int) -> Floats:
    """Correlation of each cycle's growth with that of the one before: no scale of its own."""
    number = np.arange(1.0, epochs)
    return np.concatenate([[0.0], (number / (number + 1.0)) ** (1.0 / KINSHIP)])[:epochs]


def _leaking(
    cell: CellModel, evidence: Sequence[Evidence], anode_1e15: Floats
) -> Iterator[Evidence]:
    """Add the leak to the shared parameters: x + leak * anode at the interface, for x."""
    interface = np.zeros(cell.size)
    interface[HATS] = 1.0 / cell.regions[0][1, HATS]
    p = cell.shared
    for seen, amount in zip(evidence, anode_1e15, strict=True):
        way = interface * amount
        through = seen.a @ way
        c, shared = np.zeros((p + 1, p + 1)), np.zeros(p + 1)
        if seen.c is not None and seen.shared is not None:
            c[:p, :p], shared[:p] = seen.c, seen.shared
        c[:p, p] = c[p, :p] = seen.b.T @ way
        c[p, p], shared[p] = way @ through, way @ seen.state
        yield seen._replace(b=np.column_stack([seen.b, through]), c=c, shared=shared)


def _with_leak(step: Move) -> Move:
    lever = step.lever
    return step if lever is None else step._replace(lever=np.pad(lever, ((0, 0), (0, 1))))


def _marks(clock: Clock) -> NDArray[np.int64]:
    """The last spectrum of every cycle; (cycles,)."""
    ends = np.append(clock.starts_s[1:], np.inf)
    return np.maximum(np.searchsorted(clock.times_s, ends) - 1, 0)


def chain_of(problem: Problem, clock: Clock | None) -> tuple[Belief, list[Move], list[Evidence]]:
    """First belief, moves and evidence of one hypothesis; no growth without a clock."""
    extra = problem.added.size if clock is not None else 0
    size = problem.size + extra
    covariance = np.zeros((size, size))
    covariance[: problem.size, : problem.size] = problem.at_first
    first = start(np.zeros(size), covariance, prior=problem.prior, precision=problem.precision)
    first.precision = first.precision + problem.linear[0]
    first.gradient = first.gradient + problem.linear[1]
    steps = list(problem.steps)
    if clock is not None:
        steps = growing(steps, clock, problem.added)
    return first, steps, padded(problem.evidence, extra)


def evidences(problem: Problem, clock: Clock | None) -> tuple[Floats, Belief]:
    """Log evidence of the spectra up to the end of each cycle, and the belief at the end."""
    belief, steps, seen = chain_of(problem, clock)
    wanted, found = set(problem.marks.tolist()), {}
    for k, (step, one) in enumerate(zip(steps, seen, strict=True)):
        belief = update(predict(belief, step), one)
        if k in wanted:
            found[k] = shared_posterior(belief)[2]
    return np.array([found[k] for k in problem.marks.tolist()]), belief


def held(belief: Belief) -> Belief:
    """The belief had the leak been known to be nothing; its evidence is on a scale of its own."""
    precision = belief.precision.copy()
    precision[-1, -1] += _HELD
    return replace(belief, precision=precision)


@one_thread
def growth_odds(
    problem: Problem, cycles: NDArray[np.int64], tell: Tell | None = None
) -> GrowthOdds:
    """Test all hypotheses and find the shares, with the leak and without.

    ``cycles`` numbers of the cycles that ``problem.marks`` end.
    """
    points = lattice()
    runs: dict[str, tuple[Floats, Belief]] = {}
    clocks = {name: problem.clocks.get(name) for name in HYPOTHESES}
    clocks |= {_name(point): mixed(problem.clocks, point) for point in points}
    for number, (name, clock) in enumerate(clocks.items()):
        if tell is not None:
            tell(number / len(clocks))
        runs[name] = evidences(problem, clock)
    surface = np.array([shared_posterior(runs[_name(point)][1])[2] for point in points])
    without = np.array([shared_posterior(held(runs[_name(point)][1]))[2] for point in points])
    table = np.column_stack([runs[name][0] for name in HYPOTHESES])
    best = runs[HYPOTHESES[int(np.argmax(table[-1]))]][1]
    shared, covariance, _ = shared_posterior(best)
    return GrowthOdds(
        log_evidence=table[-1] - table[-1].max(), cycles=cycles,
        by_cycle=table - table.max(axis=1, keepdims=True), shares=shares_of(points, surface),
        shares_without_leak=shares_of(points, without), leak=float(shared[-1]),
        leak_std=float(np.sqrt(covariance[-1, -1])), leak_prior_std=LEAK_STD,
    )  # fmt: skip


def _name(point: Floats) -> str:
    """A corner of the triangle is a hypothesis of its own; all other points have a number."""
    if sorted(point) == [0.0, 0.0, 1.0]:
        return PHASES[int(np.argmax(point))]
    return " ".join(f"{share:.6f}" for share in point)


def lattice() -> Floats:
    """Shares at which the evidence is computed; (points, 3).

    The corners of the triangle of possible shares, and a lattice on a triangle around it: the most
    likely shares of noisy data often lie outside, and must not be extrapolated to.
    """
    steps = range(_LATTICE + 1)
    rows = [(i, j, _LATTICE - i - j) for i in steps for j in steps if i + j <= _LATTICE]
    around = _REACH * (np.array(rows, dtype=np.float64) / _LATTICE - 1.0 / 3.0) + 1.0 / 3.0
    return np.concatenate([np.eye(3), around])


def shares_of(points: Floats, log_evidence: Floats) -> Shares:
    """Most likely and mean shares from the evidence at ``points`` (m, 3): a quadratic through it.

    Where it has no top near the shares that were tried, it says nothing of what is beyond: instead
    of the most likely shares, their mean over all that were tried is given.
    """
    height = log_evidence - log_evidence.max()
    terms = _quadratic(points[:, :2])
    # Far below the top nothing need fit: a point counts less the less likely it is.
    weight = 1.0 / (1.0 + np.maximum(-height - 2.0, 0.0))
    c = np.linalg.lstsq(terms * weight[:, None], height * weight, rcond=None)[0]
    mean, inside, probability = _average(c, 1.0)
    best, covariance = _top(c) or _average(c, _REACH)[:2]
    return Shares(
        best=best, covariance=covariance, mean=mean, std=np.sqrt(np.diag(inside)),
        probability=probability,
    )  # fmt: skip


def _top(c: Floats) -> tuple[Floats, Floats] | None:
    """Top of the quadratic and its width, if it has one near the shares that were tried."""
    curvature = -np.array([[c[3], c[5]], [c[5], c[4]]])
    if np.linalg.eigvalsh(curvature)[0] <= 0.0:
        return None
    covariance = np.linalg.inv(curvature)
    top = covariance @ c[1:3]
    best = np.append(top, 1.0 - top.sum())
    if best.min() < (1.0 - _TRUSTED) / 3.0:
        return None
    spread = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])
    return best, spread @ covariance @ spread.T


def _quadratic(x: Floats) -> Floats:
    one = np.ones(len(x))
    half = 0.5 * x**2
    return np.column_stack([one, x[:, 0], x[:, 1], half[:, 0], half[:, 1], x[:, 0] * x[:, 1]])


def _average(c: Floats, reach: float) -> tuple[Floats, Floats, float]:
    """Mean and covariance over a triangle, and the probability of a contrast above 0.

    ``reach`` is its size; that of possible shares is one.
    """
    side = (np.arange(_GRID) + 1.0 / 3.0) / _GRID
    x = np.stack(np.meshgrid(side, side, indexing="ij"), axis=-1).reshape(-1, 2)
    x = (x[x.sum(axis=1) < 1.0] - 1.0 / 3.0) * reach + 1.0 / 3.0
    height = _quadratic(x) @ c
    weight = np.exp(height - height.max())
    weight /= weight.sum()
    shares = np.column_stack([x, 1.0 - x.sum(axis=1)])
    mean = weight @ shares
    off = shares - mean
    level = shares[:, 0] - shares[:, 1]
    above = float(weight[level > 0].sum() + 0.5 * weight[level == 0].sum())
    return mean, np.asarray((off * weight[:, None]).T @ off), above
