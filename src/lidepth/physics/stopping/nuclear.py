"""Nuclear stopping: the universal curve."""

from __future__ import annotations

import numpy as np

from lidepth.model.material import Material, atomic_mass_u, atomic_number
from lidepth.physics.reactions import Projectile
from lidepth.physics.stopping.source import Array


def universal_nuclear(projectile: Projectile, symbol: str, energy_kev: Array) -> Array:
    """Universal nuclear stopping in one element, keV per 1e15 atoms/cm2.

    With a = Z1^0.23 + Z2^0.23 and eps = 32.53 M2 E / (Z1 Z2 (M1 + M2) a):
    S = 8.462e-3 Z1 Z2 M1 / ((M1 + M2) a) s(eps), where
    s = ln(1 + 1.1383 eps) / (2 (eps + 0.01321 eps^0.21226 + 0.19593 eps^0.5)).
    J. F. Ziegler, J. P. Biersack, U. Littmark, The Stopping and Range of Ions in Solids (1985).
    The published switch to ln(eps)/(2 eps) above eps = 30 changes s by 1 % and is left out, so
    that the curve has no step.
    """
    z1, m1 = projectile.atomic_number, projectile.mass_u
    z2, m2 = atomic_number(symbol), atomic_mass_u(symbol)
    screening = z1**0.23 + z2**0.23
    eps = np.maximum(32.53 * m2 * energy_kev / (z1 * z2 * (m1 + m2) * screening), 1e-300)
    reduced = np.log1p(1.1383 * eps) / (
        2.0 * (eps + 0.01321 * eps**0.21226 + 0.19593 * np.sqrt(eps))
    )
    return np.asarray(8.462e-3 * z1 * z2 * m1 / ((m1 + m2) * screening) * reduced, dtype=np.float64)


def bragg_nuclear(projectile: Projectile, material: Material, energy_kev: Array) -> Array:
    """Universal nuclear stopping of the average atom: the sum over elements by atom fraction."""
    stopping = np.zeros_like(energy_kev)
    for symbol, fraction in material.fractions.items():
        stopping = stopping + fraction * universal_nuclear(projectile, symbol, energy_kev)
    return stopping
