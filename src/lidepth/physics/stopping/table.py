"""Stopping powers on a grid, for the range tables and for people."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from lidepth.errors import OutOfRange
from lidepth.model.material import Material
from lidepth.physics.reactions import Projectile
from lidepth.physics.stopping.source import ENERGY_MAX_KEV, Array, StoppingSource, total

_RANGE_POINTS = 8001
_NEARLY_REST_KEV = 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class StoppingTable:
    """Total stopping power of one projectile in one material on a uniform grid of sqrt(E).

    ``energy_kev`` runs from 0; ``range_slope`` is dR/du = 2 u / S of the range R in 1e15
    atoms/cm2 over u = sqrt(E), which stays finite at rest.  All arrays are read-only.
    """

    projectile: Projectile
    material: Material
    source: str
    sqrt_energy: Array
    energy_kev: Array
    total_kev_1e15: Array
    range_slope: Array
    relative_std: Array


def tabulate(
    source: StoppingSource,
    projectile: Projectile,
    material: Material,
    *,
    energy_max_kev: float,
    points: int = 1024,
) -> StoppingTable:
    """Return ``source`` on ``points`` energies, uniform in sqrt(E), from 0 to the maximum.

    Raises OutOfRange for a maximum outside 1 keV to 10 MeV or fewer than 8 points.
    """
    if not 1.0 <= energy_max_kev <= ENERGY_MAX_KEV or points < 8:
        raise OutOfRange(
            f"no stopping table of {points} points up to {energy_max_kev:g} keV",
            expected=f"8 points or more, up to an energy between 1 and {ENERGY_MAX_KEV:g} keV",
        )
    roots = np.linspace(0.0, np.sqrt(energy_max_kev), points)
    energies = np.minimum(roots * roots, energy_max_kev)
    stopping = total(source, projectile, material, energies)
    slopes = _range_slope(source, projectile, material, roots)
    spread = source.relative_std(projectile, material, energies)
    for array in (roots, energies, stopping, slopes, spread):
        array.flags.writeable = False
    return StoppingTable(
        projectile=projectile,
        material=material,
        source=source.name,
        sqrt_energy=roots,
        energy_kev=energies,
        total_kev_1e15=stopping,
        range_slope=slopes,
        relative_std=spread,
    )


def _range_slope(
    source: StoppingSource, projectile: Projectile, material: Material, roots: Array
) -> Array:
    moving = np.clip(roots, np.sqrt(_NEARLY_REST_KEV), np.sqrt(ENERGY_MAX_KEV))
    energies = np.minimum(moving * moving, roots[-1] ** 2)
    return 2.0 * moving / total(source, projectile, material, energies)


def csda_range_1e15(
    source: StoppingSource, projectile: Projectile, material: Material, energies_kev: ArrayLike
) -> Array:
    """Path length until rest, R = int dE / S, in 1e15 atoms/cm2."""
    from scipy.interpolate import CubicSpline

    energies = np.asarray(energies_kev, dtype=np.float64)
    highest = max(float(np.max(energies, initial=0.0)), 1.0)
    if not highest <= ENERGY_MAX_KEV:
        raise OutOfRange(f"no range at {highest:g} keV", expected=f"up to {ENERGY_MAX_KEV:g} keV")
    roots = np.linspace(0.0, np.sqrt(highest), _RANGE_POINTS)
    slopes = _range_slope(source, projectile, material, roots)
    ranges = CubicSpline(roots, slopes).antiderivative()
    return np.asarray(ranges(np.sqrt(energies)), dtype=np.float64)


def stopping_rows(
    source: StoppingSource, projectile: Projectile, material: Material, energies_kev: ArrayLike
) -> list[dict[str, str | float]]:
    """Return one row per energy, in the units of NIST's tables and in keV/um.

    The range is the integral of this same stopping power from rest.
    """
    energies = np.atleast_1d(np.asarray(energies_kev, dtype=np.float64))
    electronic = source.electronic(projectile, material, energies)
    nuclear = source.nuclear(projectile, material, energies)
    ranges = csda_range_1e15(source, projectile, material, energies)
    mass_mg = material.mass_mg_cm2_per_1e15
    per_um = material.atoms_1e15_per_nm * 1e3
    return [
        {
            "projectile": projectile.name,
            "material": material.name,
            "energy_keV": float(energies[i]),
            "electronic_MeV_cm2_per_g": float(electronic[i] / mass_mg),
            "nuclear_MeV_cm2_per_g": float(nuclear[i] / mass_mg),
            "total_keV_per_um": float((electronic[i] + nuclear[i]) * per_um),
            "csda_range_g_per_cm2": float(ranges[i] * mass_mg * 1e-3),
            "source": source.name,
        }
        for i in range(energies.size)
    ]
