"""Numbers of nature, each with its source.

Atomic masses: AME2020 (Wang et al., Chinese Physics C 45 (2021) 030003).
Abundances: IUPAC 2013/2016 representative isotopic compositions.
Electronic constants: CODATA 2018.
"""

from __future__ import annotations

AVOGADRO = 6.02214076e23  # 1/mol, exact
AMU_KEV = 931494.10242  # keV per atomic mass unit, CODATA 2018
ELECTRON_MASS_KEV = 510.99895  # CODATA 2018
ELEMENTARY_CHARGE_C = 1.602176634e-19  # exact

LI_ATOMS_PER_UAH = 3.6e-3 / ELEMENTARY_CHARGE_C  # one electron per lithium
"""Lithium atoms that 1 uAh moves: 2.2469e16."""

NATURAL_LI6_FRACTION = 0.0759  # IUPAC 2013
NATURAL_B10_FRACTION = 0.199  # IUPAC 2013

COULOMB_KEV_CM = 1.43996448e-10  # e^2 / (4 pi epsilon_0), CODATA 2018
BOHR_KEV2_PER_1E15 = 4.0 * 3.141592653589793 * COULOMB_KEV_CM**2 * 1e15
"""Bohr's energy-loss variance per electron of the target, for a projectile of charge one.

d(variance)/d(areal density) = z^2 Z times this, in keV^2 per 1e15 atoms/cm2 (2.606e-4);
N. Bohr, Mat. Fys. Medd. Dan. Vid. Selsk. 18 (1948) no. 8.
"""
