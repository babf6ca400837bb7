"""The smoother: lithium at every spectrum of a campaign, from all of its spectra.

Gauss-Newton on the response that depends on the state: the model is linearised along the campaign
(exactly at anchors), the linear problem is solved by filter and smoother, and again about what was
found, until nothing moves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis import forward
from lidepth.analysis._threads import one_thread
from lidepth.analysis.calibrate import Calibrated
from lidepth.analysis.campaign.anchoring import Anchoring, anchoring
from lidepth.analysis.campaign.cellstate import (
    BACK,
    CATHODE,
    FLUX,
    HATS,
    OFFSET,
    SILICON,
    CellModel,
    cell_model,
)
from lidepth.analysis.campaign.chain import (
    Belief,
    Evidence,
    Move,
    Track,
    filter_chain,
    smooth_chain,
    start,
)
from lidepth.analysis.campaign.linear import (
    Linearisation,
    Linearised,
    Spectra,
    spectra_of,
)
from lidepth.analysis.campaign.motion import Wander, moves
from lidepth.analysis.campaign.timetable import Moments, moments_of
from lidepth.analysis.fit import EMPTY
from lidepth.analysis.invert import Inversion, whole_states
from lidepth.analysis.reduce import Reduction
from lidepth.analysis.sensitivity import Sensitivity
from lidepth.errors import NotConverged
from lidepth.model.result import Run

Floats = NDArray[np.float64]

_MOST_PASSES = 6
_SETTLED = 0.3  # standard errors that no anchor may move any more: what is left is of second order
_RELAXED = 0.6
_INTERPOLATED = 1e-3  # of the first charge: what interpolation between anchors is good to


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """A campaign ready to be filtered: model, spectra, the way between them.

    ``steps`` lead from the pristine cell to the first spectrum and from each to the next;
    ``anchoring`` says at which spectra the model is carried through.
    """

    run: Run
    reduction: Reduction
    calibrated: Calibrated
    cell: CellModel
    moments: Moments
    spectra: Spectra
    steps: tuple[Move, ...]
    anchoring: Anchoring

    @property
    def anchors(self) -> NDArray[np.int64]:
        """Numbers of the spectra at which the model is carried through; (a,)."""
        return self.anchoring.rows

    @property
    def linearisation(self) -> Linearisation:
        """What turns the spectra into evidence."""
        return Linearisation(self.cell, self.calibrated.mask, self.anchoring, self.spectra)


@dataclass(frozen=True, kw_only=True)
class Smoothed:
    """The smoother's outcome: ``track`` of all states, ``linear`` the last linearisation.

    ``passes`` of Gauss-Newton; ``moved`` the largest move of the last one, in standard errors.
    """

    campaign: Campaign
    track: Track
    linear: Linearised
    passes: int
    moved: float


def campaign_of(
    run: Run, reduction: Reduction, calibrated: Calibrated, *, wander: Wander | None = None
) -> Campaign:
    """Prepare a campaign.  Raises BadData without a cycler log."""
    moments = moments_of(run, reduction)
    cell = cell_model(run, calibrated.model)
    return Campaign(
        run=run, reduction=reduction, calibrated=calibrated, cell=cell, moments=moments,
        spectra=spectra_of(run, reduction, calibrated, moments),
        steps=tuple(moves(cell, moments, wander or Wander())),
        anchoring=anchoring(moments, reduction.steps),
    )  # fmt: skip


def smooth(
    campaign: Campaign, inversion: Inversion, *, tell: Callable[[float], None] | None = None
) -> Smoothed:
    """Smooth a campaign, starting from the fit of its states.

    Raises NotConverged when the passes do not settle.
    """
    return settle(campaign, *starting_point(campaign, inversion), tell=tell)


@one_thread
def settle(
    campaign: Campaign, shared: Floats, states: Floats, *,
    tell: Callable[[float], None] | None = None,
) -> Smoothed:  # fmt: skip
    """Smooth a campaign from ``shared`` (p,) and ``states`` (anchors, n).

    Raises NotConverged when the passes do not settle.
    """
    depth, moved = campaign.cell.place("silicon_depth"), np.inf
    for number in range(1, _MOST_PASSES + 1):
        linear = linearise(campaign, shared, states)
        track = solve_linear(campaign, linear)
        found = track.states[campaign.anchors]
        moved = _largest_move(campaign, track, found - states, track.shared - shared)
        # The depth of moved silicon overshoots by two thirds at every pass.
        step = track.shared - shared
        step[depth] *= _RELAXED
        shared = shared + step
        states = track.mean[campaign.anchors] + track.lever[campaign.anchors] @ shared
        if tell is not None:
            tell(number / 3.0)
        if moved < _SETTLED:
            return Smoothed(
                campaign=campaign, track=track, linear=linear, passes=number, moved=moved
            )
    raise NotConverged(
        f"the smoother still moves by {moved:.2g} standard errors after {_MOST_PASSES} passes",
        where=campaign.run.source,
        remedy="look at the default method's warnings: a stack or a scale far from the truth",
    )


def linearise(
    campaign: Campaign, shared: Floats, states: Floats, *, apart: bool = False
) -> Linearised:
    """Evidence of all spectra about ``states`` (anchors, n) and ``shared`` (p,), pristine in.

    ``apart``: what each says of the shared parameters alone stays with it; the pristine spectrum's
    part is then all that ``c`` and ``gradient`` hold.
    """
    linear = campaign.linearisation.all(shared, states, apart=apart)
    c, gradient = linearise_pristine(campaign, shared)
    return Linearised(
        evidence=linear.evidence, c=linear.c + c, gradient=linear.gradient + gradient,
        deviance=linear.deviance,
    )  # fmt: skip


def solve_linear(
    campaign: Campaign, linear: Linearised, *, moves: tuple[Move, ...] | None = None
) -> Track:
    """Filter and smooth linear evidence."""
    steps = campaign.steps if moves is None else moves
    return smooth_chain(filter_linear(campaign, linear.evidence, linear, steps), steps)


def filter_linear(
    campaign: Campaign, evidence: tuple[Evidence, ...], linear: Linearised, steps: tuple[Move, ...]
) -> Track:
    """Filter alone."""
    begin = before_first(campaign, linear.c, linear.gradient)
    return filter_chain(begin, steps, evidence)


def before_first(campaign: Campaign, c: Floats, gradient: Floats) -> Belief:
    """The pristine cell, with ``c`` (p, p) and ``gradient`` (p,) of spectra already counted in."""
    n = campaign.cell.size
    begin = start(np.zeros(n), at_first(n), prior=_prior(campaign), precision=_precision(campaign))
    begin.precision = begin.precision + c
    begin.gradient = begin.gradient + gradient
    return begin


def at_first(size: int) -> Floats:
    """Covariance of the pristine state: nothing has moved; the background may differ a little."""
    covariance = np.zeros((size, size))
    covariance[BACK, BACK] = 0.05**2
    return covariance


def _prior(campaign: Campaign) -> Floats:
    return campaign.cell.forward.parameters.prior[:-1]


def _precision(campaign: Campaign) -> Floats:
    return campaign.cell.forward.parameters.precision[:-1, :-1]


def linearise_pristine(campaign: Campaign, shared: Floats) -> tuple[Floats, Floats]:
    """What the pristine spectrum says of the shared parameters, linear about ``shared``."""
    cell, seen, mask = campaign.cell, campaign.calibrated.observation, campaign.calibrated.mask
    both = np.append(shared, 0.0)
    state = np.zeros(cell.forward.state_size)
    moves = Sensitivity.of(cell.forward, both, seen.setting, state)
    slopes = moves.by_shared[mask, :-1]
    # Before anything has moved nothing is missing either.
    slopes[:, cell.place("slack")] = 0.0
    mean = moves.at.total[mask] + EMPTY
    weighted = slopes / mean[:, None]
    normal = weighted.T @ slopes
    return normal, weighted.T @ (seen.counts[mask] - mean) + normal @ shared


def starting_point(campaign: Campaign, inversion: Inversion) -> tuple[Floats, Floats]:
    """Shared parameters and states at the anchors, from the fit of the states."""
    cell, moments = campaign.cell, campaign.moments
    known = inversion.model.parameters.index
    solution = inversion.solution
    shared = np.array(
        [
            solution.shared[known[item.name]] if item.name in known else item.first
            for item in cell.items
        ]
    )
    whole = whole_states(inversion)
    times = np.array([campaign.moments.origin_s, *(s.time_s for s in campaign.reduction.states)])
    order = np.argsort(times, kind="stable")
    at = moments.time_s[campaign.anchors]
    states = np.zeros((at.size, cell.size))
    pairs = [(FLUX, forward.LNFLUX), (OFFSET, forward.OFFSET), (BACK, forward.LNBACK)]
    pairs += [(HATS + h, forward.HATS + h) for h in range(cell.forward.hats)]
    for mine, theirs in pairs:
        states[:, mine] = np.interp(at, times[order], whole[order, theirs])
    silicon = np.array(
        [inversion.model.silicon(solution.shared, o.setting) for o in inversion.observations]
    )
    states[:, SILICON] = np.interp(at, times[order], silicon[order])
    area = float(shared[cell.place("area")])
    states[:, CATHODE] = cell.per_uah * (1.0 - area) * moments.charge_uah[campaign.anchors]
    return shared, states


def _largest_move(campaign: Campaign, track: Track, states: Floats, shared: Floats) -> float:
    """Largest move of the contents (uAh), energy offset and moved silicon, in standard errors.

    Contents that move by less than the interpolation between anchors is good to count as settled,
    however small their error.  In uAh, for flux and electrode area creep together along a valley
    in which no charge changes.
    """
    cell, found = campaign.cell, track.states
    rows, _ = cell.rows_per_uah(track.shared)
    besides = np.eye(cell.size)[[OFFSET, SILICON]]
    watched = np.vstack([rows, besides])
    least = np.zeros(len(watched))
    least[:3] = _INTERPOLATED * campaign.moments.first_uah / _SETTLED
    largest = 0.0
    for place, move in zip(campaign.anchors, states, strict=True):
        contents = cell.contents_uah(track.shared, found[place])
        levers = cell.contents_levers(track.shared, track.lever[place], contents)
        lever = np.vstack([levers, besides @ track.lever[place]])
        variance = watched @ track.covariance[place] @ watched.T
        variance += lever @ track.shared_covariance @ lever.T
        error = np.maximum(np.sqrt(np.diag(variance)), least)
        # Of a move of state and shared parameters the lever has the state's share in it already.
        alone = lever - watched @ track.lever[place]
        largest = max(largest, float(np.max(np.abs(watched @ move + alone @ shared) / error)))
    return largest
