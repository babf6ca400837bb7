"""From the smoother's states to what is reported: ledger, track, profiles."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis.account import state_flags
from lidepth.analysis.campaign.cellstate import (
    BACK,
    CATHODE,
    FLUX,
    HATS,
    OFFSET,
    SILICON,
    CellModel,
)
from lidepth.analysis.campaign.chain import Track
from lidepth.analysis.campaign.smooth import Smoothed
from lidepth.analysis.profiles import profile_edges
from lidepth.model.calibration import FittedParameter
from lidepth.model.ledger import Ledger
from lidepth.model.track import LithiumTrack

Floats = NDArray[np.float64]

REMARK = (
    "smoother over all spectra: lithium conserved, the charge of the cycler believed up to a "
    "fitted loss; the balance is spent and tests nothing"
)


def contents(cell: CellModel, track: Track) -> Floats:
    """Anode, electrolyte and cathode at every spectrum, whole cell, uAh; (k, 3)."""
    return cell.contents_uah(track.shared, track.states)


def smooth_ledger(smoothed: Smoothed, *, widen: float, method: str = "smooth") -> Ledger:
    """One row per state of the reduction, at the spectrum in its middle.

    ``widen`` is the factor by which common errors are widened for a pristine misfit.
    """
    campaign, track = smoothed.campaign, smoothed.track
    cell, states = campaign.cell, campaign.reduction.states
    places = state_places(smoothed)
    values = contents(cell, track)[places]
    borders = np.concatenate(
        [
            cell.contents_levers(track.shared, track.lever[place], value)
            for place, value in zip(places, values, strict=True)
        ]
    )
    common = borders @ track.shared_covariance @ borders.T * widen**2
    independent = _independent(cell, track, places)
    return Ledger(
        method=method,
        cycle=np.array([state.cycle for state in states], dtype=np.int64),
        state=tuple(state.name for state in states),
        time_s=np.array([state.time_s for state in states]), values=values,
        covariance=independent + common, independent=independent,
        flags=tuple(state_flags(campaign.run, state.indices) for state in states),
        balance_spent=True, remark=REMARK,
    )  # fmt: skip


def state_places(smoothed: Smoothed) -> list[int]:
    """The spectrum in the middle of each state of the reduction."""
    states = smoothed.campaign.reduction.states
    return [_middle(smoothed, state.indices, state.time_s) for state in states]


def _middle(smoothed: Smoothed, indices: tuple[int, ...], time_s: float) -> int:
    """The spectrum of the campaign nearest to the middle of a state."""
    moments = smoothed.campaign.moments
    own = np.flatnonzero(np.isin(moments.rows, indices))
    among = own if own.size else np.arange(len(moments))
    return int(among[np.argmin(np.abs(moments.time_s[among] - time_s))])


def _independent(cell: CellModel, track: Track, places: list[int]) -> Floats:
    """Covariance of the rows given the shared parameters, neighbours included; (3n, 3n)."""
    rows, _ = cell.rows_per_uah(track.shared)
    count = 3 * len(places)
    return track.joint(places, rows).reshape(count, count)


def lithium_track(smoothed: Smoothed, *, widen: float) -> LithiumTrack:
    """Everything per spectrum, with its uncertainty."""
    campaign, track, moments = smoothed.campaign, smoothed.track, smoothed.campaign.moments
    cell = campaign.cell
    values = contents(cell, track)
    gain, theirs, kept = _gain_rows(cell)
    count = len(moments)
    std, stat = np.zeros((count, 3)), np.zeros((count, 3))
    change_std = np.zeros((count, kept.size))
    nuisance_std = np.zeros((count, 4))
    rows, _ = cell.rows_per_uah(track.shared)
    shared = track.shared_covariance * widen**2
    for k in range(count):
        block, lever = track.covariance[k], track.lever[k]
        total = block + lever @ shared @ lever.T
        border = cell.contents_levers(track.shared, lever, values[k])
        own = np.einsum("ij,jk,ik->i", rows, block, rows)
        stat[k] = np.sqrt(np.maximum(own, 0.0))
        std[k] = np.sqrt(np.maximum(own + np.einsum("ij,jk,ik->i", border, shared, border), 0.0))
        reach = gain @ lever + theirs
        variance = np.einsum("ij,jk,ik->i", gain, block, gain)
        variance += np.einsum("ij,jk,ik->i", reach, shared, reach)
        change_std[k] = np.sqrt(np.maximum(variance, 0.0))
        nuisance_std[k] = np.sqrt(np.diag(total))[[FLUX, OFFSET, BACK, SILICON]]
    states = track.states
    return LithiumTrack(
        rows=moments.rows, time_s=moments.time_s, cycle=_cycles(smoothed),
        charge_uah=moments.charge_uah, contents_uah=values, std_uah=std, stat_uah=stat,
        edges_nm=profile_edges(cell.forward, np.append(track.shared, 0.0), kept)[1],
        regions=_regions(cell, kept), change_1e15=states @ gain.T + theirs @ track.shared,
        change_std_1e15=change_std, nuisances=states[:, [FLUX, OFFSET, BACK, SILICON]],
        nuisances_std=nuisance_std, deviance=smoothed.linear.deviance,
        bins=int(campaign.calibrated.mask.sum()), shared=_fitted(cell, track),
        log_evidence=track.evidence, passes=smoothed.passes,
    )  # fmt: skip


def _gain_rows(cell: CellModel) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Lithium gained per kept cell by state (cells, n) and shared (cells, p); the cells kept."""
    model = cell.forward
    kept = np.flatnonzero(model.grid.layer >= model.grid.stack.index("anode"))
    anode, cathode, hats = model.lithium_maps
    rows, slack = cell.regions
    gain = np.outer(anode, rows[0])
    gain[:, CATHODE] += cathode
    gain[:, HATS:] += hats
    return gain[kept], np.outer(anode, slack[0])[kept], kept


def _regions(cell: CellModel, kept: NDArray[np.int64]) -> tuple[str, ...]:
    grid = cell.forward.grid
    layers = [grid.stack.layers[number] for number in grid.layer[kept]]
    return tuple(layer.role or layer.name for layer in layers)


def _cycles(smoothed: Smoothed) -> NDArray[np.int64]:
    """Cycle of each spectrum."""
    steps = smoothed.campaign.reduction.steps
    starts = np.array([step.start_s for step in steps])
    cycles = np.array([step.cycle for step in steps], dtype=np.int64)
    place = np.searchsorted(starts, smoothed.campaign.moments.time_s, side="right") - 1
    return np.asarray(cycles[np.maximum(place, 0)])


def _fitted(cell: CellModel, track: Track) -> tuple[FittedParameter, ...]:
    covariance = np.zeros((cell.shared + 1, cell.shared + 1))
    covariance[:-1, :-1] = track.shared_covariance
    return cell.forward.parameters.fitted(np.append(track.shared, 0.0), covariance)[:-1]
