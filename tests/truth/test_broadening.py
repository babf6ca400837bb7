"""Widths against closed forms, numerical integration, sampling and the published table."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from lidepth.errors import BadData, OutOfRange, UsageError
from lidepth.model.stack import Stack
from lidepth.physics.broadening import (
    bohr_kev2_per_1e15,
    energy_widths,
    lynch_dahl_variance,
    scattering_power,
)
from lidepth.physics.reactions import projectile
from lidepth.physics.stopping import stopping_source
from lidepth.physics.transport import RangeTable, StackTransport, energy_through, stack_transport

ALPHA, TRITON = projectile("alpha"), projectile("triton")
ALPHA_KEV, TRITON_KEV = 2055.0, 2727.0
CELL = Stack.parse(
    "Cu 150 nm @ 8.96 g/cm^3 | Si 50 nm @ 2.33 g/cm^3 | Li3PO4 2 um @ 2.5 g/cm^3"
    " | LiCoO2 550 nm @ 5.05 g/cm^3 | Pt 200 nm @ 21.45 g/cm^3"
)
EDGES = CELL.interfaces_1e15

# (particle, exit angle, interface): Bohr, scattering and total sigma by formula, TRIM's sigma68;
# SRIM-2013 stopping.  None where the table has no number.
PUBLISHED = {
    ("alpha", 0, 1): (6.2, 0.0, 6.2, None),
    ("alpha", 0, 2): (6.5, 0.0, 6.5, 6.8),
    ("alpha", 0, 3): (15.2, 0.0, 15.2, 15.4),
    ("alpha", 0, 4): (19.0, 0.0, 19.0, 19.7),
    ("alpha", 0, 5): (23.2, 0.0, 23.2, None),
    ("alpha", 30, 2): (7.0, 0.5, 7.0, 7.2),
    ("alpha", 30, 3): (16.5, 7.1, 18.0, 18.4),
    ("alpha", 30, 4): (20.6, 17.7, 27.2, 25.3),
    ("alpha", 45, 2): (7.8, 1.2, 7.9, 8.1),
    ("alpha", 45, 3): (18.7, 18.1, 26.0, 23.9),
    ("alpha", 45, 4): (21.8, 41.6, 47.0, 42.0),
    ("alpha", 60, 2): (9.3, 3.6, 10.0, 10.1),
    ("alpha", 60, 3): (20.9, 56.6, 60.4, 56.1),
    ("triton", 0, 3): (7.0, 0.0, 7.0, 7.0),
    ("triton", 30, 3): (7.6, 0.4, 7.6, 7.5),
    ("triton", 45, 3): (8.4, 0.9, 8.5, 8.9),
    ("triton", 60, 3): (10.1, 2.8, 10.5, 10.5),
    ("triton", 0, 4): (8.5, 0.0, 8.5, 8.5),
    ("triton", 30, 4): (9.1, 0.9, 9.2, 9.2),
    ("triton", 45, 4): (10.1, 2.1, 10.4, 10.8),
    ("triton", 60, 4): (12.2, 6.4, 13.8, 13.5),
}


@lru_cache(maxsize=8)
def transport(source: str, name: str) -> StackTransport:
    return stack_transport(CELL, stopping_source(source), projectile(name))


def cell_widths(source: str, name: str, angle: float, **changes):
    settings = {
        "depth_1e15": EDGES,
        "birth_energy_kev": ALPHA_KEV if name == "alpha" else TRITON_KEV,
        "fixed_direction": "birth",
    }
    tilted = transport(source, name).at_angle(angle)
    return energy_widths(tilted, CELL, projectile(name), **{**settings, **changes})


def one_layer(stopping, text: str = "Si 1000 nm @ 2.33 g/cm^3", angle: float = 0.0):
    stack = Stack.parse(text)
    table = RangeTable(stopping=stopping)
    layers = tuple(layer.areal_density_1e15 for layer in stack)
    plain = StackTransport(tables=(table,) * len(stack), layers_1e15=layers)
    return stack, plain.at_angle(angle)


@pytest.mark.parametrize("key", list(PUBLISHED))
def test_srim_widths_are_those_of_the_published_table(key):
    pytest.importorskip("lunasrim")
    name, angle, edge = key
    bohr, scattering, total, trim = PUBLISHED[key]
    widths = cell_widths("srim", name, angle)
    # Same formula and stopping: printed to 0.1 keV, and rounding of the constants.
    assert widths.straggling_kev[edge] == pytest.approx(bohr, abs=0.12)
    # Lynch and Dahl's width may be taken per layer or, as here, over the whole path; the two
    # differ by up to 7 % because it holds a logarithm of the number of collisions.
    assert widths.scattering_kev[edge] == pytest.approx(scattering, rel=0.08, abs=0.1)
    assert widths.total_kev[edge] == pytest.approx(total, rel=0.06, abs=0.12)  # from the two above
    if trim is not None:
        # The table's own formula is up to 12 % above TRIM (LCO/Pt at 45 deg); 4 % more from above.
        assert widths.total_kev[edge] == pytest.approx(trim, rel=0.16)


@pytest.mark.parametrize("key", list(PUBLISHED))
def test_default_stopping_gives_the_same_widths_within_its_own_spread(key):
    name, angle, edge = key
    widths = cell_widths("icru49", name, angle)
    # Stopping differs by up to 5 % per layer and enters the width about linearly; 8 % from above.
    assert widths.total_kev[edge] == pytest.approx(PUBLISHED[key][2], rel=0.13, abs=0.2)


def test_a_thin_layer_has_bohrs_variance():
    stack, moving = one_layer(lambda e: 0.05 * np.sqrt(1000.0 / e), "Si 10 nm @ 2.33 g/cm^3")
    depth = float(stack.interfaces_1e15[-1])
    width = energy_widths(moving, stack, ALPHA, depth_1e15=depth, birth_energy_kev=ALPHA_KEV)
    expected = np.sqrt(bohr_kev2_per_1e15(stack.layers[0].material, ALPHA) * depth)
    # The slope of S adds dS/dE times the path, 0.1 % here.
    assert float(width.straggling_kev) == pytest.approx(expected, rel=2e-3)


def test_bohr_counts_every_electron_once():
    # z^2 Z 2.606e-4 keV^2 per 1e15: helium in silicon.
    silicon = Stack.parse("Si 1 nm @ 2.33 g/cm^3").layers[0].material
    assert bohr_kev2_per_1e15(silicon, ALPHA) == pytest.approx(
        4 * 14 * 2.6056e-4, rel=1e-3
    )  # digits
    lithium_phosphate = CELL.layers[2].material
    electrons = (3 * 3 + 15 + 4 * 8) / 8
    assert bohr_kev2_per_1e15(lithium_phosphate, TRITON) == pytest.approx(
        electrons * 2.6056e-4,
        rel=1e-3,  # digits of the constant
    )


def test_slope_propagation_has_its_closed_form_for_slow_ions():
    # S = c sqrt(E): V2 = S2^2 W int dE/S^3 = (2 W E2 / c) (1/sqrt(E2) - 1/sqrt(E1)).
    c = 0.004
    stack, moving = one_layer(lambda e: c * np.sqrt(e))
    depth = stack.interfaces_1e15[-1] * np.array([0.1, 0.5, 1.0])
    widths = energy_widths(moving, stack, ALPHA, depth_1e15=depth, birth_energy_kev=900.0)
    after = widths.exit_energy_kev
    bohr = bohr_kev2_per_1e15(stack.layers[0].material, ALPHA)
    expected = 2 * bohr * after / c * (after**-0.5 - 900.0**-0.5)
    # Sixteen Gauss points on a smooth power: rounding of the range tables is what is left.
    np.testing.assert_allclose(widths.straggling_kev**2, expected, rtol=1e-7)


def test_straggling_through_the_cell_solves_its_differential_equation():
    moving = transport("icru49", "alpha")
    energy, variance = ALPHA_KEV, 0.0
    for layer, table in list(zip(CELL, moving.tables, strict=True))[::-1]:
        bohr = bohr_kev2_per_1e15(layer.material, ALPHA)

        def slope(_, y, table=table, bohr=bohr):
            around = table.stopping(np.array([y[0] - 0.5, y[0], y[0] + 0.5]))
            return [-around[1], bohr - 2.0 * (around[2] - around[0]) * y[1]]

        run = solve_ivp(slope, (0, layer.areal_density_1e15), [energy, variance], rtol=1e-9)
        energy, variance = run.y[:, -1]
    widths = cell_widths("icru49", "alpha", 0.0, depth_1e15=EDGES[-1])
    # The slope of S by differences over 1 keV of a tabulated curve: some 1e-4.
    assert float(widths.straggling_kev) == pytest.approx(np.sqrt(variance), rel=1e-3)


def test_scattering_vanishes_at_normal_emission():
    for fixed in ("exit", "birth"):
        widths = cell_widths("icru49", "alpha", 0.0, fixed_direction=fixed)
        assert np.all(widths.scattering_kev == 0.0)
        assert np.all(widths.scattering_angle_rad[1:] > 0.0)


@pytest.mark.parametrize("fixed", ["exit", "birth"])
def test_scattering_in_a_thin_layer_is_a_random_walk_in_angle(fixed):
    # sigma_E = S tan(theta) sigma_phi x / sqrt(3): the rms of the mean of a random walk.
    stack, moving = one_layer(lambda e: np.full_like(e, 0.05), "Si 20 nm @ 2.33 g/cm^3", 45.0)
    depth = float(stack.interfaces_1e15[-1])
    width = energy_widths(
        moving, stack, ALPHA, depth_1e15=depth, birth_energy_kev=9000.0, fixed_direction=fixed
    )
    path = depth * np.sqrt(2.0)
    expected = 0.05 * path * float(width.scattering_angle_rad) / np.sqrt(3.0)
    # 7 keV lost of 9000 change the scattering power by 0.2 %.
    assert float(width.scattering_kev) == pytest.approx(expected, rel=2e-3)


def test_scattering_angles_are_those_of_highlands_formula():
    # 13.6 MeV / (p v) sqrt(x / X0) [1 + 0.038 ln(x / (X0 beta^2))], good to 11 % for
    # 1e-3 < x/X0 < 100 (PDG): 9 MeV protons through 0.1 mm of silicon, energy loss left out.
    proton = projectile("proton")
    silicon = Stack.parse("Si 100000 nm @ 2.33 g/cm^3").layers[0]
    energy = np.array([9000.0])
    power, log_screen = scattering_power(silicon.material, proton, energy)
    chi_c2 = power * silicon.areal_density_1e15
    sigma = np.sqrt(lynch_dahl_variance(chi_c2, np.exp(log_screen)))[0]
    x_over_x0 = 0.01 * 2.33 / 21.82  # cm, g/cm3, g/cm2
    momentum_speed = 2 * 9.0 * (1 - 0.5 * 9.0 / 938.3)  # MeV, first relativistic term
    beta2 = 2 * 9.0 / 938.3
    logarithm = 1 + 0.038 * np.log(x_over_x0 / beta2)
    highland = 13.6 / momentum_speed * np.sqrt(x_over_x0) * logarithm
    assert sigma == pytest.approx(highland, rel=0.11)


def test_a_fixed_exit_direction_feels_late_scattering_more():
    exit_, birth = (
        cell_widths("icru49", "alpha", 45.0, fixed_direction=f).scattering_kev[2:4]
        for f in ("exit", "birth")
    )
    assert np.all(exit_ > birth)


def test_a_spread_of_exit_angles_gives_the_width_of_sampled_angles():
    spread = 2.0
    nodes, weights = np.polynomial.hermite_e.hermegauss(9)
    weights = weights / weights.sum()
    moving = transport("icru49", "alpha")
    for angle, tolerance in ((0.0, 0.03), (30.0, 0.03), (45.0, 0.06)):
        # The curvature of E over path, left out by the formula, grows with the angle.
        tilt = np.radians(angle + spread * nodes)[:, None]
        across = np.radians(spread * nodes)[None, :]
        factors = (1.0 / (np.cos(tilt) * np.cos(across))).ravel()
        paths = [factors * layer for layer in moving.layers_1e15[2::-1]]
        energies = energy_through(moving.tables[2::-1], paths, ALPHA_KEV)
        weight = np.outer(weights, weights).ravel()
        mean = weight @ energies
        sampled = np.sqrt(weight @ (energies - mean) ** 2)
        widths = cell_widths("icru49", "alpha", angle, angle_spread_deg=spread)
        assert widths.angle_kev[3] == pytest.approx(sampled, rel=tolerance)


def test_an_uneven_overlayer_gives_the_width_of_its_sampled_thickness():
    moving = transport("icru49", "alpha").at_angle(30.0)
    change = 0.01
    spreads = (0.0, 0.0, change, 0.0, 0.0)
    widths = cell_widths("icru49", "alpha", 30.0, thickness_spread=spreads)
    thick = np.array(moving.layers_1e15)
    shifted = [
        float(moving.with_layers(thick * f).exit_energy((thick * f).sum(), ALPHA_KEV))
        for f in (1 - change * np.eye(5)[2], 1 + change * np.eye(5)[2])
    ]
    # A central difference over 1 %: its second-order error cancels.
    assert widths.thickness_kev[5] == pytest.approx((shifted[0] - shifted[1]) / 2, rel=1e-3)
    assert widths.thickness_kev[2] == 0.0  # born above the uneven layer


def test_total_is_the_quadrature_of_its_parts():
    widths = cell_widths(
        "icru49", "alpha", 30.0, angle_spread_deg=1.0, thickness_spread=(0.05,) * 5
    )
    parts = (
        widths.straggling_kev, widths.scattering_kev, widths.angle_kev, widths.thickness_kev
    )  # fmt: skip
    # Rounding.
    np.testing.assert_allclose(widths.total_kev, np.sqrt(sum(p**2 for p in parts)), rtol=1e-12)


def test_a_particle_born_at_the_surface_has_no_width():
    assert cell_widths("icru49", "alpha", 45.0, angle_spread_deg=1.0).total_kev[0] == 0.0


def test_a_particle_that_stops_has_no_width():
    widths = cell_widths("icru49", "alpha", 60.0)
    assert widths.exit_energy_kev[5] == 0.0
    assert widths.total_kev[5] == 0.0


def test_scattering_never_exceeds_the_energy_lost():
    depth = np.linspace(0.0, EDGES[-1], 400)
    widths = cell_widths("icru49", "alpha", 60.0, depth_1e15=depth, fixed_direction="exit")
    assert np.all(widths.scattering_kev <= ALPHA_KEV - widths.exit_energy_kev)


def test_splitting_a_layer_leaves_every_width_as_it_was():
    source = stopping_source("icru49")
    whole = Stack.parse("Cu 150 nm @ 8.96 g/cm^3 | Si 900 nm @ 2.33 g/cm^3")
    split = Stack.parse(
        "Cu 150 nm @ 8.96 g/cm^3 | Si 300 nm @ 2.33 g/cm^3 | Si 600 nm @ 2.33 g/cm^3"
    )
    for fixed in ("exit", "birth"):
        one, two = (
            energy_widths(
                stack_transport(stack, source, ALPHA, exit_angle_deg=40.0),
                stack,
                ALPHA,
                depth_1e15=whole.interfaces_1e15[-1] * (1 - 1e-12),
                birth_energy_kev=ALPHA_KEV,
                angle_spread_deg=1.0,
                fixed_direction=fixed,
            )
            for stack in (whole, split)
        )
        for part in ("straggling_kev", "scattering_kev", "angle_kev", "scattering_angle_rad"):
            # Gauss points fall elsewhere on a tabulated curve.
            assert float(getattr(one, part)) == pytest.approx(float(getattr(two, part)), rel=1e-4)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"fixed_direction": "sideways"}, UsageError),
        ({"angle_spread_deg": -1.0}, OutOfRange),
        ({"angle_spread_deg": float("nan")}, OutOfRange),
        ({"thickness_spread": (0.1,)}, OutOfRange),
        ({"thickness_spread": (0.1, 0.1, -0.1, 0.1, 0.1)}, OutOfRange),
        ({"depth_1e15": -1.0}, OutOfRange),
    ],
)
def test_what_cannot_be_is_refused(changes, error):
    with pytest.raises(error):
        cell_widths("icru49", "alpha", 0.0, **changes)


def test_a_stack_that_is_not_the_transports_is_refused():
    with pytest.raises(BadData):
        energy_widths(
            transport("icru49", "alpha"),
            Stack(layers=CELL.layers[:2]),
            ALPHA,
            depth_1e15=1.0,
            birth_energy_kev=ALPHA_KEV,
        )
