"""Depth profiles with bands, averaging kernels and resolution."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis._threads import one_thread
from lidepth.analysis.fit import EMPTY, Observation
from lidepth.analysis.forward import ANODE, CATHODE, HATS, ForwardModel
from lidepth.analysis.invert import (
    STEP_AMPLITUDE,
    STEP_BULK,
    Inversion,
    levers,
    whole_states,
)
from lidepth.analysis.reduce import Reduction
from lidepth.analysis.sensitivity import Sensitivity
from lidepth.model.diagnosis import ModeSpectrum
from lidepth.model.profile import DepthProfile

Floats = NDArray[np.float64]


@one_thread
def depth_profiles(
    reduction: Reduction, inversion: Inversion, mask: NDArray[np.bool_], *, widen: float
) -> tuple[DepthProfile, ...]:
    """One profile per state, from the anode's outer surface to the back of the cathode."""
    model, solution = inversion.model, inversion.solution
    kept = np.flatnonzero(model.grid.layer >= model.grid.stack.index("anode"))
    gain = _gain_rows(model)[kept]
    pristine = model.pristine_lithium(solution.shared)[kept]
    edges_1e15, edges_nm = profile_edges(model, solution.shared, kept)
    regions = tuple(
        model.grid.stack.layers[number].role or model.grid.stack.layers[number].name
        for number in model.grid.layer[kept]
    )
    shared_covariance = solution.shared_covariance * widen**2
    profiles = []
    for place, (state, whole, lever) in enumerate(
        zip(reduction.states, whole_states(inversion)[1:], levers(inversion)[1:], strict=True),
        start=1,
    ):
        covariance = solution.local[place] + lever @ shared_covariance @ lever.T
        kernel = _averaging_kernel(inversion, place, mask, gain, kept)
        profiles.append(
            DepthProfile(
                label=state.label, cycle=state.cycle, state=state.name, time_s=state.time_s,
                edges_1e15=edges_1e15, edges_nm=edges_nm, regions=regions,
                lithium_1e15=pristine + gain @ whole, pristine_1e15=pristine,
                covariance=gain @ covariance @ gain.T, averaging_kernel=kernel,
                resolution_nm=_resolution(kernel, np.diff(edges_nm)),
            )
        )  # fmt: skip
    return tuple(profiles)


def _gain_rows(model: ForwardModel) -> Floats:
    """Lithium gained per cell for each part of the state vector; shape (cells, state size)."""
    anode, cathode, hats = model.lithium_maps
    rows = np.zeros((model.grid.cells, model.state_size))
    rows[:, ANODE], rows[:, CATHODE], rows[:, HATS:] = anode, cathode, hats
    return rows


def profile_edges(
    model: ForwardModel, shared: Floats, kept: NDArray[np.int64]
) -> tuple[Floats, Floats]:
    """Fitted areal-density and nm edges of the kept cells, zero at the anode's surface."""
    factors = np.array(
        [
            model.parameters.get(shared, f"areal:{number}", 1.0)
            for number in range(len(model.grid.stack))
        ]
    )[model.grid.layer[kept]]
    atoms = model.grid.atoms_1e15[kept] * factors
    widths = np.diff(model.grid.depth_nm)[kept] * factors
    return (
        np.concatenate([[0.0], np.cumsum(atoms)]),
        np.concatenate([[0.0], np.cumsum(widths)]),
    )


def _fisher(
    inversion: Inversion, place: int, mask: NDArray[np.bool_]
) -> tuple[Floats, Floats, Floats]:
    """Weighted Jacobian, state Jacobian and cell Jacobian of one state."""
    model, shared = inversion.model, inversion.solution.shared
    seen = inversion.observations[place]
    state, at = inversion.solution.states[place], inversion.solution.predictions[place]
    moves = Sensitivity(model=model, shared=shared, setting=seen.setting, state=state, at=at)
    by_state = moves.by_state[mask]
    weighted = by_state / (at.total[mask] + EMPTY)[:, None]
    return weighted, by_state, moves.by_cell[mask]


def _single_state_precision(inversion: Inversion, seen: Observation) -> Floats:
    """What is believed of one state on its own: the step's and the deviation's spread together."""
    basis = inversion.model.basis
    precision = seen.precision.copy()
    both = basis.covariance(amplitude=STEP_AMPLITUDE, bulk=STEP_BULK) + np.linalg.inv(
        seen.precision[HATS:, HATS:]
    )
    precision[HATS:, HATS:] = np.linalg.inv(both)
    for tie in seen.ties:
        precision += np.outer(tie.state_row, tie.state_row) / tie.std**2
    return precision


def _averaging_kernel(
    inversion: Inversion, place: int, mask: NDArray[np.bool_], gain: Floats,
    kept: NDArray[np.int64],
) -> Floats:  # fmt: skip
    """Response of each cell's estimate to lithium truly added to each cell; (cells, cells)."""
    weighted, by_state, by_cell = _fisher(inversion, place, mask)
    precision = _single_state_precision(inversion, inversion.observations[place])
    estimate = np.linalg.solve(weighted.T @ by_state + precision, weighted.T @ by_cell[:, kept])
    return np.asarray(gain @ estimate)


def _resolution(kernel: Floats, widths_nm: Floats) -> Floats:
    """Full width at half maximum of each row as a density in depth; NaN where it has no peak."""
    density = kernel / widths_nm[:, None]
    peak = density.max(axis=1)
    above = density >= 0.5 * peak[:, None]
    width = above @ widths_nm
    own = np.diag(density)
    return np.where((peak > 0) & (own >= 0.25 * peak), width, np.nan)


def mode_spectrum(inversion: Inversion, mask: NDArray[np.bool_]) -> ModeSpectrum:
    """What the counts of each state know of the electrolyte's profile, in units of the prior.

    Eigenvalues of the prior-whitened Fisher matrix of the hats' heights, other parts of the state
    given, and again with these unknown within their own priors.
    """
    model = inversion.model
    root = np.linalg.cholesky(model.basis.covariance(amplitude=STEP_AMPLITUDE, bulk=STEP_BULK))
    known, freed = [], []
    vectors = np.eye(len(root))
    for place in range(1, len(inversion.observations)):
        weighted, by_state, _ = _fisher(inversion, place, mask)
        fisher = weighted.T @ by_state
        hats = fisher[HATS:, HATS:]
        others = fisher[:HATS, :HATS] + inversion.observations[place].precision[:HATS, :HATS]
        lost = fisher[HATS:, :HATS] @ _scaled_inverse(others)
        values, vectors = np.linalg.eigh(root.T @ hats @ root)
        known.append(np.maximum(values[::-1], 0.0))
        left = np.linalg.eigvalsh(root.T @ (hats - lost @ fisher[:HATS, HATS:]) @ root)
        freed.append(np.maximum(left[::-1], 0.0))
    cells = model.grid.of("electrolyte")
    shapes = model.lithium_maps[2][cells] @ root @ vectors[:, ::-1]
    edges = model.grid.depth_nm[cells[0] : cells[-1] + 2]
    size = (len(known), len(root))
    return ModeSpectrum(
        labels=tuple(seen.label for seen in inversion.observations[1:]),
        information=np.array(known).reshape(size), freed=np.array(freed).reshape(size),
        edges_nm=edges - model.grid.depth_nm[model.grid.of("anode")[0]],
        shapes=(shapes / np.diff(edges)[:, None]).T,
    )  # fmt: skip


def _scaled_inverse(matrix: Floats) -> Floats:
    """Pseudo-inverse of a matrix whose parts have unlike units and may be unseen."""
    scale = 1.0 / np.sqrt(np.maximum(np.diag(matrix), 1e-300))
    scaled = matrix * np.outer(scale, scale)
    return np.asarray(np.linalg.pinv(scaled, hermitian=True) * np.outer(scale, scale))


def supported_modes(modes: ModeSpectrum) -> float:
    """Modes of the electrolyte's profile that one state's counts know better than the prior.

    Number of eigenvalues above one, median over states.
    """
    return float(np.median(modes.supported)) if modes.labels else float("nan")
