"""Stopping powers against NIST, SRIM-2013 and a published NIST depth profile."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lidepth.model.material import Material
from lidepth.physics.reactions import Projectile, projectile
from lidepth.physics.stopping import (
    Icru49Source,
    StoppingSource,
    csda_range_1e15,
    stopping_rows,
    stopping_source,
    tabulate,
    total,
)
from lidepth.physics.stopping.elements import element_electronic, fitted_electronic
from lidepth.physics.stopping.nist import COMPOUNDS, ELEMENTS

Array = NDArray[np.float64]
ALPHA, TRITON, PROTON = projectile("alpha"), projectile("triton"), projectile("proton")
DEFAULT = stopping_source("icru49")

# SRIM-2013 totals in eV per 1e15 atoms/cm2: alphas of 2055, 1500, 1000, 500, 200 keV; tritons
# of 2727, 2000, 1000, 500 keV.
SRIM_ALPHA_KEV = np.array([2055.0, 1500.0, 1000.0, 500.0, 200.0])
SRIM_TRITON_KEV = np.array([2727.0, 2000.0, 1000.0, 500.0])
SRIM = {
    "Li3PO4": ([28.9, 33.5, 38.3, 40.0, 31.3], [5.08, 6.11, 9.10, 12.72]),
    "LiCoO2": ([38.1, 43.3, 48.0, 47.2, 34.9], [6.77, 8.14, 11.89, 15.68]),
    "Li": ([16.0, 18.9, 22.4, 25.3, 20.2], [2.86, 3.46, 5.18, 7.42]),
}
# The same from NIST or Geant4's ICRU49 tables, where NIST's tables are ours.
NIST_ALPHA = {
    "Cu": [65.8, 71.1, 74.5, 68.7, 48.7],
    "Si": [47.2, 53.5, 60.5, 66.2, 57.4],
    "Pt": [108.4, 115.9, 119.9, 108.6, 74.6],
    "C": [27.0, 31.4, 35.8, 38.0, 32.0],
    "Au": [112.4, 123.1, 127.4, 116.3, 79.2],
    "Al": [43.7, 49.3, 55.0, 58.3, 51.2],
    "Kapton": [23.3, 27.5, 31.7, 33.3, 26.8],
}
NIST_TRITON = {
    "Cu": [13.14, 15.42, 19.83, 22.02],
    "Si": [8.66, 10.39, 14.50, 19.56],
    "Pt": [21.25, 24.23, 31.99, 37.22],
    "Al": [8.16, 9.78, 13.80, 17.60],
    "Kapton": [4.06, 4.99, 7.70, 11.13],
}
# CSDA ranges in g/cm2 at 1, 2 and 5 MeV, as NIST prints them.
NIST_RANGE = [
    (ALPHA, "Si", [0.000894361, 0.00176664, 0.00565146]),
    (ALPHA, "Cu", [0.00201888, 0.00350935, 0.00935174]),
    (ALPHA, "Kapton", [0.000595253, 0.00118997, 0.00412592]),
    (PROTON, "Cu", [0.00637304, 0.0169164, 0.0701513]),
    (PROTON, "Kapton", [0.00271167, 0.00835059, 0.0398086]),
]

# Alphas of 1472.35 keV through Cr2O3 of 5.21 g/cm3: depth in nm and median energy in keV, as the
# public NDPReduce notebook of NIST prints them from TRIM.
CR2O3_NM = [10.107, 25.106, 50.112, 100.115, 150.115, 200.115, 300.115, 400.116]
CR2O3_KEV = [1466.694, 1458.294, 1444.274, 1416.164, 1387.879, 1359.507, 1302.011, 1243.826]


def material(formula: str, density_g_cm3: float = 2.0, name: str = "") -> Material:
    return Material(formula=formula, density_g_cm3=density_g_cm3, name=name)


def ev(source: StoppingSource, particle: Projectile, formula: str, energies: Array) -> Array:
    return 1e3 * total(source, particle, material(formula), energies)


@pytest.mark.parametrize("formula", NIST_ALPHA)
def test_alphas_are_nists_where_nist_has_the_material(formula: str) -> None:
    found = ev(DEFAULT, ALPHA, formula, SRIM_ALPHA_KEV)
    assert found == pytest.approx(NIST_ALPHA[formula], rel=0.005)


@pytest.mark.parametrize("formula", NIST_TRITON)
def test_tritons_are_nists_protons_at_equal_velocity(formula: str) -> None:
    found = ev(DEFAULT, TRITON, formula, SRIM_TRITON_KEV)
    assert found == pytest.approx(NIST_TRITON[formula], rel=0.005)


@pytest.mark.parametrize("formula", ["Li3PO4", "LiCoO2", "Li"])
def test_the_default_is_within_6_percent_of_srim(formula: str) -> None:
    alphas = ev(DEFAULT, ALPHA, formula, SRIM_ALPHA_KEV) / SRIM[formula][0] - 1
    tritons = ev(DEFAULT, TRITON, formula, SRIM_TRITON_KEV) / SRIM[formula][1] - 1
    assert np.max(np.abs(tritons)) < 0.06
    # Lithium metal differs by 8 % at 500 keV and all by up to 11 % at 200 keV, where every code
    # differs from every other by 9 to 13 %: ICRU49's fit has the lower Bragg peak.
    good = alphas[:3] if formula == "Li" else alphas[:4]
    assert np.max(np.abs(good)) < 0.06
    assert np.max(np.abs(alphas)) < 0.12


def test_lunasrim_is_srim() -> None:
    pytest.importorskip("lunasrim")
    source = stopping_source("lunasrim")
    for formula, (alphas, tritons) in SRIM.items():
        assert ev(source, ALPHA, formula, SRIM_ALPHA_KEV) == pytest.approx(alphas, rel=0.004)
        assert ev(source, TRITON, formula, SRIM_TRITON_KEV) == pytest.approx(tritons, rel=0.004)


def energies_behind(source: StoppingSource, depths_nm: Array) -> Array:
    target = material("Cr2O3", 5.21)
    energies = np.linspace(1200.0, 1472.35, 2001)
    ranges = csda_range_1e15(source, ALPHA, target, energies)
    crossed_nm = (ranges[-1] - ranges) / target.atoms_1e15_per_nm
    return np.interp(depths_nm, crossed_nm[::-1], energies[::-1])


def test_the_eight_nist_points_in_chromium_oxide_come_out_with_lunasrim() -> None:
    pytest.importorskip("lunasrim")
    found = energies_behind(stopping_source("lunasrim"), np.array(CR2O3_NM))
    assert found == pytest.approx(CR2O3_KEV, abs=1.0)


def test_the_default_misses_the_chromium_oxide_points_by_its_stated_error_only() -> None:
    # NIST has no Cr2O3; the Bragg sum is 2 % above SRIM: 5.1 keV of 228.5 keV lost.
    misfit = energies_behind(DEFAULT, np.array(CR2O3_NM)) - CR2O3_KEV
    lost = 1472.35 - np.array(CR2O3_KEV)
    assert np.all(np.abs(misfit) < 0.03 * lost + 0.1)
    assert misfit[-1] == pytest.approx(-5.1, abs=0.5)
    assert np.max(np.abs(misfit)) < 0.06 * lost[-1]


# ASTAR and PSTAR as NIST prints them: keV, electronic and nuclear MeV cm2/g.
def printed(table: str, name: str) -> tuple[Array, Array, Array]:
    from lidepth.physics.stopping import nist

    numbers = nist.table(1 if table == "PSTAR" else 2, name)
    return numbers.energy_kev, numbers.electronic, numbers.nuclear


@pytest.mark.parametrize("name", ELEMENTS | COMPOUNDS)
@pytest.mark.parametrize("table", ["ASTAR", "PSTAR"])
def test_the_shipped_nist_numbers_come_back_in_nists_units(table: str, name: str) -> None:
    energies, electronic, nuclear = printed(table, name)
    particle = PROTON if table == "PSTAR" else ALPHA
    target = material((ELEMENTS | COMPOUNDS)[name])
    per_mass = target.mass_mg_cm2_per_1e15
    assert DEFAULT.electronic(particle, target, energies) / per_mass == pytest.approx(electronic)
    assert DEFAULT.nuclear(particle, target, energies) / per_mass == pytest.approx(nuclear)


def reference_numbers() -> Path:
    root = os.environ.get("LIDEPTH_SHARED", str(Path(__file__).parents[2] / ".." / "shared"))
    path = Path(root) / "reference" / "stopping-numbers" / "nist_star.csv"
    if not path.is_file():
        pytest.skip("the full NIST download is not here")
    return path


def test_every_nist_stopping_power_and_range_is_met() -> None:
    """Stopping to 0.5 % everywhere; ranges to 0.5 % from 500 keV and 1.1 % from 100 keV.

    The range's rest comes from below 1 keV, where NIST does not tabulate stopping.  Differences
    of ranges above 1 keV, which are what a film shows, agree to 0.1 %.
    """
    names = ELEMENTS | COMPOUNDS | {"GRAPHITE": "C"}
    rows: dict[tuple[str, str], list[list[float]]] = {}
    with reference_numbers().open(encoding="ascii") as stream:
        for row in csv.reader(list(stream)[1:]):
            rows.setdefault((row[0], row[1]), []).append([float(cell) for cell in row[2:]])
    assert len(rows) == 76
    for (table, name), values in rows.items():
        energy, electronic, nuclear, range_g = np.array(values).T
        energies = np.minimum(energy * 1e3, 1e4)
        particle = PROTON if table == "PSTAR" else ALPHA
        target = material(names[name], name="graphite" if name == "GRAPHITE" else "")
        per_mass = target.mass_mg_cm2_per_1e15
        found = total(DEFAULT, particle, target, energies) / per_mass
        assert found == pytest.approx(electronic + nuclear, rel=0.005)
        ranges = csda_range_1e15(DEFAULT, particle, target, energies) * per_mass * 1e-3
        error = np.abs(ranges / range_g - 1)
        assert np.max(error[energies >= 500]) < 0.005
        assert np.max(error[energies >= 100]) < 0.011
        path = (ranges - ranges[0]) / (range_g - range_g[0] + 1e-300)
        assert path[energies >= 10] == pytest.approx(1.0, abs=0.001)


@pytest.mark.parametrize(("particle", "formula", "expected"), NIST_RANGE)
def test_ranges_are_those_nist_prints(
    particle: Projectile, formula: str, expected: list[float]
) -> None:
    rows = stopping_rows(DEFAULT, particle, material(formula), [1000.0, 2000.0, 5000.0])
    found = [float(row["csda_range_g_per_cm2"]) for row in rows]
    assert found == pytest.approx(expected, rel=0.005)


def test_rows_carry_exactly_the_agreed_columns() -> None:
    (row,) = stopping_rows(DEFAULT, ALPHA, material("Li3PO4", 2.5), [2055.0])
    assert list(row) == [
        "projectile", "material", "energy_keV", "electronic_MeV_cm2_per_g",
        "nuclear_MeV_cm2_per_g", "total_keV_per_um", "csda_range_g_per_cm2", "source",
    ]  # fmt: skip
    assert row["projectile"] == "alpha"
    assert row["source"] == "icru49"
    assert row["total_keV_per_um"] == pytest.approx(301, rel=0.02)  # SRIM-2013


@pytest.mark.parametrize("charge", [1, 2])
def test_the_fit_used_where_nist_is_silent_gives_nists_elements_back(charge: int) -> None:
    mass = {1: 1.00728, 2: 4.00151}[charge]
    velocity = np.array([75.0, 125.0, 250.0, 500.0, 700.0, 900.0, 1500.0, 2400.0])
    misfits = []
    # Each element's own NIST table is left out.  NIST fitted C, Si and Au anew; H and U have
    # neighbours on one side only.
    for symbol in set(ELEMENTS.values()) - {"C", "Si", "Au", "H", "U"}:
        energies = velocity * mass
        nist = element_electronic(charge, symbol, energies)
        misfits.append(fitted_electronic(charge, symbol, energies) / nist - 1)
    spread = np.sqrt(np.mean(np.square(misfits), axis=0))
    assert np.max(spread) < 0.025
    assert np.max(np.abs(misfits)) < 0.08


def test_oxygen_in_a_solid_stops_less_than_oxygen_gas() -> None:
    energies = np.array([1000.0, 2055.0])
    solid = DEFAULT.electronic(ALPHA, material("Li2O", 2.0), energies)
    gas = DEFAULT.electronic(ALPHA, material("Li2O", 0.001), energies)
    assert np.all((solid / gas < 0.99) & (solid / gas > 0.95))
    alone = DEFAULT.electronic(ALPHA, material("O", 1.14), energies)
    assert alone == pytest.approx(DEFAULT.electronic(ALPHA, material("O", 0.001), energies))


def test_a_triton_scaled_by_mass_number_would_be_wrong_by_a_quarter_percent() -> None:
    energies = np.array([2727.0])
    found = DEFAULT.electronic(TRITON, material("Cu"), energies)
    at_equal_velocity = DEFAULT.electronic(PROTON, material("Cu"), energies / 2.993717)
    assert found == pytest.approx(at_equal_velocity, rel=1e-6)
    by_number = DEFAULT.electronic(PROTON, material("Cu"), energies / 3.0)
    assert abs(by_number / found - 1)[0] == pytest.approx(0.0014, abs=0.0006)


def test_a_bragg_factor_scales_electronic_stopping_only() -> None:
    corrected = Icru49Source(bragg_factors={"Li3PO4": 1.05})
    target = material("Li3PO4")
    energies = np.array([500.0, 2055.0])
    raised = corrected.electronic(ALPHA, target, energies)
    assert raised == pytest.approx(1.05 * DEFAULT.electronic(ALPHA, target, energies))
    assert corrected.nuclear(ALPHA, target, energies) == pytest.approx(
        DEFAULT.nuclear(ALPHA, target, energies)
    )


def test_a_lithium_recoil_stops_as_srim_says_within_a_quarter() -> None:
    pytest.importorskip("lunasrim")
    recoil, srim = projectile("7Li"), stopping_source("lunasrim")
    energies = np.array([840.0, 500.0, 200.0])
    for formula in ("Si", "C", "Li3PO4", "Au"):
        found = ev(DEFAULT, recoil, formula, energies) / ev(srim, recoil, formula, energies)
        assert np.all(np.abs(found - 1) < 0.27)


@pytest.mark.parametrize(
    ("particle", "formula", "energy_kev", "expected"),
    [(ALPHA, "Cu", 2055.0, 0.02), (ALPHA, "Li3PO4", 1500.0, 0.04), (ALPHA, "Li3PO4", 1499.0, 0.04),
     (ALPHA, "Li3PO4", 1000.0, 0.06), (ALPHA, "Li3PO4", 300.0, 0.10),
     (TRITON, "LiCoO2", 2727.0, 0.04), (TRITON, "LiCoO2", 700.0, 0.06),
     (ALPHA, "Al2O3", 2000.0, 0.03)],
)  # fmt: skip
def test_uncertainties_are_those_the_code_spread_shows(
    particle: Projectile, formula: str, energy_kev: float, expected: float
) -> None:
    found = DEFAULT.relative_std(particle, material(formula), np.array([energy_kev]))
    assert found == pytest.approx([expected])


def test_disputed_elements_widen_the_uncertainty() -> None:
    energies = np.array([500.0])
    sulphide = DEFAULT.relative_std(ALPHA, material("Li6PS5Cl"), energies)
    assert sulphide > 1.3 * DEFAULT.relative_std(ALPHA, material("Li3PO4"), energies)


def test_a_table_starts_at_rest_and_cannot_be_written() -> None:
    table = tabulate(DEFAULT, ALPHA, material("LiCoO2", 5.05), energy_max_kev=2100.0, points=512)
    assert table.energy_kev[0] == 0.0
    assert table.energy_kev[-1] == pytest.approx(2100.0)
    assert np.allclose(np.diff(table.sqrt_energy), table.sqrt_energy[1])
    assert np.all(table.range_slope > 0)
    assert table.total_kev_1e15[0] == pytest.approx(0.0, abs=1e-12)
    with pytest.raises(ValueError, match="read-only"):
        table.total_kev_1e15[0] = 1.0
