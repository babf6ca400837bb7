"""What every source of stopping powers can do, and the honest error of its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lidepth.errors import OutOfRange
from lidepth.model.material import Material
from lidepth.physics.reactions import Projectile

Array = NDArray[np.float64]

ENERGY_MIN_KEV = 1.0
"""Below this, electronic stopping is continued as sqrt(E), nuclear as the universal curve."""
ENERGY_MAX_KEV = 1.0e4

_GAS_G_CM3 = 0.02

# Steps of trust, in keV per mass unit: alphas at 1500 and 500 keV; protons and tritons alike.
_GOOD_KEV_U = {1: 333.0, 2: 375.0}
_FAIR_KEV_U = {1: 111.0, 2: 125.0}
_ELEMENT_STD = (0.02, 0.03, 0.05)
_MEASURED_STD = (0.03, 0.04, 0.07)
_COMPOUND_STD = (0.04, 0.06, 0.10)
_HEAVY_STD = (0.12, 0.15, 0.20)


class StoppingSource(Protocol):
    """Stopping powers in keV per 1e15 atoms/cm2, for the average atom of a material.

    Energies are kinetic energies of the projectile in keV, from 0 to 10 MeV; a single element is
    asked for with a Material of that element.  Any other energy raises OutOfRange.
    """

    @property
    def name(self) -> str:
        """Name that ends up in results."""
        ...

    def electronic(self, projectile: Projectile, material: Material, energy_kev: Array) -> Array:
        """Electronic stopping power."""
        ...

    def nuclear(self, projectile: Projectile, material: Material, energy_kev: Array) -> Array:
        """Nuclear stopping power."""
        ...

    def relative_std(self, projectile: Projectile, material: Material, energy_kev: Array) -> Array:
        """Relative standard uncertainty of the total, common to neighbouring energies."""
        ...


def total(
    source: StoppingSource, projectile: Projectile, material: Material, energy_kev: ArrayLike
) -> Array:
    """Electronic plus nuclear stopping power, keV per 1e15 atoms/cm2."""
    energies = checked_energies(energy_kev)
    return source.electronic(projectile, material, energies) + source.nuclear(
        projectile, material, energies
    )


def checked_energies(energy_kev: ArrayLike) -> Array:
    """Return the energies as floats; raises OutOfRange outside 0 to 10 MeV."""
    energies = np.asarray(energy_kev, dtype=np.float64)
    wrong = ~((energies >= 0.0) & (energies <= ENERGY_MAX_KEV))
    if np.any(wrong):
        worst = float(energies[wrong].flat[0]) if energies.ndim else float(energies)
        raise OutOfRange(
            f"no stopping power at {worst:g} keV",
            expected=f"energies from 0 to {ENERGY_MAX_KEV:g} keV",
        )
    return energies


def is_gas(material: Material) -> bool:
    """Tell a gas by its density, below 0.02 g/cm3."""
    return material.density_g_cm3 < _GAS_G_CM3


def bragg_factor(factors: Mapping[str, float], material: Material) -> float:
    """The user's correction of electronic stopping, by the material's name or formula; else 1."""
    return factors.get(material.name, factors.get(material.formula, 1.0))


def disputed(source: StoppingSource, projectile: Projectile, material: Material) -> float:
    """How many times less certain than usual a source calls its stopping of a material; 1 or more.

    Asked at the velocity of a 1 MeV alpha, the middle of what leaves a battery.
    """
    energy_kev = np.array([250.0 * projectile.mass_u])
    usual = prior_relative_std(projectile, material, energy_kev, measured=False)
    stated = source.relative_std(projectile, material, energy_kev)
    return max(1.0, float(stated[0] / usual[0]))


def prior_relative_std(
    projectile: Projectile, material: Material, energy_kev: ArrayLike, *, measured: bool
) -> Array:
    """Relative standard uncertainty of stopping powers from any published table.

    Elements 2 to 5 %; compounds 4 % for alphas from 1.5 MeV, 6 % from 0.5 MeV, 10 % below, and
    at the same velocity for hydrogen (a triton from 1 MeV: 4 %); ``measured`` compounds 3, 4, 7
    %; lithium and heavier ions 12 to 20 %.  The steps are the spread of SRIM-2013, ICRU49,
    ZBL-85 and CATIMA over battery materials.
    """
    energies = checked_energies(energy_kev)
    charge = projectile.atomic_number
    velocity = energies / projectile.mass_u
    if charge > 2:
        steps = _HEAVY_STD
    elif len(material.fractions) == 1:
        steps = _ELEMENT_STD
    else:
        steps = _MEASURED_STD if measured else _COMPOUND_STD
    # The mass of an alpha is 4.0015 u: the tiny margin keeps 1500 and 500 keV on the better side.
    good, fair = _GOOD_KEV_U.get(charge, 375.0), _FAIR_KEV_U.get(charge, 125.0)
    return np.where(
        velocity >= 0.995 * good, steps[0], np.where(velocity >= 0.995 * fair, steps[1], steps[2])
    )
