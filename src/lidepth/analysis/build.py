"""Building the forward model of a run from its description."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis.forward import ForwardModel, ParticleTables
from lidepth.analysis.grid import DepthGrid, depth_grid, electrolyte_basis
from lidepth.analysis.parameters import ParameterSet
from lidepth.analysis.reduce import analysed_bins
from lidepth.errors import BadData
from lidepth.model.material import Material
from lidepth.model.result import Run
from lidepth.physics.reactions import Projectile, reactions_of

Floats = NDArray[np.float64]

_STEP_KEV = 1.0  # tables on a 1 keV grid: linear between points to 1e-6 of the stopping
_SILICON_LENGTH_NM = 150.0


class Source(Protocol):
    """What the model asks of a stopping source."""

    name: str

    def electronic(
        self, projectile: Projectile, material: Material, energy_kev: Floats
    ) -> Floats: ...

    def nuclear(
        self, projectile: Projectile, material: Material, energy_kev: Floats
    ) -> Floats: ...


def build_model(run: Run, source: Source, *, cycles: int) -> ForwardModel:
    """Cut the stack, tabulate stopping and choose the bins.

    Raises BadData when the alphas of the electrolyte cannot leave the stack.
    """
    from lidepth.analysis.parameters import cycle_knots

    grid = depth_grid(run.stack)
    _, channel_edges = analysed_bins(
        run.series.channels,
        gain_kev=run.instrument.calibration.gain_kev,
        fwhm_kev=run.instrument.detector.fwhm_kev,
    )
    reaction = reactions_of(run.instrument.isotope)[0]
    particles = tuple(
        _particle(run, grid, source, product.projectile, product.energy_kev)
        for product in (reaction.light, reaction.heavy)
    )
    fractions = np.array([layer.material.li6_fraction for layer in run.stack])
    return ForwardModel(
        grid=grid,
        basis=electrolyte_basis(grid),
        particles=particles,
        parameters=ParameterSet(items=()),
        channel_edges=channel_edges,
        path_factor=run.instrument.path_factor,
        li6_fraction=fractions[grid.layer],
        knots=cycle_knots(cycles),
        silicon_profile=silicon_profile(grid),
    )


def silicon_profile(grid: DepthGrid, length_nm: float = _SILICON_LENGTH_NM) -> Floats:
    """Where one unit of moved silicon goes: out of the anode evenly, into the electrolyte.

    It falls off over ``length_nm`` below the interface; sums to zero; shape (cells,).
    """
    profile = np.zeros(grid.cells)
    anode, cells = grid.of("anode"), grid.of("electrolyte")
    profile[anode] = -grid.share[anode]
    edges = grid.depth_nm[cells[0] : cells[-1] + 2] - grid.depth_nm[cells[0]]
    held = -np.diff(np.exp(-edges / length_nm))
    profile[cells] = held / held.sum()
    return profile


def _particle(
    run: Run, grid: DepthGrid, source: Source, projectile: Projectile, birth_kev: float
) -> ParticleTables:
    energy = np.arange(int(birth_kev) + 60) * _STEP_KEV
    hosts = [layer.material for layer in run.stack]
    moving = [Material.named("Li"), Material.named("Si")]
    rows = np.stack([_total(source, projectile, material, energy) for material in hosts + moving])
    return ParticleTables(
        name=projectile.name, atomic_number=projectile.atomic_number, birth_kev=birth_kev,
        rows=rows, step_kev=_STEP_KEV, extra_variance_kev2=np.zeros((2, grid.cells + 1)),
    )  # fmt: skip


def _total(source: Source, projectile: Projectile, material: Material, energy: Floats) -> Floats:
    """Total stopping on the grid; below 5 keV in proportion to velocity."""
    floor = 5.0
    at = np.maximum(energy, floor)
    total = source.electronic(projectile, material, at) + source.nuclear(projectile, material, at)
    return total * np.sqrt(np.minimum(energy, floor) / floor)


def alphas_leave(model: ForwardModel, shared: Floats) -> None:
    """Raise BadData unless particles from the electrolyte's top reach the detector."""
    from lidepth.analysis.forward import Setting
    from lidepth.physics.response import propagate

    alpha = model.particles[0]
    gained = np.zeros(model.grid.cells)
    edges = propagate(model.column(alpha, shared, Setting(exposure=1.0, live_s=1.0), gained))
    top = model.grid.of("electrolyte")[0]
    if edges.exit_kev[top] <= 0.0:
        raise BadData(
            f"no {alpha.name} from the electrolyte can leave this stack",
            where="cell.stack",
            expected="less material, or a smaller exit angle, between electrolyte and detector",
            remedy="check the thickness of the layers above the electrolyte and instrument.exit_angle",
        )
