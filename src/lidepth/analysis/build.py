"""Building the forward model of a run from its description."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis.forward import ForwardModel, ParticleTables, Setting
from lidepth.analysis.grid import DepthGrid, depth_grid, electrolyte_basis
from lidepth.analysis.parameters import ParameterSet, cycle_knots
from lidepth.analysis.reduce import analysed_bins
from lidepth.errors import BadData
from lidepth.model.instrument import Instrument
from lidepth.model.material import Material
from lidepth.model.result import Run
from lidepth.model.stack import Stack
from lidepth.physics.broadening import energy_widths
from lidepth.physics.reactions import Projectile, reactions_of
from lidepth.physics.response import propagate
from lidepth.physics.stopping import StoppingSource, total
from lidepth.physics.stopping.source import disputed
from lidepth.physics.transport import stack_transport

Floats = NDArray[np.float64]

_STEP_KEV = 1.0  # tables on a 1 keV grid: linear between points to 1e-6 of the stopping
_ESCAPE_KEV = 300.0  # below this an alpha is lost in the background of any real spectrum


def build_model(run: Run, source: StoppingSource, *, cycles: int) -> ForwardModel:
    """Cut the stack, tabulate stopping and choose the bins.

    The set of shared parameters is still empty (calibrate fills it).
    """
    grid = depth_grid(run.stack)
    _, channel_edges = analysed_bins(
        run.series.channels,
        gain_kev=run.instrument.calibration.gain_kev,
        fwhm_kev=run.instrument.detector.fwhm_kev,
    )
    fractions = np.array([layer.material.li6_fraction for layer in run.stack])
    return ForwardModel(
        grid=grid,
        basis=electrolyte_basis(grid),
        particles=build_particles(run.stack, run.instrument, grid, source),
        parameters=ParameterSet(items=()),
        channel_edges=channel_edges,
        path_factor=run.instrument.path_factor,
        li6_fraction=fractions[grid.layer],
        knots=cycle_knots(cycles),
        disputed=_disputed(run.stack, run.instrument, source),
    )


def _disputed(stack: Stack, instrument: Instrument, source: StoppingSource) -> tuple[float, ...]:
    heavy = reactions_of(instrument.isotope)[0].heavy.projectile
    return tuple(disputed(source, heavy, layer.material) for layer in stack)


def build_particles(
    stack: Stack, instrument: Instrument, grid: DepthGrid, source: StoppingSource
) -> tuple[ParticleTables, ...]:
    """Stopping tables of the reaction's two products, the alpha first."""
    reaction = reactions_of(instrument.isotope)[0]
    products = sorted(
        (reaction.light, reaction.heavy), key=lambda product: -product.projectile.atomic_number
    )
    return tuple(
        _particle(stack, instrument, grid, source, product.projectile, product.energy_kev)
        for product in products
    )


def _particle(
    stack: Stack, instrument: Instrument, grid: DepthGrid, source: StoppingSource,
    projectile: Projectile, birth_kev: float,
) -> ParticleTables:  # fmt: skip
    energy = np.arange(int(birth_kev) + 60, dtype=np.float64) * _STEP_KEV
    hosts = [layer.material for layer in stack]
    moving = [Material.named("Li"), Material.named("Si")]
    rows = [_total(source, projectile, material, energy) for material in hosts + moving]
    return ParticleTables(
        name=projectile.name, atomic_number=projectile.atomic_number, birth_kev=birth_kev,
        rows=np.stack(rows), step_kev=_STEP_KEV,
        extra_variance_kev2=_slant_variance(
            stack, instrument, grid, source, projectile, birth_kev
        ),
    )  # fmt: skip


def _total(
    source: StoppingSource, projectile: Projectile, material: Material, energy: Floats
) -> Floats:
    """Total stopping on the grid; below 5 keV in proportion to velocity."""
    floor = 5.0
    at = np.maximum(energy, floor)
    stopping = total(source, projectile, material, at)
    return np.asarray(stopping * np.sqrt(np.minimum(energy, floor) / floor))


def _slant_variance(
    stack: Stack, instrument: Instrument, grid: DepthGrid, source: StoppingSource,
    projectile: Projectile, birth_kev: float,
) -> Floats:  # fmt: skip
    """Multiple scattering and exit-angle spread per cell edge, keV^2; zero at normal exit."""
    variance = np.zeros((2, grid.cells + 1))
    if instrument.exit_angle_deg == 0 and instrument.exit_angle_spread_deg == 0:
        return variance
    deepest = Stack(layers=stack.layers[: int(grid.layer[-1]) + 1])
    transport = stack_transport(
        deepest, source, projectile, exit_angle_deg=instrument.exit_angle_deg
    )
    depth = np.concatenate([[0.0], np.cumsum(grid.atoms_1e15)])
    depth = np.minimum(depth, deepest.interfaces_1e15[-1])
    widths = energy_widths(
        transport, deepest, projectile, depth_1e15=depth, birth_energy_kev=birth_kev,
        angle_spread_deg=instrument.exit_angle_spread_deg,
    )  # fmt: skip
    variance[0] = np.nan_to_num(widths.scattering_kev) ** 2
    variance[1] = np.nan_to_num(widths.angle_kev) ** 2
    return variance


def require_escape(model: ForwardModel, shared: Floats) -> None:
    """Raise BadData unless alphas from the electrolyte's top reach the detector."""
    alpha = model.particles[0]
    setting = Setting(exposure=1.0, live_s=1.0)
    column = model.column(alpha, shared, setting, np.zeros(model.grid.cells))
    exit_kev = propagate(column).exit_kev
    if exit_kev[model.grid.of("electrolyte")[0]] < _ESCAPE_KEV:
        raise BadData(
            f"no {alpha.name} from the electrolyte can leave this stack",
            where="cell.stack",
            expected="less material, or a smaller exit angle, between electrolyte and detector",
            remedy="check the thickness of the layers above the electrolyte and "
            "instrument.exit_angle",
        )


def interface_energies_kev(model: ForwardModel, shared: Floats) -> dict[str, tuple[float, float]]:
    """Exit energies (low, high) of alphas from the back and front of each working layer."""
    alpha = model.particles[0]
    setting = Setting(exposure=1.0, live_s=1.0)
    column = model.column(alpha, shared, setting, np.zeros(model.grid.cells))
    exit_kev = propagate(column).exit_kev
    return {
        role: (float(exit_kev[cells[-1] + 1]), float(exit_kev[cells[0]]))
        for role, cells in (
            ("anode", model.grid.of("anode")),
            ("electrolyte", model.grid.of("electrolyte")),
            ("cathode", model.grid.of("cathode")),
        )
    }
