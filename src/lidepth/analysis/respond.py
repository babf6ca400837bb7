"""The response of a stack in any state of charge, with its Jacobian: for planning and teaching.

The fits use the same kernel through analysis.forward; here it is free of run and parameters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis.build import build_particles
from lidepth.analysis.forward import ForwardModel, Setting
from lidepth.analysis.grid import DepthGrid, depth_grid, electrolyte_basis
from lidepth.analysis.parameters import shared_parameters
from lidepth.analysis.sensitivity import Sensitivity
from lidepth.errors import BadData
from lidepth.model.instrument import Instrument
from lidepth.model.response import Response
from lidepth.model.stack import Stack
from lidepth.physics.response import fold
from lidepth.physics.stopping import StoppingSource

Floats = NDArray[np.float64]

_NO_BACKGROUND = 1e-12  # counts per s and keV


@dataclass(frozen=True, kw_only=True)
class StackResponse:
    """Responses of alpha and triton (by name), and how the expected spectrum moves.

    For the lithium asked about: ``expected`` (bins,) counts per unit of exposure; ``by_lithium``
    (bins, cells) its derivative by lithium in each cell, 1/(1e15 Li/cm2), both particles together;
    ``by_parameter`` maps "areal:0", "stopping:3", "offset", "gain", "fwhm" ... to (bins,), relative
    change for the factors and natural logarithms, keV for the offset.
    """

    particles: dict[str, Response]
    lithium_1e15: Floats
    expected: Floats
    by_lithium: Floats
    by_parameter: dict[str, Floats]


def depth_cells(stack: Stack) -> DepthGrid:
    """The cells in which ``respond`` wants the lithium that was gained."""
    return depth_grid(stack)


def respond(
    stack: Stack,
    instrument: Instrument,
    source: StoppingSource,
    *,
    gained_1e15: Floats | None = None,
    channels: int = 1024,
) -> StackResponse:
    """Response of ``stack`` with ``gained_1e15`` (cells,) lithium beyond its formula.

    The cells are those of ``depth_cells``.  Raises BadData when a cell would hold less than no
    lithium.
    """
    model = _model(stack, instrument, source, channels)
    gained = np.zeros(model.grid.cells) if gained_1e15 is None else np.asarray(gained_1e15, float)
    shared = model.parameters.start
    lithium = model.pristine_lithium(shared) + gained
    if gained.shape != (model.grid.cells,) or np.any(lithium < -1e-9):
        raise BadData(
            "the lithium gained does not fit the stack",
            expected=f"{model.grid.cells} cells, none with less lithium than none",
            remedy="take the cells from depth_cells(stack)",
        )
    fixed = _Fixed(**{name: getattr(model, name) for name in _fields(model)}, fixed=gained)
    setting, state = Setting(exposure=1.0, live_s=1.0), np.zeros(model.state_size)
    bins = fixed.energies_kev(shared, setting)
    moves = Sensitivity.of(fixed, shared, setting, state)
    at = moves.at
    depth = np.concatenate([[0.0], np.cumsum(model.grid.atoms_1e15)])
    particles = {
        p.name: Response(
            particle=p.name,
            matrix=np.maximum(fold(bins, at.edges[p.name].exit_kev, at.variances[p.name]), 0.0),
            energy_edges_kev=bins, depth_edges_1e15=depth, exit_kev=at.edges[p.name].exit_kev,
            sigma_kev=np.sqrt(at.variances[p.name]),
        )
        for p in model.particles
    }  # fmt: skip
    return StackResponse(
        particles=particles, lithium_1e15=lithium, expected=at.total,
        by_lithium=moves.by_cell,
        by_parameter=dict(zip(model.parameters.names, moves.by_shared.T, strict=True)),
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class _Fixed(ForwardModel):
    """A forward model whose lithium is given cell by cell."""

    fixed: Floats

    def gained(self, shared: Floats, setting: Setting, state: Floats) -> Floats:  # noqa: ARG002
        """The given lithium, whatever the state vector."""
        return self.fixed


def _fields(model: ForwardModel) -> tuple[str, ...]:
    return tuple(model.__dataclass_fields__)


def _model(
    stack: Stack, instrument: Instrument, source: StoppingSource, channels: int
) -> ForwardModel:
    grid = depth_grid(stack)
    return ForwardModel(
        grid=grid, basis=electrolyte_basis(grid),
        particles=build_particles(stack, instrument, grid, source),
        parameters=shared_parameters(stack, instrument, rate=1.0, background=_NO_BACKGROUND),
        channel_edges=np.arange(channels + 1, dtype=np.float64),
        path_factor=instrument.path_factor,
        li6_fraction=np.array([layer.material.li6_fraction for layer in stack])[grid.layer],
        knots=np.array([2.0]),
    )  # fmt: skip
