"""The response of a stack of cells against slower, independent mathematics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from scipy.integrate import quad, solve_ivp

from lidepth.analysis.grid import DepthGrid, depth_grid
from lidepth.constants import BOHR_KEV2_PER_1E15
from lidepth.model.material import Material
from lidepth.model.stack import Stack
from lidepth.physics import _kernels
from lidepth.physics.reactions import projectile
from lidepth.physics.response import CellColumn, fold, fold_slopes, propagate, transport_slopes
from lidepth.physics.stopping import stopping_source, total

Floats = NDArray[np.float64]

CELL = Stack.parse(
    "Kapton 2000 nm | Cu 150 nm | Si 50 nm [anode] | Li3PO4 2000 nm @ 2.32 g/cm^3 [electrolyte] "
    "| LiCoO2 550 nm @ 4.45 g/cm^3 [cathode]"
)
BIRTHS_KEV = {"alpha": 2055.5, "triton": 2727.9}


@lru_cache
def grid() -> DepthGrid:
    return depth_grid(CELL)


@lru_cache
def column(particle: str = "alpha", lithium: float = 0.0, silicon: float = 0.0) -> CellColumn:
    """The published cell, with lithium added to and silicon taken from the anode, 1e15/cm2."""
    ion, cells = projectile(particle), grid()
    energy = np.arange(int(BIRTHS_KEV[particle]) + 60, dtype=np.float64)
    materials = [layer.material for layer in CELL] + [Material.named(e) for e in ("Li", "Si")]
    source = stopping_source("icru49")
    tables = np.stack([total(source, ion, m, np.maximum(energy, 5.0)) for m in materials])
    share = np.where(cells.layer == CELL.index("anode"), cells.share, 0.0)
    extra = np.stack([lithium * share, -silicon * share])
    return CellColumn(
        host=cells.layer, atoms_1e15=cells.atoms_1e15, extra_1e15=extra,
        electrons_1e15=cells.electrons_1e15 + 3.0 * extra[0] + 14.0 * extra[1],
        tables=tables * np.sqrt(np.minimum(energy, 5.0) / 5.0), step_kev=1.0,
        straggling_kev2=BOHR_KEV2_PER_1E15 * ion.atomic_number**2, birth_kev=BIRTHS_KEV[particle],
    )  # fmt: skip


def loss_table(c: CellColumn, cell: int) -> Floats:
    """Energy lost per unit of the cell's depth at every energy of the tables."""
    added = c.extra_1e15[0, cell] * c.tables[-2] + c.extra_1e15[1, cell] * c.tables[-1]
    return np.asarray(c.atoms_1e15[cell] * c.tables[c.host[cell]] + added)


def carried(c: CellColumn, edge: int) -> tuple[float, float]:
    """Energy and Bohr variance by an eighth-order solver, cell by cell, dV/dx = W - 2 S' V."""
    energies = np.arange(c.tables.shape[1]) * c.step_kev
    state = np.array([c.birth_kev, 0.0])
    for cell in range(edge - 1, -1, -1):
        table = loss_table(c, cell)
        slope = np.gradient(table, energies)
        born = c.straggling_kev2 * c.electrons_1e15[cell]

        def change(
            _: float, y: Floats, table: Floats = table, slope: Floats = slope, born: float = born
        ) -> list[float]:
            lost, steeper = (np.interp(y[0], energies, row) for row in (table, slope))
            return [-lost, born - 2.0 * steeper * y[1]]

        way = solve_ivp(change, (0.0, 1.0), state, method="DOP853", rtol=1e-9, atol=1e-7)
        state = way.y[:, -1]
    return float(state[0]), float(state[1])


LITHIATED = {"lithium": 700.0, "silicon": 50.0}


@pytest.mark.parametrize("particle", ["alpha", "triton"])
@pytest.mark.parametrize("added", [{}, LITHIATED], ids=["pristine", "charged"])
def test_energies_and_straggling_are_those_of_an_eighth_order_solver(
    particle: str, added: dict[str, float]
) -> None:
    """One Runge-Kutta step per cell loses nothing that a detector could see."""
    c = column(particle, **added)
    out = propagate(c)
    for edge in (*range(1, grid().cells, 6), grid().cells):
        energy, variance = carried(c, edge)
        # A hundredth of a keV is a thousandth of the resolution and a tenth of the error with
        # which a day of pristine counts places an edge.
        assert out.exit_kev[edge] == pytest.approx(energy, abs=1e-2)
        # One step per cell, and tables that are straight between points 1 keV apart: 2e-4 found,
        # 1e-3 is a two-thousandth of the width, against 5 % by which models of straggling differ.
        assert out.variance_kev2[edge] == pytest.approx(variance, rel=1e-3)


def test_entry_energies_lead_from_birth_to_the_detector() -> None:
    out = propagate(column(**LITHIATED))
    edges = np.arange(grid().cells + 1)
    np.testing.assert_array_equal(out.entry_kev[edges, edges], BIRTHS_KEV["alpha"])
    np.testing.assert_array_equal(out.entry_kev[:, 0], out.exit_kev)
    for edge in edges[1:]:
        assert np.all(np.diff(out.entry_kev[edge, : edge + 1]) > 0)


def test_an_alpha_that_stops_on_its_way_leaves_with_nothing() -> None:
    buried = replace(column(), atoms_1e15=10.0 * column().atoms_1e15)
    out = propagate(buried)
    np.testing.assert_array_equal(out.exit_kev[-5:], 0.0)
    assert out.exit_kev[0] == BIRTHS_KEV["alpha"]
    matrix = fold(np.linspace(0.0, 3000.0, 301), out.exit_kev, out.variance_kev2 + 60.0)
    np.testing.assert_array_equal(matrix[:, -5:], 0.0)


def bent(c: CellColumn) -> Floats:
    """Sources as for a stopping that is off in scale, and in shape over energy."""
    shape = np.linspace(-1.0, 1.0, c.tables.shape[1])
    return np.stack([c.tables[:-2], c.tables[:-2] * shape])


def changed(c: CellColumn, way: int, cell: int, by: float) -> CellColumn:
    """The column with one way of one cell changed: its own row in the tables, where need be."""
    if way >= 2:
        extra = c.extra_1e15.copy()
        extra[way - 2, cell] += by
        return replace(c, extra_1e15=extra)
    row = c.tables[c.host[cell]] + by * bent(c)[way, c.host[cell]]
    host = c.host.copy()
    host[cell] = len(c.tables) - 2
    return replace(c, tables=np.vstack([c.tables[:-2], row, c.tables[-2:]]), host=host)


@pytest.mark.parametrize("way", range(4), ids=["scale", "shape", "lithium", "silicon"])
def test_transport_slopes_are_finite_differences_of_energies_and_widths(way: int) -> None:
    c = column(**LITHIATED)
    slopes = transport_slopes(c, bent(c))
    step = (
        1e-6 if way < 2 else 1e-4
    )  # so small that few cross from one piece of a table to the next
    for cell in (2, grid().of("anode")[1], grid().of("electrolyte")[3], grid().of("cathode")[2]):
        ahead, back = (propagate(changed(c, way, cell, by)) for by in (step, -step))
        for found, ends in (
            (slopes.energy, ahead.exit_kev - back.exit_kev),
            (slopes.variance, ahead.variance_kev2 - back.variance_kev2),
        ):
            difference = ends / (2 * step)
            # Rounding: differences of 1e-4 of numbers that are good to 1e-12.
            allowed = 1e-6 * np.abs(difference).max()
            np.testing.assert_allclose(found[:, way, cell], difference, atol=allowed)
            np.testing.assert_array_equal(found[: cell + 1, way, cell], 0.0)


def test_slopes_by_electrons_add_up_to_the_whole_variance() -> None:
    c = column(**LITHIATED)
    by_electrons = transport_slopes(c, bent(c)).variance[:, -1]
    np.testing.assert_allclose(by_electrons @ c.electrons_1e15, propagate(c).variance_kev2)


def test_energy_at_an_edge_leads_on_to_the_exit() -> None:
    """Two particles that meet at an edge with energies a little apart leave as ``through`` says."""
    c = column(**LITHIATED)
    through, entry = transport_slopes(c, bent(c)).through, propagate(c).entry_kev
    exit_kev = propagate(c).exit_kev
    edge = int(grid().of("anode")[0])
    # One cell deeper: some keV less at the edge, over which the slope changes by half of 1 %.
    for j in range(edge + 1, grid().cells):
        met, left = entry[j, edge] - entry[j + 1, edge], exit_kev[j] - exit_kev[j + 1]
        assert left == pytest.approx(
            0.5 * (through[j, edge] + through[j + 1, edge]) * met, rel=5e-3
        )


def test_lithiated_silicon_lowers_every_deeper_alpha_and_no_other() -> None:
    """Li3Si on 50 nm of silicon: 12 to 17 keV, the published shift of the electrolyte's edge."""
    silicon = CELL.layer("anode").areal_density_1e15
    shift = propagate(column(lithium=3.0 * silicon)).exit_kev - propagate(column()).exit_kev
    anode = grid().of("anode")
    np.testing.assert_array_equal(shift[: anode[0] + 1], 0.0)
    below = shift[anode[-1] + 1 :]
    assert np.all((below > -17.0) & (below < -12.0))
    # A slower alpha loses more: the shift grows all the way down the electrolyte.
    assert np.all(np.diff(below[: grid().of("electrolyte").size]) < 0)


AXIS = np.linspace(-200.0, 3400.0, 721)


def response(particle: str = "alpha", **added: float) -> tuple[Floats, Floats]:
    """Exit energies and total variances with a detector of 18 keV."""
    out = propagate(column(particle, **added))
    return out.exit_kev, out.variance_kev2 + (18.0 / 2.3548) ** 2


@pytest.mark.parametrize("particle", ["alpha", "triton"])
def test_no_particle_is_lost_on_a_wide_axis(particle: str) -> None:
    matrix = fold(AXIS, *response(particle, **LITHIATED))
    # Eight sigma of a normal distribution leave 1e-15 outside: only rounding is left.
    np.testing.assert_allclose(matrix.sum(axis=0), 1.0, atol=1e-9)
    assert matrix.min() > -1e-12


def test_bins_hold_the_integral_of_a_box_folded_with_a_normal_distribution() -> None:
    exits, variance = response(**LITHIATED)
    matrix = fold(AXIS, exits, variance)
    for cell in (3, grid().of("electrolyte")[2], grid().cells - 1):
        high, low = exits[cell], exits[cell + 1]
        sigma = np.sqrt(0.5 * (variance[cell] + variance[cell + 1]))
        middle = int(np.searchsorted(AXIS, 0.5 * (high + low)))
        for b in range(middle - 6, middle + 6):

            def inside(mean: float, b: int = b, sigma: float = sigma) -> float:
                return float(np.diff(stats.norm.cdf(AXIS[b : b + 2], mean, sigma))[0])

            expected = quad(inside, low, high, epsabs=1e-12)[0] / (high - low)
            # Both are double precision; the box's two primitives differ by numbers of order 10.
            assert matrix[b, cell] == pytest.approx(expected, abs=1e-10)


def central(make: Callable[[float], Floats], step: float) -> Floats:
    return np.asarray((make(step) - make(-step)) / (2.0 * step))


def test_slopes_of_the_folded_spectrum_are_its_finite_differences() -> None:
    exits, variance = response(**LITHIATED)
    edges = np.linspace(300.0, 2100.0, 361)
    born = np.linspace(1.0, 3.0, exits.size - 1)
    slopes = fold_slopes(edges, exits, variance, born)

    def moved(place: int, step: float) -> Floats:
        other = exits.copy()
        other[place] += step
        return np.asarray(fold(edges, other, variance) @ born)

    pairs = [
        (slopes.by_edge[:, place], central(lambda s, p=place: moved(p, s), 1e-3))
        for place in (0, 9, 20, exits.size - 1)
    ]
    pairs += [
        (slopes.by_shift, central(lambda s: fold(edges + s, exits, variance) @ born, 1e-3)),
        (slopes.by_stretch, central(lambda s: fold(edges * (1 + s), exits, variance) @ born, 1e-6)),
        (
            slopes.by_width.sum(axis=1),
            central(lambda s: fold(edges, exits, variance + s) @ born, 1e-2),
        ),
    ]
    for closed, difference in pairs:
        # Central differences of a smooth function: curvature and rounding both below 1e-5.
        np.testing.assert_allclose(closed, difference, atol=1e-5 * np.abs(difference).max())


def small_column() -> CellColumn:
    """Anode and the top of the electrolyte only: plain Python is slow."""
    c = column(**LITHIATED)
    cells = slice(int(grid().of("anode")[0]), int(grid().of("electrolyte")[2]) + 1)
    return replace(
        c, host=c.host[cells], atoms_1e15=c.atoms_1e15[cells],
        extra_1e15=np.ascontiguousarray(c.extra_1e15[:, cells]),
        electrons_1e15=c.electrons_1e15[cells],
    )  # fmt: skip


def test_compiled_loops_are_the_plain_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each kernel and its plain-Python form give the same numbers to rounding."""
    c = small_column()
    edges = np.linspace(1800.0, 2100.0, 61)
    born = np.linspace(1.0, 2.0, c.atoms_1e15.size)

    def everything() -> list[Floats]:
        out = propagate(c)
        slopes = transport_slopes(c, bent(c))
        width = out.variance_kev2 + 60.0
        matrix = fold(edges, out.exit_kev, width)
        return [*out, *slopes, matrix, *fold_slopes(edges, out.exit_kev, width, born)]

    compiled = everything()
    for name in (
        "_loss", "_steepness", "_sources", "_box", "_normal", "propagate", "_cell_slopes",
        "transport_slopes",
        "fold", "fold_slopes",
    ):  # fmt: skip
        monkeypatch.setattr(_kernels, name, getattr(_kernels, name).py_func)
    for fast, plain in zip(compiled, everything(), strict=True):
        # The compiler may contract a multiply and an add: the last digits may differ.
        np.testing.assert_allclose(fast, plain, rtol=1e-9, atol=1e-12 * np.abs(plain).max())
