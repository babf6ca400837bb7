"""The smoother over a whole campaign (``method=smooth``), done again with other counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis.calibrate import Calibrated, misfit_factor
from lidepth.analysis.campaign.motion import Wander, moves
from lidepth.analysis.campaign.rows import contents, smooth_ledger, state_places
from lidepth.analysis.campaign.smooth import (
    Campaign,
    Smoothed,
    campaign_of,
    settle,
    smooth,
)
from lidepth.analysis.ensemble.problem import Draw
from lidepth.analysis.ensemble.redraw import counts_again
from lidepth.analysis.invert import Inversion
from lidepth.analysis.reduce import Reduction
from lidepth.model.ensemble import Kind
from lidepth.model.ledger import Ledger
from lidepth.model.result import Run

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class CampaignProblem:
    """A smoothed campaign: where it settled, from which the counts of every spectrum follow.

    ``campaign`` without counts and without the steps between spectra, which are quickly made;
    ``shared`` (p,) and ``states`` (k, n) at every spectrum; ``pristine`` (bins,) expected counts
    of the pristine cell; ``places`` of the ledger's rows among the spectra.
    """

    campaign: Campaign
    shared: Floats
    states: Floats
    pristine: Floats
    places: tuple[int, ...]

    @property
    def rows(self) -> int:
        """Rows of the ledger."""
        return len(self.places)

    def draw(self, kind: Kind, rng: np.random.Generator) -> Draw:  # noqa: ARG002  # one kind
        """One member: the counts of every spectrum again.  Raises NotConverged."""
        campaign = self.again(rng)
        found = settle(campaign, self.shared, self.states[campaign.anchors])
        values = contents(campaign.cell, found.track)[list(self.places)]
        return Draw(values, found.passes)

    def again(self, rng: np.random.Generator) -> Campaign:
        """The campaign with counts drawn about what was found.

        The beam of each spectrum strays from its monitor by the monitor's counting error.
        """
        bare = self.campaign
        calibrated = replace(
            bare.calibrated,
            observation=counts_again([bare.calibrated.observation], self.pristine[None], rng)[0],
        )
        stray = bare.spectra.beam_std * rng.standard_normal(len(bare.moments))
        expected = np.zeros((len(bare.moments), int(np.count_nonzero(calibrated.mask))))
        for k, mean, by_beam in bare.linearisation.means(self.shared, self.states):
            expected[k] = mean + by_beam * stray[k]
        counts = rng.poisson(np.maximum(expected, 0.0)).astype(np.float64)
        return replace(
            bare, calibrated=calibrated, spectra=replace(bare.spectra, counts=counts),
            steps=tuple(moves(bare.cell, bare.moments, Wander())),
        )  # fmt: skip


def campaign_problem(
    run: Run, reduction: Reduction, calibrated: Calibrated, inversion: Inversion, *,
    progress: Callable[[str, float], None] | None = None,
) -> tuple[CampaignProblem, Ledger]:  # fmt: skip
    """Smooth a campaign and pack it, with the ledger that it states.

    Raises BadData without a cycler log, NotConverged.
    """

    def tell(share: float) -> None:
        if progress is not None:
            progress("smooth the campaign", share)

    campaign = campaign_of(run, reduction, calibrated)
    found = smooth(campaign, inversion, tell=tell)
    tell(1.0)
    return pack(found), smooth_ledger(found, widen=misfit_factor(calibrated.result.fit))


def pack(found: Smoothed) -> CampaignProblem:
    """Pack a smoothed campaign for an ensemble."""
    return CampaignProblem(
        campaign=_bare(found.campaign), shared=found.track.shared, states=found.track.states,
        pristine=_pristine(found.campaign, found.track.shared), places=tuple(state_places(found)),
    )  # fmt: skip


def _pristine(campaign: Campaign, shared: Floats) -> Floats:
    """Expected counts of the pristine spectrum; (bins,)."""
    cell, setting = campaign.cell, campaign.calibrated.observation.setting
    nothing = np.zeros(cell.forward.state_size)
    return cell.forward.predict(np.append(shared, 0.0), setting, nothing).total


def _bare(campaign: Campaign) -> Campaign:
    """The campaign without what a member draws or makes itself: it has to travel."""
    run, calibrated = campaign.run, campaign.calibrated
    first = np.arange(len(run.series)) == 0
    slim = replace(
        run, series=run.series.part(first), pristine=run.pristine[first], log=None, background=None
    )
    none = np.zeros((0, int(np.count_nonzero(calibrated.mask))))
    return replace(
        campaign, run=slim, steps=(), spectra=replace(campaign.spectra, counts=none),
        calibrated=replace(calibrated, solution=replace(calibrated.solution, predictions=())),
    )  # fmt: skip
