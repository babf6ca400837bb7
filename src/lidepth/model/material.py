"""A material: what a layer is made of."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import lru_cache

from lidepth.constants import AVOGADRO, NATURAL_B10_FRACTION, NATURAL_LI6_FRACTION
from lidepth.errors import BadInput, OutOfRange

# Names a battery or detector laboratory uses, with formula and density in g/cm3.
# Densities: NIST compound composition tables (SRD 126) for the plastics and oxides.
NAMED_MATERIALS: dict[str, tuple[str, float]] = {
    "Kapton": ("C22H10N2O5", 1.42),
    "Mylar": ("C10H8O4", 1.40),
    "parylene": ("C8H8", 1.11),
    "polyethylene": ("C2H4", 0.94),
    "polypropylene": ("C3H6", 0.90),
    "polystyrene": ("C8H8", 1.06),
    "PMMA": ("C5H8O2", 1.19),
    "Teflon": ("C2F4", 2.20),
    "air": ("N156O42Ar", 1.20479e-3),
}


@dataclass(frozen=True, kw_only=True)
class Material:
    """A chemical composition with a density.

    ``composition`` holds (element symbol, atoms per formula unit), in the order of the formula.
    ``li6_fraction`` and ``b10_fraction`` are atom fractions of the reacting isotope in its
    element; natural unless the material was enriched.

    Raises BadInput for a formula that cannot be read and OutOfRange for a density or a fraction
    that cannot be.
    """

    formula: str
    density_g_cm3: float
    li6_fraction: float = NATURAL_LI6_FRACTION
    b10_fraction: float = NATURAL_B10_FRACTION
    name: str = ""
    composition: tuple[tuple[str, float], ...] = field(init=False)

    def __post_init__(self) -> None:
        formula, _ = NAMED_MATERIALS.get(self.formula, (self.formula, 0.0))
        object.__setattr__(self, "composition", parse_formula(formula))
        object.__setattr__(self, "name", self.name or self.formula)
        if not (math.isfinite(self.density_g_cm3) and 0 < self.density_g_cm3 < 30):
            raise OutOfRange(
                f"density {self.density_g_cm3!r} g/cm^3 of {self.name} cannot be",
                expected="more than 0 and less than 30 g/cm^3",
            )
        for label, value in (("6Li", self.li6_fraction), ("10B", self.b10_fraction)):
            if not 0.0 <= value <= 1.0:
                raise OutOfRange(
                    f"{label} fraction {value!r} of {self.name} cannot be",
                    expected="a fraction between 0 and 1",
                )

    @classmethod
    def named(cls, name: str, **changes: float) -> Material:
        """Return a material by formula or common name, with its usual density if it has one."""
        if "density_g_cm3" not in changes:
            known = NAMED_MATERIALS.get(name)
            changes["density_g_cm3"] = known[1] if known else _element_density(name)
        return cls(formula=name, **changes)  # type: ignore[arg-type]  # only numbers change

    @property
    def molar_mass_g(self) -> float:
        """Mass of one mole of formula units, in g."""
        return sum(count * atomic_mass_u(symbol) for symbol, count in self.composition)

    @property
    def atoms_per_formula(self) -> float:
        """Atoms in one formula unit."""
        return sum(count for _, count in self.composition)

    @property
    def fractions(self) -> dict[str, float]:
        """Atom fraction of each element; they sum to one."""
        total = self.atoms_per_formula
        shares: dict[str, float] = {}
        for symbol, count in self.composition:
            shares[symbol] = shares.get(symbol, 0.0) + count / total
        return shares

    @property
    def atoms_1e15_per_nm(self) -> float:
        """Atoms of all kinds in one nanometre, in 1e15 atoms/cm2."""
        per_cm3 = self.density_g_cm3 * AVOGADRO / self.molar_mass_g * self.atoms_per_formula
        return per_cm3 * 1e-7 * 1e-15

    @property
    def mass_mg_cm2_per_1e15(self) -> float:
        """Mass of 1e15 atoms/cm2, in mg/cm2."""
        return self.molar_mass_g / self.atoms_per_formula / AVOGADRO * 1e18

    def with_density(self, density_g_cm3: float) -> Material:
        """Return the same composition at another density."""
        return replace(self, density_g_cm3=density_g_cm3)


@lru_cache(maxsize=512)
def parse_formula(formula: str) -> tuple[tuple[str, float], ...]:
    """Return the (symbol, atoms) pairs of ``formula``; isotope and charge marks are not read.

    >>> parse_formula("Li3PO4")
    (('Li', 3.0), ('P', 1.0), ('O', 4.0))
    """
    import periodictable  # formula grammar and masses; loaded when first needed

    text = formula.strip() if isinstance(formula, str) else ""
    if not text or not text.isascii() or len(text) > 200 or not text[0].isalpha():
        raise _unknown(formula)
    try:
        atoms = periodictable.formula(text).atoms
    except _grammar_errors() as error:
        raise _unknown(formula) from error
    pairs = tuple((str(atom.symbol), float(count)) for atom, count in atoms.items())
    if not pairs or any(count <= 0 for _, count in pairs) or "n" in dict(pairs):
        raise _unknown(formula)
    return pairs


def _grammar_errors() -> tuple[type[Exception], ...]:
    """What periodictable and its grammar raise for text that is no formula."""
    from pyparsing import ParseBaseException

    return (
        ValueError, KeyError, AttributeError, TypeError, ZeroDivisionError, ParseBaseException,
    )  # fmt: skip


def _unknown(formula: object) -> BadInput:
    return BadInput(
        f"{formula!r} is not a chemical formula or a known material name",
        expected="a formula such as Li3PO4, or one of " + ", ".join(NAMED_MATERIALS),
    )


@lru_cache(maxsize=128)
def atomic_mass_u(symbol: str) -> float:
    """Standard atomic weight of an element, in u (periodictable's IUPAC table)."""
    import periodictable

    return float(periodictable.elements.symbol(symbol).mass)


@lru_cache(maxsize=128)
def atomic_number(symbol: str) -> int:
    """Atomic number of an element."""
    import periodictable

    return int(periodictable.elements.symbol(symbol).number)


def _element_density(formula: str) -> float:
    import periodictable

    pairs = parse_formula(formula)
    density = periodictable.elements.symbol(pairs[0][0]).density if len(pairs) == 1 else None
    if density is None:
        raise BadInput(
            f"{formula} has no density of its own",
            expected="a density for every compound",
            remedy='give one, such as density: "2.33 g/cm^3" (on the command line: --density)',
        )
    return float(density)
