"""The lithium cell that is planned: its forward model, its states, and what they would tell."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis.build import build_model, build_particles, require_escape
from lidepth.analysis.calibrate import fit_mask
from lidepth.analysis.fit import state_prior
from lidepth.analysis.forward import (
    ANODE,
    CATHODE,
    HATS,
    ForwardModel,
    ParticleTables,
    Setting,
)
from lidepth.analysis.grid import DepthGrid, ElectrolyteBasis
from lidepth.analysis.invert import (
    CONSERVATION,
    COULOMB_FLOOR_UAH,
    DEVIATION_AMPLITUDE,
    DEVIATION_BULK,
    STEP_BULK,
    lithium_per_uah,
    working_model,
)
from lidepth.analysis.parameters import shared_parameters, with_working
from lidepth.analysis.planning.information import Companion, Design, state_information
from lidepth.analysis.planning.protocol import BACKGROUND_SHARE, Description, Protocol
from lidepth.analysis.slab.front import front
from lidepth.model.result import Run
from lidepth.model.spectra import SpectrumSeries
from lidepth.physics.stopping import StoppingSource

Floats = NDArray[np.float64]

LOCAL = ("flux of the state", "offset of the state", "background of the state", "anode", "cathode")
SLAB = ("interlayer", "bulk", "thickness", "edge")

EDGE_NM = 40.0
"""Standard deviation of the edge of a planned interlayer, where nothing else is said."""

_FINE_NM = 10.0
_FALLING_NM = 150.0  # e-fold of lithium lost to the electrolyte, for the state's own response


@dataclass(frozen=True, kw_only=True)
class PlannedCell:
    """A cell before it is measured.

    ``model`` knows the parameters of the pristine cell, ``shared`` (p,) their values; ``mask``
    (bins,) the bins that the fits use; ``first_uah`` the charge of the first charging step.
    """

    run: Run
    protocol: Protocol
    model: ForwardModel
    shared: Floats
    mask: NDArray[np.bool_]
    first_uah: float

    @property
    def first_1e15(self) -> float:
        """Lithium that the first charge moves, 1e15/cm2: the unit of "per cent"."""
        return self.first_uah * lithium_per_uah(self.run)

    def with_fwhm(self, fwhm_kev: float) -> PlannedCell:
        """Return the cell before a detector of another resolution."""
        shared = self.shared.copy()
        shared[self.model.parameters.index["fwhm"]] = math.log(fwhm_kev)
        return replace(self, shared=shared)

    def with_spread(self, spread_deg: float, source: StoppingSource) -> PlannedCell:
        """Return the cell before a detector that takes in another spread of exit angles."""
        instrument = replace(self.run.instrument, exit_angle_spread_deg=spread_deg)
        particles = build_particles(self.run.stack, instrument, self.model.grid, source)
        return replace(
            self, run=replace(self.run, instrument=instrument),
            model=replace(self.model, particles=particles),
        )  # fmt: skip


def planned_run(described: Description) -> Run:
    """A run of one empty spectrum: the description in the form that the analysis takes."""
    start = np.datetime64("2000-01-01T00:00:00", "ns")
    series = SpectrumSeries.from_arrays(
        counts=np.zeros((1, described.usable_channels)), start=np.array([start]),
        live_s=[1.0], real_s=[1.0],
    )  # fmt: skip
    return Run(
        title="plan", area_cm2=described.area_cm2, area_rel_std=described.area_rel_std,
        stack=described.stack, instrument=described.instrument, series=series, log=None,
        pristine=np.array([True]), source="plan",
    )  # fmt: skip


def planned_cell(described: Description, protocol: Protocol, source: StoppingSource) -> PlannedCell:
    """Build the model of a described cell; raises BadData when no alpha leaves it."""
    run = planned_run(described)
    model = build_model(run, source, cycles=protocol.cycles)
    atoms = float(np.sum(model.grid.lithium_1e15 * model.li6_fraction))
    background = described.background
    if math.isnan(background):
        background = BACKGROUND_SHARE * described.rate * atoms
    model = model.with_parameters(
        shared_parameters(run.stack, run.instrument, rate=described.rate, background=background,
                          disputed=model.disputed)
    )  # fmt: skip
    shared = np.array(
        [described.fitted.get(p.name, p.first) for p in model.parameters.items], dtype=np.float64
    )
    shared[model.parameters.index["flux"]] = math.log(described.rate)
    require_escape(model, shared)
    first = protocol.first_charge_uah
    if math.isnan(first):
        first = 3.0 * run.stack.layer("anode").areal_density_1e15 / lithium_per_uah(run)
    return PlannedCell(
        run=run, protocol=protocol, model=model, shared=shared, mask=fit_mask(model, shared),
        first_uah=first,
    )  # fmt: skip


def pristine_setting(seconds: float = 1.0) -> Setting:
    """Circumstances of the pristine cell, counted for ``seconds``."""
    return Setting(exposure=seconds, live_s=seconds)


def worked_setting(cycle: float, cycles: float) -> Setting:
    """Circumstances of one second of a state in one cycle of so many."""
    return Setting(exposure=1.0, live_s=1.0, run_fraction=cycle / cycles, cycle=cycle)


def amounts_design(cell: PlannedCell, *, anode: float, electrolyte: float) -> Design:
    """What one discharged state tells of amounts, by the default method.

    ``anode`` and ``electrolyte`` are what they hold, as fractions of the first charge.  The
    parameters are in the units of the fits, amounts in 1e15 Li/cm2.
    """
    model = working_model(cell.run, cell.model)
    _, _, hats = model.lithium_maps
    heights = np.exp(-model.basis.knots_nm / _FALLING_NM)
    heights /= float(hats.sum(axis=0) @ heights)
    deviation = model.basis.covariance(amplitude=DEVIATION_AMPLITUDE, bulk=DEVIATION_BULK)
    _, _, prior = state_prior(model, flux_std=cell.protocol.monitor_std, deviation=deviation)
    local = LOCAL + tuple(f"hat:{i}" for i in range(model.hats))
    return _design(cell, model, (anode, electrolyte), heights, local, prior)


def amount_rows(cell: PlannedCell) -> dict[str, Floats]:
    """Rows of lithium per region in the parameters of ``amounts_design``, 1e15/cm2."""
    model = working_model(cell.run, cell.model)
    lift = model.lift(worked_setting(cell.protocol.cycles, cell.protocol.cycles))
    _, _, hats = model.lithium_maps
    rows = np.zeros((3, model.state_size))
    rows[0, ANODE] = rows[2, CATHODE] = 1.0
    rows[1, HATS:] = hats.sum(axis=0)
    whole = np.hstack([rows, rows @ lift])
    return dict(zip(("anode", "electrolyte", "cathode"), whole, strict=True))


def slab_design(
    cell: PlannedCell, *, anode: float, lithium_1e15: float, thickness_nm: float,
    edge_nm: float = EDGE_NM,
) -> Design:  # fmt: skip
    """What one state tells of an interlayer at the anode's side of the electrolyte.

    The interlayer holds ``lithium_1e15`` extra lithium down to ``thickness_nm``, with an error
    function of standard deviation ``edge_nm`` as its edge; the rest of the electrolyte is even.
    """
    # Of an interlayer that is not there, thickness and edge do nothing.
    names = SLAB if lithium_1e15 > 0 else SLAB[:2]
    model = slab_model(
        cell, thickness_nm=thickness_nm, edge_nm=edge_nm, lithium_1e15=lithium_1e15,
        columns=len(names),
    )  # fmt: skip
    deviation = np.eye(len(names))
    _, _, prior = state_prior(model, flux_std=cell.protocol.monitor_std, deviation=deviation)
    prior[HATS:, HATS:] = 0.0
    bulk = STEP_BULK * cell.run.stack.layer("electrolyte").element_1e15("Li")
    prior[HATS + 1, HATS + 1] = bulk**-2
    amounts = (anode, lithium_1e15 / cell.first_1e15)
    heights = np.eye(len(names))[0]
    return _design(cell, model, amounts, heights, LOCAL + names, prior)


def slab_model(
    cell: PlannedCell, *, thickness_nm: float, edge_nm: float, lithium_1e15: float,
    columns: int = len(SLAB),
) -> ForwardModel:  # fmt: skip
    """The cell's model with interlayer, bulk, thickness and edge in place of the hat functions.

    Only the first ``columns`` of them.  Linear in all four: thickness and edge are small changes
    about the given ones.
    """
    grid = finer(cell.model.grid, max(2.0 * thickness_nm, thickness_nm + 4.0 * edge_nm))
    per_layer = np.array([layer.material.li6_fraction for layer in grid.stack])
    shapes = slab_columns(grid, thickness_nm, edge_nm, lithium_1e15)[:, :columns]
    cells = grid.of("electrolyte")
    basis = ElectrolyteBasis(
        knots_nm=np.arange(float(columns)), hats=shapes / grid.lithium_1e15[cells, None]
    )
    particles = tuple(_regridded(p, cell.model.grid, grid) for p in cell.model.particles)
    model = replace(
        cell.model, grid=grid, basis=basis, particles=particles,
        li6_fraction=per_layer[grid.layer],
    )  # fmt: skip
    return model.with_parameters(
        with_working(cell.model.parameters, cell.run, knots=model.knots, hats=np.zeros((0, 0)))
    )


def slab_columns(
    grid: DepthGrid, thickness_nm: float, edge_nm: float, lithium_1e15: float
) -> Floats:
    """Lithium per cell for one unit of interlayer, bulk, thickness and edge; (cells, 4).

    Units: 1e15 Li/cm2 for the amounts; per nm for the other two.
    """
    cells = grid.of("electrolyte")
    edges = grid.depth_nm[cells[0] : cells[-1] + 2] - grid.depth_nm[cells[0]]
    width, slab = np.diff(edges), front(edges, thickness_nm, edge_nm)
    by_logarithm = lithium_1e15 * slab.slopes[0]
    return np.column_stack(
        [slab.shares[0], width / width.sum(), by_logarithm / [thickness_nm, edge_nm]]
    )


def finer(grid: DepthGrid, depth_nm: float, largest_nm: float = _FINE_NM) -> DepthGrid:
    """Cut the electrolyte's cells down to ``depth_nm`` below the anode into finer ones."""
    first = grid.depth_nm[grid.of("electrolyte")[0]]
    electrolyte = grid.stack.index("electrolyte")
    layer, share, edges = [], [], [grid.depth_nm[0]]
    for number in range(grid.cells):
        top, bottom = grid.depth_nm[number], grid.depth_nm[number + 1]
        inside = grid.layer[number] == electrolyte and top - first < depth_nm
        parts = max(math.ceil((bottom - top) / largest_nm - 1e-9), 1) if inside else 1
        layer += [int(grid.layer[number])] * parts
        share += [float(grid.share[number]) / parts] * parts
        edges += list(np.linspace(top, bottom, parts + 1)[1:])
    return DepthGrid(stack=grid.stack, layer=np.array(layer, dtype=np.int64),
                     share=np.array(share), depth_nm=np.array(edges))  # fmt: skip


def _regridded(particle: ParticleTables, old: DepthGrid, new: DepthGrid) -> ParticleTables:
    """The same particle on other cells; its extra variance is interpolated in depth."""
    extra = np.stack(
        [np.interp(new.depth_nm, old.depth_nm, row) for row in particle.extra_variance_kev2]
    )
    return replace(particle, extra_variance_kev2=extra)


def extended(cell: PlannedCell, model: ForwardModel) -> Floats:
    """Values of the pristine parameters, followed by those that only a working cell shows."""
    extra = len(model.parameters) - cell.shared.size
    return np.concatenate([cell.shared, model.parameters.start[-extra:]])


def _design(
    cell: PlannedCell, model: ForwardModel, amounts: tuple[float, float], heights: Floats,
    local: tuple[str, ...], prior: Floats,
) -> Design:  # fmt: skip
    """Design of the last discharged state, with the other states of the run.

    ``amounts`` of anode and electrolyte, as fractions of the first charge; ``heights`` (hats,) how
    one unit of lithium lies in the electrolyte.
    """
    shared, n = extended(cell, model), model.state_size
    cycles = cell.protocol.cycles

    def told(cycle: float, anode: float, electrolyte: float) -> tuple[Floats, Floats]:
        state = np.zeros(n)
        state[ANODE] = anode * cell.first_1e15
        state[CATHODE] = (anode + electrolyte) * cell.first_1e15
        state[HATS:] = electrolyte * cell.first_1e15 * heights
        setting = worked_setting(cycle, cycles)
        information = state_information(model, shared, setting, state, cell.mask)
        return information, _ties(cell, model, setting, state)

    per_second, ties = told(cycles, *amounts)
    pristine = state_information(model, shared, pristine_setting(), np.zeros(n), cell.mask)
    return Design(
        local=local, shared=model.parameters.names, per_second=per_second, local_prior=prior,
        shared_prior=model.parameters.precision, pristine=pristine[n:, n:], ties=ties,
        companions=tuple(_companions(told, amounts, cycles)),
    )  # fmt: skip


def _companions(
    told: Callable[[float, float, float], tuple[Floats, Floats]], amounts: tuple[float, float],
    cycles: int,
) -> list[Companion]:  # fmt: skip
    """The other states of a run: charged ones, and discharged ones before the last.

    Taken at the last cycle and half-way, where half of the loss is; each stands for half of them.
    """
    anode, electrolyte = amounts
    middle = max(cycles / 2.0, 1.0)
    kinds = [
        (cycles, 1.0 - electrolyte, electrolyte, cycles - cycles // 2),
        (middle, 1.0 - 0.5 * electrolyte, 0.5 * electrolyte, cycles // 2),
        (middle, anode, 0.5 * electrolyte, cycles - 1),
    ]
    companions = []
    for cycle, at_anode, at_electrolyte, number in kinds:
        if number > 0:
            per_second, ties = told(cycle, at_anode, at_electrolyte)
            companions.append(Companion(per_second=per_second, ties=ties, number=float(number)))
    return companions


def _ties(cell: PlannedCell, model: ForwardModel, setting: Setting, state: Floats) -> Floats:
    """Conservation and coulometry of one state, in units of their standard uncertainties."""
    n = model.state_size
    _, _, hats = model.lithium_maps
    rows = np.zeros((2, n))
    rows[0, ANODE], rows[0, CATHODE], rows[0, HATS:] = 1.0, -1.0, hats.sum(axis=0)
    rows[1, CATHODE] = 1.0
    whole = np.hstack([rows, rows @ model.lift(setting)])
    # The charge is the whole cell's: its lithium per area goes down as the area goes up.
    whole[1, n + model.parameters.index["area"]] += state[CATHODE]
    stds = np.array([CONSERVATION * cell.first_1e15, COULOMB_FLOOR_UAH * lithium_per_uah(cell.run)])
    return np.asarray(whole / stds[:, None])
