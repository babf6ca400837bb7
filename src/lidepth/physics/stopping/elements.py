"""Electronic stopping of 1H and 4He in every element, hydrogen to uranium.

Where NIST has the element, its table.  Elsewhere ICRU Report 49's Varelas-Biersack fit, joined at
0.5 (hydrogen) and 0.4 (helium) MeV per mass unit to the Bethe form

    S = 4 pi e^4 z^2 Z / (m c^2 beta^2) (ln(2 m c^2 beta^2 gamma^2 / I) - beta^2 - D)

D holds the shell, Barkas and Bloch terms: taken from NIST's elements, between them linear in
ln Z, and shifted so that both forms agree at the joint, the shift fading as 1/E.  Leaving each
NIST element out in turn, this gives it back to 1.5 % rms (worst 5 %) for hydrogen and 2 % (worst
5 %) for helium.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import numpy as np

from lidepth.constants import AMU_KEV, AVOGADRO, COULOMB_KEV_CM, ELECTRON_MASS_KEV
from lidepth.errors import BadInput
from lidepth.model.material import atomic_mass_u, atomic_number
from lidepth.physics.reactions import nuclear_mass_u
from lidepth.physics.stopping import nist
from lidepth.physics.stopping.source import Array

REFERENCE_MASS_U = {1: nuclear_mass_u("1H"), 2: nuclear_mass_u("4He")}
_JOINT_KEV_U = {1: 500.0, 2: 400.0}
_JOINT_WIDTH = 1.6  # both forms are mixed from the joint to this many times its energy
_BETHE_KEV_1E15 = 4.0 * np.pi * COULOMB_KEV_CM**2 / ELECTRON_MASS_KEV * 1e15


@dataclass(frozen=True)
class _Coefficients:
    excitation_ev: float
    fit: dict[int, tuple[float, float, float, float, float]]


@lru_cache(maxsize=1)
def _coefficients() -> dict[int, _Coefficients]:
    text = (files("lidepth.physics") / "data" / "icru49_elements.csv").read_text(encoding="ascii")
    found = {}
    for row in csv.reader(text.splitlines()[1:]):
        h1, h2, h3, h4, h5, a1, a2, a3, a4, a5 = (float(cell) for cell in row[2:])
        fit = {1: (h1, h2, h3, h4, h5), 2: (a1, a2, a3, a4, a5)}
        found[int(row[0])] = _Coefficients(float(row[1]), fit)
    return found


def element_electronic(charge: int, symbol: str, energy_kev: Array) -> Array:
    """Electronic stopping of protons (charge 1) or alphas (2), keV per 1e15 atoms/cm2."""
    key = nist.element_key(symbol)
    if key is None:
        return fitted_electronic(charge, symbol, energy_kev)
    mass_mg = atomic_mass_u(symbol) / AVOGADRO * 1e18
    return nist.electronic_mass_stopping(charge, key, energy_kev) * mass_mg


def fitted_electronic(charge: int, symbol: str, energy_kev: Array) -> Array:
    """The same from ICRU49's coefficients and the Bethe form only; sqrt(E) below 1 keV."""
    z = atomic_number(symbol)
    if z not in _coefficients():
        raise BadInput(f"no stopping power for {symbol}", expected="an element from H to U")
    energies = np.maximum(energy_kev, 1.0)
    velocity = energies / REFERENCE_MASS_U[charge]
    low = varelas_biersack(charge, z, energies)
    joint = _JOINT_KEV_U[charge]
    step = np.clip(np.log(velocity / joint) / np.log(_JOINT_WIDTH), 0.0, 1.0)
    share = step * step * (3.0 - 2.0 * step)
    high = _bethe(charge, z, np.maximum(velocity, joint))
    stopping = (1.0 - share) * low + share * high
    return np.asarray(stopping * np.sqrt(np.minimum(energy_kev, 1.0)), dtype=np.float64)


def varelas_biersack(charge: int, z: int, energy_kev: Array) -> Array:
    """ICRU49's fit, 1/S = 1/S_low + 1/S_high, keV per 1e15 atoms/cm2, at 1 keV or more.

    Protons, T in keV per u: S_low = A2 T^0.45 and, below 10 keV per u, S = A1 T^0.5 scaled to
    join; alphas, T in MeV: S_low = A1 (1000 T)^A2; both: S_high = A3/T ln(1 + A4/T + A5 T).
    """
    a1, a2, a3, a4, a5 = _coefficients()[z].fit[charge]
    if charge == 2:
        t = energy_kev * 1e-3
        low = a1 * energy_kev**a2
        return 1e-3 / (1.0 / low + t / (a3 * np.log(1.0 + a4 / t + a5 * t)))
    velocity = energy_kev / REFERENCE_MASS_U[1]
    t = np.maximum(velocity, 10.0)
    fit = 1e-3 / (1.0 / (a2 * t**0.45) + t / (a3 * np.log(1.0 + a4 / t + a5 * t)))
    return fit * np.sqrt(np.minimum(velocity / 10.0, 1.0))


def _bethe(charge: int, z: int, velocity_kev_u: Array) -> Array:
    joint = np.array([_JOINT_KEV_U[charge]])
    at_joint = varelas_biersack(charge, z, joint * REFERENCE_MASS_U[charge])
    shift = _correction(charge, z, joint, at_joint) - _neighbours(charge, z, joint)
    correction = _neighbours(charge, z, velocity_kev_u) + shift * joint / velocity_kev_u
    number = _logarithm(z, velocity_kev_u) - correction
    return np.asarray(_prefactor(charge, z, velocity_kev_u) * number, dtype=np.float64)


def _beta_squared(velocity_kev_u: Array) -> Array:
    return 1.0 - 1.0 / (1.0 + velocity_kev_u / AMU_KEV) ** 2


def _prefactor(charge: int, z: int, velocity_kev_u: Array) -> Array:
    return _BETHE_KEV_1E15 * charge**2 * z / _beta_squared(velocity_kev_u)


def _logarithm(z: int, velocity_kev_u: Array) -> Array:
    beta2 = _beta_squared(velocity_kev_u)
    excitation_kev = _coefficients()[z].excitation_ev * 1e-3
    return np.log(2.0 * ELECTRON_MASS_KEV * beta2 / (1.0 - beta2) / excitation_kev) - beta2


def _correction(charge: int, z: int, velocity_kev_u: Array, stopping: Array) -> Array:
    """D, what a known stopping power lacks from the bare Bethe logarithm."""
    return _logarithm(z, velocity_kev_u) - stopping / _prefactor(charge, z, velocity_kev_u)


def _neighbours(charge: int, z: int, velocity_kev_u: Array) -> Array:
    """D of NIST's elements on both sides of Z, linear in ln Z."""
    numbers = {symbol: atomic_number(symbol) for symbol in nist.ELEMENTS.values()}
    known = sorted((number, symbol) for symbol, number in numbers.items() if number != z)
    upper = min(max(sum(number < z for number, _ in known), 1), len(known) - 1)
    (z1, symbol1), (z2, symbol2) = known[upper - 1], known[upper]
    share = np.log(z / z1) / np.log(z2 / z1)
    energies = velocity_kev_u * REFERENCE_MASS_U[charge]
    d1 = _correction(charge, z1, velocity_kev_u, element_electronic(charge, symbol1, energies))
    d2 = _correction(charge, z2, velocity_kev_u, element_electronic(charge, symbol2, energies))
    return np.asarray((1.0 - share) * d1 + share * d2, dtype=np.float64)
