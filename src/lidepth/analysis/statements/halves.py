"""What the electrolyte gained in every charge, discharge and rest by itself: B - A, D - C, Fig. 5c.

The smoother's own wander would spread growth evenly over a cycle.  Here every phase has an
increment of its own with a wide prior, so that each says what its own spectra say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis._threads import one_thread
from lidepth.analysis.campaign.cellstate import HATS, SILICON, CellModel
from lidepth.analysis.campaign.chain import Track, filter_chain, smooth_chain
from lidepth.analysis.statements.growth import Problem, chain_of, increment_covariance
from lidepth.analysis.statements.increments import Increments
from lidepth.analysis.statements.phases import Clock
from lidepth.model.cycling import Step
from lidepth.model.mechanism import PhaseGrowth

Floats = NDArray[np.float64]

TOP_NM = 200.0
_WIDER = 2.0  # than one cycle's growth: an error of 1 uAh is then pulled to nothing by a twentieth


@one_thread
def phase_growth(
    problem: Problem, cell: CellModel, clock: Clock, steps: Sequence[Step]
) -> tuple[PhaseGrowth, Floats]:
    """Growth of every phase, and the log odds of growth against none in each; (e,).

    ``clock`` gives one per step; ``steps`` those of the cell at work.  Only phases in which there
    is a spectrum are listed.  The odds are for growth of the size that one cycle may have.
    """
    d = cell.size - SILICON
    free = replace(
        problem,
        added=Increments(
            places=problem.added.places, covariance=increment_covariance(cell, _WIDER),
            memory=np.zeros(len(steps)),
        ),
    )  # fmt: skip
    first, moves, seen = chain_of(free, clock)
    track = smooth_chain(filter_chain(first, moves, seen), moves)
    ends, watched = _ends(clock, steps)
    listed = [step for step, seen_once in zip(steps, watched, strict=True) if seen_once]
    hats, edges = _depth_rows(cell)
    place = cell.size + HATS - SILICON
    profile, std, odds = [], [], []
    for end in ends:
        covariance = track.total_covariance(int(end))
        mean = track.states[end]
        block = covariance[place:, place:]
        profile.append(hats @ mean[place:])
        std.append(np.sqrt(np.einsum("ij,jk,ik->i", hats, block, hats)))
        odds.append(
            _odds(mean[-d:], covariance[-d:, -d:], free.added.covariance, problem.added.covariance)
        )
    top = np.concatenate([np.zeros(place), _top(hats, edges) / cell.per_uah])
    return PhaseGrowth(
        cycle=np.array([step.cycle for step in listed], dtype=np.int64),
        kind=tuple(step.kind for step in listed),
        start_s=np.array([step.start_s for step in listed]),
        stop_s=np.array([step.stop_s for step in listed]), edges_nm=edges,
        profile_1e15=np.array(profile), profile_std_1e15=np.array(std), top_nm=TOP_NM,
        top_uah=track.states[ends] @ top, top_covariance=_joint(track, ends, top),
    ), np.array(odds)  # fmt: skip


def _ends(clock: Clock, steps: Sequence[Step]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The last spectrum of every phase that has one, and which phases (steps,) have.

    At the last one an increment is known best.  Without a spectrum, nothing is known of it.
    """
    starts = np.array([step.start_s for step in steps])
    stops = np.array([step.stop_s for step in steps])
    last = np.searchsorted(clock.times_s, stops) - 1
    watched = (last >= 0) & (clock.times_s[np.maximum(last, 0)] >= starts)
    return last[watched], watched


def _depth_rows(cell: CellModel) -> tuple[Floats, Floats]:
    """Lithium per electrolyte cell and hat (cells, hats), 1e15/cm2; edges below the anode, nm."""
    grid = cell.forward.grid
    cells = grid.of("electrolyte")
    edges = grid.depth_nm[cells[0] : cells[-1] + 2] - grid.depth_nm[cells[0]]
    return cell.forward.basis.hats * grid.lithium_1e15[cells][:, None], edges


def _top(hats: Floats, edges: Floats) -> Floats:
    """Row of the lithium above TOP_NM; (hats,)."""
    share = np.clip((TOP_NM - edges[:-1]) / np.diff(edges), 0.0, 1.0)
    return np.asarray(share @ hats)


def _joint(track: Track, ends: NDArray[np.int64], row: Floats) -> Floats:
    """Covariance of ``row`` times the states at ``ends``; (e, e)."""
    levers = np.array([row @ track.lever[end] for end in ends])
    own = track.joint(ends.tolist(), row[None])[:, 0, :, 0]
    return np.asarray(own + levers @ track.shared_covariance @ levers.T)


def _odds(mean: Floats, covariance: Floats, prior: Floats, expected: Floats) -> float:
    """Log odds of an increment with the prior ``expected`` against none.

    ``mean`` and ``covariance`` (d, d) are its posterior under ``prior``: what the spectra say is
    the posterior less the prior, and its evidence under any other prior is a closed form.
    """
    told = np.linalg.inv(covariance) - np.linalg.inv(prior)
    pull = np.linalg.solve(covariance, mean)
    _, logdet = np.linalg.slogdet(np.eye(mean.size) + expected @ told)
    inside = expected @ np.linalg.solve(np.eye(mean.size) + told @ expected, pull)
    return float(0.5 * pull @ inside - 0.5 * logdet)
