"""The filter for live use: every new spectrum at once, with what is known so far.

The same chain as the smoother's, forward only.  The model is carried through for each spectrum at
the state that is expected of it; how the spectrum moves with the shared parameters is taken from
an earlier one and renewed now and then.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis._threads import one_thread
from lidepth.analysis.campaign.cellstate import BACK, FLUX, OFFSET, SILICON
from lidepth.analysis.campaign.chain import Belief, Evidence, predict, shared_posterior, update
from lidepth.analysis.campaign.linear import BARE, Spectra, free_beam, half_deviance
from lidepth.analysis.campaign.motion import Wander, moves
from lidepth.analysis.campaign.smooth import Campaign, before_first, linearise_pristine
from lidepth.analysis.campaign.timetable import Moments
from lidepth.analysis.forward import Setting

Floats = NDArray[np.float64]

_RENEW = 25  # spectra after which the slopes by the shared parameters are made again
_RENEW_CHARGE = 0.5  # or first charges moved


class LivePoint(NamedTuple):
    """What one spectrum and all before it say.

    ``row`` in the series, ``time_s`` its middle; ``contents_uah`` (anode, electrolyte, cathode)
    with total ``std_uah`` and ``stat_uah``, (3,) each; ``nuisances`` and ``nuisances_std`` (4,) as
    in LithiumTrack; ``deviance`` from the expected spectrum, over ``bins``.
    """

    row: int
    time_s: float
    contents_uah: Floats
    std_uah: Floats
    stat_uah: Floats
    nuisances: Floats
    nuisances_std: Floats
    deviance: float
    bins: int


class LiveFilter:
    """Follows a growing run.

    Made from a campaign at its beginning, of which only calibration and cell are used; ``take``
    wants the newest moments and spectra and answers with the points that are new.
    """

    def __init__(self, campaign: Campaign, *, wander: Wander | None = None) -> None:
        self._cell, self._mask = campaign.cell, campaign.calibrated.mask
        self._wander = wander or Wander()
        solution = campaign.calibrated.solution
        known = campaign.calibrated.model.parameters.index
        self._shared = np.array(
            [
                solution.shared[known[item.name]] if item.name in known else item.first
                for item in self._cell.items
            ]
        )
        self._belief = before_first(campaign, *linearise_pristine(campaign, self._shared))
        self._taken = 0
        self._slopes = np.zeros((int(self._mask.sum()), self._cell.shared))
        self._slopes_at = (-np.inf, -np.inf)

    @property
    def taken(self) -> int:
        """Number of spectra taken in."""
        return self._taken

    @property
    def state(self) -> Floats:
        """The newest state; (n,)."""
        shared, _, _ = shared_posterior(self._belief)
        return np.asarray(self._belief.mean + self._belief.lever @ shared)

    @one_thread
    def take(self, moments: Moments, spectra: Spectra) -> tuple[LivePoint, ...]:
        """Take in the spectra that came since the last call; all so far are given again."""
        first = self._taken
        steps = moves(self._cell, moments, self._wander, first=first)
        return tuple(
            self._one(moments, spectra, first + number, predict(self._belief, step))
            for number, step in enumerate(steps)
        )

    def _one(self, moments: Moments, spectra: Spectra, k: int, expected: Belief) -> LivePoint:
        shared, _, _ = shared_posterior(expected)
        state = expected.mean + expected.lever @ shared
        setting = Setting(
            exposure=float(spectra.exposure[k]), live_s=float(spectra.live_s[k]),
            run_fraction=float(spectra.run_fraction[k]), cycle=1.0,
        )  # fmt: skip
        total, mine = self._cell.by_state(shared, setting, state)
        self._renew(moments, k, shared, setting, state)
        slopes = np.hstack([mine[self._mask], self._slopes * setting.exposure])
        mean, counts = total[self._mask] + BARE, spectra.counts[k]
        weighted = slopes / mean[:, None]
        normal, score = weighted.T @ slopes, weighted.T @ (counts - mean)
        free_beam(normal, score, spectra.beam_std[k])
        n = self._cell.size
        linear = score + normal @ np.concatenate([state, shared])
        seen = Evidence(
            a=normal[:n, :n], b=normal[:n, n:], state=linear[:n], constant=0.0,
            c=normal[n:, n:], shared=linear[n:],
        )  # fmt: skip
        self._belief, self._taken = update(expected, seen), k + 1
        return self._point(moments, k, 2.0 * float(half_deviance(counts, mean)))

    def _renew(
        self, moments: Moments, k: int, shared: Floats, setting: Setting, state: Floats
    ) -> None:
        """Make the slopes by the shared parameters again, where they have got old."""
        moved = float(moments.passed_uah[k] / moments.first_uah)
        if k < self._slopes_at[0] + _RENEW and moved < self._slopes_at[1] + _RENEW_CHARGE:
            return
        _, _, theirs, _ = self._cell.linearised(shared, setting, state)
        self._slopes = theirs[self._mask] / setting.exposure
        self._slopes_at = (k, moved)

    def _point(self, moments: Moments, k: int, deviance: float) -> LivePoint:
        belief, cell = self._belief, self._cell
        shared, covariance, _ = shared_posterior(belief)
        state = belief.mean + belief.lever @ shared
        rows, _ = cell.rows_per_uah(shared)
        contents = cell.contents_uah(shared, state)
        lever = cell.contents_levers(shared, belief.lever, contents)
        own = rows @ belief.covariance @ rows.T
        places = [FLUX, OFFSET, BACK, SILICON]
        total = belief.covariance + belief.lever @ covariance @ belief.lever.T
        return LivePoint(
            row=int(moments.rows[k]), time_s=float(moments.time_s[k]), contents_uah=contents,
            std_uah=np.sqrt(np.diag(own + lever @ covariance @ lever.T)),
            stat_uah=np.sqrt(np.diag(own)), nuisances=state[places],
            nuisances_std=np.sqrt(np.diag(total)[places]), deviance=deviance,
            bins=int(self._mask.sum()),
        )  # fmt: skip
