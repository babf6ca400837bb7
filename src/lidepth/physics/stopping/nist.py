"""The NIST tables ASTAR and PSTAR, read from the numbers shipped with lidepth."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import numpy as np

from lidepth.model.material import Material, parse_formula
from lidepth.physics.stopping.source import Array

# What NIST calls a material, and what it is made of.  Where two names share a composition the
# exact formula decides, then the first name.  NIST's air also holds 0.015 % carbon.
ELEMENTS = {
    "HYDROGEN": "H", "HELIUM": "He", "BERYLLIUM": "Be", "AMORPHOUS_CARBON": "C",
    "NITROGEN": "N", "OXYGEN": "O", "NEON": "Ne", "ALUMINUM": "Al", "SILICON": "Si",
    "ARGON": "Ar", "TITANIUM": "Ti", "IRON": "Fe", "COPPER": "Cu", "GERMANIUM": "Ge",
    "MOLYBDENUM": "Mo", "SILVER": "Ag", "TIN": "Sn", "TUNGSTEN": "W", "PLATINUM": "Pt",
    "GOLD": "Au", "LEAD": "Pb", "URANIUM": "U",
}  # fmt: skip
COMPOUNDS = {
    "AIR_DRY_NEAR_SEA_LEVEL": "N156O42Ar",
    "ALUMINUM_OXIDE": "Al2O3",
    "CARBON_DIOXIDE": "CO2",
    "KAPTON_POLYIMIDE_FILM": "C22H10N2O5",
    "LITHIUM_FLUORIDE": "LiF",
    "LITHIUM_TETRABORATE": "Li2B4O7",
    "POLYCARBONATEMAKROLON_LEXAN": "C16H14O3",
    "POLYETHYLENE": "C2H4",
    "POLYETHYLENE_TEREPHTHALATE_MYLAR": "C10H8O4",
    "POLYMETHYL_METHACRALATE_LUCITE_PERSPEX": "C5H8O2",
    "POLYPROPYLENE": "C3H6",
    "POLYSTYRENE": "C8H8",
    "POLYTETRAFLUOROETHYLENE_TEFLON": "C2F4",
    "SILICON_DIOXIDE": "SiO2",
    "WATER_LIQUID": "H2O",
}
# Below about 1 MeV the other compounds are Bragg sums in NIST's own table, found by comparing.
MEASURED = frozenset(
    {"ALUMINUM_OXIDE", "CARBON_DIOXIDE", "POLYETHYLENE", "POLYSTYRENE", "SILICON_DIOXIDE",
     "WATER_LIQUID", "POLYMETHYL_METHACRALATE_LUCITE_PERSPEX"}
)  # fmt: skip
_GRAPHITE = "GRAPHITE"
_FRACTION_TOLERANCE = 1e-3


@dataclass(frozen=True)
class NistTable:
    """Mass stopping power of one material for 1H or 4He, in MeV cm2/g."""

    energy_kev: Array
    electronic: Array
    nuclear: Array


def material_key(material: Material) -> str | None:
    """Return NIST's name for ``material``, found by its atom fractions, or None.

    Carbon is amorphous carbon, as sputtered films and binders' carbon black are, unless the
    material is named graphite.
    """
    if len(material.fractions) == 1:
        symbol = next(iter(material.fractions))
        if symbol == "C" and "graphite" in material.name.lower():
            return _GRAPHITE
        return element_key(symbol)
    return _compound_key(material.composition)


def element_key(symbol: str) -> str | None:
    """Return NIST's name for an element, or None."""
    return next((key for key, known in ELEMENTS.items() if known == symbol), None)


@lru_cache(maxsize=256)
def _compound_key(composition: tuple[tuple[str, float], ...]) -> str | None:
    wanted = _shares(composition)
    same = [
        key for key, formula in COMPOUNDS.items() if _alike(wanted, _shares(parse_formula(formula)))
    ]
    exact = [key for key in same if dict(parse_formula(COMPOUNDS[key])) == dict(composition)]
    return next(iter(exact or same), None)


def _shares(composition: tuple[tuple[str, float], ...]) -> dict[str, float]:
    whole = sum(count for _, count in composition)
    shares: dict[str, float] = {}
    for symbol, count in composition:
        shares[symbol] = shares.get(symbol, 0.0) + count / whole
    return shares


def _alike(one: dict[str, float], other: dict[str, float]) -> bool:
    return one.keys() == other.keys() and all(
        abs(one[symbol] - other[symbol]) < _FRACTION_TOLERANCE for symbol in one
    )


@lru_cache(maxsize=1)
def _tables() -> dict[tuple[str, str], NistTable]:
    text = (files("lidepth.physics") / "data" / "nist_star.csv").read_text(encoding="ascii")
    rows = list(csv.reader(text.splitlines()))
    energies = np.array(rows[0][3:], dtype=np.float64)
    values = {(row[0], row[1], row[2]): np.array(row[3:], dtype=np.float64) for row in rows[1:]}
    return {
        (table, material): NistTable(
            energies, values[table, material, "electronic"], values[table, material, "nuclear"]
        )
        for table, material, _ in values
    }


def table(charge: int, key: str) -> NistTable:
    """Return the table of protons (charge 1) or alphas (charge 2)."""
    return _tables()["PSTAR" if charge == 1 else "ASTAR", key]


@lru_cache(maxsize=256)
def _electronic_curve(charge: int, key: str) -> Callable[[Array], Array]:
    numbers = table(charge, key)
    return loglog_curve(numbers.energy_kev, numbers.electronic)


@lru_cache(maxsize=256)
def _nuclear_curve(charge: int, key: str) -> Callable[[Array], Array]:
    numbers = table(charge, key)
    return loglog_curve(numbers.energy_kev, numbers.nuclear)


def electronic_mass_stopping(charge: int, key: str, energy_kev: Array) -> Array:
    """Electronic mass stopping power in MeV cm2/g, as sqrt(E) below 1 keV."""
    return _electronic_curve(charge, key)(energy_kev) * _below_first(energy_kev)


def nuclear_mass_stopping(charge: int, key: str, energy_kev: Array) -> Array:
    """Nuclear mass stopping power in MeV cm2/g, constant below 1 keV."""
    return _nuclear_curve(charge, key)(energy_kev)


def _below_first(energy_kev: Array) -> Array:
    return np.sqrt(np.minimum(energy_kev, 1.0))


def loglog_curve(energy_kev: Array, values: Array) -> Callable[[Array], Array]:
    """Return a curve through the points: cubic spline of ln(value) over ln(E).

    Below the first energy it is constant; above the last it is a power law.
    """
    from scipy.interpolate import CubicSpline

    x, y = np.log(energy_kev), np.log(values)
    spline = CubicSpline(x, y, bc_type="natural")
    slope = float(spline(x[-1], 1))

    def curve(energies_kev: Array) -> Array:
        where = np.log(np.maximum(energies_kev, energy_kev[0]))
        inside = np.minimum(where, x[-1])
        return np.asarray(np.exp(spline(inside) + slope * (where - inside)), dtype=np.float64)

    return curve
