"""What must hold for stopping powers at any energy in any material."""

from __future__ import annotations

import numpy as np
import periodictable
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lidepth.errors import OutOfRange
from lidepth.model.material import Material
from lidepth.physics.reactions import projectile
from lidepth.physics.stopping import csda_range_1e15, stopping_source, tabulate, total

DEFAULT = stopping_source("icru49")
FORMULAS = ["Li3PO4", "LiCoO2", "Cu", "Si", "Pt", "Li", "C", "C2H4O", "SiO2", "Li6PS5Cl", "LiF"]
PARTICLES = ["alpha", "triton", "proton", "deuteron", "3He", "7Li", "14C", "30Si"]
ELEMENTS = [str(periodictable.elements[z].symbol) for z in range(1, 93)]
GRID_KEV = np.geomspace(1.0, 1e4, 2001)

formulas = st.sampled_from(FORMULAS)
particles = st.sampled_from(PARTICLES)
energies = st.floats(min_value=0.01, max_value=9.9e3)


def material(formula: str) -> Material:
    return Material(formula=formula, density_g_cm3=2.0)


@pytest.mark.parametrize("symbol", ELEMENTS)
@pytest.mark.parametrize("particle", ["alpha", "triton", "proton"])
def test_every_element_has_positive_continuous_stopping(symbol: str, particle: str) -> None:
    values = total(DEFAULT, projectile(particle), material(symbol), GRID_KEV)
    assert np.all(np.isfinite(values))
    assert np.all(values > 0)
    # 0.46 % steps of energy: a power law up to E^1 changes by 0.5 %.
    assert np.max(np.abs(np.diff(np.log(values)))) < 0.006


@pytest.mark.parametrize("symbol", ELEMENTS)
def test_fast_ions_stop_less_the_faster_they_are(symbol: str) -> None:
    alphas = total(DEFAULT, projectile("alpha"), material(symbol), np.geomspace(3000.0, 1e4, 400))
    tritons = total(DEFAULT, projectile("triton"), material(symbol), np.geomspace(1500.0, 1e4, 400))
    assert np.all(np.diff(alphas) < 0)
    assert np.all(np.diff(tritons) < 0)


@given(energies, formulas, particles)
@settings(max_examples=60, deadline=None)
def test_stopping_and_its_error_are_positive(energy: float, formula: str, particle: str) -> None:
    at = np.array([energy])
    ion, target = projectile(particle), material(formula)
    assert DEFAULT.electronic(ion, target, at) > 0
    assert DEFAULT.nuclear(ion, target, at) > 0
    assert 0.01 < DEFAULT.relative_std(ion, target, at)[0] < 0.5


@given(energies, formulas, particles)
@settings(max_examples=60, deadline=None)
def test_one_energy_gives_what_an_array_gives(energy: float, formula: str, particle: str) -> None:
    ion, target = projectile(particle), material(formula)
    many = total(DEFAULT, ion, target, np.array([[1.0, energy], [700.0, 20.0]]))
    assert many.shape == (2, 2)
    assert total(DEFAULT, ion, target, energy) == pytest.approx(many[0, 1], rel=1e-12)


@given(st.floats(min_value=1e-3, max_value=0.999), formulas, particles)
@settings(max_examples=40, deadline=None)
def test_slow_ions_stop_in_proportion_to_their_speed(
    energy: float, formula: str, particle: str
) -> None:
    ion, target = projectile(particle), material(formula)
    slow, edge = DEFAULT.electronic(ion, target, np.array([energy, 1.0]))
    assert slow == pytest.approx(edge * np.sqrt(energy), rel=1e-9)


@given(st.integers(1, 9), st.sampled_from(["Li", "Cu", "P"]), energies)
@settings(max_examples=40, deadline=None)
def test_a_formula_written_twice_as_large_is_the_same_material(
    count: int, symbol: str, energy: float
) -> None:
    at = np.array([energy])
    alpha = projectile("alpha")
    once = total(DEFAULT, alpha, material(f"{symbol}{count}Si"), at)
    twice = total(DEFAULT, alpha, material(f"{symbol}{2 * count}Si2"), at)
    assert twice == pytest.approx(once, rel=1e-12)


@given(energies, formulas)
@settings(max_examples=40, deadline=None)
def test_isotopes_of_equal_speed_lose_the_same_to_electrons(energy: float, formula: str) -> None:
    triton, proton = projectile("triton"), projectile("proton")
    target = material(formula)
    energy = max(energy, 3.0)
    slow = DEFAULT.electronic(proton, target, np.array([energy * proton.mass_u / triton.mass_u]))
    assert DEFAULT.electronic(triton, target, np.array([energy])) == pytest.approx(slow, rel=1e-9)


@given(st.lists(st.floats(min_value=0.0, max_value=1e4), min_size=2, max_size=6), formulas)
@settings(max_examples=15, deadline=None)
def test_ranges_grow_with_energy_from_zero(values: list[float], formula: str) -> None:
    ordered = np.array(sorted(values))
    ranges = csda_range_1e15(DEFAULT, projectile("alpha"), material(formula), ordered)
    assert np.all(ranges >= 0)
    assert np.all((np.diff(ranges) > 0) | (np.diff(ordered) < 1e-6))


@given(
    st.one_of(st.floats(max_value=-1e-9), st.floats(min_value=1.0001e4), st.just(float("nan"))),
    formulas,
)
@settings(max_examples=30, deadline=None)
def test_energies_outside_the_tables_are_refused(energy: float, formula: str) -> None:
    with pytest.raises(OutOfRange, match="0 to 10000 keV"):
        total(DEFAULT, projectile("alpha"), material(formula), energy)


@pytest.mark.parametrize(("maximum", "points"), [(0.5, 64), (2e4, 64), (2000.0, 3)])
def test_an_impossible_table_is_refused(maximum: float, points: int) -> None:
    with pytest.raises(OutOfRange, match="no stopping table"):
        tabulate(
            DEFAULT, projectile("alpha"), material("Cu"), energy_max_kev=maximum, points=points
        )


@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize("particle", ["alpha", "triton"])
def test_a_1024_point_table_interpolates_the_source_to_three_in_ten_thousand(
    formula: str, particle: str
) -> None:
    ion, target = projectile(particle), material(formula)
    table = tabulate(DEFAULT, ion, target, energy_max_kev=3000.0)
    between = np.linspace(2.0, 54.0, 4001)
    found = np.interp(between, table.sqrt_energy, table.total_kev_1e15)
    assert found == pytest.approx(total(DEFAULT, ion, target, between**2), rel=3e-4)
